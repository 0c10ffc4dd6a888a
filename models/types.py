# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Every Smart Data Models type that Volme speaks, by name, and how its attributes are sent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args, get_origin

from models import (
    agrifood,
    alert,
    building,
    city_works,
    dcat_ap,
    devices,
    energy,
    environment,
    green_energy,
    issue_tracking,
    key_performance_indicator,
    parking,
    parks,
    point_of_interest,
    streetlighting,
    tourism_destinations,
    transportation,
    urban_mobility,
    waste,
    water_consumption,
    water_quality,
    weather,
    wifi_network,
)
from models.entity import Entity
from models.values import Sent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

# One module a subject.
_SUBJECTS: tuple[ModuleType, ...] = (
    agrifood,
    alert,
    building,
    city_works,
    dcat_ap,
    devices,
    energy,
    environment,
    green_energy,
    issue_tracking,
    key_performance_indicator,
    parking,
    parks,
    point_of_interest,
    streetlighting,
    tourism_destinations,
    transportation,
    urban_mobility,
    waste,
    water_consumption,
    water_quality,
    weather,
    wifi_network,
)

TYPES: Mapping[str, type[Entity]] = MappingProxyType(
    {
        name: model
        for module in _SUBJECTS
        for name, model in vars(module).items()
        if isinstance(model, type) and issubclass(model, Entity) and hasattr(model, "subject")
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attribute:
    """One attribute of a type.

    Attributes:
        field: the name of the model's field.
        name: the attribute's name, the same but for Python's keywords (`as`).
        kind: the NGSI-LD attribute type.
        unit: UN/CEFACT code that it is sent in; None: it has none.
        several: the official schema wants an array.
    """

    field: str
    name: str
    kind: str
    unit: str | None
    several: bool


@cache
def attributes(model: type[Entity]) -> tuple[Attribute, ...]:
    """Return a type's attributes, without id and type."""
    return tuple(
        _attribute(field, info.alias or field, [*info.metadata, *_walk(info.annotation)])
        for field, info in model.model_fields.items()
        if field not in ("id", "type")
    )


def _attribute(field: str, name: str, parts: list[Any]) -> Attribute:
    # The outermost statement holds: what a list is sent as, not what its members would be.
    sent = next((part for part in parts if isinstance(part, Sent)), Sent())
    several = any(get_origin(part) is list for part in parts)
    return Attribute(field=field, name=name, kind=sent.kind, unit=sent.unit, several=several)


def _walk(annotation: Any) -> Iterator[Any]:
    """Give an annotation, its metadata and the members of its unions, but not what its lists are made of."""
    yield annotation
    if get_origin(annotation) is not list:
        yield from getattr(annotation, "__metadata__", ())
        for part in get_args(annotation):
            yield from _walk(part)


def attribute_unit(type_name: str, attribute: str) -> str | None:
    """Return the UN/CEFACT code that an attribute is sent in; None: it has no unit.

    Raises:
        KeyError: there is no such type, or it has no such attribute.
    """
    return _units(type_name)[attribute]


@cache
def _units(type_name: str) -> Mapping[str, str | None]:
    return {attribute.name: attribute.unit for attribute in attributes(TYPES[type_name])}
