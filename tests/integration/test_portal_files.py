# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Files of the published data, over HTTP."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest_asyncio
from pyld import jsonld

from portal.exports import store as stores
from portal.exports.formats import formats
from portal.exports.listing import shelf_of, store_of
from portal.exports.spans import Span, last_days, today
from portal.exports.store import Store
from portal.exports.tending import tend
from portal.files import files_of, routes
from portal.office import digest
from portal.views import View
from tests.portal_city import NOW, context_of, measured, published_city, serving_routes
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest

    from portal.datasets import Dataset
    from tests.portal_city import City

YESTERDAY = last_days(datetime.now(UTC), 1)[0]
EILPE = "urn:ngsi-ld:FloodMonitoring:hagen:eilpe"


@pytest_asyncio.fixture(scope="module")
async def city(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[City]:
    async with (
        published_city(postgres, tmp_path_factory.mktemp("files")) as city,
        serving_routes(city, routes) as served,
    ):
        yield served
        await store_of(city.office).close()


def dataset(city: City, name: str) -> Dataset:
    found = city.office.catalogue.named(name)
    assert found is not None
    return found


def table(content: bytes, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=delimiter))


def left_over(folder: Path) -> list[Path]:
    return list(folder.rglob("*.part"))


async def test_current_state_in_every_format(city: City) -> None:
    status, headers, content = await city.get("/files/pegel/current.csv")
    assert status == 200
    assert headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    rows = table(content)
    assert [row["id"].rpartition(":")[2] for row in rows] == ["boele", "eilpe", "haspe"]
    assert rows[1]["currentLevel"] == "0.42"
    assert all(row["source"] == "simulation" for row in rows)
    _, _, content = await city.get("/files/pegel/current.de.csv")
    assert table(content, ";")[1]["Wasserstand [m]"] == "0,42"
    _, headers, content = await city.get("/files/pegel/current.geojson")
    assert headers["Content-Type"] == "application/geo+json"
    features = json.loads(content)["features"]
    assert features[1]["geometry"]["coordinates"] == [7.4882, 51.3341]
    _, _, content = await city.get("/files/pegel/current.parquet")
    assert pq.read_table(io.BytesIO(content)).column("currentLevel").to_pylist() == [0.2, 0.42, 0.39]
    _, headers, content = await city.get("/files/pegel/current.jsonld")
    assert headers["Content-Type"] == "application/ld+json"
    assert len(json.loads(content)["@graph"]) == 3


async def test_what_changes_is_seen_in_a_moment(city: City) -> None:
    spot = {
        "id": "urn:ngsi-ld:ParkingSpot:hagen:platz-9",
        "type": "ParkingSpot",
        "name": {"type": "Property", "value": "neu"},
    }
    answers = await asyncio.gather(*(city.get(f"/files/parkplaetze/current.csv?{n}") for n in range(5)))
    assert len({content for _, _, content in answers}) == 1
    await city.publish(spot)
    async with asyncio.timeout(PATIENCE):
        while b"platz-9" not in (await city.get("/files/parkplaetze/current.csv"))[2]:  # noqa: ASYNC110 - asked
            await asyncio.sleep(0.2)


async def test_jsonld_means_the_same_without_the_network(city: City) -> None:
    _, _, content = await city.get("/files/pegel/current.jsonld")
    found = jsonld.expand(json.loads(content), {"documentLoader": None})
    eilpe = next(each for each in found if each["@id"] == EILPE)
    assert eilpe["@type"] == ["https://smartdatamodels.org/dataModel.Environment/FloodMonitoring"]
    (level,) = eilpe["https://smartdatamodels.org/dataModel.Environment/currentLevel"]
    assert level["https://uri.etsi.org/ngsi-ld/hasValue"] == [{"@value": 0.42}]


async def test_a_day_is_made_once(city: City) -> None:
    path = f"/files/pegel/{YESTERDAY.stem}.csv"
    answers = await asyncio.gather(*(city.get(path) for _ in range(5)))
    assert {status for status, _, _ in answers} == {200}
    assert len({content for _, _, content in answers}) == 1
    rows = table(answers[0][2])
    assert len(rows) == 3 * 24
    assert [(row["id"], row["time"]) for row in rows] == sorted((row["id"], row["time"]) for row in rows)
    status, headers, content = await city.get(path)
    assert content == answers[0][2]
    assert {"Etag", "Last-Modified", "Repr-Digest"} <= headers.keys()
    shelf = shelf_of(city.office, city.office.public, dataset(city, "pegel"))
    kept = store_of(city.office).kept(shelf, YESTERDAY, "csv")
    assert kept is not None
    assert (kept.size, kept.sha256, kept.rows) == (len(content), hashlib.sha256(content).hexdigest(), 72)
    status, _, _ = await city.get(path, If_None_Match=headers["Etag"])
    assert status == 304
    status, _, part = await city.get(path, Range="bytes=10-19")
    assert (status, part) == (206, content[10:20])
    assert left_over(city.office.folder) == []


