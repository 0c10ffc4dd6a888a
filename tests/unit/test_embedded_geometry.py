# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Geometries and how they lie to each other (clause 4.10)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.embedded import geometry
from broker.embedded.geo import extent, parse_geo
from broker.embedded.geometry import Geometry, GeometryError, read_geometry
from broker.embedded.problems import BadRequestDataError
from broker.embedded.terms import Context
from ontology.loader import core_context

CONTEXT = Context(None, [core_context()["@context"]])


def point(x: float, y: float) -> Geometry:
    return read_geometry({"type": "Point", "coordinates": [x, y]})


def line(*positions: tuple[float, float]) -> Geometry:
    return read_geometry({"type": "LineString", "coordinates": [list(each) for each in positions]})


def polygon(*rings: list[tuple[float, float]]) -> Geometry:
    closed = [[list(each) for each in [*ring, ring[0]]] for ring in rings]
    return read_geometry({"type": "Polygon", "coordinates": closed})


def box(west: float, south: float, east: float, north: float) -> list[tuple[float, float]]:
    return [(west, south), (east, south), (east, north), (west, north)]


SQUARE = polygon(box(0, 0, 10, 10))
RING = polygon(box(0, 0, 10, 10), box(4, 4, 6, 6))
ELL = polygon([(0, 0), (10, 0), (10, 2), (2, 2), (2, 10), (0, 10)])


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        (point(5, 5), SQUARE, True),
        (point(0, 5), SQUARE, False),  # on the border alone
        (point(11, 5), SQUARE, False),
        (point(5, 5), RING, False),
        (point(4, 5), RING, False),
        (line((0, 0), (0, 5)), SQUARE, False),
        (line((0, 0), (0, 5), (5, 5)), SQUARE, True),
        (line((0, 5), (10, 5)), SQUARE, True),
        (point(0, 0), line((0, 0), (10, 0)), False),
        (point(0, 0), line((0, 0), (10, 0), (10, 10), (0, 0)), True),
        (polygon(box(1, 1, 3, 3)), SQUARE, True),
        (polygon(box(1, 1, 13, 3)), SQUARE, False),
        (polygon(box(3, 3, 7, 7)), RING, False),
        (polygon(box(1, 1, 3, 3)), RING, True),
        (line((1, 9), (9, 1)), ELL, False),
        (line((1, 9), (1, 1), (9, 1)), ELL, True),
        (line((1, 1), (9, 9)), RING, False),
        (SQUARE, SQUARE, True),
        (SQUARE, point(5, 5), False),
        (point(5, 0), line((0, 0), (10, 0)), True),
    ],
)
def test_within(inner: Geometry, outer: Geometry, *, expected: bool) -> None:
    assert geometry.within(inner, outer) is expected


@pytest.mark.parametrize(
    ("first", "second", "meet", "overlap"),
    [
        (SQUARE, polygon(box(5, 5, 15, 15)), True, True),
        (SQUARE, polygon(box(10, 0, 20, 10)), True, False),
        (SQUARE, polygon(box(11, 0, 20, 10)), False, False),
        (SQUARE, polygon(box(2, 2, 3, 3)), True, False),
        (line((-5, 5), (15, 5)), SQUARE, True, False),
        (line((0, 0), (10, 10)), line((0, 10), (10, 0)), True, False),
        (line((0, 0), (10, 0)), line((5, 0), (15, 0)), True, True),
        (line((0, 0), (1, 0)), line((0, 1), (1, 1)), False, False),
        (polygon(box(4.5, 4.5, 5.5, 5.5)), RING, False, False),
        (point(1, 1), point(1, 1), True, False),
    ],
)
def test_meeting_and_overlapping(first: Geometry, second: Geometry, *, meet: bool, overlap: bool) -> None:
    assert geometry.intersects(first, second) is geometry.intersects(second, first) is meet
    assert geometry.overlaps(first, second) is geometry.overlaps(second, first) is overlap


def test_equality_does_not_ask_where_a_ring_begins() -> None:
    assert geometry.equals(SQUARE, polygon([(10, 0), (10, 10), (0, 10), (0, 0)]))
    assert not geometry.equals(SQUARE, RING)


