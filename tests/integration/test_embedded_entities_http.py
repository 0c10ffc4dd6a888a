# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Entities, attributes and batches over HTTP, clause by clause of CIM 009."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from broker.embedded.vocabulary import DEFAULT_VOCAB
from tests.embedded_serving import JSON_LD, Client, own_database, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CORE_LINK = "ngsi-ld-core-context-v1.8.jsonld"
POINT = {"type": "Point", "coordinates": [7.4716, 51.3594]}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def broker(postgres: str) -> AsyncIterator[Client]:
    async with own_database(postgres) as dsn, serving(dsn) as client:
        yield client


@pytest.fixture
def client(broker: Client) -> Client:
    return broker.other()


def iri(name: str) -> str:
    return DEFAULT_VOCAB + name


def entity(number: int = 1, **attributes: Any) -> dict[str, Any]:
    given = attributes or {"no2": {"type": "Property", "value": 22.5, "unitCode": "GQ"}}
    return {"id": f"urn:ngsi-ld:Air:{number}", "type": "Air", **given}


# 5.6.1, 5.7.1, 5.6.6: create, retrieve, delete


async def test_an_entity_is_created_retrieved_and_deleted(client: Client) -> None:
    created = await client.ask("POST", "/entities", entity())
    assert (created.status, created.content) == (201, b"")
    assert created.headers["Location"] == "/ngsi-ld/v1/entities/urn:ngsi-ld:Air:1"
    found = await client.ask("GET", "/entities/urn:ngsi-ld:Air:1")
    assert (found.status, found.json) == (200, entity())
    assert CORE_LINK in found.headers["Link"]
    assert found.headers["NGSILD-Tenant"] == client.tenant
    assert (await client.ask("DELETE", "/entities/urn:ngsi-ld:Air:1")).status == 204
    gone = await client.ask("GET", "/entities/urn:ngsi-ld:Air:1")
    assert (gone.status, gone.problem) == (404, "ResourceNotFound")
    assert (await client.ask("DELETE", "/entities/urn:ngsi-ld:Air:1")).status == 404


async def test_creating_twice_is_a_conflict(client: Client) -> None:
    await client.ask("POST", "/entities", entity())
    again = await client.ask("POST", "/entities", entity())
    assert (again.status, again.problem) == (409, "AlreadyExists")
    assert again.json.keys() == {"type", "title", "detail", "status"}


