# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Reading and settling message by message, on top of batches: goes when nobody uses it any more."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from broker.journal.records import KEYS_REMEMBERED, Activity, Outcome, Position, SettledBatch, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date, datetime

    from broker.journal.postgres import PostgresJournal
    from broker.journal.records import DeadLetter
    from models.message import Message


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One message of the log."""

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
    """How one message ended."""

    seq: int
    source: str
    outcome: Outcome
    device_id: str | None = None
    key: int | None = None
    observed_at: datetime | None = None
    f_cnt: int | None = None
    readings: int = 0
    entities: int = 0


async def read(journal: PostgresJournal, after: Position, limit: int) -> list[Entry]:
    """Return the messages behind a position, in order: at most `limit`."""
    found = [
        Entry(seq=seq, day=batch.day, message=message, replay_of=batch.replays.get(seq))
        for batch in await journal.read_batches(after, limit)
        for seq, message in enumerate(batch.messages, batch.first)
    ]
    return found[:limit]


async def commit(
    journal: PostgresJournal,
    consumer: str,
    position: Position,
    settled: Sequence[Settled],
    dead: Sequence[DeadLetter],
) -> bool:
    """Settle messages one by one, and note the activity of their devices."""
    cursor = await journal.position(consumer)
    await journal.activity_position(consumer)
    fresh = sorted((one for one in settled if one.seq > cursor.seq), key=lambda one: one.seq)
    if not await journal.settle(consumer, position, [_alone(one, position.day) for one in fresh], dead):
        return False
    heard = [one for one in fresh if one.device_id is not None]
    known = await journal.activity({one.device_id for one in heard if one.device_id})
    await journal.save_activity(consumer, position, dict(_heard(heard, known)))
    return True


def _alone(one: Settled, day: date) -> SettledBatch:
    tally = Tally(readings=one.readings, entities=one.entities, **{one.outcome: 1})
    return SettledBatch(first=one.seq, last=one.seq, day=day, tallies={one.source: tally})


def _heard(heard: Sequence[Settled], known: Mapping[str, Activity]) -> Iterator[tuple[str, Activity]]:
    """Add what was heard to what is known of the devices."""
    ordered = sorted(heard, key=lambda one: (one.device_id or "", one.seq))
    for device_id, messages in groupby(ordered, key=lambda one: one.device_id or ""):
        found = known.get(device_id, Activity())
        for one in messages:
            found = _noted(found, one)
        yield device_id, found


def _noted(before: Activity, one: Settled) -> Activity:
    times = [at for at in (before.first_seen, before.last_seen, one.observed_at) if at is not None]
    older = one.observed_at is None or (before.last_seen is not None and one.observed_at < before.last_seen)
    key = () if one.key is None or one.outcome == "duplicate" else (one.key,)
    return Activity(
        first_seen=min(times, default=None),
        last_seen=max(times, default=None),
        f_cnt=before.f_cnt if one.f_cnt is None or (older and before.f_cnt is not None) else one.f_cnt,
        messages=before.messages + 1,
        keys=(*before.keys, *key)[-KEYS_REMEMBERED:],
        hour=before.hour,
        hours=before.hours,
    )
