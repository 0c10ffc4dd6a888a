# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Device profiles: ours are consistent, the operator's are checked, fields are found."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from adapters.codecs.decoding import TABLES, Codecs, decode_table, encode
from adapters.derive import DERIVATIONS
from adapters.fields import pick
from adapters.networks.envelope import read_uplink
from adapters.profiles import find_profile, guess, load_profiles
from adapters.translate import World, translate
from compose.commands.profiles import BEGIN, END, areas_markdown, markdown, profiles
from models.device import Device, FieldMapping
from models.errors import CodecError, ConfigurationError
from models.message import Message
from models.types import TYPES
from models.uplink import Position, Uplink
from ontology.loader import areas, convert, quantities

PROFILES = load_profiles()
NOON = datetime(2026, 6, 16, 10, tzinfo=UTC)
OURS = sorted(PROFILES)
MINE: dict[str, Any] = {
    "vendor": "Stadtwerke",
    "model": "Pegel 3",
    "codec": "network",
    "entity_type": "FloodMonitoring",
    "fields": {"h": "water.level"},
}


# --- ours ---------------------------------------------------------------------------------------


def test_the_devices_that_cities_buy_have_profiles() -> None:
    assert {
        "decentlab-dl-atm41": "WeatherObserved",
        "decentlab-dl-mbx": "FloodMonitoring",
        "decentlab-dl-pm": "AirQualityObserved",
        "dragino-ldds75": "FloodMonitoring",
        "dragino-lse01": "GreenspaceRecord",
        "elsys-ers": "IndoorEnvironmentObserved",
        "elsys-ers-co2": "IndoorEnvironmentObserved",
        "elsys-ers-sound": "NoiseLevelObserved",
        "bosch-tps110": "ParkingSpot",
        "dingtek-df702": "WasteContainer",
        "milesight-em400-mud": "WasteContainer",
        "milesight-vs121": "CrowdFlowObserved",
        "cayenne-lpp": "IndoorEnvironmentObserved",
        "normalized": "WeatherObserved",
    }.items() <= {name: profile.entity_type for name, profile in PROFILES.items()}.items()


@pytest.mark.parametrize("name", OURS)
def test_every_mapping_leads_to_a_quantity_in_a_unit_that_converts(name: str) -> None:
    profile = PROFILES[name]
    assert profile.entity_type in TYPES
    for mapping in profile.fields:
        quantity = quantities()[mapping.quantity]
        if mapping.unit is not None:
            assert quantity.unit is not None
            assert convert(1.0, mapping.unit, quantity.unit) > 0


@pytest.mark.parametrize("name", [name for name in OURS if PROFILES[name].codec in TABLES])
def test_every_mapped_field_is_one_of_the_codec(name: str) -> None:
    profile = PROFILES[name]
    for mapping in profile.fields:
        path = mapping.path.replace("*", "1")
        if profile.codec == "cayenne_lpp" and "." in path:
            continue  # ChirpStack's names, which our codec does not use
        value = sendable(profile.codec, path)
        if value is None:
            # What the vendor calls it elsewhere: another row reads what our codec calls it.
            others = [row.path for row in profile.fields if row.quantity == mapping.quantity]
            assert any(sendable(profile.codec, other) for other in others), mapping
            continue
        beside = {"vehicles": 3} if path == "mean_speed" else {}
        f_port, payload = encode(profile.codec, {path: value, **beside})
        assert pick(decode_table(profile.codec, payload, f_port).fields, mapping) is not None


def sendable(codec: str, path: str) -> float | None:
    """A value that the field can hold; None: the codec has no such field."""
    values = (1, 3, 0.3, -1)
    sentences = [sentence_of(codec, {path: value}) for value in values]
    if all("has no field" in str(sentence) for sentence in sentences):
        return None
    return values[sentences.index(None)]


def sentence_of(codec: str, fields: dict[str, Any]) -> str | None:
    """Why the fields cannot be encoded, if they cannot."""
    try:
        encode(codec, fields)
    except CodecError as error:
        return error.sentence
    return None


def test_a_profile_measures_something_that_its_type_can_say() -> None:
    """Directly, or after a derivation such as that of a level or a filling from a distance."""
    for profile in PROFILES.values():
        if profile.entity_type == "DeviceMeasurement":
            continue  # it says everything
        measured = {mapping.quantity for mapping in profile.fields}
        measured |= {row.gives for row in DERIVATIONS if row.given in measured}
        assert any(profile.entity_type in quantities()[name].targets for name in measured), profile.name


