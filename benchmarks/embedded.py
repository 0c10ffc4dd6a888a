# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The embedded NGSI-LD broker over HTTP, beside a bare PostgreSQL loop that reads and writes the same.

The broker is a process of its own; `python -m benchmarks.embedded <dsn>` is that process.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import re
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

import asyncpg
import orjson
import uvloop
from aiohttp import web

from benchmarks.parts import BenchmarkError, helper, processor_seconds
from broker.embedded.server import EmbeddedBroker, EmbeddedSettings
from compose.telemetry import configure_logs
from compose.wiring import GC_THRESHOLDS
from ontology.loader import core_context
from store.postgres import pool as open_pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from benchmarks.ways import Stage

_BATCH = 200
_PAGE = 100
_CONNECTIONS = 8
_SUBSCRIPTIONS = 1_000
_ROOT = "/ngsi-ld/v1"
_LENGTH = re.compile(rb"(?i)\r\nContent-Length: *(\d+)")
_MADE_WITHIN_S = 300.0
_VALUE_INDEX = """
SELECT EXISTS (
    SELECT FROM pg_class AS c JOIN pg_index AS i ON i.indexrelid = c.oid
    WHERE c.relname ~ '^entities_value_' AND i.indisvalid
)
"""
_TABLES = """
CREATE TABLE bare (id text PRIMARY KEY, type text, doc jsonb, place point);
CREATE TABLE bare_history (id text, name text, at timestamptz, doc jsonb);
CREATE INDEX ON bare (type, id);
CREATE INDEX ON bare USING gist (place);
CREATE INDEX ON bare (type, ((doc #>> '{level,value}')::float8));
CREATE INDEX ON bare_history (id, name, at);
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sizes:
    """How much of everything: entities in the broker, of which some are written again, and requests."""

    entities: int
    again: int
    reads: int
    queries: int


_FULL = _Sizes(entities=100_000, again=20_000, reads=10_000, queries=600)
_QUICK = _Sizes(entities=5_000, again=3_000, reads=1_500, queries=100)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Measured:
    """What came out; seconds are of the processor, PostgreSQL's included, for 1,000."""

    rate: float
    processor_s: float


class _Store(Protocol):
    """The broker, or a bare loop in its place."""

    async def write(self, entities: list[dict[str, Any]]) -> None:
        """Write a batch."""

    async def read(self, number: int) -> None:
        """Read one entity."""

    async def compare(self, number: int) -> None:
        """Read a page of those above a threshold."""

    async def near(self, number: int) -> None:
        """Read a page of those around a place."""


async def embedded(stage: Stage, *, quick: bool) -> None:
    """Measure, and print each figure and its ratio to the bare loop."""
    sizes = _QUICK if quick else _FULL
    base = stage.postgres.processor_seconds
    print("\nembedded broker, beside a bare PostgreSQL loop that reads and writes the same")
    async with asyncpg.create_pool(
        await stage.postgres.database("bench_bare_entities"), min_size=1, max_size=_CONNECTIONS
    ) as pool:
        await pool.execute(_TABLES)
        bare = await _measure(_Bare(pool), sizes, base)
    dsn = await stage.postgres.database("bench_entities")
    async with _served(dsn) as (port, pid):
        with contextlib.closing(_Broker(port)) as broker:
            own = await _measure(
                broker, sizes, lambda: base() + processor_seconds(pid), partial(_asked_for, dsn)
            )
            for number in range(_SUBSCRIPTIONS):
                await broker.subscribe(number)
            await broker.write([_entity(number, 2) for number in range(_BATCH)])  # which reads them, once
            name = f"entities written again, {_SUBSCRIPTIONS:,} subscriptions"
            own[name] = await _written(broker, sizes.again, 3, lambda: base() + processor_seconds(pid))
            bare[name] = bare["entities written again"]
    for name, figures in own.items():
        beside = bare[name]
        print(
            f"  {name:<52} {figures.rate:>8,.0f}/s, {figures.rate / beside.rate:.3f} of bare;"
            f" {figures.processor_s:.3f} CPU-s per 1,000, {figures.processor_s / beside.processor_s:.1f}"
            " times bare (whose client is not counted)",
            flush=True,
        )


