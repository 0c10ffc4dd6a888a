# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Which entities are meant, as SQL.

Every piece of SQL here is written in this file; what a request brings goes in as a parameter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from broker.embedded.geometry import EARTH_RADIUS
from broker.embedded.query import All, Any_, Compare, Exists, Literal, Not, Span
from broker.embedded.vocabulary import LOCATION, NGSI_LD

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.embedded.geo import GeoQuery
    from broker.embedded.geometry import Geometry
    from broker.embedded.query import Path, Query
    from broker.embedded.scopes import ScopeQuery
    from broker.embedded.selection import Selection

_OPERATORS = {"==": "=", "!=": "=", ">": ">", ">=": ">=", "<": "<", "<=": "<=", "~=": "~", "!~=": "~"}
_ROUGHLY = {"==": "==", ">": ">", ">=": ">=", "<": "<", "<=": "<="}
_ENTITY_TIMES = {NGSI_LD + "createdAt": "e.created_at", NGSI_LD + "modifiedAt": "e.modified_at"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """Which entities a request means: all that meet every part that is not None.

    Attributes:
        ids: one of these ids.
        types: a selection of types, by IRI.
        id_pattern: a regular expression that the id has to match somewhere.
        attributes: IRIs, of which the entity has at least one.
        scopes: a query of scopes.
        q: the query.
        geo: the geographical query; its exact part is decided outside SQL.
        any_of: filters of which it meets at least one.
        dense: whether so many places lie where `geo` looks that their index is of no help.
    """

    ids: tuple[str, ...] | None = None
    types: Selection | None = None
    id_pattern: str | None = None
    attributes: tuple[str, ...] | None = None
    scopes: ScopeQuery | None = None
    q: Query | None = None
    geo: GeoQuery | None = None
    any_of: tuple[Filter, ...] | None = None
    dense: bool = False


class Parameters:
    """The parameters of one statement, in order.

    Args:
        first: those that the statement has already.
        instances: returns, as SQL, the instances of an entity's attribute, whose name is a parameter; by
            default those in its document.
    """

    def __init__(self, *first: Any, instances: Callable[[str], str] | None = None) -> None:
        self.values: list[Any] = list(first)
        self.instances = instances

    def add(self, value: Any) -> str:
        """Add one and return its placeholder."""
        self.values.append(value)
        return f"${len(self.values)}"


def condition(which: Filter, parameters: Parameters) -> str:
    """Return the condition on `ngsild.entities AS e` that a filter amounts to."""
    parts: list[str] = []
    if which.ids is not None:
        parts.append(f"e.id = ANY({parameters.add(list(which.ids))}::text[])")
    if which.types is not None:
        parts.append(_types(which.types, parameters))
    if which.id_pattern is not None:
        parts.append(f"e.id ~ {parameters.add(which.id_pattern)}")
    if which.attributes is not None:
        parts.append(_any_attribute(which.attributes, parameters))
    if which.scopes is not None:
        parts.append(scopes_sql(which.scopes, "unnest(e.scopes)", parameters))
    if which.q is not None:
        parts.append(_query(which.q, parameters))
    if which.geo is not None:
        geo = box_sql(which.geo, parameters)
        parts.append(f"COALESCE({geo}, false)" if which.dense else geo)
    if which.any_of is not None:
        parts.append("(" + " OR ".join(condition(each, parameters) for each in which.any_of) + ")")
    return " AND ".join(parts) or "true"


def _any_attribute(names: tuple[str, ...], parameters: Parameters) -> str:
    """One of these attributes is there and has not expired (clause 4.22)."""
    given = f"{parameters.add(list(names))}::text[]"
    instances = "ngsild.instances(e.doc, n.name) AS i(node)"
    found = f"EXISTS (SELECT FROM unnest({given}) AS n(name), {instances} WHERE {lasting('i.node')})"
    return f"(e.doc ?| {given} AND (e.due_at IS NULL OR e.due_at > now() OR {found}))"


def lasting(node: str) -> str:
    """Return the condition that an attribute's instance has not expired, swept up or not (clause 4.22)."""
    return f"(NOT {node} ? 'expiresAt' OR ngsild.as_instant({node} -> 'expiresAt') > now())"


def _types(selection: Selection, parameters: Parameters) -> str:
    """An "any of" or "all of" whose parts are types, or selections again."""
    plain = [part for part in selection.parts if isinstance(part, str)]
    parts = [_types(part, parameters) for part in selection.parts if not isinstance(part, str)]
    if plain:
        operator = "@>" if selection.every else "&&"
        parts.append(f"e.types {operator} {parameters.add(plain)}::text[]")
    return "(" + (" AND " if selection.every else " OR ").join(parts) + ")"


def scopes_sql(query: ScopeQuery, scopes: str, parameters: Parameters) -> str:
    """Return the condition on a set of scopes, which is SQL of our own, that a query amounts to."""
    alternatives = []
    for every in query.any_of:
        patterns = [parameters.add(f"^({one})$") for one in every]
        each = [f"EXISTS (SELECT FROM {scopes} AS s(scope) WHERE s.scope ~ {one})" for one in patterns]
        alternatives.append(" AND ".join(each))
    return "(" + " OR ".join(alternatives) + ")"


def box_sql(geo: GeoQuery, parameters: Parameters) -> str:
    """Return a condition that every entity meets whose place may lie as asked."""
    box = geo.search_box()
    if box is None or geo.attribute != LOCATION:
        return f"e.doc ? {parameters.add(geo.attribute)}::text"
    west, south, east, north = (parameters.add(bound) for bound in box)
    return f"e.extent && box(point({west}::float8, {south}::float8), point({east}::float8, {north}::float8))"


# its location is a point (to the last digit, which PostgreSQL's own operators do not see) that is still there
IS_POINT = (
    "((e.extent[0])[0] = (e.extent[1])[0] AND (e.extent[0])[1] = (e.extent[1])[1]"
    " AND (e.due_at IS NULL OR e.due_at > now()))"
)


def near_sql(geo: GeoQuery | None, parameters: Parameters) -> str | None:
    """Return the condition that a location that is a point is near another; None for any other query.

    It is the great-circle distance, as in `geometry.py`.
    """
    if geo is None or geo.relation != "near" or geo.attribute != LOCATION or not geo.reference.is_point:
        return None
    metres = metres_sql(geo.reference, parameters)
    parts = [f"{metres} >= {parameters.add(geo.low)}::float8"]
    if math.isfinite(geo.high):
        parts.append(f"{metres} <= {parameters.add(geo.high)}::float8")
    return f"({' AND '.join(parts)})"


def metres_sql(reference: Geometry, parameters: Parameters) -> str:
    """Return how far a location that is a point is from another point: a great circle, as in geometry.py."""
    x, y = (f"{parameters.add(part)}::float8" for part in reference.points[0])
    at_x, at_y = "(e.extent[0])[0]", "(e.extent[0])[1]"
    chord = (
        f"sin(radians({at_y} - {y}) / 2) ^ 2"
        f" + cos(radians({y})) * cos(radians({at_y})) * sin(radians({at_x} - {x}) / 2) ^ 2"
    )
    return f"2 * {EARTH_RADIUS}::float8 * asin(LEAST(1.0, sqrt({chord})))"


def _query(query: Query, parameters: Parameters) -> str:
    if isinstance(query, All | Any_):
        joint = " AND " if isinstance(query, All) else " OR "
        return "(" + joint.join(_query(term, parameters) for term in query.terms) + ")"
    if isinstance(query, Not):
        # a comparison with what is absent is neither true nor false in SQL, and false here
        return f"NOT COALESCE({_query(query.term, parameters)}, false)"
    found = target_of(query.path, parameters)
    if isinstance(query, Exists):
        return f"EXISTS (SELECT FROM {found.source} WHERE {found.where} AND {found.value} IS NOT NULL)"
    return _comparison(query, found, parameters)


def _comparison(query: Compare, found: Target, parameters: Parameters) -> str:
    matches = " OR ".join(_matches(value, query.operator, parameters) for value in query.values)
    where = found.where
    if query.operator not in {"==", "!="} and query.path.member is None and not query.path.keys:
        # of a relationship, anything but (un)equal does not match (clause 4.9)
        where += f" AND COALESCE({found.node} ->> 'type', '') NOT IN ('Relationship', 'ListRelationship')"
    if query.operator == "!~=":  # what is no text neither matches a pattern nor does not
        text = f"ngsild.scalars({found.value}) AS t(value) WHERE ngsild.as_text(t.value) IS NOT NULL"
        where += f" AND EXISTS (SELECT FROM {text})"
    if query.operator in {"!=", "!~="}:
        unequal = f"NOT EXISTS (SELECT FROM ngsild.scalars({found.value}) AS s(value) WHERE {matches})"
        return (
            f"EXISTS (SELECT FROM {found.source} WHERE {where} AND {found.value} IS NOT NULL AND {unequal})"
        )
    scalars = f"{found.source}, ngsild.scalars({found.value}) AS s(value)"
    exact = f"EXISTS (SELECT FROM {scalars} WHERE {where} AND ({matches}))"
    if parameters.instances is not None:
        return exact
    rough = _rough(query)
    if rough is None:
        return exact
    # a path is followed faster than a function is called, and an index beats both
    closer = _by_scalar(query, exact, parameters) if compares_scalar(query) else exact
    return f"(jsonb_path_exists(e.doc, {parameters.add(rough)}::jsonpath) AND {closer})"


def compares_scalar(query: Compare) -> bool:
    """Say whether a comparison is with what `ngsild.scalar` returns, on which an index can be made."""
    path = query.path
    if path.through or path.member is not None or path.keys or len(path.attributes) > 1:
        return False
    if query.operator not in _ROUGHLY or path.attributes[0] in _ENTITY_TIMES:
        return False
    taken = {int, float, bool, str} if query.operator == "==" else {int, float}
    return all(
        {type(value.low.value), type(value.high.value)} <= {int, float}
        if isinstance(value, Span)
        else type(value.value) in taken
        for value in query.values
    )


def _by_scalar(query: Compare, exact: str, parameters: Parameters) -> str:
    """Return a comparison with an attribute's one value; `exact` decides where it has none such."""
    attribute = f"{parameters.add(query.path.attributes[0])}::text"
    scalar = f"ngsild.scalar(e.doc, {attribute})"

    def bound(literal: Literal) -> str:
        return f"{parameters.add(orjson.dumps(literal.value).decode())}::jsonb"

    terms = []
    for value in query.values:
        if isinstance(value, Span):
            terms.append(f"{scalar} BETWEEN {bound(value.low)} AND {bound(value.high)}")
            continue
        term = f"{scalar} {_OPERATORS[query.operator]} {bound(value)}"
        if ">" in query.operator:  # numbers come before what is true or false, and after texts
            term += f" AND {scalar} < 'false'"
        elif "<" in query.operator:
            term += f" AND jsonb_typeof({scalar}) = 'number'"
        terms.append(term)
    any_of = " OR ".join(f"({term})" for term in terms)
    # an index is of those alone that have the attribute
    return f"(e.doc ? {attribute} AND ({any_of} OR ({scalar} = '[]' AND {exact})))"


def _rough(query: Compare) -> str | None:
    """Return a path that finds something wherever a comparison holds, and is quickly followed; None: no such.

    The name and the values stand in it as JSON strings and numbers, which is how a path spells them.
    """
    path = query.path
    if path.through or path.member is not None or path.keys or len(path.attributes) > 1:
        return None
    if query.operator not in _ROUGHLY or path.attributes[0] in _ENTITY_TIMES:
        return None
    sign, terms = _ROUGHLY[query.operator], []
    for value in query.values:
        bounds = [(">=", value.low), ("<=", value.high)] if isinstance(value, Span) else [(sign, value)]
        if any(isinstance(bound.value, datetime) for _, bound in bounds):
            return None
        spelled = [(each, orjson.dumps(bound.value).decode()) for each, bound in bounds]
        terms += [
            " && ".join(f"{scalar} {each} {text}" for each, text in spelled) for scalar in ("@", '@."@value"')
        ]
    name = orjson.dumps(path.attributes[0]).decode()
    texts = any(isinstance(getattr(value, "value", None), str) for value in query.values)
    deep = ".**{0 to 2}" if texts or any(isinstance(each, Span) for each in query.values) else ""
    return (
        f"$.{name}[*].*{deep} ? ({' || '.join(f'({term})' for term in terms)})"  # texts of a languageMap too
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where a path leads, in SQL.

    Attributes:
        source: the FROM list.
        where: the condition on it.
        node: the instance of the last attribute.
        value: what is compared.
    """

    source: str
    where: str
    node: str
    value: str


def target_of(path: Path, parameters: Parameters) -> Target:
    """Return where a path leads from `e`, step by step."""
    own = len(path.attributes) == 1 and path.member is None and not path.through
    if own and path.attributes[0] in _ENTITY_TIMES:
        column = _ENTITY_TIMES[path.attributes[0]]
        text = f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
        source = f"(SELECT to_jsonb({text})) AS i0(node)"
        return Target(source=source, where="true", node="i0.node", value="i0.node")
    sources, conditions, holder = [], ["true"], "e.doc"
    for step, hop in enumerate(path.through):
        sources += [
            f"ngsild.instances({holder}, {parameters.add(hop.relationship)}) AS r{step}(node)",
            f"ngsild.objects(r{step}.node) AS o{step}(id)",
            f"ngsild.entities AS l{step}",
        ]
        alive = f"(l{step}.expires_at IS NULL OR l{step}.expires_at > now())"
        conditions.append(f"l{step}.tenant = e.tenant AND l{step}.id = o{step}.id AND {alive}")
        conditions.append(lasting(f"r{step}.node"))
        if hop.types:
            conditions.append(f"l{step}.types && {parameters.add(list(hop.types))}::text[]")
        holder = f"l{step}.doc"
    for step, attribute in enumerate(path.attributes):
        name = parameters.add(attribute)
        root = parameters.instances if holder == "e.doc" else None
        found = f"ngsild.instances({holder}, {name})" if root is None else root(name)
        sources.append(f"{found} AS i{step}(node)")
        if parameters.instances is None:
            conditions.append(lasting(f"i{step}.node"))
        holder = f"i{step}.node"
    keys = f"{parameters.add(list(path.keys))}::text[]" if path.keys else "NULL"
    if path.member is None:
        value = f"ngsild.target({holder}, {keys})"
    else:
        value = f"({holder} -> {parameters.add(path.member)}::text)"
        value = f"({value} #> {keys})" if path.keys else value
    return Target(source=", ".join(sources), where=" AND ".join(conditions), node=holder, value=value)


def _matches(value: Literal | Span, operator: str, parameters: Parameters) -> str:
    if isinstance(value, Span):
        low, high = _scalar(value.low, ">=", parameters), _scalar(value.high, "<=", parameters)
        return f"({low} AND {high})"
    return _scalar(value, _OPERATORS[operator], parameters)


def _scalar(literal: Literal, operator: str, parameters: Parameters) -> str:
    """Compare one scalar; one of another type never matches."""
    value = literal.value
    if isinstance(value, bool):
        return f"s.value = {parameters.add(orjson.dumps(value).decode())}::jsonb"
    if isinstance(value, datetime):
        return f"ngsild.as_instant(s.value) {operator} {parameters.add(value)}::timestamptz"
    if isinstance(value, str):
        return f'ngsild.as_text(s.value) COLLATE "C" {operator} {parameters.add(value)}::text'
    number = parameters.add(orjson.dumps(value).decode())
    return f"(jsonb_typeof(s.value) = 'number' AND s.value {operator} {number}::jsonb)"
