# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Files of many devices: CSV as spreadsheets write it, TOML, JSON lines."""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from compose.commands.device_input import KNOWN, SETTABLE, DeviceInputError, written
from compose.commands.words import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from models.device import Device

# What else people and `volme devices list --json` call it.
_ALIASES = {
    "device": "id",
    "device_id": "id",
    "dev_eui": "id",
    "deveui": "id",
    "lat": "latitude",
    "lon": "longitude",
    "lng": "longitude",
    "long": "longitude",
    "alt": "altitude",
    "entity_type": "type",
    "installed_at": "installed",
}
# What a listing says besides, and nobody sets.
_LEFT_ALONE = {"last_seen", "origin", "retired", "retired_at", "replaced_by", "replacedby"}
_DELIMITERS = ";\t,"


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What a file says of one device, and where it says it (`devices.csv, line 3`).

    Attributes:
        row: that line, or which device of the file it is.
        named: what the file has a place for, empty or not: of what is not named nothing is said.
        wrong: why it cannot be used; sentences without a full stop.
    """

    where: str
    given: dict[str, Any]
    row: int = 0
    named: frozenset[str] = frozenset()
    wrong: tuple[str, ...] = field(default=())


def read_records(path: Path) -> list[Record]:
    """Read a file by the end of its name: `.csv` (or `.txt`, `.tsv`), `.toml`, `.jsonl` (or `.ndjson`).

    Raises:
        DeviceInputError: it cannot be read at all.
    """
    kind = path.suffix.lower()
    if kind not in READERS:
        reason = f"{path.name}: a file of devices ends in .csv, .toml or .jsonl, not in “{kind}”"
        raise DeviceInputError([reason])
    return read_text(path.read_bytes(), path.name, kind)


def read_text(raw: bytes, name: str, kind: str) -> list[Record]:
    """Read the bytes of a file.

    Args:
        raw: UTF-8, with or without a mark at its beginning, or what Windows writes in Western Europe.
        name: what to call it.
        kind: one of `READERS`.

    Raises:
        DeviceInputError: it cannot be read at all.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Spreadsheets on Windows still write this unless told otherwise.
        text = raw.decode("cp1252", errors="replace")
    records = list(READERS[kind](text, name))
    if not records:
        raise DeviceInputError([f"{name}: there is no device in it"])
    return records


def _csv(text: str, name: str) -> Iterator[Record]:
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        header = [cell.strip() for cell in next(lines, [])]
        named = _check_header(header, name)
        for cells in lines:
            row = lines.line_num
            where = f"{name}, line {row}"
            if not any(cell.strip() for cell in cells):
                continue
            values = {
                key: _unguarded(cell.strip())
                for key, cell in zip(header, cells, strict=False)
                if cell.strip()
            }
            wrong: tuple[str, ...] = ()
            if any(cell.strip() for cell in cells[len(header) :]):
                wrong = (f"it has {len(cells)} cells, and the header has {len(header)}",)
            yield Record(where=where, row=row, given=_named(values)[0], named=named, wrong=wrong)
    except csv.Error as error:
        raise DeviceInputError([f"{name}, line {lines.line_num}: {error}"]) from error


# What a spreadsheet would take for a formula is written with an apostrophe before it.
_FORMULA = re.compile(r"[=+@\-]")


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell


def _guarded(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) or _unguarded(cell) != cell else cell


def _delimiter(text: str) -> str:
    """Take the sign that the header has most of: German spreadsheets write semicolons."""
    header = text.partition("\n")[0]
    return max(_DELIMITERS, key=header.count) if any(sign in header for sign in _DELIMITERS) else ","


def _check_header(header: list[str], name: str) -> frozenset[str]:
    """Return what the columns are of.

    Raises:
        DeviceInputError: there is none for ids, two are the same, or one is of nothing.
    """
    if not any(header):
        raise DeviceInputError([f"{name}: there is no device in it"])
    keys = [_key(cell) for cell in header]
    if "id" not in keys:
        reason = f"{name}, line 1: the first line names the columns, and one of them must be “id”"
        raise DeviceInputError(
            [f"{reason} (others: {', '.join(KNOWN[1:10])}, {', '.join(sorted(SETTABLE))})"]
        )
    if twice := next((key for key in keys if key and keys.count(key) > 1), None):
        raise DeviceInputError([f"{name}, line 1: two columns are called “{twice}”"])
    found, wrong = _named(dict.fromkeys(header, ""))
    if wrong:
        raise DeviceInputError([f"{name}, line 1: {reason}" for reason in wrong])
    return names_in(found)


def names_in(given: Mapping[str, Any]) -> frozenset[str]:
    """Return what is said, parameters and attributes one by one (`parameters.reference_level`)."""
    return frozenset(
        part
        for name, value in given.items()
        for part in ([f"{name}.{key}" for key in value] if isinstance(value, dict) else [name])
    )