async def test_of_many_who_create_one_entity_at_once_one_succeeds(client: Client) -> None:
    await client.ask("POST", "/entities", entity(99))
    answers = await asyncio.gather(*(client.ask("POST", "/entities", entity(n=n)) for n in range(8)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7


async def test_many_who_append_to_a_new_entity_at_once_lose_nothing(client: Client) -> None:
    bodies = [[entity(**{f"a{n}": n})] for n in range(8)]
    answers = await asyncio.gather(
        *(client.ask("POST", "/entityOperations/upsert?options=update", body) for body in bodies)
    )
    assert {answer.status for answer in answers} == {201, 204}
    found = await client.ask("GET", "/entities/urn:ngsi-ld:Air:1?options=keyValues")
    assert {f"a{n}": n for n in range(8)}.items() <= found.json.items()


@pytest.mark.parametrize("slash", ["", "/"])
async def test_paths_may_end_in_a_slash(client: Client, slash: str) -> None:
    assert (await client.ask("POST", f"/entities{slash}", entity())).status == 201
    assert (await client.ask("GET", f"/entities{slash}?type=Air")).status == 200
    assert (await client.ask("GET", f"/entities/urn:ngsi-ld:Air:1{slash}")).status == 200
    assert (await client.ask("POST", f"/entityOperations/upsert{slash}", [entity()])).status == 204
    assert (await client.ask("GET", f"/types{slash}")).status == 200


async def test_representations(client: Client) -> None:
    await client.ask("POST", "/entities", entity(no2={"value": 5, "unitCode": "GQ"}, location=POINT))
    path = "/entities/urn:ngsi-ld:Air:1"
    assert (await client.ask("GET", f"{path}?options=keyValues")).json["no2"] == 5
    assert (await client.ask("GET", f"{path}?format=simplified")).json["no2"] == 5
    assert (await client.ask("GET", f"{path}?format=concise")).json["no2"] == {"value": 5, "unitCode": "GQ"}
    system = (await client.ask("GET", f"{path}?options=sysAttrs,keyValues")).json
    assert system["createdAt"] == system["modifiedAt"]
    system = (await client.ask("GET", f"{path}?options=sysAttrs")).json
    assert system["no2"]["createdAt"] == system["createdAt"]
    feature = await client.ask("GET", f"{path}?options=keyValues", Accept="application/geo+json")
    assert feature.headers["Content-Type"].startswith("application/geo+json")
    assert feature.json["geometry"] == POINT
    assert feature.json["properties"] == {"type": "Air", "no2": 5, "location": POINT}
    assert "@context" in feature.json
    bare = await client.ask("GET", path, Accept="application/geo+json", Prefer="body=json")
    assert "@context" not in bare.json
    assert CORE_LINK in bare.headers["Link"]
    linked = await client.ask("GET", path, Accept=JSON_LD)
    assert linked.json["@context"].endswith(CORE_LINK)
    assert "Link" not in linked.headers


async def test_retrieving_some_attributes(client: Client) -> None:
    await client.ask("POST", "/entities", entity(a=1, b=2))
    path = "/entities/urn:ngsi-ld:Air:1"
    assert (await client.ask("GET", f"{path}?attrs=b&options=keyValues")).json == entity(b=2)
    assert (await client.ask("GET", f"{path}?attrs=c")).status == 404


# 5.6.2 to 5.6.5, 5.6.17 to 5.6.19: attributes


async def test_appending_attributes(client: Client) -> None:
    await client.ask("POST", "/entities", entity(a=1))
    path = "/entities/urn:ngsi-ld:Air:1"
    assert (await client.ask("POST", f"{path}/attrs", {"a": 2, "b": 3})).status == 204
    partly = await client.ask("POST", f"{path}/attrs?options=noOverwrite", {"a": 4, "c": 5})
    assert (partly.status, partly.json["updated"]) == (207, [iri("c")])
    assert [refused["attributeName"] for refused in partly.json["notUpdated"]] == [iri("a")]
    assert (await client.ask("GET", f"{path}?options=keyValues")).json == entity(a=2, b=3, c=5)
    assert (await client.ask("POST", "/entities/urn:ngsi-ld:Air:9/attrs", {"a": 2})).status == 404


async def test_updating_attributes(client: Client) -> None:
    await client.ask("POST", "/entities", entity(a=1))
    path = "/entities/urn:ngsi-ld:Air:1"
    assert (await client.ask("PATCH", f"{path}/attrs", {"a": 2})).status == 204
    assert (await client.ask("PATCH", f"{path}/attrs", {"a": 2, "b": 4})).status == 204
    partly = await client.ask("PATCH", f"{path}/attrs", {"a": 3, "c": "urn:ngsi-ld:null", "scope": "/Hagen"})
    assert partly.status == 207
    assert partly.json["updated"] == [iri("a")]
    assert [refused["attributeName"] for refused in partly.json["notUpdated"]] == [iri("c"), "scope"]
    assert (await client.ask("GET", f"{path}?options=keyValues")).json == entity(a=3, b=4)
    assert (await client.ask("PATCH", "/entities/urn:ngsi-ld:Air:9/attrs", {"a": 2})).status == 404
    merge = await client.ask("PATCH", f"{path}/attrs", {"a": 5}, Content_Type="application/merge-patch+json")
    assert merge.status == 204


async def test_one_attribute(client: Client) -> None:
    await client.ask("POST", "/entities", entity())
    path = "/entities/urn:ngsi-ld:Air:1"
    assert (await client.ask("PATCH", f"{path}/attrs/no2", {"value": 7})).status == 204
    assert (await client.ask("GET", path)).json["no2"] == {"type": "Property", "value": 7, "unitCode": "GQ"}
    changed = {"observedAt": "2026-05-01T10:00:00Z"}
    assert (await client.ask("PATCH", f"{path}/attrs/no2", changed)).status == 204
    assert (await client.ask("GET", path)).json["no2"]["observedAt"] == "2026-05-01T10:00:00Z"
    wrong = await client.ask("PATCH", f"{path}/attrs/no2", {"type": "Relationship", "object": "urn:x:1"})
    assert (wrong.status, wrong.problem) == (400, "BadRequestData")
    assert (await client.ask("PATCH", f"{path}/attrs/o3", {"value": 7})).status == 404
    assert (await client.ask("PUT", f"{path}/attrs/no2", {"type": "Property", "value": 1})).status == 204
    assert (await client.ask("GET", path)).json["no2"] == {"type": "Property", "value": 1}
    assert (await client.ask("DELETE", f"{path}/attrs/no2")).status == 204
    assert (await client.ask("DELETE", f"{path}/attrs/no2")).status == 404
    assert (await client.ask("GET", path)).json == {"id": "urn:ngsi-ld:Air:1", "type": "Air"}


async def test_deleting_one_instance_or_all(client: Client) -> None:
    both = [{"value": 1}, {"value": 2, "datasetId": "urn:d:2"}]
    await client.ask("POST", "/entities", entity(a=both))
    path = "/entities/urn:ngsi-ld:Air:1"
    assert (await client.ask("DELETE", f"{path}/attrs/a?datasetId=urn:d:9")).status == 404
    assert (await client.ask("DELETE", f"{path}/attrs/a?datasetId=urn:d:2")).status == 204
    assert (await client.ask("GET", f"{path}?options=keyValues")).json == entity(a=1)
    await client.ask("POST", f"{path}/attrs", {"a": both})
    assert (await client.ask("DELETE", f"{path}/attrs/a?deleteAll=true")).status == 204
    assert "a" not in (await client.ask("GET", path)).json


async def test_replacing_and_merging_an_entity(client: Client) -> None:
    await client.ask("POST", "/entities", entity(a=1, b={"value": {"x": 1}}))
    path = "/entities/urn:ngsi-ld:Air:1"
    before = (await client.ask("GET", f"{path}?options=sysAttrs")).json["createdAt"]
    assert (await client.ask("PATCH", path, {"b": {"value": {"y": 2}}, "c": 3})).status == 204
    assert (await client.ask("GET", f"{path}?options=keyValues")).json == entity(a=1, b={"x": 1, "y": 2}, c=3)
    assert (await client.ask("PUT", path, entity(c=9))).status == 204
    after = (await client.ask("GET", f"{path}?options=keyValues,sysAttrs")).json
    assert (after["createdAt"], after["c"], "a" in after) == (before, 9, False)
    assert (await client.ask("PUT", path, {"c": 1})).status == 400
    assert (await client.ask("PUT", path, entity(2, c=1))).status == 400
    assert (await client.ask("PUT", "/entities/urn:ngsi-ld:Air:9", entity(9))).status == 404


async def test_types_are_added_never_taken_away(client: Client) -> None:
    await client.ask("POST", "/entities", entity())
    await client.ask("POST", "/entityOperations/upsert?options=update", [{**entity(), "type": "Weather"}])
    assert (await client.ask("GET", "/entities/urn:ngsi-ld:Air:1")).json["type"] == ["Air", "Weather"]


# 5.6.7 to 5.6.10, 5.6.20: batches


async def test_batch_create(client: Client) -> None:
    first = await client.ask("POST", "/entityOperations/create", [entity(1), entity(2)])
    assert (first.status, first.json) == (201, ["urn:ngsi-ld:Air:1", "urn:ngsi-ld:Air:2"])
    second = await client.ask("POST", "/entityOperations/create", [entity(2), entity(3)])
    assert second.status == 207
    assert second.json["success"] == ["urn:ngsi-ld:Air:3"]
    (error,) = second.json["errors"]
    assert error["entityId"] == "urn:ngsi-ld:Air:2"
    assert error["error"]["type"].endswith("/AlreadyExists")


async def test_batch_upsert_updates_or_replaces(client: Client) -> None:
    assert (await client.ask("POST", "/entityOperations/upsert", [entity(1, a=1)])).status == 201
    update = await client.ask("POST", "/entityOperations/upsert?options=update", [entity(1, b=2), entity(2)])
    assert (update.status, update.json) == (201, ["urn:ngsi-ld:Air:2"])
    path = "/entities/urn:ngsi-ld:Air:1?options=keyValues"
    assert (await client.ask("GET", path)).json == entity(a=1, b=2)
    for options in ("", "?options=replace"):
        assert (
            await client.ask("POST", f"/entityOperations/upsert{options}", [entity(1, c=3)])
        ).status == 204
        assert (await client.ask("GET", path)).json == entity(c=3)


async def test_a_batch_is_idempotent(client: Client) -> None:
    body = [entity(number, a=number) for number in range(50)]
    first = await client.ask("POST", "/entityOperations/upsert?options=update", body)
    assert (first.status, len(first.json)) == (201, 50)
    before = (await client.ask("GET", "/entities?type=Air&limit=100")).json
    assert (await client.ask("POST", "/entityOperations/upsert?options=update", body)).status == 204
    assert (await client.ask("GET", "/entities?type=Air&limit=100")).json == before
    assert len(before) == 50


async def test_each_entity_of_a_batch_stands_by_itself(client: Client) -> None:
    bad = [
        {"id": "urn:ngsi-ld:Air:8"},
        {"id": "no-colon", "type": "Air"},
        {"type": "Air"},
        entity(9, no2=None),
        "text",
    ]
    answer = await client.ask(
        "POST", "/entityOperations/upsert?options=update", [*bad[:2], entity(1), *bad[2:]]
    )
    assert answer.status == 207
    assert answer.json["success"] == ["urn:ngsi-ld:Air:1"]
    ids = [error["entityId"] for error in answer.json["errors"]]
    assert ids == ["urn:ngsi-ld:Air:8", "no-colon", "", "urn:ngsi-ld:Air:9", "text"]
    assert all(error["error"]["status"] == 400 for error in answer.json["errors"])
    every = await client.ask("POST", "/entityOperations/create", bad)
    assert (every.status, every.json["success"]) == (207, [])


async def test_an_entity_twice_in_a_batch_is_written_twice_in_order(client: Client) -> None:
    body = [entity(1, a=1, b=1), entity(2), entity(1, a=2, c=2)]
    answer = await client.ask("POST", "/entityOperations/upsert?options=update", body)
    assert (answer.status, answer.json) == (201, ["urn:ngsi-ld:Air:1", "urn:ngsi-ld:Air:2"])
    found = await client.ask("GET", "/entities/urn:ngsi-ld:Air:1?options=keyValues")
    assert found.json == entity(a=2, b=1, c=2)
    created = await client.ask("POST", "/entityOperations/create", [entity(3), entity(3)])
    assert created.status == 207
    assert created.json["success"] == ["urn:ngsi-ld:Air:3"]
    assert created.json["errors"][0]["error"]["type"].endswith("/AlreadyExists")


async def test_an_older_observation_overwrites_as_the_standard_has_it(client: Client) -> None:
    for observed_at in ("2026-05-01T10:00:00Z", "2026-04-01T10:00:00Z"):
        attribute = {"type": "Property", "value": 1, "observedAt": observed_at}
        await client.ask("POST", "/entityOperations/upsert?options=update", [entity(no2=attribute)])
    found = await client.ask("GET", "/entities/urn:ngsi-ld:Air:1")
    assert found.json["no2"]["observedAt"] == "2026-04-01T10:00:00Z"


async def test_batch_update_and_merge_of_what_is_there(client: Client) -> None:
    await client.ask("POST", "/entities", entity(a=1))
    assert (await client.ask("POST", "/entityOperations/update", [entity(a=2, b=2)])).status == 204
    kept = await client.ask("POST", "/entityOperations/update?options=noOverwrite", [entity(a=3, c=3)])
    assert (kept.status, kept.json["success"]) == (207, [])
    assert kept.json["errors"][0]["error"]["detail"].endswith("default-context/a")
    found = await client.ask("GET", "/entities/urn:ngsi-ld:Air:1?options=keyValues")
    assert found.json == entity(a=2, b=2, c=3)
    partly = await client.ask("POST", "/entityOperations/update", [entity(a=5), entity(7)])
    assert (partly.status, partly.json["success"]) == (207, ["urn:ngsi-ld:Air:1"])
    assert partly.json["errors"][0]["error"]["type"].endswith("/ResourceNotFound")
    merge = await client.ask("POST", "/entityOperations/merge", [entity(a="urn:ngsi-ld:null")])
    assert merge.status == 204
    found = await client.ask("GET", "/entities/urn:ngsi-ld:Air:1?options=keyValues")
    assert found.json == entity(b=2, c=3)


async def test_batch_delete(client: Client) -> None:
    await client.ask("POST", "/entityOperations/create", [entity(number) for number in range(4)])
    ids = [entity(number)["id"] for number in range(4)]
    assert (await client.ask("POST", "/entityOperations/delete", ids[:2])).status == 204
    partly = await client.ask("POST", "/entityOperations/delete", [*ids[1:], "x", 5, ids[2]])
    assert (partly.status, partly.json["success"]) == (207, ids[2:])
    assert [error["entityId"] for error in partly.json["errors"]] == ["x", "", ids[1], ids[2]]


async def test_scopes(client: Client) -> None:
    await client.ask("POST", "/entities", {**entity(), "scope": ["/Hagen/Emst", "/Air"]})
    path = "/entities/urn:ngsi-ld:Air:1"
    assert (await client.ask("GET", path)).json["scope"] == ["/Hagen/Emst", "/Air"]
    assert (await client.ask("PATCH", f"{path}/attrs", {"scope": "/Hagen"})).status == 204
    assert (await client.ask("POST", f"{path}/attrs?options=noOverwrite", {"scope": "/Air"})).status == 204
    assert (await client.ask("GET", path)).json["scope"] == ["/Hagen", "/Air"]
    assert (await client.ask("PUT", f"{path}/attrs/scope", {"value": "/x"})).status == 400
    assert (await client.ask("DELETE", f"{path}/attrs/scope")).status == 204
    assert (await client.ask("DELETE", f"{path}/attrs/scope")).status == 404
    assert "scope" not in (await client.ask("GET", path)).json


async def test_the_size_of_a_batch(client: Client) -> None:
    whole = await client.ask("POST", "/entityOperations/upsert", [entity(n, a=n) for n in range(1000)])
    assert (whole.status, len(whole.json)) == (201, 1000)
    over = await client.ask("POST", "/entityOperations/upsert", [entity(n, a=n) for n in range(1001)])
    assert (over.status, over.problem) == (400, "BadRequestData")
    empty = await client.ask("POST", "/entityOperations/upsert", [])
    assert (empty.status, empty.problem) == (400, "BadRequestData")
    assert (await client.ask("POST", "/entityOperations/upsert", entity())).status == 400


# 5.5.2, 6.3: what is refused


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "InvalidRequest"),
        (b"[{", "InvalidRequest"),
        (b'{"id": "urn:a:1", "type": "T", "n": NaN}', "InvalidRequest"),
        (b'{"id": "urn:a:1", "type": "T", "n": 1e400}', "InvalidRequest"),
        (b"\xff\xfe", "InvalidRequest"),
        (b"[" * 5000, "InvalidRequest"),
        (b'{"id": "urn:a:1", "type": "T", "n": "a\\u0000b"}', "BadRequestData"),
        (b'{"id": "urn:a:1", "type": "T", "n": {"value": {"a\\u0000b": 1}}}', "BadRequestData"),
        (b'{"id": "urn:a:1", "type": "T", "n": ' + b"[" * 60 + b"]" * 60 + b"}", "BadRequestData"),
        (b'{"id": "urn:a:1", "type": "T", "@context": []}', "BadRequestData"),
        (b"5", "InvalidRequest"),
        (b"[]", "InvalidRequest"),
        (b"{}", "BadRequestData"),
    ],
)
async def test_bodies_that_are_refused(client: Client, body: bytes, problem: str) -> None:
    answer = await client.ask("POST", "/entities", body)
    assert (answer.status, answer.problem) == (400, problem)
    assert len(answer.json["detail"]) > 10


