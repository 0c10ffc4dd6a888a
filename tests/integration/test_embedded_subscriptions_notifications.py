# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What notifications hold, by clause: triggers, changes, deletions, members, languages, links, time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import pytest_asyncio

from tests.embedded_serving import Client, Receiver, listening, own_database, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NULL = "urn:ngsi-ld:null"
AIR = "/entities/urn:ngsi-ld:Air:1"
POINT = {"type": "Point", "coordinates": [7.47, 51.36]}
NAMES = {"type": "LanguageProperty", "languageMap": {"de": "Volme", "nl": "Wolme"}}
RIVER = {"type": "Relationship", "object": "urn:ngsi-ld:River:1"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def broker(postgres: str) -> AsyncIterator[Client]:
    async with own_database(postgres) as dsn, serving(dsn) as client:
        yield client


@pytest.fixture
def client(broker: Client) -> Client:
    return broker.other()


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with listening() as found:
        yield found


def air(number: int = 1, **attributes: Any) -> dict[str, Any]:
    return {"id": f"urn:ngsi-ld:Air:{number}", "type": "Air", **(attributes or {"no2": 5})}


async def subscribe(client: Client, receiver: Receiver, *triggers: str, **members: Any) -> str:
    notification = {"endpoint": {"uri": receiver.url}, **members.pop("notification", {})}
    body = {"type": "Subscription", "entities": [{"type": "Air"}], "notification": notification, **members}
    if triggers:
        body["notificationTrigger"] = list(triggers)
    answer = await client.ask("POST", "/subscriptions", body)
    assert answer.status == 201, answer
    return answer.headers["Location"].removeprefix("/ngsi-ld/v1")


async def waiting(database: str) -> int:
    """Return how many notifications are in the queue."""
    connection = await asyncpg.connect(database)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM ngsild.notifications"))
    finally:
        await connection.close()


async def do(client: Client, method: str, path: str, body: Any = None) -> None:
    answer = await client.ask(method, path, body)
    assert answer.status in {201, 204}, answer


async def told(receiver: Receiver) -> dict[str, Any]:
    """Return the one entity of the next notification."""
    body, _ = await receiver.next()
    (entity,) = body["data"]
    return dict(entity)


async def nothing_more(client: Client, receiver: Receiver) -> None:
    """See that nothing else was queued: what comes next is what is sent next."""
    await subscribe(client, receiver, entities=[{"type": "Last"}])
    await do(client, "POST", "/entities", {"id": "urn:last", "type": "Last", "n": 1})
    body, _ = await receiver.next()
    assert [entity["id"] for entity in body["data"]] == ["urn:last"]


def members(entity: dict[str, Any]) -> set[str]:
    return set(entity) - {"id", "type"}


# 5.2.12, 5.8.6: triggers


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        ("entityCreated", [0]),
        ("entityDeleted", [5]),
        ("attributeCreated", [0, 1]),
        ("attributeUpdated", [2]),
        ("attributeDeleted", [3, 5]),
        ("entityUpdated", [1, 2, 3, 4]),
    ],
)
async def test_each_trigger_for_each_change(
    client: Client, receiver: Receiver, trigger: str, expected: list[int]
) -> None:
    await subscribe(client, receiver, trigger, notification={"sysAttrs": True})
    await do(client, "POST", "/entities", air(step=0))
    await do(client, "POST", f"{AIR}/attrs", {"no2": 1})
    await do(client, "PATCH", f"{AIR}/attrs", {"step": 2})
    await do(client, "DELETE", f"{AIR}/attrs/no2")
    await do(client, "POST", f"{AIR}/attrs", {"scope": "/Hagen"})
    await do(client, "DELETE", AIR)
    seen = []
    for _ in expected:
        entity = await told(receiver)
        if "deletedAt" in entity:
            seen.append(5)
        elif entity.get("scope"):
            seen.append(4)
        elif "no2" not in entity:
            seen.append(0)
        elif "deletedAt" in entity["no2"]:
            seen.append(3)
        else:
            seen.append(1 if entity["step"]["value"] == 0 else 2)
    assert seen == expected
    await nothing_more(client, receiver)


