# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the columns of CSV files mean: a dictionary as CSV, and metadata by CSV on the Web (W3C)."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from ontology.loader import units
from portal.exports.columns import ID, LATITUDE, LONGITUDE, QUALITY, TIME
from portal.exports.tables import TIME_ZONE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from portal.exports.columns import Column, Kind, Sheet

_HEADER = (
    "name", "name_de", "label_de", "label_en", "type", "unit_symbol", "unit_de", "unit_ucum",
    "unit_un_cefact", "unit_qudt", "iri",
)  # fmt: skip
_UNIT = "http://purl.org/linked-data/sdmx/2009/attribute#unitMeasure"
_TYPES: Mapping[Kind, str] = {
    "text": "string",
    "number": "double",
    "integer": "integer",
    "boolean": "boolean",
    "moment": "dateTimeStamp",
    "list": "string",
    "structure": "string",
}
_OF_WGS_84 = {
    LONGITUDE: "http://www.w3.org/2003/01/geo/wgs84_pos#long",
    LATITUDE: "http://www.w3.org/2003/01/geo/wgs84_pos#lat",
    TIME: "http://www.w3.org/ns/sosa/resultTime",
}


def columns_csv(sheet: Sheet) -> bytes:
    """Return the dictionary of a dataset's columns as CSV (comma, UTF-8)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_HEADER)
    for column in sheet.all:
        unit = None if column.unit is None else units().get(column.unit)
        of_unit = ("",) * 5 if unit is None else (unit.symbol, unit.label_de, unit.ucum, unit.code, unit.qudt)
        iri = column.iri or _OF_WGS_84.get(column.name, "")
        writer.writerow(
            (column.name, column.german, column.de, column.en, _TYPES[column.kind], *of_unit, iri)
        )
    return text.getvalue().encode()


def table(sheet: Sheet, *, url: str, title: str, licence: str, german: bool) -> dict[str, Any]:
    """Return the metadata of one CSV file (CSV on the Web, Metadata Vocabulary for Tabular Data).

    Args:
        sheet: what the file is about.
        url: of the file.
        title: of the file.
        licence: its IRI.
        german: the file is the German variant.
    """
    return {
        "url": url,
        "dc:title": title,
        "dc:license": {"@id": licence},
        "dialect": {
            "delimiter": ";" if german else ",",
            "quoteChar": '"',
            "doubleQuote": True,
            "header": True,
            "encoding": "utf-8",
        },
        "tableSchema": {
            "columns": list(_columns(sheet, german=german)),
            "primaryKey": [ID] if not sheet.past else [ID, TIME],
        },
    }


def metadata(*tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document about one file, or a group of files."""
    head = {"@context": ["http://www.w3.org/ns/csvw", {"@language": "de"}]}
    return {**head, **tables[0]} if len(tables) == 1 else {**head, "tables": list(tables)}


def _columns(sheet: Sheet, *, german: bool) -> Iterator[dict[str, Any]]:
    for column in sheet.all:
        yield _column(column, german=german, required=column.name == ID)
        if german and column.name == TIME:
            label = {"de": "Abstand von UTC", "en": "offset from UTC"}
            yield {"name": "timeZone", "titles": TIME_ZONE, "dc:title": _both(**label), "datatype": "string"}


def _column(column: Column, *, german: bool, required: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": column.name,
        "titles": column.german if german else column.name,
        "dc:title": _both(column.de, column.en),
        "datatype": _TYPES[column.kind],
    }
    if german and column.kind == "number":
        found["datatype"] = {"base": "double", "format": {"decimalChar": ","}}
    elif german and column.kind == "boolean":
        found["datatype"] = {"base": "boolean", "format": "ja|nein"}
    elif german and column.kind == "moment":
        found["datatype"] = "string"  # local, with the zone in the next cell
    if required:
        found["required"] = True
    if column.kind == "list" and not german:
        found["separator"] = "|"
    iri = column.iri or _OF_WGS_84.get(column.name)
    if iri is not None:
        found["propertyUrl"] = iri
    if column.name == QUALITY:
        found["dc:description"] = "attribute=flag"
    unit = None if column.unit is None else units().get(column.unit)
    if unit is not None:
        found[_UNIT] = {"@id": unit.qudt}
        found["schema:unitText"] = unit.symbol
        found["schema:unitCode"] = unit.code
    return found


def _both(de: str, en: str) -> list[dict[str, str]]:
    return [{"@value": de, "@language": "de"}, {"@value": en, "@language": "en"}]
