# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From a sensor's payload over real MQTT to what an integrator reads over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import aiohttp
import jsonschema_rs
import pytest
import zmqtt
from ngsildclient import AsyncClient
from pyld import jsonld

from adapters.codecs.decoding import TABLES
from adapters.profiles import load_profiles
from models.device import Device
from models.ngsild import keyvalues
from models.uplink import Position
from tests.integration.conftest import carried
from tests.uplinks import chirpstack, the_things_stack
from tests.waiting import Patience

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from compose.platform import Platform

SIMULATED = (
    "WeatherObserved",
    "AirQualityObserved",
    "NoiseLevelObserved",
    "WaterObserved",
    "FloodMonitoring",
    "IndoorEnvironmentObserved",
    "GreenspaceRecord",
    "ParkingSpot",
    "WasteContainer",
    "CrowdFlowObserved",
    "Device",
    "DeviceModel",
)
OFFICIAL = ("https://smartdatamodels.org/", "https://uri.etsi.org/ngsi-ld/", "http", "urn:volme:term:")
DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"
HAGEN = Position(longitude=7.4717, latitude=51.3585)


async def settled(city: Platform, devices: set[str]) -> None:
    """Wait until a message of each of these devices is settled."""
    watch = Patience("a message of each device to be settled")
    while missing := devices - (await city.journal.activity(devices)).keys():
        letters = [letter.sentence for letter in await city.journal.dead_letters()]
        assert letters == []
        watch.look(missing)
        await asyncio.sleep(0.05)
    assert [letter.sentence for letter in await city.journal.dead_letters()] == []


@pytest.fixture
async def web() -> Any:
    async with aiohttp.ClientSession() as session:
        yield session


async def simulated(city: Platform, web: aiohttp.ClientSession, type_name: str) -> list[dict[str, Any]]:
    url = f"{city.addresses.broker}/ngsi-ld/v1/entities"
    watch = Patience(f"a {type_name}")
    while True:
        async with web.get(url, params={"type": type_name, "limit": "100"}) as answer:
            assert answer.status == 200
            entities: list[dict[str, Any]] = await answer.json()
            if entities:
                return entities
        watch.look(entities)
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("type_name", SIMULATED)
async def test_the_simulated_city_passes_the_official_schemas(
    city: Platform, web: aiohttp.ClientSession, shared: Path, type_name: str
) -> None:
    schema = json.loads((shared / f"data/derived-offline-schemas/{type_name}.json").read_text())
    validator = jsonschema_rs.validator_for(schema)
    for entity in await simulated(city, web, type_name):
        plain = keyvalues(entity)
        # Volme's own extra attribute, which the schema does not know of, is allowed beside it.
        assert [error.message for error in validator.iter_errors(plain)] == []
        if type_name != "DeviceModel":
            assert plain["name"].endswith("(simuliert)")
            assert plain["source"] == "simulation"


@pytest.mark.parametrize("type_name", SIMULATED)
async def test_every_term_is_one_of_the_smart_data_models_or_of_the_core(
    city: Platform, web: aiohttp.ClientSession, shared: Path, type_name: str
) -> None:
    """Expanded by PyLD with the contexts that the broker names, and ETSI's own core context."""
    await simulated(city, web, type_name)
    async with web.get(
        f"{city.addresses.broker}/ngsi-ld/v1/entities",
        params={"type": type_name, "limit": "5"},
        headers={"Accept": "application/ld+json"},
    ) as answer:
        entities = await answer.json()
    addresses = {
        address
        for entity in entities
        for address in (entity["@context"] if isinstance(entity["@context"], list) else [entity["@context"]])
    }
    documents = {}
    for address in addresses:
        if address.startswith(city.addresses.web):
            async with web.get(address) as answer:
                documents[address] = json.loads(await answer.text())
        else:
            core = shared / "data/etsi-core-context/ngsi-ld-core-context-v1.8.jsonld"
            documents[address] = json.loads(core.read_text())

    def load(url: str, _options: object) -> dict[str, Any]:
        return {"document": documents[url], "documentUrl": url, "contextUrl": None, "contentType": None}

    terms: set[str] = set()
    for entity in entities:
        (expanded,) = jsonld.expand(entity, {"documentLoader": load})
        terms |= set(_iris(expanded))
    assert terms
    assert [iri for iri in terms if iri.startswith(DEFAULT) or not iri.startswith(OFFICIAL)] == []
    if type_name != "Device":
        assert [iri for iri in terms if iri.startswith("urn:volme:")] == []


