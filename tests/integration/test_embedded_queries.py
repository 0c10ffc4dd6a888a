# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Queries over HTTP: filters, q, geography, paging, discovery (clauses 4.9, 4.10, 5.7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.embedded_serving import Client, own_database, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OBSERVED = "2026-05-01T10:00:00Z"
HOUSES: list[dict[str, Any]] = [
    {
        "id": "urn:h:1",
        "type": "House",
        "n": {"type": "Property", "value": 5, "observedAt": OBSERVED, "unitCode": "MTR"},
        "name": {"type": "Property", "value": "Emst"},
        "tags": {"type": "Property", "value": ["red", "tall"]},
        "ref": {"type": "Relationship", "object": "urn:d:1"},
        "address": {"type": "Property", "value": {"city": "Hagen", "geo": {"zip": 58095}}},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [7.47, 51.36]}},
    },
    {
        "id": "urn:h:2",
        "type": ["House", "School"],
        "n": {"type": "Property", "value": 7.5, "accuracy": {"type": "Property", "value": 0.5}},
        "name": {"type": "Property", "value": "Haspe"},
        "open": {"type": "Property", "value": True},
        "since": {"type": "Property", "value": {"@type": "DateTime", "@value": "2020-01-01T00:00:00Z"}},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [7.42, 51.35]}},
        "ground": {
            "type": "GeoProperty",
            "value": {
                "type": "Polygon",
                "coordinates": [[[7.4, 51.3], [7.5, 51.3], [7.5, 51.4], [7.4, 51.3]]],
            },
        },
    },
    {
        "id": "urn:h:3",
        "type": "School",
        "n": [{"type": "Property", "value": 1}, {"type": "Property", "value": 100, "datasetId": "urn:d:a"}],
        "name": {"type": "Property", "value": "7"},
        "title": {"type": "LanguageProperty", "languageMap": {"de": "Schule", "en": "school"}},
        "https://example.org/odd.name": {"type": "Property", "value": 1},
    },
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def houses(postgres: str) -> AsyncIterator[Client]:
    async with own_database(postgres) as dsn, serving(dsn) as client:
        assert (await client.ask("POST", "/entityOperations/create", HOUSES)).status == 201
        yield client


