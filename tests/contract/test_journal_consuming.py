# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Cursors, accounts and the activity of devices."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import TYPE_CHECKING, get_args

import pytest
import pytest_asyncio

from broker.journal.port import (
    HOURS_BYTES,
    KEYS_REMEMBERED,
    START,
    Activity,
    DeadLetter,
    Outcome,
    Position,
    SettledBatch,
    SourceAccount,
    Tally,
    key_hash,
)
from tests.contract.journals import OPENERS, T0, flat, message, read_all, settle, unread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

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


async def append(journal: Journal, count: int, source: str = "ttn") -> None:
    await journal.extend([message(number, source=source) for number in range(count)])


async def test_a_consumer_begins_with_the_first_message(journal: Journal) -> None:
    await append(journal, 3)
    assert [entry.seq for entry in await unread(journal)] == [1, 2, 3]


async def test_a_consumer_goes_on_behind_what_it_settled(journal: Journal) -> None:
    await append(journal, 5)
    entries = await unread(journal, 3)
    assert await journal.settle("bridge", entries[-1].position, settle(entries)) is True
    assert await journal.position("bridge") == entries[-1].position
    assert [entry.seq for entry in await unread(journal)] == [4, 5]


async def test_the_account_says_what_became_of_each_message(journal: Journal) -> None:
    await append(journal, 6, "ttn")
    await append(journal, 2, "chirpstack")
    entries = await unread(journal, 5)
    tallies = {"ttn": Tally(delivered=2, dead=1, duplicate=1, ignored=1, readings=15, entities=10)}
    settled = SettledBatch(first=1, last=5, day=entries[0].day, tallies=tallies)
    await journal.settle("bridge", entries[-1].position, [settled])
    account = await journal.account()
    assert account.sources == {
        "ttn": SourceAccount(
            received=6, delivered=2, dead=1, duplicate=1, ignored=1, pending=1, readings=15, entities=10
        ),
        "chirpstack": SourceAccount(received=2, pending=2),
    }
    assert account.pending == account.total().pending == 3
    assert account.lag > 0


async def test_a_batch_may_have_several_sources_and_the_next_adds_to_the_account(journal: Journal) -> None:
    await journal.extend([message(number, source="ab"[number % 2]) for number in range(10)])
    entries = await unread(journal)
    for first, last in ((1, 4), (5, 10)):
        half = (last - first + 1) // 2
        tallies = {"a": Tally(delivered=half, readings=7), "b": Tally(dead=half)}
        settled = SettledBatch(first=first, last=last, day=entries[0].day, tallies=tallies)
        assert await journal.settle("bridge", Position(day=entries[0].day, seq=last), [settled])
    assert (await journal.account()).sources == {
        "a": SourceAccount(received=5, delivered=5, readings=14),
        "b": SourceAccount(received=5, dead=5),
    }


async def test_without_anything_unread_there_is_no_lag(journal: Journal) -> None:
    assert (await journal.account()).total() == SourceAccount()
    await append(journal, 2)
    entries = await unread(journal)
    await journal.settle("bridge", entries[-1].position, settle(entries))
    account = await journal.account()
    assert (account.pending, account.lag) == (0, 0)


async def test_a_cursor_never_goes_back_and_nothing_counts_twice(both: tuple[Journal, Journal]) -> None:
    journal, other = both
    await append(journal, 10)
    entries = await unread(journal)
    letter = DeadLetter(seq=2, message=entries[1].message, kind="codec", sentence="No.")
    first = ("bridge", entries[4].position, settle(entries[:5]), [letter])
    assert await journal.settle(*first) is True
    for again in both:
        assert await again.settle(*first) is False  # its answer got lost, so it is made again
        assert await again.settle("bridge", entries[2].position, settle(entries[:3]), [letter]) is False
    assert await journal.position("bridge") == entries[4].position
    # Its answer got lost, and meanwhile there is more.
    more = [*settle(entries[:5]), *settle(entries[5:7])]
    assert await journal.settle("bridge", entries[6].position, more, [letter]) is True
    # Another process goes on, and this one does not know of it.
    assert await other.settle("bridge", entries[7].position, settle(entries[7:8])) is True
    assert await journal.settle("bridge", entries[7].position, settle(entries[7:8])) is False
    with pytest.raises(ValueError, match="must settle each"):
        await journal.settle("bridge", entries[9].position, settle(entries[9:]))
    assert await journal.settle("bridge", entries[8].position, settle(entries[8:9])) is True
    account = await journal.account()
    assert (account.total().delivered, account.pending) == (9, 1)
    assert await journal.dead_letter_counts() == {"codec": 1}