def test_no_model_is_claimed_twice() -> None:
    for profile in PROFILES.values():
        assert find_profile(PROFILES, (profile.name,)) == profile
        for model in profile.models:
            assert find_profile(PROFILES, tuple(model.split("/"))) == profile


def test_vendors_own_output_fits_our_profiles(shared: Path) -> None:
    """What the vendors' JavaScript gives at a network server, and what our codec gives, map alike."""
    of_codec = {
        "bosch/codec/tpl110-0292": "bosch-tps110",
        "dingtek/codec/df702": "dingtek-df702",
        "nwave/codec/nps405": "nwave-nps405",
        "dragino/codec/lse01": "dragino-lse01",
        "milesight-iot/codec/am107": "milesight-am107",
    }
    found: dict[str, dict[str, Any]] = {}
    for line in (shared / "data/uplink-vectors/vectors.jsonl").read_text().splitlines():
        vector = json.loads(line)
        stem = vector["codec_file"].rpartition("/")[2].removesuffix(".js").removesuffix("-114")
        name = of_codec.get(f"{vector['vendor']}/codec/{stem}") or f"{vector['vendor']}-{stem}"
        name = "elsys-ers-co2" if vector["vendor"] == "elsys" else name
        if name not in PROFILES or name in {"dragino-lds02", "dragino-lwl02"}:
            continue  # of the contacts, the public vectors' frames are cut short
        profile = PROFILES[name]
        theirs = read_all(vector["expected"]["data"], profile.fields)
        found.setdefault(name, {}).update(theirs)
        if profile.codec in TABLES and theirs:
            payload = bytes.fromhex(vector["bytes"])
            ours = read_all(decode_table(profile.codec, payload, vector["fPort"]).fields, profile.fields)
            numbers = {key: value for key, value in theirs.items() if not isinstance(value, str)}
            said = {key: value for key, value in ours.items() if key in numbers}
            assert said == pytest.approx(numbers, rel=1e-5, abs=5e-3), (name, vector["bytes"])
            assert {**ours, **numbers} == theirs, (name, vector["bytes"])
    assert found["bosch-tps110"] == {"occupancy.occupied": True}
    assert found["nwave-nps405"] == {"occupancy.occupied": False, "battery.voltage": 3.344}
    assert found["dingtek-df702"] == {"level.distance": 2000, "air.temperature": 25, "fire.alarm": False}
    assert found["dragino-lse01"]["soil.moisture"] == 19.57
    assert found["dragino-ldds75"]["level.distance"] == 2025
    assert found["decentlab-dl-atm41"]["air.pressure"] == 95.96
    assert found["decentlab-dl-pm"]["air.pm2_5"] == 3.9
    assert found["milesight-am107"]["air.co2"] == 1255
    assert found["elsys-ers-co2"]["air.co2"] == 776
    assert len(found) >= 12


def read_all(fields: Any, mappings: tuple[FieldMapping, ...]) -> dict[str, Any]:
    values = {mapping.quantity: pick(fields, mapping) for mapping in mappings}
    return {quantity: value for quantity, value in values.items() if value is not None}


# --- the operator's -----------------------------------------------------------------------------


