# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What does not go the way of all others: entities aside, late readings, preferred devices, redeliveries."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace as with_fields
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from msgspec.structs import replace

from adapters.codecs.decoding import Codecs
from adapters.networks.envelope import read_uplink
from adapters.networks.plain import PlainFormat
from adapters.profiles import load_profiles
from adapters.translate import World, translate_all
from broker.bridge import Bridge, BridgeSettings
from broker.client import LIMITS, NgsiLdClient
from broker.journal.postgres import PostgresJournal
from compose.preference import preference
from models.device import Device
from models.message import Message
from store.postgres import pool
from tests.integration.test_bridge import HAGEN, T0, Way, climate, eui, room
from tests.orion_like import OrionLike
from tests.waiting import Patience, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

API = "/ngsi-ld/v1"
PLAIN = PlainFormat(topic="city/{device}", time="at")


class Choosy(OrionLike):
    """Takes some entities later, or lets them fail everything; has a history.

    Attributes:
        later: entities that it answers 503 for, in a 207, so many times.
        poison: entities that make it answer 500 to whatever they are in.
        history: what was added to it.
        seen: ids in the order of their arrival, with what was sent of them.
    """

    def __init__(self) -> None:
        super().__init__(fetch_contexts=False)
        self.later: Counter[str] = Counter()
        self.poison: set[str] = set()
        self.history: list[dict[str, Any]] = []
        self.seen: list[tuple[str, dict[str, Any]]] = []

    async def _upsert(self, request: web.Request, body: list[Any]) -> web.Response:
        if any(item["id"] in self.poison for item in body):
            return web.json_response({"title": "Database Error"}, status=500)
        late = [item for item in body if self.later[item["id"]] > 0]
        taken = [item for item in body if item not in late]
        self.seen += [(item["id"], item) for item in taken]
        answer = await super()._upsert(request, taken)
        if not late:
            return answer
        for item in late:
            self.later[item["id"]] -= 1
        problem = {"title": "Busy", "status": 503}
        errors = [{"entityId": item["id"], "error": problem} for item in late]
        success = [item["id"] for item in taken]
        return web.json_response({"success": success, "errors": errors}, status=207)

    async def _temporal(self, request: web.Request) -> web.Response:
        self.history.append(orjson.loads(await request.read()))
        return web.Response(status=204)


class BesideWay(Way):
    """Journal, bridge and a choosy broker with a history."""

    broker: Choosy

    def running(self, **settings: Any) -> Any:
        return self.opened(BridgeSettings(**settings))

    def world(self) -> World:
        return World(
            city="hagen",
            devices=self.devices,
            profiles=load_profiles(),
            codecs=Codecs(),
            readers={"plain": partial(read_uplink, network=PLAIN)},
        )

    def bridge_to(self, client: NgsiLdClient, settings: BridgeSettings) -> Bridge:
        world = self.world()
        return Bridge(
            self.journal,
            client,
            partial(translate_all, world=world),
            lambda subject: f"http://contexts.test/{subject}.jsonld",
            settings,
            preference=preference(("*:" + eui(59), "*:flood"), world),
        )

    @asynccontextmanager
    async def opened(self, settings: BridgeSettings) -> AsyncIterator[Bridge]:
        limits = with_fields(LIMITS["orion-ld"], temporal=True)
        async with NgsiLdClient(self.broker.url, limits=limits, timeout=5) as client:
            task = asyncio.create_task((bridge := self.bridge_to(client, settings)).run())
            try:
                yield bridge
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def sent(self, urn: str) -> list[float]:
        return [item["temperature"]["value"] for seen, item in self.broker.seen if seen == urn]


@pytest_asyncio.fixture
async def way(database: str) -> AsyncIterator[BesideWay]:
    async with pool(database) as opened, Choosy() as broker:
        journal = PostgresJournal(opened)
        await journal.start()
        devices = {
            eui(number): Device(id=eui(number), profile="elsys-ers", name=f"Raum {number}", position=HAGEN)
            for number in range(60)
        }
        yield BesideWay(journal, broker, devices)
        await journal.close()


def plain(device: str, temperature: float, *, minutes: float, **fields: Any) -> Message:
    at = T0 + timedelta(minutes=minutes)
    payload = orjson.dumps({"temperature": temperature, "at": at.isoformat()})
    return Message(source="plain", topic=f"city/{device}", payload=payload, received_at=at, **fields)


