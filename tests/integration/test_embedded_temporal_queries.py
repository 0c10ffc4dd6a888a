# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What is read of history (clauses 4.5.6 to 4.5.9, 4.5.19, 4.11, 5.7.3, 5.7.4 and 6.3.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson
import pytest
import pytest_asyncio

from tests.embedded_serving import Client, own_database, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HISTORY = "/temporal/entities"
POSTED = "/temporal/entityOperations/query"
MOST = 40
NOON = "2026-05-01T12:00:00Z"
SQUARE = [[[7.9, 51.9], [8.1, 51.9], [8.1, 52.1], [7.9, 52.1], [7.9, 51.9]]]
ALWAYS = {"timerel": "after", "timeAt": "2000-01-01T00:00:00Z"}


def at(time: str) -> str:
    return f"2026-05-01T{time}Z"


def level(value: Any, time: str, **members: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, "observedAt": at(time), **members}


def place(longitude: float, latitude: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [longitude, latitude]}


GAUGES: list[dict[str, Any]] = [
    {
        "id": "urn:g:1",
        "type": "Gauge",
        "level": [
            level(1, "10:00:00"),
            level(3, "10:30:00"),
            level(2, "11:00:00", unitCode="MTR"),
            level(7, "12:00:00"),
            level(5, "10:00:00", datasetId="urn:d:a"),
            level(6, "12:00:00", datasetId="urn:d:a"),
        ],
        "alarm": [level(value=False, time="10:00:00"), level(value=True, time="12:00:00")],
        "state": [level("low", "10:00:00"), level("high", "12:00:00"), level("low", "13:00:00")],
        "location": {"type": "GeoProperty", "value": place(7.47, 51.36)},
    },
    {
        "id": "urn:g:2",
        "type": ["Gauge", "Camera"],
        "level": [level(20, "10:15:00"), level(40, "11:45:00")],
        "site": [{"type": "Relationship", "object": "urn:s:1", "observedAt": at("10:00:00")}],
        "name": [{"type": "LanguageProperty", "languageMap": {"de": "Pegel"}, "observedAt": at("10:00:00")}],
        "kind": [{"type": "VocabProperty", "vocab": "river", "observedAt": at("10:00:00")}],
        "raw": [{"type": "JsonProperty", "json": {"a": [1]}, "observedAt": at("10:00:00")}],
        "list": [{"type": "ListProperty", "valueList": [1, 2], "observedAt": at("10:00:00")}],
        "parts": [
            {"type": "ListRelationship", "objectList": ["urn:s:1", "urn:s:2"], "observedAt": at("10:00:00")}
        ],
        "location": [
            {"type": "GeoProperty", "value": place(7.0, 51.0), "observedAt": at("10:00:00")},
            {"type": "GeoProperty", "value": place(8.0, 52.0), "observedAt": at("12:00:00")},
        ],
    },
    {"id": "urn:x:3", "type": "Bridge", "level": [level(9, "10:00:00")]},
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(postgres: str) -> AsyncIterator[Client]:
    async with own_database(postgres) as dsn, serving(dsn, history_page=MOST, history_most=MOST) as broker:
        for gauge in GAUGES:
            assert (await broker.ask("POST", HISTORY, gauge)).status == 201
        yield broker


async def one(client: Client, entity_id: str = "urn:g:1", **query: Any) -> Any:
    answer = await client.ask("GET", f"{HISTORY}/{entity_id}?{urlencode(query)}")
    assert answer.status == 200, answer
    return answer.json


async def found(client: Client, **query: Any) -> list[str]:
    answer = await client.ask("GET", f"{HISTORY}?{urlencode({**ALWAYS, **query})}")
    assert answer.status == 200, answer
    return [entity["id"] for entity in answer.json]


def times(entity: Any, name: str = "level") -> list[str]:
    return [instance["observedAt"][11:16] for instance in entity.get(name, [])]


async def test_a_history_is_in_the_order_of_time_with_an_id_for_each_instance(client: Client) -> None:
    entity = await one(client)
    assert (entity["id"], entity["type"]) == ("urn:g:1", "Gauge")
    assert times(entity) == ["10:00", "10:00", "10:30", "11:00", "12:00", "12:00"]
    ids = [instance.pop("instanceId") for name in ("level", "alarm", "state") for instance in entity[name]]
    assert len(set(ids)) == len(ids)
    key = orjson.dumps
    assert sorted(entity["level"], key=key) == sorted(GAUGES[0]["level"], key=key)
    assert entity["location"][0]["value"] == place(7.47, 51.36)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"timerel": "before", "timeAt": at("11:00:00")}, ["10:00", "10:00", "10:30"]),
        ({"timerel": "after", "timeAt": at("11:00:00")}, ["11:00", "12:00", "12:00"]),
        ({"timerel": "between", "timeAt": at("10:30:00"), "endTimeAt": at("12:00:00")}, ["10:30", "11:00"]),
        ({"timerel": "after", "timeAt": "2026-05-01T13:30:00+02:00"}, ["12:00", "12:00"]),
        ({"timerel": "after", "timeAt": at("12:00:00")}, ["12:00", "12:00"]),
        ({"timerel": "after", "timeAt": "2026-05-01T12:00:00.000001Z"}, []),
        ({"timerel": "before", "timeAt": at("12:00:00"), "lastN": 2}, ["11:00", "10:30", "10:00"]),
        ({"lastN": 1}, ["12:00", "12:00"]),
        ({"lastN": 1, "datasetId": "urn:d:a"}, ["12:00"]),
        ({"datasetId": "@none"}, ["10:00", "10:30", "11:00", "12:00"]),
        ({"datasetId": "@none,urn:d:a", "timerel": "after", "timeAt": at("11:30:00")}, ["12:00", "12:00"]),
        ({"timerel": "after", "timeAt": "2000-01-01T00:00:00Z", "timeproperty": "modifiedAt", "lastN": 50},
         ["10:00", "10:00", "10:30", "11:00", "12:00", "12:00"]),
        ({"timerel": "after", "timeAt": "2500-01-01T00:00:00Z", "timeproperty": "createdAt"}, []),
    ],
)  # fmt: skip
async def test_windows(client: Client, query: dict[str, Any], expected: list[str]) -> None:
    entity = await one(client, **query)
    shown = times(entity)
    assert (sorted(shown) if query.get("timeproperty") else shown) == expected