def test_the_operators_profiles_join_and_replace_ours() -> None:
    theirs: dict[str, dict[str, Any]] = {
        "stadtwerke-pegel": {
            **MINE,
            "codec": "javascript:pegel",
            "models": ["Stadtwerke/Pegel-3"],
            "battery": [3, 4.2],
            "fields": {
                "h": "water.level",
                "d.0.value": {"quantity": "level.distance", "unit": "CMT", "missing": ["-1"]},
                "leak": {"quantity": "water.leak", "values": {"wet": True, "dry": False}},
                "share": {"quantity": "fill.level", "values": {"full": 100, "half": 50.5}},
            },
        },
        "elsys-ers": MINE,
    }
    profiles = load_profiles(theirs)
    mine = profiles["stadtwerke-pegel"]
    assert mine.codec == "javascript:pegel"
    assert mine.battery == (3.0, 4.2)
    assert mine.models == ("stadtwerke/pegel-3",)
    assert mine.fields == (
        FieldMapping(path="h", quantity="water.level"),
        FieldMapping(path="d.0.value", quantity="level.distance", unit="CMT", missing=("-1",)),
        FieldMapping(path="leak", quantity="water.leak", values={"wet": True, "dry": False}),
        FieldMapping(path="share", quantity="fill.level", values={"full": 100, "half": 50.5}),
    )
    assert [type(value) for value in mine.fields[2].values.values()] == [bool, bool]
    assert profiles["elsys-ers"].entity_type == "FloodMonitoring"
    assert set(profiles) == set(PROFILES) | {"stadtwerke-pegel"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"vendor": 7}, "Profile 'x', vendor: Input should be a valid string."),
        ({"codec": None}, "Profile 'x', codec: Input should be a valid string."),
        ({"colour": "red"}, "Profile 'x', colour: Extra inputs are not permitted."),
        ({"fields": ["h"]}, "Profile 'x', fields: Input should be a valid dictionary."),
        ({"fields": {"h": {}}}, "Profile 'x', fields.h.quantity: Field required."),
        (
            {"fields": {"h": {"quantity": "water.level", "units": "MTR"}}},
            "Profile 'x', fields.h.units: Extra",
        ),
        ({"fields": {"h": "water.colour"}}, "Profile 'x', fields.h: there is no quantity 'water.colour'."),
        (
            {"fields": {"h": {"quantity": "water.level", "unit": "CEL"}}},
            "Profile 'x', fields.h: CEL (temperature) cannot be converted into MTR (length).",
        ),
        (
            {"fields": {"h": {"quantity": "water.level", "unit": "m"}}},
            "Profile 'x', fields.h: “m” is no unit",
        ),
        (
            {"fields": {"h": {"quantity": "water.leak", "unit": "MTR"}}},
            "Profile 'x', fields.h: water.leak has no unit.",
        ),
        (
            {"codec": "elsys.ers"},
            "Profile 'x', codec: 'elsys.ers' is none of ours (elsys, ",
        ),
        ({"entity_type": "Pegel"}, "Profile 'x', entity_type: 'Pegel' is none of A"),
        ({"battery": [3.0]}, "Profile 'x', battery: give two voltages, empty and full, the lower one first."),
        (
            {"battery": [4, 3]},
            "Profile 'x', battery: give two voltages, empty and full, the lower one first.",
        ),
        ({"battery": "3 V"}, "Profile 'x', battery: Input should be a valid list."),
    ],
)
def test_a_table_that_is_no_profile(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_profiles({"x": {**MINE, **change}})
    assert str(caught.value).startswith(sentence)


def test_a_profile_without_anything() -> None:
    with pytest.raises(ConfigurationError, match=r"^Profile 'x', vendor: Field required\.$"):
        load_profiles({"x": {}})


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (("decentlab", "dl-atm41"), "decentlab-dl-atm41"),
        (("Decentlab DL-ATM41",), "decentlab-dl-atm41"),
        (("elsys", "ers-co2"), "elsys-ers-co2"),
        (("Elsys ERS CO2",), "elsys-ers-co2"),
        (("milesight-iot", "vs121"), "milesight-vs121"),
        (("dragino-ldds75",), "dragino-ldds75"),
        (("elsys", "ers-co3"), None),
        (("Sensors of the school",), None),
        (("",), None),
        ((), None),
    ],
)
def test_a_network_servers_name_of_the_model(model: tuple[str, ...], name: str | None) -> None:
    found = find_profile(PROFILES, model)
    assert (found and found.name) == name


# --- guessing -----------------------------------------------------------------------------------


def heard(**given: Any) -> Uplink:
    return Uplink(network="chirpstack", device_id="0004a30b001c0530", observed_at=NOON, **given)


@pytest.mark.parametrize("name", OURS)
def test_what_the_things_stack_calls_the_model_names_the_profile(name: str) -> None:
    for model in PROFILES[name].models:
        brand, _, device = model.partition("/")
        assert guess(PROFILES, heard(model=(brand, device))) == name


def test_chirpstacks_profile_name_or_a_tag_names_the_profile() -> None:
    assert guess(PROFILES, heard(model=("Milesight WS302",))) == "milesight-ws302"
    assert guess(PROFILES, heard(model=("Sensoren",), tags={"Model": "Elsys ERS Sound"})) == "elsys-ers-sound"
    assert guess(PROFILES, heard(model=("Sensoren",), tags={"profile": "dragino-lse01"})) == "dragino-lse01"
    assert guess(PROFILES, heard(model=("Sensoren",), tags={"street": "dragino-lse01"})) is None


def test_what_it_says_beats_what_it_sends() -> None:
    frame = bytes.fromhex("017564055b053f02da016a02")
    assert guess(PROFILES, heard(model=("elsys", "ers"), payload=frame, f_port=85)) == "elsys-ers"


