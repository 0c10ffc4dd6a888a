# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The days and months that files are about: those of the city's own clock, Europe/Berlin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from portal.datasets import ZONE

_NAME = re.compile(r"(?P<stem>current|\d{4}-\d\d(?:-\d\d)?)\.(?P<extension>[a-z.]{1,12})")
_FIRST_YEAR = 2000
_DECEMBER = 12
#: How long after its end a span is looked at again: late readings change what it holds.
_DAY_AGAIN = (timedelta(hours=1), timedelta(hours=6), *(timedelta(days=days) for days in range(1, 8)))
_MONTH_AGAIN = (timedelta(hours=1), timedelta(days=2), timedelta(days=7))
_OPEN_DAY = timedelta(minutes=15)
_OPEN_MONTH = timedelta(hours=6)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Span:
    """A day or a month.

    Attributes:
        first: its first day.
        month: it is a month.
    """

    first: date
    month: bool

    @property
    def after(self) -> date:
        """The first day behind it."""
        if not self.month:
            return self.first + timedelta(days=1)
        year, month = self.first.year, self.first.month
        return date(year + 1, 1, 1) if month == _DECEMBER else date(year, month + 1, 1)

    @property
    def days(self) -> tuple[date, date]:
        """Its first and its last day."""
        return self.first, self.after - timedelta(days=1)

    @property
    def start(self) -> datetime:
        """When it begins."""
        return _midnight(self.first)

    @property
    def end(self) -> datetime:
        """When it ends."""
        return _midnight(self.after)

    @property
    def stem(self) -> str:
        """How names of its files begin: `2026-11-22`, `2026-11`."""
        return self.first.isoformat()[:7] if self.month else self.first.isoformat()

    def due(self, checked: datetime, now: datetime) -> bool:
        """Say whether what was found at one time has to be looked at again."""
        if checked < self.end:
            still_open = now < self.end
            return now - checked >= (_OPEN_MONTH if self.month else _OPEN_DAY) if still_open else True
        moments = (self.end + later for later in (_MONTH_AGAIN if self.month else _DAY_AGAIN))
        return any(checked < moment <= now for moment in moments)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=ZONE).astimezone(UTC)


def read_name(name: str) -> tuple[Span | None, str] | None:
    """Return what a file's name says: its span (None: the current state) and its extension.

    None: no file has this name.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    stem, extension = found["stem"], found["extension"]
    if stem == "current":
        return None, extension
    span = read_span(stem)
    return None if span is None else (span, extension)


def read_span(stem: str) -> Span | None:
    """Return a day or a month by its name; None: there is none such."""
    month = len(stem) == len("2026-11")
    try:
        first = date.fromisoformat(f"{stem}-01" if month else stem)
    except ValueError:
        return None
    return Span(first=first, month=month) if first.year >= _FIRST_YEAR else None


def today(now: datetime) -> date:
    """Return which day it is in the city."""
    return now.astimezone(ZONE).date()


def last_days(now: datetime, count: int) -> list[Span]:
    """Return the last days that are over, the latest first."""
    return [Span(first=today(now) - timedelta(days=back), month=False) for back in range(1, count + 1)]


def last_months(now: datetime, count: int) -> list[Span]:
    """Return the last months that are over, the latest first."""
    found: list[Span] = []
    first = today(now).replace(day=1)
    for _ in range(count):
        first = (first - timedelta(days=1)).replace(day=1)
        found.append(Span(first=first, month=True))
    return found
