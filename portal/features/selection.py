# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Which features are asked for: by box, time and values (17-069r4, 7.15)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from portal.features.asked import refuse_others
from portal.features.boxes import parse_box, parse_number
from portal.features.crs import CRS84, named
from portal.features.errors import RefusedRequestError
from portal.features.openapi import ITEMS, MOST, USUAL
from portal.features.times import parse_moment, parse_span
from portal.views import moment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from portal.features.asked import Asked
    from portal.features.columns import Column
    from portal.features.crs import Crs
    from portal.features.snapshot import Feature, Snapshot

    Test = Callable[[Feature], bool]

#: Features of an HTML page, at most.
MOST_SHOWN = 500
_WORDS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which features are asked for.

    Attributes:
        tests: that each of them meets.
        limit: features of a page.
        offset: how many are left out before.
        crs: in which they are given.
    """

    tests: tuple[Test, ...]
    limit: int
    offset: int
    crs: Crs

    def matching(self, snapshot: Snapshot) -> list[Feature]:
        """Return the features that meet the tests, of all pages."""
        return [feature for feature in snapshot.features if all(test(feature) for test in self.tests)]

    def page(self, features: Sequence[Feature]) -> Sequence[Feature]:
        """Return the features of the page that was asked for."""
        return features[self.offset : self.offset + self.limit]


def crs_of(asked: Asked) -> Crs:
    """Return the system in which features are to be given.

    Raises:
        RefusedRequestError: it is not offered.
    """
    return named(asked.query.get("crs", CRS84.uri), "crs")


def select(asked: Asked, columns: Iterable[Column]) -> Selection:
    """Understand which features a request asks for.

    Args:
        asked: the request.
        columns: of the collection.

    Raises:
        RefusedRequestError: a parameter cannot be read, or there is none of its name.
    """
    filters = {column.name: column for column in columns if column.filters and column.name not in ITEMS}
    refuse_others(asked, (*ITEMS, *filters))
    values = (_values(filters[name], text) for name, text in asked.query.items() if name in filters)
    return Selection(
        tests=(*_places(asked), *_times(asked), *values),
        limit=asked.whole("limit", usual=USUAL, least=1, most=MOST if asked.form == "json" else MOST_SHOWN),
        offset=asked.whole("offset", usual=0, least=0),
        crs=crs_of(asked),
    )


def _places(asked: Asked) -> list[Test]:
    crs = named(asked.query.get("bbox-crs", CRS84.uri), "bbox-crs")
    text = asked.query.get("bbox")
    if text is None:
        return []
    box = parse_box(text, crs)
    return [lambda feature: feature.geometry is not None and box.touches(feature.geometry)]


def _times(asked: Asked) -> list[Test]:
    text = asked.query.get("datetime")
    if text is None:
        return []
    span = parse_span(text)
    return [lambda feature: feature.observed is not None and span.holds(feature.observed)]


def _values(column: Column, text: str) -> Test:
    """Return a test for a value: that a number, a truth or a moment is the same, however it is written."""
    if column.kind in {"number", "integer"}:
        wanted = _number(column, text)
        return lambda feature: feature.properties[column.name] == wanted
    if column.kind == "boolean":
        if text.lower() not in _WORDS:
            msg = f"The parameter {column.name} takes true or false, not {text[:50]!r}."
            raise RefusedRequestError(msg)
        truth = _WORDS[text.lower()]
        return lambda feature: feature.properties[column.name] is truth
    if column.kind == "date-time":
        return _moments(column, text)
    if column.kind == "array":
        return lambda feature: text in (feature.properties[column.name] or ())
    return lambda feature: feature.properties[column.name] == text


def _number(column: Column, text: str) -> float:
    number = parse_number(text)
    if number is None:
        msg = f"The parameter {column.name} is a number, not {text[:50]!r}."
        raise RefusedRequestError(msg)
    return number


def _moments(column: Column, text: str) -> Test:
    try:
        wanted = parse_moment(text)
    except (ValueError, OverflowError) as error:
        msg = f"The parameter {column.name} is a moment such as 2026-03-01T12:00:00Z, not {text[:50]!r}."
        raise RefusedRequestError(msg) from error

    def same(feature: Feature) -> bool:
        value: Any = feature.properties[column.name]
        return isinstance(value, str) and moment_of(value) == wanted

    return same
