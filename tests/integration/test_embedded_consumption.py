# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How entities are found and shown (clauses 4.5.4, 4.5.5, 4.5.16, 4.5.23, 4.9, 4.15 to 4.23, 5.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from tests.embedded_serving import JSON_LD, Client, own_database, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GEO = "application/geo+json"
ENTITIES: list[dict[str, Any]] = [
    {
        "id": "urn:b:1",
        "type": "Building",
        "scope": ["/Hagen/Mitte", "/Office"],
        "name": "Rathaus",
        "floors": {"value": 5, "observedAt": "2026-05-01T10:00:00Z"},
        "title": {"languageMap": {"de": "Rathaus", "en": ["town hall", "city hall"]}},
        "kind": {"vocab": "Public"},
        "raw": {"json": {"id": 5, "value": "x"}},
        "steps": {"valueList": [1, 2]},
        "height": [{"value": 30, "unitCode": "MTR"}, {"value": 31, "datasetId": "urn:d:laser"}],
        "locatedAt": {"object": "urn:c:1", "objectType": "City"},
        "rooms": {"objectList": ["urn:r:1", "urn:r:2", "urn:r:9"]},
        "location": {"type": "Point", "coordinates": [7.47, 51.36]},
    },
    {
        "id": "urn:b:2",
        "type": "Building",
        "scope": "/Hagen/Haspe",
        "name": "Äpfelhaus",
        "floors": {"value": 2, "observedAt": "2026-05-02T10:00:00Z"},
        "locatedAt": {"object": ["urn:c:1", "urn:c:2"]},
        "location": [
            {"value": {"type": "Point", "coordinates": [7.0, 51.0]}, "datasetId": "urn:d:a"},
        ],
    },
    {
        "id": "urn:b:3",
        "type": ["Building", "School"],
        "name": "zebra",
        "floors": "many",
        "locatedAt": {"object": "urn:x:9"},
    },
    {
        "id": "urn:c:1",
        "type": "City",
        "name": "Hagen",
        "inhabitants": 190000,
        "inCountry": {"object": "urn:k:1"},
        "townHall": {"object": "urn:b:1"},
    },
    {"id": "urn:c:2", "type": "City", "name": "Herne", "inhabitants": 150000},
    {"id": "urn:k:1", "type": "Country", "name": "Deutschland"},
    {"id": "urn:r:1", "type": "Room", "name": "1"},
    {"id": "urn:r:2", "type": "Room", "name": "2"},
]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def city(postgres: str) -> AsyncIterator[Client]:
    async with own_database(postgres) as dsn, serving(dsn) as client:
        assert (await client.ask("POST", "/entityOperations/create", ENTITIES)).status == 201
        yield client


async def one(client: Client, number: str = "b:1", **parameters: str) -> Any:
    answer = await client.ask("GET", f"/entities/urn:{number}?{urlencode(parameters)}")
    assert answer.status == 200, answer
    return answer.json


async def found(client: Client, **parameters: str) -> str:
    answer = await client.ask("GET", f"/entities?{urlencode(parameters)}")
    assert answer.status == 200, answer
    return "".join(each["id"][-1] for each in answer.json)


# 4.21, 5.7.1, 5.7.2: projection


@pytest.mark.parametrize(
    ("parameters", "shown"),
    [
        ({"pick": "name"}, {"name": "Rathaus"}),
        ({"pick": "id|name"}, {"id": "urn:b:1", "name": "Rathaus"}),
        ({"pick": "type,scope"}, {"type": "Building", "scope": ["/Hagen/Mitte", "/Office"]}),
        (
            {"omit": "scope,floors,title,kind,raw,steps,height,locatedAt,rooms,location"},
            {"id": "urn:b:1", "type": "Building", "name": "Rathaus"},
        ),
        ({"pick": "id,name", "omit": "type"}, {"id": "urn:b:1", "name": "Rathaus"}),
        (
            {"attrs": "name,nothing"},
            {"id": "urn:b:1", "type": "Building", "scope": ["/Hagen/Mitte", "/Office"], "name": "Rathaus"},
        ),
    ],
)  # fmt: skip
async def test_members_are_picked_and_omitted(
    city: Client, parameters: dict[str, str], shown: dict[str, Any]
) -> None:
    assert await one(city, format="simplified", **parameters) == shown


