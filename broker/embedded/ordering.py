# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""In which order a query returns entities (CIM 009 v1.9.1, clause 4.23): `type,level;desc`.

Values of different types are in the order of clause 4.23.2; what is missing comes last, whichever
the direction. An attribute with several instances counts by the first that has not expired.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from broker.embedded import geometry
from broker.embedded.filters import lasting
from broker.embedded.geo import read_reference
from broker.embedded.lifetimes import is_expired
from broker.embedded.merging import now
from broker.embedded.problems import BadRequestDataError
from broker.embedded.query import Exists, parse_q

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.embedded.filters import Parameters
    from broker.embedded.geometry import Geometry
    from broker.embedded.query import Path
    from broker.embedded.terms import Names

PARAMETERS = frozenset({"orderBy", "collation", "orderFrom", "orderGeometry"})
DEFAULT_COLLATION = "und"

_MAX_KEYS = 10
_LANGUAGE_TAG = re.compile(r"[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8}){0,12}")
_TEXTS = {"id": "e.id", "type": "e.types[1]", "scope": "e.scopes[1]"}
_MOMENTS = {"createdAt": "e.created_at", "modifiedAt": "e.modified_at", "expiresAt": "e.expires_at"}
_DIRECTIONS = frozenset({"", "asc", "desc", "dist-asc", "dist-desc"})


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderKey:
    """One thing that entities are ordered by: a member of theirs, or what a path leads to."""

    member: str | None
    path: Path | None
    descending: bool
    by_distance: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """In which order.

    Attributes:
        collation: the language tag of the order of texts.
        reference: where distances are measured from.
    """

    keys: tuple[OrderKey, ...]
    collation: str
    reference: Geometry | None

    @property
    def by_distance(self) -> bool:
        """Whether it takes more than SQL to say."""
        return any(key.by_distance for key in self.keys)


def parse_order(given: Mapping[str, Any], context: Names) -> Order | None:
    """Read `orderBy` and what goes with it; None where it is absent.

    Raises:
        BadRequestDataError: it breaks the grammar, or lacks a place that distances start at.
    """
    text = given.get("orderBy")
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) > _MAX_KEYS:
        raise BadRequestDataError(detail=f"orderBy names at most {_MAX_KEYS} members")
    keys = tuple(_key(each, context) for each in parts)
    reference = None
    if any(key.by_distance for key in keys):
        if "orderFrom" not in given:
            raise BadRequestDataError(
                detail="an order by distance needs orderFrom, the coordinates to start at"
            )
        reference = read_reference(given.get("orderGeometry", "Point"), given["orderFrom"])
    collation = given.get("collation", DEFAULT_COLLATION)
    if _LANGUAGE_TAG.fullmatch(collation) is None:
        raise BadRequestDataError(
            detail=f"collation is a language tag such as de-u-co-phonebk: {collation[:60]!r}"
        )
    return Order(keys=keys, collation=collation, reference=reference)


def order_sql(order: Order, collation: str | None, parameters: Parameters) -> str:
    """Return what comes after ORDER BY for `ngsild.entities AS e`; ids decide between equals.

    Args:
        order: without distances.
        collation: the name of a collation of ICU that PostgreSQL has, quoted; None: it has none at all.
        parameters: the statement's.
    """
    terms = [term for key in order.keys for term in key_sql(key, collation, parameters)]
    return ", ".join([*terms, "e.id"])


def key_sql(key: OrderKey, collation: str | None, parameters: Parameters) -> list[str]:
    """Return the ORDER BY terms for one key."""
    direction = "DESC NULLS LAST" if key.descending else "ASC NULLS LAST"
    if key.member is not None and key.member in _TEXTS:
        return [f"{each} {direction}" for each in _text(_TEXTS[key.member], collation)]
    if key.member is not None:
        return [f"{_MOMENTS[key.member]} {direction}"]
    value = _value(key, parameters)
    return [
        f"({value} IS NULL)",
        f"ngsild.order_rank({value}) {direction}",
        f"ngsild.as_instant({value}) {direction}",
        *(f"{each} {direction}" for each in _text(f"ngsild.as_text({value})", collation)),
        f"{value} {direction}",
    ]


def instances_sql(key: OrderKey, parameters: Parameters) -> str:
    """Return the instances of the attribute that a distance is measured to."""
    return "NULL" if key.path is None else f"e.doc -> {parameters.add(key.path.attributes[0])}::text"


def distance(raw: str | None, reference: Geometry) -> float | None:
    """Return how far the nearest instance of a GeoProperty is, in metres; None if there is none."""
    moment = now()
    found = [
        geometry.distance(geometry.read_geometry(instance["value"]), reference)
        for instance in orjson.loads(raw or "[]")
        if instance["type"] == "GeoProperty" and not is_expired(instance, moment)
    ]
    return min(found, default=None)


def _key(text: str, context: Names) -> OrderKey:
    name, _, direction = text.partition(";")
    if direction not in _DIRECTIONS:
        raise BadRequestDataError(
            detail=f"the direction in orderBy is asc, desc, dist-asc or dist-desc, not {direction[:40]!r}"
        )
    by_distance, descending = direction.startswith("dist"), direction.endswith("desc")
    if name in _TEXTS or name in _MOMENTS:
        if by_distance:
            raise BadRequestDataError(detail=f"{name} is no place that has a distance")
        return OrderKey(member=name, path=None, descending=descending, by_distance=False)
    parsed = parse_q(name, context)
    if not isinstance(parsed, Exists) or parsed.path.through:
        raise BadRequestDataError(detail=f"orderBy names attributes, and {name[:100]!r} is none")
    return OrderKey(member=None, path=parsed.path, descending=descending, by_distance=by_distance)


def _text(expression: str, collation: str | None) -> list[str]:
    if collation is not None:
        return [f"{expression} COLLATE {collation}"]
    return [f'ngsild.sort_key({expression}) COLLATE "C"', f'{expression} COLLATE "C"']


def _value(key: OrderKey, parameters: Parameters) -> str:
    if key.path is None:
        return "NULL::jsonb"
    path, node = key.path, "e.doc"
    for attribute in path.attributes:
        name = f"{parameters.add(attribute)}::text"
        first = f"(e.doc -> {name} -> 0)"
        instances = f"ngsild.instances({node}, {name}) WITH ORDINALITY AS i(node, number)"
        still = f"(SELECT i.node FROM {instances} WHERE {lasting('i.node')} ORDER BY i.number LIMIT 1)"  # noqa: S608 - SQL of our own alone
        node = (
            f"(CASE WHEN {first} ? 'expiresAt' THEN {still} ELSE {first} END)" if node == "e.doc" else still
        )
    keys = f"{parameters.add(list(path.keys))}::text[]" if path.keys else "NULL"
    if path.member is None:
        value = f"ngsild.target({node}, {keys})"
    else:
        value = f"({node} -> {parameters.add(path.member)}::text)"
        value = f"({value} #> {keys})" if path.keys else value
    return f"COALESCE({value} -> '@value', {value})"
