# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The processes of a run: MQTT broker, PostgreSQL, Volme, and who stands at its two ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import asyncpg
import orjson
import psutil
from iotcore import Broker

from adapters.registry import Registry
from benchmarks.measures import PLAIN_PROFILE
from compose.running import read_addresses
from models.errors import VolmeError
from store.embedded import EmbeddedPostgres
from store.postgres import pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.measures import Kind

_ROOT = Path(__file__).resolve().parents[1]
_STARTED_WITHIN_S = 30.0
_ANSWERED_WITHIN_S = 300.0
_STOPPED_WITHIN_S = 15.0
# As is, mosquitto keeps 20 messages on their way to a subscriber, and drops beyond 1,000 that wait.
_MOSQUITTO = """
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_inflight_messages 2000
max_queued_messages 0
set_tcp_nodelay true
log_dest none
"""


class BenchmarkError(VolmeError):
    """The run cannot go on."""


def free_port() -> int:
    """Return a port on loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process and of all that it has started, also of what has ended."""
    total = 0.0
    root = psutil.Process(pid)
    for process in (root, *root.children(recursive=True)):
        try:
            total += sum(process.cpu_times()[:4])  # user, system, and of children that were waited for
        except psutil.NoSuchProcess:
            continue  # it ended just now: its parent's figures have it
    return total


class Helper:
    """A module of this package as a process that answers a line with a line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> Any:
        """Return its next line."""
        assert self._process.stdout is not None
        async with asyncio.timeout(_ANSWERED_WITHIN_S):
            line = await self._process.stdout.readline()
        if not line:
            msg = f"a process of the benchmark ended early (exit code {await self._process.wait()})"
            raise BenchmarkError(msg)
        return orjson.loads(line)

    async def ask(self, order: Any) -> Any:
        """Send a line and return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(orjson.dumps(order) + b"\n")
        return await self.line()


@asynccontextmanager
async def helper(module: str, *arguments: str | int | Path) -> AsyncIterator[Helper]:
    """Run a module of this package until the end of the `with`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"benchmarks.{module}",
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=_ROOT,
        limit=2**28,  # a line has the times of all messages
    )
    try:
        yield Helper(process)
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    elif process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(_STOPPED_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


@asynccontextmanager
async def mqtt_broker(folder: Path) -> AsyncIterator[tuple[str, int]]:
    """Run mosquitto where it is installed, or else iotcore; give its name and port."""
    port = free_port()
    mosquitto = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if mosquitto is None:
        broker = Broker(port=port, listen="127.0.0.1")
        await asyncio.to_thread(broker.start)
        try:
            yield "iotcore", port
        finally:
            await asyncio.to_thread(broker.stop)
        return
    config = folder / "mosquitto.conf"
    config.write_text(_MOSQUITTO.format(port=port), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(mosquitto, "-c", str(config))
    try:
        await _listens(port)
        yield "mosquitto", port
    finally:
        await _end(process)


async def _listens(port: int) -> None:
    async with asyncio.timeout(_STARTED_WITHIN_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


@dataclass(frozen=True, kw_only=True, slots=True)
class Postgres:
    """The PostgreSQL of the run."""

    url: str
    pid: int

    async def database(self, name: str) -> str:
        """Make a database and return its address."""
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()
        return self.url.replace("/postgres?", f"/{name}?")


@asynccontextmanager
async def postgres(folder: Path) -> AsyncIterator[Postgres]:
    """Run the embedded PostgreSQL."""
    server = EmbeddedPostgres(folder / "postgres")
    url = await server.start()
    try:
        pid = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
        yield Postgres(url=url, pid=pid)
    finally:
        await server.stop()


async def register(dsn: str, kind: Kind, devices: int) -> None:
    """Register the devices."""
    async with pool(dsn) as connections:
        registry = Registry(connections)
        await registry.start()
        await asyncio.gather(*(registry.add(kind.device(number)) for number in range(devices)))


class Volme:
    """A Volme that runs by `volme run`, and its database."""

    def __init__(self, *, pid: int, postgres_pid: int, addresses: dict[str, str], database: Any) -> None:
        self.pid = pid
        self.addresses = addresses
        self._postgres_pid = postgres_pid
        self._database = database

    def processor_seconds(self) -> tuple[float, float]:
        """Return the processor time of its own processes, and of PostgreSQL's."""
        return processor_seconds(self.pid), processor_seconds(self._postgres_pid)

    def memory(self) -> int:
        """Return the bytes of its main process."""
        return int(psutil.Process(self.pid).memory_info().rss)

    async def settled(self, count: int) -> None:
        """Wait until it has received so many messages and knows what became of each."""
        async with asyncio.timeout(_ANSWERED_WITHIN_S):
            while True:
                head, cursor = await self._database.fetchrow(
                    "SELECT head.seq, (SELECT min(seq) FROM journal.cursors) FROM journal.head"
                )
                if cursor >= count and cursor == head:
                    return
                await asyncio.sleep(0.05)

    async def account(self) -> dict[str, int]:
        """Return how many messages it received, delivered, took for duplicates or gave up."""
        return dict(
            await self._database.fetchrow(
                "SELECT (SELECT sum(messages) FROM journal.received)::int AS received,"
                " sum(delivered)::int AS delivered, sum(duplicate)::int AS duplicate, sum(dead)::int AS dead"
                " FROM journal.settled"
            )
        )