async def test_entities_of_which_nothing_is_picked_are_not_there(city: Client) -> None:
    answer = await city.ask("GET", "/entities?type=Building&pick=title&options=keyValues&count=true")
    assert answer.json == [{"title": {"languageMap": {"de": "Rathaus", "en": ["town hall", "city hall"]}}}]
    assert answer.headers["NGSILD-Results-Count"] == "1"
    assert await found(city, pick="id,inhabitants", type="City") == "12"
    scopes = await city.ask("GET", "/entities?type=Building&pick=scope")
    assert scopes.json == [{"scope": ["/Hagen/Mitte", "/Office"]}, {"scope": "/Hagen/Haspe"}]
    both = await city.ask("GET", "/entities?type=Building&pick=scope,title&options=keyValues")
    assert [sorted(each) for each in both.json] == [["scope", "title"], ["scope"]]
    created = await city.ask("GET", "/entities?type=City&pick=createdAt&options=sysAttrs")
    assert [sorted(each) for each in created.json] == [["createdAt"], ["createdAt"]]
    assert (await city.ask("GET", "/entities/urn:b:1?pick=nothing")).problem == "ResourceNotFound"
    everything = "id,type,name"
    assert (await city.ask("GET", f"/entities/urn:k:1?omit={everything}")).problem == "ResourceNotFound"


@pytest.mark.parametrize(
    "query",
    [
        "pick=name&omit=name",
        "pick=name&attrs=name",
        "omit=name&attrs=name",
        "pick=locatedAt{name}",
        "pick=locatedAt{inCountry{name}}&join=inline&joinLevel=1",
        "omit=locatedAt{name}",
        "join=sideways",
        "join=flat&joinLevel=0",
        "join=flat&joinLevel=11",
        "join=flat&joinLevel=x",
        "join=flat&containedBy=x",
        "geometryProperty=location",
        "lang=;",
        "datasetId=x",
    ],
)
async def test_what_to_show_that_is_refused(city: Client, query: str) -> None:
    for path in ("/entities/urn:b:1?", "/entities?type=Building&"):
        answer = await city.ask("GET", path + query.replace("{", "%7B").replace("}", "%7D"))
        assert (answer.status, answer.problem) == (400, "BadRequestData"), answer


# 4.15: languages


async def test_texts_in_one_language(city: Client) -> None:
    german = await one(city, lang="fr;q=0.9,de;q=0.5", pick="title")
    assert german == {"title": {"type": "Property", "value": "Rathaus", "lang": "de"}}
    english = await one(city, lang="en", pick="title", options="keyValues")
    assert english == {"title": ["town hall", "city hall"]}
    concise = await one(city, lang="en", pick="title", format="concise")
    assert concise == {"title": {"value": ["town hall", "city hall"], "lang": "en"}}


# 4.5.4, 6.3.7: simplified, and which parameter has the say


async def test_every_kind_of_attribute_simplified(city: Client) -> None:
    shown = await one(city, format="simplified", options="concise")
    assert shown == {
        "id": "urn:b:1",
        "type": "Building",
        "scope": ["/Hagen/Mitte", "/Office"],
        "name": "Rathaus",
        "floors": 5,
        "title": {"languageMap": {"de": "Rathaus", "en": ["town hall", "city hall"]}},
        "kind": {"vocab": "Public"},
        "raw": {"json": {"id": 5, "value": "x"}},
        "steps": [1, 2],
        "height": {"dataset": {"@none": 30, "urn:d:laser": 31}},
        "locatedAt": "urn:c:1",
        "rooms": ["urn:r:1", "urn:r:2", "urn:r:9"],
        "location": {"type": "Point", "coordinates": [7.47, 51.36]},
    }


# 4.5.5: instances by datasetId


@pytest.mark.parametrize(
    ("datasets", "value"), [("@none", 30), ("urn:d:laser", 31), ("@none,urn:d:laser", [30, 31])]
)
async def test_instances_by_dataset(city: Client, datasets: str, value: Any) -> None:
    shown = await one(city, datasetId=datasets, pick="id,height")
    instances = shown["height"] if isinstance(shown["height"], list) else [shown["height"]]
    assert [each["value"] for each in instances] == (value if isinstance(value, list) else [value])
    assert await one(city, datasetId="urn:d:none", pick="id,height") == {"id": "urn:b:1"}


