# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A month of much history as one file: `python -m benchmarks.export --rows 10000000`.

    PostgreSQL ──► embedded broker ──► portal (its own process) ──► this process, which drops what it gets

History is written into the broker's tables directly, for that is not what is measured. What is: rows a second
through the portal, as a ratio to merely asking the broker for the same history; and the portal's memory
before, at most and after. It ends by itself, at the latest after `--within` seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import orjson
import psutil
import uvloop
from aiohttp import web

from benchmarks.parts import ROOT, BenchmarkError, free_port, helper, postgres, processor_seconds
from broker.client import NgsiLdClient
from broker.embedded.server import EmbeddedBroker, EmbeddedSettings
from compose.telemetry import configure_logs
from models.types import TYPES
from ontology.loader import context, core_context, subjects
from portal.datasets import load_catalogue
from portal.files import routes
from portal.history import History
from portal.live import Live
from portal.office import OFFICE, Office
from portal.views import View
from store.postgres import pool as open_pool

_WEB = "http://contexts.example"
_TENANT = "public"
_ID = "urn:ngsi-ld:FloodMonitoring:bench:{:05}"
_LOOK_S = 0.2
_MB = 2**20

_LOAD = """
    INSERT INTO ngsild.history
        (entity, name, observed, deleted, at, digest, created_at, modified_at, instance_id, doc)
    SELECT e.number, $1, true, false, t.at, n, t.at, t.at, NULL,
        jsonb_build_object('type', 'Property', 'value', round((random() * 3)::numeric, 3), 'unitCode', 'MTR')
    FROM ngsild.history_entities AS e
    CROSS JOIN generate_series(1, $2::bigint) AS n
    CROSS JOIN LATERAL (SELECT $3::timestamptz + n * $4::interval + e.number * interval '1 ms' AS at) AS t
    WHERE e.tenant = $5 AND e.id >= $6 AND e.id <= $7
"""


@dataclass
class Memory:
    """What a process has of the memory, looked at again and again."""

    process: psutil.Process
    seen: list[int] = field(default_factory=list)

    def look(self) -> int:
        """Return it now, in bytes."""
        self.seen.append(self.process.memory_info().rss)
        return self.seen[-1]

    async def keep_looking(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_S)


def _context_of(type_name: str) -> str:
    return f"{_WEB}/{TYPES[type_name].subject}.jsonld"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.export", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the month (default: 1,000,000)")
    parser.add_argument("--entities", type=int, default=200, help="that were observed (default: 200)")
    parser.add_argument("--format", default="csv", help="csv, de.csv, geojson, jsonld, parquet")
    parser.add_argument(
        "--within", type=float, default=3600, help="seconds after which it ends (default: 3600)"
    )
    return parser.parse_args()


def _last_month() -> datetime:
    """Return the middle of the first day of the last month that is over."""
    first = datetime.now(UTC).replace(day=1, hour=12, minute=0, second=0, microsecond=0)
    return (first - timedelta(days=1)).replace(day=1)


async def _run(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with postgres(folder) as server:
            dsn = await server.database("bench_export")
            async with helper("export", "broker", dsn) as broker:
                url = (await broker.line())["url"]
                await _load(dsn, url, arguments.entities, arguments.rows)
                bare = await _bare(url, arguments.entities)
                print(f"broker alone       {bare:>12,.0f} rows/s", flush=True)
                async with helper("export", "portal", url, folder / "files") as portal:
                    said = await portal.line()
                    await _measure(said["url"], said["pid"], arguments, bare)


async def _load(dsn: str, url: str, entities: int, rows: int) -> None:
    """Make entities through the broker, and their history behind its back."""
    began = time.monotonic()
    start, each = _last_month(), max(1, rows // entities)
    step = timedelta(days=27) / each
    async with NgsiLdClient(url, kind="embedded", tenant=_TENANT) as client:
        made = [_entity(number, start) for number in range(entities)]
        await client.upsert(made, context=_context_of("FloodMonitoring"))
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SELECT ngsild.add_history_month($1)", start)
        attribute = "https://smartdatamodels.org/dataModel.Environment/currentLevel"
        number = await connection.fetchval(
            "SELECT number FROM ngsild.history_names WHERE attribute = $1", attribute
        )
        for first in range(0, entities, 10):
            ends = _ID.format(first), _ID.format(first + 9)
            await connection.execute(_LOAD, number, each, start, step, _TENANT, *ends, timeout=600)
        await connection.execute("ANALYZE ngsild.history", timeout=600)
    finally:
        await connection.close()
    print(
        f"{each * entities:,} rows of {entities} entities written in {time.monotonic() - began:.0f} s",
        flush=True,
    )


def _entity(number: int, at: datetime) -> dict[str, Any]:
    return {
        "id": _ID.format(number),
        "type": "FloodMonitoring",
        "name": {"type": "Property", "value": f"Pegel {number}"},
        "source": {"type": "Property", "value": "simulation"},
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [7.4 + number / 9999, 51.3]},
        },
        "currentLevel": {"type": "Property", "value": 0.5, "unitCode": "MTR", "observedAt": at.isoformat()},
    }


