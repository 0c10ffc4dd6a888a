# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapters.codecs.decoding import Codecs, encode
from adapters.profiles import load_profiles
from adapters.translate import World, translate
from models.device import Device
from models.message import Message
from models.ngsild import keyvalues
from models.uplink import Position
from tests.uplinks import DEV_EUI, chirpstack, the_things_stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.translation import Translation

EILPE = Position(longitude=7.4983, latitude=51.3391)
NOW = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)


def device(profile: str, **known: Any) -> Device:
    return Device(id=DEV_EUI, profile=profile, **{"position": EILPE, "name": "Eilpe", **known})


async def run(message: tuple[str, bytes], *devices: Device, **extra: Any) -> Translation:
    world = World(
        city="hagen",
        devices={entry.id: entry for entry in devices},
        profiles=load_profiles(extra.get("profiles", {})),
        codecs=Codecs(extra.get("javascript", {})),
    )
    topic, payload = message
    try:
        return await translate(
            Message(source="test", topic=topic, payload=payload, received_at=extra.get("received_at", NOW)),
            world,
        )
    finally:
        await world.codecs.close()


def kinds(done: Translation) -> list[str]:
    return [problem.kind for problem in done.problems]


@pytest.mark.parametrize("envelope", [the_things_stack, chirpstack])
async def test_a_weather_station_becomes_a_weather_observation_and_its_device(
    envelope: Callable[..., tuple[str, bytes]],
) -> None:
    f_port, payload = encode(
        "decentlab.dl_atm41",
        {
            "air_temperature": 21.5,
            "relative_humidity": 55.0,
            "atmospheric_pressure": 98.5,
            "battery_voltage": 2.55,
        },
    )
    done = await run(envelope(payload, f_port=f_port, at=NOW), device("decentlab-dl-atm41"))

    assert done.problems == ()
    weather, mirrored = (keyvalues(update.body) for update in done.entities)
    assert weather["id"] == f"urn:ngsi-ld:WeatherObserved:hagen:{DEV_EUI}"
    assert weather["temperature"] == 21.5
    assert weather["relativeHumidity"] == 0.55  # the schema wants a part of one
    assert weather["atmosphericPressure"] == 985.0  # kPa → hPa
    assert weather["dateObserved"] == "2026-05-01T10:00:00.000Z"
    assert weather["refDevice"] == f"urn:ngsi-ld:Device:hagen:{DEV_EUI}"
    assert mirrored["id"] == weather["refDevice"]
    assert mirrored["batteryLevel"] == pytest.approx(0.5)
    assert mirrored["rssi"] == -97
    assert done.entities[0].body["temperature"] == {
        "type": "Property",
        "value": 21.5,
        "unitCode": "CEL",
        "observedAt": "2026-05-01T10:00:00.000Z",
    }


async def test_a_gauge_measures_distance_and_the_place_makes_a_level_of_it() -> None:
    f_port, payload = encode("decentlab.dl_mbx", {"distance": 1234, "battery_voltage": 3.0})
    gauge = device("decentlab-dl-mbx", parameters={"reference_level": 3.0})
    done = await run(the_things_stack(payload, f_port=f_port, at=NOW), gauge)
    flood = keyvalues(done.entities[0].body)
    assert flood["type"] == "FloodMonitoring"
    assert flood["measuredDistance"] == pytest.approx(1.234)
    assert flood["currentLevel"] == pytest.approx(1.766)
    assert flood["observationDateTime"] == "2026-05-01T10:00:00.000Z"


async def test_the_same_distance_sensor_fills_a_waste_container() -> None:
    f_port, payload = encode("dragino.ldds75", {"Bat": 3.3, "Distance": 500})
    bin_ = device(
        "dragino-ldds75",
        entity_type="WasteContainer",
        parameters={"empty_distance": 1.5, "full_distance": 0.5},
    )
    done = await run(chirpstack(payload, f_port=f_port, at=NOW), bin_)
    assert done.problems == ()
    assert keyvalues(done.entities[0].body)["fillingLevel"] == 1.0


async def test_several_devices_feed_the_entity_of_their_place() -> None:
    f_port, payload = encode("elsys", {"temperature": 22.6, "humidity": 41})
    done = await run(chirpstack(payload, f_port=f_port, at=NOW), device("elsys-ers", place="rathaus:raum-12"))
    assert done.entities[0].id == "urn:ngsi-ld:IndoorEnvironmentObserved:hagen:rathaus:raum-12"