# 4.5.16: GeoJSON


async def test_the_geometry_of_a_feature(city: Client) -> None:
    feature = (await city.ask("GET", "/entities/urn:b:1?pick=name", Accept=GEO)).json
    assert (feature["id"], feature["type"]) == ("urn:b:1", "Feature")
    assert feature["geometry"] == {"type": "Point", "coordinates": [7.47, 51.36]}
    assert feature["properties"] == {"name": {"type": "Property", "value": "Rathaus"}}
    assert "@context" in feature
    plain = await city.ask("GET", "/entities/urn:b:1?pick=name", Accept=GEO, Prefer="body=json")
    assert "@context" not in plain.json
    assert "json-ld#context" in plain.headers["Link"]
    # of several instances it is the default one or the one that datasetId says; the only one is it anyway
    only = {"type": "Point", "coordinates": [7.0, 51.0]}
    for query, geometry in (
        ("", only),
        ("?datasetId=urn:d:a", only),
        ("?datasetId=urn:d:a,urn:d:b", only),
        ("?datasetId=urn:d:b", None),
        ("?datasetId=@none", None),
    ):
        answer = await city.ask("GET", f"/entities/urn:b:2{query}", Accept=GEO)
        assert answer.json["geometry"] == geometry, query
    own, value = city.other(), {"type": "Point", "coordinates": [1, 2]}
    several = [{"value": value, "datasetId": f"urn:d:{each}"} for each in "ab"]
    assert (await own.ask("POST", "/entities", {"id": "urn:g:1", "type": "G", "at": several})).status == 201
    for query, geometry in (("", None), ("&datasetId=urn:d:b", value), ("&datasetId=urn:d:a,urn:d:b", None)):
        answer = await own.ask("GET", f"/entities/urn:g:1?geometryProperty=at{query}", Accept=GEO)
        assert answer.json["geometry"] == geometry, query
    for name, geometry in (("nothing", None), ("name", None)):
        answer = await city.ask("GET", f"/entities/urn:b:1?geometryProperty={name}", Accept=GEO)
        assert answer.json["geometry"] is geometry


# 4.5.23: linked entities


async def test_linked_entities_inline(city: Client) -> None:
    shown = await one(city, join="inline", pick="id,locatedAt{id,name}", format="concise")
    assert shown == {
        "id": "urn:b:1",
        "locatedAt": {
            "object": "urn:c:1",
            "objectType": "City",
            "entity": {"id": "urn:c:1", "name": "Hagen"},
        },
    }
    rooms = await one(city, join="inline", pick="rooms{name}", format="simplified")
    assert rooms == {"rooms": [{"name": "1"}, {"name": "2"}]}
    listed = await one(city, join="inline", pick="rooms{id}")
    assert listed["rooms"]["entityList"] == [{"id": "urn:r:1"}, {"id": "urn:r:2"}]
    many = await one(city, "b:2", join="inline", pick="locatedAt{name}")
    assert [each["name"]["value"] for each in many["locatedAt"]["entity"]] == ["Hagen", "Herne"]
    missing = await one(city, "b:3", join="inline", pick="locatedAt")
    assert missing == {"locatedAt": {"type": "Relationship", "object": "urn:x:9"}}


async def test_linked_entities_over_several_steps_do_not_go_in_circles(city: Client) -> None:
    shown = await one(city, join="inline", joinLevel="5", pick="id,locatedAt", format="simplified")
    hagen = shown["locatedAt"]
    assert hagen["inCountry"] == {"id": "urn:k:1", "type": "Country", "name": "Deutschland"}
    assert hagen["townHall"] == "urn:b:1"
    contained = await one(
        city, join="inline", pick="locatedAt", containedBy="urn:c:1,urn:c:2", format="simplified"
    )
    assert contained == {"locatedAt": "urn:c:1"}


