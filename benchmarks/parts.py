# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The processes of a run beside Volme: MQTT broker, PostgreSQL, and who stands at its two ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import psutil
from iotcore import Broker

from models.errors import VolmeError
from store.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).resolve().parents[1]
STARTED_WITHIN_S = 30.0
ANSWERED_WITHIN_S = 600.0
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
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                line = await self._process.stdout.readline()
        except TimeoutError:
            msg = f"a measurement did not end within {ANSWERED_WITHIN_S:g} s"
            raise BenchmarkError(msg) from None
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
        cwd=ROOT,
        limit=2**28,  # a line has the times of all messages
    )
    try:
        yield Helper(process)
    finally:
        await end(process)


async def end(process: asyncio.subprocess.Process) -> None:
    """Let a process end: by the end of its input, or else by a signal."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class MqttBroker:
    """The MQTT broker of the run; `pid` is None where it is no process of its own."""

    name: str
    port: int
    pid: int | None

    def processor_seconds(self) -> float:
        """Return the processor time that it has used; 0 where that cannot be told."""
        return processor_seconds(self.pid) if self.pid else 0.0


@asynccontextmanager
async def mqtt_broker(folder: Path) -> AsyncIterator[MqttBroker]:
    """Run mosquitto where it is installed, or else iotcore."""
    port = free_port()
    mosquitto = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if mosquitto is None:
        broker = Broker(port=port, listen="127.0.0.1")
        await asyncio.to_thread(broker.start)
        try:
            yield MqttBroker(name="iotcore", port=port, pid=None)
        finally:
            await asyncio.to_thread(broker.stop)
        return
    config = folder / "mosquitto.conf"
    config.write_text(_MOSQUITTO.format(port=port), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(mosquitto, "-c", str(config))
    try:
        await _listens(port)
        yield MqttBroker(name="mosquitto", port=port, pid=process.pid)
    finally:
        await end(process)


async def _listens(port: int) -> None:
    async with asyncio.timeout(STARTED_WITHIN_S):
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

    def processor_seconds(self) -> float:
        """Return the processor time that all of its processes have used."""
        return processor_seconds(self.pid)

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
