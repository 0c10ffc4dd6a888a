# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""@contexts that the broker stores and serves (clauses 5.13, 6.29 and 6.30)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import pytest_asyncio
from aiohttp import web

from broker.embedded.vocabulary import CORE_CONTEXT_URL
from tests.embedded_serving import JSON_LD, LOOPBACK, Client, own_database, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PINNED = "https://contexts.example/pinned.jsonld"
DOCUMENT = {"@context": {"speed": "https://example.org/speed", "Car": "https://example.org/Car"}}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def broker(postgres: str) -> AsyncIterator[Client]:
    settings = {"context_allow": LOOPBACK, "preloaded": {PINNED: DOCUMENT}}
    async with own_database(postgres) as dsn, serving(dsn, **settings) as client:
        yield client


@pytest.fixture
def client(broker: Client) -> Client:
    return broker.other()


class Server:
    """Serves an @context, or does not."""

    def __init__(self) -> None:
        self.url = ""
        self.term = "https://example.org/first"
        self.up = True
        self.body: str | None = None
        self.headers: dict[str, str] = {}
        self.asked = 0

    async def answer(self, _request: web.Request) -> web.Response:
        self.asked += 1
        if not self.up:
            return web.Response(status=500)
        if self.body is not None:
            return web.Response(text=self.body)
        return web.json_response({"@context": {"speed": self.term}}, headers=self.headers)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    app = web.Application()
    app.router.add_get("/{path:.*}", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/context.jsonld"
    try:
        yield found
    finally:
        await runner.cleanup()


def at(url: str) -> str:
    return f"/jsonldContexts/{quote(url, safe='')}"


async def added(client: Client) -> str:
    answer = await client.ask("POST", "/jsonldContexts", {**DOCUMENT, "other": "is left out"})
    assert (answer.status, answer.content) == (201, b"")
    return answer.headers["Location"].removeprefix("/ngsi-ld/v1")


async def test_a_context_is_added_served_used_and_deleted(client: Client) -> None:
    path = await added(client)
    assert (await client.ask("GET", path)).json == DOCUMENT
    url = f"{client.url}/ngsi-ld/v1{path}"
    link = f'<{url}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
    created = await client.ask("POST", "/entities", {"id": "urn:c:1", "type": "Car", "speed": 5}, Link=link)
    assert created.status == 201
    assert (await client.ask("GET", "/entities/urn:c:1")).json["type"] == "https://example.org/Car"
    assert (await client.ask("GET", "/entities?type=Car&q=speed==5", Link=link)).json[0]["type"] == "Car"
    details = (await client.ask("GET", f"{path}?details=true")).json
    assert (details["URL"], details["kind"], details["localId"]) == (url, "Hosted", path.rpartition("/")[2])
    assert details["numberOfHits"] >= 3
    assert details["createdAt"] <= details["lastUsage"]
    assert (await client.ask("DELETE", path)).status == 204
    assert (await client.ask("GET", path)).problem == "ResourceNotFound"
    assert (await client.ask("DELETE", path)).problem == "ResourceNotFound"
    gone = await client.ask("GET", "/entities?type=Car", Link=link)
    assert (gone.status, gone.problem) == (503, "LdContextNotAvailable")


@pytest.mark.parametrize("operation", ["/entityOperations/query", "/temporal/entityOperations/query"])
async def test_a_context_inside_a_query_is_served(client: Client, operation: str) -> None:  # 6.3.6
    entity = {"id": "urn:c:1", "type": "Car", "speed": {"value": 5, "observedAt": "2026-05-01T10:00:00Z"}}
    inline = [{"Car": "https://example.org/Car"}, {"speed": "https://example.org/speed"}]
    created = await client.ask("POST", "/entities", {**entity, "@context": inline}, Content_Type=JSON_LD)
    assert created.status == 201
    query = {"type": "Query", "entities": [{"type": "Car"}], "@context": inline}
    if "temporal" in operation:
        query["temporalQ"] = {"timerel": "after", "timeAt": "2020-01-01T00:00:00Z"}
    found = await client.ask("POST", operation, query, Content_Type=JSON_LD)
    assert [each["type"] for each in found.json] == ["Car"]
    (link,) = found.headers.getall("Link")
    path = link[1 : link.index(">")].removeprefix(f"{client.url}/ngsi-ld/v1")
    assert (await client.ask("GET", path)).json == {"@context": inline}
    assert (await client.ask("GET", f"{path}?details=true")).json["kind"] == "ImplicitlyCreated"
    again = await client.ask("GET", "/entities?type=Car", Link=link)
    assert again.json[0]["speed"]["value"] == 5
    within = await client.ask("POST", operation, query, Content_Type=JSON_LD, Accept=JSON_LD)
    assert within.json[0]["@context"] == [*inline, CORE_CONTEXT_URL]


async def test_a_context_inside_a_query_is_managed_as_others_are(client: Client) -> None:  # 5.13.3 to 5.13.5
    query = {"type": "Query", "entities": [{"type": "Car"}], "@context": [{"Car": "https://example.org/Car"}]}
    other = client.other()
    for tenant in (client, other):
        car = {"id": "urn:c:1", "type": "Car"}
        assert (await tenant.ask("POST", "/entities", car)).status == 201
        found = await tenant.ask("POST", "/entityOperations/query", query, Content_Type=JSON_LD)
        assert found.status == 200
    url = found.headers["Link"].partition(">")[0].removeprefix("<")
    path = url.removeprefix(f"{client.url}/ngsi-ld/v1")
    for kind in ("", "?kind=ImplicitlyCreated"):
        assert url in (await client.ask("GET", f"/jsonldContexts{kind}")).json
    (details,) = (await client.ask("GET", "/jsonldContexts?kind=ImplicitlyCreated&details=true")).json
    assert (details["URL"], details["kind"]) == (url, "ImplicitlyCreated")
    assert (await client.ask("DELETE", f"{path}?reload=true")).problem == "BadRequestData"
    assert (await client.ask("DELETE", path)).status == 204
    assert (await client.ask("DELETE", path)).problem == "ResourceNotFound"
    assert (await client.ask("GET", "/jsonldContexts?kind=ImplicitlyCreated")).json == []
    assert (await other.ask("GET", path)).status == 200  # it is the other tenant's as well
    assert (await other.ask("DELETE", path)).status == 204
    assert (await client.ask("GET", path)).problem == "ResourceNotFound"


async def test_contexts_are_listed_by_kind(client: Client) -> None:
    first, second = await added(client), await added(client)
    urls = [f"{client.url}/ngsi-ld/v1{path}" for path in (first, second)]
    assert (await client.ask("GET", "/jsonldContexts?kind=Hosted")).json == urls
    everything = (await client.ask("GET", "/jsonldContexts")).json
    assert {*urls, PINNED, CORE_CONTEXT_URL} <= set(everything)
    cached = (await client.ask("GET", "/jsonldContexts?kind=Cached&details=true")).json
    assert {each["kind"] for each in cached} == {"Cached"}
    assert (await client.ask("GET", "/jsonldContexts?kind=ImplicitlyCreated")).json == []
    for query in ("kind=Other", "details=perhaps"):
        assert (await client.ask("GET", f"/jsonldContexts?{query}")).problem == "BadRequestData"
    # each tenant has its own, though whoever knows an id can read it
    other = client.other()
    assert (await other.ask("GET", "/jsonldContexts?kind=Hosted")).problem == "NonexistentTenant"
    for method in ("GET", "DELETE"):
        assert (await other.ask(method, first)).problem == "NonexistentTenant"
    await added(other)
    assert len((await other.ask("GET", "/jsonldContexts?kind=Hosted")).json) == 1
    assert (await other.ask("GET", first)).status == 200
    assert (await other.ask("DELETE", first)).problem == "ResourceNotFound"


async def test_fetched_contexts_are_known_by_their_url(client: Client, server: Server) -> None:
    entity = {"id": "urn:c:1", "type": "Car", "speed": 5, "@context": server.url}
    assert (await client.ask("POST", "/entities", entity, Content_Type=JSON_LD)).status == 201
    assert server.url in (await client.ask("GET", "/jsonldContexts?kind=Cached")).json
    details = (await client.ask("GET", f"{at(server.url)}?details=true")).json
    assert (details["URL"], details["kind"]) == (server.url, "Cached")
    by_id = (await client.ask("GET", f"/jsonldContexts/{details['localId']}?details=true")).json
    assert by_id["URL"] == server.url
    # a copy is not served (5.13.4.4)
    refused = await client.ask("GET", at(server.url))
    assert (refused.status, refused.problem) == (422, "OperationNotSupported")

    server.term = "https://example.org/second"
    assert (await client.ask("DELETE", f"{at(server.url)}?reload=true")).status == 204
    entity["id"] = "urn:c:2"
    await client.ask("POST", "/entities", entity, Content_Type=JSON_LD)
    assert "https://example.org/second" in (await client.ask("GET", "/entities/urn:c:2")).json

    server.up = False
    failed = await client.ask("DELETE", f"{at(server.url)}?reload=true")
    assert (failed.status, failed.problem) == (503, "LdContextNotAvailable")
    entity["id"] = "urn:c:3"
    assert (
        await client.ask("POST", "/entities", entity, Content_Type=JSON_LD)
    ).status == 201  # it is still there
    assert (await client.ask("DELETE", at(server.url))).status == 204
    assert (await client.ask("DELETE", at(server.url))).problem == "ResourceNotFound"
    entity["id"] = "urn:c:4"
    assert (await client.ask("POST", "/entities", entity, Content_Type=JSON_LD)).status == 503


@pytest.mark.parametrize("body", ["hello", "{}", '{"@context": 5}', '{"@context": {"speed": 5}}'])
async def test_what_is_reloaded_and_no_context_changes_nothing(
    client: Client, server: Server, body: str
) -> None:
    entity = {"id": "urn:c:1", "type": "Car", "speed": 5, "@context": server.url}
    assert (await client.ask("POST", "/entities", entity, Content_Type=JSON_LD)).status == 201
    server.body = body
    failed = await client.ask("DELETE", f"{at(server.url)}?reload=true")
    assert (failed.status, failed.problem) == (503, "LdContextNotAvailable")
    link = f'<{server.url}>; rel="http://www.w3.org/ns/json-ld#context"'
    assert (await client.ask("GET", "/entities/urn:c:1", Link=link)).json["speed"]["value"] == 5


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ({}, 1),
        ({"Cache-Control": "public, max-age=600"}, 1),
        ({"Expires": "Fri, 01 Jan 2100 00:00:00 GMT"}, 1),
        ({"Cache-Control": "max-age=0"}, 3),
        ({"Cache-Control": "max-age=0, s-maxage=600"}, 1),
        ({"Cache-Control": "max-age=600, s-maxage=0"}, 3),
        ({"Cache-Control": "max-age=600", "Age": "590"}, 1),
        ({"Cache-Control": "max-age=600", "Age": "600"}, 3),
        ({"Cache-Control": "max-age=600", "Age": "soon"}, 1),
        ({"Cache-Control": "no-cache"}, 3),
        ({"Cache-Control": "no-store", "Expires": "Fri, 01 Jan 2100 00:00:00 GMT"}, 3),
        ({"Cache-Control": "max-age=600", "Expires": "Thu, 01 Jan 1970 00:00:00 GMT"}, 1),
        ({"Expires": "Thu, 01 Jan 1970 00:00:00 GMT"}, 3),
        ({"Expires": "0"}, 3),
    ],
)
async def test_a_copy_is_used_as_long_as_its_server_says(
    client: Client, server: Server, headers: dict[str, str], asked: int
) -> None:
    server.headers = headers
    for number in range(3):
        server.term = f"https://example.org/{number}"
        entity = {"id": f"urn:c:{number}", "type": "Car", "speed": 5, "@context": server.url}
        assert (await client.ask("POST", "/entities", entity, Content_Type=JSON_LD)).status == 201
    assert server.asked == asked
    assert (await client.ask("GET", f"{at(server.url)}?details=true")).json["numberOfHits"] == 3
    last = (await client.ask("GET", "/entities/urn:c:2")).json
    assert f"https://example.org/{asked - 1}" in last
    server.up = False  # what is there serves on
    entity = {"id": "urn:c:9", "type": "Car", "speed": 5, "@context": server.url}
    assert (await client.ask("POST", "/entities", entity, Content_Type=JSON_LD)).status == 201


