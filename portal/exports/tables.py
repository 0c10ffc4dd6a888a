# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""CSV for machines (RFC 4180) and CSV as German Excel opens it.

Texts that a spreadsheet would take for a formula get an apostrophe before them. There are no lines of
comment: what the columns mean stands in a file beside (`portal/exports/dictionary.py`).
"""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from portal.datasets import ZONE
from portal.exports.columns import TIME
from portal.exports.rows import flags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from portal.exports.columns import Sheet
    from portal.exports.rows import Row

#: Header of the column beside the local time that says how far it is from UTC.
TIME_ZONE = "Zeitzone"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # noqa: RUF001 - wide signs count too
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LISTED = "|"


class Machine:
    """CSV with comma, decimal point and times in UTC."""

    delimiter = ","
    plain: type = float  # numbers that the writer itself writes as they are

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._text = io.StringIO()
        self._csv = csv.writer(self._text, delimiter=self.delimiter, lineterminator="\r\n")

    def begin(self) -> bytes:
        """Write the header."""
        return self._written([[column.name for column in self._sheet.all]])

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Write rows."""
        lines: list[list[Any]] = []
        of: tuple[Any, ...] = ()
        first: list[Any] = []
        for row in rows:
            if of != (row.id, row.name, row.place):  # rows of an entity follow each other
                of = row.id, row.name, row.place
                first = list(self._first(row))
            values = [value if type(value) is self.plain else self.cell(value) for value in row.values]
            lines.append([*first, *self.time(row.moment), *values, self.cell(flags(row))])
        return self._written(lines)

    def end(self) -> bytes:
        """Write nothing more."""
        return b""

    def _written(self, lines: Iterable[Iterable[Any]]) -> bytes:
        self._csv.writerows(lines)
        found = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        return found

    def _first(self, row: Row) -> Iterator[Any]:
        """Yield what is the same in all rows of an entity."""
        yield safe(row.id)
        if self._sheet.named:
            yield self.cell(row.name)
        if self._sheet.placed:
            for each in position(row.place):
                yield self.cell(each)

    def time(self, moment: datetime | None) -> Sequence[str]:
        """Write when a row was observed."""
        return ("" if moment is None else utc(moment),)

    def cell(self, value: Any) -> Any:
        """Write a value; the writer itself writes numbers as JSON does."""
        if value is None:
            return ""
        if isinstance(value, str):
            return safe(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, list):
            return safe(_LISTED.join(str(self.cell(each)) for each in value))
        if isinstance(value, dict):
            return safe(json.dumps(value, ensure_ascii=False, sort_keys=True))
        return value


class German(Machine):
    """CSV with semicolon, decimal comma, German headers and times in Hagen's own; Excel opens it as it is."""

    delimiter = ";"
    plain = int

    def begin(self) -> bytes:
        """Write the header, behind a mark by which Excel knows UTF-8."""
        header = [column.german for column in self._sheet.all]
        header.insert([column.name for column in self._sheet.all].index(TIME) + 1, TIME_ZONE)
        return "\ufeff".encode() + self._written([header])

    def time(self, moment: datetime | None) -> Sequence[str]:
        """Write local time and, in a cell of its own, how far that is from UTC."""
        if moment is None:
            return "", ""
        text = moment.astimezone(ZONE).isoformat(sep=" ")
        local, offset = text[:-6], text[-6:]
        return local.rstrip("0").replace(".", ",") if "." in local else local, f"UTC{offset}"

    def cell(self, value: Any) -> Any:
        """Write a value."""
        if isinstance(value, bool):
            return "ja" if value else "nein"
        if isinstance(value, float):
            return repr(value).replace(".", ",")
        if isinstance(value, dict):
            return safe(", ".join(str(each) for each in value.values() if not isinstance(each, dict | list)))
        if isinstance(value, list):
            return safe(", ".join(str(self.cell(each)) for each in value))
        return super().cell(value)


def safe(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula, without control characters."""
    if not text.isprintable():
        text = _CONTROL.sub(" ", text)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def utc(moment: datetime) -> str:
    """Write a moment in UTC, with as many digits of a second as it has."""
    text = (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat()[:-6]
    return f"{text.rstrip('0') if '.' in text else text}Z"


def position(place: Mapping[str, Any] | None) -> tuple[float | None, float | None]:
    """Return longitude and latitude of a geometry: of what is no point, the middle of its box."""
    found = list(positions(place.get("coordinates"))) if place is not None else []
    if not found:
        return None, None
    if len(found) == 1:
        return found[0][0], found[0][1]
    longitudes, latitudes = [each[0] for each in found], [each[1] for each in found]
    return (
        round((min(longitudes) + max(longitudes)) / 2, 7),
        round((min(latitudes) + max(latitudes)) / 2, 7),
    )


def positions(coordinates: Any) -> Iterator[Sequence[float]]:
    """Yield the positions of a geometry."""
    if not isinstance(coordinates, list) or not coordinates:
        return
    if isinstance(coordinates[0], int | float):
        yield coordinates
        return
    for each in coordinates:
        yield from positions(each)
