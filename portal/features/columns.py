# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The columns of a dataset: flat, and the same for each of its features.

A column is an attribute's value; a structured value (an address) has one for each of its members. Where
a dataset has several measured attributes, the time of each has a column of its own, behind all others.
Columns follow from the declaration alone, never from the data: they do not come and go.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

from models.types import attributes as attributes_of
from models.values import rfc3339
from ontology.loader import quantities, units
from portal.described import label
from portal.views import moment_of, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from portal.datasets import Dataset, Model

Kind = Literal["string", "number", "integer", "boolean", "date-time", "array", "object"]

#: The column with the newest time of observation of a feature.
OBSERVED_AT: Final = "observedAt"
_KINDS: Final[Mapping[str, Kind]] = {
    "string": "string",
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
    "array": "array",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: the feature's property.
        attribute: of the entity; None: it is of the entity as a whole.
        member: of the attribute's structured value; None: the value itself.
        time: it is the time at which the attribute was observed.
        kind: of its values.
        words: those that there may be; empty: any.
        unit: UN/CEFACT code; None: it has none.
        title_de: what it is, in German.
        title_en: the same in English.
    """

    name: str
    attribute: str | None
    member: str | None = None
    time: bool = False
    kind: Kind
    words: tuple[str, ...] = ()
    unit: str | None = None
    title_de: str
    title_en: str

    @property
    def symbol(self) -> str | None:
        """What people write behind its numbers."""
        unit = None if self.unit is None else units().get(self.unit)
        return None if unit is None or unit.symbol == "1" else unit.symbol

    @property
    def filters(self) -> bool:
        """Whether features can be asked for by its values."""
        return self.kind != "object"

    def title(self, language: str) -> str:
        """Return what it is."""
        return self.title_de if language == "de" else self.title_en

    def schema(self, language: str) -> dict[str, Any]:
        """Return its JSON Schema."""
        schema: dict[str, Any] = {
            "type": "string" if self.kind == "date-time" else self.kind,
            "title": self.title(language),
        }
        if self.kind == "date-time":
            schema["format"] = "date-time"
        if self.kind == "array":
            schema["items"] = {"type": "string", **({"enum": list(self.words)} if self.words else {})}
        elif self.words:
            schema["enum"] = list(self.words)
        if self.unit is not None:
            unit = units().get(self.unit)
            schema |= {"x-ogc-unit": unit.ucum if unit else self.unit}
            if unit is not None:
                schema |= {"x-ogc-unitLang": "http://www.opengis.net/def/uom/UCUM", "x-unitCode": unit.code}
        return schema


@cache
def _measured() -> frozenset[tuple[str, str]]:
    """Return the attributes that quantities of the vocabulary become, with their types."""
    return frozenset(
        (type_name, target.attribute)
        for quantity in quantities().values()
        for type_name, target in quantity.targets.items()
    )


@cache
def _schemas(model: Model) -> Mapping[str, Any]:
    """Return the JSON Schemas of a type's attributes, with what they refer to in place."""
    schema = model.model_json_schema()
    defined = schema.get("$defs", {})

    def resolved(part: Mapping[str, Any]) -> dict[str, Any]:
        found = [each for each in part.get("anyOf", [part]) if each.get("type") != "null"]
        if len({each.get("type") for each in found}) > 1:
            return {}  # of several types: as it comes
        first = found[0]
        return dict(defined[first["$ref"].rpartition("/")[2]] if "$ref" in first else first)

    attributes = {name: resolved(part) for name, part in schema["properties"].items()}
    for attribute in attributes.values():
        if "properties" in attribute:
            members = attribute["properties"].items()
            attribute["properties"] = {name: resolved(part) for name, part in members}
    return attributes


def geometry_attribute(dataset: Dataset) -> str | None:
    """Return the attribute that says where a dataset's entities are; None: nothing says it."""
    kinds = {attribute.name: attribute.kind for attribute in attributes_of(dataset.model)}
    places = [name for name in dataset.attributes if kinds[name] == "GeoProperty"]
    return "location" if "location" in places else next(iter(places), None)


def columns_of(dataset: Dataset) -> tuple[Column, ...]:
    """Return a dataset's columns: when it was observed, then the attributes as they are declared."""
    known = {attribute.name: attribute for attribute in attributes_of(dataset.model)}
    schemas, quantified = _schemas(dataset.model), _measured()
    place = geometry_attribute(dataset)
    measured = [name for name in dataset.attributes if (dataset.type, name) in quantified]
    columns = [
        Column(
            name=OBSERVED_AT,
            attribute=None,
            kind="date-time",
            title_de="Zuletzt gemessen",
            title_en="Last observed",
        )
    ]
    for name in dataset.attributes:
        if name != place:
            columns.extend(_columns(dataset, name, schemas.get(name, {}), known[name].unit))
    if len(measured) > 1:
        columns.extend(_time(name, *label(dataset.type, name)) for name in measured)
    return tuple(columns)


def _time(name: str, title_de: str, title_en: str) -> Column:
    return Column(
        name=f"{name}_{OBSERVED_AT}",
        attribute=name,
        time=True,
        kind="date-time",
        title_de=f"{title_de}: gemessen",
        title_en=f"{title_en}: observed",
    )


def _columns(
    dataset: Dataset,
    name: str,
    schema: Mapping[str, Any],
    unit: str | None,
) -> Iterable[Column]:
    rule = dataset.rules.get(name)
    de, en = label(dataset.type, name)
    members = schema.get("properties")
    if members and schema.get("type") == "object":
        kept = members if rule is None or rule.keep is None else rule.keep
        for member in kept:
            part = members.get(member, {})
            yield Column(
                name=f"{name}_{member}",
                attribute=name,
                member=member,
                kind=_kind(part),
                words=_words(part),
                title_de=f"{de}: {member}",
                title_en=f"{en}: {member}",
            )
        return
    kind = _kind(schema)
    if kind == "integer" and rule is not None and rule.least is not None:
        kind = "number"  # a mean
    yield Column(
        name=name,
        attribute=name,
        kind=kind,
        words=_words(schema.get("items", {}) if kind == "array" else schema),
        unit=unit,
        title_de=de,
        title_en=en,
    )


def _kind(schema: Mapping[str, Any]) -> Kind:
    if schema.get("format") == "date-time":
        return "date-time"
    kind = schema.get("type")
    if kind is None and ("enum" in schema or "const" in schema):
        return "string"
    return _KINDS.get(str(kind), "object")


def _words(schema: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(word for word in schema.get("enum", ()) if isinstance(word, str))


class Reader:
    """Makes properties of entities.

    Args:
        columns: of the dataset (`columns_of`).
        times: names of the attributes whose values are times of observation.
    """

    def __init__(self, columns: Sequence[Column], times: Sequence[str]) -> None:
        self._none: dict[str, Any] = dict.fromkeys(column.name for column in columns)
        self._times = times
        self._columns: dict[str, list[Column]] = {}
        for column in columns:
            if column.attribute is not None:
                self._columns.setdefault(column.attribute, []).append(column)

    def read(self, entity: Mapping[str, Any]) -> tuple[dict[str, Any], datetime | None]:
        """Return an entity's properties, every column, and when it was last observed.

        Where no attribute has an `observedAt`, the values that are times of observation say it.

        Args:
            entity: normalized.
        """
        found = self._none.copy()
        moments: list[str] = []
        for name in entity:
            columns = self._columns.get(name)
            if columns is None:
                continue
            attribute = instance_of(entity, name)
            if attribute is None:
                continue
            if "observedAt" in attribute:
                moments.append(attribute["observedAt"])
            for column in columns:
                found[column.name] = (
                    attribute.get("observedAt") if column.time else _value(column, value_of(attribute))
                )
        if not moments:
            values = (found.get(name) for name in self._times)
            moments = [value for value in values if isinstance(value, str)]
        observed = max((moment_of(text) for text in set(moments)), default=None)
        found[OBSERVED_AT] = None if observed is None else rfc3339(observed)
        return found, observed


def _value(column: Column, value: Any) -> Any:
    if column.member is not None:
        return value.get(column.member) if isinstance(value, dict) else None
    if column.kind == "array" and value is not None and not isinstance(value, list):
        return [value]  # brokers give [x] back as x
    return value


def instance_of(entity: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """Return an attribute of a normalized entity; of several instances the one without a `datasetId`."""
    attribute = entity.get(name)
    if isinstance(attribute, list):
        instances = [each for each in attribute if isinstance(each, dict)]
        default = next((each for each in instances if "datasetId" not in each), None)
        return default or next(iter(instances), None)
    return attribute if isinstance(attribute, dict) else None
