# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Geometries of filters: read from WKT, compared with GeoJSON, in degrees (WGS 84, longitude first).

A map's extent asks which points lie in a polygon, and that is what is quick here; lines and areas are
compared exactly, piece by piece.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from portal.sensorthings.problems import RequestError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Position: TypeAlias = tuple[float, float]
Segment: TypeAlias = tuple[Position, Position]
Box: TypeAlias = tuple[float, float, float, float]

MOST_POSITIONS: Final = 2000
#: Degrees by which a calculated position may be beside the line that it was calculated on.
_ROUNDING: Final = 1e-12
_NUMBER = r"[+-]?\d{1,20}(?:\.\d{0,20})?(?:[eE][+-]?\d{1,3})?"
_TOKEN = re.compile(rf"\s*({_NUMBER}|[(),])")
_HEAD = re.compile(r"\s*(?:SRID=4326;)?\s*([A-Za-z]+)\s*(?:Z\s*)?(?=\()")
_DEPTHS: Final = {
    "POINT": ("Point", 0),
    "LINESTRING": ("LineString", 1),
    "POLYGON": ("Polygon", 2),
    "MULTIPOINT": ("MultiPoint", 1),
    "MULTILINESTRING": ("MultiLineString", 2),
    "MULTIPOLYGON": ("MultiPolygon", 3),
}


class Shape:
    """A geometry, taken apart.

    Attributes:
        points: positions that stand alone.
        lines: each a chain of positions.
        areas: each its outline, then its holes; rings are closed.
        box: west, south, east, north.
    """

    __slots__ = ("areas", "box", "lines", "points")

    def __init__(
        self,
        points: Sequence[Position] = (),
        lines: Sequence[Sequence[Position]] = (),
        areas: Sequence[Sequence[Sequence[Position]]] = (),
    ) -> None:
        self.points, self.lines, self.areas = points, lines, areas
        every = list(self.positions())
        xs, ys = [x for x, _ in every], [y for _, y in every]
        self.box: Box = (min(xs), min(ys), max(xs), max(ys))

    def positions(self) -> Iterator[Position]:
        """Yield all positions."""
        yield from self.points
        for line in self.lines:
            yield from line
        for area in self.areas:
            for ring in area:
                yield from ring

    def segments(self) -> Iterator[Segment]:
        """Yield the pieces of its lines and outlines."""
        for line in self.lines:
            yield from pairwise(line)
        for area in self.areas:
            for ring in area:
                yield from pairwise(ring)

    @property
    def size(self) -> int:
        """How many positions it has."""
        return sum(1 for _ in self.positions())


def read_wkt(text: str) -> Shape:
    """Read well-known text: `POINT (7.4 51.3)`, `POLYGON ((…))` and the like.

    Raises:
        RequestError: it is none, has too many positions, or lies beyond the earth.
    """
    head = _HEAD.match(text)
    kind = _DEPTHS.get(head[1].upper()) if head is not None else None
    if head is None or kind is None:
        msg = f"A geometry is written as POINT (7.4 51.3) or POLYGON ((…)), not {shown(text)}"
        raise RequestError(msg)
    name, depth = kind
    try:
        coordinates, place = _read(text, head.end(), depth + 1)
    except (ValueError, IndexError) as error:
        msg = f"The geometry {shown(text)} cannot be read"
        raise RequestError(msg) from error
    if text[place:].strip():
        msg = f"Behind the geometry stands {shown(text[place:].strip())}"
        raise RequestError(msg)
    if name == "Point":
        coordinates = coordinates[0]
    elif name == "MultiPoint":  # POINTs with brackets of their own, or without
        coordinates = [part[0] if isinstance(part[0], list) else part for part in coordinates]
    found = shape({"type": name, "coordinates": coordinates})
    if found is None:
        msg = f"{shown(text)} is no geometry on earth: longitude, then latitude; rings end where they begin"
        raise RequestError(msg)
    if found.size > MOST_POSITIONS:
        msg = f"A geometry of a filter has at most {MOST_POSITIONS} positions"
        raise RequestError(msg)
    return found


def _read(text: str, place: int, depth: int) -> tuple[list[Any], int]:
    """Read one bracket, in which are brackets down to a depth, then positions."""
    token, place = _token(text, place)
    if token != "(":  # noqa: S105 - a bracket
        raise ValueError(text)
    parts: list[Any] = []
    while True:
        if depth > 1 and text[place:].lstrip().startswith("("):
            part, place = _read(text, place, depth - 1)
        else:
            part, place = _position(text, place)
        parts.append(part)
        token, place = _token(text, place)
        if token == ")":  # noqa: S105 - a bracket
            return parts, place
        if token != ",":  # noqa: S105 - a comma
            raise ValueError(text)


