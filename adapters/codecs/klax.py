# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Alpha-Omega Technology Klax, reading electricity meters: application data on port 3, big-endian.

A header of four bytes, then blocks: 03, the meter's ten bytes of identity; 01, a pair of registers with
their last four values, the newest first. Two nibbles say of each register whether it is valid (8), which
filter it is (6) and whether the filter is set (1); two more say its unit.

Source: the vendor's payload description (header as its later versions still have it) and its published
example, of which the block's bits are the only reading that fits. Blocks of later firmware (02 and above)
end what is decoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.codecs.table import Decoded, Row, TableCodec, read_rows, refuse_unknown, size_of, write_rows
from models.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.codecs.framing import Rows

_F_PORT = 3


def _header(meter: int, battery: int, per: float) -> Rows:
    return (
        Row(name="version", size=1, mask=0xFC, stay=True),
        Row(name="device_type", size=1, mask=0x03, words={0: "SML Klax", 1: "MODBUS Klax"}),
        Row(name="connection_test", size=1, mask=0x80, stay=True, words={0: False, 1: True}),
        Row(name="configured", size=1, mask=0x40, default=True, stay=True, words={0: False, 1: True}),
        Row(name="meter_type", size=1, mask=meter, stay=True),
        Row(name="battery", size=1, mask=battery, per=per),  # %
        Row(name="message_index", size=1),
        Row(name="message_number", size=1, mask=0xF0, default=1, stay=True),
        Row(name="messages", size=1, mask=0x0F, default=1),
    )


# Version 0 of the payload says the battery in steps of 10 %, later ones in steps of 20 %.
HEADER: Rows = _header(meter=0x30, battery=0x0F, per=0.1)
_LATER: Rows = _header(meter=0x38, battery=0x07, per=0.05)
_VERSION_0 = 0x04  # the first byte of later ones is at least this

_SERVER_ID, _HISTORIC = 0x03, 0x01
_ID_BYTES, _VALUES = 10, 4
_VALID, _ACTIVE = 0x8, 0x1
_UNITS = {1: "Wh", 2: "W"}
_REGISTER = {
    f"register_{number}_{unit}": (number, code) for number in range(4) for code, unit in _UNITS.items()
}


def decode(payload: bytes, _f_port: int | None = None) -> Decoded:
    """Decode one frame: the newest value of each valid register, by filter and unit.

    Raises:
        CodecError: the frame ends early.
    """
    header = _LATER if payload and payload[0] >= _VERSION_0 else HEADER
    fields: dict[str, Any] = dict(read_rows(header, payload, 0))
    position = size_of(HEADER)
    while position < len(payload):
        kind = payload[position]
        if kind == _SERVER_ID:
            fields["server_id"] = payload[position + 1 : position + 1 + _ID_BYTES].hex()
            position += 1 + _ID_BYTES
        elif kind == _HISTORIC:
            fields |= _registers(payload, position + 1)
            position += 3 + 2 * 4 * _VALUES
        else:
            sentence = (
                f"Byte {position} begins a block that is not known (0x{kind:02x}); the rest is not decoded."
            )
            return Decoded(fields=fields, warnings=(sentence,))
    return Decoded(fields=fields)


def _registers(payload: bytes, start: int) -> dict[str, Any]:
    head = Row(name="registers").read(payload[start : start + 2])
    numbers = [Row(name=f"value {index}", size=4) for index in range(2 * _VALUES)]
    values = list(read_rows(tuple(numbers), payload, start + 2).values())
    found: dict[str, Any] = {}
    for index in range(2):
        flags = int(head) >> (8 + 4 * index) & 0xF
        unit = _UNITS.get(int(head) >> 4 * index & 0xF)
        if flags & _VALID and unit:
            found[f"register_{flags >> 1 & 3}_{unit}"] = values[index * _VALUES]
    return found


def encode(fields: Mapping[str, Any]) -> tuple[int, bytes]:
    """Return port and frame; a register's four values are all the same.

    Raises:
        CodecError: a register is given in two units, or a value does not fit.
    """
    names = frozenset(row.name for row in HEADER) | _REGISTER.keys() | {"server_id"}
    refuse_unknown(fields, names, "klax")
    frame = write_rows(_LATER if fields.get("version") else HEADER, fields)
    if "server_id" in fields:
        frame += bytes((_SERVER_ID,)) + bytes.fromhex(fields["server_id"])
    given = {
        _REGISTER[name][0]: (_REGISTER[name][1], value) for name, value in fields.items() if name in _REGISTER
    }
    if len(given) < sum(name in _REGISTER for name in fields):
        message = "klax sends each register in one unit."
        raise CodecError(message)
    for pair in ((0, 1), (2, 3)):
        if given.keys() & set(pair):
            frame += _block(pair, given)
    return _F_PORT, frame


def _block(pair: tuple[int, int], given: Mapping[int, tuple[int, float]]) -> bytes:
    head, body = 0, b""
    for index, number in enumerate(pair):
        unit, value = given.get(number, (0, 0))
        valid = _VALID if number in given else 0
        head |= (valid | number << 1 | _ACTIVE) << (8 + 4 * index) | unit << 4 * index
        body += Row(name=f"register_{number}", size=4).write(value) * _VALUES
    return bytes((_HISTORIC,)) + head.to_bytes(2, "big") + body


CODECS: Mapping[str, TableCodec] = {"klax": TableCodec(decode=decode, encode=encode, ports=(_F_PORT,))}