async def test_what_has_no_time_is_in_no_window_of_observations(client: Client) -> None:
    assert "location" in await one(client)
    assert "location" not in await one(client, timeproperty="observedAt")
    assert "location" not in await one(client, **ALWAYS)
    assert "location" in await one(client, **ALWAYS, timeproperty="modifiedAt")


async def test_system_attributes(client: Client) -> None:
    entity = await one(client, options="sysAttrs")
    assert entity["modifiedAt"] >= entity["createdAt"]
    assert all({"createdAt", "modifiedAt"} <= instance.keys() for instance in entity["level"])
    plain = await one(client, timeproperty="modifiedAt")
    assert all("createdAt" not in instance for instance in plain["level"])
    assert all("modifiedAt" in instance for instance in plain["level"])


async def test_values_with_their_times(client: Client) -> None:
    entity = await one(client, options="temporalValues", attrs="level,alarm")
    assert entity["alarm"] == {
        "type": "Property",
        "values": [[False, at("10:00:00")], [True, at("12:00:00")]],
    }
    plain, other = sorted(entity["level"], key=len)
    assert plain["values"] == [
        [1, at("10:00:00")], [3, at("10:30:00")], [2, at("11:00:00")], [7, at("12:00:00")]
    ]  # fmt: skip
    assert (other["datasetId"], other["values"]) == (
        "urn:d:a", [[5, at("10:00:00")], [6, at("12:00:00")]]
    )  # fmt: skip
    entity = await one(client, "urn:g:2", format="temporalValues")
    moment = at("10:00:00")
    assert entity["site"] == {"type": "Relationship", "objects": [["urn:s:1", moment]]}
    assert entity["name"]["languageMaps"] == [[{"languageMap": {"de": "Pegel"}}, moment]]
    assert entity["kind"]["vocabs"] == [[{"vocab": "river"}, moment]]
    assert entity["raw"]["jsons"] == [[{"json": {"a": [1]}}, moment]]
    assert entity["list"]["valueLists"] == [[[1, 2], moment]]
    assert entity["location"]["values"][0] == [place(7, 51), moment]
    assert entity["parts"] == {
        "type": "ListRelationship",
        "objectLists": [[["urn:s:1", "urn:s:2"], moment]],
    }


async def test_the_concise_form(client: Client) -> None:
    entity = await one(client, "urn:g:2", options="concise", pick="id,level,site,location", lastN=1)
    (instance,) = entity["level"]
    assert instance.pop("instanceId")
    assert instance == {"value": 40, "observedAt": at("11:45:00")}
    assert entity["site"][0]["object"] == "urn:s:1"
    assert "type" not in entity


@pytest.mark.parametrize(
    ("query", "members"),
    [
        ({"attrs": "level"}, {"id", "type", "level"}),
        ({"attrs": "level,none"}, {"id", "type", "level"}),
        ({"pick": "level"}, {"level"}),
        ({"pick": "id,type"}, {"id", "type"}),
        ({"pick": "id,none"}, {"id"}),
        ({"attrs": "level", **ALWAYS, "timerel": "before"}, {"id", "type"}),
        ({"pick": "id,state,alarm"}, {"id", "state", "alarm"}),
        ({"omit": "type,level"}, {"id", "alarm", "state", "location"}),
        ({"pick": "id,type,level", "omit": "state"}, {"id", "type", "level"}),
    ],
)
async def test_what_is_shown(client: Client, query: dict[str, str], members: set[str]) -> None:
    assert (await one(client, **query)).keys() == members


@pytest.mark.parametrize(
    ("path", "status", "problem"),
    [
        ("/urn:none", 404, "ResourceNotFound"),
        ("/no", 400, "BadRequestData"),
        ("/urn:g:1?attrs=none", 404, "ResourceNotFound"),
        ("/urn:g:1?pick=none", 404, "ResourceNotFound"),
        ("/urn:g:1?omit=id,type,level,alarm,state,location", 404, "ResourceNotFound"),
        ("/urn:g:1?pick=level&omit=level", 400, "BadRequestData"),
        ("/urn:g:1?pick=level&attrs=level", 400, "BadRequestData"),
        ("/urn:g:1?omit=level&attrs=level", 400, "BadRequestData"),
        ("/urn:g:1?timerel=after", 400, "BadRequestData"),
        ("/urn:g:1?timerel=between&timeAt=2026-05-01T10:00:00Z", 400, "BadRequestData"),
        (f"/urn:g:1?timerel=after&timeAt={NOON}&endTimeAt=2027-01-01T00:00:00Z", 400, "BadRequestData"),
        ("/urn:g:1?timerel=during&timeAt=2026-05-01T10:00:00Z", 400, "BadRequestData"),
        (f"/urn:g:1?timerel=between&timeAt={NOON}&endTimeAt={NOON}", 400, "BadRequestData"),
        ("/urn:g:1?timeAt=2026-05-01T10:00:00Z", 400, "BadRequestData"),
        ("/urn:g:1?timerel=after&timeAt=yesterday", 400, "BadRequestData"),
        ("/urn:g:1?timeproperty=seenAt", 400, "BadRequestData"),
        ("/urn:g:1?lastN=0", 400, "BadRequestData"),
        ("/urn:g:1?lastN=-1", 400, "BadRequestData"),
        ("/urn:g:1?lastN=many", 400, "BadRequestData"),
        ("/urn:g:1?datasetId=no", 400, "BadRequestData"),
        ("/urn:g:1?options=aggregatedValues", 400, "BadRequestData"),
        ("/urn:g:1?options=aggregatedValues&aggrMethods=median", 400, "BadRequestData"),
        ("/urn:g:1?options=aggregatedValues&aggrMethods=sum&aggrPeriodDuration=1h", 400, "BadRequestData"),
        ("/urn:g:1?aggrMethods=median", 400, "BadRequestData"),
        ("/urn:g:1?aggrPeriodDuration=1h", 400, "BadRequestData"),
        ("/urn:g:1?format=temporalValues&aggrMethods=sum&aggrPeriodDuration=P", 400, "BadRequestData"),
        ("/urn:g:1?attrs=scope", 400, "BadRequestData"),
        ("/urn:g:1?join=inline", 400, "BadRequestData"),
        ("/urn:g:1?pick=site{level}", 400, "BadRequestData"),
        ("/urn:none?pick=site{level}", 400, "BadRequestData"),
        ("/urn:none?attrs=level&omit=level", 400, "BadRequestData"),
        ("/urn:none?options=aggregatedValues", 400, "BadRequestData"),
        (f"?type=Gauge&timerel=after&timeAt={NOON}&join=flat&joinLevel=2", 400, "BadRequestData"),
        (f"?type=Gauge&timerel=after&timeAt={NOON}&splitEntities=maybe", 400, "BadRequestData"),
        (f"?type=Gauge&timerel=after&timeAt={NOON}&collation=!!", 400, "BadRequestData"),
        (f"?type=Gauge&timerel=after&timeAt={NOON}&entityMap=true", 501, "OperationNotSupported"),
        (f"?timerel=before&timeAt={NOON}&attrs=state&format=aggregatedValues&aggrMethods=sum,avg",
         400, "InvalidRequest"),
        ("/urn:g:1?options=keyValues", 400, "InvalidRequest"),
        ("/urn:g:1?format=temporalValues,none", 400, "InvalidRequest"),
        ("/urn:g:1?q=level>1", 400, "InvalidRequest"),
        ("/urn:g:1?local=maybe", 400, "InvalidRequest"),
        (f"?type=Gauge&timerel=after&timeAt={NOON}&local=maybe", 400, "InvalidRequest"),
        ("?type=Gauge", 400, "BadRequestData"),
        ("?timerel=after&timeAt=2026-05-01T10:00:00Z", 400, "BadRequestData"),
        ("?timerel=after&timeAt=2026-05-01T10:00:00Z&id=urn:g:1", 400, "BadRequestData"),
        ("?timerel=after&timeAt=2026-05-01T10:00:00Z&type=Gauge&limit=0", 400, "BadRequestData"),
        ("?timerel=after&timeAt=2026-05-01T10:00:00Z&type=Gauge&limit=5000", 400, "BadRequestData"),
        ("?timerel=after&timeAt=2026-05-01T10:00:00Z&type=Gauge&q=level>", 400, "BadRequestData"),
        ("?timerel=after&timeAt=2026-05-01T10:00:00Z&type=Gauge&georel=within", 400, "BadRequestData"),
        ("?timerel=after&timeAt=2026-05-01T10:00:00Z&type=Gauge&idPattern=(", 400, "BadRequestData"),
    ],
)  # fmt: skip
async def test_what_is_refused(client: Client, path: str, status: int, problem: str) -> None:
    answer = await client.ask("GET", HISTORY + path.replace("+", "%2B"))
    assert (answer.status, answer.problem) == (status, problem), answer