async def test_the_network_servers_own_decoding_comes_first_and_is_named() -> None:
    _, payload = encode("elsys", {"temperature": 22.6, "humidity": 41})
    done = await run(
        chirpstack(payload, f_port=5, at=NOW, object={"temperature": 19.0, "humidity": 50}),
        device("elsys-ers"),
    )
    assert {reading.codec for reading in done.readings if reading.quantity.startswith("air")} == {"network"}
    assert keyvalues(done.entities[0].body)["temperature"] == 19.0


async def test_a_foreign_formatter_at_the_network_server_does_not_hide_the_payload() -> None:
    f_port, payload = encode("elsys", {"temperature": 22.6, "humidity": 41})
    done = await run(
        chirpstack(payload, f_port=f_port, at=NOW, object={"raw": "0100e2"}), device("elsys-ers")
    )
    assert done.codec == "elsys"
    assert keyvalues(done.entities[0].body)["temperature"] == 22.6


async def test_the_normalised_payload_needs_no_mapping() -> None:
    normalized = [{"air": {"temperature": 8.5, "relativeHumidity": 81}, "wind": {"speed": 3.5}}]
    done = await run(
        the_things_stack(b"\x01", at=NOW, normalized_payload=normalized),
        device("normalized", entity_type="WeatherObserved"),
    )
    weather = keyvalues(done.entities[0].body)
    assert (weather["temperature"], weather["relativeHumidity"], weather["windSpeed"]) == (8.5, 0.81, 3.5)


@pytest.mark.parametrize("newest_first", [True, False])
async def test_measurements_of_several_moments_in_one_frame_all_arrive(newest_first: bool) -> None:  # noqa: FBT001 - a parameter
    normalized = [
        {"time": "2026-05-01T09:58:00Z", "air": {"temperature": 22.0}},
        {"time": "2026-05-01T09:00:00Z", "air": {"temperature": 11.0}},
    ]
    done = await run(
        the_things_stack(
            b"\x01", at=NOW, normalized_payload=normalized if newest_first else normalized[::-1]
        ),
        device("normalized", entity_type="WeatherObserved"),
    )
    assert done.problems == ()
    weather = [update for update in done.entities if update.type == "WeatherObserved"]
    assert [update.body["temperature"]["value"] for update in weather] == [11.0, 22.0]  # oldest first
    assert [keyvalues(update.body)["dateObserved"] for update in weather] == [
        "2026-05-01T09:00:00.000Z",
        "2026-05-01T09:58:00.000Z",
    ]
    assert [update.observed_at for update in weather] == sorted(
        update.observed_at for update in weather if update.observed_at
    )


async def test_a_frame_without_payload_says_only_that_the_device_lives() -> None:
    done = await run(the_things_stack(b"", f_port=0, at=NOW), device("elsys-ers"))
    assert done.problems == ()
    assert [update.type for update in done.entities] == ["Device"]


async def test_a_simulated_device_says_so_in_its_entity() -> None:
    f_port, payload = encode("elsys", {"temperature": 22.6})
    done = await run(
        chirpstack(payload, f_port=f_port, at=NOW),
        device("elsys-ers", simulated=True, name="Schule (simuliert)"),
    )
    for update in done.entities:
        assert keyvalues(update.body)["source"] == "simulation"


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b"{", "malformed-payload"),
        (b"null", "unknown-envelope"),
        (b"42", "unknown-envelope"),
        (b"\xff\xfe", "malformed-payload"),
        (b'{"value": NaN}', "malformed-payload"),
        (b'{"value": 1e999}', "malformed-payload"),
        (b"[" * 20_000, "malformed-payload"),
        (b'"' + b"x" * 10_000_000 + b'"', "too-large"),
        (b'{"hello": "world"}', "unknown-envelope"),
    ],
)
async def test_what_is_no_envelope_is_a_dead_letter_with_a_sentence(payload: bytes, kind: str) -> None:
    done = await run(("any/topic", payload), device("elsys-ers"))
    assert kinds(done) == [kind]
    assert done.problems[0].sentence.endswith(".")
    assert done.entities == ()


async def test_an_unknown_device_waits_and_the_sentence_says_what_to_do() -> None:
    done = await run(the_things_stack(b"\x01", at=NOW))
    assert kinds(done) == ["unknown-device"]
    assert f"volme devices add {DEV_EUI}" in done.problems[0].sentence
    assert done.problems[0].device_id == DEV_EUI


async def test_an_unknown_profile() -> None:
    assert kinds(await run(the_things_stack(b"\x01", at=NOW), device("acme-9000"))) == ["unknown-profile"]


