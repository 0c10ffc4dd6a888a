# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The free spots of a parking site are right in the broker, whatever ends the bridge between two messages."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

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

    import pytest

NOW = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
SITE = "urn:ngsi-ld:OnStreetParking:hagen:markt"
SPOTS = [f"70b3d57ed0a100{number:02x}" for number in range(4)]
DEVICES = {
    name: Device(
        id=name,
        profile="bosch-tps110",
        position=Position(longitude=7.4983, latitude=51.3391),
        attributes={"category": ["onStreet"], "refParkingSite": SITE},
    )
    for name in SPOTS
}


class Street:
    """A journal, a broker, four spots, and one bridge after the other."""

    def __init__(self, journal: PostgresJournal, broker: OrionLike) -> None:
        self.journal = journal
        self.broker = broker

    async def say(self, *said: tuple[int, int, bool]) -> None:
        """Spots (by number) say at a minute whether they are taken."""
        for number, minute, taken in said:
            at = NOW + timedelta(minutes=minute)
            name = SPOTS[number]
            topic, payload = chirpstack(
                b"", at=at, dev_eui=name, object={"occupied": taken}, deduplicationId=f"{name}{at}"
            )
            await self.journal.append(
                Message(source="field", topic=topic, payload=payload, received_at=datetime.now(UTC))
            )

    @asynccontextmanager
    async def bridge(self) -> AsyncIterator[Bridge]:
        """A bridge that knows nothing but the journal and the registry."""
        counters = Counters()
        world = World(
            city="hagen", devices=DEVICES, profiles=load_profiles(), codecs=Codecs(), counters=counters
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

    async def settle(self) -> tuple[Any, ...] | None:
        """Deliver all that waits by a new bridge; return free, occupied and all spots."""
        async with self.bridge():
            await nothing_pending(self.journal)
        return self.spots()

    def spots(self) -> tuple[Any, ...] | None:
        site = self.broker.entity(SITE)
        if site is None:
            return None
        return tuple(site[name] for name in ("availableSpotNumber", "occupiedSpotNumber", "totalSpotNumber"))


@pytest_asyncio.fixture
async def street(database: str) -> AsyncIterator[Street]:
    async with pool(database) as opened, OrionLike(fetch_contexts=False) as broker:
        journal = PostgresJournal(opened)
        await journal.start()
        yield Street(journal, broker)
        await journal.close()


async def test_the_count_goes_on_after_a_start(street: Street) -> None:
    assert await street.settle() is None
    await street.say((0, 1, False), (1, 2, True), (2, 3, False))
    assert await street.settle() == (2, 1, 4)
    await street.say((3, 4, False))
    assert await street.settle() == (3, 1, 4)
    await street.say((1, 5, False), (0, 6, True))
    assert await street.settle() == (3, 1, 4)


async def test_messages_out_of_order_and_twice_leave_the_newest_state_of_each_spot(street: Street) -> None:
    await street.say((0, 10, True), (1, 9, True), (0, 4, False), (1, 9, True), (2, 8, False), (1, 5, False))
    assert await street.settle() == (1, 2, 4)
    await street.say((0, 7, False), (2, 8, False), (3, 1, False))
    assert await street.settle() == (2, 2, 4)


async def test_a_crash_with_a_part_delivered_counts_the_same_again(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    await street.say((0, 1, False), (1, 1, True))
    assert await street.settle() == (1, 1, 4)
    await street.say((1, 2, False), (2, 3, True), (3, 4, True))
    with monkeypatch.context() as crash:

        async def away(*_given: Any, **_named: Any) -> bool:
            msg = "PostgreSQL is away"
            raise StoreError(msg)

        crash.setattr(street.journal, "settle", away)
        async with street.bridge():
            await until(lambda: street.spots() == (2, 2, 4), street.spots)
    assert (await street.journal.account()).pending == 3
    assert await street.settle() == (2, 2, 4)
    await street.say((2, 5, False))
    assert await street.settle() == (3, 1, 4)
