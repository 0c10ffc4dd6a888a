# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The ontology as plain data, read once: units, quantities, impact areas, contexts, device profiles."""

from __future__ import annotations

import csv
import json
import math
import tomllib
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from ontology.turtle import Text, read_turtle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ontology.turtle import Statement

_FOLDER = Path(__file__).parent
_CONTEXTS = _FOLDER / "contexts"
_CORE = "core"


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """A unit of measure: a row of `units.csv`.

    Attributes:
        code: UN/CEFACT Recommendation 20 common code, the `unitCode` of NGSI-LD.
        symbol: what people write behind the number.
        ucum: the code in the Unified Code for Units of Measure, case-sensitive.
        qudt: IRI in the QUDT vocabulary.
        label_de: German name.
        dimension: units of one dimension convert into each other.
        factor: SI value = value * factor + offset; for logarithmic units of the dimension's own scale.
        offset: see factor.
    """

    code: str
    symbol: str
    ucum: str
    qudt: str
    label_de: str
    dimension: str
    factor: float
    offset: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Area:
    """An area of the city's strategy: a concept of `impact_areas.ttl`.

    Attributes:
        name: such as `civil-protection`; what the models call it.
        iri: its IRI.
        label_de: German name.
        label_en: English name.
        definition_de: what it is about, in German: a sentence.
        definition_en: the same in English.
        themes: IRIs of EU data themes that its datasets are published under, the closest first.
    """

    name: str
    iri: str
    label_de: str
    label_en: str
    definition_de: str
    definition_en: str
    themes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The attribute of a Smart Data Models type that takes a quantity.

    Attributes:
        attribute: its name.
        values: reading, as text in lower case (`true`), to the attribute's value (`occupied`); empty:
            the reading itself, converted into the attribute's unit.
        unit: UN/CEFACT code that the quantity is sent in, where the attribute takes several quantities and
            its own unit is another one's.
    """

    attribute: str
    values: Mapping[str, Any] = field(default_factory=dict)
    unit: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantity:
    """A name of the normalised vocabulary: a table of `quantities.toml`.

    Attributes:
        name: such as `air.temperature`.
        kind: what its readings are.
        unit: UN/CEFACT code of its readings; None for what has no unit.
        low: the least value that is physically possible, in that unit; None: not bounded.
        high: the greatest.
        rate: the greatest change in a minute that is possible, in that unit; None: any.
        stuck: hours that it never stays exactly the same; None: it may.
        label_de: German name.
        label_en: English name.
        controlled: what the Device model calls it in `controlledProperty`; None: it has no word for it.
        difference: of a counter, the quantity that is counted from one reading to the next.
        targets: the attribute that takes it, by type. A type without one cannot say it.
    """

    name: str
    kind: Literal["number", "boolean", "text"]
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    rate: float | None = None
    stuck: float | None = None
    label_de: str
    label_en: str
    controlled: str | None = None
    difference: str | None = None
    targets: Mapping[str, Target] = field(default_factory=dict)


@cache
def units() -> Mapping[str, Unit]:
    """Return the units by UN/CEFACT code."""
    return MappingProxyType({code: _unit(row) for code, row in _unit_rows().items()})


@cache
def _unit_rows() -> Mapping[str, dict[str, str]]:
    with (_FOLDER / "units.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: row for row in csv.DictReader(line for line in file if not line.startswith("#"))}


def _unit(row: Mapping[str, str]) -> Unit:
    return Unit(
        code=row["code"],
        symbol=row["symbol"],
        ucum=row["ucum"],
        qudt=row["qudt"],
        label_de=row["label_de"],
        dimension=row["dimension"],
        factor=float(Fraction(row["factor"])),
        offset=float(Fraction(row["offset"])),
    )


def convert(value: float, source: str, target: str) -> float:
    """Convert a value from one unit (UN/CEFACT code) into another.

    Rounded to twelve significant digits: 45.3 % is 0.453, not 0.45299999999999996. A whole number beyond
    what floats hold becomes infinite, which is plausible for no quantity.

    Raises:
        ValueError: a code is unknown, or the units measure different things.
    """
    if source == target:
        return value
    factor, shift = conversion(source, target)
    try:
        return float(f"{value * factor + shift:.12g}")
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def clean(value: float) -> float:
    """Return a measured number without the noise of binary fractions: 21.7, not 21.700000000000003.

    No sensor resolves nine digits behind the point in its quantity's unit.
    """
    return round(float(value), 9)


@cache
def conversion(source: str, target: str) -> tuple[float, float]:
    """Return factor and shift between two units, from the exact decimals and ratios ("5/18") of units.csv.

    Raises:
        ValueError: a code is unknown, or the units measure different things.
    """
    rows = _unit_rows()
    for code in (source, target):
        if code not in rows:
            msg = f"“{code}” is no unit code in the ontology's units.csv"
            raise ValueError(msg)
    have, want = rows[source], rows[target]
    if have["dimension"] != want["dimension"]:
        msg = f"{source} ({have['dimension']}) cannot be converted into {target} ({want['dimension']})"
        raise ValueError(msg)
    factor = Fraction(have["factor"]) / Fraction(want["factor"])
    shift = (Fraction(have["offset"]) - Fraction(want["offset"])) / Fraction(want["factor"])
    return float(factor), float(shift)


@cache
def quantities() -> Mapping[str, Quantity]:
    """Return the normalised vocabulary by name."""
    tables = tomllib.loads((_FOLDER / "quantities.toml").read_text(encoding="utf-8"))
    return MappingProxyType({name: _quantity(name, table) for name, table in tables.items()})


def _quantity(name: str, table: Mapping[str, Any]) -> Quantity:
    low, high = table.get("range", (None, None))
    return Quantity(
        name=name,
        kind=table["kind"],
        unit=table.get("unit"),
        low=low,
        high=high,
        rate=table.get("rate"),
        stuck=table.get("stuck"),
        label_de=table["de"],
        label_en=table["en"],
        controlled=table.get("controlled"),
        difference=table.get("difference"),
        targets=MappingProxyType(
            {
                type_name: Target(**target) if isinstance(target, dict) else Target(attribute=target)
                for type_name, target in table.get("targets", {}).items()
            }
        ),
    )


_SKOS = "http://www.w3.org/2004/02/skos/core#"


@cache
def areas() -> Mapping[str, Area]:
    """Return the impact areas by name, in the strategy's order."""
    said: dict[str, list[Statement]] = {}
    for statement in read_turtle((_FOLDER / "impact_areas.ttl").read_text(encoding="utf-8")):
        said.setdefault(statement.subject, []).append(statement)
    concepts = (iri for iri, about in said.items() if any(row.object == f"{_SKOS}Concept" for row in about))
    return MappingProxyType({area.name: area for area in (_area(iri, said[iri]) for iri in concepts)})


