# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Much history is read in parts, each value once, whatever the broker sends at a time."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from broker.client import BrokerFailureError, NgsiLdClient
from ontology.loader import context
from portal.history import History
from tests.embedded_serving import own_database, serving
from tests.http_serving import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

CONTEXT = "http://contexts.example/Environment.jsonld"
START = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 40
IDS = [f"urn:ngsi-ld:FloodMonitoring:hagen:{name}" for name in ("b", "a", "quiet", "moment", "c")]


def instances() -> dict[str, list[tuple[datetime, float]]]:
    """Return values of each entity: bursts, silence, and many at one moment."""
    chance = random.Random(7)  # noqa: S311 - the same history each time
    found: dict[str, list[tuple[datetime, float]]] = {}
    for name in IDS:
        moments: set[datetime] = set()
        for _ in range(0 if name.endswith("quiet") else 12):
            first = START + timedelta(seconds=chance.randrange(DAYS * 86400 - 7200))
            moments |= {first + timedelta(seconds=chance.random() * 3600) for _ in range(10)}
        values = [(moment, float(number)) for number, moment in enumerate(sorted(moments))]
        if name.endswith("moment"):
            values += [(START + timedelta(days=3, microseconds=5), 1000.0 + number) for number in range(9)]
        found[name] = sorted(values)
    return found


WRITTEN = instances()


@pytest_asyncio.fixture(scope="module")
async def broker(postgres: str) -> AsyncIterator[NgsiLdClient]:
    documents = {CONTEXT: context("Environment")}
    async with (
        own_database(postgres) as dsn,
        serving(dsn, preloaded=documents, history=True, history_page=7, history_most=7) as served,
        NgsiLdClient(served.url, kind="embedded", tenant="history") as client,
    ):
        for name, values in WRITTEN.items():
            level = [
                {"type": "Property", "value": value, "observedAt": moment.isoformat()}
                for moment, value in values
            ]
            if level:
                entity = {"id": name, "type": "FloodMonitoring", "currentLevel": level}
                await client.add_temporal(entity, context=CONTEXT)
        yield client


@asynccontextmanager
async def silent_about_ranges(broker: NgsiLdClient, most: int = 10**9) -> AsyncIterator[NgsiLdClient]:
    """Stand before a broker and say 206, of more than `most` too, without saying of which range."""
    base = str(broker._base).removesuffix("/ngsi-ld/v1")
    async with aiohttp.ClientSession() as session:

        async def pass_on(request: web.Request) -> web.Response:
            headers = {name: request.headers[name] for name in ("Link", "NGSILD-Tenant", "Prefer")}
            async with session.get(f"{base}{request.raw_path}", headers=headers) as answer:
                body = await answer.read()
                status = 206 if body.count(b"observedAt") > most else answer.status
                return web.Response(status=status, body=body, content_type="application/json")

        app = web.Application()
        app.router.add_get("/{any:.*}", pass_on)
        async with served(app) as url, NgsiLdClient(url, kind="scorpio", tenant="history") as client:
            yield client


async def read(client: NgsiLdClient, ids: Sequence[str] = IDS) -> list[tuple[str, datetime, float]]:
    params = {"type": "FloodMonitoring", "attrs": "currentLevel"}
    history = History(client=client, context=CONTEXT, params=params)
    found: list[tuple[str, datetime, float]] = []
    async for entities in history.read(ids, START, START + timedelta(days=DAYS)):
        for entity in entities:
            seen: list[dict[str, Any]] = entity.get("currentLevel", [])
            found += [(entity["id"], datetime.fromisoformat(one["observedAt"]), one["value"]) for one in seen]
    return found


def written(ids: Sequence[str] = IDS) -> list[tuple[str, datetime, float]]:
    return [(name, moment, value) for name in ids for moment, value in WRITTEN[name]]


async def test_every_value_once(broker: NgsiLdClient) -> None:
    found = await read(broker)
    assert sorted(found) == sorted(written())
    assert [(name, moment) for name, moment, _ in found] == [(name, moment) for name, moment, _ in written()]


async def test_of_a_broker_that_does_not_say_what_it_left_out(broker: NgsiLdClient) -> None:
    ids = [name for name in IDS if not name.endswith("moment")]
    async with silent_about_ranges(broker) as client:
        assert sorted(await read(client, ids)) == sorted(written(ids))


async def test_more_at_one_moment_than_the_broker_sends(broker: NgsiLdClient) -> None:
    async with silent_about_ranges(broker, most=8) as client:
        with pytest.raises(BrokerFailureError, match=r"moment was observed at 2026-03-04T00:00:00\.000005Z"):
            await read(client, [IDS[3]])
