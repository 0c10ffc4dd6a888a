# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The embedded broker at the end of the way: every reading stands in its history, and stands there once."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from tests.faults.account import SOURCE, balance
from tests.faults.measures import FLEET, Fleet, Measure
from tests.faults.scale import KILLS, LIMIT, SEED, scaled
from tests.faults.town import embedded_town
from tests.waiting import reached

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.town import EmbeddedTown

pytestmark = pytest.mark.timeout(LIMIT)


async def working(town: EmbeddedTown) -> None:
    """Wait until readings are delivered."""
    health = await town.volme.until(lambda health: SOURCE in health["sources"])
    before = health["sources"][SOURCE]["delivered"]
    await town.volme.until(lambda health: health["sources"][SOURCE]["delivered"] > before + 50)


async def test_nothing_twice_after_kills_and_stops(tmp_path: Path, fleet_database: str) -> None:
    print(f"VOLME_FAULTS_SEED={SEED}")  # noqa: T201 - shown by a failed test, for the next run
    moments = random.Random(SEED)  # noqa: S311 - no secret
    async with embedded_town(tmp_path, fleet_database, devices=40) as town:
        async with town.load():
            for kill in range(max(2, KILLS // 2)):
                await working(town)
                await asyncio.sleep(moments.uniform(0, 1))
                if kill % 2:
                    assert await town.volme.stop() == 0
                else:
                    await town.volme.kill()
                await town.volme.start()
            await working(town)
        account = await balance(town.volme, town.publisher, town.history)
        assert account.dead == 0
        assert town.history.repeats == 0


async def test_late_and_redelivered(tmp_path: Path, fleet_database: str) -> None:
    """Hours late, it goes into history and leaves the current state alone; once, though it came twice."""
    number = scaled(300)
    late = [Measure(device, 100 + turn) for turn in range(scaled(10)) for device in FLEET[:20]]
    async with embedded_town(tmp_path, fleet_database, devices=40) as town:
        newest = Fleet(FLEET[:40], begin=10_000)
        await town.publisher.send(newest.take(100))
        await reached(100, lambda: town.wire.acknowledged)
        town.wire.holding = True
        await town.publisher.send([*newest.take(number), *late])
        again = number + len(late)
        await town.volme.until_received(100 + again)
        town.wire.cut()
        town.wire.holding = False
        await town.volme.until_received(100 + 2 * again)
        account = await balance(town.volme, town.publisher, town.history)
        assert account.duplicate == again
        assert account.dead == town.history.repeats == 0
