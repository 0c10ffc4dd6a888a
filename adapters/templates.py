# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The quick way from decoded fields to entities, for devices whose messages are as they were before.

`adapters/translate.py` and `adapters/build.py` say what a message means: validated, normalized, every
problem named. Once a device's message went that way without any problem, what stays the same of such
devices' entities is kept here (`adapters/plans.py`), and what the profile measures is worked out once for
all devices of the kind (`Kind`). From then on entities are filled in (`adapters/shapes.py`), and come out
the same. What is odd in any way goes the whole way again.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from adapters.build import moving_attributes
from adapters.fields import pick
from adapters.plans import DEVICE, Group, group_key, make_plan
from adapters.readings import profile_parameters
from adapters.shapes import OddError, limits, make_shape
from models.errors import ConfigurationError
from models.types import TYPES, attributes
from models.uplink import REGISTRY
from ontology.loader import conversion, quantities

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from datetime import timedelta

    from adapters.plans import Plan
    from adapters.quality import Recent
    from adapters.shapes import Shape
    from models.device import Device, FieldMapping, Profile
    from models.reading import EntityUpdate
    from models.translation import Translation
    from models.uplink import Uplink

# Sets of quantities that the devices of one kind measure together, and kinds: far more than a city has.
_SHAPES = 512
_KINDS = 4096
# Groups of a kind: what is known of one device alone and of no other makes a group of its own.
_GROUPS = 64
# Plans of devices that nobody has registered any more are thrown away when there are as many.
_FORGOTTEN = 1000

_BATTERY = "battery.level"
_SIGNAL = "signal.rssi"
_HAS_BATTERY, _HAS_SIGNAL = 1, 2
_LEVELS, _SIGNALS = limits(_BATTERY), limits(_SIGNAL)
_NOTHING: tuple[int, list[Any]] = (0, [])
_TYPES = {"number": float, "boolean": bool, "text": str}


class Kind:
    """What devices have in common that make the same entities of the same fields.

    Attributes:
        profile: of the devices.
        city: in the entities' ids.
        type_name: what the devices feed.
        parameters: the profile's own, for what is derived.
        groups: of the devices, by `group_key`.
    """

    __slots__ = (
        "_levels",
        "_moving",
        "_rows",
        "_shapes",
        "_signals",
        "city",
        "groups",
        "parameters",
        "profile",
        "type_name",
    )

    def __init__(self, profile: Profile, city: str, device: Device) -> None:
        self.profile = profile
        self.city = city
        self.type_name = device.entity_type or profile.entity_type
        self.parameters = profile_parameters(profile)
        self._rows = tuple(_row(mapping, number) for number, mapping in enumerate(profile.fields, 2))
        # The rows by which the device itself says what a network server knows too.
        self._levels = sum(row[-1] for row in self._rows if row[2].quantity == _BATTERY)
        self._signals = sum(row[-1] for row in self._rows if row[2].quantity == _SIGNAL)
        self._moving: Mapping[str, Mapping[str, timedelta]] = {
            name: moving_attributes(name, device) for name in (self.type_name, DEVICE)
        }
        # By rows and status that a message has; None: it has to go the whole way.
        self._shapes: dict[int, Shape | None] = {}
        self.groups: dict[Hashable, Group] = {}

    def gather(self, fields: Any) -> tuple[int, list[Any]]:
        """Return which rows the fields have, a bit each from 4 on, and their values in the quantities' units.

        Raises:
            OddError: something is not plausible.
            OverflowError: likewise.
        """
        if type(fields) is not dict:
            raise OddError
        values: list[Any] = []
        found = 0
        for key, number, mapping, kind, factor, shift, low, high, bit in self._rows:
            # Every other key is a path, or the value has to be looked up: `pick` knows how.
            value: Any = fields.get(key)
            if not number or (type(value) is not float and type(value) is not int):
                if number and value is None:
                    continue
                value = pick(fields, mapping)
                if value is None:
                    continue
                if type(value) is not kind and (kind is not float or type(value) is not int):
                    raise OddError
            if kind is float:
                if factor is not None:
                    value = float(f"{value * factor + shift:.12g}")  # as `ontology.loader.convert`
                if not low <= value <= high:
                    raise OddError
            values.append(value)
            found |= bit
        return found, values

    def add_status(self, uplink: Uplink, found: int, values: list[Any]) -> tuple[int, list[Any]]:
        """Add what the network server knows of the device, and the device itself does not say.

        Raises:
            OddError: it is not plausible.
        """
        battery, rssi = uplink.battery, uplink.rssi
        if battery is not None and not found & self._levels:
            low, high = _LEVELS
            if not low <= battery * 100 <= high:
                raise OddError
            values = [*values, battery * 100]
            found |= _HAS_BATTERY
        if rssi is not None and not found & self._signals:
            low, high = _SIGNALS
            if not low <= rssi <= high:
                raise OddError
            values = [*values, rssi]
            found |= _HAS_SIGNAL
        return found, values

    def shape(self, found: int, values: list[Any], parameters: Mapping[str, float]) -> Shape | None:
        """Return the shape of what was found, the first time after working it out; None: not this way."""
        shape = self._shapes.get(found)
        if shape is not None or found in self._shapes or len(self._shapes) >= _SHAPES:
            return shape
        given = [row[2].quantity for row in self._rows if found & row[-1]]
        given += [name for name, bit in ((_BATTERY, _HAS_BATTERY), (_SIGNAL, _HAS_SIGNAL)) if found & bit]
        shape = make_shape(tuple(given), values, parameters, self.type_name, self._moving)
        self._shapes[found] = shape
        return shape


