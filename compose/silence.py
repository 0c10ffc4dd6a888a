# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Devices that miss their interval: told to the broker as an Alert, the way all data goes.

    every minute: who is silent now → who was told to be (the broker knows) → a message for each difference

A device is silent when it missed three of its intervals: the declared one (parameter `interval`, seconds, of
the device, else of its profile), else the learned one (`broker/activity.py`). What still waits in the journal
may be of the very device, so the question is asked as of the oldest message that waits; and nobody was silent
while nobody listened: before the start, or while a source was away.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

import structlog

from adapters.alerts import OVER, alert_id
from models.alert import Alert
from models.completeness import Hours
from models.device import Device
from models.errors import BrokerError, StoreError
from models.message import Message
from models.ngsild import keyvalues
from models.silence import Silence
from models.uplink import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from broker.client import NgsiLdClient
    from compose.platform import Platform
    from models.device import Profile

log = structlog.get_logger(__name__)

#: The parameter by which a device or a profile declares its interval, seconds.
INTERVAL = "interval"
_LOOK_S = 60.0
# A device is silent when it misses this many of its intervals, as `models/completeness.py` has it.
_INTERVALS = 3
# Nothing is learned of a device that spoke less often; and what speaks every few seconds may pause.
_LEARNED_AFTER = 10
_SHORTEST = timedelta(minutes=5)
_AT_ONCE = 1000


def declared_interval(device: Device, profiles: Mapping[str, Profile]) -> float | None:
    """Return how often a device is declared to speak, seconds: by itself, else by its profile."""
    profile = profiles.get(device.profile)
    declared = device.parameters.get(INTERVAL) or (profile and profile.parameters.get(INTERVAL))
    return declared or None


class Heard(NamedTuple):
    """What is known of when a device speaks."""

    last_seen: datetime
    interval: float
    messages: int


class Interval(NamedTuple):
    """How often a device speaks, seconds, and how long it may say nothing."""

    seconds: float
    allowed: timedelta


class Told(NamedTuple):
    """A silence that the broker was told of."""

    since: datetime
    issued: datetime