async def test_tenants_and_media_types(client: Client) -> None:
    query = f"?{urlencode({**ALWAYS, 'type': 'Gauge'})}"
    assert (await client.other("nobody").ask("GET", HISTORY + query)).problem == "NonexistentTenant"
    assert (await client.other("").ask("GET", HISTORY + query)).json == []
    assert (await client.ask("GET", HISTORY + query, Accept="application/geo+json")).status == 406
    answer = await client.ask("GET", HISTORY + query, Accept="application/ld+json")
    assert answer.headers["Content-Type"] == "application/ld+json"
    assert all("@context" in entity for entity in answer.json)
    assert answer.headers["NGSILD-Tenant"] == client.tenant


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"type": "Gauge"}, ["urn:g:1", "urn:g:2"]),
        ({"type": "Camera"}, ["urn:g:2"]),
        ({"type": "Gauge;Camera"}, ["urn:g:2"]),
        ({"type": "Bridge,Camera"}, ["urn:g:2", "urn:x:3"]),
        ({"type": "*", "local": "true"}, ["urn:g:1", "urn:g:2", "urn:x:3"]),
        ({"type": "Gauge", "id": "urn:g:1,urn:x:3"}, ["urn:g:1"]),
        ({"attrs": "level", "idPattern": "^urn:x"}, ["urn:x:3"]),
        ({"attrs": "site"}, ["urn:g:2"]),
        ({"attrs": "none"}, []),
        ({"q": "level>8"}, ["urn:g:2", "urn:x:3"]),
        ({"q": "level==3"}, ["urn:g:1"]),
        ({"q": "level==3", "timeAt": at("10:45:00")}, []),
        ({"q": 'state=="high"'}, ["urn:g:1"]),
        ({"q": "level>4;alarm==true"}, ["urn:g:1"]),
        ({"q": "level<2|level>30"}, ["urn:g:1", "urn:g:2"]),
        ({"q": "!site", "type": "Gauge"}, ["urn:g:1"]),
        ({"q": 'site=="urn:s:1"'}, ["urn:g:2"]),
        ({"q": "level.observedAt>2026-05-01T11:50:00Z"}, ["urn:g:1"]),
        ({"q": 'level.unitCode=="MTR"'}, ["urn:g:1"]),
        ({"q": "level.createdAt>2026-01-01T00:00:00Z"}, ["urn:g:1", "urn:g:2", "urn:x:3"]),
        ({"q": "level.modifiedAt<2026-01-01T00:00:00Z"}, []),
        ({"type": "Gauge", "timeAt": at("11:50:00")}, ["urn:g:1", "urn:g:2"]),
        ({"type": "Gauge", "timeAt": at("12:30:00")}, ["urn:g:1"]),
        ({"type": "Gauge", "attrs": "level", "timeAt": at("11:50:00")}, ["urn:g:1"]),
        ({"type": "Gauge", "attrs": "level", "datasetId": "urn:d:a"}, ["urn:g:1"]),
        ({"type": "Gauge", "timeproperty": "modifiedAt"}, ["urn:g:1", "urn:g:2"]),
        ({"type": "Gauge", "timeproperty": "deletedAt"}, []),
        ({"type": "Gauge", "timerel": "before", "timeAt": at("10:05:00")}, ["urn:g:1", "urn:g:2"]),
        (
            {"type": "Bridge", "omit": "level"},
            ["urn:x:3"],
        ),  # what is left out was there all the same (5.7.4.5)
        ({"type": "Bridge", "omit": "level|none"}, ["urn:x:3"]),
        ({"q": "level.createdAt>2026-01-01T00:00:00Z", "timeproperty": "createdAt", "timerel": "before"}, []),
        ({"type": "Gauge", "q": "location", "timeproperty": "modifiedAt"}, ["urn:g:1", "urn:g:2"]),
        (
            {
                "type": "Gauge",
                "q": "!location",
                "timeproperty": "createdAt",
                "timeAt": "2500-01-01T00:00:00Z",
            },
            [],
        ),
        ({"type": "Bridge", "splitEntities": "true", "entityMap": "false"}, ["urn:x:3"]),
    ],
)
async def test_which_entities(client: Client, query: dict[str, str], expected: list[str]) -> None:
    assert await found(client, **query) == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("id", ["urn:g:1", "urn:g:2", "urn:x:3"]),
        ("id;desc", ["urn:x:3", "urn:g:2", "urn:g:1"]),
        ("level", ["urn:g:1", "urn:x:3", "urn:g:2"]),  # by the last of 7, 9 and 40
        ("level;desc", ["urn:g:2", "urn:x:3", "urn:g:1"]),
        ("site;desc", ["urn:g:2", "urn:g:1", "urn:x:3"]),
        ("site", ["urn:g:2", "urn:g:1", "urn:x:3"]),
        ("type,id;desc", ["urn:x:3", "urn:g:2", "urn:g:1"]),
        ("createdAt;desc", ["urn:x:3", "urn:g:2", "urn:g:1"]),
        ("level.observedAt;desc", ["urn:g:1", "urn:g:2", "urn:x:3"]),
    ],
)
async def test_the_order_of_entities(client: Client, order: str, expected: list[str]) -> None:
    assert await found(client, attrs="level", idPattern="^urn:[gx]", orderBy=order) == expected
    first = await found(client, attrs="level", idPattern="^urn:[gx]", orderBy=order, limit="1", offset="1")
    assert first == expected[1:2]


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ("level;up", 400),
        ("", 400),
        ("level>1", 400),
        ("a,b,c,d,e,f,g,h,i,j,k", 400),
        ("place;dist-asc", 400),
        ("id;dist-desc", 400),
        ("id&collation=!!", 400),
        ("site{level}", 400),
        ("id&local=false", 400),  # 5.7.4.4
    ],
)
async def test_orders_that_are_refused(client: Client, order: str, status: int) -> None:
    order, _, other = order.partition("&")
    name, _, value = other.partition("=")
    query = {**ALWAYS, "type": "Gauge", "orderBy": order} | ({name: value} if name else {})
    answer = await client.ask("GET", f"{HISTORY}?{urlencode(query)}")
    assert (answer.status, answer.problem) == (status, "BadRequestData")


