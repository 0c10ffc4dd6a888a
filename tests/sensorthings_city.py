# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A SensorThings service before a small city, for its tests."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import orjson
from aiohttp import web

from portal import sensorthings
from tests.portal_city import published_city

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from portal.datasets import Catalogue
    from tests.portal_city import City


@dataclass
class Service:
    """A service that answers on a port of its own, at the address that its links name."""

    city: City
    url: str
    session: aiohttp.ClientSession

    async def ask(self, path: str, method: str = "GET", **options: str) -> tuple[int, Any]:
        """Ask; options are written without their $. A path that is an address is asked as it is."""
        url = path if path.startswith("http") else f"{self.url}{path}"
        if options:
            url += "?" + "&".join(
                f"${name}={quote(text, safe='/(),:;=$' + chr(39))}" for name, text in options.items()
            )
        async with self.session.request(method, url) as answer:
            body = await answer.read()
            if answer.content_type != "application/json":
                return answer.status, body.decode()
            return answer.status, orjson.loads(body) if body else None

    async def get(self, path: str, **options: str) -> Any:
        """Ask for what is there."""
        status, body = await self.ask(path, **options)
        assert status == 200, (status, body)
        return body

    async def refused(self, path: str, **options: str) -> str:
        """Ask for what cannot be had; return the reason, as the standard has it written."""
        status, body = await self.ask(path, **options)
        assert 400 <= status < 502, (status, body)
        assert body["code"] == status
        assert body["type"] == "error"
        return f"{status} {body['message']}"

    async def ids(self, path: str, **options: str) -> list[str]:
        """Return the last part of the ids of a collection."""
        return [each["@iot.id"].rpartition(":")[2] for each in (await self.get(path, **options))["value"]]

    async def every(self, path: str, **options: str) -> list[dict[str, Any]]:
        """Follow @iot.nextLink to the end."""
        page = await self.get(path, **options)
        found: list[dict[str, Any]] = page["value"]
        while "@iot.nextLink" in page:
            page = await self.get(page["@iot.nextLink"])
            found += page["value"]
        return found


@asynccontextmanager
async def sensorthings_service(
    postgres: str,
    folder: Path,
    *,
    catalogue: Catalogue | None = None,
    entities: Iterable[dict[str, Any]] | None = None,
) -> AsyncIterator[Service]:
    """Run a service before a broker with a published city; see `published_city`."""
    async with (
        published_city(postgres, folder, catalogue=catalogue, entities=entities) as city,
        serving_city(city) as service,
    ):
        yield service


@asynccontextmanager
async def serving_city(city: City) -> AsyncIterator[Service]:
    """Serve a city at the address that the links in its answers name."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        city.office = replace(city.office, url=url)
        app = web.Application()
        app.add_routes(sensorthings.routes(city.office))
        runner = web.AppRunner(app)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        try:
            async with aiohttp.ClientSession() as session:
                yield Service(city=city, url=f"{url}{sensorthings.PATH}", session=session)
        finally:
            await runner.cleanup()
