# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
from __future__ import annotations

import csv
import json
import re
from fractions import Fraction
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.devices import ControlledProperty
from models.types import TYPES, attribute_unit, attributes
from ontology.loader import (
    areas,
    context,
    convert,
    core_context,
    profile_tables,
    quantities,
    subjects,
    units,
)
from ontology.turtle import Statement, Text, read_turtle
from tests.contexts import expected

if TYPE_CHECKING:
    from pathlib import Path

CODES = sorted(units())
# A display symbol of our own, where Recommendation 20 has none or none that people would write.
OWN_SYMBOLS = {"P1": "%", "IE": "Pers.", "H87": "St."}
# Logarithms: the recommendation's column is a formula.
LOGARITHMIC = {"DBM", "Q30"}
# The recommendation says 0,277 777 778 times 10⁻⁷ m/s; a millimetre an hour is ten times that.
WRONG_IN_THE_RECOMMENDATION = {"H67"}
SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"
FACTOR = re.compile(
    rf"(?:(?!10[{SUPERSCRIPTS}])(?P<mantissa>[\d/, ]+?)(?: x)? ?)?"
    rf"(?:10(?P<power>[{SUPERSCRIPTS}]+))?"
    rf"(?: ?[^\d,/ {SUPERSCRIPTS}].*)?"
)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def recommendation(shared: Path) -> dict[str, dict[str, str]]:
    return {row["CommonCode"]: row for row in rows(shared / "data" / "units" / "unece-units-of-measure.csv")}


@pytest.mark.parametrize("code", CODES)
def test_a_code_is_in_force_and_its_symbol_is_the_recommendations(
    code: str, recommendation: dict[str, dict[str, str]]
) -> None:
    assert recommendation[code]["Status"] == ""
    assert units()[code].symbol == OWN_SYMBOLS.get(code, recommendation[code]["Symbol"])


def conversion_factor(text: str) -> float:
    """Read `0,277 778 m/s`, `1,745 329 x 10⁻² rad`, `5/9 x K`, `10³ Pa`, `Pa`."""
    found = FACTOR.fullmatch(text.replace("\xa0", " ").replace("\N{MULTIPLICATION SIGN}", "x"))
    assert found is not None, text
    mantissa = Fraction((found["mantissa"] or "1").replace(" ", "").replace(",", "."))
    power = (found["power"] or "⁰").translate(str.maketrans(SUPERSCRIPTS, "0123456789-"))
    return float(mantissa * Fraction(10) ** int(power))


@pytest.mark.parametrize("code", sorted(set(CODES) - LOGARITHMIC - WRONG_IN_THE_RECOMMENDATION))
def test_a_factor_is_the_recommendations(code: str, recommendation: dict[str, dict[str, str]]) -> None:
    text = recommendation[code]["ConversionFactor"]
    if text:
        assert units()[code].factor == pytest.approx(conversion_factor(text), rel=5e-6)
    else:
        assert code in {"H87", "IE", "NTU", "K3", "C79"}


def test_only_temperatures_have_an_offset() -> None:
    assert {unit.code for unit in units().values() if unit.offset} == {"CEL", "FAH"}


@pytest.mark.parametrize("code", CODES)
def test_ucum_and_qudt_are_those_of_qudt(code: str, shared: Path) -> None:
    unit = units()[code]
    matches = [
        row
        for row in rows(shared / "data" / "units" / "derived-cefact-qudt-ucum.csv")
        if row["cefact"] == code
    ]
    if matches:
        (match,) = [row for row in matches if row["qudt_iri"] == unit.qudt]
        assert match["ucum"] in ("", unit.ucum)
    else:
        assert code in {"H87", "IE", "NTU", "Q30"}


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (45.3, "P1", "C62", 0.453),
        (20, "CEL", "FAH", 68),
        (-40, "FAH", "CEL", -40),
        (0, "CEL", "KEL", 273.15),
        (101.325, "KPA", "A97", 1013.25),
        (1.2, "H61", "D10", 0.12),
        (36, "KMH", "MTS", 10),
        (12, "CMT", "MTR", 0.12),
        (3612, "2Z", "VLT", 3.612),
        (1, "H67", "C16", 1 / 3600),
        (180, "DD", "C81", 3.14159265359),
        (21.5, "CEL", "CEL", 21.5),
    ],
)
def test_conversion(value: float, source: str, target: str, expected: float) -> None:
    assert convert(value, source, target) == pytest.approx(expected, rel=1e-11)


