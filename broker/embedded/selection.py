# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The type selection language (CIM 009, clause 4.17): `A,B`, `A|B`, `(A;B)|C`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broker.embedded.problems import BadRequestDataError
from broker.embedded.vocabulary import check_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from broker.embedded.terms import Names

_TOKEN = re.compile(r"[(),|;]|[^(),|;]+")
_SIGNS = "(),|;"
_MAX_LENGTH = 8192
_MAX_NESTED = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Types, or selections, of which an entity has to have every one or any one."""

    every: bool
    parts: tuple[str | Selection, ...]

    def names(self) -> list[str]:
        """Return every type that is named."""
        return [name for part in self.parts for name in ([part] if isinstance(part, str) else part.names())]

    def matches(self, types: Collection[str]) -> bool:
        """Say whether an entity of these types is selected."""
        found = (part in types if isinstance(part, str) else part.matches(types) for part in self.parts)
        return all(found) if self.every else any(found)


def parse_types(text: str, context: Names) -> Selection:
    """Parse a selection, its names expanded.

    Raises:
        BadRequestDataError: it breaks the grammar.
    """
    if len(text) > _MAX_LENGTH:
        raise BadRequestDataError(detail=f"type is longer than {_MAX_LENGTH} characters")
    tokens = _TOKEN.findall(text)
    found, rest = _alternatives(tokens, context, 0)
    if rest:
        raise BadRequestDataError(detail=f"type is wrong at {''.join(rest)[:40]!r}")
    return found if isinstance(found, Selection) else Selection(every=False, parts=(found,))


def type_names(text: str) -> list[str]:
    """Return the names in a selection as they stand there."""
    return [name for name in _TOKEN.findall(text) if name not in _SIGNS]


def _alternatives(tokens: list[str], context: Names, depth: int) -> tuple[str | Selection, list[str]]:
    parts: list[str | Selection] = []
    rest = tokens
    while not parts or (rest and rest[0] in {",", "|"}):
        part, rest = _conjunction(rest[1:] if parts else rest, context, depth)
        parts.append(part)
    return (parts[0] if len(parts) == 1 else Selection(every=False, parts=tuple(parts))), rest


def _conjunction(tokens: list[str], context: Names, depth: int) -> tuple[str | Selection, list[str]]:
    parts: list[str | Selection] = []
    rest = tokens
    while not parts or (rest and rest[0] == ";"):
        part, rest = _one(rest[1:] if parts else rest, context, depth)
        parts.append(part)
    return (parts[0] if len(parts) == 1 else Selection(every=True, parts=tuple(parts))), rest


def _one(tokens: list[str], context: Names, depth: int) -> tuple[str | Selection, list[str]]:
    if not tokens or depth > _MAX_NESTED:
        raise BadRequestDataError(detail="type ends too early, or is nested too deep")
    if tokens[0] == "*":
        raise BadRequestDataError(detail="* is no type: where it may stand, it stands alone")
    if tokens[0] != "(":
        return context.expand(check_name(tokens[0], "a type")), tokens[1:]
    found, rest = _alternatives(tokens[1:], context, depth + 1)
    if not rest or rest[0] != ")":
        raise BadRequestDataError(detail="type lacks a closing bracket")
    return found, rest[1:]