@pytest.mark.parametrize(
    ("time", "distance", "expected"),
    [
        ("09:00:00", 2000, ["urn:g:2"]),
        ("11:00:00", 2000, []),  # it was there before
        ("09:00:00", 200_000, ["urn:g:1", "urn:g:2"]),  # one of them has always been where it is
    ],
)
async def test_where_entities_were(client: Client, time: str, distance: int, expected: list[str]) -> None:
    near = {"georel": f"near;maxDistance=={distance}", "geometry": "Point", "coordinates": "[7.0,51.0]"}
    assert await found(client, **near, timeAt=at(time)) == expected
    near["geoproperty"] = "elsewhere"
    assert await found(client, **near) == []


async def test_paging_of_entities(client: Client) -> None:
    query = {**ALWAYS, "attrs": "level", "limit": 2, "count": "true"}
    answer = await client.ask("GET", f"{HISTORY}?{urlencode(query)}")
    assert [entity["id"] for entity in answer.json] == ["urn:g:1", "urn:g:2"]
    assert answer.headers["NGSILD-Results-Count"] == "3"
    (link,) = [link for link in answer.headers.getall("Link") if 'rel="next"' in link]
    following = link[link.index("/temporal") : link.index(">")]
    answer = await client.ask("GET", following)
    assert [entity["id"] for entity in answer.json] == ["urn:x:3"]
    assert any('rel="prev"' in link for link in answer.headers.getall("Link"))
    answer = await client.ask("GET", f"{HISTORY}?{urlencode({**query, 'limit': 0})}")
    assert (answer.json, answer.headers["NGSILD-Results-Count"]) == ([], "3")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"entities": [{"type": "Gauge"}]}, ["urn:g:1", "urn:g:2"]),
        ({"entities": [{"type": "Gauge", "id": "urn:g:2"}, {"type": "Bridge"}]}, ["urn:g:2", "urn:x:3"]),
        ({"attrs": ["site"]}, ["urn:g:2"]),
        ({"q": "level==3"}, ["urn:g:1"]),
        (
            {"geoQ": {"georel": "near;maxDistance==10", "geometry": "Point", "coordinates": [8, 52]}},
            ["urn:g:2"],
        ),
        (
            {"entities": [{"type": "Gauge"}], "temporalQ": {"timerel": "after", "timeAt": at("12:30:00")}},
            ["urn:g:1"],
        ),
    ],
)
async def test_a_query_by_post(client: Client, body: dict[str, Any], expected: list[str]) -> None:
    answer = await client.ask("POST", POSTED, {"type": "Query", "temporalQ": ALWAYS, **body})
    assert answer.status == 200, answer
    assert [entity["id"] for entity in answer.json] == expected


async def test_a_query_by_post_says_how_to_show(client: Client) -> None:
    temporal = {**ALWAYS, "lastN": 1, "aggrMethods": ["max"], "aggrPeriodDuration": "PT0S"}
    body = {
        "type": "Query",
        "q": "level==3",
        "temporalQ": temporal,
        "pick": ["id", "level"],
        "datasetId": ["@none"],
    }
    (entity,) = (await client.ask("POST", f"{POSTED}?options=temporalValues&count=true", body)).json
    assert entity == {"id": "urn:g:1", "level": {"type": "Property", "values": [[7, at("12:00:00")]]}}
    (entity,) = (await client.ask("POST", f"{POSTED}?options=aggregatedValues", body)).json
    assert [value for value, _, _ in entity["level"]["max"]] == [7]


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"type": "Query"},
        {"type": "Query", "temporalQ": ALWAYS},
        {"type": "Query", "entities": [{"type": "A"}]},
        {"type": "Query", "entities": [{"type": "A"}], "temporalQ": {"timerel": "after"}},
        {"type": "Query", "entities": [{"type": "A"}], "temporalQ": {**ALWAYS, "limit": 1}},
        {"type": "Query", "entities": [{"type": "A"}], "temporalQ": {**ALWAYS, "timeAt": 7}},
        {"type": "Query", "entities": [{"type": "A"}], "temporalQ": {**ALWAYS, "lastN": True}},
        {"type": "Query", "entities": [{"type": "A"}], "temporalQ": ALWAYS, "attrs": "level"},
        {"type": "Query", "entities": [{"type": "A"}], "temporalQ": ALWAYS, "q": 1},
        {"type": "Query", "entities": [{"type": "A"}], "temporalQ": ALWAYS, "unknown": 1},
        {"type": "Query", "entities": [{"type": "A", "idPattern": "("}], "temporalQ": ALWAYS},
        {"type": "Entity", "temporalQ": ALWAYS},
    ],
)
async def test_queries_by_post_that_are_refused(client: Client, body: Any) -> None:
    answer = await client.ask("POST", POSTED, body)
    assert (answer.status, answer.problem) == (400, "BadRequestData"), answer