async def test_a_url_may_stand_in_the_path_as_it_is(client: Client, server: Server) -> None:
    entity = {"id": "urn:c:1", "type": "Car", "speed": 5, "@context": server.url}
    assert (await client.ask("POST", "/entities", entity, Content_Type=JSON_LD)).status == 201
    path = f"/jsonldContexts/{server.url}"
    assert (await client.ask("GET", f"{path}?details=true")).json["URL"] == server.url
    assert (await client.ask("GET", path)).status == 422
    assert (await client.ask("DELETE", path)).status == 204


async def test_a_context_is_served_in_the_media_type_that_is_asked_for(client: Client) -> None:  # 6.3.6
    path = await added(client)
    for accept, media in (("*/*", "application/json"), (JSON_LD, JSON_LD)):
        answer = await client.ask("GET", path, Accept=accept)
        assert (answer.status, answer.headers["Content-Type"], answer.json) == (200, media, DOCUMENT)
        assert answer.headers["NGSILD-Tenant"] == client.tenant
    details = await client.ask("GET", f"{path}?details=true", Accept=JSON_LD)
    assert (details.status, details.headers["Content-Type"]) == (200, "application/json")


async def test_a_list_of_contexts_is_json_for_whom_json_ld_is_welcome(client: Client) -> None:
    await added(client)
    answer = await client.ask("GET", "/jsonldContexts?kind=Hosted", Accept=JSON_LD)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert (await client.ask("GET", "/jsonldContexts", Accept="text/html")).status == 406


