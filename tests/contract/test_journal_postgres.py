# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The journal's promises where only PostgreSQL can break them: locks, kills, days, durability."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import pytest_asyncio

from broker.journal.port import START, Activity, DeadLetter, Journal, SourceAccount
from models.errors import StoreError
from tests.contract.journals import (
    KILL,
    append_outside,
    flat,
    held_up,
    message,
    open_postgres,
    read_all,
    settle,
    unread,
    until_blocked,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

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


def test_it_is_a_journal(journal: PostgresJournal) -> None:
    port: Journal = journal
    promised = [name for name in vars(Journal) if not name.startswith("_")]
    assert len(promised) > 15
    assert all(callable(getattr(port, name)) for name in promised)


# Concurrent writers


async def test_nothing_overtakes_a_transaction_that_has_drawn_its_numbers(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    slow = message(1, source="slow")
    async with outside.transaction():
        first = await append_outside(outside, slow)
        fast = asyncio.create_task(journal.append(message(2, source="fast")))
        await until_blocked(outside)
        assert not fast.done()
        assert flat(await journal.read_batches(START, 10)) == []
    assert (first, await fast) == (1, 2)
    assert [entry.message.source for entry in flat(await journal.read_batches(START, 10))] == ["slow", "fast"]


async def test_a_transaction_that_fails_leaves_no_gap(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    await journal.append(message(1))
    transaction = outside.transaction()
    await transaction.start()
    await append_outside(outside, message(2))
    await transaction.rollback()
    assert await journal.append(message(3)) == 2
    assert (await journal.account()).total() == SourceAccount(received=2, pending=2)


async def test_of_two_replays_one_waits_before_it_holds_any_letter(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Two replays that held letters of each other would never end."""
    await journal.append(message(1))
    entries = await unread(journal)
    letter = DeadLetter(seq=1, message=entries[0].message, kind="codec", sentence="No.")
    await journal.settle("bridge", entries[0].position, settle(entries, "dead"), [letter])
    async with held_up(outside):
        first = asyncio.create_task(journal.replay())
        await until_blocked(outside)
        second = asyncio.create_task(journal.replay())
        await asyncio.sleep(0.1)
    assert sorted(await asyncio.gather(first, second)) == [0, 1]


# Group commit


async def test_many_appends_share_a_transaction(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    numbers = iter(range(5_000))

    async def append_on() -> None:
        for number in numbers:
            await journal.append(message(number))

    await asyncio.gather(*(append_on() for _ in range(500)))
    transactions = await outside.fetchval("SELECT count(DISTINCT xmin::text) FROM journal.batches")
    assert transactions == journal.flushes
    assert transactions < 50


async def test_the_buffer_is_bounded_and_keeps_the_order(
    database: str, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    async with open_postgres(database, batch=4, capacity=10) as journal:
        async with held_up(outside):
            appending = [asyncio.create_task(journal.append(message(number))) for number in range(100)]
            await until_blocked(outside)
            assert len(journal._writer._buffer) == 10 - 4  # four are on their way
        assert await asyncio.gather(*appending) == list(range(1, 101))
        topics = [entry.message.topic for entry in flat(await journal.read_batches(START, 200))]
        assert topics == [message(number).topic for number in range(100)]


@pytest.mark.parametrize("wrong", [{"payload": "text"}, {"source": None}, {"received_at": "yesterday"}])
async def test_a_message_that_cannot_be_written_takes_no_other_with_it(
    journal: PostgresJournal, wrong: dict[str, Any]
) -> None:
    batch = [message(number) for number in range(50)]
    batch[17] = message(17, **wrong)
    ended = await asyncio.gather(*(journal.append(one) for one in batch), return_exceptions=True)
    assert isinstance(ended.pop(17), StoreError)
    assert ended == list(range(1, 50))


async def test_what_was_acknowledged_is_on_disk_whatever_the_default(
    database: str, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    name = await outside.fetchval("SELECT current_database()")
    await outside.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    async with open_postgres(database) as journal:
        await journal.append(message(1))
        connection = journal._writing.connection
        assert connection is not None
        assert await connection.fetchval("SHOW synchronous_commit") == "on"


# PostgreSQL goes away


async def test_a_killed_append_is_not_acknowledged_and_the_next_works(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    await journal.append(message(0))
    async with held_up(outside):
        appending = [asyncio.create_task(journal.append(message(number))) for number in range(1, 100)]
        await until_blocked(outside)
        assert await outside.fetchval(KILL) > 0
        ended = await asyncio.gather(*appending, return_exceptions=True)
    assert all(isinstance(end, StoreError) for end in ended)
    assert all("\n" not in str(end) for end in ended)
    assert await journal.append(message(100)) == 2
    assert [entry.message.topic for entry in flat(await journal.read_batches(START, 200))] == [
        message(0).topic,
        message(100).topic,
    ]


async def test_while_postgresql_refuses_every_call_is_a_store_error(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record], postgres: str
) -> None:
    await journal.append(message(1))
    start = await journal.position("bridge")
    entries = flat(await journal.read_batches(start, 10))
    day = entries[0].day
    calls: list[Callable[[], Any]] = [
        lambda: journal.append(message(2)),
        lambda: journal.read_batches(entries[-1].position, 10),
        lambda: journal.position("bridge"),
        lambda: journal.settle("bridge", entries[-1].position, settle(entries)),
        journal.account,
        lambda: journal.activity(["a"]),
        journal.activities,
        lambda: journal.activity_position("bridge"),
        lambda: journal.save_activity("bridge", start, {"a": Activity()}),
        journal.dead_letters,
        lambda: journal.dead_letter(1),
        journal.dead_letter_counts,
        journal.unknown_devices,
        journal.replay,
        lambda: journal.drop_before(day),
        lambda: journal.drop_beyond(0),
        journal.size,
        lambda: journal.forget(bool, ["a"]),
        lambda: journal.wait(60),
    ]
    name = await outside.fetchval("SELECT current_database()")
    elsewhere = await asyncpg.connect(postgres)
    await elsewhere.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await elsewhere.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    for call in calls:
        with pytest.raises(StoreError, match="the journal cannot"):
            await call()
    await elsewhere.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    await elsewhere.close()
    assert await journal.append(message(3)) == 2
    assert await journal.settle("bridge", entries[-1].position, settle(entries)) is True


async def test_a_killed_commit_changes_nothing(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    await asyncio.gather(*(journal.append(message(number)) for number in range(10)))
    start = await journal.position("bridge")
    entries = flat(await journal.read_batches(start, 10))
    letter = DeadLetter(seq=1, message=entries[0].message, kind="codec", sentence="No.")
    commit = ("bridge", entries[-1].position, settle(entries), [letter])
    async with outside.transaction():
        await outside.execute("LOCK TABLE journal.dead_letters")
        committing = asyncio.create_task(journal.settle(*commit))
        await until_blocked(outside)
        await outside.execute(KILL)
        with pytest.raises(StoreError, match="cannot commit"):
            await committing
    assert await journal.position("bridge") == start
    assert (await journal.account()).total() == SourceAccount(received=10, pending=10)
    assert await journal.settle(*commit) is True
    account = await journal.account()
    assert account.total() == SourceAccount(received=10, delivered=10)
    assert account.pending == 0


class Storm:
    """Appends and settles while its connections are killed."""

    def __init__(self, journal: PostgresJournal, chance: random.Random) -> None:
        self.journal = journal
        self.chance = chance
        self.numbers = itertools.count()
        self.killing = True
        self.acknowledged: dict[int, str] = {}
        self.asked = self.refused = 0

    async def append_on(self) -> None:
        while (number := next(self.numbers)) < 4_000 or self.killing:  # there is always one to be refused
            self.asked += 1
            one = message(number)
            try:
                self.acknowledged[await self.journal.append(one)] = one.topic
            except StoreError:
                self.refused += 1

    async def settle_some(self) -> bool:
        """Say whether there may be more."""
        try:
            place = await self.journal.position("bridge")
            entries = flat(await self.journal.read_batches(place, self.chance.randint(1, 200)))
            if entries:
                await self.journal.settle("bridge", entries[-1].position, settle(entries))
        except StoreError:
            return True
        return bool(entries)

    async def kill_on(self, outside: asyncpg.Connection[asyncpg.Record]) -> None:
        kills = 0
        while not self.refused or kills < 10:
            await asyncio.sleep(self.chance.uniform(0, 0.02))
            kills += await outside.fetchval(KILL)
        self.killing = False


@pytest.mark.parametrize("seed", range(3))
async def test_under_kills_nothing_acknowledged_is_lost_and_the_account_balances(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record], seed: int
) -> None:
    storm = Storm(journal, random.Random(seed))  # noqa: S311 - repeatable, not secret
    killing = asyncio.create_task(storm.kill_on(outside))
    appending = asyncio.gather(*(storm.append_on() for _ in range(50)))
    while await storm.settle_some() or not appending.done() or not killing.done():  # noqa: ASYNC110 - it works meanwhile
        await asyncio.sleep(0)
    await asyncio.gather(appending, killing)
    while await storm.settle_some():
        pass
    log = {entry.seq: entry.message.topic for entry in await read_all(journal, START)}
    assert len(storm.acknowledged) + storm.refused == storm.asked
    assert {seq: log[seq] for seq in storm.acknowledged} == storm.acknowledged
    assert list(log) == list(range(1, len(log) + 1))
    account = await journal.account()
    assert account.total() == SourceAccount(received=len(log), delivered=len(log))
    assert account.pending == 0