async def found(client: Client, **parameters: str) -> str:
    answer = await client.ask("GET", f"/entities?{urlencode(parameters)}")
    assert answer.status == 200, answer
    return "".join(entity["id"][-1] for entity in answer.json)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"type": "House"}, "12"),
        ({"type": "House,School"}, "123"),
        ({"type": "House|School"}, "123"),
        ({"type": "House;School"}, "2"),
        ({"type": "(House;School)|Barn"}, "2"),
        ({"type": "https://uri.etsi.org/ngsi-ld/default-context/School"}, "23"),
        ({"type": "Barn"}, ""),
        ({"type": "*", "local": "true"}, "123"),
        ({"local": "true"}, "123"),
        ({"type": "House,School", "id": "urn:h:3,urn:h:1,urn:h:9"}, "13"),
        ({"type": "House,School", "idPattern": "h:[12]$"}, "12"),
        ({"attrs": "open,title"}, "23"),
        ({"attrs": "nothing"}, ""),
        ({"attrs": "n", "q": "n>6"}, "23"),
    ],
)
async def test_filters(houses: Client, parameters: dict[str, str], expected: str) -> None:
    assert await found(houses, **parameters) == expected


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("n==5", "1"),
        ("n==5.0", "1"),
        ("n!=5", "23"),
        ("n>5", "23"),
        ("n>=5", "123"),
        ("n<5", "3"),
        ("n<=5", "13"),
        ("n==5..8", "12"),
        ("n==1,5", "13"),
        ("n==1..2,5", "13"),
        ("n!=1..200", ""),
        ('name=="Emst"', "1"),
        ('name!="Emst"', "23"),
        ('name>"F"', "2"),
        ('name=="A".."I"', "12"),
        ('name=="7"', "3"),
        ("name==7", ""),
        ('n=="5"', ""),
        ("name~=^H.*e$", "2"),
        ('name~="[0-9]"', "3"),
        ("name~=(?i)emst", "1"),
        ("name!~=^H", "13"),
        ("n~=5", ""),
        ("n!~=x", ""),  # what is no text neither matches nor does not
        ("address!~=x", ""),
        ('tags!~="^x"', "1"),
        ('tags=="red"', "1"),
        ('tags=="blue","tall"', "1"),
        ('tags!="red"', ""),
        ("open==true", "2"),
        ("open==false", ""),
        ("open!=false", "2"),
        ("ref==urn:d:1", "1"),
        ('ref=="urn:d:1"', "1"),
        ("ref!=urn:d:1", ""),
        ('ref~="^urn:d"', ""),  # a relationship is compared by == and != alone
        ('title=="school"', "3"),
        ('title[*]=="Schule"', "3"),
        ('title[en]=="Schule"', ""),
        ('title!="Schule"', ""),
        ('title[en]!="Schule"', "3"),
        ('title~="^Sch"', "3"),
        ("n", "123"),
        ("open", "2"),
        ("!open", "13"),
        ("n.accuracy", "2"),
        ("n.accuracy<1", "2"),
        ("n.observedAt", "1"),
        ("n.observedAt>2026-05-01T09:59:59Z", "1"),
        ("n.observedAt==2026-05-01T12:00:00+02:00", "1"),
        ("n.observedAt<2026-01-01T00:00:00Z", ""),
        ('n.unitCode=="MTR"', "1"),
        ("n.datasetId==urn:d:a", "3"),
        ("since>2019-12-31T00:00:00Z", "2"),
        ("since==2020-01-01T01:00:00+01:00", "2"),
        ("since<2019-12-31T00:00:00Z", ""),
        ('address[city]=="Hagen"', "1"),
        ("address[geo.zip]>58000", "1"),
        ("address[geo.nothing]", ""),
        ('title[de]=="Schule"', "3"),
        ("https://example.org/odd.name==1", "3"),
        ("https://uri.etsi.org/ngsi-ld/default-context/n==5", "1"),
        ("n>6;name", "23"),
        ("n==5|open==true", "12"),
        ("n>6;open==true|n==5", "12"),
        ("n>6;(open==true|n==1)", "23"),
        ("createdAt>2020-01-01T00:00:00Z", "123"),
        ("modifiedAt<2020-01-01T00:00:00Z", ""),
        ("nothing", ""),
        ("nothing!=5", ""),
    ],
)
async def test_q(houses: Client, q: str, expected: str) -> None:
    assert await found(houses, q=q, local="true") == expected


@pytest.mark.parametrize("query", ["q=createdAt>2020-01-01T00:00:00Z", "attrs=createdAt,modifiedAt",
    "q=modifiedAt|!createdAt", "type=*&local=false", "idPattern=.*"])  # fmt: skip
async def test_queries_of_everything_are_refused(houses: Client, query: str) -> None:
    for method in ("GET", "DELETE"):  # 5.7.2.4 and 5.6.21.4
        answer = await houses.ask(method, f"/entities?{query}")
        assert (answer.status, answer.problem) == (400, "BadRequestData"), answer


@pytest.mark.parametrize(
    ("georel", "geometry", "coordinates", "geoproperty", "expected"),
    [
        ("near;maxDistance==1000", "Point", "[7.47,51.36]", None, "1"),
        ("near;maxDistance==4000", "Point", "[7.47,51.36]", None, "12"),
        ("near;minDistance==1000", "Point", "[7.47,51.36]", None, "2"),
        ("within", "Polygon", "[[[7.4,51.3],[7.45,51.3],[7.45,51.4],[7.4,51.4],[7.4,51.3]]]", None, "2"),
        ("disjoint", "Polygon", "[[[7.4,51.3],[7.45,51.3],[7.45,51.4],[7.4,51.4],[7.4,51.3]]]", None, "1"),
        ("intersects", "LineString", "[[7.46,51.35],[7.48,51.37]]", None, "1"),
        ("equals", "Point", "[7.47,51.36]", None, "1"),
        ("contains", "Point", "[7.48,51.31]", "ground", "2"),
        ("intersects", "Polygon", "[[[7.3,51.2],[7.45,51.2],[7.45,51.4],[7.3,51.2]]]", "ground", "2"),
        ("overlaps", "Polygon", "[[[7.3,51.2],[7.45,51.2],[7.45,51.4],[7.3,51.2]]]", "ground", "2"),
        ("within", "Point", "[0,0]", "nothing", ""),
    ],
)
async def test_geography(
    houses: Client, georel: str, geometry: str, coordinates: str, *, geoproperty: str | None, expected: str
) -> None:
    parameters = {"georel": georel, "geometry": geometry, "coordinates": coordinates}
    if geoproperty:
        parameters["geoproperty"] = geoproperty
    assert await found(houses, **parameters) == expected
    counted = await houses.ask("GET", f"/entities?{urlencode({**parameters, 'count': 'true', 'limit': '0'})}")
    assert int(counted.headers["NGSILD-Results-Count"]) == len(expected)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "id=urn:h:1",
        "idPattern=h",
        "limit=5",
        "type=",
        "type=House;",
        "type=*,House",
        "type=(*;House)",
        "type=(House",
        "type=House&limit=1001",
        "type=House&limit=-1",
        "type=House&limit=x",
        "type=House&limit=0",
        "type=House&offset=-1",
        "type=House&id=no-uri",
        "type=House&idPattern=(",
        "type=House&idPattern=(a)%5C1",
        "attrs=id,type",
        "attrs=",
        "q=n~=(",
        "q=n==",
        "georel=near;maxDistance==1",
        "georel=near;maxDistance==1&geometry=Point&coordinates=%5B7",
        "georel=near;maxDistance==01&geometry=Point&coordinates=%5B7,51%5D",
        "georel=beside&geometry=Point&coordinates=%5B7,51%5D",
        "type=House&geometry=Point",
        "type=House&coordinates=%5B7,51%5D",
    ],
)
async def test_queries_that_are_refused(houses: Client, query: str) -> None:
    answer = await houses.ask("GET", f"/entities?{query}")
    assert (answer.status, answer.problem) == (400, "BadRequestData"), answer
    assert len(answer.json["detail"]) > 10


