# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Entities as an earlier version of NGSI-LD has them (CIM 009, clause 4.3.6.8).

A client asks by `Prefer: ngsi-ld=1.5`, a subscriber by `"ngsildConformance": "1.5"`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from broker.embedded.projection import ENTITY_MEMBERS
from broker.embedded.vocabulary import OUTPUT_MEMBERS, VALUE_MEMBER

if TYPE_CHECKING:
    from collections.abc import Mapping

Version: TypeAlias = tuple[int, int]

CURRENT: Version = (1, 9)

_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})")
_SEVERAL: Version = (1, 3)  # types, and instances by datasetId
_ENTITY_SINCE: Mapping[str, Version] = {"expiresAt": (1, 9), "scope": (1, 4)}
_MEMBERS_SINCE: Mapping[str, Version] = {
    "datasetId": (1, 3),
    "observedAt": (1, 3),
    "unitCode": (1, 3),
    "objectType": (1, 8),
    "expiresAt": (1, 9),
    "valueType": (1, 9),
}
_TYPES_SINCE: Mapping[str, Version] = {
    "LanguageProperty": (1, 4),
    "JsonProperty": (1, 8),
    "VocabProperty": (1, 8),
    "ListProperty": (1, 8),
    "ListRelationship": (1, 8),
}


def preferred(preferences: Mapping[str, str]) -> Version | None:
    """Return the version that a client prefers, up to the current one; None if it prefers none."""
    return version_of(preferences.get("ngsi-ld", ""))


def version_of(text: str) -> Version | None:
    """Return the version that a text such as 1.5 names, up to the current one; None if it names none."""
    found = _VERSION.fullmatch(text)
    return None if found is None else min(CURRENT, (int(found.group(1)), int(found.group(2))))


def amended(entity: Mapping[str, Any], version: Version, *, normalized: bool = True) -> dict[str, Any]:
    """Return an entity as a version has it.

    Args:
        entity: a representation of it.
        version: the version.
        normalized: whether it is the normalized one; of others only what is no attribute is amended.
    """
    shown: dict[str, Any] = {}
    for name, value in entity.items():
        if version < _ENTITY_SINCE.get(name, version):
            continue
        if name == "type" and isinstance(value, list) and version < _SEVERAL:
            shown[name] = value[0]
        elif not normalized or name in ENTITY_MEMBERS or not isinstance(value, dict | list):
            shown[name] = value  # which may be a notification's null
        else:
            shown[name] = _attribute(value, version)
    return shown


def _attribute(value: Any, version: Version) -> Any:
    if isinstance(value, dict):
        return _instance(value, version)
    if version < _SEVERAL:
        default = next((each for each in value if "datasetId" not in each), value[0])
        return _instance(default, version)
    return [_instance(each, version) for each in value]


def _instance(instance: Mapping[str, Any], version: Version) -> dict[str, Any]:
    kind = instance["type"]
    payload = VALUE_MEMBER[kind]
    older = version < _TYPES_SINCE.get(kind, version)
    shown: dict[str, Any] = {}
    for member, value in instance.items():
        if version < _MEMBERS_SINCE.get(member, version):
            continue
        if member == "type" and older:
            shown[member] = "Relationship" if kind == "ListRelationship" else "Property"
        elif member == payload and older:
            if kind == "ListRelationship":
                shown["object"] = [each["object"] for each in value]
            else:
                shown["value"] = value
        elif member in OUTPUT_MEMBERS:
            linked = value if isinstance(value, list) else [value]
            entities = [amended(each, version) for each in linked]
            shown[member] = entities if isinstance(value, list) else entities[0]
        elif member != payload and _is_attribute(value):
            shown[member] = _attribute(value, version)
        else:
            shown[member] = value
    return shown


def _is_attribute(value: Any) -> bool:
    """Say whether a member of an attribute is an attribute of it, or several instances of one."""
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, dict) and first.get("type") in VALUE_MEMBER