@pytest.mark.parametrize("trigger", ["attributeDeleted", "entityUpdated"])
async def test_watched_attributes_hold_for_deletions(
    client: Client, receiver: Receiver, trigger: str
) -> None:
    await do(client, "POST", "/entities", air(no2=1, pm10=2))
    await subscribe(client, receiver, trigger, watchedAttributes=["no2"])
    await do(client, "DELETE", f"{AIR}/attrs/pm10")
    await do(client, "DELETE", f"{AIR}/attrs/no2")
    assert await told(receiver) == air(no2={"type": "Property", "value": NULL})
    await nothing_more(client, receiver)


# 4.5.0, 5.8.6: what was deleted


async def test_deleted_attributes_are_null(client: Client, receiver: Receiver) -> None:
    await do(client, "POST", "/entities", air(no2=1, location=POINT, name=NAMES, river=RIVER, left=1))
    await subscribe(client, receiver, "attributeDeleted")
    await do(client, "DELETE", f"{AIR}/attrs/location")
    assert (await told(receiver))["location"] == {"type": "GeoProperty", "value": NULL}
    await do(client, "DELETE", f"{AIR}/attrs/name")
    assert (await told(receiver))["name"] == {"type": "LanguageProperty", "languageMap": {"@none": NULL}}
    patch = {"river": {"type": "Relationship", "object": NULL}, "no2": {"value": NULL}, "left": 2}
    await do(client, "PATCH", AIR, patch)
    assert await told(receiver) == air(
        river={"type": "Relationship", "object": NULL},
        no2={"type": "Property", "value": NULL},
        left={"type": "Property", "value": 2},
    )


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("keyValues", {"dataset": {"@none": 1, "urn:b": NULL}}),
        (
            "normalized",
            [
                {"type": "Property", "value": 1},
                {"type": "Property", "value": NULL, "datasetId": "urn:b"},
            ],
        ),
    ],
)
async def test_one_instance_of_several_is_deleted(
    client: Client, receiver: Receiver, form: str, expected: Any
) -> None:
    await do(client, "POST", "/entities", air(no2=[{"value": 1}, {"value": 2, "datasetId": "urn:b"}]))
    await subscribe(client, receiver, "attributeDeleted", notification={"format": form})
    await do(client, "DELETE", f"{AIR}/attrs/no2?datasetId=urn:b")
    assert (await told(receiver))["no2"] == expected


async def test_all_instances_are_deleted_as_one(client: Client, receiver: Receiver) -> None:
    await do(client, "POST", "/entities", air(no2=[{"value": 1}, {"value": 2, "datasetId": "urn:b"}]))
    await subscribe(client, receiver, "attributeDeleted")
    await do(client, "DELETE", f"{AIR}/attrs/no2?deleteAll=true")
    assert (await told(receiver))["no2"] == {"type": "Property", "value": NULL}


async def test_a_replaced_entity_loses_what_it_has_no_more(client: Client, receiver: Receiver) -> None:
    await do(client, "POST", "/entities", air(no2=1, pm10=2))
    await subscribe(client, receiver, "attributeDeleted", "attributeUpdated")
    await do(client, "PUT", AIR, air(no2=3))
    assert await told(receiver) == air(
        no2={"type": "Property", "value": 3}, pm10={"type": "Property", "value": NULL}
    )


@pytest.mark.parametrize(
    ("notification", "expected"),
    [
        ({}, {"deletedAt"}),
        ({"format": "keyValues"}, {"deletedAt"}),
        ({"sysAttrs": True}, {"createdAt", "modifiedAt", "deletedAt"}),
        ({"showChanges": True}, {"deletedAt", "scope", "no2"}),
    ],
)
async def test_a_deleted_entity(
    client: Client, receiver: Receiver, notification: dict[str, Any], expected: set[str]
) -> None:
    await do(client, "POST", "/entities", air(no2=1, scope="/Hagen"))
    await subscribe(client, receiver, "entityDeleted", notification=notification)
    await do(client, "DELETE", AIR)
    entity = await told(receiver)
    assert (entity["id"], entity["type"]) == ("urn:ngsi-ld:Air:1", "Air")
    assert members(entity) == expected
    if "no2" in expected:
        assert entity["no2"] == {"type": "Property", "value": NULL, "previousValue": 1}


