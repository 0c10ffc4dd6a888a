# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Readings that no attribute takes are DeviceMeasurements."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapters.codecs.decoding import TABLES, Codecs, encode
from adapters.measurements import measurements
from adapters.profiles import load_profiles
from adapters.templates import Templates
from adapters.translate import World, translate
from models.device import Device
from models.devices import DeviceMeasurement
from models.message import Message
from models.ngsild import keyvalues
from models.reading import EntityUpdate, Reading
from models.uplink import Position, Uplink
from ontology.loader import conversion, quantities
from tests.uplinks import DEV_EUI, chirpstack, the_things_stack

if TYPE_CHECKING:
    from models.translation import Translation

HERE = Position(longitude=7.4983, latitude=51.3391)
NOW = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
DEVICE = Device(id=DEV_EUI, profile="-", position=HERE, name="Eilpe")


def world(**known: Any) -> World:
    """A city with one device."""
    device = replace(DEVICE, **known)
    return World(city="hagen", devices={device.id: device}, profiles=load_profiles(), codecs=Codecs())


async def run(shown: tuple[str, bytes], known: World) -> Translation:
    topic, payload = shown
    return await translate(Message(source="test", topic=topic, payload=payload, received_at=NOW), known)


def alone(done: Translation) -> dict[str, EntityUpdate]:
    """The measurements, by quantity."""
    return {
        update.body["measurementType"]["value"]: update
        for update in done.entities
        if update.type == "DeviceMeasurement"
    }


def normalized(*measurements: dict[str, Any]) -> tuple[str, bytes]:
    return the_things_stack(b"\x01", at=NOW, normalized_payload=list(measurements))


async def test_a_number_without_an_attribute_is_a_measurement_of_the_device() -> None:
    done = await run(
        normalized({"soil": {"pH": 6.5}}), world(profile="normalized", entity_type="GreenspaceRecord")
    )
    assert done.problems == ()
    assert done.unmapped == ()
    assert [update.type for update in done.entities] == ["Device", "DeviceMeasurement"]
    update = alone(done)["soil.pH"]
    assert (update.observed_at, update.measured, update.subject) == (NOW, ("numValue",), "Device")
    assert update.body["numValue"] == {
        "type": "Property",
        "value": 6.5,
        "unitCode": "Q30",
        "observedAt": "2026-05-01T10:00:00.000Z",
    }
    plain = keyvalues(update.body)
    assert plain == {
        "id": f"urn:ngsi-ld:DeviceMeasurement:hagen:{DEV_EUI}:soil.pH",
        "type": "DeviceMeasurement",
        "name": "Eilpe: pH-Wert des Bodens",
        "description": "pH-Wert des Bodens / pH of the soil",
        "numValue": 6.5,
        "unit": "Q30",
        "controlledProperty": "pH",
        "measurementType": "soil.pH",
        "deviceType": "sensor",
        "refDevice": done.entities[0].id,
        "dateObserved": "2026-05-01T10:00:00.000Z",
        "location": {"type": "Point", "coordinates": [7.4983, 51.3391]},
    }
    assert DeviceMeasurement.model_validate(plain).numValue == 6.5


@pytest.mark.parametrize(
    ("profile", "fields", "quantity", "said"),
    [
        ("dragino-lds02", {"DOOR_OPEN_STATUS": 1}, "action.contactState", {"textValue": "open"}),
        ("dragino-lds02", {"DOOR_OPEN_STATUS": 0}, "action.contactState", {"textValue": "closed"}),
        ("dragino-lwl02", {"WATER_LEAK_STATUS": 1}, "water.leak", {"textValue": "true", "numValue": 1.0}),
        ("dragino-lwl02", {"WATER_LEAK_STATUS": 0}, "water.leak", {"textValue": "false", "numValue": 0.0}),
    ],
)
async def test_contacts_and_leaks(
    profile: str, fields: dict[str, Any], quantity: str, said: dict[str, Any]
) -> None:
    f_port, payload = encode(load_profiles()[profile].codec, {**fields, "BAT_V": 2.55})
    done = await run(chirpstack(payload, f_port=f_port, at=NOW), world(profile=profile))
    assert done.problems == ()
    device, update = done.entities
    assert keyvalues(device.body)["batteryLevel"] == pytest.approx(0.5)
    assert set(update.measured) == set(said)
    assert said.items() <= keyvalues(update.body).items()
    assert DeviceMeasurement.model_validate(keyvalues(update.body)).measurementType == quantity