async def test_too_complex(houses: Client) -> None:  # 5.5.6
    query = {"type": "Query", "entities": [{"type": "House"}], "q": "|".join(["n==1"] * 200)}
    answer = await houses.ask("POST", "/entityOperations/query", query)
    assert (answer.status, answer.problem) == (403, "TooComplexQuery")


async def test_too_broad(houses: Client) -> None:
    assert "too broad query" in (await houses.ask("GET", "/entities")).json["detail"]


PIECES = st.sampled_from(
    ["n", "name", "address", "[city]", "[geo.zip]", ".observedAt",
     ".accuracy", "==", "!=", ">", "<=", "~=", "!~=", ";",
     "|", "(", ")", "!", "..", ",", '"x"', '"Emst"', "5", "-1.5", "1e9", "true",
     "urn:d:1", OBSERVED, "2026-05-01",
     "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+00:00", "'", "\\", '"', "\x00", "[",
     "*", "9" * 40, "$1", "--"]
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(q=st.lists(PIECES, min_size=1, max_size=9).map("".join) | st.text(min_size=1, max_size=25))
async def test_no_q_at_all_makes_the_broker_fail(houses: Client, q: str) -> None:
    answer = await houses.ask("GET", f"/entities?q={quote(q.encode(errors='replace'), safe='')}")
    assert answer.status in {200, 400, 403}, (q, answer)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pattern=st.text(alphabet="ab()[]{}*+?|\\.^$1,x-:", max_size=12))
async def test_no_pattern_at_all_makes_the_broker_fail(houses: Client, pattern: str) -> None:
    query = urlencode({"type": "House", "idPattern": pattern})
    assert (await houses.ask("GET", f"/entities?{query}")).status in {200, 400}