@pytest.mark.parametrize(
    ("f_port", "payload", "name"),
    [
        (85, "017564055b053f02da016a02", "milesight-ws302"),
        (85, "0175640367100104687105844605 0673aa27 07929201 0877c41325", "milesight-wts506"),
        (5, "0100d7022d0401a0050c0604b0070e3c", "elsys-ers-co2"),
        (3, "8000010111035200fb000300000007 0081", "dingtek-df702"),
        (26, "02060004A30B00F6B5690800F80003000220060305E661", "imbuildings-people-counter"),
        (14, "be010400010002000300041c200ce40139", "parametric-pcr2"),
        (14, "", None),
        (1, "01", None),  # a car, or anything else
        (77, "017564055b053f02da016a02", None),
        (85, "ff0bff", None),
    ],
)
def test_bytes_that_one_table_alone_understands(f_port: int, payload: str, name: str | None) -> None:
    assert guess(PROFILES, heard(payload=bytes.fromhex(payload), f_port=f_port)) == name


def test_fields_that_one_profile_alone_reads() -> None:
    decoded = {"water_SOIL": "19.57", "temp_SOIL": "24.59", "conduct_SOIL": 28, "Bat": 3.6}
    assert guess(PROFILES, heard(decoded=decoded)) == "dragino-lse01"
    assert guess(PROFILES, heard(decoded={"temperature": 21.5, "humidity": 40})) is None  # many have these
    assert guess(PROFILES, heard(decoded={"distance": 1200})) is None
    assert guess(PROFILES, heard(decoded={**decoded, "water_SOIL": 1957})) is None
    assert guess(PROFILES, heard(decoded={"mood": "good"})) is None
    assert guess(PROFILES, heard()) is None


# --- a device that nobody knew --------------------------------------------------------------------


async def test_a_new_device_takes_one_toml_file_and_no_python(tmp_path: Path) -> None:
    """A level sensor whose operator drops a file: the network server decodes, the file maps."""
    file = tmp_path / "hagen-pegel.toml"
    file.write_text(
        """
[stadtwerke-pegel-7]
vendor = "Stadtwerke Hagen"
model = "Pegel 7"
codec = "network"
entity_type = "FloodMonitoring"
models = ["Stadtwerke Pegel 7"]
battery = [3.0, 3.6]

[stadtwerke-pegel-7.fields]
"messwerte.0.abstand" = { quantity = "level.distance", unit = "CMT", missing = ["9999"] }
akku = "battery.voltage"
""",
        encoding="utf-8",
    )
    profiles = load_profiles(tomllib.loads(file.read_text(encoding="utf-8")))
    message = Message(
        source="mqtt",
        topic="application/1/device/0004a30b001c0530/event/up",
        payload=json.dumps(
            {
                "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
                "time": NOON.isoformat(),
                "deviceInfo": {"deviceProfileName": "Stadtwerke Pegel 7", "devEui": "0004a30b001c0530"},
                "fCnt": 7,
                "fPort": 2,
                "data": "AQI=",
                "object": {"messwerte": [{"abstand": "125,5 cm"}], "akku": 3.3},
            }
        ).encode(),
        received_at=NOON,
    )
    uplink = read_uplink(message, "auto")
    proposed = guess(profiles, uplink)
    assert proposed == "stadtwerke-pegel-7"
    device = Device(
        id=uplink.device_id,
        profile=proposed,
        position=Position(longitude=7.47, latitude=51.36),
        parameters={"reference_level": 4.0},
    )
    codecs = Codecs()
    done = await translate(
        message, World(city="hagen", devices={device.id: device}, profiles=profiles, codecs=codecs)
    )
    await codecs.close()
    assert done.problems == ()
    flood, status = (json.loads(entity.json) for entity in done.entities)
    assert flood["id"] == "urn:ngsi-ld:FloodMonitoring:hagen:0004a30b001c0530"
    assert flood["currentLevel"]["value"] == 2.745
    assert flood["measuredDistance"]["value"] == 1.255
    assert status["batteryLevel"]["value"] == 0.5


# --- the table ------------------------------------------------------------------------------------


def test_the_table_in_the_repository_is_the_one_that_the_command_prints() -> None:
    """After a change: volme profiles --table > ontology/devices/README.md."""
    page = Path(__file__).resolve().parents[2] / "ontology/devices/README.md"
    assert page.read_text(encoding="utf-8").splitlines() == list(markdown(PROFILES.values()))