@pytest.mark.parametrize("year", [1970, 2099])
async def test_a_time_that_cannot_be(year: int) -> None:
    done = await run(chirpstack(b"\x01", at=datetime(year, 1, 1, tzinfo=UTC)), device("elsys-ers"))
    assert kinds(done) == ["impossible-time"]
    assert str(year) in done.problems[0].sentence


async def test_a_truncated_payload_is_the_codecs_dead_letter() -> None:
    done = await run(chirpstack(b"\x02\x01", at=NOW), device("decentlab-dl-atm41"))
    assert kinds(done) == ["codec"]
    assert done.problems[0].device_id == DEV_EUI


async def test_a_profile_that_fits_nothing_is_found_out() -> None:
    done = await run(chirpstack(b"", at=NOW, object={"foo": 1}), device("elsys-ers"))
    assert kinds(done) == ["nothing-measured"]
    assert "foo" in done.problems[0].sentence


async def test_an_implausible_value_is_left_out_and_the_others_go_on() -> None:
    done = await run(
        chirpstack(b"", at=NOW, object={"temperature": "hot", "humidity": 41}), device("elsys-ers")
    )
    assert kinds(done) == ["implausible-value"]
    assert "hot" in done.problems[0].sentence
    room = keyvalues(done.entities[0].body)
    assert "temperature" not in room
    assert "relativeHumidity" in room


async def test_a_value_that_the_model_does_not_allow_is_left_out_and_the_others_go_on() -> None:
    f_port, payload = encode("elsys", {"temperature": -5.0, "humidity": 41})
    done = await run(chirpstack(payload, f_port=f_port, at=NOW), device("elsys-ers"))
    assert kinds(done) == ["invalid-entity"]
    assert "temperature" in done.problems[0].sentence
    room = keyvalues(done.entities[0].body)
    assert "temperature" not in room
    assert room["relativeHumidity"] == 41


async def test_a_device_without_a_place_cannot_make_an_entity_that_needs_one() -> None:
    f_port, payload = encode("decentlab.dl_atm41", {"air_temperature": 21.5, "atmospheric_pressure": 98.5})
    done = await run(chirpstack(payload, f_port=f_port, at=NOW), device("decentlab-dl-atm41", position=None))
    assert kinds(done) == ["invalid-entity"]
    assert "location" in done.problems[0].sentence


JAVASCRIPT = {
    "works": "function decodeUplink(i) { return {data: {temperature: i.bytes[0] / 10}}; }",
    "throws": "function decodeUplink(i) { throw new Error('port ' + i.fPort + ' unknown'); }",
    "loops": "function decodeUplink(i) { while (true) {} }",
    "eats": "function decodeUplink(i) { let a = []; while (true) { a.push(new Array(1e5).fill(1)); } }",
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("works", []), ("throws", ["codec"]), ("loops", ["codec-timeout"]), ("eats", ["codec-memory"])],
)
async def test_a_vendors_javascript(name: str, expected: list[str]) -> None:
    profile = {
        "vendor": "Acme",
        "model": "One",
        "codec": f"javascript:{name}",
        "entity_type": "WeatherObserved",
        "fields": {"temperature": "air.temperature"},
    }
    done = await run(
        chirpstack(bytes([215]), at=NOW),
        device("acme-one"),
        profiles={"acme-one": profile},
        javascript=JAVASCRIPT,
    )
    assert kinds(done) == expected
    if not expected:
        assert done.codec == "javascript:works"
        assert keyvalues(done.entities[0].body)["temperature"] == 21.5


async def test_a_battery_status_of_the_network_server_reaches_the_device() -> None:
    topic, payload = chirpstack(b"", at=NOW)
    body = json.loads(payload)
    status = {key: body[key] for key in ("deduplicationId", "time", "deviceInfo")} | {
        "margin": 10,
        "externalPowerSource": False,
        "batteryLevelUnavailable": False,
        "batteryLevel": 75.5,
    }
    done = await run((topic.replace("/up", "/status"), json.dumps(status).encode()), device("elsys-ers"))
    (mirrored,) = done.entities
    assert keyvalues(mirrored.body)["batteryLevel"] == pytest.approx(0.755)


async def test_a_clock_a_little_ahead_is_tolerated() -> None:
    f_port, payload = encode("elsys", {"temperature": 22.6})
    done = await run(
        chirpstack(payload, f_port=f_port, at=NOW + timedelta(hours=2)), device("elsys-ers"), received_at=NOW
    )
    assert done.problems == ()
