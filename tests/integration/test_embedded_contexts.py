# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The @context of requests and answers (clauses 5.5.6, 5.5.7, 6.3.5), and the house's default contexts."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from pyld import jsonld

from models.types import TYPES
from ontology.loader import context as subject_context
from ontology.loader import core_context
from tests.embedded_serving import JSON_LD, LOOPBACK, LOOPBACK_SPELLINGS, Client, own_database, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

URL = "https://contexts.example/Weather.jsonld"
OTHER = "https://contexts.example/Environment.jsonld"
PRELOADED = {URL: subject_context("Weather"), OTHER: subject_context("Environment")}
DEFAULTS = {
    name: {"Weather": URL, "Environment": OTHER}[model.subject]
    for name, model in TYPES.items()
    if model.subject in {"Weather", "Environment"}
}
IRI = "https://smartdatamodels.org/dataModel.Weather/WeatherObserved"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def brokers(postgres: str) -> AsyncIterator[tuple[Client, Client]]:
    """One that follows the standard strictly, one with default contexts."""
    async with (
        own_database(postgres) as dsn,
        serving(dsn, preloaded=PRELOADED) as strict,
        serving(dsn, preloaded=PRELOADED, default_contexts=DEFAULTS) as helping,
    ):
        yield strict, helping


@pytest.fixture
def client(brokers: tuple[Client, Client]) -> Client:
    return brokers[0].other()


@pytest.fixture
def helpful(brokers: tuple[Client, Client]) -> Client:
    return brokers[1].other()


def link(url: str = URL) -> str:
    return f'<{url}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'


def weather(number: int = 1, **members: Any) -> dict[str, Any]:
    return {"id": f"urn:w:{number}", "type": "WeatherObserved", "temperature": 12.5, **members}


async def test_a_link_names_the_context_of_json(client: Client) -> None:
    assert (await client.ask("POST", "/entities", weather(), Link=link())).status == 201
    found = await client.ask("GET", "/entities/urn:w:1?options=keyValues", Link=link())
    assert found.json == weather()
    assert found.headers["Link"] == link()
    bare = await client.ask("GET", "/entities/urn:w:1?options=keyValues")
    assert bare.json["type"] == IRI
    assert (await client.ask("GET", "/entities?type=WeatherObserved")).json == []
    assert len((await client.ask("GET", f"/entities?type={IRI.replace('#', '%23')}")).json) == 1
    assert (
        len((await client.ask("GET", "/entities?type=WeatherObserved&q=temperature>12", Link=link())).json)
        == 1
    )
    assert (await client.ask("GET", "/types", Link=link())).json["typeList"] == ["WeatherObserved"]


async def test_json_ld_carries_its_context(client: Client) -> None:
    for number, context in enumerate(
        [URL, [URL], PRELOADED[URL]["@context"], [URL, {"extra": "https://e.x/"}]]
    ):
        body = weather(number, **{"@context": context})
        assert (await client.ask("POST", "/entities", body, Content_Type=JSON_LD)).status == 201
        found = await client.ask("GET", f"/entities/urn:w:{number}", Link=link(), Accept=JSON_LD)
        assert found.json["type"] == "WeatherObserved"
        assert found.json["@context"][0] == URL


async def test_an_answer_in_json_ld_is_json_ld(client: Client) -> None:
    await client.ask(
        "POST", "/entities", weather(location={"type": "Point", "coordinates": [7, 51]}), Link=link()
    )
    body = (await client.ask("GET", "/entities/urn:w:1", Link=link(), Accept=JSON_LD)).json

    def load(url: str, _: Any) -> dict[str, Any]:
        document = PRELOADED.get(url) or core_context()
        return {"document": document, "documentUrl": url, "contextUrl": None, "contentType": JSON_LD}

    (expanded,) = jsonld.expand(body, {"documentLoader": load})
    assert expanded["@type"] == [IRI]
    temperature = expanded[PRELOADED[URL]["@context"]["temperature"]]
    assert temperature[0]["https://uri.etsi.org/ngsi-ld/hasValue"] == [{"@value": 12.5}]


