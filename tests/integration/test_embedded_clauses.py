# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the standard says of entities and requests in single sentences, each with its clause."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from broker.embedded.vocabulary import CORE_CONTEXT_URL, VALUE_MEMBER
from tests.embedded_serving import JSON_LD, Client, own_database, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CAR = "/entities/urn:ngsi-ld:Car:1"
POINT = {"type": "Point", "coordinates": [7.47, 51.36]}
NULL = "urn:ngsi-ld:null"
SPEED = {
    "type": "Property",
    "value": {"front": 5, "rear": {"left": 6}},
    "unitCode": "KMH",
    "accuracy": {
        "type": "Property",
        "value": 1,
        "unitCode": "P1",
        "by": {"type": "Relationship", "object": "urn:g:1"},
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def broker(postgres: str) -> AsyncIterator[Client]:
    async with own_database(postgres) as dsn, serving(dsn) as client:
        yield client


@pytest.fixture
def client(broker: Client) -> Client:
    return broker.other()


VALUES: dict[str, Any] = {
    "Property": 1,
    "Relationship": {"object": "urn:b:1"},
    "LanguageProperty": {"languageMap": {"de": "ja"}},
    "VocabProperty": {"vocab": "b"},
    "JsonProperty": {"json": {"b": 1}},
    "ListProperty": {"valueList": [1]},
    "ListRelationship": {"objectList": ["urn:b:1"]},
}


async def create(client: Client, **members: Any) -> dict[str, Any]:
    """Create an entity and return it as it is read."""
    answer = await client.ask("POST", "/entities", {"id": "urn:ngsi-ld:Car:1", "type": "Car", **members})
    assert answer.status == 201, answer
    found: dict[str, Any] = (await client.ask("GET", CAR)).json
    return found


@pytest.mark.parametrize(
    "members",
    [
        {"scope": "/9Mitte"},  # 4.18: a level begins with a letter
        {"scope": "/Hagen-Mitte"},
        {"scope": ["/Hagen", "/Hagen//Mitte"]},
        {"scope": "urn:ngsi-ld:null"},
        {"datasetId": {"type": "Property", "value": 1}},  # 4.5.1: not reified, so no attributes
        {"observedAt": "2026-05-01T10:00:00Z"},
        {"instanceId": "urn:i:1"},
        {"valueType": {"type": "Property", "value": 1}},
        {"ngsi-ld:observedAt": {"type": "Property", "value": 1}},
        {"https://uri.etsi.org/ngsi-ld/createdAt": {"type": "Property", "value": 1}},
        {"a": {"value": 1, "b": 2, "https://uri.etsi.org/ngsi-ld/default-context/b": 3}},
        {"type": "9Car"},  # 4.6.2
        {"9speed": 5},
        {"_speed": 5},
        {"speed%": 5},
        {"front/speed": 5},
        {"a": {"value": 1, "b!": 2}},
        {"type": ["Car", "Bus#2"]},
        {"id": "urn:ngsi-ld:Car:\u200b1"},  # 4.5.1 and RFC 3987: nobody sees it
        {"id": "urn:ngsi-ld:Car:\u202e1"},
        {"id": "urn:ngsi-ld:Car:\ufe0f1"},
        {"id": "urn:ngsi-ld:Car:\U000e01001"},
        {"id": "urn:ngsi-ld:Car:\u28001"},
        {"a": {"type": "Property", "value": 1, "previousObject": "urn:b:0"}},  # 4.5.2.2
        {"a": {"type": "Property", "value": 1, "entity": {"id": "urn:b:1", "type": "B"}}},
        {"a": {"type": "Relationship", "object": "urn:b:1", "entityList": []}},  # 4.5.3.2
        {"a": {"type": "Property", "value": 1, "entityIdSealed": "urn:ngsi-ld:Car:1"}},
        {"ngsildproof": {"type": "Property", "value": "no object"}},
        {"a": {"type": "Relationship", "object": "urn:b:1", "unitCode": "MTR"}},  # 4.5.3.2
        {"a": {"type": "ListRelationship", "objectList": ["urn:b:1"], "unitCode": "MTR"}},
        {"a": {"type": "JsonProperty", "json": {"b": 1}, "unitCode": "MTR"}},  # 4.5.24.2
        {"a": {"type": "JsonProperty", "json": 5}},
        {"a": {"type": "Relationship", "object": {"object": "urn:b:1"}}},
        {"a": {"type": "Relationship", "object": [{"object": "urn:b:1"}]}},
        {"a": {"type": "ListRelationship", "objectList": [{"object": "urn:b:1", "b": 1}]}},  # 4.5.22.2
        {"a": {"type": "LanguageProperty", "languageMap": {"": "x"}}},  # 4.5.18.2
        {"a": {"type": "LanguageProperty", "languageMap": {"no language": "x"}}},  # 4.6.5
        {"a": {"type": "LanguageProperty", "languageMap": {"de_DE": "x"}}},
        {"a": {"type": "LanguageProperty", "languageMap": {"de": "x"}, "valueType": "xsd:string"}},  # 5.2.32
        {"a": [{"type": "Property", "value": 1}, {"type": "Property", "value": 2, "datasetId": "@none"}]},
        {"location": {"type": "Property", "value": 7}},  # 4.7.1
        {"observationSpace": "here"},
        {"a": {"type": "GeoProperty", "value": "no geometry"}},
        {"id": NULL},  # 5.5.4: there is nothing to delete
        {"type": NULL},
        {"a": {"type": "Property", "value": 1, "unitCode": NULL}},
        {"a": {"type": "Property", "value": 1, "datasetId": NULL}},
        {"a": {"type": "LanguageProperty", "languageMap": {"de": NULL}}},
        {"a": {"type": "VocabProperty", "vocab": ["b", NULL]}},
        {"a": {"type": "ListProperty", "valueList": [NULL]}},
        {"a": {"type": "ListRelationship", "objectList": [{"object": NULL}]}},
    ],
)
async def test_entities_that_are_refused(client: Client, members: dict[str, Any]) -> None:
    body = {"id": "urn:ngsi-ld:Car:1", "type": "Car", **members}
    answer = await client.ask("POST", "/entities", body)
    assert (answer.status, answer.problem) == (400, "BadRequestData"), answer
    assert (await client.ask("GET", "/entities?local=true")).status == 404  # not even the tenant is there


async def test_what_answers_alone_have_is_ignored(client: Client) -> None:
    written = {"createdAt": "2026-05-01T10:00:00Z", "instanceId": "urn:i:1"}  # 5.2.5
    links = {"Relationship": {"entity": {"id": "urn:b:1"}}, "ListRelationship": {"entityList": []}}
    for kind, value in VALUES.items():
        (member, one), *_ = value.items() if isinstance(value, dict) else [("value", value)]
        previous = {f"previous{member[0].upper()}{member[1:]}": one}
        given = {"type": kind, member: one, **previous, **links.get(kind, {}), **written}
        shown = await create(client, a=given)
        assert shown["a"].keys() == {"type", member}, kind
        again = {key: given[key] for key in given if key != member}
        assert (await client.ask("PATCH", f"{CAR}/attrs/a", again)).status == 204, kind
        assert (await client.ask("GET", CAR)).json == shown, kind
        await client.ask("DELETE", CAR)


@pytest.mark.parametrize("entity_id", ["urn:ngsi-ld:Straße:Höhe", "urn:ngsi-ld:車:1"])
async def test_letters_of_any_script_are_letters(client: Client, entity_id: str) -> None:
    body = {"id": entity_id, "type": "Škola", "výška_1": 7, "scope": "/Česko/Žižkov_3"}
    assert (await client.ask("POST", "/entities", body)).status == 201
    assert (await client.ask("GET", f"/entities/{entity_id}?options=keyValues")).json == body


async def test_the_default_instance_may_be_named_and_never_is(client: Client) -> None:
    speed = [{"value": 55, "datasetId": "@none"}, {"value": 11, "datasetId": "urn:d:gps"}]  # 4.5.5.1
    shown = await create(client, speed=speed)
    assert [instance.get("datasetId") for instance in shown["speed"]] == [None, "urn:d:gps"]
    await client.ask("PATCH", f"{CAR}/attrs/speed", {"value": 56, "datasetId": "@none"})
    assert [each["value"] for each in (await client.ask("GET", CAR)).json["speed"]] == [11, 56]


async def test_a_geometry_may_come_as_a_string(client: Client) -> None:
    text = '{"type": "Point", "coordinates": [7.47, 51.36]}'  # 4.7.2
    shown = await create(client, location={"type": "GeoProperty", "value": text})
    assert shown["location"]["value"] == POINT


async def test_a_patch_without_a_type_is_of_the_instance_it_names(client: Client) -> None:
    link = {"type": "Relationship", "object": "urn:b:1", "datasetId": "urn:d:1"}
    await create(client, a=[{"value": 1}, link])
    patch = {"object": "urn:b:2", "datasetId": "urn:d:1"}  # 5.6.4.4
    assert (await client.ask("PATCH", f"{CAR}/attrs/a", patch)).status == 204
    assert (await client.ask("PATCH", f"{CAR}/attrs/a", {"value": 2, "datasetId": "@none"})).status == 204
    shown = (await client.ask("GET", f"{CAR}?format=concise")).json["a"]
    assert shown == [patch, {"value": 2}]


async def test_a_geometry_alone_is_a_fragment(client: Client) -> None:
    await create(client, location=POINT, speed=5)
    there = {"type": "Point", "coordinates": [7.5, 51.4]}
    assert (await client.ask("PATCH", f"{CAR}/attrs/location", there)).status == 204  # 4.7.3
    assert (await client.ask("GET", CAR)).json["location"] == {"type": "GeoProperty", "value": there}
    assert (await client.ask("PATCH", f"{CAR}/attrs/speed", there)).status == 400


async def test_list_relationships_are_objects_in_the_normalized_form(client: Client) -> None:
    route = {"type": "ListRelationship", "objectList": ["urn:r:1", {"object": "urn:r:2"}]}  # 4.5.22.2
    shown = await create(client, route=route)
    assert shown["route"]["objectList"] == [{"object": "urn:r:1"}, {"object": "urn:r:2"}]
    assert (await client.ask("GET", f"{CAR}?options=keyValues")).json["route"] == ["urn:r:1", "urn:r:2"]
    concise = (await client.ask("GET", f"{CAR}?options=concise")).json["route"]
    assert concise == {"objectList": ["urn:r:1", "urn:r:2"]}  # 4.5.22.3


async def test_a_proof_has_members_of_its_own(client: Client) -> None:
    proof = {"type": "Property", "value": {"type": "DataIntegrityProof", "proofValue": "zQ"}}
    sealed = {"entityIdSealed": "urn:ngsi-ld:Car:1", "entityTypeSealed": "Car"}  # 4.5.2.2 and C.11
    shown = await create(client, ngsildproof={**proof, **sealed})
    assert shown["ngsildproof"] == {**proof, **sealed}


async def test_moments_are_in_utc(client: Client) -> None:
    observed = {"value": 5, "observedAt": "2026-05-01T10:00:00.5+02:00"}  # 4.6.3
    shown = await create(client, speed=observed)
    assert shown["speed"]["observedAt"] == "2026-05-01T08:00:00.500000Z"
    for given, expected in (  # a comma in requests alone; six digits at most
        ("2026-05-01T10:00:00,5Z", "2026-05-01T10:00:00.5Z"),
        ("2026-05-01T10:00:00.123456Z", "2026-05-01T10:00:00.123456Z"),
        ("2026-05-01T10:00:00,123456789Z", "2026-05-01T10:00:00.123456Z"),
    ):
        patch = {"observedAt": given, "expiresAt": given.replace("2026", "2999")}
        assert (await client.ask("PATCH", f"{CAR}/attrs/speed", patch)).status == 204
        found = (await client.ask("GET", f"{CAR}?options=sysAttrs")).json["speed"]
        assert (found["observedAt"], found["expiresAt"]) == (expected, expected.replace("2026", "2999"))
    await client.ask("PATCH", f"{CAR}?observedAt=2026-05-01T11:00:00%2B02:00", {"speed": 6})  # 5.6.17
    assert (await client.ask("GET", CAR)).json["speed"]["observedAt"] == "2026-05-01T09:00:00Z"


async def test_nulls_inside_a_value_are_for_merges(client: Client) -> None:
    await create(client, address={"value": {"street": "Körnerstraße", "city": "Hagen"}})
    null = {"value": {"city": "urn:ngsi-ld:null"}}
    for method, path, body in (  # 5.5.4
        ("PATCH", f"{CAR}/attrs/address", null),
        ("PATCH", f"{CAR}/attrs", {"address": null}),
        ("POST", f"{CAR}/attrs", {"address": null}),
    ):
        answer = await client.ask(method, path, body)
        assert (answer.status, answer.problem) == (400, "BadRequestData"), (method, path)
    assert (await client.ask("PATCH", CAR, {"address": null})).status == 204
    assert (await client.ask("GET", CAR)).json["address"]["value"] == {"street": "Körnerstraße"}


async def test_a_scope_is_no_attribute_and_a_dataset_is_not_taken_away(client: Client) -> None:
    await create(client, speed=5, scope="/Hagen")
    for path, body in (
        ("attrs/scope", {"value": "/Volme"}),  # 5.6.4.4
        ("attrs/speed", {"value": 6, "datasetId": "urn:ngsi-ld:null"}),  # 5.5.8
    ):
        answer = await client.ask("PATCH", f"{CAR}/{path}", body)
        assert (answer.status, answer.problem) == (400, "BadRequestData"), path


@pytest.mark.parametrize(
    ("null", "kind"),
    [
        ("urn:ngsi-ld:null", "Property"),
        ({"object": NULL}, "Relationship"),
        ({"languageMap": {"@none": NULL}}, "LanguageProperty"),
        ({"vocab": NULL}, "VocabProperty"),
        ({"json": NULL}, "JsonProperty"),
        ({"valueList": [NULL]}, "ListProperty"),
        ({"objectList": [{"object": NULL}]}, "ListRelationship"),
    ],
)
async def test_a_null_deletes_where_something_may_go(client: Client, null: Any, kind: str) -> None:
    whole = {"type": kind, VALUE_MEMBER[kind]: NULL}
    for method, path, body, status in (  # 4.5.0, 5.5.4, 5.5.8 and 5.5.12
        ("PATCH", CAR, {"a": null}, 204),
        ("PATCH", f"{CAR}/attrs", {"a": null}, 204),
        ("PATCH", f"{CAR}/attrs/a", whole, 204),
        ("POST", f"{CAR}/attrs", {"a": null}, 400),
        ("PUT", f"{CAR}/attrs/a", null, 400),
        ("PUT", CAR, {"type": "Car", "a": null}, 400),
    ):
        await create(client, a=VALUES[kind], b=1)
        assert (await client.ask(method, path, body)).status == status, (method, path)
        assert ("a" in (await client.ask("GET", CAR)).json) is (status == 400), (method, path)
        await client.ask("DELETE", CAR)


async def test_a_null_deletes_an_attribute_of_an_attribute(client: Client) -> None:
    await create(client, speed=SPEED)
    for method, path, body in (  # 5.5.8
        ("PATCH", f"{CAR}/attrs/speed", {"accuracy": {"value": 2, "by": NULL}}),
        ("PATCH", f"{CAR}/attrs/speed", {"accuracy": NULL, "unitCode": NULL}),
        ("PATCH", f"{CAR}/attrs", {"speed": {**SPEED, "accuracy": NULL, "unitCode": NULL}}),
        (
            "POST",
            "/entityOperations/update",
            [{"id": "urn:ngsi-ld:Car:1", "speed": {**SPEED, "accuracy": NULL}}],
        ),
    ):
        assert (await client.ask(method, path, body)).status == 204, (method, path)
        assert NULL.encode() not in (await client.ask("GET", CAR)).content, (method, path)
    assert (await client.ask("GET", CAR)).json["speed"].keys() == {"type", "value", "unitCode"}
    for method, path in (("PATCH", CAR), ("PATCH", f"{CAR}/attrs"), ("POST", f"{CAR}/attrs")):
        answer = await client.ask(method, path, {"speed": {"value": 6, "datasetId": NULL}})
        assert (answer.status, answer.problem) == (400, "BadRequestData"), (method, path)


async def test_instances_of_an_attribute_of_an_attribute(client: Client) -> None:
    await create(client, speed=SPEED)
    default, laser = {"value": 1, "unitCode": "P1"}, {"value": 2, "datasetId": "urn:d:laser"}
    for patch, left in (  # 5.5.8
        ({**default}, default),
        ({**laser}, [default, laser]),
        ({**laser, "value": 3}, [default, {**laser, "value": 3}]),
        (NULL, {**laser, "value": 3}),
        ({**laser, "value": NULL}, None),
    ):
        assert (await client.ask("PATCH", f"{CAR}/attrs/speed", {"accuracy": patch})).status == 204, patch
        shown = (await client.ask("GET", f"{CAR}?format=concise")).json["speed"]
        assert (shown.get("accuracy"), shown["unitCode"]) == (left, "KMH"), patch


@pytest.mark.parametrize(
    ("patch", "merged"),
    [
        ({"unitCode": "MTS"}, {**SPEED, "unitCode": "MTS"}),
        (
            {"type": "Property", "observedAt": "2026-05-01T10:00:00Z"},
            {**SPEED, "observedAt": "2026-05-01T10:00:00Z"},
        ),
        ({"value": {"rear": {"left": NULL}}}, {**SPEED, "value": {"front": 5, "rear": {}}}),
        (
            {"type": "Property", "accuracy": {"value": 2, "by": NULL}},
            {**SPEED, "accuracy": {"type": "Property", "value": 2, "unitCode": "P1"}},
        ),
        ({"value": 7, "accuracy": NULL}, {"type": "Property", "value": 7, "unitCode": "KMH"}),
        ({"object": "urn:c:1"}, {"type": "Relationship", "object": "urn:c:1"}),
    ],
)
async def test_a_merge_goes_into_every_member(client: Client, patch: Any, merged: Any) -> None:
    await create(client, speed=SPEED)  # 5.5.12 and RFC 7396
    assert (await client.ask("PATCH", CAR, {"speed": patch, "gone": NULL})).status == 204
    assert (await client.ask("GET", CAR)).json["speed"] == merged


async def test_a_geometry_alone_is_merged_as_a_whole(client: Client) -> None:
    box = {"type": "Polygon", "coordinates": [[[7, 51], [8, 51], [8, 52], [7, 51]]], "bbox": [7, 51, 8, 52]}
    await create(client, location=box, seat={"value": {"coordinates": [1, 2], "row": 1}})
    body = {"location": POINT, "seat": {"value": {"coordinates": [3, 4]}}}
    assert (await client.ask("PATCH", CAR, body)).status == 204
    shown = (await client.ask("GET", f"{CAR}?format=simplified")).json
    assert (shown["location"], shown["seat"]) == (POINT, {"coordinates": [3, 4], "row": 1})


async def test_a_merge_of_what_is_new_leaves_no_null(client: Client) -> None:
    await create(client)
    body = {"a": {"value": {"b": {"c": NULL, "d": 1}}, "e": NULL, "unitCode": NULL}}
    assert (await client.ask("PATCH", CAR, body)).status == 204
    assert (await client.ask("GET", CAR)).json["a"] == {"type": "Property", "value": {"b": {"d": 1}}}
    for part in ({"unitCode": "MTR"}, {"type": "Relationship", "objectType": "Car"}):
        answer = await client.ask("PATCH", CAR, {"new": part})
        assert (answer.status, answer.problem) == (400, "BadRequestData"), part


async def test_a_list_of_links_is_merged_as_it_is_read(client: Client) -> None:
    await create(client, route={"objectList": ["urn:r:1", "urn:r:2"]})
    simplified = {**(await client.ask("GET", f"{CAR}?format=simplified")).json, "route": ["urn:r:3"]}
    assert (await client.ask("PATCH", f"{CAR}?format=simplified", simplified)).status == 204  # 5.6.17
    shown = (await client.ask("GET", CAR)).json["route"]
    assert shown == {"type": "ListRelationship", "objectList": [{"object": "urn:r:3"}]}
    assert (await client.ask("PATCH", f"{CAR}?format=simplified", {"route": "urn:r:3"})).status == 400


@pytest.mark.parametrize(
    ("kind", "given", "merged"),
    [
        ("Property", POINT, POINT),
        ("Property", {"vocab": "b"}, None),
        ("Property", {"languageMap": {"de": "nein"}}, None),
        ("GeoProperty", "here", None),
        ("GeoProperty", {"a": 1}, None),
        ("Relationship", ["urn:b:2", "urn:b:3"], ["urn:b:2", "urn:b:3"]),
        ("Relationship", "b", None),
        ("LanguageProperty", "nein", None),  # without lang it is no text in any language
        ("LanguageProperty", 5, None),
        ("VocabProperty", "c", "c"),
        ("VocabProperty", ["c", "d"], ["c", "d"]),
        ("VocabProperty", {"vocab": "c"}, "c"),
        ("VocabProperty", 5, None),
        ("JsonProperty", {"c": 2}, {"b": 1, "c": 2}),
        ("JsonProperty", {"json": {"c": 2}}, {"b": 1, "c": 2}),
        ("JsonProperty", 5, None),
        ("ListProperty", {"a": 1}, None),
        ("ListRelationship", [5], None),
    ],
)
async def test_a_simplified_value_keeps_the_type_there_is(
    client: Client, kind: str, given: Any, merged: Any
) -> None:
    before = (await create(client, a=POINT if kind == "GeoProperty" else VALUES[kind]))["a"]
    answer = await client.ask("PATCH", f"{CAR}?format=simplified", {"a": given})  # 5.6.17.4 and 6.5.3.4
    if merged is None:
        assert (answer.status, answer.problem) == (400, "BadRequestData")
        assert (await client.ask("GET", CAR)).json["a"] == before
    else:
        shown = (await client.ask("GET", CAR)).json["a"]
        assert (answer.status, shown) == (204, {**before, VALUE_MEMBER[kind]: merged})


async def test_format_has_the_say_before_options(client: Client) -> None:
    await create(client, a=1)
    for word in ("?format=normalized&options=keyValues", "?format=concise&options=simplified"):  # 6.5.3.4
        assert (await client.ask("PATCH", CAR + word, {"a": {"value": 2, "unitCode": "MTR"}})).status == 204
        assert (await client.ask("GET", CAR)).json["a"] == {"type": "Property", "value": 2, "unitCode": "MTR"}
    word = "?format=simplified&options=normalized"
    assert (await client.ask("PATCH", CAR + word, {"a": {"type": "Property"}})).status == 204
    assert (await client.ask("GET", CAR)).json["a"]["value"] == {"type": "Property"}


async def test_any_object_is_a_value_in_the_simplified_form(client: Client) -> None:
    body = {"id": "urn:ngsi-ld:Car:1", "type": "Car", "tank": {"unitCode": "LTR", "observedAt": "today"}}
    assert (await client.ask("POST", "/entities?format=simplified", body)).status == 201  # 4.5.4
    assert (await client.ask("GET", f"{CAR}?format=simplified")).json == body


async def test_what_was_read_in_the_simplified_form_can_be_merged(client: Client) -> None:
    speed = [{"value": 5, "unitCode": "KMH"}, {"value": {"front": 6}, "datasetId": "urn:d:gps"}]
    before = await create(client, speed=speed, route={"object": "urn:r:1"}, parts=[{"value": 1}])
    await client.ask("PATCH", f"{CAR}/attrs", {"parts": {"value": [{"value": 1}, {"value": 2}]}})
    shown = (await client.ask("GET", f"{CAR}?format=simplified")).json
    assert shown["speed"] == {"dataset": {"@none": 5, "urn:d:gps": {"front": 6}}}  # 4.5.4
    shown["speed"]["dataset"]["urn:d:gps"] = {"rear": 7}
    assert (await client.ask("PATCH", f"{CAR}?format=simplified", shown)).status == 204
    default, gps = before["speed"]
    merged = {**gps, "value": {"front": 6, "rear": 7}}
    parts = {"type": "Property", "value": [{"value": 1}, {"value": 2}]}
    assert (await client.ask("GET", CAR)).json == {**before, "speed": [default, merged], "parts": parts}


async def test_replacing_and_deleting_an_instance(client: Client) -> None:
    await create(client, speed={"value": 5, "datasetId": "urn:d:gps"})
    for body, status in (  # 5.6.19
        ({"value": 6}, 404),
        ({"value": 6, "datasetId": "urn:d:radar"}, 404),
        ({}, 400),
        ({"value": 6, "datasetId": "urn:d:gps"}, 204),
    ):
        assert (await client.ask("PUT", f"{CAR}/attrs/speed", body)).status == status, body
    assert (await client.ask("DELETE", f"{CAR}/attrs/speed?datasetId=@none")).status == 404  # 4.5.5.1
    await client.ask("POST", f"{CAR}/attrs", {"speed": 7})
    assert (await client.ask("DELETE", f"{CAR}/attrs/speed?datasetId=@none")).status == 204
    assert (await client.ask("GET", CAR)).json["speed"]["value"] == 6


@pytest.mark.parametrize("operation", ["create", "upsert", "update", "merge", "delete"])
async def test_a_null_in_a_batch_refuses_it_whole(client: Client, operation: str) -> None:
    item = "urn:ngsi-ld:Car:2" if operation == "delete" else {"id": "urn:ngsi-ld:Car:2", "type": "Car"}
    answer = await client.ask("POST", f"/entityOperations/{operation}", [item, None])  # 5.6.7.4
    assert (answer.status, answer.problem) == (400, "BadRequestData")
    assert (await client.ask("GET", "/entities?type=Car")).status == 404


async def test_an_upsert_that_updates_may_delete(client: Client) -> None:
    await create(client, a=1, b={"value": 2, "c": 3, "unitCode": "MTR"}, d=4)
    car = {"id": "urn:ngsi-ld:Car:1", "type": "Car"}
    patch = {**car, "a": NULL, "b": {"value": 5, "c": NULL, "unitCode": NULL}}
    path = "/entityOperations/upsert?options=update"
    assert (await client.ask("POST", path, [patch])).status == 204  # 5.6.8.4, as 5.6.2.4 has it
    assert (await client.ask("GET", f"{CAR}?format=concise")).json == {**car, "b": 5, "d": 4}
    new = {**patch, "id": "urn:ngsi-ld:Car:2"}
    for where, body in ((path, new), ("/entityOperations/upsert", patch)):  # there is nothing to delete
        answer = await client.ask("POST", where, [body])
        assert (answer.status, answer.json["success"]) == (207, []), where
        (error,) = answer.json["errors"]
        assert (error["entityId"], error["error"]["title"]) == (body["id"], "Bad request data")
    assert (await client.ask("GET", "/entities/urn:ngsi-ld:Car:2")).status == 404
    assert (await client.ask("GET", f"{CAR}?format=concise")).json == {**car, "b": 5, "d": 4}


async def test_a_scoped_context_is_refused(client: Client) -> None:
    scoped = {"Car": {"@id": "https://example.org/Car", "@context": {"speed": "https://example.org/s"}}}
    body = {"id": "urn:ngsi-ld:Car:1", "type": "Car", "@context": scoped}  # 5.5.7
    answer = await client.ask("POST", "/entities", body, Content_Type=JSON_LD)
    assert (answer.status, answer.problem) == (400, "BadRequestData")


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (
            "application/json;q=0, */*",
            "application/ld+json",
        ),  # the most exact range decides (RFC 9110, 12.5.1)
        ("*/*;q=0.9, application/ld+json;q=0.8", "application/json"),
        ("application/*;q=0.5, application/ld+json", "application/ld+json"),
        ("application/ld+json;q=unclear", "application/ld+json"),
    ],
)
async def test_accept_headers(client: Client, accept: str, media: str) -> None:
    await create(client)
    assert (await client.ask("GET", CAR, Accept=accept)).headers["Content-Type"].startswith(media)