def _iris(node: Any) -> list[str]:
    found: list[str] = []
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "@type":
                found += value if isinstance(value, list) else [value]
            elif not key.startswith("@"):
                found.append(key)
            found += _iris(value)
    elif isinstance(node, list):
        for part in node:
            found += _iris(part)
    return found


# By codec: profile, and where the vendor's own values (times a factor) must be read in the broker.
_BATTERY = {"batteryVoltage": ("battery_voltage", 1.0)}
EXPECTED: dict[str, tuple[str, dict[str, tuple[str, float]]]] = {
    "decentlab.dl_atm41": (
        "decentlab-dl-atm41",
        {
            "temperature": ("air_temperature", 1),
            "relativeHumidity": ("relative_humidity", 0.01),
            "atmosphericPressure": ("atmospheric_pressure", 10),
            "windSpeed": ("wind_speed", 1),
            "windDirection": ("wind_direction", 1),
            "gustSpeed": ("maximum_wind_speed", 1),
            "precipitation": ("precipitation", 1),
            "solarRadiation": ("solar_radiation", 1),
            **_BATTERY,
        },
    ),
    "decentlab.dl_atm41g2": (
        "decentlab-dl-atm41g2",
        {
            "temperature": ("air_temperature", 1),
            "atmosphericPressure": ("barometric_pressure", 10),
            **_BATTERY,
        },
    ),
    "decentlab.dl_tbrg": ("decentlab-dl-tbrg", {"precipitation": ("precipitation", 1), **_BATTERY}),
    "decentlab.dl_mbx": ("decentlab-dl-mbx", {"measuredDistance": ("distance", 0.001), **_BATTERY}),
    "decentlab.dl_rad": ("decentlab-dl-rad", {"measuredDistance": ("distance", 0.001), **_BATTERY}),
    "decentlab.dl_lid": ("decentlab-dl-lid", {"measuredDistance": ("distance_median", 0.001), **_BATTERY}),
    "decentlab.dl_ctd10": ("decentlab-dl-ctd10", {"waterLevel": ("water_depth", 0.001), **_BATTERY}),
    "decentlab.dl_pm": (
        "decentlab-dl-pm",
        {
            "pm1": ("pm1_0_mass_concentration", 1),
            "pm25": ("pm2_5_mass_concentration", 1),
            "pm10": ("pm10_mass_concentration", 1),
            "temperature": ("air_temperature", 1),
            "relativeHumidity": ("air_humidity", 0.01),
            "pressure": ("barometric_pressure", 0.01),
            **_BATTERY,
        },
    ),
    "decentlab.dl_trs12": (
        "decentlab-dl-trs12",
        {
            "soilMoistureVwc": ("volumetric_water_content", 1),
            "soilTemperature": ("soil_temperature", 1),
            "soilMoistureEc": ("electrical_conductivity", 0.0001),
            **_BATTERY,
        },
    ),
    "dragino.ldds75": (
        "dragino-ldds75",
        {"measuredDistance": ("Distance", 0.001), "batteryVoltage": ("Bat", 1)},
    ),
    "elsys": (
        "elsys-ers-co2",
        {
            "temperature": ("temperature", 1),
            "relativeHumidity": ("humidity", 1),  # this type's schema wants percent
            "co2": ("co2", 1),
            "illuminance": ("light", 1),
        },
    ),
}
# Published as a decoder's answer to a frame of other firmware; see the codecs' own tests.
STALE = {"0e1c0b05"}
# The families whose frames all carry what is looked for here; the codecs' own tests hold the others.
FAMILIES = ("decentlab.", "dragino.ldds", "elsys")