async def test_deletion_by_batch_and_the_query_holds_for_what_was(client: Client, receiver: Receiver) -> None:
    await do(client, "POST", "/entityOperations/create", [air(1, no2=1), air(2, no2=50), air(3, no2=60)])
    await subscribe(
        client,
        receiver,
        "entityDeleted",
        q="no2>40",
        entities=[{"idPattern": "(Air|Luft):[123]", "type": "*"}],
    )
    await do(
        client, "POST", "/entityOperations/delete", [f"urn:ngsi-ld:Air:{number}" for number in (1, 2, 3)]
    )
    body, _ = await receiver.next()
    assert [entity["id"] for entity in body["data"]] == ["urn:ngsi-ld:Air:2", "urn:ngsi-ld:Air:3"]
    await nothing_more(client, receiver)


@pytest.mark.parametrize("operation", ["upsert", "upsert?options=update", "update", "merge"])
async def test_an_entity_twice_in_a_batch_is_told_of_twice(
    client: Client, receiver: Receiver, operation: str
) -> None:
    await do(client, "POST", "/entityOperations/create", [air(1), air(2)])
    await subscribe(client, receiver, notification={"showChanges": True, "sysAttrs": True})
    await subscribe(client, receiver, notification={"attributes": ["o3"]}, throttling=3600)
    batch = [air(1, no2=6, o3=1), air(2, no2=7), air(1, no2=8, o3=2)]
    await do(client, "POST", f"/entityOperations/{operation}", batch)  # 5.5.11.3
    bodies = [(await receiver.next())[0] for _ in range(3)]
    (throttled,) = (body for body in bodies if "previousValue" not in str(body))
    assert [entity["o3"]["value"] for entity in throttled["data"] if "o3" in entity] == [1]
    first, second = (body["data"] for body in bodies if body is not throttled)
    values = [(each["no2"]["value"], each["no2"].get("previousValue")) for each in (*first, *second)]
    assert values == [(6, 5), (7, 5), (8, 6)]
    assert len({each["no2"]["modifiedAt"] for each in (*first, *second)}) == 1  # 5.5.11.0
    await nothing_more(client, receiver)


# 5.2.14: showChanges


@pytest.mark.parametrize(
    "change",
    [
        ({"value": 1}, {"value": 2}, "previousValue", 1),
        (POINT, {"type": "Point", "coordinates": [7, 51]}, "previousValue", POINT),
        (RIVER, {"object": "urn:ngsi-ld:River:2"}, "previousObject", "urn:ngsi-ld:River:1"),
        (NAMES, {"languageMap": {"de": "x"}}, "previousLanguageMap", NAMES["languageMap"]),
        ({"vocab": "clean"}, {"vocab": "dirty"}, "previousVocab", "clean"),
        ({"json": {"a": None}}, {"json": [1]}, "previousJson", {"a": None}),
        ({"valueList": [1, 2]}, {"valueList": [3]}, "previousValueList", [1, 2]),
        ({"value": {"k": 1}}, {"value": {"k": 2}}, "previousValue", {"k": 1}),
        ({"value": [1, 2]}, {"value": [3, 4]}, "previousValue", [1, 2]),
        ({"value": [{"k": 1}]}, {"value": [{"k": 2}, {"k": 3}]}, "previousValue", [{"k": 1}]),
        (
            {"objectList": ["urn:r:1", "urn:r:2"]},
            {"objectList": ["urn:r:3"]},
            "previousObjectList",
            [{"object": "urn:r:1"}, {"object": "urn:r:2"}],
        ),
        (
            {"objectList": [{"object": "urn:r:1"}]},
            {"objectList": [{"object": "urn:r:3"}]},
            "previousObjectList",
            [{"object": "urn:r:1"}],
        ),
    ],
)
@pytest.mark.parametrize("form", ["normalized", "concise"])
async def test_values_before_a_change(
    client: Client,
    receiver: Receiver,
    change: tuple[dict[str, Any], dict[str, Any], str, Any],
    form: str,
) -> None:
    first, second, name, previous = change
    await subscribe(client, receiver, notification={"showChanges": True, "format": form})
    await do(client, "POST", "/entities", air(x=first, y=1))
    entity = await told(receiver)
    assert not isinstance(entity["x"], dict) or name not in entity["x"]
    await do(client, "PATCH", f"{AIR}/attrs", {"x": second})
    entity = await told(receiver)
    if form == "concise" and name == "previousObjectList":
        previous = [each["object"] for each in previous]
    assert entity["x"][name] == previous
    assert entity["y"] == (1 if form == "concise" else {"type": "Property", "value": 1})
    if form == "concise":
        assert "type" not in entity["x"]


