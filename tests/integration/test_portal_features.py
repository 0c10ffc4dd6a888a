# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""OGC API - Features, request by request."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
import pytest
import pytest_asyncio

from broker.client import NgsiLdClient
from models.values import rfc3339
from portal import features
from portal.datasets import load_catalogue
from portal.features.documents import CONFORMS
from portal.features.snapshot import Snapshots
from portal.views import scope_of
from tests.conftest import free_port
from tests.portal_address import serving_at_its_address
from tests.portal_city import HAGEN, NOW, at, measured, published_city, said, sample, serving_routes
from tests.waiting import Patience

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.portal_city import City

ROOT = "/ogc/features"
EPSG = "http://www.opengis.net/def/crs/EPSG/0/{}"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
CRS84H = "http://www.opengis.net/def/crs/OGC/0/CRS84h"
GEOJSON = "application/geo+json"


def published() -> list[dict[str, Any]]:
    """Return the sample and what is not a point, has a height, is nowhere, or says what is not published."""
    area = [[[7.50, 51.30], [7.52, 51.30], [7.52, 51.32], [7.50, 51.32], [7.50, 51.30]]]
    park = {"type": "GreenspaceRecord", "id": "urn:ngsi-ld:GreenspaceRecord:hagen:{}"}
    return [
        *sample(),
        {
            **park,
            "id": park["id"].format("flaeche"),
            "name": said("Volkspark"),
            "location": {"type": "GeoProperty", "value": {"type": "Polygon", "coordinates": area}},
            "soilMoistureVwc": measured(0.3, "C62", NOW - timedelta(hours=3)),
            "soilTemperature": measured(4.5, "CEL", NOW - timedelta(hours=5)),
        },
        {**park, "id": park["id"].format("hoch"), "location": at(7.45, 51.33), "name": said("Mit Höhe")},
        {**park, "id": park["id"].format("nirgends"), "name": said("Ohne Ort")},
        {**park, "id": park["id"].format("fidschi"), "name": said("Fidschi"), "location": at(179.5, -17.0)},
        {
            "id": "urn:ngsi-ld:Alert:hagen:1",
            "type": "Alert",
            "name": said("Schweigt"),
            "location": at(7.46, 51.36),
            "category": said("environment"),
            "dateIssued": {"type": "Property", "value": {"@type": "DateTime", "@value": rfc3339(NOW)}},
            "address": said({"addressLocality": "Hagen", "streetAddress": "Rathausstraße 11"}),
            "data": said({"secret": "1234"}),
        },
        {
            "id": "urn:ngsi-ld:CrowdFlowObserved:hagen:1",
            "type": "CrowdFlowObserved",
            "name": said("Bücherei"),
            "peopleCount": measured(12, "IE", NOW),
            "congested": said(value=True),
        },
    ]


