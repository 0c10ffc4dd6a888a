# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme` as a process of its own that can be killed, real MQTT broker, watched NGSI-LD broker."""

from __future__ import annotations

import asyncio
import inspect
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections import Counter
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import psutil
import pytest
import zmqtt

from adapters.codecs.decoding import encode
from broker.journal.postgres import PostgresJournal
from store.postgres import pool
from tests.conftest import free_port
from tests.orion_like import OrionLike
from tests.uplinks import chirpstack, rfc3339
from tests.waiting import PATIENCE, Patience

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from broker.journal.port import Letter

# Of the tree in which this file is, whatever is installed.
_ROOT = Path(__file__).resolve().parents[2]
_COMMAND = (sys.executable, "-m", "compose.cli")
_KNOWN = 24
# Answers of Volme, between which nothing changes where it is at rest.
_TURNS = 5
# What of `/healthz` changes with time alone.
_PASSING = ("lagSeconds", "settledPerSecond", "drainedInSeconds")
#: Before all that the tests send; in the past, as every real measurement.
T0 = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)


def eui(number: int) -> str:
    return f"70b3d57ed00{number:05x}"


DEVICES = tuple(eui(number) for number in range(_KNOWN))
FEW = DEVICES[:8]
STRANGERS = tuple(eui(0x900 + number) for number in range(3))


class Uplink:
    """One message of a room sensor: what is sent, and what must arrive for it."""

    def __init__(self, device: str, f_cnt: int) -> None:
        self.device = device
        self.at = T0 + timedelta(seconds=10 * f_cnt)
        f_port, payload = encode("elsys", {"temperature": 15 + f_cnt % 100 / 10})
        self.topic, body = chirpstack(payload, f_port=f_port, f_cnt=f_cnt, dev_eui=device, at=self.at)
        self.body = body.replace(b"5e0c2d4a-0000", f"{device[-8:]}-0000".encode())

    @property
    def entity(self) -> str:
        return f"urn:ngsi-ld:IndoorEnvironmentObserved:hagen:{self.device}"

    @property
    def observed_at(self) -> str:
        return rfc3339(self.at)


def uplinks(rounds: int, *, begin: int = 1, devices: Iterable[str] = FEW) -> list[Uplink]:
    """Every device in turn, round by round, in the order of their measurements."""
    devices = tuple(devices)
    return [Uplink(device, f_cnt) for f_cnt in range(begin, begin + rounds) for device in devices]


async def publish(
    port: int, sent: Iterable[Uplink], *, username: str | None = None, password: str | None = None
) -> None:
    """Publish with QoS 1: the MQTT broker has them when this returns."""
    async with zmqtt.create_client("127.0.0.1", port, username=username, password=password) as client:
        for uplink in sent:
            await client.publish(uplink.topic, uplink.body, qos=zmqtt.QoS.AT_LEAST_ONCE)


async def at_rest(volme: Volme, look: Callable[[], Any]) -> Any:
    """Wait until something does not change any more, though Volme had its turn; return it."""
    watch, before = Patience("something to be at rest"), look()
    while True:
        for _ in range(_TURNS):  # each is an answer: what it had in hand before, it has done
            await asyncio.sleep(1 / _TURNS)
            await volme.health()
        if (now := look()) == before:
            return now
        before = now
        watch.look("it changes all the time")


@asynccontextmanager
async def mosquitto_running(folder: Path, options: str = "allow_anonymous true") -> AsyncIterator[int]:
    """Run an MQTT broker that keeps what a subscriber did not acknowledge; its port."""
    command = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if command is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    port = free_port()
    config = folder / "mosquitto.conf"
    user = f"user {pwd.getpwuid(os.getuid()).pw_name}"  # started by root, it would become another
    config.write_text(f"{user}\nlistener {port} 127.0.0.1\nmax_queued_messages 0\n{options}\n")
    process = await asyncio.create_subprocess_exec(command, "-c", str(config), stderr=subprocess.DEVNULL)
    try:
        await _listening(process, port)
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _listening(process: asyncio.subprocess.Process, port: int) -> None:
    watch = Patience("an MQTT broker that listens")
    while True:
        assert process.returncode is None, "mosquitto ended by itself"
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            watch.look("nothing listens")
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return


