# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""GeoJSON geometries (RFC 7946) and how two of them lie to each other.

Coordinates are longitude and latitude in degrees (WGS 84). Shapes are compared in the plane of
longitude and latitude; distances are metres on a sphere. For a city that is exact to a few
parts in a thousand. Shapes across the date line or around a pole are not understood.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

Position: TypeAlias = tuple[float, float]
Segment: TypeAlias = tuple[Position, Position]
Ring: TypeAlias = tuple[Position, ...]
Box: TypeAlias = tuple[float, float, float, float]

EARTH_RADIUS = 6_371_008.8  # metres, mean
_METRES_PER_DEGREE = EARTH_RADIUS * math.pi / 180
_HALF_TURN = 180.0
_POLAR = 89.0  # degrees of latitude, beyond which meridians are next to each other
_EPSILON = 1e-12  # degrees; a tenth of a micrometre
_NUMBERS = frozenset({int, float})
_MAX_POSITIONS = 10_000
_DEPTHS = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}


class GeometryError(ValueError):
    """It is no GeoJSON geometry."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Geometry:
    """A geometry taken apart: what of it is points, lines and areas.

    Attributes:
        points: positions that stand alone.
        lines: each at least two positions.
        polygons: each an outer ring and its holes; rings are closed.
        box: west, south, east, north.
    """

    points: tuple[Position, ...]
    lines: tuple[Ring, ...]
    polygons: tuple[tuple[Ring, ...], ...]
    box: Box

    @property
    def dimension(self) -> int:
        """0 for points, 1 for lines, 2 for areas."""
        return 2 if self.polygons else 1 if self.lines else 0

    @property
    def is_point(self) -> bool:
        """Whether it is one position and nothing else."""
        return self.dimension == 0 and len(self.points) == 1

    def segments(self) -> list[Segment]:
        """Return every straight piece of its lines and rings."""
        rings = [*self.lines, *(ring for polygon in self.polygons for ring in polygon)]
        return [piece for ring in rings for piece in pairwise(ring)]

    def vertices(self) -> list[Position]:
        """Return every position."""
        rings = [*self.lines, *(ring for polygon in self.polygons for ring in polygon)]
        return [*self.points, *(position for ring in rings for position in ring)]


def read_geometry(value: Any) -> Geometry:
    """Read a GeoJSON geometry.

    Raises:
        GeometryError: the sentence says what is wrong.
    """
    if not isinstance(value, dict) or "coordinates" not in value:
        msg = "it needs type and coordinates"
        raise GeometryError(msg)
    kind, coordinates = value.get("type"), value["coordinates"]
    if not isinstance(kind, str) or kind not in _DEPTHS:
        msg = f"{str(kind)[:50]!r} is none of {', '.join(_DEPTHS)}"
        raise GeometryError(msg)
    if kind == "Point":
        point = _position(coordinates)
        return Geometry(points=(point,), lines=(), polygons=(), box=(*point, *point))
    positions: list[Position] = []
    shape = _shape(coordinates, _DEPTHS[kind], positions)
    if not positions:
        msg = "it has no coordinates"
        raise GeometryError(msg)
    many = shape if kind.startswith("Multi") else [shape]
    points = tuple(many) if kind.endswith("Point") else ()
    lines = tuple(_line(line) for line in many) if kind.endswith("LineString") else ()
    polygons = (
        tuple(tuple(_ring(ring) for ring in polygon) for polygon in many) if kind.endswith("Polygon") else ()
    )
    if any(not polygon for polygon in polygons):
        msg = "a polygon needs an outer ring"
        raise GeometryError(msg)
    longitudes, latitudes = [x for x, _ in positions], [y for _, y in positions]
    box = (min(longitudes), min(latitudes), max(longitudes), max(latitudes))
    return Geometry(points=points, lines=lines, polygons=polygons, box=box)


def is_plain_point(value: Any) -> bool:
    """Say whether it is a GeoJSON point on the globe that says no more than where it lies."""
    if type(value) is not dict or len(value) != 2 or value.get("type") != "Point":  # noqa: PLR2004 - as said
        return False
    position = value.get("coordinates")
    if type(position) is not list or len(position) != 2:  # noqa: PLR2004 - as said
        return False
    longitude, latitude = position
    if type(longitude) is not float or type(latitude) is not float:
        return False
    return -180 <= longitude <= 180 and -90 <= latitude <= 90  # noqa: PLR2004 - degrees


def box_of(value: Any) -> Box:
    """Return the box around a GeoJSON geometry that was read before."""
    if value["type"] == "Point":
        longitude, latitude = value["coordinates"][:2]
        return (longitude, latitude, longitude, latitude)
    return read_geometry(value).box


def _shape(given: Any, depth: int, found: list[Position]) -> Any:
    if depth > 0:
        if not isinstance(given, list):
            msg = "its coordinates are not nested as its type asks"
            raise GeometryError(msg)
        return tuple(_shape(item, depth - 1, found) for item in given)
    if len(found) >= _MAX_POSITIONS:
        msg = f"it has more than {_MAX_POSITIONS} positions"
        raise GeometryError(msg)
    found.append(_position(given))
    return found[-1]


def _position(given: Any) -> Position:
    numbers = isinstance(given, list) and all(type(item) in _NUMBERS for item in given)
    if not numbers or not 2 <= len(given) <= 4:  # noqa: PLR2004 - longitude, latitude, and what may follow
        msg = f"a position is [longitude, latitude], not {str(given)[:60]}"
        raise GeometryError(msg)
    longitude, latitude = float(given[0]), float(given[1])
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):  # noqa: PLR2004 - degrees
        msg = f"[{longitude}, {latitude}] is not on the globe: longitude comes first"
        raise GeometryError(msg)
    return longitude, latitude


def _line(positions: Ring) -> Ring:
    if len(positions) < 2:  # noqa: PLR2004 - both ends
        msg = "a line has at least two positions"
        raise GeometryError(msg)
    return positions


def _ring(positions: Ring) -> Ring:
    if len(positions) < 4 or positions[0] != positions[-1]:  # noqa: PLR2004 - a triangle, closed
        msg = "a ring has at least four positions, the last the same as the first"
        raise GeometryError(msg)
    return positions


def distance(first: Geometry, second: Geometry) -> float:
    """Return the shortest distance of two geometries in metres; 0 where they meet."""
    if intersects(first, second):
        return 0.0
    pairs = [(position, second) for position in first.vertices()]
    pairs += [(position, first) for position in second.vertices()]
    return min(_distance_to(position, other) for position, other in pairs)


def intersects(first: Geometry, second: Geometry) -> bool:
    """Say whether they have a position in common."""
    if not boxes_meet(first.box, second.box):
        return False
    if any(covers(second, position) for position in first.vertices()):
        return True
    if any(covers(first, position) for position in second.vertices()):
        return True
    others = second.segments()
    return any(_crossings(piece, other) for piece in first.segments() for other in others)


def within(inner: Geometry, outer: Geometry) -> bool:
    """Say whether no part of the inner geometry is outside the outer one, and some is not on its border.

    So has the standard that clause 4.10 refers to, OGC's Simple Feature Access.
    """
    if not _covered(inner, outer):
        return False
    if inner.dimension == outer.dimension:
        return True
    if outer.dimension == 1:
        return not _ends(outer).issuperset(inner.points)
    edges = outer.segments()
    probes = [position for piece in inner.segments() for position in _probes(piece, edges)]
    return any(_strictly_inside(outer, position) for position in (*inner.vertices(), *probes))


def _ends(lines: Geometry) -> set[Position]:
    """Return the border of lines: where an odd number of them ends."""
    ends = [end for line in lines.lines for end in (line[0], line[-1])]
    return {end for end in ends if ends.count(end) % 2}


def _covered(inner: Geometry, outer: Geometry) -> bool:
    """Say whether no part of the inner geometry is outside the outer one."""
    if inner.dimension > outer.dimension:
        return False
    edges = outer.segments()
    for piece in inner.segments():
        if not all(covers(outer, position) for position in _probes(piece, edges)):
            return False
    if not all(covers(outer, position) for position in inner.vertices()):
        return False
    holes = [ring for polygon in outer.polygons for ring in polygon[1:]]
    return not any(_strictly_inside(inner, position) for ring in holes for position in _ring_probes(ring))


def overlaps(first: Geometry, second: Geometry) -> bool:
    """Say whether they share a part of their own dimension and neither lies within the other."""
    if first.dimension != second.dimension or _covered(first, second) or _covered(second, first):
        return False
    if first.dimension == 0:
        return intersects(first, second)
    test = _strictly_inside if first.dimension == 2 else covers  # noqa: PLR2004 - areas
    return any(
        test(other, position)
        for one, other in ((first, second), (second, first))
        for piece in one.segments()
        for position in _probes(piece, other.segments())
    )


def equals(first: Geometry, second: Geometry) -> bool:
    """Say whether they cover the same positions."""
    return first.dimension == second.dimension and _covered(first, second) and _covered(second, first)


def covers(geometry: Geometry, position: Position) -> bool:
    """Say whether a position lies in or on a geometry."""
    if not boxes_meet(geometry.box, (*position, *position)):
        return False
    if position in geometry.points:
        return True
    if any(_on_segment(position, piece) for piece in geometry.segments()):
        return True
    return _strictly_inside(geometry, position)


def boxes_meet(first: Box, second: Box) -> bool:
    """Say whether two boxes have a position in common."""
    return first[0] <= second[2] and second[0] <= first[2] and first[1] <= second[3] and second[1] <= first[3]


def widened(box: Box, metres: float) -> Box:
    """Return a box that holds everything within a distance of another box.

    Near a pole, or where it would go on beyond the 180th meridian, it holds all longitudes.
    """
    west, south, east, north = box
    high = metres / _METRES_PER_DEGREE * 1.01 + 1e-9
    furthest = max(abs(south - high), abs(north + high))
    wide = high / math.cos(math.radians(min(_POLAR, furthest)))
    if metres and (furthest > _POLAR or west - wide < -_HALF_TURN or east + wide > _HALF_TURN):
        west, east = -_HALF_TURN, _HALF_TURN
    return (
        max(-_HALF_TURN, west - wide),
        max(-90.0, south - high),
        min(_HALF_TURN, east + wide),
        min(90.0, north + high),
    )


def _strictly_inside(geometry: Geometry, position: Position) -> bool:
    """Say whether a position lies inside an area, not on its border."""
    for polygon in geometry.polygons:
        on_border = any(_on_segment(position, piece) for ring in polygon for piece in pairwise(ring))
        in_hole = any(_winds(ring, position) for ring in polygon[1:])
        if not on_border and not in_hole and _winds(polygon[0], position):
            return True
    return False


def _winds(ring: Ring, position: Position) -> bool:
    """Say whether a ray to the east crosses the ring an odd number of times."""
    x, y = position
    inside = False
    for (x1, y1), (x2, y2) in pairwise(ring):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


def _on_segment(position: Position, piece: Segment) -> bool:
    (x, y), ((x1, y1), (x2, y2)) = position, piece
    dx, dy = x2 - x1, y2 - y1
    length = math.hypot(dx, dy)
    if length == 0:
        return math.hypot(x - x1, y - y1) <= _EPSILON
    if abs((x - x1) * dy - (y - y1) * dx) / length > _EPSILON:
        return False
    along = ((x - x1) * dx + (y - y1) * dy) / length
    return -_EPSILON <= along <= length + _EPSILON


def _crossings(piece: Segment, other: Segment) -> list[float]:
    """Return where along a piece (0 to 1) another one meets it."""
    (x1, y1), (x2, y2) = piece
    (x3, y3), (x4, y4) = other
    dx, dy, ex, ey = x2 - x1, y2 - y1, x4 - x3, y4 - y3
    cross = dx * ey - dy * ex
    if cross == 0:
        length = dx * dx + dy * dy
        if length == 0:
            return [0.0] if _on_segment((x1, y1), other) else []
        ends = [end for end in other if _on_segment(end, piece)]
        starts = [0.0] if _on_segment((x1, y1), other) else []
        return starts + [((x - x1) * dx + (y - y1) * dy) / length for x, y in ends]
    along = ((x3 - x1) * ey - (y3 - y1) * ex) / cross
    across = ((x3 - x1) * dy - (y3 - y1) * dx) / cross
    return [along] if 0 <= along <= 1 and 0 <= across <= 1 else []


def _probes(piece: Segment, edges: list[Segment]) -> list[Position]:
    """Return a position in each stretch of a piece between two crossings with the edges."""
    (x1, y1), (x2, y2) = piece
    stops = sorted({0.0, 1.0, *(stop for edge in edges for stop in _crossings(piece, edge))})
    middles = [(start + end) / 2 for start, end in pairwise(stops) if end - start > _EPSILON]
    return [(x1 + (x2 - x1) * middle, y1 + (y2 - y1) * middle) for middle in middles]


def _ring_probes(ring: Ring) -> list[Position]:
    return [*ring, *(((x1 + x2) / 2, (y1 + y2) / 2) for (x1, y1), (x2, y2) in pairwise(ring))]


def _distance_to(position: Position, geometry: Geometry) -> float:
    """Return the distance in metres from a position to the nearest point of a geometry."""
    x, y = position
    nearest = [_haversine(position, point) for point in geometry.points]
    for (x1, y1), (x2, y2) in geometry.segments():
        # the foot of the perpendicular, in a plane whose units are alike in both directions
        scale = math.cos(math.radians(y))
        dx, dy = (x2 - x1) * scale, y2 - y1
        length = dx * dx + dy * dy
        along = 0.0 if length == 0 else ((x - x1) * scale * dx + (y - y1) * dy) / length
        along = min(1.0, max(0.0, along))
        nearest.append(_haversine(position, (x1 + (x2 - x1) * along, y1 + (y2 - y1) * along)))
    return min(nearest)


def _haversine(first: Position, second: Position) -> float:
    (x1, y1), (x2, y2) = first, second
    half_y, half_x = math.radians(y2 - y1) / 2, math.radians(x2 - x1) / 2
    chord = (
        math.sin(half_y) ** 2
        + math.cos(math.radians(y1)) * math.cos(math.radians(y2)) * math.sin(half_x) ** 2
    )
    return 2 * EARTH_RADIUS * math.asin(min(1.0, math.sqrt(chord)))