async def test_an_entity_that_the_broker_takes_later_waits_alone_and_in_order(way: BesideWay) -> None:
    way.broker.later[room(1)] = 3
    for minute in range(4):
        await way.append(*(climate(n, 20 + minute, minutes=minute, f_cnt=minute + 1) for n in range(6)))
    async with way.running(lanes=1):
        total = await way.settle()
    assert (total.delivered, total.dead) == (24, 0)
    assert way.sent(room(1)) == [20.0, 21.0, 22.0, 23.0]
    others = [urn for urn, _ in way.broker.seen if "Indoor" in urn]
    assert others.index(room(1)) >= 4 * 5  # all others came before its first


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pauses between tries be short."""
    monkeypatch.setattr("broker.lane._FIRST_PAUSE_S", 0.01)


async def until_dead(way: BesideWay) -> None:
    """Send on for another device until there is a dead letter."""
    watch = Patience("a dead letter")
    for n in itertools.count():
        await way.append(climate(2, 21, minutes=1 + n, f_cnt=2 + n))
        await asyncio.sleep(0.1)
        if (await way.journal.account()).total().dead:
            return
        watch.look("there is none")


@pytest.mark.usefixtures("hurried")
async def test_an_entity_that_the_broker_never_takes_is_refused_in_its_words(way: BesideWay) -> None:
    way.broker.later[room(1)] = 1000
    await way.append(climate(1, 20), *(climate(n, 20) for n in range(2, 6)))
    async with way.running(lanes=1):
        await until(lambda: way.broker.seen)
        # It is given up only while the broker takes others.
        await until_dead(way)
        way.broker.later.clear()
        await way.settle()
    (letter,) = await way.journal.dead_letters()
    assert (letter.kind, letter.detail["problem"]["title"]) == ("refused", "Busy")


@pytest.mark.usefixtures("hurried")
async def test_a_poisonous_entity_holds_up_nobody_even_if_nothing_of_it_is_taken(way: BesideWay) -> None:
    way.broker.poison.add(room(1))
    await way.append(*(climate(n, 20) for n in range(30)))
    async with way.running(lanes=1):
        await until_dead(way)
        total = await way.settle()
    assert total.dead == 1
    assert total.delivered == total.received - 1


async def test_what_does_not_change_is_sent_once_and_again_where_the_entity_is_gone(way: BesideWay) -> None:
    async with way.running():
        for minute in range(3):
            await way.append(climate(1, 20 + minute, minutes=minute, f_cnt=minute + 1))
            await way.settle()
        way.broker._tenants[""].pop(room(1))
        await way.append(climate(1, 25, minutes=5, f_cnt=5))
        await way.settle()
    bodies = [item for urn, item in way.broker.seen if urn == room(1)]
    assert ["name" in body for body in bodies] == [True, False, False, False, True]
    entity = way.broker.entity(room(1))
    assert entity is not None
    assert (entity["name"], entity["temperature"]) == ("Raum 1", 25.0)


async def test_late_readings_go_to_history_and_the_state_stays(way: BesideWay) -> None:
    await way.append(climate(1, 22, minutes=10, f_cnt=2), climate(1, 15, minutes=5, f_cnt=1))
    async with way.running():
        total = await way.settle()
    assert (total.delivered, total.dead) == (2, 0)
    assert way.temperature(1) == 22.0
    late = next(item for item in way.broker.history if item["id"] == room(1))
    assert late["temperature"]["value"] == 15.0
    assert late["temperature"]["observedAt"].startswith("2026-05-01T10:05:00")


async def test_preferred_devices_do_not_wait_in_a_backlog(way: BesideWay) -> None:
    way.broker._delay = 0.02
    for minute in range(40):
        await way.append(*(climate(n, minute, minutes=minute, f_cnt=minute + 1) for n in range(60)))
    async with way.running(window=100, chunk=50, lanes=2, batch=10) as bridge:
        total = await way.settle()
        assert bridge.state.ahead > 0
        assert bridge.taken_ahead == 0
    assert (total.received, total.delivered) == (2400, 2400)
    assert {way.temperature(n) for n in range(60)} == {39.0}
    assert way.sent(room(59)) == [float(minute) for minute in range(40)]
    order = [urn for urn, _ in way.broker.seen if "Indoor" in urn]
    last = len(order) - 1 - order[::-1].index(room(59))
    assert last < len(order) / 2
    assert not way.broker.overlapping


async def test_preferred_devices_are_not_taken_twice_where_the_bridge_is_stopped(way: BesideWay) -> None:
    way.broker._delay = 0.02
    for minute in range(20):
        await way.append(*(climate(n, minute, minutes=minute, f_cnt=minute + 1) for n in range(40, 60)))
    for _ in range(4):
        async with way.running(window=60, chunk=20, lanes=2):
            await asyncio.sleep(0.2)
    async with way.running():
        total = await way.settle()
    assert (total.received, total.delivered, total.duplicate) == (400, 400, 0)
    assert not way.broker.history
    assert {way.temperature(n) for n in range(40, 60)} == {19.0}


async def test_what_the_transport_delivers_again_is_recognised_without_a_key(way: BesideWay) -> None:
    way.devices["a"] = Device(id="a", profile="volme-simulated-air", position=HAGEN)
    first = [plain("a", n / 10, minutes=n, packet_id=n + 1) for n in range(200)]
    await way.journal.extend(first)
    async with way.running():
        await way.settle()
    again = [replace(message, redelivered=True) for message in first[100:]]
    # Marked too, and never stored: the same packet identifier, another measure.
    fresh = plain("a", 7, minutes=500, packet_id=50, redelivered=True)
    await way.journal.extend([*again, fresh])
    async with way.running():
        total = await way.settle()
    assert (total.received, total.duplicate, total.delivered) == (301, 100, 201)
    assert not way.broker.history


@pytest.mark.parametrize("count", [400])
async def test_more_redelivered_frames_than_keys_are_remembered_are_duplicates(
    way: BesideWay, count: int
) -> None:
    frames = [replace(climate(1, 20, minutes=n, f_cnt=n + 1), packet_id=n + 1) for n in range(count)]
    await way.journal.extend(frames)
    await way.journal.extend([replace(message, redelivered=True) for message in frames])
    async with way.running():
        total = await way.settle()
    assert (total.delivered, total.duplicate, total.dead) == (count, count, 0)


async def nothing() -> None:
    """Instead of saving."""


async def test_what_was_settled_after_the_book_was_saved_is_known_after_a_crash(way: BesideWay) -> None:
    await way.append(climate(1, 20), climate(2, 20))
    async with way.running() as bridge:
        bridge._save = nothing  # type: ignore[method-assign] - as a crash does
        await way.settle()
    assert await way.journal.activities() == {}
    await way.append(climate(1, 20), climate(2, 21, minutes=1, f_cnt=2))
    async with way.running():
        total = await way.settle()
    assert (total.delivered, total.duplicate) == (3, 1)
    assert (await way.journal.activities())[eui(1)].messages == 2


async def test_what_was_forgotten_before_its_turn_is_ignored(way: BesideWay) -> None:
    await way.append(climate(1, 20), climate(2, 20))
    assert (await way.journal.forget(lambda message: eui(1) in message.topic, [eui(1)])).messages == 1
    async with way.running():
        total = await way.settle()
    assert (total.delivered, total.ignored, total.dead) == (1, 1, 0)
    assert await way.journal.dead_letters() == []


async def test_what_is_late_after_a_crash_is_late_and_not_taken_for_a_repetition(way: BesideWay) -> None:
    await way.append(climate(1, 22, minutes=10, f_cnt=2))
    async with way.running() as bridge:
        bridge._save = nothing  # type: ignore[method-assign] - as a crash does
        await way.settle()
    await way.append(climate(1, 15, minutes=5, f_cnt=1))
    async with way.running():
        total = await way.settle()
    assert (total.delivered, way.temperature(1)) == (2, 22.0)
    assert [item["temperature"]["value"] for item in way.broker.history if item["id"] == room(1)] == [15.0]


async def test_nobody_waits_behind_an_entity_that_the_broker_does_not_take(way: BesideWay) -> None:
    way.broker.later[room(1)] = 10**9
    await way.append(climate(1, 20))
    for minute in range(20):
        await way.append(*(climate(n, minute, minutes=minute, f_cnt=minute + 1) for n in range(2, 32)))
    async with way.running(window=60, chunk=20) as bridge:
        await until(lambda: way.temperature(31) == 19.0, lambda: way.temperature(31))
        assert way.temperature(1) is None
        assert bridge.in_flight < 60 + 20  # a window that is not yet full, and a chunk
        way.broker.later.clear()
        total = await way.settle()
    assert (total.received, total.delivered) == (601, 601)
    assert {way.temperature(n) for n in range(2, 32)} == {19.0}
    assert (await way.journal.activities())[eui(5)].messages == 20


async def test_what_waits_behind_the_cursor_after_a_crash_is_delivered_and_no_duplicate(
    way: BesideWay,
) -> None:
    for n in range(40):  # a batch of the log each
        await way.append(climate(n, 20))
    async with way.running(chunk=1, window=1) as bridge:
        bridge._save = nothing  # type: ignore[method-assign] - as a crash does
        watch = Patience("half of it to be settled")
        while (pending := (await way.journal.account()).pending) > 20:
            watch.look(pending)
            await asyncio.sleep(0.01)
    async with way.running():
        total = await way.settle()
    assert (total.delivered, total.duplicate) == (40, 0)
    assert len(way.broker.ids()) == 80
