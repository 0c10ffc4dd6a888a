# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""M-Bus records as meters send them over LoRaWAN: one record a value, whatever meter it is.

A record is a DIF (how the number is written), a VIF (what it is, and its power of ten), extensions of both,
and the number. Fields have one unit whatever the meter uses: `energy` kWh, `energy_heat` GJ,
`energy_calories` Gcal, `volume` m³, `flow` m³/h, `power` kW, temperatures °C, `pressure` bar. What is no
present value has an ending: `_s1` storage (such as the due date's), `_t2` tariff, `_u1` subunit, `_max`,
`_min`, `_error`.

Source: EN 13757-3, data record structure, with the tables of DIF, VIF and the extensions FB and FD.
"""

from __future__ import annotations

import math
import struct
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from adapters.codecs.table import Decoded, TableCodec
from models.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_F_PORT = 2
_EXTENDED = 0x80
_FILLER, _MANUFACTURER = 0x2F, frozenset({0x0F, 0x1F})
_MOST_EXTENSIONS = 10


class Kind(Struct, frozen=True):
    """What a VIF means.

    Attributes:
        name: of the field.
        power: of ten by which the number is multiplied to be in the field's unit.
        form: `number`, `digits` (an identification), `bits`, `date` or `time`.
    """

    name: str
    power: int = 0
    form: str = "number"


def _tens(name: str, first: int, count: int, power: int) -> dict[int, Kind]:
    """Return the VIFs of one quantity, each ten times the one before."""
    return {first + step: Kind(name, power + step) for step in range(count)}


_VIF: Final[Mapping[int, Kind]] = {
    **_tens("energy", 0x00, 8, -6),  # Wh → kWh
    **_tens("energy_heat", 0x08, 8, -9),  # J → GJ
    **_tens("volume", 0x10, 8, -6),
    **_tens("mass", 0x18, 8, -3),  # kg
    **_tens("power", 0x28, 8, -6),  # W → kW
    **_tens("flow", 0x38, 8, -6),
    **_tens("flow_per_minute", 0x40, 8, -7),  # m³/min
    **_tens("flow_per_second", 0x48, 8, -9),  # m³/s
    **_tens("mass_flow", 0x50, 8, -3),  # kg/h
    **_tens("flow_temperature", 0x58, 4, -3),
    **_tens("return_temperature", 0x5C, 4, -3),
    **_tens("temperature_difference", 0x60, 4, -3),  # K
    **_tens("external_temperature", 0x64, 4, -3),
    **_tens("pressure", 0x68, 4, -3),
    0x6C: Kind("meter_date", form="date"),
    0x6D: Kind("meter_time", form="time"),
    0x6E: Kind("heat_cost_units"),
    0x78: Kind("meter_id", form="digits"),
    0x79: Kind("meter_address", form="address"),
    **{vif: Kind(f"on_time_{unit}") for vif, unit in enumerate(("s", "min", "h", "d"), 0x20)},
    **{vif: Kind(f"operating_time_{unit}") for vif, unit in enumerate(("s", "min", "h", "d"), 0x24)},
}
_VIF_FB: Final[Mapping[int, Kind]] = {
    **_tens("energy", 0x00, 2, 2),  # 0.1 MWh → kWh
    **_tens("energy_heat", 0x08, 2, -1),  # GJ
    **_tens("energy_calories", 0x0C, 4, -4),  # 0.1 Mcal → Gcal
    **_tens("volume", 0x10, 2, 2),
    **_tens("humidity", 0x1A, 2, -1),  # %
    **_tens("power", 0x28, 2, 2),  # 0.1 MW → kW
}
_VIF_FD: Final[Mapping[int, Kind]] = {
    0x08: Kind("access_number"),
    0x0E: Kind("firmware_version"),
    0x17: Kind("error_flags", form="bits"),
    0x1A: Kind("digital_output", form="bits"),
    0x1B: Kind("digital_input", form="bits"),
    0x3A: Kind("count"),
    **_tens("voltage", 0x40, 16, -9),
    **_tens("current", 0x50, 16, -12),
    0x61: Kind("cumulation_counter"),
    0x74: Kind("battery_days"),
}
_TABLES: Final = {0xFB: _VIF_FB, 0xFD: _VIF_FD}
# Extensions behind a VIF that only say of which direction the value is.
_DIRECTIONS: Final = {0x3B: "", 0x3C: "_backward"}
_FUNCTIONS: Final = ("", "_max", "_min", "_error")
# Bytes by the last four bits of a DIF.
_SIZES: Final = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 6: 6, 7: 8, 9: 1, 10: 2, 11: 3, 12: 4, 14: 6}
_REAL, _DIGITS, _VARIABLE = 5, frozenset(range(9, 15)) - {13}, 13


class _Head(Struct, frozen=True):
    """What stands before a record's number: how it is written, what it is (None: not known), its ending."""

    coding: int
    kind: Kind | None
    ending: str


class _Reader:
    """The bytes of a frame, one after the other."""

    def __init__(self, payload: bytes, position: int) -> None:
        self.payload = payload
        self.position = position

    def take(self, size: int) -> bytes:
        """Return the next bytes.

        Raises:
            CodecError: there are not as many.
        """
        end = self.position + size
        if end > len(self.payload):
            message = f"The payload ends after {len(self.payload)} bytes, within an M-Bus record."
            raise CodecError(message)
        self.position, taken = end, self.payload[self.position : end]
        return taken

    def chain(self, first: int) -> Iterator[int]:
        """Give the extensions behind a byte, as long as each says that there is another one.

        Raises:
            CodecError: there are more than the standard allows.
        """
        last, number = first, 0
        while last & _EXTENDED:
            if number == _MOST_EXTENSIONS:
                message = "An M-Bus record has more than ten extensions."
                raise CodecError(message)
            last, number = self.take(1)[0], number + 1
            yield last


def decode(header: int, payload: bytes, _f_port: int | None = None) -> Decoded:
    """Decode one frame; of a field that comes twice the first value counts, which is the present one.

    Args:
        header: bytes before the first record.
        payload: the frame.

    Raises:
        CodecError: it ends within a record, has digits that are none, or no record that is known.
    """
    reader = _Reader(payload, header)
    fields: dict[str, Any] = {}
    unknown: list[str] = []
    while reader.position < len(payload):
        dif = reader.take(1)[0]
        if dif in _MANUFACTURER:
            break
        if dif == _FILLER:
            continue
        start = reader.position - 1
        head = _read_head(reader, dif)
        raw = reader.take(_size(reader, head.coding))
        if head.kind is None:
            unknown.append(payload[start : reader.position - len(raw)].hex())
            continue
        value = _value(head, raw)
        if value is not None:
            fields.setdefault(head.kind.name + head.ending, value)
    if not fields:
        message = f"The payload of {len(payload)} bytes has no M-Bus record that is known and has a value."
        raise CodecError(message)
    return Decoded(fields=fields, warnings=_not_read(unknown))


def _not_read(unknown: list[str]) -> tuple[str, ...]:
    return (f"Records that are not known were left out: {', '.join(unknown)}.",) if unknown else ()


def _read_head(reader: _Reader, dif: int) -> _Head:
    storage, tariff, subunit = dif >> 6 & 1, 0, 0
    for place, extension in enumerate(reader.chain(dif)):
        storage |= (extension & 0x0F) << 4 * place + 1
        tariff |= (extension >> 4 & 3) << 2 * place
        subunit |= (extension >> 6 & 1) << place
    kind, direction = _read_vif(reader)
    ending = direction + _FUNCTIONS[dif >> 4 & 3]
    ending += "".join(
        f"_{letter}{number}" for letter, number in (("s", storage), ("t", tariff), ("u", subunit)) if number
    )
    return _Head(dif & 0x0F, kind, ending)


def _read_vif(reader: _Reader) -> tuple[Kind | None, str]:
    vif = reader.take(1)[0]
    more = list(reader.chain(vif))
    if vif in _TABLES:
        kind = _TABLES[vif].get(more[0] & 0x7F) if more else None
        more = more[1:]
    else:
        kind = _VIF.get(vif & 0x7F)
    direction = ""
    for extension in more:
        said = _DIRECTIONS.get(extension & 0x7F)
        if said is None:
            return None, ""  # something of the value that changes what it means
        direction += said
    return kind, direction


def _size(reader: _Reader, coding: int) -> int:
    if coding != _VARIABLE:
        size = _SIZES.get(coding)
        if size is None:
            message = f"An M-Bus record's number is written in a way that is not known ({coding})."
            raise CodecError(message)
        return size
    length = reader.take(1)[0]
    if length > 0xBF:  # noqa: PLR2004 - LVAR: beyond are numbers of other kinds
        message = f"An M-Bus record has a length of {length}, which is no text's."
        raise CodecError(message)
    return length


def _value(head: _Head, raw: bytes) -> Any:
    kind = head.kind
    if kind is None or not raw:
        return None
    if kind.form in {"date", "time"}:
        return _moment(raw, with_time=kind.form == "time")
    if kind.form == "address" or head.coding == _VARIABLE:
        # The identification is four bytes of digits; maker, version and medium follow.
        return _digits(raw[:4], kind.name) if kind.form == "address" else raw[::-1].decode("latin-1")
    if head.coding in _DIGITS:
        number: float | None = _digits(raw, kind.name)
    elif head.coding == _REAL:
        number = struct.unpack("<f", raw)[0]
        number = float(f"{number:.7g}") if math.isfinite(number) else None
    else:
        number = int.from_bytes(raw, "little", signed=kind.form != "bits")
        if kind.form != "bits" and number == -(1 << 8 * len(raw) - 1):
            return None  # the standard's mark of a value that is not valid
    if number is None or not kind.power:
        return number
    return number / 10**-kind.power if kind.power < 0 else number * 10**kind.power


def _digits(raw: bytes, name: str) -> int:
    """Return decimal digits, the lowest ones first; F in the highest place is a minus."""
    text = raw[::-1].hex()
    sign, digits = (-1, text[1:]) if text.startswith("f") else (1, text)
    if not digits.isdecimal():
        message = f"{name} is {text}, which is no decimal number."
        raise CodecError(message)
    return sign * int(digits)


def _moment(raw: bytes, *, with_time: bool) -> str | None:
    """Return the meter's own clock, which says no time zone (types F and G); None: it is not set."""
    needed = 4 if with_time else 2
    if len(raw) != needed:
        return None
    low, high = raw[-2], raw[-1]
    day, month, year = low & 0x1F, high & 0x0F, (low >> 5) | (high >> 4) << 3
    if not (day and month) or (with_time and raw[0] & _EXTENDED):
        return None
    date = f"{2000 + year:04d}-{month:02d}-{day:02d}"
    return f"{date}T{raw[1] & 0x1F:02d}:{raw[0] & 0x3F:02d}" if with_time else date


# --- what a simulated meter sends ----------------------------------------------------------------------

# DIF and VIF by which a field is sent, and its number's power of ten.
_SENT: Final[Mapping[str, tuple[bytes, int]]] = {
    "energy": (b"\x04\x06", 0),
    "energy_heat": (b"\x04\x0e", -3),
    "volume": (b"\x04\x13", -3),
    "power": (b"\x04\x2b", -3),
    "flow": (b"\x04\x3b", -3),
    "flow_temperature": (b"\x02\x5a", -1),
    "return_temperature": (b"\x02\x5e", -1),
    "temperature_difference": (b"\x02\x61", -2),
    "external_temperature": (b"\x02\x65", -2),
    "pressure": (b"\x02\x69", -2),
    "error_flags": (b"\x02\xfd\x17", 0),
    "battery_days": (b"\x02\xfd\x74", 0),
}
_ID = b"\x0c\x78"


def encode(codec: str, header: bytes, fields: Mapping[str, Any]) -> tuple[int, bytes]:
    """Return port and frame, values in the order of the fields.

    Raises:
        CodecError: a field that is not sent, or a value that does not fit.
    """
    return _F_PORT, header + b"".join(_encode_field(codec, name, value) for name, value in fields.items())


def _encode_field(codec: str, name: str, value: Any) -> bytes:
    if name == "meter_id":
        return _ID + bytes.fromhex(f"{int(value):08d}")[::-1]
    if name not in _SENT:
        message = f"{codec} has no field {name}."
        raise CodecError(message)
    head, power = _SENT[name]
    size = _SIZES[head[0] & 0x0F]
    try:
        number: int = round(float(value) * 10.0**-power)
        return head + number.to_bytes(size, "little", signed=name != "error_flags")
    except OverflowError:
        message = f"{name} = {value} does not fit into the {size} bytes of its field."
        raise CodecError(message) from None


def records(codec: str, *, header: bytes = b"", ports: tuple[int, ...] = ()) -> TableCodec:
    """Return the codec of a meter that sends M-Bus records.

    Args:
        codec: its name, for what it says of bad input.
        header: what its frames begin with; of its own frames only the length counts.
        ports: LoRaWAN ports that it sends on; empty: any.
    """
    return TableCodec(
        decode=partial(decode, len(header)),
        encode=partial(encode, codec, header),
        ports=ports,
    )


CODECS: Mapping[str, TableCodec] = {"mbus": records("mbus")}