@pytest_asyncio.fixture(scope="module")
async def city(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[City]:
    catalogue = load_catalogue(HAGEN)
    short = replace_dataset(catalogue.dataset[0], name="pegel-kurz", attributes=("stationID", "location"))
    catalogue = catalogue.model_copy(update={"dataset": (*catalogue.dataset, short)})
    entities = published()
    high = next(each for each in entities if each["id"].endswith("hoch"))
    high["location"]["value"]["coordinates"].append(120.0)
    for entity in entities:
        if entity["type"] == "FloodMonitoring":
            entity["scope"] = [scope_of("pegel")]
            if entity["id"].endswith("haspe"):
                entity["scope"].append(scope_of("pegel-kurz"))
    folder = tmp_path_factory.mktemp("features")
    async with (
        published_city(postgres, folder, catalogue=catalogue, entities=entities) as city,
        serving_at_its_address(city, partial(features.routes, kept=0.5)) as served,
    ):
        yield served


def replace_dataset(dataset: Any, **changes: Any) -> Any:
    return type(dataset).model_validate({**dataset.model_dump(), **changes})


async def read(city: City, path: str, **headers: str) -> dict[str, Any]:
    status, _, body = await city.get(f"{ROOT}{path}", **headers)
    assert status == 200, body
    found: dict[str, Any] = orjson.loads(body)
    return found


async def items(city: City, collection: str, **query: str) -> dict[str, Any]:
    asked = "&".join(f"{name.replace('_', '-')}={quote(value)}" for name, value in query.items())
    return await read(city, f"/collections/{collection}/items?{asked}")


def names(found: dict[str, Any]) -> list[str]:
    return [feature["id"].rpartition(":")[2] for feature in found["features"]]


def link(found: dict[str, Any], rel: str) -> str | None:
    return next((str(each["href"]) for each in found["links"] if each["rel"] == rel), None)


async def refused(city: City, path: str, status: int = 400, **headers: str) -> str:
    """Return how a request was refused: in the standard's words."""
    answered, sent, body = await city.get(f"{ROOT}{path}", **headers)
    assert answered == status, body
    assert sent["Content-Type"] == "application/json"
    said = orjson.loads(body)
    assert set(said) == {"code", "description"}
    assert said["code"]
    return str(said["description"])


async def test_every_link_leads_somewhere(city: City) -> None:
    """Whoever starts at the landing page finds everything, in the representation that the link promises."""
    waiting, seen = [(f"{city.url}{ROOT}", "application/json")], {}
    while waiting:
        href, media = waiting.pop()
        if href in seen or not href.startswith(f"{city.url}{ROOT}"):
            continue
        status, headers, body = await city.get(href.removeprefix(city.url))
        assert status == 200, href
        assert headers["Content-Type"].removesuffix("; charset=utf-8") == media, href
        seen[href] = media
        if media.endswith("json"):
            found = orjson.loads(body)
            parts = [found, *found.get("collections", ())]
            waiting += [
                (each["href"], each["type"])
                for part in parts
                for each in part.get("links", ())
                if "type" in each
            ]
    assert f"{city.url}{ROOT}/api" in seen
    assert f"{city.url}{ROOT}/collections/pegel/items?f=html" in seen
    assert len(seen) > 100


async def test_what_is_declared(city: City) -> None:
    landing = await read(city, "")
    assert {each["rel"] for each in landing["links"]} >= {
        "self",
        "service-desc",
        "service-doc",
        "conformance",
        "data",
    }
    assert await read(city, "/") == {**landing, "links": landing["links"]} | {
        "links": [
            {**each, "href": each["href"].replace(ROOT, f"{ROOT}/", 1)}
            if each["rel"] in {"self", "alternate"}
            else each
            for each in landing["links"]
        ]
    }
    assert (await read(city, "/conformance"))["conformsTo"] == list(CONFORMS)
    collections = await read(city, "/collections")
    assert [each["id"] for each in collections["collections"]] == [
        dataset.name for dataset in city.office.public.datasets
    ]
    pegel = await read(city, "/collections/pegel")
    assert pegel["extent"]["spatial"]["bbox"] == [[7.417, 51.3341, 7.4882, 51.39]]
    assert pegel["extent"]["temporal"]["interval"] == [[rfc3339(NOW), None]]
    assert pegel["license"] == "http://dcat-ap.de/def/licenses/dl-by-de/2.0"
    empty = await read(city, "/collections/gewaesser")
    assert empty["extent"]["spatial"]["bbox"] == [list(city.office.catalogue.place.bbox)]
    assert collections["crs"] == pegel["crs"]
    listed = next(each for each in collections["collections"] if each["id"] == "pegel")
    assert listed["crs"] == ["#/crs"]
    assert listed["storageCrs"] in collections["crs"]


async def test_features_are_flat(city: City) -> None:
    found = await items(city, "pegel")
    assert found["numberMatched"] == found["numberReturned"] == 3
    assert found["timeStamp"].endswith("Z")
    eilpe = next(each for each in found["features"] if each["id"].endswith("eilpe"))
    level = eilpe["properties"].pop("currentLevel")
    assert level == pytest.approx(0.42 + 0 / 100, abs=0.24)
    schema = await read(city, "/collections/pegel/schema")
    columns = schema["properties"].keys() - {"geometry", "currentLevel"}
    assert eilpe == {
        "type": "Feature",
        "id": "urn:ngsi-ld:FloodMonitoring:hagen:eilpe",
        "geometry": {"type": "Point", "coordinates": [7.4882, 51.3341]},
        "properties": {
            **dict.fromkeys(columns),
            "observedAt": rfc3339(NOW),
            "name": "Pegel Eilpe (simuliert)",
            "source": "simulation",
            "areaServed": "Hagen-Mitte",
            "stationID": "eilpe",
        },
    }


async def test_columns_stay(city: City) -> None:
    """Every feature has every column, as the schema names them; lists are lists, structures are flat."""
    for collection in ("wetter", "parkplaetze", "parks", "meldungen"):
        schema = await read(city, f"/collections/{collection}/schema")
        columns = set(schema["properties"]) - {"geometry"}
        for feature in (await items(city, collection))["features"]:
            assert set(feature["properties"]) == columns
    parks = {each["id"]: each for each in (await items(city, "parks"))["features"]}
    park = parks["urn:ngsi-ld:GreenspaceRecord:hagen:flaeche"]["properties"]
    assert park["observedAt"] == park["soilMoistureVwc_observedAt"] == rfc3339(NOW - timedelta(hours=3))
    assert park["soilTemperature_observedAt"] == rfc3339(NOW - timedelta(hours=5))
    spot = (await items(city, "parkplaetze", limit="1"))["features"][0]["properties"]
    assert spot["category"] == ["onStreet"]
    assert spot["refParkingSite"] == "urn:ngsi-ld:OnStreetParking:hagen:bahnhof"
    alert = (await items(city, "meldungen"))["features"][0]["properties"]
    assert alert["address_streetAddress"] == "Rathausstraße 11"
    assert alert["observedAt"] == rfc3339(NOW)
    weather = await read(city, "/collections/wetter/queryables", Accept_Language="en")
    assert weather["properties"]["temperature"] == {
        "type": "number",
        "title": "air temperature",
        "x-ogc-unit": "Cel",
        "x-ogc-unitLang": "http://www.opengis.net/def/uom/UCUM",
        "x-unitCode": "CEL",
    }


async def test_boxes(city: City) -> None:
    assert names(await items(city, "pegel", bbox="7.4,51.33,7.49,51.35")) == ["eilpe", "haspe"]
    assert names(await items(city, "parks", bbox="7.51,51.31,7.6,51.4")) == ["flaeche"]
    assert names(await items(city, "parks", bbox="170,-20,-170,-10")) == ["fidschi"]
    assert names(await items(city, "parks", bbox="7,51,100,8,52,130")) == ["flaeche", "hoch"]
    assert names(await items(city, "parks", bbox="7,51,0,8,52,100")) == ["flaeche"]
    flipped = await items(city, "pegel", bbox="51.33,7.4,51.35,7.49", bbox_crs=EPSG.format(4326))
    assert names(flipped) == ["eilpe", "haspe"]
    metres = await items(city, "pegel", bbox="394000,5688000,396000,5689000", bbox_crs=EPSG.format(25832))
    assert names(metres) == ["eilpe"]
    web = await items(city, "pegel", bbox="833000,6680000,834000,6681000", bbox_crs=EPSG.format(3857))
    assert names(web) == ["eilpe"]
    whole = await items(city, "parks", bbox="-180,-90,180,90")
    assert names(whole) == ["fidschi", "flaeche", "hoch"], "what is nowhere is in no box"


@pytest.mark.parametrize(
    ("uri", "place", "height"),
    [
        (CRS84, [7.45, 51.33], []),
        (CRS84H, [7.45, 51.33], [120.0]),
        (EPSG.format(4326), [51.33, 7.45], []),
        (EPSG.format(25832), [392013.330, 5687663.722], []),
        (EPSG.format(3857), [829330.206, 6679875.807], []),
    ],
)
async def test_reference_systems(city: City, uri: str, place: list[float], height: list[float]) -> None:
    for path in ("?crs={}&name=Mit%20H%C3%B6he", "/urn:ngsi-ld:GreenspaceRecord:hagen:hoch?crs={}"):
        status, headers, body = await city.get(f"{ROOT}/collections/parks/items{path.format(uri)}")
        assert status == 200
        assert headers["Content-Crs"] == f"<{uri}>"
        found = orjson.loads(body)
        feature = found["features"][0] if "features" in found else found
        assert feature["geometry"]["coordinates"] == pytest.approx([*place, *height], abs=0.002)


async def test_without_a_system_it_is_longitude_and_latitude(city: City) -> None:
    _, headers, body = await city.get(f"{ROOT}/collections/parks/items")
    assert headers["Content-Crs"] == f"<{CRS84}>"
    assert {each["id"]: each["geometry"] for each in orjson.loads(body)["features"]}[
        "urn:ngsi-ld:GreenspaceRecord:hagen:nirgends"
    ] is None


async def test_times(city: City) -> None:
    """Of parking spots, number n was heard n minutes before NOW."""

    def minutes(number: int) -> str:
        return rfc3339(NOW - timedelta(minutes=number))

    async def heard(asked: str) -> list[str]:
        return names(await items(city, "parkplaetze", datetime=asked))

    assert await heard(minutes(1)) == ["platz-1"]
    assert await heard(f"{minutes(1)}/{minutes(0)}") == ["platz-0", "platz-1"]
    assert await heard(f"{minutes(1)}/..") == ["platz-0", "platz-1"]
    assert await heard(f"../{minutes(1)}") == ["platz-1", "platz-2"]
    assert await heard(f"/{minutes(2)}") == ["platz-2"]
    assert await heard("2020-01-01") == []
    assert names(await items(city, "parks", datetime=f"../{minutes(0)}")) == ["flaeche"], (
        "what has no time is left out"
    )


async def test_values(city: City) -> None:
    assert names(await items(city, "pegel", areaServed="Haspe")) == ["boele", "haspe"]
    assert names(await items(city, "pegel", areaServed="Haspe", stationID="haspe")) == ["haspe"]
    assert names(await items(city, "wetter", temperature="0.50")) == ["wetter-2"]
    assert names(await items(city, "wetter", name="Wetterstation 3, „Straße & Co“; <Test>")) == ["wetter-3"]
    assert names(await items(city, "parkplaetze", category="onStreet", status="occupied")) == ["platz-1"]
    there = rfc3339(NOW).replace("Z", "+00:00")
    assert names(await items(city, "besucher", observedAt=there)) == ["1"]
    assert names(await items(city, "pegel", areaServed="haspe")) == []


async def test_pages(city: City) -> None:
    seen: list[str] = []
    path: str | None = f"{ROOT}/collections/wetter/items?limit=2"
    while path is not None:
        status, _, body = await city.get(path)
        assert status == 200
        found = orjson.loads(body)
        assert found["numberMatched"] == 5
        assert found["numberReturned"] == len(found["features"])
        assert (link(found, "prev") is None) == (not seen)
        seen += names(found)
        following = link(found, "next")
        path = None if following is None else following.removeprefix(city.url)
    assert seen == [f"wetter-{number}" for number in range(5)]
    beyond = await items(city, "wetter", offset="1000", limit="2")
    assert beyond["features"] == []
    assert link(beyond, "next") is None
    before = link(beyond, "prev")
    assert before is not None
    assert before.endswith("offset=3&limit=2")
    assert (await items(city, "wetter", limit="999999999"))["numberReturned"] == 5
    assert "temperature=0.5" in str(link(await items(city, "wetter", temperature="0.5"), "self"))


async def test_one_feature(city: City) -> None:
    path = "/collections/pegel/items/urn:ngsi-ld:FloodMonitoring:hagen:eilpe"
    found = await read(city, path)
    assert found["type"] == "Feature"
    assert link(found, "collection") == f"{city.url}{ROOT}/collections/pegel"
    assert link(found, "self") == f"{city.url}{ROOT}{path}"
    assert "no feature" in await refused(city, "/collections/pegel/items/urn:x:nowhere", 404)
    other = "/collections/wetter/items/urn:ngsi-ld:FloodMonitoring:hagen:eilpe"
    assert "no feature" in await refused(city, other, 404)


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/collections/pegel/items?bbox=1,2,3", "bbox"),
        ("/collections/pegel/items?bbox=7,51,8,52&bbox-crs=EPSG:4326", "bbox-crs"),
        ("/collections/pegel/items?bbox-crs=nonsense", "bbox-crs"),
        ("/collections/pegel/items?crs=http://www.opengis.net/def/crs/EPSG/0/31466", "crs"),
        ("/collections/pegel/items?datetime=yesterday", "datetime"),
        ("/collections/pegel/items?limit=0", "limit"),
        ("/collections/pegel/items?limit=-1", "limit"),
        ("/collections/pegel/items?limit=ten", "limit"),
        ("/collections/pegel/items?limit=%D9%A1", "limit"),
        ("/collections/pegel/items?limit=99999999999999999999", "limit"),
        ("/collections/pegel/items?offset=-1", "offset"),
        ("/collections/pegel/items?limit=1&limit=2", "twice"),
        ("/collections/pegel/items?currentLevel=much", "currentLevel"),
        ("/collections/pegel/items?currentLevel=nan", "currentLevel"),
        ("/collections/pegel/items?observedAt=now", "observedAt"),
        ("/collections/pegel/items?nonsense=1", "nonsense"),
        ("/collections/pegel/items?f=xml", "json or html"),
        ("/collections/pegel/items?lang=fr", "de or en"),
        ("/collections/pegel/items/urn:ngsi-ld:FloodMonitoring:hagen:eilpe?bbox=7,51,8,52", "bbox"),
        ("/collections/pegel?limit=1", "limit"),
        ("/collections?limit=1", "limit"),
        ("/conformance?x=", "x"),
        ("/api?x=1", "x"),
        ("?x=1", "x"),
    ],
)
async def test_wrong_parameters(city: City, path: str, word: str) -> None:
    assert word in await refused(city, path)


