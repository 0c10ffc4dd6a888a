# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""No body and no header at all makes the broker fail: every answer says what is wrong, none is a 500."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.embedded_serving import JSON_LD, Client, own_database, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ENTITY = {"id": "urn:a:1", "type": "A", "n": 1, "location": {"type": "Point", "coordinates": [7, 51]}}
CALLS = [
    ("POST", "/entities"),
    ("PUT", "/entities/urn:a:1"),
    ("PATCH", "/entities/urn:a:1"),
    ("POST", "/entities/urn:a:1/attrs"),
    ("PATCH", "/entities/urn:a:1/attrs"),
    ("PATCH", "/entities/urn:a:1/attrs/n"),
    ("PUT", "/entities/urn:a:1/attrs/n"),
    ("POST", "/entityOperations/create"),
    ("POST", "/entityOperations/upsert"),
    ("POST", "/entityOperations/upsert?options=update"),
    ("POST", "/entityOperations/update"),
    ("POST", "/entityOperations/merge"),
    ("POST", "/entityOperations/delete"),
    ("POST", "/entityOperations/query"),
    ("POST", "/subscriptions"),
    ("PATCH", "/subscriptions/urn:s:1"),
]
KEYS = [
    "id",
    "type",
    "value",
    "object",
    "n",
    "entities",
    "notification",
    "endpoint",
    "uri",
    "q",
    "@context",
    "scope",
    "location",
    "coordinates",
    "observedAt",
    "datasetId",
    "attrs",
    "geoQ",
    "languageMap",
    "watchedAttributes",
]
WORDS = [
    "urn:a:1",
    "urn:ngsi-ld:null",
    "A",
    "Property",
    "Relationship",
    "Subscription",
    "Query",
    "Point",
    "n==1",
    "http://8.8.8.8/x",
    "2026-05-01T10:00:00Z",
    "/a",
    "near;maxDistance==5",
    "GeoProperty",
    "LanguageProperty",
]
SCALARS = (
    st.none() | st.booleans() | st.integers(-1, 2**62) | st.floats(allow_nan=False) | st.text(max_size=3)
)
JSON = st.recursive(
    st.sampled_from(WORDS) | SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner)
    ),
    max_leaves=15,
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def broker(postgres: str) -> AsyncIterator[Client]:
    async with own_database(postgres) as dsn, serving(dsn) as client:
        endpoint = {"uri": "http://8.8.8.8/x"}
        subscription = {"id": "urn:s:1", "type": "Subscription", "notification": {"endpoint": endpoint}}
        await client.ask("POST", "/subscriptions", {**subscription, "watchedAttributes": ["never"]})
        yield client


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(call=st.sampled_from(CALLS), body=JSON, linked=st.booleans())
async def test_any_body(broker: Client, call: tuple[str, str], body: Any, linked: bool) -> None:  # noqa: FBT001 - hypothesis names it
    await broker.ask("POST", "/entityOperations/upsert", [ENTITY])
    content_type = JSON_LD if linked else "application/json"
    method, path = call
    for given_body in (body, [body], {**ENTITY, "n": body}):
        answer = await broker.ask(method, path, given_body, Content_Type=content_type)
        assert answer.status in {200, 201, 204, 207, 400, 404, 409, 501, 503}, (call, given_body, answer)
        if answer.status >= 400:
            assert answer.json["detail"]
    found = await broker.ask("GET", "/entities?local=true&options=sysAttrs")
    assert found.status == 200, (call, body, found)


HEADERS = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
LINKS = st.sampled_from(
    ["<>;rel=", '<http://x>; rel="http://www.w3.org/ns/json-ld#context"', "a/b;q=x", "*/*;q=0"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(["Accept", "Link", "Content_Type", "Prefer", "NGSILD_Tenant", "Authorization"]),
    value=HEADERS | LINKS,
)
async def test_any_header(broker: Client, name: str, value: str) -> None:
    calls = ("GET", "/entities?type=A", None), ("POST", "/entityOperations/upsert", [ENTITY])
    for method, path, body in calls:
        answer = await broker.ask(method, path, body, **{name: value})
        assert answer.status in {200, 201, 204, 207, 400, 404, 406, 415, 503}, (name, value, answer)