class Witness(OrionLike):
    """The broker, which notes every observation that it was ever told of.

    Attributes:
        seen: how often, by entity and time of the temperature.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.seen: Counter[tuple[str, str]] = Counter()

    def _write(self, entities: Any, entity_id: str, type_: str, attributes: Any, **how: Any) -> None:
        for iri, attribute in attributes.items():
            if iri.endswith("/temperature"):
                self.seen[entity_id, attribute["observedAt"]] += 1
        super()._write(entities, entity_id, type_, attributes, **how)

    def missing(self, sent: Iterable[Uplink]) -> list[tuple[str, str]]:
        """Return what was sent and never arrived."""
        return [key for uplink in sent if (key := (uplink.entity, uplink.observed_at)) not in self.seen]


class Volme:
    """A platform as an operator runs it: `volme run --config <folder>/volme.toml`.

    Args:
        folder: holds the configuration, the data and the log.
        config: what stands in the configuration beside the folder and the web server's port.
        environment: variables that hold secrets.
    """

    def __init__(self, folder: Path, config: str, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "volme.log"
        self.web_port = free_port()
        self.config = folder / "volme.toml"
        self.config.write_text(
            f'data = "data"\nlog_format = "json"\n{config}\n[web]\nport = {self.web_port}\n'
        )
        self._environment = {**os.environ, "PYTHONPATH": str(_ROOT), **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()
        _stop_postgres(self.data / "postgres")

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self, *arguments: str) -> None:
        """Start, and return once all of it runs: who publishes before it has subscribed is not heard."""
        await self.launch(*(arguments or ("run", "--config", str(self.config))))
        await self.until(lambda health: health["sources"] and all(map(_tried, health["sources"].values())))

    async def launch(self, *arguments: str) -> None:
        """Start, as a shell does: in a process group of its own."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_COMMAND, *arguments, stdout=log, stderr=log, env=self._environment, start_new_session=True
            )

    async def until(self, condition: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Wait until what `/healthz` says meets the condition, and return it."""
        watch, health = Patience(f"volme: {inspect.getsource(condition).strip()}"), {"no": "answer"}
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session:
            while True:
                assert self.running, f"volme ended by itself:\n{self.log.read_text()}"
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(f"http://127.0.0.1:{self.web_port}/healthz") as answer:
                        health = await answer.json()
                        if condition(health):
                            return health
                watch.look({key: health[key] for key in health if key not in _PASSING}, health)
                await asyncio.sleep(0.05)

    async def until_received(self, number: int, source: str = "city") -> None:
        """Wait until so many messages are in the journal, and therefore acknowledged."""
        await self.until(lambda health: health["sources"].get(source, {}).get("received", 0) >= number)

    async def until_settled(self, number: int, source: str = "city") -> dict[str, int]:
        """Wait until at least so many messages came and none is pending; return the source's account."""
        health = await self.until(
            lambda health: (
                health["sources"].get(source, {}).get("received", 0) >= number and not health["pending"]
            )
        )
        account: dict[str, int] = health["sources"][source]
        return account

    async def kill(self) -> None:
        """Kill it: it cannot do anything about it."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self, number: signal.Signals = signal.SIGTERM, *, group: bool = False) -> int:
        """Send a signal (to the whole group: what Ctrl-C in a terminal does); return the exit code."""
        assert self._process is not None
        (os.killpg if group else os.kill)(self._process.pid, number)
        return await self.ended()

    async def ended(self) -> int:
        """Wait until it ends; return the exit code."""
        assert self._process is not None
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._process.wait()
        except TimeoutError:
            pytest.fail(f"volme has not ended for {PATIENCE:g} s:\n{self.log.read_text()[-2000:]}")

    async def ask(self, *arguments: str) -> tuple[int, str, str]:
        """Run another command on this platform; return its exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            *_COMMAND,
            *arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self._environment, "VOLME_CONFIG": str(self.config)},
        )
        try:
            async with asyncio.timeout(PATIENCE):
                out, err = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            pytest.fail(f"volme {' '.join(arguments)} has not ended for {PATIENCE:g} s")
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def health(self) -> dict[str, Any]:
        """Return what `/healthz` says now."""
        return await self.until(lambda _: True)

    async def until_translated(self, number: int) -> None:
        """Wait until so many messages are with the bridge, whatever becomes of them there."""
        watch = Patience("messages that are with the bridge")
        while (now := (await self.metrics())["volme_messages_translated_total"]) < number:
            watch.look(f"{now:g} of {number}")
            await asyncio.sleep(0.05)

    async def metrics(self) -> dict[str, float]:
        """Return what `/metrics` says, by name and labels as written there."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.web_port}/metrics") as answer,
        ):
            lines = (await answer.text()).splitlines()
        found = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in found}

    def memory(self) -> int:
        """Return the bytes that it and its own processes have in memory."""
        process, found = psutil.Process(self.pid), 0
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # a child may end meanwhile
                found += 0 if each.name() == "postgres" else each.memory_info().rss
        return found

    async def letters(self) -> list[Letter]:
        """Return the dead letters that wait, from the store itself."""
        socket = (self.data / "postgres" / "postmaster.pid").read_text().splitlines()[4]
        async with pool(f"postgresql://postgres@/postgres?host={socket}") as opened:
            return await PostgresJournal(opened).dead_letters(limit=10_000)

    def postgres_runs(self) -> bool:
        """Say whether the embedded PostgreSQL's process lives."""
        return _postmaster(self.data / "postgres") is not None


def _tried(source: Mapping[str, Any]) -> bool:
    """Say whether a source listens, or knows why it cannot; one that is no connection always does."""
    return source["connected"] is not False or source["error"] is not None


def _postmaster(folder: Path) -> int | None:
    try:
        number = int((folder / "postmaster.pid").read_text().splitlines()[0])
        os.kill(number, 0)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return number


def _stop_postgres(folder: Path) -> None:
    """End the PostgreSQL that a killed Volme left running."""
    number = _postmaster(folder)
    if number is not None:
        os.kill(number, signal.SIGINT)