def covered(shared: Path) -> list[tuple[str, dict[str, Any]]]:
    """Every published uplink that one of our table codecs covers."""
    found = []
    for line in (shared / "data/uplink-vectors/vectors.jsonl").read_text().splitlines():
        vector = json.loads(line)
        stem = vector["codec_file"].rpartition("/")[2].removesuffix(".js").replace("-", "_")
        names = (
            f"{vector['vendor']}.{stem}",
            f"{vector['vendor']}.{stem.rpartition('_')[0]}",
            vector["vendor"],
        )
        codec = next((name for name in names if name in TABLES), None)
        if codec and codec.startswith(FAMILIES) and vector["bytes"] not in STALE:
            found.append((codec, vector))
    return found


def number(value: Any) -> float | None:
    """Read a vendor's value: a number, an object with one, or a text such as `2799 mm`."""
    if isinstance(value, Mapping):
        value = value.get("value")
    if isinstance(value, str):
        first = value.split()[0] if value.split() else ""
        return float(first) if first.replace(".", "").lstrip("-").isdigit() else None
    return None if value is None else float(value)


@pytest.mark.parametrize("envelope", [the_things_stack, chirpstack])
async def test_every_vector_arrives_with_the_vendors_values(
    city: Platform, shared: Path, envelope: Callable[..., tuple[str, bytes]]
) -> None:
    family = "a1" if envelope is chirpstack else "a2"
    vectors = covered(shared)
    assert {codec for codec, _ in vectors} >= EXPECTED.keys()
    profiles = load_profiles(city.settings.profiles)
    wanted: list[tuple[str, str, float]] = []
    silent: list[str] = []
    async with zmqtt.create_client("127.0.0.1", city.addresses.mqtt_port or 0) as mqtt:
        for index, (codec, vector) in enumerate(vectors):
            dev_eui = f"70b3d57ed{family}{index:05x}"
            # A codec that no profile uses yet is tried by what all its frames have: the battery.
            battery = {"batteryVoltage": ("Bat", 1.0)} if codec.startswith("dragino") else _BATTERY
            profile, attributes = EXPECTED.get(codec, (carried(codec), battery))
            outside = (number(vector["expected"]["data"].get("temperature")) or 0) < 0
            if codec == "elsys" and outside:  # rooms below zero are not in the schema
                attributes = {"temperature": ("temperature", 1), "relativeHumidity": ("humidity", 0.01)}
            values = {
                attribute: value * factor
                for attribute, (field, factor) in attributes.items()
                if (value := number(vector["expected"]["data"].get(field))) is not None
            }
            if not values:
                silent.append(vector["description"])
                continue
            wanted += [(dev_eui, attribute, value) for attribute, value in values.items()]
            await city.registry.add(
                Device(
                    id=dev_eui,
                    profile=profile,
                    position=HAGEN,
                    name=codec,
                    entity_type="WeatherObserved" if codec == "elsys" and outside else None,
                )
            )
            f_port = vector["fPort"] or 1
            topic, body = envelope(
                bytes.fromhex(vector["bytes"]), f_port=f_port, f_cnt=100 + index, dev_eui=dev_eui
            )
            await mqtt.publish(topic, body, qos=zmqtt.QoS.AT_LEAST_ONCE)
    await settled(city, {dev_eui for dev_eui, _, _ in wanted})

    # Acceleration and pulses have no attribute yet.
    assert silent == ["EMS Door accelerometer and door switch"]
    broker = city.addresses.broker_port or 0
    async with AsyncClient("127.0.0.1", broker) as client:
        assert len(wanted) > 50
        seen: dict[str, dict[str, Any]] = {}
        for dev_eui, attribute, value in wanted:
            device = city.registry.devices[dev_eui]
            own_type = device.entity_type or profiles[device.profile].entity_type
            type_name = "Device" if attribute == "batteryVoltage" else own_type
            entity = f"urn:ngsi-ld:{type_name}:hagen:{dev_eui}"
            if entity not in seen:
                seen[entity] = keyvalues(await client.entities.get(entity, asdict=True))
            # Ours is rounded to a part of what the sensor resolves.
            assert seen[entity][attribute] == pytest.approx(value, abs=1e-4), (device, attribute)
