# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Bare loops: each does one part of Volme's input and output, and nothing else.

    python -m benchmarks.references receive PORT TOPICS COUNT
    python -m benchmarks.references post PORT COUNT
    python -m benchmarks.references commit DSN COUNT BYTES

Print a line of JSON: what was done in how many seconds, and the processor time of this process.
`receive` prints a line before, when it has subscribed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import asyncpg
import orjson
import uvloop

from adapters.sources.mqtt_wire import Login, connect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from adapters.sources.mqtt_wire import Connection, Publish

#: Entities of a batch, connections: what Volme does unless it is set otherwise.
BATCH = 100
_CONNECTIONS = 4
_ROWS = 200
_LARGE = 65_536


async def receive(port: int, topics: str, count: int) -> dict[str, float]:
    """Take messages by Volme's MQTT client and acknowledge them at once."""
    received = 0
    first = 0.0
    done = asyncio.Event()

    def take(connection: Connection, publishes: list[Publish]) -> None:
        nonlocal received, first
        first = first or time.monotonic()
        received += len(publishes)
        connection.acknowledge([each.packet_id for each in publishes])
        if received == count:
            done.set()

    login = Login(
        version="3.1.1", client_id="benchmark-in", username=None, password=None, expiry=0, keepalive=60
    )
    connection = await connect("127.0.0.1", port, login, take, lambda: (count, count * _LARGE), tls=None)
    await connection.subscribe((topics,))
    _print({"subscribed": True})
    await done.wait()
    figures = _figures(count, time.monotonic() - first)
    await asyncio.sleep(0)
    await connection.close()
    return figures


async def post(port: int, count: int) -> dict[str, float]:
    """Post batches, written beforehand, over as many connections as Volme."""
    entity = {
        "id": "urn:ngsi-ld:WeatherObserved:hagen:station-000000",
        "type": "WeatherObserved",
        **{
            name: {
                "type": "Property",
                "value": 21.5,
                "unitCode": "CEL",
                "observedAt": "2026-03-01T12:00:00.000Z",
            }
            for name in ("temperature", "relativeHumidity", "atmosphericPressure", "illuminance")
        },
        **{name: {"type": "Property", "value": "x" * 40} for name in ("name", "location", "refDevice")},
    }
    body = orjson.dumps([{**entity, "id": f"{entity['id']}{n}"} for n in range(BATCH)])
    left = count // BATCH
    began = time.monotonic()

    async def send(session: aiohttp.ClientSession) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            async with session.post(f"http://127.0.0.1:{port}/", data=body) as response:
                await response.read()

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(send(session) for _ in range(_CONNECTIONS)))
    return _figures(count, time.monotonic() - began)


async def commit(dsn: str, count: int, size: int) -> dict[str, float]:
    """Write rows with COPY, a transaction and an fsync for every few hundred."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "CREATE TABLE bare (seq bigint, topic text, payload bytea, received_at timestamptz)"
    )
    rows = [(n, "city/station-000000/measures", b"x" * size, datetime.now(UTC)) for n in range(_ROWS)]
    began = time.monotonic()
    for _ in range(count // _ROWS):
        await connection.copy_records_to_table("bare", records=rows)
    figures = _figures(count, time.monotonic() - began)
    await connection.close()
    return figures


def _figures(count: int, seconds: float) -> dict[str, float]:
    return {"count": count, "seconds": seconds, "processor_s": time.process_time() - _started}


def _print(line: Any) -> None:
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()


_LOOPS: dict[str, Callable[..., Awaitable[dict[str, float]]]] = {
    "receive": receive,
    "post": post,
    "commit": commit,
}

if __name__ == "__main__":
    arguments = [int(argument) if argument.isdecimal() else argument for argument in sys.argv[2:]]

    async def main() -> None:
        """Run one of the loops."""
        _print(await _LOOPS[sys.argv[1]](*arguments))

    _started = time.process_time()
    uvloop.run(main())
