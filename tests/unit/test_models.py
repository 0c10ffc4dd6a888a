# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from pydantic import ValidationError

from models.entity import Located
from models.types import TYPES, attribute_unit, attributes
from ontology.loader import units

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from models.entity import Entity

# Attributes beyond the public schemas: each has an IRI of our own in its subject's context.
OURS = {"Device": {"batteryVoltage"}}

BOUNDS = ("minimum", "maximum", "minLength", "minItems")

MOMENT = "2026-03-01T12:00:00Z"
HERE = {"type": "Point", "coordinates": [7.4717, 51.3594]}

LEAST: dict[str, dict[str, Any]] = {
    "WeatherObserved": {"dateObserved": MOMENT, "location": HERE},
    "AirQualityObserved": {"dateObserved": MOMENT, "location": HERE},
    "NoiseLevelObserved": {"dateObservedFrom": MOMENT, "dateObservedTo": MOMENT, "location": HERE},
    "WaterObserved": {"dateObserved": MOMENT, "location": HERE},
    "FloodMonitoring": {},
    "IndoorEnvironmentObserved": {"dateObserved": MOMENT, "location": HERE},
    "GreenspaceRecord": {},
    "ParkingSpot": {
        "location": HERE,
        "status": "free",
        "category": ["onStreet"],
        "refParkingSite": "urn:ngsi-ld:OnStreetParking:hagen:1",
    },
    "WasteContainer": {"location": HERE},
    "CrowdFlowObserved": {"dateObserved": MOMENT},
    "Device": {"controlledProperty": ["temperature"]},
    "DeviceModel": {
        "category": ["sensor"],
        "controlledProperty": ["temperature"],
        "manufacturerName": "Decentlab",
        "brandName": "Decentlab",
        "modelName": "DL-ATM41",
    },
}