async def _bare(url: str, entities: int) -> float:
    """Ask the broker for the history of some entities, make nothing of it, and return rows a second."""
    ids = [_ID.format(number) for number in range(min(entities, 20))]
    start = _last_month()
    params = {"type": "FloodMonitoring", "attrs": "currentLevel"}
    rows, began = 0, time.monotonic()
    async with NgsiLdClient(url, kind="embedded", tenant=_TENANT) as client:
        history = History(client=client, context=_context_of("FloodMonitoring"), params=params)
        async for part in history.read(ids, start, start + timedelta(days=31)):
            rows += sum(len(entity.get("currentLevel", ())) for entity in part)
    return rows / (time.monotonic() - began)


async def _measure(url: str, pid: int, arguments: argparse.Namespace, bare: float) -> None:
    path = f"{url}/files/pegel/{_last_month():%Y-%m}.{arguments.format}"
    memory = Memory(psutil.Process(pid))
    timeout = aiohttp.ClientTimeout(total=None, sock_read=600)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        await _taken(session, f"{url}/files/pegel/current.{arguments.format}")
        before = memory.look()
        looking, used = asyncio.create_task(memory.keep_looking()), processor_seconds(pid)
        first, size, seconds = await _taken(session, path)
        looking.cancel()
        used = processor_seconds(pid) - used
        after = memory.look()
        again = await _taken(session, path)
    rows = arguments.rows // arguments.entities * arguments.entities + arguments.entities
    print(
        f"portal             {rows / seconds:>12,.0f} rows/s, {rows / seconds / bare:.2f} of the broker alone"
    )
    print(
        f"                   {rows:,} rows, {size / _MB:,.0f} MB in {seconds:,.0f} s, begun after {first:.1f}"
    )
    print(f"                   {used / rows * 1e6:.0f} µs of processor time a row in the portal")
    tenth = max(1, len(memory.seen) // 10)
    half = [max(memory.seen[n : n + tenth]) // _MB for n in range(0, len(memory.seen), tenth)]
    most = max(memory.seen) / _MB
    print(f"portal's memory    {before / _MB:,.0f} MB before, {most:,.0f} at most, {after / _MB:,.0f} after")
    print(f"                   by tenths of the time: {half} MB")
    print(f"the file again     {again[1] / _MB / again[2]:,.0f} MB/s from the disk")


async def _taken(session: aiohttp.ClientSession, path: str) -> tuple[float, int, float]:
    """Take a file and drop it; return seconds to its first byte, its bytes, and seconds to its last."""
    began, first, size = time.monotonic(), 0.0, 0
    async with session.get(path) as answer:
        if answer.status != 200:
            msg = f"{path} answered {answer.status}: {await answer.text()}"
            raise BenchmarkError(msg)
        async for chunk in answer.content.iter_any():
            first = first or time.monotonic() - began
            size += len(chunk)
    return first, size, time.monotonic() - began


# ---- the processes


async def _broker(dsn: str) -> None:
    documents = {f"{_WEB}/{name}.jsonld": context(name) for name in subjects()}
    async with open_pool(dsn, size=4) as pool:
        broker = EmbeddedBroker(pool, EmbeddedSettings(core_context=core_context(), preloaded=documents))
        await broker.start()
        await _serve(broker.app())
        await broker.close()


async def _portal(broker: str, folder: str) -> None:
    catalogue = load_catalogue(ROOT / "compose" / "datasets.toml")
    async with NgsiLdClient(broker, kind="embedded", tenant=_TENANT) as client:
        view = View(name="public", datasets=catalogue.dataset, client=client, context_of=_context_of)
        office = Office(
            url="http://portal.example", catalogue=catalogue, public=view, live=Live(), folder=Path(folder)
        )
        app = web.Application()
        app[OFFICE] = office
        app.add_routes(list(routes(office)))
        await _serve(app)


async def _serve(app: web.Application) -> None:
    """Serve until the end of the input; its first line of output says where."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    sys.stdout.write(orjson.dumps({"url": f"http://127.0.0.1:{port}", "pid": os.getpid()}).decode() + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


async def _bounded(arguments: argparse.Namespace) -> None:
    async with asyncio.timeout(arguments.within):
        await _run(arguments)


def main() -> None:
    """Run the benchmark, or one of its processes."""
    match sys.argv[1:]:
        case ["broker", dsn]:
            configure_logs("json", "warning")
            uvloop.run(_broker(dsn))
        case ["portal", url, folder]:
            configure_logs("json", "warning")
            uvloop.run(_portal(url, folder))
        case _:
            with suppress(KeyboardInterrupt):
                uvloop.run(_bounded(_arguments()))


if __name__ == "__main__":
    main()