def test_a_converted_value_is_as_short_as_the_measured_one() -> None:
    assert repr(convert(45.3, "P1", "C62")) == "0.453"


def test_a_number_beyond_all_measure_is_infinite() -> None:
    assert convert(10**400, "CMT", "MTR") == float("inf")
    assert convert(-(10**400), "CEL", "FAH") == float("-inf")


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("HPA", "A97", "“HPA” is no unit code"),
        ("A97", "hPa", "“hPa” is no unit code"),
        ("P1", "IE", r"P1 \(ratio\) cannot be converted into IE \(persons\)"),
        ("61", "GQ", "cannot be converted"),
    ],
)
def test_what_cannot_be_converted_says_why(source: str, target: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        convert(1, source, target)


PAIRS = [(a, b) for a in CODES for b in CODES if units()[a].dimension == units()[b].dimension]


@given(
    pair=st.sampled_from(PAIRS),
    value=st.floats(min_value=-1e9, max_value=1e9, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-9),
)
def test_there_and_back_is_where_it_began(pair: tuple[str, str], value: float) -> None:
    source, target = pair
    between = convert(value, source, target)
    # Twelve digits of what lies between are kept: an offset (273.15) costs a small value its last ones.
    rounding = abs(between) * 1e-11 * units()[target].factor / units()[source].factor
    assert convert(between, target, source) == pytest.approx(value, rel=1e-11, abs=rounding + 1e-12)


# --- quantities ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(quantities()))
def test_a_quantity_says_all_that_its_readings_need(name: str) -> None:
    quantity = quantities()[name]
    assert quantity.label_de
    assert quantity.label_en
    assert quantity.kind in {"number", "boolean", "text"}
    if quantity.kind == "number":
        assert quantity.unit in units()
        assert quantity.low is not None
        assert quantity.high is not None
        assert quantity.low < quantity.high
    else:
        assert (quantity.unit, quantity.low, quantity.high) == (None, None, None)
    words: tuple[str, ...] = ControlledProperty.__args__  # type: ignore[attr-defined]
    assert quantity.controlled is None or quantity.controlled in words


TARGETS = [(name, type_name) for name, quantity in quantities().items() for type_name in quantity.targets]


@pytest.mark.parametrize(("name", "type_name"), TARGETS)
def test_a_target_takes_every_plausible_reading(name: str, type_name: str) -> None:
    quantity = quantities()[name]
    target = quantity.targets[type_name]
    readings: list[Any]
    if target.values:
        readings = list(target.values.values())
        assert quantity.kind != "boolean" or set(target.values) == {"true", "false"}
    else:
        unit = target.unit or attribute_unit(type_name, target.attribute)
        assert quantity.unit is not None
        assert unit is not None
        readings = [
            convert(number, quantity.unit, unit)
            for number in (quantity.low, quantity.high)
            if number is not None
        ]
    for reading in readings:
        if below_what_the_schema_knows(type_name, target.attribute, reading):
            continue
        field = {row.name: row.field for row in attributes(TYPES[type_name])}[target.attribute]
        TYPES[type_name].__pydantic_validator__.validate_assignment(
            TYPES[type_name].model_construct(), field, reading
        )


# What is possible, but not for these schemas: such a value is left out, with a reason.
NEVER_BELOW_ZERO = {
    ("IndoorEnvironmentObserved", "temperature"),  # frost in a room
    ("PhotovoltaicMeasurement", "reactivePower"),
    ("PhotovoltaicMeasurement", "temperature"),
    ("WaterObserved", "waterLevel"),  # a river below its gauge's zero
    ("WaterQualityObserved", "orp"),
}


def below_what_the_schema_knows(type_name: str, attribute: str, reading: Any) -> bool:
    return (type_name, attribute) in NEVER_BELOW_ZERO and reading < 0


# A meter counts one of them.
METERED = ("SmartMeteringObservation", "totalConsumption")


def test_no_two_quantities_of_a_type_share_an_attribute() -> None:
    taken = [
        (type_name, target.attribute)
        for quantity in quantities().values()
        for type_name, target in quantity.targets.items()
    ]
    assert {target for target in taken if taken.count(target) > 1} == {METERED}


# What nothing measures: places, works, events, plans, reports, and what is derived from measurements.
UNMEASURED = {
    *("Alert", "Anomaly", "ArrivalEstimation", "CityWork", "Dataset", "DeviceMeasurement", "DeviceModel"),
    *("Event", "IssueReporting", "KeyPerformanceIndicator", "Museum", "WeatherAlert", "WeatherForecast"),
}


def test_every_type_that_measures_is_fed() -> None:
    fed = {type_name for quantity in quantities().values() for type_name in quantity.targets}
    assert fed == set(TYPES) - UNMEASURED


# The public normalised payload schema of LoRaWAN devices, by its paths, and what it measures in.
# Its `battery` is our battery.voltage, and water.temperature.current our water.temperature.
NORMALIZED = {
    "soil.depth": "CMT",
    "soil.moisture": "P1",
    "soil.temperature": "CEL",
    "soil.ec": "H61",  # dS/m
    "soil.pH": "Q30",
    "soil.n": "59",
    "soil.p": "59",
    "soil.k": "59",
    "air.location": None,
    "air.temperature": "CEL",
    "air.relativeHumidity": "P1",
    "air.pressure": "A97",
    "air.co2": "59",
    "air.lightIntensity": "LUX",
    "wind.speed": "MTS",
    "wind.direction": "DD",
    "rain.intensity": "H67",
    "rain.cumulative": "MMT",
    "water.leak": None,
    "water.temperature.min": "CEL",
    "water.temperature.max": "CEL",
    "water.temperature.avg": "CEL",
    "metering.water.total": "LTR",
    "action.motion.detected": None,
    "action.motion.count": "C62",
    "action.contactState": None,
    "position.latitude": "DD",
    "position.longitude": "DD",
    "battery.voltage": "VLT",
    "water.temperature": "CEL",
}


def test_the_public_schemas_measurements_are_quantities() -> None:
    assert {name: quantities()[name].unit for name in NORMALIZED} == NORMALIZED


# --- impact areas --------------------------------------------------------------------------------------


def test_the_ten_areas_of_the_strategy() -> None:
    assert [area.label_de for area in areas().values()] == [
        "Mobilität",
        "Klima und Nachhaltigkeit",
        "Integration und Teilhabe",
        "Verwaltung",
        "Katastrophenschutz",
        "Stadtentwicklung",
        "Bildung",
        "Kultur",
        "Wirtschaft",
        "Wissenschaft",
    ]
    for name, area in areas().items():
        assert area.iri == f"urn:volme:area:{name}"
        assert area.label_en
        assert area.definition_de.endswith(".")
        assert area.definition_en.endswith(".")


def test_areas_are_mapped_to_themes_that_there_are(shared: Path) -> None:
    path = shared / "data" / "dcat-ap-de-shapes" / "vocab" / "vocab-inscheme.ttl"
    themes = set(
        re.findall(r"http://publications\.europa\.eu/resource/authority/data-theme/[A-Z]+", path.read_text())
    )
    for area in areas().values():
        assert area.themes
        assert set(area.themes) <= themes


def test_every_area_is_served_and_every_type_serves_one() -> None:
    assert {area for model in TYPES.values() for area in model.areas} == areas().keys()
    assert all(model.areas and len(set(model.areas)) == len(model.areas) for model in TYPES.values())


def test_every_area_is_measured() -> None:
    measured = {type_name for quantity in quantities().values() for type_name in quantity.targets}
    assert {area for name in measured for area in TYPES[name].areas} == areas().keys()


def test_the_scheme_names_its_areas() -> None:
    text = (resources.files("ontology") / "impact_areas.ttl").read_text(encoding="utf-8")
    top = [row.object for row in read_turtle(text) if row.predicate.endswith("#hasTopConcept")]
    assert top == [area.iri for area in areas().values()]


def test_turtle() -> None:
    assert read_turtle('@prefix e: <urn:e:> .\n<urn:s> a e:T ; e:p "ä \\"b\\""@de-AT, "c" . # said\n') == (
        Statement(
            subject="urn:s",
            predicate="http://www.w3.org/1999/02/22-rdf-syntax-ns#type",
            object="urn:e:T",
        ),
        Statement(subject="urn:s", predicate="urn:e:p", object=Text(value='ä "b"', language="de-AT")),
        Statement(subject="urn:s", predicate="urn:e:p", object=Text(value="c")),
    )


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("<urn:s> a <urn:t> ", "line 1: the document ends where `;`, `,` or `.` is expected"),
        ("<urn:s> a <urn:t> ; .", "“.” is no IRI"),
        ("<urn:s> a <urn:t> <urn:u> .", "does not end with a full stop"),
        ("<urn:s>\n a e:t .", "line 2: “e:t” is no IRI, and no name with a prefix that is declared"),
        ("<urn:s> <urn:p> [ ] .", "no Turtle that this reader knows"),
        ("<urn:s> <urn:p> 5 .", "no Turtle that this reader knows"),
        ("@prefix e:x <urn:e:> .", "a prefix is declared as"),
        ('"text" a <urn:t> .', "is no IRI"),
    ],
)
def test_what_is_no_turtle_is_said(document: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        read_turtle(document)


# --- contexts ------------------------------------------------------------------------------------------


def etsi(shared: Path, version: str) -> dict[str, Any]:
    path = shared / "data" / "etsi-core-context" / f"ngsi-ld-core-context-{version}.jsonld"
    terms: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["@context"]
    return terms


def test_there_is_a_context_for_every_subject_of_a_type() -> None:
    assert set(subjects()) == {model.subject for model in TYPES.values()}


@pytest.mark.parametrize("subject", subjects())
def test_a_context_has_the_terms_of_its_types_and_they_mean_what_they_officially_mean(
    subject: str, shared: Path
) -> None:
    assert context(subject)["@context"] == expected(shared, subject), "mended by `python -m tests.contexts`"


@pytest.mark.parametrize("subject", subjects())
def test_a_context_leaves_the_core_terms_to_the_core(subject: str, shared: Path) -> None:
    terms = context(subject)["@context"].keys()
    assert not terms & etsi(shared, "v1.8").keys()
    assert not terms & etsi(shared, "v1.9").keys()


@pytest.mark.parametrize("name", ["Nowhere", "core", "../units", ""])
def test_there_is_no_context_but_the_subjects(name: str) -> None:
    with pytest.raises(ValueError, match="is no subject"):
        context(name)


def test_the_core_terms_are_etsis(shared: Path) -> None:
    ours, theirs = core_context()["@context"], etsi(shared, "v1.8")
    # Version 1.8 forgot the prefix of two terms; version 1.9 has it.
    mended = {name: etsi(shared, "v1.9")[name] for name in ("attributeCount", "attributeDetails")}
    assert ours == {**theirs, **mended}


def test_device_profiles_are_tables() -> None:
    assert all(isinstance(table, dict) for table in profile_tables().values())
