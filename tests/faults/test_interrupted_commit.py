# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Delivered and not committed: the next start tells what it repeats from what is late."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest_asyncio

from adapters.codecs.decoding import Codecs
from adapters.profiles import load_profiles
from adapters.translate import World, translate_all
from broker.bridge import Bridge
from broker.client import NgsiLdClient
from broker.journal.postgres import PostgresJournal
from models.device import Device
from models.errors import StoreError
from models.message import Message
from models.uplink import Position
from store.postgres import pool
from tests.faults.volme_process import Uplink, Witness, eui
from tests.waiting import nothing_pending, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from broker.journal.port import SourceAccount

ROOM, BESIDE = eui(1), eui(2)
HERE = Position(longitude=7.47, latitude=51.36)


class Forgetful(PostgresJournal):
    """A journal that takes messages and cannot commit, as after a kill between the two."""

    async def settle(self, *_: Any, **__: Any) -> bool:
        sentence = "PostgreSQL is away"
        raise StoreError(sentence)


class Way:
    """Journal, bridge and broker; the bridge can be stopped before it commits."""

    def __init__(self, journals: tuple[PostgresJournal, PostgresJournal], broker: Witness) -> None:
        self.journal, self.forgetful = journals
        self.broker = broker
        self.devices = {
            device: Device(id=device, profile="elsys-ers", position=HERE) for device in (ROOM, BESIDE)
        }

    async def append(self, *uplinks: Uplink) -> None:
        for uplink in uplinks:
            message = Message(source="test", topic=uplink.topic, payload=uplink.body, received_at=uplink.at)
            await self.journal.append(message)

    @asynccontextmanager
    async def running(self, journal: PostgresJournal) -> AsyncIterator[Bridge]:
        codecs = Codecs()
        world = World(city="hagen", devices=self.devices, profiles=load_profiles(), codecs=codecs)
        async with NgsiLdClient(self.broker.url, kind="orion-ld", timeout=5) as client:
            bridge = Bridge(
                journal, client, partial(translate_all, world=world), "http://test/{}.jsonld".format
            )
            task = asyncio.create_task(bridge.run())
            try:
                yield bridge
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def deliver_without_commit(self) -> None:
        pending = (await self.journal.account()).pending
        async with self.running(self.forgetful) as bridge:
            await until(lambda: bridge.in_flight == pending)
            await until(lambda: not any(ticket.waiting for ticket in bridge._tickets))

    async def nothing_pending(self) -> None:
        await nothing_pending(self.journal)

    async def settle(self) -> SourceAccount:
        async with self.running(self.journal):
            await self.nothing_pending()
        return (await self.journal.account()).total()

    async def late(self) -> list[str]:
        """Return the times of the readings that were found late."""
        letters = await self.journal.dead_letters()
        assert {letter.kind for letter in letters} <= {"late"}
        return sorted(letter.detail["entities"][0]["temperature"]["observedAt"] for letter in letters)


@pytest_asyncio.fixture
async def way(database: str) -> AsyncIterator[Way]:
    async with pool(database) as opened, Witness(fetch_contexts=False) as broker:
        journal = PostgresJournal(opened)
        await journal.start()
        yield Way((journal, Forgetful(opened)), broker)
        await journal.close()


async def test_what_is_sent_again_is_delivered_and_not_late(way: Way) -> None:
    sent = [Uplink(ROOM, f_cnt) for f_cnt in range(1, 9)]
    await way.append(*sent)
    await way.deliver_without_commit()
    way.broker.seen.clear()
    total = await way.settle()
    assert (total.received, total.delivered, total.dead) == (8, 8, 0)
    assert way.broker.went_back == []
    assert set(way.broker.seen) <= {(sent[-1].entity, sent[-1].observed_at)}  # the newest at most, again


async def test_what_was_late_before_is_late_again(way: Way) -> None:
    newest, late, newer = Uplink(ROOM, 5), Uplink(ROOM, 3), Uplink(ROOM, 6)
    await way.append(newest)
    await way.settle()
    await way.append(late, newer)
    await way.deliver_without_commit()
    total = await way.settle()
    assert (total.delivered, total.dead) == (2, 1)
    assert await way.late() == [late.observed_at]


async def test_what_comes_after_the_start_is_late_as_ever(way: Way) -> None:
    await way.append(Uplink(ROOM, 5), Uplink(ROOM, 6))
    await way.deliver_without_commit()
    async with way.running(way.journal):
        await way.nothing_pending()
        late = Uplink(ROOM, 4)
        await way.append(late)
        await way.nothing_pending()
    assert await way.late() == [late.observed_at]


async def test_a_place_that_several_devices_feed_loses_no_reading(way: Way) -> None:
    """Whose the newer state is cannot be told there: rather a dead letter too many than a reading lost."""
    for device in (ROOM, BESIDE):
        way.devices[device] = Device(id=device, profile="elsys-ers", position=HERE, place="saal")
    await way.append(Uplink(BESIDE, 7), Uplink(ROOM, 5), Uplink(ROOM, 6))
    await way.deliver_without_commit()
    total = await way.settle()
    assert (total.received, total.dead) == (3, 2)
    assert await way.late() == [Uplink(ROOM, 5).observed_at, Uplink(ROOM, 6).observed_at]
