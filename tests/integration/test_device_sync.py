# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Lists of network servers over real HTTP: pages, places, tokens, errors; and what differs."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.profiles import load_profiles
from adapters.sync import chirpstack, the_things_stack
from adapters.sync.listing import Listed, ListingError
from compose.network_sync import compare
from models.device import Device
from models.uplink import Position
from tests.network_servers import APPLICATION, TOKEN, NetworkServer

PROFILES = load_profiles()
KINDS: dict[str, tuple[Any, str]] = {
    "chirpstack": (chirpstack, APPLICATION),
    "tts": (the_things_stack, "hagen-pegel"),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def dev_eui(number: int) -> str:
    return f"70b3d57ed1{number:06x}"


def many(number: int, **more: Any) -> dict[str, dict[str, Any]]:
    return {
        dev_eui(each): {"name": f"Pegel {each}", "model": "decentlab/dl-mbx", "tags": {}, **more}
        for each in range(number)
    }


async def listed(server: NetworkServer, kind: str, token: str = TOKEN, application: str = "") -> list[Listed]:
    module, known = KINDS[kind]
    async with server.serve() as url, module.api(url, token) as api:
        return [each async for each in module.devices(api, application or known)]


@every_kind
@pytest.mark.parametrize("number", [0, 1, 100, 101, 1203])
async def test_all_pages_are_read(kind: str, number: int) -> None:
    server = NetworkServer(devices=many(number), tags_in_lists=True)
    found = await listed(server, kind)
    assert [each.id for each in found] == sorted(server.devices)
    assert all(each.name == f"Pegel {index}" for index, each in enumerate(found))


@every_kind
async def test_pages_smaller_than_asked_for_are_read(kind: str) -> None:
    found = await listed(NetworkServer(devices=many(45), most=7), kind)
    assert len(found) == 45


async def test_chirpstack_says_places_and_models_by_tags() -> None:
    server = NetworkServer(
        devices={
            dev_eui(1): {
                "name": "A",
                "model": "Decentlab DL-MBX",
                "tags": {"Latitude": "51,36", "Longitude": "7.47"},
            },
            dev_eui(2): {"name": "B", "model": "EU868", "tags": {"lat": "51.3", "lon": "7.4", "alt": "107"}},
            dev_eui(3): {"name": "C", "model": "EU868", "tags": {"latitude": "0", "longitude": "0"}},
            dev_eui(4): {"name": "D", "model": "EU868", "tags": {"latitude": "north", "longitude": "7"}},
            dev_eui(5): {"name": "E", "model": "EU868", "tags": {}, "deleted": True},
        }
    )
    a, b, c, d = await listed(server, "chirpstack")
    assert (a.position, a.model) == (Position(latitude=51.36, longitude=7.47), ("Decentlab DL-MBX",))
    assert b.position == Position(latitude=51.3, longitude=7.4, altitude=107)
    assert (c.position, d.position) == (None, None)


async def test_the_things_stack_says_places_models_and_attributes() -> None:
    server = NetworkServer(
        devices={
            dev_eui(1): {
                "name": "Pegel Süd",
                "model": "decentlab/dl-mbx",
                "tags": {"street": "Am Ufer"},
                "at": {"latitude": 51.36, "longitude": 7.47, "altitude": 107, "source": "SOURCE_REGISTRY"},
            },
            "kiosk-1": {"name": "", "model": "", "tags": {}, "plain": True},
        }
    )
    gauge, kiosk = await listed(server, "tts")
    assert gauge == Listed(
        id=dev_eui(1),
        name="Pegel Süd",
        model=("decentlab", "dl-mbx"),
        tags={"street": "Am Ufer"},
        position=Position(latitude=51.36, longitude=7.47, altitude=107),
    )
    assert (kiosk.id, kiosk.name, kiosk.model) == ("kiosk-1", "kiosk-1", ())


@every_kind
async def test_a_wrong_token_and_a_wrong_application_are_told_apart(kind: str) -> None:
    with pytest.raises(
        ListingError, match=r"does not accept the token for this \(authentication failed\)"
    ) as caught:
        await listed(NetworkServer(), kind, token="wrong")
    assert "wrong" not in str(caught.value)
    with pytest.raises(ListingError, match="is the application's id right"):
        await listed(NetworkServer(), kind, application="none")


@every_kind
async def test_who_is_asked_to_wait_waits_and_goes_on(kind: str) -> None:
    server = NetworkServer(devices=many(3))
    server.troubles = [(429, {"Retry-After": "0"}, b""), (503, {"X-Rate-Limit-Retry": "0"}, b"")]
    assert len(await listed(server, kind)) == 3
    server.troubles = [(429, {"Retry-After": "0"}, b"{}")] * 9
    with pytest.raises(ListingError, match="wants to be asked less often"):
        await listed(server, kind)


@every_kind
@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"<html>", "is no JSON"),
        (b"{", "is no JSON"),
        (b"[]", "is no object"),
        (b'{"result": 7, "end_devices": 7}', "is a list"),
        (b'{"result": [7], "totalCount": 1, "end_devices": [7]}', "lists a device without"),
        (b'{"result": [{}], "totalCount": "x", "end_devices": [{"ids": 7}]}', "device"),
    ],
)
async def test_what_is_no_list_of_devices_is_named(kind: str, body: bytes, sentence: str) -> None:
    with pytest.raises(ListingError, match=sentence):
        await listed(NetworkServer(troubles=[(200, {}, body)]), kind)


