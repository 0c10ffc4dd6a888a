# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""sensor.community and openSenseMap: bodies as stations and boxes push them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from adapters.networks.envelope import read_uplink
from models.errors import EnvelopeError, MalformedPayloadError, UnknownEnvelopeError
from models.message import Message
from models.uplink import Position, Uplink

RECEIVED = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
VALUES = {
    "SDS_P1": "23.85",
    "SDS_P2": "12.93",
    "temperature": "-1.50",
    "humidity": "99.90",
    "BME280_temperature": "-2.94",
    "BME280_pressure": "100731.91",
    "BME280_humidity": "92.88",
    "samples": "4952487",
    "min_micro": "28",
    "signal": "-76",
}


def values(**changed: str) -> list[dict[str, str]]:
    return [{"value_type": name, "value": value} for name, value in {**VALUES, **changed}.items()]


STATION: dict[str, Any] = {
    "esp8266id": "12331981",
    "software_version": "NRZ-2020-133",
    "sensordatavalues": values(),
}
BOX = "5b26181b1fef04001b69093c"
TEMPERATURE, HUMIDITY = "5b26181b1fef04001b690941", "5b26181b1fef04001b690940"
DATA = f"/ingest/buerger/boxes/{BOX}/data"


def read(body: Any, network: str = "auto", topic: str = "/ingest/buerger") -> Uplink:
    payload = body if isinstance(body, bytes) else orjson.dumps(body)
    return read_uplink(Message(source="b", topic=topic, payload=payload, received_at=RECEIVED), network)


def test_a_station_is_read_whole_and_the_better_sensor_is_believed() -> None:
    assert (
        read(STATION)
        == read(STATION, "sensor_community")
        == Uplink(
            network="sensor_community",
            device_id="esp8266-12331981",
            observed_at=RECEIVED,
            decoded={name: float(value) for name, value in VALUES.items() if name != "signal"},
            normalized=(
                {
                    "air.temperature": -2.94,
                    "air.pressure": 1007.3191,
                    "air.relativeHumidity": 92.88,
                    "air.pm10": 23.85,
                    "air.pm2_5": 12.93,
                },
            ),
            rssi=-76,
            model=("sensor.community", "airrohr"),
            tags={"software_version": "NRZ-2020-133"},
        )
    )


@pytest.mark.parametrize(
    ("changed", "topic", "device"),
    [
        ({"esp8266id": 12331981}, "/x", "esp8266-12331981"),
        ({"esp8266id": None, "esp32id": "7C9EBD"}, "/x", "esp32-7C9EBD"),
        ({"esp8266id": None}, "/ingest/b?x-sensor=esp8266-123", "esp8266-123"),
        ({"esp8266id": None}, "/ingest/b/esp8266-123", "esp8266-123"),
        ({"esp8266id": None}, "/ingest/b/raspi-0000abc/data.php", "raspi-0000abc"),
    ],
)
def test_who_the_station_is(changed: dict[str, Any], topic: str, device: str) -> None:
    assert read({**STATION, **changed}, topic=topic).device_id == device