@pytest.mark.parametrize(
    "path",
    [
        "/subscriptions?pick=no2",
        "/subscriptions?lang=de",
        "/jsonldContexts?join=flat",
        "/types?omit=id",
        "/entities?type=Car&format=sysAttrs",  # 6.3.7: these are words of options alone
        "/entities?type=Car&format=simplified,count",
    ],
)
async def test_a_parameter_of_other_operations_is_refused(client: Client, path: str) -> None:
    answer = await client.ask("GET", path)
    assert (answer.status, answer.problem) == (400, "InvalidRequest"), answer


async def test_errors_name_the_tenant_too(client: Client) -> None:
    answer = await client.ask("GET", "/entities?type=Car")  # 6.3.14
    assert (answer.status, answer.problem) == (404, "NonexistentTenant")
    assert answer.headers["NGSILD-Tenant"] == client.tenant


async def test_what_is_no_name_is_none_in_a_path_either(client: Client) -> None:
    await create(client, **{"https://example.org/speed/1": 5})
    for name in ("1speed", "speed%25", "front%2Fspeed", "_speed"):  # 4.6.2, 5.6.4.4, 5.6.5.4 and 5.6.19.4
        for method, body in (("PATCH", {"value": 1}), ("PUT", {"value": 1}), ("DELETE", None)):
            answer = await client.ask(method, f"{CAR}/attrs/{name}", body)
            assert (answer.status, answer.problem) == (400, "BadRequestData"), (method, name)
    path = f"{CAR}/attrs/https%3A%2F%2Fexample.org%2Fspeed%2F1"
    assert (await client.ask("PATCH", path, {"value": 6})).status == 204
    assert (await client.ask("DELETE", path)).status == 204