async def aggregated(client: Client, methods: str, period: str | None = None, **query: str) -> Any:
    if period is not None:
        query["aggrPeriodDuration"] = period
    given = {"attrs": "level", "datasetId": "@none", "options": "aggregatedValues", "aggrMethods": methods}
    entity = await one(client, **{**given, **query})
    return entity.get(query.get("attrs", "level"))


async def test_aggregates_of_the_whole_time(client: Client) -> None:
    methods = "totalCount,distinctCount,sum,avg,min,max,stddev,sumsq"
    found = await aggregated(client, methods)
    span = [at("10:00:00"), at("12:00:00")]
    assert found.pop("type") == "Property"
    assert {name: entries for name, entries in found.items() if name != "stddev"} == {
        "totalCount": [[4, *span]],
        "distinctCount": [[4, *span]],
        "sum": [[13, *span]],
        "avg": [[3.25, *span]],
        "min": [[1, *span]],
        "max": [[7, *span]],
        "sumsq": [[63, *span]],
    }
    assert found["stddev"][0][0] == pytest.approx((63 / 4 - 3.25**2) ** 0.5)


async def test_aggregates_of_periods_begin_with_the_first_instance_or_with_the_window(client: Client) -> None:
    found = await aggregated(client, "sum", "PT1H")
    assert found["sum"] == [
        [4, at("10:00:00"), at("11:00:00")],
        [2, at("11:00:00"), at("12:00:00")],
        [7, at("12:00:00"), at("13:00:00")],
    ]
    window = {"timerel": "between", "timeAt": at("09:45:00"), "endTimeAt": at("11:30:00")}
    found = await aggregated(client, "sum", "PT30M", **window)
    assert found["sum"] == [
        [1, at("09:45:00"), at("10:15:00")],
        [3, at("10:15:00"), at("10:45:00")],
        [2, at("10:45:00"), at("11:15:00")],
    ]
    found = await aggregated(client, "sum", "PT0S", **window)
    assert found["sum"] == [[6, at("09:45:00"), at("11:30:00")]]


async def test_periods_of_months_have_the_length_of_the_calendar(client: Client) -> None:
    entity_id = "urn:m:1"
    days = ["2024-01-31", "2024-02-29", "2024-03-30", "2024-03-31", "2025-01-31"]
    body = {
        "id": entity_id,
        "type": "Monthly",
        "level": [{"type": "Property", "value": 1, "observedAt": f"{day}T00:00:00Z"} for day in days],
    }
    await client.ask("POST", HISTORY, body)
    query = {"options": "aggregatedValues", "aggrMethods": "sum"}
    by_month = (await one(client, entity_id, **query, aggrPeriodDuration="P1M"))["level"]["sum"]
    assert [(value, start[:10], end[:10]) for value, start, end in by_month] == [
        (1, "2024-01-31", "2024-02-29"),
        (2, "2024-02-29", "2024-03-31"),
        (1, "2024-03-31", "2024-04-30"),
        (1, "2025-01-31", "2025-02-28"),
    ]
    by_year = (await one(client, entity_id, **query, aggrPeriodDuration="P1Y"))["level"]["sum"]
    assert [(value, start[:10]) for value, start, _ in by_year] == [(4, "2024-01-31"), (1, "2025-01-31")]


async def test_aggregates_of_what_is_no_number(client: Client) -> None:
    found = await aggregated(client, "min,max,distinctCount,sum", attrs="state")
    assert found["min"][0][0] == "high"
    assert found["max"][0][0] == "low"
    assert found["distinctCount"][0][0] == 2
    assert "sum" not in found
    found = await aggregated(client, "avg,sum", attrs="alarm")
    assert (found["avg"][0][0], found["sum"][0][0]) == (0.5, 1)
    entity = await one(
        client, "urn:g:2", attrs="site,name", options="aggregatedValues", aggrMethods="totalCount,max"
    )
    assert entity["site"]["type"] == "Relationship"
    assert entity["name"]["totalCount"][0][0] == 1
    assert "max" not in entity["site"]


async def test_aggregates_of_arrays_and_of_times_of_day(client: Client) -> None:
    def time(value: str) -> dict[str, str]:
        return {"@type": "Time", "@value": value}

    body = {
        "id": "urn:typed:1",
        "type": "Typed",
        "list": [level([1, 2, 3], "10:00:00"), level([4], "11:00:00")],
        "entry": [level(time("08:00:00Z"), "10:00:00"), level(time("09:30:00.5Z"), "11:00:00")],
        "exit": [
            level("08:00:00Z", "10:00:00", valueType="Time"),
            level("09:00:00Z", "11:00:00", valueType="https://uri.etsi.org/ngsi-ld/Time"),
        ],
        "day": [level({"@type": "Date", "@value": "2026-05-01"}, "10:00:00")],
        "link": [level({"@type": "URI", "@value": "urn:a:1"}, "10:00:00")],
    }
    assert (await client.ask("POST", HISTORY, body)).status == 201
    methods = "sum,avg,min,max,stddev,sumsq"
    query = {"format": "aggregatedValues", "aggrMethods": methods}
    entity = await one(client, "urn:typed:1", **query)
    values = {
        name: {method: entity[name][method][0][0] for method in methods.split(",") if method in entity[name]}
        for name in ("list", "entry", "exit", "day", "link")
    }
    assert values == {
        "list": {"sum": 4, "avg": 2, "min": 1, "max": 3},
        "entry": {"avg": "08:45:00.25Z", "min": "08:00:00Z", "max": "09:30:00.5Z"},
        "exit": {"avg": "08:30:00Z", "min": "08:00:00Z", "max": "09:00:00Z"},
        "link": {},
        "day": {"min": "2026-05-01", "max": "2026-05-01"},
    }
    assert list(entity["entry"]) == ["type", "avg", "min", "max"]