async def test_numbers_and_texts_come_back_as_they_went_in(client: Client) -> None:
    values = [
        0,
        -1,
        1714557600000,
        9007199254740993,
        0.1,
        1e300,
        5e-324,
        "",
        "ß\u2028💧",
        '"\\',
        True,
        [],
        {},
    ]
    body = entity(**{f"a{n}": {"type": "Property", "value": value} for n, value in enumerate(values)})
    assert (await client.ask("POST", "/entities", body)).status == 201
    assert (await client.ask("GET", "/entities/urn:ngsi-ld:Air:1")).json == body


@pytest.mark.parametrize(
    ("path", "status", "problem"),
    [
        ("/entities/no-uri", 400, "BadRequestData"),
        ("/entities/urn:x:1?options=wild", 400, "InvalidRequest"),
        ("/entities/urn:x:1?wild=1", 400, "InvalidRequest"),
        ("/entities?type=A&type=B", 400, "InvalidRequest"),
        ("/entities?type=A&count=yes", 400, "InvalidRequest"),
        ("/entities?type=A&entityMap=true", 501, "OperationNotSupported"),
        ("/nothing", 404, "ResourceNotFound"),
        ("/temporal/entities?type=A", 400, "BadRequestData"),
    ],
)
async def test_paths_and_parameters_that_are_refused(
    client: Client, path: str, status: int, problem: str
) -> None:
    answer = await client.ask("GET", path)
    assert (answer.status, answer.problem) == (status, problem)


