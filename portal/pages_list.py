# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The list of stations, narrowed and ordered by what an address asks; the browser does the same itself."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from portal.pages_stations import Station
    from portal.pages_text import Language

#: Names of the parameters.
QUERY, TOPIC, DISTRICT, SORT, PAGE = "q", "thema", "bezirk", "sort", "seite"
LENGTH = 50
#: The table's columns that it may be ordered by: name of the order, text, and which way that goes first.
COLUMNS = (
    ("name", "list.col.name", "ascending"),
    ("value", "list.col.value", "descending"),
    ("level", "list.col.verdict", "descending"),
    ("age", "list.col.age", "ascending"),
)
_UNJUDGED = 6
_OTHER_WAY = {"ascending": "descending", "descending": "ascending"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What an address asks of the list; empty texts ask for nothing."""

    query: str
    topic: str
    district: str
    sort: str
    page: int

    def address(self, page: int, sort: str | None = None) -> str:
        """Return the query part of the address of another page of the same, or of another order."""
        asked = {
            QUERY: self.query,
            TOPIC: self.topic,
            DISTRICT: self.district,
            SORT: self.sort if sort is None else sort,
            PAGE: str(page) if page > 1 else "",
        }
        return "?" + urlencode({name: value for name, value in asked.items() if value})

    def column(self, order: str) -> tuple[str | None, str]:
        """Return how a column is ordered (None: it is not), and the address that orders by it."""
        if self.sort.removeprefix("-") != order:
            return None, self.address(1, order)
        first = next(way for name, _, way in COLUMNS if name == order)
        back = self.sort != order
        return (_OTHER_WAY[first] if back else first), self.address(1, order if back else f"-{order}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """What was found: all of it, and what stands on the page that was asked for."""

    all: tuple[Station, ...]
    rows: tuple[Station, ...]
    page: int
    pages: int


def listed(stations: Sequence[Station], asked: Asked, language: Language, now: datetime) -> Listed:
    """Narrow and order the stations; a page that is not there is the last."""
    wanted = folded(asked.query).split()
    found = [
        station
        for station in stations
        if (not asked.topic or station.theme == asked.topic)
        and (not asked.district or station.district == asked.district)
        and all(word in searched(station, language) for word in wanted)
    ]
    if asked.sort in ORDERS:
        key, backwards = ORDERS[asked.sort]
        found.sort(key=lambda station: key(station, now), reverse=backwards)
    pages = max(1, -(-len(found) // LENGTH))
    page = min(max(1, asked.page), pages)
    return Listed(
        all=tuple(found), rows=tuple(found[(page - 1) * LENGTH : page * LENGTH]), page=page, pages=pages
    )


def searched(station: Station, language: Language) -> str:
    """Return the text that is searched: name, district, theme."""
    title = language.t(f"topic.{station.theme}")
    return folded(f"{station.name} {station.district or ''} {title}")


@lru_cache(maxsize=16_384)
def folded(text: str) -> str:
    """Return a text as it is compared: “Märkische Straße” and “maerkische strasse” are one."""
    plain = "".join(
        each for each in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(each)
    )
    return plain.replace("ae", "a").replace("oe", "o").replace("ue", "u")


def _age(station: Station, now: datetime) -> float:
    return float("inf") if station.newest is None else (now - station.newest).total_seconds()


def _level(station: Station, now: datetime) -> int:
    return 0 if station.verdict is None or station.stale(now) else station.verdict.level


def _value(station: Station, way: int) -> tuple[Any, ...]:
    """What is measured in the same way stands together; what is no number comes last."""
    name = next(iter(station.main), "")
    value = station.values[name].value if name else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True, folded(station.name), 0, station.id
    return False, name, way * value, station.id


def _name(station: Station) -> tuple[str, str]:
    return folded(station.name), station.id


#: What the list may be ordered by (a key, and whether backwards); without any of these, by theme and name.
ORDERS: Mapping[str, tuple[Callable[[Station, datetime], Any], bool]] = {
    "name": (lambda station, _now: _name(station), False),
    "-name": (lambda station, _now: _name(station), True),
    "value": (lambda station, _now: _value(station, -1), False),
    "-value": (lambda station, _now: _value(station, 1), False),
    "level": (lambda station, now: (-_level(station, now), _name(station)), False),
    "-level": (lambda station, now: (_level(station, now) or _UNJUDGED, _name(station)), False),
    "age": (lambda station, now: (_age(station, now), _name(station)), False),
    "-age": (lambda station, now: (-_age(station, now), _name(station)), False),
}
