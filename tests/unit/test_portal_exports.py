# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Columns, cells, spans and geometries of files."""

from __future__ import annotations

import csv
import io
import json
import struct
import tracemalloc
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from portal.datasets import load_catalogue
from portal.exports import parquet
from portal.exports.columns import sheet_of
from portal.exports.dictionary import columns_csv
from portal.exports.formats import formats
from portal.exports.making import Making
from portal.exports.parquet import wkb
from portal.exports.rows import Row
from portal.exports.spans import Span, last_days, last_months, read_name
from portal.exports.tables import position, safe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from portal.datasets import Dataset

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "compose" / "datasets.toml")
AT = datetime(2026, 7, 1, 22, 30, 15, 250_000, tzinfo=UTC)


def dataset(name: str) -> Dataset:
    found = CATALOGUE.named(name)
    assert found is not None
    return found


def written(name: str, extension: str, *rows: Row, past: bool = False) -> bytes:
    writer = formats()[extension].writer(sheet_of(dataset(name), past=past))
    return writer.begin() + writer.rows(rows) + writer.end()


def row(name: str, *, past: bool = False, **values: Any) -> Row:
    sheet = sheet_of(dataset(name), past=past)
    return Row(
        id=f"urn:ngsi-ld:{sheet.dataset.type}:hagen:1",
        name=values.pop("called", "Station"),
        place=values.pop("place", {"type": "Point", "coordinates": [7.5, 51.3]}),
        moment=values.pop("moment", AT),
        quality=values.pop("quality", None),
        values=[values.get(column.name) for column in sheet.columns],
    )


def test_machine_csv() -> None:
    text = written("wetter", "csv", row("wetter", temperature=-1.5, source="simulation")).decode()
    assert "\r\n" in text
    assert not text.startswith("\ufeff")
    (found,) = csv.DictReader(io.StringIO(text, newline=""))
    assert found["temperature"] == "-1.5"
    assert found["time"] == "2026-07-01T22:30:15.25Z"
    assert (found["longitude"], found["latitude"]) == ("7.5", "51.3")
    assert found["source"] == "simulation"
    assert list(found)[:5] == ["id", "name", "longitude", "latitude", "time"]


def test_german_csv() -> None:
    content = written("wetter", "de.csv", row("wetter", temperature=-1.5, relativeHumidity=0.8))
    assert content.startswith(b"\xef\xbb\xbf")
    (found,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";")
    assert found["Lufttemperatur [°C]"] == "-1,5"
    assert found["Relative Luftfeuchte"] == "0,8"
    assert found["Längengrad"] == "7,5"
    assert found["Zeitpunkt"] == "2026-07-02 00:30:15,25"
    assert found["Zeitzone"] == "UTC+02:00"


def test_of_the_hour_that_comes_twice() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    rows = [row("wetter", moment=first), row("wetter", moment=first + timedelta(hours=1))]
    text = written("wetter", "de.csv", *rows).decode("utf-8-sig")
    found = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";"))
    assert {each["Zeitpunkt"] for each in found} == {"2026-10-25 02:30:00"}
    assert [each["Zeitzone"] for each in found] == ["UTC+02:00", "UTC+01:00"]


@pytest.mark.parametrize("text", ["=1+1", "+49 2331", "-cmd", "@SUM(A1)", "\t=1", " =1", "\uff1d1"])
@pytest.mark.parametrize("extension", ["csv", "de.csv"])
def test_texts_are_no_formulas(text: str, extension: str) -> None:
    delimiter = ";" if extension == "de.csv" else ","
    content = written("wetter", extension, row("wetter", called=text)).decode("utf-8-sig")
    cells = list(csv.reader(io.StringIO(content, newline=""), delimiter=delimiter))[1]
    assert cells[1].startswith("'")