@pytest.mark.parametrize("name", sorted(load_profiles()))
async def test_nothing_that_a_profile_reads_is_lost(name: str) -> None:
    """Each quantity is an attribute of one of the entities, also the second time, the quick way."""
    profile = load_profiles()[name]
    if profile.codec not in TABLES and profile.codec != "network":
        pytest.skip("its codec is the operator's")
    fields = {row.path: fine(row.quantity, row.unit) for row in profile.fields if plain(row.path)}
    known = world(profile=name, attributes=REQUIRED.get(profile.entity_type, {}))
    for _ in range(3):
        done = await run(chirpstack(b"", at=NOW, object=fields), known)
        kept = set(alone(done)) | {
            quantity.name
            for quantity in quantities().values()
            for update in done.entities
            if (target := quantity.targets.get(update.type)) and target.attribute in update.measured
        }
        read = {row.quantity for row in profile.fields if row.path in fields}
        assert [problem.sentence for problem in done.problems] == []
        assert read <= kept
        assert done.unmapped == ()


def plain(path: str) -> bool:
    return "." not in path and not path.endswith("*")


REQUIRED: dict[str, dict[str, Any]] = {
    "ParkingSpot": {"category": ["onStreet"], "refParkingSite": "urn:ngsi-ld:OnStreetParking:hagen:1"},
    "AgriParcelRecord": {"hasAgriParcel": "urn:ngsi-ld:AgriParcel:hagen:1"},
    "ACMeasurement": {"phaseType": "threePhase"},
    "PhreaticObserved": {"measurementType": ["depth"]},
}


def fine(name: str, unit: str | None) -> Any:
    """A plausible value of a quantity, in the unit of the field."""
    quantity = quantities()[name]
    if quantity.kind != "number":
        return True if quantity.kind == "boolean" else "ok"
    value = 1.0 if quantity.low is None or quantity.low <= 1 else quantity.low
    if unit is None or quantity.unit is None:
        return value
    factor, shift = conversion(quantity.unit, unit)
    return value * factor + shift


async def test_what_several_moments_measured_is_sent_in_their_order() -> None:
    done = await run(
        normalized(
            {"time": "2026-05-01T09:58:00Z", "soil": {"pH": 6.5}},
            {"time": "2026-05-01T09:00:00Z", "soil": {"pH": 7.5}},
        ),
        world(profile="normalized"),
    )
    moments = [update.observed_at for update in done.entities if update.type == "DeviceMeasurement"]
    assert moments == [NOW - timedelta(hours=1), NOW - timedelta(minutes=2)]


async def test_what_came_the_quick_way_is_the_same() -> None:
    quick, fields = world(profile="dragino-lsph01"), {"PH1_SOIL": 6.5, "TEMP_SOIL": 12.5}
    for minute in range(4):
        shown = chirpstack(b"", at=NOW - timedelta(minutes=9 - minute), object=fields)
        ours = await run(shown, quick)
        right = await run(shown, replace(quick, templates=Templates()))
        assert [update.body for update in ours.entities] == [update.body for update in right.entities]
        assert [update.measured for update in ours.entities] == [update.measured for update in right.entities]
    assert quick.templates.quick == 3


async def test_a_message_without_what_no_attribute_takes_goes_on_feeding_its_entity() -> None:
    known = world(profile="dragino-lsph01")
    for fields in ({"PH1_SOIL": 6.5, "TEMP_SOIL": 12.5}, {"TEMP_SOIL": 12.5}, {"TEMP_SOIL": 12.5}):
        done = await run(chirpstack(b"", at=NOW, object=fields), known)
        assert done.entities[0].id == f"urn:ngsi-ld:GreenspaceRecord:hagen:{DEV_EUI}"
    assert known.templates.quick == 2


async def test_a_simulated_devices_measurements_say_so() -> None:
    done = await run(normalized({"soil": {"pH": 6.5}}), world(profile="normalized", simulated=True))
    assert keyvalues(alone(done)["soil.pH"].body)["source"] == "simulation"


async def test_what_breaks_the_model_is_named_and_the_others_go_on() -> None:
    nowhere = Position(longitude=7.4, latitude=95.0)
    done = await run(normalized({"soil": {"pH": 6.5}}), world(profile="normalized", position=nowhere))
    assert done.unmapped == ("soil.pH",)
    assert [problem.kind for problem in done.problems] == ["invalid-entity", "invalid-entity"]
    assert "soil.pH is no valid DeviceMeasurement" in done.problems[-1].sentence
    assert done.problems[-1].device_id == DEV_EUI


@pytest.mark.parametrize("name", sorted(quantities()))
def test_every_quantity_can_be_a_measurement(name: str) -> None:
    uplink = Uplink(network="test", device_id=DEV_EUI, observed_at=NOW)
    reading = Reading(
        quantity=name, value=fine(name, None), unit=quantities()[name].unit, observed_at=NOW, codec="test"
    )
    (update,) = measurements((reading,), DEVICE, uplink, city="hagen")
    assert isinstance(update, EntityUpdate)
    said = DeviceMeasurement.model_validate(keyvalues(update.body))
    assert (said.measurementType, said.unit) == (name, quantities()[name].unit)
    assert said.numValue is not None or said.textValue is not None
