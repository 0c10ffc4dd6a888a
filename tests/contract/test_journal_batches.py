# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Batches: appended at once, read from disk or from memory, by one process or many."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tracemalloc
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import pytest_asyncio

from broker.journal.connection import SQL
from broker.journal.port import START, Batch, Position
from broker.journal.tail import Tail
from models.errors import StoreError
from tests.contract.journals import (
    KILL,
    append_outside,
    flat,
    held_up,
    message,
    open_postgres,
    read_all,
    until_blocked,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from broker.journal.postgres import PostgresJournal

_ROOT = Path(__file__).resolve().parents[2]


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


def messages(count: int, first: int = 0, **changes: Any) -> list[Any]:
    return [message(number, **changes) for number in range(first, first + count)]


# Appending


async def test_many_are_appended_in_their_order_and_in_one_step(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    async with held_up(outside):
        calls = [asyncio.create_task(journal.extend(messages(100, 100 * k))) for k in range(5)]
        await until_blocked(outside)
        assert await outside.fetchval("SELECT count(*) FROM journal.batches") == 0
    await asyncio.gather(*calls)
    assert [entry.message for entry in await read_all(journal, START)] == messages(500)
    assert journal.flushes == 1


async def test_nothing_is_appended_at_once(journal: PostgresJournal) -> None:
    await journal.extend([])
    assert await read_all(journal, START) == []


@pytest.mark.parametrize(("count", "size", "rows"), [(25, 1, 3), (5, 6 * 2**20, 3), (2, 20 * 2**20, 2)])
async def test_what_is_too_much_for_a_transaction_takes_several(
    database: str, count: int, size: int, rows: int
) -> None:
    async with open_postgres(database, batch=10) as journal:
        sent = messages(count, payload=bytes(size))
        await journal.extend(sent)
        assert journal.flushes == rows
        assert [entry.message for entry in await read_all(journal, START)] == sent


async def test_the_caller_may_use_its_list_again(journal: PostgresJournal) -> None:
    assert await journal.read_batches(START, 10) == []
    sent = messages(3)
    appending = asyncio.create_task(journal.extend(sent))
    await asyncio.sleep(0)
    sent.clear()
    await appending
    sent.append(message(99))
    assert [entry.message for entry in await read_all(journal, START)] == messages(3)


async def test_one_unwritable_message_takes_its_own_call_with_it_and_no_other(
    journal: PostgresJournal,
) -> None:
    wrong = messages(10)
    wrong[4] = message(4, received_at="yesterday")
    ended = await asyncio.gather(
        journal.extend(messages(10)),
        journal.extend(wrong),
        journal.extend(messages(10, 20)),
        journal.extend([*messages(2), message(0, payload=None)]),
        return_exceptions=True,
    )
    assert [type(end) for end in ended] == [type(None), StoreError, type(None), StoreError]
    kept = [entry.message for entry in await read_all(journal, START)]
    assert kept == [*messages(10), *messages(10, 20)]


async def test_bytes_that_wait_are_bounded_and_who_came_first_goes_first(
    database: str, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    async with open_postgres(database, batch=50, capacity=100) as journal:
        async with held_up(outside):
            first = asyncio.create_task(journal.extend(messages(60)))
            await until_blocked(outside)
            large = asyncio.create_task(journal.extend(messages(50, 60)))
            await asyncio.sleep(0)
            small = asyncio.create_task(journal.append(message(110)))  # would fit, and waits all the same
            gives_up = asyncio.create_task(journal.append(message(999)))
            await asyncio.sleep(0.05)
            gives_up.cancel()
            assert not large.done()
            assert not small.done()
            assert sum(len(waiting.messages) for waiting in journal._writer._buffer) <= 100 - 50
        await asyncio.gather(first, large)
        assert await small == 111
        assert [entry.message for entry in await read_all(journal, START)] == messages(111)
        room = journal._writer._room
        assert (room._messages, room._bytes, len(room._queue)) == (0, 0, 0)


async def test_a_killed_commit_acknowledges_none_and_may_be_made_again(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    async with held_up(outside):
        appending = asyncio.create_task(journal.extend(messages(100)))
        await until_blocked(outside)
        await outside.execute(KILL)
        with pytest.raises(StoreError, match="cannot append"):
            await appending
    await journal.extend(messages(100))
    assert [entry.message for entry in await read_all(journal, START)] == messages(100)


async def test_under_load_batches_gather_and_one_caller_alone_does_not_wait(database: str) -> None:
    async with open_postgres(database, linger=0.4) as journal:
        for _ in range(100):  # would take forty seconds
            await journal.extend(messages(20))
        assert journal.flushes == 100

        async def later(number: int) -> None:
            await asyncio.sleep(0.002 * number)
            await journal.extend(messages(20))

        await asyncio.gather(*(later(number) for number in range(200)))
        assert journal.flushes < 100 + 50


async def test_text_that_no_store_can_hold_is_mended_in_memory_too(journal: PostgresJournal) -> None:
    assert await journal.read_batches(START, 10) == []
    await journal.extend([message(1, topic="a\0b"), message(2, source="s\ud800"), message(3)])
    from_memory = flat(await journal.read_batches(START, 10))
    journal._tail.clear()
    assert flat(await journal.read_batches(START, 10)) == from_memory
    assert from_memory[0].message.topic == "a\N{REPLACEMENT CHARACTER}b"


# Reading


async def selects(outside: asyncpg.Connection[asyncpg.Record], journal: PostgresJournal) -> int:
    """Return how often the log was read from disk: statistics of what everybody has done."""
    async with journal._pool.acquire() as connection:
        await connection.execute("SELECT pg_stat_force_next_flush()")
    await outside.execute("SELECT pg_stat_clear_snapshot()")
    return int(
        await outside.fetchval(
            "SELECT coalesce(sum(idx_scan + seq_scan), 0) FROM pg_stat_user_tables"
            " WHERE relname LIKE 'batches_%'"
        )
    )


@pytest.mark.parametrize("seed", range(3))
async def test_memory_and_disk_say_the_same(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record], seed: int
) -> None:
    """Whoever appends in between, from wherever and however much is read."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    journal._tail = Tail(messages=200, size=50_000)
    assert await journal.read_batches(START, 1) == []
    place = START
    from_memory = []
    for number in range(200):
        if chance.random() < 0.2:
            await append_outside(outside, *messages(chance.randint(1, 5), number, source="elsewhere"))
        else:
            await journal.extend(messages(chance.randint(1, 40), number))
        if chance.random() < 0.5 and (
            found := flat(await journal.read_batches(place, chance.randint(1, 60)))
        ):
            found = found[: chance.randint(1, len(found))]  # go on in the middle of a batch
            from_memory += found
            place = found[-1].position
    from_memory += await read_all(journal, place)
    journal._tail.clear()
    from_disk = await read_all(journal, START)
    assert from_memory == from_disk
    assert [entry.seq for entry in from_disk] == list(range(1, len(from_disk) + 1))


async def test_a_reader_who_comes_right_behind_asks_no_disk(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    await journal.extend(messages(10))
    place = (await read_all(journal, START))[-1].position
    before = await selects(outside, journal)
    for number in range(10):
        await journal.extend(messages(10, number))
        (batch,) = await journal.read_batches(place, 1000)
        place = batch.position
    assert await selects(outside, journal) == before
    assert place.seq == 110
    await journal.read_batches(START, 1000)
    assert await selects(outside, journal) > before  # this is how it would have been seen


async def test_read_and_wait_are_a_loop_that_misses_nothing(journal: PostgresJournal) -> None:
    journal._poll = 60
    place, seen = START, 0

    async def read_on() -> None:
        nonlocal place, seen
        while seen < 1000:
            for batch in await journal.read_batches(place, 30):
                place, seen = batch.position, seen + len(batch)
            if seen < 1000:
                assert await journal.wait(60)

    reading = asyncio.create_task(read_on())
    for number in range(50):
        await journal.extend(messages(20, 20 * number))
        await asyncio.sleep(0.001 * (number % 3))
    await reading
    assert (place.seq, seen) == (1000, 1000)


def test_the_tail_is_bounded_and_ends_where_another_appended() -> None:
    tail = Tail(messages=100, size=1000)
    day = date(2026, 5, 1)

    def batch(first: int, count: int) -> Batch:
        return Batch(day=day, first=first, messages=messages(count))

    def behind(seq: int, limit: int = 1000, size: int = 10_000) -> list[tuple[int, int]]:
        found = tail.behind(Position(day=day, seq=seq), limit, size)
        return [(one.first, one.last) for one in found]

    tail.add(batch(1, 10), 10)
    assert behind(0) == []  # nobody has read yet: who only appends keeps nothing
    for first in (11, 21, 31):
        tail.add(batch(first, 10), 10)
    assert behind(0) == []  # the first is on disk alone
    assert behind(10) == [(11, 20), (21, 30), (31, 40)]
    assert behind(14, limit=20) == [(15, 20), (21, 30)]
    assert behind(14, limit=3) == [(15, 20)]
    assert behind(14, size=15) == [(15, 20)]
    tail.add(batch(46, 5), 10)  # another process appended 41 to 45
    assert behind(30) == [(31, 40)]
    assert behind(40) == []
    assert behind(45) == [(46, 50)]
    tail.settled(Position(day=day, seq=35))
    assert behind(10) == []
    assert behind(32) == [(33, 40)]
    tail.add(batch(51, 80), 10)
    assert behind(50) == [(51, 130)]
    tail.add(batch(131, 80), 10)
    assert behind(50) == []  # more than is held: the oldest went
    assert behind(130) == [(131, 210)]
    tail.add(batch(211, 1), 2000)
    assert behind(210) == []
    assert (tail._messages, tail._bytes) == (0, 0)


async def test_position_in_the_middle_of_a_batch_across_processes(
    journal: PostgresJournal, database: str
) -> None:
    await journal.extend(messages(10))
    async with open_postgres(database) as other:
        day = (await other.read_batches(START, 1))[0].day
        for seq in range(10):
            (batch,) = await other.read_batches(Position(day=day, seq=seq), 3)
            assert (batch.first, batch.last, list(batch.messages)) == (seq + 1, 10, messages(10)[seq:])


async def test_the_number_alone_says_where_to_go_on(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    for number in range(4):
        await journal.extend(messages(10, number))
        if number % 2:
            await outside.execute("UPDATE journal.head SET day = day + 1")
    for days in (0, 1, 30):
        day = (await journal.read_batches(START, 1))[0].day - timedelta(days=days)
        for seq in (0, 9, 10, 15, 25, 39):
            found = flat(await journal.read_batches(Position(day=day, seq=seq), 100))
            assert [entry.seq for entry in found] == list(range(seq + 1, 41))


async def test_a_reader_from_the_start_finds_what_is_kept(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Where days were dropped the numbers begin far from one."""
    await outside.execute("UPDATE journal.head SET seq = 1000000")
    for number in range(5):
        await journal.extend(messages(10, number))
    found = await journal.read_batches(START, 30)
    assert [(one.first, len(one)) for one in found] == [(1000001, 10), (1000011, 10), (1000021, 10)]


async def test_a_backlog_is_read_in_constant_memory(database: str) -> None:
    """VOLME_BACKLOG=1000000 for the whole size."""
    backlog = int(os.environ.get("VOLME_BACKLOG", "30000"))
    async with open_postgres(database) as journal:
        for first in range(0, backlog, 1000):
            await journal.extend(messages(1000, first))
    async with open_postgres(database) as journal:
        place, peaks, seq = START, [], 0
        tracemalloc.start()
        while batches := await journal.read_batches(place, 1000):
            for batch in batches:
                assert batch.first == seq + 1
                seq = batch.last
            place = batches[-1].position
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.reset_peak()
        tracemalloc.stop()
    assert seq == backlog
    assert max(peaks[len(peaks) // 2 :]) < 1.2 * max(peaks[: len(peaks) // 2])


# Several processes

_APPENDER = """
import asyncio, sys
sys.path.insert(0, ".")
from tests.contract.journals import message, open_postgres

async def main(dsn, source, count):
    async with open_postgres(dsn) as journal:
        print("ready", flush=True)
        async def some(first):
            await journal.extend([message(first + k, source=source) for k in range(7)])
            print(first, flush=True)  # acknowledged
        for first in range(0, count, 70):
            await asyncio.gather(*(some(first + more) for more in range(0, 70, 7)))

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


async def appender(dsn: str, source: str, count: int) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _APPENDER, dsn, source, str(count)),
        stdout=asyncio.subprocess.PIPE,
        cwd=_ROOT,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def test_while_processes_append_and_one_is_killed_a_reader_sees_each_message_once(
    database: str,
) -> None:
    async with open_postgres(database) as journal:
        processes = {source: await appender(database, source, 7_000) for source in "abc"}
        acknowledged: dict[str, set[str]] = {}

        async def follow(source: str, process: asyncio.subprocess.Process) -> None:
            assert process.stdout is not None
            firsts = []
            async for line in process.stdout:
                firsts.append(int(line))
                if source == "c" and len(firsts) == 100:
                    process.kill()
            acknowledged[source] = {message(first + more).topic for first in firsts for more in range(7)}
            await process.wait()

        async def append_here() -> None:
            for first in range(0, 2_000, 20):
                await journal.extend(messages(20, first, source="here"))
            acknowledged["here"] = {message(number).topic for number in range(2_000)}

        everybody = asyncio.gather(*(follow(*one) for one in processes.items()), append_here())
        seen: list[Any] = []
        done = False
        while not done:
            done = everybody.done()  # and then once more to the end
            while batches := await journal.read_batches(seen[-1].position if seen else START, 100):
                seen += flat(batches)
            await asyncio.sleep(0.001)
        await everybody
        assert [entry.seq for entry in seen] == list(range(1, len(seen) + 1))
        assert seen == await read_all(journal, START)
        for source, topics in acknowledged.items():
            found = [entry.message.topic for entry in seen if entry.message.source == source]
            assert topics <= set(found)
            assert len(found) == len(set(found))
        assert len(acknowledged["a"]) == 7_000
        assert (await journal.account()).total().received == len(seen)


async def test_the_statement_of_reading_goes_by_the_index(
    journal: PostgresJournal, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Whether statistics are there or not: a sequential scan of a day would be a second a read."""
    await journal.extend(messages(100))
    plan = await outside.fetch(f"EXPLAIN {SQL['read']}", START.day, 50, 10, 2**20)
    assert not [row[0] for row in plan if "Seq Scan on batches" in row[0]]
