# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A whole portal before a published city, and a real browser before the portal."""

from __future__ import annotations

import random
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import async_playwright

from portal.interfaces import INTERFACES
from portal.server import portal_app
from tests.portal_city import NOW, at, context_of, measured, published_city, said, sample

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, BrowserContext, Page

    from tests.portal_city import City

_FLAGS = [
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--no-sandbox",
    "--disable-dev-shm-usage",
]
_STREETS = (
    "Märkischer Ring",
    "Eilper Straße",
    "Boeler Straße",
    "Lange Straße",
    "Feithstraße",
    "Kölner Straße",
)
SOON = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=3)
GAUGE = "FloodMonitoring:hagen:eilpe"
AIR = "AirQualityObserved:hagen:ring"


def around(last: str, kind: str, longitude: float, latitude: float, /, **attributes: Any) -> dict[str, Any]:
    """Return an entity with what every station has."""
    return {
        "id": f"urn:ngsi-ld:{kind}:hagen:{last}",
        "type": kind,
        "location": at(longitude, latitude),
        "areaServed": said("Hagen-Mitte"),
        "source": said("simulation"),
        **attributes,
    }


_OTHERS: tuple[tuple[str, str, tuple[float, float], dict[str, Any]], ...] = (
    (
        "laut",
        "NoiseLevelObserved",
        (7.4785, 51.3572),
        {"name": said("Lärm Märkischer Ring"), "LAeq": measured(62, "2N", SOON)},
    ),
    (
        "stamm",
        "GreenspaceRecord",
        (7.4655, 51.3605),
        {
            "name": said("Stadtbaum"),
            "soilMoistureVwc": {**measured(0.31, "C62", SOON), "quality": said("stuck")},
        },
    ),
    (
        "platz",
        "CrowdFlowObserved",
        (7.4772, 51.3582),
        {"name": said("Markt"), "peopleCount": measured(1, "IE", SOON)},
    ),
    (
        "zaehler",
        "ACMeasurement",
        (7.475, 51.3584),
        {"name": said("Stromzähler Rathaus"), "totalActiveEnergyImport": measured(872378.4, "KWH", SOON)},
    ),
    (
        "papier",
        "WasteContainer",
        (7.499, 51.356),
        {"name": said("Papiercontainer Emst"), "fillingLevel": measured(0.96, "C62", SOON)},
    ),
    ("leer", "IndoorEnvironmentObserved", (7.4843, 51.3577), {"name": said("Raumluft Neue Schule")}),
    (
        "silent",
        "WeatherObserved",
        (7.42, 51.35),
        {
            "name": said("Wetterstation Haspe"),
            "temperature": measured(4.25, "CEL", SOON - timedelta(days=5)),
        },
    ),
)


