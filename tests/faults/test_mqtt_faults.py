# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The MQTT broker restarts, forgets its sessions, delivers again: no loss, no second entry."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.faults.account import balance
from tests.faults.measures import FLEET, GAUGES, Fleet
from tests.faults.scale import LIMIT, scaled
from tests.faults.town import town
from tests.waiting import reached

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.faults.postgres import Postgres
    from tests.faults.town import Town

    Build = Callable[..., AbstractAsyncContextManager[Town]]

pytestmark = pytest.mark.timeout(LIMIT)


async def test_restarted_with_its_memory(build: Build) -> None:
    """Its session and its messages survive; what the publisher had to say twice is recognised."""
    async with build() as town:
        async with town.load():
            for _ in range(scaled(3)):
                await reached(len(town.receiver.arrived) + 100, lambda: len(town.receiver.arrived))
                await town.mosquitto.stop()
                await asyncio.sleep(0.5)
                await town.mosquitto.start()
        account = await balance(town.volme, town.publisher, town.receiver)
        assert account.dead == 0
        assert town.receiver.repeats == 0
        assert town.wire.stale == []


@pytest.mark.parametrize("devices", [FLEET, GAUGES[:1]], ids=["of many devices", "of one device"])
async def test_delivered_again(build: Build, devices: tuple[str, ...]) -> None:
    """Its acknowledgements got lost: all comes again with DUP, and is recognised, however much it is."""
    number = scaled(400)
    fleet = Fleet(devices)
    async with build() as town:
        await town.publisher.send(fleet.take(100))
        await reached(100, lambda: town.wire.acknowledged)
        town.wire.holding = True
        await town.publisher.send(fleet.take(number))
        await town.volme.until_received(100 + number)
        town.wire.cut()
        town.wire.holding = False
        await town.volme.until_received(100 + 2 * number)
        account = await balance(town.volme, town.publisher, town.receiver)
        assert account.dead == 0
        assert account.duplicate == number
        assert town.receiver.repeats == 0


@pytest.mark.parametrize("store", ["hangs", "is away"])
async def test_session_lost(tmp_path: Path, own_postgres: Postgres, store: str) -> None:
    """Taken and not yet stored when the MQTT broker dies and forgets: Volme alone has it, and keeps it.

    The acknowledgements of the old connection would, on the new one, be those of other messages.
    """
    number = scaled(200)
    async with town(tmp_path, own_postgres.url) as built:
        await built.publisher.send(built.fleet.take(100))
        await reached(100, lambda: built.wire.acknowledged)
        if store == "hangs":
            own_postgres.freeze()
        else:
            await own_postgres.stop()
        await built.publisher.send(built.fleet.take(number))
        await reached(100 + number, lambda: built.wire.delivered)
        subscriptions = built.wire.subscriptions
        await built.mosquitto.kill()
        built.mosquitto.forget()
        await built.mosquitto.start()
        await reached(subscriptions + 1, lambda: built.wire.subscriptions)
        await built.publisher.send(built.fleet.take(number))
        await reached(100 + 2 * number, lambda: built.wire.delivered)
        assert built.wire.acknowledged == 100
        if store == "hangs":
            own_postgres.thaw()
        else:
            await own_postgres.start()
        account = await balance(built.volme, built.publisher, built.receiver)
        assert account.received == 100 + 2 * number
        assert account.dead == account.duplicate == 0
        assert built.wire.stale == []
