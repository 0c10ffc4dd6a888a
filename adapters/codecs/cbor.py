# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""CBOR (RFC 8949): the values that JSON has, and byte strings; strict, and without recursion beyond limits.

Tags say only how to understand what follows, and are passed over, except big numbers, which are refused.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_DEEPEST = 64
_INDEFINITE = 31
_BIGNUMS = frozenset({2, 3})
# Additional information 24 to 27: the argument is in so many bytes that follow.
_FOLLOWING = {24: 1, 25: 2, 26: 4, 27: 8}
_SIMPLES = {20: False, 21: True, 22: None, 23: None}
_FLOATS = {25: "!e", 26: "!f", 27: "!d"}
_BREAK = object()


def read_cbor(data: bytes) -> Any:
    """Return the one value that the bytes are.

    Floats of 2 and 4 bytes come with the digits that they have. Maps have texts and numbers as keys.

    Raises:
        ValueError: they are no CBOR, more than one value, no value that is read here, a number that is none,
            or nested deeper than 64 levels; the text says which.
    """
    value, position = _item(data, 0, 0)
    if value is _BREAK or position != len(data):
        _refuse("it does not end where its first value ends")
    return value


def _item(data: bytes, position: int, depth: int) -> tuple[Any, int]:
    if depth > _DEEPEST:
        _refuse(f"it is nested deeper than {_DEEPEST} levels")
    if position >= len(data):
        _refuse("it ends within a value")
    major, info = data[position] >> 5, data[position] & 31
    if major == _SIMPLE:
        return _simple(data, position, info)
    argument, position = _argument(data, position + 1, major, info)
    if major in _CONTAINERS:
        return _CONTAINERS[major](data, position, argument, depth)
    if major == _TAG:
        if argument in _BIGNUMS:
            _refuse("it has a number of more than 64 bits")
        return _item(data, position, depth + 1)
    return argument if major == _UINT else -1 - (argument or 0), position


def _argument(data: bytes, position: int, major: int, info: int) -> tuple[int | None, int]:
    """Return the argument (None: of indefinite length), and where the value goes on."""
    if info < min(_FOLLOWING):
        return info, position
    size = _FOLLOWING.get(info)
    if size is None:
        if info == _INDEFINITE and _BYTES <= major <= _MAP:
            return None, position
        _refuse("a value begins with a byte that none begins with")
    return int.from_bytes(_take(data, position, size), "big"), position + size


def _take(data: bytes, position: int, size: int) -> bytes:
    if position + size > len(data):
        _refuse("it ends within a value")
    return data[position : position + size]


def _simple(data: bytes, position: int, info: int) -> tuple[Any, int]:
    if info in _SIMPLES:
        return _SIMPLES[info], position + 1
    if info == _INDEFINITE:
        return _BREAK, position + 1
    if info not in _FLOATS:
        _refuse("it has a simple value that JSON has not")
    size = _FOLLOWING[info]
    (number,) = struct.unpack(_FLOATS[info], _take(data, position + 1, size))
    if not math.isfinite(number):
        _refuse("it has NaN or Infinity where a number belongs")
    digits = {25: 4, 26: 7, 27: 17}[info]
    return float(f"{number:.{digits}g}"), position + 1 + size


def _bytes(data: bytes, position: int, size: int | None, depth: int) -> tuple[bytes, int]:
    if size is not None:
        return _take(data, position, size), position + size
    parts, position = _array(data, position, None, depth)
    if not all(type(part) is bytes for part in parts):
        _refuse("a string has a part of another kind")
    return b"".join(parts), position


def _text(data: bytes, position: int, size: int | None, depth: int) -> tuple[str, int]:
    if size is None:
        parts, position = _array(data, position, None, depth)
        if not all(type(part) is str for part in parts):
            _refuse("a string has a part of another kind")
        return "".join(parts), position
    try:
        text = _take(data, position, size).decode()
    except UnicodeDecodeError:
        _refuse("a text is not UTF-8")
    if "\x00" in text:
        _refuse("a text has the character U+0000, which no database stores")
    return text, position + size


def _array(data: bytes, position: int, size: int | None, depth: int) -> tuple[list[Any], int]:
    values: list[Any] = []
    while size is None or len(values) < size:
        value, position = _item(data, position, depth + 1)
        if value is _BREAK:
            if size is not None:
                _refuse("an array ends early")
            break
        values.append(value)
    return values, position


def _map(data: bytes, position: int, size: int | None, depth: int) -> tuple[dict[Any, Any], int]:
    values: dict[Any, Any] = {}
    while size is None or len(values) < size:
        key, position = _item(data, position, depth + 1)
        if key is _BREAK and size is None:
            break
        if type(key) is not str and type(key) is not int:
            _refuse("a name is neither text nor a whole number")
        value, position = _item(data, position, depth + 1)
        if value is _BREAK or key in values:
            _refuse("an object ends early, or has a name twice")
        values[key] = value
    return values, position


_CONTAINERS: Mapping[int, Callable[[bytes, int, int | None, int], tuple[Any, int]]] = {
    _BYTES: _bytes,
    _TEXT: _text,
    _ARRAY: _array,
    _MAP: _map,
}


def write_cbor(value: Any) -> bytes:
    """Return the shortest CBOR of a value that JSON has; floats in 8 bytes."""
    if isinstance(value, bool) or value is None:
        written = {True: b"\xf5", False: b"\xf4", None: b"\xf6"}[value]
    elif isinstance(value, int):
        written = _head(_NEGATIVE, -1 - value) if value < 0 else _head(_UINT, value)
    elif isinstance(value, float):
        written = b"\xfb" + struct.pack("!d", value)
    elif isinstance(value, str):
        written = _head(_TEXT, len(value.encode())) + value.encode()
    elif isinstance(value, dict):
        parts = (write_cbor(key) + write_cbor(each) for key, each in value.items())
        written = _head(_MAP, len(value)) + b"".join(parts)
    else:
        written = _head(_ARRAY, len(value)) + b"".join(map(write_cbor, value))
    return written


def _head(major: int, argument: int) -> bytes:
    if argument < min(_FOLLOWING):
        return bytes((major << 5 | argument,))
    info, size = next((info, size) for info, size in _FOLLOWING.items() if argument < 1 << (8 * size))
    return bytes((major << 5 | info,)) + argument.to_bytes(size, "big")


def _refuse(why: str) -> NoReturn:
    sentence = f"It is no CBOR that can be read: {why}."
    raise ValueError(sentence) from None