async def test_linked_entities_flat(city: Client) -> None:
    shown = await one(
        city, join="flat", joinLevel="2", pick="id,locatedAt{id,inCountry}", options="keyValues"
    )
    assert shown == [
        {"id": "urn:b:1", "locatedAt": "urn:c:1"},
        {"id": "urn:c:1", "inCountry": "urn:k:1"},
        {"id": "urn:k:1", "type": "Country", "name": "Deutschland"},
    ]
    alone = await one(city, "k:1", join="flat", options="keyValues")
    assert alone == [{"id": "urn:k:1", "type": "Country", "name": "Deutschland"}]  # always an array
    assert await found(city, type="Building", join="flat", omit="rooms") == "12312"
    collection = await city.ask("GET", "/entities/urn:b:1?join=flat&pick=locatedAt", Accept=GEO)
    assert [each["id"] for each in collection.json["features"]] == ["urn:b:1", "urn:c:1"]


# 4.9: q over linked entities, names as values


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ('locatedAt{name}=="Herne"', "2"),
        ("locatedAt{inhabitants}>160000", "12"),
        ("locatedAt{City:name}", "12"),
        ("locatedAt{School:name}", ""),
        ("locatedAt{City,School:name}", "12"),
        ('locatedAt{inCountry{name}}=="Deutschland"', "12"),
        ("!locatedAt{name}", "3"),
        ('rooms{name}=="2"', "1"),
        ('locatedAt{name}!="Hagen"', "2"),
        ('rooms=="urn:r:2"', "1"),
        ("steps==2", "1"),
        ('raw[value]=="x"', "1"),
        ('height.unitCode=="MTR"', "1"),
    ],
)
async def test_q_over_linked_entities_and_other_kinds(city: Client, q: str, expected: str) -> None:
    assert await found(city, type="Building", q=q, join="flat", joinLevel="2", pick="id") == expected


async def test_q_that_goes_too_deep(city: Client) -> None:
    for query in ("", "&join=inline", "&join=@none&joinLevel=3"):
        answer = await city.ask("GET", f"/entities?q=locatedAt%7BinCountry%7Bname%7D%7D{query}")
        assert (answer.status, answer.problem) == (400, "BadRequestData")
        assert "deep" in answer.json["detail"]


async def test_values_that_are_names(city: Client) -> None:
    for q in ("kind==Public", 'kind=="Public"', 'kind=="Other","Public"'):
        assert await found(city, q=q, expandValues="kind") == "1"
    assert await found(city, q='kind=="Public"') == ""
    assert await found(city, q='kind=="https://uri.etsi.org/ngsi-ld/default-context/Public"') == "1"
    assert await found(city, q='raw[value]=="x"', jsonKeys="raw", splitEntities="false", csf='a=="b"') == "1"


# 4.17, 4.19: types and scopes


@pytest.mark.parametrize(
    ("scope_q", "expected"),
    [
        ("/Hagen/Mitte", "1"),
        ("/Hagen/+", "12"),
        ("/Hagen/#", "12"),
        ("/#", "12"),
        ("(/Hagen/#;/Office)", "1"),
        ("/Office|/Hagen/Haspe", "12"),
        ("/hagen/#", ""),
    ],
)
async def test_scopes_in_a_query(city: Client, scope_q: str, expected: str) -> None:
    assert await found(city, type="Building", scopeQ=scope_q) == expected
    query = {"type": "Query", "entities": [{"type": "Building"}], "scopeQ": scope_q}
    answer = await city.ask("POST", "/entityOperations/query", query)
    assert "".join(each["id"][-1] for each in answer.json) == expected


async def test_an_entity_is_retrieved_by_type(city: Client) -> None:
    assert (await city.ask("GET", "/entities/urn:b:3?type=(Building;School)")).status == 200
    assert (await city.ask("GET", "/entities/urn:b:1?type=School")).problem == "ResourceNotFound"
    assert (await city.ask("GET", "/entities/urn:b:1?type=*")).problem == "BadRequestData"  # 4.17
    assert (await city.ask("DELETE", "/entities/urn:b:1?type=School")).problem == "ResourceNotFound"
    patch = await city.ask("PATCH", "/entities/urn:b:1/attrs/name?type=School", {"value": "x"})
    assert patch.problem == "ResourceNotFound"