async def test_each_entity_of_a_batch_has_its_own_context(client: Client) -> None:
    batch = [
        weather(1, **{"@context": URL}),
        weather(2),
        weather(3, **{"@context": "https://contexts.example/none.jsonld"}),
        weather(4, **{"@context": {"WeatherObserved": "https://e.x/W"}}),
    ]
    answer = await client.ask("POST", "/entityOperations/upsert", batch, Content_Type=JSON_LD)
    assert (answer.status, answer.json["success"]) == (207, ["urn:w:1", "urn:w:4"])
    kinds = [error["error"]["type"].rpartition("/")[2] for error in answer.json["errors"]]
    assert kinds == ["BadRequestData", "LdContextNotAvailable"]
    assert (await client.ask("GET", "/entities/urn:w:4")).json["type"] == "https://e.x/W"


@pytest.mark.parametrize(
    ("content_type", "context", "header"),
    [
        ("application/json", URL, None),
        (JSON_LD, None, None),
        (JSON_LD, URL, link()),
        (JSON_LD, 5, None),
        (JSON_LD, {"a": 5}, None),
        ("application/json", None, f"{link()}, {link(OTHER)}"),
        ("application/json", None, link("")),
    ],
)
async def test_contexts_in_the_wrong_place_are_refused(
    client: Client, content_type: str, context: Any, header: str | None
) -> None:
    body = weather() if context is None else weather(**{"@context": context})
    headers = {"Content_Type": content_type} | ({"Link": header} if header else {})
    answer = await client.ask("POST", "/entities", body, **headers)
    assert (answer.status, answer.problem) == (400, "BadRequestData"), answer


async def test_other_links_are_none_of_our_business(client: Client) -> None:
    header = f'<https://example.org/next>; rel="next", {link()}'
    assert (await client.ask("POST", "/entities", weather(), Link=header)).status == 201
    assert (await client.ask("GET", "/entities?type=WeatherObserved", Link=header)).json[0]["id"] == "urn:w:1"


async def test_a_remote_context_is_fetched_once_and_outlives_its_server(database: str) -> None:
    asked: list[str] = []

    answers = {
        "/moved": (302, b"", {"Location": "/good"}),
        "/good": (200, orjson.dumps(PRELOADED[URL]), {}),
        "/text": (200, b"hello", {}),
        "/huge": (200, b" " * 2_000_000, {}),
        "/deep": (200, b'{"@context":' + b'{"a":' * 300 + b"1" + b"}" * 301, {}),
        "/loop": (302, b"", {"Location": "/loop"}),
        "/outside": (302, b"", {"Location": "http://10.0.0.1/x"}),
    }

    async def serve(request: web.Request) -> web.Response:
        asked.append(request.path)
        status, body, headers = answers.get(request.path, (404, b"", {}))
        return web.Response(status=status, body=body, headers=headers)

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with serving(database, context_allow=LOOPBACK) as client:
            for number in range(3):
                body = weather(number)
                assert (await client.ask("POST", "/entities", body, Link=link(f"{base}/moved"))).status == 201
            assert asked == ["/moved", "/good"]
            for path in ("huge", "loop", "none", "outside"):
                answer = await client.ask("GET", "/entities?type=A", Link=link(f"{base}/{path}"))
                assert (answer.status, answer.problem) == (503, "LdContextNotAvailable"), path
            for path in ("text", "deep", "text"):  # they are there and are no @contexts (5.5.6)
                answer = await client.ask("GET", "/entities?type=A", Link=link(f"{base}/{path}"))
                assert (answer.status, answer.problem) == (400, "BadRequestData"), path
            assert asked.count("/text") == 1
            await runner.cleanup()
            assert (
                await client.ask("POST", "/entities", weather(9), Link=link(f"{base}/moved"))
            ).status == 201
        async with serving(database) as strict:
            answer = await strict.ask("GET", "/entities?type=A", Link=link(f"{base}/good"))
            assert (answer.status, answer.problem) == (503, "LdContextNotAvailable")
            assert "context_allow" in answer.json["detail"]
    finally:
        await runner.cleanup()


