# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Geographical queries (CIM 009, clause 4.10): georel, geometry, coordinates, geoproperty."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from broker.embedded import geometry
from broker.embedded.geometry import Box, Geometry, GeometryError, box_of, read_geometry
from broker.embedded.lifetimes import is_expired
from broker.embedded.merging import now
from broker.embedded.problems import BadRequestDataError
from broker.embedded.vocabulary import LOCATION, check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.embedded.entities import Attributes, Instance
    from broker.embedded.terms import Names

_NEAR = re.compile(
    r"near;(maxDistance|minDistance)==((?:0|[1-9]\d{0,11})(?:\.\d{1,12})?(?:[eE][+-]?\d{1,2})?)"
)
_MAX_POSITIONS = 1000

_RELATIONS: dict[str, Callable[[Geometry, Geometry], bool]] = {
    "within": geometry.within,
    "contains": lambda target, reference: geometry.within(reference, target),
    "intersects": geometry.intersects,
    "disjoint": lambda target, reference: not geometry.intersects(target, reference),
    "equals": geometry.equals,
    "overlaps": geometry.overlaps,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class GeoQuery:
    """How an entity's geometry has to lie to a reference geometry.

    Attributes:
        relation: near or one of the six topological ones.
        low, high: for near, the distance in metres.
        reference: the geometry that the request names.
        attribute: IRI of the GeoProperty that is looked at.
    """

    relation: str
    low: float
    high: float
    reference: Geometry
    attribute: str

    def search_box(self) -> Box | None:
        """Return a box outside of which nothing can match; None if there is none."""
        if self.relation == "disjoint" or math.isinf(self.high):
            return None
        return geometry.widened(self.reference.box, self.high)

    def matches(self, instances: list[Instance]) -> bool:
        """Say whether one of an attribute's instances lies as asked that has not expired (clause 4.22)."""
        moment = now()
        return self.matched([instance for instance in instances if not is_expired(instance, moment)])

    def matched(self, instances: list[Instance]) -> bool:
        """Say whether one of an attribute's instances lies as asked, or did at its time."""
        return any(
            self._lies(read_geometry(instance["value"]))
            for instance in instances
            if instance["type"] == "GeoProperty"
        )

    def _lies(self, target: Geometry) -> bool:
        if self.relation == "near":
            return self.low <= geometry.distance(target, self.reference) <= self.high
        return _RELATIONS[self.relation](target, self.reference)


def parse_geo(given: Mapping[str, Any], context: Names) -> GeoQuery | None:
    """Read a geographical query from a request's parameters or a subscription's geoQ.

    Returns:
        None if no part of one is there.

    Raises:
        BadRequestDataError: it is incomplete or wrong.
    """
    parts = {name: given[name] for name in ("georel", "geometry", "coordinates") if name in given}
    if not parts:
        return None  # a geoproperty alone is ignored (table 6.4.3.2-1)
    for name in ("georel", "geometry", "coordinates"):
        if name not in parts:
            raise BadRequestDataError(detail=f"a geographical query needs {name}")
    relation, low, high = _relation(parts["georel"])
    attribute = given.get("geoproperty")
    return GeoQuery(
        relation=relation,
        low=low,
        high=high,
        reference=read_reference(parts["geometry"], parts["coordinates"]),
        attribute=LOCATION if attribute is None else context.expand(check_name(attribute, "geoproperty")),
    )


def extent(attributes: Attributes) -> Box | None:
    """Return the box around an entity's location; None without one."""
    boxes = [
        box_of(instance["value"])
        for instance in attributes.get(LOCATION, ())
        if instance["type"] == "GeoProperty"
    ]
    if not boxes:
        return None
    west, south, east, north = zip(*boxes, strict=True)
    return (min(west), min(south), max(east), max(north))


def moved(before: Attributes, after: Attributes) -> bool:
    """Say whether an entity lies elsewhere than it did, or is of another extent."""
    old, new = before.get(LOCATION, []), after.get(LOCATION, [])
    if len(old) == len(new) and all(map(_same_place, old, new)):
        return False
    return extent(before) != extent(after)


def _same_place(one: Instance, other: Instance) -> bool:
    return one is other or (one["type"] == other["type"] and one.get("value") == other.get("value"))


def _relation(text: Any) -> tuple[str, float, float]:
    if isinstance(text, str):
        near = _NEAR.fullmatch(text)
        metres = float(near.group(2)) if near else 0.0
        if near and metres > 0:
            return ("near", 0.0, metres) if near.group(1) == "maxDistance" else ("near", metres, math.inf)
        if text in _RELATIONS:
            return text, 0.0, 0.0
    raise BadRequestDataError(
        detail=f"georel is near;maxDistance==metres, near;minDistance==metres, {', '.join(_RELATIONS)}"
        f", not {str(text)[:100]!r}"
    )


def read_reference(kind: Any, coordinates: Any) -> Geometry:
    """Read the geometry that a request names by its type and its coordinates.

    Raises:
        BadRequestDataError: it is none, or has too many positions.
    """
    if isinstance(coordinates, str):
        try:
            coordinates = orjson.loads(coordinates)
        except orjson.JSONDecodeError as error:
            raise BadRequestDataError(detail=f"coordinates are no JSON array: {error}") from error
    try:
        found = read_geometry({"type": kind, "coordinates": coordinates})
    except GeometryError as error:
        raise BadRequestDataError(detail=f"the query's geometry is wrong: {error}") from error
    if len(found.vertices()) > _MAX_POSITIONS:
        raise BadRequestDataError(detail=f"the query's geometry has more than {_MAX_POSITIONS} positions")
    return found
