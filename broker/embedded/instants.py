# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Points in time, as requests and answers write them (CIM 009, clause 4.6.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from broker.embedded.problems import BadRequestDataError

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d{1,9})?(Z|[+-]\d\d:\d\d)")
_LONGEST = len("2026-05-01T10:00:00.000000Z")


@lru_cache(maxsize=10_000)
def check_instant(text: str) -> str:
    """Return an RFC 3339 date-time, in UTC, with a point and six digits at most (clause 4.6.3).

    Raises:
        BadRequestDataError: it is none.
    """
    try:
        if _INSTANT.fullmatch(text) is None:
            raise ValueError  # noqa: TRY301 - one sentence for both ways of being wrong
        datetime.fromisoformat(text)
    except ValueError:
        raise BadRequestDataError(
            detail=f"a point in time is written as 2026-05-01T10:00:00Z, not {text[:100]!r}"
        ) from None
    if text[-1] != "Z":
        return _in_utc(text)
    return (
        text
        if len(text) <= _LONGEST and "," not in text
        else text[:-1].replace(",", ".")[: _LONGEST - 1] + "Z"
    )


def _in_utc(text: str) -> str:
    """Return a date-time of another zone in UTC, as it is always written (clause 4.6.3)."""
    try:
        moment = datetime.fromisoformat(text.replace(",", ".")).astimezone(UTC).replace(tzinfo=None)
    except OverflowError:  # the first or the last hours of the calendar
        return text
    return moment.isoformat(timespec="auto") + "Z"
