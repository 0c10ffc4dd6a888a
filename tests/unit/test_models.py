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
from tests.entities import alternatives, full, schemas_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


# Attributes beyond the public schemas: each has an IRI of our own in its subject's context.
OURS = {"Device": {"batteryVoltage"}}
# What NGSI-LD can name (ETSI GS CIM 009, 4.6.2): `Cl-` and `N-TOT` it cannot.
NAME = re.compile("[A-Za-z][A-Za-z0-9_]*")

LEAST_BOUNDS = ("minimum", "minLength", "minItems")

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
    "PhreaticObserved": {"dateObserved": MOMENT, "location": HERE, "measurementType": ["depth"]},
    "TrafficFlowObserved": {"dateObserved": MOMENT},
    "ItemFlowObserved": {"dateObserved": MOMENT, "location": HERE, "laneId": 1},
    "BikeHireDockingStation": {},
    "EVChargingStation": {"socketType": ["Type2"], "capacity": 2, "allowedVehicleType": ["car"]},
    "CityWork": {"location": HERE},
    "OffStreetParking": {"location": HERE},
    "OnStreetParking": {"location": HERE},
    "Streetlight": {"location": HERE, "status": "ok"},
    "AgriParcelRecord": {"location": HERE, "hasAgriParcel": "urn:ngsi-ld:AgriParcel:hagen:1"},
    "SmartMeteringObservation": {},
    "DeviceMeasurement": {},
    "WaterConsumptionObserved": {},
    "WaterQualityObserved": {"dateObserved": MOMENT, "location": HERE},
    "Alert": {"alertSource": "urn:ngsi-ld:Device:hagen:1", "category": "environment", "dateIssued": MOMENT},
    "Anomaly": {"anomalousProperty": "temperature", "dateDetected": MOMENT},
    "WeatherForecast": {"dateIssued": MOMENT},
    "WeatherAlert": {
        "alertSource": "urn:ngsi-ld:Agency:hagen:dwd",
        "category": "weather",
        "subCategory": "wind",
        "dateIssued": MOMENT,
    },
    "PhotovoltaicMeasurement": {
        "dateObserved": MOMENT,
        "location": HERE,
        "refPhotovoltaicDevice": "urn:ngsi-ld:PhotovoltaicDevice:hagen:1",
        "dateEnergyMeteringStarted": MOMENT,
        "temperature": 21.5,
    },
    "ACMeasurement": {"dateObserved": MOMENT, "location": HERE, "phaseType": "threePhase"},
    "Building": {"category": ["school"], "address": {"addressLocality": "Hagen"}},
    "VibrationsObserved": {"dateObserved": MOMENT, "accelerationMeasured": 0.02},
    "KeyPerformanceIndicator": {},
    "IssueReporting": {},
    "Museum": {"location": HERE, "name": "Osthaus Museum"},
    "PointOfInterest": {"name": "Rathaus an der Volme"},
    "WifiPointOfInterest": {},
    "Event": {},
    "ArrivalEstimation": {
        "hasStop": ["urn:ngsi-ld:GtfsStop:hagen:1"],
        "hasTrip": "urn:ngsi-ld:GtfsTrip:hagen:1",
        "remainingTime": "PT8M5S",
        "headSign": "Hauptbahnhof",
    },
    "Dataset": {"title": ["Messwerte"], "description": ["Was die Stadt misst"]},
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
    assert schemas_of(TYPES[name]).keys() == set(filter(NAME.fullmatch, official)) | OURS.get(name, set())


@pytest.mark.parametrize("name", TYPES)
def test_required_is_what_the_schema_requires(name: str, shared: Path) -> None:
    required = {
        field.alias or key for key, field in TYPES[name].model_fields.items() if field.is_required()
    } | {"type"}
    assert required == {*schema(shared, name)["required"], "type"}
    assert TYPES[name].model_fields["type"].default == name


@pytest.mark.parametrize("name", TYPES)
def test_enumerations_and_members_are_those_of_the_schema(name: str, shared: Path) -> None:
    official, mine = properties(schema(shared, name)), schemas_of(TYPES[name])
    assert {key: enumeration(value) for key, value in official.items() if key in mine} == {
        key: enumeration(mine[key]) for key in mine if key in official
    }
    # Where the schema leaves the members open, a model may name them.
    assert {key: found for key, value in official.items() if (found := members(value))} == {
        key: members(mine[key]) for key in mine if members(official.get(key, {}))
    }


@pytest.mark.parametrize("name", TYPES)
def test_ranges_are_those_of_the_schema(name: str, shared: Path) -> None:
    official, mine = properties(schema(shared, name)), schemas_of(TYPES[name])
    for key, value in official.items():
        if "oneOf" in value or "anyOf" in value or key not in mine:
            continue  # the values below are thrown at these
        (stated,) = [part for part in alternatives(mine[key]) if "anyOf" not in part]
        assert "maximum" not in value or stated["maximum"] <= value["maximum"], key
        for bound in LEAST_BOUNDS:
            least = stated.get(bound, stated.get("exclusiveMinimum"))
            assert bound not in value or least >= value[bound], (key, bound)