# What sensors, people and attackers may put into an attribute, right for some and wrong for most.
ANYTHING: list[Any] = [
    *(0, 1, 0.5, -0.5, -1, 12, 12.0, 12.5, 181, -181, 359.5, 361, 1e9, -1e9, 2**31, 2**53, 2**60),
    *(float("nan"), float("inf"), 10**400, True, False, None, "", " ", "x", "12.5", "true", "nan"),
    *(MOMENT, "2026-03-01T13:00:00.123456+01:00", "2026-03-01T12:00:00", "2026-03-01", "1772366400"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30T12:00:00Z"),
    *(f"{MOMENT}/2026-03-01T12:15:00Z", "2026-03-01T12:15:00Z/PT15M", f"{MOMENT}/", "a/b"),
    *("urn:ngsi-ld:Device:hagen:1", "https://www.hagen.example/a?b=c", "urn:with space", "no-uri", "ä:ö"),
    *("AA:BB:cc:dd:EE:0f", "AA:BB", "192.0.2.1", "::1"),
    *([], ["x"], ["x", "x"], [5], [None], [[]], ["urn:a:1"], ["urn:a:1", "urn:a:2"], ["urn:a:1", "urn:a:1"]),
    *(["192.0.2.1", "2001:db8::1"], ["192.0.2.256"], ["onStreet", "offStreet"], ["sensor", "sensor"]),
    *({}, {"x": 1}, HERE, {**HERE, "bbox": [7, 51, 8, 52]}, {**HERE, "bbox": [7]}, {**HERE, "crs": "x"}),
    {"type": "Point"},
    {"type": "Point", "coordinates": [7.4]},
    {"type": "Point", "coordinates": [7.4, 51.3, 106.0]},
    {"type": "Point", "coordinates": [7.4, 51.3, 106.0, 1]},
    {"type": "Point", "coordinates": [7.4, 91]},
    {"type": "Point", "coordinates": [7.4, float("nan")]},
    {"type": "Point", "coordinates": ["7.4", "51.3"]},
    {"type": "Nowhere", "coordinates": [7.4, 51.3]},
    {"type": "LineString", "coordinates": [[7.4, 51.3], [7.5, 51.3]]},
    {"type": "LineString", "coordinates": [[7.4, 51.3]]},
    {"type": "Polygon", "coordinates": [[[7, 51], [8, 51], [8, 52], [7, 51]]]},
    {"type": "Polygon", "coordinates": [[[7, 51], [8, 51], [8, 52], [7, 52]]]},
    {"type": "MultiPoint", "coordinates": [[7.4, 51.3]]},
    {"type": "MultiLineString", "coordinates": [[[7.4, 51.3], [7.5, 51.3]]]},
    {"type": "MultiPolygon", "coordinates": [[[[7, 51], [8, 51], [8, 52], [7, 51]]]]},
    {"streetAddress": "Märkischer Ring", "addressLocality": "Hagen", "addressCountry": "DE"},
    {"streetAddress": 5},
    {"instValue": 1.5, "averageValue": 2},
    {"instValue": "1.5"},
    [{"parameter": "interval", "value": "600"}],
    [{"parameter": "interval", "value": 600}],
]


def smallest(name: str, /, **more: Any) -> dict[str, Any]:
    return {"id": f"urn:ngsi-ld:{name}:hagen:1", "type": name, **LEAST[name], **more}


def schema(shared: Path, name: str) -> dict[str, Any]:
    path = shared / "data" / "derived-offline-schemas" / f"{name}.json"
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def properties(document: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in (document, *document.get("allOf", ())):
        found |= part.get("properties", {})
    return found


def ours(model: type[Entity]) -> dict[str, Any]:
    document = model.model_json_schema(by_alias=True)
    resolved: dict[str, Any] = resolve(document["properties"], document.get("$defs", {}))
    return resolved


def resolve(value: Any, defs: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [resolve(part, defs) for part in value]
    if isinstance(value, dict) and "$ref" in value:
        return resolve(defs[value["$ref"].rpartition("/")[2]], defs)
    if isinstance(value, dict):
        return {key: resolve(part, defs) for key, part in value.items()}
    return value


def alternatives(value: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give a schema and the alternatives in it, without null."""
    if value.get("type") != "null":
        yield value
    for key in ("anyOf", "oneOf"):
        for part in value.get(key, ()):
            yield from alternatives(part)


def enumeration(value: Mapping[str, Any]) -> set[Any]:
    words: set[Any] = set()
    for part in alternatives(value):
        words |= set(part.get("enum", ())) | ({part["const"]} if "const" in part else set())
        words |= enumeration(part["items"]) if "items" in part else set()
    return words


def members(value: Mapping[str, Any]) -> set[str]:
    names: set[str] = set()
    for part in alternatives(value):
        names |= part.get("properties", {}).keys() | (members(part["items"]) if "items" in part else set())
    return names


def test_every_type_has_a_smallest_example() -> None:
    assert LEAST.keys() == TYPES.keys()


@pytest.mark.parametrize("name", TYPES)
def test_attributes_are_those_of_the_schema(name: str, shared: Path) -> None:
    official = properties(schema(shared, name)).keys()
    assert ours(TYPES[name]).keys() == official | OURS.get(name, set())


@pytest.mark.parametrize("name", TYPES)
def test_required_is_what_the_schema_requires(name: str, shared: Path) -> None:
    required = {
        field.alias or key for key, field in TYPES[name].model_fields.items() if field.is_required()
    } | {"type"}
    assert required == set(schema(shared, name)["required"])
    assert TYPES[name].model_fields["type"].default == name


@pytest.mark.parametrize("name", TYPES)
def test_enumerations_and_members_are_those_of_the_schema(name: str, shared: Path) -> None:
    official, mine = properties(schema(shared, name)), ours(TYPES[name])
    assert {key: enumeration(value) for key, value in official.items()} == {
        key: enumeration(mine[key]) for key in official
    }
    assert {key: members(value) for key, value in official.items()} == {
        key: members(mine[key]) for key in official
    }


@pytest.mark.parametrize("name", TYPES)
def test_ranges_are_those_of_the_schema(name: str, shared: Path) -> None:
    official, mine = properties(schema(shared, name)), ours(TYPES[name])
    for key, value in official.items():
        if "oneOf" in value or "anyOf" in value:
            continue  # the values below are thrown at these
        (stated,) = [part for part in alternatives(mine[key]) if "anyOf" not in part]
        assert {bound: value[bound] for bound in BOUNDS if bound in value}.items() <= stated.items(), key


@pytest.fixture(scope="module")
def validators(shared: Path) -> dict[str, Any]:
    return {name: jsonschema_rs.validator_for(schema(shared, name), validate_formats=True) for name in TYPES}


@pytest.mark.parametrize("name", TYPES)
def test_what_a_model_takes_its_schema_takes(name: str, validators: dict[str, Any]) -> None:
    model = TYPES[name]
    assert validators[name].is_valid(smallest(name))
    for attribute in attributes(model):
        taken = 0
        words = enumeration(ours(model)[attribute.name])
        for value in (*ANYTHING, *words, *([word] for word in words)):
            try:
                entity = model.model_validate(smallest(name, **{attribute.name: value}))
            except ValidationError:
                continue
            taken += value is not None
            found = entity.model_dump(mode="json", exclude_none=True)
            assert [str(error) for error in validators[name].iter_errors(found)] == [], (
                attribute.name,
                value,
            )
        assert taken >= 1, attribute.name


@pytest.mark.parametrize("name", TYPES)
def test_official_examples_are_understood(name: str, shared: Path, validators: dict[str, Any]) -> None:
    subject = TYPES[name].subject
    folder = shared / "data" / "smart-data-models" / f"dataModel.{subject}" / name / "examples"
    document = json.loads((folder / "example.json").read_text(encoding="utf-8"))
    if name == "AirQualityObserved":
        del document["typeOfLocation"]  # misspelt
        document["tsp"] = round(document["tsp"])  # breaks its own schema
    official = properties(schema(shared, name))
    assert document.keys() - {"@context"} <= official.keys()
    mended = {key: mend(key, value) for key, value in document.items() if key != "@context"}
    entity = TYPES[name].model_validate(mended)
    assert validators[name].is_valid(entity.model_dump(mode="json", exclude_none=True))


def mend(key: str, value: Any) -> Any:
    """Make NGSI-LD of the NGSI v2 in the examples: ids are URIs, times have a zone."""
    if isinstance(value, list):
        return [mend(key, part) for part in value]
    if key in {"id", "owner", "controlledAsset"} or re.match("ref[A-Z]", key):
        return value if ":" in value and " " not in value else f"urn:{key}:{value}"
    if isinstance(value, str):
        return re.sub(r"(\d{4}-\d\d-\d\dT[\d:.]+)(?=/|$)", r"\1Z", value)
    return value


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("WeatherObserved", {"relativeHumidity": 45.3}, "less than or equal to 1"),
        ("WeatherObserved", {"temperature": "21.5"}, "valid number"),
        ("WeatherObserved", {"temperature": True}, "valid number"),
        ("WeatherObserved", {"temperature": float("nan")}, "finite number"),
        ("WeatherObserved", {"temprature": 21.5}, "not permitted"),
        ("WeatherObserved", {"dateObserved": "2026-03-01T12:00:00"}, "the time has no zone"),
        ("WeatherObserved", {"dateObserved": 1772366400}, "a date and time is expected"),
        ("WeatherObserved", {"dateObserved": "0001-01-01T00:00:00+14:00"}, "years 1 to 9999"),
        ("WeatherObserved", {"location": {"type": "Point", "coordinates": [51.3, 97.4]}}, "longitude"),
        ("WeatherObserved", {"location": None}, "valid dictionary"),
        ("WeatherObserved", {"id": "station-1"}, "match pattern"),
        ("WeatherObserved", {"type": "Device"}, "should be 'WeatherObserved'"),
        ("WeatherObserved", {"refDevice": "device-1"}, "match pattern"),
        ("IndoorEnvironmentObserved", {"temperature": -2}, "greater than or equal to 0"),
        ("NoiseLevelObserved", {"dateObserved": "2026-03-01T12:00:00Z/2026-03-01T11:00:00Z"}, "ends before"),
        ("AirQualityObserved", {"airQualityIndex": 50.5}, "valid integer"),
        ("AirQualityObserved", {"airQualityIndex": "50"}, "valid integer"),
        ("ParkingSpot", {"status": "full"}, "'closed', 'free', 'occupied' or 'unknown'"),
        ("ParkingSpot", {"category": ["onStreet", "onStreet"]}, "the same value stands twice"),
        ("Device", {"batteryLevel": -0.5}, "between 0 \\(empty\\) and 1 \\(full\\)"),
        ("Device", {"controlledProperty": ["everything"]}, "Input should be 'airPollution'"),
        ("GreenspaceRecord", {"location": {"type": "Polygon", "coordinates": [[[7, 51]] * 3]}}, "at least 4"),
    ],
)
def test_what_is_wrong_is_said(name: str, more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TYPES[name].model_validate(smallest(name, **more))


def test_conversion_to_the_exact_type() -> None:
    crowd = TYPES["CrowdFlowObserved"].model_validate(smallest("CrowdFlowObserved", peopleCount=12.0))
    assert type(crowd.model_dump()["peopleCount"]) is int
    weather = TYPES["WeatherObserved"].model_validate(smallest("WeatherObserved", temperature=21))
    assert type(weather.model_dump()["temperature"]) is float
    spot = TYPES["ParkingSpot"].model_validate(
        smallest("ParkingSpot", category="onStreet", refDevice="urn:ngsi-ld:Device:hagen:1")
    )
    dumped = spot.model_dump()
    assert (dumped["category"], dumped["refDevice"]) == (["onStreet"], ["urn:ngsi-ld:Device:hagen:1"])
    assert (
        TYPES["Device"].model_validate(smallest("Device", batteryLevel=-1)).model_dump()["batteryLevel"] == -1
    )


def test_moments_are_utc_and_to_the_millisecond() -> None:
    weather = TYPES["WeatherObserved"].model_validate(
        smallest("WeatherObserved", dateObserved="2026-03-01T13:00:00.123987+01:00")
    )
    assert weather.model_dump(mode="json")["dateObserved"] == "2026-03-01T12:00:00.123Z"


@pytest.mark.parametrize("name", TYPES)
def test_attributes_are_sent_as_what_they_are(name: str) -> None:
    for attribute in attributes(TYPES[name]):
        assert attribute.unit is None or attribute.unit in units()
        refers = re.match("ref[A-Z]", attribute.name) is not None
        assert (attribute.kind == "Relationship") == refers, attribute.name
        assert (attribute.kind == "GeoProperty") == (attribute.name == "location")


def test_every_measured_number_has_a_unit() -> None:
    # These are counts, ranks and thresholds without a unit in Recommendation 20.
    bare = {"airQualityIndex", "tpc", "tsp", "pressureTendency", "visibility"}
    for model in TYPES.values():
        mine = ours(model)
        for attribute in attributes(model):
            kinds = {part.get("type") for part in alternatives(mine[attribute.name])}
            if kinds & {"number", "integer"}:
                assert attribute.unit or attribute.name in bare, (model.__name__, attribute.name)


@pytest.mark.parametrize(
    ("name", "attribute", "unit"),
    [
        ("WeatherObserved", "relativeHumidity", "C62"),
        ("IndoorEnvironmentObserved", "relativeHumidity", "P1"),
        ("WeatherObserved", "atmosphericPressure", "A97"),
        ("IndoorEnvironmentObserved", "co2", "59"),
        ("AirQualityObserved", "as", "GQ"),
        ("NoiseLevelObserved", "LAeq", "2N"),
        ("GreenspaceRecord", "soilMoistureEc", "D10"),
        ("Device", "rssi", "DBM"),
        ("ParkingSpot", "status", None),
    ],
)
def test_units(name: str, attribute: str, unit: str | None) -> None:
    assert attribute_unit(name, attribute) == unit


def test_the_unit_of_nothing_is_an_error() -> None:
    with pytest.raises(KeyError):
        attribute_unit("WeatherObserved", "temprature")


def test_everything_but_a_device_model_is_somewhere() -> None:
    assert {name for name, model in TYPES.items() if not issubclass(model, Located)} == {"DeviceModel"}
