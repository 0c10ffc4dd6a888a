# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Moments as this interface reads and writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from models.values import rfc3339

#: Before and after all that anybody observes; both are moments that every broker takes.
BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)
END = datetime(2200, 1, 1, tzinfo=UTC)
#: The shortest time that a broker tells apart.
TICK = timedelta(microseconds=1)


def exact(moment: datetime) -> str:
    """Write a moment to the microsecond where it has any, else as usual."""
    if moment.microsecond % 1000 == 0:
        return rfc3339(moment)
    return f"{moment.astimezone(UTC).isoformat(timespec='microseconds').removesuffix('+00:00')}Z"


def compact(moment: datetime) -> str:
    """Write a moment for an address: `20260301T120000.25Z`."""
    text = moment.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
    part = f"{moment.microsecond:06}".rstrip("0")
    return f"{text}.{part}Z" if part else f"{text}Z"


def read_compact(text: str) -> datetime | None:
    """Read what `compact` wrote; None: it did not."""
    form = "%Y%m%dT%H%M%S.%fZ" if "." in text else "%Y%m%dT%H%M%SZ"
    try:
        moment = datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment if compact(moment) == text else None


def within(moment: datetime) -> datetime:
    """Return a moment, or the end of time that it lies beyond."""
    return min(max(moment, BEGINNING), END)
