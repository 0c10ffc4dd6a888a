# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Readings become entities: the one that the device feeds, and the device itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import ValidationError

from models.errors import InvalidEntityError
from models.ngsild import normalize
from models.reading import EntityUpdate
from models.types import TYPES, attribute_unit
from ontology.loader import convert, quantities

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from models.device import Device, Profile
    from models.reading import Reading
    from models.uplink import Position, Uplink

#: The network of messages by which the registry itself announces a device.
REGISTRY = "registry"

_DEVICE = "Device"
_MODEL = "DeviceModel"
_DEV_EUI = re.compile("[0-9a-f]{16}")
# Attributes that say when was measured, by the names that the types have for it.
_TIME_ATTRIBUTES = ("dateObserved", "observationDateTime", "dateObservedFrom", "dateObservedTo")


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """What became of the readings.

    Attributes:
        entities: at most one of the device's type, and the Device.
        unmapped: quantities for which neither type has an attribute.
        problems: entities that would break their Smart Data Model.
    """

    entities: tuple[EntityUpdate, ...]
    unmapped: tuple[str, ...]
    problems: tuple[InvalidEntityError, ...]


def entity_id(type_name: str, city: str, local: str) -> str:
    """Return `urn:ngsi-ld:<Type>:<city>:<device or place>`, safe for every broker."""
    return f"urn:ngsi-ld:{type_name}:{city}:{quote(local, safe='-._~:')}"


def build_entities(
    readings: tuple[Reading, ...], device: Device, profile: Profile, uplink: Uplink, city: str
) -> Built:
    """Make the entities of one uplink.

    Types without an attribute for a quantity leave it out; the device's own state (battery,
    signal, last seen) goes to its `Device` entity.
    """
    type_name = device.entity_type or profile.entity_type
    measured, status, unmapped = _sort(readings, type_name)
    entities: list[EntityUpdate] = []
    problems: list[InvalidEntityError] = []
    plan = [(_DEVICE, device.id, _device_values(device, profile, uplink, city), status)]
    if measured and measured is not status:
        plan.insert(
            0, (type_name, device.place or device.id, _values(type_name, device, uplink, city), measured)
        )
    if uplink.network == REGISTRY:
        plan.append((_MODEL, profile.name, _model_values(profile), {}))
    observed_at = None if uplink.network == REGISTRY else uplink.observed_at
    for name, local, values, found in plan:
        entity, wrong = _entity(name, entity_id(name, city, local), values, found, observed_at)
        problems += [InvalidEntityError(sentence, device_id=device.id) for sentence in wrong]
        if entity is not None:
            entities.append(entity)
    return Built(entities=tuple(entities), unmapped=unmapped, problems=tuple(problems))


_Found = dict[str, tuple[Any, "datetime"]]


def _sort(readings: tuple[Reading, ...], type_name: str) -> tuple[_Found, _Found, tuple[str, ...]]:
    """Give each reading to the attribute of the first type that has one: value and time by attribute."""
    status: _Found = {}
    measured: _Found = status if type_name == _DEVICE else {}
    unmapped: list[str] = []
    for reading in readings:
        for name, found in ((type_name, measured), (_DEVICE, status)):
            slot = _slot(name, reading.quantity)
            if slot is not None:
                attribute, values, factor_from, factor_to = slot
                value: Any = reading.value
                if values:
                    value = values.get(str(value).lower(), value)
                elif factor_from is not None and factor_to is not None and not isinstance(value, bool | str):
                    value = round(convert(value, factor_from, factor_to), 9)
                found[attribute] = (value, reading.observed_at)
                break
        else:
            unmapped.append(reading.quantity)
    return measured, status, tuple(unmapped)


@cache
def _slot(type_name: str, quantity: str) -> tuple[str, Mapping[str, Any], str | None, str | None] | None:
    """Return attribute, its enumeration, and the units to convert from and to (None: the same)."""
    known = quantities()[quantity]
    target = known.targets.get(type_name)
    if target is None:
        return None
    unit = attribute_unit(type_name, target.attribute)
    if known.unit is None or unit is None or known.unit == unit:
        return target.attribute, target.values, None, None
    return target.attribute, target.values, known.unit, unit


