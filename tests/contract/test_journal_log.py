# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The journal as a log: what was appended is there, in order, for every reader."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from broker.journal.port import START
from models.errors import StoreError
from tests.contract.journals import OPENERS, T0, flat, message, read_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from broker.journal.port import Journal
    from tests.contract.journals import Entry


@pytest_asyncio.fixture(params=OPENERS)
async def both(request: pytest.FixtureRequest, database: str) -> AsyncIterator[tuple[Journal, Journal]]:
    """Two journals on one store."""
    opener = OPENERS[request.param]
    async with opener(database) as one, opener(database) as other:
        yield one, other


@pytest.fixture
def journal(both: tuple[Journal, Journal]) -> Journal:
    return both[0]


async def test_messages_come_back_as_they_were(journal: Journal) -> None:
    sent = [
        message(1, payload=b""),
        message(2, payload=bytes(range(256)), redelivered=True),
        message(3, topic="märkischer/ring/🌊", source="straße"),
        message(4, received_at=T0.replace(microsecond=123456)),
        message(5, payload=os.urandom(32 * 2**20)),
    ]
    numbers = [await journal.append(one) for one in sent]
    entries = await read_all(journal, START)
    assert [entry.message for entry in entries] == sent
    assert [entry.seq for entry in entries] == numbers == [1, 2, 3, 4, 5]
    assert {entry.replay_of for entry in entries} == {None}


async def test_text_that_no_store_can_hold_is_mended_and_not_refused(journal: Journal) -> None:
    await journal.append(message(1, topic="a\0b", source="s\ud800"))
    (entry,) = flat(await journal.read_batches(START, 10))
    assert (entry.message.topic, entry.message.source) == ("a\N{REPLACEMENT CHARACTER}b", "s?")
    assert (await journal.account()).sources["s?"].pending == 1


async def test_the_order_of_calls_is_the_order_of_the_journal(journal: Journal) -> None:
    numbers = await asyncio.gather(*(journal.append(message(number)) for number in range(5_000)))
    assert numbers == list(range(1, 5_001))
    entries = await read_all(journal, START)
    assert [entry.message.topic for entry in entries] == [message(number).topic for number in range(5_000)]


async def test_an_append_that_returned_is_visible_to_everybody(both: tuple[Journal, Journal]) -> None:
    one, other = both

    async def append_and_look(number: int) -> bool:
        seq = await one.append(message(number))
        return any(entry.seq == seq for entry in await read_all(other, START))

    assert all(await asyncio.gather(*(append_and_look(number) for number in range(100))))


async def test_a_reader_by_position_skips_nothing_of_concurrent_writers(
    both: tuple[Journal, Journal],
) -> None:
    sent = 3_000
    seen: list[Entry] = []

    async def write(journal: Journal, source: str) -> None:
        numbers = iter(range(sent))

        async def one_after_another() -> None:
            for number in numbers:
                await journal.append(message(number, source=source))

        await asyncio.gather(*(one_after_another() for _ in range(20)))

    async def read_along() -> None:
        while len(seen) < 2 * sent:
            seen.extend(flat(await both[0].read_batches(seen[-1].position if seen else START, 100)))

    await asyncio.gather(write(both[0], "a"), write(both[1], "b"), read_along())
    assert [entry.seq for entry in seen] == list(range(1, 2 * sent + 1))
    for source in "ab":
        topics = {entry.message.topic for entry in seen if entry.message.source == source}
        assert len(topics) == sent


async def test_reading_stops_at_the_limit(journal: Journal) -> None:
    for count in (2, 1, 1, 5, 1):
        await journal.extend([message(number) for number in range(count)])
    reads = [await journal.read_batches(START, 3)]
    while reads[-1]:
        reads.append(await journal.read_batches(reads[-1][-1].position, 3))
    # A batch that alone is more than the limit comes alone.
    assert [[len(batch) for batch in batches] for batches in reads] == [[2, 1], [1], [5], [1], []]
    assert [entry.seq for batches in reads for entry in flat(batches)] == list(range(1, 11))


async def test_large_messages_are_read_a_few_at_a_time(journal: Journal) -> None:
    large = bytes(6 * 2**20)
    await journal.extend([message(number, payload=large) for number in range(5)])
    assert len(flat(await journal.read_batches(START, 100))) == 2
    assert len(await read_all(journal, START)) == 5


async def test_waiting_ends_with_the_next_append(both: tuple[Journal, Journal]) -> None:
    for writer in both:  # in this process and in another one
        entries = await read_all(both[0], START)
        assert await both[0].wait(0.01) is False
        waiting = asyncio.create_task(both[0].wait(60))
        await asyncio.sleep(0)
        await writer.append(message(len(entries)))
        assert await waiting is True


async def test_what_came_between_reading_and_waiting_is_not_waited_for(journal: Journal) -> None:
    assert flat(await journal.read_batches(START, 10)) == []
    await journal.append(message(1))
    assert await journal.wait(60) is True


async def test_waiting_for_nothing_ends_in_time(journal: Journal) -> None:
    await journal.append(message(1))
    await read_all(journal, START)
    assert await journal.wait(0.2) is False


async def test_closing_writes_what_was_appended_and_refuses_what_comes_later(
    both: tuple[Journal, Journal],
) -> None:
    one, other = both
    appending = [asyncio.create_task(one.append(message(number))) for number in range(3_000)]
    await asyncio.sleep(0)
    await one.close()
    assert await asyncio.gather(*appending) == list(range(1, 3_001))
    assert len(await read_all(other, START)) == 3_000
    with pytest.raises(StoreError, match="closed"):
        await one.append(message(1))


async def test_a_journal_goes_on_where_it_ended(both: tuple[Journal, Journal]) -> None:
    one, _ = both
    assert await one.append(message(1)) == 1
    await one.close()
    await one.start()
    assert await one.append(message(2)) == 2


async def test_a_caller_that_gives_up_disturbs_nobody(journal: Journal) -> None:
    appending = [asyncio.create_task(journal.append(message(number))) for number in range(100)]
    await asyncio.sleep(0)
    for task in appending[::2]:
        task.cancel()
    ended = await asyncio.gather(*appending, return_exceptions=True)
    kept = {entry.seq: entry.message.topic for entry in await read_all(journal, START)}
    assert all(isinstance(end, asyncio.CancelledError) for end in ended[::2])
    assert [kept[end] for end in ended[1::2]] == [message(number).topic for number in range(1, 100, 2)]
    assert (await journal.account()).total().received == len(kept)
