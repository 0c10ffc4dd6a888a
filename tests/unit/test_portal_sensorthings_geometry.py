# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Geometries of filters: read from WKT, compared as the standard has it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.sensorthings.geometry import (
    Shape,
    distance,
    equals,
    intersects,
    length,
    read_wkt,
    shape,
    within,
)
from portal.sensorthings.problems import RequestError
from portal.sensorthings.relations import crosses, matches, overlaps, relate, relation, touches

SQUARE = "POLYGON ((0 0,10 0,10 10,0 10,0 0))"
RING = "POLYGON ((0 0,10 0,10 10,0 10,0 0),(4 4,6 4,6 6,4 6,4 4))"
ANGLE = "POLYGON ((0 0,10 0,10 2,2 2,2 10,0 10,0 0))"


def of(text: str) -> Shape:
    return read_wkt(text)


@pytest.mark.parametrize(
    ("one", "two", "inside"),
    [
        ("POINT (5 5)", SQUARE, True),
        ("POINT (0 5)", SQUARE, False),  # on the border, where there is nothing of the inside
        ("POINT (11 5)", SQUARE, False),
        ("POINT (5 5)", RING, False),
        ("POINT (3 3)", RING, True),
        ("POINT (4 5)", RING, False),
        ("POINT (5 5)", ANGLE, False),
        ("POINT (1 5)", ANGLE, True),
        ("MULTIPOINT (1 1,9 9)", SQUARE, True),
        ("MULTIPOINT ((1 1),(11 9))", SQUARE, False),
        ("LINESTRING (1 1,9 9)", SQUARE, True),
        ("LINESTRING (1 1,9 9)", RING, False),
        ("LINESTRING (1 1,1 9,9 1)", ANGLE, False),  # both ends in it, and the way is not
        ("LINESTRING (0 0,10 0)", SQUARE, False),  # along the border alone
        ("LINESTRING (0 0,10 0,5 5)", SQUARE, True),
        (SQUARE, SQUARE, True),
        (RING, SQUARE, True),
        (SQUARE, RING, False),
        (ANGLE, SQUARE, True),
        ("POINT (5 5)", "LINESTRING (0 0,10 10)", True),
        ("POINT (0 0)", "LINESTRING (0 0,10 10)", False),  # the end of a line is its border
        ("LINESTRING (2 2,4 4)", "LINESTRING (0 0,10 10)", True),
        ("POINT (5 5)", "MULTIPOLYGON (((0 0,1 0,1 1,0 0)),((4 4,6 4,6 6,4 6,4 4)))", True),
        ("POINT (5 5)", "POINT (5 5)", True),
    ],
)
def test_within(one: str, two: str, inside: bool) -> None:  # noqa: FBT001 - what is expected
    assert within(of(one), of(two)) is inside


@pytest.mark.parametrize(
    ("one", "two", "common"),
    [
        ("POINT (0 5)", SQUARE, True),
        ("POINT (5 5)", RING, False),
        ("LINESTRING (-1 5,11 5)", SQUARE, True),
        ("LINESTRING (-1 5,-1 11)", SQUARE, False),
        ("LINESTRING (-1 11,11 11)", SQUARE, False),
        ("LINESTRING (0 0,10 10)", "LINESTRING (0 10,10 0)", True),
        ("LINESTRING (0 0,4 4)", "LINESTRING (5 5,10 10)", False),
        ("POLYGON ((4.5 4.5,5.5 4.5,5.5 5.5,4.5 4.5))", RING, False),
        ("POLYGON ((-1 4,11 4,11 5,-1 5,-1 4))", SQUARE, True),
        (SQUARE, "POLYGON ((10 10,11 10,11 11,10 10))", True),
    ],
)
def test_intersects(one: str, two: str, common: bool) -> None:  # noqa: FBT001 - what is expected
    assert intersects(of(one), of(two)) is common
    assert intersects(of(two), of(one)) is common


def test_distance_and_length() -> None:
    assert distance(of("POINT (0 0)"), of("POINT (3 4)")) == 5
    assert distance(of("POINT (12 5)"), of(SQUARE)) == 2
    assert distance(of("POINT (5 5)"), of(SQUARE)) == 0
    assert distance(of("LINESTRING (0 12,10 12)"), of(SQUARE)) == 2
    assert length(of("MULTILINESTRING ((0 0,3 4),(0 0,0 1))")) == 6


