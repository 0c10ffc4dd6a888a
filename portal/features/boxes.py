# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Boxes, and which geometries touch them (17-069r4, 7.15.3; 18-058, 6.3)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from portal.features.crs import CRS84
from portal.features.errors import RefusedRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from portal.features.crs import Crs

# A space stands for the + of a number where that was not encoded.
_NUMBER = re.compile(r"[+\- ]?(?:\d{1,300}(?:\.\d{0,300})?|\.\d{1,300})(?:[eE][+\- ]?\d{1,3})?", re.ASCII)
_FLAT, _SOLID = 4, 6  # numbers of a box without and with heights


@dataclass(frozen=True, kw_only=True, slots=True)
class Rectangle:
    """A rectangle, its edges belong to it."""

    left: float
    bottom: float
    right: float
    top: float

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies in it."""
        return self.left <= x <= self.right and self.bottom <= y <= self.top

    def meets(self, start: Sequence[float], end: Sequence[float]) -> bool:
        """Whether a straight line touches it (Liang and Barsky's clipping)."""
        enters, leaves = 0.0, 1.0
        for low, high, first, last in (
            (self.left, self.right, start[0], end[0]),
            (self.bottom, self.top, start[1], end[1]),
        ):
            way = last - first
            if way == 0:
                if not low <= first <= high:
                    return False
                continue
            near, far = sorted(((low - first) / way, (high - first) / way))
            enters, leaves = max(enters, near), min(leaves, far)
            if enters > leaves:
                return False
        return True

    def inside(self, rings: Sequence[Sequence[Sequence[float]]]) -> bool:
        """Whether a corner of it lies in a polygon: outside of its holes, by the number of crossings."""
        x, y, within = self.left, self.bottom, False
        for ring in rings:
            for (x1, y1, *_), (x2, y2, *_) in pairwise(ring):
                if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
                    within = not within
        return within


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """A box that was asked for.

    Attributes:
        crs: the system that it is in.
        rectangles: one, or two on both sides of the antimeridian; x before y.
        heights: the lowest and the highest; None: of all heights.
    """

    crs: Crs
    rectangles: tuple[Rectangle, ...]
    heights: tuple[float, float] | None = None

    def touches(self, geometry: Mapping[str, Any]) -> bool:
        """Whether a geometry (GeoJSON, longitude and latitude) and the box have a point in common.

        A geometry without heights has any height.
        """
        if self.heights is not None:
            there = [position[2] for position in _positions(geometry) if len(position) > 2]  # noqa: PLR2004 - x, y, height
            if there and (max(there) < self.heights[0] or min(there) > self.heights[1]):
                return False
        if not geometry.get("coordinates", True):
            return False  # an empty geometry (RFC 7946, 3.1)
        if geometry["type"] == "Point":
            longitude, latitude, *_ = geometry["coordinates"]
            point = self.crs.project(longitude, latitude)
            return point is not None and any(rectangle.holds(*point) for rectangle in self.rectangles)
        placed = self.crs.geometry(geometry, x_first=True)
        if placed is None:
            return False
        return any(_touches(rectangle, placed) for rectangle in self.rectangles)


def parse_number(text: str) -> float | None:
    """Read a decimal number; None: it is none, or not a finite one."""
    number = float(text.replace(" ", "+")) if _NUMBER.fullmatch(text) else math.nan
    return number if math.isfinite(number) else None


def parse_box(text: str, crs: Crs = CRS84) -> Box:
    """Read a box: four numbers, or six with heights, in the order of the system's axes.

    Where the system is of degrees, a box whose west is east of its east crosses the antimeridian.

    Raises:
        RefusedRequestError: it is none; the text says what is wrong.
    """
    numbers = [number for part in text.split(",") if (number := parse_number(part)) is not None]
    if len(numbers) not in {_FLAT, _SOLID} or len(numbers) != text.count(",") + 1:
        msg = f"A bbox is four numbers, or six with heights, separated by commas, not {text[:100]!r}."
        raise RefusedRequestError(msg)
    half = len(numbers) // 2
    (left, bottom), (right, top) = numbers[:2], numbers[half : half + 2]
    if crs.flipped:
        left, bottom, right, top = bottom, left, top, right
    heights = (numbers[2], numbers[5]) if len(numbers) == _SOLID else None
    if crs.degrees and not (-180 <= left <= 180 and -180 <= right <= 180 and bottom >= -90 and top <= 90):  # noqa: PLR2004 - the Earth
        msg = f"The bbox {text[:100]!r} is not on the Earth: longitudes are -180 to 180, latitudes -90 to 90."
        raise RefusedRequestError(msg)
    if bottom > top or (heights is not None and heights[0] > heights[1]):
        msg = f"The bbox {text[:100]!r} ends before it begins: lower corner first, then upper corner."
        raise RefusedRequestError(msg)
    if left <= right:
        rectangles: tuple[Rectangle, ...] = (Rectangle(left=left, bottom=bottom, right=right, top=top),)
    elif crs.degrees:
        rectangles = (
            Rectangle(left=left, bottom=bottom, right=180, top=top),
            Rectangle(left=-180, bottom=bottom, right=right, top=top),
        )
    else:
        msg = f"The bbox {text[:100]!r} ends before it begins: lower corner first, then upper corner."
        raise RefusedRequestError(msg)
    return Box(crs=crs, rectangles=rectangles, heights=heights)


def bounds(geometries: Sequence[Mapping[str, Any]]) -> tuple[float, float, float, float] | None:
    """Return west, south, east and north of geometries (degrees); None: there are none."""
    positions = [position for geometry in geometries for position in _positions(geometry)]
    if not positions:
        return None
    longitudes = [position[0] for position in positions]
    latitudes = [position[1] for position in positions]
    return min(longitudes), min(latitudes), max(longitudes), max(latitudes)


def _touches(rectangle: Rectangle, geometry: Mapping[str, Any]) -> bool:
    kind = geometry["type"]
    if kind == "GeometryCollection":
        return any(_touches(rectangle, part) for part in geometry["geometries"])
    coordinates = geometry["coordinates"]
    if kind == "Point":
        return rectangle.holds(coordinates[0], coordinates[1])
    if kind == "MultiPoint":
        return any(rectangle.holds(position[0], position[1]) for position in coordinates)
    if kind == "LineString":
        return _crosses(rectangle, coordinates)
    if kind == "MultiLineString":
        return any(_crosses(rectangle, line) for line in coordinates)
    polygons = [coordinates] if kind == "Polygon" else coordinates
    return any(
        any(_crosses(rectangle, ring) for ring in rings) or rectangle.inside(rings) for rings in polygons
    )


def _crosses(rectangle: Rectangle, line: Sequence[Sequence[float]]) -> bool:
    return any(rectangle.meets(start, end) for start, end in pairwise(line))


def _positions(geometry: Mapping[str, Any]) -> Iterator[Sequence[float]]:
    if geometry.get("type") == "GeometryCollection":
        for part in geometry["geometries"]:
            yield from _positions(part)
        return
    waiting = [geometry["coordinates"]]
    while waiting:
        coordinates = waiting.pop()
        if coordinates and isinstance(coordinates[0], list | tuple):
            waiting.extend(coordinates)
        elif coordinates:
            yield coordinates
