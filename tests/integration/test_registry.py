# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The registry's mirror in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from adapters.registry import Registry
from models.device import Device
from models.uplink import Position
from store.postgres import pool

DEVICES = [
    Device(
        id=f"box-{number}",
        profile="acme",
        name=f"Box {number}",
        position=Position(longitude=7.0 + number / 1000, latitude=51.0),
        owner="Stadt",
        parameters={"reference_level": float(number % 3)},
    )
    for number in range(1201)
]


async def test_all_devices_are_read_and_share_what_they_have_in_common(database: str) -> None:
    async with pool(database) as connections:
        registry = Registry(connections)
        await registry.start()
        await registry.write(DEVICES)
        again = Registry(connections)
        await again.start()
        assert again.devices == {device.id: device for device in DEVICES}
        found = list(again.devices.values())
        for name, most in (("profile", 1), ("owner", 1), ("attributes", 1), ("parameters", 3)):
            assert len({id(getattr(device, name)) for device in found}) == most, name


async def test_a_device_that_did_not_change_stays_the_same_object(database: str) -> None:
    async with pool(database) as connections:
        registry = Registry(connections)
        await registry.start()
        moment = datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
        await registry.write([replace(DEVICES[0], installed_at=moment), *DEVICES[1:3]])
        before = dict(registry.devices)
        other = Registry(connections)
        await other.start()
        await other.write([replace(DEVICES[1], name="Other")], replace=True)
        await other.write([replace(DEVICES[2], retired_at=moment)], replace=True)
        await registry.load()
        assert registry.devices["box-0"] is before["box-0"]
        assert registry.devices["box-1"].name == "Other"
        assert registry.retired["box-2"].retired_at == moment.astimezone(UTC)
        assert registry.devices.keys() == {"box-0", "box-1"}
