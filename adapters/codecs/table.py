# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What codec tables are made of: one row a field, read and written by the same row."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from models.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Value = float | int | str | bool | list[float]


class Decoded(Struct, frozen=True, kw_only=True):
    """What a codec made of one payload.

    Attributes:
        fields: the device's own names and units, JSON values.
        normalized: the same in the normalised vocabulary, one mapping a measurement, from
            codecs that have a normaliser.
        warnings: what the codec found odd, in words.
    """

    fields: Mapping[str, Any]
    normalized: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class TableCodec:
    """A codec that is a table: decoding and its inverse.

    Attributes:
        decode: (payload, f_port) → Decoded; raises CodecError.
        encode: fields → (f_port, payload); raises CodecError.
        ports: LoRaWAN ports that the device sends its values on; empty: any.
    """

    decode: Callable[[bytes, int | None], Decoded]
    encode: Callable[[Mapping[str, Any]], tuple[int, bytes]]
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One field: value = (raw - zero) / per.

    Attributes:
        name: the vendor's name of the field.
        size: bytes.
        signed: two's complement.
        zero: the raw number that means 0.
        per: raw steps per unit; 1: the value is an integer.
        order: byte order; `words` is two big-endian 16-bit words, the lower one first; `bcd` is
            two decimal digits a byte, the lowest ones first (EN 13757-3, type A).
        mask: bits that belong to the field, counted from the lowest of them; None: all.
        default: what is sent where no value is given.
        stay: the next row reads the same bytes again: several fields share them.
        words: raw numbers that are no measurement → the vendor's word for them, or true and false.
        take: (payload, position) → the field's value: `read` of the bytes there, which are known to be there.
    """

    name: str
    size: int = 2
    signed: bool = False
    zero: float = 0
    per: float = 1
    order: Literal["big", "little", "words", "bcd"] = "big"
    mask: int | None = None
    default: float | str = 0
    stay: bool = False
    words: Mapping[int, str | bool] = field(default_factory=dict)
    take: Callable[[bytes, int], Value] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out how the field is read: that takes longer than to read it."""
        object.__setattr__(self, "take", _reader(self))

    def read(self, raw: bytes) -> float | int | str | bool:
        """Return the field's value from its `size` bytes.

        Raises:
            CodecError: they are no decimal digits where `bcd` wants them.
        """
        number = self._number(raw)
        if self.mask is not None:
            number = (number & self.mask) >> self._shift
        if self.words and number in self.words:
            return self.words[number]
        if self.per == 1:
            return int(number - self.zero)
        return (number - self.zero) / self.per

    def write(self, value: float | str) -> bytes:
        """Return the `size` bytes that `read` turns into the value, to the field's resolution.

        Raises:
            CodecError: the value does not fit into the field.
        """
        number = self._raw(value)
        shifted = number << self._shift
        try:
            if self.mask is not None and not 0 <= shifted <= self.mask:
                raise OverflowError  # noqa: TRY301 - a mask is a limit as the bytes are
            raw = self._bytes(shifted)
        except OverflowError:
            message = f"{self.name} = {value} does not fit into the {self.size} bytes of its field."
            raise CodecError(message) from None
        return raw

    @property
    def _shift(self) -> int:
        return (self.mask & -self.mask).bit_length() - 1 if self.mask else 0

    def _number(self, raw: bytes) -> int:
        match self.order:
            case "words":
                return int.from_bytes(raw[2:] + raw[:2], "big", signed=self.signed)
            case "bcd":
                digits = raw[::-1].hex()
                if not digits.isdecimal():
                    message = f"{self.name} is {digits}, which is no decimal number."
                    raise CodecError(message)
                return int(digits)
            case order:
                return int.from_bytes(raw, order, signed=self.signed)

    def _bytes(self, number: int) -> bytes:
        match self.order:
            case "words":
                raw = number.to_bytes(self.size, "big", signed=self.signed)
                return raw[2:] + raw[:2]
            case "bcd":
                if not 0 <= number < 10 ** (2 * self.size):
                    raise OverflowError
                return bytes.fromhex(f"{number:0{2 * self.size}d}")[::-1]
            case order:
                return number.to_bytes(self.size, order, signed=self.signed)

    def _raw(self, value: float | str) -> int:
        for number, word in self.words.items():
            if value == word and isinstance(value, bool) == isinstance(word, bool):
                return number
        try:
            return round(float(value) * self.per + self.zero)
        except (OverflowError, ValueError):
            message = f"{self.name} = {value!r} is not a number that can be encoded."
            raise CodecError(message) from None


_LETTERS: Final = {1: "b", 2: "h", 4: "i", 8: "q"}


def _reader(row: Row) -> Callable[[bytes, int], Value]:
    """Return the quickest way to read a row."""
    size, zero, per, letter = row.size, row.zero, row.per, _LETTERS.get(row.size)
    if letter is None or row.order not in {"big", "little"} or row.mask is not None or row.words:
        return lambda payload, position: row.read(payload[position : position + size])
    form = (">" if row.order == "big" else "<") + (letter if row.signed else letter.upper())
    number = struct.Struct(form).unpack_from
    if per == 1:
        if type(zero) is int and not zero:
            return lambda payload, position: number(payload, position)[0]
        return lambda payload, position: int(number(payload, position)[0] - zero)
    if type(zero) is int and not zero:
        return lambda payload, position: number(payload, position)[0] / per
    return lambda payload, position: (number(payload, position)[0] - zero) / per


def size_of(rows: tuple[Row, ...]) -> int:
    """Return the bytes that the rows take together."""
    size = 0
    for row in rows:
        if not row.stay:
            size += row.size
    return size


def read_rows(rows: tuple[Row, ...], payload: bytes, start: int) -> dict[str, Value]:
    """Return the rows' values from consecutive bytes of a payload.

    Raises:
        CodecError: the payload ends before the rows do.
    """
    fields: dict[str, Value] = {}
    position = start
    for row in rows:
        end = position + row.size
        if end > len(payload):
            message = f"The payload ends after {len(payload)} bytes, within the field {row.name}."
            raise CodecError(message)
        fields[row.name] = row.take(payload, position)
        if not row.stay:
            position = end
    return fields


def write_rows(rows: tuple[Row, ...], fields: Mapping[str, Any]) -> bytes:
    """Return consecutive bytes of the rows; a field that is not given is sent as its default.

    Raises:
        CodecError: a value does not fit into its field.
    """
    written: list[bytes] = []
    shared = 0
    for row in rows:
        shared |= int.from_bytes(row.write(fields.get(row.name, row.default)), "big")
        if not row.stay:
            written.append(shared.to_bytes(row.size, "big"))
            shared = 0
    return b"".join(written)


def refuse_unknown(fields: Mapping[str, Any], known: frozenset[str], codec: str) -> None:
    """Raise CodecError for fields that the codec cannot send."""
    unknown = sorted(set(fields) - known)
    if unknown:
        message = f"{codec} has no field {', '.join(unknown)}."
        raise CodecError(message)
