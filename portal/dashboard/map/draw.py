# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Draw the base map of Hagen: a simplified picture of our own making, no survey data.

    python portal/dashboard/map/draw.py        write hagen.geojson anew

Lines are given by few points and rounded off here. Lines that two districts share are one entry
of `LINES`, so that neighbours meet without gaps. Coordinates are longitude, latitude (WGS 84).
"""

# ruff: noqa: E501, INP001 - points stand in long rows; a script beside what it writes, in no package
from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

Point: TypeAlias = tuple[float, float]

I = (7.541, 51.408)  # noqa: E741 - nodes where three districts meet have one letter
K = (7.404, 51.374)
P = (7.430, 51.378)
Q = (7.513, 51.343)
S = (7.582, 51.302)
C = (7.450, 51.301)
M = (7.455, 51.316)

LINES: dict[str, list[Point]] = {
    "north": [K, (7.397, 51.383), (7.392, 51.392), (7.410, 51.3985), (7.432, 51.405), (7.447, 51.4155),
              (7.470, 51.418), (7.493, 51.4165), (7.512, 51.4215), (7.532, 51.4205), I],
    "east": [I, (7.549, 51.396), (7.563, 51.388), (7.580, 51.385), (7.596, 51.377), (7.612, 51.367),
             (7.622, 51.352), (7.618, 51.338), (7.604, 51.327), (7.598, 51.312), S],
    "south": [S, (7.566, 51.292), (7.561, 51.278), (7.549, 51.267), (7.531, 51.263), (7.519, 51.271),
              (7.512, 51.284), (7.497, 51.293), (7.486, 51.303), (7.468, 51.307), C],
    "west": [C, (7.431, 51.302), (7.418, 51.311), (7.402, 51.318), (7.391, 51.330), (7.382, 51.343),
             (7.387, 51.355), (7.399, 51.364), K],
    "north-haspe": [K, (7.416, 51.3775), P],
    "north-mitte": [P, (7.452, 51.3785), (7.470, 51.378), (7.492, 51.381), (7.512, 51.387), (7.529, 51.398), I],
    "haspe-mitte": [P, (7.428, 51.367), (7.436, 51.357), (7.441, 51.344), (7.450, 51.330), M],
    "haspe-eilpe": [M, (7.452, 51.308), C],
    "mitte-eilpe": [M, (7.461, 51.335), (7.474, 51.3445), (7.4875, 51.350), (7.500, 51.347), Q],
    "mitte-limburg": [I, (7.537, 51.394), (7.527, 51.379), (7.529, 51.365), (7.523, 51.352), Q],
    "eilpe-limburg": [Q, (7.527, 51.333), (7.541, 51.322), (7.556, 51.313), (7.570, 51.307), S],
}  # fmt: skip

DISTRICTS: dict[str, tuple[Point, list[str]]] = {
    "Nord": ((7.474, 51.3965), ["north", "-north-mitte", "-north-haspe"]),
    "Mitte": ((7.4745, 51.3635), ["north-mitte", "mitte-limburg", "-mitte-eilpe", "-haspe-mitte"]),
    "Haspe": ((7.409, 51.353), ["north-haspe", "haspe-mitte", "haspe-eilpe", "west"]),
    "Eilpe/Dahl": ((7.505, 51.309), ["mitte-eilpe", "eilpe-limburg", "south", "-haspe-eilpe"]),
    "Hohenlimburg": ((7.588, 51.354), ["east", "-eilpe-limburg", "-mitte-limburg"]),
}

PLACES: dict[str, Point] = {
    "Boele": (7.470, 51.4005), "Vorhalle": (7.427, 51.3925), "Garenfeld": (7.521, 51.4115),
    "Wehringhausen": (7.449, 51.3535), "Altenhagen": (7.483, 51.370), "Emst": (7.499, 51.3555),
    "Halden": (7.517, 51.3755), "Eilpe": (7.4965, 51.3405), "Dahl": (7.536, 51.3025), "Rummenohl": (7.541, 51.2755),
    "Berchum": (7.551, 51.3795), "Elsey": (7.571, 51.3615), "Nahmer": (7.582, 51.330), "Westerbauer": (7.394, 51.3445),
}  # fmt: skip

RIVERS: dict[str, list[Point]] = {
    "Ruhr": [(7.552, 51.4235), (7.532, 51.4175), (7.512, 51.4165), (7.494, 51.4125), (7.470, 51.4135), (7.448, 51.4115),
             (7.438, 51.402), (7.424, 51.3965), (7.406, 51.3935), (7.388, 51.3885), (7.374, 51.384)],
    "Lenne": [(7.634, 51.360), (7.614, 51.3645), (7.600, 51.3575), (7.586, 51.3525), (7.569, 51.3495), (7.557, 51.3555),
              (7.549, 51.366), (7.539, 51.3745), (7.526, 51.383), (7.511, 51.392), (7.500, 51.401), (7.494, 51.4125)],
    "Volme": [(7.552, 51.2555), (7.5405, 51.2665), (7.535, 51.280), (7.5295, 51.2965), (7.522, 51.3095), (7.509, 51.3235),
              (7.4975, 51.333), (7.4895, 51.3445), (7.483, 51.352), (7.4768, 51.3592), (7.4685, 51.366),
              (7.466, 51.3735), (7.457, 51.383), (7.446, 51.392), (7.435, 51.3995)],
    "Ennepe": [(7.372, 51.333), (7.386, 51.3365), (7.400, 51.343), (7.417, 51.3478), (7.431, 51.3555), (7.446, 51.3585),
               (7.456, 51.3655), (7.4655, 51.3715)],
    "Nahmerbach": [(7.590, 51.318), (7.581, 51.328), (7.5755, 51.338), (7.5712, 51.3447), (7.569, 51.3495)],
    "Hasper Bach": [(7.430, 51.307), (7.4235, 51.318), (7.417, 51.329), (7.4135, 51.3395), (7.417, 51.3478)],
    "Selbecker Bach": [(7.466, 51.309), (7.474, 51.319), (7.482, 51.332), (7.488, 51.343)],
}  # fmt: skip

LAKES: dict[str, list[Point]] = {
    "Hengsteysee": [(7.447, 51.4105), (7.456, 51.4105), (7.470, 51.4118), (7.486, 51.411), (7.494, 51.412),
                    (7.487, 51.414), (7.470, 51.4155), (7.456, 51.4145), (7.448, 51.4128)],
    "Harkortsee": [(7.396, 51.390), (7.410, 51.3928), (7.424, 51.395), (7.430, 51.398), (7.424, 51.3985),
                   (7.410, 51.3962), (7.397, 51.393)],
    "Hasper Talsperre": [(7.428, 51.3065), (7.432, 51.3045), (7.4335, 51.3075), (7.429, 51.312), (7.4255, 51.3135)],
}  # fmt: skip

WOODS: list[list[Point]] = [
    [(7.449, 51.334), (7.463, 51.340), (7.474, 51.342), (7.482, 51.336), (7.476, 51.324), (7.468, 51.313), (7.458, 51.312)],
    [(7.394, 51.331), (7.408, 51.331), (7.411, 51.321), (7.424, 51.312), (7.419, 51.312), (7.402, 51.320)],
    [(7.434, 51.331), (7.445, 51.330), (7.450, 51.313), (7.447, 51.304), (7.437, 51.306), (7.428, 51.319)],
    [(7.493, 51.319), (7.505, 51.315), (7.515, 51.304), (7.522, 51.293), (7.524, 51.281), (7.518, 51.279), (7.506, 51.293),
     (7.490, 51.305)],
    [(7.507, 51.338), (7.519, 51.341), (7.533, 51.330), (7.548, 51.318), (7.570, 51.309), (7.562, 51.297), (7.547, 51.294),
     (7.540, 51.306), (7.527, 51.316), (7.514, 51.327)],
    [(7.543, 51.346), (7.561, 51.342), (7.566, 51.331), (7.574, 51.319), (7.566, 51.315), (7.548, 51.326), (7.535, 51.337)],
    [(7.584, 51.345), (7.601, 51.346), (7.615, 51.346), (7.614, 51.338), (7.600, 51.330), (7.590, 51.330), (7.584, 51.337)],
    [(7.566, 51.384), (7.580, 51.381), (7.596, 51.373), (7.600, 51.366), (7.588, 51.367), (7.572, 51.372), (7.562, 51.378)],
    [(7.501, 51.372), (7.509, 51.377), (7.513, 51.370), (7.508, 51.364), (7.500, 51.365)],
    [(7.416, 51.386), (7.432, 51.390), (7.444, 51.386), (7.440, 51.381), (7.424, 51.380), (7.411, 51.380)],
]  # fmt: skip

ROADS: dict[str, tuple[str, list[Point]]] = {
    "A 1": ("motorway", [(7.549, 51.4285), (7.530, 51.419), (7.508, 51.404), (7.489, 51.3935), (7.464, 51.385),
                         (7.440, 51.3795), (7.418, 51.371), (7.398, 51.3605), (7.374, 51.349)]),
    "A 45": ("motorway", [(7.531, 51.4285), (7.535, 51.411), (7.5415, 51.392), (7.5415, 51.3785), (7.536, 51.362),
                          (7.5355, 51.343), (7.5465, 51.326), (7.560, 51.309), (7.573, 51.295), (7.586, 51.2815)]),
    "A 46": ("motorway", [(7.5415, 51.385), (7.558, 51.3745), (7.578, 51.3705), (7.600, 51.3715), (7.630, 51.3735)]),
    "B 54": ("road", [(7.546, 51.2555), (7.5365, 51.2665), (7.531, 51.280), (7.526, 51.2965), (7.518, 51.309),
                      (7.505, 51.324), (7.494, 51.334), (7.486, 51.3445), (7.480, 51.353), (7.4725, 51.360),
                      (7.464, 51.3665), (7.4625, 51.376), (7.4635, 51.387), (7.4655, 51.399), (7.467, 51.4165)]),
    "B 7": ("road", [(7.372, 51.336), (7.396, 51.3445), (7.416, 51.3505), (7.436, 51.356), (7.455, 51.3585),
                     (7.4725, 51.360), (7.488, 51.3615), (7.508, 51.368), (7.524, 51.3695), (7.540, 51.3635),
                     (7.556, 51.352), (7.569, 51.351), (7.588, 51.3565), (7.612, 51.366), (7.630, 51.363)]),
    "B 226": ("road", [(7.464, 51.3665), (7.447, 51.376), (7.430, 51.388), (7.412, 51.390), (7.392, 51.386)]),
    "Feithstraße": ("road", [(7.4725, 51.360), (7.485, 51.3665), (7.4915, 51.377), (7.493, 51.389), (7.496, 51.401)]),
}  # fmt: skip


def rounded_off(points: list[Point], *, closed: bool = False, times: int = 2) -> list[Point]:
    """Cut the corners of a line (Chaikin); an open line keeps its ends."""
    for _ in range(times):
        pairs = list(zip(points, points[1:] + points[:1] if closed else points[1:], strict=False))
        cut = [
            ((1 - part) * here[0] + part * there[0], (1 - part) * here[1] + part * there[1])
            for here, there in pairs
            for part in (0.25, 0.75)
        ]
        points = cut if closed else [points[0], *cut[1:-1], points[-1]]
    return points


def written(points: list[Point]) -> list[list[float]]:
    """Round to some ten metres."""
    return [[round(longitude, 4), round(latitude, 4)] for longitude, latitude in points]


def ring(names: list[str]) -> list[list[float]]:
    """Join lines, those with a minus backwards, to a closed ring."""
    points: list[Point] = []
    for name in names:
        line = rounded_off(LINES[name.removeprefix("-")])
        points += (line[::-1] if name.startswith("-") else line)[:-1]
    return written([*points, points[0]])


def feature(kind: str, geometry: str, coordinates: Any, **about: str) -> dict[str, Any]:
    """Make one GeoJSON feature."""
    return {
        "type": "Feature",
        "properties": {"kind": kind, **about},
        "geometry": {"type": geometry, "coordinates": coordinates},
    }


def drawn() -> dict[str, Any]:
    """Return the base map, what lies below first."""
    city = ring(["north", "east", "south", "west"])
    features = [feature("city", "Polygon", [city], name="Hagen")]
    for points in WOODS:
        line = written(rounded_off(points, closed=True))
        features.append(feature("wood", "Polygon", [[*line, line[0]]]))
    for name, (_, lines) in DISTRICTS.items():
        features.append(feature("district", "Polygon", [ring(lines)], name=name))
    for name, (sort, points) in ROADS.items():
        features.append(feature(sort, "LineString", written(rounded_off(points, times=1)), name=name))
    for name, points in RIVERS.items():
        sort = "brook" if "ach" in name else "river"
        features.append(feature(sort, "LineString", written(rounded_off(points, times=1)), name=name))
    for name, points in LAKES.items():
        line = written(rounded_off(points, closed=True, times=1))
        features.append(feature("lake", "Polygon", [[*line, line[0]]], name=name))
    for name, (point, _) in DISTRICTS.items():
        features.append(feature("district-name", "Point", list(point), name=name))
    for name, point in PLACES.items():
        features.append(feature("place", "Point", list(point), name=name))
    return {"type": "FeatureCollection", "features": features}


def main() -> None:
    """Write the base map beside this file."""
    target = Path(__file__).with_name("hagen.geojson")
    target.write_text(json.dumps(drawn(), ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