async def test_pages_hold_everything_once_and_link_to_each_other(houses: Client) -> None:
    client = houses.other()
    entities = [{"id": f"urn:p:{number:02}", "type": "Page", "n": number} for number in range(25)]
    await client.ask("POST", "/entityOperations/create", entities)
    assert len((await client.ask("GET", "/entities?type=Page")).json) == 20
    path, seen = "/entities?type=Page&limit=10&count=true&options=keyValues", []
    while path:
        answer = await client.ask("GET", path)
        assert answer.headers["NGSILD-Results-Count"] == "25"
        seen += [entity["id"] for entity in answer.json]
        links = " ".join(answer.headers.getall("Link"))
        assert 'rel="http://www.w3.org/ns/json-ld#context"' in links
        assert ('rel="prev"' in links) == (len(seen) > 10)
        following = re.search(r'<([^>]*)>;rel="next"', links)
        path = following.group(1).removeprefix("/ngsi-ld/v1") if following else ""
    assert seen == [entity["id"] for entity in entities]
    beyond = await client.ask("GET", "/entities?type=Page&offset=100")
    assert (beyond.status, beyond.json) == (200, [])
    none = await client.ask("GET", "/entities?type=Page&limit=0&options=count")
    assert (none.json, none.headers["NGSILD-Results-Count"]) == ([], "25")
    none = await client.ask("GET", "/entities?type=Page&limit=0&offset=2&count=true")  # 4.13
    assert 'rel="prev"' not in " ".join(none.headers.getall("Link"))
    asked = {"type": "Page", "q": 'n>0;n!="a, b+c &<d>"', "limit": "7", "idPattern": "^urn:p:.*"}
    page = await client.ask("GET", f"/entities/?{urlencode(asked)}")
    (link,) = [
        each for each in page.headers.getall("Link") if each.endswith('rel="next";type="application/json"')
    ]
    assert link.startswith("</ngsi-ld/v1/entities?idPattern=%5Eurn:p:.*&limit=7&offset=7&q=n%3E0%3Bn")
    assert "," not in link
    following = await client.ask("GET", link[1 : link.index(">")].removeprefix("/ngsi-ld/v1"))
    assert [entity["n"]["value"] for entity in following.json] == list(range(8, 15))
    near = "georel=near;maxDistance==5&geometry=Point&coordinates=[7,51]"
    assert (await client.ask("GET", f"/entities?type=Page&{near}&count=true")).json == []


async def test_attrs_choose_what_is_shown(houses: Client) -> None:
    answer = await houses.ask("GET", "/entities?type=House&attrs=name,open&options=keyValues")
    assert answer.json == [
        {"id": "urn:h:1", "type": "House", "name": "Emst"},
        {"id": "urn:h:2", "type": ["House", "School"], "name": "Haspe", "open": True},
    ]


async def test_geojson_of_a_query(houses: Client) -> None:
    answer = await houses.ask(
        "GET", "/entities?type=House,School&options=keyValues", Accept="application/geo+json"
    )
    assert answer.json["type"] == "FeatureCollection"
    kinds = [feature["geometry"] and feature["geometry"]["type"] for feature in answer.json["features"]]
    assert kinds == ["Point", "Point", None]
    ground = await houses.ask(
        "GET", "/entities?attrs=ground&geometryProperty=ground", Accept="application/geo+json"
    )
    assert ground.json["features"][0]["geometry"]["type"] == "Polygon"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"entities": [{"type": "House"}]}, "12"),
        ({"entities": [{"type": "House"}, {"type": "*", "id": "urn:h:3"}]}, "123"),
        ({"entities": [{"type": "School", "idPattern": "3$"}]}, "3"),
        ({"entities": [{"type": "House"}], "q": "n>6"}, "2"),
        ({"attrs": ["open"]}, "2"),
        (
            {"geoQ": {"georel": "near;maxDistance==1000", "geometry": "Point", "coordinates": [7.47, 51.36]}},
            "1",
        ),
    ],
)
async def test_queries_by_post(houses: Client, query: dict[str, Any], expected: str) -> None:
    answer = await houses.ask("POST", "/entityOperations/query", {"type": "Query", **query})
    assert answer.status == 200, answer
    assert "".join(entity["id"][-1] for entity in answer.json) == expected


@pytest.mark.parametrize(
    "query",
    [[], {}, {"type": "Query"}, {"type": "Query", "entities": []}, {"type": "Query", "entities": [{"x": 1}]},
     {"type": "Query", "q": 5}, {"type": "Query", "attrs": "open"}, {"type": "Query", "geoQ": 5},
     {"type": "Query", "entities": [{"idPattern": "("}]}, {"type": "Query", "attrs": ["a"], "temporalQ": {}},
     {"type": "Query", "entities": 5}, {"type": "Query", "entities": [{"type": 5}]},
     {"type": "Query", "entities": [{"id": "urn:h:3"}]}],
)  # fmt: skip
async def test_queries_by_post_that_are_refused(houses: Client, query: Any) -> None:
    assert (await houses.ask("POST", "/entityOperations/query", query)).status == 400


