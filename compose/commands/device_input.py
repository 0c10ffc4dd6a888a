# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From what an operator writes of a device, on the command line or in a file, to a `Device`."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from adapters.derive import DERIVATIONS, PARAMETERS
from adapters.profiles import find_profile
from compose.commands.options import read_moment
from compose.commands.words import nearest
from models.device import Device
from models.types import TYPES
from models.uplink import Position
from ontology.loader import quantities

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from models.device import Profile

#: Numbers that a device may be given: what derivations need, and how long one observation takes.
SETTABLE = PARAMETERS | {"period"}
#: What may be said of a device.
KNOWN = (
    "id", "profile", "name", "latitude", "longitude", "altitude", "type", "place", "owner", "installed",
    "simulated", "parameters", "attributes",
)  # fmt: skip

# What may stand in an entity's id without surprises in any broker.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}")
_EUI_DIGITS = 16
_TYPING_ERRORS = 2
_DEV_EUI = re.compile(r"[0-9a-f]{16}")
_WORDS = {
    "true": True,
    "yes": True,
    "ja": True,
    "1": True,
    "false": False,
    "no": False,
    "nein": False,
    "0": False,
}
_FARTHEST = {"latitude": 90.0, "longitude": 180.0, "altitude": 9000.0}


class DeviceInputError(ValueError):
    """What was written of a device cannot be used; `reasons` are sentences without a full stop."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def device_id(text: str) -> str:
    """Return a DevEUI as network servers' envelopes are read: lower case, without separators.

    Understood are `70B3D57ED0A1B2C3`, `70-B3-…`, `70:B3:…`, `70b3.d57e.…`, `0x70B3…` and `eui-70b3…`.

    Raises:
        DeviceInputError: it is neither a DevEUI nor can it stand in an entity's id.
    """
    eui = re.sub(r"^(0x|eui[-:]?)", "", re.sub(r"[\s]", "", text).lower())
    eui = re.sub(r"[.:_-]", "", eui)
    if _DEV_EUI.fullmatch(eui):
        return eui
    if not _ID.fullmatch(text.strip()):
        reason = (
            f"“{text}” is no DevEUI (16 hex digits), and no id either (letters, digits, . _ : ~ -)"
            if text
            else "the id is missing"
        )
        raise DeviceInputError([reason])
    return text.strip()


def read_device(
    given: Mapping[str, Any],
    profiles: Mapping[str, Profile],
    models: Mapping[str, tuple[str, ...]] = {},
) -> Device:
    """Make a device of what was written; texts are read, and empty ones are as if absent.

    Args:
        given: any of `KNOWN`.
        profiles: device profiles by name.
        models: by device, what its network server calls the model: decides where no profile is named.

    Raises:
        DeviceInputError: with every reason.
    """
    return _Reading(given, profiles, models).device()


def written(device: Device) -> dict[str, Any]:
    """Return what `read_device` makes this device of: any of `KNOWN`, without what is not known."""
    position = device.position
    said: dict[str, Any] = {
        "id": device.id,
        "profile": device.profile,
        "name": device.name,
        "latitude": position and position.latitude,
        "longitude": position and position.longitude,
        "altitude": position and position.altitude,
        "type": device.entity_type,
        "place": device.place,
        "owner": device.owner,
        "installed": device.installed_at and device.installed_at.isoformat(),
        "simulated": "yes" if device.simulated else None,
        "parameters": dict(device.parameters),
        "attributes": {name: _text_of(value) for name, value in device.attributes.items()},
    }
    return {name: value for name, value in said.items() if value is not None and value != {}}


def _text_of(value: Any) -> str:
    """Write an attribute so that `_json` reads it back: a text as itself, unless it looks like JSON."""
    if isinstance(value, str) and value and _json(value) is value:
        return value
    return json.dumps(value, ensure_ascii=False)


class _Reading:
    """One device's record while it is read; collects what is wrong."""

    def __init__(
        self,
        given: Mapping[str, Any],
        profiles: Mapping[str, Profile],
        models: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._given = given
        self._profiles = profiles
        self._models = models
        self._wrong: list[str] = []

    def device(self) -> Device:
        """Read everything.

        Raises:
            DeviceInputError: something cannot be used.
        """
        name = self._id()
        profile = self._profile(name)
        entity_type = self._type()
        attributes = self._attributes(entity_type or (profile.entity_type if profile else None))
        device = Device(
            id=name,
            profile=profile.name if profile else "",
            entity_type=entity_type,
            place=self._place(),
            name=self._text("name"),
            position=self._position(),
            owner=self._text("owner"),
            installed_at=self._installed(),
            simulated=self._simulated(),
            parameters=self._parameters(),
            attributes=attributes,
        )
        if self._wrong:
            raise DeviceInputError(self._wrong)
        return device

    def _text(self, key: str) -> str | None:
        value = self._given.get(key)
        text = "" if value is None else str(value).strip()
        if not text.isprintable():
            self._wrong.append(f"{key} has characters that cannot be shown")
            return None
        return text or None

    def _id(self) -> str:
        try:
            return device_id(self._text("id") or "")
        except DeviceInputError as error:
            self._wrong += error.reasons
            return ""

    def _profile(self, name: str) -> Profile | None:
        wanted = self._text("profile")
        if wanted is None:
            fitting = find_profile(self._profiles, self._models.get(name, ()))
            if fitting is None:
                self._wrong.append("a profile must be named; `volme profiles` lists them")
            return fitting
        if wanted not in self._profiles:
            hint = nearest(wanted, self._profiles) or "; `volme profiles` lists them"
            self._wrong.append(f"there is no profile “{wanted}”{hint}")
        return self._profiles.get(wanted)

    def _type(self) -> str | None:
        name = self._text("type")
        if name is not None and name not in TYPES:
            hint = nearest(name, TYPES) or f"; there are {', '.join(sorted(TYPES))}"
            self._wrong.append(f"there is no type “{name}”{hint}")
            return None
        return name

    def _place(self) -> str | None:
        place = self._text("place")
        if place is not None and not _ID.fullmatch(place):
            self._wrong.append(
                f"the place “{place}” cannot stand in an entity's id (letters, digits, . _ : ~ -)"
            )
        return place

    def _installed(self) -> datetime | None:
        value = self._given.get("installed")
        if value is None or value == "":
            return None
        try:
            return read_moment(value)
        except ValueError as error:
            self._wrong.append(str(error))
            return None

    def _simulated(self) -> bool:
        word = (self._text("simulated") or "no").lower()
        if word not in _WORDS:
            self._wrong.append(f"simulated is yes or no, not “{word}”")
        return _WORDS.get(word, False)

    def _number(self, key: str, value: Any) -> float | None:
        """Read a number, also with a decimal comma; None: there is none, or it is none."""
        if value is None or value == "":
            return None
        try:
            number = float(value.strip().replace(",", ".") if isinstance(value, str) else value)
            if isinstance(value, bool) or not math.isfinite(number):
                raise ValueError  # noqa: TRY301 - said below, as for any other text
        except (TypeError, ValueError):
            self._wrong.append(f"{key} must be a number, not “{value}”")
            return None
        return number

    def _position(self) -> Position | None:
        found: dict[str, float] = {}
        for key, farthest in _FARTHEST.items():
            number = self._number(key, self._given.get(key))
            if number is not None and abs(number) > farthest:
                self._wrong.append(
                    f"the {key} {number:g} is not on earth (degrees, WGS 84; latitude comes first)"
                )
            elif number is not None:
                found[key] = number
        if "latitude" in found and "longitude" in found:
            return Position(**found)
        if found and not self._wrong:
            self._wrong.append("a position needs latitude and longitude")
        return None

    def _parameters(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, value in self._mapping("parameters").items():
            if name not in SETTABLE:
                hint = nearest(name, SETTABLE) or f"; there are {', '.join(sorted(SETTABLE))}"
                self._wrong.append(f"there is no parameter “{name}”{hint}")
            elif (number := self._number(name, value)) is not None:
                found[name] = number
        return found

    def _attributes(self, entity_type: str | None) -> dict[str, Any]:
        written = {name: value for name, value in self._mapping("attributes").items() if value != ""}
        found = {name: _json(value) for name, value in written.items()}
        if not found or entity_type is None:
            return found
        # A text that is JSON may be meant as a text all the same, as the postal code 58095 is.
        found |= {name: written[name] for name in _misfits(found, entity_type)}
        self._wrong += _misfits(found, entity_type).values()
        return found

    def _mapping(self, key: str) -> Mapping[str, Any]:
        value = self._given.get(key) or {}
        if not isinstance(value, dict):
            self._wrong.append(f"{key} must be names with values")
            return {}
        return value


def _json(value: Any) -> Any:
    """Read a text that is JSON; any other text is itself, as a shell or a spreadsheet leaves it."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _misfits(attributes: Mapping[str, Any], entity_type: str) -> dict[str, str]:
    """Say, by name, which attributes the type does not have, or cannot hold."""
    model = TYPES[entity_type]
    fields = {field.alias or name for name, field in model.model_fields.items()}
    wrong = {
        name: f"{entity_type} has no attribute “{name}”{nearest(name, fields)}"
        for name in attributes
        if name not in fields
    }
    try:
        model.model_validate({"id": "urn:ngsi-ld:any:any", **attributes})
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            name = problem["loc"][0] if problem["loc"] else None
            if isinstance(name, str) and name in attributes:
                wrong.setdefault(name, f"{entity_type}'s {name}: {problem['msg']}")
    return wrong


def advice(device: Device, profile: Profile) -> Iterator[str]:
    """Yield what will be missing of a device's entities as it is registered, a sentence each."""
    entity_type = device.entity_type or profile.entity_type
    strange = re.sub(r"[0-9a-f]", "", device.id.lower())
    if len(device.id) == _EUI_DIGITS and 0 < len(strange) <= _TYPING_ERRORS:
        yield f"Its id would be a DevEUI but for “{strange}”, which is no hex digit."
    if device.position is None:
        yield "It has no position (--at): its entities need one from the network server."
    measured = {row.quantity for row in profile.fields}
    for row in DERIVATIONS:
        missing = [
            name
            for name in row.parameters
            if name not in device.parameters
            and name not in profile.parameters
            and not name.startswith("battery_")
        ]
        wanted = row.gives not in measured and entity_type in quantities()[row.gives].targets
        if row.given in measured and wanted and missing:
            named = " ".join(f"--parameter {name}=…" for name in missing)
            yield f"It measures {row.given}; {row.gives} follows from it with {named}."
    if not any(entity_type in quantities()[name].targets for name in measured | _derived(measured)):
        yield f"Nothing that its profile measures has an attribute in {entity_type}."


def _derived(measured: set[str]) -> set[str]:
    return {row.gives for row in DERIVATIONS if row.given in measured}