def _values(type_name: str, device: Device, uplink: Uplink, city: str) -> dict[str, Any]:
    """Return what is known of the entity and was not measured."""
    fields = TYPES[type_name].model_fields
    values: dict[str, Any] = {
        "name": device.name,
        "location": _point(device.position or uplink.position),
        "refDevice": entity_id(_DEVICE, city, device.id),
        "stationID": device.place or device.id,
        "source": "simulation" if device.simulated else None,
        **dict.fromkeys(_TIME_ATTRIBUTES, uplink.observed_at),
    }
    if period := device.parameters.get("period"):
        values["dateObservedFrom"] = uplink.observed_at - timedelta(seconds=period)
    known = {name: value for name, value in values.items() if name in fields and value is not None}
    return {**known, **device.attributes}


def _device_values(device: Device, profile: Profile, uplink: Uplink, city: str) -> dict[str, Any]:
    values = {
        "name": device.name or uplink.name or device.id,
        "location": _point(device.position or uplink.position),
        "deviceCategory": ["sensor"],
        "controlledProperty": _controlled(profile),
        "supportedProtocol": ["lora"] if _DEV_EUI.fullmatch(device.id) else ["mqtt"],
        "refDeviceModel": entity_id(_MODEL, city, profile.name),
        "serialNumber": device.id,
        "dateInstalled": device.installed_at,
        "dateLastValueReported": uplink.observed_at if uplink.network != REGISTRY else None,
        "deviceState": "ok",
        "source": "simulation" if device.simulated else None,
        "provider": device.owner,
    }
    return {name: value for name, value in values.items() if value is not None}


def _model_values(profile: Profile) -> dict[str, Any]:
    return {
        "name": f"{profile.vendor} {profile.model}",
        "brandName": profile.vendor,
        "manufacturerName": profile.vendor,
        "modelName": profile.model,
        "category": ["sensor"],
        "controlledProperty": _controlled(profile),
    }


def _controlled(profile: Profile) -> list[str]:
    """Return the Device model's names of what the profile measures.

    A generic profile, which maps whatever comes, may measure what its type can say.
    """
    names = {row.quantity for row in profile.fields} or {
        name for name, quantity in quantities().items() if profile.entity_type in quantity.targets
    }
    words = sorted({word for name in names if (word := quantities()[name].controlled)})
    # The model wants at least one word, and has none for people or contacts.
    return words or ["batterySupply"]


def _entity(
    type_name: str, urn: str, values: Mapping[str, Any], found: _Found, observed_at: datetime | None
) -> tuple[EntityUpdate | None, list[str]]:
    """Validate and normalize; return the entity, if it is one, and what is wrong with it.

    A measured value that the Smart Data Model does not allow is left out, and the others go on.
    """
    model = TYPES[type_name]
    found = dict(found)
    wrong: list[str] = []
    while True:
        measured = {attribute: value for attribute, (value, _) in found.items()}
        try:
            entity = model.model_validate({**values, "id": urn, "type": type_name, **measured})
        except ValidationError as error:
            wrong.append(_sentence(type_name, urn, error))
            culprit = error.errors(include_url=False, include_input=False)[0]["loc"][0]
            if culprit not in found:
                return None, wrong
            del found[str(culprit)]
        else:
            times = {attribute: at for attribute, (_, at) in found.items()}
            body = normalize(entity, times)
            update = EntityUpdate(
                id=urn, type=type_name, subject=model.subject, observed_at=observed_at, body=body
            )
            return update, wrong


def _sentence(type_name: str, urn: str, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        hint = (
            "give the device a position" if where == "location" else f"give the device an attribute “{where}”"
        )
        return f"{urn} lacks “{where}”, which {type_name} requires: {hint}."
    return f"{urn} is no valid {type_name}: “{where}”: {first['msg'][0].lower()}{first['msg'][1:]}."


def _point(position: Position | None) -> dict[str, Any] | None:
    if position is None:
        return None
    coordinates = [position.longitude, position.latitude]
    if position.altitude is not None:
        coordinates.append(position.altitude)
    return {"type": "Point", "coordinates": coordinates}
