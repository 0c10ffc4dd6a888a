# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What operators and functions give (OGC 18-088, tables 23 and 24).

Null in, null out; so do values that an operator is not made for. A comparison with null is false, but
that null equals null. A list meets a condition where one of its members does.
"""

from __future__ import annotations

import math
import operator
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from portal.sensorthings import geometry, relations
from portal.views import moment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TESTS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_ORDERED: Final = frozenset({"number", "str", "moment", "date", "time", "timedelta"})
_BIGGEST: Final = 1e300


def compare(name: str, left: Any, right: Any) -> bool:
    """Compare two values of whatever types."""
    if type(left) is type(right) and type(left) in (str, float, int, datetime):
        return _TESTS[name](left, right)
    for one, other in ((left, right), (right, left)):
        if isinstance(one, list) and not isinstance(other, list):
            pairs = ((member, other) if one is left else (other, member) for member in one)
            return any(compare(name, *pair) for pair in pairs)
    if left is None or right is None:
        same = left is None and right is None
        return same if name == "eq" else not same if name == "ne" else False
    left, right = _alike(left, right)
    if _sort(left) != _sort(right):
        return name == "ne"
    if name not in ("eq", "ne") and _sort(left) not in _ORDERED:
        return False
    return _TESTS[name](left, right)


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Turn a text into a time where the other one is a time, and a date into its midnight."""
    if isinstance(left, datetime | date) and isinstance(right, str):
        right = to_moment(right)
    elif isinstance(right, datetime | date) and isinstance(left, str):
        left = to_moment(left)
    if isinstance(left, datetime) != isinstance(right, datetime):
        left, right = (to_moment(each) if isinstance(each, date) else each for each in (left, right))
    return left, right


