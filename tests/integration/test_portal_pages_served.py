# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The dashboard's pages and documents, as they are served."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from portal import described, pages
from portal.pages_stations import Collector
from tests.portal_city import measured, published_city, said, serving_routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.portal_city import City


@pytest_asyncio.fixture(scope="module")
async def city(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[City]:
    async with (
        published_city(postgres, tmp_path_factory.mktemp("pages")) as city,
        serving_routes(city, pages.routes, described.routes) as served,
    ):
        yield served


async def test_stations(city: City) -> None:
    status, headers, body = await city.get("/stations.json")
    assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    stations = {each["id"]: each for each in json.loads(body)["stations"]}
    assert len(stations) == 12
    eilpe = stations["FloodMonitoring:hagen:eilpe"]
    assert eilpe["name"] == "Pegel Eilpe"
    assert eilpe["simulated"] is True
    assert eilpe["at"] == [7.4882, 51.3341]
    assert eilpe["values"]["currentLevel"][0] == pytest.approx(0.53, abs=0.12)
    assert eilpe["trend"] in {-1, 0, 1}
    assert stations["ParkingSpot:hagen:platz-1"]["word"] == "occupied"
    assert stations["ParkingSpot:hagen:platz-1"]["simulated"] is False
    assert stations["WasteContainer:hagen:glas-1"]["word"] == "space"


@pytest.mark.parametrize("prefix", ["", "/en", "/leicht"])
async def test_pages_say_the_values_and_escape_names(city: City, prefix: str) -> None:
    for path, words in (
        (prefix or "/", "Pegel Eilpe"),
        (f"{prefix}/thema/wetter", "„Straße &amp; Co“; &lt;Test&gt;"),
        (f"{prefix}/station/WeatherObserved:hagen:wetter-0", "„Straße &amp; Co“; &lt;Test&gt;"),
        (f"/embed{prefix}/station/WeatherObserved:hagen:wetter-0", "\u22121"),
        (f"{prefix}/barrierefreiheit", "WCAG" if prefix != "/leicht" else "Leichter Sprache"),
        (f"{prefix}/datenschutz", "localStorage" if prefix != "/leicht" else "Gerät"),
    ):
        status, headers, body = await city.get(path)
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8"), path
        assert words in body.decode(), path
        assert b"<Test>" not in body
        assert b"<style" not in body
        assert b" style=" not in body
        assert b"onclick" not in body


async def test_pages_that_are_not_there(city: City) -> None:
    for path in ("/thema/nichts", "/station/nowhere", "/en/station/a/b", "/embed/thema/nichts"):
        status, _, body = await city.get(path)
        assert status == 404, path
        assert b"<h1>" in body
    assert (await city.get("/assets/x/../pages.py"))[0] == 404
    assert (await city.get("/assets/x/templates/base.html"))[0] == 404
    status, headers, _ = await city.get("/en/")
    assert (status, headers["Location"]) == (301, "/en")


async def test_the_list_is_narrowed_by_the_address(city: City) -> None:
    status, _, body = await city.get("/?q=pegel+EILPE&sort=name")
    assert status == 200
    text = body.decode()
    assert text.count("<tr data-id=") == 1
    for strange in ("?seite=999", "?seite=-1", "?seite=x", "?sort=%00", "?thema=%22%3E", "?q=" + "x" * 500):
        status, _, body = await city.get(f"/{strange}")
        assert status == 200, strange
        assert b'value=""><' not in body


async def test_assets(city: City) -> None:
    _, _, page = await city.get("/")
    path = page.decode().split('rel="stylesheet" href="')[1].split('"')[0]
    status, headers, body = await city.get(path, Accept_Encoding="gzip")
    assert status == 200
    assert "immutable" in headers["Cache-Control"]
    assert b"--l1" in body
    _, headers, _ = await city.get(path.replace(path.split("/")[2], "elder"))
    assert headers["Cache-Control"] == "no-cache"
    assert len(gzip.compress(page)) < 16_000


async def test_what_is_published_is_described(city: City) -> None:
    status, _, body = await city.get("/datasets.json")
    assert status == 200
    datasets = {each["name"]: each for each in json.loads(body)["datasets"]}
    assert datasets["pegel"]["licence"]["iri"] == "http://dcat-ap.de/def/licenses/dl-by-de/2.0"
    assert datasets["pegel"]["areas"][0]["de"] == "Katastrophenschutz"
    level = next(each for each in datasets["pegel"]["attributes"] if each["name"] == "currentLevel")
    assert level["shown"] == {"symbol": "cm", "factor": 100.0, "shift": 0.0, "digits": 0}
    assert datasets["luftqualitaet"]["accuracy"]["de"].startswith("Orientierungswerte")
    assert {each["attribute"] for each in datasets["raumluft"]["privacy"]} == {
        "co2",
        "temperature",
        "relativeHumidity",
    }


async def test_the_index_is_one_of_hourly_means(city: City) -> None:
    """One bad value within the hour does not make the hour bad."""
    now = datetime.now(UTC)
    for minutes, value in ((50, 4.0), (40, 4.0), (30, 4.0), (20, 4.0), (1, 40.0)):
        await city.publish(
            {
                "id": "urn:ngsi-ld:AirQualityObserved:hagen:mittel",
                "type": "AirQualityObserved",
                "name": said("Luft"),
                "pm25": measured(value, "GQ", now - timedelta(minutes=minutes)),
            }
        )
    stations = await Collector(city.office).stations()
    verdict = stations.by_short["AirQualityObserved:hagen:mittel"].verdict
    assert verdict is not None
    assert verdict.word == "good"
    assert verdict.incomplete