def test_distances_are_metres() -> None:
    hagen, dortmund = point(7.4716, 51.3594), point(7.4653, 51.5136)
    assert geometry.distance(hagen, dortmund) == pytest.approx(17_150, rel=0.01)
    assert geometry.distance(point(7, 51), line((7.01, 50), (7.01, 52))) == pytest.approx(700, rel=0.01)
    assert geometry.distance(point(5, 5), SQUARE) == 0
    assert geometry.distance(point(5, 5), RING) > 100_000


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        5,
        {},
        {"type": "Circle", "coordinates": [1, 2]},
        {"type": ["Point"], "coordinates": [1, 2]},
        {"type": "Point", "coordinates": []},
        {"type": "Point", "coordinates": [1]},
        {"type": "Point", "coordinates": ["1", "2"]},
        {"type": "Point", "coordinates": [True, False]},
        {"type": "Point", "coordinates": [51.4, 91]},
        {"type": "Point", "coordinates": [[1, 2]]},
        {"type": "LineString", "coordinates": [[1, 2]]},
        {"type": "LineString", "coordinates": [1, 2]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [0, 0]]]},
        {"type": "Polygon", "coordinates": []},
        {"type": "MultiPolygon", "coordinates": [[]]},
        {"type": "MultiPoint", "coordinates": []},
        {"type": "MultiPoint", "coordinates": [[0, 0]] * 20_000},
    ],
)
def test_what_is_no_geometry_is_refused(wrong: Any) -> None:
    with pytest.raises(GeometryError):
        read_geometry(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"georel": "near;maxDistance==5"},
        {"georel": "near;maxDistance==5", "geometry": "Point"},
        {"georel": "near", "geometry": "Point", "coordinates": "[1,2]"},
        {"georel": "near;maxDistance==-5", "geometry": "Point", "coordinates": "[1,2]"},
        {"georel": "beside", "geometry": "Point", "coordinates": "[1,2]"},
        {"georel": "within", "geometry": "Point", "coordinates": "[1,"},
        {"georel": "within", "geometry": "Polygon", "coordinates": "[1,2]"},
        {"georel": 5, "geometry": {}, "coordinates": {}},
        {"georel": "within", "geometry": "Point", "coordinates": "[1,2]", "geoproperty": ""},
    ],
)
def test_a_geographical_query_that_is_wrong_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequestDataError):
        parse_geo(wrong, CONTEXT)


COORDINATE = st.floats(-80, 80).map(lambda number: round(number, 3))


@given(COORDINATE, COORDINATE, COORDINATE, COORDINATE, st.floats(1, 2_000_000))
def test_the_search_box_holds_everything_that_is_near(
    x: float, y: float, dx: float, dy: float, metres: float
) -> None:
    reference, target = point(x, y), point(x + dx / 10, min(85, y + dy / 10))
    if geometry.distance(reference, target) <= metres:
        assert geometry.boxes_meet(geometry.widened(reference.box, metres), target.box)


LONGITUDE = st.one_of(st.floats(-180, 180), st.sampled_from([-180.0, -179.99, 0.0, 179.99, 180.0]))
LATITUDE = st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, -89.99, 0.0, 89.99, 90.0]))


@given(LONGITUDE, LATITUDE, LONGITUDE, LATITUDE, st.floats(1, 2_000_000))
def test_the_search_box_goes_round_the_earth(
    x: float, y: float, other_x: float, other_y: float, metres: float
) -> None:
    reference, target = point(x, y), point(other_x, other_y)
    if geometry.distance(reference, target) <= metres:
        assert geometry.boxes_meet(geometry.widened(reference.box, metres), target.box)


@given(
    st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=6, unique=True), COORDINATE, COORDINATE
)
def test_a_point_is_within_exactly_where_it_meets_and_not_the_border(
    ring: list[tuple[float, float]], x: float, y: float
) -> None:
    area, place = polygon(ring), point(x, y)
    border = geometry.intersects(place, line(*ring, ring[0]))
    assert geometry.within(place, area) == (geometry.intersects(place, area) and not border)
    assert (geometry.distance(place, area) == 0) == geometry.intersects(place, area)


def test_the_extent_is_the_box_of_the_location() -> None:
    location = "https://uri.etsi.org/ngsi-ld/location"
    value = {"type": "LineString", "coordinates": [[7, 51], [8, 52]]}
    instances = [{"type": "GeoProperty", "value": value}]
    assert extent({location: instances}) == (7, 51, 8, 52)
    assert extent({}) is None
    assert math.isclose(point(1, 2).box[3], 2)
