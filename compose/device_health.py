# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How much of what each device sent has come, for the command and the HTTP API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.sites import THING
from compose.silence import declared_interval
from models.completeness import Completeness, Hours, completeness

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from broker.journal.port import Activity
    from models.device import Device, Profile


def last_day_of(
    devices: Iterable[Device],
    profiles: Mapping[str, Profile],
    heard: Mapping[str, Activity],
    now: datetime,
) -> list[tuple[Device, Completeness]]:
    """Say how complete the last 24 hours of each device are, the worst first.

    Args:
        devices: in service.
        profiles: by name.
        heard: what the journal has saved of devices, by id.
        now: the time of the question.
    """
    found = [
        (device, _last_day(heard.get(device.id), declared_interval(device, profiles), now))
        for device in devices
        if device.profile != THING or device.id in heard  # what stands for a place sends nothing
    ]
    found.sort(key=lambda each: (each[1].share if each[1].share is not None else -1.0, each[0].id))
    return found


def _last_day(activity: Activity | None, declared: float | None, now: datetime) -> Completeness:
    if activity is None:  # it was never heard
        return Completeness(received=0, missed=0, interval=declared, silent_since=None)
    hours, usual = Hours.unpack(activity.hour, activity.hours)
    return completeness(
        hours,
        declared or usual,
        first_seen=activity.first_seen,
        last_seen=activity.last_seen,
        counted=activity.f_cnt is not None,
        now=now,
    )


def shown(device: Device, last_day: Completeness) -> dict[str, Any]:
    """Return it as JSON has it."""
    return {
        "device": device.id,
        "name": device.name,
        "received": last_day.received,
        "missed": last_day.missed,
        "complete": last_day.share,
        "intervalSeconds": last_day.interval,
        "silentSince": last_day.silent_since,
    }
