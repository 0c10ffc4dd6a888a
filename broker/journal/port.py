# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The journal's port: a durable, append-only log of messages, with cursors, dead letters and accounts.

Promises that every implementation keeps, and that `tests/contract/test_journal_*.py` hold it to:

- `append` and `extend` return once the messages are on disk and readers see them; appends keep the
  order of their calls; what was not acknowledged by a return may still be in the log (at least once).
- A reader that goes by position never skips a message, whatever number of processes append.
- `settle` is one step: cursor, counters and dead letters move together or not at all. So is
  `save_activity`: the activity of devices, and how far it reaches.
- received = delivered + dead + duplicate + ignored + pending, per source, at every moment.
- Nothing unread is ever dropped.

Where PostgreSQL (or what stands in its place) is away or refuses, every method raises `StoreError`
with one sentence, and works again when it is back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from broker.journal.records import (
    HOURS_BYTES,
    KEYS_REMEMBERED,
    START,
    Account,
    Activity,
    Batch,
    DeadLetter,
    Forgotten,
    Letter,
    LetterState,
    Outcome,
    PendingDevice,
    Position,
    SettledBatch,
    SourceAccount,
    Tally,
    is_forgotten,
    key_hash,
)
from models.ports import Appender

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import date, datetime

    from models.message import Message

__all__ = [
    "HOURS_BYTES",
    "KEYS_REMEMBERED",
    "START",
    "Account",
    "Activity",
    "Batch",
    "DeadLetter",
    "Forgotten",
    "Journal",
    "Letter",
    "LetterState",
    "Outcome",
    "PendingDevice",
    "Position",
    "SettledBatch",
    "SourceAccount",
    "Tally",
    "is_forgotten",
    "key_hash",
]


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

    async def extend(self, messages: Sequence[Message]) -> None:
        """Append many in their order, as `append` does each of them, at a fraction of the cost.

        Up to about 2,000 messages or 16 MB become one transaction, and then all or none of them are
        in the log.

        Raises:
            StoreError: not all were acknowledged.
        """
        ...

    async def read_batches(self, after: Position, limit: int) -> list[Batch]:
        """Return the batches behind a position, in order; of the first what is behind the position.

        At most `limit` messages and about 16 MB come at once, or else one batch, and at least one if
        there is any. The messages are for reading alone: other readers may get the same objects.

        The number alone says where to go on. The day, if it is not too late, saves looking at earlier ones.
        """
        ...

    async def wait(self, seconds: float) -> bool:
        """Wait until there may be news behind what the last `read_batches` returned, at most so long.

        Where that came to its limit, there may be news at once: `read_batches`, `wait` and so on is a
        loop that neither polls nor lags behind.

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

    async def settle(
        self,
        consumer: str,
        position: Position,
        settled: Sequence[SettledBatch],
        dead: Sequence[DeadLetter] = (),
    ) -> bool:
        """Move the consumer's cursor to `position`, with all that happened on the way, in one step.

        `settled` has every message from the cursor to the position, once each and in order; it need
        not have the batches of reading. What ends at or before the cursor already is left out of
        account, so that a call whose answer got lost may be made again with the same batches. A
        message may have several dead letters.

        Returns:
            Whether the cursor moved. It never goes back.

        Raises:
            ValueError: `settled` leaves a message out or names one that is not there, or has a batch
                across the cursor, or the consumer never asked for its position.
        """
        ...

    async def account(self, consumer: str = "bridge") -> Account:
        """Return what became of everything received; cheap at any size of the log."""
        ...

    async def activity_position(self, consumer: str) -> Position:
        """Return how far the activity reaches that the consumer has saved.

        The first time that is its cursor. From then on retention keeps what is behind it, so that the
        activity from here to the cursor can be read out of the log again.
        """
        ...

    async def save_activity(
        self, consumer: str, position: Position, activities: Mapping[str, Activity]
    ) -> None:
        """Save what is known of devices, by id, in place of what was; it reaches up to `position`.

        One step. Where another has saved what reaches further, nothing is saved.

        Raises:
            ValueError: the position is beyond the consumer's cursor, or it never asked how far its
                activity reaches, or there are too many keys or hours.
        """
        ...

    async def activity(self, device_ids: Collection[str]) -> Mapping[str, Activity]:
        """Return what is known of these devices, without those never heard of."""
        ...

    async def activities(self, *, beyond: int = -1) -> Mapping[str, Activity]:
        """Return what is known of all devices, or of those whose `hours` are longer than some bytes."""
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
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Append the messages of waiting dead letters again, and mark those letters `replayed`.

        The arguments narrow the choice as in `dead_letters`; without any, all waiting letters are
        replayed. A message with several letters is appended once, and is a replay of the first. In
        the log replayed messages keep the order among themselves, and their times of reception.

        About 1,000 messages are appended at once, each time in one step, so that nobody else waits for
        long. What dies again meanwhile is not replayed again.

        Args:
            ids: only these letters.
            kind: as in `dead_letters`, like those that follow.
            device: the device's id.
            source: the source's name.
            since: the message was received at or after this time.
            until: it was received before this time.
            progress: is told after each step how many messages were appended so far.

        Returns:
            How many messages were appended.

        Raises:
            StoreError: the rest still waits; what `progress` was told of is appended.
        """
        ...

    async def unknown_devices(self) -> list[PendingDevice]:
        """List the devices that wait to be registered (letters of kind `unknown-device`)."""
        ...

    async def drop_before(self, day: date) -> list[date]:
        """Forget whole days of the log before `day`: those that every consumer has settled.

        The newest day that holds messages always stays, and so does what is behind the activity that
        a consumer has saved. Dead letters and accounts stay too.

        Returns:
            The days that were dropped.
        """
        ...

    async def size(self) -> Mapping[date, int]:
        """Return how much the log takes on disk, bytes, by day."""
        ...

    async def drop_beyond(self, size: int) -> list[date]:
        """Forget the oldest days of the log until it takes at most so many bytes on disk.

        Days stay as for `drop_before`, and then it takes more.

        Returns:
            The days that were dropped.
        """
        ...

    async def forget(
        self, matches: Callable[[Message], bool], devices: Collection[str], *, only_count: bool = False
    ) -> Forgotten:
        """Delete, for privacy, what the journal has of devices.

        Messages that match lose topic and payload, and keep number and source (`is_forgotten`): the
        accounts stay as they are. Dead letters that name one of the devices or have such a message are
        deleted, and when the devices were heard. What is appended meanwhile stays.

        Done step by step, so that nobody else waits for long; may be done again after a StoreError.

        Args:
            matches: says of a message whether it goes.
            devices: their ids.
            only_count: delete nothing, and say what would be.
        """
        ...
