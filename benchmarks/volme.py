# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Volme as it is measured: its devices, its configuration, its process, its account."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp
import psutil

from adapters.registry import Registry
from benchmarks.measures import JAVASCRIPT, PROFILES
from benchmarks.parts import ANSWERED_WITHIN_S, ROOT, STARTED_WITHIN_S, BenchmarkError, end, free_port
from benchmarks.parts import processor_seconds as seconds_of
from broker.journal.postgres import PostgresJournal
from compose.running import read_addresses
from models.message import Message
from store.postgres import pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from benchmarks.counter import Counter
    from benchmarks.measures import Kind
    from benchmarks.parts import Postgres

SOURCE = "benchmark"
_APPENDED_AT_ONCE = 1_000
_LOOKS_S = 0.02
_ASKS_S = 0.5


async def register(dsn: str, kind: Kind, devices: int) -> None:
    """Register the devices, all at once."""
    async with pool(dsn) as connections:
        await Registry(connections).start()
        rows = [
            (each.id, each.profile, each.name, each.position.longitude, each.position.latitude)
            for each in map(kind.device, range(devices))
            if each.position is not None
        ]
        async with connections.acquire() as connection:
            await connection.copy_records_to_table(
                "devices",
                schema_name="registry",
                columns=("id", "profile", "name", "longitude", "latitude"),
                records=rows,
            )
            await connection.execute("ANALYZE registry.devices")


async def fill(dsn: str, messages: Iterable[tuple[str, bytes]]) -> None:
    """Append messages to the journal of a Volme that does not run."""
    async with pool(dsn) as connections:
        journal = PostgresJournal(connections)
        await journal.start()
        now = datetime.now(UTC)
        waiting = [
            Message(source=SOURCE, topic=topic, payload=payload, received_at=now)
            for topic, payload in messages
        ]
        for first in range(0, len(waiting), _APPENDED_AT_ONCE):
            await journal.extend(waiting[first : first + _APPENDED_AT_ONCE])
        await journal.close()


class Volme:
    """A Volme that runs by `volme run`, and its database."""

    def __init__(
        self, *, pid: int, postgres_pid: int, addresses: dict[str, str], journal: PostgresJournal
    ) -> None:
        self.pid = pid
        self.addresses = addresses
        self._postgres_pid = postgres_pid
        self._journal = journal

    def processor_seconds(self) -> tuple[float, float]:
        """Return the processor time of its own processes, and of PostgreSQL's."""
        return seconds_of(self.pid), seconds_of(self._postgres_pid)

    def memory(self) -> int:
        """Return the bytes of its processes."""
        root = psutil.Process(self.pid)
        return sum(each.memory_info().rss for each in (root, *root.children(recursive=True)))

    async def settled(self, count: int, arrived: Counter | None) -> None:
        """Wait until it knows what became of so many messages.

        The sink's counter is looked at until it has as many: to ask PostgreSQL costs what is measured.
        """
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                if arrived is not None:
                    await self._arrived(arrived, count)
                while (await self.account())["settled"] < count:  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(_ASKS_S)
        except TimeoutError:
            account = await self.account()
            msg = f"Volme did not settle {count:,} messages within {ANSWERED_WITHIN_S:g} s: {account}"
            raise BenchmarkError(msg) from None

    async def _arrived(self, arrived: Counter, count: int) -> None:
        """Wait for the sink, or until nothing more arrives: then the account tells why."""
        looks = last = 0
        while (value := arrived.value()) < count and looks * _LOOKS_S < STARTED_WITHIN_S:
            looks, last = (looks + 1, value) if value == last else (0, value)
            await asyncio.sleep(_LOOKS_S)

    async def account(self) -> dict[str, int]:
        """Return how many messages it received, delivered, took for duplicates or gave up."""
        total = (await self._journal.account()).total()
        return {
            "received": total.received,
            "delivered": total.delivered,
            "duplicate": total.duplicate,
            "dead": total.dead,
            "settled": total.delivered + total.duplicate + total.dead + total.ignored,
        }


@asynccontextmanager
async def volme(
    folder: Path, *, mqtt_port: int, database: Postgres, dsn: str, kind: Kind, sink_port: int | None
) -> AsyncIterator[Volme]:
    """Run Volme on a database whose devices are registered; without a sink into its embedded broker."""
    config = _configure(folder, mqtt_port=mqtt_port, dsn=dsn, kind=kind, sink_port=sink_port)
    async with AsyncExitStack() as stack:
        log = stack.enter_context((folder / "log").open("ab"))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "compose.cli", "run", "--config", str(config), stderr=log, cwd=ROOT
        )
        stack.push_async_callback(end, process)
        try:
            addresses = await _connected(process, folder / "data")
        except TimeoutError:
            msg = f"Volme does not start:\n{(folder / 'log').read_text(errors='replace')[-2000:]}"
            raise BenchmarkError(msg) from None
        journal = PostgresJournal(await stack.enter_async_context(pool(dsn)))
        yield Volme(pid=process.pid, postgres_pid=database.pid, addresses=addresses, journal=journal)


def _configure(folder: Path, *, mqtt_port: int, dsn: str, kind: Kind, sink_port: int | None) -> Path:
    broker = f'url = "http://127.0.0.1:{sink_port}"' if sink_port else f"embedded.port = {free_port()}"
    folder.mkdir(exist_ok=True)
    codec = folder / "codec.js"
    codec.write_text(JAVASCRIPT, encoding="utf-8")
    text = f"""
data = "{folder / "data"}"
log_level = "warning"
web.port = {free_port()}
postgres.url = "{dsn}"

[broker]
{broker}

[[mqtt]]
name = "{SOURCE}"
url = "mqtt://127.0.0.1:{mqtt_port}"
topics = ["{kind.topics}"]
client_id = "{SOURCE}-{folder.name}"

[[plain]]
source = "{SOURCE}"
topic = "city/{{device}}/measures"
time = "time"

[javascript]
benchmark = "{codec}"
"""
    for name, profile in PROFILES.items():
        text += f"\n[profiles.{name}]\n"
        text += "".join(f'{key} = "{value}"\n' for key, value in profile.items() if key != "fields")
        text += f"\n[profiles.{name}.fields]\n"
        text += "".join(f'{field} = "{quantity}"\n' for field, quantity in profile["fields"].items())
    config = folder / "benchmark.toml"
    config.write_text(text, encoding="utf-8")
    return config


async def _connected(process: asyncio.subprocess.Process, data: Path) -> dict[str, str]:
    """Wait until Volme has subscribed, and return its addresses."""
    async with asyncio.timeout(STARTED_WITHIN_S), aiohttp.ClientSession() as session:
        while True:
            if process.returncode is not None:
                raise TimeoutError
            if addresses := read_addresses(data):
                async with session.get(f"{addresses['web']}/healthz") as response:
                    health = await response.json()
                if health["sources"].get(SOURCE, {}).get("connected"):
                    return addresses
            await asyncio.sleep(0.1)
