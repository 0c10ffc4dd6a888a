# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What an attribute's instance holds: its value, by the type of the attribute, and its other members."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import orjson

from broker.embedded.geometry import GeometryError, read_geometry
from broker.embedded.instants import check_instant
from broker.embedded.language import is_language
from broker.embedded.problems import BadRequestDataError
from broker.embedded.vocabulary import (
    NULL,
    SEALED_MEMBERS,
    UNITLESS,
    VALUE_MEMBER,
    check_id,
    check_name,
    is_uri,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.embedded.entities import Instance, Reading

MAX_DEPTH = 32

_NUMBERS = frozenset({int, float})
_NESTED = (dict, list)
_PROOF = "ngsildproof"
_NULL_AS_TEXT = frozenset({"JsonProperty", "GeoProperty"})  # the one may hold any text, the other none
_QUOTED_NULL = orjson.dumps(NULL)
# what stands for the null in the place of a map of languages and of a list (clause 4.5.0)
_NULLS = ({"@none": NULL}, [NULL], [{"object": NULL}])


def is_null(instance: Instance) -> bool:
    """Say whether an instance means "delete this attribute" (clause 4.5.0)."""
    value = instance.get(VALUE_MEMBER[instance["type"]])
    if isinstance(value, str):
        return value == NULL
    return isinstance(value, _NESTED) and value in _NULLS


def read_value(name: str, kind: str, value: Any, how: Reading) -> Any:
    """Read the value of an attribute of some type.

    Raises:
        BadRequestDataError: the type has no such value, or it is null where nothing can be deleted.
    """
    if type(value) in _NUMBERS and kind == "Property":
        return value
    if value is None:
        raise BadRequestDataError(detail=f"the attribute {name} is null, which NGSI-LD does not know")
    if value == NULL or (isinstance(value, _NESTED) and value in _NULLS):
        if not how.nulls and not how.temporal:  # over time it tells of what was deleted (clause 4.5.7)
            raise BadRequestDataError(
                detail=f"the attribute {name} is {NULL}, which deletes; there is nothing to delete here"
            )
        return value
    if isinstance(value, _NESTED) and _depth(value) > MAX_DEPTH:
        raise BadRequestDataError(detail=f"the attribute {name} is nested deeper than {MAX_DEPTH}")
    if (
        not how.merge
        and isinstance(value, _NESTED)
        and kind not in _NULL_AS_TEXT
        and _QUOTED_NULL in orjson.dumps(value)
    ):
        raise BadRequestDataError(
            detail=f"the attribute {name} has {NULL} in its value: there is nothing to delete here"
        )
    read = _VALUES.get(kind)
    return value if read is None else read(name, value, how)


def read_member(name: str, kind: str, member: str, value: Any, how: Reading) -> Any:
    """Read one of an instance's other members (OPTIONAL_MEMBERS).

    Raises:
        BadRequestDataError: an attribute of the type has no such member, or it is nothing that it may be.
    """
    if (member == "unitCode" and kind in UNITLESS) or (member in SEALED_MEMBERS and name != _PROOF):
        raise BadRequestDataError(detail=f"the attribute {name} is a {kind} and cannot have {member}")
    if not isinstance(value, str):
        if member == "objectType" and isinstance(value, list):
            return [how.context.expand(check_name(item, "an objectType")) for item in value]
        raise BadRequestDataError(detail=f"{member} of the attribute {name} must be a string")
    if value == NULL and (member == "datasetId" or not how.temporal):  # clauses 5.5.4 and 5.5.8
        if how.nulls and member != "datasetId":
            return value
        raise BadRequestDataError(detail=f"{member} of the attribute {name} cannot be {NULL} here")
    if member in {"observedAt", "expiresAt"}:
        return check_instant(value)
    if member == "datasetId":
        return check_id(value, f"datasetId of the attribute {name}")
    if member == "valueType" and kind == "LanguageProperty" and value != "langString":
        raise BadRequestDataError(detail=f"valueType of the LanguageProperty {name} is langString alone")
    if member in {"objectType", "valueType", "entityTypeSealed"}:
        return how.context.expand(check_name(value, member))
    return value


def _geometry(name: str, value: Any, _how: Reading) -> Any:
    if isinstance(value, str):  # a geometry may come as a string that holds its JSON (clause 4.7.2)
        with contextlib.suppress(orjson.JSONDecodeError):
            value = orjson.loads(value)
    try:
        read_geometry(value)
    except GeometryError as error:
        raise BadRequestDataError(detail=f"the attribute {name} is no GeoJSON geometry: {error}") from error
    return value


def _uris(name: str, value: Any, _how: Reading) -> Any:
    for item in value if isinstance(value, list) else [value]:
        if not is_uri(item):
            raise BadRequestDataError(
                detail=f"the relationship {name} must point to a URI, not {str(item)[:200]!r}"
            )
    return value


def _is_tag(tag: str) -> bool:
    """Say whether a text of a map can stand under it (clause 4.6.5)."""
    return tag == "@none" or is_language(tag)


def _languages(name: str, value: Any, _how: Reading) -> Any:
    texts = value.values() if isinstance(value, dict) and all(map(_is_tag, value)) else [None]
    for text in texts:
        if not all(isinstance(item, str) for item in (text if isinstance(text, list) else [text])):
            raise BadRequestDataError(
                detail=f"languageMap of the attribute {name} must map languages to texts"
            )
    return value


def _vocab(name: str, value: Any, how: Reading) -> Any:
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) and item for item in names):
        raise BadRequestDataError(detail=f"vocab of the attribute {name} must be a term or an array of terms")
    expanded = [how.context.expand(item) for item in names]
    return expanded if isinstance(value, list) else expanded[0]


def _list(name: str, value: Any, _how: Reading) -> Any:
    if not isinstance(value, list):
        raise BadRequestDataError(detail=f"the attribute {name} must be a list")
    return value


def _uri_list(name: str, value: Any, how: Reading) -> Any:
    items = _list(name, value, how)
    _uris(name, [each["object"] if _is_link(each) else each for each in items], how)
    return value


def _is_link(item: Any) -> bool:
    """Say whether it is one of a list of links as an object, which has nothing but it (clause 4.5.22.2)."""
    return isinstance(item, dict) and item.keys() == {"object"}


def _raw_json(name: str, value: Any, _how: Reading) -> Any:
    if not isinstance(value, _NESTED):
        raise BadRequestDataError(detail=f"json of the attribute {name} must be an object or an array")
    return value


def _proof(name: str, value: Any, _how: Reading) -> Any:
    if name == _PROOF and not isinstance(value, dict):
        raise BadRequestDataError(detail=f"the value of {name} must be an object, the proof")
    return value


# a Property's value may be anything
_VALUES: dict[str, Callable[[str, Any, Reading], Any]] = {
    "Property": _proof,
    "JsonProperty": _raw_json,
    "GeoProperty": _geometry,
    "Relationship": _uris,
    "LanguageProperty": _languages,
    "VocabProperty": _vocab,
    "ListProperty": _list,
    "ListRelationship": _uri_list,
}


def _depth(value: Any) -> int:
    """Return how deep arrays and objects are nested."""
    depth = 0
    level = [value]
    while level:
        depth += 1
        level = [
            item
            for node in level
            for item in (node.values() if isinstance(node, dict) else node)
            if isinstance(item, _NESTED)
        ]
    return depth
