# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Purge (5.6.21), transient entities and attributes (4.22), merges of bare values (5.6.17)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import pytest_asyncio

from broker.embedded.history import History
from broker.embedded.notifications import Matcher
from broker.embedded.writing import Writer
from store.postgres import pool as open_pool
from tests.embedded_serving import Client, listening, own_database, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OBSERVED = "2026-05-01T10:00:00Z"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def brokers(postgres: str) -> AsyncIterator[tuple[Client, str]]:
    async with own_database(postgres) as dsn, serving(dsn) as client:
        yield client, dsn


@pytest_asyncio.fixture
async def client(brokers: tuple[Client, str]) -> Client:
    found = brokers[0].other()
    entities: list[dict[str, Any]] = [
        {
            "id": f"urn:h:{number}",
            "type": "House",
            "n": number,
            "name": f"h{number}",
            "scope": f"/s{number % 2}",
        }
        for number in range(1, 5)
    ]
    entities[0]["location"] = {"type": "Point", "coordinates": [7.47, 51.36]}
    entities.append({"id": "urn:s:5", "type": "School", "n": 5})
    assert (await found.ask("POST", "/entityOperations/create", entities)).status == 201
    return found


async def left(client: Client) -> str:
    answer = await client.ask("GET", "/entities?local=true&limit=100")
    return "".join(each["id"][-1] for each in answer.json)


@pytest.mark.parametrize(
    ("query", "rest"),
    [
        ("type=House", "5"),
        ("type=House&id=urn:h:1,urn:h:3", "245"),
        ("type=House&idPattern=[12]$", "345"),
        ("q=n>3", "123"),
        ('q=name=="h2"', "1345"),
        ("georel=near;maxDistance==10&geometry=Point&coordinates=[7.47,51.36]", "2345"),
        ("type=House&scopeQ=/s1", "245"),
        ("local=true", ""),
        ("type=*", ""),
        ("type=Barn", "12345"),
    ],
)
async def test_purging(client: Client, query: str, rest: str) -> None:
    answer = await client.ask("DELETE", f"/entities?{query}")
    assert (answer.status, answer.content) == (204, b"")
    assert await left(client) == rest


async def test_purging_attributes(client: Client) -> None:
    assert (await client.ask("DELETE", "/entities?type=House&drop=name")).status == 204
    assert (await client.ask("DELETE", "/entities/?id=urn:h:2&keep=name")).status == 204
    shown = (await client.ask("GET", "/entities?type=House&pick=id,n,name&options=keyValues")).json
    assert shown == [
        {"id": f"urn:h:{number}", **({} if number == 2 else {"n": number})} for number in range(1, 5)
    ]
    history = await client.ask(
        "GET", "/temporal/entities/urn:h:1?timerel=before&timeAt=2099-01-01T00:00:00Z&timeproperty=deletedAt"
    )
    assert "name" in history.json


@pytest.mark.parametrize(
    "query",
    ["", "id=urn:h:1", "type=House&keep=n&drop=name", "q=ref%7Bname%7D", "type=House&keep=id", "scopeQ=/s1",
     "type=House&q=n~=("],
)  # fmt: skip
async def test_purges_that_are_refused(client: Client, query: str) -> None:
    answer = await client.ask("DELETE", f"/entities?{query}")
    assert (answer.status, answer.problem) == (400, "BadRequestData"), answer
    assert await left(client) == "12345"


async def test_a_purge_of_a_tenant_that_is_not_there(client: Client) -> None:
    assert (await client.other("nobody").ask("DELETE", "/entities?local=true")).problem == "NonexistentTenant"


# 4.22: transient storage


def soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


