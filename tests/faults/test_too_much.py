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

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.faults.town import Town
    from tests.faults.volme_process import Volme

    Build = Callable[..., AbstractAsyncContextManager[Town]]

pytestmark = pytest.mark.timeout(LIMIT)

BALLAST = 1000


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
        for number in (BACKLOG // 5, BACKLOG):
            assert await town.volme.stop() == 0
            await town.publisher.send(fleet.take(number))
            await town.volme.start()
            async with Watch(town.volme) as watch:
                account = await balance(town.volme, town.publisher, town.receiver)
            weights.append(watch.heaviest)
        assert account.dead == account.duplicate == 0
        ended = [each[0] for each in watch.seen]
        assert ended == sorted(ended)
        assert len(set(ended)) >= 4, "progress can be seen"
        # Five times as much waited, and it did not weigh more: both are more than Volme may hold.
        print("MiB", [round(each / 2**20) for each in weights])  # noqa: T201 - shown by a failed test
        assert weights[1] < 1.6 * weights[0]


async def test_overload(build: Build) -> None:
    """As fast as the MQTT broker takes it, several times what can be delivered; then it recovers."""
    fleet = Fleet(FLEET, ballast=4 * BALLAST)
    weights = []
    async with build() as town:
        town.receiver._delay = 0.05  # a broker at its limit
        for number in (scaled(8000), scaled(24_000)):
            begun = len(town.receiver.known)
            async with Watch(town.volme) as watch:
                await town.publisher.send(fleet.take(number))
                behind = number - (len(town.receiver.known) - begun)
                assert behind > number / 2, "this was an overload"
                account = await balance(town.volme, town.publisher, town.receiver)
            weights.append(watch.heaviest)
        assert account.dead == account.duplicate == town.receiver.repeats == 0
        assert max(lag for *_, lag in watch.seen) > 0, "an operator sees how far behind it is"
        assert max(pending for _, _, pending, _ in watch.seen) > 0
        print("MiB", [round(each / 2**20) for each in weights])  # noqa: T201 - shown by a failed test
        # Three times as much waited, and it did not weigh more: both are more than Volme may hold.
        assert weights[1] < 1.55 * weights[0]
        # It recovered: what comes now does not wait behind anything.
        assert (await town.volme.health())["lagSeconds"] == 0
