# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The journal's port: a durable, append-only log of messages, with cursors, dead letters and accounts.

Promises that every implementation keeps, and that `tests/contract/test_journal_*.py` hold it to:

- `append` returns once the message is on disk and readers see it; appends keep the order of their
  calls; what was not acknowledged by a return may still be in the log (at least once).
- A reader that goes by position never skips a message, whatever number of processes append.
- `commit` is one step: cursor, counters, dead letters and device activity move together or not at all.
- received = delivered + dead + duplicate + ignored + pending, per source, at every moment.
- Nothing unread is ever dropped.

Where PostgreSQL (or what stands in its place) is away or refuses, every method raises `StoreError`
with one sentence, and works again when it is back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal, Protocol

from models.ports import Appender

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from models.message import Message

Outcome = Literal["delivered", "dead", "duplicate", "ignored"]
LetterState = Literal["waiting", "replayed"]

KEYS_REMEMBERED = 64
"""How many of a device's last message keys are kept."""


def key_hash(key: str) -> int:
    """Shorten a message's key to the signed 64-bit number that the journal remembers."""
    return int.from_bytes(blake2b(key.encode(errors="surrogatepass"), digest_size=8).digest(), signed=True)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Position:
    """A place in the log: right behind the message `seq`, which was appended on `day` (UTC)."""

    day: date
    seq: int


START = Position(day=date(1970, 1, 1), seq=0)
"""Before the first message."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One message of the log.

    Attributes:
        seq: its number: without gaps, in the order of appending.
        day: the day it was appended on, UTC.
        replay_of: the dead letter that this is another try of. Its key has been seen before, by
            the first try: it is no duplicate.
    """

    seq: int
    day: date
    message: Message
    replay_of: int | None = None

    @property
    def position(self) -> Position:
        """The place right behind it."""
        return Position(day=self.day, seq=self.seq)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """How one message ended.

    Attributes:
        device_id: the device whose activity this is; None: nobody's.
        key: `key_hash` of what is the same for every delivery of the frame; None: unknown.
        observed_at: when the network server heard the device.
        readings: readings that were made of it.
        entities: entity updates that the broker took.
    """

    seq: int
    source: str
    outcome: Outcome
    device_id: str | None = None
    key: int | None = None
    observed_at: datetime | None = None
    f_cnt: int | None = None
    readings: int = 0
    entities: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetter:
    """A message, or a part of it, that could not be translated or delivered.

    Attributes:
        kind: the `kind` of a `MessageError`.
        sentence: the reason, for an operator.
        device_id: the device as the envelope names it.
        detail: JSON: what helps to mend it, such as the entity and the broker's ProblemDetails. What JSON
            cannot hold is written as text.
        replay_of: the letter that this is another try of, as the entry says.
    """

    seq: int
    message: Message
    kind: str
    sentence: str
    device_id: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    replay_of: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """A dead letter as it is kept.

    Attributes:
        id: its number; later letters have higher ones.
        seq: of the message in the log.
        size: of the payload, bytes.
        payload: None in lists, where megabytes have no place.
        state: `replayed` once the message was appended again, whatever became of it.
        replay_of: the letter that this message was a replay of.
        created_at: when it died.
        replayed_at: when it was appended again.
    """

    id: int
    seq: int
    source: str
    topic: str
    received_at: datetime
    redelivered: bool
    size: int
    payload: bytes | None
    kind: str
    sentence: str
    device_id: str | None
    detail: Mapping[str, Any]
    state: LetterState
    replay_of: int | None
    created_at: datetime
    replayed_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingDevice:
    """An unknown device that waits for somebody to register it.

    Attributes:
        count: waiting messages.
        first_seen: when the first of them was received; `last_seen`: the last.
        source, sentence, detail: of the last of them; the detail may name the model.
    """

    device_id: str
    count: int
    first_seen: datetime
    last_seen: datetime
    source: str
    sentence: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """When a device was last heard of.

    Attributes:
        first_seen: the earliest `observed_at` of its messages; None: none had any.
        last_seen: the latest.
        f_cnt: the frame counter of the message heard last.
        messages: settled messages, duplicates included.
        keys: the last keys (`key_hash`), oldest first; at most `KEYS_REMEMBERED`.
    """

    first_seen: datetime | None
    last_seen: datetime | None
    f_cnt: int | None
    messages: int
    keys: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceAccount:
    """What became of one source's messages, since the beginning (retention takes nothing away)."""

    received: int = 0
    delivered: int = 0
    dead: int = 0
    duplicate: int = 0
    ignored: int = 0
    pending: int = 0
    readings: int = 0
    entities: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """What became of everything, for one consumer.

    Attributes:
        sources: by source.
        pending: messages behind the cursor, counted by the log itself and not by subtraction.
        lag: seconds since the oldest of them was appended; 0: there is none.
    """

    sources: Mapping[str, SourceAccount]
    pending: int
    lag: float

    def total(self) -> SourceAccount:
        """Add the sources up."""
        names = SourceAccount.__dataclass_fields__
        return SourceAccount(
            **{name: sum(getattr(source, name) for source in self.sources.values()) for name in names}
        )