async def test_of_consumers_with_one_name_one_settles(both: tuple[Journal, Journal]) -> None:
    await append(both[0], 200)
    entries = await unread(both[0])

    async def settle_all(journal: Journal) -> int:
        return sum(
            [await journal.settle("bridge", one.position, settle(entries[: one.seq])) for one in entries]
        )

    moves = await asyncio.gather(*(settle_all(journal) for journal in both), return_exceptions=True)
    # Who lags behind has batches across the other's cursor, or nothing left.
    assert all(isinstance(moved, int | ValueError) for moved in moves)
    account = await both[0].account()
    assert account.total().delivered + account.pending == 200
    assert account.total().delivered == (await both[0].position("bridge")).seq


def one_batch(first: int, last: int, count: int) -> Callable[[list[Entry]], list[SettledBatch]]:
    return lambda entries: [
        SettledBatch(first=first, last=last, day=entries[0].day, tallies={"ttn": Tally(delivered=count)})
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda _: [], id="nothing"),
        pytest.param(one_batch(1, 3, 3), id="the last is missing"),
        pytest.param(one_batch(3, 4, 2), id="the first is missing"),
        pytest.param(one_batch(1, 4, 5), id="one twice"),
        pytest.param(one_batch(1, 4, 3), id="one left out"),
        pytest.param(one_batch(1, 5, 5), id="one too many"),
        pytest.param(lambda entries: settle(entries[:2]) + settle(entries[3:]), id="a gap"),
        pytest.param(lambda entries: settle(entries[:3]) + settle(entries[2:]), id="an overlap"),
        pytest.param(lambda entries: settle(entries[2:]) + settle(entries[:2]), id="disorder"),
        pytest.param(
            lambda _: [SettledBatch(first=1, last=4, day=START.day, tallies={"ttn": Tally(dead=4)})],
            id="another day",
        ),
    ],
)
async def test_a_commit_settles_every_message_once_or_nothing_happens(
    journal: Journal, wrong: Callable[[list[Entry]], list[SettledBatch]]
) -> None:
    await append(journal, 4)
    entries = await unread(journal)
    for before in (0, 1):
        for one in entries[:before]:
            await journal.settle("bridge", one.position, settle([one]))
        with pytest.raises(ValueError, match="must settle each message once"):
            await journal.settle("bridge", entries[-1].position, wrong(entries))
        assert (await journal.position("bridge")).seq == before
        total = (await journal.account()).total()
        assert total == SourceAccount(received=4, delivered=before, pending=4 - before)


async def test_a_commit_beyond_the_log_is_refused(journal: Journal) -> None:
    await append(journal, 2)
    (one, two) = await unread(journal)
    for settled in ([], [one]):
        if settled:
            await journal.settle("bridge", one.position, settle(settled))
        third = two._replace(seq=3)
        with pytest.raises(ValueError, match="must settle each"):
            await journal.settle("bridge", third.position, settle([one, two, third][len(settled) :]))


async def test_a_consumer_registers_before_it_commits(journal: Journal) -> None:
    await append(journal, 1)
    entries = await read_all(journal, START)
    with pytest.raises(ValueError, match="asks for its position"):
        await journal.settle("nobody", entries[0].position, settle(entries))


async def test_consumers_have_cursors_and_accounts_of_their_own(journal: Journal) -> None:
    await append(journal, 3)
    entries = await unread(journal, 2)
    await journal.position("archive")
    await journal.settle("bridge", entries[-1].position, settle(entries))
    assert (await journal.account("bridge")).pending == 1
    assert (await journal.account("archive")).total() == SourceAccount(received=3, pending=3)
    assert (await journal.account("unheard of")).pending == 3


# The activity of devices

A = Activity(
    first_seen=T0 - timedelta(days=1),
    last_seen=T0 + timedelta(hours=2),
    f_cnt=2**32 - 1,
    messages=71,
    keys=(*(key_hash(f"frame {number}") for number in range(KEYS_REMEMBERED - 2)), 7, -(2**63)),
    hour=494_000,
    hours=bytes(number % 256 for number in range(HOURS_BYTES)),
)
B = Activity(messages=1)