async def test_methods_and_media_types_that_are_refused(client: Client) -> None:
    wrong = await client.ask("PUT", "/entities", entity())
    assert (wrong.status, wrong.headers["Allow"]) == (405, "DELETE, GET, HEAD, POST")
    unknown = await client.ask("POST", "/entities", b"<x/>", Content_Type="text/xml")
    assert (unknown.status, unknown.content) == (415, b"")  # "just the status" (6.3.4)
    patch = await client.ask("POST", "/entities", entity(), Content_Type="application/merge-patch+json")
    assert patch.status == 415
    assert (await client.ask("GET", "/entities?type=A", Accept="text/html")).status == 406
    assert (await client.ask("GET", "/types", Accept="application/geo+json")).status == 406
    await client.ask("POST", "/entities", entity())
    for accept in ("*/*", "application/*", "text/html, application/json;q=0.5"):
        assert (await client.ask("GET", "/entities?type=A", Accept=accept)).status == 200
    best = await client.ask("GET", "/entities?type=A", Accept="application/json;q=0.5,application/ld+json")
    assert best.headers["Content-Type"].startswith(JSON_LD)


async def test_a_body_above_the_limit(database: str) -> None:
    async with serving(database, max_body=2000) as client:
        answer = await client.ask("POST", "/entities", entity(a="x" * 3000))
        assert (answer.status, answer.problem) == (413, "BadRequestData")
        assert (await client.ask("POST", "/entities", entity(a="x" * 1000))).status == 201


