# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Every network's messages, over real MQTT or HTTP push, as entities in the broker."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
import zmqtt

from adapters.codecs.cbor import write_cbor
from compose.settings import load_settings
from compose.wiring import running
from models.device import Device
from models.ngsild import keyvalues
from models.uplink import Position
from tests.waiting import Patience, subscribed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from compose.platform import Platform

TOKEN = "of-the-citizens"
HAGEN = Position(longitude=7.4717, latitude=51.3585)
NOW = datetime.now(UTC).replace(microsecond=0)
OLDER = NOW - timedelta(minutes=10)
BOX, TEMPERATURE, HUMIDITY = (
    "5b26181b1fef04001b69093c",
    "5b26181b1fef04001b690941",
    "5b26181b1fef04001b690940",
)
PROTOBUF = {
    vector["name"]: vector["hex"]
    for vector in json.loads(
        (Path(__file__).parents[1] / "vectors/networks/chirpstack_protobuf.json").read_text()
    )
}
# Elsys ERS CO2: temperature, humidity, light, motion, CO2, battery.
ELSYS = (bytes.fromhex("0100e20229"), bytes.fromhex("0100dc022a"))  # 22.6 °C and 41 %, then 22 °C and 42 %


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a device sends, the later one last, and what is to be read of it."""

    device: str
    profile: str
    entity_type: str
    topic: str
    messages: tuple[bytes, ...]
    expected: dict[str, float]
    push: bool = False


def dumps(*bodies: Any) -> tuple[bytes, ...]:
    return tuple(json.dumps(body).encode() for body in bodies)


def chirpstack_v3(at: datetime, f_cnt: int, payload: bytes) -> dict[str, Any]:
    return {
        "applicationID": "17",
        "devEUI": base64.b64encode(bytes.fromhex("70b3d57ed1000001")).decode(),
        "rxInfo": [{"gatewayID": "ABbAAfFToU0=", "time": at.isoformat(), "rssi": -97, "loRaSNR": 6.5}],
        "fCnt": f_cnt,
        "fPort": 5,
        "data": base64.b64encode(payload).decode(),
        "objectJSON": "",
    }


def thingpark(at: datetime, f_cnt: int, payload: bytes, dev_eui: str) -> dict[str, Any]:
    return {
        "DevEUI_uplink": {
            "Time": at.isoformat(),
            "DevEUI": dev_eui,
            "FPort": "5",
            "FCntUp": str(f_cnt),
            "payload_hex": payload.hex(),
            "LrrRSSI": "-83.0",
            "LrrSNR": "9.5",
            "Lrrid": "10000231",
        }
    }


def loriot(at: datetime, f_cnt: int, payload: bytes) -> dict[str, Any]:
    return {
        "cmd": "rx", "EUI": "70B3D57ED1000004", "ts": ms(at), "fcnt": f_cnt, "port": 5, "rssi": -83, "snr": 7,
        "data": payload.hex(), "bat": 254,
    }  # fmt: skip


def helium(at: datetime, f_cnt: int, payload: bytes) -> dict[str, Any]:
    return {
        "app_eui": "70B3D57ED0000001", "dev_eui": "70B3D57ED1000005", "fcnt": f_cnt, "port": 5,
        "payload": base64.b64encode(payload).decode(), "reported_at": ms(at),
        "hotspots": [{"name": "otter", "rssi": -90, "snr": 1}],
    }  # fmt: skip


def station(pm10: str, pm2_5: str) -> dict[str, Any]:
    values = {
        "SDS_P1": pm10,
        "SDS_P2": pm2_5,
        "temperature": "9.90",
        "BME280_temperature": "8.40",
        "BME280_pressure": "100731.91",
        "signal": "-76",
    }
    return {
        "esp8266id": "12331981",
        "software_version": "NRZ-2020-133",
        "sensordatavalues": [{"value_type": name, "value": value} for name, value in values.items()],
    }


TWO = ((OLDER, 1, ELSYS[0]), (NOW, 2, ELSYS[1]))
INDOOR: dict[str, Any] = {"entity_type": "IndoorEnvironmentObserved", "profile": "elsys-ers-co2"}
ROOM = {"temperature": 22.0, "relativeHumidity": 42}
CASES = {
    "chirpstack_v3": Case(
        **INDOOR,
        device="70b3d57ed1000001",
        topic="application/17/device/70b3d57ed1000001/event/up",
        messages=dumps(*(chirpstack_v3(*each) for each in TWO)),
        expected=ROOM,
    ),
    "chirpstack protobuf": Case(
        **INDOOR,
        device="a81758fffe0312ab",
        topic="application/0f7d2a2e-0d3b-4a8b-9d43-50a8a7c1f3d2/device/a81758fffe0312ab/event/up",
        messages=(bytes.fromhex(PROTOBUF["up"]),),
        expected={"temperature": 22.6, "relativeHumidity": 41},
    ),
    "thingpark": Case(
        **INDOOR,
        device="70b3d57ed1000003",
        topic="/thingpark",
        messages=dumps(*(thingpark(*each, "70B3D57ED1000003") for each in TWO)),
        expected=ROOM,
        push=True,
    ),
    "thingpark over MQTT": Case(
        **INDOOR,
        device="70b3d57ed1000006",
        topic="mqtt/things/70B3D57ED1000006/uplink",
        messages=dumps(*(thingpark(*each, "70B3D57ED1000006")["DevEUI_uplink"] for each in TWO)),
        expected=ROOM,
    ),
    "loriot": Case(
        **INDOOR,
        device="70b3d57ed1000004",
        topic="loriot/app/uplink",
        messages=dumps(*(loriot(*each) for each in TWO)),
        expected=ROOM,
    ),
    "helium": Case(
        **INDOOR,
        device="70b3d57ed1000005",
        topic="/helium",
        messages=dumps(*(helium(*each) for each in TWO)),
        expected=ROOM,
        push=True,
    ),
    "senml": Case(
        device="urn:dev:mac:0024befffe804ff1",
        profile="normalized",
        entity_type="WeatherObserved",
        topic="senml/garden",
        messages=dumps(
            [{"n": "urn:dev:mac:0024befffe804ff1:temperature", "u": "Cel", "v": 1, "t": OLDER.timestamp()}],
            [
                {
                    "bn": "urn:dev:mac:0024befffe804ff1/",
                    "bt": NOW.timestamp(),
                    "n": "temperature",
                    "u": "Cel",
                    "v": 2,
                },
                {"n": "temperature", "u": "Cel", "v": 9, "t": -300},
                {"n": "humidity", "u": "%RH", "v": 80},
            ],
        ),
        expected={"temperature": 2, "relativeHumidity": 0.8},
    ),
    "senml in CBOR": Case(
        device="urn:dev:mac:0024befffe804ff2",
        profile="normalized",
        entity_type="WeatherObserved",
        topic="senml/garden",
        messages=tuple(
            write_cbor(
                [{-2: "urn:dev:mac:0024befffe804ff2/", 0: "temp", 1: "K", 2: value, 6: at.timestamp()}]
            )
            for at, value in ((OLDER, 280.15), (NOW, 283.15))
        ),
        expected={"temperature": 10},
    ),
    "arrays of plain JSON": Case(
        device="pegel-1",
        profile="normalized",
        entity_type="WaterObserved",
        topic="wasser/pegel-1/werte",
        messages=dumps(
            {"werte": [{"zeit": OLDER.isoformat(), "cm": 100}]},
            {
                "werte": [
                    {"zeit": ms(NOW), "cm": "125,5"},
                    {"zeit": ms(NOW - timedelta(minutes=5)), "cm": 110},
                ]
            },
        ),
        expected={"waterLevel": 1.255},
    ),
    "sensor_community": Case(
        device="esp8266-12331981",
        profile="sensor-community-airrohr",
        entity_type="AirQualityObserved",
        topic="/citizens/data.php",
        messages=dumps(station("20.00", "10.00"), station("23.85", "12.93")),
        expected={"pm10": 23.85, "pm25": 12.93, "temperature": 8.4, "pressure": 1007.3191},
        push=True,
    ),
    "sensor_community with an SPS30 and a DHT22": Case(
        device="esp8266-555",
        profile="sensor-community-airrohr",
        entity_type="AirQualityObserved",
        topic="/citizens?x-sensor=esp8266-555",
        messages=dumps(
            {
                "sensordatavalues": [
                    {"value_type": name, "value": value}
                    for name, value in {
                        "SPS30_P0": "3.10",
                        "SPS30_P1": "7.40",
                        "SPS30_P2": "5.20",
                        "temperature": "12.30",
                        "humidity": "81.00",
                    }.items()
                ]
            }
        ),
        expected={"pm1": 3.1, "pm10": 7.4, "pm25": 5.2, "temperature": 12.3, "relativeHumidity": 0.81},
        push=True,
    ),
    "opensensemap": Case(
        device=BOX,
        profile="this-sensebox",
        entity_type="WeatherObserved",
        topic=f"/citizens/boxes/{BOX}/data",
        messages=(
            *dumps([{"sensor": TEMPERATURE, "value": "7.5", "createdAt": OLDER.isoformat()}]),
            f"{TEMPERATURE},8.25\n{HUMIDITY},55\n".encode(),
        ),
        expected={"temperature": 8.25, "relativeHumidity": 0.55},
        push=True,
    ),
    "a box that kept what it measured": Case(
        device=BOX[:-1] + "d",
        profile="this-sensebox",
        entity_type="WeatherObserved",
        topic=f"/citizens/boxes/{BOX[:-1]}d/data",
        messages=dumps(
            [
                {"sensor": TEMPERATURE, "value": "6.5", "createdAt": NOW.isoformat()},
                {"sensor": TEMPERATURE, "value": "7.5", "createdAt": OLDER.isoformat()},
            ]
        ),
        expected={"temperature": 6.5},
        push=True,
    ),
    "arrays that a profile reads": Case(
        device="moor-1",
        profile="moor",
        entity_type="GreenspaceRecord",
        topic="moor/moor-1/werte",
        messages=dumps(
            {"t": [ms(OLDER), ms(NOW)], "feuchte": [0.4, 0.35], "grad": ["11,5", "12,5"], "id": "moor-1"}
        ),
        expected={"soilMoistureVwc": 0.35, "soilTemperature": 12.5},
    ),
}


@pytest_asyncio.fixture(scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Platform]:
    folder = tmp_path_factory.mktemp("networks")
    (folder / "token").write_text(TOKEN)
    secret = {"file": str(folder / "token")}
    settings = load_settings(
        None,
        data=folder / "data",
        web__port=0,
        broker__embedded__port=0,
        embedded_mqtt_port=0,
        webhook=[{"name": name, "token": secret} for name in ("thingpark", "helium", "citizens")],
        plain=[
            {
                "source": "mqtt",
                "topic": "wasser/{device}/werte",
                "measurements": "werte",
                "time": "zeit",
                "quantities": {"cm": {"quantity": "water.level", "unit": "CMT"}},
            },
            {"source": "mqtt", "topic": "moor/{device}/werte", "measurements": "", "time": "t"},
        ],
        profiles={
            "this-sensebox": {
                "like": "sensebox-home",
                "fields": {TEMPERATURE: "air.temperature", HUMIDITY: "air.relativeHumidity"},
            },
            "moor": {
                "vendor": "Acme",
                "model": "probe",
                "codec": "network",
                "entity_type": "GreenspaceRecord",
                "fields": {
                    "feuchte": {"quantity": "soil.moisture", "unit": "C62"},
                    "grad": "soil.temperature",
                },
            },
        },
    )
    async with running(settings, strict_ports=True) as platform:
        await subscribed(platform)
        for case in CASES.values():
            await platform.registry.add(
                Device(
                    id=case.device,
                    profile=case.profile,
                    entity_type=case.entity_type,
                    position=HAGEN,
                    name=case.device,
                )
            )
        yield platform


async def send(town: Platform, web: aiohttp.ClientSession, case: Case, message: bytes) -> None:
    if case.push:
        password = base64.b64encode(f"citizen:{TOKEN}".encode()).decode()
        url = f"{town.addresses.web}/ingest{case.topic}"
        async with web.post(url, data=message, headers={"Authorization": f"Basic {password}"}) as answer:
            assert answer.status == 202
        return
    async with zmqtt.create_client("127.0.0.1", town.addresses.mqtt_port or 0) as mqtt:
        await mqtt.publish(case.topic, message, qos=zmqtt.QoS.AT_LEAST_ONCE)


@pytest.mark.parametrize("name", CASES)
async def test_what_a_device_says_is_what_the_broker_knows(town: Platform, name: str) -> None:
    case = CASES[name]
    url = f"{town.addresses.broker}/ngsi-ld/v1/entities/urn:ngsi-ld:{case.entity_type}:hagen:{case.device}"
    seen: dict[str, Any] = {}
    async with aiohttp.ClientSession() as web:
        for message in case.messages:
            await send(town, web, case, message)
            # One after the other, so that each way of translating has its turn.
            await asyncio.sleep(0.1)
        watch = Patience(f"{case.expected}")
        while {key: seen.get(key) for key in case.expected} != pytest.approx(case.expected):
            async with web.get(url) as answer:
                seen = keyvalues(await answer.json()) if answer.status == 200 else {}
            letters = [letter.sentence for letter in await town.journal.dead_letters()]
            watch.look(seen, (seen, letters))
            await asyncio.sleep(0.05)
    letters = [letter.sentence for letter in await town.journal.dead_letters()]
    assert [letter for letter in letters if case.device in letter] == []