async def test_entities_and_attributes_expire(brokers: tuple[Client, str], client: Client) -> None:
    short, long = soon(6), soon(3600)
    await client.ask("POST", "/entities", {"id": "urn:t:1", "type": "Alert", "a": 1, "expiresAt": short})
    await client.ask(
        "POST",
        "/entities",
        {
            "id": "urn:t:2",
            "type": "Alert",
            "a": {"value": 1, "expiresAt": short},
            "b": {"value": 2, "expiresAt": long},
        },
    )
    shown = (await client.ask("GET", "/entities/urn:t:2?options=sysAttrs")).json
    assert shown["b"]["expiresAt"] == long
    shown = await client.ask("GET", "/entities/urn:t:1?options=sysAttrs")
    assert shown.json["expiresAt"][:19] == short[:19]
    assert b"expiresAt" not in (await client.ask("GET", "/entities/urn:t:1")).content  # 6.3.11
    await asyncio.sleep(6.1)
    assert (await client.ask("GET", "/entities/urn:t:1")).status == 404
    for q, found in (("a==1", []), ("a", []), ("!a", ["urn:t:2"]), ("b==2", ["urn:t:2"])):
        answer = await client.ask("GET", f"/entities?type=Alert&q={q}")
        assert [each["id"] for each in answer.json] == found, q
    assert (await client.ask("GET", "/entities?type=Alert&options=keyValues")).json == [
        {"id": "urn:t:2", "type": "Alert", "b": 2}
    ]
    # its id is free again
    assert (
        await client.ask("POST", "/entities", {"id": "urn:t:1", "type": "Alert", "expiresAt": soon(0)})
    ).status == 201
    connection = await asyncpg.connect(brokers[1])
    for _ in range(100):
        rows = await connection.fetch(
            "SELECT id, due_at FROM ngsild.entities WHERE tenant = $1 AND id LIKE 'urn:t%'", client.tenant
        )
        due = [(row["id"], row["due_at"].isoformat()[:19]) for row in rows]
        if due == [("urn:t:2", long[:19])]:
            break
        await asyncio.sleep(0.1)
    await connection.close()
    assert due == [("urn:t:2", long[:19])]


async def test_what_lives_on_is_not_removed(brokers: tuple[Client, str], client: Client) -> None:
    entity = {"id": "urn:t:1", "type": "Alert", "expiresAt": soon(3600)}
    assert (await client.ask("POST", "/entities", entity)).status == 201
    async with open_pool(brokers[1], size=2) as pool:
        writer = Writer(pool, Matcher(), _Nobody(), History(pool))  # type: ignore[arg-type]
        await writer.delete(client.tenant, ["urn:t:1", "urn:t:none"], expired=True)
    assert (await client.ask("GET", "/entities/urn:t:1")).status == 200


async def test_subscribers_are_told_of_what_expires(client: Client) -> None:
    async with listening() as receiver:
        subscription = {
            "type": "Subscription",
            "entities": [{"type": "Alert"}],
            "notificationTrigger": ["entityDeleted", "attributeDeleted"],
            "notification": {"endpoint": {"uri": receiver.url}, "format": "keyValues"},
        }
        assert (await client.ask("POST", "/subscriptions", subscription)).status == 201
        entities = [
            {"id": "urn:t:1", "type": "Alert", "expiresAt": soon(1)},
            {"id": "urn:t:2", "type": "Alert", "a": {"value": 1, "expiresAt": soon(1)}, "b": 2},
        ]
        assert (await client.ask("POST", "/entityOperations/create", entities)).status == 201
        told = [(await receiver.next(10.0))[0]["data"][0] for _ in entities]
        whole, part = sorted(told, key=lambda each: str(each["id"]))
        assert (whole["id"], whole.keys()) == ("urn:t:1", {"id", "type", "deletedAt"})
        assert part == {"id": "urn:t:2", "type": "Alert", "a": "urn:ngsi-ld:null", "b": 2}


@pytest.mark.parametrize(
    "where",
    [
        "georel=near;maxDistance==100&geometry=Point&coordinates=[7.47,51.36]",
        "georel=intersects&geometry=Point&coordinates=[7.47,51.36]",
        "georel=near;maxDistance==100&geometry=Point&coordinates=[7.47,51.36]&count=true",
    ],
)
async def test_a_place_that_has_expired_is_no_place(client: Client, where: str) -> None:
    for name, moment in (("gone", soon(0)), ("there", soon(3600))):
        place = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [7.47, 51.36]}}
        entity = {"id": f"urn:t:{name}", "type": "Alert", "location": {**place, "expiresAt": moment}}
        assert (await client.ask("POST", "/entities", entity)).status == 201
    answer = await client.ask("GET", f"/entities?type=Alert&{where}")
    assert [each["id"] for each in answer.json] == ["urn:t:there"]


