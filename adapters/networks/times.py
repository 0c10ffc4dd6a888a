# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Times in any common form → moments of UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from models.errors import ConfigurationError, EnvelopeError

Form = Literal["auto", "rfc3339", "s", "ms", "us", "ns"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Steps a second.
_STEPS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
# Seconds reach the first in the year 5138; milliseconds reached it in 1973; and so on by thousands.
_SIZES = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"))
_ISO = re.compile(
    r"(?P<year>\d{4})-?(?P<month>\d\d)-?(?P<day>\d\d)[Tt ]"
    r"(?P<hour>\d\d):?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,12}))?)?"
    r" ?(?P<zone>[Zz]|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_GERMAN = re.compile(
    r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4}),?[T ]+"
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,12}))?)?"
    r"(?: Uhr)?(?P<zone>[Zz])?",
    re.ASCII,
)
_NUMBER = re.compile(r"-?\d{1,20}(?:\.\d{1,12})?", re.ASCII)
_LEAP = 60
# How far a clock may be ahead and still mean the past.
_AHEAD = timedelta(minutes=5)
_LONGEST = 40


def read_time(
    value: Any,
    *,
    named: str,
    form: Form = "auto",
    zone: str | None = None,
    received_at: datetime | None = None,
) -> datetime:
    """Return a moment of UTC, cut to microseconds.

    `auto` takes a number for the seconds, milliseconds, micro- or nanoseconds since 1970 that it must be by
    its size, and a text for one of these or for a date and time: RFC 3339 with any offset
    (`2026-11-23T10:00:00+01:00`, `20261123T090000Z`), without one where a zone is declared
    (`2026-11-23 10:00`), or German (`23.11.2026 10:00`). A leap second is the second before it.

    Args:
        value: what stands there.
        named: the field's name, for the error's sentence.
        form: what is allowed.
        zone: of times that name none: an IANA name (`Europe/Berlin`). In the hour that comes twice when
            summer time ends, the later moment is meant, unless that is still to come.
        received_at: when the message came in, for that hour.

    Raises:
        EnvelopeError: it is no such time, has no zone, or does not exist.
    """
    number = _numeric(value) if form != "rfc3339" else None
    if number is not None:
        return _since_1970(number, _unit_of(number) if form == "auto" else form, named)
    if isinstance(value, str) and form in {"auto", "rfc3339"}:
        match = _ISO.fullmatch(value.strip()) or (
            _GERMAN.fullmatch(value.strip()) if form == "auto" else None
        )
        if match is not None:
            return _moment(match, named, zone, received_at)
    shown = f" (“{value[:_LONGEST]}”)" if isinstance(value, str) else ""
    sentence = f"The field {named}{shown} is no time that can be read as {form}."
    raise EnvelopeError(sentence)


@cache
def find_zone(name: str) -> ZoneInfo:
    """Return a time zone.

    Raises:
        ConfigurationError: there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        sentence = f"There is no time zone “{name}”; zones have names such as Europe/Berlin."
        raise ConfigurationError(sentence) from None


def _numeric(value: Any) -> float | None:
    if isinstance(value, str):
        text = value.strip()
        if _NUMBER.fullmatch(text) is None:
            return None
        return float(text) if "." in text else int(text)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _unit_of(number: float) -> str:
    return next((unit for least, unit in _SIZES if abs(number) >= least), "s")


def _since_1970(number: float, unit: str, named: str) -> datetime:
    steps = _STEPS[unit]
    try:
        if isinstance(number, int):
            # Nanoseconds of today have more digits than a float.
            return _EPOCH + timedelta(microseconds=number * 1_000_000 // steps)
        return _EPOCH + timedelta(seconds=number / steps)
    except (OverflowError, ValueError):
        sentence = f"The field {named} is {number:g}, a time outside the years 1 to 9999."
        raise EnvelopeError(sentence) from None


def _moment(match: re.Match[str], named: str, zone: str | None, received_at: datetime | None) -> datetime:
    parts = match.groupdict()
    second = int(parts["second"] or 0)
    try:
        local = datetime(  # noqa: DTZ001 - its zone follows
            int(parts["year"]),
            int(parts["month"]),
            int(parts["day"]),
            int(parts["hour"]),
            int(parts["minute"]),
            _LEAP - 1 if second == _LEAP else second,
            int((parts["fraction"] or "")[:6].ljust(6, "0")),
        )
        if parts["zone"]:
            return local.replace(tzinfo=_offset(parts["zone"])).astimezone(UTC)
        if zone is None:
            sentence = (
                f"The field {named} (“{match[0][:_LONGEST]}”) has no time zone, and the format declares none."
            )
            raise EnvelopeError(sentence)
        return _local(local, find_zone(zone), received_at)
    except (ValueError, OverflowError):
        sentence = f"The field {named} (“{match[0][:_LONGEST]}”) is a time that does not exist."
        raise EnvelopeError(sentence) from None


def _offset(text: str) -> timezone:
    if text in "Zz":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-away if text[0] == "-" else away)


def _local(local: datetime, zone: ZoneInfo, received_at: datetime | None) -> datetime:
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if second > first and received_at is not None and second <= received_at + _AHEAD:
        return second
    return first
