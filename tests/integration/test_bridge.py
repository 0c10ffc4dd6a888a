# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Journal → bridge → a broker that behaves as the recorded Orion-LD."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest_asyncio
from msgspec.structs import replace

from adapters.codecs.decoding import Codecs, encode
from adapters.profiles import load_profiles
from adapters.translate import World, translate_all
from broker.bridge import Bridge, BridgeSettings
from broker.client import NgsiLdClient
from broker.journal.postgres import PostgresJournal
from models.device import Device
from models.message import Message
from models.uplink import Position
from store.postgres import pool
from tests.orion_like import OrionLike
from tests.uplinks import chirpstack
from tests.waiting import nothing_pending, reached, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from broker.journal.port import SourceAccount

T0 = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
HAGEN = Position(longitude=7.47, latitude=51.36)


def eui(number: int) -> str:
    return f"70b3d57ed00{number:05x}"


def room(number: int) -> str:
    return f"urn:ngsi-ld:IndoorEnvironmentObserved:hagen:{eui(number)}"


def climate(number: int, temperature: float, *, minutes: float = 0, f_cnt: int = 1) -> Message:
    f_port, payload = encode("elsys", {"temperature": temperature})
    at = T0 + timedelta(minutes=minutes)
    topic, body = chirpstack(payload, f_port=f_port, f_cnt=f_cnt, dev_eui=eui(number), at=at)
    body = body.replace(b"5e0c2d4a-0000", f"{number:08x}-0000".encode())  # deduplication ids are unique
    return Message(source="test", topic=topic, payload=body, received_at=at)


class Way:
    """Everything between the journal and the broker."""

    def __init__(self, journal: PostgresJournal, broker: OrionLike, devices: dict[str, Device]) -> None:
        self.journal = journal
        self.broker = broker
        self.devices = devices
        self.bridge: Bridge | None = None

    async def append(self, *messages: Message) -> None:
        await asyncio.gather(*(self.journal.append(message) for message in messages))

    @asynccontextmanager
    async def running(self, **settings: Any) -> AsyncIterator[Bridge]:
        codecs = Codecs()
        world = World(city="hagen", devices=self.devices, profiles=load_profiles(), codecs=codecs)
        async with NgsiLdClient(self.broker.url, kind="orion-ld", timeout=5) as client:
            bridge = Bridge(
                self.journal,
                client,
                partial(translate_all, world=world),
                lambda subject: f"http://contexts.test/{subject}.jsonld",
                BridgeSettings(**settings),
            )
            task = asyncio.create_task(bridge.run())
            try:
                yield bridge
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def settle(self) -> SourceAccount:
        """Wait until nothing is pending; the account must balance."""
        await nothing_pending(self.journal)
        total = (await self.journal.account()).total()
        assert total.received == total.delivered + total.dead + total.duplicate + total.ignored
        return total

    def temperature(self, number: int) -> Any:
        entity = self.broker.entity(room(number))
        return entity and entity["temperature"]


@pytest_asyncio.fixture
async def way(database: str) -> AsyncIterator[Way]:
    async with pool(database) as opened, OrionLike(fetch_contexts=False) as broker:
        journal = PostgresJournal(opened)
        await journal.start()
        devices = {
            eui(number): Device(id=eui(number), profile="elsys-ers", name=f"Raum {number}", position=HAGEN)
            for number in range(60)
        }
        yield Way(journal, broker, devices)
        await journal.close()


async def test_messages_become_entities_and_the_account_balances(way: Way) -> None:
    await way.append(*(climate(number, 20 + number / 10) for number in range(60)))
    async with way.running():
        total = await way.settle()
    assert (total.received, total.delivered, total.dead) == (60, 60, 0)
    assert total.entities == 120  # a room and a device each
    assert [way.temperature(number) for number in (0, 59)] == [20.0, 25.9]


async def test_the_readings_of_a_device_arrive_in_order_one_batch_each(way: Way) -> None:
    for minute in range(10):
        await way.append(climate(1, 20 + minute, minutes=minute, f_cnt=minute + 1))
    async with way.running(lanes=4):
        total = await way.settle()
    assert total.delivered == 10
    assert way.temperature(1) == 29.0
    assert not way.broker.overlapping


async def test_a_frame_that_comes_twice_is_counted_and_sent_once(way: Way) -> None:
    await way.append(climate(1, 21), climate(1, 21))
    async with way.running():
        await way.settle()
    await way.append(climate(1, 21))
    async with way.running():  # recognised after a restart too
        total = await way.settle()
    assert (total.delivered, total.duplicate) == (1, 2)


async def test_a_late_reading_never_overwrites_a_newer_state(way: Way) -> None:
    await way.append(climate(1, 22, minutes=10, f_cnt=2))
    async with way.running():
        await way.settle()
    await way.append(climate(1, 15, minutes=5, f_cnt=1))
    async with way.running():  # the new bridge must ask the broker what it holds
        total = await way.settle()
    assert way.temperature(1) == 22.0
    assert total.dead == 1
    (letter,) = await way.journal.dead_letters()
    assert letter.kind == "late"
    assert "newer" in letter.sentence
    assert letter.detail["entities"][0]["temperature"]["value"] == 15.0


async def test_a_broker_that_is_away_delays_and_loses_nothing(way: Way) -> None:
    way.broker.fail_next(1000, close=True)
    await way.append(*(climate(number, 20) for number in range(30)))
    async with way.running() as bridge:
        await until(lambda: bridge.state.broker_error)
        assert (await way.journal.account()).pending == 30
        way.broker.recover()
        total = await way.settle()
        assert bridge.state.broker_error is None
    assert total.delivered == 30