# 4.23: order


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"orderBy": "name"}, "213"),  # Ä stands with A, whatever the case
        ({"orderBy": "name;desc"}, "312"),
        ({"orderBy": "floors"}, "213"),  # numbers before texts
        ({"orderBy": "floors;desc"}, "312"),
        ({"orderBy": "floors.observedAt;desc"}, "213"),  # what is missing comes last either way
        ({"orderBy": "title[de]"}, "123"),
        ({"orderBy": "id;desc"}, "321"),
        ({"orderBy": "type,id;desc"}, "321"),
        ({"orderBy": "createdAt,id"}, "123"),
        ({"orderBy": "location;dist-asc", "orderFrom": "[7,51]"}, "213"),
        ({"orderBy": "location;dist-desc", "orderFrom": "[7,51]"}, "123"),
        (
            {"orderBy": "location;dist-asc", "orderFrom": "[[7,51],[7,52]]", "orderGeometry": "LineString"},
            "213",
        ),
        ({"orderBy": "type;desc,location;dist-asc", "orderFrom": "[7,51]"}, "213"),
    ],
)  # fmt: skip
async def test_order(city: Client, parameters: dict[str, str], expected: str) -> None:
    assert await found(city, type="Building", local="true", **parameters) == expected
    first = await found(city, type="Building", local="true", limit="1", offset="1", **parameters)
    assert first == expected[1]


async def test_order_in_a_body_and_collations(city: Client) -> None:
    query = {
        "type": "Query",
        "entities": [{"type": "Building"}],
        "ordering": {"orderBy": ["location;dist-desc"], "coordinates": [7, 51], "geometry": "Point"},
    }
    answer = await city.ask("POST", "/entityOperations/query", query)
    assert [each["id"] for each in answer.json] == ["urn:b:1", "urn:b:2", "urn:b:3"]
    near = "georel=near;maxDistance==1000000&geometry=Point&coordinates=[7,51]"
    assert (await city.ask("GET", f"/entities?{near}&orderBy=id;desc")).json[0]["id"] == "urn:b:2"
    for wrong in (
        "orderBy=name&collation=xx-u-nothing", "orderBy=name&collation=;drop", "orderBy=name&collation=",
        "collation=no%20tag", "orderFrom=[8", "orderBy=name&local=false", "orderBy=name;", "orderBy=(name)",
        "orderBy=!name", "orderBy=name&orderGeometry=Sphere",
    ):  # fmt: skip
        answer = await city.ask("GET", f"/entities?type=Building&{wrong}")
        assert (answer.status, answer.problem) == (400, "BadRequestData"), wrong


async def test_values_that_are_no_places_come_after_places(city: Client) -> None:  # 4.23.2
    own = city.other()
    at = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [7, 51]}}
    values: dict[str, Any] = {"1": "b", "2": at, "3": "a", "4": 5, "5": None}
    entities = [
        {"id": f"urn:n:{each}", "type": "N", **({} if value is None else {"at": value})}
        for each, value in values.items()
    ]
    assert (await own.ask("POST", "/entityOperations/create", entities)).status == 201
    for direction, expected in (("asc", "24315"), ("desc", "21345")):
        found = await own.ask("GET", f"/entities?type=N&orderBy=at;dist-{direction}&orderFrom=[7,51]")
        assert "".join(each["id"][-1] for each in found.json) == expected


async def test_texts_in_the_order_of_a_language(city: Client) -> None:  # 4.23.3
    own = city.other()
    names = {"1": "Zebra", "2": "ähnlich", "3": "Adler", "4": "anna", "5": "Anna", "6": "Afrika"}
    entities = [{"id": f"urn:n:{each}", "type": "N", "name": name} for each, name in names.items()]
    assert (await own.ask("POST", "/entityOperations/create", entities)).status == 201
    for collation, expected in (
        ("und", "362451"), ("und-x-icu", "362451"), ("de-DE", "362451"), ("de-u-co-phonebk", "326451"),
        ("und-u-ks-identic", "362451"), ("en-u-ks-level2", "362451"),
    ):  # fmt: skip
        found = await own.ask("GET", f"/entities?type=N&orderBy=name&collation={collation}")
        assert "".join(each["id"][-1] for each in found.json) == expected, collation
        found = await own.ask("GET", f"/entities?type=N&orderBy=name;desc,id&collation={collation}")
        assert "".join(each["id"][-1] for each in found.json) == expected[::-1], collation


