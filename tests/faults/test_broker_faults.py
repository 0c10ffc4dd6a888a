# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The NGSI-LD broker is away, or answers what brokers answer when they are not well."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.account import balance, by_device, listed
from tests.faults.measures import FLEET, GAUGES, SENSORS, Fleet, Measure
from tests.faults.receiver import REFUSAL
from tests.faults.scale import LIMIT, RATE, scaled
from tests.waiting import reached, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.faults.receiver import Receiver
    from tests.faults.town import Town

    Build = Callable[..., AbstractAsyncContextManager[Town]]

pytestmark = pytest.mark.timeout(LIMIT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outage:
    """What comes while the broker is away.

    The first half of it is more than Volme may hold: the window of the bridge, and the newest of the log
    (each bounded by messages and by bytes). What comes after that is on disk, and weighs next to nothing.

    Attributes:
        parts: messages, after which memory is looked at each time.
        ballast: bytes of each message, at least.
        held: bytes of memory that a message of the second half may take.
    """

    parts: tuple[int, ...]
    ballast: int
    held: int


#: Figures seen: small ones take 700 bytes (their place in the newest of the log, up to 50,000), and 3,200
#: where the window has no bound; large ones none, and 100,000.
OUTAGES = {
    "many": Outage(parts=(scaled(5000),) * 4, ballast=0, held=1_500),
    "large": Outage(parts=(scaled(500),) * 8, ballast=100_000, held=50_000),
}


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
async def test_down_and_back(build: Build, outage: Outage) -> None:
    """Lag grows and memory does not; afterwards it drains while new readings flow."""
    async with build() as town:
        volme, receiver = town.volme, town.receiver
        heavy = Fleet(ballast=outage.ballast)
        await town.publisher.send(heavy.take(200))
        await reached(200, lambda: len(receiver.arrived))
        await volme.until(lambda health: not health["pending"])
        await receiver.stop()
        lag, memory = [], []
        for part, number in enumerate(outage.parts):
            await town.publisher.send(heavy.take(number))
            waiting = sum(outage.parts[: part + 1])
            health = await volme.until(lambda health, waiting=waiting: health["pending"] >= waiting)
            lag.append(health["lagSeconds"])
            memory.append(volme.memory())
        assert lag == sorted(lag), "an operator sees how far behind it is"
        assert lag[-1] > lag[0]
        assert health["problems"], "and why"
        half = len(outage.parts) // 2
        grown = memory[-1] - max(memory[:half])
        print("MiB", [round(each / 2**20) for each in memory])  # noqa: T201 - shown by a failed test
        assert grown < outage.held * sum(outage.parts[half:]), "what waits is on disk"
        await receiver.start()
        # New readings flow while the old ones drain.
        await town.publisher.send(heavy.take(scaled(400)), rate=RATE)
        account = await balance(volme, town.publisher, receiver)
        assert account.dead == account.duplicate == 0


FAULTS: dict[str, Callable[[Receiver], Any]] = {
    "500": lambda receiver: receiver.fail_next(10**6, status=500),
    "503": lambda receiver: receiver.fail_next(10**6, status=503),
    "429": lambda receiver: receiver.fail_next(10**6, status=429, headers={"Retry-After": "1"}),
    "hangs": lambda receiver: receiver.fail_next(10**6),
    "closes": lambda receiver: receiver.fail_next(10**6, close=True),
}


async def test_every_kind_of_bad_answer(build: Build) -> None:
    """One after the other, under load: nothing is taken for refused, nothing comes twice out of order."""
    async with build(timeout=3) as town:
        receiver, clock = town.receiver, asyncio.get_running_loop().time
        async with town.load():
            for fault in FAULTS.values():
                await _flows(receiver)
                fault(receiver)
                asked, begun = len(receiver.requests), clock()
                await reached(asked + 5, lambda: len(receiver.requests))  # it tries again
                await asyncio.sleep(scaled(2))
                tries = len(receiver.requests) - asked
                assert tries < 40 * (clock() - begun), "not as fast as it can"
                await town.volme.until(lambda health: health["problems"])  # an operator is told
                receiver.recover()
            await _flows(receiver)
        account = await balance(town.volme, town.publisher, receiver)
        assert account.dead == account.duplicate == 0


async def _flows(receiver: Receiver) -> None:
    await reached(len(receiver.arrived) + 100, lambda: len(receiver.arrived))


async def test_some_are_refused(build: Build) -> None:
    """207: what is refused is a dead letter in the broker's own words; nobody else waits for it."""
    bad = {FLEET[2], FLEET[5]}
    async with build() as town:
        town.receiver.refused = bad
        sent = town.fleet.take(scaled(2000))
        await town.publisher.send(sent)
        dead = [each for each in sent if each.device in bad]
        account = await balance(
            town.volme, town.publisher, town.receiver, dead=dead, letters={"refused": len(dead)}
        )
        assert account.duplicate == town.receiver.repeats == 0
        letters = await listed(town.volme, "--kind", "refused")
        assert by_device(letters) == {device: len(dead) // 2 for device in bad}
        assert all(REFUSAL in letter["sentence"] for letter in letters)
        # Mended, they are delivered on the operator's word.
        town.receiver.refused = set()
        town.receiver.arrived.clear()
        code, _, err = await town.volme.ask(
            "dead-letters", "replay", "--kind", "refused", "--config", str(town.volme.config)
        )
        assert (code, err) == (0, "")
        await until(lambda: {device for device, _ in town.receiver.arrived} == bad)


async def test_one_entity_poisons_its_batches(build: Build) -> None:
    """500 for a whole batch, a part of it stored: the culprits are found, the others do not wait for that."""
    by_reading, by_itself = GAUGES[7], SENSORS[50]
    async with build(batch=40) as town:
        town.receiver.poisonous.add(by_reading)
        town.receiver.cursed.add(by_itself)
        others = Fleet([device for device in FLEET if device not in {by_reading, by_itself}])
        dead = [Measure(by_reading, 1), Measure(by_itself, 1)]
        fine = others.take(scaled(1100))
        # They wait together at the MQTT broker, so that there are batches of many.
        assert await town.volme.stop() == 0
        await town.publisher.send([*fine[:300], *dead, *fine[300:]])
        await town.volme.start()
        await reached(len(fine), lambda: len(town.receiver.known))
        account = await balance(
            town.volme, town.publisher, town.receiver, dead=dead, letters={"refused": len(dead)}
        )
        assert account.duplicate == 0
        assert town.receiver.failed > len(dead), "batches, and their halves down to the culprit"
        letters = await listed(town.volme, "--kind", "refused")
        assert by_device(letters) == {by_reading: 1, by_itself: 1}
        assert all("mongocEntitiesUpsert failed" in letter["sentence"] for letter in letters)
