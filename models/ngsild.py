# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Keyvalues to normalized NGSI-LD and back (ETSI GS CIM 009, 4.5)."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from models.types import TYPES, attributes
from models.values import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.entity import Entity

# Orion-LD keeps whole numbers in 32 bits and wraps larger ones silently.
_WHOLE_LIMIT: Final = 2**31
_DIGITS: Final = bytes.maketrans(b"123456789", b"000000000")
_TEN_DIGITS: Final = b"0" * 10


def to_json(value: Any) -> bytes:
    """Write JSON in which whole numbers beyond 32 bits have a decimal point, at any depth.

    NaN and infinity become null, which every broker refuses.

    Raises:
        TypeError: the value has something that JSON has not.
    """
    try:
        written = orjson.dumps(value)
    except TypeError:  # perhaps a whole number beyond 64 bits, which orjson cannot write
        return orjson.dumps(_with_decimal_points(value))
    # The smallest number beyond 32 bits has ten digits. Looking for ten in a row costs a tenth of
    # walking through the value; where a time or an id has them, the walk changes nothing.
    if _TEN_DIGITS in written.translate(_DIGITS):
        return orjson.dumps(_with_decimal_points(value))
    return written


def _with_decimal_points(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_decimal_points(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_decimal_points(item) for item in value]
    if type(value) is int and not -_WHOLE_LIMIT <= value < _WHOLE_LIMIT:
        return orjson.Fragment(b"%d.0" % value)
    return value


_NO_UNITS: Mapping[str, str] = {}


def normalize(
    entity: Entity, observed: Mapping[str, datetime], units: Mapping[str, str] = _NO_UNITS
) -> dict[str, Any]:
    """Return an entity as normalized NGSI-LD, with short names and without @context.

    The body shares lists and objects with the entity.

    Args:
        entity: any of `TYPES`.
        observed: when an attribute was measured, by its name; sent as its `observedAt`.
        units: UN/CEFACT codes of attributes that are sent in another unit than their own.

    Raises:
        ValueError: `observed` names an attribute that the entity does not have.
    """
    values = entity.__dict__
    body: dict[str, Any] = {"id": values["id"], "type": values["type"]}
    for field, name, kind, unit in _table(type(entity)):
        value = values[field]
        if value is None:
            continue
        attribute: dict[str, Any]
        if kind == "Property":
            attribute = {"type": kind, "value": value if type(value) is float else sent_value(value)}
            if unit is not None:
                attribute["unitCode"] = unit
        elif kind == "Relationship":
            # A list of one is sent as its member: every broker understands that.
            attribute = {
                "type": kind,
                "object": value[0] if len(value) == 1 and type(value) is list else value,
            }
        else:
            attribute = {"type": kind, "value": value}
        body[name] = attribute
    for name, moment in observed.items():
        if name not in body:
            msg = f"{values['id']} has no {name}, which is said to have been observed"
            raise ValueError(msg)
        body[name]["observedAt"] = rfc3339(moment)
    for name, unit in units.items():
        if name in body:
            body[name]["unitCode"] = unit
    return body


@cache
def _table(model: type[Entity]) -> tuple[tuple[str, str, str, str | None], ...]:
    return tuple((row.field, row.name, row.kind, row.unit) for row in attributes(model))


def sent_value(value: Any) -> Any:
    """Return what a Property's value is sent as."""
    if isinstance(value, datetime):
        return {"@type": "DateTime", "@value": rfc3339(value)}
    if type(value) is int and value >= _WHOLE_LIMIT:
        return float(value)
    return value


def keyvalues(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return normalized or concise NGSI-LD as keyvalues, as the official schemas describe them.

    Of several instances of an attribute the one without `datasetId` counts, else the first. Arrays
    that a broker gave back as their only member are arrays again where the type wants one. An
    @context is left out.
    """
    several = _several(body.get("type"))
    simple = {name: _simple(member) for name, member in body.items() if name != "@context"}
    return {
        name: [value] if name in several and not isinstance(value, list) else value
        for name, value in simple.items()
    }


@cache
def _arrays(type_name: str) -> frozenset[str]:
    model = TYPES.get(type_name)
    return frozenset(row.name for row in attributes(model) if row.several) if model else frozenset()


def _several(types: Any) -> frozenset[str]:
    names = types if isinstance(types, list) else [types]
    return frozenset().union(*(_arrays(name) for name in names if isinstance(name, str)))


# Where each kind of attribute has its value (ETSI GS CIM 009, 4.5). The concise representation leaves
# out `type` and keeps these, or is the bare value.
_VALUE_KEYS = {
    "Property": "value",
    "GeoProperty": "value",
    "Relationship": "object",
    "LanguageProperty": "languageMap",
    "JsonProperty": "json",
    "VocabProperty": "vocab",
    "ListProperty": "valueList",
    "ListRelationship": "objectList",
}


def _simple(member: Any) -> Any:
    if isinstance(member, list) and any(isinstance(part, dict) and "datasetId" in part for part in member):
        member = next((instance for instance in member if "datasetId" not in instance), member[0])
    if not isinstance(member, dict):
        return member
    key = _VALUE_KEYS.get(member.get("type", ""))
    if key not in member:
        key = next((key for key in _VALUE_KEYS.values() if key in member), None)
    return _plain(member if key is None else member[key])


def _plain(value: Any) -> Any:
    """Turn a JSON-LD typed value (`{"@type": "DateTime", "@value": …}`) into its text."""
    return value["@value"] if isinstance(value, dict) and "@value" in value else value