async def test_signs_come_before_digits_and_ligatures_are_their_letters(city: Client) -> None:  # 4.23.1
    own = city.other()
    names = [
        " z", "_a", "-b", ".c", "@d", "~e", "10", "9", "a-a", "ab", "æf", "ag", "osr", "øst", "osu",
        "Strasse", "Straße", "Strast", "Ω",
    ]  # fmt: skip
    entities = [{"id": f"urn:n:{99 - each}", "type": "N", "name": name} for each, name in enumerate(names)]
    assert (await own.ask("POST", "/entityOperations/create", entities)).status == 201
    found = await own.ask("GET", "/entities?type=N&orderBy=name&options=keyValues&limit=50")
    assert [each["name"] for each in found.json] == names


async def test_parameters_that_say_nothing_or_contradict(city: Client) -> None:
    for nothing in (
        "geoproperty=location",
        "entityMapLifetime=PT1H",
        "entityMap=false",
        "splitEntities=true",
    ):
        assert await found(city, type="City", **dict([nothing.split("=")])) == "12"
    for flag in ("local", "entityMap", "splitEntities"):
        answer = await city.ask("GET", f"/entities?type=City&{flag}=maybe")
        assert (answer.status, answer.problem) == (400, "InvalidRequest")
    answer = await city.ask("GET", "/entities/urn:x:nobody?type=(")
    assert (answer.status, answer.problem) == (400, "BadRequestData")
    query = {"type": "Query", "entities": [{"type": "*"}]}
    assert (await city.ask("POST", "/entityOperations/query", query)).status == 200
    answer = await city.ask("POST", "/entityOperations/query?local=false", query)
    assert (answer.status, answer.problem) == (400, "BadRequestData")


# 5.2.23: a query in a body says what parameters do


async def test_a_query_in_a_body_has_all_of_it(city: Client) -> None:
    query = {
        "type": "Query",
        "entities": [{"type": "Building"}, {"type": "City"}],
        "q": "locatedAt{name}",
        "join": "inline",
        "joinLevel": 1,
        "pick": ["id", "locatedAt{name}"],
        "lang": "de",
        "datasetId": ["@none"],
        "containedBy": ["urn:c:2"],
    }
    answer = await city.ask("POST", "/entityOperations/query?options=keyValues,count", query)
    assert answer.headers["NGSILD-Results-Count"] == "2"
    assert answer.json == [
        {"id": "urn:b:1", "locatedAt": {"name": "Hagen"}},
        {"id": "urn:b:2", "locatedAt": [{"name": "Hagen"}]},
    ]


@pytest.mark.parametrize(
    "members",
    [{"pick": "id"}, {"pick": []}, {"omit": [1]}, {"joinLevel": True}, {"join": 5}, {"ordering": []},
     {"ordering": {"orderBy": "name"}}, {"ordering": {"x": 1}}, {"ordering": {}}, {"geoQ": {}},
     {"geoQ": {"geoproperty": "location"}}, {"ordering": {"collation": "de"}}, {"entityMapLifetime": 5},
     {"splitEntities": "no"}, {"scopeQ": 1},
     {"lang": 5}, {"nothing": 1}],
)  # fmt: skip
async def test_a_query_in_a_body_that_is_refused(city: Client, members: dict[str, Any]) -> None:
    query = {"type": "Query", "entities": [{"type": "Building"}], **members}
    answer = await city.ask("POST", "/entityOperations/query", query)
    assert (answer.status, answer.problem) == (400, "BadRequestData"), answer


# 6.3.4 to 6.3.6: what requests and answers look like


async def test_a_body_of_unknown_length_is_refused(city: Client) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"{}"

    async with city.session.post(
        f"{city.url}/ngsi-ld/v1/entities", data=chunks(), headers={"Content-Type": "application/json"}
    ) as response:
        assert (response.status, await response.read()) == (411, b"")