async def _measure(
    store: _Store,
    sizes: _Sizes,
    spent: Callable[[], float],
    asked_for: Callable[[], Awaitable[bool]] | None = None,
) -> dict[str, _Measured]:
    """Measure all but subscriptions.

    Args:
        store: what is measured.
        sizes: how much of everything.
        spent: returns the processor's seconds so far.
        asked_for: says whether the store has what it makes only when it is asked for.
    """
    found = {
        "entities written": await _written(store, sizes.entities, 0, spent),
        "entities written again": await _written(store, sizes.again, 1, spent),
    }
    async with asyncio.timeout(_MADE_WITHIN_S):
        while asked_for is not None and not await asked_for():
            await store.compare(0)
    dice = random.Random(5)  # noqa: S311 - which entities are read, the same in every run
    numbers = [dice.randrange(sizes.entities) for _ in range(max(sizes.reads, sizes.queries))]
    for name, reading, count in (
        ("entities read by id", store.read, sizes.reads),
        (f"queries by type and q, a page of {_PAGE}", store.compare, sizes.queries),
        (f"queries around a place, a page of {_PAGE}", store.near, sizes.queries),
    ):
        jobs = (partial(reading, number) for number in numbers[:count])
        found[name] = await _timed(jobs, count, spent)
    return found


async def _written(store: _Store, count: int, round_: int, spent: Callable[[], float]) -> _Measured:
    batches = [[_entity(n, round_) for n in range(at, at + _BATCH)] for at in range(0, count, _BATCH)]
    return await _timed((partial(store.write, batch) for batch in batches), count, spent)


async def _timed(
    jobs: Iterable[Callable[[], Awaitable[None]]], count: int, spent: Callable[[], float]
) -> _Measured:
    """Do all jobs, a few at a time."""
    waiting = iter(jobs)

    async def work() -> None:
        for job in waiting:
            await job()

    before, began = spent(), time.monotonic()
    await asyncio.gather(*(work() for _ in range(_CONNECTIONS)))
    seconds = time.monotonic() - began
    return _Measured(rate=count / seconds, processor_s=1000 * (spent() - before) / count)


def _entity(number: int, round_: int) -> dict[str, Any]:
    """Return what a weather station says; a level above 10 is one in a hundred."""
    at = (datetime(2026, 5, 1, tzinfo=UTC) + timedelta(minutes=round_)).isoformat().replace("+00:00", "Z")
    values = {
        "temperature": 15 + number % 100 / 10 + round_,
        "humidity": number % 90 / 100,
        "level": number % 1_000 / 100 + (5 if number % 100 == 0 else 0),
        "battery": 3.6 - round_ / 10,
    }
    west, south = number % 317 / 1_000, number // 317 % 317 / 1_000
    return {
        "id": f"urn:ngsi-ld:Station:hagen:{number:07}",
        "type": "Station",
        **{
            name: {"type": "Property", "value": value, "unitCode": "C62", "observedAt": at}
            for name, value in values.items()
        },
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [7.3 + west, 51.2 + south]},
        },
    }


def _place(number: int) -> tuple[float, float]:
    west, south = _entity(number, 0)["location"]["value"]["coordinates"]
    return west, south