async def test_what_came_with_the_broker_stays(client: Client) -> None:
    client = client.other("")
    for url in (PINNED, CORE_CONTEXT_URL, CORE_CONTEXT_URL.replace("v1.8", "v1.6")):
        refused = await client.ask("DELETE", at(url))
        assert (refused.status, refused.problem) == (400, "BadRequestData")
        assert (await client.ask("DELETE", f"{at(url)}?reload=true")).status == 204
        assert (await client.ask("GET", f"{at(url)}?details=true")).json["kind"] == "Cached"


async def test_deletions_that_are_refused(client: Client) -> None:
    path = await added(client)
    hosted = await client.ask("DELETE", f"{path}?reload=true")
    assert (hosted.status, hosted.problem) == (400, "BadRequestData")
    assert (await client.ask("DELETE", f"{path}?reload=perhaps")).problem == "BadRequestData"
    assert (await client.ask("DELETE", "/jsonldContexts/nothing?reload=true")).problem == "BadRequestData"
    for unknown in ("nothing", "nothing?reload=false"):
        assert (await client.ask("DELETE", f"/jsonldContexts/{unknown}")).problem == "ResourceNotFound"
    assert (await client.ask("GET", path)).status == 200


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"{", "InvalidRequest"),
        (b"[]", "InvalidRequest"),
        (b'{"A": "urn:a"}', "InvalidRequest"),
        (b'{"@context": 5}', "BadRequestData"),
        (b'{"@context": []}', "BadRequestData"),
        (b'{"@context": "no url"}', "BadRequestData"),
        (b'{"@context": {"a": 5}}', "BadRequestData"),
        (b'{"@context": {"a": "b:x", "b": "a:x"}}', "BadRequestData"),
    ],
)
async def test_contexts_that_are_refused(client: Client, body: bytes, problem: str) -> None:
    answer = await client.ask("POST", "/jsonldContexts", body)
    assert (answer.status, answer.problem) == (400, problem), answer
