# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Reference systems, boxes and times that features are asked for by."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.values import rfc3339
from portal.features.boxes import bounds, parse_box
from portal.features.crs import CRS84, CRS84H, SYSTEMS, named
from portal.features.errors import RefusedRequestError
from portal.features.times import parse_moment, parse_span

EPSG = "http://www.opengis.net/def/crs/EPSG/0/{}"
UTM32, MERCATOR, WGS84 = (SYSTEMS[EPSG.format(code)] for code in (25832, 3857, 4326))

PROJ = {code: pyproj.Transformer.from_crs("OGC:CRS84", f"EPSG:{code}") for code in (25832, 3857, 4326, 4258)}

longitudes = st.floats(-180, 180)
latitudes = st.floats(-90, 90)
corners = st.tuples(longitudes, latitudes)


def point(*coordinates: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": list(coordinates)}


SQUARE = {
    "type": "Polygon",
    "coordinates": [
        [[7.40, 51.30], [7.50, 51.30], [7.50, 51.40], [7.40, 51.40], [7.40, 51.30]],
        [[7.44, 51.34], [7.44, 51.36], [7.46, 51.36], [7.46, 51.34], [7.44, 51.34]],
    ],
}


@pytest.mark.parametrize("code", [25832, 3857, 4326, 4258])
@given(longitude=st.floats(3, 15), latitude=st.floats(40, 60))
def test_as_proj_says(code: int, longitude: float, latitude: float) -> None:
    """To the millimetre in Germany and around it, in the order of the system's own axes."""
    proj = PROJ[code]
    ours = SYSTEMS[EPSG.format(code)].coordinates([longitude, latitude])
    assert ours == pytest.approx(proj.transform(longitude, latitude), abs=0.001)


@given(longitude=st.floats(-60, 78), latitude=st.floats(-89, 89))
def test_utm_stays_exact_far_away(longitude: float, latitude: float) -> None:
    """A centimetre within 3000 km of the middle meridian; nothing breaks beyond."""
    x, y = PROJ[25832].transform(longitude, latitude)
    ours = UTM32.coordinates([longitude, latitude])
    if abs(x - 500_000) < 3_000_000:
        assert ours == pytest.approx([x, y], abs=0.01)
    else:
        assert ours is not None


def test_hagen_in_utm() -> None:
    assert UTM32.coordinates([7.4717, 51.3590, 110.0]) == pytest.approx([393592.254, 5690856.857], abs=0.001)
    assert UTM32.coordinates([-171.0, 51.0]) is None


def test_heights_only_where_the_system_has_them() -> None:
    assert CRS84.geometry(point(7.4, 51.3, 110.0)) == point(7.4, 51.3)
    assert CRS84H.geometry(point(7.4, 51.3, 110.0)) == point(7.4, 51.3, 110.0)
    assert CRS84H.geometry(point(7.4, 51.3)) == point(7.4, 51.3)
    assert WGS84.geometry(point(7.4, 51.3, 110.0)) == point(51.3, 7.4)


def test_a_geometry_is_whole_or_not_there() -> None:
    line = {"type": "LineString", "coordinates": [[7.0, 51.0], [0.0, 90.0]]}
    assert MERCATOR.geometry(line) is None
    both = {"type": "GeometryCollection", "geometries": [point(7.0, 51.0), line]}
    assert MERCATOR.geometry(both) is None
    assert WGS84.geometry(both) == {
        "type": "GeometryCollection",
        "geometries": [point(51.0, 7.0), {"type": "LineString", "coordinates": [[51.0, 7.0], [90.0, 0.0]]}],
    }


def test_unknown_system() -> None:
    with pytest.raises(RefusedRequestError, match="EPSG/0/25833"):
        named(EPSG.format(25833), "crs")


@pytest.mark.parametrize(
    ("text", "touches"),
    [
        ("7.41,51.31,7.42,51.32", True),  # all of it inside
        ("7.3,51.2,7.6,51.5", True),  # around it
        ("7.445,51.345,7.455,51.355", False),  # in the hole
        ("7.435,51.345,7.455,51.355", True),  # over the hole's edge
        ("7.5,51.4,7.6,51.5", True),  # its corner is the box's
        ("7.51,51.3,7.6,51.4", False),
        ("7.45,51.0,7.45,51.9", True),  # a box without width
    ],
)
def test_areas(text: str, touches: bool) -> None:  # noqa: FBT001 - a table
    assert parse_box(text).touches(SQUARE) is touches
    several = {"type": "MultiPolygon", "coordinates": [SQUARE["coordinates"]]}
    assert parse_box(text).touches(several) is touches


def test_how_numbers_may_be_written() -> None:
    assert parse_box("+7,51.,.8e 1, 5.2E+1").touches(point(7.5, 51.5))
    assert not parse_box("7,51,8,52").touches({"type": "Point", "coordinates": []})
    assert not parse_box("7,51,8,52").touches({"type": "MultiPolygon", "coordinates": []})


def test_lines() -> None:
    line = {"type": "LineString", "coordinates": [[7.0, 51.0], [8.0, 52.0]]}
    assert parse_box("7.4,51.3,7.6,51.5").touches(line)
    assert not parse_box("7.4,51.6,7.5,51.7").touches(line)
    assert parse_box("7.4,51.3,7.6,51.5").touches(
        {"type": "MultiLineString", "coordinates": [line["coordinates"]]}
    )
    assert parse_box("7,51,7.1,51.1").touches({"type": "MultiPoint", "coordinates": [[0, 0], [7.1, 51.1]]})
    assert parse_box("7,51,7.1,51.1").touches({"type": "GeometryCollection", "geometries": [line]})


def test_across_the_antimeridian() -> None:
    box = parse_box("177,-20,-175,-10")
    assert box.touches(point(179.5, -15))
    assert box.touches(point(-180, -15))
    assert box.touches(point(-176, -15))
    assert not box.touches(point(0, -15))
    flipped = parse_box("-20,177,-10,-175", WGS84)
    assert flipped.touches(point(179.5, -15))
    assert not flipped.touches(point(0, -15))


def test_heights_of_a_box() -> None:
    box = parse_box("7,51,100,8,52,200")
    assert box.touches(point(7.5, 51.5, 150.0))
    assert not box.touches(point(7.5, 51.5, 99.0))
    assert box.touches(point(7.5, 51.5))
    assert not box.touches(point(6.5, 51.5, 150.0))


def test_box_in_metres() -> None:
    x, y = 393_592.254, 5_690_856.857
    box = parse_box(f"{x - 5},{y - 5},{x + 5},{y + 5}", UTM32)
    assert box.touches(point(7.4717, 51.3590))
    assert not box.touches(point(7.4727, 51.3590))
    assert not box.touches(point(-171.0, 51.0))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7,51,8",
        "7,51,8,52,9",
        "7,51,8,52,9,10,11",
        "7;51;8;52",
        "a,b,c,d",
        "nan,51,8,52",
        "7,51,inf,52",
        "7,52,8,51",
        "7,51,200,8,52,100",
        "-181,51,8,52",
        "7,51,8,91",
        "1e400,0,1,1",
        "7_0,51,80,52",
        "\u0667,51,8,52",
        "7,51,8,52,",
        ",7,51,8,52",
        "0x7,51,8,52",
        "--7,51,8,52",
        "1" * 2000 + ",51,8,52",
    ],
)
def test_what_is_no_box(text: str) -> None:
    with pytest.raises(RefusedRequestError, match="bbox"):
        parse_box(text)


