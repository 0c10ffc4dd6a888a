# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The list of stations, narrowed and ordered by what an address asks; the browser does the same itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from portal.pages_stations import Station
    from portal.pages_text import Language

#: Names of the parameters.
QUERY, TOPIC, DISTRICT, SORT, PAGE = "q", "thema", "bezirk", "sort", "seite"
LENGTH = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What an address asks of the list; empty texts ask for nothing."""

    query: str
    topic: str
    district: str
    sort: str
    page: int

    def address(self, page: int) -> str:
        """Return the query part of the address of another page of the same."""
        asked = {
            QUERY: self.query,
            TOPIC: self.topic,
            DISTRICT: self.district,
            SORT: self.sort,
            PAGE: str(page) if page > 1 else "",
        }
        return "?" + urlencode({name: value for name, value in asked.items() if value})


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """What was found: all of it, and what stands on the page that was asked for."""

    all: tuple[Station, ...]
    rows: tuple[Station, ...]
    page: int
    pages: int


def listed(stations: Sequence[Station], asked: Asked, language: Language, now: datetime) -> Listed:
    """Narrow and order the stations; a page that is not there is the last."""
    wanted = asked.query.casefold().split()
    found = [
        station
        for station in stations
        if (not asked.topic or station.theme == asked.topic)
        and (not asked.district or station.district == asked.district)
        and all(word in searched(station, language) for word in wanted)
    ]
    order = _ORDERS.get(asked.sort)
    if order is not None:
        found.sort(key=lambda station: order(station, now))
    pages = max(1, -(-len(found) // LENGTH))
    page = min(max(1, asked.page), pages)
    return Listed(
        all=tuple(found), rows=tuple(found[(page - 1) * LENGTH : page * LENGTH]), page=page, pages=pages
    )


def searched(station: Station, language: Language) -> str:
    """Return the text that is searched: name, district, theme."""
    title = language.t(f"topic.{station.theme}")
    return f"{station.name} {station.district or ''} {title}".casefold()


def _age(station: Station, now: datetime) -> float:
    return float("inf") if station.newest is None else (now - station.newest).total_seconds()


_ORDERS: dict[str, Callable[[Station, datetime], Any]] = {
    "name": lambda station, _now: (station.name.casefold(), station.id),
    "level": lambda station, now: (
        station.stale(now),
        0 if station.verdict is None else -station.verdict.level,
        station.name.casefold(),
    ),
    "age": _age,
}