async def settled_up_to(journal: Journal, count: int) -> Position:
    """Append and settle until so many messages are settled."""
    await append(journal, count - (await journal.position("bridge")).seq)
    entries = await unread(journal)
    await journal.settle("bridge", entries[-1].position, settle(entries))
    return entries[-1].position


async def test_activity_comes_back_as_it_was_saved(journal: Journal) -> None:
    assert await journal.activity_position("bridge") == await journal.position("bridge")
    end = await settled_up_to(journal, 3)
    await journal.save_activity("bridge", end, {"a": A, "b\0": B})
    assert await journal.activities() == {"a": A, "b\N{REPLACEMENT CHARACTER}": B}
    assert await journal.activities(beyond=HOURS_BYTES - 1) == {"a": A}
    assert await journal.activities(beyond=HOURS_BYTES) == {}
    assert await journal.activity({"a", "c"}) == {"a": A}
    assert await journal.activity([]) == {}
    assert await journal.activity_position("bridge") == end


async def test_what_is_saved_later_takes_its_place(both: tuple[Journal, Journal]) -> None:
    await both[0].activity_position("bridge")
    first = await settled_up_to(both[0], 2)
    await both[0].save_activity("bridge", first, {"a": A, "b": B})
    second = await settled_up_to(both[0], 4)
    await both[1].save_activity("bridge", second, {"a": B})
    await both[0].save_activity("bridge", first, {"a": A})  # who lags behind overwrites nothing
    assert await both[0].activities() == {"a": B, "b": B}
    await both[0].save_activity("bridge", second, {})
    assert await both[1].activity_position("bridge") == second


async def test_activity_never_reaches_beyond_the_cursor(journal: Journal) -> None:
    await journal.activity_position("bridge")
    end = await settled_up_to(journal, 1)
    await append(journal, 1)
    with pytest.raises(ValueError, match="has settled up to 1"):
        await journal.save_activity("bridge", Position(day=end.day, seq=2), {"a": A})
    assert await journal.activities() == {}
    assert (await journal.activity_position("bridge")).seq == 0


async def test_who_saves_activity_asks_first_how_far_it_reaches(journal: Journal) -> None:
    end = await settled_up_to(journal, 1)
    with pytest.raises(ValueError, match="asks how far"):
        await journal.save_activity("bridge", end, {"a": A})
    assert await journal.activity_position("bridge") == end
    await journal.save_activity("bridge", end, {"a": A})
    assert await journal.activities() == {"a": A}


async def test_activity_is_bounded(journal: Journal) -> None:
    place = await journal.activity_position("bridge")
    for wrong in (Activity(hours=bytes(HOURS_BYTES + 1)), Activity(keys=(1,) * (KEYS_REMEMBERED + 1))):
        with pytest.raises(ValueError, match="the activity of a has"):
            await journal.save_activity("bridge", place, {"a": wrong})


class Bridge:
    """Settles what it reads, in chunks and with outcomes by chance, and replays by chance."""

    def __init__(self, journal: Journal, chance: random.Random) -> None:
        self.journal = journal
        self.chance = chance
        self.settled = dict.fromkeys(get_args(Outcome), 0)
        self.replayed = 0

    async def step(self) -> int:
        place = await self.journal.position("bridge")
        entries = flat(await self.journal.read_batches(place, self.chance.choice([1, 7, 50])))
        entries = entries[: self.chance.randint(0, len(entries))]
        if entries:
            outcomes = [self.chance.choice(get_args(Outcome)) for _ in entries]
            settled = [
                batch
                for entry, outcome in zip(entries, outcomes, strict=True)
                for batch in settle([entry], outcome)
            ]
            dead = [
                DeadLetter(
                    seq=one.seq, message=one.message, kind="codec", sentence="No.", replay_of=one.replay_of
                )
                for one, outcome in zip(entries, outcomes, strict=True)
                if outcome == "dead"
            ]
            await self.journal.settle("bridge", entries[-1].position, settled, dead)
            for outcome in outcomes:
                self.settled[outcome] += 1
        if self.chance.random() < 0.1:
            self.replayed += await self.journal.replay(source=self.chance.choice(["a", "b"]))
        return len(entries)


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