async def test_what_is_not_there(city: City) -> None:
    assert "collection" in await refused(city, "/collections/nonsense", 404)
    assert "collection" in await refused(city, "/collections/nonsense/items", 404)
    assert "nothing" in await refused(city, "/nonsense/%22%3Cscript%3E", 404)
    assert "JSON" in await refused(city, "", 406, Accept="image/png")


async def test_representations(city: City) -> None:
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    weather = "/collections/wetter"
    one = f"{weather}/items/urn:ngsi-ld:WeatherObserved:hagen:wetter-3"
    of_one = (weather, f"{weather}/items", f"{weather}/schema", f"{weather}/queryables", one)
    nameless = "/collections/pegel-kurz/items/urn:ngsi-ld:FloodMonitoring:hagen:haspe"
    for path in ("", "/conformance", "/api", "/collections", nameless, *of_one):
        for language, word in (("de", "Beschreibung der Schnittstelle"), ("en", "About the interface")):
            status, headers, body = await city.get(f"{ROOT}{path}", Accept=browser, Accept_Language=language)
            assert status == 200
            assert headers["Content-Type"] == "text/html; charset=utf-8"
            assert headers["Content-Language"] == language
            page = body.decode()
            assert page.startswith("<!DOCTYPE html>")
            assert f'<html lang="{language}">' in page
            assert word in page
            assert "<script" not in page
            assert "<style" not in page
            assert " style=" not in page
            assert "<Test>" not in page
    assert "&lt;Test&gt;" in page
    assert "Simulated" in page
    for accept in ("*/*", "application/geo+json, application/json", "application/json;q=0.9,text/html;q=0.1"):
        _, headers, _ = await city.get(f"{ROOT}/collections/wetter/items", Accept=accept)
        assert headers["Content-Type"] == GEOJSON
        assert "Accept" in headers["Vary"]
    _, headers, body = await city.get(f"{ROOT}/collections/pegel/items?limit=0", Accept=browser)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "limit" in body.decode()
    english = await read(city, "/collections/pegel?lang=en")
    assert english["title"].startswith("Water levels")
    assert "lang=en" in str(link(english, "items"))


