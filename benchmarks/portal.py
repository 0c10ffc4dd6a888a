# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Requests a second of each public interface: `python -m benchmarks.portal`.

    PostgreSQL ──► embedded broker ──► portal (its own process) ──► this process, which asks without pause

Figures differ from machine to machine; the ratio to a static JSON document of about the same size, served by
bare aiohttp in the portal's process and taken in the same run, is what one run may be compared with another
by. `same` is one address that many ask for, `other` a new one each time, which no answer that is kept serves.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import sys
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import orjson
import uvloop
from aiohttp import web

from benchmarks.parts import ROOT, BenchmarkError, free_port, helper, postgres
from broker.client import NgsiLdClient
from broker.embedded.server import EmbeddedBroker, EmbeddedSettings
from compose.telemetry import configure_logs
from models.types import TYPES
from models.values import rfc3339
from ontology.loader import context, core_context, subjects
from portal.datasets import ZONE, load_catalogue
from portal.interfaces import INTERFACES
from portal.live import Live
from portal.live_events import end_streams
from portal.office import Office
from portal.server import portal_app
from portal.views import View
from store.postgres import pool as open_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_WEB = "http://contexts.example"
_TENANT = "public"
_ID = "urn:ngsi-ld:WeatherObserved:bench:{:05}"
_READERS = 16
_LISTENERS, _EVENTS = 100, 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One thing that is asked for.

    Attributes:
        name: of the interface, and of what is asked.
        path: from a number that counts up.
    """

    name: str
    path: Callable[[int], str]


def _box(number: int) -> str:
    return f"7.4,51.3,{7.5 + number % 100_000 / 1e6:.6f},51.4"


_THINGS = "/sensorthings/v1.1/Things"
#: What Masterportal asks of the things in a map's extent.
_VALUES = "$expand=" + quote(
    "Locations,Datastreams($expand=ObservedProperty,Observations($top=1;$orderby=phenomenonTime desc))"
)


def _within(number: int) -> str:
    east = 7.5 + number % 100_000 / 1e6
    ring = f"7.4 51.3,{east:.6f} 51.3,{east:.6f} 51.4,7.4 51.4,7.4 51.3"
    return quote(f"st_within(Locations/location,geography'POLYGON (({ring}))')")


#: One row for each interface, or one for what is the same and one for what differs each time.
ROWS = (
    Row(name="start page, same", path=lambda _: "/"),
    Row(name="start page, searched, other", path=lambda number: f"/?q={number}"),
    Row(
        name="features: 100, same",
        path=lambda _: "/ogc/features/collections/wetter/items?bbox=7.4,51.3,7.5,51.4",
    ),
    Row(
        name="features: 100, other",
        path=lambda number: f"/ogc/features/collections/wetter/items?bbox={_box(number)}",
    ),
    Row(
        name="features: 100 in UTM, other",
        path=lambda number: (
            f"/ogc/features/collections/wetter/items?bbox={_box(number)}"
            "&crs=http://www.opengis.net/def/crs/EPSG/0/25832"
        ),
    ),
    Row(
        name="features: one, other",
        path=lambda number: (
            f"/ogc/features/collections/wetter/items/{_ID.format(number % 500)}?crs="
            + quote("http://www.opengis.net/def/crs/OGC/1.3/CRS84")
            + f"&lang={('de', 'en')[number // 500 % 2]}"
        ),
    ),
    Row(name="NGSI-LD: 100, same", path=lambda _: "/ngsi-ld/v1/entities?type=WeatherObserved&limit=100"),
    Row(
        name="NGSI-LD: 100, other",
        path=lambda number: f"/ngsi-ld/v1/entities?type=WeatherObserved&limit=100&offset={number % 400}",
    ),
    Row(name="SensorThings: 100 with their last values, same", path=lambda _: f"{_THINGS}?{_VALUES}"),
    Row(
        name="SensorThings: 100 with their last values, other",
        path=lambda number: f"{_THINGS}?{_VALUES}&$filter={_within(number)}",
    ),
    Row(
        name="SensorThings: 100 of one's history, other",
        path=lambda number: (
            f"/sensorthings/v1.1/Datastreams('{_ID.format(number % 500)}:temperature')/Observations"
            f"?$skip={number // 500}"
        ),
    ),
    Row(name="catalogue, same", path=lambda _: "/catalog.ttl"),
    Row(name="datasets.json, same", path=lambda _: "/datasets.json"),
    Row(name="file: GeoJSON of now, same", path=lambda _: "/files/wetter/current.geojson"),
    Row(name="file: CSV of now, other", path=lambda number: f"/files/wetter/current.csv?{number}"),
    Row(
        name="file: CSV of today, from the disk",
        path=lambda _: f"/files/wetter/{datetime.now(ZONE):%Y-%m-%d}.csv",
    ),
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.portal", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--entities", type=int, default=500, help="that are published (default: 500)")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each row (default: 3)")
    parser.add_argument("--only", default="", help="rows whose name begins so")
    return parser.parse_args()


async def _run(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="volme-bench-") as name:
        folder = Path(name)
        async with postgres(folder) as server:
            dsn = await server.database("bench_portal")
            async with helper("portal", "broker", dsn) as broker:
                url = (await broker.line())["url"]
                await _publish(url, arguments.entities)
                async with helper("portal", "portal", url, folder) as portal:
                    await _measure(await portal.line(), arguments)


async def _publish(url: str, entities: int) -> None:
    async with NgsiLdClient(url, kind="embedded", tenant=_TENANT) as client:
        now = datetime.now(UTC)
        made = [_entity(number, now - timedelta(seconds=number)) for number in range(entities)]
        result = await client.upsert(made, context=_context_of("WeatherObserved"))
        if result.failed:
            msg = f"the broker refused entities: {next(iter(result.failed.values())).sentence}"
            raise BenchmarkError(msg)


def _context_of(type_name: str) -> str:
    return f"{_WEB}/{TYPES[type_name].subject}.jsonld"


def _entity(number: int, at: datetime) -> dict[str, Any]:
    def measured(value: float, unit: str) -> dict[str, Any]:
        return {"type": "Property", "value": value, "unitCode": unit, "observedAt": rfc3339(at)}

    place = [round(7.4 + number % 25 / 250, 4), round(51.3 + number // 25 / 250, 4)]
    return {
        "id": _ID.format(number),
        "type": "WeatherObserved",
        "name": {"type": "Property", "value": f"Wetterstation {number}"},
        "source": {"type": "Property", "value": "simulation"},
        "areaServed": {"type": "Property", "value": "Haspe"},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": place}},
        "temperature": measured(number / 10, "CEL"),
        "relativeHumidity": measured(0.8, "C62"),
        "atmosphericPressure": measured(1013.0, "A97"),
    }


async def _measure(where: dict[str, str], arguments: argparse.Namespace) -> None:
    timeout = aiohttp.ClientTimeout(total=60)
    connector = aiohttp.TCPConnector(limit=_READERS)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector, auto_decompress=False) as session:
        print(f"{arguments.entities} entities, {_READERS} readers, {os.cpu_count()} processors")
        print(f"{'':<38}{'requests/s':>12}{'of static':>11}{'kB':>8}{'p99 ms':>9}")
        static = await _rate(session, where["static"], itertools.repeat("/static.json"), arguments.seconds)
        _print("static JSON, bare aiohttp", static, static)
        for row in ROWS:
            if not row.name.startswith(arguments.only):
                continue
            paths = (row.path(number) for number in itertools.count())
            try:
                found = await _rate(session, where["url"], paths, arguments.seconds)
            except BenchmarkError as error:
                print(f"{row.name:<38}{error}")
                continue
            _print(row.name, found, static)
    if "live".startswith(arguments.only):
        await _live(where["url"], static.rate, arguments.seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rate:
    """How fast something is: answers a second, the size of one, and how long 99 of 100 take at most."""

    rate: float
    kb: float
    p99: float


def _print(name: str, found: _Rate, static: _Rate) -> None:
    ratio = found.rate / static.rate
    print(f"{name:<38}{found.rate:>12,.0f}{ratio:>11.3f}{found.kb:>8.1f}{found.p99:>9.1f}", flush=True)


async def _rate(session: aiohttp.ClientSession, url: str, paths: Iterable[str], seconds: float) -> _Rate:
    """Ask without pause, over as many connections as there are readers."""
    following = iter(paths)
    times: list[float] = []
    size = 0
    end = 0.0

    async def read() -> None:
        nonlocal size
        while (began := time.monotonic()) < end:
            async with session.get(
                f"{url}{next(following)}", headers={"Accept-Encoding": "identity"}
            ) as answer:
                body = await answer.read()
                if answer.status != 200:
                    msg = f"answered {answer.status}: {body[:120].decode(errors='replace')}"
                    raise BenchmarkError(msg)
            times.append(time.monotonic() - began)
            size = len(body)

    async def all_read(for_seconds: float) -> float:
        nonlocal end
        began = time.monotonic()
        end = began + for_seconds
        times.clear()
        await asyncio.gather(*(read() for _ in range(_READERS)))
        return time.monotonic() - began

    await all_read(min(0.5, seconds))  # to warm up
    took = await all_read(seconds)
    return _Rate(rate=len(times) / took, kb=size / 1000, p99=sorted(times)[len(times) * 99 // 100] * 1000)


async def _live(url: str, static: float, seconds: float) -> None:
    """Print how many events a second reach a hundred readers together."""

    async def take(answer: aiohttp.ClientResponse, number: int) -> None:
        while number:
            number -= (await answer.content.readline()).startswith(b"event: change")

    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session,
        AsyncExitStack() as stack,
    ):
        answers = [await stack.enter_async_context(session.get(f"{url}/events")) for _ in range(_LISTENERS)]
        began, told = time.monotonic(), 0
        while time.monotonic() < began + seconds:
            async with session.post(f"{url}/benchmark/tell?number={_EVENTS}") as answer:
                answer.raise_for_status()
            await asyncio.gather(*(take(answer, _EVENTS) for answer in answers))
            told += _EVENTS * _LISTENERS
        rate = told / (time.monotonic() - began)
    print(f"{f'live: events to {_LISTENERS} readers':<38}{rate:>12,.0f}{rate / static:>11.3f}")


# ---- the processes


async def _broker(dsn: str) -> None:
    documents = {f"{_WEB}/{name}.jsonld": context(name) for name in subjects()}
    async with open_pool(dsn, size=4) as pool:
        broker = EmbeddedBroker(pool, EmbeddedSettings(core_context=core_context(), preloaded=documents))
        await broker.start()
        await _serve({"url": broker.app()})
        await broker.close()


async def _portal(broker: str, folder: str) -> None:
    catalogue = load_catalogue(ROOT / "compose" / "datasets.toml")
    live = Live()
    async with NgsiLdClient(broker, kind="embedded", tenant=_TENANT) as client:
        view = View(name="public", datasets=catalogue.dataset, client=client, context_of=_context_of)
        office = Office(
            url="http://portal.example", catalogue=catalogue, public=view, live=live, folder=Path(folder)
        )
        app = portal_app(office, INTERFACES)
        app.on_shutdown.append(end_streams)
        app.router.add_post("/benchmark/tell", _teller(live))
        bare = web.Application()
        document = orjson.dumps([{"value": number, "name": f"Station {number}"} for number in range(1000)])
        bare.router.add_get("/static.json", _static(document))
        await _serve({"url": app, "static": bare})


def _static(document: bytes) -> Callable[[web.Request], Any]:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=document, content_type="application/json")

    return answer


def _teller(live: Live) -> Callable[[web.Request], Any]:
    async def tell(request: web.Request) -> web.Response:
        for number in range(int(request.query["number"])):
            told = {"temperature": number / 10, "observedAt": "2026-03-01T12:00:00.000Z"}
            live.tell(_ID.format(number), ("wetter",), told)
        return web.Response(status=204)

    return tell


async def _serve(apps: dict[str, web.Application]) -> None:
    """Serve until the end of the input; its first line of output says where."""
    said, runners = {}, []
    for name, app in apps.items():
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        said[name] = f"http://127.0.0.1:{port}"
        runners.append(runner)
    sys.stdout.write(orjson.dumps(said).decode() + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    for runner in runners:
        await runner.cleanup()


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
                uvloop.run(_run(_arguments()))


if __name__ == "__main__":
    main()