async def test_types_and_attributes(houses: Client) -> None:
    types = (await houses.ask("GET", "/types")).json
    assert (types["type"], types["typeList"]) == ("EntityTypeList", ["House", "School"])
    house, school = (await houses.ask("GET", "/types?details=true")).json
    assert (house["typeName"], house["type"]) == ("House", "EntityType")
    assert {"n", "name", "open"} <= set(house["attributeNames"])
    assert "https://example.org/odd.name" in school["attributeNames"]
    info = (await houses.ask("GET", "/types/House")).json
    assert (info["type"], info["entityCount"]) == ("EntityTypeInfo", 2)
    details = {detail["attributeName"]: detail for detail in info["attributeDetails"]}
    assert details["ref"]["attributeTypes"] == ["Relationship"]
    assert (await houses.ask("GET", "/types/Barn")).status == 404
    attributes = (await houses.ask("GET", "/attributes")).json
    assert attributes["type"] == "AttributeList"
    assert {"n", "location"} <= set(attributes["attributeList"])
    by_name = {
        each["attributeName"]: each for each in (await houses.ask("GET", "/attributes?details=true")).json
    }
    assert by_name["n"]["typeNames"] == ["House", "School"]
    one = (await houses.ask("GET", "/attributes/location")).json
    assert (one["attributeCount"], one["attributeTypes"]) == (2, ["GeoProperty"])
    assert (await houses.ask("GET", "/attributes/nothing")).status == 404
    assert (await houses.ask("GET", "/attributes/n")).json["attributeCount"] == 4  # instances (5.2.28)


async def test_places_are_decided_in_parts(houses: Client) -> None:
    """So many points and areas around a place that they are gone through in order, some at a time."""
    client = houses.other()
    area = {"type": "Polygon", "coordinates": [[[7.0, 51.0], [7.1, 51.0], [7.1, 51.1], [7.0, 51.0]]]}
    for start in range(0, 2_400, 600):
        batch = [
            {
                "id": f"urn:p:{n:04}",
                "type": "P",
                "location": area if n % 3 == 0 else {"type": "Point", "coordinates": [7 + n % 100 / 1e4, 51]},
            }
            for n in range(start, start + 600)
        ]
        assert (await client.ask("POST", "/entityOperations/create", batch)).status == 201
    inside = [f"urn:p:{n:04}" for n in range(2_400) if n % 3 == 0 or n % 100 <= 14]  # 7 m a step
    near = "georel=near;maxDistance==100&geometry=Point&coordinates=[7,51]&type=P"
    for offset in (0, 500, 900):
        page = await client.ask("GET", f"/entities?{near}&limit=100&offset={offset}&pick=id")
        assert [each["id"] for each in page.json] == inside[offset : offset + 100]
    counted = await client.ask("GET", f"/entities?{near}&limit=0&count=true")
    assert counted.headers["NGSILD-Results-Count"] == str(len(inside))
    far = f"{near.replace('maxDistance==100', 'minDistance==100')}&limit=1000&pick=id"
    outside = {f"urn:p:{n:04}" for n in range(2_400)} - set(inside)
    found = [each["id"] for each in (await client.ask("GET", f"/entities?{far}")).json]
    assert found == sorted(outside)[:1000]


@pytest.mark.parametrize(
    ("reference", "metres", "found"),
    [
        ([-179.99, 0], 20_000, ["east", "line", "west"]),
        ([180, 0], 20_000, ["east", "line", "west"]),
        ([180, 0], 1, ["line"]),
        ([33, 90], 2500, ["north"]),
        ([7, 51], 0.001, ["speck"]),
    ],
)
async def test_near_the_poles_and_the_180th_meridian(
    houses: Client, reference: list[float], metres: float, found: list[str]
) -> None:
    # what is found by the index of `location` is found of another GeoProperty without one (clause 4.10)
    corner = 7.0000005
    speck = {"type": "Polygon", "coordinates": [[[7, 51], [corner, 51], [corner, 51.0000005], [7, 51]]]}
    places: dict[str, Any] = {
        "east": {"type": "Point", "coordinates": [179.95, 0]},
        "west": {"type": "Point", "coordinates": [-179.95, 0]},
        "line": {"type": "Point", "coordinates": [-180, 0]},
        "north": {"type": "Point", "coordinates": [10, 89.99]},
        "speck": speck,
    }
    own = houses.other()
    entities = [
        {"id": f"urn:p:{name}", "type": "P", "location": place, "ground": place}
        for name, place in places.items()
    ]
    assert (await own.ask("POST", "/entityOperations/create", entities)).status == 201
    near = f"georel=near;maxDistance=={metres}&geometry=Point&coordinates={reference}".replace(" ", "")
    for more in ("", "&count=true", "&geoproperty=ground"):
        answer = await own.ask("GET", f"/entities?type=P&{near}{more}")
        assert [each["id"][6:] for each in answer.json] == found, more
