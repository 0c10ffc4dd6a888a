# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The embedded broker is killed while several clients write: nothing is half written, nothing is lost."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import asyncpg
import orjson

from tests.embedded_serving import Client, listening, own_database, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).resolve().parents[2]
WRITERS, ENTITIES = 4, 20
SERVER = """
import asyncio, ipaddress, sys
from aiohttp import web
from broker.embedded.server import EmbeddedBroker, EmbeddedSettings
from ontology.loader import core_context
from store.postgres import pool

async def main():
    async with pool(sys.argv[1], size=6) as opened:
        near = (ipaddress.ip_network("127.0.0.0/8"),)
        broker = EmbeddedBroker(opened, EmbeddedSettings(core_context=core_context(), notify_allow=near))
        await broker.start()
        runner = web.AppRunner(broker.app())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@asynccontextmanager
async def running(dsn: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """Run the broker as a process of its own, which is killed at the end of the `with`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SERVER,
        dsn,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        async for line in process.stdout:
            if line.strip().isdigit():
                yield f"http://127.0.0.1:{int(line)}", process
                break
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def batch(writer: int, round_: int) -> list[dict[str, Any]]:
    """Two attributes of every entity say the same; writers differ, and so do rounds."""
    value = {"value": round_ * WRITERS + writer}
    ids = range(ENTITIES) if writer % 2 else reversed(range(ENTITIES))
    return [{"id": f"urn:c:{n}", "type": "C", "a": value, "b": value} for n in ids]


async def write_on(client: Client, writer: int, confirmed: list[int], enough: asyncio.Event) -> None:
    """Write until nobody answers any more."""
    round_ = 0
    while True:
        round_ += 1
        try:
            answer = await client.ask(
                "POST", "/entityOperations/upsert?options=update", batch(writer, round_)
            )
        except (aiohttp.ClientError, OSError):
            return
        assert answer.status in {201, 204}, answer
        confirmed.append(round_ * WRITERS + writer)
        if len(confirmed) >= 5 * WRITERS:
            enough.set()


async def test_a_broker_that_is_killed_leaves_nothing_half_written(postgres: str) -> None:
    confirmed: list[int] = []
    enough = asyncio.Event()
    async with own_database(postgres) as dsn, listening() as receiver:
        async with running(dsn) as (url, process), aiohttp.ClientSession() as session:
            client = Client(url, session, "")
            subscription = {
                "type": "Subscription",
                "entities": [{"type": "C"}],
                "notificationTrigger": ["entityCreated", "attributeUpdated"],
                "notification": {"attributes": ["a"], "endpoint": {"uri": receiver.url}},
            }
            assert (await client.ask("POST", "/subscriptions", subscription)).status == 201
            writers = [
                asyncio.create_task(write_on(client, number, confirmed, enough)) for number in range(WRITERS)
            ]
            await asyncio.wait_for(enough.wait(), 60)
            process.kill()
            await asyncio.gather(*writers)
        async with serving(dsn) as after:
            found = (await Client(after.url, after.session, "").ask("GET", "/entities?type=C&limit=100")).json
        connection = await asyncpg.connect(dsn)
        try:
            rows = await connection.fetch(
                "SELECT e.id, m.attribute, array_agg((i.doc -> 'value')::int ORDER BY i.at) AS values"
                " FROM ngsild.history AS i JOIN ngsild.history_entities AS e ON e.number = i.entity"
                " JOIN ngsild.history_names AS m ON m.number = i.name GROUP BY 1, 2"
            )
            waiting = await connection.fetch("SELECT entities FROM ngsild.notifications ORDER BY number")
        finally:
            await connection.close()
        told = [receiver.got.get_nowait()[0]["data"] for _ in range(receiver.got.qsize())]
    # a batch is whole: all entities, and both attributes of each, have the value of one and the same batch
    assert len(found) == ENTITIES
    assert len({(entity["a"]["value"], entity["b"]["value"]) for entity in found}) == 1
    (last,) = {entity["a"]["value"] for entity in found}
    # history has each batch that was confirmed, for every entity, and what is there now
    assert len(rows) == 2 * ENTITIES
    recorded = {tuple(sorted(row["values"])) for row in rows}
    assert len(recorded) == 1
    assert {*confirmed, last} <= set(next(iter(recorded)))
    # whoever subscribed hears of every batch, whole, before the kill or after it
    told += [orjson.loads(row["entities"]) for row in waiting]
    assert {len(data) for data in told} == {ENTITIES}
    assert {_value(data[0]) for data in told} >= set(confirmed)


def _value(entity: dict[str, Any]) -> int:
    """Return what a notification says of an entity, delivered or still in the queue."""
    if "a" in entity:
        return int(entity["a"]["value"])
    (instances,) = entity["attributes"].values()
    return int(instances[0]["value"])
