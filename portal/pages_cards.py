# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""One sentence for each theme: its most telling station first, then how the others are."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from broker.client import NgsiLdError
from models.values import rfc3339
from portal.pages_rules import rules
from portal.pages_stations import Kept, hours

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from portal.office import Office
    from portal.pages_rules import Theme
    from portal.pages_stations import Collector, Station
    from portal.pages_text import Language

log = structlog.get_logger(__name__)

_DAY = 24
_WIDE, _HIGH = 120, 36


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """What the start page says of a theme.

    Attributes:
        station: the most telling one; None: the theme has none.
        name: what the text is about.
        text: what comes first, such as “42 cm”.
        what: what that is, such as “Wasserstand”; empty: the text says it.
        whole: the text is about all stations together, not about the one.
        simulated: some of what it says is.
        summary: how the theme's stations are together; empty: there is nothing to add.
        spark: its last 24 hours as an SVG path, and where the last point is; None: not known.
    """

    theme: Theme
    title: str
    station: Station | None
    name: str
    text: str
    what: str
    whole: bool
    summary: str
    count: int
    stale: bool
    simulated: bool
    spark: tuple[str, tuple[float, float]] | None = None


class Sparks:
    """The last day of each theme's most telling station, hour by hour, read every few minutes."""

    def __init__(self, office: Office, collector: Collector) -> None:
        self._office = office
        self._collector = collector
        self._kept: Kept[dict[str, list[float | None]]] = Kept(self._read, seconds=300, grace=3600)

    async def get(self) -> dict[str, list[float | None]]:
        """Return means of hours by station, the newest last. Raises `NgsiLdError`."""
        return await self._kept.get()

    async def _read(self) -> dict[str, list[float | None]]:
        stations = await self._collector.stations()
        now, rows = datetime.now(UTC), dict[str, list[float | None]]()
        for theme in rules().themes:
            station = telling(stations.of(theme.id), now, self._office.catalogue.place.centroid)
            name = None if station is None else curve_of(station)
            if station is None or name is None:
                continue
            try:
                row = await self._means(station, name, now)
            except NgsiLdError as error:
                log.warning("pages.no_curve", station=station.short, reason=str(error))
                continue
            if sum(value is not None for value in row) > 2:  # noqa: PLR2004 - two points are no curve
                rows[station.id] = row
        return rows

    async def _means(self, station: Station, name: str, now: datetime) -> list[float | None]:
        view, start = self._office.public, now - timedelta(hours=_DAY)
        result = await view.client.query_temporal(
            context=view.context_of(station.dataset.type),
            type=station.dataset.type,
            id=station.id,
            attrs=name,
            timerel="between",
            timeAt=rfc3339(start),
            endTimeAt=rfc3339(now),
            options="aggregatedValues",
            aggrMethods="avg",
            aggrPeriodDuration="PT1H",
        )
        buckets: Any = result.entities[0].get(name) if result.entities else None
        return hours(buckets.get("avg", []) if isinstance(buckets, dict) else [], start, _DAY)


def curve_of(station: Station) -> str | None:
    """Return the attribute whose curve is shown: the first that is a number and no counter."""
    counters = rules().types.get(station.dataset.type, {}).get("counters", ())
    for name in station.main:
        value = station.values[name].value
        if isinstance(value, int | float) and not isinstance(value, bool) and name not in counters:
            return name
    return None


def telling(stations: Sequence[Station], now: datetime, centre: tuple[float, float]) -> Station | None:
    """Return the station that stands for a theme: the worst verdict, then its type, then the centre."""
    kinds = list(rules().types)

    def key(station: Station) -> tuple[Any, ...]:
        kind = station.dataset.type
        return (
            station.stale(now),
            0 if station.verdict is None else -station.verdict.level,
            kinds.index(kind) if kind in kinds else len(kinds),
            -len(station.main),
            math.inf if station.position is None else math.dist(station.position, centre),
            station.id,
        )

    return min(stations, key=key, default=None)


def cards(
    all_stations: Iterable[Station],
    language: Language,
    *,
    now: datetime,
    centre: tuple[float, float],
    sparks: dict[str, list[float | None]],
) -> list[Card]:
    """Return a card for each theme, in their order; of other measurements only where there are any."""
    by_theme: dict[str, list[Station]] = {}
    for station in all_stations:
        by_theme.setdefault(station.theme, []).append(station)
    found = []
    for theme in rules().themes:
        stations = by_theme.get(theme.id, [])
        if stations or theme.id != "weitere":
            found.append(card(theme, stations, language, now=now, centre=centre, sparks=sparks))
    return found


