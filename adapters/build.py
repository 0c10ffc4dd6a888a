# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Readings become entities: the one that the device feeds, and the device itself.

Here an entity is validated and normalized as a whole, and all that is wrong is named. It is what defines
the entities; `adapters/templates.py` makes the same ones quickly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import ValidationError

from models.entity import LAST_SEEN, TIME_ATTRIBUTES
from models.errors import InvalidEntityError
from models.ngsild import normalize, to_json
from models.reading import NOTHING, EntityUpdate, Written
from models.types import TYPES, attribute_unit
from models.uplink import REGISTRY
from ontology.loader import clean, convert, quantities

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from models.device import Device, Profile
    from models.reading import Reading
    from models.uplink import Position, Uplink

_DEVICE = "Device"
_MODEL = "DeviceModel"
#: An id that is a DevEUI.
DEV_EUI = re.compile("[0-9a-f]{16}")
# Different sets of attributes that are measured together: some a profile.
_SETS = 4096


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
    readings: tuple[Reading, ...],
    device: Device,
    profile: Profile,
    uplink: Uplink,
    *,
    city: str,
) -> Built:
    """Make the entities of one uplink.

    What the type has no attribute for, it leaves out (`adapters/measurements.py` takes that); the device's
    own state (battery, signal, last seen) goes to its `Device` entity.
    """
    type_name = device.entity_type or profile.entity_type
    measured, status, unmapped = _sort(readings, type_name)
    entities: list[EntityUpdate] = []
    problems: list[InvalidEntityError] = []
    plan = [(_DEVICE, device.id, status)]
    if measured and measured is not status:
        plan.insert(0, (type_name, device.place or device.id, measured))
    if uplink.network == REGISTRY:
        plan.append((_MODEL, profile.name, {}))
    for name, local, found in plan:
        values = _unmeasured(name, device, profile, uplink, city)
        units = own_units(name, (reading.quantity for reading in readings))
        entity, wrong = _entity(
            name, entity_id(name, city, local), values, found, uplink, moving_attributes(name, device), units
        )
        problems += [InvalidEntityError(sentence, device_id=device.id) for sentence in wrong]
        if entity is not None:
            entities.append(entity)
    return Built(entities=tuple(entities), unmapped=unmapped, problems=tuple(problems))


# Value, when it was observed and its flag, by attribute.
_Found = dict[str, tuple[Any, "datetime", "str | None"]]
_Moving = dict[str, timedelta]


def moving_attributes(type_name: str, device: Device) -> _Moving:
    """Return the attributes of a type that follow the time of observation, and how far behind it they are."""
    if type_name == _DEVICE:
        return {LAST_SEEN: timedelta()}
    period = timedelta(seconds=device.parameters.get("period", 0))
    return {
        name: period if name == "dateObservedFrom" else timedelta()
        for name in TIME_ATTRIBUTES
        if name in TYPES[type_name].model_fields and name not in device.attributes
    }


def _sort(readings: tuple[Reading, ...], type_name: str) -> tuple[_Found, _Found, tuple[str, ...]]:
    """Give each reading to the attribute of the first type that has one."""
    status: _Found = {}
    measured: _Found = status if type_name == _DEVICE else {}
    unmapped: list[str] = []
    for reading in readings:
        for name, found in ((type_name, measured), (_DEVICE, status)):
            target = slot(name, reading.quantity)
            if target is not None:
                attribute, values, factor_from, factor_to = target
                value: Any = reading.value
                if values:
                    value = values.get(str(value).lower(), value)
                elif not isinstance(value, bool | str):
                    same = factor_from is None or factor_to is None
                    value = clean(value if same else convert(value, factor_from or "", factor_to or ""))
                found[attribute] = (value, reading.observed_at, reading.quality)
                break
        else:
            unmapped.append(reading.quantity)
    return measured, status, tuple(unmapped)


Slot = tuple[str, "Mapping[str, Any]", "str | None", "str | None"]


@cache
def slot(type_name: str, quantity: str) -> Slot | None:
    """Return attribute, its enumeration, and the units to convert from and to (None: the same)."""
    known = quantities()[quantity]
    target = known.targets.get(type_name)
    if target is None:
        return None
    unit = target.unit or attribute_unit(type_name, target.attribute)
    if known.unit is None or unit is None or known.unit == unit:
        return target.attribute, target.values, None, None
    return target.attribute, target.values, known.unit, unit


def own_units(type_name: str, names: Iterable[str]) -> dict[str, str]:
    """Return the units that quantities are sent in, by attribute, where they are not the attribute's own."""
    targets = (quantities()[name].targets.get(type_name) for name in names)
    return {target.attribute: target.unit for target in targets if target is not None and target.unit}