def test_metres_do_not_cross_the_antimeridian() -> None:
    with pytest.raises(RefusedRequestError, match="before it begins"):
        parse_box("500000,5600000,400000,5700000", UTM32)


@given(first=corners, second=corners, place=corners)
def test_any_box(first: tuple[float, float], second: tuple[float, float], place: tuple[float, float]) -> None:
    """Longitudes go eastwards from the first corner to the second, whichever is larger."""
    south, north = sorted((first[1], second[1]))
    box = parse_box(f"{first[0]!r},{south!r},{second[0]!r},{north!r}")
    west, east, longitude = first[0], second[0], place[0]
    between = west <= longitude <= east if west <= east else longitude >= west or longitude <= east
    assert box.touches(point(*place)) == (between and south <= place[1] <= north)


@given(st.text(max_size=60))
def test_any_text_is_a_box_or_refused(text: str) -> None:
    with suppress(RefusedRequestError):
        assert parse_box(text).rectangles


def test_bounds() -> None:
    assert bounds([point(7.4, 51.3), SQUARE, point(9, 50, 3)]) == (7.4, 50, 9, 51.4)
    assert bounds([]) is None


moments = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.just(UTC))  # noqa: DTZ001 - timezones gives them one


@given(moment=moments, minutes=st.integers(-14 * 60, 14 * 60))
def test_any_moment(moment: datetime, minutes: int) -> None:
    """Zone and fraction as they come; `+` may have become a space on its way."""
    there = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert parse_moment(there.isoformat(timespec="microseconds")) == moment
    assert parse_moment(there.isoformat(timespec="microseconds").replace("+", " ")) == moment
    span = parse_span(rfc3339(moment).lower())
    assert span.start == span.end == moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@given(first=moments, second=moments, asked=moments)
def test_any_interval(first: datetime, second: datetime, asked: datetime) -> None:
    start, end = sorted((first, second))
    closed = parse_span(f"{start.isoformat()}/{end.isoformat()}")
    assert closed.holds(asked) == (start <= asked <= end)
    assert closed.holds(start)
    assert closed.holds(end)
    for open_end in ("", ".."):
        assert parse_span(f"{start.isoformat()}/{open_end}").holds(asked) == (start <= asked)
        assert parse_span(f"{open_end}/{end.isoformat()}").holds(asked) == (asked <= end)


def test_a_day_is_all_of_it() -> None:
    day = parse_span("2026-03-01")
    assert day.holds(datetime(2026, 3, 1, 23, 59, 59, 999_000, UTC))
    assert not day.holds(datetime(2026, 3, 2, tzinfo=UTC))
    days = parse_span("2026-03-01/2026-03-02")
    assert days.holds(datetime(2026, 3, 2, 12, tzinfo=UTC))


def test_a_leap_second() -> None:
    assert parse_moment("2016-12-31T23:59:60Z") == datetime(2017, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "../..",
        "..",
        "now",
        "2026",
        "2026-13-01T00:00:00Z",
        "2026-02-30",
        "2026-03-01T12:00:00",
        "2026-03-01T12:00Z",
        "20260301T120000Z",
        "2026-03-01T12:00:00Z/2026-02-01T12:00:00Z",
        "2026-03-01T12:00:00Z/2026-03-02T12:00:00Z/2026-03-03T12:00:00Z",
        "2026-03-01T12:00:00Z/P1D",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:60Z",
        "2026-03-01T12:00:00+99:00",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(RefusedRequestError, match="datetime"):
        parse_span(text)


@given(st.text(alphabet="0123456789-:TZ+./ ", max_size=40))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    with suppress(RefusedRequestError):
        span = parse_span(text)
        assert span.start is not None or span.end is not None