def card(
    theme: Theme,
    stations: Sequence[Station],
    language: Language,
    *,
    now: datetime,
    centre: tuple[float, float],
    sparks: dict[str, list[float | None]],
) -> Card:
    """Make the card of one theme."""
    station = telling(stations, now, centre)
    live = [each for each in stations if not each.stale(now)]
    whole = together(theme, live, language)
    name = "" if station is None else station.name
    return Card(
        theme=theme,
        title=language.t(f"topic.{theme.id}"),
        station=station,
        name=whole[0] if whole else name,
        text=whole[1] if whole else "" if station is None else sentence(station, language),
        what="" if whole or station is None else meant(station, language),
        whole=whole is not None,
        summary="" if whole else summary(theme, live, len(stations), language),
        count=len(stations),
        stale=station is not None and station.stale(now),
        simulated=any(each.simulated for each in (live if whole else [station]) if each is not None),
        spark=None if station is None or station.id not in sparks else drawn(sparks[station.id]),
    )


def sentence(station: Station, language: Language) -> str:
    """Say a station's main values, such as “7,3 °C, 83 %”."""
    kind = station.dataset.type
    return ", ".join(language.value(kind, name, station.values[name]) for name in _said(station))


def meant(station: Station, language: Language) -> str:
    """Say what the values of `sentence` are."""
    return ", ".join(language.label(station.dataset.type, name) for name in _said(station))


def _said(station: Station) -> tuple[str, ...]:
    """Return the attributes whose values are said; none where the verdict says it all."""
    verdict = station.verdict
    if verdict is not None and verdict.scale in rules().states:
        return ()
    if verdict is not None and verdict.attribute in station.values:
        return (verdict.attribute,)
    return station.main[:2] if station.theme in {"wetter", "verkehr"} else station.main[:1]


def together(theme: Theme, live: Sequence[Station], language: Language) -> tuple[str, str] | None:
    """Say a sum where it tells more than any one station: what it is of, and the sum."""
    if theme.id == "parken":
        free, spots = parking(live)
        if spots:
            figures = {"free": language.number(free), "all": language.number(spots)}
            return language.t("sum.parking"), language.t("sum.parking.free", **figures)
    if theme.id == "besucher":
        counts = [
            station.values["peopleCount"].value
            for station in live
            if "peopleCount" in station.values
            and isinstance(station.values["peopleCount"].value, int | float)
        ]
        if counts:
            return language.n("sum.crowds", len(counts)), language.n("sum.people", int(sum(counts)))
    return None


def summary(theme: Theme, live: Sequence[Station], count: int, language: Language) -> str:
    """Say how a theme's stations are, beside the one that stands for it."""
    words = Counter(station.verdict.word for station in live if station.verdict is not None)
    if words and sum(words.values()) > 1:
        parts = [f"{language.number(count)} {language.named(word)}" for word, count in words.most_common()]
        return ", ".join(parts)
    if theme.id == "wasser":
        moves = Counter(station.trend for station in live if station.trend is not None)
        names = ((1, "sum.rising"), (-1, "sum.falling"), (0, "sum.steady"))
        return ", ".join(language.n(name, moves[move]) for move, name in names if moves[move])
    return language.n("sum.more", count - 1) if count > 1 else ""


def parking(stations: Iterable[Station]) -> tuple[int, int]:
    """Return how many parking spots with a sensor are free, and how many there are."""
    states = [
        station.values["status"].value
        for station in stations
        if station.dataset.type == "ParkingSpot" and "status" in station.values
    ]
    return states.count("free"), len([state for state in states if state in {"free", "occupied"}])


def drawn(row: Sequence[float | None]) -> tuple[str, tuple[float, float]]:
    """Draw a row of means as an SVG path with gaps; also return where its last point is."""
    known = [value for value in row if value is not None]
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    parts: list[str] = []
    last, pen = (0.0, 0.0), False
    for number, value in enumerate(row):
        if value is None:
            pen = False
            continue
        x = round(3 + number * (_WIDE - 6) / (len(row) - 1), 1)
        y = round(_HIGH - 4 - (value - low) / span * (_HIGH - 8), 1) if high > low else _HIGH / 2
        parts.append(f"{'L' if pen else 'M'}{x:g} {y:g}")
        last, pen = (x, y), True
    return "".join(parts), last