@pytest.mark.parametrize("form", ["normalized", "concise"])
async def test_what_was_of_another_kind_is_not_shown_as_what_was_before(
    client: Client, receiver: Receiver, form: str
) -> None:
    """Clauses 4.5.2 and 4.5.3: a Relationship has no previousValue, and a Property no previousObject."""
    await do(client, "POST", "/entities", air(x=1, y=RIVER, z=POINT))
    await subscribe(client, receiver, notification={"showChanges": True, "format": form})
    changed = {"x": RIVER, "y": {"type": "Property", "value": 2}, "z": {"type": "Property", "value": 3}}
    await do(client, "PUT", AIR, air(**changed))
    entity = await told(receiver)
    kinds = [{name for name in entity[each] if name.startswith("previous")} for each in ("x", "z")]
    assert kinds == [set(), {"previousValue"}]
    assert entity["y"] == (2 if form == "concise" else {"type": "Property", "value": 2})


async def test_only_the_instance_that_changed_shows_what_it_was(client: Client, receiver: Receiver) -> None:
    await do(client, "POST", "/entities", air(x=[{"value": 1}, {"value": 2, "datasetId": "urn:b"}]))
    await subscribe(client, receiver, notification={"showChanges": True})
    await do(client, "POST", f"{AIR}/attrs", {"x": {"value": 3, "datasetId": "urn:b"}})
    assert (await told(receiver))["x"] == [
        {"type": "Property", "value": 1},
        {"type": "Property", "value": 3, "datasetId": "urn:b", "previousValue": 2},
    ]


async def test_what_is_written_again_as_it_was_has_nothing_before(client: Client, receiver: Receiver) -> None:
    await do(client, "POST", "/entities", air(no2=1, pm10=2))
    await subscribe(client, receiver, notification={"showChanges": True})
    await do(client, "PATCH", f"{AIR}/attrs", {"no2": 1, "pm10": 3})
    assert await told(receiver) == air(
        no2={"type": "Property", "value": 1}, pm10={"type": "Property", "value": 3, "previousValue": 2}
    )


# 4.21, 4.15, 4.5.5, 4.19: members, languages, datasets, scopes


@pytest.mark.parametrize(
    ("notification", "expected"),
    [
        ({"attributes": ["no2"]}, {"id", "type", "scope", "no2"}),
        ({"pick": ["id", "no2"]}, {"id", "no2"}),
        ({"pick": ["type", "createdAt"], "sysAttrs": True}, {"type", "createdAt"}),
        ({"omit": ["type", "no2"]}, {"id", "name", "scope"}),
        ({"pick": ["id", "no2", "name"], "omit": ["name"]}, None),
    ],
)
async def test_members_that_are_shown(
    client: Client, receiver: Receiver, notification: dict[str, Any], expected: set[str] | None
) -> None:
    if expected is None:
        body = {
            "type": "Subscription",
            "entities": [{"type": "Air"}],
            "notification": {"endpoint": {"uri": receiver.url}, **notification},
        }
        assert (await client.ask("POST", "/subscriptions", body)).status == 400
        return
    path = await subscribe(client, receiver, notification=notification)
    shown = (await client.ask("GET", path)).json["notification"]
    assert {name: shown[name] for name in notification} == notification
    await do(client, "POST", "/entities", air(no2=1, name=NAMES, scope="/Hagen"))
    assert set(await told(receiver)) == expected


