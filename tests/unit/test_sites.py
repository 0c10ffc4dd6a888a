# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The free spots of a parking site, counted from what its spots say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.codecs.decoding import Codecs
from adapters.profiles import load_profiles
from adapters.registry import Devices
from adapters.sites import STATE, Site, count_free, states
from adapters.translate import World, translate
from models.counters import Counted, Counters
from models.device import Device
from models.message import Message
from models.ngsild import keyvalues
from models.reading import Reading
from models.uplink import Position, Uplink
from tests.uplinks import chirpstack

if TYPE_CHECKING:
    from models.reading import EntityUpdate
    from models.translation import Translation

NOW = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
SITE = "urn:ngsi-ld:OnStreetParking:hagen:markt"
PROFILES = load_profiles(
    {
        "overhead": {
            "vendor": "Acme",
            "model": "overhead",
            "codec": "network",
            "entity_type": "ParkingSpot",
            "fields": {"distance": "level.distance"},
            "parameters": {"occupied_below": 1.5},
        }
    }
)


def spot(number: int, **known: Any) -> Device:
    facts: dict[str, Any] = {
        "id": f"fe5800000000000{number}",
        "profile": "bosch-tps110",
        "place": f"spot-{number}",
        "name": f"Stellplatz {number}",
        "position": Position(longitude=7.47 + number / 1000, latitude=51.36),
        "attributes": {"category": ["onStreet"], "refParkingSite": SITE},
        **known,
    }
    return Device(**facts)


class Street:
    """Spots that say whether they are taken, by minutes."""

    def __init__(self, *spots: Device, counters: Counters | None = None) -> None:
        self.devices = Devices({device.id: device for device in spots})
        self.world = World(
            city="hagen",
            devices=self.devices,
            profiles=PROFILES,
            codecs=Codecs(),
            counters=counters or Counters(),
        )

    def register(self, device: Device) -> None:
        self.devices[device.id] = device
        self.devices.version += 1

    async def says(self, number: int, minute: float, **fields: Any) -> Translation:
        at = NOW + timedelta(minutes=minute)
        device_id = spot(number).id
        topic, payload = chirpstack(b"", at=at, dev_eui=device_id, object=fields, rxInfo=[])
        done = await translate(
            Message(source="test", topic=topic, payload=payload, received_at=at), self.world
        )
        assert [problem.sentence for problem in done.problems] == []
        return done

    async def is_taken(self, number: int, minute: float, *, taken: bool) -> tuple[Any, ...] | None:
        """Free, occupied and all, and the minute as of which they are; None: nothing is said of the site."""
        done = await self.says(number, minute, occupied=taken)
        return counted(done)


def site_of(done: Translation) -> EntityUpdate | None:
    found = [update for update in done.entities if update.type.endswith("StreetParking")]
    assert len(found) <= 1
    return found[0] if found else None


def counted(done: Translation) -> tuple[Any, ...] | None:
    update = site_of(done)
    if update is None:
        return None
    body = keyvalues(update.body)
    assert update.observed_at is not None
    minute = (update.observed_at - NOW) / timedelta(minutes=1)
    numbers = (body["availableSpotNumber"], body["occupiedSpotNumber"], body["totalSpotNumber"])
    return (*numbers, minute)


async def test_each_message_of_a_spot_says_how_many_are_free() -> None:
    street = Street(spot(1), spot(2), spot(3))
    assert await street.is_taken(1, 0, taken=True) == (0, 1, 3, 0)
    assert await street.is_taken(2, 1, taken=False) == (1, 1, 3, 1)
    assert await street.is_taken(3, 2, taken=False) == (2, 1, 3, 2)
    assert await street.is_taken(1, 3, taken=False) == (3, 0, 3, 3)
    assert await street.is_taken(1, 4, taken=False) == (3, 0, 3, 4)


async def test_the_site_is_a_whole_entity_in_the_middle_of_its_spots() -> None:
    street = Street(spot(1, simulated=True), spot(2, simulated=True))
    update = site_of(await street.says(1, 0, occupied=False))
    assert update is not None
    assert (update.id, update.type, update.subject) == (SITE, "OnStreetParking", "Parking")
    assert update.measured == ("availableSpotNumber", "occupiedSpotNumber")
    free = update.body["availableSpotNumber"]
    assert (free["value"], free["unitCode"], free["observedAt"]) == (1, "C62", "2026-05-01T10:00:00.000Z")
    body = keyvalues(update.body)
    assert body["location"] == {"type": "Point", "coordinates": [7.4715, 51.36]}
    assert (body["name"], body["source"]) == ("markt (simuliert)", "simulation")
    assert body["observationDateTime"] == "2026-05-01T10:00:00.000Z"


async def test_what_is_registered_of_the_site_goes_before_what_its_spots_say() -> None:
    there = Position(longitude=7.5, latitude=51.4)
    thing = Device(
        id="markt",
        profile="parking-site",
        name="Marktplatz",
        position=there,
        attributes={"totalSpotNumber": 20, "allowedVehicleType": ["car"]},
    )
    street = Street(spot(1), thing)
    update = site_of(await street.says(1, 0, occupied=False))
    assert update is not None
    body = keyvalues(update.body)
    assert (body["name"], body["totalSpotNumber"], body["allowedVehicleType"]) == ("Marktplatz", 20, ["car"])
    assert body["location"]["coordinates"] == [7.5, 51.4]
    assert "source" not in body


