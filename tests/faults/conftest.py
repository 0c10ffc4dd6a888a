# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A platform that may be killed: its parts, and its data folder as it is before the first start."""

from __future__ import annotations

import itertools
import subprocess
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import pytest_asyncio

from adapters.registry import Registry
from broker.journal.postgres import PostgresJournal
from models.device import Device
from models.uplink import Position
from store.embedded import EmbeddedPostgres
from store.postgres import pool
from tests.faults.postgres import Postgres
from tests.faults.town import furnish, town
from tests.faults.volme_process import DEVICES, mosquitto_running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.faults.town import Town

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="session")
async def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose embedded PostgreSQL knows the devices; it is stopped."""
    data = tmp_path_factory.mktemp("furnished") / "data"
    server = EmbeddedPostgres(data / "postgres")
    url = await server.start()
    async with pool(url) as opened:
        journal = PostgresJournal(opened)
        await journal.start()
        await journal.close()
        registry = Registry(opened)
        await registry.start()
        for number, device in enumerate(DEVICES):
            place = Position(longitude=7.47, latitude=51.36 + number / 1000)
            await registry.add(Device(id=device, profile="elsys-ers", name=f"Raum {number}", position=place))
    await server.stop()
    return data


@pytest.fixture
def move_in(furnished: Path) -> Callable[[Path], None]:
    """Copy the furnished data folder into a folder."""

    return lambda folder: _copy(furnished, folder / "data")


def _copy(folder: Path, other: Path) -> None:
    # With its owner: PostgreSQL does not run as root, nor on what another user owns.
    subprocess.run(["cp", "-a", str(folder), str(other)], check=True)  # noqa: S603, S607 - POSIX


@pytest_asyncio.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[int]:
    """An MQTT broker for everybody; its port."""
    async with mosquitto_running(tmp_path) as port:
        yield port


@pytest_asyncio.fixture(scope="session")
async def template(postgres: str) -> str:
    """A database in which the devices of the fleet are registered; its name."""
    name = "faults_template"
    connection = await asyncpg.connect(postgres)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    await furnish(postgres.replace("/postgres?", f"/{name}?"))
    return name


@pytest_asyncio.fixture
async def fleet_database(postgres: str, template: str) -> AsyncIterator[str]:
    """A database of the test's own with the devices of the fleet; its address."""
    name = f"fleet_{next(_numbers)}"
    connection = await asyncpg.connect(postgres)
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield postgres.replace("/postgres?", f"/{name}?")
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest_asyncio.fixture(scope="session")
async def fleet_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a PostgreSQL that knows the devices of the fleet; it is stopped."""
    folder = tmp_path_factory.mktemp("fleet") / "pg"
    async with Postgres(folder) as server:
        await furnish(server.url)
    return folder


@pytest_asyncio.fixture
async def own_postgres(tmp_path: Path, fleet_folder: Path) -> AsyncIterator[Postgres]:
    """A PostgreSQL that may fail, with the devices of the fleet."""
    _copy(fleet_folder, tmp_path / "pg")
    async with Postgres(tmp_path / "pg") as server:
        yield server


@pytest.fixture
def build(tmp_path: Path, fleet_database: str) -> Callable[..., AbstractAsyncContextManager[Town]]:
    """Build a town on a database that does not fail."""

    def built(*mqtt_options: str, **settings: Any) -> AbstractAsyncContextManager[Town]:
        return town(tmp_path, fleet_database, *mqtt_options, **settings)

    return built