async def test_one_language(client: Client, receiver: Receiver) -> None:
    await subscribe(client, receiver, lang="nl;q=0.9,en", notification={"showChanges": True})
    await do(client, "POST", "/entities", air(name=NAMES))
    assert (await told(receiver))["name"] == {"type": "Property", "value": "Wolme", "lang": "nl"}
    await do(client, "PATCH", f"{AIR}/attrs", {"name": {"languageMap": {"nl": "x"}}})
    assert (await told(receiver))["name"] == {
        "type": "Property",
        "value": "x",
        "lang": "nl",
        "previousValue": "Wolme",
    }


async def test_one_dataset(client: Client, receiver: Receiver) -> None:
    values = [{"value": 1}, {"value": 2, "datasetId": "urn:b"}, {"value": 3, "datasetId": "urn:c"}]
    await subscribe(client, receiver, datasetId=["@none", "urn:c"], notification={"format": "keyValues"})
    await do(client, "POST", "/entities", air(x=values, y={"value": 4, "datasetId": "urn:b"}))
    assert await told(receiver) == air(x={"dataset": {"@none": 1, "urn:c": 3}})


async def test_scopes_decide(client: Client, receiver: Receiver) -> None:
    await subscribe(client, receiver, scopeQ="/Hagen/#")
    await do(client, "POST", "/entities", air(1, no2=1, scope="/Herne/Mitte"))
    await do(client, "POST", "/entities", air(2, no2=1, scope=["/Herne", "/Hagen/Mitte"]))
    assert (await told(receiver))["id"] == "urn:ngsi-ld:Air:2"
    await nothing_more(client, receiver)


async def test_entities_as_an_earlier_version_has_them(client: Client, receiver: Receiver) -> None:
    """Clauses 4.3.6.8 and 5.8.6: there was no VocabProperty before 1.8, and no scope before 1.4."""
    await subscribe(client, receiver, "entityCreated", "attributeDeleted", ngsildConformance="1.3")
    await do(
        client,
        "POST",
        "/entities",
        {**air(no2=5, kind={"type": "VocabProperty", "vocab": "a"}), "scope": "/a"},
    )
    entity = await told(receiver)
    assert entity["kind"] == {"type": "Property", "value": "a"}
    assert (entity["no2"], "scope" in entity) == ({"type": "Property", "value": 5}, False)
    await do(client, "DELETE", f"{AIR}/attrs/no2")
    assert (await told(receiver))["no2"] == {"type": "Property", "value": NULL}


@pytest.mark.parametrize("form", ["concise", "keyValues"])
async def test_other_representations_have_no_later_members_of_entities_either(
    client: Client, receiver: Receiver, form: str
) -> None:
    await subscribe(client, receiver, ngsildConformance="1.2", notification={"format": form})
    await do(client, "POST", "/entities", {**air(no2=[1, 2], scope="/a"), "type": ["Air", "Water"]})
    assert await told(receiver) == {"id": "urn:ngsi-ld:Air:1", "type": "Air", "no2": [1, 2]}


async def test_features_as_an_earlier_version_has_them(client: Client, receiver: Receiver) -> None:
    endpoint = {"uri": receiver.url, "accept": "application/geo+json"}
    await subscribe(client, receiver, ngsildConformance="1.3", notification={"endpoint": endpoint})
    kind = {"type": "VocabProperty", "vocab": "a"}
    await do(client, "POST", "/entities", air(location=POINT, kind=kind, scope="/a"))
    body, _ = await receiver.next()
    (feature,) = body["data"]["features"]
    assert feature["geometry"] == POINT
    assert feature["properties"] == {
        "type": "Air",
        "kind": {"type": "Property", "value": "a"},
        "location": {"type": "GeoProperty", "value": POINT},
    }


async def test_geojson_of_a_deleted_place_has_no_geometry(client: Client, receiver: Receiver) -> None:
    await do(client, "POST", "/entities", air(location=POINT))
    endpoint = {"uri": receiver.url, "accept": "application/geo+json"}
    await subscribe(client, receiver, "attributeDeleted", notification={"endpoint": endpoint})
    await do(client, "DELETE", f"{AIR}/attrs/location")
    body, _ = await receiver.next()
    (feature,) = body["data"]["features"]
    assert (feature["type"], feature["geometry"]) == ("Feature", None)
    assert feature["properties"]["location"]["value"] == NULL


