# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Volme is killed at random moments, or asked to stop, while messages come."""

from __future__ import annotations

import asyncio
import random
import signal
from typing import TYPE_CHECKING

import pytest

from tests.faults.account import balance
from tests.faults.measures import FLEET
from tests.faults.scale import KILLS, LIMIT, SEED, scaled
from tests.waiting import reached

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.faults.town import Town

    Build = Callable[..., AbstractAsyncContextManager[Town]]

pytestmark = pytest.mark.timeout(LIMIT)

#: Seconds that a start may take, and what a kill may fall into after it.
_WITHIN_START, _UNDER_LOAD = 1.5, 1.0

# What an init system sends, and what Ctrl-C in a terminal does: it reaches every child too.
_SIGNALS = ((signal.SIGTERM, False), (signal.SIGINT, True))


async def test_killed_at_random_moments(build: Build) -> None:
    """Some kills fall into the start, most into the work; every account balances in the end."""
    print(f"VOLME_FAULTS_SEED={SEED}")  # noqa: T201 - shown by a failed test, for the next run
    moments = random.Random(SEED)  # noqa: S311 - no secret
    async with build() as town:
        async with town.load():
            for kill in range(KILLS):
                if kill % 4 == 3:
                    await asyncio.sleep(moments.uniform(0, _WITHIN_START))
                else:
                    await _working(town)
                    await asyncio.sleep(moments.uniform(0, _UNDER_LOAD))
                await town.volme.kill()
                await town.volme.launch("run", "--config", str(town.volme.config))
            await _working(town)
        account = await balance(town.volme, town.publisher, town.receiver)
        assert account.dead == 0
        assert town.wire.stale == []
        # At least once: what may come twice is a device's newest reading.
        assert town.receiver.repeats <= KILLS * len(FLEET)


async def _working(town: Town) -> None:
    before = len(town.receiver.arrived)
    await town.volme.until(lambda health: health["sources"])
    await reached(before + 50, lambda: len(town.receiver.arrived))


async def test_stopped_under_load(build: Build) -> None:
    """It ends in time; what it had acknowledged does not come in again, nor go out but a device's newest."""
    stops = 2 * scaled(1)
    async with build() as town:
        async with town.load():
            for stop in range(stops):
                await _working(town)
                how, group = _SIGNALS[stop % 2]
                assert await town.volme.stop(how, group=group) == 0
                assert not (town.volme.data / "addresses.json").exists(), "it took its leave"
                await asyncio.sleep(0.3)
                await town.volme.start()
            await _working(town)
        account = await balance(town.volme, town.publisher, town.receiver)
        assert account.dead == 0
        assert account.duplicate <= town.wire.repeated, "what the MQTT broker said again is recognised"
        assert town.receiver.repeats <= stops * len(FLEET)
        assert town.wire.stale == []
        log = town.volme.log.read_text()
        assert "Traceback" not in log
        assert "part_failed" not in log
        # Whatever it waits for while it stops has a bound, and none was reached.
        assert "stopped_with_batch_on_its_way" not in log
        assert "connections_cut" not in log
