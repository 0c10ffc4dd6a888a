# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""CayenneLPP: channel, type, value; a table of the types.

Types are IPSO object numbers less 3200. The names are those of The Things Stack: the type's
constant in lower case and the channel (`temperature_1`), so that a profile reads our codec's
fields and that network server's alike. Several axes are an object (`gps_2.latitude`), and a polyline is an
array of places (`polyline_3.0.latitude`).

Source: myDevices' CayenneLPP reference (types 0 to 3, 101 to 104, 113, 115, 134, 136) and its
widely used extensions (the rest; 240, polyline, is the only one without a fixed size).
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from adapters.codecs.table import Decoded, Row, TableCodec, read_rows, size_of, write_rows
from models.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_F_PORT = 1


def _axes(*names: str, size: int = 2, signed: bool = True, per: float = 1) -> tuple[Row, ...]:
    return tuple(Row(name=name, size=size, signed=signed, per=per) for name in names)


def _one(name: str, size: int, per: float = 1, *, signed: bool = False) -> tuple[str, tuple[Row, ...]]:
    return name, (Row(name=name, size=size, signed=signed, per=per),)


TYPES: Mapping[int, tuple[str, tuple[Row, ...]]] = {
    0: _one("digital_in", 1),
    1: _one("digital_out", 1),
    2: _one("analog_in", 2, 100, signed=True),
    3: _one("analog_out", 2, 100, signed=True),
    100: _one("generic_sensor", 4),
    101: _one("luminosity", 2),  # lx
    102: _one("presence", 1),
    103: _one("temperature", 2, 10, signed=True),  # °C
    104: _one("relative_humidity", 1, 2),  # %
    113: ("accelerometer", _axes("x", "y", "z", per=1000)),  # g
    115: _one("barometric_pressure", 2, 10),  # hPa
    116: _one("voltage", 2, 100),  # V
    117: _one("current", 2, 1000),  # A
    118: _one("frequency", 4),  # Hz
    120: _one("percentage", 1),  # %
    121: _one("altitude", 2, signed=True),  # m
    125: _one("concentration", 2),  # ppm
    128: _one("power", 2),  # W
    130: _one("distance", 4, 1000),  # m
    131: _one("energy", 4, 1000),  # kWh
    132: _one("direction", 2),  # °
    133: _one("unixtime", 4),  # s
    134: ("gyrometer", _axes("x", "y", "z", per=100)),  # °/s
    135: ("colour", _axes("r", "g", "b", size=1, signed=False)),
    136: (
        "gps",
        (
            Row(name="latitude", size=3, signed=True, per=10_000),
            Row(name="longitude", size=3, signed=True, per=10_000),
            Row(name="altitude", size=3, signed=True, per=100),  # m
        ),
    ),
    142: _one("switch", 1),
}
_NUMBERS: Mapping[str, int] = {name: number for number, (name, _rows) in TYPES.items()}
_FIELD = re.compile(r"(?P<name>[a-z_]+)_(?P<channel>\d{1,3})")


# A polyline: its own size, the length of a step, a place (twice 3 bytes), then steps to the next places:
# 4 bits of latitude and, above them, 4 of longitude.
_POLYLINE = 240
_POLYLINE_HEAD = 8
_PER_DEGREE = 10_000
_STEPS: Mapping[int, int] = {
    **{factor: factor for factor in range(1, 200)},
    **dict(
        zip(
            range(227, 240),
            (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000),
            strict=True,
        )
    ),
}


def decode(payload: bytes, _f_port: int | None = None) -> Decoded:
    """Decode one frame; of a channel that comes twice with one type the last value counts.

    Raises:
        CodecError: the frame is empty, ends early, or begins with an unknown type.
    """
    fields: dict[str, Any] = {}
    position = 0
    while position + 1 < len(payload):
        channel, number = payload[position], payload[position + 1]
        if number == _POLYLINE:
            points, size = _read_polyline(payload[position + 2 :])
            fields[f"polyline_{channel}"] = points
            position += 2 + size
            continue
        if number not in TYPES:
            return _stopped(fields, position, number)
        name, rows = TYPES[number]
        values = read_rows(rows, payload, position + 2)
        fields[f"{name}_{channel}"] = values if len(rows) > 1 else values[name]
        position += 2 + size_of(rows)
    if not fields or position < len(payload):
        message = f"The payload of {len(payload)} bytes ends before a channel, a type and a value."
        raise CodecError(message)
    return Decoded(fields=fields)


