# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Which codecs can be trusted with others' time, and which are stopped for a while.

A codec is trusted after its first answer. One that loops or eats memory has a strike; twenty
answers in a row forgive all. With three strikes it is stopped: its messages are refused at once,
for a pause that doubles each time that the codec fails again after it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from models.errors import CodecPausedError

if TYPE_CHECKING:
    from collections.abc import Callable

_STRIKES = 3
_FORGIVEN_AFTER = 20


@dataclass(kw_only=True, slots=True)
class _Record:
    answers: int = 0  # since the last strike
    strikes: int = 0
    pauses: int = 0
    since: datetime | None = None
    until: datetime | None = None
    until_tick: float = 0.0

    @property
    def trusted(self) -> bool:
        return self.answers > 0 and self.strikes == 0


class Breaker:
    """The record of every codec that was used.

    Attributes:
        first_pause: seconds for which a codec is stopped the first time.
        longest_pause: seconds at most.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        *,
        first_pause: float = 10.0,
        longest_pause: float = 900.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.first_pause = first_pause
        self.longest_pause = longest_pause
        self._clock = clock
        self._records: dict[str, _Record] = {}

    def trusts(self, codec: str) -> bool:
        """Say whether a codec may share its process' time with others."""
        record = self._records.get(codec)
        return record is not None and record.trusted

    def refusal(self, codec: str) -> CodecPausedError | None:
        """Return why a codec must not run now, if it must not."""
        record = self._records.get(codec)
        if record is None or record.until is None or self._clock() >= record.until_tick:
            return None
        message = (
            f"The codec {codec!r} is stopped from {record.since:%Y-%m-%d %H:%M:%S} until"
            f" {record.until:%Y-%m-%d %H:%M:%S} UTC, because it took too much time or memory"
            f" {record.strikes} times: mend it, and replay its messages."
        )
        detail = {"codec": codec, "since": f"{record.since:%FT%TZ}", "until": f"{record.until:%FT%TZ}"}
        return CodecPausedError(message, detail=detail)

    def forget(self, codec: str) -> None:
        """Know nothing of a codec any more: it is another one."""
        self._records.pop(codec, None)

    def answered(self, codec: str) -> None:
        """Note that a codec answered in time, be it with an error of its own."""
        record = self._records.get(codec)
        if record is None:
            record = self._records[codec] = _Record()
        record.answers += 1
        if record.strikes and record.answers >= _FORGIVEN_AFTER:
            self._records[codec] = _Record(answers=record.answers)

    def struck(self, codec: str) -> bool:
        """Note that a codec took too much time or memory.

        Returns:
            It is stopped now.
        """
        record = self._records.setdefault(codec, _Record())
        record.answers = 0
        record.strikes += 1
        if record.strikes < _STRIKES:
            return False
        pause = min(self.longest_pause, self.first_pause * 2**record.pauses)
        record.pauses += 1
        record.since = datetime.now(UTC)
        record.until = record.since + timedelta(seconds=pause)
        record.until_tick = self._clock() + pause
        return True
