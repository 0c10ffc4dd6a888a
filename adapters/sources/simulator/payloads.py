# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From quantities to what a device model sends: the profile's table read backwards.

A model that Volme decodes itself is encoded by the same codec; of the one that only its network server
decodes, the byte is that of the vendor's protocol, and the object is that of its decoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from adapters.codecs.decoding import TABLES, decode_table, encode
from adapters.profiles import load_profiles
from ontology.loader import convert, quantities

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.sources.simulator.catalogue import Form
    from models.device import Device, FieldMapping, Profile

_PER_YEAR = 0.16  # of a battery
_YEAR_S = 365.25 * 86400
_DECENTLAB = "decentlab."
_VOLTS = (2.8, 3.6)  # of models whose profile names none


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """What a network server has of one frame.

    Attributes:
        f_port: LoRaWAN port.
        raw: the device's bytes.
        decoded: the object of the network server's decoder, where it runs one.
        normalized: the same in the public normalised schema, where it has a normaliser.
    """

    f_port: int
    raw: bytes
    decoded: Mapping[str, Any] | None = None
    normalized: tuple[Mapping[str, Any], ...] = ()


@cache
def profile_of(name: str) -> Profile:
    """Return the profile of a simulated device."""
    return load_profiles()[name]


def battery(device: Device, seconds: float) -> dict[str, float]:
    """Return volts and percent; the battery is changed before it is empty."""
    since = seconds - device.installed_at.timestamp() if device.installed_at else 0.0
    left = 1 - max(0.0, since / _YEAR_S * _PER_YEAR) % 0.8
    empty, full = profile_of(device.profile).battery or _VOLTS
    return {"battery.level": 100 * left, "battery.voltage": empty + left * (full - empty)}


def fields_of(profile: Profile, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a profile that say the values, in the fields' units and usual digits.

    Of several fields that say the same, it is the first; of citizens' stations the most believed one.
    """
    fields: dict[str, Any] = {}
    said: set[str] = set()
    for mapping in profile.fields if profile.name not in _BEST_LAST else reversed(profile.fields):
        if mapping.quantity in values and mapping.quantity not in said:
            said.add(mapping.quantity)
            fields[mapping.path] = _said(mapping, values[mapping.quantity])
    return fields


_BEST_LAST = frozenset({"sensor-community-airrohr", "sensebox-home"})


def _said(mapping: FieldMapping, value: Any) -> Any:
    """Return what the device says for a value: the word or number that its profile reads so."""
    for said, read in mapping.values.items():
        if read == value and type(read) is type(value):
            return int(said) if said.isdecimal() else said
    return value if isinstance(value, str) else _number(mapping.quantity, mapping.unit, value)


# Digits behind the point, where not one: of a quantity, else of a unit.
_DIGITS = {"rain.amount": 3, "battery.level": 0, "soil.moisture": 2, "soil.ec": 2, "wind.speed": 2}
_DIGITS_OF_UNITS = {
    **dict.fromkeys(("MMT", "59", "61", "IE", "LUX", "G42", "2Z", "PAL", "C62"), 0),
    "CMT": 1,
    "VLT": 3,
    "MTR": 3,
    "MQH": 3,
    "KPA": 2,
}


def _number(quantity: str, unit: str | None, value: float) -> float:
    if isinstance(value, bool):  # an int to Python, not to us
        return value
    own = quantities()[quantity].unit
    if unit and own and unit != own:
        value = convert(value, own, unit)
    share = quantity == "soil.moisture" and unit == "C62"
    digits = (
        4
        if share
        else _DIGITS_OF_UNITS.get(unit or "", _DIGITS.get(quantity, _DIGITS_OF_UNITS.get(own or "", 1)))
    )
    return round(value, digits) if digits else round(value)


def payload(device: Device, form: Form, values: Mapping[str, Any]) -> Payload:
    """Return what the network server has of the frame that says the values."""
    profile = profile_of(device.profile)
    if profile.name in ("cayenne-lpp", "normalized"):
        return _cayenne(form, values)
    fields = fields_of(profile, values)
    if profile.codec in TABLES:
        return _by_table(profile.codec, form, {**_ALWAYS.get(profile.codec, {}), **fields})
    return _nwave(fields)


# Fields that the device sends beside what was measured.
_ALWAYS: Mapping[str, Mapping[str, Any]] = {
    "decentlab.dl_mbx": {"device_id": 303, "number_of_valid_samples": 8},
    "decentlab.dl_lid": {"device_id": 304, "number_of_samples": 30},
    "decentlab.dl_pm": {"device_id": 6992, "pm4_mass_concentration": 0},
    "decentlab.dl_atm41": {"device_id": 858},
    "klax": {"server_id": "0a01454d48000058e095"},
    "elvaco.cmi": {"meter_id": 58095001},
    "mbus": {"meter_id": 58095002},
    "parametric.pcr2": {"temp": 24.5},
}


def _by_table(codec: str, form: Form, fields: Mapping[str, Any]) -> Payload:
    f_port, raw = encode(codec, fields)
    if form == "bytes":
        return Payload(f_port=f_port, raw=raw)
    decoded = decode_table(codec, raw, f_port).fields
    if codec.startswith(_DECENTLAB):
        decoded = {name: _nested(name, value) for name, value in decoded.items()}
    return Payload(f_port=f_port, raw=raw, decoded=decoded)


def _nested(name: str, value: Any) -> Any:
    """Write a value as Decentlab's own decoder does."""
    if name in ("protocol_version", "device_id"):
        return value
    return {"displayName": name.replace("_", " ").capitalize(), "value": value}


# --- CayenneLPP --------------------------------------------------------------------------------------

_CAYENNE = {
    "air.temperature": "temperature_1",
    "air.relativeHumidity": "relative_humidity_2",
    "air.pressure": "barometric_pressure_3",
    "air.co2": "concentration_4",
    "wind.speed": "analog_in_5",
    "wind.direction": "direction_6",
    "soil.temperature": "temperature_7",
    "soil.moisture": "percentage_8",
    "soil.ec": "analog_in_9",
}


def _cayenne(form: Form, values: Mapping[str, float]) -> Payload:
    f_port, raw = encode(
        "cayenne_lpp", {field: values[name] for name, field in _CAYENNE.items() if name in values}
    )
    if form == "bytes":
        return Payload(f_port=f_port, raw=raw)
    decoded = decode_table("cayenne_lpp", raw, f_port).fields
    said = {name: decoded[field] for name, field in _CAYENNE.items() if field in decoded}
    return Payload(f_port=f_port, raw=raw, decoded=decoded, normalized=(_tree(said),))


def _tree(said: Mapping[str, Any]) -> dict[str, Any]:
    """Turn `air.temperature` into an object in an object, as the public schema has it."""
    tree: dict[str, Any] = {}
    for name, value in said.items():
        group, _, leaf = name.partition(".")
        tree.setdefault(group, {})[leaf] = value
    return tree


# --- the model that only its network server decodes: the vendor's byte --------------------------------


def _nwave(fields: Mapping[str, Any]) -> Payload:
    minutes = 40  # since the state before
    said = {"previous_state_duration": minutes, "previous_state_duration_overflow": False}
    raw = bytes((fields["occupied"] << 7 | minutes,))
    return Payload(f_port=1, raw=raw, decoded={**fields, **said, "type": "parking_status"})
