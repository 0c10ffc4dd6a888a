# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""GeoJSON (RFC 7946) and JSON-LD, written row by row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import orjson

from ontology.loader import context, core_context
from portal.exports.columns import ID, LOCATION, NAME, QUALITY, TIME
from portal.exports.rows import flags
from portal.exports.tables import utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from portal.exports.columns import Sheet
    from portal.exports.rows import Row


class _Listed(ABC):
    """Writes a document that is a list of objects between a head and a tail, a line each."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._first = True

    def begin(self) -> bytes:
        """Write the head."""
        return self.head()

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Write rows."""
        if not rows:
            return b""
        before, self._first = (b"\n" if self._first else b",\n"), False
        return before + b",\n".join(orjson.dumps(each) for each in self.objects(rows))

    def end(self) -> bytes:
        """Write the tail."""
        return b"\n]}\n"

    @abstractmethod
    def head(self) -> bytes:
        """Return what stands before the objects."""

    @abstractmethod
    def objects(self, rows: Iterable[Row]) -> Iterable[Mapping[str, Any]]:
        """Return rows as objects."""


class GeoJson(_Listed):
    """A collection of features; their properties are the columns."""

    def head(self) -> bytes:
        """Return what stands before the features."""
        return b'{"type":"FeatureCollection","features":['

    def objects(self, rows: Iterable[Row]) -> Iterable[Mapping[str, Any]]:
        """Return features; those of the current state have the entity's id as their own."""
        names = [column.name for column in self._sheet.columns]
        for row in rows:
            properties: dict[str, Any] = {ID: row.id}
            if self._sheet.named:
                properties[NAME] = row.name
            properties[TIME] = None if row.moment is None else utc(row.moment)
            properties.update(zip(names, row.values, strict=True))
            properties[QUALITY] = flags(row)
            own = {} if self._sheet.past else {"id": row.id}
            yield {"type": "Feature", **own, "geometry": row.place, "properties": properties}


class JsonLd(_Listed):
    """NGSI-LD entities in a graph, with all that their names mean in the file itself.

    Of the past there is an object for each row: as JSON-LD, objects of the same id are one entity, which
    has each attribute as often as it was observed.
    """

    def head(self) -> bytes:
        """Return the context, and what stands before the entities."""
        known: dict[str, Any] = context(self._sheet.dataset.model.subject)["@context"]
        names = (self._sheet.dataset.type, *self._sheet.dataset.attributes)
        terms = {name: known[name] for name in (*names, QUALITY) if name in known}
        contexts = orjson.dumps([terms, core_context()["@context"]])
        return b'{"@context":' + contexts + b',"@graph":['

    def objects(self, rows: Iterable[Row]) -> Iterable[Mapping[str, Any]]:
        """Return entities, normalized."""
        for row in rows:
            yield self._past(row) if row.entity is None else self._entity(row.entity)

    def _entity(self, entity: Mapping[str, Any]) -> Mapping[str, Any]:
        kept = {ID, "type", *self._sheet.dataset.attributes}
        return {name: value for name, value in entity.items() if name in kept}

    def _past(self, row: Row) -> Mapping[str, Any]:
        found: dict[str, Any] = {ID: row.id, "type": self._sheet.dataset.type}
        if row.name is not None:
            found[NAME] = {"type": "Property", "value": row.name}
        if row.place is not None:
            found[LOCATION] = {"type": "GeoProperty", "value": row.place}
        observed = None if row.moment is None else utc(row.moment)
        for column, value in zip(self._sheet.columns, row.values, strict=True):
            if value is None:
                continue
            attribute: dict[str, Any] = {"type": "Property", "value": value}
            if column.unit is not None:
                attribute["unitCode"] = column.unit
            if column.name in self._sheet.measured and observed is not None:
                attribute["observedAt"] = observed
            if row.quality is not None and column.name in row.quality:
                attribute[QUALITY] = {"type": "Property", "value": row.quality[column.name]}
            found[column.name] = attribute
        return found