def test_sensors_that_did_not_answer_and_a_place() -> None:
    body = {**STATION, "sensordatavalues": values(SDS_P1="nan", signal="-59 dBm", noise_LAeq="52.10")}
    uplink = read(body)
    assert "air.pm10" not in uplink.normalized[0]
    assert (uplink.rssi, uplink.normalized[0]["noise.laeq"]) == (-59, 52.1)
    place = values(GPS_lat="51.3585", GPS_lon="7.4717", GPS_height="106.0")
    assert read({**STATION, "sensordatavalues": place}).position == Position(
        longitude=7.4717, latitude=51.3585, altitude=106
    )
    assert read({**STATION, "sensordatavalues": values(GPS_lat="0", GPS_lon="0")}).position is None
    assert read({**STATION, "sensordatavalues": []}).kind == "status"
    particles = [{"value_type": name, "value": "1"} for name in ("P1", "P2", "PMS_P0", "SPS30_P4", "N05")]
    assert set(read({**STATION, "sensordatavalues": particles}).normalized[0]) == {
        "air.pm10",
        "air.pm2_5",
        "air.pm1_0",
        "air.pm4_0",
    }


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"sensordatavalues": {}}, "sensordatavalues is an object where an array belongs"),
        ({"sensordatavalues": [{"value": "1"}]}, r"sensordatavalues\[0\]\.value_type is missing"),
        ({"sensordatavalues": values(SDS_P1="viel")}, r"\.value is text where a number belongs"),
        ({"sensordatavalues": [{"value_type": "P1", "value": [1]}]}, r"\.value is an array"),
        ({"software_version": 5}, "software_version is a number where text belongs"),
        ({"esp8266id": "1/2"}, "esp8266id is no number of a chip"),
        ({"esp8266id": [1]}, "esp8266id is no number of a chip"),
        ({"esp8266id": None}, "names no station"),
    ],
)
def test_bad_fields_of_a_station_are_named(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(EnvelopeError, match=words):
        read({**STATION, **changed}, "sensor_community")
    with pytest.raises(UnknownEnvelopeError, match="no sensordatavalues"):
        read({}, "sensor_community")


def test_every_form_of_a_boxs_message() -> None:
    array = [{"sensor": TEMPERATURE, "value": "21.50"}, {"sensor": HUMIDITY, "value": 47}]
    expected = Uplink(
        network="opensensemap",
        device_id=BOX,
        observed_at=RECEIVED,
        decoded={TEMPERATURE: 21.5, HUMIDITY: 47.0},
        model=("sensebox", "home"),
    )
    for body in (
        array,
        {TEMPERATURE: "21.50", HUMIDITY: [47]},
        f"{TEMPERATURE},21.50\n{HUMIDITY},47\n".encode(),
        f"{TEMPERATURE}, 21.50\r\n{HUMIDITY}, 47".encode(),
    ):
        assert read(body, topic=DATA) == read(body, "opensensemap", DATA) == expected
    single = read({"value": "21.5"}, topic=f"/ingest/buerger/boxes/{BOX}/{TEMPERATURE}")
    assert single.decoded == {TEMPERATURE: 21.5}


def test_a_box_in_the_form_of_luftdaten_says_its_quantities() -> None:
    uplink = read({key: STATION[key] for key in ("sensordatavalues",)}, topic=f"{DATA}?luftdaten=true")
    assert (uplink.network, uplink.device_id) == ("opensensemap", BOX)
    assert uplink.normalized[0]["air.pm10"] == 23.85


def test_times_and_places_of_a_box() -> None:
    older, newer = "2026-03-01T11:59:00Z", "2026-03-01T12:59:30.500+01:00"
    body: Any = [
        {"sensor": TEMPERATURE, "value": 1, "createdAt": older},
        {"sensor": HUMIDITY, "value": 2, "createdAt": newer, "location": [7.4717, 51.3585, 106]},
    ]
    uplink = read(body, topic=DATA)
    assert uplink.observed_at == datetime(2026, 3, 1, 11, 59, 30, 500000, tzinfo=UTC)
    assert uplink.device_time
    assert uplink.position == Position(longitude=7.4717, latitude=51.3585, altitude=106)
    placed = {TEMPERATURE: [1, older, {"lat": 51.3585, "lng": 7.4717}]}
    assert read(placed, topic=DATA).position == Position(longitude=7.4717, latitude=51.3585)
    lines = f"{TEMPERATURE},1,{older}\n{HUMIDITY},2,{newer},7.4717,51.3585,106".encode()
    assert read(lines, topic=DATA).observed_at == uplink.observed_at


def test_a_sensor_of_a_box_that_speaks_twice_is_told_apart_by_its_times() -> None:
    older, newer = "2026-03-01T11:50:00Z", "2026-03-01T11:59:00Z"
    body: Any = [
        {"sensor": TEMPERATURE, "value": 21, "createdAt": newer},
        {"sensor": TEMPERATURE, "value": 20, "createdAt": older},
        {"sensor": HUMIDITY, "value": 47},
    ]
    uplink = read(body, topic=DATA)
    before, now = (datetime(2026, 3, 1, 11, minute, tzinfo=UTC) for minute in (50, 59))
    assert (uplink.kind, uplink.decoded, uplink.observed_at) == ("data", None, now)
    assert uplink.moments == ((before, {TEMPERATURE: 20}), (now, {TEMPERATURE: 21, HUMIDITY: 47}))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([{"sensor": "x", "value": 1}], r"measurements\[0\]\.sensor is no id of a sensor"),
        ([{"sensor": TEMPERATURE}], r"measurements\[0\]\.value is missing"),
        ([{"sensor": TEMPERATURE, "value": "warm"}], "value is text where a number belongs"),
        ([{"sensor": TEMPERATURE, "value": 1, "createdAt": "gestern"}], "createdAt .* is no time"),
        (
            [{"sensor": TEMPERATURE, "value": 1}] * 2,
            f"several values of the sensor {TEMPERATURE} at the same time",
        ),
        ({TEMPERATURE: [1, 2, 3, 4]}, "is no value, nor an array"),
        ({"value": 1}, "no id of a sensor"),
        (b"temperature;21", "A box sends JSON or lines"),
        (b"\xff\xfe", "A box sends JSON or lines"),
        ([5], r"measurements\[0\] is a number where an object belongs"),
    ],
)
def test_bad_fields_of_a_box_are_named(body: Any, words: str) -> None:
    with pytest.raises(EnvelopeError, match=words):
        read(body, "opensensemap", DATA)


def test_a_box_without_a_path_is_refused() -> None:
    with pytest.raises(UnknownEnvelopeError, match="names no box"):
        read([], "opensensemap", "/ingest/buerger/data")
    with pytest.raises(MalformedPayloadError):
        read(b"a,b", "opensensemap", "/ingest/buerger/data")