@pytest.mark.parametrize("text", ['a;b,c "d"', "zwei\nZeilen", "„Straße“", "O'Neill"])
@pytest.mark.parametrize("extension", ["csv", "de.csv"])
def test_texts_come_back_as_they_were(text: str, extension: str) -> None:
    delimiter = ";" if extension == "de.csv" else ","
    content = written("wetter", extension, row("wetter", called=text)).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(content, newline=""), delimiter=delimiter))[1][1] == text


def test_control_characters_do_not_come_through() -> None:
    assert safe("a\x00b\x1b[31m") == "a b [31m"


def test_lists_structures_and_flags() -> None:
    spot = row(
        "parkplaetze", category=["onStreet", "forDisabled"], status="free", quality={"status": "suspect"}
    )
    (found,) = csv.DictReader(io.StringIO(written("parkplaetze", "csv", spot).decode(), newline=""))
    assert found["category"] == "onStreet|forDisabled"
    assert found["quality"] == "status=suspect"
    alert = row("meldungen", address={"addressLocality": "Hagen", "streetAddress": "Markt 1"})
    text = written("meldungen", "de.csv", alert).decode("utf-8-sig")
    (found,) = csv.DictReader(io.StringIO(text, newline=""), delimiter=";")
    assert found["Adresse"] == "Hagen, Markt 1"


def test_columns_are_those_that_are_published_and_no_others() -> None:
    for each in CATALOGUE.dataset:
        sheet = sheet_of(each, past=False)
        own = {"id", "longitude", "latitude", "time", "quality"}
        assert {column.name for column in sheet.all} - own == set(each.attributes) - {"location"}
        called = [column.german for column in sheet.all]
        assert len(set(called)) == len(called)
        assert set(sheet_of(each, past=True).measured) <= set(each.attributes)


def test_columns_of_the_past_are_what_is_measured() -> None:
    assert sheet_of(dataset("pegel"), past=True).measured == ("currentLevel",)
    assert sheet_of(dataset("parkplaetze"), past=True).measured == ("status",)
    assert sheet_of(dataset("wertstoffcontainer"), past=True).measured == ("fillingLevel", "temperature")


def test_dictionary_of_columns() -> None:
    rows = list(csv.DictReader(io.StringIO(columns_csv(sheet_of(dataset("wetter"), past=False)).decode())))
    (found,) = [each for each in rows if each["name"] == "temperature"]
    assert found["unit_symbol"] == "°C"
    assert found["unit_un_cefact"] == "CEL"
    assert found["name_de"] == "Lufttemperatur [°C]"
    assert found["iri"].startswith("https://")


def test_geojson() -> None:
    found = json.loads(
        written("wetter", "geojson", row("wetter", temperature=3.0), row("wetter", place=None))
    )
    assert found["type"] == "FeatureCollection"
    assert [feature["geometry"] for feature in found["features"]] == [
        {"type": "Point", "coordinates": [7.5, 51.3]},
        None,
    ]
    assert found["features"][0]["properties"]["temperature"] == 3.0
    assert "crs" not in found


@pytest.mark.parametrize("extension", ["geojson", "jsonld"])
def test_without_any_row(extension: str) -> None:
    found = json.loads(written("wetter", extension))
    assert found["features" if extension == "geojson" else "@graph"] == []