# 4.14: tenants; the house's keys


async def test_a_tenant_begins_with_its_first_write(client: Client) -> None:
    for method, path, body in (
        ("GET", "/entities?type=Air", None),
        ("GET", "/entities/urn:ngsi-ld:Air:1", None),
        ("GET", "/types", None),
        ("GET", "/subscriptions", None),
        ("DELETE", "/entities/urn:ngsi-ld:Air:1", None),
        ("PATCH", "/entities/urn:ngsi-ld:Air:1/attrs", {"a": 1}),
    ):
        answer = await client.ask(method, path, body)
        assert (answer.status, answer.problem) == (404, "NonexistentTenant"), path
    assert (await client.ask("POST", "/entities", entity())).status == 201
    assert (await client.ask("GET", "/entities?type=Air")).status == 200


async def test_tenants_do_not_see_each_other(client: Client) -> None:
    others = [client.other(), client.other(client.tenant.upper()), client.other("")]
    for number, each in enumerate([client, *others]):
        assert (await each.ask("POST", "/entities", entity(a=number))).status == 201
    for number, each in enumerate([client, *others]):
        found = await each.ask("GET", "/entities?type=Air&options=keyValues")
        assert found.json == [entity(a=number)]
    assert (await others[2].ask("DELETE", "/entities/urn:ngsi-ld:Air:1")).status == 204
    assert (await client.ask("GET", "/entities/urn:ngsi-ld:Air:1")).status == 200