async def test_no_spelling_and_no_redirect_leads_to_an_address_that_is_not_allowed(database: str) -> None:
    asked: list[str] = []

    async def serve(request: web.Request) -> web.Response:
        asked.append(request.path)
        port = request.url.port
        if request.path.startswith("/to/"):
            spelling = LOOPBACK_SPELLINGS[int(request.match_info["path"].removeprefix("to/"))]
            return web.Response(status=302, headers={"Location": f"http://{spelling}:{port}/inside"})
        return web.json_response(PRELOADED[URL])

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    # the first hop is an address that is allowed, what it redirects to is another one
    outer = web.TCPSite(runner, "127.0.0.2", port)
    await outer.start()
    hop = (ipaddress.ip_network("127.0.0.2/32"),)
    try:
        async with serving(database, context_allow=hop) as client:
            for number, spelling in enumerate(LOOPBACK_SPELLINGS):
                for url in (f"http://{spelling}:{port}/inside", f"http://127.0.0.2:{port}/to/{number}"):
                    query = {"type": "Query", "entities": [{"type": "A"}], "@context": url}
                    answer = await client.ask("POST", "/entityOperations/query", query, Content_Type=JSON_LD)
                    assert (answer.status, answer.problem) == (503, "LdContextNotAvailable"), url
                    assert "context_allow" in answer.json["detail"], url
                    answer = await client.ask("GET", "/entities?type=A", Link=link(url))
                    assert (answer.status, answer.problem) == (503, "LdContextNotAvailable"), url
            named = await client.ask("GET", "/entities?type=A", Link=link(f"http://localhost:{port}/inside"))
            assert (named.status, named.problem) == (503, "LdContextNotAvailable")
        assert asked == [f"/to/{number}" for number in range(len(LOOPBACK_SPELLINGS))]
    finally:
        await runner.cleanup()


# The house's extension: off unless set.


async def test_default_contexts_stand_in_where_none_is_named(helpful: Client) -> None:
    assert (await helpful.ask("POST", "/entities", weather())).status == 201
    upsert = await helpful.ask("POST", "/entityOperations/upsert?options=update", [weather(2)])
    assert upsert.status == 201
    for path in ("/entities?type=WeatherObserved", "/entities?type=WeatherObserved&q=temperature==12.5"):
        answer = await helpful.ask("GET", f"{path}&options=keyValues")
        assert answer.json == [weather(), weather(2)]
        assert answer.headers["Link"] == link()
    one = await helpful.ask("GET", "/entities/urn:w:1?options=keyValues")
    assert (one.json, one.headers["Link"]) == (weather(), link())
    attrs = await helpful.ask("PATCH", "/entities/urn:w:1/attrs", {"temperature": 13})
    assert attrs.status == 204
    assert (await helpful.ask("PATCH", "/entities/urn:w:1/attrs/temperature", {"value": 14})).status == 204
    explicit = await helpful.ask("GET", "/entities/urn:w:1?options=keyValues", Link=link())
    assert explicit.json == weather(temperature=14)
    assert (await helpful.ask("DELETE", "/entities/urn:w:1/attrs/temperature")).status == 204
    assert (await helpful.ask("GET", "/types/WeatherObserved")).json["id"] == IRI
    query = {"type": "Query", "entities": [{"type": "WeatherObserved"}]}
    assert len((await helpful.ask("POST", "/entityOperations/query", query)).json) == 2


async def test_default_contexts_yield_to_what_is_named_and_to_doubt(helpful: Client) -> None:
    await helpful.ask("POST", "/entities", weather())
    core = link("https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld")
    assert (await helpful.ask("GET", "/entities/urn:w:1", Link=core)).json["type"] == IRI
    for types in ("WeatherObserved,Unknown", "Unknown"):
        answer = await helpful.ask("GET", f"/entities?type={types}")
        assert answer.json == []
        assert "ngsi-ld-core-context" in answer.headers["Link"]
    assert len((await helpful.ask("GET", "/entities?type=WeatherObserved,WeatherForecast")).json) in {0, 1}
    unknown = {"id": "urn:u:1", "type": "Unknown", "temperature": 1}
    assert (await helpful.ask("POST", "/entities", unknown)).status == 201
    assert (await helpful.ask("GET", "/entities/urn:u:1?options=keyValues")).json == unknown


