# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The scope query language of `scopeQ` (CIM 009, clause 4.19): `(/Hagen/+;/Company/#)|/Herne`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broker.embedded.problems import BadRequestDataError

if TYPE_CHECKING:
    from collections.abc import Collection

_TOKEN = re.compile(r"[(),|;]|[^(),|;]+")
_LEVEL = re.compile(r"[^\s/#+\x00-\x20]+")
_MAX_LENGTH = 8192
_MAX_LEVELS = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class ScopeQuery:
    """Any of these, each of which is all of some regular expressions that a scope has to match whole."""

    any_of: tuple[tuple[str, ...], ...]

    def matches(self, scopes: Collection[str] | None) -> bool:
        """Say whether an entity of these scopes is selected."""
        return any(
            all(any(re.fullmatch(pattern, scope) for scope in scopes or ()) for pattern in every)
            for every in self.any_of
        )


def parse_scopes(text: str) -> ScopeQuery:
    """Parse a scope query.

    Raises:
        BadRequestDataError: it breaks the grammar.
    """
    if len(text) > _MAX_LENGTH:
        raise BadRequestDataError(detail=f"scopeQ is longer than {_MAX_LENGTH} characters")
    if len(text) > 1 and text[0] == text[-1] == '"':  # as the examples of annexes C.5.15 and C.5.16 have it
        text = text[1:-1]
    rest = _TOKEN.findall(text)
    alternatives: list[tuple[str, ...]] = []
    while not alternatives or (rest and rest[0] in {",", "|"}):
        found, rest = _conjunction(rest[1:] if alternatives else rest)
        alternatives.append(found)
    if rest:
        raise BadRequestDataError(detail=f"scopeQ is wrong at {''.join(rest)[:40]!r}")
    return ScopeQuery(any_of=tuple(alternatives))


def _conjunction(tokens: list[str]) -> tuple[tuple[str, ...], list[str]]:
    bracket = bool(tokens) and tokens[0] == "("
    rest = tokens[1:] if bracket else tokens
    patterns: list[str] = []
    while not patterns or (rest and rest[0] == ";"):
        rest = rest[1:] if patterns else rest
        patterns.append(_pattern(rest[0] if rest else ""))
        rest = rest[1:]
    if bracket:
        if not rest or rest[0] != ")":
            raise BadRequestDataError(detail="scopeQ lacks a closing bracket")
        rest = rest[1:]
    return tuple(patterns), rest


def _pattern(scope: str) -> str:
    """Return the regular expression for one scope; + is any one level, /# at the end any or none."""
    levels = scope.removeprefix("/").split("/")
    below = levels[-1] == "#"
    if below:
        levels.pop()
    if len(levels) > _MAX_LEVELS or (not levels and scope != "/#"):
        raise BadRequestDataError(
            detail=f"scopeQ names paths such as /Hagen/+/Park or /Hagen/#: {scope[:60]!r}"
        )
    if not levels:
        return "/.+"
    parts = []
    for level in levels:
        if level != "+" and _LEVEL.fullmatch(level) is None:
            raise BadRequestDataError(
                detail=f"scopeQ names paths such as /Hagen/+/Park or /Hagen/#: {scope[:60]!r}"
            )
        parts.append("[^/]+" if level == "+" else _literal(level))
    return "/" + "/".join(parts) + ("(/.+)?" if below else "")


def _literal(text: str) -> str:
    """Escape what Python's and PostgreSQL's regular expressions both take for a sign."""
    return re.sub(r"([^\w-])", r"\\\1", text)
