# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Meters that send M-Bus records: any bytes, and all the way to the entity."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.codecs.decoding import Codecs, decode_table, encode
from adapters.profiles import load_profiles
from adapters.translate import World, translate
from models.counters import Counters
from models.device import Device
from models.errors import CodecError
from models.message import Message
from models.ngsild import keyvalues
from models.uplink import Position
from tests.uplinks import DEV_EUI, chirpstack

NOW = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)


@given(st.binary(max_size=60))
def test_any_bytes_are_decoded_or_refused_in_a_sentence(payload: bytes) -> None:
    try:
        decoded = decode_table("mbus", payload, 2)
    except CodecError as error:
        sentence = error.sentence
        assert sentence.endswith(".")
    else:
        assert decoded.fields
        assert all(isinstance(value, int | float | str) for value in decoded.fields.values())


@given(
    st.fixed_dictionaries(
        {"energy": st.integers(0, 2**31 - 1)},
        optional={
            "volume": st.integers(0, 2**31 - 1).map(lambda number: number / 1000),
            "flow_temperature": st.integers(-1000, 1500).map(lambda number: number / 10),
            "meter_id": st.integers(0, 99_999_999),
            "error_flags": st.integers(0, 2**16 - 1),
        },
    )
)
def test_what_is_encoded_is_decoded(fields: dict[str, Any]) -> None:
    f_port, payload = encode("mbus", fields)
    assert decode_table("mbus", payload, f_port).fields == fields


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"mood": 1}, "mbus has no field mood"), ({"energy": 1e12}, "does not fit into the 4 bytes")],
)
def test_what_cannot_be_sent_is_named(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(CodecError, match=words):
        encode("mbus", fields)


async def entities_of(profile: str, *frames: str, **known: Any) -> dict[str, dict[str, Any]]:
    """The newest entities by type, each frame ten minutes after the one before."""
    device = Device(id=DEV_EUI, profile=profile, position=Position(longitude=7.47, latitude=51.36), **known)
    world = World(
        city="hagen",
        devices={device.id: device},
        profiles=load_profiles(),
        codecs=Codecs(),
        counters=Counters(),
    )
    found: dict[str, dict[str, Any]] = {}
    for number, frame in enumerate(frames):
        at = NOW + timedelta(minutes=10 * number)
        topic, payload = chirpstack(bytes.fromhex(frame), f_port=2, at=at)
        done = await translate(Message(source="t", topic=topic, payload=payload, received_at=at), world)
        assert [problem.sentence for problem in done.problems] == []
        for update in done.entities:
            name = update.type
            if name == "DeviceMeasurement":
                name = update.body["measurementType"]["value"]
            found[name] = update.body
    return found


async def test_a_water_meter() -> None:
    found = await entities_of("mbus-water", "041387d61200025a7d00", "0413c1d61200025a7d00")
    water = found["WaterConsumptionObserved"]["waterConsumption"]
    assert (water["value"], water["unitCode"]) == (1_234_625.0, "LTR")
    assert keyvalues(found["metering.water.used"])["numValue"] == 58


@pytest.mark.parametrize("times", [1, 3])
async def test_gas_is_cubic_metres_where_energy_is_kilowatt_hours(times: int) -> None:
    gas = await entities_of("mbus-gas", *["041487d61200"] * times)
    said = gas["SmartMeteringObservation"]["totalConsumption"]
    assert (said["value"], said["unitCode"]) == (12_345.67, "MTQ")
    heat = await entities_of("mbus-heat", *["0406d2040000"] * times)
    said = heat["SmartMeteringObservation"]["totalConsumption"]
    assert (said["value"], said["unitCode"]) == (1234, "KWH")


async def test_a_heat_meter_with_a_module_that_names_the_format() -> None:
    frame = "210406e8030000041439300000077978563412a511040401fd1700046d1e2b173b4406d4030000426cff2c"
    found = await entities_of("diehl-sharky-cmi4160", frame)
    assert keyvalues(found["SmartMeteringObservation"])["totalConsumption"] == 1000
    assert keyvalues(found["metering.heat.volume"])["numValue"] == 123.45
