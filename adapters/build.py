# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Readings become entities: the one that the device feeds, and the device itself.

An entity is validated and normalized as a whole when a device says something for the first time. What of
it stays the same is kept as a template; from then on only what changes is validated and normalized.
"""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
from pydantic import ValidationError, create_model

from models.entity import LAST_SEEN, TIME_ATTRIBUTES, Entity
from models.errors import InvalidEntityError
from models.ngsild import normalize
from models.reading import EntityUpdate
from models.types import TYPES, attribute_unit
from models.uplink import REGISTRY
from ontology.loader import convert, quantities

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from models.device import Device, Profile
    from models.reading import Reading
    from models.uplink import Position, Uplink

_DEVICE = "Device"
_MODEL = "DeviceModel"
_DEV_EUI = re.compile("[0-9a-f]{16}")
# Templates kept: 2.3 kB each, two a device. What has none is made as a whole, which is slower.
_TEMPLATES = 20_000


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
    templates: Templates,
) -> Built:
    """Make the entities of one uplink.

    Types without an attribute for a quantity leave it out; the device's own state (battery,
    signal, last seen) goes to its `Device` entity.
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
        entity = templates.fill(name, local, found, _origin(device, profile, uplink, city), uplink)
        if entity is None:
            values = _unmeasured(name, device, profile, uplink, city)
            entity, wrong = _entity(name, entity_id(name, city, local), values, found, uplink)
            problems += [InvalidEntityError(sentence, device_id=device.id) for sentence in wrong]
            if entity is not None and not wrong:
                moving = _moving(name, device)
                templates.keep(local, entity, found, _origin(device, profile, uplink, city), moving)
        if entity is not None:
            entities.append(entity)
    return Built(entities=tuple(entities), unmapped=unmapped, problems=tuple(problems))


_Found = dict[str, tuple[Any, "datetime"]]
_Moving = dict[str, timedelta]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Template:
    """An entity without what changes from message to message.

    Attributes:
        origin: all that it was made of; of another origin it is another entity.
        moving: attributes that follow the time of observation, and how far behind they are.
        still: the normalized rest. All messages share its values: bodies are read, never changed.
    """

    id: str
    origin: tuple[Any, ...]
    moving: _Moving
    still: Mapping[str, Any]


class Templates:
    """The entities that devices have fed, to make the next ones from. It changes nothing but the speed."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], _Template] = {}

    def fill(
        self, type_name: str, local: str, found: _Found, origin: tuple[Any, ...], uplink: Uplink
    ) -> EntityUpdate | None:
        """Make an entity of its template; None: it has to be made as a whole."""
        template = self._known.get((type_name, local, *found))
        if template is None or template.origin != origin or uplink.network == REGISTRY:
            return None
        at = uplink.observed_at
        changing = {name: at - behind for name, behind in template.moving.items()}
        changing |= {name: value for name, (value, _) in found.items()}
        try:
            entity = _changing(type_name).model_validate({"id": template.id, "type": type_name, **changing})
        except ValidationError:
            return None  # and then it will be said what is wrong
        body = {
            **template.still,
            **normalize(entity, {name: moment for name, (_, moment) in found.items()}),
        }
        return _update(TYPES[type_name].subject, at, tuple(found), body)

    def keep(
        self, local: str, entity: EntityUpdate, found: _Found, origin: tuple[Any, ...], moving: _Moving
    ) -> None:
        """Remember an entity that was made as a whole; too many: forget the oldest."""
        still = {name: value for name, value in entity.body.items() if name not in found | moving}
        if len(self._known) >= _TEMPLATES:
            del self._known[next(iter(self._known))]
        self._known[entity.type, local, *found] = _Template(
            id=entity.id, origin=origin, moving=moving, still=still
        )


def _origin(device: Device, profile: Profile, uplink: Uplink, city: str) -> tuple[Any, ...]:
    """Return what an entity is made of besides readings and times."""
    position = uplink.position if device.position is None else None
    return (device, profile, city, position, None if device.name else uplink.name)


def _moving(type_name: str, device: Device) -> _Moving:
    """Return the attributes of a type that follow the time of observation."""
    if type_name == _DEVICE:
        return {LAST_SEEN: timedelta()}
    period = timedelta(seconds=device.parameters.get("period", 0))
    return {
        name: period if name == "dateObservedFrom" else timedelta()
        for name in TIME_ATTRIBUTES
        if name in TYPES[type_name].model_fields and name not in device.attributes
    }


@cache
def _changing(type_name: str) -> type[Entity]:
    """Return the type with nothing but what changes from message to message."""
    wanted = {target.attribute for known in quantities().values() if (target := known.targets.get(type_name))}
    wanted |= {*TIME_ATTRIBUTES, LAST_SEEN}
    fields: dict[str, Any] = {}
    for name, info in TYPES[type_name].model_fields.items():
        if (info.alias or name) in wanted:
            optional = copy(info)
            optional.default = None
            fields[name] = (info.annotation, optional)
    return create_model(type_name, __base__=Entity, **fields)


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
        "location": _point(device.position or uplink.position),
        "refDevice": entity_id(_DEVICE, city, device.id),
        "stationID": device.place or device.id,
        "source": "simulation" if device.simulated else None,
        **{name: uplink.observed_at - behind for name, behind in _moving(type_name, device).items()},
    }
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
        LAST_SEEN: uplink.observed_at if uplink.network != REGISTRY else None,
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
    type_name: str, urn: str, values: Mapping[str, Any], found: _Found, uplink: Uplink
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
            # A registration observed nothing, so it can never be late.
            at = None if uplink.network == REGISTRY else uplink.observed_at
            return _update(model.subject, at, tuple(found), body), wrong


def _update(
    subject: str, at: datetime | None, measured: tuple[str, ...], body: Mapping[str, Any]
) -> EntityUpdate:
    return EntityUpdate(
        id=body["id"],
        type=body["type"],
        subject=subject,
        observed_at=at,
        measured=measured,
        head=orjson.dumps(body)[:-1],
    )


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