async def test_a_place_that_has_expired_was_one(client: Client) -> None:
    place = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [7.47, 51.36]}}
    entity = {"id": "urn:t:1", "type": "Alert", "location": {**place, "expiresAt": soon(0)}}
    assert (await client.ask("POST", "/entities", entity)).status == 201
    where = "georel=near;maxDistance==100&geometry=Point&coordinates=[7.47,51.36]"
    when = "timeproperty=modifiedAt&timerel=after&timeAt=2020-01-01T00:00:00Z"
    answer = await client.ask("GET", f"/temporal/entities?type=Alert&{where}&{when}")
    assert [each["id"] for each in answer.json] == ["urn:t:1"]


async def test_what_has_expired_is_not_there_for_writers_either(client: Client) -> None:
    gone = {"value": 1, "expiresAt": soon(0)}
    place = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [7.47, 51.36]}}
    for name in ("1", "2"):
        entity = {
            "id": f"urn:t:{name}",
            "type": "Alert",
            "a": gone,
            "b": gone,
            "location": place | {"expiresAt": soon(0)},
        }
        assert (await client.ask("POST", "/entities", entity)).status == 201
    for method in ("PATCH", "PUT"):
        assert (await client.ask(method, "/entities/urn:t:1/attrs/a", {"value": 2})).status == 404
    assert (await client.ask("DELETE", "/entities/urn:t:1/attrs/a")).status == 404
    answer = await client.ask("POST", "/entities/urn:t:1/attrs?options=noOverwrite", {"a": 2, "c": 3})
    assert answer.status == 204, answer
    assert (await client.ask("GET", "/entities/urn:t:1?options=keyValues")).json == {
        "id": "urn:t:1", "type": "Alert", "a": 2, "c": 3,
    }  # fmt: skip
    for path in ("/entities/urn:t:2?attrs=a,n", "/entities/urn:t:2?pick=a"):
        assert (await client.ask("GET", path)).status == 404
    for names, rest in (("a", ["urn:t:1"]), ("a,b", ["urn:t:1"]), ("b", []), ("c", ["urn:t:1"])):
        found = (await client.ask("GET", f"/entities?type=Alert&attrs={names}")).json
        assert [each["id"] for each in found] == rest, names
    await client.ask("POST", "/entities", {"id": "urn:t:4", "type": "Alert", "expiresAt": soon(0)})
    assert (await client.ask("DELETE", "/entities/urn:t:4")).status == 404
    feature = await client.ask("GET", "/entities/urn:t:2", Accept="application/geo+json")
    assert feature.json["geometry"] is None
    await client.ask("POST", "/entities", {"id": "urn:t:3", "type": "Alert", "location": place})
    order = "orderBy=location;dist-asc&orderGeometry=Point&orderFrom=[7.47,51.36]"
    found = (await client.ask("GET", f"/entities?type=Alert&{order}")).json
    assert [each["id"] for each in found] == ["urn:t:3", "urn:t:1", "urn:t:2"]


async def test_nobody_is_told_of_a_place_that_has_expired(client: Client) -> None:
    point = {"type": "Point", "coordinates": [7.47, 51.36]}
    async with listening() as receiver:
        subscription = {
            "type": "Subscription",
            "entities": [{"type": "Alert"}],
            "geoQ": {"georel": "near;maxDistance==10", "geometry": "Point", "coordinates": [7.47, 51.36]},
            "notification": {"endpoint": {"uri": receiver.url}},
        }
        assert (await client.ask("POST", "/subscriptions", subscription)).status == 201
        for name, moment in (("gone", soon(0)), ("there", soon(3600))):
            place = {"type": "GeoProperty", "value": point, "expiresAt": moment}
            entity = {"id": f"urn:t:{name}", "type": "Alert", "location": place}
            assert (await client.ask("POST", "/entities", entity)).status == 201
        body, _ = await receiver.next()
        assert [each["id"] for each in body["data"]] == ["urn:t:there"]