async def test_what_the_broker_refuses_is_a_dead_letter_with_its_words(way: Way) -> None:
    await way.append(climate(1, 20))
    async with way.running():
        await way.settle()
    # Somebody gave the entity another type behind our back.
    way.broker._tenants[""][room(1)].type = "https://example.org/Room"
    await way.append(climate(1, 21, minutes=1, f_cnt=2), climate(2, 21, minutes=1))
    async with way.running():
        total = await way.settle()
    assert (total.delivered, total.dead) == (2, 1)
    (letter,) = await way.journal.dead_letters()
    assert letter.kind == "refused"
    assert room(1) in letter.sentence
    assert letter.detail["problem"]["status"] == 400
    assert way.temperature(2) == 21.0


async def test_one_entity_that_poisons_its_batch_is_found_and_the_others_arrive(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.lane._FIRST_PAUSE_S", 0.01)  # it pauses before each half
    crooked = {
        "type": "Polygon",
        "coordinates": [[[7.0, 51.0], [7.1, 51.1], [7.1, 51.0], [7.0, 51.1], [7.0, 51.0]]],
    }
    way.devices[eui(7)] = Device(
        id=eui(7), profile="elsys-ers", position=HAGEN, attributes={"location": crooked}
    )
    await way.append(*(climate(number, 20) for number in range(40)))
    async with way.running(lanes=1):
        total = await way.settle()
    assert (total.delivered, total.dead) == (39, 1)
    (letter,) = await way.journal.dead_letters()
    assert room(7) in letter.sentence
    assert way.temperature(39) == 20.0


async def test_a_broker_whose_writes_fail_while_it_still_answers_questions_loses_nothing(way: Way) -> None:
    way.broker.fail_next(10_000, status=500, path="entityOperations")
    await way.append(*(climate(number, 20) for number in range(8)))
    async with way.running():
        await reached(24, lambda: sum("entityOperations" in seen.path for seen in way.broker.requests))
        way.broker.recover()
        total = await way.settle()
    assert (total.delivered, total.dead) == (8, 0)


async def test_places_with_long_names_are_looked_up_all_the_same(way: Way) -> None:
    for number in range(60):
        place = f"{number:02d}-" + "ü" * 100
        way.devices[eui(number)] = Device(id=eui(number), profile="elsys-ers", place=place, position=HAGEN)
    await way.append(*(climate(number, 20) for number in range(60)))
    async with way.running():
        total = await way.settle()
    assert (total.delivered, total.dead) == (60, 0)


async def test_a_look_up_that_the_broker_refuses_does_not_stop_the_city(way: Way) -> None:
    way.broker.fail_next(10_000, status=414, path="/ngsi-ld/v1/entities")
    await way.append(*(climate(number, 20) for number in range(4)))
    async with way.running():
        await until(lambda: way.broker.requests)
        await asyncio.sleep(0.5)
        way.broker.recover()
        total = await way.settle()
    assert (total.delivered, total.dead) == (4, 0)


async def test_after_a_restart_a_late_message_does_not_set_last_seen_back(way: Way) -> None:
    quiet = {"rxInfo": []}  # nothing but last-seen is known of the device
    newer = climate(1, 22, minutes=60, f_cnt=2)
    older = climate(1, 15, minutes=5, f_cnt=1)
    for message in (newer, older):
        body = json.loads(message.payload) | quiet
        await way.append(replace(message, payload=json.dumps(body).encode()))
        async with way.running():
            await way.settle()
    device = way.broker.entity(f"urn:ngsi-ld:Device:hagen:{eui(1)}")
    assert device is not None
    assert device["dateLastValueReported"]["@value"] == "2026-05-01T11:00:00.000Z"


async def test_memory_is_bounded_by_bytes_too(way: Way) -> None:
    way.broker.fail_next(10_000, close=True, path="entityOperations")
    await way.append(*(climate(number, 20) for number in range(60)))
    async with way.running(window_bytes=5_000, chunk=5) as bridge:
        await until(lambda: bridge.in_flight)
        await asyncio.sleep(0.5)
        assert 0 < bridge.in_flight < 20
        way.broker.recover()
        total = await way.settle()
    assert total.delivered == 60


async def test_an_unknown_device_is_delivered_when_it_is_registered(way: Way) -> None:
    known = way.devices.pop(eui(5))
    await way.append(climate(5, 18), climate(5, 19, minutes=1, f_cnt=2))
    async with way.running():
        await way.settle()
        (waiting,) = await way.journal.unknown_devices()
        assert (waiting.device_id, waiting.count) == (eui(5), 2)
        way.devices[eui(5)] = known
        assert await way.journal.replay(kind="unknown-device", device=eui(5)) == 2
        total = await way.settle()
    assert total.delivered == 2
    assert way.temperature(5) == 19.0


async def test_stopping_in_the_middle_loses_nothing_and_repeats_nothing_in_the_account(way: Way) -> None:
    way.broker._delay = 0.02
    for minute in range(20):
        await way.append(*(climate(number, minute, minutes=minute, f_cnt=minute + 1) for number in range(20)))
    for _ in range(5):
        async with way.running(window=100, chunk=20):
            await asyncio.sleep(0.15)
    async with way.running():
        total = await way.settle()
    assert (total.received, total.delivered) == (400, 400)
    assert {way.temperature(number) for number in range(20)} == {19.0}
    assert not way.broker.overlapping