def _position(text: str, place: int) -> tuple[list[float], int]:
    numbers: list[float] = []
    while True:
        found = _TOKEN.match(text, place)
        if found is None or found[1] in "(),":
            return numbers, place
        numbers.append(float(found[1]))
        place = found.end()


def _token(text: str, place: int) -> tuple[str, int]:
    found = _TOKEN.match(text, place)
    if found is None:
        raise ValueError(text)
    return found[1], found.end()


def shape(value: Any) -> Shape | None:
    """Take a GeoJSON geometry (or feature) apart; None: it is none."""
    if isinstance(value, Shape):
        return value
    if not isinstance(value, dict):
        return None
    if value.get("type") == "Feature":
        return shape(value.get("geometry"))
    make = _MAKERS.get(str(value.get("type")))
    try:
        return None if make is None else make(value.get("coordinates"))
    except (TypeError, ValueError, IndexError):
        return None


def _at(position: Any) -> Position:
    x, y = float(position[0]), float(position[1])
    if not (-180 <= x <= 180 and -90 <= y <= 90):  # noqa: PLR2004 - WGS 84
        raise ValueError(position)
    return x, y


@lru_cache(maxsize=8192)  # where a city's stations stand is asked again and again
def _point(x: float, y: float) -> Shape:
    return Shape(points=[_at((x, y))])


def _line(positions: Any) -> list[Position]:
    line = [_at(each) for each in positions]
    if len(line) < 2:  # noqa: PLR2004 - from somewhere to somewhere
        raise ValueError(positions)
    return line


def _ring(positions: Any) -> list[Position]:
    ring = [_at(each) for each in positions]
    if len(ring) < 4 or ring[0] != ring[-1]:  # noqa: PLR2004 - a triangle, closed
        raise ValueError(positions)
    return ring


_MAKERS: Final[Mapping[str, Callable[[Any], Shape]]] = {
    "Point": lambda position: _point(position[0], position[1]),
    "MultiPoint": lambda positions: Shape(points=[_at(each) for each in positions]),
    "LineString": lambda line: Shape(lines=[_line(line)]),
    "MultiLineString": lambda lines: Shape(lines=[_line(each) for each in lines]),
    "Polygon": lambda rings: Shape(areas=[[_ring(ring) for ring in rings]]),
    "MultiPolygon": lambda areas: Shape(areas=[[_ring(ring) for ring in area] for area in areas]),
}


# --- where a position is -------------------------------------------------------------------------------

INSIDE, BORDER, OUTSIDE = 1, 0, -1


def _in_ring(position: Position, ring: Sequence[Position]) -> int:
    """Say where a position is: count how often a ray to the east meets the ring."""
    x, y = position
    inside = False
    x1, y1 = ring[0]
    for x2, y2 in ring[1:]:
        if (y1 > y) != (y2 > y):
            side = (x2 - x1) * (y - y1) - (x - x1) * (y2 - y1)
            if side == 0:
                return BORDER
            if (side > 0) == (y2 > y1):
                inside = not inside
        elif (y1 == y == y2 and min(x1, x2) <= x <= max(x1, x2)) or (x, y) in ((x1, y1), (x2, y2)):
            return BORDER
        x1, y1 = x2, y2
    return INSIDE if inside else OUTSIDE


def _in_area(position: Position, area: Sequence[Sequence[Position]]) -> int:
    there = _in_ring(position, area[0])
    if there != INSIDE:
        return there
    for hole in area[1:]:
        in_hole = _in_ring(position, hole)
        if in_hole != OUTSIDE:
            return BORDER if in_hole == BORDER else OUTSIDE
    return INSIDE


def _on_segment(position: Position, segment: Segment) -> bool:
    (x, y), ((x1, y1), (x2, y2)) = position, segment
    cross = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
    span = math.hypot(x2 - x1, y2 - y1)
    if abs(cross) > 1e-12 * max(span, 1e-12):
        return False
    return min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2)


def where(position: Position, other: Shape) -> int:
    """Say where a position is to a shape: the ends of a line are its border, as an area's outline is."""
    west, south, east, north = other.box
    if not (west <= position[0] <= east and south <= position[1] <= north):
        return OUTSIDE
    if position in other.points:
        return INSIDE
    best = OUTSIDE
    for area in other.areas:
        best = max(best, _in_area(position, area))
    for line in other.lines:
        if any(_on_segment(position, segment) for segment in pairwise(line)):
            ends = line[0] != line[-1] and position in (line[0], line[-1])
            best = max(best, BORDER if ends else INSIDE)
    return best


def pieces(shape_: Shape, other: Shape) -> Iterator[Position]:
    """Yield a position in the middle of each piece that a shape's lines are cut into by another's."""
    others = list(other.segments())
    for start, end in shape_.segments():
        parts = {0.0, 1.0}
        for cut in others:
            parts.update(cuts((start, end), cut))
        for point in other.points:
            parts.update(cuts((start, end), (point, point)))
        for one, two in pairwise(sorted(parts)):
            middle = (one + two) / 2
            yield start[0] + (end[0] - start[0]) * middle, start[1] + (end[1] - start[1]) * middle