async def test_what_has_expired_within_an_attribute(client: Client) -> None:
    gone, there = {"value": 1, "expiresAt": soon(0)}, {"value": 2, "expiresAt": soon(3600)}
    for entity in (
        {"id": "urn:t:1", "type": "Alert", "a": {"value": 0, "b": gone, "c": there}},
        {"id": "urn:t:2", "type": "Alert", "a": {"value": 0, "b": there, "c": gone}},
        {"id": "urn:t:3", "type": "Link", "to": {"object": "urn:t:1"}},
        {"id": "urn:t:4", "type": "Link", "to": {"object": "urn:t:1", "expiresAt": soon(0)}},
        {"id": "urn:t:5", "type": "Alert", "d": gone},
        {"id": "urn:t:6", "type": "Link", "to": {"object": "urn:t:5"}},
    ):
        assert (await client.ask("POST", "/entities", entity)).status == 201
    shown = (await client.ask("GET", "/entities/urn:t:1")).json
    assert shown["a"] == {"type": "Property", "value": 0, "c": {"type": "Property", "value": 2}}
    for q, found in (("a.b", ["2"]), ("a.b==1", []), ("!a.b", ["1", "5"]), ("a.c==2", ["1"])):
        answer = await client.ask("GET", f"/entities?type=Alert&q={q}")
        assert [each["id"][-1] for each in answer.json] == found, q
    for q, found in (("to%7Ba%7D", ["3"]), ("to%7Bd%7D", []), ("to%7Ba.b%7D", []), ("to%7Ba.c%7D==2", ["3"])):
        answer = await client.ask("GET", f"/entities?type=Link&join=inline&q={q}")
        assert [each["id"][-1] for each in answer.json] == found, q


async def test_an_order_looks_at_what_has_not_expired(client: Client) -> None:  # 4.23
    gone = {"value": 1, "expiresAt": soon(0)}
    for entity in (
        {"id": "urn:t:1", "type": "Alert", "a": [gone, {"value": 3, "datasetId": "urn:d:1", "b": [gone]}]},
        {"id": "urn:t:2", "type": "Alert", "a": {"value": 2, "expiresAt": soon(3600), "b": {"value": 2}}},
        {"id": "urn:t:3", "type": "Alert", "a": gone},
        {"id": "urn:t:4", "type": "Alert", "a": {"value": 0, "b": {"value": 5}}},
    ):
        assert (await client.ask("POST", "/entities", entity)).status == 201, entity
    for order, found in (("a", "4213"), ("a;desc", "1243"), ("a.b", "2413")):
        answer = await client.ask("GET", f"/entities?type=Alert&orderBy={order}")
        assert "".join(each["id"][-1] for each in answer.json) == found, order


async def test_what_has_expired_is_not_discovered(client: Client) -> None:  # 5.7.5 to 5.7.10
    gone = {"value": 1, "expiresAt": soon(0)}
    there = {"object": "urn:x:1", "expiresAt": soon(3600), "datasetId": "urn:d:1"}
    for entity in (
        {"id": "urn:t:1", "type": ["Alert", "Fire"], "a": gone, "b": [gone, there]},
        {"id": "urn:t:2", "type": "Alert", "expiresAt": soon(0), "c": 1},
        {"id": "urn:t:3", "type": "Flood", "expiresAt": soon(0), "c": 1},
        {"id": "urn:t:4", "type": "Storm", "a": gone},
    ):
        assert (await client.ask("POST", "/entities", entity)).status == 201
    types = await client.ask("GET", "/types?details=true")
    assert {each["typeName"]: each["attributeNames"] for each in types.json} == {
        "Alert": ["b"], "Fire": ["b"], "House": ["n", "name", "location"], "School": ["n"], "Storm": [],
    }  # fmt: skip
    alert = (await client.ask("GET", "/types/Alert")).json
    kinds = {each["attributeName"]: each["attributeTypes"] for each in alert["attributeDetails"]}
    assert (alert["entityCount"], kinds) == (1, {"b": ["Relationship"]})
    assert (await client.ask("GET", "/types/Flood")).status == 404
    names = (await client.ask("GET", "/attributes")).json["attributeList"]
    assert sorted(names) == ["b", "location", "n", "name"]
    for name in "ac":
        assert (await client.ask("GET", f"/attributes/{name}")).status == 404
    found = (await client.ask("GET", "/attributes/b")).json
    assert (found["attributeCount"], found["attributeTypes"]) == (1, ["Relationship"])
    assert found["typeNames"] == ["Alert", "Fire"]