class Watch:
    """Looks for silent devices.

    Args:
        platform: journal, registry, bridge, sources.
        client: of the broker, which knows the alerts that were told before the start.
        profiles: by name.
        context_url: of the subject `Alert`.
        listening_since: nobody was silent before; None: now.
    """

    def __init__(
        self,
        platform: Platform,
        client: NgsiLdClient,
        profiles: Mapping[str, Profile],
        context_url: str,
        *,
        listening_since: datetime | None = None,
    ) -> None:
        self._platform = platform
        self._client = client
        self._profiles = profiles
        self._context_url = context_url
        self._listening_since = listening_since or datetime.now(UTC)
        self._were_connected: set[str] = set()
        # Known before the start, and which alerts last; None: nobody was asked yet.
        self._before: dict[str, Heard] | None = None
        self._told: dict[str, Told] | None = None

    async def keep_looking(self) -> None:
        """Look every minute, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await self.look(datetime.now(UTC))
            except (StoreError, BrokerError) as error:
                log.warning("silence.not_looked", error=str(error))

    async def look(self, now: datetime) -> None:
        """Tell of each device that fell silent, or is not any more, since the last look.

        Raises:
            StoreError: the journal cannot be reached.
            BrokerError: the broker cannot say what it was told before the start.
        """
        self._look_at_sources(now)
        status = self._platform.status()
        if status.store_error is not None:
            return
        now -= timedelta(seconds=status.lag)
        if self._before is None:
            self._before = await self._recall()
        if self._told is None:
            self._told = await self._ask()
        told = self._told
        changes = [*self._fallen(told, now), *self._risen(told, now)]
        if not changes:
            return
        await self._platform.journal.extend([_message(change) for change in changes])
        for change in changes:
            if change.over is None:
                told[change.device_id] = Told(change.since, change.issued)
            else:
                del told[change.device_id]
            log.info("silence.told", device=change.device_id, over=change.over is not None)

    def _look_at_sources(self, now: datetime) -> None:
        """Start to listen anew while a source is away that was there; one that never was has no devices."""
        for name, source in self._platform.sources.items():
            if source.state.connected:
                self._were_connected.add(name)
            elif name in self._were_connected:
                self._listening_since = now

    async def _recall(self) -> dict[str, Heard]:
        """Read when devices were heard before the start; from then on the bridge knows."""
        found: dict[str, Heard] = {}
        names = tuple(self._platform.registry.devices)
        for first in range(0, len(names), _AT_ONCE):
            saved = await self._platform.journal.activity(names[first : first + _AT_ONCE])
            for device_id, one in saved.items():
                if one.last_seen is not None:
                    _, interval = Hours.unpack(one.hour, one.hours)
                    found[device_id] = Heard(one.last_seen, interval, one.messages)
        return found

    async def _ask(self) -> dict[str, Told]:
        """Ask the broker which alerts last."""
        found: dict[str, Told] = {}
        first, _, last = alert_id(self._platform.settings.city, "\0").partition("%00")
        async for entity in self._client.query(
            type=Alert.__name__, q=f'severity!="{OVER}"', context=self._context_url
        ):
            id_ = str(entity["id"])
            if not (id_.startswith(first) and id_.endswith(last)):
                continue
            alert = Alert.model_validate(keyvalues(entity))
            since = alert.validFrom or alert.dateIssued
            found[unquote(id_[len(first) : -len(last)])] = Told(since, alert.dateIssued)
        return found

    def _fallen(self, told: Mapping[str, Told], now: datetime) -> Iterator[Silence]:
        for device in self._platform.registry.devices.values():
            heard = self._heard(device.id)
            interval = self._interval(device, heard)
            if heard is None or interval is None or device.id in told:
                continue
            issued = max(heard.last_seen, self._listening_since) + interval.allowed
            if now > issued:
                yield self._silence(device, Told(heard.last_seen, issued), interval.seconds)

    def _risen(self, told: Mapping[str, Told], now: datetime) -> Iterator[Silence]:
        registry = self._platform.registry
        for device_id, silence in told.items():
            device = registry.devices.get(device_id)
            if device is None:  # nothing is expected of it any more
                gone = registry.retired.get(device_id) or Device(id=device_id, profile="")
                yield self._silence(gone, silence, over=max(now, silence.issued))
                continue
            heard = self._heard(device_id)
            interval = self._interval(device, heard)
            if heard is None or interval is None:
                yield self._silence(device, silence, over=max(now, silence.issued))
            elif now <= heard.last_seen + interval.allowed:
                yield self._silence(
                    device, silence, interval.seconds, over=max(heard.last_seen, silence.issued)
                )

    def _heard(self, device_id: str) -> Heard | None:
        bridge = self._platform.bridge
        heard = bridge.heard(device_id) if bridge else None
        if heard is not None and heard.last_seen is not None:
            return Heard(heard.last_seen, heard.interval, heard.messages)
        return (self._before or {}).get(device_id)

    def _interval(self, device: Device, heard: Heard | None) -> Interval | None:
        """Return a device's interval; None: nobody knows it."""
        declared = declared_interval(device, self._profiles)
        if declared:
            return Interval(declared, timedelta(seconds=_INTERVALS * declared))
        if heard is None or heard.messages < _LEARNED_AFTER or not heard.interval:
            return None
        return Interval(heard.interval, max(_SHORTEST, timedelta(seconds=_INTERVALS * heard.interval)))

    def _silence(
        self, device: Device, told: Told, interval: float = 0.0, over: datetime | None = None
    ) -> Silence:
        profile, position = self._profiles.get(device.profile), device.position
        return Silence(
            device_id=device.id,
            name=device.name or device.id,
            entity_type=device.entity_type or (profile.entity_type if profile else None),
            coordinates=(position.longitude, position.latitude) if position else None,
            simulated=device.simulated,
            since=told.since,
            issued=told.issued,
            interval=interval,
            over=over,
        )


def _message(silence: Silence) -> Message:
    return Message(
        source=REGISTRY, topic=silence.device_id, payload=silence.to_json(), received_at=datetime.now(UTC)
    )
