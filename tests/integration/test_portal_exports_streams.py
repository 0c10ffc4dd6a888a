# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""However long a file becomes, making and sending it takes the same memory; what breaks off is not kept."""

from __future__ import annotations

import tracemalloc
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from broker.client import NgsiLdClient
from ontology.loader import context
from portal.datasets import load_catalogue
from portal.exports.listing import store_of
from portal.exports.spans import Span
from portal.files import routes
from portal.live import Live
from portal.office import Office
from portal.views import View
from tests.embedded_serving import own_database, serving
from tests.http_serving import served
from tests.portal_city import HAGEN, City, context_of, measured, serving_routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FEW, MANY = 1_000, 7_000
MONTHS = {FEW: Span(first=date(2026, 1, 1), month=True), MANY: Span(first=date(2026, 2, 1), month=True)}
LOAD = """
    INSERT INTO ngsild.history (entity, name, observed, deleted, at, digest, created_at, modified_at, doc)
    SELECT e.number, e.names[1], true, false, t.at, n, t.at, t.at,
        jsonb_build_object('type', 'Property', 'value', n, 'unitCode', 'MTR')
    FROM ngsild.history_entities AS e CROSS JOIN generate_series(1, $1::bigint) AS n
    CROSS JOIN LATERAL (SELECT $2::timestamptz + n * interval '50 seconds' AS at) AS t
"""


@pytest.fixture
async def city(postgres: str, tmp_path: Path) -> AsyncIterator[City]:
    """A gauge with a history of few values in January and of many in February."""
    catalogue = load_catalogue(HAGEN)
    documents = {context_of("FloodMonitoring"): context("Environment")}
    async with (
        own_database(postgres) as dsn,
        serving(dsn, preloaded=documents, history_page=300, history_most=300) as served,
        NgsiLdClient(served.url, kind="embedded", tenant="public") as client,
    ):
        view = View(name="public", datasets=catalogue.dataset, client=client, context_of=context_of)
        office = Office(
            url="http://portal.example", catalogue=catalogue, public=view, live=Live(), folder=tmp_path
        )
        city = City(office=office, broker=client)
        level = measured(1.0, "MTR", datetime(2026, 3, 1, tzinfo=UTC))
        gauge = {
            "id": "urn:ngsi-ld:FloodMonitoring:hagen:eilpe",
            "type": "FloodMonitoring",
            "currentLevel": level,
        }
        await city.publish(gauge)
        connection = await asyncpg.connect(dsn)
        try:
            for rows, month in MONTHS.items():
                start = month.start + timedelta(hours=12)
                await connection.execute("SELECT ngsild.add_history_month($1)", start)
                await connection.execute(LOAD, rows, start)
        finally:
            await connection.close()
        async with serving_routes(city, routes) as serving_city:
            yield serving_city


async def test_memory_does_not_grow_with_the_rows(city: City) -> None:
    assert city.session is not None
    peaks: dict[int, int] = {}
    await city.get("/files/pegel/2026-03.csv")  # what is imported and compiled once
    for rows, month in MONTHS.items():
        lines = 0
        tracemalloc.start()
        async with city.session.get(f"{city.url}/files/pegel/{month.stem}.csv") as answer:
            assert "Content-Length" not in answer.headers
            async for chunk in answer.content.iter_any():
                lines += chunk.count(b"\n")
        peaks[rows] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert lines == rows + 1
    assert peaks[MANY] < 1.5 * peaks[FEW]
    await store_of(city.office).close()


@asynccontextmanager
async def failing_front(broker: NgsiLdClient, after: int) -> AsyncIterator[NgsiLdClient]:
    """Stand before a broker, and fail after so many answers about the past."""
    base = str(broker._base).removesuffix("/ngsi-ld/v1")
    left = after
    async with aiohttp.ClientSession() as session:

        async def pass_on(request: web.Request) -> web.Response:
            nonlocal left
            if "/temporal/" in request.path:
                left -= 1
                if left < 0:
                    return web.Response(status=500)
            names = [name for name in ("Link", "NGSILD-Tenant", "Prefer") if name in request.headers]
            headers = {name: request.headers[name] for name in names}
            async with session.get(f"{base}{request.raw_path}", headers=headers) as answer:
                names = [name for name in ("Content-Range", "Preference-Applied") if name in answer.headers]
                return web.Response(
                    status=answer.status,
                    body=await answer.read(),
                    content_type="application/json",
                    headers={name: answer.headers[name] for name in names},
                )

        app = web.Application()
        app.router.add_get("/{any:.*}", pass_on)
        async with served(app) as url, NgsiLdClient(url, kind="embedded", tenant="public") as client:
            yield client


async def test_a_file_that_breaks_off_is_seen_to_and_not_kept(city: City, tmp_path: Path) -> None:
    stem, folder = MONTHS[FEW].stem, tmp_path / "breaks"
    async with failing_front(city.broker, after=3) as client:
        office = replace(city.office, folder=folder, public=replace(city.office.public, client=client))
        async with serving_routes(replace(city, office=office), routes) as served:
            with pytest.raises(aiohttp.ClientPayloadError):
                await served.get(f"/files/pegel/{stem}.csv")
        assert [each for each in folder.rglob("*") if each.is_file()] == []
    office = replace(office, public=city.office.public)
    async with serving_routes(replace(city, office=office), routes) as served:
        status, _, content = await served.get(f"/files/pegel/{stem}.csv")
        assert (status, content.count(b"\n")) == (200, FEW + 1)