def cuts(segment: Segment, other: Segment) -> Iterator[float]:
    """Yield where along a segment (0 to 1) another one meets it."""
    (x1, y1), (x2, y2) = segment
    (x3, y3), (x4, y4) = other
    dx, dy, ex, ey = x2 - x1, y2 - y1, x4 - x3, y4 - y3
    across = dx * ey - dy * ex
    if across:
        along = ((x3 - x1) * ey - (y3 - y1) * ex) / across
        there = ((x3 - x1) * dy - (y3 - y1) * dx) / across
        if 0 <= along <= 1 and 0 <= there <= 1:
            yield along
        return
    length = dx * dx + dy * dy
    for x, y in other:
        if length and _on_segment((x, y), segment):
            yield ((x - x1) * dx + (y - y1) * dy) / length


def _apart(one: Shape, two: Shape) -> bool:
    w1, s1, e1, n1 = one.box
    w2, s2, e2, n2 = two.box
    return w1 > e2 or w2 > e1 or s1 > n2 or s2 > n1


# --- what filters ask ------------------------------------------------------------------------------------


def intersects(one: Shape, two: Shape) -> bool:
    """Whether they have anything in common."""
    if _apart(one, two):
        return False
    if any(where(position, two) != OUTSIDE for position in one.positions()):
        return True
    if any(where(position, one) != OUTSIDE for position in two.positions()):
        return True
    others = list(two.segments())
    return any(True for segment in one.segments() for other in others for _ in cuts(segment, other))


def within(one: Shape, two: Shape) -> bool:
    """Whether the first lies in the second, and not in its border alone."""
    (w1, s1, e1, n1), (w2, s2, e2, n2) = one.box, two.box
    if w1 < w2 or s1 < s2 or e1 > e2 or n1 > n2:
        return False
    inside = False
    for position in one.positions():
        there = where(position, two)
        if there == OUTSIDE:
            return False
        inside = inside or there == INSIDE
    for middle in pieces(one, two):
        there = near(middle, two)
        if there == OUTSIDE:
            return False
        inside = inside or there == INSIDE
    # a hole of the second that lies in the first takes a part of it away
    for area in two.areas:
        for hole in area[1:]:
            if any(where(position, one) == INSIDE for position in hole if one.areas):
                return False
    return inside or (bool(one.areas) and bool(two.areas))


def near(position: Position, other: Shape) -> int:
    """As `where`, of a position that was calculated and may be beside a line by a rounding."""
    for segment in other.segments():
        if _distance(position, segment) < _ROUNDING:
            if other.areas:
                return BORDER
            ends = (end for line in other.lines if line[0] != line[-1] for end in (line[0], line[-1]))
            return BORDER if any(math.dist(position, end) < _ROUNDING for end in ends) else INSIDE
    return where(position, other)


def equals(one: Shape, two: Shape) -> bool:
    """Whether they are the same places."""
    if set(one.points) != set(two.points) or one.box != two.box:
        return False
    return _covered(one, two) and _covered(two, one)


def _covered(one: Shape, two: Shape) -> bool:
    """Whether the lines of one lie in the other; of areas, their outlines in the other's."""
    there = (BORDER,) if one.areas else (BORDER, INSIDE)
    return all(where(position, two) in there for position in one.positions()) and all(
        near(middle, two) in there for middle in pieces(one, two)
    )


def distance(one: Shape, two: Shape) -> float:
    """Degrees between the closest positions of two: the unit of the coordinates, as OData has it."""
    if len(one.points) == 1 == len(two.points) and not (one.lines or one.areas or two.lines or two.areas):
        return math.dist(one.points[0], two.points[0])
    if intersects(one, two):
        return 0.0
    best = math.inf
    for first, second in ((one, two), (two, one)):
        segments = list(second.segments()) or [(point, point) for point in second.points]
        for position in first.positions():
            for segment in segments:
                best = min(best, _distance(position, segment))
        for point in second.points:
            best = min([best, *(math.dist(position, point) for position in first.positions())])
    return best


def _distance(position: Position, segment: Segment) -> float:
    (x, y), ((x1, y1), (x2, y2)) = position, segment
    dx, dy = x2 - x1, y2 - y1
    length = dx * dx + dy * dy
    along = 0.0 if not length else min(1.0, max(0.0, ((x - x1) * dx + (y - y1) * dy) / length))
    return math.hypot(x - x1 - along * dx, y - y1 - along * dy)


def length(one: Shape) -> float:
    """Degrees along its lines."""
    return sum(math.dist(start, end) for line in one.lines for start, end in pairwise(line))