def _read_polyline(raw: bytes) -> tuple[list[dict[str, float]], int]:
    """Return the places, and how many bytes they take.

    Raises:
        CodecError: they end early, or the length of a step is none of the known ones.
    """
    size = raw[0] if raw else 0
    if not _POLYLINE_HEAD <= size <= len(raw):
        message = f"A polyline says that it has {size} bytes; it has {len(raw)}, and at least 8 are needed."
        raise CodecError(message)
    step = _STEPS.get(raw[1])
    if step is None:
        message = f"A polyline's factor is {raw[1]}, which is none that is known."
        raise CodecError(message)
    latitude = int.from_bytes(raw[2:5], "big", signed=True) * step
    longitude = int.from_bytes(raw[5:8], "big", signed=True) * step
    places = [(latitude, longitude)]
    for both in raw[_POLYLINE_HEAD:size]:
        latitude += _nibble(both & 0x0F) * step
        longitude += _nibble(both >> 4) * step
        places.append((latitude, longitude))
    return [{"latitude": lat / _PER_DEGREE, "longitude": lon / _PER_DEGREE} for lat, lon in places], size


def _nibble(number: int) -> int:
    return number - 16 if number > 7 else number  # noqa: PLR2004 - two's complement of four bits


def _write_polyline(places: Sequence[Mapping[str, float]]) -> bytes:
    """Return a polyline with the shortest steps that are long enough.

    Raises:
        CodecError: the places are too far from each other, or too many.
    """
    for factor, step in ((number, step) for number, step in _STEPS.items() if number > 200):  # noqa: PLR2004
        steps = [
            (round(place["latitude"] * _PER_DEGREE / step), round(place["longitude"] * _PER_DEGREE / step))
            for place in places
        ]
        moves = [(other[0] - one[0], other[1] - one[1]) for one, other in pairwise(steps)]
        if all(-8 <= part <= 7 for move in moves for part in move) and len(moves) <= 247:  # noqa: PLR2004 - four bits, one byte
            first = b"".join(part.to_bytes(3, "big", signed=True) for part in steps[0])
            rest = bytes((lat & 0x0F) | (lon & 0x0F) << 4 for lat, lon in moves)
            return bytes((_POLYLINE_HEAD + len(rest), factor)) + first + rest
    message = "The places of a polyline are too far from each other, or too many."
    raise CodecError(message)


def _stopped(fields: dict[str, Any], position: int, number: int) -> Decoded:
    sentence = f"Byte {position + 1} is {number}, no type of CayenneLPP; what follows is not decoded."
    if not fields:
        raise CodecError(sentence)
    return Decoded(fields=fields, warnings=(sentence,))


def encode(fields: Mapping[str, Any]) -> tuple[int, bytes]:
    """Return port and frame, values in the order of the fields."""
    return _F_PORT, b"".join(_encode_field(field, value) for field, value in fields.items())


def _encode_field(field: str, value: Any) -> bytes:
    match = _FIELD.fullmatch(field)
    if match is not None and match["name"] == "polyline" and int(match["channel"]) <= 255:  # noqa: PLR2004 - one byte
        return bytes((int(match["channel"]), _POLYLINE)) + _write_polyline(value)
    if match is None or match["name"] not in _NUMBERS or int(match["channel"]) > 255:  # noqa: PLR2004 - one byte
        message = f"cayenne_lpp has no field {field}."
        raise CodecError(message)
    name, rows = TYPES[_NUMBERS[match["name"]]]
    values = value if len(rows) > 1 else {name: value}
    return bytes((int(match["channel"]), _NUMBERS[name])) + write_rows(rows, values)


CODECS: Mapping[str, TableCodec] = {"cayenne_lpp": TableCodec(decode=decode, encode=encode)}
