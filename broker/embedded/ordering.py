# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""In which order a query returns entities (CIM 009 v1.9.1, clause 4.23): `type,level;desc`.

Values of different types are in the order of clause 4.23.2; what is missing comes last, whichever
the direction. An attribute with several instances counts by the first that has not expired.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from broker.embedded import geometry
from broker.embedded.filters import IS_POINT, lasting, metres_sql
from broker.embedded.geo import read_reference
from broker.embedded.lifetimes import is_expired
from broker.embedded.merging import now
from broker.embedded.problems import BadRequestDataError
from broker.embedded.query import Exists, parse_q
from broker.embedded.vocabulary import GEOMETRIES, LOCATION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.embedded.filters import Parameters
    from broker.embedded.geometry import Geometry
    from broker.embedded.query import Path
    from broker.embedded.terms import Names

PARAMETERS = frozenset({"orderBy", "collation", "orderFrom", "orderGeometry"})
DEFAULT_COLLATION = "und"

_MAX_KEYS = 10
_LONGEST_TAG = 100
# language, script, region, variants, extensions, private use (RFC 5646, 2.1)
_LANGUAGE_TAG = re.compile(
    r"([a-z]{2,3})(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"
    r"(?:-u((?:-[a-z0-9]{2,8})+))?(-[a-tv-wy-z0-9](-[a-z0-9]{2,8})+)*(-x(-[a-z0-9]{1,8})+)?",
    re.IGNORECASE,
)
_TEXTS = {"id": "e.id", "type": "e.types[1]", "scope": "e.scopes[1]"}
_MOMENTS = {"createdAt": "e.created_at", "modifiedAt": "e.modified_at", "expiresAt": "e.expires_at"}
_DIRECTIONS = frozenset({"asc", "desc", "dist-asc", "dist-desc"})

Collation: TypeAlias = tuple[str, ...]
"""SQL to order texts by, the first before the next, each with {} for the text."""

# what stands in for ICU: letters, then their marks, then small ones before great ones
_LETTERS = ascii_lowercase + ascii_uppercase
_FOLDED = (
    'ngsild.sort_key({}) COLLATE "C"',
    'lower({} COLLATE "pg_unicode_fast") COLLATE "C"',
    f"translate({{}}, '{_LETTERS}', '{_LETTERS.swapcase()}') COLLATE \"C\"",
)
_PHONEBOOK = (
    'replace(replace(replace(lower(normalize({}, NFC) COLLATE "pg_unicode_fast"),'
    " 'ä', 'ae'), 'ö', 'oe'), 'ü', 'ue')"
)
_LEVELS = frozenset({"level1", "level2", "level3", "level4", "identic"})
_AS_ROOT = frozenset({"und", "de", "en", "fr", "ga", "id", "it", "lb", "ms", "nl", "pt", "sw"})
"""Languages in which letters have the order that the root collation of CLDR gives them."""


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
    collation = given.get("collation", DEFAULT_COLLATION)
    if len(collation) > _LONGEST_TAG or _LANGUAGE_TAG.fullmatch(collation) is None:
        raise BadRequestDataError(
            detail=f"collation is a language tag such as de-u-co-phonebk: {collation[:60]!r}"
        )
    reference = None
    if given.get("orderGeometry", "Point") not in GEOMETRIES:
        raise BadRequestDataError(detail=f"orderGeometry is one of {', '.join(sorted(GEOMETRIES))}")
    if "orderFrom" in given:
        reference = read_reference(given.get("orderGeometry", "Point"), given["orderFrom"])
    text = given.get("orderBy")
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) > _MAX_KEYS:
        raise BadRequestDataError(detail=f"orderBy names at most {_MAX_KEYS} members")
    keys = tuple(_key(each, context) for each in parts)
    if reference is None and any(key.by_distance for key in keys):
        raise BadRequestDataError(detail="an order by distance needs orderFrom, the coordinates to start at")
    return Order(keys=keys, collation=collation, reference=reference)


def without_icu(tag: str) -> Collation | None:
    """Return what stands in for a collation of ICU that PostgreSQL does not have; None where nothing does."""
    found = _LANGUAGE_TAG.fullmatch(tag.lower())
    if found is None or found.group(1) not in _AS_ROOT:
        return None
    words = (found.group(7) or "").split("-")[1:]
    asked = dict(zip(words[::2], words[1::2], strict=False))
    kind, level = asked.pop("co", "standard"), asked.pop("ks", "level3")
    phonebook = kind == "phonebk" and found.group(1) == "de"
    if asked or not (phonebook or kind == "standard") or level not in _LEVELS:
        return None
    return (_FOLDED[0].format(_PHONEBOOK), *_FOLDED[1:]) if phonebook else _FOLDED


