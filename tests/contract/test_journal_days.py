# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Days of the journal in PostgreSQL: partitions made when needed, dropped when settled."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import asyncpg
import pytest
import pytest_asyncio

from broker.journal.port import START, DeadLetter, SourceAccount
from models.errors import StoreError
from tests.contract.journals import flat, message, open_postgres, read_all, settle, unread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import date

    from broker.journal.postgres import PostgresJournal


@pytest_asyncio.fixture
async def journal(database: str) -> AsyncIterator[PostgresJournal]:
    async with open_postgres(database) as opened:
        yield opened


@pytest_asyncio.fixture
async def outside(database: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection that is not the journal's."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def turn_page(outside: asyncpg.Connection[asyncpg.Record], days: int = 1) -> date:
    """Let the journal believe that so many days have passed; return the new day."""
    return cast(
        "date",
        await outside.fetchval(
            "UPDATE journal.head SET day = greatest(day, (now() AT TIME ZONE 'UTC')::date) + $1::int"
            " RETURNING day",
            days,
        ),
    )


async def partitions(outside: asyncpg.Connection[asyncpg.Record]) -> list[str]:
    rows = await outside.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits"
        " WHERE inhparent = 'journal.batches'::regclass ORDER BY name"
    )
    return [row["name"].removeprefix("journal.batches_") for row in rows]


@pytest.mark.parametrize("days", [1, 40])
async def test_a_new_day_gets_its_partition_when_it_is_needed(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record], days: int
) -> None:
    await journal.append(message(1))
    new = await turn_page(outside, days)
    assert await asyncio.gather(*(journal.append(message(number)) for number in (2, 3))) == [2, 3]
    entries = await read_all(journal, START, 1)
    assert [entry.day for entry in entries] == [new - timedelta(days=days), new, new]
    assert f"{new:%Y%m%d}" in await partitions(outside)