# Field, whether it is simply a number, its row in the profile, type, factor and shift of the conversion,
# least and greatest value, bit.
_Row = tuple[str, bool, "FieldMapping", type, float | None, float, float, float, int]


def _row(mapping: FieldMapping, number: int) -> _Row:
    quantity = quantities()[mapping.quantity]
    plain = quantity.kind == "number" and not (
        mapping.values or mapping.missing or "." in mapping.path or mapping.path.endswith("*")
    )
    converts = mapping.unit is not None and quantity.unit is not None and mapping.unit != quantity.unit
    factor, shift = conversion(mapping.unit or "", quantity.unit or "") if converts else (None, 0.0)
    low, high = limits(quantity.name)
    return mapping.path, plain, mapping, _TYPES[quantity.kind], factor, shift, low, high, 1 << number


def _kind_key(device: Device, profile: Profile, city: str) -> tuple[Any, ...]:
    """Return what is equal for devices of one kind."""
    type_name = device.entity_type or profile.entity_type
    following = tuple(moving_attributes(type_name, device).items())
    return id(profile), city, type_name, frozenset(device.parameters), following


class Templates:
    """The plans of all devices. They change nothing but the speed.

    Attributes:
        quick: messages that went the quick way.
        whole: messages that went the whole way.
    """

    def __init__(self) -> None:
        self.quick = 0
        self.whole = 0
        self._plans: dict[str, Plan] = {}
        self._kinds: dict[tuple[Any, ...], Kind] = {}
        self._registered: Mapping[str, Device] = {}

    def __len__(self) -> int:
        return len(self._plans)

    def find(self, device: Device, profile: Profile, uplink: Uplink, city: str) -> Plan | None:
        """Return the plan of a device; None: there is none for what is known of it now."""
        plan = self._plans.get(device.id)
        if uplink.network == REGISTRY:
            return None
        if (
            plan is None
            or plan.device is not device
            or plan.group.kind.profile is not profile
            or plan.group.kind.city != city
            or (device.position is None and plan.position != uplink.position)
            or (plan.name != uplink.name and not device.name)
        ):
            return self._open(device, profile, uplink, city)
        return plan

    def _open(self, device: Device, profile: Profile, uplink: Uplink, city: str) -> Plan | None:
        """Make the plan of a device that is like others before; None: none is."""
        kind = self._kinds.get(_kind_key(device, profile, city))
        if kind is None:
            return None
        try:
            group = kind.groups.get(group_key(device, uplink.position))
            if group is None:
                return None
            plan = make_plan(device, uplink, group)
        except (TypeError, ValueError):  # an id that is no Unicode
            return None
        if not plan.sound():
            return None
        self._keep(plan)
        return plan

    def _keep(self, plan: Plan) -> None:
        devices = self._registered
        if len(self._plans) > 2 * len(devices) + _FORGOTTEN:
            self._plans = {name: kept for name, kept in self._plans.items() if name in devices}
        self._plans[plan.device.id] = plan

    def fill(
        self, plan: Plan, uplink: Uplink, fields: Any, recent: Recent | None = None
    ) -> tuple[tuple[EntityUpdate, ...], Shape, Sequence[Any]] | None:
        """Make the entities of one message; None: it has to go the whole way.

        Beside them stand their shape and the values that were read.

        Args:
            plan: the device's.
            uplink: the message.
            fields: what was decoded; None: the message brings the network server's status alone.
            recent: what devices said before; None: nothing is watched.
        """
        kind = plan.group.kind
        try:
            found, values = _NOTHING if fields is None else kind.gather(fields)
            if not found and fields is not None:
                return None
            found, values = kind.add_status(uplink, found, values)
            parameters = plan.device.parameters
            if kind.parameters:
                parameters = {**kind.parameters, **parameters}
            shape = kind.shape(found, values, parameters)
            if shape is None:
                return None
            updates = shape.fill(values, uplink.observed_at, parameters, plan, recent)
        except (OddError, OverflowError, ValueError, ConfigurationError):
            return None  # a value that cannot be, or a number or a time beyond all bounds
        if updates is None:
            return None
        self.quick += 1
        return updates, shape, values

    def learn(self, done: Translation, profile: Profile, city: str, devices: Mapping[str, Device]) -> None:
        """Keep of a message that went the whole way what stays the same, if it had no problem.

        Its entities share from now on what stays the same with those of other messages.

        Args:
            done: the message; its entities are replaced by the same ones.
            profile: of its device.
            city: in the entities' ids.
            devices: all that are registered.
        """
        device, uplink = done.device, done.uplink
        self.whole += 1
        self._registered = devices
        if device is None or uplink is None or not done.entities:
            return
        before = self._plans.get(device.id)
        if before is not None:
            done.entities = tuple([before.share(update) for update in done.entities])
        if done.problems or uplink.network == REGISTRY:
            return
        if device.attributes and not _feedable(device.entity_type or profile.entity_type).isdisjoint(
            device.attributes
        ):
            return  # what is known and what was measured may be the same attribute
        plan = self.find(device, profile, uplink, city) or make_plan(
            device, uplink, self._group(device, profile, uplink, city)
        )
        for update in done.entities:
            plan = plan.learn(update)
        self._keep(plan)
        done.entities = tuple([plan.share(update) for update in done.entities])

    def _group(self, device: Device, profile: Profile, uplink: Uplink, city: str) -> Group:
        """Return the group of a device, which may be the first of it."""
        key = _kind_key(device, profile, city)
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) >= _KINDS:
                self._kinds.clear()
            kind = self._kinds[key] = Kind(profile, city, device)
        group_of = group_key(device, uplink.position)
        group = kind.groups.get(group_of)
        if group is None:
            group = Group(kind=kind, shared=len(kind.groups) < _GROUPS)
            if group.shared:
                kind.groups[group_of] = group
        return group


@cache
def _feedable(type_name: str) -> frozenset[str]:
    """Return the attributes of a type that can be measured, by all names that they have."""
    names = {target.attribute for known in quantities().values() if (target := known.targets.get(type_name))}
    return frozenset(names | {row.field for row in attributes(TYPES[type_name]) if row.name in names})