@pytest.fixture(scope="module")
def validators(shared: Path) -> dict[str, Any]:
    return {name: jsonschema_rs.validator_for(schema(shared, name), validate_formats=True) for name in TYPES}


@pytest.fixture(scope="module")
def thrown() -> set[str]:
    return set()


@pytest.mark.parametrize("name", TYPES)
def test_what_a_model_takes_its_schema_takes(
    name: str, validators: dict[str, Any], thrown: set[str], shared: Path
) -> None:
    model = TYPES[name]
    mine = schemas_of(model)
    assert validators[name].is_valid(smallest(name))
    examples = full(name).model_dump(mode="json")
    official = properties(schema(shared, name))
    for attribute in attributes(model):
        # What many types share is the same every time.
        same = json.dumps([official.get(attribute.name), mine[attribute.name]], sort_keys=True)
        if same in thrown:
            continue
        thrown.add(same)
        taken = 0
        words = enumeration(mine[attribute.name])
        for value in (*ANYTHING, examples[attribute.name], *words, *([word] for word in words)):
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
        document["tsp"] = round(document["tsp"])  # breaks its own schema
    for key in NO_EXAMPLE.get(name, ()):
        del document[key]
    official = properties(schema(shared, name))
    assert document.keys() - {"@context"} <= official.keys()
    kinds = {row.name: row.kind for row in attributes(TYPES[name])}
    mended = {
        key: mend(value, refers=key in REFER or kinds.get(key) == "Relationship")
        for key, value in document.items()
        if key != "@context" and value != [] and NAME.fullmatch(key)
    }
    entity = TYPES[name].model_validate(mended)
    assert validators[name].is_valid(entity.model_dump(mode="json", exclude_none=True))


# Keys of the official examples that are misspelt or break their own schema.
NO_EXAMPLE = {
    "AirQualityObserved": {"typeOfLocation"},
    "BikeHireDockingStation": {"observationDate"},
    "CityWork": {
        *("mainContractingCompagny", "othersContractingCompagny", "eventsImpact", "workDisposition"),
        *("roadImpacted", "busImpacted", "tramwayImpacted", "railwayImpacted", "stationImpacted"),
    },
    "Dataset": {"version", "spatial"},
    "Event": {"locationName", "dateLastReported", "openingHoursSpecification", "pitch"},
    "OffStreetParking": {"fourWheelerSlots"},
    "OnStreetParking": {"fourWheelerSlots"},
    "Streetlight": {"deviceInfo"},
    "WeatherForecast": {"dayMaximum", "dayMinimum"},
}
REFER = {"id", "owner", "controlledAsset"}


def mend(value: Any, *, refers: bool = False) -> Any:
    """Make NGSI-LD of the NGSI v2 in the examples: ids are URIs, times have a zone."""
    if isinstance(value, list):
        return [mend(part, refers=refers) for part in value]
    if isinstance(value, dict):
        return {key: mend(part) for key, part in value.items()}
    if refers:
        return value if re.match(r"[A-Za-z0-9+.-]+:\S+$", value) else f"urn:{value.replace(' ', '-')}:1"
    if isinstance(value, str):
        return re.sub(r"((?:\d{4}-\d\d-\d\dT|^)\d\d:\d\d:[\d.]+)(?=/|$)", r"\1Z", value)
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


# Sent as texts, which is how other platforms send them too: what they name need not be an entity.
TEXTS = {"owner", "seeAlso", "controlledAsset"}


@pytest.mark.parametrize("name", TYPES)
def test_attributes_are_sent_as_what_they_are(name: str, shared: Path) -> None:
    official = properties(schema(shared, name))
    for attribute in attributes(TYPES[name]):
        assert attribute.unit is None or attribute.unit in units()
        said = official.get(attribute.name, {}).get("description", "")
        refers = said.startswith("Relationship") or re.match("ref[A-Z]", attribute.name) is not None
        assert (attribute.kind == "Relationship") == (refers and attribute.name not in TEXTS), attribute.name
        placed = said.startswith("GeoProperty") and not attribute.several  # which holds one geometry
        assert (attribute.kind == "GeoProperty") == (placed or attribute.name == "location"), attribute.name


def test_every_measured_number_has_a_unit() -> None:
    # Counts, ranks, money and what the schemas give no unit for.
    bare = {
        *("airQualityIndex", "tpc", "tsp", "pressureTendency", "visibility", "laneId", "kpiValue"),
        *("acquisitionStageFailure", "moduleTampered", "alarmInProgress", "alarmStopsLeaks", "alarmTamper"),
        *("alarmWaterQuality", "floorsAboveGround", "floorsBelowGround", "highestFloor", "lowestFloor"),
        *("firstAvailableFloor", "relevance", "ratingValueAverage", "measuresPeriod", "numValue"),
        *("priceRatePerMinute", "eventPriceFrom", "eventPriceTo", "amountCollected", "taxAmountCollected"),
        *("soilSalinity", "salinity", "residueLevel", "escherichiaColi", "enterococci"),
    }
    for model in TYPES.values():
        mine = schemas_of(model)
        for attribute in attributes(model):
            kinds = {part.get("type") for part in alternatives(mine[attribute.name])}
            if kinds & {"number", "integer"}:
                assert attribute.unit or attribute.name in bare, (model.__name__, attribute.name)