async def test_the_definition_holds(city: City, shared: object) -> None:
    """What OpenAPI promises is what is answered; desktop GIS read the limit and the filters from it."""
    del shared
    _, headers, body = await city.get(f"{ROOT}/api")
    assert headers["Content-Type"] == "application/vnd.oai.openapi+json;version=3.0"
    api = orjson.loads(body)
    assert api["openapi"].startswith("3.0.")
    assert api["servers"] == [{"url": f"{city.url}{ROOT}"}]
    assert api["components"]["parameters"]["limit"]["schema"]["maximum"] == 10_000
    operation = api["paths"]["/collections/wetter/items"]["get"]
    own = [each for each in operation["parameters"] if "name" in each]
    assert {each["name"] for each in own} >= {"temperature", "areaServed", "observedAt"}
    ids = [each["get"]["operationId"] for each in api["paths"].values()]
    assert len(ids) == len(set(ids))
    for path, described in api["paths"].items():
        known = {
            each.get("name") or each["$ref"].rpartition("/")[2] for each in described["get"]["parameters"]
        }
        there = path.replace("{featureId}", "urn:nothing")
        for name in ("bbox", "crs", "datetime", "limit", "offset", "temperature"):
            status, _, answer = await city.get(f"{ROOT}{there}?{name}=%20")
            unknown = status == 400 and orjson.loads(answer)["code"] == "UnknownParameter"
            assert unknown == (name not in known), (path, name)