def test_equals() -> None:
    assert equals(of(SQUARE), of("POLYGON ((10 0,10 10,0 10,0 5,0 0,10 0))"))
    assert not equals(of(SQUARE), of(ANGLE))
    assert not equals(of(SQUARE), of(RING))
    assert equals(of("POINT (1 2)"), of("POINT(1.0 2e0)"))
    assert not equals(of("POINT (1 2)"), of("POINT (1 3)"))
    assert equals(of("LINESTRING (0 0,10 10)"), of("LINESTRING (10 10,5 5,0 0)"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "POINT",
        "POINT ()",
        "POINT (7)",
        "POINT (7 95)",
        "POINT (200 51)",
        "POINT (7 51",
        "POINT (7 51) x",
        "POINT (a b)",
        "LINESTRING (7 51)",
        "POLYGON ((0 0,1 0,1 1))",
        "POLYGON ((0 0,1 0,1 1,0 1))",
        "POLYGON (0 0,1 0,1 1,0 0)",
        "POLYGON ((((0 0,1 0,1 1,0 0))))",
        "CIRCULARSTRING (0 0,1 1,2 0)",
        "POLYGON ((" + ",".join(["0 0"] * 3000) + "))",
    ],
)
def test_what_is_no_geometry(text: str) -> None:
    with pytest.raises(RequestError):
        read_wkt(text)


def test_spellings() -> None:
    for text in ("point(7 51)", "SRID=4326;POINT (7 51)", "POINT Z (7 51 120)", " POINT  ( 7   51 ) "):
        assert read_wkt(text).points == [(7.0, 51.0)]


def test_what_is_no_geojson() -> None:
    values: list[Any] = [
        None,
        5,
        "POINT (7 51)",
        {},
        {"type": "Point"},
        {"type": "Feature", "geometry": None},
    ]
    values += [
        {"type": []},
        {"type": "Polygon", "coordinates": 5},
        {"type": "Point", "coordinates": ["a", 1]},
    ]
    for value in values:
        assert shape(value) is None
    assert shape({"type": "Feature", "geometry": {"type": "Point", "coordinates": [7, 51, 3]}}) is not None


@given(st.text(alphabet="POINTLYGES ()0123456789.,-eMU", max_size=60))
def test_no_text_makes_it_fail(text: str) -> None:
    try:
        found = read_wkt(text)
    except RequestError:
        return
    assert found.size > 0


COORDINATES = st.integers(-10, 20).map(lambda number: number / 2)


@given(COORDINATES, COORDINATES)
def test_in_a_box_is_what_the_box_says(x: float, y: float) -> None:
    point = Shape(points=[(x, y)])
    assert within(point, of(SQUARE)) is (0 < x < 10 and 0 < y < 10)
    assert intersects(point, of(SQUARE)) is (0 <= x <= 10 and 0 <= y <= 10)


@given(COORDINATES, COORDINATES, st.integers(3, 12))
def test_in_a_regular_polygon(x: float, y: float, corners: int) -> None:
    """Whoever is in every half plane of its sides is in it."""
    turns = [2 * math.pi * corner / corners for corner in range(corners)]
    ring = [(5 + 4 * math.cos(turn), 5 + 4 * math.sin(turn)) for turn in turns]
    ring.append(ring[0])
    sides = [(x2 - x1) * (y - y1) - (y2 - y1) * (x - x1) for (x1, y1), (x2, y2) in pairwise(ring)]
    if min(abs(side) for side in sides) > 1e-9:
        assert within(Shape(points=[(x, y)]), Shape(areas=[[ring]])) is all(side > 0 for side in sides)


# --- how they lie to each other --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "two", "matrix"),
    [
        ("POINT (5 5)", SQUARE, "0FFFFF212"),
        ("POINT (0 5)", SQUARE, "F0FFFF212"),
        ("POINT (20 5)", SQUARE, "FF0FFF212"),
        ("POINT (5 5)", "POINT (5 5)", "0FFFFFFF2"),
        ("MULTIPOINT (5 5,6 6)", "POINT (5 5)", "0F0FFFFF2"),
        ("POINT (5 5)", "LINESTRING (0 0,10 10)", "0FFFFF102"),
        ("POINT (0 0)", "LINESTRING (0 0,10 10)", "F0FFFF102"),
        ("LINESTRING (1 1,9 9)", SQUARE, "1FF0FF212"),
        ("LINESTRING (-1 5,11 5)", SQUARE, "101FF0212"),
        ("LINESTRING (0 0,10 0)", SQUARE, "F1FF0F212"),
        ("LINESTRING (0 0,10 10)", "LINESTRING (0 10,10 0)", "0F1FF0102"),
        ("LINESTRING (0 0,10 10)", "LINESTRING (5 5,15 15)", "1010F0102"),
        ("LINESTRING (0 0,5 5)", "LINESTRING (5 5,9 5)", "FF1F00102"),
        (SQUARE, SQUARE, "2FFF1FFF2"),
        (SQUARE, "POLYGON ((5 5,15 5,15 15,5 15,5 5))", "212101212"),
        (SQUARE, "POLYGON ((10 0,20 0,20 10,10 10,10 0))", "FF2F11212"),
        (SQUARE, "POLYGON ((2 2,4 2,4 4,2 4,2 2))", "212FF1FF2"),
        ("POLYGON ((0 0,5 0,5 10,0 10,0 0))", SQUARE, "2FF11F212"),
        (SQUARE, "POLYGON ((20 20,30 20,30 30,20 20))", "FF2FF1212"),
        ("POLYGON ((4 4,6 4,6 6,4 6,4 4))", RING, "FF2F1F212"),
    ],
)
def test_relation(one: str, two: str, matrix: str) -> None:
    assert relation(of(one), of(two)) == matrix
    turned = "".join(matrix[row + 3 * column] for row in range(3) for column in range(3))
    assert relation(of(two), of(one)) == turned