def _toml(text: str, name: str) -> Iterator[Record]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DeviceInputError([f"{name}: {error}"]) from error
    devices = table.get("device", table.get("devices"))
    if not isinstance(devices, list):
        raise DeviceInputError([f"{name}: devices are tables called [[device]]"])
    for number, entry in enumerate(devices, 1):
        yield from_object(entry, f"{name}, device {number}", number)


def _json_lines(text: str, name: str) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), 1):
        where = f"{name}, line {number}"
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError as error:
            wrong = (f"it is not JSON ({error})",)
            yield Record(where=where, row=number, given={}, wrong=wrong)
        else:
            yield from_object(entry, where, number)


READERS = {
    ".csv": _csv,
    ".txt": _csv,
    ".tsv": _csv,
    ".toml": _toml,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
}


def from_object(entry: Any, where: str, row: int) -> Record:
    """Read what TOML or JSON says of one device; a `null` clears what is registered."""
    if not isinstance(entry, dict):
        no_object = ("a device is an object with names and values",)
        return Record(where=where, row=row, given={}, wrong=no_object)
    position = entry.get("position")
    flat = {key: value for key, value in entry.items() if key != "position"}
    if "position" in entry:
        flat |= dict.fromkeys(("latitude", "longitude", "altitude"))
    if isinstance(position, dict):
        flat |= position
    elif position is not None:
        reasons = ("position must be an object with latitude and longitude",)
        return Record(where=where, row=row, given={"id": entry.get("id")}, wrong=reasons)
    found, wrong = _named(flat)
    known = {key: value for key, value in found.items() if value is not None}
    return Record(where=where, row=row, given=known, named=names_in(found) | found.keys(), wrong=wrong)


def _named(values: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Sort values by what they are of: the device, its parameters, its entity's attributes.

    Returns:
        That, and what is wrong.
    """
    found: dict[str, Any] = {}
    wrong: list[str] = []
    for name, value in values.items():
        key = _key(name)
        group, dot, rest = key.partition(".")
        if key in KNOWN:
            found[key] = {**found.get(key, {}), **value} if isinstance(value, dict) else value
        elif key in SETTABLE:
            found.setdefault("parameters", {})[key] = value
        elif dot and group in {"parameter", "parameters"}:
            found.setdefault("parameters", {})[rest] = value
        elif dot and group in {"attribute", "attributes"}:
            found.setdefault("attributes", {})[name.strip().partition(".")[2]] = value
        elif key and key not in _LEFT_ALONE:
            hint = nearest(key, {*KNOWN, *_ALIASES, *SETTABLE}) or (
                "; an attribute of its entity is called “attribute.<name>”"
            )
            wrong.append(f"nothing of a device is called “{name}”{hint}")
    return found, tuple(wrong)


def write_csv(devices: Iterable[Device], *, excel: bool = False) -> str:
    """Return a table that `read_records` reads back unchanged.

    Args:
        devices: what it has.
        excel: as a German Excel opens it without asking: semicolons, decimal commas, a mark at the
            beginning that says UTF-8, and DevEUIs that it cannot take for numbers.
    """
    rows = [written(device) for device in devices]
    named = {name for row in rows for name in names_in(row)}
    columns = [name for name in KNOWN if name in named or name in _ALWAYS]
    columns += sorted(named - {*KNOWN})
    file = io.StringIO(newline="")
    lines = csv.writer(file, delimiter=";" if excel else ",", lineterminator="\r\n")
    lines.writerow([_column(name) for name in columns])
    lines.writerows([_cell(row, name, excel=excel) for name in columns] for row in rows)
    return f"{_MARK if excel else ''}{file.getvalue()}"


_MARK = "\ufeff"
_ALWAYS = {"id", "profile", "name", "latitude", "longitude"}


def _column(name: str) -> str:
    group, _, rest = name.partition(".")
    return rest if group == "parameters" else f"attribute.{rest}" if group == "attributes" else name


def _cell(row: Mapping[str, Any], name: str, *, excel: bool) -> str:
    group, _, rest = name.partition(".")
    value = row.get(group, {}).get(rest) if rest else row.get(name)
    if isinstance(value, int | float):
        text = repr(value)
        return text.replace(".", ",") if excel else text
    text = "" if value is None else str(value)
    if name == "id" and excel and _EUI.fullmatch(text):
        return "-".join(text[place : place + 2] for place in range(0, 16, 2)).upper()
    return _guarded(text)


_EUI = re.compile(r"[0-9a-f]{16}")


def _key(name: str) -> str:
    key = name.strip().lower().replace(" ", "_")
    return _ALIASES.get(key, key)
