# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What goes into the journal and comes out of it.

Structs of msgspec where many are made, dataclasses elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from models.message import Message

Outcome = Literal["delivered", "dead", "duplicate", "ignored"]
LetterState = Literal["waiting", "replayed"]

KEYS_REMEMBERED = 64
"""How many of a device's last message keys are kept."""

HOURS_BYTES = 1000
"""How long `Activity.hours` may be, bytes."""


def key_hash(key: str) -> int:
    """Shorten a message's key to the signed 64-bit number that the journal remembers."""
    return int.from_bytes(blake2b(key.encode(errors="surrogatepass"), digest_size=8).digest(), signed=True)


def is_forgotten(message: Message) -> bool:
    """Say whether a message of the log was deleted for privacy: neither topic nor payload are left.

    It keeps its number and its source, by which the accounts stay exact. Who reads it ignores it.
    """
    return not message.topic and not message.payload


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Position:
    """A place in the log: right behind the message `seq`, which was appended on `day` (UTC)."""

    day: date
    seq: int


START = Position(day=date(1970, 1, 1), seq=0)
"""Before the first message."""


class Batch(Struct, frozen=True, kw_only=True, gc=False):
    """Messages that were committed together, or what is behind a position of these.

    Attributes:
        day: the day they were appended on, UTC.
        first: the number of the first. Numbers have no gaps and are in the order of appending.
        messages: at least one.
        replays: from the numbers of those that are another try of a dead letter to the letter's id.
            Their keys have been seen before, by the first try: they are no duplicates.
    """

    day: date
    first: int
    messages: Sequence[Message]
    replays: Mapping[int, int] = {}

    @property
    def last(self) -> int:
        """The number of the last."""
        return self.first + len(self.messages) - 1

    @property
    def position(self) -> Position:
        """The place right behind the last."""
        return Position(day=self.day, seq=self.last)

    def __len__(self) -> int:
        return len(self.messages)

    def behind(self, seq: int) -> Batch:
        """Return what is behind the message `seq` of it, or all of it if that comes before it."""
        if seq < self.first:
            return self
        return Batch(
            day=self.day,
            first=seq + 1,
            messages=self.messages[seq + 1 - self.first :],
            replays={number: letter for number, letter in self.replays.items() if number > seq},
        )


class Tally(Struct, frozen=True, kw_only=True, gc=False):
    """How many messages ended how.

    Attributes:
        readings: readings that were made of them.
        entities: entity updates that the broker took.
    """

    delivered: int = 0
    dead: int = 0
    duplicate: int = 0
    ignored: int = 0
    readings: int = 0
    entities: int = 0

    @property
    def messages(self) -> int:
        """All of them."""
        return self.delivered + self.dead + self.duplicate + self.ignored


class SettledBatch(Struct, frozen=True, kw_only=True, gc=False):
    """How the messages from `first` to `last`, all appended on `day`, ended, by their source."""

    first: int
    last: int
    day: date
    tallies: Mapping[str, Tally]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetter:
    """A message, or a part of it, that could not be translated or delivered.

    Attributes:
        kind: the `kind` of a `MessageError`.
        sentence: the reason, for an operator.
        device_id: the device as the envelope names it.
        detail: JSON: what helps to mend it, such as the entity and the broker's ProblemDetails. What JSON
            cannot hold is written as text.
        replay_of: the letter that this is another try of, as the batch says.
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


class Activity(Struct, frozen=True, kw_only=True, gc=False):
    """When a device was heard.

    Attributes:
        first_seen: the earliest `observed_at` of its messages; None: none had any.
        last_seen: the latest.
        f_cnt: the frame counter of the message heard last.
        messages: settled messages, duplicates included.
        keys: the last keys (`key_hash`), oldest first; at most `KEYS_REMEMBERED`.
        hour: the newest hour that `hours` has, in hours since 1970; 0: none.
        hours: what was received in the last hours, as who saves it counts it, and its counters; at most
            `HOURS_BYTES`.
    """

    first_seen: datetime | None = None
    last_seen: datetime | None = None
    f_cnt: int | None = None
    messages: int = 0
    keys: tuple[int, ...] = ()
    hour: int = 0
    hours: bytes = b""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Forgotten:
    """What was deleted for privacy: messages of the log, dead letters."""

    messages: int = 0
    letters: int = 0