def _area(iri: str, said: Sequence[Statement]) -> Area:
    texts = {
        (row.predicate, row.object.language): row.object.value for row in said if isinstance(row.object, Text)
    }
    themes = tuple(
        row.object
        for match in ("closeMatch", "broadMatch", "relatedMatch")
        for row in said
        if row.predicate == f"{_SKOS}{match}" and isinstance(row.object, str)
    )
    return Area(
        name=iri.rpartition(":")[2],
        iri=iri,
        label_de=texts[f"{_SKOS}prefLabel", "de"],
        label_en=texts[f"{_SKOS}prefLabel", "en"],
        definition_de=texts[f"{_SKOS}definition", "de"],
        definition_en=texts[f"{_SKOS}definition", "en"],
        themes=themes,
    )


@cache
def subjects() -> tuple[str, ...]:
    """Return the names of the subjects that have a context: Smart Data Models' `dataModel.<subject>`."""
    return tuple(sorted(path.stem for path in _CONTEXTS.glob("*.jsonld") if path.stem != _CORE))


@cache
def context(subject: str) -> dict[str, Any]:
    """Return a subject's JSON-LD document: `{"@context": {term: IRI}}`, without the core terms.

    Raises:
        ValueError: there is no such subject.
    """
    if subject not in subjects():
        msg = f"“{subject}” is no subject: there are {', '.join(subjects())}"
        raise ValueError(msg)
    return _document(subject)


@cache
def core_context() -> dict[str, Any]:
    """Return the NGSI-LD core terms as a JSON-LD document (ETSI GS CIM 009 v1.8, annex B)."""
    return _document(_CORE)


def _document(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((_CONTEXTS / f"{name}.jsonld").read_text(encoding="utf-8"))
    return document


@cache
def profile_tables() -> Mapping[str, dict[str, Any]]:
    """Return the raw tables of `devices/*.toml` by profile name.

    Raises:
        ValueError: two files describe the same profile.
    """
    tables: dict[str, dict[str, Any]] = {}
    for path in sorted((_FOLDER / "devices").glob("*.toml")):
        for name, table in tomllib.loads(path.read_text(encoding="utf-8")).items():
            if name in tables:
                msg = f"the device profile “{name}” is described twice, the second time in {path.name}"
                raise ValueError(msg)
            tables[name] = table
    return MappingProxyType(tables)