class _Nobody:
    """Has nobody to deliver to."""

    def wake(self, keys: object) -> None:
        assert not keys


async def test_an_expiry_is_changed_and_taken_back(client: Client) -> None:
    far, farther = "2090-01-01T00:00:00Z", "2091-01-01T00:00:00Z"
    await client.ask("PATCH", "/entities/urn:h:1", {"expiresAt": far})
    assert (await client.ask("GET", "/entities/urn:h:1?pick=expiresAt&options=sysAttrs")).json == {
        "expiresAt": far
    }
    await client.ask("POST", "/entities/urn:h:1/attrs", {"expiresAt": farther})
    assert (await client.ask("GET", "/entities/urn:h:1?pick=expiresAt&options=sysAttrs")).json == {
        "expiresAt": farther
    }
    await client.ask("PATCH", "/entities/urn:h:1", {"expiresAt": "urn:ngsi-ld:null"})
    assert "expiresAt" not in (await client.ask("GET", "/entities/urn:h:1?options=sysAttrs")).json
    for wrong in (5, "tomorrow", "urn:ngsi-ld:null"):
        created = await client.ask("POST", "/entities", {"id": "urn:e:1", "type": "A", "expiresAt": wrong})
        assert (created.status, created.problem) == (400, "BadRequestData")


# 5.6.17: bare values keep the type that is there; what all attributes have in common


async def test_a_merge_of_bare_values(client: Client) -> None:
    entity = {
        "id": "urn:m:1",
        "type": "A",
        "n": {"value": 1, "observedAt": OBSERVED},
        "m": {"value": 1},
        "ref": {"object": "urn:x:1"},
        "title": {"languageMap": {"de": "Haus", "en": "house"}},
        "list": {"valueList": [1]},
    }
    assert (await client.ask("POST", "/entities", entity)).status == 201
    later = "2026-05-02T10:00:00Z"
    patch = {"n": 2, "m": 2, "ref": "urn:x:2", "title": "home", "list": [3]}
    path = f"/entities/urn:m:1?options=keyValues&observedAt={later}&lang=en"
    assert (await client.ask("PATCH", path, patch)).status == 204
    shown = (await client.ask("GET", "/entities/urn:m:1")).json
    assert shown["n"] == {"type": "Property", "value": 2, "observedAt": later}
    assert shown["m"] == {"type": "Property", "value": 2}
    assert shown["ref"] == {"type": "Relationship", "object": "urn:x:2"}
    assert shown["title"] == {"type": "LanguageProperty", "languageMap": {"de": "Haus", "en": "home"}}
    assert shown["list"] == {"type": "ListProperty", "valueList": [3]}
    for query, body in (
        ("options=keyValues", {"ref": 5}),
        ("options=keyValues", {"list": 5}),
        ("observedAt=x", {"n": 1}),
        ("lang=*", {"n": 1}),
    ):
        refused = await client.ask("PATCH", f"/entities/urn:m:1?{query}", body)
        assert (refused.status, refused.problem) == (400, "BadRequestData"), refused


# 5.5.4: the null of NGSI-LD, deep in a value, deletes there in a merge and is an error elsewhere


async def test_a_null_deep_in_a_value(client: Client) -> None:
    deep = {"value": {"a": 1, "b": {"c": "urn:ngsi-ld:null", "d": 2}}}
    refused = await client.ask("POST", "/entities", {"id": "urn:n:1", "type": "A", "p": deep})
    assert (refused.status, refused.problem) == (400, "BadRequestData")
    whole = {"value": {"a": 1, "b": {"c": 5, "d": 1}}}
    assert (await client.ask("POST", "/entities", {"id": "urn:n:1", "type": "A", "p": whole})).status == 201
    assert (await client.ask("PATCH", "/entities/urn:n:1", {"p": deep})).status == 204
    shown = (await client.ask("GET", "/entities/urn:n:1?options=keyValues")).json
    assert shown["p"] == {"a": 1, "b": {"d": 2}}