def _unmeasured(
    type_name: str, device: Device, profile: Profile, uplink: Uplink, city: str
) -> dict[str, Any]:
    """Return what is known of an entity and was not measured."""
    if type_name == _MODEL:
        return _model_values(profile)
    if type_name == _DEVICE:
        return _device_values(device, profile, uplink, city)
    return _values(type_name, device, uplink, city)


def _values(type_name: str, device: Device, uplink: Uplink, city: str) -> dict[str, Any]:
    fields = TYPES[type_name].model_fields
    values: dict[str, Any] = {
        "name": device.name,
        "location": point(device.position or uplink.position),
        "refDevice": entity_id(_DEVICE, city, device.id),
        "stationID": device.place or device.id,
        "source": "simulation" if device.simulated else None,
        **{
            name: uplink.observed_at - behind for name, behind in moving_attributes(type_name, device).items()
        },
    }
    known = {name: value for name, value in values.items() if name in fields and value is not None}
    return {**known, **device.attributes}


def _device_values(device: Device, profile: Profile, uplink: Uplink, city: str) -> dict[str, Any]:
    values = {
        "name": device.name or uplink.name or device.id,
        "location": point(device.position or uplink.position),
        "deviceCategory": ["sensor"],
        "controlledProperty": _controlled(profile),
        "supportedProtocol": ["lora"] if DEV_EUI.fullmatch(device.id) else ["mqtt"],
        "refDeviceModel": entity_id(_MODEL, city, profile.name),
        "serialNumber": device.id,
        "dateInstalled": device.installed_at,
        LAST_SEEN: uplink.observed_at if uplink.network != REGISTRY else None,
        "deviceState": "ok" if device.retired_at is None else "retired",
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


def _entity(  # noqa: PLR0917 - what it is, what it is made of, and when
    type_name: str,
    urn: str,
    values: Mapping[str, Any],
    found: _Found,
    uplink: Uplink,
    moving: Iterable[str],
    units: Mapping[str, str],
) -> tuple[EntityUpdate | None, list[str]]:
    """Validate and normalize; return the entity, if it is one, and what is wrong with it.

    A measured value that the Smart Data Model does not allow is left out, and the others go on.
    """
    model = TYPES[type_name]
    found = dict(found)
    wrong: list[str] = []
    while True:
        measured = {attribute: value for attribute, (value, _, _) in found.items()}
        try:
            entity = model.model_validate({**values, "id": urn, "type": type_name, **measured})
        except ValidationError as error:
            wrong.append(sentence(type_name, urn, error))
            culprit = error.errors(include_url=False, include_input=False)[0]["loc"][0]
            if culprit not in found:
                return None, wrong
            del found[str(culprit)]
        else:
            times = {attribute: at for attribute, (_, at, _) in found.items()}
            body = normalize(entity, times, units)
            for attribute, (_, _, quality) in found.items():
                if quality is not None:
                    body[attribute]["quality"] = {"type": "Property", "value": quality}
            # A registration observed nothing, so it can never be late.
            at = None if uplink.network == REGISTRY else uplink.observed_at
            return _update(model.subject, at, tuple(found), body, moving), wrong


def _update(
    subject: str,
    at: datetime | None,
    measured: tuple[str, ...],
    body: Mapping[str, Any],
    moving: Iterable[str],
) -> EntityUpdate:
    changing = {"id", "type", *measured, *moving}
    still = {name: value for name, value in body.items() if name not in changing}
    return EntityUpdate(
        id=body["id"],
        type=body["type"],
        subject=subject,
        observed_at=at,
        measured=shared(measured),
        head=to_json({name: value for name, value in body.items() if name in changing})[:-1],
        rest=Written(b"," + to_json(still)[1:-1]) if still else NOTHING,
    )


@lru_cache(maxsize=_SETS)
def shared(measured: tuple[str, ...]) -> tuple[str, ...]:
    """Return the one tuple that stands for all equal ones: updates are kept by the thousand."""
    return measured


def sentence(type_name: str, urn: str, error: ValidationError) -> str:
    """Say in one sentence what is wrong with an entity: the first thing that pydantic found."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        hint = (
            "give the device a position" if where == "location" else f"give the device an attribute “{where}”"
        )
        return f"{urn} lacks “{where}”, which {type_name} requires: {hint}."
    return f"{urn} is no valid {type_name}: “{where}”: {first['msg'][0].lower()}{first['msg'][1:]}."


def point(position: Position | None) -> dict[str, Any] | None:
    """Return a place as GeoJSON."""
    if position is None:
        return None
    coordinates = [position.longitude, position.latitude]
    if position.altitude is not None:
        coordinates.append(position.altitude)
    return {"type": "Point", "coordinates": coordinates}