def test_relations_by_name() -> None:
    beside = of("POLYGON ((10 0,20 0,20 10,10 10,10 0))")
    assert touches(of(SQUARE), beside)
    assert not touches(of(SQUARE), of("POLYGON ((5 5,15 5,15 15,5 15,5 5))"))
    assert touches(of("POINT (0 5)"), of(SQUARE))
    assert not touches(of("POINT (5 5)"), of(SQUARE))
    assert crosses(of("LINESTRING (-1 5,11 5)"), of(SQUARE))
    assert crosses(of(SQUARE), of("LINESTRING (-1 5,11 5)"))
    assert not crosses(of("LINESTRING (1 5,9 5)"), of(SQUARE))
    assert crosses(of("LINESTRING (0 0,10 10)"), of("LINESTRING (0 10,10 0)"))
    assert not crosses(of(SQUARE), beside)
    assert overlaps(of(SQUARE), of("POLYGON ((5 5,15 5,15 15,5 15,5 5))"))
    assert not overlaps(of(SQUARE), of(SQUARE))
    assert not overlaps(of("POINT (5 5)"), of(SQUARE))
    assert overlaps(of("LINESTRING (0 0,10 0)"), of("LINESTRING (5 0,15 0)"))
    assert not overlaps(of("LINESTRING (0 0,10 10)"), of("LINESTRING (0 10,10 0)"))
    assert relate(of("POINT (5 5)"), of(SQUARE), "T*F**F***")
    with pytest.raises(RequestError, match="A pattern has nine letters"):
        relate(of("POINT (5 5)"), of(SQUARE), "T*F")


BOXES = st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 4), st.integers(1, 4)).map(
    lambda box: Shape(
        areas=[
            [
                [
                    (box[0], box[1]),
                    (box[0] + box[2], box[1]),
                    (box[0] + box[2], box[1] + box[3]),
                    (box[0], box[1] + box[3]),
                    (box[0], box[1]),
                ]
            ]
        ]
    )
)
LINES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=2, unique=True).map(
    lambda line: Shape(lines=[line])
)
POINTS = st.tuples(st.integers(0, 6), st.integers(0, 6)).map(lambda point: Shape(points=[point]))


@given(BOXES | LINES | POINTS, BOXES | LINES | POINTS)
def test_relations_agree(one: Shape, two: Shape) -> None:
    """What is found quickly is what the matrix says, and the matrix turned is that of the two turned."""
    matrix = relation(one, two)
    turned = relation(two, one)
    assert turned == "".join(matrix[row + 3 * column] for row in range(3) for column in range(3))
    assert intersects(one, two) is not matches(matrix, "FF*FF****")
    assert within(one, two) is matches(matrix, "T*F**F***")
    assert equals(one, two) is matches(matrix, "T*F**FFF*")
    assert touches(one, two) is touches(two, one)


@given(BOXES, BOXES)
def test_boxes_lie_as_their_sides_say(one: Shape, two: Shape) -> None:
    (w1, s1, e1, n1), (w2, s2, e2, n2) = one.box, two.box
    shared = min(e1, e2) > max(w1, w2) and min(n1, n2) > max(s1, s2)
    apart = w1 > e2 or w2 > e1 or s1 > n2 or s2 > n1
    inside = w1 >= w2 and s1 >= s2 and e1 <= e2 and n1 <= n2
    around = w1 <= w2 and s1 <= s2 and e1 >= e2 and n1 >= n2
    assert touches(one, two) is (not shared and not apart)
    assert overlaps(one, two) is (shared and not inside and not around)
    assert within(one, two) is inside