async def test_every_format_of_a_day_has_the_same_rows(city: City) -> None:
    stem = last_days(datetime.now(UTC), 2)[1].stem
    found = {
        name: (await city.get(f"/files/pegel/{stem}.{name}"))[2] for name in ("csv", "de.csv", "geojson")
    }
    levels = [float(row["currentLevel"]) for row in table(found["csv"])]
    german = [float(row["Wasserstand [m]"].replace(",", ".")) for row in table(found["de.csv"], ";")]
    features = json.loads(found["geojson"])["features"]
    assert levels == german == [each["properties"]["currentLevel"] for each in features]
    _, _, content = await city.get(f"/files/pegel/{stem}.parquet")
    assert pq.read_table(io.BytesIO(content)).column("currentLevel").to_pylist() == levels
    _, _, content = await city.get(f"/files/pegel/{stem}.jsonld")
    assert [each["currentLevel"]["value"] for each in json.loads(content)["@graph"]] == levels


async def test_today_and_this_month_as_far_as_they_are(city: City) -> None:
    now = datetime.now(UTC)
    for span in (Span(first=today(now), month=False), Span(first=today(now).replace(day=1), month=True)):
        status, _, content = await city.get(f"/files/pegel/{span.stem}.csv")
        within = [hours for hours in range(72) if span.start <= NOW - timedelta(hours=hours)]
        assert (status, len(table(content))) == ((200, 3 * len(within)) if within else (404, 0))


async def test_what_is_not_there(city: City) -> None:
    for path in (
        "/files/nowhere/current.csv",
        "/files/pegel/current.xlsx",
        "/files/pegel/2026-02-30.csv",
        "/files/pegel/2999-01-01.csv",
        "/files/pegel/2019-01-01.csv",
        "/files/meldungen/2019-01.csv",
        "/files/pegel/current.geojson-metadata.json",
        "/files/pegel/..%2f..%2fetc%2fpasswd",
    ):
        status, headers, content = await city.get(path)
        assert status == 404, path
        assert headers["Content-Type"].startswith("application/problem+json"), path
        assert json.loads(content)["status"] == 404


async def test_what_no_dataset_names_is_in_no_file(city: City) -> None:
    """Not even if it got into the tenant: each format writes what is declared, and nothing else."""
    await city.publish(
        {
            "id": "urn:ngsi-ld:NoiseLevelObserved:hagen:ring",
            "type": "NoiseLevelObserved",
            "LAeq": measured(63.5, "2N", NOW),
            "refDevice": {"type": "Relationship", "object": "urn:ngsi-ld:Device:hagen:geheim"},
            "owner": {"type": "Property", "value": "geheim", "observedAt": "2026-01-01T00:00:00Z"},
            "LAmax": {
                **measured(71.5, "2N", NOW),
                "quality": {"type": "Property", "value": "suspect"},
            },
        }
    )
    stem = Span(first=today(NOW), month=False).stem
    for name in ("current", stem):
        for extension in formats():
            status, _, content = await city.get(f"/files/laerm/{name}.{extension}")
            assert status == 200
            if extension == "parquet":
                content = str(pq.read_table(io.BytesIO(content)).to_pylist()).encode()
            assert b"63" in content
            assert b"suspect" in content
            assert not any(hidden in content for hidden in (b"geheim", b"refDevice", b"owner")), name