async def test_targets_of_relationships_are_counted_once(client: Client) -> None:  # table 4.5.19.1-3
    def link(time: str, target: str | list[str]) -> dict[str, Any]:
        return {"type": "Relationship", "object": target, "observedAt": at(time)}

    body = {
        "id": "urn:links:1",
        "type": "Links",
        "one": [link("10:00:00", "urn:a:1"), link("10:10:00", "urn:a:2"), link("10:20:00", "urn:a:1")],
        "many": [link("10:00:00", ["urn:a:1", "urn:a:2"]), link("10:10:00", ["urn:a:1", "urn:a:3"])],
        "list": [
            {"type": "ListRelationship", "objectList": ["urn:a:1", "urn:a:1"], "observedAt": at("10:00:00")}
        ],
        "level": [level([1, 2], "10:00:00"), level([1, 3], "10:10:00")],
        "mixed": [level(1, "10:00:00"), link("10:10:00", "urn:a:1")],
    }
    assert (await client.ask("POST", HISTORY, body)).status == 201
    query = {"options": "aggregatedValues", "aggrMethods": "totalCount,distinctCount"}
    entity = await one(client, "urn:links:1", **query)
    counted = {
        name: (entity[name]["totalCount"][0][0], entity[name]["distinctCount"][0][0])
        for name in ("one", "many", "list", "level", "mixed")
    }
    assert counted == {"one": (3, 2), "many": (2, 3), "list": (1, 1), "level": (2, 2), "mixed": (2, 2)}


async def test_the_last_periods(client: Client) -> None:
    found = await aggregated(client, "sum", "PT1H", lastN="2")
    assert [value for value, _, _ in found["sum"]] == [7, 2]


async def test_each_dataset_is_calculated_by_itself(client: Client) -> None:
    entity = await one(client, attrs="level", options="aggregatedValues", aggrMethods="max")
    assert {each.get("datasetId"): each["max"][0][0] for each in entity["level"]} == {None: 7, "urn:d:a": 6}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def long(client: Client) -> str:
    """An entity with more than an answer may have: one attribute early, another late."""
    early = [level(n, f"01:{n:02}:00") for n in range(30)]
    late = [level(n, f"02:{n:02}:00") for n in range(30)]
    body = {"id": "urn:long:1", "type": "Long", "early": early, "late": late}
    assert (await client.ask("POST", HISTORY, body)).status == 201
    return "urn:long:1"


async def test_what_is_too_much_comes_in_parts_forwards(client: Client, long: str) -> None:
    seen: list[Any] = []
    query = dict(ALWAYS)
    for _ in range(10):
        answer = await client.ask(
            "GET", f"{HISTORY}/{long}?{urlencode({**query, 'options': 'temporalValues'})}"
        )
        entity = answer.json
        values = entity.get("early", {"values": []})["values"] + entity.get("late", {"values": []})["values"]
        assert not seen or values[0] == seen[-1]  # the bound is inclusive (4.11)
        seen += values[1:] if seen else values
        if answer.status == 200:
            assert "Content-Range" not in answer.headers
            break
        assert answer.status == 206
        unit, _, span = answer.headers["Content-Range"].partition(" ")
        assert (unit, span[:21]) == ("date-time", query["timeAt"] + "-")
        assert span.endswith("/*")
        query["timeAt"] = span[21:].removesuffix("/*")
    assert [moment for _, moment in seen] == [at(f"{h:02}:{n:02}:00") for h in (1, 2) for n in range(30)]


async def test_what_is_too_much_comes_in_parts_backwards(client: Client, long: str) -> None:
    query = {"timerel": "before", "timeAt": at("05:00:00"), "lastN": 1000}
    answer = await client.ask("GET", f"{HISTORY}/{long}?{urlencode(query)}")
    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"date-time {at('05:00:00')}-{at('01:20:00')}/1000"
    assert len(answer.json["late"]) == 30
    assert answer.json["early"][0]["value"] == 29


async def test_an_attribute_of_which_nothing_is_in_the_part_is_empty(client: Client, long: str) -> None:
    first = await client.ask("GET", f"{HISTORY}/{long}?attrs=early,late&datasetId=@none")
    assert first.status == 206
    assert len(first.json["early"]) == 30
    many = [level(n, f"00:{n % 60:02}:30") for n in range(41)]
    await client.ask(
        "POST", HISTORY, {"id": "urn:long:2", "type": "Longer", "a": many, "b": [level(1, "05:00:00")]}
    )
    answer = await client.ask("GET", f"{HISTORY}/urn:long:2")
    assert (answer.status, len(answer.json["a"]), answer.json["b"]) == (206, 40, [])
    answer = await client.ask("GET", f"{HISTORY}/urn:long:2?options=temporalValues")
    assert answer.json["b"] == {"type": "Property", "values": []}


async def test_a_client_may_prefer_another_number_of_instances(client: Client) -> None:
    series = [level(n, f"06:{n:02}:00") for n in range(50)]
    await client.ask("POST", HISTORY, {"id": "urn:long:3", "type": "Wish", "a": series})
    for wish, got in (("5", 5), ("1000000", MOST), ('"7"; x=1', 7)):
        answer = await client.ask("GET", f"{HISTORY}/urn:long:3", Prefer=f"body=json, maxpagesize={wish}")
        assert (answer.status, len(answer.json["a"])) == (206, got)
        assert answer.headers["Preference-Applied"] == f"maxpagesize={got}"
    for wish in ("0", "-1", "many", "²", ""):
        answer = await client.ask("GET", f"{HISTORY}/urn:long:3", Prefer=f"maxpagesize={wish}")
        assert (answer.status, len(answer.json["a"])) == (206, MOST)
        assert "Preference-Applied" not in answer.headers
    few = await client.ask("GET", f"{HISTORY}/urn:long:3?lastN=3")
    assert (few.status, len(few.json["a"])) == (200, 3)


async def preferring(client: Client, asked: tuple[Any, ...], version: str) -> tuple[Any, Any]:
    answer = await client.ask(*asked, Prefer=f"ngsi-ld={version}")
    return answer, answer.json[0] if isinstance(answer.json, list) else answer.json


