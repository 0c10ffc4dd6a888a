# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""NGSI-LD for the public, and what all interfaces have in common, over HTTP."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from broker.client import NgsiLdClient
from portal import gateway
from portal.limits import Limiter
from portal.office import digest
from portal.server import portal_app
from portal.views import View
from tests.embedded_serving import listening
from tests.portal_city import HAGEN, City, at, context_of, published_city, said, serving_app
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from portal.office import Office

API = "/ngsi-ld/v1"
PARTNER = "partner-key"
SDM = "https://raw.githubusercontent.com/smart-data-models"
GAUGE = "urn:ngsi-ld:FloodMonitoring:hagen:eilpe"
SECRET = {
    "id": "urn:ngsi-ld:FloodMonitoring:hagen:eilpe",
    "type": "FloodMonitoring",
    "measuredDistance": said(4.321),
    "description": said("secret"),
}


@pytest_asyncio.fixture(scope="module")
async def city(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[City]:
    """A published city; the city's own tenant knows more of the same entities."""
    async with published_city(postgres, tmp_path_factory.mktemp("gateway")) as city:
        base = city.broker._base
        async with (
            NgsiLdClient(base, kind="embedded") as own,
            NgsiLdClient(base, kind="embedded", tenant="public-traffic") as theirs,
        ):
            await own.upsert([SECRET], context=context_of("FloodMonitoring"))
            site = {"id": "urn:ngsi-ld:ParkingSpot:hagen:p", "type": "ParkingSpot", "location": at(7.4, 51.3)}
            await theirs.upsert([site], context=context_of("ParkingSpot"))
            spots = tuple(each for each in city.office.catalogue.dataset if each.name == "parkplaetze")
            partner = View(name="traffic", datasets=spots, client=theirs, context_of=context_of)
            async with listening() as receiver:
                city.office = replace(
                    city.office,
                    partners={digest(PARTNER): partner},
                    endpoints={"traffic": (receiver.at("/partner/"),)},
                )
                async with serving_app(city, portal_app(city.office, ())):
                    yield city


async def ask(city: City, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
    assert city.session is not None
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    data = None if body is None else orjson.dumps(body)
    if data is not None:
        sent.setdefault("Content-Type", "application/json")
    async with city.session.request(method, city.url + path, data=data, headers=sent) as answer:
        content = await answer.read()
        return answer.status, answer.headers, orjson.loads(content) if content else None


async def test_entities_as_the_broker_has_them(city: City) -> None:
    status, headers, found = await ask(city, "GET", f"{API}/entities?type=FloodMonitoring&limit=2&count=true")
    assert (status, headers["NGSILD-Results-Count"], len(found)) == (200, "3", 2)
    links = headers.getall("Link")
    assert any("http://portal.example/contexts/Environment.jsonld" in link for link in links)
    assert any(f"<{API}/entities?" in link and 'rel="next"' in link for link in links)
    status, _, one = await ask(city, "GET", f"{API}/entities/{GAUGE}?options=keyValues")
    assert (status, one["currentLevel"]) == (200, 0.42)
    status, _, feature = await ask(city, "GET", f"{API}/entities/{GAUGE}", Accept="application/geo+json")
    assert feature["type"] == "Feature"
    _, _, linked = await ask(city, "GET", f"{API}/entities/{GAUGE}", Accept="application/ld+json")
    assert "http://portal.example/contexts/Environment.jsonld" in str(linked["@context"])
    assert "contexts.example" not in str(linked)


async def test_history_and_discovery(city: City) -> None:
    path = f"{API}/temporal/entities/{GAUGE}?attrs=currentLevel&lastN=5&options=temporalValues"
    status, _, found = await ask(city, "GET", path)
    assert (status, len(found["currentLevel"]["values"])) == (200, 5)
    status, _, types = await ask(city, "GET", f"{API}/types")
    assert "FloodMonitoring" in str(types)
    assert "Device" not in str(types)
    body = {"type": "Query", "entities": [{"type": "WeatherObserved"}], "q": "temperature>2"}
    status, _, found = await ask(city, "POST", f"{API}/entityOperations/query", body)
    assert (status, len(found)) == (200, 1)


@pytest.mark.parametrize("context", ["http://portal.example/contexts/Environment.jsonld", "sdm", "core"])
async def test_known_contexts(city: City, context: str) -> None:
    known = {
        "sdm": f"{SDM}/dataModel.Environment/master/context.jsonld",
        "core": "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld",
    }
    link = f'<{known.get(context, context)}>; rel="http://www.w3.org/ns/json-ld#context"'
    name = quote("https://smartdatamodels.org/dataModel.Environment/FloodMonitoring", safe="")
    status, _, found = await ask(city, "GET", f"{API}/entities?type={name}", Link=link)
    assert (status, len(found)) == (200, 3)


PROBES = [
    "q=measuredDistance==4.321",
    "q=measuredDistance%3E0",
    "q=measuredDistance",
    "q=description==%22secret%22",
    "q=!measuredDistance",
    "attrs=measuredDistance",
    "pick=id,measuredDistance",
    "orderBy=measuredDistance",
]


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("path", ["/entities", "/temporal/entities"])
async def test_what_is_not_public_cannot_be_inferred(city: City, path: str, probe: str) -> None:
    """Every way to ask is answered as for an attribute that nobody ever had."""
    time = "&timerel=after&timeAt=2020-01-01T00:00:00Z" if "temporal" in path else ""
    base = f"{API}{path}?type=FloodMonitoring&count=true{time}&"
    answers = []
    for name in ("measuredDistance", "alternateName"):
        asked = probe.replace("measuredDistance", name).replace("description", name)
        status, headers, body = await ask(city, "GET", base + asked)
        answers.append((status, headers.get("NGSILD-Results-Count"), str(body).replace(name, "")))
    assert answers[0] == answers[1]
    assert "4.321" not in answers[0][2]


async def test_nothing_can_be_written(city: City) -> None:
    for method, path in (
        ("POST", "/entities"),
        ("DELETE", f"/entities/{GAUGE}"),
        ("PATCH", f"/entities/{GAUGE}/attrs"),
        ("POST", "/entityOperations/upsert"),
        ("POST", "/temporal/entities"),
        ("POST", "/csourceRegistrations"),
        ("POST", "/jsonldContexts"),
    ):
        status, _, body = await ask(city, method, API + path, {"id": GAUGE})
        assert (status, body["title"]) == (405, "This interface is for reading")


@pytest.mark.parametrize(
    ("headers", "path", "status", "word"),
    [
        ({"NGSILD_Tenant": "other"}, "/entities?type=Device", 404, "tenants"),
        (
            {"Link": '<http://127.0.0.1:1/x>; rel="http://www.w3.org/ns/json-ld#context"'},
            "/entities?type=Device",
            400,
            "@context",
        ),
        ({"X_API_Key": "guessed"}, "/entities?type=Device", 401, "key"),
        ({}, "/entities?type=A&type=B", 400, "twice"),
        ({}, "/entities?type=A&q=((", 400, ""),
        ({}, "/entities?type=A&limit=100000", 400, ""),
        ({}, "/nothing", 404, "interface"),
    ],
)
async def test_problems(city: City, headers: dict[str, str], path: str, status: int, word: str) -> None:
    found, _, body = await ask(city, "GET", API + path, **headers)
    assert found == status
    assert word in body["detail"]
    assert body["title"]


async def test_a_key_shows_what_it_names_and_subscribes(city: City) -> None:
    status, _, found = await ask(city, "GET", f"{API}/entities?type=ParkingSpot", X_API_Key=PARTNER)
    assert (status, [each["id"] for each in found]) == (200, ["urn:ngsi-ld:ParkingSpot:hagen:p"])
    assert (await ask(city, "GET", f"{API}/subscriptions"))[0] == 401
    allowed = city.office.endpoints["traffic"][0]
    body = {
        "type": "Subscription",
        "entities": [{"type": "ParkingSpot"}],
        "notification": {"endpoint": {"uri": "http://127.0.0.1:1/admin"}},
    }
    status, _, refusal = await ask(city, "POST", f"{API}/subscriptions", body, X_API_Key=PARTNER)
    assert status == 403
    assert allowed in refusal["detail"]
    body["notification"] = {"endpoint": {"uri": f"{allowed}spots"}}
    status, headers, _ = await ask(
        city, "POST", f"{API}/subscriptions", body, Authorization=f"Bearer {PARTNER}"
    )
    assert status == 201
    own = headers["Location"]
    assert own.startswith(f"{API}/subscriptions/")
    changes = {"notification": {"endpoint": {"uri": "http://127.0.0.1:1/admin"}}}
    assert (await ask(city, "PATCH", own, changes, X_API_Key=PARTNER))[0] == 403
    assert (await ask(city, "DELETE", own, X_API_Key=PARTNER))[0] == 204


async def test_made_once_for_many(city: City) -> None:
    """Unchanged answers are 304; bodies are compressed for those who can read that."""
    path = f"{API}/entities?type=FloodMonitoring"
    _, headers, _ = await city.get(path, Accept_Encoding="identity")
    assert "Content-Encoding" not in headers
    assert (await city.get(path, If_None_Match=headers["ETag"]))[0] == 304
    assert city.session is not None
    async with city.session.get(
        city.url + path, headers={"Accept-Encoding": "gzip"}, auto_decompress=False
    ) as zipped:  # type: ignore[call-arg]
        assert zipped.headers["Content-Encoding"] == "gzip"
        assert orjson.loads(gzip.decompress(await zipped.read()))
    async with city.session.head(city.url + path) as head:
        assert head.status == 200
        assert head.headers["ETag"] == headers["ETag"]
        assert await head.read() == b""


async def test_headers_that_keep_browsers_safe(city: City) -> None:
    for path in (f"{API}/types", "/nowhere", "/contexts/Weather.jsonld"):
        _, headers, _ = await city.get(path)
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert city.session is not None
    asked = {"Origin": "https://x.example", "Access-Control-Request-Method": "GET"}
    async with city.session.options(f"{city.url}{API}/entities", headers=asked) as answer:
        assert answer.status == 204
        assert "X-API-Key" in answer.headers["Access-Control-Allow-Headers"]


def _failing(_: Office) -> Iterable[web.AbstractRouteDef]:
    async def fail(_: web.Request) -> web.Response:
        msg = "inner words"
        raise RuntimeError(msg)

    yield web.get("/fail", fail)


@asynccontextmanager
async def limited(postgres: str, folder: Path) -> AsyncIterator[City]:
    async with published_city(postgres, folder, entities=()) as city:
        limiter = Limiter(each_minute=60, at_once=5)
        async with serving_app(city, portal_app(city.office, (_failing,), limiter=limiter)):
            yield city


async def test_an_empty_city_and_too_many_requests(postgres: str, tmp_path: Path) -> None:
    assert HAGEN.is_file()
    async with limited(postgres, tmp_path) as city:
        status, _, found = await ask(city, "GET", f"{API}/entities?type=FloodMonitoring&count=true")
        assert (status, found) == (200, [])
        assert (await ask(city, "GET", f"{API}/entities/{GAUGE}"))[0] == 404
        status, _, body = await ask(city, "GET", "/fail")
        assert status == 500
        assert "inner words" not in str(body)
        statuses = [(await ask(city, "GET", f"{API}/types?n={n}"))[0] for n in range(5)]
        assert 429 in statuses
        status, headers, _ = await ask(city, "GET", f"{API}/types")
        assert int(headers["Retry-After"]) >= 1


async def test_the_broker_is_away(postgres: str, tmp_path: Path) -> None:
    async with published_city(postgres, tmp_path, entities=()) as city:
        city.broker._base = "http://127.0.0.1:9/ngsi-ld/v1"
        async with serving_app(city, portal_app(city.office, ())):
            status, headers, body = await ask(city, "GET", f"{API}/entities?type=FloodMonitoring")
            assert (status, headers["Retry-After"]) == (503, "10")
            assert "127.0.0.1" not in str(body)


async def test_what_a_key_shows_is_in_no_cache_on_the_way(city: City) -> None:
    for headers in ({"X_API_Key": PARTNER}, {"Authorization": f"Bearer {PARTNER}"}):
        _, got, _ = await ask(city, "GET", f"{API}/entities?type=ParkingSpot", **headers)
        assert "private" in got["Cache-Control"]
        assert "public" not in got["Cache-Control"]
    _, got, _ = await ask(city, "GET", f"{API}/entities?type=ParkingSpot")
    assert {"X-API-Key", "Authorization"} <= set(got["Vary"].split(", "))


async def test_no_reader_decides_what_others_get(city: City) -> None:
    """A header that the kept answers are not told apart by does not change the answer."""
    path = f"{API}/entities?type=FloodMonitoring&attrs=name"
    _, _, found = await ask(city, "GET", path, Content_Type="application/ld+json")
    assert found
    assert (await ask(city, "GET", path))[2] == found


async def test_the_broker_fetches_no_context_that_a_partner_names(city: City) -> None:
    async with listening() as elsewhere:
        body = {
            "type": "Subscription",
            "entities": [{"type": "ParkingSpot"}],
            "jsonldContext": elsewhere.at("/context.jsonld"),
            "notification": {"endpoint": {"uri": f"{city.office.endpoints['traffic'][0]}spots"}},
        }
        status, _, refusal = await ask(city, "POST", f"{API}/subscriptions", body, X_API_Key=PARTNER)
        assert status == 400
        assert "LdContextNotAvailable" in refusal["type"]


async def test_a_body_that_does_not_come(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "_BODY_S", 0.2)
    host, port = city.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST {API}/entityOperations/query HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n"
        "Content-Type: application/json\r\n\r\n{".encode()
    )
    async with asyncio.timeout(PATIENCE):
        assert b" 408 " in await reader.readline()
    writer.close()


async def test_who_counts_as_whom(postgres: str, tmp_path: Path) -> None:
    """Made-up keys and addresses win nothing; the broker's notifications are not counted."""
    taken: list[str] = []

    async def notified(request: web.Request) -> web.Response:
        taken.append(request.match_info["dataset"])
        return web.Response()

    async with published_city(postgres, tmp_path, entities=()) as city:
        limiter = Limiter(each_minute=1, at_once=2, behind_proxy=True)
        private = [web.post("/notified/{token}/{dataset}", notified)]
        async with serving_app(city, portal_app(city.office, (), limiter=limiter, private=private)):
            assert city.session is not None
            for number in range(5):
                async with city.session.post(f"{city.url}/notified/t/pegel") as answer:
                    assert answer.status == 200
                headers = [
                    ("X-Forwarded-For", f"198.51.100.{number}"),
                    ("X-Forwarded-For", "203.0.113.1"),
                    ("X-API-Key", f"made-up-{number}"),
                ]
                async with city.session.get(f"{city.url}{API}/types", headers=headers) as answer:
                    assert answer.status == (401 if number < 2 else 429)
    assert len(taken) == 5


async def test_nothing_is_shown_that_other_rules_published(city: City) -> None:
    prepared = False
    other = replace(city)
    async with serving_app(other, portal_app(city.office, (), prepared=lambda: prepared)):
        assert (await ask(other, "GET", f"{API}/entities?type=FloodMonitoring"))[0] == 503
        prepared = True
        assert (await ask(other, "GET", f"{API}/entities?type=FloodMonitoring"))[0] == 200
