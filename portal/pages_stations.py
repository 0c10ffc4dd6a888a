# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The stations of the public view with their newest values: what pages, map and table show.

`/stations.json`, small enough for the first view:

    {"at": "2026-…Z", "stations": [{
        "id": "FloodMonitoring:hagen:eilpe",      without `urn:ngsi-ld:`; the id itself where it is another
        "dataset": "pegel", "name": "Pegel Eilpe", "district": "Eilpe/Dahl" | null,
        "at": [longitude, latitude] | null, "simulated": true,
        "values": {"currentLevel": [0.42, "2026-…Z"]},   as published, and when it was observed (or null)
        "level": 0-5, "word": "inconspicuous" | null, "of": "currentLevel" | null, "incomplete": false,
        "trend": -1 | 0 | 1 | null}]}

The units are those of `/datasets.json`.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import structlog

from broker.client import NgsiLdError, NotSupportedError
from models.types import attribute_unit
from models.values import rfc3339
from portal.pages_rules import rules
from portal.views import SIMULATION, moment_of, value_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from portal.datasets import Dataset
    from portal.office import Office
    from portal.pages_rules import Verdict

log = structlog.get_logger(__name__)

PREFIX = "urn:ngsi-ld:"
_SIMULATED = re.compile(r"\s*\((simuliert|simulated)\)", re.IGNORECASE)
_ABOUT = frozenset({"id", "type", "scope", "@context", "name", "source", "location", "areaServed"})
_MOMENTS = ("dateObserved", "observationDateTime", "dateObservedTo", "dateModified")
_AT_ONCE = 1000
#: Decimals of a degree that tell metres apart.
_METRE = 5
_TREND_HOURS = 3

T = TypeVar("T")