class _Broker:
    """The broker over HTTP/1.1, by a client that does little, so that the broker is what is measured."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    def close(self) -> None:
        """Close the connections."""
        for _, writer in self._idle:
            writer.close()

    async def write(self, entities: list[dict[str, Any]]) -> None:
        await self._post("/entityOperations/upsert?options=update", entities)

    async def read(self, number: int) -> None:
        await self._get(f"/entities/{_entity(number, 0)['id']}")

    async def compare(self, number: int) -> None:
        await self._get(f"/entities?type=Station&limit={_PAGE}&q=level{quote('>')}{10 + number % 5}")

    async def near(self, number: int) -> None:
        west, south = _place(number)
        where = f"georel=near;maxDistance==500&geometry=Point&coordinates=[{west},{south}]"
        await self._get(f"/entities?type=Station&limit={_PAGE}&{where}")

    async def subscribe(self, number: int) -> None:
        """Subscribe to a threshold that few entities are above, and that no write passes."""
        await self._post(
            "/subscriptions",
            {
                "type": "Subscription",
                "entities": [{"type": "Station"}],
                "watchedAttributes": ["level"],
                "q": f"level>{100 + number}",
                "notification": {"endpoint": {"uri": "http://127.0.0.1/none"}},
            },
        )

    async def _get(self, path: str) -> None:
        await self._ask(f"GET {_ROOT}{path} HTTP/1.1\r\nHost: broker\r\n\r\n".encode())

    async def _post(self, path: str, body: Any) -> None:
        content = orjson.dumps(body)
        head = f"POST {_ROOT}{path} HTTP/1.1\r\nHost: broker\r\nContent-Type: application/json\r\n"
        await self._ask(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)

    async def _ask(self, request: bytes) -> None:
        reader, writer = self._idle.pop() if self._idle else await self._connect()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        content = await reader.readexactly(int(length[1])) if length else b""
        self._idle.append((reader, writer))
        if not head.startswith(b"HTTP/1.1 2"):
            msg = f"the embedded broker answers {head.splitlines()[0]!r}: {content[:200]!r}"
            raise BenchmarkError(msg)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)


class _Bare:
    """The same reads and writes, without NGSI-LD."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def write(self, entities: list[dict[str, Any]]) -> None:
        docs = [orjson.dumps(each).decode() for each in entities]
        ids = [each["id"] for each in entities]
        places = [each["location"]["value"]["coordinates"] for each in entities]
        instances = [
            (each["id"], name, datetime.fromisoformat(value["observedAt"]), orjson.dumps(value).decode())
            for each in entities
            for name, value in each.items()
            if isinstance(value, dict) and "observedAt" in value
        ]
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.fetch(
                "SELECT doc FROM bare WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE", ids
            )
            await connection.execute(
                "INSERT INTO bare SELECT n.id, 'Station', n.doc::jsonb, point(n.west, n.south)"
                " FROM unnest($1::text[], $2::text[], $3::float8[], $4::float8[]) AS n(id, doc, west, south)"
                " ON CONFLICT (id) DO UPDATE SET doc = EXCLUDED.doc",
                *(ids, docs, [place[0] for place in places], [place[1] for place in places]),
            )
            await connection.execute(
                "INSERT INTO bare_history SELECT n.id, n.name, n.at, n.doc::jsonb"
                " FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[]) AS n(id, name, at, doc)",
                *(list(column) for column in zip(*instances, strict=True)),
            )

    async def read(self, number: int) -> None:
        await self._pool.fetchval("SELECT doc FROM bare WHERE id = $1", _entity(number, 0)["id"])

    async def compare(self, number: int) -> None:
        await self._pool.fetch(
            "SELECT doc FROM bare WHERE type = 'Station' AND (doc #>> '{level,value}')::float8 > $1"
            " ORDER BY id LIMIT $2",
            *(float(10 + number % 5), _PAGE),
        )

    async def near(self, number: int) -> None:
        west, south = _place(number)
        await self._pool.fetch(
            "SELECT doc FROM bare WHERE place <@ box(point($1, $2), point($3, $4)) ORDER BY id LIMIT $5",
            *(west - 0.0072, south - 0.0045, west + 0.0072, south + 0.0045, _PAGE),
        )


async def _asked_for(dsn: str) -> bool:
    """Say whether the broker has made the index that queries by a value want."""
    connection = await asyncpg.connect(dsn)
    try:
        return bool(await connection.fetchval(_VALUE_INDEX))
    finally:
        await connection.close()


@asynccontextmanager
async def _served(dsn: str) -> AsyncIterator[tuple[int, int]]:
    """Run the broker in a process of its own; yields its port and its id."""
    async with helper("embedded", dsn) as process:
        told = await process.line()
        yield told["port"], told["pid"]


async def _serve(dsn: str) -> None:
    """Be that process, until its input ends."""
    configure_logs("console", "warning")
    gc.set_threshold(*GC_THRESHOLDS)  # as a platform has them
    async with open_pool(dsn, size=_CONNECTIONS) as pool, contextlib.AsyncExitStack() as stack:
        broker = EmbeddedBroker(
            pool, EmbeddedSettings(core_context=core_context(), notify_allow=(ip_network("127.0.0.0/8"),))
        )
        await broker.start()
        stack.push_async_callback(broker.close)
        runner = web.AppRunner(broker.app(), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        told = {"port": runner.addresses[0][1], "pid": os.getpid()}
        print(orjson.dumps(told).decode(), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))
