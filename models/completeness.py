# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How much of what a device sent has come, over the last day."""

from __future__ import annotations

import struct
from array import array
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from datetime import datetime

HOURS = 25
"""Hours kept: the running one and the 24 before it."""

#: Seconds of an hour.
HOUR_S = 3600
#: The most that a count can say.
MOST = 0xFFFF
#: How counts are saved: the device's usual interval, seconds, what came by hour, and what is missing.
PACKED = struct.Struct(f"!f{2 * HOURS}H")
# A device is silent when it misses this many of its usual intervals.
_INTERVALS = 3


def begin_hours(counts: array[int], start: int, newest: int, hour: int) -> None:
    """Begin the hours after the newest one up to another that is newer.

    Args:
        counts: of many devices: of the hour `h` at `start + h % HOURS`.
        start: where the device's counts begin.
        newest: its newest hour so far, in hours since 1970; 0: there is none.
        hour: that is to be counted in.
    """
    for passed in range(max(newest + 1, hour - HOURS + 1), hour + 1):
        counts[start + passed % HOURS] = 0


def add_frames(counts: array[int], place: int, count: int) -> None:
    """Add to a count, as far as it can be counted."""
    counts[place] = min(MOST, max(0, counts[place] + count))


class Hours(Struct, gc=False):
    """Frames that came and that did not, by the hour of observation.

    Attributes:
        hour: hours since 1970 of the newest hour; 0: there is none.
        counts: of the hour `h` at `h % HOURS` what came, and behind those what is missing.
    """

    hour: int = 0
    counts: array[int] | None = None

    def received(self, at: datetime) -> None:
        """Count a frame."""
        self._add(at, 0, 1)

    def missed(self, at: datetime, count: int) -> None:
        """Count frames that did not come."""
        self._add(at, HOURS, count)

    def _add(self, at: datetime, side: int, count: int) -> None:
        hour = int(at.timestamp()) // HOUR_S
        counts = self.counts
        if counts is None:
            counts = self.counts = array("H", bytes(4 * HOURS))
        if hour > self.hour:
            begin_hours(counts, 0, self.hour, hour)
            begin_hours(counts, HOURS, self.hour, hour)
            self.hour = hour
        if hour > self.hour - HOURS:
            add_frames(counts, side + hour % HOURS, count)

    def pack(self, interval: float) -> bytes:
        """Write the counts, with the device's usual interval, as 104 bytes."""
        return PACKED.pack(interval, *(self.counts or bytes(2 * HOURS)))

    @classmethod
    def unpack(cls, hour: int, packed: bytes) -> tuple[Hours, float]:
        """Read what `pack` wrote, whatever follows it; nothing was written yet: nothing is known."""
        if len(packed) < PACKED.size:
            return cls(), 0.0
        interval, *counts = PACKED.unpack_from(packed)
        return cls(hour=hour, counts=array("H", counts)), interval


class Completeness(Struct, frozen=True, kw_only=True):
    """The last 24 hours of a device.

    Attributes:
        received: frames that came.
        missed: frames that did not: by the gaps in the frame counter, and where there is none by the
            usual interval.
        interval: seconds between messages, usually; None: not known yet.
        silent_since: when it was heard last, if it has missed three intervals since; else None.
    """

    received: int
    missed: int
    interval: float | None
    silent_since: datetime | None

    @property
    def share(self) -> float | None:
        """Of what was sent, how much came: 0 to 1; None: nothing is known to have been sent."""
        sent = self.received + self.missed
        return self.received / sent if sent else None


def completeness(
    hours: Hours,
    interval: float,
    *,
    first_seen: datetime | None,
    last_seen: datetime | None,
    counted: bool,
    now: datetime,
) -> Completeness:
    """Say how complete the last 24 hours are.

    Args:
        hours: the device's counts.
        interval: its interval, seconds, as declared or else as usual; 0: not known.
        first_seen: when it was heard first; nothing is expected before.
        last_seen: when it was heard last.
        counted: its frames carry a counter.
        now: the time of the question.
    """
    hour = int(now.timestamp()) // HOUR_S
    counts = hours.counts or array("H", bytes(4 * HOURS))
    known = range(max(hour - HOURS + 2, hours.hour - HOURS + 1), min(hour, hours.hour) + 1)
    received = sum(counts[each % HOURS] for each in known)
    missed = sum(counts[HOURS + each % HOURS] for each in known)
    quiet = (now - last_seen).total_seconds() if last_seen else 0.0
    silent = bool(interval) and quiet > _INTERVALS * interval
    if interval:
        # A counter tells of a silent device only when it speaks again.
        missed += int(quiet / interval) if silent else 0
    if not counted and interval:
        first = next((each for each in known if counts[each % HOURS]), hour)
        since = max(first * HOUR_S, first_seen.timestamp() if first_seen else 0.0)
        expected = int((now.timestamp() - since) / interval)
        missed = max(0, min(expected, int(HOUR_S * (HOURS - 1) / interval)) - received)
    return Completeness(
        received=received,
        missed=missed,
        interval=interval or None,
        silent_since=last_seen if silent else None,
    )