def test_the_table_in_the_readme_is_the_one_that_the_command_writes(tmp_path: Path) -> None:
    """After a change: volme profiles --by-area --into README.md."""
    page = Path(__file__).resolve().parents[2] / "README.md"
    text = page.read_text(encoding="utf-8")
    table = text.partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    assert table == list(areas_markdown(PROFILES.values()))
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table[2:]]
    assert len(rows) == len(areas()) == 10
    for _, devices, measured, types in rows:
        assert int(devices.partition(":")[0]) >= 1
        assert measured
        assert types.partition(" / ")[0]
    copy = tmp_path / "README.md"
    copy.write_text(text.replace("\n".join(table), "something old"), encoding="utf-8")
    assert CliRunner().invoke(profiles, ["--into", str(copy)]).exit_code == 0
    assert copy.read_text(encoding="utf-8") == text
    copy.write_text("no marks", encoding="utf-8")
    assert "has not the two marks" in CliRunner().invoke(profiles, ["--into", str(copy)]).output


def test_devices_of_ours_serve_all_ten_impact_areas() -> None:
    decoded_by_us = [profile for profile in PROFILES.values() if profile.codec in TABLES]
    assert len(decoded_by_us) >= 50
    served = {area for profile in decoded_by_us for area in TYPES[profile.entity_type].areas}
    assert served == set(areas())
    assert len(areas()) == 10


# --- fields -------------------------------------------------------------------------------------

FIELDS: dict[str, Any] = {
    "level": 1.5,
    "zero": 0,
    "on": True,
    "null": None,
    "nested": {"channels": [{"level": 7}, {"value": "12.5", "unit": "m"}]},
    "named": {"displayName": "Distance", "unit": "mm", "value": 1234},
    "open": {"unit": "mm"},
    "text": "2799 mm",
    "comma": "-3,5 °C",
    "tight": "55%",
    "cubic": "35.5 µg/m3",
    "power": "1.5e3",
    "state": "open",
    "serial": "0901454d4800006efd0f",
    "time": "12:30",
    "version": "1.2.3",
    "none": "No Sensor",
    "nothing": -999.0,
    "temperature_4": 20,
    "temperature_2": 21,
    "temperatureSensor": {"3": 22},
    "": "odd",
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("level", 1.5),
        ("zero", 0),
        ("on", True),
        ("null", None),
        ("absent", None),
        ("level.deeper", None),
        ("nested", None),
        ("nested.channels", None),
        ("nested.channels.0.level", 7),
        ("nested.channels.1", 12.5),
        ("nested.channels.2", None),
        ("nested.channels.first", None),
        ("nested.channels.-1", None),
        ("named", 1234),
        ("named.unit", "mm"),
        ("open", None),
        ("text", 2799.0),
        ("comma", -3.5),
        ("tight", 55.0),
        ("cubic", 35.5),
        ("power", 1500.0),
        ("state", "open"),
        ("serial", "0901454d4800006efd0f"),
        ("time", "12:30"),
        ("version", "1.2.3"),
        ("temperature_*", 21),
        ("temperatureSensor.*", 22),
        ("humidity_*", None),
        ("", "odd"),
    ],
)
def test_a_path_into_the_fields(path: str, value: Any) -> None:
    found = pick(FIELDS, FieldMapping(path=path, quantity="water.level"))
    assert found == value
    assert type(found) is type(value)


def test_what_says_that_nothing_was_measured() -> None:
    missing = ("No Sensor", "-999")
    for path in ("none", "nothing"):
        assert pick(FIELDS, FieldMapping(path=path, quantity="level.distance", missing=missing)) is None
    assert pick(FIELDS, FieldMapping(path="none", quantity="level.distance")) == "No Sensor"


def test_words_that_stand_for_readings() -> None:
    def read(path: str, values: dict[str, float | bool | str]) -> Any:
        return pick(FIELDS, FieldMapping(path=path, quantity="occupancy.occupied", values=values))

    assert read("state", {"open": False, "shut": True}) is False
    assert read("on", {"true": 100, "false": 0}) == 100
    assert read("zero", {"0": "closed"}) == "closed"
    assert read("level", {"1.5": "high"}) == "high"
    assert read("state", {"shut": True}) == "open"


def test_an_empty_payload_reads_as_nothing() -> None:
    nothing: tuple[Any, ...] = ({}, [], None, "text", 5)
    for fields in nothing:
        assert pick(fields, FieldMapping(path="a.b", quantity="water.level")) is None
    with pytest.raises(CodecError):
        decode_table("elsys", b"", 5)
