# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Cursors, accounts and the activity of devices."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, get_args

import pytest
import pytest_asyncio

from broker.journal.port import (
    KEYS_REMEMBERED,
    START,
    Activity,
    DeadLetter,
    Outcome,
    Position,
    Settled,
    SourceAccount,
    key_hash,
)
from tests.contract.journals import OPENERS, T0, message, read_all, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from broker.journal.port import Entry, Journal


@pytest_asyncio.fixture(params=OPENERS)
async def journal(request: pytest.FixtureRequest, database: str) -> AsyncIterator[Journal]:
    async with OPENERS[request.param](database) as opened:
        yield opened


async def append(journal: Journal, count: int, source: str = "ttn") -> None:
    await asyncio.gather(*(journal.append(message(number, source=source)) for number in range(count)))


async def test_a_consumer_begins_with_the_first_message(journal: Journal) -> None:
    await append(journal, 3)
    assert [entry.seq for entry in await journal.read(await journal.position("bridge"), 10)] == [1, 2, 3]


async def test_a_consumer_goes_on_behind_what_it_settled(journal: Journal) -> None:
    await append(journal, 5)
    entries = await journal.read(await journal.position("bridge"), 3)
    assert await journal.commit("bridge", entries[-1].position, settle(entries)) is True
    assert await journal.position("bridge") == entries[-1].position
    assert [entry.seq for entry in await journal.read(await journal.position("bridge"), 10)] == [4, 5]


async def test_the_account_says_what_became_of_each_message(journal: Journal) -> None:
    await append(journal, 6, "ttn")
    await append(journal, 2, "chirpstack")
    entries = await journal.read(await journal.position("bridge"), 5)
    outcomes: list[Outcome] = ["delivered", "delivered", "dead", "duplicate", "ignored"]
    settled = [
        replace(one, outcome=outcome, readings=3, entities=2)
        for one, outcome in zip(settle(entries), outcomes, strict=True)
    ]
    await journal.commit("bridge", entries[-1].position, settled)
    account = await journal.account()
    assert account.sources == {
        "ttn": SourceAccount(
            received=6, delivered=2, dead=1, duplicate=1, ignored=1, pending=1, readings=15, entities=10
        ),
        "chirpstack": SourceAccount(received=2, pending=2),
    }
    assert account.pending == account.total().pending == 3
    assert account.lag > 0


async def test_without_anything_unread_there_is_no_lag(journal: Journal) -> None:
    assert (await journal.account()).total() == SourceAccount()
    await append(journal, 2)
    entries = await journal.read(await journal.position("bridge"), 2)
    await journal.commit("bridge", entries[-1].position, settle(entries))
    account = await journal.account()
    assert (account.pending, account.lag) == (0, 0)


async def test_a_cursor_never_goes_back_and_nothing_counts_twice(journal: Journal) -> None:
    await append(journal, 10)
    entries = await journal.read(await journal.position("bridge"), 10)
    letter = DeadLetter(seq=2, message=entries[1].message, kind="codec", sentence="No.")
    first = ("bridge", entries[4].position, settle(entries[:5], device_id="d"), [letter])
    assert await journal.commit(*first) is True
    assert await journal.commit(*first) is False  # its answer got lost, so it is made again
    assert await journal.commit("bridge", entries[2].position, settle(entries[:3]), [letter]) is False
    assert await journal.position("bridge") == entries[4].position
    # Another one read from further back and delivered more.
    await journal.commit("bridge", entries[6].position, settle(entries[:7], device_id="d"), [letter])
    account = await journal.account()
    assert (account.total().delivered, account.pending) == (7, 3)
    assert (await journal.activities())["d"].messages == 7
    assert await journal.dead_letter_counts() == {"codec": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda entries: settle(entries[:-1]), id="the last is missing"),
        pytest.param(lambda entries: settle(entries[1:]), id="the first is missing"),
        pytest.param(lambda entries: settle([*entries[:-1], entries[0]]), id="one twice"),
        pytest.param(lambda entries: settle([*entries, replace(entries[-1], seq=99)]), id="one too many"),
    ],
)
async def test_a_commit_settles_every_message_once_or_nothing_happens(
    journal: Journal, wrong: object
) -> None:
    await append(journal, 4)
    start = await journal.position("bridge")
    entries = await journal.read(start, 4)
    with pytest.raises(ValueError, match="must settle each of them once"):
        await journal.commit("bridge", entries[-1].position, wrong(entries))
    assert await journal.position("bridge") == start
    assert (await journal.account()).total() == SourceAccount(received=4, pending=4)


async def test_a_commit_beyond_the_log_is_refused(journal: Journal) -> None:
    await append(journal, 1)
    (entry,) = await journal.read(await journal.position("bridge"), 4)
    with pytest.raises(ValueError, match="must settle each"):
        await journal.commit("bridge", Position(day=entry.day, seq=2), settle([entry, replace(entry, seq=2)]))


async def test_a_consumer_registers_before_it_commits(journal: Journal) -> None:
    await append(journal, 1)
    entries = await journal.read(START, 1)
    with pytest.raises(ValueError, match="asks for its position"):
        await journal.commit("nobody", entries[0].position, settle(entries))


