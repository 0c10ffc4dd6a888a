# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The columns of a dataset's files: known from what is declared, so that every file has the same ones.

First who, where and when, then one column for each attribute. Files about the current state have every
attribute; files about the past have the measured ones, and what marks an entity as simulated.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from models.entity import TIME_ATTRIBUTES
from models.types import attributes as attributes_of
from ontology.loader import context, quantities, units
from portal.described import label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from models.types import Attribute
    from portal.datasets import Dataset

Kind = Literal["text", "number", "integer", "boolean", "moment", "list", "structure"]

ID, NAME, SOURCE, LOCATION = "id", "name", "source", "location"
LONGITUDE, LATITUDE, TIME, QUALITY = "longitude", "latitude", "time", "quality"

#: Of columns that are no attribute.
_LABELS: Mapping[str, tuple[str, str]] = {
    ID: ("Kennung", "identifier"),
    LONGITUDE: ("Längengrad", "longitude"),
    LATITUDE: ("Breitengrad", "latitude"),
    TIME: ("Zeitpunkt", "time of observation"),
    QUALITY: ("Qualität", "quality"),
}
#: Numbers that somebody has set, and no sensor observes.
_SET = frozenset({"alertLevel", "dangerLevel", "totalSpotNumber"})
_STRUCTURED = ("PostalAddress",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: its header in files for machines.
        de: what people call it in German; with the unit, its header in German files.
        en: what people call it in English.
        kind: of its cells.
        unit: UN/CEFACT code; None: it has none.
        iri: what its name means; None: it is no attribute.
        sent: kind of the NGSI-LD attribute.
    """

    name: str
    de: str
    en: str
    kind: Kind
    unit: str | None = None
    iri: str | None = None
    sent: str = "Property"

    @property
    def symbol(self) -> str | None:
        """What people write behind its numbers."""
        unit = None if self.unit is None else units().get(self.unit)
        return None if unit is None or unit.symbol == "1" else unit.symbol

    @property
    def german(self) -> str:
        """Its header in German files."""
        return self.de if self.symbol is None else f"{self.de} [{self.symbol}]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """What the files of a dataset are about.

    Attributes:
        dataset: whose.
        past: they are about the past, not about the current state.
        named: entities have a name.
        placed: entities have a place.
        columns: of the attributes, without name and place.
    """

    dataset: Dataset
    past: bool
    named: bool
    placed: bool
    columns: tuple[Column, ...]

    @property
    def all(self) -> tuple[Column, ...]:
        """Every column of a table, in its order."""
        return (
            _own(ID, "text"),
            *([_own(NAME, "text")] if self.named else []),
            *([_own(LONGITUDE, "number"), _own(LATITUDE, "number")] if self.placed else []),
            _own(TIME, "moment"),
            *self.columns,
            _own(QUALITY, "text"),
        )

    @property
    def measured(self) -> tuple[str, ...]:
        """Names of the attributes of which the past is asked for."""
        return tuple(column.name for column in self.columns if column.name != SOURCE)


def sheet_of(dataset: Dataset, *, past: bool) -> Sheet:
    """Return what a dataset's files are about."""
    known = {attribute.name: attribute for attribute in attributes_of(dataset.model)}
    chosen = [
        _column(dataset, known[name])
        for name in dataset.attributes
        if name not in {NAME, LOCATION} and (not past or name == SOURCE or _is_measured(dataset, known[name]))
    ]
    return Sheet(
        dataset=dataset,
        past=past,
        named=NAME in dataset.attributes,
        placed=LOCATION in dataset.attributes,
        columns=tuple(_told_apart(chosen)),
    )


def _told_apart(columns: Sequence[Column]) -> Iterator[Column]:
    """Give columns that people call the same their own name beside it."""
    called = [column.de for column in columns]
    for column in columns:
        if called.count(column.de) == 1:
            yield column
        else:
            yield _renamed(column)


def _renamed(column: Column) -> Column:
    return Column(
        name=column.name,
        de=f"{column.de} ({column.name})",
        en=f"{column.en} ({column.name})",
        kind=column.kind,
        unit=column.unit,
        iri=column.iri,
        sent=column.sent,
    )


def _own(name: str, kind: Kind) -> Column:
    de, en = _LABELS.get(name) or label("", name)  # what every type has is called the same everywhere
    return Column(name=name, de=de, en=en, kind=kind)


def _column(dataset: Dataset, attribute: Attribute) -> Column:
    name, rule = attribute.name, dataset.rules.get(attribute.name)
    kind = _kind(dataset.model.model_fields[attribute.field].annotation)
    if kind == "integer" and rule is not None and rule.least is not None:
        kind = "number"  # a mean
    de, en = label(dataset.type, name)
    return Column(
        name=name,
        de=de,
        en=en,
        kind=kind,
        unit=attribute.unit,
        iri=_terms(dataset).get(name),
        sent=attribute.kind,
    )


def _terms(dataset: Dataset) -> dict[str, str]:
    document: dict[str, Any] = context(dataset.model.subject)["@context"]
    return {
        name: term["@id"] if isinstance(term, dict) else term
        for name, term in document.items()
        if isinstance(term, str) or (isinstance(term, dict) and "@id" in term)
    }


@cache
def _fed() -> frozenset[tuple[str, str]]:
    """Return types and attributes that a quantity becomes."""
    return frozenset(
        (type_name, target.attribute)
        for quantity in quantities().values()
        for type_name, target in quantity.targets.items()
    )


def _is_measured(dataset: Dataset, attribute: Attribute) -> bool:
    """Say whether an attribute is of the kind that sensors observe, and not one that describes."""
    if attribute.name in {*TIME_ATTRIBUTES, *_SET} or attribute.kind != "Property":
        return False
    if attribute.unit is not None or (dataset.type, attribute.name) in _fed():
        return True
    return _kind(dataset.model.model_fields[attribute.field].annotation) in {"number", "integer", "boolean"}


def _kind(annotation: Any) -> Kind:
    found = {kind for kind in _kinds(annotation) if kind is not None}
    if found == {"number", "integer"}:
        return "number"
    if "list" in found:
        return "list"
    return found.pop() if len(found) == 1 else "text"


def _kinds(annotation: Any) -> Iterator[Kind | None]:
    origin = get_origin(annotation)
    if origin in {Union, types.UnionType}:
        for part in get_args(annotation):
            yield from _kinds(part)
    elif origin is list:
        yield "list"
    elif origin is Literal:
        yield "boolean" if set(map(type, get_args(annotation))) == {bool} else "text"
    elif hasattr(annotation, "__metadata__"):
        yield from _kinds(get_args(annotation)[0])
    else:
        yield _plain(annotation)


def _plain(annotation: Any) -> Kind | None:
    plain: dict[Any, Kind] = {float: "number", int: "integer", bool: "boolean", datetime: "moment"}
    if annotation is type(None):
        return None
    if annotation in plain:
        return plain[annotation]
    name = getattr(annotation, "__name__", "")
    return "structure" if name in _STRUCTURED or get_origin(annotation) is dict else "text"