async def test_a_late_message_changes_nothing_and_one_out_of_order_never_makes_the_site_older() -> None:
    street = Street(spot(1), spot(2))
    assert await street.is_taken(1, 10, taken=True) == (0, 1, 2, 10)
    assert await street.is_taken(1, 5, taken=False) is None
    # New of spot 2, though older than what is known of spot 1.
    assert await street.is_taken(2, 7, taken=True) == (0, 2, 2, 10)
    assert await street.is_taken(2, 7, taken=False) is None
    assert await street.is_taken(1, 11, taken=False) == (1, 1, 2, 11)


async def test_a_spot_out_of_service_or_new_is_counted_from_then_on() -> None:
    street = Street(spot(1), spot(2))
    await street.is_taken(1, 0, taken=False)
    assert await street.is_taken(2, 9, taken=False) == (2, 0, 2, 9)
    gone = street.devices.pop(spot(2).id)
    street.world = replace(street.world, retired={gone.id: gone})
    street.register(spot(3))
    # It is not older than what was said of the site before, though all that count now are.
    assert await street.is_taken(3, 4, taken=True) == (1, 1, 2, 9)


async def test_a_car_park_and_a_sensor_overhead_and_the_quick_way() -> None:
    car_park = "urn:ngsi-ld:OffStreetParking:hagen:P%2BR%20Nord"
    of_it = {"category": ["offStreet"], "refParkingSite": car_park}
    street = Street(
        spot(1, attributes=of_it, profile="overhead"), spot(2, attributes=of_it, profile="overhead")
    )
    for minute in range(3):
        for number, distance in ((1, 0.9), (2, 2.4)):
            done = await street.says(number, minute, distance=distance)
            assert keyvalues(done.entities[0].body)["status"] == ("occupied" if distance < 1 else "free")
    found = [update for update in done.entities if update.id == car_park]
    assert [keyvalues(update.body)["availableSpotNumber"] for update in found] == [1]


@pytest.mark.parametrize("named", ["urn:ngsi-ld:Building:hagen:x", "markt", "urn:ngsi-ld:OnStreetParking:"])
async def test_what_is_no_parking_site_is_only_a_reference(named: str) -> None:
    street = Street(spot(1, attributes={"category": ["onStreet"], "refParkingSite": SITE}))
    device = spot(1, attributes={"category": ["onStreet"], "refParkingSite": named})
    street.register(device)
    done = await street.says(1, 0, status="x", occupied=True) if ":" in named else None
    assert done is None or ({update.type for update in done.entities} == {"ParkingSpot", "Device"})
    assert done is None or done.counts == ()


async def test_what_is_translated_alone_says_nothing_of_the_site() -> None:
    street = Street(spot(1))
    street.world = replace(street.world, counters=None)
    assert await street.is_taken(1, 0, taken=True) is None


@given(
    said=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30), st.booleans()), min_size=1, max_size=40),
    cut=st.integers(0, 40),
)
def test_the_count_is_that_of_each_spots_newest_state_in_any_order_and_after_a_start(
    said: list[tuple[int, int, bool]], cut: int
) -> None:
    names = [f"spot-{number}" for number in range(5)]
    thing = Device(id="x", profile="parking-site", entity_type="OnStreetParking", position=spot(1).position)
    site = Site(thing, "hagen", tuple(names), ())
    counters = Counters()
    newest: dict[int, tuple[datetime, bool]] = {}
    for place, (number, minute, taken) in enumerate(said):
        if place == cut:
            saved = {name: counters.pack(name) for name in names}
            counters = Counters()
            for name, packed in saved.items():
                counters.restore(name, packed)
        at = NOW + timedelta(minutes=minute)
        counters.enter(names[number], Counted(STATE, float(taken), at))
        if number not in newest or newest[number][0] < at:
            newest[number] = (at, taken)
    frame = Uplink(network="chirpstack", device_id=names[0], observed_at=NOW)
    update = count_free(site, counters, frame)
    assert update is not None
    body = keyvalues(update.body)
    occupied = sum(taken for _, taken in newest.values())
    assert (body["occupiedSpotNumber"], body["availableSpotNumber"]) == (occupied, len(newest) - occupied)
    assert update.observed_at == max(at for at, _ in newest.values())


def test_nothing_is_said_of_a_site_whose_spots_never_spoke() -> None:
    site = Site(spot(1), "hagen", ("a", "b"), ())
    frame = Uplink(network="chirpstack", device_id="a", observed_at=NOW)
    assert count_free(site, Counters(), frame) is None


def test_states_of_several_moments_come_oldest_first() -> None:
    readings = [
        Reading(
            quantity=STATE,
            value=value,
            unit=None,
            observed_at=NOW + timedelta(minutes=minute),
            codec="network",
        )
        for minute, value in ((5, True), (1, False))
    ]
    assert [state.value for state in states(readings)] == [0.0, 1.0]
