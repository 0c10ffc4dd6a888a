# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the journal's contract tests share: the implementations, and words for messages and outcomes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from broker.journal.port import Settled
from broker.journal.postgres import SQL, PostgresJournal
from models.message import Message
from store.postgres import pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    import asyncpg

    from broker.journal.port import Entry, Journal, Position

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


def settle(entries: list[Entry], outcome: str = "delivered", **changes: Any) -> list[Settled]:
    return [Settled(seq=one.seq, source=one.message.source, outcome=outcome, **changes) for one in entries]


async def read_all(journal: Journal, after: Position, limit: int = 500) -> list[Entry]:
    entries: list[Entry] = []
    while more := await journal.read(entries[-1].position if entries else after, limit):
        entries += more
    return entries


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