async def test_what_is_not_public_cannot_be_inferred(city: City) -> None:
    """Attributes that no dataset names: not shown, not filtered, not counted, not told from nonsense."""
    for collection, hidden, value in (
        ("meldungen", "data", "1234"),
        ("besucher", "congested", "true"),
        ("pegel-kurz", "currentLevel", "0.39"),
        ("pegel-kurz", "observedAt_currentLevel", "0.39"),
        ("meldungen", "address_postalCode", "58095"),
    ):
        listed = await items(city, collection)
        assert listed["numberMatched"] == 1
        assert hidden not in listed["features"][0]["properties"]
        assert value not in orjson.dumps(listed["features"][0]["properties"]).decode().split('"')
        for document in ("", "/schema", "/queryables"):
            assert hidden not in (await read(city, f"/collections/{collection}{document}")).get(
                "properties", {}
            )
        told = await refused(city, f"/collections/{collection}/items?{hidden}={value}")
        nonsense = await refused(city, f"/collections/{collection}/items?nonsense={value}")
        assert told.replace(hidden, "nonsense") == nonsense
        assert told == await refused(city, f"/collections/{collection}/items?{hidden}=other")
    short = (await items(city, "pegel-kurz"))["features"]
    assert [each["properties"] for each in short] == [{"observedAt": None, "stationID": "haspe"}]
    assert await items(city, "pegel-kurz", datetime="../..".replace("../..", "2000-01-01/.."))
    assert names(await items(city, "pegel-kurz", datetime="2000-01-01/..")) == []
    path = "/collections/pegel-kurz/items/urn:ngsi-ld:FloodMonitoring:hagen:eilpe"
    assert "no feature" in await refused(city, path, 404)


