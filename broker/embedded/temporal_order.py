# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""In which order a query of history returns entities (CIM 009 v1.9.1, clause 4.23).

An attribute stands for the last of its values in the window; entities without it come last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broker.embedded.problems import BadRequestDataError, NotSupportedError
from broker.embedded.query import Exists, parse_q

if TYPE_CHECKING:
    from broker.embedded.filters import Parameters
    from broker.embedded.query import Path
    from broker.embedded.terms import Names

_MAX_KEYS = 10
_COLUMNS = {
    "id": "e.id",
    "type": "e.types",
    "scope": "e.scopes",
    "createdAt": "e.created_at",
    "modifiedAt": "e.modified_at",
    "deletedAt": "e.deleted_at",
}
_DIRECTIONS = {"": "ASC", "asc": "ASC", "desc": "DESC"}


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderKey:
    """One thing that entities are ordered by.

    Attributes:
        column: a member of the entity; None if it is an attribute.
        path: the way to an attribute's value; None if it is a member.
    """

    column: str | None
    path: Path | None
    descending: bool


def parse_order(text: str, context: Names) -> tuple[OrderKey, ...]:
    """Read `orderBy`, such as `type,level;desc`.

    Raises:
        BadRequestDataError: it breaks the grammar.
        NotSupportedError: it asks for an order by distance.
    """
    keys = text.split(",")
    if len(keys) > _MAX_KEYS:
        raise BadRequestDataError(detail=f"orderBy names at most {_MAX_KEYS} members")
    return tuple(_key(each, context) for each in keys)


def order_sql(keys: tuple[OrderKey, ...], parameters: Parameters) -> str:
    """Return what comes after ORDER BY for `ngsild.entities AS e`, or what stands for it."""
    parts = []
    for key in keys:
        target = key.column if key.path is None else _target(key.path, parameters)
        parts.append(f"{target} {'DESC' if key.descending else 'ASC'} NULLS LAST")
    return ", ".join([*parts, "e.id"])


def _key(text: str, context: Names) -> OrderKey:
    name, _, direction = text.partition(";")
    if direction in {"dist-asc", "dist-desc"}:
        raise NotSupportedError(detail="an order by distance is not supported")
    if direction not in _DIRECTIONS:
        raise BadRequestDataError(detail=f"orderBy is asc or desc, not {direction[:40]!r}")
    descending = _DIRECTIONS[direction] == "DESC"
    if name in _COLUMNS:
        return OrderKey(column=_COLUMNS[name], path=None, descending=descending)
    parsed = parse_q(name, context)
    if not isinstance(parsed, Exists):
        raise BadRequestDataError(detail=f"orderBy names attributes, and {name[:100]!r} is none")
    return OrderKey(column=None, path=parsed.path, descending=descending)


def _target(path: Path, parameters: Parameters) -> str:
    node = "e.doc"
    for attribute in path.attributes:
        node = f"({node} -> {parameters.add(attribute)}::text -> 0)"
    value = (
        f"ngsild.payload({node})"
        if path.member is None
        else f"({node} -> {parameters.add(path.member)}::text)"
    )
    if path.keys:
        value = f"({value} #> {parameters.add(list(path.keys))}::text[])"
    return f"COALESCE({value} -> '@value', {value})"