def values_sql(order: Order, parameters: Parameters) -> str:
    """Return what is joined to `ngsild.entities AS e`: what each key looks at, looked up once for all."""
    return "".join(
        f" CROSS JOIN LATERAL ({_value(key, parameters)}) AS key{number}"
        for number, key in enumerate(order.keys)
        if key.member is None
    )


def order_sql(order: Order, collation: Collation) -> str:
    """Return what comes after ORDER BY, of an order without distances; ids decide between equals."""
    terms = [term for number, key in enumerate(order.keys) for term in key_sql(number, key, collation)]
    return ", ".join([*terms, "e.id"])


def key_sql(number: int, key: OrderKey, collation: Collation) -> list[str]:
    """Return the ORDER BY terms for one key.

    Args:
        number: which key of the order it is.
        key: the key.
        collation: how texts are ordered.
    """
    direction = "DESC NULLS LAST" if key.descending else "ASC NULLS LAST"
    if key.member is not None and key.member in _TEXTS:
        return [f"{each} {direction}" for each in _text(_TEXTS[key.member], collation)]
    if key.member is not None:
        return [f"{_MOMENTS[key.member]} {direction}"]
    value, text = f"key{number}.value", f"key{number}.text"
    return [
        f"({value} IS NULL)",
        f"ngsild.order_rank({value}) {direction}",
        f"CASE WHEN {text} IS NOT NULL THEN ngsild.as_instant({value}) END {direction}",
        *(f"{each} {direction}" for each in _text(text, collation)),
        f"{value} {direction}",
    ]


def distance_sql(key: OrderKey, order: Order, parameters: Parameters) -> tuple[str, str]:
    """Return a distance in metres, NULL where SQL cannot say; and the instances to measure there."""
    if key.path is None:
        return "NULL::float8", "NULL::jsonb"
    instances = f"e.doc -> {parameters.add(key.path.attributes[0])}::text"
    if key.path.attributes[0] != LOCATION or order.reference is None or not order.reference.is_point:
        return "NULL::float8", instances
    metres = metres_sql(order.reference, parameters)
    return f"CASE WHEN {IS_POINT} THEN {metres} END", f"CASE WHEN {IS_POINT} THEN NULL ELSE {instances} END"


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
    name, separator, direction = text.partition(";")
    if separator and direction not in _DIRECTIONS:
        raise BadRequestDataError(
            detail=f"the direction in orderBy is asc, desc, dist-asc or dist-desc, not {direction[:40]!r}"
        )
    by_distance, descending = direction.startswith("dist"), direction.endswith("desc")
    if name in _TEXTS or name in _MOMENTS:
        if by_distance:
            raise BadRequestDataError(detail=f"{name} is no place that has a distance")
        return OrderKey(member=name, path=None, descending=descending, by_distance=False)
    parsed = parse_q(name, context)
    if not isinstance(parsed, Exists) or parsed.path.through or name.startswith("("):
        raise BadRequestDataError(detail=f"orderBy names attributes, and {name[:100]!r} is none")
    return OrderKey(member=None, path=parsed.path, descending=descending, by_distance=by_distance)


def _text(expression: str, collation: Collation) -> list[str]:
    return [each.format(expression) for each in collation]


def _value(key: OrderKey, parameters: Parameters) -> str:
    """Return a query of one value, and of its text if it is one; OFFSET 0 has each step taken once."""
    if key.path is None:
        return "SELECT NULL::jsonb AS value, NULL::text AS text"
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
        value = f"ngsild.target(n.node, {keys})"
    else:
        value = f"(n.node -> {parameters.add(path.member)}::text)"
        value = f"({value} #> {keys})" if path.keys else value
    found = f"SELECT {value} AS found FROM (SELECT {node} AS node OFFSET 0) AS n OFFSET 0"  # noqa: S608 - as above
    plain = f"SELECT COALESCE(f.found -> '@value', f.found) AS value FROM ({found}) AS f OFFSET 0"  # noqa: S608 - as above
    return f"SELECT p.value, ngsild.as_text(p.value) AS text FROM ({plain}) AS p OFFSET 0"  # noqa: S608 - as above
