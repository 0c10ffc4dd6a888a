# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`@id` and `@type` may stand for `id` and `type` in requests (CIM 009, clause 4.4).

Within data they are the client's own: `{"@type": "DateTime", "@value": "..."}` stays as it is.
"""

from __future__ import annotations

from typing import Any

from broker.embedded.problems import BadRequestDataError
from broker.embedded.vocabulary import VALUE_MEMBER

_NAMES = {"@id": "id", "@type": "type"}
_DATA = frozenset({"@context", "value", "valueList", "languageMap", "json"})  # of an attribute
_MAX_DEPTH = 32


def has_keywords(raw: bytes) -> bool:
    """Say whether there can be anything to rename in a body."""
    return b'"@type"' in raw or b'"@id"' in raw


def renamed(content: Any, *, attribute: bool, selectors: bool = False, simplified: bool = False) -> Any:
    """Return a body in which elements and attributes have `id` and `type`.

    Args:
        content: the body.
        attribute: whether it is an attribute, or may be nothing but its value.
        selectors: whether its `entities` say which entities are meant, and are no attribute.
        simplified: whether attributes are nothing but values.

    Raises:
        BadRequestDataError: an element has a name and its keyword.
    """
    if attribute:
        return content if simplified else _attributes(content, 0)
    if isinstance(content, list):
        return [_element(item, selectors=selectors, simplified=simplified) for item in content]
    return _element(content, selectors=selectors, simplified=simplified)


def _element(content: Any, *, selectors: bool, simplified: bool) -> Any:
    if not isinstance(content, dict):
        return content
    given: dict[str, Any] = content
    found: dict[str, Any] = {}
    for member, value in given.items():
        name = _NAMES.get(member, member)
        if name in found:
            raise BadRequestDataError(detail=f"{name} and @{name} are the same, and both are there")
        if selectors and name == "entities" and isinstance(value, list):
            found[name] = [_element(item, selectors=False, simplified=True) for item in value]
        else:
            found[name] = value if simplified or name == "@context" else _attributes(value, 0)
    return found


def _attributes(value: Any, depth: int) -> Any:
    """Return an attribute, or several instances of one, with those of its own."""
    if depth > _MAX_DEPTH:
        return value
    if isinstance(value, list):
        return [_attributes(item, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("@type")
    is_attribute = isinstance(kind, str) and kind in VALUE_MEMBER and "type" not in value
    return {
        "type" if is_attribute and member == "@type" else member: (
            each if member in _DATA else _attributes(each, depth + 1)
        )
        for member, each in value.items()
    }