# The units in the words of the schemas' descriptions.
WORDS = {
    **dict.fromkeys(("ampere", "ampers (a)"), "AMP"),
    "bar": "BAR",
    **dict.fromkeys(("celsius degrees", "degrees celsius", "degrees centigrade"), "CEL"),
    "centimeters": "CMT",
    **dict.fromkeys(("cubic meters", "cubic metre"), "MTQ"),
    "cubic meters/hour": "MQH",
    "hecto pascals": "A97",
    "hertz": "HTZ",
    "kilometer per hour (km/h)": "KMH",
    "kilovolt-ampere-hour": "C79",
    "kilovolt-ampere-reactive-hour": "K3",
    "kilowatt hour": "KWH",
    "kilowatt": "KWT",
    "kpa": "KPA",
    "liters per square meter": "MMT",
    "litres/hour": "E32",
    "lux": "LUX",
    "m/s2": "MSK",
    **dict.fromkeys(("meter", "meter (m)", "meters", "metre"), "MTR"),
    "mg/l": "M1",
    "second (s)": "SEC",
    **dict.fromkeys(("siemens / m", "siemens per meter"), "D10"),
    "square meters": "MTK",
    "volt-ampere": "D46",
    **dict.fromkeys(("volt-ampere-reactive", "volts-ampere-reactive"), "D44"),
    **dict.fromkeys(("volts", "volts (v)"), "VLT"),
    "w/m2": "D54",
    "watt": "WTT",
}
OTHERWISE = {
    "ACMeasurement.apparentPower": "D46",  # volt-amperes, though said to be watts
    "AgriParcelRecord.solarRadiation": "D54",  # kW/m² have no code
    "Event.eventPriceFrom": None,  # euros are no unit of measure
    "Event.eventPriceTo": None,
    "IndoorEnvironmentObserved.co2": "59",  # everybody measures ppm, not mg per liter
    "NoiseLevelObserved.distanceAverage": None,  # texts
    "NoiseLevelObserved.heightAverage": None,
    "PhotovoltaicMeasurement.inverterStatus": None,  # words, described as a power
    "PhotovoltaicMeasurement.reactivePower": "KVR",  # K5 is deprecated
    "WaterConsumptionObserved.waterConsumption": "LTR",  # whole cubic metres are too many litres
    "WaterQualityObserved.enterococci": None,  # bacteria per 100 ml have no code
    "WaterQualityObserved.escherichiaColi": None,
}


@pytest.mark.parametrize("name", TYPES)
def test_units_are_those_of_the_descriptions(name: str, shared: Path) -> None:
    official = properties(schema(shared, name))
    for attribute in attributes(TYPES[name]):
        said = official.get(attribute.name, {}).get("description", "")
        words = re.search("Units?: ?'([^']+?)[. ]*'", said)
        code = re.search(r"\*\*([A-Z0-9]{2,3})\*\*|<code> ?([A-Z0-9]{2,3}) ?</code>", said)
        if words or code:
            unit = WORDS.get(words[1].lower()) if words else code and (code[1] or code[2])
            expected = OTHERWISE.get(f"{name}.{attribute.name}", unit)
            assert attribute.unit == expected, attribute.name
            assert unit or f"{name}.{attribute.name}" in OTHERWISE, attribute.name


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
        ("ACMeasurement", "totalActivePower", "WTT"),
        ("ACMeasurement", "phaseVoltage", "VLT"),
        ("AgriParcelRecord", "solarRadiation", "D54"),  # the schema's kW/m² have no code
        ("PhotovoltaicMeasurement", "reactivePower", "KVR"),  # the schema's K5 is deprecated
        ("PhreaticObserved", "pressure", "BAR"),
        ("SmartMeteringObservation", "totalConsumption", "KWH"),
        ("TrafficFlowObserved", "averageVehicleSpeed", "KMH"),
        ("WaterConsumptionObserved", "waterConsumption", "LTR"),  # whole numbers: cubic metres are too many
        ("WaterQualityObserved", "Chla", "GP"),  # µg/l
        ("WaterQualityObserved", "flow", "MQH"),
        ("ParkingSpot", "status", None),
    ],
)
def test_units(name: str, attribute: str, unit: str | None) -> None:
    assert attribute_unit(name, attribute) == unit


def test_the_unit_of_nothing_is_an_error() -> None:
    with pytest.raises(KeyError):
        attribute_unit("WeatherObserved", "temprature")


def test_things_are_somewhere() -> None:
    nowhere = {name for name, model in TYPES.items() if not issubclass(model, Located)}
    assert nowhere == {"ArrivalEstimation", "Dataset", "DeviceModel"}