async def test_default_contexts_that_differ_stand_in_together(helpful: Client) -> None:
    air = {"id": "urn:a:1", "type": "AirQualityObserved", "no2": 20}
    assert (await helpful.ask("POST", "/entityOperations/upsert", [weather(), air])).status == 201
    path = "/entities?type=WeatherObserved,AirQualityObserved&options=keyValues"
    answer = await helpful.ask("GET", path)
    assert [each["id"] for each in answer.json] == ["urn:a:1", "urn:w:1"]
    assert answer.json == [air, weather()]
    url = answer.headers["Link"].split(">")[0].removeprefix("<")
    assert url.startswith(helpful.url)
    served = await helpful.ask("GET", url.removeprefix(f"{helpful.url}/ngsi-ld/v1"))
    assert served.json == {"@context": [OTHER, URL]}
    # whoever names that one gets the same
    assert (await helpful.ask("GET", path, Link=link(url))).json == answer.json
    query = {"type": "Query", "entities": [{"type": "WeatherObserved"}, {"type": "AirQualityObserved"}]}
    assert len((await helpful.ask("POST", "/entityOperations/query", query)).json) == 2
    assert (await helpful.ask("GET", f"{path}&q=no2==20")).json == [air]


async def test_keywords_may_stand_for_the_names(client: Client) -> None:  # clause 4.4
    when = {"@type": "DateTime", "@value": "2026-05-01T10:00:00Z"}
    speed = {
        "@type": "Property",
        "value": {"@type": "Speed", "@id": "urn:a:1"},
        "by": {"@type": "Relationship", "object": "urn:b:1"},
    }
    entity = {"@id": "urn:k:1", "@type": ["Car", "Van"], "speed": speed, "since": when}
    assert (await client.ask("POST", "/entities", entity)).status == 201
    found = (await client.ask("GET", "/entities/urn:k:1")).json
    assert (found["id"], sorted(found["type"])) == ("urn:k:1", ["Car", "Van"])
    assert (found["speed"]["type"], found["speed"]["by"]["type"]) == ("Property", "Relationship")
    assert (found["speed"]["value"], found["since"]["value"]) == (speed["value"], when)
    assert not {"@id", "@type"} & (found.keys() | found["speed"].keys())
    batch = [{"@id": "urn:k:2", "@type": "Car", "speed": [{"@type": "Property", "value": 1}]}]
    assert (await client.ask("POST", "/entityOperations/upsert", batch)).status == 201
    query = {"@type": "Query", "entities": [{"@type": "Car", "@id": "urn:k:2"}]}
    assert [each["id"] for each in (await client.ask("POST", "/entityOperations/query", query)).json] == [
        "urn:k:2"
    ]
    patch = {"@type": "Property", "value": 2}
    assert (await client.ask("PATCH", "/entities/urn:k:2/attrs/speed", patch)).status == 204
    assert (await client.ask("PUT", "/entities/urn:k:2/attrs/speed", when)).status == 204
    assert (await client.ask("GET", "/entities/urn:k:2")).json["speed"]["value"] == when
    history = {
        "@id": "urn:k:3",
        "@type": "Car",
        "speed": [{"@type": "Property", "value": 5, "observedAt": "2026-05-01T10:00:00Z"}],
    }
    assert (await client.ask("POST", "/temporal/entities", history)).status == 201
    assert (await client.ask("GET", "/temporal/entities/urn:k:3")).json["speed"][0]["type"] == "Property"
    data = {"house": {"@type": "Property", "rooms": 3}, "entities": [{"@id": "urn:x", "@type": "Y"}]}
    simple = {"id": "urn:k:6", "type": "Car", **data}
    assert (await client.ask("POST", "/entities?options=keyValues", simple)).status == 201
    listed = {"id": "urn:k:7", "type": "Car", "entities": data["entities"], "value": {**patch}}
    assert (await client.ask("POST", "/entities", listed)).status == 201
    assert (await client.ask("GET", "/entities/urn:k:6?options=keyValues")).json == simple
    shown = {**listed, "value": 2}
    assert (await client.ask("GET", "/entities/urn:k:7?options=keyValues")).json == shown
    twice = await client.ask("POST", "/entities", {**entity, "@id": "urn:k:4", "id": "urn:k:5"})
    assert (twice.status, twice.problem) == (400, "BadRequestData")
