# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Real parts for the tests: a PostgreSQL, an MQTT broker, the shared test data."""

from __future__ import annotations

import contextlib
import itertools
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import settings
from iotcore import Broker

from compose.telemetry import configure_logs
from store.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_numbers = itertools.count(1)

# What a failed test shows is what went wrong, not every event.
configure_logs("console", "warning")
# A busy machine is slow now and then; that says nothing of what is tested.
settings.register_profile("volme", deadline=None)
settings.load_profile("volme")


# Ports that the system gives to nobody by itself (Linux: 32768 and above are for that). Each is given
# once in a run, so that who stops and starts again at its own finds it free.
_FIRST, _LAST = 12_000, 32_000
_ports = itertools.count(secrets.randbelow(_LAST - _FIRST))


def free_port() -> int:
    """Return a TCP port on loopback that nothing listens on, and nothing else of this run ever does."""
    while True:
        port = _FIRST + next(_ports) % (_LAST - _FIRST)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with official schemas, vectors and recorded exchanges, beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("no ../shared/data beside this checkout: official schemas and vectors are not at hand")
    return folder


@pytest_asyncio.fixture(scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A PostgreSQL server for the whole run; its address."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "pg")
    try:
        yield await server.start()
    finally:
        await server.stop()


@pytest_asyncio.fixture
async def database(postgres: str) -> AsyncIterator[str]:
    """An empty database of the test's own; its address."""
    name = f"test_{next(_numbers)}"
    connection = await asyncpg.connect(postgres)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        yield postgres.replace("/postgres?", f"/{name}?")
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture
def mqtt_port() -> Iterator[int]:
    """An MQTT broker of the test's own; its port on loopback."""
    port = free_port()
    with contextlib.closing(_Closing(Broker(port=port, listen="127.0.0.1", max_payload_size=32_000_000))):
        yield port


class _Closing:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker.start()

    def close(self) -> None:
        self._broker.stop()
