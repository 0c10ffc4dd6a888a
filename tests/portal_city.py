# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A portal before a real broker in which a small city is published, for the tests of the interfaces."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from broker.client import NgsiLdClient
from models.types import TYPES
from models.values import rfc3339
from ontology.loader import context, core_context, subjects
from portal.datasets import load_catalogue
from portal.live import Live
from portal.office import OFFICE, Office
from portal.views import View
from tests.embedded_serving import own_database, serving
from tests.http_serving import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from portal.datasets import Catalogue

HAGEN = Path(__file__).parents[1] / "compose" / "datasets.toml"
CONTEXTS = "http://contexts.example"
TENANT = "public"
SITE = "urn:ngsi-ld:OnStreetParking:hagen"
#: When the newest values of the sample city were observed.
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def context_of(type_name: str) -> str:
    return f"{CONTEXTS}/{TYPES[type_name].subject}.jsonld"


@dataclass
class City:
    """A published city: the office that interfaces work with, and the broker behind it."""

    office: Office
    broker: NgsiLdClient
    url: str = ""
    session: aiohttp.ClientSession | None = None

    async def publish(self, *entities: dict[str, Any]) -> None:
        """Put entities (normalized, with short names) into the public tenant."""
        for entity in entities:
            result = await self.broker.upsert([entity], context=context_of(entity["type"]))
            assert not result.failed, result.failed

    async def get(self, path: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
        """Ask the portal; a header's name is written with _ for -."""
        assert self.session is not None
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.get(f"{self.url}{path}", headers=sent, allow_redirects=False) as answer:
            return answer.status, answer.headers, await answer.read()


def measured(value: Any, unit: str | None, at: datetime) -> dict[str, Any]:
    attribute = {"type": "Property", "value": value, "observedAt": rfc3339(at)}
    return attribute if unit is None else {**attribute, "unitCode": unit}


def said(value: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def at(longitude: float, latitude: float) -> dict[str, Any]:
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [longitude, latitude]}}


def sample() -> list[dict[str, Any]]:
    """Return entities of four datasets, the measured ones oldest first: three days, hour by hour."""
    gauges = {"eilpe": (7.4882, 51.3341, 0.42), "haspe": (7.4170, 51.3478, 0.39), "boele": (7.47, 51.39, 0.2)}
    entities: list[dict[str, Any]] = []
    for hour in range(-71, 1):
        moment = NOW + timedelta(hours=hour)
        for name, (longitude, latitude, level) in gauges.items():
            entities.append(
                {
                    "id": f"urn:ngsi-ld:FloodMonitoring:hagen:{name}",
                    "type": "FloodMonitoring",
                    "name": said(f"Pegel {name.capitalize()} (simuliert)"),
                    "source": said("simulation"),
                    "location": at(longitude, latitude),
                    "areaServed": said("Hagen-Mitte" if name == "eilpe" else "Haspe"),
                    "stationID": said(name),
                    "currentLevel": measured(round(level + (hour % 24) / 100, 3), "MTR", moment),
                }
            )
    entities.extend(
        {
            "id": f"urn:ngsi-ld:WeatherObserved:hagen:wetter-{number}",
            "type": "WeatherObserved",
            "name": said(f"Wetterstation {number}, „Straße & Co“; <Test>"),
            "source": said("simulation"),
            "location": at(7.45 + number / 100, 51.35),
            "temperature": measured(-1.5 + number, "CEL", NOW),
            "relativeHumidity": measured(0.8, "C62", NOW),
            "precipitation": measured(0.0, "MMT", NOW),
        }
        for number in range(5)
    )
    for number, status in enumerate(("free", "occupied", "free")):
        entities.append(
            {
                "id": f"urn:ngsi-ld:ParkingSpot:hagen:platz-{number}",
                "type": "ParkingSpot",
                "name": said(f"Stellplatz {number}"),
                "location": at(7.46, 51.36 + number / 1000),
                "category": said(["onStreet"]),
                "status": {**said(status), "observedAt": rfc3339(NOW - timedelta(minutes=number))},
                "refParkingSite": {
                    "type": "Relationship",
                    "object": "urn:ngsi-ld:OnStreetParking:hagen:bahnhof",
                },
            }
        )
    entities.append(
        {
            "id": "urn:ngsi-ld:WasteContainer:hagen:glas-1",
            "type": "WasteContainer",
            "name": said("Glascontainer Markt"),
            "location": at(7.477, 51.3948),
            "storedWasteKind": said("glass"),
            "fillingLevel": measured(0.62, "C62", NOW - timedelta(days=2)),
        }
    )
    return entities


@asynccontextmanager
async def published_city(
    postgres: str,
    folder: Path,
    *,
    catalogue: Catalogue | None = None,
    entities: Iterable[dict[str, Any]] | None = None,
) -> AsyncIterator[City]:
    """Run a broker with a city published in it.

    Args:
        postgres: of the `postgres` fixture.
        folder: for files that are made once.
        catalogue: what is declared; None: the example of Hagen.
        entities: what is published, normalized; None: `sample()`.
    """
    catalogue = catalogue or load_catalogue(HAGEN)
    documents = {f"{CONTEXTS}/{name}.jsonld": context(name) for name in subjects()}
    async with (
        own_database(postgres) as dsn,
        serving(dsn, preloaded=documents, core_context=core_context(), history=True) as served,
        NgsiLdClient(served.url, kind="embedded", tenant=TENANT) as broker,
    ):
        public = View(
            name="public",
            datasets=tuple(each for each in catalogue.dataset if each.access == "public"),
            client=broker,
            context_of=context_of,
        )
        office = Office(
            url="http://portal.example", catalogue=catalogue, public=public, live=Live(), folder=folder
        )
        city = City(office=office, broker=broker)
        await city.publish(*(sample() if entities is None else entities))
        yield city


@asynccontextmanager
async def serving_routes(
    city: City, *routes: Callable[[Office], Iterable[web.AbstractRouteDef]]
) -> AsyncIterator[City]:
    """Serve interfaces of the portal on a port of their own, without what they have in common."""
    app = web.Application()
    app[OFFICE] = city.office
    for each in routes:
        app.add_routes(each(city.office))
    async with serving_app(city, app):
        yield city


@asynccontextmanager
async def serving_app(city: City, app: web.Application) -> AsyncIterator[City]:
    """Serve an application on a port of its own."""
    async with served(app) as city.url, aiohttp.ClientSession() as city.session:
        yield city