class Kept(Generic[T]):
    """Something that is costly to make: made once for all who ask, kept for some seconds.

    What is too old is given once more while it is made anew, for `grace` seconds longer; where making it
    fails, too.

    Args:
        make: makes it.
        seconds: how long it is new.
        grace: how long it is used after that while there is nothing newer.
    """

    def __init__(self, make: Callable[[], Awaitable[T]], *, seconds: float, grace: float) -> None:
        self._make = make
        self._seconds = seconds
        self._grace = grace
        self._value: T | None = None
        self._made = -float("inf")
        self._task: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Return it.

        Raises:
            NgsiLdError: there is none that is new enough, and it could not be made.
        """
        age = time.monotonic() - self._made
        if self._value is not None and age < self._seconds:
            return self._value
        if self._task is None:
            self._task = asyncio.create_task(self._anew())
            self._task.add_done_callback(self._done)
        if self._value is not None and age < self._seconds + self._grace:
            return self._value
        return await asyncio.shield(self._task)

    async def _anew(self) -> T:
        value = await self._make()
        self._value, self._made = value, time.monotonic()
        return value

    def _done(self, task: asyncio.Task[T]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("pages.not_refreshed", reason=str(error))


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """The newest published value of an attribute.

    Attributes:
        value: a number, a text or a list of texts, as published.
        unit: UN/CEFACT code; None: it has none.
        at: when it was observed; None: nobody says.
        quality: why it is doubtful, as published; None: nothing is said against it.
    """

    value: Any
    unit: str | None
    at: datetime | None
    quality: Any = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Station:
    """A published entity, as the pages show it.

    Attributes:
        id: its NGSI-LD id.
        short: what it is called in addresses.
        position: longitude and latitude; None: it says none.
        values: in the order in which they are shown.
        trend: -1 falling, 0 steady, 1 rising; None: not known.
        moved: the attribute that the trend is of.
    """

    id: str
    short: str
    dataset: Dataset
    theme: str
    name: str
    district: str | None
    position: tuple[float, float] | None
    simulated: bool
    values: Mapping[str, Value]
    verdict: Verdict | None = None
    trend: int | None = None
    moved: str | None = None

    @property
    def main(self) -> tuple[str, ...]:
        """The attributes that are shown first, those that it has."""
        wanted = [name for name in rules().main(self.dataset.type) if name in self.values]
        return tuple(wanted or list(self.values)[:1])

    @property
    def newest(self) -> datetime | None:
        """When the newest of its values was observed."""
        return max((value.at for value in self.values.values() if value.at is not None), default=None)

    def stale(self, now: datetime) -> bool:
        """Whether it has said nothing for longer than its kind is expected to."""
        newest = self.newest
        limit = timedelta(seconds=rules().fresh(self.dataset.type))
        return newest is None or now - newest > limit


@dataclass(frozen=True, kw_only=True, slots=True)
class Stations:
    """All stations at a moment, ordered by theme and name."""

    at: datetime
    all: tuple[Station, ...]
    by_short: Mapping[str, Station] = field(default_factory=dict)

    def of(self, theme: str) -> tuple[Station, ...]:
        """Return those of a theme."""
        return tuple(station for station in self.all if station.theme == theme)


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """`/stations.json` at a moment: as it is, and as small as it gets."""

    body: bytes
    zipped: bytes
    etag: str


class Collector:
    """Reads the stations from the public view, once for everybody.

    Args:
        office: whose public view.
        seconds: how long what was read is new.
    """

    def __init__(self, office: Office, *, seconds: float = 5) -> None:
        self._office = office
        self._means: Kept[Means] = Kept(self._read_means, seconds=60, grace=600)
        self._stations: Kept[Stations] = Kept(self._read, seconds=seconds, grace=600)
        self._written: tuple[datetime, Written] | None = None

    async def stations(self) -> Stations:
        """Return the stations; for some minutes the last known where the broker is away.

        Raises:
            NgsiLdError: the broker is away, and nothing recent is known.
        """
        return await self._stations.get()

    async def document(self) -> Written:
        """Return `/stations.json`. Raises as `stations`."""
        stations = await self.stations()
        if self._written is None or self._written[0] != stations.at:
            self._written = stations.at, await asyncio.to_thread(_document, stations)
        return self._written[1]

    async def _read(self) -> Stations:
        means = await self._means.get()
        order = {theme.id: number for number, theme in enumerate(rules().themes)}
        found: list[Station] = []
        for dataset in self._office.public.datasets:
            theme = rules().theme_of(dataset.type)
            if theme is None:
                continue
            async for entity in self._office.public.entities(dataset):
                found.append(_station(dataset, theme, entity, means))  # noqa: PERF401 - reads better with the theme beside it
        found.sort(key=lambda station: (order[station.theme], station.name, station.id))
        return Stations(
            at=datetime.now(UTC), all=tuple(found), by_short={station.short: station for station in found}
        )

    async def _read_means(self) -> Means:
        """Read the means of the last hours, by id and attribute, the newest last."""
        now = datetime.now(UTC)
        means: dict[tuple[str, str], list[float | None]] = {}
        for dataset in self._office.public.datasets:
            about = rules().types.get(dataset.type, {})
            asked = set(rules().trend(dataset.type))
            if about.get("scale") == "lqi":
                asked |= set(rules().scales["lqi"]["upper"])
            names = [name for name in dataset.attributes if name in asked]
            if names:
                try:
                    await self._read_means_of(dataset, names, now, means)
                except NotSupportedError:  # a broker without history: no trend, and no index of hourly means
                    return {}
                except NgsiLdError as error:
                    log.warning("pages.no_trend", dataset=dataset.name, reason=str(error))
        return means

    async def _read_means_of(
        self,
        dataset: Dataset,
        names: list[str],
        now: datetime,
        means: dict[tuple[str, str], list[float | None]],
    ) -> None:
        view, offset = self._office.public, 0
        start = now - timedelta(hours=_TREND_HOURS)
        limit = min(_AT_ONCE, view.client.limits.page)
        while True:
            result = await view.client.query_temporal(
                context=view.context_of(dataset.type),
                type=dataset.type,
                attrs=",".join(names),
                timerel="between",
                timeAt=rfc3339(start),
                endTimeAt=rfc3339(now),
                options="aggregatedValues",
                aggrMethods="avg",
                aggrPeriodDuration="PT1H",
                limit=str(limit),
                offset=str(offset),
            )
            for entity in result.entities:
                for name in names:
                    if isinstance(buckets := entity.get(name), dict):
                        means[str(entity["id"]), name] = hours(buckets.get("avg", []), start, _TREND_HOURS)
            if len(result.entities) < limit:
                return
            offset += limit


Means = dict[tuple[str, str], list[float | None]]


def hours(buckets: Any, start: datetime, count: int, length: float = 3600) -> list[float | None]:
    """Put aggregated values `[value, from, to]` into periods counted from `start`; None where there is none.

    Brokers begin their periods at `start` or at the whole hour: each goes where its middle is.
    """
    row: list[float | None] = [None] * count
    for bucket in buckets if isinstance(buckets, list) else ():
        value, since = bucket[0], moment_of(bucket[1])
        index = int(((since - start).total_seconds() + length / 2) // length)
        if isinstance(value, int | float):
            row[min(max(index, 0), count - 1)] = float(value)
    return row


def short_id(entity_id: str) -> str:
    """Return what an entity is called in addresses."""
    return entity_id.removeprefix(PREFIX)


def _station(dataset: Dataset, theme: str, entity: Mapping[str, Any], means: Means) -> Station:
    entity_id, values = str(entity["id"]), _values(dataset, entity)
    known = {name: value.value for name, value in values.items()}
    judged = known
    if rules().types.get(dataset.type, {}).get("scale") == "lqi":
        # The index is one of hourly means; a single value would often be another band.
        judged = {
            name: row[-1] for name in known if (row := means.get((entity_id, name))) and row[-1] is not None
        }
    trend, moved = _trend(dataset.type, entity_id, known, means)
    name = value_of(entity["name"]) if isinstance(entity.get("name"), dict) else None
    source = value_of(entity["source"]) if isinstance(entity.get("source"), dict) else None
    area = value_of(entity["areaServed"]) if isinstance(entity.get("areaServed"), dict) else None
    text = name if isinstance(name, str) and name else short_id(entity_id)
    return Station(
        id=entity_id,
        short=short_id(entity_id),
        dataset=dataset,
        theme=theme,
        name=_SIMULATED.sub("", text),
        district=area if isinstance(area, str) else None,
        position=_position(entity.get("location")),
        simulated=source == SIMULATION,
        values=values,
        verdict=rules().judge(dataset.type, judged, {key: value.unit for key, value in values.items()}),
        trend=trend,
        moved=moved,
    )


def _values(dataset: Dataset, entity: Mapping[str, Any]) -> dict[str, Value]:
    observed = next(
        (
            moment_of(text)
            for name in _MOMENTS
            if isinstance(entity.get(name), dict) and isinstance(text := value_of(entity[name]), str)
        ),
        None,
    )
    first = rules().main(dataset.type)
    names = sorted(
        (name for name in entity if name not in _ABOUT and not name.startswith(("date", "observation"))),
        key=lambda name: (first.index(name) if name in first else len(first), _place(dataset, name)),
    )
    values: dict[str, Value] = {}
    for name in names:
        attribute = entity[name]
        attribute = attribute[0] if isinstance(attribute, list) and attribute else attribute
        if not isinstance(attribute, dict) or attribute.get("type") in {"Relationship", "GeoProperty"}:
            continue
        value = value_of(attribute)
        if value is None or isinstance(value, dict):
            continue
        at = moment_of(attribute["observedAt"]) if "observedAt" in attribute else observed
        unit = attribute.get("unitCode")
        if unit is None and isinstance(value, int | float) and name in dataset.attributes:
            unit = attribute_unit(dataset.type, name)
        quality = value_of(attribute["quality"]) if isinstance(attribute.get("quality"), dict) else None
        values[name] = Value(value=value, unit=unit, at=at, quality=quality)
    return values


def _place(dataset: Dataset, name: str) -> int:
    return dataset.attributes.index(name) if name in dataset.attributes else len(dataset.attributes)


def _position(location: Any) -> tuple[float, float] | None:
    geometry = value_of(location) if isinstance(location, dict) else None
    if not isinstance(geometry, dict) or geometry.get("type") != "Point":
        return None
    longitude, latitude = geometry["coordinates"][:2]
    return float(longitude), float(latitude)


def _trend(
    type_name: str, entity_id: str, values: Mapping[str, Any], means: Means
) -> tuple[int | None, str | None]:
    """Compare the newest value with the mean of the hour before the last."""
    for name, least in rules().trend(type_name).items():
        row, value = means.get((entity_id, name)), values.get(name)
        if row is None or not isinstance(value, int | float):
            continue
        before = row[-2] if row[-2] is not None else row[-3]
        if before is None:
            continue
        change = value - before
        return (0 if abs(change) < least else 1 if change > 0 else -1), name
    return None, None


def _document(stations: Stations) -> Written:
    document = {"at": rfc3339(stations.at), "stations": [_written(station) for station in stations.all]}
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    return Written(body=body, zipped=gzip.compress(body, 9, mtime=0), etag=etag)


def _written(station: Station) -> dict[str, Any]:
    verdict = station.verdict
    return {
        "id": station.short,
        "dataset": station.dataset.name,
        "name": station.name,
        "district": station.district,
        "at": None if station.position is None else [round(each, _METRE) for each in station.position],
        "simulated": station.simulated,
        "values": {
            name: [value.value, None if value.at is None else rfc3339(value.at.replace(microsecond=0))]
            for name, value in station.values.items()
        },
        "level": 0 if verdict is None else verdict.level,
        "word": None if verdict is None else verdict.word,
        "of": None if verdict is None else verdict.attribute,
        "incomplete": verdict is not None and verdict.incomplete,
        "trend": station.trend,
    }
