# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Elsys: type and value pairs, the same for the whole family (ERS, EMS, ELT, ESM …).

A byte of type, then the type's big-endian fields. Bits 6 and 7 of the type announce the age
of a stored value, which no device here sends; such a frame is decoded up to there, so that an
old value is never taken for a present one.

Source: "Elsys LoRa payload", the vendor's description of its protocol, and its decoder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.codecs.table import Decoded, Row, TableCodec, read_rows, refuse_unknown, size_of, write_rows
from models.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from adapters.codecs.table import Value

_F_PORT = 5
_GRID = 64
_AGED = 0xC0


def _byte(name: str, *, signed: bool = False, per: float = 1) -> Row:
    return Row(name=name, size=1, signed=signed, per=per)


def _tenths(name: str) -> Row:
    return Row(name=name, signed=True, per=10)


def _long(name: str, *, signed: bool = False, per: float = 1) -> Row:
    return Row(name=name, size=4, signed=signed, per=per)


def _degrees(name: str) -> Row:
    return Row(name=name, size=3, signed=True, per=10_000, order="little")


TYPES: Mapping[int, tuple[Row, ...]] = {
    0x01: (_tenths("temperature"),),  # °C
    0x02: (_byte("humidity"),),  # %
    0x03: tuple(_byte(axis, signed=True) for axis in "xyz"),  # 63 is 1 g
    0x04: (Row(name="light"),),  # lx
    0x05: (_byte("motion"),),  # movements since the last frame
    0x06: (Row(name="co2"),),  # ppm
    0x07: (Row(name="vdd"),),  # battery, mV
    0x08: (Row(name="analog1"),),  # mV
    0x09: (_degrees("lat"), _degrees("long")),
    0x0A: (Row(name="pulse1"),),
    0x0B: (_long("pulseAbs"),),
    0x0C: (_tenths("externalTemperature"),),  # °C
    0x0D: (_byte("digital"),),
    0x0E: (Row(name="distance"),),  # mm
    0x0F: (_byte("accMotion"),),
    0x10: (_tenths("irInternalTemperature"), _tenths("irExternalTemperature")),  # °C
    0x11: (_byte("occupancy"),),  # 0 nobody, 1 somebody perhaps, 2 somebody
    0x12: (_byte("waterleak"),),
    0x13: (_byte("grideye"), *(_byte(f"grideye_{number}", per=10) for number in range(_GRID))),  # °C
    0x14: (_long("pressure", signed=True, per=1000),),  # hPa
    0x15: (_byte("soundPeak"), _byte("soundAvg")),  # dB
    0x16: (Row(name="pulse2"),),
    0x17: (_long("pulseAbs2"),),
    0x18: (Row(name="analog2"),),  # mV
    0x19: (_tenths("externalTemperature2"),),  # °C; may come several times: then a list
    0x1A: (_byte("digital2"),),
    0x1B: (_long("analogUv", signed=True),),  # µV
    0x1C: (Row(name="tvoc"),),  # ppb
    0x3D: (_long("debug"),),
}
_GRIDEYE = 0x13
_REPEATED = 0x19
# By type: name and reader of those that are one field and nothing else, as nearly all are; and the bytes that
# a value takes, the type's own among them.
_SIMPLE: tuple[tuple[str, Callable[[bytes, int], Value] | None, int], ...] = tuple(
    (rows[0].name, rows[0].take, 1 + rows[0].size)
    if len(rows) == 1 and kind != _REPEATED
    else ("", None, 1 + size_of(rows))
    for kind in range(256)
    for rows in (TYPES.get(kind, ()),)
)
_KNOWN = frozenset(row.name for kind, rows in TYPES.items() if kind != _GRIDEYE for row in rows) | {"grideye"}


def decode(payload: bytes, _f_port: int | None = None) -> Decoded:
    """Decode one frame; of a type that comes twice the last value counts, as at the vendor's.

    Raises:
        CodecError: the frame is empty, ends early, or begins with an unknown type.
    """
    fields: dict[str, Any] = {}
    position, end = 0, len(payload)
    while position < end:
        kind = payload[position]
        name, take, size = _SIMPLE[kind]
        following = position + size
        if take is not None and following <= end:
            fields[name] = take(payload, position + 1)
        elif kind in TYPES:
            _gather(fields, kind, read_rows(TYPES[kind], payload, position + 1))
        else:
            return _stopped(fields, payload, position)
        position = following
    if not fields:
        message = "The payload is empty; an Elsys frame has at least one value."
        raise CodecError(message)
    return Decoded(fields=fields)


def _gather(fields: dict[str, Any], kind: int, values: dict[str, Any]) -> None:
    if kind == _GRIDEYE:
        reference, *steps = values.values()
        fields["grideye"] = [reference + step for step in steps]
    elif kind == _REPEATED and "externalTemperature2" in fields:
        before = fields["externalTemperature2"]
        before = before if isinstance(before, list) else [before]
        fields["externalTemperature2"] = [*before, values["externalTemperature2"]]
    else:
        fields |= values


def _stopped(fields: dict[str, Any], payload: bytes, position: int) -> Decoded:
    kind = payload[position]
    why = "stored values with an age" if kind & _AGED else "a type that is not known"
    sentence = f"Byte {position} announces {why} (0x{kind:02x}); what follows is not decoded."
    if not fields:
        raise CodecError(sentence)
    return Decoded(fields=fields, warnings=(sentence,))


def encode(fields: Mapping[str, Any]) -> tuple[int, bytes]:
    """Return port and frame: every type of which a field is given."""
    refuse_unknown(fields, _KNOWN, "elsys")
    return _F_PORT, b"".join(
        bytes((kind,)) + write_rows(rows, given)
        for kind, rows in TYPES.items()
        for given in _scattered(fields, kind, rows)
    )


def _scattered(fields: Mapping[str, Any], kind: int, rows: tuple[Row, ...]) -> list[Mapping[str, Any]]:
    if not any(row.name in fields for row in rows):
        return []
    if kind == _GRIDEYE:
        degrees = fields["grideye"]
        reference = int(min(degrees))
        steps = {f"grideye_{number}": value - reference for number, value in enumerate(degrees)}
        return [{"grideye": reference, **steps}]
    if kind == _REPEATED and isinstance(fields["externalTemperature2"], list):
        return [{"externalTemperature2": value} for value in fields["externalTemperature2"]]
    return [fields]


CODECS: Mapping[str, TableCodec] = {"elsys": TableCodec(decode=decode, encode=encode, ports=(_F_PORT,))}
