# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Devices and what is known of their models."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - dataclass fields are read at run time
from typing import TYPE_CHECKING, Any, Final

from models.uplink import Position  # noqa: TC001 - dataclass fields are read at run time

if TYPE_CHECKING:
    from collections.abc import Mapping


# Of most devices there is nothing to say: one mapping for all of them, for a city has many.
_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """One installed thing.

    Attributes:
        id: the DevEUI, 16 lower-case hex digits, or the id in a plain MQTT topic.
        profile: the name of a device profile.
        entity_type: Smart Data Models type that it feeds; None: the profile's.
        place: the last part of the entity's id, where several devices feed one entity;
            None: the device's own id.
        name: what people call it.
        position: where it hangs; None: where the network server says.
        owner: who answers for it.
        installed_at: since when it hangs there.
        simulated: no reading of it is real.
        parameters: what its mapping needs of the place, such as `reference_level` (m).
        attributes: what is known of the entity and never measured, in keyvalues, such as
            `category` or `refParkingSite`.
        retired_at: since when it is out of service; None: it is expected to send.
        replaced_by: the device that hangs in its place now.
        origin: the network server's list that it was taken from.
    """

    id: str
    profile: str
    entity_type: str | None = None
    place: str | None = None
    name: str | None = None
    position: Position | None = None
    owner: str | None = None
    installed_at: datetime | None = None
    simulated: bool = False
    parameters: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    attributes: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    retired_at: datetime | None = None
    replaced_by: str | None = None
    origin: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldMapping:
    """Where one decoded field goes.

    Attributes:
        path: keys and indices into the decoded fields, joined by dots (`channels.0.level`).
            A field that is an object with a `value` stands for that value.
        quantity: a name in the normalised vocabulary.
        unit: UN/CEFACT code of the field where it differs from the quantity's own unit.
        values: field value (as text) → reading, for enumerations.
        missing: values (as text) by which the device says that nothing was measured.
        modulus: of a counter that rolls over: the count at which it is zero again, in the field's unit.
    """

    path: str
    quantity: str
    unit: str | None = None
    values: Mapping[str, float | bool | str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    modulus: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """What is known of a device model: a table of `ontology/devices/*.toml`.

    Attributes:
        name: `vendor-model`, lower case.
        codec: a table codec (`decentlab.dl_atm41`), `cayenne_lpp`, `javascript:<name>`, or
            `network` where only the network server can decode.
        entity_type: the Smart Data Models type that it feeds unless the device says otherwise.
        models: what network servers call the model, lower case: `brand/model` of The Things
            Stack, a profile name of ChirpStack.
        battery: for models that report a voltage only: volts at 0 and at 1, or at 0, ½ and 1, or at each
            quarter of the charge.
        parameters: what derivations need to know of every device of the model, as `Device.parameters`;
            the device's own go before them.
    """

    name: str
    vendor: str
    model: str
    codec: str
    entity_type: str
    fields: tuple[FieldMapping, ...]
    models: tuple[str, ...] = ()
    battery: tuple[float, ...] | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
