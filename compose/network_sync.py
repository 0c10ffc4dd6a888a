# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What differs between a network server's list of devices and the registry: for the command and the API."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from adapters.profiles import guess
from adapters.sync import chirpstack, the_things_stack
from compose.device_json import as_dict
from compose.device_plan import Change, differences
from compose.settings import is_loopback
from models.device import Device
from models.uplink import Uplink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping

    from adapters.sync.listing import Api, Listed
    from compose.onboarding import Onboarding
    from models.device import Profile
    from models.uplink import Position

#: What a list may change of a device that is registered.
LISTED = ("name", "position")
_SAME_PLACE = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A kind of network server.

    Attributes:
        api: (address, token) → its API.
        devices: (API, application) → what it lists.
        token: the environment variable that holds the token unless said otherwise.
    """

    api: Callable[[str, str], Api]
    devices: Callable[[Api, str], AsyncIterator[Listed]]
    token: str


SERVERS: Mapping[str, Server] = {
    "chirpstack": Server(
        api=chirpstack.api,
        devices=chirpstack.devices,
        token="VOLME_CHIRPSTACK_TOKEN",  # noqa: S106 - its name
    ),
    "tts": Server(
        api=the_things_stack.api,
        devices=the_things_stack.devices,
        token="VOLME_TTS_TOKEN",  # noqa: S106 - its name
    ),
}


def address_problem(url: str, *, plain_http: bool) -> str | None:
    """Say why a token cannot be sent to an address; None: it can."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not host:
        return f"“{url}” is no address such as https://eu1.cloud.thethings.network"
    if parts.username or parts.password:
        return "the address must not have a password in it"
    if parts.scheme == "http" and not is_loopback(host) and not plain_http:
        return f"the token would go to {host} without encryption; say https://"
    return None


def token_problem(token: str) -> str | None:
    """Say why a token cannot be sent; None: it can."""
    if not token.isascii() or not token.isprintable() or not token:
        return "the token has characters that no HTTP header can have, or is empty"
    return None


def origin_of(kind: str, url: str, application: str) -> str:
    """Return what a list is called."""
    return f"{kind} {url.rstrip('/')} {application}"


async def list_devices(
    server: Server, url: str, token: str, application: str, progress: Callable[[int], None] | None = None
) -> list[Listed]:
    """Ask a network server for all devices of an application.

    Raises:
        ListingError: it does not list them.
    """
    found: list[Listed] = []
    async with server.api(url, token) as api:
        async for each in server.devices(api, application):
            found.append(each)
            if progress is not None:
                progress(len(found))
    return found


async def apply(plan: SyncPlan, onboarding: Onboarding, *, retire_gone: bool) -> int:
    """Do what a list would do; return how many messages had waited for new devices."""
    waited = await onboarding.register(plan.devices, overwrite=True)
    if retire_gone and plan.gone:
        await onboarding.retire([device.id for device in plan.gone])
    return waited


def sync_dict(plan: SyncPlan, *, applied: bool, retired: bool, waited: int) -> dict[str, Any]:
    """Return a plan as JSON has it."""
    return {
        "applied": applied,
        "new": [as_dict(device) for device in plan.new],
        "changed": [
            {
                "id": change.device.id,
                "changes": {name: {"old": old, "new": new} for name, (old, new) in change.changes.items()},
            }
            for change in plan.changed
        ],
        "gone": [device.id for device in plan.gone],
        "retired": retired,
        "left": [{"id": each.id, "name": each.name, "model": list(each.model)} for each in plan.left],
        "unchanged": plan.unchanged,
        "messages": waited,
    }


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
