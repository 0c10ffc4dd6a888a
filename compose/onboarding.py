# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Devices come, move, are replaced and go: what the commands and the HTTP API have in common."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from msgspec import structs

from adapters.fields import pick
from adapters.networks.envelope import read_uplink
from adapters.profiles import find_profile, guess, load_profiles
from compose.commands.device_input import read_device, written
from compose.device_plan import make_plan, reread
from compose.readers import announcement, source_readers
from compose.reload import LOOK_S, Reload
from models.errors import MessageError, UnknownDeviceError, VolmeError
from models.message import Message
from models.uplink import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from adapters.registry import Registry
    from broker.journal.port import Activity, Journal, PendingDevice
    from compose.commands.device_files import Record
    from compose.device_plan import Plan
    from compose.settings import Settings
    from models.device import Device, Profile
    from models.uplink import Position, Uplink

#: How many of a device's newest messages are looked at for a proposal: a join or a status tells nothing.
_LOOKED_AT = 3
_BATTERY = "battery_"


class OnboardingError(VolmeError):
    """What was asked of devices cannot be done; the text is a sentence without a full stop."""

    def __init__(self, sentence: str, devices: Iterable[str] = ()) -> None:
        super().__init__(sentence)
        self.devices = tuple(devices)


class UnknownDevicesError(OnboardingError):
    """They are not registered, or do not wait."""


