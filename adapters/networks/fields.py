# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Typed access to the fields of an envelope: strict about types, at ease with anything additional.

An absent field and a null are the same: both network servers leave out what has its default
(proto3 JSON), so every reader says what absence means to it.
"""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from models.errors import EnvelopeError, UnknownEnvelopeError
from models.uplink import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEV_EUI = re.compile(r"[0-9a-f]{16}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)")
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


class Fields:
    """One object of an envelope, and where it is, for the sentences of errors.

    Every uplink asks for some forty fields: the way to a value that is as it should be is short,
    and paths are put together only where something is wrong.
    """

    __slots__ = ("_key", "_parent", "data")

    def __init__(self, data: Mapping[str, Any], parent: Fields | None = None, key: str = "") -> None:
        self.data = data
        self._parent = parent
        self._key = key

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

    @property
    def path(self) -> str:
        """The object's path from the top."""
        return self._parent.named(self._key) if self._parent is not None else ""

    def named(self, key: str) -> str:
        """Return a field's path from the top."""
        path = self.path
        return f"{path}.{key}" if path else key

    def section(self, key: str) -> Fields:
        """Return an object; absent: an empty one."""
        value = self.data.get(key)
        if type(value) is dict:
            return Fields(value, self, key)
        if value is None:
            return _NOTHING
        raise self.wrong(key, value, "an object")

    def sections(self, key: str) -> list[Fields]:
        """Return the objects of an array; absent: none."""
        value = self.data.get(key)
        if value is None:
            return []
        if type(value) is not list:
            raise self.wrong(key, value, "an array")
        for index, each in enumerate(value):
            if type(each) is not dict:
                element = f"{key}[{index}]"
                raise self.wrong(element, each, "an object")
        return [Fields(each, self, f"{key}[{index}]") for index, each in enumerate(value)]

    def mapping(self, key: str) -> Mapping[str, Any] | None:
        """Return an object as it is; absent: None."""
        value = self.data.get(key)
        if value is None or type(value) is dict:
            return value
        raise self.wrong(key, value, "an object")

    def text(self, key: str) -> str | None:
        """Return a text; absent or empty: None."""
        value = self.data.get(key)
        if value is None or type(value) is str:
            return value or None
        raise self.wrong(key, value, "text")

    def texts(self, key: str) -> Mapping[str, str]:
        """Return an object of texts; absent: an empty one."""
        section = self.section(key)
        for name, value in section.data.items():
            if type(value) is not str:
                raise section.wrong(name, value, "text")
        return section.data

    def flag(self, key: str) -> bool:
        """Return a boolean; absent: False."""
        value = self.data.get(key)
        if value is None or type(value) is bool:
            return bool(value)
        raise self.wrong(key, value, "true or false")

    def number(self, key: str) -> float | None:
        """Return a finite number; absent: None."""
        value = self.data.get(key)
        if value is None or type(value) is float:
            return value
        if type(value) is int:
            return float(value)
        if type(value) is str and value in _NOT_FINITE:
            return None
        raise self.wrong(key, value, "a number")

    def count(self, key: str, *, most: int) -> int | None:
        """Return a whole number from 0 to `most`; absent: None."""
        value = self.data.get(key)
        if value is None:
            return None
        if type(value) is not int:
            raise self.wrong(key, value, "a whole number")
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
            return binascii.a2b_base64(value, strict_mode=True)
        except ValueError:
            sentence = f"The field {self.named(key)} is not base64."
            raise EnvelopeError(sentence) from None

    def time(self, key: str) -> datetime | None:
        """Return an RFC 3339 time as UTC, cut to microseconds; absent: None."""
        value = self.text(key)
        return None if value is None else rfc3339(value, self, key)

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

    def wrong(self, key: str, value: Any, noun: str) -> EnvelopeError:
        """Return the error that names a field of a wrong type."""
        kind = _NAMES.get(type(value), "null")
        return EnvelopeError(f"The field {self.named(key)} is {kind} where {noun} belongs.")


_NOTHING = Fields({})


def are_texts(value: Any) -> bool:
    """Say whether a value is an object of texts."""
    return type(value) is dict and all(type(each) is str for each in value.values())


def rfc3339(value: str, fields: Fields, key: str) -> datetime:
    """Read an RFC 3339 time; nanoseconds are cut, a leap second is the second before it.

    Args:
        value: the text.
        fields: where it stands, for the error's sentence.
        key: under which name.

    Raises:
        EnvelopeError: it is none, has no time zone, or does not exist.
    """
    moment = quick_rfc3339(value)
    if moment is not None:
        return moment
    if _RFC3339.fullmatch(value) is not None:
        leap = value[_SECONDS] == "60"
        try:
            moment = datetime.fromisoformat((f"{value[:17]}59{value[19:]}" if leap else value).upper())
            return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    sentence = f"The field {fields.named(key)} is no RFC 3339 time with a time zone."
    raise EnvelopeError(sentence)


_SECONDS = slice(17, 19)


def quick_rfc3339(value: str) -> datetime | None:
    """Read a time as nearly all are written, in UTC with a T; None: it is another one, or none.

    `datetime.fromisoformat` knows more than RFC 3339: other dates, commas, hours alone. The signs that
    such a time has at its fixed places rule them out.
    """
    if value[_SIGNS] != "--T::":
        return None
    fraction = value[19:-1] if value[-1] == "Z" else value[19:-6] if value[-6:] == "+00:00" else None
    if fraction is None or (fraction and not (fraction[0] == "." and fraction[1:].isdecimal())):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is UTC else None


_SIGNS = slice(4, 17, 3)