def test_geoparquet(tmp_path: Path) -> None:
    line = {"type": "LineString", "coordinates": [[7.4, 51.2, 1.0], [7.6, 51.4, 2.0]]}
    file = tmp_path / "it.parquet"
    rows = [row("wetter", temperature=3, source=None), row("wetter", place=line), row("wetter", place=None)]
    file.write_bytes(written("wetter", "parquet", *rows))
    read = pq.read_table(file)
    geo = json.loads(pq.read_metadata(file).metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["columns"]["geometry"]["geometry_types"] == ["LineString Z", "Point"]
    assert geo["columns"]["geometry"]["bbox"] == [7.4, 51.2, 7.6, 51.4]
    assert read.column("temperature").to_pylist() == [3.0, None, None]
    assert read.column("time").to_pylist()[0] == AT
    assert read.schema.field("temperature").metadata[b"ucum"] == b"Cel"
    point = read.column("geometry").to_pylist()[0]
    assert struct.unpack("<BIdd", point) == (1, 1, 7.5, 51.3)


def test_wkb_of_parts() -> None:
    ring = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    polygon = wkb("Polygon", [ring], height=False)
    assert polygon[:13] == struct.pack("<BIII", 1, 3, 1, 4)
    assert wkb("MultiPolygon", [[ring], [ring]], height=False) == struct.pack("<BII", 1, 6, 2) + polygon * 2


def test_middle_of_what_is_no_point() -> None:
    assert position({"type": "Polygon", "coordinates": [[[7, 51], [8, 51], [8, 52], [7, 51]]]}) == (7.5, 51.5)
    assert position(None) == (None, None)


# ---- days and months


def test_names_of_files() -> None:
    assert read_name("current.de.csv") == (None, "de.csv")
    assert read_name("2026-11-22.csv") == (Span(first=date(2026, 11, 22), month=False), "csv")
    assert read_name("2026-11.parquet") == (Span(first=date(2026, 11, 1), month=True), "parquet")
    for name in (
        "2026-02-30.csv",
        "2026-13.csv",
        "1999-01-01.csv",
        "../x.csv",
        "current",
        "2026-1-1.csv",
        "\uff19.csv",
    ):
        assert read_name(name) is None


def test_days_are_those_of_the_city() -> None:
    spring = Span(first=date(2026, 3, 29), month=False)
    assert spring.start == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert spring.end - spring.start == timedelta(hours=23)
    december = Span(first=date(2026, 12, 1), month=True)
    assert december.end == datetime(2026, 12, 31, 23, tzinfo=UTC)
    assert december.days == (date(2026, 12, 1), date(2026, 12, 31))
    late = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)  # in Hagen it is November
    assert last_days(late, 1)[0].first == date(2026, 10, 31)
    assert last_months(late, 2) == [
        Span(first=date(2026, 10, 1), month=True),
        Span(first=date(2026, 9, 1), month=True),
    ]


def test_when_a_day_is_looked_at_again() -> None:
    day = Span(first=date(2026, 11, 1), month=False)
    within = day.start + timedelta(hours=3)
    assert not day.due(within, within + timedelta(minutes=5))
    assert day.due(within, within + timedelta(minutes=20))
    assert day.due(within, day.end)  # it is over since
    assert not day.due(day.end, day.end + timedelta(minutes=30))
    assert day.due(day.end, day.end + timedelta(hours=2))
    assert day.due(day.end + timedelta(hours=2), day.end + timedelta(days=3))
    assert not day.due(day.end + timedelta(days=8), day.end + timedelta(days=900))


# ---- memory


async def made_of(rows: int, folder: Path) -> tuple[int, int]:
    """Make files of so many rows; return the most memory that took, and their bytes."""
    sheet, one = sheet_of(dataset("pegel"), past=True), row("pegel", past=True)

    async def parts() -> AsyncIterator[list[Row]]:
        for first in range(0, rows, 100):
            numbers = range(first, first + 100)
            yield [one._replace(moment=AT + timedelta(seconds=n), values=["x", n / 7]) for n in numbers]

    making = Making({name: folder / f"{rows}.{name}" for name in formats()}, 10**9)
    tracemalloc.start()
    await making.run(sheet, formats(), parts())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert making.rows == rows
    return most, sum(making.sizes.values())


async def test_memory_does_not_grow_with_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_GROUP", 500)
    await made_of(100, tmp_path)  # what is imported and compiled once
    few, _ = await made_of(1_000, tmp_path)
    many, size = await made_of(6_000, tmp_path)
    assert size > 3_000_000
    assert many < 1.5 * few