async def test_a_replay_on_a_new_day_gets_its_partition(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    await journal.append(message(1))
    entries = await unread(journal)
    letter = DeadLetter(seq=1, message=entries[0].message, kind="codec", sentence="No.")
    await journal.settle("bridge", entries[0].position, settle(entries, "dead"), [letter])
    new = await turn_page(outside, 40)
    assert await journal.replay() == 1
    assert [entry.day for entry in flat(await journal.read_batches(entries[0].position, 10))] == [new]


async def test_a_replay_of_nothing_opens_no_day(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    await journal.append(message(1))
    await turn_page(outside)
    assert await journal.replay() == 0
    new = await turn_page(outside)
    assert await journal.append(message(2)) == 2
    assert [entry.day for entry in await read_all(journal, START)] == [new - timedelta(days=2), new]
    opened = await outside.fetch("SELECT day, first_seq FROM journal.days ORDER BY day")
    assert [tuple(row) for row in opened] == [(new - timedelta(days=2), 1), (new, 2)]


async def test_a_day_never_goes_back(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    new = await turn_page(outside, 3)  # the clock was ahead for a moment
    await journal.append(message(1))
    await journal.append(message(2))
    assert [entry.day for entry in await read_all(journal, START)] == [new, new]


async def test_each_message_counts_for_its_own_day(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    for count in (3, 2):
        await asyncio.gather(*(journal.append(message(number)) for number in range(count)))
        new = await turn_page(outside)
    entries = await unread(journal)
    await journal.settle("bridge", entries[-1].position, settle(entries))
    days = [new - timedelta(days=2), new - timedelta(days=1)]
    received = await outside.fetch("SELECT day, messages FROM journal.received ORDER BY day")
    settled = await outside.fetch("SELECT day, delivered FROM journal.settled ORDER BY day")
    assert [tuple(row) for row in received] == list(zip(days, (3, 2), strict=True))
    assert [tuple(row) for row in settled] == list(zip(days, (3, 2), strict=True))


async def test_only_days_that_everybody_has_settled_are_dropped(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    days = []
    for _ in range(3):
        await asyncio.gather(*(journal.append(message(number)) for number in range(4)))
        days.append(await turn_page(outside) - timedelta(days=1))
    await journal.append(message(9))
    later = days[-1] + timedelta(days=30)
    assert await journal.drop_before(later) == []  # nobody has read anything

    entries = await unread(journal, 7)
    await journal.position("archive")
    await journal.settle("bridge", entries[-1].position, settle(entries))
    assert await journal.drop_before(later) == []  # the archive has not
    await journal.settle("archive", entries[-1].position, settle(entries))
    before = await journal.account()
    assert await journal.drop_before(days[0]) == []
    assert await journal.drop_before(later) == days[:1]
    assert f"{days[0]:%Y%m%d}" not in await partitions(outside)

    assert [entry.seq for entry in await read_all(journal, START)] == list(range(5, 14))
    after = await journal.account()
    assert (after.sources, after.pending) == (before.sources, before.pending)
    # Who comes late begins with what is left, and its account balances.
    late = await read_all(journal, await journal.position("late"))
    assert late[0].seq == 5
    assert (await journal.account("late")).total() == SourceAccount(received=9, pending=9)
    await journal.settle("late", late[-1].position, settle(late))
    assert (await journal.account("late")).total() == SourceAccount(received=9, delivered=9)


async def test_days_that_activity_still_needs_stay(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    await journal.activity_position("bridge")
    for number in range(2):
        await journal.append(message(number))
        new = await turn_page(outside)
    await journal.append(message(9))
    entries = await unread(journal)
    await journal.settle("bridge", entries[-1].position, settle(entries))
    assert await journal.drop_before(new) == []
    await journal.save_activity("bridge", entries[0].position, {})
    assert await journal.drop_before(new) == [entries[0].day]
    await journal.save_activity("bridge", entries[2].position, {})
    assert await journal.drop_before(new) == [entries[1].day]


async def test_the_oldest_days_are_dropped_until_the_log_is_small_enough(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    days = []
    for number in range(4):
        await journal.append(message(number, payload=bytes(300_000)))
        days.append(await turn_page(outside) - timedelta(days=1))
    await journal.append(message(9))
    sizes = await journal.size()
    assert min(sizes[day] for day in days) > 300_000 > sizes[days[-1] + timedelta(days=1)]
    total = sum(sizes.values())
    assert await journal.drop_beyond(0) == []  # nobody has read anything
    entries = await unread(journal)
    await journal.settle("bridge", entries[-1].position, settle(entries))
    assert await journal.drop_beyond(total) == []
    assert await journal.drop_beyond(total - 1) == days[:1]
    assert sum((await journal.size()).values()) == total - sizes[days[0]]
    assert await journal.drop_beyond(total - sizes[days[0]] - sizes[days[1]] - 1) == days[1:3]
    assert await journal.drop_beyond(0) == days[3:]
    assert [entry.seq for entry in await read_all(journal, START)] == [5]


async def test_the_newest_day_stays(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    await journal.append(message(1))
    entries = await unread(journal)
    await journal.settle("bridge", entries[-1].position, settle(entries))
    assert await journal.drop_before(entries[0].day + timedelta(days=30)) == []
    assert await journal.append(message(2)) == 2
    assert len(await partitions(outside)) == 2


async def test_days_without_messages_are_dropped_too(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    new = await turn_page(outside, 40)
    await journal.append(message(1))
    assert len(await journal.drop_before(new)) == 2  # made ahead, never used
    assert await partitions(outside) == [f"{new + timedelta(days=ahead):%Y%m%d}" for ahead in (0, 1)]


async def test_dropping_does_not_wait_for_a_long_reader(
    journal: PostgresJournal,
    outside: asyncpg.Connection[asyncpg.Record],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("broker.journal.keeping._LOCK_TIMEOUT", "50ms")
    await journal.append(message(1))
    entries = await unread(journal)
    await journal.settle("bridge", entries[-1].position, settle(entries))
    new = await turn_page(outside)
    await journal.append(message(2))
    async with outside.transaction():
        await outside.fetch("SELECT * FROM journal.batches")
        with pytest.raises(StoreError, match="cannot drop old days"):
            await journal.drop_before(new)
        await turn_page_elsewhere(journal)
    assert await journal.drop_before(new) == [entries[0].day]


async def turn_page_elsewhere(journal: PostgresJournal) -> None:
    """A backup reads on and on, midnight passes: appending goes on."""
    async with journal._pool.acquire() as connection:
        await turn_page(cast("asyncpg.Connection[asyncpg.Record]", connection), 10)
    assert await journal.append(message(3)) == 3
