# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What differs between a network server's list of devices and the registry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from adapters.profiles import guess
from compose.device_plan import Change, differences
from models.device import Device
from models.uplink import Uplink

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from adapters.sync.listing import Listed
    from models.device import Profile
    from models.uplink import Position

#: What a list may change of a device that is registered.
LISTED = ("name", "position")
_SAME_PLACE = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class SyncPlan:
    """What the list would do.

    Attributes:
        new: listed and not in service.
        changed: in service, and listed differently.
        gone: taken from this list once, and not listed any more.
        left: listed, not in service, and no profile fits.
        unchanged: how many say the same.
    """

    new: tuple[Device, ...]
    changed: tuple[Change, ...]
    gone: tuple[Device, ...]
    left: tuple[Listed, ...]
    unchanged: int

    @property
    def devices(self) -> list[Device]:
        """All that has to be written."""
        return [*self.new, *(change.device for change in self.changed)]


def compare(
    listed: Iterable[Listed],
    registered: Mapping[str, Device],
    profiles: Mapping[str, Profile],
    *,
    origin: str,
    profile: str | None = None,
    keep: Collection[str] = (),
) -> SyncPlan:
    """Compare a list with the devices in service.

    Args:
        listed: what the network server has.
        registered: devices in service.
        profiles: device profiles by name.
        origin: what to call the list; devices taken from it and missing there are gone.
        profile: of new devices for which none is known.
        keep: of `LISTED`, what stays as it is registered.
    """
    new: list[Device] = []
    changed: list[Change] = []
    left: list[Listed] = []
    unchanged = 0
    found = {each.id: each for each in listed}
    for each in found.values():
        existing = registered.get(each.id)
        if existing is None:
            fitting = _profile(each, profiles) or profile
            if fitting is None:
                left.append(each)
            else:
                new.append(
                    Device(id=each.id, profile=fitting, name=each.name, position=each.position, origin=origin)
                )
            continue
        device = _renewed(existing, each, origin, keep)
        if device == existing:
            unchanged += 1
        else:
            moved: dict[str, tuple[Any, Any]] = differences(existing, device)
            if existing.origin != origin:
                moved["taken from"] = (existing.origin, origin)
            changed.append(Change(device=device, changes=moved))
    gone = [device for device in registered.values() if device.origin == origin and device.id not in found]
    return SyncPlan(
        new=tuple(new), changed=tuple(changed), gone=tuple(gone), left=tuple(left), unchanged=unchanged
    )


def _renewed(existing: Device, listed: Listed, origin: str, keep: Collection[str]) -> Device:
    """Return a device with what the list says; what it does not say stays."""
    device = replace(existing, origin=origin)
    if listed.name and "name" not in keep:
        device = replace(device, name=listed.name)
    if listed.position and "position" not in keep and not _same(existing.position, listed.position):
        device = replace(device, position=listed.position)
    return device


def _same(one: Position | None, other: Position) -> bool:
    """Tell whether two places are the same, within a hand's breadth; a height that is not said is none."""
    return (
        one is not None
        and abs(one.latitude - other.latitude) <= _SAME_PLACE
        and abs(one.longitude - other.longitude) <= _SAME_PLACE
        and other.altitude in (None, one.altitude)
    )


def _profile(listed: Listed, profiles: Mapping[str, Profile]) -> str | None:
    told = Uplink(
        network="list",
        kind="status",
        device_id=listed.id,
        observed_at=datetime.now(UTC),
        model=listed.model,
        tags=listed.tags,
    )
    return guess(profiles, told)
