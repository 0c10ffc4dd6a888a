# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""More than can be taken: a backlog at the start, and an overload."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

import pytest

from tests.faults.account import SOURCE, balance
from tests.faults.measures import FLEET, Fleet
from tests.faults.scale import BACKLOG, LIMIT, scaled
from tests.waiting import reached

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.faults.town import Town
    from tests.faults.volme_process import Volme

    Build = Callable[..., AbstractAsyncContextManager[Town]]

pytestmark = pytest.mark.timeout(LIMIT)

#: Bytes of a message of the backlog, which is in the MQTT broker's memory before.
BALLAST = min(8000, 240_000_000 // BACKLOG)
#: The same of an overload: less of it is more than Volme may hold.
HEAVY = 40_000
#: Bytes: by so much an account of memory may differ from the one before, since nobody tells what is free.
PLAY = 96 * 2**20


class Watch:
    """Notes, all the time, how far Volme is and what it weighs.

    Attributes:
        seen: (messages ended, bytes of memory, pending, lag in seconds), as they were.
    """

    def __init__(self, volme: Volme) -> None:
        self.seen: list[tuple[int, int, int, float]] = []
        self._volme = volme

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task.done():
            self._task.result()  # it never ends but by a defect
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            health: dict[str, Any] = await self._volme.health()
            source = health["sources"].get(SOURCE, {})
            ended = source.get("delivered", 0) + source.get("dead", 0) + source.get("duplicate", 0)
            self.seen.append((ended, self._volme.memory(), health["pending"], health["lagSeconds"]))
            await asyncio.sleep(0.25)

    @property
    def heaviest(self) -> int:
        """Bytes of memory, at most."""
        return max(memory for _, memory, *_ in self.seen)


async def test_backlog_at_start(build: Build) -> None:
    """All of it waits in the MQTT broker: it comes through in constant memory, and one sees how far it is."""
    fleet = Fleet(FLEET, ballast=BALLAST)
    weights = []
    async with build() as town:
        numbers = min(BACKLOG // 2, 15_000), BACKLOG
        for number in numbers:
            assert await town.volme.stop() == 0
            await town.publisher.send(fleet.take(number))
            begun, arrived = town.wire.acknowledged, len(town.receiver.arrived)

            def full(begun: int = begun, arrived: int = arrived, number: int = number) -> bool:
                """Until all was read it takes a tenth of it, so that Volme holds what it may in any case."""
                read = town.wire.acknowledged - begun
                return read < number and 10 * (len(town.receiver.arrived) - arrived) > read

            town.receiver.full = full
            await town.volme.start()
            async with Watch(town.volme) as watch:
                account = await balance(town.volme, town.publisher, town.receiver)
            weights.append(watch.heaviest)
        assert account.dead == 0
        assert account.duplicate <= town.wire.repeated, "what the MQTT broker said again is recognised"
        ended = [each[0] for each in watch.seen]
        assert ended == sorted(ended)
        assert len(set(ended)) >= 4, "progress can be seen"
        # Much more waited, and it did not weigh more: both are more than Volme may hold.
        print("MiB", [round(each / 2**20) for each in weights])  # noqa: T201 - shown by a failed test
        assert weights[1] - weights[0] < min(PLAY, (numbers[1] - numbers[0]) * BALLAST * 0.7)


async def test_some_do_not_wait(build: Build) -> None:
    """A backlog at the start: what flood gauges said, up to its end, is there long before the others' end."""
    gauges = FLEET[6:8]
    each, turns = scaled(12_000) // 5, 5
    others = Fleet([device for device in FLEET if device not in gauges])
    urgent = Fleet(gauges)
    async with build(priority=gauges) as town:
        receiver = town.receiver
        await receiver.stop()
        for _ in range(turns):  # the last of it is theirs
            await town.publisher.send([*others.take(each), *urgent.take(len(gauges))])
        await town.volme.until(lambda health: health["pending"] == turns * (each + len(gauges)))
        assert await town.volme.stop() == 0
        # Slow, so that the machine is not what the others wait for, until all of the gauges is there.
        receiver._delay = 0.5
        await receiver.start()
        await town.volme.start()
        urgents = turns * len(gauges)
        await reached(urgents, lambda: sum(device in gauges for device, _ in receiver.arrived))
        receiver._delay = 0.0
        account = await balance(town.volme, town.publisher, receiver)
        assert account.dead == 0
        ends = [place for place, (device, _) in enumerate(receiver.arrived) if device in gauges]
        before = ends[-1] / len(receiver.arrived)
        print(f"{before:.0%} of the others came before the last of the gauges")  # noqa: T201 - as above
        assert before < 0.15


async def test_overload(build: Build) -> None:
    """As fast as the MQTT broker takes it, several times what can be delivered; then it recovers."""
    fleet = Fleet(FLEET, ballast=HEAVY)
    weights = []
    async with build() as town:
        receiver, publisher = town.receiver, town.publisher
        numbers = scaled(4000), scaled(8000)
        for number in numbers:
            begun, sent = len(receiver.arrived), len(publisher.acknowledged)

            def full(begun: int = begun, sent: int = sent) -> bool:
                """A broker at its limit takes a quarter of what comes."""
                return 4 * (len(receiver.arrived) - begun) > len(publisher.acknowledged) - sent

            receiver.full = full
            async with Watch(town.volme) as watch:
                await publisher.send(fleet.take(number))
                behind = number - (len(receiver.arrived) - begun)
                assert behind > number / 3, "this was an overload"
                receiver.full = lambda: False
                account = await balance(town.volme, publisher, receiver)
            weights.append(watch.heaviest)
        assert account.dead == receiver.repeats == 0
        assert max(lag for *_, lag in watch.seen) > 0, "an operator sees how far behind it is"
        assert max(pending for _, _, pending, _ in watch.seen) > 0
        print("MiB", [round(each / 2**20) for each in weights])  # noqa: T201 - shown by a failed test
        # Twice as much waited, and it did not weigh more: both are more than Volme may hold.
        assert weights[1] - weights[0] < min(PLAY, (numbers[1] - numbers[0]) * HEAVY * 0.7)
        # It recovered: what comes now does not wait behind anything.
        assert (await town.volme.health())["lagSeconds"] == 0