@pytest.mark.parametrize("name", ["a b", "a/b", "a;b", "x" * 200, "'"])
async def test_a_tenants_name_is_plain(client: Client, name: str) -> None:
    assert (await client.ask("POST", "/entities", entity(), NGSILD_Tenant=name)).status == 400


async def test_writing_needs_a_key_where_keys_are_set(database: str) -> None:
    async with serving(database, write_keys=frozenset({"first-key", "second-key"})) as client:
        for headers in (
            {},
            {"X_API_Key": "wrong"},
            {"Authorization": "Bearer first"},
            {"Authorization": "x"},
        ):
            answer = await client.ask("POST", "/entities", entity(), **headers)
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert "key" in answer.json["detail"]
        assert (await client.ask("DELETE", "/entities/urn:ngsi-ld:Air:1")).status == 401
        ok = {"X_API_Key": "first-key"}, {"Authorization": "Bearer second-key"}
        assert (await client.ask("POST", "/entities", entity(), **ok[0])).status == 201
        assert (await client.ask("POST", "/entities", entity(2), **ok[1])).status == 201
        query = {"type": "Query", "entities": [{"type": "Air"}]}
        assert len((await client.ask("POST", "/entityOperations/query", query)).json) == 2
        assert (await client.ask("GET", "/entities?type=Air")).status == 200


async def test_what_was_written_is_there_after_a_restart(database: str) -> None:
    async with serving(database) as client:
        plain = client.other("")
        await plain.ask("POST", "/entities", entity())
    async with serving(database) as client:
        assert (await client.other("").ask("GET", "/entities/urn:ngsi-ld:Air:1")).json == entity()
        async with client.session.get(f"{client.url}/version") as response:
            assert "version" in await response.json()