async def test_too_many_at_once(city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_MOST_WAITING", 0)
    office = replace(city.office, folder=tmp_path)
    async with serving_routes(replace(city, office=office), routes) as served:
        status, headers, _ = await served.get(f"/files/pegel/{YESTERDAY.stem}.csv")
        assert (status, headers["Retry-After"]) == (503, "60")


async def test_head_makes_nothing(city: City) -> None:
    assert city.session is not None
    path = f"{city.url}/files/wetter/{YESTERDAY.stem}.csv"
    async with city.session.head(path) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/csv")
        assert "Content-Length" not in answer.headers
    _, _, content = await city.get("/files/wetter/current.csv")
    async with city.session.head(f"{city.url}/files/wetter/current.csv") as answer:
        assert answer.headers["Content-Length"] == str(len(content))
    shelf = shelf_of(city.office, city.office.public, dataset(city, "wetter"))
    assert store_of(city.office).kept(shelf, YESTERDAY, "csv") is None


async def test_columns_are_explained_beside_the_file(city: City) -> None:
    _, headers, _ = await city.get("/files/pegel/current.de.csv")
    assert "/files/pegel/current.de.csv-metadata.json" in headers["Link"]
    _, headers, content = await city.get("/files/pegel/current.de.csv-metadata.json")
    assert headers["Content-Type"].startswith("application/csvm+json")
    document = json.loads(content)
    _, _, file = await city.get("/files/pegel/current.de.csv")
    titles = [column["titles"] for column in document["tableSchema"]["columns"]]
    assert titles == list(table(file, ";")[0])
    assert document["dialect"]["delimiter"] == ";"
    status, _, content = await city.get("/files/pegel/columns.csv")
    assert status == 200
    assert {row["name"]: row["unit_symbol"] for row in table(content)}["currentLevel"] == "m"
    _, _, content = await city.get("/files/pegel/columns.json")
    assert len(json.loads(content)["tables"]) == 2


async def test_index(city: City) -> None:
    await city.get(f"/files/pegel/{YESTERDAY.stem}.csv")
    status, _, content = await city.get("/files/pegel/")
    document = json.loads(content)
    assert status == 200
    for file in document["files"]:
        assert (await city.get(file["url"].removeprefix(city.office.url)))[0] == 200
    dated = next(file for file in document["files"] if file.get("days"))
    _, _, content = await city.get(dated["url"].removeprefix(city.office.url))
    assert (dated["byteSize"], dated["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    _, headers, page = await city.get("/files/wetter/", Accept="text/html")
    assert headers["Content-Type"].startswith("text/html")
    assert b"<script" not in page
    _, _, content = await city.get("/files")
    assert "pegel" in {each["name"] for each in json.loads(content)["datasets"]}


async def test_what_there_is_of_a_dataset(city: City) -> None:
    found = await files_of(city.office, dataset(city, "pegel"))
    assert [file.path for file in found[:2]] == ["/files/pegel/current.csv", "/files/pegel/current.de.csv"]
    assert {file.file_type for file in found} == {"CSV", "GEOJSON", "JSON_LD", "PARQUET"}
    assert found[0].modified == NOW
    assert found[0].size is None
    empty = await files_of(city.office, dataset(city, "verkehr"))
    assert {file.modified for file in empty} == {None}


async def test_partners_see_theirs_and_nobody_else(city: City) -> None:
    strom = dataset(city, "strom")
    view = View(name="public", datasets=(strom,), client=city.broker, context_of=context_of)
    office = replace(
        city.office,
        public=replace(
            city.office.public, datasets=tuple(each for each in city.office.public.datasets if each != strom)
        ),
        partners={digest("geheim"): view},  # whatever partners are called
    )
    async with serving_routes(replace(city, office=office), routes) as served:
        status, headers, _ = await served.get("/files/strom/current.csv", X_API_Key="geheim")
        assert status == 200
        assert headers["Cache-Control"].startswith("private")
        assert (await served.get("/files/pegel/current.csv", X_API_Key="geheim"))[0] == 404
        known = await served.get("/files/strom/current.csv")
        unknown = await served.get("/files/nowhere/current.csv")
        assert (known[0], known[2]) == (404, unknown[2])
        assert (await served.get("/files/strom/current.csv", X_API_Key="falsch"))[0] == 401


# ---- as time goes


async def test_late_readings_make_a_day_anew(city: City, tmp_path: Path) -> None:
    office = replace(city.office, folder=tmp_path)
    store, wetter = store_of(office), dataset(city, "wetter")
    shelf = shelf_of(office, office.public, wetter)
    day = last_days(datetime.now(UTC), 3)[2]
    station = "urn:ngsi-ld:WeatherObserved:hagen:wetter-1"

    async def reading(hours: float, value: float) -> None:
        at = day.start + timedelta(hours=hours)
        body: dict[str, Any] = {
            "id": station,
            "type": "WeatherObserved",
            "temperature": [measured(value, "CEL", at)],
        }
        await city.broker.add_temporal(body, context=context_of("WeatherObserved"))

    await reading(3, 4.5)
    assert await store.made(shelf, day, ["csv", "de.csv"]) == 1
    first = store.all_kept(shelf, day)
    assert await store.made(shelf, day, ["csv", "de.csv"]) == 1
    again = store.all_kept(shelf, day)
    assert [each.modified for each in again.values()] == [each.modified for each in first.values()]
    assert all(again[name].checked > first[name].checked for name in first)
    assert all(again[name].path.stat().st_mtime_ns == first[name].path.stat().st_mtime_ns for name in first)
    await reading(1, 3.5)
    assert await store.made(shelf, day, ["csv", "de.csv"]) == 2
    assert store.all_kept(shelf, day)["csv"].sha256 != first["csv"].sha256
    assert left_over(tmp_path) == []


async def test_the_usual_files_are_made_without_anybody_asking(city: City, tmp_path: Path) -> None:
    pegel = dataset(city, "pegel")
    office = replace(city.office, folder=tmp_path, public=replace(city.office.public, datasets=(pegel,)))
    stale = tmp_path / "files" / "public" / "pegel" / "0123456789ab"
    stale.mkdir(parents=True)
    (stale / "2026-01-01.csv").write_text("of a declaration that published more")
    task = asyncio.create_task(tend(office))
    try:
        async with asyncio.timeout(PATIENCE):
            while len([file for file in await files_of(office, pegel) if file.size]) < 6:  # noqa: ASYNC110 - files tell nobody
                await asyncio.sleep(0.05)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    files = [file for file in await files_of(office, pegel) if file.days == YESTERDAY.days]
    assert {file.file_type for file in files} == {"CSV", "PARQUET"}
    assert not stale.exists()


async def test_the_disk_is_bounded(city: City, tmp_path: Path) -> None:
    store = Store(tmp_path)
    shelf = store.shelf(city.office.public, dataset(city, "pegel"), public=True)
    older, newer = last_days(datetime.now(UTC), 2)[::-1]
    await store.made(shelf, older, ["csv", "geojson"])
    kept = store.all_kept(shelf, older)
    store.most_bytes = sum(each.size for each in kept.values()) + kept["csv"].size // 2
    store.used(kept["csv"])
    await store.made(shelf, newer, ["csv"])
    assert set(store.all_kept(shelf, older)) == {"csv"}  # the other one was asked for longer ago
    assert set(store.all_kept(shelf, newer)) == {"csv"}


async def test_what_is_too_large_is_not_kept(city: City, tmp_path: Path) -> None:
    office = replace(city.office, folder=tmp_path)
    store_of(office).most_bytes = 100
    async with serving_routes(replace(city, office=office), routes) as served:
        status, _, content = await served.get(f"/files/pegel/{YESTERDAY.stem}.csv")
        assert (status, json.loads(content)["title"]) == (500, "The file could not be made")
    assert list(tmp_path.rglob("*.csv*")) == []  # noqa: ASYNC240 - a handful of names


async def test_what_was_not_finished_is_not_there(city: City, tmp_path: Path) -> None:
    store = Store(tmp_path)
    shelf = store.shelf(city.office.public, dataset(city, "pegel"), public=True)
    await store.made(shelf, YESTERDAY, ["csv"])
    path = shelf.path(YESTERDAY, "csv")
    path.write_bytes(path.read_bytes()[:100])
    left = path.with_name(".2026-01-01.csv.0a0b.part")
    left.write_bytes(b"of a process that was killed")
    store = Store(tmp_path)
    assert store.kept(shelf, YESTERDAY, "csv") is None
    assert not left.exists()


async def test_a_broker_that_is_away(city: City, tmp_path: Path) -> None:
    office = replace(city.office, folder=tmp_path)
    async with type(city.broker)("http://127.0.0.1:9", kind="embedded", tenant="public") as away:
        office = replace(office, public=replace(office.public, client=away))
        async with serving_routes(replace(city, office=office), routes) as served:
            for name in ("current.csv", f"{YESTERDAY.stem}.csv"):
                status, headers, _ = await served.get(f"/files/pegel/{name}")
                assert status == 503
                assert headers["Content-Type"].startswith("application/problem+json")
                assert "Retry-After" in headers
    assert left_over(tmp_path) == []
