# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Typed access to the fields of an envelope: strict about types, at ease with anything additional.

An absent field and a null are the same: both network servers leave out what has its default
(proto3 JSON), so every reader says what absence means to it.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from models.errors import EnvelopeError, UnknownEnvelopeError
from models.uplink import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEV_EUI = re.compile(r"[0-9a-f]{16}")
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
# Proto3 JSON writes these three as strings; a gateway without a measurement sends them.
_NOT_FINITE = frozenset({"NaN", "Infinity", "-Infinity"})
_NAMES = {
    dict: "an object",
    list: "an array",
    str: "text",
    bool: "a boolean",
    int: "a number",
    float: "a number",
}


@dataclass(frozen=True, slots=True)
class Fields:
    """One object of an envelope and its path in it, for the sentences of errors."""

    data: Mapping[str, Any]
    path: str = ""

    @classmethod
    def of(cls, body: Any) -> Fields:
        """Wrap a whole envelope.

        Raises:
            UnknownEnvelopeError: it is no JSON object.
        """
        if not isinstance(body, dict):
            sentence = f"The message is {_NAMES.get(type(body), 'null')} where an envelope is an object."
            raise UnknownEnvelopeError(sentence)
        return cls(body)

    def __contains__(self, key: str) -> bool:
        return self.data.get(key) is not None

    def named(self, key: str) -> str:
        """Return the field's path from the top."""
        return f"{self.path}.{key}" if self.path else key

    def section(self, key: str) -> Fields:
        """Return an object; absent: an empty one."""
        return Fields(self._typed(key, dict, "an object") or {}, self.named(key))

    def sections(self, key: str) -> list[Fields]:
        """Return the objects of an array; absent: none."""
        name = self.named(key)
        found = []
        for index, each in enumerate(self._typed(key, list, "an array") or ()):
            if not isinstance(each, dict):
                raise EnvelopeError(_wrong(f"{name}[{index}]", each, "an object"))
            found.append(Fields(each, f"{name}[{index}]"))
        return found

    def mapping(self, key: str) -> Mapping[str, Any] | None:
        """Return an object as it is; absent: None."""
        value: Mapping[str, Any] | None = self._typed(key, dict, "an object")
        return value

    def text(self, key: str) -> str | None:
        """Return a text; absent or empty: None."""
        return self._typed(key, str, "text") or None

    def texts(self, key: str) -> dict[str, str]:
        """Return an object of texts; absent: an empty one."""
        found: dict[str, str] = self._typed(key, dict, "an object") or {}
        for name, value in found.items():
            if not isinstance(value, str):
                raise EnvelopeError(_wrong(f"{self.named(key)}.{name}", value, "text"))
        return found

    def flag(self, key: str) -> bool:
        """Return a boolean; absent: False."""
        return bool(self._typed(key, bool, "true or false"))

    def number(self, key: str) -> float | None:
        """Return a finite number; absent: None."""
        value = self.data.get(key)
        if value is None or (isinstance(value, str) and value in _NOT_FINITE):
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise EnvelopeError(_wrong(self.named(key), value, "a number"))
        return float(value)

    def count(self, key: str, *, most: int) -> int | None:
        """Return a whole number from 0 to `most`; absent: None."""
        value = self.data.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise EnvelopeError(_wrong(self.named(key), value, "a whole number"))
        if not 0 <= value <= most:
            sentence = f"The field {self.named(key)} is {value}; it can be 0 to {most}."
            raise EnvelopeError(sentence)
        return value

    def base64(self, key: str) -> bytes:
        """Return the bytes behind a base64 text; absent: none."""
        value = self.text(key)
        if value is None:
            return b""
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            sentence = f"The field {self.named(key)} is not base64."
            raise EnvelopeError(sentence) from None

    def time(self, key: str) -> datetime | None:
        """Return an RFC 3339 time as UTC, cut to microseconds; absent: None."""
        value = self.text(key)
        return None if value is None else rfc3339(value, self.named(key))

    def dev_eui(self, key: str) -> str | None:
        """Return a DevEUI, lower case; absent: None."""
        value = self.text(key)
        if value is None:
            return None
        lower = value.lower()
        if _DEV_EUI.fullmatch(lower) is None:
            sentence = f"The field {self.named(key)} is no DevEUI, which has 16 hexadecimal digits."
            raise EnvelopeError(sentence)
        return lower

    def position(self, key: str) -> Position | None:
        """Return a place; absent, or without both coordinates: None. One omitted coordinate is 0."""
        place = self.section(key)
        longitude, latitude = place.number("longitude"), place.number("latitude")
        if longitude is None and latitude is None:
            return None
        longitude, latitude = longitude or 0.0, latitude or 0.0
        if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):  # noqa: PLR2004 - degrees
            sentence = (
                f"The field {place.path} is no place on earth: latitude {latitude}, longitude {longitude}."
            )
            raise EnvelopeError(sentence)
        return Position(longitude=longitude, latitude=latitude, altitude=place.number("altitude"))

    def _typed(self, key: str, kind: type, noun: str) -> Any:
        value = self.data.get(key)
        if value is None or isinstance(value, kind):
            return value
        raise EnvelopeError(_wrong(self.named(key), value, noun))


def rfc3339(value: str, name: str) -> datetime:
    """Read an RFC 3339 time; nanoseconds are cut, a leap second is the second before it.

    Raises:
        EnvelopeError: it is none, has no time zone, or does not exist.
    """
    match = _RFC3339.fullmatch(value)
    if match is not None:
        date, minute, second, fraction, zone = match.groups()
        second = "59" if second == "60" else second
        zone = "+00:00" if zone in "Zz" else zone
        try:
            moment = datetime.fromisoformat(f"{date}T{minute}:{second}{(fraction or '')[:7]}{zone}")
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    sentence = f"The field {name} is no RFC 3339 time with a time zone."
    raise EnvelopeError(sentence)


def _wrong(name: str, value: Any, noun: str) -> str:
    return f"The field {name} is {_NAMES.get(type(value), 'null')} where {noun} belongs."