# 4.5.23: linked entities


@pytest.mark.parametrize("how", ["flat", "inline"])
async def test_linked_entities(client: Client, receiver: Receiver, how: str) -> None:
    await do(client, "POST", "/entities", {"id": "urn:ngsi-ld:River:1", "type": "River", "length": 60})
    await subscribe(client, receiver, notification={"join": how, "joinLevel": 1, "format": "keyValues"})
    await do(client, "POST", "/entities", air(river=RIVER))
    body, _ = await receiver.next()
    river = {"id": "urn:ngsi-ld:River:1", "type": "River", "length": 60}
    if how == "flat":
        assert body["data"] == [air(river="urn:ngsi-ld:River:1"), river]
    else:
        assert body["data"] == [air(river=river)]


# 5.8.6: timeInterval


async def test_a_time_interval_tells_the_state_whatever_changes(client: Client, receiver: Receiver) -> None:
    await do(client, "POST", "/entityOperations/create", [air(1, no2=1), air(2, no2=50), air(3, no2=60)])
    path = await subscribe(client, receiver, timeInterval=1, q="no2>40", notification={"format": "keyValues"})
    for _ in range(2):
        body, _ = await receiver.next()
        assert body["data"] == [air(2, no2=50), air(3, no2=60)]
    await do(client, "PATCH", f"{AIR}/attrs", {"no2": 70})
    ids: list[str] = []
    while "urn:ngsi-ld:Air:1" not in ids:
        body, _ = await receiver.next()
        ids = [entity["id"] for entity in body["data"]]
    await do(client, "PATCH", path, {"timeInterval": None, "q": None})
    found = (await client.ask("GET", path)).json
    assert "timeInterval" not in found
    await do(client, "POST", "/entities", air(9))
    while body["data"] != [air(9)]:
        body, _ = await receiver.next()


async def test_a_paused_time_interval_is_silent(client: Client, receiver: Receiver) -> None:
    await do(client, "POST", "/entities", air())
    await subscribe(client, receiver, timeInterval=1, isActive=False)
    other = await subscribe(
        client, receiver, timeInterval=1, entities=[{"id": "urn:ngsi-ld:Air:1", "type": "Air"}]
    )
    for _ in range(2):
        body, _ = await receiver.next()
        assert body["subscriptionId"] == other.rpartition("/")[2]


# 6.3.8, delivery: order, one id, what is given up


async def test_a_receiver_that_was_away_gets_what_it_missed_in_order(database: str) -> None:
    async with serving(database) as broker:
        client = broker.other("")
        async with listening() as gone:
            url = gone.url
            await subscribe(client, gone)
        for value in range(60):
            await do(client, "POST", "/entityOperations/upsert?options=update", [air(no2=value)])
        port = int(url.rpartition(":")[2].partition("/")[0])
        async with listening(503, 503, 200, port=port) as back:
            bodies = [(await back.next())[0] for _ in range(62)]
    assert [body["data"][0]["no2"]["value"] for body in bodies] == [0, 0, *range(60)]
    assert len({body["id"] for body in bodies[:3]}) == 1
    assert len({body["id"] for body in bodies}) == 60


async def test_what_is_too_much_is_given_up_the_oldest_first(database: str) -> None:
    async with serving(database, notify_most=5, first_retry=0.05) as broker:
        client = broker.other("")
        async with listening() as gone:
            url = gone.url
            await subscribe(client, gone)
        for value in range(30):
            await do(client, "POST", "/entityOperations/upsert?options=update", [air(no2=value)])
        for waited in range(50):
            if await waiting(database) <= 5:
                break
            await asyncio.sleep(0.02 * waited)
        port = int(url.rpartition(":")[2].partition("/")[0])
        async with listening(port=port) as back:
            bodies = [(await back.next())[0] for _ in range(5)]
    assert [body["data"][0]["no2"]["value"] for body in bodies] == [25, 26, 27, 28, 29]
