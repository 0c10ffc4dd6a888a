# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Files of many devices: CSV as spreadsheets write it, TOML, JSON lines."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compose.commands.device_input import KNOWN, SETTABLE, DeviceInputError
from compose.commands.words import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
_LEFT_ALONE = {"last_seen"}
_DELIMITERS = ";\t,"


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What a file says of one device, and where it says it (`devices.csv, line 3`)."""

    where: str
    given: dict[str, Any]


def read_records(path: Path) -> list[Record]:
    """Read a file by the end of its name: `.csv` (or `.txt`, `.tsv`), `.toml`, `.jsonl` (or `.ndjson`).

    Raises:
        DeviceInputError: it cannot be read; the reasons name the lines.
    """
    text = _text(path)
    match path.suffix.lower():
        case ".csv" | ".txt" | ".tsv":
            records = list(_csv(text, path.name))
        case ".toml":
            records = list(_toml(text, path.name))
        case ".jsonl" | ".ndjson":
            records = list(_json_lines(text, path.name))
        case other:
            reason = f"{path.name}: a file of devices ends in .csv, .toml or .jsonl, not in “{other}”"
            raise DeviceInputError([reason])
    if not records:
        raise DeviceInputError([f"{path.name}: there is no device in it"])
    return records


def _text(path: Path) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Spreadsheets on Windows still write this unless told otherwise.
        return raw.decode("cp1252", errors="replace")


def _csv(text: str, name: str) -> Iterator[Record]:
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        header = [cell.strip() for cell in next(lines, [])]
        _check_header(header, name)
        for cells in lines:
            where = f"{name}, line {lines.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header) and any(cell.strip() for cell in cells[len(header) :]):
                reason = f"{where}: it has {len(cells)} cells, and the header has {len(header)}"
                raise DeviceInputError([reason])
            values = {key: cell.strip() for key, cell in zip(header, cells, strict=False) if cell.strip()}
            yield Record(where=where, given=_named(values, where))
    except csv.Error as error:
        raise DeviceInputError([f"{name}, line {lines.line_num}: {error}"]) from error


def _delimiter(text: str) -> str:
    """Take the sign that the header has most of: German spreadsheets write semicolons."""
    header = text.partition("\n")[0]
    return max(_DELIMITERS, key=header.count) if any(sign in header for sign in _DELIMITERS) else ","


def _check_header(header: list[str], name: str) -> None:
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


def _toml(text: str, name: str) -> Iterator[Record]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DeviceInputError([f"{name}: {error}"]) from error
    devices = table.get("device", table.get("devices"))
    if not isinstance(devices, list):
        raise DeviceInputError([f"{name}: devices are tables called [[device]]"])
    for number, entry in enumerate(devices, 1):
        where = f"{name}, device {number}"
        yield Record(where=where, given=_object(entry, where))


def _json_lines(text: str, name: str) -> Iterator[Record]:
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{name}, line {number}"
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise DeviceInputError([f"{where}: it is not JSON ({error})"]) from error
        yield Record(where=where, given=_object(entry, where))


def _object(entry: Any, where: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise DeviceInputError([f"{where}: a device is an object with names and values"])
    position = entry.get("position")
    flat = {key: value for key, value in entry.items() if key != "position" and value is not None}
    if isinstance(position, dict):
        flat |= {key: value for key, value in position.items() if value is not None}
    return _named(flat, where)


def _named(values: dict[str, Any], where: str) -> dict[str, Any]:
    """Sort values by what they are of: the device, its parameters, its entity's attributes."""
    found: dict[str, Any] = {}
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
            found.setdefault("attributes", {})[name.partition(".")[2]] = value
        elif key and key not in _LEFT_ALONE:
            hint = nearest(key, {*KNOWN, *_ALIASES, *SETTABLE}) or (
                "; an attribute of its entity is called “attribute.<name>”"
            )
            raise DeviceInputError([f"{where}: nothing of a device is called “{name}”{hint}"])
    return found


def _key(name: str) -> str:
    key = name.strip().lower().replace(" ", "_")
    return _ALIASES.get(key, key)