def _sort(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case datetime():
            return "moment"
    return type(value).__name__


def order_of(value: Any) -> tuple[int, Any]:
    """Return what values of whatever types are ordered by: nothing first, then numbers, then texts."""
    match value:
        case None:
            return 0, 0
        case bool() | int() | float():
            return 1, value
        case timedelta():
            return 1, value.total_seconds()
        case str():
            return 2, value
        case datetime():
            return 3, value.timestamp()
    return 4, str(value)


def to_moment(value: Any) -> datetime | None:
    """Read a moment; of an interval, where it begins; of a day, its midnight; None: it is none."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    if isinstance(value, str):
        try:
            return moment_of(value.partition("/")[0])
        except ValueError:
            return None
    return None


# --- arithmetic ------------------------------------------------------------------------------------------


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def calculate(name: str, left: Any, right: Any) -> Any:
    """Add, subtract, multiply or divide; moments and durations as far as that makes sense."""
    if isinstance(left, str) and isinstance(right, timedelta | datetime):
        left = to_moment(left)
    if isinstance(right, str) and isinstance(left, timedelta | datetime):
        right = to_moment(right)
    try:
        if _number(left) and _number(right):
            return _numbers(name, left, right)
        if name in ("add", "sub") and _times(name, left, right):
            return left + right if name == "add" else left - right
        if name in ("mul", "div") and isinstance(left, timedelta) and _number(right):
            return left * right if name == "mul" else left / right
    except (OverflowError, ZeroDivisionError, ValueError):
        return None
    return None


def _times(name: str, left: Any, right: Any) -> bool:
    if isinstance(right, timedelta):
        return isinstance(left, datetime | timedelta)
    if isinstance(right, datetime):
        return isinstance(left, timedelta) if name == "add" else isinstance(left, datetime)
    return False


def _numbers(name: str, left: float, right: float) -> float | None:
    match name:
        case "add":
            result = left + right
        case "sub":
            result = left - right
        case "mul":
            result = left * right
        case "div":
            result = left / right
        case _:
            result = math.fmod(left, right)
    # beyond that a number is of no use, and of a length that nobody should wait for
    return result if abs(result) <= _BIGGEST else None


# --- functions -------------------------------------------------------------------------------------------


def _texts(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of texts one that gives null for anything else."""

    def guarded(*values: Any) -> Any:
        return function(*values) if all(isinstance(value, str) for value in values) else None

    return guarded


def _moments(function: Callable[[datetime], Any]) -> Callable[[Any], Any]:
    def guarded(value: Any) -> Any:
        moment = to_moment(value)
        return None if moment is None else function(moment)

    return guarded


def _rounded(function: Callable[[float], int]) -> Callable[[Any], Any]:
    def guarded(value: Any) -> Any:
        return function(value) if _number(value) and math.isfinite(value) else None

    return guarded


def _shapes(function: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*values: Any) -> Any:
        shapes = [geometry.shape(value) for value in values]
        return None if None in shapes else function(*shapes)

    return guarded


def _relate(one: Any, two: Any, pattern: Any) -> Any:
    first, second = geometry.shape(one), geometry.shape(two)
    if first is None or second is None or not isinstance(pattern, str):
        return None
    return relations.relate(first, second, pattern)


def _substring(text: Any, start: Any, length: Any = None) -> Any:
    if not isinstance(text, str) or not isinstance(start, int) or start < 0:
        return None
    if length is None:
        return text[start:]
    return text[start : start + length] if isinstance(length, int) and length >= 0 else None


def _half_up(value: float) -> int:
    return math.floor(value + 0.5) if value >= 0 else -math.floor(0.5 - value)


#: Functions by name: how many values they take at least and at most, and what they do.
FUNCTIONS: Final[Mapping[str, tuple[int, int, Callable[..., Any]]]] = {
    "substringof": (2, 2, _texts(lambda part, text: part in text)),
    "contains": (2, 2, _texts(lambda text, part: part in text)),
    "startswith": (2, 2, _texts(str.startswith)),
    "endswith": (2, 2, _texts(str.endswith)),
    "length": (1, 1, _texts(len)),
    "indexof": (2, 2, _texts(str.find)),
    "substring": (2, 3, _substring),
    "tolower": (1, 1, _texts(str.lower)),
    "toupper": (1, 1, _texts(str.upper)),
    "trim": (1, 1, _texts(str.strip)),
    "concat": (2, 2, _texts(operator.add)),
    "year": (1, 1, _moments(lambda moment: moment.year)),
    "month": (1, 1, _moments(lambda moment: moment.month)),
    "day": (1, 1, _moments(lambda moment: moment.day)),
    "hour": (1, 1, _moments(lambda moment: moment.hour)),
    "minute": (1, 1, _moments(lambda moment: moment.minute)),
    "second": (1, 1, _moments(lambda moment: moment.second)),
    "fractionalseconds": (1, 1, _moments(lambda moment: moment.microsecond / 1_000_000)),
    "date": (1, 1, _moments(datetime.date)),
    "time": (1, 1, _moments(datetime.time)),
    "totaloffsetminutes": (1, 1, _moments(lambda _: 0)),  # all moments are kept in UTC
    "mindatetime": (0, 0, lambda: datetime.min.replace(tzinfo=UTC)),
    "maxdatetime": (0, 0, lambda: datetime.max.replace(tzinfo=UTC)),
    "round": (1, 1, _rounded(_half_up)),
    "floor": (1, 1, _rounded(math.floor)),
    "ceiling": (1, 1, _rounded(math.ceil)),
    "geo.distance": (2, 2, _shapes(geometry.distance)),
    "geo.length": (1, 1, _shapes(geometry.length)),
    "geo.intersects": (2, 2, _shapes(geometry.intersects)),
    "st_intersects": (2, 2, _shapes(geometry.intersects)),
    "st_disjoint": (2, 2, _shapes(lambda one, two: not geometry.intersects(one, two))),
    "st_within": (2, 2, _shapes(geometry.within)),
    "st_contains": (2, 2, _shapes(lambda one, two: geometry.within(two, one))),
    "st_equals": (2, 2, _shapes(geometry.equals)),
    "st_touches": (2, 2, _shapes(relations.touches)),
    "st_crosses": (2, 2, _shapes(relations.crosses)),
    "st_overlaps": (2, 2, _shapes(relations.overlaps)),
    "st_relate": (3, 3, _relate),
}  # fmt: skip
