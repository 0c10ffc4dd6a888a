# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Devices come, move, are replaced and go, on a real registry and a real journal."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import pytest_asyncio

from adapters.registry import Registry
from compose.commands.device_files import read_text
from compose.commands.device_input import DeviceInputError
from compose.device_plan import make_plan
from compose.onboarding import TakenDevicesError, UnknownDevicesError
from models.device import Device
from models.uplink import Position
from store.postgres import pool
from tests.device_office import Office, open_office
from tests.uplinks import chirpstack, the_things_stack
from tests.waiting import reached, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

A, B, C = "70b3d57ed0aa0001", "70b3d57ed0aa0002", "70b3d57ed0aa0003"
ELSYS = bytes.fromhex("0100e202290400270506060308070d62")  # a published frame of an ERS: 22.6 °C, 41 %
HERE, THERE = Position(latitude=51.36, longitude=7.47), Position(latitude=51.37, longitude=7.48)


@pytest_asyncio.fixture
async def office(database: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(database, data=tmp_path) as opened:
        yield opened


def told(device: str, brand: str, model: str) -> tuple[str, str, bytes]:
    return (
        device,
        *the_things_stack(
            ELSYS, f_port=5, dev_eui=device, version_ids={"brand_id": brand, "model_id": model}
        ),
    )


def gauge(name: str, **more: object) -> Device:
    known: dict[str, Any] = {"profile": "decentlab-dl-mbx", "name": "Pegel", "position": HERE}
    return Device(id=name, **{**known, **more})


async def test_what_waits_has_a_proposal_by_model_or_by_what_it_sends(office: Office) -> None:
    await office.settle(
        told(A, "decentlab", "dl-atm41"),
        (
            B,
            *chirpstack(b"", dev_eui=B, object={"people_in": 3, "people_out": 4}),
        ),
        (C, *chirpstack(b"\x01", dev_eui=C)),
        ("?", "kaputt", b"{"),
    )
    found = {each.device.device_id: each for each in await office.onboarding.pending()}
    assert (found[A].profile, found[A].by, found[A].model) == (
        "decentlab-dl-atm41",
        "model",
        ("decentlab", "dl-atm41"),
    )
    assert (found[C].profile, found[C].by, found[C].name) == (None, None, "Sensor")
    assert found["?"].profile is None
    assert (found[B].profile, found[B].by) == ("milesight-vs121", "data")
    assert [each.device.device_id for each in await office.onboarding.pending([A, "none"])] == [A]


async def test_a_model_whose_profile_reads_nothing_of_what_is_sent_is_no_proposal(office: Office) -> None:
    box, sensor = "5b26181b1fef04001b69093c", "5b26181b1fef04001b690941"
    station = {"esp8266id": "7", "sensordatavalues": [{"value_type": "SDS_P1", "value": "12.3"}]}
    await office.settle(
        (box, f"/ingest/b/boxes/{box}/data", orjson.dumps({sensor: 7.5})),
        ("esp8266-7", "/ingest/b", orjson.dumps(station)),
    )
    found = {each.device.device_id: each for each in await office.onboarding.pending()}
    assert (found[box].profile, found[box].by, found[box].fields) == (None, None, (sensor,))
    assert (found["esp8266-7"].profile, found["esp8266-7"].by) == ("sensor-community-airrohr", "model")


async def test_the_newest_message_that_tells_something_decides(office: Office) -> None:
    topic, body = chirpstack(b"", dev_eui=A, f_port=0)
    await office.settle(told(A, "decentlab", "dl-atm41"), (A, topic, body))
    (found,) = await office.onboarding.pending()
    assert (found.profile, found.device.count) == ("decentlab-dl-atm41", 2)


async def test_an_approved_device_is_announced_and_what_waited_is_appended_again(office: Office) -> None:
    await office.settle(told(A, "decentlab", "dl-atm41"), told(A, "decentlab", "dl-atm41"), told(B, "a", "b"))
    (found,) = await office.onboarding.pending([A])
    device = office.onboarding.proposed(found, {"latitude": 51.3, "longitude": 7.4})
    assert (device.profile, device.name) == ("decentlab-dl-atm41", None)  # “eui-70b3…” is no name
    assert await office.onboarding.register([device]) == 2
    appended = await office.appended()
    assert appended[0] == ("registry", A)
    assert [topic for _, topic in appended[1:]] == [f"v3/hagen@ttn/devices/eui-{A}/up"] * 2
    assert [each.device.device_id for each in await office.onboarding.pending()] == [B]


async def test_registering_is_all_or_nothing(office: Office) -> None:
    await office.onboarding.register([gauge(A)])
    with pytest.raises(TakenDevicesError) as caught:
        await office.onboarding.register([gauge(B), gauge(A, owner="x"), gauge(C)])
    assert caught.value.devices == (A,)
    assert office.registry.devices == {A: gauge(A)}
    await office.registry.load()
    assert office.registry.devices == {A: gauge(A)}
    await office.onboarding.register([gauge(A, owner="x")], overwrite=True)
    assert office.registry.devices[A].owner == "x"


async def test_a_thousand_devices_are_written_in_one_step_and_followed(office: Office, database: str) -> None:
    rows = "".join(
        f"70-B3-D5-7E-D1-{n >> 16:02x}-{n >> 8 & 255:02x}-{n & 255:02x};elsys-ers;Raum {n};51,{n:04};7,4\r\n"
        for n in range(1000)
    )
    records = read_text(f"\ufeffid;profile;name;latitude;longitude\r\n{rows}".encode(), "many.csv", ".csv")
    async with pool(database) as other:
        follower = Registry(other)
        await follower.start()
        following = asyncio.create_task(follower.follow())
        try:
            plan = await office.onboarding.plan(records)
            assert (len(plan.new), plan.errors) == (1000, ())
            await office.onboarding.register(plan.devices)
            await reached(1000, lambda: len(follower.devices))
            assert follower.devices == office.registry.devices
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    assert len(await office.appended()) == 1000
    again = make_plan(records, office.registry.devices, office.onboarding.profiles)
    assert (again.devices, again.unchanged) == ([], 1000)


async def test_a_moved_device_keeps_all_else(office: Office) -> None:
    device = gauge(
        A, parameters={"reference_level": 4.0}, attributes={"areaServed": "Mitte"}, origin="tts a b"
    )
    await office.onboarding.register([device])
    since = datetime(2026, 6, 2, tzinfo=UTC)
    moved = await office.onboarding.change(A, {"latitude": 51.37, "longitude": 7.48, "installed": since})
    assert moved == replace(device, position=THERE, installed_at=since)
    await office.registry.load()
    assert office.registry.devices[A] == moved


async def test_a_replaced_device_leaves_its_place_to_another(office: Office) -> None:
    old = gauge(
        A, parameters={"reference_level": 4.0, "battery_empty": 2.2}, attributes={"areaServed": "Mitte"}
    )
    await office.onboarding.register([old])
    await office.settle(told(B, "dragino", "ldds75"))
    new, waited = await office.onboarding.replace(A, B, {})
    assert waited == 1
    assert (new.id, new.profile, new.place, new.position) == (B, "dragino-ldds75", A, HERE)
    assert (new.name, new.attributes, new.parameters) == (
        "Pegel",
        {"areaServed": "Mitte"},
        {"reference_level": 4.0},
    )
    await office.registry.load()
    assert office.registry.devices == {B: new}
    gone = office.registry.retired[A]
    assert (gone.replaced_by, gone.retired_at is None) == (B, False)
    # The third in the same place feeds the same entity.
    third, _ = await office.onboarding.replace(B, C, {"profile": "elsys-ers"})
    assert (third.place, third.entity_type) == (A, "FloodMonitoring")
    await office.settle(told(A, "decentlab", "dl-atm41"))
    (found,) = await office.onboarding.pending([A])
    back = office.onboarding.proposed(found, {})
    assert (back.profile, back.place, back.position) == ("decentlab-dl-atm41", None, None)


async def test_only_what_is_in_service_is_replaced_and_by_what_is_not(office: Office) -> None:
    await office.onboarding.register([gauge(A), gauge(B)])
    with pytest.raises(TakenDevicesError):
        await office.onboarding.replace(A, B, {})
    with pytest.raises(TakenDevicesError):
        await office.onboarding.replace(A, A, {})
    with pytest.raises(UnknownDevicesError):
        await office.onboarding.replace(C, "new-1", {})
    with pytest.raises(DeviceInputError):
        await office.onboarding.replace(A, C, {"profile": "none"})
    assert set(office.registry.devices) == {A, B}


async def test_of_a_retired_device_nothing_is_expected_until_it_is_registered_again(office: Office) -> None:
    await office.onboarding.register([gauge(A), gauge(B)])
    with pytest.raises(UnknownDevicesError):
        await office.onboarding.retire([A, C])
    assert set(office.registry.devices) == {A, B}
    await office.onboarding.retire([A, A])
    await office.registry.load()
    assert (set(office.registry.devices), set(office.registry.retired)) == ({B}, {A})
    with pytest.raises(UnknownDevicesError, match="was retired on"):
        await office.onboarding.retire([A])
    await office.settle(told(A, "decentlab", "dl-mbx"))
    (found,) = await office.onboarding.pending()
    assert found.retired_at is not None
    assert not await office.registry.add(gauge(A))
    assert await office.onboarding.register([office.onboarding.proposed(found, {"name": "Neu"})]) == 1
    assert office.registry.devices[A] == replace(gauge(A), name="Neu")  # as it was
    assert office.registry.retired == {}


async def test_what_the_registry_is_told_elsewhere_arrives(office: Office, database: str) -> None:
    async with pool(database) as other:
        follower = Registry(other)
        await follower.start()
        following = asyncio.create_task(follower.follow())
        try:
            await office.onboarding.register([gauge(A), gauge(B)])
            await office.onboarding.retire([A])
            await office.registry.remove(B)
            await until(lambda: not follower.devices and A in follower.retired)
            assert (follower.devices, set(follower.retired)) == ({}, {A})
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
