# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""OGC API - Features as the programs of GIS people read it: GDAL (and with it QGIS), OWSLib."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest_asyncio
from aiohttp import web

from portal import features
from portal.server import portal_app
from tests.portal_address import client_says, serving_at_its_address
from tests.portal_city import published_city

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest
    from aiohttp.typedefs import Handler

    from portal.office import Office
    from tests.portal_city import City

# What was asked of the server, so that a client's own filters cannot pass for ours.
asked: list[str] = []


@web.middleware
async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
    asked.append(unquote(request.path_qs))
    return await handler(request)


def app(office: Office) -> web.Application:
    """Return the portal as the public reaches it: with what all interfaces have in common."""
    application = portal_app(office, [features.routes])
    application.middlewares.insert(0, note)
    return application


@pytest_asyncio.fixture(scope="module")
async def city(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[City]:
    async with (
        published_city(postgres, tmp_path_factory.mktemp("clients")) as city,
        serving_at_its_address(city, app=app) as served,
    ):
        yield served


GDAL = """
import json, sys
import pyogrio
url, layer, asked = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
asked = {name: tuple(value) if name == "bbox" else value for name, value in asked.items()}
layers = pyogrio.list_layers(f"OAPIF:{url}/ogc/features")[:, 0].tolist()
meta, _, places, columns = pyogrio.raw.read(f"OAPIF:{url}/ogc/features", layer=layer, **asked)
print(json.dumps({
    "layers": layers,
    "crs": meta["crs"],
    "geometry": meta["geometry_type"],
    "columns": {name: str(column.dtype) for name, column in zip(meta["fields"], columns)},
    "ids": sorted(columns[list(meta["fields"]).index("id")].tolist()),
    "places": [place.hex() for place in places],
}))
"""


async def gdal(city: City, layer: str, **options: Any) -> dict[str, Any]:
    asked.clear()
    found: dict[str, Any] = await client_says(GDAL, city.url, layer, json.dumps(options))
    return found


async def test_gdal_reads_every_layer(city: City) -> None:
    found = await gdal(city, "wetter")
    assert found["layers"] == [dataset.name for dataset in city.office.public.datasets]
    assert len(found["ids"]) == 5
    assert found["geometry"] == "Point"
    assert found["columns"]["temperature"] == "float64"
    assert found["columns"]["observedAt"].startswith("datetime64")
    assert 'AUTHORITY["OGC","CRS84"]' in found["crs"]


async def test_gdal_asks_for_a_box_and_for_values(city: City) -> None:
    """What it leaves to the server comes from the server: it does not read all to throw most away."""
    boxed = await gdal(city, "pegel", bbox=(7.4, 51.33, 7.49, 51.35))
    assert [each.rpartition(":")[2] for each in boxed["ids"]] == ["eilpe", "haspe"]
    assert any("bbox=7.4" in path for path in asked)
    some = await gdal(city, "pegel", where="areaServed = 'Haspe'")
    assert [each.rpartition(":")[2] for each in some["ids"]] == ["boele", "haspe"]
    assert any("areaServed=Haspe" in path for path in asked)


async def test_gdal_follows_pages(city: City) -> None:
    found = await gdal(city, "wetter", PAGE_SIZE="2")
    assert len(found["ids"]) == len(set(found["ids"])) == 5
    assert any("offset=4" in path for path in asked)


async def test_gdal_reads_metres(city: City) -> None:
    found = await gdal(city, "pegel", CRS="EPSG:25832", bbox=(394_000, 5_688_000, 396_000, 5_689_000))
    assert found["crs"] == "EPSG:25832"
    assert [each.rpartition(":")[2] for each in found["ids"]] == ["eilpe"]


OWSLIB = """
import json, sys
from owslib.ogcapi.features import Features
api = Features(sys.argv[1] + "/ogc/features")
wetter = api.collection_items("wetter", limit=3)
one = api.collection_item("wetter", wetter["features"][0]["id"])
print(json.dumps({
    "conforms": api.conformance()["conformsTo"],
    "openapi": api.api()["openapi"],
    "collections": api.feature_collections(),
    "title": api.collection("pegel")["title"],
    "queryables": list(api.collection_queryables("pegel")["properties"]),
    "schema": list(api.collection_schema("pegel")["properties"]),
    "page": len(wetter["features"]),
    "rest": len(api.collection_items("wetter", offset=3)["features"]),
    "one": one["id"],
    "first": wetter["features"][0]["id"],
    "boxed": len(api.collection_items("pegel", bbox=[7.4, 51.33, 7.49, 51.35])["features"]),
    "recent": len(api.collection_items("pegel", datetime_="2020-01-01T00:00:00Z/..")["features"]),
    "haspe": len(api.collection_items("pegel", areaServed="Haspe")["features"]),
}))
"""


async def test_owslib(city: City) -> None:
    found = await client_says(OWSLIB, city.url)
    assert "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs" in found["conforms"]
    assert found["openapi"] == "3.0.3"
    assert found["collections"] == [dataset.name for dataset in city.office.public.datasets]
    assert found["title"].startswith("Pegelstände")
    assert set(found["queryables"]) == set(found["schema"]) > {"geometry", "currentLevel"}
    assert (found["page"], found["rest"], found["boxed"], found["recent"], found["haspe"]) == (3, 2, 2, 3, 2)
    assert found["one"] == found["first"]


async def test_as_qgis_asks(city: City) -> None:
    """Its provider: landing page, definition (for the limit), collection, items by extent, next by link."""
    agent = "Mozilla/5.0 QGIS/34400/Linux"
    geojson = "application/geo+json, application/vnd.geo+json, application/geo-json, application/json"
    openapi = "application/vnd.oai.openapi+json;version=3.0, application/openapi+json;version=3.0"
    items = "/ogc/features/collections/wetter/items?limit"
    metres = "http://www.opengis.net/def/crs/EPSG/0/25832"
    extent = "392000,5688000,396000,5696000"
    for path, accept in (
        ("/ogc/features", "application/json"),
        ("/ogc/features/api", openapi),
        ("/ogc/features/conformance", "application/json"),
        ("/ogc/features/collections", "application/json"),
        ("/ogc/features/collections/wetter", "application/json"),
        (f"{items}=10", geojson),
        (f"{items}=1000&bbox=-180,-90,180,90", geojson),
        (f"{items}=1000&bbox={extent}&bbox-crs={metres}&crs={metres}", geojson),
        (f"{items}=1000&datetime=2020-01-01T00%3A00%3A00Z%2F..", geojson),
    ):
        status, headers, _ = await city.get(path, User_Agent=agent, Accept=accept)
        assert status == 200, path
        assert "json" in headers["Content-Type"]
        assert headers["Access-Control-Allow-Origin"] == "*"
        if "crs=" in path:
            assert headers["Content-Crs"] == f"<{metres}>"


async def test_unknown_keys_are_refused(city: City) -> None:
    for path in ("", "/collections", "/collections/wetter/items"):
        status, headers, _ = await city.get(f"/ogc/features{path}", X_API_Key="nobody's")
        assert status == 401
        assert "WWW-Authenticate" in headers


async def test_answers_are_kept_for_a_moment(city: City) -> None:
    """Who asks again with the ETag gets nothing new; another representation is another answer."""
    path = "/ogc/features/collections/wetter/schema"
    _, first, body = await city.get(path)
    status, _, empty = await city.get(path, If_None_Match=first["ETag"])
    assert (status, empty) == (304, b"")
    _, page, other = await city.get(path, Accept="text/html", Accept_Language="en")
    assert page["Content-Type"].startswith("text/html")
    assert page["ETag"] != first["ETag"]
    assert other != body