class TakenDevicesError(OnboardingError):
    """They are registered already."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """An unknown device that waits, and what it seems to be.

    Attributes:
        device: what the journal knows of it.
        name: what the network server calls it.
        model: what the network server calls its model.
        profile: the one that fits; None: nobody can tell.
        by: how that is known: by what the network server says, or by what the device sends.
        position: where the network server says it is.
        retired_at: it was in service until then.
        fields: what it sends, as its network server or itself decoded it: the names.
    """

    device: PendingDevice
    name: str | None
    model: tuple[str, ...]
    profile: str | None
    by: Literal["model", "data"] | None
    position: Position | None
    retired_at: datetime | None
    fields: tuple[str, ...] = ()


class Onboarding:
    """The office where devices are registered, beside a running platform or inside it."""

    def __init__(self, settings: Settings, registry: Registry, journal: Journal) -> None:
        """Open it.

        Raises:
            ConfigurationError: a profile of the operator cannot be used.
        """
        self.settings = settings
        self.registry = registry
        self._profiles = load_profiles(settings.profiles)
        self._reload = Reload(settings, self._profiles, None)
        self._look_at = 0.0
        self._journal = journal
        self._readers = source_readers(settings)

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """The device profiles by name, with those that were put into the data folder meanwhile."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            self._reload.look()
        return self._profiles

    def find(self, device_id: str) -> Device:
        """Return a device, in service or retired.

        Raises:
            UnknownDevicesError: nobody has registered it.
        """
        device = self.registry.devices.get(device_id) or self.registry.retired.get(device_id)
        if device is None:
            msg = f"device {device_id} is not registered"
            raise UnknownDevicesError(msg, [device_id])
        return device

    async def activities(self) -> Mapping[str, Activity]:
        """Return when devices were heard, as the journal has saved it, by id."""
        return await self._journal.activities()

    # ---- unknown ones ------------------------------------------------------------------------

    async def pending(self, only: Collection[str] | None = None) -> list[Proposal]:
        """Return the unknown devices that wait, each with what it seems to be.

        Args:
            only: these, if they wait; None: all.
        """
        waiting = [
            device
            for device in await self._journal.unknown_devices()
            if device.source != REGISTRY and (only is None or device.device_id in only)
        ]
        return [await self._propose(device) for device in waiting]

    async def _propose(self, device: PendingDevice) -> Proposal:
        uplinks = await self._newest(device.device_id)
        told = next((uplink for uplink in uplinks if uplink.model), None)
        model = told.model if told else tuple(str(part) for part in device.detail.get("model") or ())
        fitting = find_profile(self.profiles, model)
        if fitting is not None and not any(_reads(fitting, uplink) for uplink in uplinks or (None,)):
            # It is called so, and says other things: a senseBox's own sensors.
            fitting, uplinks = None, [structs.replace(uplink, model=()) for uplink in uplinks]
        profile = fitting.name if fitting else None
        by: Literal["model", "data"] | None = "model" if fitting else None
        if profile is None:
            found = (guess(self.profiles, uplink) for uplink in uplinks)
            profile = next((name for name in found if name is not None), None)
            by = "data" if profile else None
        retired = self.registry.retired.get(device.device_id)
        name = device.detail.get("name") or next((each.name for each in uplinks if each.name), None)
        return Proposal(
            device=device,
            name=str(name) if name else None,
            model=model,
            profile=profile,
            by=by,
            position=next((uplink.position for uplink in uplinks if uplink.position), None),
            retired_at=retired.retired_at if retired else None,
            fields=next((_names(uplink) for uplink in uplinks if _names(uplink)), ()),
        )

    async def _newest(self, device_id: str) -> list[Uplink]:
        """Return the newest waiting messages of a device, as far as they can be read."""
        letters = await self._journal.dead_letters(
            kind=UnknownDeviceError.kind, device=device_id, limit=_LOOKED_AT
        )
        uplinks: list[Uplink] = []
        for each in letters:
            letter = await self._journal.dead_letter(each.id)
            if letter is None or letter.payload is None:
                continue
            message = Message(
                source=letter.source,
                topic=letter.topic,
                payload=letter.payload,
                received_at=letter.received_at,
            )
            reader = self._readers.get(letter.source)
            try:
                uplinks.append(reader(message) if reader else read_uplink(message, "auto"))
            except MessageError:
                continue  # it was readable with other settings; another of its messages may be so now
        return uplinks

    def proposed(self, proposal: Proposal, given: Mapping[str, Any]) -> Device:
        """Return the device of a proposal, with what a person says of it instead.

        One that was in service before is as it was then, unless another has taken its place.

        Raises:
            DeviceInputError: it cannot be registered so.
        """
        name = proposal.name
        known: dict[str, Any] = {
            "profile": proposal.profile,
            "name": None if name and name.lower().endswith(proposal.device.device_id) else name,
        }
        before = self.registry.retired.get(proposal.device.device_id)
        if before is not None and before.replaced_by is None:
            known = written(before)
        said = {key: value for key, value in given.items() if value not in (None, "", {})}
        return read_device({**known, **said, "id": proposal.device.device_id}, self.profiles)

    # ---- registering -------------------------------------------------------------------------

    async def register(self, devices: Sequence[Device], *, overwrite: bool = False) -> int:
        """Register devices, all or none, and deliver what waited for them.

        Returns:
            How many messages waited.

        Raises:
            TakenDevicesError: some are registered already; nothing was written.
            StoreError: PostgreSQL refuses. What was registered stays so; its messages wait on.
        """
        taken = await self.registry.write(devices, replace=overwrite)
        if taken:
            names = sorted(taken)
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            msg = f"device {names[0]}{more} is registered already; nothing was changed"
            raise TakenDevicesError(msg, names)
        return await self._announce([device.id for device in devices])

    async def _announce(self, names: Sequence[str]) -> int:
        """Tell the broker of devices, and deliver what waited for them; return how much did."""
        await self._journal.extend([announcement(name) for name in names])
        waiting = {device.device_id for device in await self._journal.unknown_devices()}
        waited = 0
        for name in names:
            if name in waiting and name in self.registry.devices:
                waited += await self._journal.replay(kind=UnknownDeviceError.kind, device=name)
        return waited

    # ---- changing ----------------------------------------------------------------------------

    async def change(self, device_id: str, given: Mapping[str, Any]) -> Device:
        """Change what is said of a device in service; what is not given stays.

        Raises:
            UnknownDevicesError: it is not in service.
            DeviceInputError: it cannot be so.
        """
        device = self._in_service(device_id)
        new = reread(device, {**written(device), **given}, self.profiles)
        await self.register([new], overwrite=True)
        return new

    async def replace(self, old_id: str, new_id: str, given: Mapping[str, Any]) -> tuple[Device, int]:
        """Let another device take a device's place: the entity stays, the old device retires.

        Args:
            old_id: what hung there.
            new_id: what hangs there now.
            given: what is said of it otherwise, such as its `profile`; without one it has that which its
                network server's name of the model leads to, else the old one's.

        Returns:
            The new device, and how many of its messages waited.

        Raises:
            UnknownDevicesError: the old one is not in service.
            TakenDevicesError: the new one is.
            DeviceInputError: it cannot be so.
        """
        old = self._in_service(old_id)
        if new_id in self.registry.devices:
            msg = f"device {new_id} is in service already; retire it first, or name another"
            raise TakenDevicesError(msg, [new_id])
        proposals = await self.pending([new_id])
        told = next((each.profile for each in proposals if each.by == "model"), None)
        now = datetime.now(UTC)
        inherited = {
            **written(old),
            "id": new_id,
            "profile": told or old.profile,
            "place": old.place or old.id,
            "installed": now.isoformat(),
        }
        new = read_device({**inherited, **given}, self.profiles)
        former, present = self.profiles.get(old.profile), self.profiles[new.profile]
        if old.entity_type is None and former and former.entity_type != present.entity_type:
            new = replace(new, entity_type=former.entity_type)
        if new.profile != old.profile:
            kept = {name: value for name, value in new.parameters.items() if not name.startswith(_BATTERY)}
            new = replace(new, parameters=kept)
        gone = replace(old, retired_at=now, replaced_by=new_id)
        await self.registry.write([gone, new], replace=True)
        return new, await self._announce([gone.id, new.id])

    async def retire(self, names: Sequence[str]) -> list[Device]:
        """Take devices out of service, all or none: nothing is expected of them any more.

        Raises:
            UnknownDevicesError: one is not in service; nothing was changed.
        """
        now = datetime.now(UTC)
        gone = [replace(self._in_service(name), retired_at=now) for name in dict.fromkeys(names)]
        await self.registry.write(gone, replace=True)
        await self._announce([device.id for device in gone])
        return gone

    def _in_service(self, device_id: str) -> Device:
        device = self.find(device_id)
        if device.retired_at is not None:
            msg = f"device {device_id} was retired on {device.retired_at:%Y-%m-%d}"
            raise UnknownDevicesError(msg, [device_id])
        return device

    # ---- files -------------------------------------------------------------------------------

    async def plan(
        self, records: Sequence[Record], progress: Callable[[int], None] = lambda _done: None
    ) -> Plan:
        """Compare a file with what is registered; nothing is changed."""
        models = {
            device.device_id: tuple(str(part) for part in device.detail.get("model") or ())
            for device in await self._journal.unknown_devices()
        }
        return make_plan(records, self.registry.devices, self.profiles, models, progress)


def _names(uplink: Uplink) -> tuple[str, ...]:
    """Return the names of what a message says."""
    said = uplink.moments[-1][1] if uplink.moments else uplink.decoded
    return tuple(sorted(map(str, said))) if said else ()


def _reads(profile: Profile, uplink: Uplink | None) -> bool:
    """Say whether a profile may read a message; where nobody has decoded it, it may."""
    if uplink is None or uplink.payload or not _names(uplink):
        return True
    said = uplink.moments[-1][1] if uplink.moments else uplink.decoded
    return any(pick(said, row) is not None for row in profile.fields) or bool(uplink.normalized)
