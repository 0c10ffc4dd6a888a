# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Protocol Buffers' wire format, as far as one declared message needs it: bytes → JSON values.

A message is a table of its fields; what is not in the table is skipped, as its readers must. Values come as
proto3 JSON writes them: times as RFC 3339, bytes as base64, 64-bit numbers as numbers.
Source: "Encoding" of the Protocol Buffers documentation; `google/protobuf/{timestamp,struct}.proto`.
"""

from __future__ import annotations

import math
import struct
from binascii import b2a_base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from models.errors import MalformedPayloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_DEEPEST = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Kind = Literal["uint", "int", "bool", "float", "double", "text", "bytes", "time", "struct", "map", "message"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field of a message.

    Attributes:
        name: in the JSON that comes of it.
        kind: how its bytes are read; `map` is one of texts to texts.
        fields: of kind `message`: the table of that message.
        repeated: it may come several times, and comes as an array.
    """

    name: str
    kind: Kind
    fields: Mapping[int, Field] | None = None
    repeated: bool = False


def read_message(data: bytes, fields: Mapping[int, Field]) -> dict[str, Any]:
    """Read one message; a field that is absent has no key.

    Raises:
        MalformedPayloadError: the bytes are no such message.
    """
    found: dict[str, Any] = {}
    for number, wire, raw in _records(data):
        field = fields.get(number)
        if field is None:
            continue
        if wire != _WIRES[field.kind]:
            _refuse(f"its field {number} has the wire type {wire} where {field.name} is another one")
        value = _value(field, raw)
        if field.repeated:
            found.setdefault(field.name, []).append(value)
        elif field.kind == "map":
            found.setdefault(field.name, {}).update(value)
        else:
            found[field.name] = value
    return found


def _records(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yield field number, wire type and what follows: a number, or bytes."""
    position, end = 0, len(data)
    while position < end:
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            _refuse("a field has the number 0")
        if wire == _VARINT:
            raw: Any
            raw, position = _varint(data, position)
        elif wire in _SIZES or wire == _BYTES:
            size = _SIZES.get(wire)
            if size is None:
                size, position = _varint(data, position)
            if position + size > end:
                _refuse(f"it ends within the field {number}")
            raw = data[position : position + size]
            position += size
        else:
            _refuse(f"the wire type {wire} of the field {number} is none")
        yield number, wire, raw


_SIZES = {_FIXED64: 8, _FIXED32: 4}


def _varint(data: bytes, position: int) -> tuple[int, int]:
    number, shift = 0, 0
    for byte in data[position : position + _LONGEST_VARINT]:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - the highest bit says that more follows
            break
    else:
        _refuse("a number does not end")
    return number & _ALL_BITS, position + shift // 7


_ALL_BITS = (1 << 64) - 1


def _value(field: Field, raw: Any) -> Any:
    if field.kind == "message":
        return read_message(raw, field.fields or {})
    return _READERS[field.kind](raw)


def _signed(raw: int) -> int:
    return raw - (1 << 64) if raw >> 63 else raw


def _float(raw: bytes) -> float | None:
    """Return a float of 4 bytes with the digits that it has, or one of 8; what is no number is None."""
    short = len(raw) == _SIZES[_FIXED32]
    (number,) = struct.unpack("<f" if short else "<d", raw)
    if not math.isfinite(number):
        return None
    return float(f"{number:.7g}") if short else number


def _text(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        _refuse("a text is not UTF-8")
    if "\x00" in text:
        _refuse("a text has the character U+0000, which no database stores")
    return text


def _base64(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).decode()


_TIMESTAMP = {1: Field(name="seconds", kind="int"), 2: Field(name="nanos", kind="int")}


def _time(raw: bytes) -> str:
    parts = read_message(raw, _TIMESTAMP)
    try:
        moment = _EPOCH + timedelta(
            seconds=parts.get("seconds", 0), microseconds=parts.get("nanos", 0) // 1000
        )
    except OverflowError:
        _refuse("a time lies outside the years 1 to 9999")
    return moment.isoformat(timespec="microseconds")


_ENTRY = {1: Field(name="key", kind="text"), 2: Field(name="value", kind="text")}


def _map(raw: bytes) -> dict[str, str]:
    entry = read_message(raw, _ENTRY)
    return {entry.get("key", ""): entry.get("value", "")}


def _struct(raw: bytes, depth: int = 0) -> dict[str, Any]:
    """Read a `google.protobuf.Struct`: any JSON object."""
    if depth > _DEEPEST:
        _refuse(f"it is nested deeper than {_DEEPEST} levels, which no device needs")
    found: dict[str, Any] = {}
    for number, wire, entry in _records(raw):
        if (number, wire) == (1, _BYTES):
            key, value = "", None
            for part, kind, content in _records(entry):
                if (part, kind) == (1, _BYTES):
                    key = _text(content)
                elif (part, kind) == (2, _BYTES):
                    value = _any(content, depth + 1)
            found[key] = value
    return found


def _any(raw: bytes, depth: int) -> Any:
    """Read a `google.protobuf.Value`: any JSON value."""
    value: Any = None
    for number, wire, content in _records(raw):
        match number, wire:
            case 1, 0:
                value = None
            case 2, 1:
                value = _float(content)
            case 3, 2:
                value = _text(content)
            case 4, 0:
                value = bool(content)
            case 5, 2:
                value = _struct(content, depth)
            case 6, 2:
                value = [_any(each, depth + 1) for each in _list(content, depth)]
            case _:
                _refuse("a value of the decoded object is of no kind that JSON has")
    return value


def _list(raw: bytes, depth: int) -> Iterator[bytes]:
    if depth > _DEEPEST:
        _refuse(f"it is nested deeper than {_DEEPEST} levels, which no device needs")
    return (content for number, wire, content in _records(raw) if (number, wire) == (1, _BYTES))


_WIRES: Mapping[Kind, int] = {
    **dict.fromkeys(("uint", "int", "bool"), _VARINT),
    **dict.fromkeys(("text", "bytes", "time", "struct", "map", "message"), _BYTES),
    "float": _FIXED32,
    "double": _FIXED64,
}
_READERS: Mapping[Kind, Callable[[Any], Any]] = {
    "uint": int,
    "int": _signed,
    "bool": bool,
    "float": _float,
    "double": _float,
    "text": _text,
    "bytes": _base64,
    "time": _time,
    "struct": _struct,
    "map": _map,
}


def _refuse(why: str) -> NoReturn:
    sentence = f"The message is no Protocol Buffers message of its kind: {why}."
    raise MalformedPayloadError(sentence) from None
