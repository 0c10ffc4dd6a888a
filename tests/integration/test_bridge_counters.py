# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What counters count is exact, whatever ends the bridge between two messages."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from adapters.codecs.decoding import Codecs
from adapters.profiles import load_profiles
from adapters.translate import World, translate_all
from broker.bridge import Bridge
from broker.client import NgsiLdClient
from broker.journal.postgres import PostgresJournal
from models.counters import Counters
from models.device import Device
from models.errors import StoreError
from models.message import Message
from models.uplink import Position
from store.postgres import pool
from tests.orion_like import OrionLike
from tests.uplinks import chirpstack
from tests.waiting import nothing_pending, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HERE = Position(longitude=7.4983, latitude=51.3391)
NOW = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
ROOMS = [f"70b3d57ed0a100{number:02x}" for number in range(5)]
METER = {
    "vendor": "Acme",
    "model": "Meter",
    "codec": "network",
    "entity_type": "WeatherObserved",
    "fields": {"rain": {"quantity": "rain.cumulative", "modulus": 1000}},
}


class Town:
    """A journal, a broker, five rain gauges, and one bridge after the other."""

    def __init__(self, journal: PostgresJournal, broker: OrionLike) -> None:
        self.journal = journal
        self.broker = broker
        self.minute = 0

    async def rains(self, *counts: float, minutes: int = 1) -> None:
        """All gauges say a count, one message each; and then the next, some minutes later."""
        for count in counts:
            self.minute += minutes
            at = NOW + timedelta(minutes=self.minute)
            for dev_eui in ROOMS:
                topic, payload = chirpstack(
                    b"", at=at, dev_eui=dev_eui, object={"rain": count}, deduplicationId=f"{dev_eui}{at}"
                )
                await self.journal.append(
                    Message(source="field", topic=topic, payload=payload, received_at=at)
                )

    @asynccontextmanager
    async def bridge(self) -> AsyncIterator[Bridge]:
        """A bridge that knows nothing but the journal."""
        counters = Counters()
        devices = {name: Device(id=name, profile="meter", position=HERE) for name in ROOMS}
        world = World(
            city="hagen",
            devices=devices,
            profiles=load_profiles({"meter": METER}),
            codecs=Codecs(),
            counters=counters,
        )
        async with NgsiLdClient(self.broker.url, kind="orion-ld", timeout=5) as client:
            bridge = Bridge(
                self.journal,
                client,
                partial(translate_all, world=world),
                lambda subject: f"http://contexts.test/{subject}.jsonld",
                counters=counters,
            )
            task = asyncio.create_task(bridge.run())
            try:
                yield bridge
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def settle(self) -> None:
        await nothing_pending(self.journal)
        assert await self.journal.dead_letters() == []

    def fell(self) -> set[Any]:
        """The rain since the message before, as the broker has it; None: it was never told."""
        entities = [self.broker.entity(f"urn:ngsi-ld:WeatherObserved:hagen:{name}") for name in ROOMS]
        return {entity and entity.get("precipitation") for entity in entities}

    def counted(self) -> set[Any]:
        """The absolute counts, as the broker has them."""
        urn = "urn:ngsi-ld:DeviceMeasurement:hagen:{}:rain.cumulative"
        entities = [self.broker.entity(urn.format(name)) for name in ROOMS]
        return {entity and entity["numValue"] for entity in entities}


@pytest_asyncio.fixture
async def town(database: str) -> AsyncIterator[Town]:
    async with pool(database) as opened, OrionLike(fetch_contexts=False) as broker:
        journal = PostgresJournal(opened)
        await journal.start()
        yield Town(journal, broker)
        await journal.close()


async def test_differences_go_on_after_a_start(town: Town) -> None:
    await town.rains(990.0)
    async with town.bridge():
        await town.settle()
    assert (town.fell(), town.counted()) == ({None}, {990.0})
    await town.rains(995.0, 998.5)
    async with town.bridge():
        await town.settle()
    assert (town.fell(), town.counted()) == ({3.5}, {998.5})
    await town.rains(1.0)  # it rolled over
    async with town.bridge():
        await town.settle()
    assert (town.fell(), town.counted()) == ({2.5}, {1.0})


async def test_what_was_settled_after_the_last_save_is_counted_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await town.rains(10.0)
    async with town.bridge():
        await town.settle()
    with monkeypatch.context() as crash:

        async def never(_bridge: Bridge) -> None:
            """It ends before it saves."""

        crash.setattr(Bridge, "_save", never)
        await town.rains(12.0, 15.0)
        async with town.bridge():
            await town.settle()
        assert town.fell() == {3.0}
    await town.rains(15.5)
    async with town.bridge():
        await town.settle()
    assert town.fell() == {0.5}


@pytest.mark.parametrize("all_of_it", [True, False])
async def test_what_was_delivered_and_not_settled_is_counted_the_same_again(
    town: Town, monkeypatch: pytest.MonkeyPatch, *, all_of_it: bool
) -> None:
    await town.rains(10.0)
    async with town.bridge():
        await town.settle()
    await town.rains(12.0, 15.0)
    with monkeypatch.context() as crash:

        async def away(*_given: Any, **_named: Any) -> bool:
            msg = "PostgreSQL is away"
            raise StoreError(msg)

        crash.setattr(town.journal, "settle", away)
        async with town.bridge():
            await until(
                lambda: town.counted() == {15.0} and (not all_of_it or town.fell() == {3.0}),
                lambda: (town.counted(), town.fell()),
            )
    assert (await town.journal.account()).pending == 10
    async with town.bridge():
        await town.settle()
    assert (town.fell(), town.counted()) == ({3.0}, {15.0})
    await town.rains(16.0)
    async with town.bridge():
        await town.settle()
    assert town.fell() == {1.0}


async def test_a_late_reading_counts_nothing(town: Town) -> None:
    await town.rains(10.0, 12.0)
    await town.rains(11.0, minutes=-1)
    await town.rains(15.0, minutes=3)
    async with town.bridge():
        await nothing_pending(town.journal)
    assert (town.fell(), town.counted()) == ({3.0}, {15.0})


async def test_a_frame_that_comes_twice_is_counted_once(town: Town) -> None:
    await town.rains(10.0, 12.0)
    await town.rains(12.0, minutes=0)
    await town.rains(13.0)
    async with town.bridge():
        await town.settle()
    assert town.fell() == {1.0}
    assert (await town.journal.account()).total().duplicate == 5
