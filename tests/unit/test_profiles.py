# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Device profiles: ours are consistent, the operator's are checked, fields are found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from adapters.codecs.decoding import TABLES, decode_table, encode
from adapters.fields import pick
from adapters.profiles import find_profile, load_profiles
from models.device import FieldMapping
from models.errors import CodecError, ConfigurationError
from models.types import TYPES
from ontology.loader import convert, quantities

if TYPE_CHECKING:
    from pathlib import Path

PROFILES = load_profiles()
OURS = sorted(PROFILES)
MINE = {
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
        f_port, payload = encode(profile.codec, {path: 1})
        assert pick(decode_table(profile.codec, payload, f_port).fields, mapping) is not None


def test_a_profile_measures_something_that_its_type_can_say() -> None:
    """Directly, or after a derivation of a level or a filling from a distance."""
    derived = {"level.distance": {"FloodMonitoring", "WaterObserved", "WasteContainer"}}
    for profile in PROFILES.values():
        assert any(
            profile.entity_type in quantities()[mapping.quantity].targets
            or profile.entity_type in derived.get(mapping.quantity, set())
            for mapping in profile.fields
        ), profile.name


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
        stem = vector["codec_file"].rpartition("/")[2].removesuffix(".js")
        name = of_codec.get(f"{vector['vendor']}/codec/{stem}") or f"{vector['vendor']}-{stem}"
        name = "elsys-ers-co2" if vector["vendor"] == "elsys" else name
        if name not in PROFILES:
            continue
        profile = PROFILES[name]
        theirs = read_all(vector["expected"]["data"], profile.fields)
        found.setdefault(name, {}).update(theirs)
        if profile.codec in TABLES and "No Sensor" not in str(vector["expected"]):
            payload = bytes.fromhex(vector["bytes"])
            ours = read_all(decode_table(profile.codec, payload, 1).fields, profile.fields)
            assert ours == pytest.approx(theirs), (name, vector["bytes"])
    assert found["bosch-tps110"] == {"occupancy.occupied": True}
    assert found["nwave-nps405"] == {"occupancy.occupied": False, "battery.voltage": 3.344}
    assert found["dingtek-df702"] == {"level.distance": 2000, "air.temperature": 25}
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
    theirs = {
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
    for fields in ({}, [], None, "text", 5):
        assert pick(fields, FieldMapping(path="a.b", quantity="water.level")) is None
    with pytest.raises(CodecError):
        decode_table("elsys", b"", 5)