async def test_changes_are_seen(city: City) -> None:
    async def level() -> float | None:
        found = await items(city, "gewaesser")
        return found["features"][0]["properties"]["waterLevel"] if found["features"] else None

    entity = {"id": "urn:ngsi-ld:WaterObserved:hagen:see", "type": "WaterObserved", "location": at(7.5, 51.4)}
    for value in (1.5, 1.6):
        await city.publish({**entity, "waterLevel": measured(value, "MTR", NOW)})
        watch = Patience(f"a level of {value}")
        while (found := await level()) != value:
            watch.look(found)
            await asyncio.sleep(0.05)


async def test_what_did_not_change_is_not_made_anew(city: City) -> None:
    """Many who ask at once cause one reading; it makes only those features that are other than before."""
    view = city.office.public
    spots = view.dataset("parkplaetze")
    assert spots is not None
    snapshots = Snapshots(0.0)
    first, *others = await asyncio.gather(*(snapshots.of(view, spots) for _ in range(5)))
    assert all(other is first for other in others)
    changed = next(each for each in published() if each["id"].endswith("platz-2"))
    await city.publish({**changed, "name": said("Ein anderer Name")})
    second = await snapshots.of(view, spots)
    assert second is not first
    same = [old is new for old, new in zip(first.features, second.features, strict=True)]
    assert same == [True, True, False]
    assert second.features[2].properties["name"] == "Ein anderer Name"


async def test_pages_for_people_are_short(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.features.selection.MOST_SHOWN", 2)
    _, _, body = await city.get(f"{ROOT}/collections/wetter/items?limit=10000&f=html")
    assert "1–2 of 5" in body.decode() or "1–2 von 5" in body.decode()  # noqa: RUF001 - as it is written
    assert "offset=2" in body.decode()
    assert len((await items(city, "wetter", limit="10000"))["features"]) == 5


async def test_broker_away(city: City) -> None:
    """Told to come again; what needs no broker is still there."""
    async with NgsiLdClient(f"http://127.0.0.1:{free_port()}", kind="embedded") as nobody:
        away = replace(city.office, public=replace(city.office.public, client=nobody))
        lonely = type(city)(office=away, broker=nobody)
        async with serving_routes(lonely, features.routes) as served:
            for path in ("/collections", "/collections/pegel", "/collections/pegel/items"):
                _, headers, _ = await served.get(f"{ROOT}{path}")
                assert int(headers["Retry-After"]) > 0
                assert "later" in await refused(served, path, 503)
            assert "limit" in await refused(served, "/collections/pegel/items?limit=0")
            assert (await served.get(f"{ROOT}/api"))[0] == 200
            assert (await served.get(f"{ROOT}/collections/pegel/queryables"))[0] == 200
