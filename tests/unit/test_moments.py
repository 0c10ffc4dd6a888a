# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A message with several moments, each of them read by the device's profile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from adapters.codecs.decoding import Codecs
from adapters.networks.declared import DeclaredFormat
from adapters.networks.envelope import read_uplink
from adapters.profiles import load_profiles
from adapters.translate import World, translate
from models.counters import Counters
from models.device import Device
from models.message import Message
from models.ngsild import keyvalues
from models.uplink import Position

if TYPE_CHECKING:
    from models.translation import Translation

NINE = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TEN_BEFORE = NINE - timedelta(minutes=10)
RECEIVED = NINE + timedelta(seconds=5)
PROBE = {
    "vendor": "Acme",
    "model": "probe",
    "codec": "network",
    "entity_type": "WasteContainer",
    "fields": {
        "abstand": {"quantity": "level.distance", "unit": "CMT"},
        "grad": {"quantity": "air.temperature", "missing": ["-99"]},
        "leerungen": "rain.cumulative",
        "deckel": {"quantity": "lid.open", "values": {"auf": True, "zu": False}},
    },
}


async def run(body: Any, *, counters: Counters | None = None, **form: Any) -> Translation:
    declared = DeclaredFormat(topic="depot/{device}", **{"time": "t", **form})
    device = Device(
        id="tonne-1",
        profile="probe",
        position=Position(longitude=7.47, latitude=51.36),
        parameters={"empty_distance": 2.0, "full_distance": 0.0},
    )
    world = World(
        city="hagen",
        devices={device.id: device},
        profiles=load_profiles({"probe": PROBE}),
        codecs=Codecs(),
        readers={"mqtt": lambda message: read_uplink(message, declared)},
        counters=counters,
    )
    payload = orjson.dumps(body)
    return await translate(
        Message(source="mqtt", topic="depot/tonne-1", payload=payload, received_at=RECEIVED), world
    )


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (
            {},
            [
                {"t": NINE.isoformat(), "abstand": "50", "grad": -99, "deckel": "zu"},
                {"t": TEN_BEFORE.isoformat(), "abstand": 150, "grad": 7.5, "deckel": "auf"},
            ],
        ),
        (
            {"measurements": "werte", "zone": "Europe/Berlin"},
            {
                "werte": {
                    "t": ["23.11.2026 09:50", "23.11.2026 10:00"],
                    "abstand": [150, 50],
                    "grad": [7.5, None],
                    "deckel": ["auf", "zu"],
                }
            },
        ),
        (
            {"name": "n", "value": "v"},
            [
                {"t": 1795423800, "n": "abstand", "v": 150},
                {"t": 1795423800, "n": "grad", "v": "7,5 °C"},
                {"t": 1795423800, "n": "deckel", "v": "auf"},
                {"t": 1795424400, "n": "abstand", "v": 50},
                {"t": 1795424400, "n": "deckel", "v": "zu"},
            ],
        ),
    ],
)
async def test_each_moment_is_mapped_derived_and_sent_by_itself(form: dict[str, Any], body: Any) -> None:
    done = await run(body, **form)
    assert done.problems == ()
    assert done.codec == "network"
    found = [
        (update.observed_at, keyvalues(update.body))
        for update in done.entities
        if update.type == "WasteContainer"
    ]
    assert [(at, each.get("fillingLevel"), each.get("temperature")) for at, each in found] == [
        (TEN_BEFORE, 0.25, 7.5),
        (NINE, 0.75, None),
    ]
    lids = [
        (reading.observed_at, reading.value) for reading in done.readings if reading.quantity == "lid.open"
    ]
    assert lids == [(TEN_BEFORE, True), (NINE, False)]


async def test_a_counter_is_counted_from_moment_to_moment() -> None:
    rows = [
        {"t": (NINE - timedelta(minutes=minutes)).isoformat(), "leerungen": count}
        for minutes, count in ((0, 17.5), (20, 12.0), (10, 13.0))
    ]
    done = await run(rows, counters=Counters())
    fell = [reading.value for reading in done.readings if reading.quantity == "rain.amount"]
    assert fell == [1.0, 4.5]


async def test_what_the_profile_reads_not_is_read_by_its_words() -> None:
    done = await run([{"t": 1795424400, "pm10": 20}, {"t": 1795423800, "pm10": 25}])
    assert [(reading.quantity, reading.codec) for reading in done.readings] == [
        ("air.pm10", "normalized")
    ] * 2


async def test_what_nobody_reads_names_its_fields() -> None:
    done = await run([{"t": 1795424400, "x": 1, "y": 2}, {"t": 1795423800, "x": 1}])
    assert [problem.kind for problem in done.problems] == ["nothing-measured"]
    assert "maps none of its fields" in done.problems[0].sentence


async def test_a_moment_that_cannot_be_is_named() -> None:
    done = await run([{"t": 1795424400, "grad": 1}, {"t": 1000, "grad": 1}])
    assert [problem.kind for problem in done.problems] == ["impossible-time"]
    assert "1970-01-01 00:16:40 UTC, which cannot be" in done.problems[0].sentence
