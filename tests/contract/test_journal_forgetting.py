# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Deleting for privacy: what matches is gone, everything else stays as it was."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest_asyncio

from broker.journal.port import START, Activity, DeadLetter, Forgotten, is_forgotten
from tests.contract.journals import OPENERS, flat, message, read_all, settle, unread, until_blocked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from broker.journal.port import Journal
    from models.message import Message


@pytest_asyncio.fixture(params=OPENERS)
async def journal(request: pytest.FixtureRequest, database: str) -> AsyncIterator[Journal]:
    async with OPENERS[request.param](database) as opened:
        yield opened


def of_seven(one: Message) -> bool:
    return one.topic.endswith("7/up")


async def bury(journal: Journal) -> None:
    """Append a hundred messages, of which some die and some stay pending."""
    for first in range(0, 100, 20):
        await journal.extend(
            [message(number, source="ab"[number % 2]) for number in range(first, first + 20)]
        )
    await journal.activity_position("bridge")
    entries = await unread(journal, 60)
    dead = [
        DeadLetter(seq=one.seq, message=one.message, kind="codec", sentence="No.", device_id=device)
        for one, device in ((entries[7], "x"), (entries[8], "seven"), (entries[9], "y"))
    ]
    await journal.settle("bridge", entries[-1].position, settle(entries), dead)
    activities = {"seven": Activity(messages=3), "y": Activity(messages=4)}
    await journal.save_activity("bridge", entries[-1].position, activities)


async def test_what_matches_loses_everything_but_number_and_source(journal: Journal) -> None:
    await bury(journal)
    before, account = await read_all(journal, START), await journal.account()
    counted = await journal.forget(of_seven, ["seven"], only_count=True)
    assert await read_all(journal, START) == before
    assert await journal.forget(of_seven, ["seven"]) == counted == Forgotten(messages=10, letters=2)
    after = await read_all(journal, START)
    assert [(one.seq, one.message.source) for one in after] == [
        (one.seq, one.message.source) for one in before
    ]
    for was, now in zip(before, after, strict=True):
        assert is_forgotten(now.message) is of_seven(was.message)
        assert now == was or (now.message.topic, now.message.payload) == ("", b"")
    assert [one.device_id for one in await journal.dead_letters()] == ["y"]
    assert set(await journal.activities()) == {"y"}
    left = await journal.account()
    assert (left.sources, left.pending) == (account.sources, account.pending)
    assert await journal.forget(of_seven, ["seven"]) == Forgotten()


async def test_what_was_appended_a_moment_ago_is_gone_from_memory_too(journal: Journal) -> None:
    assert await journal.read_batches(START, 1) == []
    await journal.extend([message(7), message(8)])
    await journal.forget(of_seven, [])
    assert [is_forgotten(one.message) for one in flat(await journal.read_batches(START, 10))] == [True, False]


async def test_large_payloads_leave_the_file(journal: Journal, database: str) -> None:
    """They are out of line, in a table of their own, where vacuum frees them."""
    secret = b"very-private-" * 10_000
    await journal.extend([message(7, payload=secret), message(8)])
    assert await journal.forget(of_seven, []) == Forgotten(messages=1)
    connection = await asyncpg.connect(database)
    kept = await connection.fetchval(
        "SELECT count(*) FROM journal.batches WHERE position('very-private-'::bytea IN packed) > 0"
    )
    await connection.close()
    assert kept == 0


async def test_appending_goes_on_meanwhile(journal: Journal, database: str) -> None:
    await bury(journal)
    outside = await asyncpg.connect(database)
    async with outside.transaction():
        await outside.execute("SELECT FROM journal.batches WHERE last = 100 FOR UPDATE")
        forgetting = asyncio.create_task(journal.forget(of_seven, ["seven"]))
        await until_blocked(outside)
        assert await journal.append(message(7)) == 101
    assert await forgetting == Forgotten(messages=10, letters=2)
    await outside.close()
    assert not is_forgotten((await read_all(journal, START))[-1].message)


async def test_who_forgets_at_the_same_time_forgets_both(journal: Journal) -> None:
    await journal.extend([message(number) for number in range(100)])

    def of_eight(one: Message) -> bool:
        return one.topic.endswith("8/up")

    both = await asyncio.gather(journal.forget(of_seven, []), journal.forget(of_eight, []))
    assert both == [Forgotten(messages=10), Forgotten(messages=10)]
    gone = [one.seq for one in await read_all(journal, START) if is_forgotten(one.message)]
    assert [seq % 10 for seq in gone] == [8, 9] * 10
