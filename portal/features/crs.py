# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The coordinate reference systems in which features are given, and boxes are asked for.

Entities have longitude and latitude (WGS 84). As in the EPSG's own tables, WGS 84 and ETRS89 are taken
for the same: they differ by less than a metre, and sensors' places are not known better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from portal.features.errors import RefusedRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_RADIUS = 6378137.0  # metres: the equator's, of WGS 84 and of GRS 80
_GRS80 = 1 / 298.257222101  # its flattening
_SCALE, _EASTING, _MERIDIAN = 0.9996, 500_000.0, 9.0  # of zone 32 of the UTM
_FAR = 80.0  # degrees from the middle meridian, beyond which the projection is of no use


@dataclass(frozen=True, kw_only=True, slots=True)
class Crs:
    """A coordinate reference system.

    Attributes:
        uri: its name in every request and answer.
        project: from longitude and latitude in degrees to x and y; None: it has no coordinates for them.
        flipped: its first axis is y (latitude).
        degrees: x is a longitude, y a latitude.
        heights: a third coordinate is kept.
        digits: behind the decimal point, to a centimetre or better; None: all that there are.
    """

    uri: str
    project: Callable[[float, float], tuple[float, float] | None]
    flipped: bool = False
    degrees: bool = False
    heights: bool = False
    digits: int | None = None

    def coordinates(self, position: Sequence[float], *, x_first: bool = False) -> list[float] | None:
        """Return a position's coordinates, in the order of the system's axes or x before y."""
        projected = self.project(position[0], position[1])
        if projected is None:
            return None
        x, y = projected
        if self.digits is not None:
            x, y = round(x, self.digits), round(y, self.digits)
        place = [y, x] if self.flipped and not x_first else [x, y]
        return [*place, *position[2:3]] if self.heights else place

    def geometry(self, geometry: Mapping[str, Any], *, x_first: bool = False) -> dict[str, Any] | None:
        """Return a GeoJSON geometry in this system; None: it has no coordinates for all of it."""
        if geometry.get("type") == "GeometryCollection":
            parts = [self.geometry(part, x_first=x_first) for part in geometry["geometries"]]
            whole = all(part is not None for part in parts)
            return {"type": "GeometryCollection", "geometries": parts} if whole else None
        coordinates = _each(geometry["coordinates"], partial(self.coordinates, x_first=x_first))
        return None if coordinates is None else {"type": geometry["type"], "coordinates": coordinates}


def _each(coordinates: Sequence[Any], place: Callable[[Sequence[float]], list[float] | None]) -> Any:
    if not coordinates or not isinstance(coordinates[0], list | tuple):
        return place(coordinates) if coordinates else []
    parts = [_each(part, place) for part in coordinates]
    return None if any(part is None for part in parts) else parts


def _same(longitude: float, latitude: float) -> tuple[float, float]:
    return longitude, latitude


def web_mercator(longitude: float, latitude: float) -> tuple[float, float] | None:
    """Return x and y in metres (EPSG:3857); None: at the poles."""
    if abs(latitude) >= 90:  # noqa: PLR2004 - the poles
        return None
    return _RADIUS * math.radians(longitude), _RADIUS * math.asinh(math.tan(math.radians(latitude)))


def _series() -> tuple[float, float, tuple[float, ...]]:
    """Return of GRS 80 the eccentricity, the rectifying radius and the coefficients of Krüger's series."""
    n = _GRS80 / (2 - _GRS80)
    eccentricity = math.sqrt(_GRS80 * (2 - _GRS80))
    radius = _RADIUS / (1 + n) * (1 + n**2 / 4 + n**4 / 64)
    return (
        eccentricity,
        radius,
        (
            n / 2 - 2 * n**2 / 3 + 5 * n**3 / 16 + 41 * n**4 / 180,
            13 * n**2 / 48 - 3 * n**3 / 5 + 557 * n**4 / 1440,
            61 * n**3 / 240 - 103 * n**4 / 140,
            49561 * n**4 / 161280,
        ),
    )


_ECCENTRICITY, _RECTIFYING, _KRUEGER = _series()


def utm32(longitude: float, latitude: float) -> tuple[float, float] | None:
    """Return easting and northing in metres (EPSG:25832); None: too far from the zone.

    Transverse Mercator by Krüger's series to the fourth order (Karney, “Transverse Mercator with an
    accuracy of a few nanometers”, 2011, equations 7 to 12 and 35): exact to far below a millimetre here.
    """
    away = (longitude - _MERIDIAN + 180) % 360 - 180
    if abs(away) > _FAR or abs(latitude) > 90:  # noqa: PLR2004 - the poles
        return None
    tangent = math.tan(math.radians(latitude))
    secant = math.hypot(1, tangent)
    sigma = math.sinh(_ECCENTRICITY * math.atanh(_ECCENTRICITY * tangent / secant))
    conformal = tangent * math.hypot(1, sigma) - sigma * secant
    cosine = math.cos(math.radians(away))
    xi = north = math.atan2(conformal, cosine)
    eta = east = math.asinh(math.sin(math.radians(away)) / math.hypot(conformal, cosine))
    for number, coefficient in enumerate(_KRUEGER, start=1):
        north += coefficient * math.sin(2 * number * xi) * math.cosh(2 * number * eta)
        east += coefficient * math.cos(2 * number * xi) * math.sinh(2 * number * eta)
    return _EASTING + _SCALE * _RECTIFYING * east, _SCALE * _RECTIFYING * north


_EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
CRS84: Final = Crs(uri="http://www.opengis.net/def/crs/OGC/1.3/CRS84", project=_same, degrees=True)
CRS84H: Final = Crs(
    uri="http://www.opengis.net/def/crs/OGC/0/CRS84h", project=_same, degrees=True, heights=True
)
#: Every system that is offered, the usual one first.
SYSTEMS: Final[Mapping[str, Crs]] = {
    crs.uri: crs
    for crs in (
        CRS84,
        Crs(uri=f"{_EPSG}25832", project=utm32, digits=3),
        Crs(uri=f"{_EPSG}3857", project=web_mercator, digits=3),
        Crs(uri=f"{_EPSG}4326", project=_same, flipped=True, degrees=True),
        Crs(uri=f"{_EPSG}4258", project=_same, flipped=True, degrees=True),
        CRS84H,
    )
}


def named(uri: str, parameter: str) -> Crs:
    """Return a system by its URI.

    Raises:
        RefusedRequestError: it is not among those that are offered.
    """
    crs = SYSTEMS.get(uri)
    if crs is None:
        msg = f"The parameter {parameter} takes one of {', '.join(SYSTEMS)}, not {uri[:200]!r}."
        raise RefusedRequestError(msg)
    return crs
