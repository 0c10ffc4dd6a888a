# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What a temporal query asks for (CIM 009, clauses 4.11, 4.5.19 and 5.2.21)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import MAXYEAR, datetime, timedelta
from typing import TYPE_CHECKING, Any

from broker.embedded.history import instant
from broker.embedded.instants import check_instant
from broker.embedded.problems import BadRequestDataError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from broker.embedded.scopes import ScopeQuery

MEMBERS = frozenset({"timerel", "timeAt", "endTimeAt", "timeproperty", "lastN"})
AGGREGATION_MEMBERS = frozenset({"aggrMethods", "aggrPeriodDuration"})
PROPERTIES = frozenset({"observedAt", "createdAt", "modifiedAt", "deletedAt"})
METHODS = ("totalCount", "distinctCount", "sum", "avg", "min", "max", "stddev", "sumsq")
MAX_LAST = 1_000_000

_RELATIONS = frozenset({"before", "after", "between"})
# the smallest part may have a fraction (ISO 8601), but for years and months, whose length differs
_DURATION = re.compile(
    r"P(?=.)(?:(?P<weeks>\d{1,6}(?:[.,]\d{1,6})?)W|"
    r"(?:(?P<years>\d{1,4})Y)?(?:(?P<months>\d{1,5})M)?(?:(?P<days>\d{1,7}(?:[.,]\d{1,6}(?=D$))?)D)?"
    r"(?:T(?=.)(?:(?P<hours>\d{1,8}(?:[.,]\d{1,6}(?=H$))?)H)?(?:(?P<minutes>\d{1,9}(?:[.,]\d{1,6}(?=M$))?)M)?"
    r"(?:(?P<seconds>\d{1,10}(?:[.,]\d{1,6})?)S)?)?)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Which instances are meant: those whose time stands in a relation to a moment.

    Attributes:
        timeproperty: which of their times; None: nobody said, and an instance without observedAt
            is meant too unless there is a relation.
        relation: before, after, between; None: at any time. What they begin with is within, what they
            end with is not, so that windows follow each other without a gap.
        at, end: the moments; `end` for between alone.
        last: how many instances of an attribute at most, the newest first; None: all, the oldest first.
        scopes: which scope the entity has to have had at the time of an instance (clauses 4.18 and 5.7.4.4).
    """

    timeproperty: str | None = None
    relation: str | None = None
    at: datetime | None = None
    end: datetime | None = None
    last: int | None = None
    scopes: ScopeQuery | None = None

    @property
    def time(self) -> str:
        """The time that is looked at."""
        return self.timeproperty or "observedAt"

    @property
    def begins(self) -> datetime | None:
        """The moment before which there is nothing; None if none is named."""
        return self.at if self.relation in {"after", "between"} else None

    @property
    def ends(self) -> datetime | None:
        """The moment after which there is nothing; None if none is named."""
        return self.at if self.relation == "before" else self.end


@dataclass(frozen=True, kw_only=True, slots=True)
class Duration:
    """An ISO 8601 duration: months, whose length differs, and a time that is always the same."""

    months: int
    rest: timedelta

    def __bool__(self) -> bool:
        return bool(self.months or self.rest)


@dataclass(frozen=True, kw_only=True, slots=True)
class Aggregation:
    """What is to be calculated, over which periods; a period of nothing is the whole time."""

    methods: tuple[str, ...]
    period: Duration


def parse_window(given: Mapping[str, Any]) -> Window:
    """Read the members of a temporal query, from a request's parameters or a temporalQ.

    Raises:
        BadRequestDataError: it is incomplete or wrong.
    """
    timeproperty, relation = given.get("timeproperty"), given.get("timerel")
    if timeproperty is not None and timeproperty not in PROPERTIES:
        raise BadRequestDataError(
            detail=f"timeproperty is {', '.join(sorted(PROPERTIES))}, not {str(timeproperty)[:100]!r}"
        )
    if relation is not None and relation not in _RELATIONS:
        raise BadRequestDataError(detail=f"timerel is before, after or between, not {str(relation)[:100]!r}")
    at, end = _moment(given, "timeAt"), _moment(given, "endTimeAt")
    if relation is None and (at is not None or end is not None):
        raise BadRequestDataError(detail="timeAt and endTimeAt need timerel beside them")
    if relation is not None and at is None:
        raise BadRequestDataError(detail=f"timerel {relation} needs timeAt")
    if (relation == "between") != (end is not None):
        raise BadRequestDataError(detail="timerel between needs endTimeAt, and no other takes it")
    if at is not None and end is not None and end <= at:
        raise BadRequestDataError(detail="endTimeAt has to be later than timeAt")
    return Window(
        timeproperty=timeproperty, relation=relation, at=at, end=end, last=_last(given.get("lastN"))
    )


def parse_aggregation(given: Mapping[str, Any]) -> Aggregation:
    """Read aggrMethods and aggrPeriodDuration.

    Raises:
        BadRequestDataError: a method is missing or unknown, or the period is no duration.
    """
    named = given.get("aggrMethods")
    if isinstance(named, str):
        named = named.split(",")
    if not isinstance(named, list) or not named:
        raise BadRequestDataError(detail=f"aggregatedValues needs aggrMethods: some of {', '.join(METHODS)}")
    for method in named:
        if method not in METHODS:
            raise BadRequestDataError(
                detail=f"aggrMethods are {', '.join(METHODS)}; {str(method)[:100]!r} is none"
            )
    period = given.get("aggrPeriodDuration", "PT0S")
    return Aggregation(methods=tuple(dict.fromkeys(named)), period=parse_duration(period))


def check_aggregation(given: Mapping[str, Any]) -> None:
    """See that aggrMethods and aggrPeriodDuration are right where they are of no effect too.

    Raises:
        BadRequestDataError: they are not.
    """
    if "aggrMethods" in given:
        parse_aggregation(given)
    elif "aggrPeriodDuration" in given:
        parse_duration(given["aggrPeriodDuration"])


def parse_duration(text: Any) -> Duration:
    """Read an ISO 8601 duration such as PT15M, P1D or P1M.

    Raises:
        BadRequestDataError: it is none.
    """
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise BadRequestDataError(
            detail=f"aggrPeriodDuration is written as PT1H or P1D, not {str(text)[:100]!r}"
        )
    part = {name: (value or "0").replace(",", ".") for name, value in found.groupdict().items()}
    return Duration(
        months=int(part["years"]) * 12 + int(part["months"]),
        rest=timedelta(
            weeks=float(part["weeks"]),
            days=float(part["days"]),
            hours=float(part["hours"]),
            minutes=float(part["minutes"]),
            seconds=float(part["seconds"]),
        ),
    )


def later(moment: datetime, duration: Duration) -> datetime:
    """Return the moment a duration later; a day that the month has not becomes its last.

    Raises:
        OverflowError: that is beyond the calendar.
    """
    months = moment.month - 1 + duration.months
    year, month = moment.year + months // 12, months % 12 + 1
    if year > MAXYEAR:
        msg = "beyond the calendar"
        raise OverflowError(msg)
    day = min(moment.day, _days(year, month))
    return moment.replace(year=year, month=month, day=day) + duration.rest


def only_known(given: Mapping[str, Any], known: Collection[str], what: str) -> None:
    """See that an object has no member that would be ignored.

    Raises:
        BadRequestDataError: it has one.
    """
    unknown = sorted(given.keys() - known)
    if unknown:
        raise BadRequestDataError(detail=f"{what} has no member {unknown[0][:100]!r}")


def _days(year: int, month: int) -> int:
    if month == 12:  # noqa: PLR2004 - December, after which the calendar may end
        return 31
    return (datetime(year, month + 1, 1) - datetime(year, month, 1)).days  # noqa: DTZ001 - days are counted


def _moment(given: Mapping[str, Any], name: str) -> datetime | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadRequestDataError(detail=f"{name} is a point in time such as 2026-05-01T10:00:00Z")
    return instant(check_instant(value))


def _last(value: Any) -> int | None:
    if value is None:
        return None
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_LAST:
        raise BadRequestDataError(detail=f"lastN is a whole number from 1 to {MAX_LAST}, not {text[:100]!r}")
    return int(text)
