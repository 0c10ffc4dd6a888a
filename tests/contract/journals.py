# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the journal's contract tests share: the implementations, and words for messages and outcomes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from broker.journal.connection import SQL
from broker.journal.port import Position, SettledBatch, Tally
from broker.journal.postgres import PostgresJournal
from broker.journal.rows import pack
from models.message import Message
from store.postgres import pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import date

    import asyncpg

    from broker.journal.port import Batch, Journal

T0 = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


@asynccontextmanager
async def open_postgres(dsn: str, **settings: Any) -> AsyncIterator[PostgresJournal]:
    async with pool(dsn) as connections:
        journal = PostgresJournal(connections, poll=0.05, **settings)
        await journal.start()
        try:
            yield journal
        finally:
            await journal.close()


# Each opens one more journal on the same store, as another process would.
OPENERS: dict[str, Callable[[str], AbstractAsyncContextManager[Journal]]] = {"postgres": open_postgres}


def message(number: int = 0, **changes: Any) -> Message:
    fields: dict[str, Any] = {
        "source": "ttn",
        "topic": f"v3/hagen/devices/{number}/up",
        "payload": b'{"number": %d}' % number,
        "received_at": T0 + timedelta(seconds=number),
    }
    return Message(**fields | changes)


class Entry(NamedTuple):
    """One message of the log."""

    seq: int
    day: date
    message: Message
    replay_of: int | None

    @property
    def position(self) -> Position:
        return Position(day=self.day, seq=self.seq)


def flat(batches: Sequence[Batch]) -> list[Entry]:
    return [
        Entry(seq, batch.day, one, batch.replays.get(seq))
        for batch in batches
        for seq, one in enumerate(batch.messages, batch.first)
    ]


async def read_all(journal: Journal, after: Position, limit: int = 500) -> list[Entry]:
    entries: list[Entry] = []
    while more := await journal.read_batches(entries[-1].position if entries else after, limit):
        entries += flat(more)
    return entries


async def unread(journal: Journal, count: int | None = None, consumer: str = "bridge") -> list[Entry]:
    """Return what the consumer has not settled: all, or so many."""
    entries = await read_all(journal, await journal.position(consumer))
    return entries if count is None else entries[:count]


def settle(entries: Sequence[Entry], outcome: str = "delivered", **counts: int) -> list[SettledBatch]:
    """Say that messages ended alike: each run of one source and one day is a batch."""
    batches = []
    for (day, source), some in groupby(entries, key=lambda one: (one.day, one.message.source)):
        numbers = [one.seq for one in some]
        tally = Tally(**{outcome: len(numbers)}, **counts)
        batches.append(SettledBatch(first=numbers[0], last=numbers[-1], day=day, tallies={source: tally}))
    return batches


# PostgreSQL from outside: `outside` is a connection that is not the journal's.

KILL = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'volme'
"""
"""Ends every connection of the journal."""


@asynccontextmanager
async def held_up(outside: asyncpg.Connection[asyncpg.Record]) -> AsyncIterator[None]:
    """Keep everybody from appending, as a transaction that has drawn its numbers does."""
    async with outside.transaction():
        await outside.execute(SQL["lock_head"])
        yield


async def until_blocked(outside: asyncpg.Connection[asyncpg.Record]) -> None:
    """Wait until a statement of the journal waits for a lock."""
    while not await outside.fetchval(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'volme' AND wait_event_type = 'Lock'"
    ):
        await outside.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees it as it was
        await asyncio.sleep(0.01)


async def append_outside(outside: asyncpg.Connection[asyncpg.Record], *messages: Message) -> int:
    """Append as another process would, inside a transaction of the caller; return the first number."""
    packed = pack(messages)
    columns = (len(messages), list(packed.sources), list(packed.sources.values()), packed.data, None)
    row = await outside.fetchrow(SQL["append"], *columns)
    assert row is not None
    return int(row["last"]) - len(messages) + 1