def stations() -> list[dict[str, Any]]:
    """Return the sample city with a station of the other themes, good, bad and silent."""
    entities = sample()
    for minutes in range(180, -1, -10):
        # Two hours ago nothing came for half an hour.
        if 90 <= minutes <= 130:
            continue
        moment = SOON - timedelta(minutes=minutes)
        entities.append(
            around(
                "ring",
                "AirQualityObserved",
                7.4635,
                51.3628,
                name=said("Luftgüte Graf-von-Galen-Ring (simuliert)"),
                pm25=measured(17 + minutes % 3, "GQ", moment),
                pm10=measured(21, "GQ", moment),
                no2=measured(12.4, "GQ", moment),
            )
        )
        entities.append(
            around(
                "schule",
                "IndoorEnvironmentObserved",
                7.4835,
                51.3575,
                name=said("Raumluft Ricarda-Huch-Gymnasium"),
                co2=measured(1500 - minutes, "59", moment),
                temperature=measured(21.4, "CEL", moment),
            )
        )
    for hours in range(20, 0, -1):  # two kilowatt-hours in each
        reading = measured(872378.4 - 2 * hours, "KWH", SOON - timedelta(hours=hours))
        entities.append(around("zaehler", "ACMeasurement", 7.475, 51.3584, totalActiveEnergyImport=reading))
    entities.append(  # one gauge with thresholds of its own
        {
            "id": f"urn:ngsi-ld:{GAUGE}",
            "type": "FloodMonitoring",
            "alertLevel": measured(1.5, "MTR", NOW),
            "dangerLevel": measured(2.0, "MTR", NOW),
        }
    )
    for minutes in range(50, 0, -10):  # one of them doubtful
        reading = measured(60 + minutes // 10, "2N", SOON - timedelta(minutes=minutes))
        if minutes == 30:
            reading["quality"] = said("rate")
        entities.append(around("laut", "NoiseLevelObserved", 7.4785, 51.3572, LAeq=reading))
    for name, kind, where, attributes in _OTHERS:
        entities.append(around(name, kind, *where, **attributes))
    return entities


@dataclass
class Portal:
    """A portal that is served: its address, and the city behind it."""

    url: str
    city: City

    async def tell(self, dataset: str, entity: dict[str, Any]) -> None:
        """Publish a change, as the publisher does: into the tenant, then to those who listen."""
        await self.city.publish(entity)
        values = {name: each["value"] for name, each in entity.items() if isinstance(each, dict)}
        observed = [
            each["observedAt"] for each in entity.values() if isinstance(each, dict) and "observedAt" in each
        ]
        told = {"id": entity["id"], "type": entity["type"], **values, "observedAt": max(observed)}
        self.city.office.live.tell(entity["id"], (dataset,), told)


@asynccontextmanager
async def portal_of(city: City, basemap: str | None = None) -> AsyncIterator[Portal]:
    """Serve every interface of the portal, as in production."""
    city.office = replace(city.office, feedback="daten@example.org")
    office = replace(city.office, basemap=basemap)
    runner = web.AppRunner(portal_app(office, INTERFACES), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Portal(url=f"http://127.0.0.1:{runner.addresses[0][1]}", city=city)
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture(scope="session")
async def portal(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Portal]:
    folder = tmp_path_factory.mktemp("dashboard")
    async with published_city(postgres, folder, entities=stations()) as city, portal_of(city) as served:
        yield served


@pytest_asyncio.fixture(scope="session")
async def empty_portal(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Portal]:
    folder = tmp_path_factory.mktemp("nothing")
    async with published_city(postgres, folder, entities=()) as city, portal_of(city) as served:
        yield served


@pytest_asyncio.fixture(scope="session")
async def large_portal(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Portal]:
    """A city of 2,000 stations, at places and with values that nothing makes alike."""
    chance = random.Random(1)  # noqa: S311 - makes nobody safe
    many = [
        around(
            f"wetter-{number}",
            "WeatherObserved",
            round(chance.uniform(7.40, 7.56), 6),
            round(chance.uniform(51.30, 51.41), 6),
            name=said(f"Wetterstation {chance.choice(_STREETS)} {chance.randrange(1, 200)}"),
            temperature=measured(round(chance.uniform(-5, 15), 1), "CEL", SOON),
            relativeHumidity=measured(round(chance.random(), 3), "C62", SOON),
        )
        for number in range(2000)
    ]
    folder = tmp_path_factory.mktemp("large")
    async with published_city(postgres, folder, entities=()) as city, portal_of(city) as served:
        for start in range(0, len(many), 500):
            some = many[start : start + 500]
            assert not (await city.broker.upsert(some, context=context_of("WeatherObserved"))).failed
        yield served


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.fail("there is no chromium on the path: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        await browser.close()


@dataclass
class Visitor:
    """Someone before the browser; what went wrong in it is noted."""

    context: BrowserContext
    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    async def visit(self, path: str) -> Page:
        """Open a page and wait until it is there."""
        await self.page.goto(self.url + path, wait_until="load")
        return self.page


@dataclass
class Desk:
    """Opens windows of the browser, and closes them after the test."""

    browser: Browser
    portal: Portal
    visitors: list[Visitor] = field(default_factory=list)

    async def __call__(self, portal: Portal | None = None, *, strict: bool = True, **options: Any) -> Visitor:
        """Open a window.

        Args:
            portal: before which portal; None: the city's.
            strict: nothing may go wrong in it.
            options: of the browser's context, such as `viewport` or `color_scheme`.
        """
        options = {
            "viewport": {"width": 1280, "height": 900},
            "locale": "de-DE",
            "timezone_id": "Europe/Berlin",
            **options,
        }
        context = await self.browser.new_context(**options)
        page = await context.new_page()
        page.set_default_timeout(60_000)
        visitor = Visitor(context=context, page=page, url=(portal or self.portal).url)
        if strict:
            page.on("console", lambda each: visitor.wrong.append(each.text) if each.type == "error" else None)
            page.on("pageerror", lambda error: visitor.wrong.append(str(error)))
        own = (visitor.url, "data:", "blob:")
        page.on(
            "request", lambda each: None if each.url.startswith(own) else visitor.foreign.append(each.url)
        )
        self.visitors.append(visitor)
        return visitor


@pytest_asyncio.fixture
async def visitor(browser: Browser, portal: Portal) -> AsyncIterator[Desk]:
    """Open windows before the portal: no script may fail, and nothing may be asked of others."""
    desk = Desk(browser=browser, portal=portal)
    yield desk
    for each in desk.visitors:
        await each.context.close()
    assert [each.wrong for each in desk.visitors if each.wrong] == []
    assert [each.foreign for each in desk.visitors if each.foreign] == []