async def test_a_client_may_prefer_an_earlier_version(client: Client) -> None:  # 4.3.6.8, 6.18 and 6.19
    moment = {"observedAt": at("10:00:00")}
    body = {
        "id": "urn:older:1",
        "type": ["Older", "Elder"],
        "scope": "/Hagen",
        "level": [
            {"type": "Property", "value": 1, "unitCode": "MTR", "valueType": "Float", **moment},
            {"type": "Property", "value": 2, "unitCode": "MTR", "observedAt": at("11:00:00")},
            {"type": "Property", "value": 3, "datasetId": "urn:d:1", **moment},
        ],
        "name": [{"type": "LanguageProperty", "languageMap": {"de": "Fluss"}, **moment}],
        "kind": [{"type": "VocabProperty", "vocab": "river", **moment}],
        "ways": [{"type": "ListRelationship", "objectList": ["urn:w:1", "urn:w:2"], **moment}],
    }
    assert (await client.ask("POST", HISTORY, body)).status == 201
    query = urlencode({**ALWAYS, "type": "Older"})
    posted = {"type": "Query", "entities": [{"type": "Older"}], "temporalQ": ALWAYS}
    for asked in (
        ("GET", f"{HISTORY}/urn:older:1"),
        ("GET", f"{HISTORY}?{query}"),
        ("POST", POSTED, posted),
    ):
        _, plain = await preferring(client, asked, "none")
        answer, found = await preferring(client, asked, "1.9")
        assert (answer.status, answer.headers["Preference-Applied"], found) == (200, "ngsi-ld=1.9", plain)
        answer, found = await preferring(client, asked, "1.5")
        assert (answer.status, answer.headers["Preference-Applied"]) == (203, "ngsi-ld=1.5")
        assert (found["kind"][0]["type"], found["kind"][0]["value"]) == ("Property", "river")
        assert (found["ways"][0]["type"], found["ways"][0]["object"]) == (
            "Relationship",
            ["urn:w:1", "urn:w:2"],
        )
        assert sorted(each["value"] for each in found["level"]) == [1, 2, 3]
        assert "valueType" not in found["level"][0]
        answer, found = await preferring(client, asked, "1.2")
        assert (answer.status, answer.headers["Preference-Applied"]) == (203, "ngsi-ld=1.2")
        assert (found["type"], "scope" in found) == ("Older", False)
        assert [each["value"] for each in found["level"]] == [1, 2]
        assert not {"observedAt", "unitCode"} & found["level"][0].keys()
        assert found["name"][0]["value"] == {"de": "Fluss"}
    values = await client.ask("GET", f"{HISTORY}/urn:older:1?format=temporalValues", Prefer="ngsi-ld=1.2")
    assert (values.status, "Preference-Applied" in values.headers) == (200, False)
    both = await client.ask("GET", f"{HISTORY}/urn:older:1", Prefer="ngsi-ld=1.5, maxpagesize=2")
    assert (both.status, "Content-Range" in both.headers) == (206, True)
    assert both.headers.getall("Preference-Applied") == ["maxpagesize=2", "ngsi-ld=1.5"]


async def test_a_query_of_many_is_cut_at_one_moment_for_all(client: Client, long: str) -> None:
    query = {**ALWAYS, "type": "Long,Gauge", "attrs": "early,late,level"}
    answer = await client.ask("GET", f"{HISTORY}?{urlencode(query)}")
    assert answer.status == 206
    assert [entity["id"] for entity in answer.json] == ["urn:g:1", "urn:g:2", long]
    instances = [
        instance
        for entity in answer.json
        for name in ("early", "late", "level")
        for instance in entity.get(name, [])
    ]
    assert len(instances) == MOST
    last = max(instance["observedAt"] for instance in instances)
    assert answer.headers["Content-Range"] == f"date-time {ALWAYS['timeAt']}-{last}/*"


async def test_instances_of_one_moment_stay_together(client: Client) -> None:
    body = {"id": "urn:tie:1", "type": "Tie"}
    body["n"] = [level(n, "10:00:00") for n in range(MOST + 5)] + [level(0, "11:00:00")]
    await client.ask("POST", HISTORY, body)
    answer = await client.ask("GET", f"{HISTORY}/urn:tie:1")
    assert (answer.status, len(answer.json["n"])) == (200, MOST + 6)
    await client.ask("POST", HISTORY, {**body, "n": [level(0, "12:00:00")]})
    answer = await client.ask("GET", f"{HISTORY}/urn:tie:1")
    assert (answer.status, len(answer.json["n"])) == (206, MOST + 6)
    body["n"] = [level(n, "10:00:00") for n in range(MOST * 20 + 5)]
    await client.ask("POST", HISTORY, body)
    answer = await client.ask("GET", f"{HISTORY}/urn:tie:1")
    assert (answer.status, answer.problem) == (403, "TooComplexQuery")


async def test_too_many_periods_come_in_parts(client: Client, long: str) -> None:
    query = {**ALWAYS, "options": "aggregatedValues", "aggrMethods": "sum", "aggrPeriodDuration": "PT1M"}
    answer = await client.ask("GET", f"{HISTORY}/{long}?{urlencode(query)}")
    assert answer.status == 206
    entity = answer.json
    assert len(entity["early"]["sum"]) + len(entity["late"]["sum"]) == MOST


def speeds(entity: dict[str, Any]) -> list[Any]:
    """The values of an entity's attribute over time."""
    return [each["value"] for each in entity["speed"]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scoped(client: Client) -> Client:
    """Entities with scopes over time, as in annex C.5.16."""
    for name, scopes in (
        ("always", [("/A/B", "08:00:00")]),
        ("both", [(["/A/B", "/C"], "08:00:00")]),
        ("bare", []),
        ("mid", [("/M", "10:10:00")]),
        ("replaced", [("/R", "08:00:00"), ("/S", "10:30:00")]),
        ("late", [("/Z", "14:00:00")]),
    ):
        body: dict[str, Any] = {
            "id": f"urn:scoped:{name}",
            "type": "Scoped",
            "speed": [level(f"{name}1", "10:05:00"), level(f"{name}2", "10:45:00")],
        }
        if scopes:
            body["scope"] = [
                {"type": "Property", "value": value, "observedAt": at(when)} for value, when in scopes
            ]
        assert (await client.ask("POST", HISTORY, body)).status == 201
    return client


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("/A/B", {"always": ["always1", "always2"], "both": ["both1", "both2"]}),
        ("/A/#", {"always": ["always1", "always2"], "both": ["both1", "both2"]}),
        ("(/A/B;/C)", {"both": ["both1", "both2"]}),
        ("/Y", {}),
        ("/M|/C", {"both": ["both1", "both2"], "mid": ["mid2"]}),
        ("/R", {"replaced": ["replaced1"]}),
        ("/S", {"replaced": ["replaced2"]}),
        ("/Z", {}),
    ],
)
async def test_scopes_hold_from_when_they_were_set(
    scoped: Client, query: str, expected: dict[str, list[str]]
) -> None:
    window = {"timerel": "between", "timeAt": at("10:00:00"), "endTimeAt": at("11:00:00")}
    answer = await scoped.ask(
        "GET", f"{HISTORY}?{urlencode({**window, 'type': 'Scoped', 'scopeQ': query, 'attrs': 'speed'})}"
    )
    assert {each["id"].rpartition(":")[2]: speeds(each) for each in answer.json} == expected
    body = {"type": "Query", "entities": [{"type": "Scoped"}], "scopeQ": query, "attrs": ["speed"]}
    posted = await scoped.ask("POST", POSTED, {**body, "temporalQ": window})
    assert posted.json == answer.json