@every_kind
async def test_a_redirect_does_not_get_the_token(kind: str) -> None:
    server = NetworkServer(troubles=[(302, {"Location": "http://127.0.0.1:1/"}, b"")])
    with pytest.raises(ListingError, match="status 302"):
        await listed(server, kind)


@every_kind
async def test_a_server_that_is_away_is_named(kind: str) -> None:
    module, application = KINDS[kind]
    async with NetworkServer().serve() as url:
        pass
    async with module.api(url, TOKEN) as api:
        with pytest.raises(ListingError, match=f"{url} cannot be reached"):
            [each async for each in module.devices(api, application)]


# ---- what differs ------------------------------------------------------------------------------

ORIGIN = "tts https://x hagen"
HERE, THERE = Position(latitude=51.36, longitude=7.47), Position(latitude=51.37, longitude=7.48)


def device(number: int, **more: Any) -> Device:
    return Device(
        id=dev_eui(number), **{"profile": "decentlab-dl-mbx", "name": "Pegel", "origin": ORIGIN, **more}
    )


def listing(number: int, **more: Any) -> Listed:
    return Listed(id=dev_eui(number), **{"name": "Pegel", "model": ("decentlab", "dl-mbx"), **more})


def registered(*devices: Device) -> dict[str, Device]:
    return {each.id: each for each in devices}


def test_new_devices_have_the_profile_that_the_server_or_a_tag_leads_to() -> None:
    plan = compare(
        [
            listing(1, position=HERE),
            listing(2, model=("EU868",), tags={"profile": "elsys-ers"}),
            listing(3, model=("EU868",)),
        ],
        {},
        PROFILES,
        origin=ORIGIN,
    )
    assert plan.new == (device(1, position=HERE), device(2, profile="elsys-ers"))
    assert [each.id for each in plan.left] == [dev_eui(3)]
    named = compare([listing(3, model=())], {}, PROFILES, origin=ORIGIN, profile="elsys-ers-co2")
    assert named.new == (device(3, profile="elsys-ers-co2"),)


@pytest.mark.parametrize(
    ("listed_now", "changes"),
    [
        (listing(1), {}),
        (listing(1, name=None), {}),
        (listing(1, position=HERE), {}),
        (listing(1, position=Position(latitude=51.36, longitude=7.47, altitude=None)), {}),
        (listing(1, name="Neu"), {"name": ("Pegel", "Neu")}),
        (listing(1, position=THERE), {"latitude": (51.36, 51.37), "longitude": (7.47, 7.48)}),
    ],
)
def test_what_the_list_says_differently_changes(listed_now: Listed, changes: dict[str, Any]) -> None:
    known = registered(device(1, position=HERE, place="sued", parameters={"reference_level": 4.0}))
    plan = compare([listed_now], known, PROFILES, origin=ORIGIN)
    assert [change.changes for change in plan.changed] == ([changes] if changes else [])
    assert plan.unchanged == (0 if changes else 1)
    for each in plan.changed:
        assert (each.device.place, each.device.parameters) == ("sued", {"reference_level": 4.0})


def test_what_is_to_be_kept_is_kept() -> None:
    known = registered(device(1, position=HERE))
    plan = compare(
        [listing(1, name="x", position=THERE)], known, PROFILES, origin=ORIGIN, keep=("name", "position")
    )
    assert plan.unchanged == 1


def test_only_devices_of_this_list_are_gone_from_it() -> None:
    known = registered(device(1), device(2, origin=None), device(3, origin="tts https://x other"))
    plan = compare([], known, PROFILES, origin=ORIGIN)
    assert [each.id for each in plan.gone] == [dev_eui(1)]


def test_a_device_that_was_registered_by_hand_becomes_one_of_the_list() -> None:
    plan = compare([listing(1)], registered(device(1, origin=None)), PROFILES, origin=ORIGIN)
    assert plan.changed[0].changes == {"taken from": (None, ORIGIN)}
    assert plan.devices == [device(1)]
