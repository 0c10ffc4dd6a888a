# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Server-sent events, over real connections."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest
import pytest_asyncio

from broker.client import NgsiLdClient
from portal.datasets import load_catalogue
from portal.live import Live
from portal.live_events import Manner, end_streams, routes
from portal.server import portal_app
from tests.conftest import free_port
from tests.portal_address import serving_at_its_address
from tests.portal_city import HAGEN, published_city
from tests.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.portal_city import City

EILPE, HASPE = "urn:ngsi-ld:FloodMonitoring:hagen:eilpe", "urn:ngsi-ld:FloodMonitoring:hagen:haspe"
WEATHER = "urn:ngsi-ld:WeatherObserved:hagen:wetter-1"
QUICK = Manner(heartbeat=0.1, stalled=30.0, most=3)


@pytest_asyncio.fixture(scope="module")
async def published(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[City]:
    catalogue = load_catalogue(HAGEN)
    hidden = catalogue.dataset[1].model_copy(update={"access": "partners"})
    catalogue = catalogue.model_copy(
        update={"dataset": (catalogue.dataset[0], hidden, *catalogue.dataset[2:])}
    )
    async with published_city(postgres, tmp_path_factory.mktemp("events"), catalogue=catalogue) as city:
        yield city


@asynccontextmanager
async def open_to_all(published: City, manner: Manner = QUICK, **office: Any) -> AsyncIterator[City]:
    """Serve with changes of its own."""
    own = type(published)(
        office=replace(published.office, live=Live(first=1000), **office), broker=published.broker
    )
    async with serving_at_its_address(own, partial(routes, manner=manner), on_shutdown=end_streams) as served:
        yield served


@pytest_asyncio.fixture
async def city(published: City) -> AsyncIterator[City]:
    async with open_to_all(published) as city:
        yield city


@dataclass
class Reader:
    """Reads one stream."""

    answer: aiohttp.ClientResponse

    async def block(self) -> dict[str, str]:
        """Return the fields of the next block, comments under the empty name."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE):
            while line := (await self.answer.content.readline()).decode():
                if line == "\n":
                    return fields
                name, _, value = line.rstrip("\n").partition(":")
                fields[name] = value.removeprefix(" ")
        msg = "the stream has ended"
        raise EOFError(msg)

    async def event(self) -> dict[str, str]:
        """Return the next event: what has data."""
        while "data" not in (fields := await self.block()):
            pass
        return fields

    async def levels(self, number: int) -> list[float]:
        """Return the levels that the next events tell."""
        return [orjson.loads((await self.event())["data"])["entity"]["currentLevel"] for _ in range(number)]


@asynccontextmanager
async def listening(city: City, query: str = "", **headers: str) -> AsyncIterator[Reader]:
    """Listen; what begins the stream was read when the block begins."""
    assert city.session is not None
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with city.session.get(f"{city.url}/events{query}", headers=sent) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-store"
        reader = Reader(answer)
        assert (await reader.block())["retry"] == "3000"
        yield reader


def tell(city: City, entity_id: str, *datasets: str, **changed: Any) -> None:
    entity = {"id": entity_id, "type": "T", "observedAt": "2026-03-01T12:00:00.000Z", **changed}
    city.office.live.tell(entity_id, datasets, entity)


def levels(city: City, *values: float) -> None:
    for value in values:
        tell(city, EILPE, "pegel", currentLevel=value)


async def listeners(city: City, number: int) -> None:
    """Wait until so many listen."""
    await until(lambda: city.office.live.listeners == number, lambda: city.office.live.listeners)


async def test_changes_come_as_they_happen(city: City) -> None:
    async with listening(city) as reader:
        levels(city, 0.42)
        assert await reader.event() == {
            "id": "1000",
            "event": "change",
            "data": '{"datasets":["pegel"],"id":"urn:ngsi-ld:FloodMonitoring:hagen:eilpe","entity":'
            '{"id":"urn:ngsi-ld:FloodMonitoring:hagen:eilpe","type":"T",'
            '"observedAt":"2026-03-01T12:00:00.000Z","currentLevel":0.42}}',
        }
        city.office.live.tell(HASPE, ("pegel",), None)
        gone = await reader.event()
        assert gone["event"] == "gone"
        assert orjson.loads(gone["data"]) == {"datasets": ["pegel"], "id": HASPE, "entity": None}
        tell(city, WEATHER, "wetter", name="two\nlines\r\n\r\ndata: x")
        assert orjson.loads((await reader.event())["data"])["entity"]["name"] == "two\nlines\r\n\r\ndata: x"


@pytest.mark.parametrize("by", ["header", "query", "both"])
async def test_who_comes_back_gets_what_they_missed(city: City, by: str) -> None:
    async with listening(city) as reader:
        levels(city, 1, 2, 3)
        assert await reader.levels(2) == [1, 2]
    await listeners(city, 0)
    levels(city, 4, 5)
    query = {"header": "", "query": "?lastEventId=1001", "both": "?lastEventId=999"}[by]
    headers = {} if by == "query" else {"Last_Event_ID": "1001"}
    async with listening(city, query, **headers) as reader:
        levels(city, 6)
        assert await reader.levels(4) == [3, 4, 5, 6]
        city.office.live.tell(EILPE, ("pegel",), None)
        assert (await reader.event())["id"] == "1006"


async def test_nothing_is_lost_between_connections(city: City) -> None:
    """A reader that is thrown out again and again sees each change once."""
    seen: list[float] = []
    last = "999"
    for round_ in range(8):
        levels(city, *range(round_ * 5, round_ * 5 + 5))
        async with listening(city, Last_Event_ID=last) as reader:
            for _ in range(5 if round_ == 7 else round_ % 5):
                event = await reader.event()
                last = event["id"]
                seen.append(orjson.loads(event["data"])["entity"]["currentLevel"])
    async with listening(city, Last_Event_ID=last) as reader:
        seen += await reader.levels(40 - len(seen))
    assert seen == list(range(40))


@pytest.mark.parametrize("last", ["5", "99999", "nonsense", "-1", "", "9" * 40])
async def test_who_was_away_too_long_begins_anew(city: City, last: str) -> None:
    levels(city, 1, 2)
    async with listening(city, Last_Event_ID=last) as reader:
        assert await reader.event() == {"id": "1001", "event": "reset", "data": "{}"}
        levels(city, 3)
        assert await reader.levels(1) == [3]


async def test_by_dataset(city: City) -> None:
    async with listening(city, "?dataset=wetter,verkehr") as reader:
        levels(city, 1)
        tell(city, WEATHER, "wetter", temperature=3)
        levels(city, 2)
        tell(city, WEATHER, "andere", "verkehr", temperature=4)
        found = [orjson.loads((await reader.event())["data"])["entity"]["temperature"] for _ in range(2)]
        assert found == [3, 4]


async def test_by_box(city: City) -> None:
    """What changed may not say where it is: that is read before. What leaves the box is told a last time."""
    there = {"type": "Point", "coordinates": [7.49, 51.33]}
    async with listening(city, "?bbox=7.48,51.33,7.5,51.34&dataset=pegel") as reader:
        tell(city, HASPE, "pegel", currentLevel=1)
        tell(city, EILPE, "pegel", currentLevel=2)
        tell(city, "urn:new", "pegel", currentLevel=3, location=there)
        tell(city, "urn:new", "pegel", currentLevel=4)
        tell(city, EILPE, "pegel", currentLevel=5, location={"type": "Point", "coordinates": [7.0, 51.0]})
        tell(city, EILPE, "pegel", currentLevel=6)
        tell(city, "urn:nowhere", "pegel", currentLevel=7)
        tell(city, HASPE, "pegel", currentLevel=8, location=there)
        assert await reader.levels(5) == [2, 3, 4, 5, 8]
        city.office.live.tell("urn:new", ("pegel",), None)
        assert (await reader.event())["event"] == "gone"


async def test_heartbeat(city: City) -> None:
    """It says how far the reader has come, also where nothing was for them."""
    async with listening(city, "?dataset=wetter") as reader:
        assert await reader.block() == {"": "", "id": "999"}
        levels(city, 1, 2)
        beats = [await reader.block() for _ in range(3)]
        assert beats[-1] == {"": "", "id": "1001"}


@pytest.mark.parametrize(
    ("query", "status", "word"),
    [
        ("?dataset=nonsense", 404, "nonsense"),
        ("?dataset=pegel,nonsense", 404, "nonsense"),
        ("?bbox=1,2,3", 400, "bbox"),
        ("?bbox=7,51,8,52&bbox=7,51,8,52", 400, "twice"),
        ("?lastEventId=x", 400, "lastEventId"),
        ("?since=5", 400, "since"),
    ],
)
async def test_wrong_parameters(city: City, query: str, status: int, word: str) -> None:
    answered, headers, body = await city.get(f"/events{query}")
    assert answered == status
    assert headers["Content-Type"].startswith("application/problem+json")
    assert word in orjson.loads(body)["detail"]


async def test_what_is_not_public_is_not_there(city: City) -> None:
    """A partners' dataset is as unknown as one that does not exist."""
    hidden = city.office.catalogue.dataset[1]
    assert hidden.access == "partners"
    status, _, body = await city.get(f"/events?dataset={hidden.name}")
    assert status == 404
    _, _, nonsense = await city.get("/events?dataset=nonsense")
    assert body.decode().replace(hidden.name, "nonsense") == nonsense.decode()
    async with listening(city) as reader:
        tell(city, "urn:hidden", hidden.name, waterLevel=1)
        levels(city, 2)
        assert await reader.levels(1) == [2]


async def test_so_many_and_no_more(city: City) -> None:
    async with listening(city), listening(city), listening(city):
        status, headers, body = await city.get("/events")
        assert status == 503
        assert int(headers["Retry-After"]) > 0
        assert "later" in orjson.loads(body)["detail"]
    await listeners(city, 0)
    async with listening(city) as reader:
        levels(city, 1)
        assert await reader.levels(1) == [1]


def slow_reader(city: City) -> socket.socket:
    """Connect, ask, and take nothing."""
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", int(city.url.rpartition(":")[2])))
    slow.sendall(b"GET /events HTTP/1.1\r\nHost: portal\r\n\r\n")
    return slow


async def flood(city: City, number: int) -> None:
    """Tell of many changes, about a kilobyte each."""
    for start in range(0, number, 100):
        for value in range(start, start + 100):
            tell(city, EILPE, "pegel", currentLevel=value, name="x" * 1000)
        await asyncio.sleep(0)


async def test_a_slow_reader_is_told_to_begin_anew(city: City) -> None:
    """Nothing piles up for them, and others do not wait; once they read again, they hear of it."""
    with slow_reader(city) as slow:
        await listeners(city, 1)
        async with listening(city) as quick:
            await flood(city, 15_000)
            tell(city, WEATHER, "wetter", temperature=1)
            waiting = [len(listener._waiting) for listener in city.office.live._listeners]
            assert max(waiting) <= 2000
            event = await quick.event()
            while event["event"] == "change" and "temperature" not in event["data"]:
                event = await quick.event()
        slow.settimeout(0)
        loop, read = asyncio.get_running_loop(), b""
        async with asyncio.timeout(PATIENCE):
            while b"event: reset" not in read:
                read = read[-100:] + await loop.sock_recv(slow, 65536)
            tell(city, WEATHER, "wetter", temperature=-17)
            while b'"temperature":-17' not in read:
                read = read[-100:] + await loop.sock_recv(slow, 65536)


async def test_who_takes_nothing_is_let_go(published: City) -> None:
    async with open_to_all(published, Manner(heartbeat=0.1, stalled=0.2, most=3)) as city:
        with slow_reader(city):
            await listeners(city, 1)
            await flood(city, 15_000)
            await listeners(city, 0)


async def test_who_goes_leaves_their_place(city: City) -> None:
    async with listening(city), listening(city):
        assert city.office.live.listeners == 2
    await listeners(city, 0)


async def test_streams_end_with_the_portal(published: City) -> None:
    """They end as streams end, not as broken connections; nobody waits for those who take nothing."""
    async with aiohttp.ClientSession() as session:
        async with open_to_all(published) as city:
            slow = slow_reader(city)
            answer = await session.get(f"{city.url}/events")
            reader = Reader(answer)
            await reader.block()
            await listeners(city, 2)
            levels(city, 1)
            assert await reader.levels(1) == [1]
            reading = asyncio.create_task(answer.content.read())
            await flood(city, 15_000)
        assert (await reading).endswith(b"\n\n")
        slow.close()


async def test_behind_what_all_interfaces_have(published: City) -> None:
    """Streams of one address do not wait for each other; unknown keys are refused; any site may listen."""
    own = type(published)(office=replace(published.office, live=Live(first=1000)), broker=published.broker)
    app = partial(portal_app, interfaces=[partial(routes, manner=QUICK)])
    async with (
        serving_at_its_address(own, app=app, on_shutdown=end_streams) as city,
        listening(city) as one,
        listening(city) as other,
    ):
        levels(city, 1)
        assert await one.levels(1) == await other.levels(1) == [1]
        assert other.answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Content-Encoding" not in other.answer.headers
        status, headers, _ = await city.get("/events", X_API_Key="nobody's")
        assert status == 401
        assert headers["Content-Type"].startswith("application/problem+json")


async def test_broker_away(published: City) -> None:
    """Without a box nothing is read, and changes come; with a box readers are told to come again."""
    async with NgsiLdClient(f"http://127.0.0.1:{free_port()}", kind="embedded") as nobody:
        lonely = replace(published.office.public, client=nobody)
        async with open_to_all(published, public=lonely) as city:
            status, headers, _ = await city.get("/events?bbox=7,51,8,52")
            assert status == 503
            assert int(headers["Retry-After"]) > 0
            async with listening(city) as reader:
                levels(city, 1)
                assert await reader.levels(1) == [1]