class Journal(Appender, Protocol):
    """The log between the sources and the bridge. One object a process; all methods may run at once."""

    async def start(self) -> None:
        """Make it ready for use (tables, the task that writes)."""
        ...

    async def close(self) -> None:
        """Bring what was appended to disk and stop; later appends raise StoreError."""
        ...

    async def append(self, message: Message) -> int:
        """Return the message's number once it is on disk and readers see it.

        Callers wait while the buffer is full. A caller that is cancelled does not know whether the
        message is in the log. NUL and lone surrogates in source and topic become U+FFFD and `?`,
        which no UTF-8 store can hold.

        Raises:
            StoreError: it was not acknowledged.
        """
        ...

    async def read(self, after: Position, limit: int) -> list[Entry]:
        """Return the messages behind a position, in order: at most `limit`.

        Fewer come when their payloads are large (about 16 MB a call), at least one if there is any.
        """
        ...

    async def wait(self, seconds: float) -> bool:
        """Wait until there may be news since the last `read` began, at most so long.

        Returns:
            Whether there may be news. What other processes append is noticed by a slow poll.
        """
        ...

    async def position(self, consumer: str) -> Position:
        """Return how far a consumer has settled the log, and register it if it is new.

        A new consumer starts at the oldest message that is kept. From then on retention keeps
        what it has not settled.
        """
        ...

    async def commit(
        self,
        consumer: str,
        position: Position,
        settled: Sequence[Settled],
        dead: Sequence[DeadLetter] = (),
    ) -> bool:
        """Move the consumer's cursor to `position`, with all that happened on the way, in one step.

        `settled` has every message from the cursor to the position, once each. What lies before the
        cursor already is left out of account, so that a commit whose answer got lost may be made
        again. A message may have several dead letters.

        Returns:
            Whether the cursor moved. It never goes back.

        Raises:
            ValueError: `settled` leaves a message out or names one that is not there, or the consumer
                never asked for its position.
        """
        ...

    async def account(self, consumer: str = "bridge") -> Account:
        """Return what became of everything received; cheap at any size of the log."""
        ...

    async def activity(self, device_ids: Collection[str]) -> Mapping[str, Activity]:
        """Return what is known of these devices, without those never heard of."""
        ...

    async def activities(self) -> Mapping[str, Activity]:
        """Return what is known of all devices."""
        ...

    async def dead_letters(
        self,
        *,
        kind: str | None = None,
        device: str | None = None,
        source: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        state: LetterState | None = "waiting",
        limit: int = 100,
        before: int | None = None,
    ) -> list[Letter]:
        """List dead letters, newest first, without payloads.

        Args:
            kind: the kind of error.
            device: the device's id.
            source: the source's name.
            since: the message was received at or after this time.
            until: it was received before this time.
            state: None: any.
            limit: how many.
            before: only letters with a lower id: for the next page.
        """
        ...

    async def dead_letter(self, letter_id: int) -> Letter | None:
        """Return one dead letter with its payload."""
        ...

    async def dead_letter_counts(self, state: LetterState | None = "waiting") -> Mapping[str, int]:
        """Count dead letters by kind."""
        ...

    async def replay(
        self,
        ids: Collection[int] | None = None,
        *,
        kind: str | None = None,
        device: str | None = None,
        source: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        """Append the messages of waiting dead letters again, and mark those letters `replayed`.

        The arguments narrow the choice as in `dead_letters`; without any, all waiting letters are
        replayed. A message with several letters is appended once, and is a replay of the first. In
        the log replayed messages keep the order among themselves, and their times of reception.

        Returns:
            How many messages were appended.
        """
        ...

    async def unknown_devices(self) -> list[PendingDevice]:
        """List the devices that wait to be registered (letters of kind `unknown-device`)."""
        ...

    async def drop_before(self, day: date) -> list[date]:
        """Forget whole days of the log before `day`: those that every consumer has settled.

        The newest day that holds messages always stays. Dead letters and accounts stay too.

        Returns:
            The days that were dropped.
        """
        ...
