# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""GeoParquet 1.1: columns with their types and a geometry as WKB. Needs `volme[parquet]`."""

from __future__ import annotations

import io
import json
import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ontology.loader import units
from portal.exports.columns import ID, LATITUDE, LONGITUDE, NAME, QUALITY, TIME
from portal.exports.rows import flags
from portal.exports.tables import positions
from portal.views import moment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from portal.exports.columns import Column, Kind, Sheet
    from portal.exports.rows import Row

GEOMETRY = "geometry"
_GROUP = 50_000
_TYPES: Mapping[Kind, pa.DataType] = {
    "text": pa.string(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "moment": pa.timestamp("us", tz="UTC"),
    "list": pa.list_(pa.string()),
    "structure": pa.string(),
}
_WKB = {
    "Point": 1,
    "LineString": 2,
    "Polygon": 3,
    "MultiPoint": 4,
    "MultiLineString": 5,
    "MultiPolygon": 6,
}
_PARTS = {"MultiPoint": "Point", "MultiLineString": "LineString", "MultiPolygon": "Polygon"}
_WITH_HEIGHT = 1000  # ISO WKB
_HEIGHT = 3


class GeoParquet:
    """Writes groups of rows as soon as they are full, which bounds memory."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._columns = [column for column in sheet.all if column.name not in {LONGITUDE, LATITUDE}]
        self._out = _Pipe()
        self._waiting: list[Row] = []
        self._types: set[str] = set()
        self._box = _Box()
        fields = [pa.field(each.name, _TYPES[each.kind], metadata=_unit(each)) for each in self._columns]
        self._schema = pa.schema(fields + ([pa.field(GEOMETRY, pa.binary())] if sheet.placed else []))
        self._writer: pq.ParquetWriter | None = None

    def begin(self) -> bytes:
        """Write the mark at the beginning."""
        self._writer = pq.ParquetWriter(self._out, self._schema, compression="zstd")
        return self._out.taken()

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Write rows, or keep them until there are enough for a group."""
        self._waiting.extend(rows)
        if len(self._waiting) < _GROUP:
            return b""
        return self._flushed()

    def end(self) -> bytes:
        """Write the last group and what the file is about."""
        assert self._writer is not None  # noqa: S101 - `begin` comes first
        last = self._flushed() if self._waiting else b""
        if self._sheet.placed:
            self._writer.add_key_value_metadata({"geo": json.dumps(self._geo())})
        self._writer.close()
        return last + self._out.taken()

    def _flushed(self) -> bytes:
        assert self._writer is not None  # noqa: S101 - `begin` comes first
        rows, self._waiting = self._waiting, []
        own: dict[str, Callable[[Row], Any]] = {
            ID: lambda row: row.id,
            NAME: lambda row: row.name,
            TIME: lambda row: row.moment,
            QUALITY: flags,
        }
        places = {column.name: number for number, column in enumerate(self._sheet.columns)}
        arrays = []
        for column in self._columns:
            if column.name in places:
                number = places[column.name]
                values = [_cell(row.values[number], column.kind) for row in rows]
            else:
                values = [own[column.name](row) for row in rows]
            arrays.append(pa.array(values, type=_TYPES[column.kind]))
        if self._sheet.placed:
            arrays.append(pa.array([self._wkb(row.place) for row in rows], type=pa.binary()))
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema), row_group_size=_GROUP)
        return self._out.taken()

    def _wkb(self, place: Mapping[str, Any] | None) -> bytes | None:
        if place is None:
            return None
        kind, coordinates = place.get("type"), place.get("coordinates")
        if kind not in _WKB:
            return None
        height = False
        for each in positions(coordinates):
            self._box.take(each)
            height = height or len(each) >= _HEIGHT
        self._types.add(f"{kind} Z" if height else kind)
        return wkb(kind, coordinates, height=height)

    def _geo(self) -> dict[str, Any]:
        """Return the file's metadata (GeoParquet 1.1.0); without `crs` it is WGS 84, longitude first."""
        column: dict[str, Any] = {"encoding": "WKB", "geometry_types": sorted(self._types)}
        if self._box.edges:
            column["bbox"] = self._box.edges
        return {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}


class _Pipe(io.RawIOBase):
    """What is written can be taken away at once."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        content = bytes(part)
        self._parts.append(content)
        self._length += len(content)
        return len(content)

    def tell(self) -> int:
        return self._length

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


class _Box:
    """West, south, east and north of positions."""

    def __init__(self) -> None:
        self.edges: list[float] = []

    def take(self, position: Sequence[float]) -> None:
        """Widen the box."""
        x, y = position[0], position[1]
        if not self.edges:
            self.edges = [x, y, x, y]
            return
        west, south, east, north = self.edges
        self.edges = [min(west, x), min(south, y), max(east, x), max(north, y)]


def _unit(column: Column) -> dict[str, str] | None:
    unit = None if column.unit is None else units().get(column.unit)
    said = {"description": column.en, "description_de": column.de}
    if unit is None:
        return said
    return {**said, "unitCode": unit.code, "ucum": unit.ucum}


def _cell(value: Any, kind: Kind) -> Any:
    """Return a value as the column's type takes it; None: it does not fit."""
    match kind:
        case "number":
            return float(value) if _is_number(value) else None
        case "integer":
            return int(value) if _is_number(value) and float(value).is_integer() else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "moment":
            return _moment(value)
        case "list":
            listed = value if isinstance(value, list) or value is None else [value]
            return None if listed is None else [str(each) for each in listed]
        case _:
            return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _moment(value: Any) -> datetime | None:
    try:
        return moment_of(value).astimezone(UTC) if isinstance(value, str) else None
    except ValueError:
        return None


def wkb(kind: str, coordinates: Any, *, height: bool) -> bytes:
    """Write a geometry as ISO WKB, little-endian."""
    head = struct.pack("<BI", 1, _WKB[kind] + (_WITH_HEIGHT if height else 0))
    if kind == "Point":
        return head + _points([coordinates], height=height)
    if kind == "LineString":
        return head + _counted(coordinates, height=height)
    if kind == "Polygon":
        rings = b"".join(_counted(ring, height=height) for ring in coordinates)
        return head + struct.pack("<I", len(coordinates)) + rings
    parts = b"".join(wkb(_PARTS[kind], part, height=height) for part in coordinates)
    return head + struct.pack("<I", len(coordinates)) + parts


def _counted(points: Sequence[Sequence[float]], *, height: bool) -> bytes:
    return struct.pack("<I", len(points)) + _points(points, height=height)


def _points(points: Sequence[Sequence[float]], *, height: bool) -> bytes:
    size = 3 if height else 2
    numbers = [(*point, 0.0)[:size] if len(point) < size else point[:size] for point in points]
    return b"".join(struct.pack(f"<{size}d", *point) for point in numbers)