@asynccontextmanager
async def volme(
    folder: Path, *, mqtt_port: int, database: Postgres, dsn: str, kind: Kind, sink_port: int | None
) -> AsyncIterator[Volme]:
    """Run Volme on a database whose devices are registered; without a sink into its embedded broker."""
    config = _configure(folder, mqtt_port=mqtt_port, dsn=dsn, kind=kind, sink_port=sink_port)
    async with AsyncExitStack() as stack:
        log = stack.enter_context((folder / "log").open("wb"))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "compose.cli", "run", "--config", str(config), stderr=log, cwd=_ROOT
        )
        stack.push_async_callback(_end, process)
        try:
            addresses = await _connected(process, folder / "data")
        except TimeoutError:
            msg = f"Volme does not start:\n{(folder / 'log').read_text(errors='replace')[-2000:]}"
            raise BenchmarkError(msg) from None
        connection = await asyncpg.connect(dsn)
        stack.push_async_callback(connection.close)
        yield Volme(pid=process.pid, postgres_pid=database.pid, addresses=addresses, database=connection)


def _configure(folder: Path, *, mqtt_port: int, dsn: str, kind: Kind, sink_port: int | None) -> Path:
    broker = f'url = "http://127.0.0.1:{sink_port}"' if sink_port else f"embedded.port = {free_port()}"
    fields = "\n".join(f'{name} = "{quantity}"' for name, quantity in PLAIN_PROFILE["fields"].items())
    profile = "\n".join(f'{key} = "{value}"' for key, value in PLAIN_PROFILE.items() if key != "fields")
    text = f"""
data = "{folder / "data"}"
log_level = "warning"
web.port = {free_port()}
postgres.url = "{dsn}"

[broker]
{broker}

[[mqtt]]
name = "benchmark"
url = "mqtt://127.0.0.1:{mqtt_port}"
topics = ["{kind.topics}"]
client_id = "benchmark-{folder.name}"

[[plain]]
source = "benchmark"
topic = "city/{{device}}/measures"
time = "time"

[profiles.benchmark-json]
{profile}

[profiles.benchmark-json.fields]
{fields}
"""
    folder.mkdir()
    config = folder / "benchmark.toml"
    config.write_text(text, encoding="utf-8")
    return config


async def _connected(process: asyncio.subprocess.Process, data: Path) -> dict[str, str]:
    """Wait until Volme has subscribed, and return its addresses."""
    async with asyncio.timeout(_STARTED_WITHIN_S), aiohttp.ClientSession() as session:
        while True:
            if process.returncode is not None:
                raise TimeoutError
            if addresses := read_addresses(data):
                async with session.get(f"{addresses['web']}/healthz") as response:
                    health = await response.json()
                if health["sources"].get("benchmark", {}).get("connected"):
                    return addresses
            await asyncio.sleep(0.1)
