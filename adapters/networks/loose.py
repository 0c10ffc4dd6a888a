# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Fields of envelopes whose servers are not strict themselves: numbers as text, times as numbers."""

from __future__ import annotations

import re
from binascii import a2b_base64
from typing import TYPE_CHECKING

from adapters.networks.times import Form, read_time
from models.errors import EnvelopeError
from models.uplink import Position

if TYPE_CHECKING:
    from datetime import datetime

    from adapters.networks.fields import Fields

_NUMBER = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,18})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")
_EUI_BYTES = 8
_EUI_DIGITS = 16
MOST_COUNT = 0xFFFF_FFFF
MOST_PORT = 255


def number(fields: Fields, key: str) -> float | None:
    """Return a finite number, also where it is written as text; absent or an empty text: None."""
    value = fields.data.get(key)
    if type(value) is str:
        if not value:
            return None
        if _NUMBER.fullmatch(value.strip()) is None:
            raise fields.wrong(key, value, "a number")
        return float(value)
    return fields.number(key)


def count(fields: Fields, key: str, *, most: int) -> int | None:
    """Return a whole number from 0 to `most`, also where it is written as text; absent: None."""
    value = number(fields, key)
    if value is None:
        return None
    if not value.is_integer() or not 0 <= value <= most:
        sentence = f"The field {fields.named(key)} is {value:g}; it can be a whole number from 0 to {most}."
        raise EnvelopeError(sentence)
    return int(value)


def percent(fields: Fields, key: str) -> float | None:
    """Return a percentage as 0 to 1; absent or none: None."""
    value = number(fields, key)
    return value / 100 if value is not None and 0 <= value <= 100 else None  # noqa: PLR2004 - percent


def hexadecimal(fields: Fields, key: str) -> bytes:
    """Return the bytes behind hexadecimal digits; absent: none."""
    value = fields.text(key)
    if value is None:
        return b""
    if _HEX.fullmatch(value) is None:
        sentence = f"The field {fields.named(key)} is not hexadecimal."
        raise EnvelopeError(sentence)
    return bytes.fromhex(value)


def eui(fields: Fields, key: str) -> str | None:
    """Return an EUI-64, lower case, from its digits or from the base64 of its bytes; absent: None."""
    value = fields.text(key)
    if value is None or len(value) >= _EUI_DIGITS:
        return fields.dev_eui(key)
    try:
        raw = a2b_base64(value, strict_mode=True)
    except ValueError:
        raw = b""
    if len(raw) != _EUI_BYTES:
        sentence = f"The field {fields.named(key)} is no EUI: 16 hexadecimal digits, or base64 of 8 bytes."
        raise EnvelopeError(sentence)
    return raw.hex()


def time(fields: Fields, key: str, form: Form) -> datetime | None:
    """Return a moment of UTC; absent, empty or 0: None."""
    value = fields.data.get(key)
    if value is None or (value in ("", 0) and type(value) is not bool):
        return None
    return read_time(value, named=fields.named(key), form=form)


def position(fields: Fields, latitude: str, longitude: str, altitude: str | None = None) -> Position | None:
    """Return a place from two or three fields; without both of the first, or where both are 0: None."""
    north, east = number(fields, latitude), number(fields, longitude)
    if north is None or east is None or north == east == 0:
        return None
    if not (-90 <= north <= 90 and -180 <= east <= 180):  # noqa: PLR2004 - degrees
        sentence = (
            f"The field {fields.named(latitude)} is no place on earth: latitude {north}, longitude {east}."
        )
        raise EnvelopeError(sentence)
    up = number(fields, altitude) if altitude is not None else None
    return Position(longitude=east, latitude=north, altitude=up)