async def test_dots_are_no_name(client: Client) -> None:
    await create(client, speed=5)
    answer = await client.ask("DELETE", f"/temporal{CAR}/attrs/...")
    assert (answer.status, answer.problem) == (400, "BadRequestData")


async def test_a_source_says_who_it_is(client: Client) -> None:  # 5.2.40, 5.15.1 and 6.33
    path = "/info/sourceIdentity"
    assert (await client.ask("GET", path)).problem == "NonexistentTenant"
    assert (await client.ask("POST", "/entities", {"id": "urn:a:1", "type": "A"})).status == 201
    answer = await client.ask("GET", path)
    assert (answer.status, answer.headers["NGSILD-Tenant"]) == (200, client.tenant)
    assert "json-ld#context" in answer.headers["Link"]
    identity = answer.json
    assert identity.keys() == {
        "id", "type", "contextSourceAlias", "contextSourceUptime", "contextSourceTimeAt"
    }  # fmt: skip
    assert identity["type"] == "ContextSourceIdentity"
    assert identity["id"].startswith("urn:ngsi-ld:ContextSourceIdentity:")
    assert re.fullmatch(r"[A-Za-z0-9-]+", identity["contextSourceAlias"])
    assert re.fullmatch(r"P\d+DT\d+H\d+M\d+S", identity["contextSourceUptime"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", identity["contextSourceTimeAt"])
    again = (await client.ask("GET", f"{path}/", Accept=JSON_LD)).json
    assert (again["id"], again["@context"]) == (identity["id"], CORE_CONTEXT_URL)
    default = (await client.other("").ask("GET", path)).json
    assert default["contextSourceAlias"] != identity["contextSourceAlias"]
    assert (await client.ask("GET", path, Accept="application/geo+json")).status == 406
    assert (await client.ask("DELETE", path)).status == 405


async def test_what_is_meant_for_a_snapshot_is_for_nothing_else(client: Client) -> None:  # 5.5.15
    await client.ask("POST", "/entities", {"id": "urn:a:1", "type": "A"})
    for asked in (("GET", "/entities/urn:a:1"), ("DELETE", "/entities/urn:a:1"), ("GET", "/types")):
        answer = await client.ask(*asked, NGSILD_Snapshot="urn:s:1")
        assert (answer.status, answer.problem) == (501, "OperationNotSupported")
    assert (await client.ask("GET", "/entities/urn:a:1")).status == 200
