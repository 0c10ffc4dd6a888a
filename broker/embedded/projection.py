# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The attribute projection language of `pick` and `omit` (CIM 009, clause 4.21).

projection = member *1("{" projection "}") *(("," / "|") projection)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Optional, TypeAlias

from broker.embedded.problems import BadRequestDataError
from broker.embedded.vocabulary import check_name

if TYPE_CHECKING:
    from broker.embedded.terms import Names

Projection: TypeAlias = Mapping[str, Optional["Projection"]]
"""A member's own name or an attribute's IRI → what is projected of the entities it points to."""

ENTITY_MEMBERS = frozenset({"id", "type", "scope", "createdAt", "modifiedAt", "deletedAt", "expiresAt"})
"""Members of an entity that are no attributes; they are named as they are."""

_TOKEN = re.compile(r"[{},|]|[^{},|]+")
_MAX_LENGTH = 8192
_MAX_DEPTH = 10


def parse_projection(text: str, context: Names, what: str) -> Projection:
    """Parse what `pick` or `omit` names, attributes expanded.

    Raises:
        BadRequestDataError: it breaks the grammar.
    """
    if len(text) > _MAX_LENGTH:
        raise BadRequestDataError(detail=f"{what} is longer than {_MAX_LENGTH} characters")
    tokens = _TOKEN.findall(text)
    found, rest = _members(tokens, context, what, 1)
    if rest:
        raise BadRequestDataError(detail=f"{what} is wrong at {''.join(rest)[:40]!r}")
    return found


def depth_of(projection: Projection | None) -> int:
    """Return how many steps from entity to entity it takes; 0 where it stays at the first."""
    return max((1 + depth_of(inner) for inner in (projection or {}).values() if inner is not None), default=0)


def attributes_in(projection: Projection) -> tuple[str, ...]:
    """Return the IRIs of the attributes at the first step."""
    return tuple(name for name in projection if name not in ENTITY_MEMBERS)


def attribute_names(text: str | None, context: Names) -> tuple[str, ...] | None:
    """Return the IRIs of the attributes that a comma-separated list names.

    Raises:
        BadRequestDataError: one is no name of an attribute.
    """
    if text is None:
        return None
    for name in text.split(","):
        if check_name(name) in {"id", "type", "scope"}:
            raise BadRequestDataError(detail=f"attrs names attributes, and {name} is none")
    return tuple(context.expand(name) for name in text.split(","))


def _members(
    tokens: list[str], context: Names, what: str, depth: int
) -> tuple[dict[str, Projection | None], list[str]]:
    if depth > _MAX_DEPTH:
        raise BadRequestDataError(detail=f"{what} is nested deeper than {_MAX_DEPTH}")
    found: dict[str, Projection | None] = {}
    rest = tokens
    while True:
        name = check_name(rest[0] if rest else "", f"a member in {what}")
        rest = rest[1:]
        inner: Projection | None = None
        if rest and rest[0] == "{":
            inner, rest = _members(rest[1:], context, what, depth + 1)
            if not rest or rest[0] != "}":
                raise BadRequestDataError(detail=f"{what} lacks a closing brace")
            rest = rest[1:]
        found[name if name in ENTITY_MEMBERS else context.expand(name)] = inner
        if not rest or rest[0] not in {",", "|"}:
            return found, rest
        rest = rest[1:]
