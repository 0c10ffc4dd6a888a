# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Whether an entity at hand meets a query (CIM 009, clause 4.9), without asking the database.

It says the same as the SQL of `filters.py` and the functions of its migrations; where it cannot
(linked entities, and regular expressions that PostgreSQL was not asked about) it says None.
"""

from __future__ import annotations

import operator
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from broker.embedded.lifetimes import is_expired
from broker.embedded.merging import now, timestamp
from broker.embedded.query import Any_, Compare, Exists, Literal, Not, Span
from broker.embedded.vocabulary import NGSI_LD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from broker.embedded.merging import Stored
    from broker.embedded.patterns import Patterns
    from broker.embedded.query import Path, Query

_ABSENT: Any = object()
CREATED, MODIFIED = NGSI_LD + "createdAt", NGSI_LD + "modifiedAt"
_PAYLOADS = ("value", "object", "languageMap", "vocab", "json", "valueList", "objectList")
_LINKS = frozenset({"Relationship", "ListRelationship"})
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d{1,9})?(Z|[+-]\d\d:\d\d)")
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_NUMBERS = (int, float)


def scalars_of(instance: Mapping[str, Any]) -> Iterator[Any]:
    """Return what a comparison with an attribute's instance looks at."""
    value = _payload(instance, ())
    return iter(()) if value is _ABSENT else _scalars(value)


def meets(entity: Stored, query: Query, patterns: Patterns) -> bool | None:
    """Say whether an entity meets a query; None where only SQL can say, or patterns are to be asked about."""
    if isinstance(query, Compare):
        return _compare(entity, query, patterns)
    if isinstance(query, Exists):
        if query.path.through:
            return None
        return any(value is not _ABSENT for _, value in _targets(entity, query.path))
    if isinstance(query, Not):
        found = meets(entity, query.term, patterns)
        return None if found is None else not found
    decisive = isinstance(query, Any_)
    unsure = False
    for term in query.terms:
        found = meets(entity, term, patterns)
        if found is decisive:
            return decisive
        unsure = unsure or found is None
    return None if unsure else not decisive


def _compare(entity: Stored, query: Compare, patterns: Patterns) -> bool | None:
    path = query.path
    if path.through:
        return None
    if query.operator in {"~=", "!~="}:
        return _match(entity, query, patterns)
    unequal = query.operator == "!="
    # of a relationship, anything but (un)equal does not match
    plain = query.operator not in {"==", "!="} and path.member is None and not path.keys
    for node, value in _targets(entity, path):
        if value is _ABSENT or (plain and isinstance(node, dict) and node.get("type") in _LINKS):
            continue
        matched = any(_matches(scalar, query) for scalar in _scalars(value))
        if matched is not unequal:
            return True
    return False


def _match(entity: Stored, query: Compare, patterns: Patterns) -> bool | None:
    path, unequal = query.path, query.operator == "!~="
    plain = path.member is None and not path.keys
    unsure = False
    for node, found in _targets(entity, path):
        if found is _ABSENT or (plain and isinstance(node, dict) and node.get("type") in _LINKS):
            continue
        texts = [text for text in _scalars(found) if isinstance(text, str)]
        if not texts:  # what is no text neither matches a pattern nor does not
            continue
        matched = _matching(texts, query, patterns)
        if matched is not None and matched is not unequal:
            return True
        unsure = unsure or matched is None
    return None if unsure else False


def _matching(texts: list[str], query: Compare, patterns: Patterns) -> bool | None:
    """Say whether one of some texts matches the pattern of a query; None where it is to be asked about."""
    (value,) = query.values
    pattern = str(value.value) if isinstance(value, Literal) else ""
    answers = [patterns.matches(pattern, text) for text in texts]
    return True if True in answers else None if None in answers else False


def _targets(entity: Stored, path: Path) -> Iterator[tuple[Any, Any]]:
    """Return what a path leads to: instances of its last attribute, each with what is compared of it."""
    own = len(path.attributes) == 1 and path.member is None
    if own and path.attributes[0] in {CREATED, MODIFIED}:
        text = timestamp(entity.created_at if path.attributes[0] == CREATED else entity.modified_at)
        yield text, text
        return
    nodes: list[Any] = _instances(entity.attributes, path.attributes[0])
    for attribute in path.attributes[1:]:
        nodes = [instance for node in nodes for instance in _instances(node, attribute)]
    for node in nodes:
        if path.member is None:
            yield node, _payload(node, path.keys)
        else:
            yield node, _inside(node.get(path.member, _ABSENT), path.keys)


def _instances(node: Mapping[str, Any], attribute: str) -> list[Any]:
    found = node.get(attribute)
    if not isinstance(found, list):
        return []
    if any("expiresAt" in instance for instance in found):  # what has expired is not there (clause 4.22)
        moment = now()
        return [instance for instance in found if not is_expired(instance, moment)]
    return found


def _payload(node: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    """Return what a query looks at in an instance, as the SQL function `target` does."""
    languages = node.get("languageMap")
    if isinstance(languages, dict) and keys in {(), ("*",)}:
        return [
            text for texts in languages.values() for text in (texts if isinstance(texts, list) else [texts])
        ]
    objects = node.get("objectList")
    if not keys and isinstance(objects, list):
        return [item if isinstance(item, str) else item.get("object") for item in objects]
    return _inside(next((node[member] for member in _PAYLOADS if member in node), _ABSENT), keys)


def _inside(value: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key, _ABSENT)
        elif (
            isinstance(value, list)
            and re.fullmatch(r"-?\d{1,9}", key)
            and -len(value) <= int(key) < len(value)
        ):
            value = value[int(key)]
        else:
            return _ABSENT
    return value


def _scalars(value: Any) -> Iterator[Any]:
    for item in value if isinstance(value, list) else (value,):
        yield item["@value"] if isinstance(item, dict) and "@value" in item else item


def _matches(scalar: Any, query: Compare) -> bool:
    compare = _OPERATORS[query.operator]
    for value in query.values:
        if isinstance(value, Span):
            if _stands(scalar, operator.ge, value.low) and _stands(scalar, operator.le, value.high):
                return True
        elif _stands(scalar, compare, value):
            return True
    return False


def _stands(scalar: Any, compare: Callable[[Any, Any], bool], literal: Literal) -> bool:
    """Compare one scalar; one of another type never matches."""
    wanted = literal.value
    if isinstance(wanted, bool):
        return scalar is wanted
    if isinstance(wanted, datetime):
        moment = _instant(scalar)
        return moment is not None and compare(moment, wanted)
    if isinstance(wanted, str):
        return isinstance(scalar, str) and compare(scalar, wanted)
    return isinstance(scalar, _NUMBERS) and not isinstance(scalar, bool) and compare(scalar, wanted)


def _instant(scalar: Any) -> datetime | None:
    if not isinstance(scalar, str) or _INSTANT.fullmatch(scalar) is None:
        return None
    try:
        return datetime.fromisoformat(scalar.replace(",", "."))
    except ValueError:
        return None
