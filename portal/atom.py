# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`/alerts.atom`: what the city must know of, as a feed (RFC 4287) with German titles.

An entry is one alert from when it was issued: its id stays while it lasts and when it is over, `updated` is
when its data last changed. When the same station falls silent anew, that is a new entry.
"""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from aiohttp import web

from broker.client import BrokerUnavailableError
from models.ngsild import keyvalues
from models.values import rfc3339
from portal.catalogue_state import observed, records_of
from portal.open_data.rendering import TEMPLATES
from portal.problems import unavailable
from portal.views import SIMULATION, moment_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from portal.datasets import Dataset
    from portal.office import Office

#: Types whose entities are alerts.
TYPES: Final = frozenset({"Alert", "WeatherAlert"})
#: Entries of the feed, the newest.
MOST: Final = 200
_MAX_AGE: Final = 60
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: How ids of the platform's own alerts end: a station that is heard again gets the severity `informational`.
_SILENCE: Final = ":silence"
# What XML 1.0 cannot hold, not even escaped.
_ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SEVERITY: Final[Mapping[str, str]] = {
    "informational": "zur Information",
    "low": "gering",
    "medium": "mittel",
    "high": "hoch",
    "critical": "kritisch",
}
_CATEGORY: Final[Mapping[str, str]] = {
    "agriculture": "Landwirtschaft",
    "environment": "Umwelt",
    "health": "Gesundheit",
    "naturalDisaster": "Naturgefahr",
    "security": "Sicherheit",
    "traffic": "Verkehr",
    "weather": "Wetter",
}
_SUBCATEGORY: Final[Mapping[str, str]] = {
    "airPollution": "Luftverschmutzung",
    "buildingFire": "Gebäudebrand",
    "carAccident": "Unfall",
    "coldWave": "Kälte",
    "fireRisk": "Brandgefahr",
    "flood": "Hochwasser",
    "floodRisk": "Hochwassergefahr",
    "fog": "Nebel",
    "forestFire": "Waldbrand",
    "hazardOnRoad": "Gefahr auf der Straße",
    "heatWave": "Hitze",
    "highTemperature": "hohe Temperatur",
    "ice": "Glätte",
    "lowTemperature": "niedrige Temperatur",
    "rain_flood": "Überflutung durch Regen",
    "rainfall": "Starkregen",
    "roadClosed": "Straßensperrung",
    "roadWorks": "Baustelle",
    "snow": "Schnee",
    "snow_ice": "Schnee und Eis",
    "thunderstorms": "Gewitter",
    "trafficJam": "Stau",
    "waterPollution": "Wasserverschmutzung",
    "wind": "Wind",
}
_WORDS: Final = (("severity", _SEVERITY), ("category", _CATEGORY), ("subCategory", _SUBCATEGORY))


@dataclass(frozen=True, kw_only=True, slots=True)
class Category:
    """What an alert is classed as: a term of the data model, and its German word."""

    scheme: str
    term: str
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One alert.

    Attributes:
        id: the entity's, and when the alert was issued.
        updated: when its data last changed, as written.
        published: when it was issued, as written.
        dataset: the name of the dataset that it is in.
        address: the entity's id, quoted for an address.
        place: longitude and latitude; None: it has none, or is no point.
    """

    id: str
    title: str
    text: str
    updated: str
    published: str
    categories: tuple[Category, ...]
    dataset: str
    address: str
    place: tuple[float, float] | None


def xml(text: str) -> str:
    """Leave out what XML cannot hold; jinja2 escapes the rest."""
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)


TEMPLATES.filters["xml"] = xml


def routes(office: Office) -> Iterable[web.AbstractRouteDef]:
    """Return the feed's address."""
    records = records_of(office)

    async def feed(_: web.Request) -> web.Response:
        try:
            entries = heapq.nlargest(
                MOST, [entry async for entry in _entries(office)], key=lambda entry: (entry.updated, entry.id)
            )
            facts = (await records.facts(_MAX_AGE)).values()
        except BrokerUnavailableError as error:
            return unavailable("The context broker does not answer.", error.retry_after)
        # A feed without entries has a time too: since when there could have been some.
        since = max((each.seen for each in facts if each.dataset.type in TYPES), default=_EPOCH)
        text = TEMPLATES.get_template("alerts.xml").render(
            url=office.url,
            title=f"Meldungen: {office.catalogue.title.de}",
            author=office.catalogue.publisher.name.de,
            updated=max((entry.updated for entry in entries), default=rfc3339(since)),
            entries=entries,
        )
        return web.Response(
            text=text,
            content_type="application/atom+xml",
            charset="utf-8",
            headers={"Cache-Control": f"public, max-age={_MAX_AGE}"},
        )

    yield web.get("/alerts.atom", feed)


async def _entries(office: Office) -> Any:
    for dataset in office.public.datasets:
        if dataset.type in TYPES:
            async for entity in office.public.entities(dataset):
                yield entry_of(dataset, entity)


def entry_of(dataset: Dataset, entity: Mapping[str, Any]) -> Entry:
    """Make an entry of an alert as the broker holds it (normalized)."""
    plain = keyvalues(entity)
    times = observed(entity)
    issued = _moment(plain.get("dateIssued")) or _moment(plain.get("validFrom"))
    published = issued or min(times, default=_EPOCH)
    updated = max([published, *times])
    categories = tuple(
        Category(scheme=name, term=str(plain[name]), label=words.get(str(plain[name]), str(plain[name])))
        for name, words in _WORDS
        if name in plain
    )
    return Entry(
        id=f"{entity['id']}#{rfc3339(published)}",
        title=_title(plain, categories),
        text=str(plain.get("description") or plain.get("name") or dataset.title.de),
        updated=rfc3339(updated),
        published=rfc3339(published),
        categories=categories,
        dataset=dataset.name,
        address=quote(str(entity["id"]), safe=":"),
        place=_place(plain.get("location")),
    )


def _title(plain: Mapping[str, Any], categories: Iterable[Category]) -> str:
    labels = {category.scheme: category.label for category in categories}
    kind = labels.get("subCategory") or labels.get("category") or "Meldung"
    title = str(plain.get("name") or kind[:1].upper() + kind[1:])
    if plain.get("severity") == "informational" and str(plain["id"]).endswith(_SILENCE):
        title = f"Beendet: {title}"
    simulated = plain.get("source") == SIMULATION and "simul" not in title.lower()
    return f"{title} (simuliert)" if simulated else title


def _moment(content: object) -> datetime | None:
    try:
        return moment_of(content) if isinstance(content, str) else None
    except ValueError:  # other brokers take any text for a time
        return None


def _place(content: object) -> tuple[float, float] | None:
    if not isinstance(content, dict) or content.get("type") != "Point":
        return None
    longitude, latitude, *_ = content["coordinates"]
    return longitude, latitude