async def test_json_ld_answers_name_their_context(city: Client) -> None:
    answer = await city.ask("GET", "/entities/urn:k:1?pick=name", Accept=JSON_LD)
    assert answer.json.keys() == {"name", "@context"}
    assert answer.headers["Content-Type"].startswith(JSON_LD)
    flat = await city.ask("GET", "/entities/urn:k:1?join=flat", Accept=JSON_LD)
    assert "@context" in flat.json[0]


# 5.9 to 5.11, 5.14 to 5.16: what is left to other brokers


@pytest.mark.parametrize(
    "path",
    [
        "csourceRegistrations",
        "csourceSubscriptions/urn:x:1",
        "entityMaps",
        "snapshots/urn:x:1",
    ],
)
async def test_what_is_not_here_says_so(city: Client, path: str) -> None:
    answer = await city.ask("GET", f"/{path}?limit=5&options=sysAttrs")
    assert (answer.status, answer.problem) == (501, "OperationNotSupported")
    assert "asks no other broker" in answer.json["detail"]
    posted = await city.ask("POST", f"/{path}", {"type": "ContextSourceRegistration"})
    assert (posted.status, posted.problem) == (501, "OperationNotSupported")
    assert (await city.ask("GET", f"/{path}", Accept="text/html")).status == 406
    assert (await city.ask("POST", f"/{path}", b"<x/>", Content_Type="text/xml")).status == 415
    assert (await city.ask("POST", f"/{path}", b"{", Content_Type=JSON_LD)).problem == "InvalidRequest"
    assert (await city.ask("POST", f"/{path}", {}, Content_Type=JSON_LD)).problem == "BadRequestData"


# 4.3.6.8: earlier versions


async def test_entities_as_an_earlier_version_has_them(city: Client) -> None:
    path = "/entities/urn:b:1?join=inline&options=sysAttrs"
    whole = (await city.ask("GET", path)).json
    for wish in ("ngsi-ld=1.9", "ngsi-ld=2.0"):
        answer = await city.ask("GET", path, Prefer=wish)
        assert (answer.status, answer.json) == (200, whole)
        assert answer.headers["Preference-Applied"] == "ngsi-ld=1.9"
    older = await city.ask("GET", path, Prefer="ngsi-ld=1.5")
    assert (older.status, older.headers["Preference-Applied"]) == (203, "ngsi-ld=1.5")
    shown = older.json
    assert shown["title"]["type"] == "LanguageProperty"
    for name in ("kind", "raw", "steps"):
        assert shown[name]["type"] == "Property"
    assert [shown[name]["value"] for name in ("kind", "raw", "steps")] == [
        "Public", {"id": 5, "value": "x"}, [1, 2],
    ]  # fmt: skip
    assert (shown["rooms"]["type"], shown["rooms"]["object"]) == (
        "Relationship", ["urn:r:1", "urn:r:2", "urn:r:9"],
    )  # fmt: skip
    assert "objectType" not in shown["locatedAt"]
    assert shown["locatedAt"]["entity"]["name"]["value"] == "Hagen"
    oldest = (await city.ask("GET", "/entities?type=Building&q=title", Prefer="ngsi-ld=1.2")).json[0]
    assert "scope" not in oldest
    assert oldest["height"] == {"type": "Property", "value": 30}
    assert oldest["title"]["type"] == "Property"
    assert oldest["floors"] == {"type": "Property", "value": 5}
    types = (await city.ask("GET", "/entities/urn:b:3?pick=type", Prefer="ngsi-ld=1.0")).json
    assert types == {"type": "Building"}
    for form in ("keyValues", "concise"):  # of other representations, what is no attribute is amended
        path = f"/entities/urn:b:1?options={form}"
        now = (await city.ask("GET", path)).json
        brief = await city.ask("GET", path, Prefer="ngsi-ld=1.3")
        assert (brief.status, brief.headers["Preference-Applied"]) == (203, "ngsi-ld=1.3")
        assert brief.json == {name: value for name, value in now.items() if name != "scope"}
    plain = await city.ask("GET", "/entities/urn:b:1", Prefer="ngsi-ld=new")
    assert (plain.status, "Preference-Applied" in plain.headers) == (200, False)
