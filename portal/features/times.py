# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Moments and spans of time, as they are asked for (17-069r4, 7.15.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from portal.features.errors import RefusedRequestError

# RFC 3339, 5.6. A space stands for the + of an offset where that was not encoded.
_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}):(\d{2})(?:\.(\d{1,18}))?(?:([Zz])|([+\- ])(\d{2}:\d{2}))",
    re.ASCII,
)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LEAP = 60
_OPEN = {"", ".."}


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A span of time; both its ends belong to it.

    Attributes:
        start: None: ever since.
        end: None: without end.
    """

    start: datetime | None
    end: datetime | None

    def holds(self, moment: datetime) -> bool:
        """Whether a moment lies in it."""
        return (self.start is None or self.start <= moment) and (self.end is None or moment <= self.end)


def parse_span(text: str) -> Span:
    """Read a moment, a day (in UTC), or two of these with a slash between; one of the two may be `..`.

    Raises:
        RefusedRequestError: it is none; the text says what is wrong.
    """
    first, slash, last = text.partition("/")
    if not slash:
        start, end = _ends(first, text)
        return Span(start=start, end=end)
    if first in _OPEN and last in _OPEN:
        _refuse(text)
    begin = None if first in _OPEN else _ends(first, text)[0]
    finish = None if last in _OPEN else _ends(last, text)[1]
    if begin is not None and finish is not None and begin > finish:
        msg = f"The datetime {text[:100]!r} ends before it begins."
        raise RefusedRequestError(msg)
    return Span(start=begin, end=finish)


def _ends(part: str, text: str) -> tuple[datetime, datetime]:
    """Return where a moment or a day begins and ends."""
    try:
        if _DAY.fullmatch(part):
            start = datetime.fromisoformat(part).replace(tzinfo=UTC)
            return start, start.replace(hour=23, minute=59, second=59, microsecond=999_999)
        moment = parse_moment(part)
    except (ValueError, OverflowError):
        _refuse(text)
    return moment, moment


def parse_moment(text: str) -> datetime:
    """Read a moment (RFC 3339), to the microsecond, in UTC.

    Raises:
        ValueError: it is none.
        OverflowError: it lies outside of the years 1 to 9999.
    """
    found = _MOMENT.fullmatch(text)
    if found is None:
        msg = f"{text[:50]!r} is no moment"
        raise ValueError(msg)
    day, clock, seconds, fraction, utc, sign, offset = found.groups()
    leap = int(seconds) == _LEAP
    zone = "+00:00" if utc else f"{'-' if sign == '-' else '+'}{offset}"
    moment = datetime.fromisoformat(f"{day}T{clock}:{'59' if leap else seconds}{zone}").astimezone(UTC)
    part = timedelta(microseconds=int((fraction or "0").ljust(6, "0")[:6]))
    return moment + part + (timedelta(seconds=1) if leap else timedelta())


def _refuse(text: str) -> NoReturn:
    msg = (
        f"A datetime is a moment such as 2026-03-01T12:00:00Z, a day, or an interval of two such as "
        f"2026-03-01T12:00:00Z/.., not {text[:100]!r}."
    )
    raise RefusedRequestError(msg)
