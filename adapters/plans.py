# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What is kept of a device: little, for a city has a hundred thousand of them.

What of an entity stays the same from message to message is some hundred bytes. Devices of one group differ
in it by id, name, place and position alone: it is kept once for all of them, with gaps, and written for
a device when somebody asks.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import orjson
from msgspec import Struct
from msgspec.structs import replace

from adapters.build import DEV_EUI, entity_id
from models.values import rfc3339

if TYPE_CHECKING:
    from collections.abc import Hashable

    from adapters.templates import Kind
    from models.device import Device
    from models.reading import EntityUpdate
    from models.uplink import Position, Uplink

DEVICE: Final = "Device"


class Pattern(Struct, frozen=True, gc=False):
    """What stays the same of the entities of one type, for the devices of a group.

    Attributes:
        text: as `EntityUpdate.still`; for `%` where there are gaps.
        gaps: the attributes that differ from device to device.
    """

    text: bytes
    gaps: tuple[str, ...] = ()

    def write(self, plan: Plan, type_name: str) -> bytes:
        """Fill the gaps for a device."""
        if not self.gaps:
            return self.text
        values = _differing(plan, type_name)
        return self.text % tuple([orjson.dumps(values[name]) for name in self.gaps])


class Group(Struct, kw_only=True):
    """Devices of a kind that have the same patterns.

    Attributes:
        feeds: of the entity that they feed; None: nothing was made of it yet.
        device: of the Device, likewise.
        shared: more than one device may belong to it.
    """

    kind: Kind
    feeds: Pattern | None = None
    device: Pattern | None = None
    shared: bool = True

    def pattern(self, type_name: str) -> Pattern | None:
        """Return that of a type."""
        return self.device if type_name == DEVICE else self.feeds

    def keep(self, type_name: str, pattern: Pattern) -> None:
        """Keep that of a type."""
        if type_name == DEVICE:
            self.device = pattern
        else:
            self.feeds = pattern


class Plan(Struct, kw_only=True, gc=False):
    """What is kept of one device.

    Attributes:
        device: as it was registered; of another registration they are other entities.
        group: of the device.
        position: where the network server said that it is, where its registration does not.
        name: what the network server called it, likewise.
        feeds_id: of the entity that it feeds.
        device_id: of its Device.
    """

    device: Device
    group: Group
    position: Position | None
    name: str | None
    feeds_id: str
    device_id: str

    def still(self, type_name: str) -> bytes:
        """See `models.reading.Rest.still`."""
        pattern = self.group.pattern(type_name)
        return b"" if pattern is None else pattern.write(self, type_name)

    def share(self, update: EntityUpdate) -> EntityUpdate:
        """Return the same update; what stays the same of it is the plan's, where that is equal."""
        known = self.device_id if update.type == DEVICE else self.feeds_id
        if update.id != known or self.still(update.type) != update.still:
            return update
        return replace(update, id=known, rest=self)

    def learn(self, update: EntityUpdate) -> Plan:
        """Keep what stays the same of an entity that went the whole way.

        Returns:
            The plan from now on: another one where this one said otherwise.
        """
        group, type_name, still = self.group, update.type, update.still
        pattern = group.pattern(type_name)
        if pattern is None and group.shared:
            pattern = make_pattern(self, type_name, still)
            if pattern is not None:
                group.keep(type_name, pattern)
        if pattern is not None and pattern.write(self, type_name) == still:
            return self
        # There is something about the device that its group does not know.
        group = Group(kind=group.kind, feeds=group.feeds, device=group.device, shared=False)
        group.keep(type_name, Pattern(still))
        return replace(self, group=group)

    def sound(self) -> bool:
        """Say whether the entities of a device whose group is known are as valid as those of the others."""
        where = self.device.position or self.position
        if where is not None and not (
            -180 <= where.longitude <= 180  # noqa: PLR2004 - WGS 84
            and -90 <= where.latitude <= 90  # noqa: PLR2004
            and isfinite(where.altitude or 0)
        ):
            return False
        installed = self.device.installed_at
        if installed is not None and installed.tzinfo is None:
            return False
        feeds, device = self.group.feeds, self.group.device
        try:
            if feeds is not None:
                feeds.write(self, "")
            if device is not None:
                device.write(self, DEVICE)
        except (TypeError, ValueError, OverflowError):
            return False  # a text that is no Unicode, or a time beyond all bounds
        return True


def make_plan(device: Device, uplink: Uplink, group: Group) -> Plan:
    """Make the plan of a device of a group.

    Raises:
        ValueError: its id or place is no Unicode.
    """
    kind = group.kind
    return Plan(
        device=device,
        group=group,
        position=uplink.position if device.position is None else None,
        name=None if device.name else uplink.name,
        feeds_id=entity_id(kind.type_name, kind.city, device.place or device.id),
        device_id=entity_id(DEVICE, kind.city, device.id),
    )


def group_key(device: Device, position: Position | None) -> Hashable:
    """Return what is equal for the devices of a kind that make one group.

    Raises:
        TypeError: there is something in the registration that JSON has not.
    """
    where = device.position or position
    return (
        device.name is None,
        where is None,
        where is None or where.altitude is None,
        DEV_EUI.fullmatch(device.id) is None,
        device.installed_at is None,
        device.simulated,
        device.owner,
        orjson.dumps(device.attributes) if device.attributes else b"",
    )


def make_pattern(plan: Plan, type_name: str, still: bytes) -> Pattern | None:
    """Make a pattern of what stays the same of a device's entity; None: it cannot be said what differs."""
    body = orjson.loads(b"{" + still[1:] + b"}")
    gaps: list[str] = []
    values = _differing(plan, type_name)
    for name, member in body.items():
        if name not in values or (type_name != DEVICE and name in plan.device.attributes):
            continue
        key = "object" if "object" in member else "value"
        if member[key] != values[name]:
            return None
        member[key] = _GAP
        gaps.append(name)
    text = orjson.dumps(body)[1:-1].replace(b"%", b"%%").replace(orjson.dumps(_GAP), b"%b")
    if not gaps:
        return Pattern(still)
    pattern = Pattern(b"," + text, tuple(gaps))
    return pattern if pattern.text.count(b"%b") == len(gaps) else None


# No attribute's value is this.
_GAP: Final = "\u2423gap"


def _differing(plan: Plan, type_name: str) -> dict[str, Any]:
    """Return what differs from device to device, as `adapters/build.py` has it; None: it is not sent."""
    device = plan.device
    where = device.position or plan.position
    installed = device.installed_at
    values: dict[str, Any] = {
        "name": (device.name or plan.name or device.id) if type_name == DEVICE else device.name,
        "refDevice": plan.device_id,
        "stationID": device.place or device.id,
        "serialNumber": device.id,
    }
    if where is not None:
        coordinates = [float(where.longitude), float(where.latitude)]
        if where.altitude is not None:
            coordinates.append(float(where.altitude))
        values["location"] = {"type": "Point", "coordinates": coordinates}
    if installed is not None:
        values["dateInstalled"] = {"@type": "DateTime", "@value": rfc3339(installed)}
    return values
