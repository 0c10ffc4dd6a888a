# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The city as a static drawing: what the map shows, for browsers without WebGL or JavaScript."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from portal.pages_rules import DASHBOARD

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from portal.pages_stations import Station

WIDTH = 1000
_PAD = 24
_MOST = 120
_CELL = 44


@dataclass(frozen=True, kw_only=True, slots=True)
class Outline:
    """The base map as SVG paths.

    Attributes:
        height: of the drawing; its width is `WIDTH`.
        paths: `d` of one path for each kind of feature, what lies below first.
        names: kind, name, x and y of what is written.
        box: west, north, degrees of longitude and of latitude to a unit of the drawing.
    """

    height: int
    paths: Mapping[str, str]
    names: tuple[tuple[str, str, int, int], ...]
    box: tuple[float, float, float, float]

    def point(self, position: tuple[float, float]) -> tuple[int, int]:
        """Return where a place is in the drawing."""
        west, north, step_x, step_y = self.box
        return round((position[0] - west) / step_x), round((north - position[1]) / step_y)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A sign in the drawing: of one station, or of several that are close to each other."""

    x: int
    y: int
    level: int
    stale: bool
    station: Station | None
    count: int


@cache
def outline() -> Outline:
    """Draw the base map, once."""
    features = json.loads((DASHBOARD / "map" / "hagen.geojson").read_text(encoding="utf-8"))["features"]
    city = next(each for each in features if each["properties"]["kind"] == "city")
    ring = city["geometry"]["coordinates"][0]
    west, east = min(point[0] for point in ring), max(point[0] for point in ring)
    south, north = min(point[1] for point in ring), max(point[1] for point in ring)
    step_x = (east - west) / (WIDTH - 2 * _PAD)
    step_y = step_x * math.cos(math.radians((south + north) / 2))
    box = (west - _PAD * step_x, north + _PAD * step_y, step_x, step_y)
    drawing = Outline(height=round((north - south) / step_y) + 2 * _PAD, paths={}, names=(), box=box)
    paths: dict[str, list[str]] = defaultdict(list)
    names: list[tuple[str, str, int, int]] = []
    for each in features:
        kind, geometry = each["properties"]["kind"], each["geometry"]
        if geometry["type"] == "Point":
            names.append((kind, each["properties"]["name"], *drawing.point(geometry["coordinates"])))
            continue
        closed = geometry["type"] == "Polygon"
        lines = geometry["coordinates"] if closed else [geometry["coordinates"]]
        paths[kind] += [_path(drawing, line, closed=closed) for line in lines]
    return Outline(
        height=drawing.height,
        paths={kind: "".join(parts) for kind, parts in paths.items()},
        names=tuple(names),
        box=box,
    )


def marks(stations: Iterable[Station], now: datetime) -> list[Mark]:
    """Return the signs of stations; where these are many, one for those that are close to each other."""
    drawing = outline()
    placed = [(drawing.point(each.position), each) for each in stations if each.position is not None]
    cells: dict[Any, list[tuple[tuple[int, int], Station]]] = defaultdict(list)
    for point, station in placed:
        key: Any = station.id if len(placed) <= _MOST else (point[0] // _CELL, point[1] // _CELL)
        cells[key].append((point, station))
    found = []
    for group in cells.values():
        live = [each for _, each in group if not each.stale(now)]
        found.append(
            Mark(
                x=sum(point[0] for point, _ in group) // len(group),
                y=sum(point[1] for point, _ in group) // len(group),
                level=max((each.verdict.level for each in live if each.verdict is not None), default=0),
                stale=not live,
                station=group[0][1] if len(group) == 1 else None,
                count=len(group),
            )
        )
    return sorted(found, key=lambda mark: (mark.x, mark.y))


def _path(drawing: Outline, line: Any, *, closed: bool) -> str:
    points = [drawing.point(point) for point in line]
    (x, y), rest = points[0], points[1:]
    text = f"M{x} {y}l"
    for there in rest:
        text += f"{there[0] - x} {there[1] - y} "
        x, y = there
    return text.rstrip() + ("z" if closed else "")
