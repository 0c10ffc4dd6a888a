# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the start page says in large figures, above everything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from portal.pages_cards import parking, sentence, telling

if TYPE_CHECKING:
    from datetime import datetime

    from portal.pages_stations import Station, Stations
    from portal.pages_text import Language

#: From this level on, what a scale says of a value stands beside the figure.
_TOLD = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """A large figure.

    Attributes:
        theme: where it leads to.
        what: it is.
        where: it was measured.
        told: the station whose verdict and trend stand beside it; None: the figure says it all.
    """

    theme: str
    figure: str
    what: str
    where: str
    simulated: bool
    told: Station | None = None


def facts(stations: Stations, language: Language, now: datetime, centre: tuple[float, float]) -> list[Fact]:
    """Return what is known right now; what is stale is not said here."""
    found = []
    weather = telling(stations.of("wetter"), now, centre)
    if weather is not None and "temperature" in weather.values and not weather.stale(now):
        figure = language.value(weather.dataset.type, "temperature", weather.values["temperature"])
        found.append(_fact(weather, figure, language.t("fact.temperature")))
    water = telling(stations.of("wasser"), now, centre)
    if water is not None and not water.stale(now):
        found.append(_fact(water, sentence(water, language), language.t("fact.water"), told=True))
    air = telling(stations.of("luft"), now, centre)
    if air is not None and air.verdict is not None and not air.stale(now):
        found.append(_fact(air, language.named(air.verdict.word), language.t("fact.air")))
    spots = [each for each in stations.of("parken") if not each.stale(now)]
    free, count = parking(spots)
    if count:
        found.append(
            Fact(
                theme="parken",
                figure=language.t("fact.of", free=language.number(free), all=language.number(count)),
                what=language.t("fact.parking"),
                where=language.t("sum.parking"),
                simulated=any(each.simulated for each in spots),
            )
        )
    return found


def _fact(station: Station, figure: str, what: str, *, told: bool = False) -> Fact:
    told = told and (
        station.trend is not None or (station.verdict is not None and station.verdict.level >= _TOLD)
    )
    return Fact(
        theme=station.theme,
        figure=figure,
        what=what,
        where=station.name,
        simulated=station.simulated,
        told=station if told else None,
    )
