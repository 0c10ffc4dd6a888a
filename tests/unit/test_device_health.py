# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How complete the last day of devices is, by the interval that is declared or learned."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.profiles import load_profiles
from broker.journal.port import Activity
from compose.device_health import last_day_of, shown
from models.completeness import Hours
from models.device import Device

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
PROFILES = load_profiles({"slow": {"like": "elsys-ers", "parameters": {"interval": 3600}}})


def activity(*, ago: timedelta, learned: float) -> Activity:
    """A device that came once an hour for five hours, last some time ago."""
    last, hours = NOW - ago, Hours()
    for hour in range(5):
        hours.received(last - timedelta(hours=4 - hour))
    return Activity(
        first_seen=last - timedelta(hours=4),
        last_seen=last,
        messages=5,
        hour=hours.hour,
        hours=hours.pack(learned),
    )


def health(device: Device, ago: timedelta, learned: float = 600.0) -> dict[str, Any]:
    heard = {device.id: activity(ago=ago, learned=learned)}
    ((known, last_day),) = last_day_of([device], PROFILES, heard, NOW)
    return shown(known, last_day)


def test_without_a_declaration_the_learned_interval_counts() -> None:
    found = health(Device(id="a", profile="elsys-ers"), timedelta(hours=2))
    assert found["intervalSeconds"] == 600
    assert found["silentSince"] == NOW - timedelta(hours=2)
    assert (found["received"], found["missed"]) == (5, 31)  # six hours of ten minutes


def test_what_the_device_declares_goes_before_what_was_learned() -> None:
    device = Device(id="a", profile="elsys-ers", parameters={"interval": 7200})
    found = health(device, timedelta(hours=2))
    assert (found["intervalSeconds"], found["silentSince"], found["missed"]) == (7200, None, 0)


def test_what_the_profile_declares_goes_before_what_was_learned_and_the_devices_own_before_it() -> None:
    found = health(Device(id="a", profile="slow"), timedelta(hours=2))
    assert (found["intervalSeconds"], found["silentSince"], found["missed"]) == (3600, None, 1)
    device = Device(id="a", profile="slow", parameters={"interval": 60})
    assert health(device, timedelta(hours=2))["silentSince"] == NOW - timedelta(hours=2)


def test_of_a_device_that_was_never_heard_only_the_declaration_is_known() -> None:
    device = Device(id="a", profile="slow")
    ((_, last_day),) = last_day_of([device], PROFILES, {}, NOW)
    assert (last_day.received, last_day.interval, last_day.share) == (0, 3600, None)
