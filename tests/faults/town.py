# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A whole way, from a publisher to a receiver, whose parts can fail one by one."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapters.registry import Registry
from models.device import Device
from models.uplink import Position
from store.postgres import pool
from tests.conftest import free_port
from tests.faults.account import SOURCE
from tests.faults.history import History
from tests.faults.measures import FLEET, GAUGES, PROFILE, TYPE, Fleet
from tests.faults.mosquitto import Mosquitto
from tests.faults.publisher import Load, Publisher
from tests.faults.receiver import Receiver
from tests.faults.scale import RATE
from tests.faults.volme_process import Volme
from tests.faults.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Town:
    """All of it, running."""

    volme: Volme
    mosquitto: Mosquitto
    wire: Wire
    receiver: Receiver
    publisher: Publisher
    fleet: Fleet = field(default_factory=Fleet)

    def load(self, rate: float = RATE) -> Load:
        """Publish all the time, beside what the test does."""
        return Load(self.publisher, self.fleet, rate)


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddedTown:
    """All of it, with the embedded NGSI-LD broker at the end."""

    volme: Volme
    mosquitto: Mosquitto
    wire: Wire
    history: History
    publisher: Publisher
    fleet: Fleet

    def load(self, rate: float = RATE) -> Load:
        """Publish all the time, beside what the test does."""
        return Load(self.publisher, self.fleet, rate)


def configuration(postgres: str, mqtt_port: int, broker: str, priority: Sequence[str] = ()) -> str:
    """Return what `volme run` is told."""
    return f"""
priority = {json.dumps(priority)}
[postgres]
url = "{postgres}"
{broker}
[[mqtt]]
name = "{SOURCE}"
url = "mqtt://127.0.0.1:{mqtt_port}"
topics = ["application/#", "city/#"]
{PROFILE}
"""


def orion(port: int, *, timeout: float = 60, batch: int = 50) -> str:
    """Return the configuration of a receiver; who is given up too early is sent the same once more."""
    return (
        f'[broker]\nurl = "http://127.0.0.1:{port}"\ntimeout = {timeout}\nconnections = 4\nbatch = {batch}\n'
    )


async def furnish(url: str) -> None:
    """Register the devices in a database."""
    async with pool(url) as opened:
        registry = Registry(opened)
        await registry.start()
        for number, device in enumerate(FLEET):
            await registry.add(
                Device(
                    id=device,
                    profile="gauge" if device in GAUGES else "elsys-ers",
                    position=Position(longitude=7.47, latitude=51.36 + number / 1000),
                )
            )


@asynccontextmanager
async def embedded_town(folder: Path, postgres: str, *, devices: int) -> AsyncIterator[EmbeddedTown]:
    """Run a town whose NGSI-LD broker is the embedded one."""
    port = free_port()
    broker = f"[broker]\n[broker.embedded]\nport = {port}\n"
    async with (
        Mosquitto(folder / "mosquitto") as mosquitto,
        Wire(mosquitto.port) as wire,
        Volme(folder, configuration(postgres, wire.port, broker)) as volme,
    ):
        await volme.start()
        yield EmbeddedTown(
            volme=volme,
            mosquitto=mosquitto,
            wire=wire,
            history=History(port, FLEET[:devices]),
            publisher=Publisher(mosquitto.port),
            fleet=Fleet(FLEET[:devices]),
        )


@asynccontextmanager
async def town(
    folder: Path,
    postgres: str,
    *mqtt_options: str,
    start: bool = True,
    priority: Sequence[str] = (),
    **broker: float,
) -> AsyncIterator[Town]:
    """Run all parts; Volme speaks to Mosquitto through the wire.

    Args:
        folder: for configurations, logs, Mosquitto's memory.
        postgres: address of a furnished database.
        mqtt_options: further lines of Mosquitto's configuration.
        start: start Volme.
        priority: devices that do not wait in a backlog.
        broker: further settings of the NGSI-LD broker, as `orion` takes them.
    """
    async with AsyncExitStack() as stack:
        mosquitto = await stack.enter_async_context(Mosquitto(folder / "mosquitto", *mqtt_options))
        wire = await stack.enter_async_context(Wire(mosquitto.port))
        receiver = await stack.enter_async_context(Receiver(port=free_port()))
        patterns = [f"{TYPE}:{device}" for device in priority]
        config = configuration(postgres, wire.port, orion(receiver._port, **broker), patterns)
        volme = await stack.enter_async_context(Volme(folder, config))
        if start:
            await volme.start()
        yield Town(
            volme=volme,
            mosquitto=mosquitto,
            wire=wire,
            receiver=receiver,
            publisher=Publisher(mosquitto.port),
        )