async def test_a_scope_that_was_set_before_is_shown_where_it_is_asked_for(scoped: Client) -> None:
    query = {
        "timerel": "between", "timeAt": at("10:00:00"), "endTimeAt": at("11:00:00"), "type": "Scoped",
        "attrs": "speed,scope",
    }  # fmt: skip

    async def scopes(**more: str) -> dict[str, Any]:
        answer = await scoped.ask("GET", f"{HISTORY}?{urlencode({**query, **more})}")
        assert answer.status == 200, answer
        return {entity["id"].rpartition(":")[2]: entity.get("scope") for entity in answer.json}

    def scope(value: Any, time: str) -> dict[str, Any]:
        return {"type": "Property", "value": value, "observedAt": at(time)}

    assert await scopes(scopeQ='"/A/B"') == {  # as annex C.5.16 writes it
        "always": [scope("/A/B", "08:00:00")],
        "both": [scope(["/A/B", "/C"], "08:00:00")],
    }
    assert await scopes(scopeQ="/S") == {"replaced": [scope("/S", "10:30:00")]}
    assert await scopes(scopeQ="/R", format="temporalValues") == {
        "replaced": {"type": "Property", "values": [["/R", at("08:00:00")]]}
    }
    assert await scopes(scopeQ="/A/B", attrs="speed") == {"always": None, "both": None}
    plain = await scopes()
    assert (plain["always"], plain["mid"]) == (None, [scope("/M", "10:10:00")])


async def test_a_query_of_history_has_all_that_goes_with_q(client: Client) -> None:
    body = {
        "id": "urn:words:1",
        "type": "Words",
        "kind": [{"type": "VocabProperty", "vocab": "river", "observedAt": at("10:00:00")}],
        "name": [
            {"type": "LanguageProperty", "languageMap": {"de": "Fluss", "en": "river"},
             "observedAt": at("10:00:00")}
        ],
    }  # fmt: skip
    assert (await client.ask("POST", HISTORY, body)).status == 201
    query = {**ALWAYS, "type": "Words", "q": "kind==river", "expandValues": "kind", "csf": "x==1"}
    (found,) = (await client.ask("GET", f"{HISTORY}?{urlencode(query)}")).json
    assert found["id"] == "urn:words:1"
    (found,) = (await client.ask("GET", f"{HISTORY}?{urlencode({**query, 'lang': 'de'})}")).json
    assert (found["name"][0]["value"], found["name"][0]["lang"]) == ("Fluss", "de")
    posted = {
        "type": "Query",
        "entities": [{"type": "Words"}],
        "q": "kind==river",
        "expandValues": "kind",
        "jsonKeys": ["name"],
        "temporalQ": ALWAYS,
        "entityMap": False,
        "splitEntities": True,
        "ordering": {"orderBy": ["kind;desc", "id"]},
    }
    assert len((await client.ask("POST", POSTED, posted)).json) == 1
    posted["ordering"]["geometry"], posted["ordering"]["coordinates"] = "Point", [7, 51]  # of no effect
    assert len((await client.ask("POST", f"{POSTED}?local=true", posted)).json) == 1
    for wrong in ({"q": "a{b}"}, {"pick": "a{b}"}, {"csf": "(("}, {"attrs": "createdAt"}):
        kept = {name: value for name, value in query.items() if name not in {"type", "q"} or name in wrong}
        answer = await client.ask("GET", f"{HISTORY}?{urlencode({**kept, **wrong})}")
        assert (answer.status, answer.problem) == (400, "BadRequestData"), wrong
    for wrong_body in (
        {"aggrParams": 5},
        {"aggrParams": {"aggrMethods": ["mean"]}},
        {"aggrParams": {"aggrPeriodDuration": "PT1H"}},
        {"ordering": {"x": 1}},
        {"ordering": {}},
        {"ordering": {"collation": "de"}},
        {"temporalQ": {**ALWAYS, "lastN": "1"}},
        {"ordering": {"orderBy": ["location;dist-asc"]}},
        {"ordering": {"orderBy": ["id"], "collation": 5}},
        {"temporalQ": {**ALWAYS, "aggrPeriodDuration": "1h"}},
        {"entityMap": "no"},
        {"geoQ": {}},
        {"join": "inline"},
    ):
        answer = await client.ask("POST", POSTED, {**posted, **wrong_body})
        assert (answer.status, answer.problem) == (400, "BadRequestData"), wrong_body


async def test_methods_in_a_body_apply_where_aggregates_are_asked_for(client: Client) -> None:  # 5.2.23
    for member in (
        {"aggrParams": {"aggrMethods": ["max"], "aggrPeriodDuration": "PT0S"}, "temporalQ": ALWAYS},
        {"temporalQ": {**ALWAYS, "aggrMethods": "max"}},
    ):
        body = {"type": "Query", "entities": [{"type": "*", "id": "urn:g:1"}], "attrs": ["level"], **member}
        for query in ("options=aggregatedValues", "format=aggregatedValues"):
            (found,) = (await client.ask("POST", f"{POSTED}?{query}", body)).json
            assert "max" in found["level"] or "max" in found["level"][0]
        (found,) = (await client.ask("POST", POSTED, body)).json
        assert {"value", "instanceId"} <= found["level"][0].keys()


async def test_history_of_what_is_transient_and_of_what_was_deleted(client: Client) -> None:
    body = {
        "id": "urn:gone:1",
        "type": "Gone",
        "a": [
            {**level(1, "10:00:00"), "expiresAt": "2026-05-02T00:00:00Z"},
            level("urn:ngsi-ld:null", "11:00:00"),
        ],
        "b": [{**level(2, "10:00:00"), "expiresAt": "2099-05-02T00:00:00Z"}],
    }
    assert (await client.ask("POST", HISTORY, body)).status == 201
    found = (await client.ask("GET", f"{HISTORY}/urn:gone:1")).json
    assert [each["value"] for each in found["a"]] == ["urn:ngsi-ld:null"]  # 4.22 and 4.5.7
    assert "expiresAt" not in found["b"][0]
    found = (await client.ask("GET", f"{HISTORY}/urn:gone:1?options=sysAttrs")).json
    assert found["b"][0]["expiresAt"] == "2099-05-02T00:00:00Z"
