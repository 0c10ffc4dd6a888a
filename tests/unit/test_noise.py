# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Numbers reach the broker as devices meant them, without the noise of binary fractions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.codecs.decoding import Codecs, decode_table, encode
from adapters.profiles import load_profiles
from adapters.translate import World, translate
from models.device import Device
from models.message import Message
from models.ngsild import keyvalues
from models.uplink import Position
from tests.uplinks import DEV_EUI, chirpstack

NOW = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
PROFILE = {
    "vendor": "Acme",
    "model": "noisy",
    "codec": "network",
    "entity_type": "WeatherObserved",
    "fields": {
        "t": "air.temperature",
        "h": "air.relativeHumidity",
        "v": {"quantity": "air.pressure", "unit": "PAL"},
        "surface": "surface.temperature",
    },
}


@pytest.mark.parametrize("quick", [False, True])
async def test_what_a_vendors_javascript_multiplied_is_meant(quick: bool) -> None:  # noqa: FBT001 - a parameter
    device = Device(id=DEV_EUI, profile="noisy", position=Position(longitude=7.47, latitude=51.36))
    world = World(
        city="hagen",
        devices={device.id: device},
        profiles=load_profiles({"noisy": PROFILE}),
        codecs=Codecs(),
    )
    fields: dict[str, Any] = {"t": 217 * 0.1, "h": 56.00000000000001, "v": 98765.4, "surface": 0.1 + 0.2}
    for minute in range(1 + quick):
        at = NOW + timedelta(minutes=minute)
        topic, payload = chirpstack(b"", at=at, object=fields, rxInfo=[])
        done = await translate(Message(source="t", topic=topic, payload=payload, received_at=at), world)
    assert world.templates.quick == quick
    weather = keyvalues(done.entities[0].body)
    assert (weather["temperature"], weather["relativeHumidity"], weather["atmosphericPressure"]) == (
        21.7,
        0.56,
        987.654,
    )
    alone = next(update for update in done.entities if update.type == "DeviceMeasurement")
    assert keyvalues(alone.body)["numValue"] == 0.3


def test_a_codec_whose_steps_are_no_decimal_fractions_keeps_a_tenth_of_a_step() -> None:
    f_port, payload = encode("decentlab.dl_sht35", {"air_temperature": 21.7, "air_humidity": 55.5})
    fields = decode_table("decentlab.dl_sht35", payload, f_port).fields
    assert fields["air_temperature"] == pytest.approx(21.7, abs=0.0014)
    assert len(str(fields["air_temperature"])) <= len("21.7004")
    assert encode("decentlab.dl_sht35", fields)[1] == payload