async def test_consumers_have_cursors_and_accounts_of_their_own(journal: Journal) -> None:
    await append(journal, 3)
    entries = await journal.read(await journal.position("bridge"), 2)
    await journal.position("archive")
    await journal.commit("bridge", entries[-1].position, settle(entries))
    assert (await journal.account("bridge")).pending == 1
    assert (await journal.account("archive")).total() == SourceAccount(received=3, pending=3)
    assert (await journal.account("unheard of")).pending == 3


async def commit_one_by_one(journal: Journal, *settled: Settled) -> None:
    for one in settled:
        seq = await journal.append(message(0))
        entries = await journal.read(await journal.position("bridge"), 1)
        await journal.commit("bridge", entries[0].position, [replace(one, seq=seq)])


@pytest.mark.parametrize("together", [True, False], ids=["in one commit", "one by one"])
async def test_activity_of_a_device(journal: Journal, together: bool) -> None:  # noqa: FBT001 - a parameter
    count = KEYS_REMEMBERED + 4
    heard = [
        Settled(
            seq=number + 1,
            source="ttn",
            outcome="delivered",
            device_id="a",
            key=key_hash(f"frame {number}"),
            observed_at=T0 + timedelta(minutes=number),
            f_cnt=number,
        )
        for number in range(count)
    ]
    late = replace(heard[0], seq=count + 1, key=7, observed_at=T0 - timedelta(days=1), f_cnt=5)
    again = replace(heard[-1], seq=count + 2, outcome="duplicate")
    status = replace(heard[-1], seq=count + 3, key=None, f_cnt=None, observed_at=T0 + timedelta(hours=2))
    timeless = replace(heard[0], seq=count + 4, device_id="b", key=-(2**63), observed_at=None, f_cnt=None)
    nobody = replace(heard[0], seq=count + 5, device_id=None)
    settled = [*heard, late, again, status, timeless, nobody]
    if together:
        await append(journal, len(settled))
        entries = await journal.read(await journal.position("bridge"), 100)
        await journal.commit("bridge", entries[-1].position, settled)
    else:
        await commit_one_by_one(journal, *settled)
    a = Activity(
        first_seen=T0 - timedelta(days=1),
        last_seen=T0 + timedelta(hours=2),
        f_cnt=count - 1,
        messages=count + 3,
        keys=(*(key_hash(f"frame {number}") for number in range(count)), 7)[-KEYS_REMEMBERED:],
    )
    b = Activity(first_seen=None, last_seen=None, f_cnt=None, messages=1, keys=(-(2**63),))
    assert await journal.activities() == {"a": a, "b": b}
    assert await journal.activity({"a", "c"}) == {"a": a}
    assert await journal.activity([]) == {}


class Bridge:
    """Settles what it reads, in chunks and with outcomes by chance, and replays by chance."""

    def __init__(self, journal: Journal, chance: random.Random) -> None:
        self.journal = journal
        self.chance = chance
        self.settled = dict.fromkeys(get_args(Outcome), 0)
        self.replayed = 0

    async def step(self) -> int:
        entries = await self.journal.read(
            await self.journal.position("bridge"), self.chance.choice([1, 7, 50])
        )
        entries = entries[: self.chance.randint(0, len(entries))]
        if entries:
            settled = [replace(one, outcome=self.chance.choice(get_args(Outcome))) for one in settle(entries)]
            await self.journal.commit(
                "bridge", entries[-1].position, settled, list(self._letters(entries, settled))
            )
            for one in settled:
                self.settled[one.outcome] += 1
        if self.chance.random() < 0.1:
            self.replayed += await self.journal.replay(source=self.chance.choice(["a", "b"]))
        return len(entries)

    def _letters(self, entries: list[Entry], settled: list[Settled]) -> list[DeadLetter]:
        return [
            DeadLetter(
                seq=entry.seq, message=entry.message, kind="codec", sentence="No.", replay_of=entry.replay_of
            )
            for entry, one in zip(entries, settled, strict=True)
            if one.outcome == "dead"
        ]


def assert_balanced(account: object) -> None:
    for one in (*account.sources.values(), account.total()):
        assert one.received == one.delivered + one.dead + one.duplicate + one.ignored + one.pending
        assert one.pending >= 0
    assert account.total().pending == account.pending


@pytest.mark.parametrize("seed", range(3))
async def test_the_account_balances_at_every_moment(journal: Journal, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    bridge = Bridge(journal, chance)
    done = asyncio.Event()

    async def write(source: str) -> None:
        for number in range(150):
            await journal.append(message(number, source=source))
            await asyncio.sleep(chance.choice([0, 0, 0.001]))

    async def consume() -> None:
        while await bridge.step() or not done.is_set() or (await journal.account()).pending:
            pass

    async def check() -> int:
        looks = 0
        while not done.is_set() or looks < 10:
            assert_balanced(await journal.account())
            looks += 1
        return looks

    consuming, checking = asyncio.create_task(consume()), asyncio.create_task(check())
    await asyncio.gather(*(write(source) for source in ("a", "a", "b", "c")))
    done.set()
    await asyncio.gather(consuming, checking)
    account = await journal.account()
    assert_balanced(account)
    total = account.total()
    assert total.received == 600 + bridge.replayed == len(await read_all(journal, START))
    assert {name: getattr(total, name) for name in bridge.settled} == bridge.settled
    assert total.pending == 0
