# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What platforms and their registries do about each other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from adapters.registry import Registry
from compose import wiring
from compose.settings import Settings, load_settings
from models.device import Device
from models.errors import ConfigurationError
from store.postgres import pool
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path


def settings(folder: Path, database: str) -> Settings:
    return load_settings(
        None,
        data=folder,
        postgres__url=database,
        web__port=0,
        broker__embedded__port=0,
        embedded_mqtt_port=0,
    )


async def test_a_second_platform_on_one_database_is_refused(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compose.claim._TRIES", 1)
    async with wiring.running(settings(tmp_path / "a", database), strict_ports=True):
        with pytest.raises(ConfigurationError, match="another Volme works on this PostgreSQL"):
            async with wiring.running(settings(tmp_path / "b", database), strict_ports=True):
                pytest.fail("two platforms write the same entities")
    async with wiring.running(settings(tmp_path / "b", database), strict_ports=True) as second:
        assert second.status().problems == ()


async def test_a_registry_follows_what_others_change_also_after_its_connection_was_lost(
    database: str,
) -> None:
    async with pool(database) as ours, pool(database, name="other") as theirs:
        mine, other = Registry(ours), Registry(theirs)
        await mine.start()
        await other.start()
        following = asyncio.create_task(mine.follow())
        try:
            await becomes_known(mine, other, "first")
            async with theirs.acquire() as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'volme' AND datname = current_database()"
                )
            await becomes_known(mine, other, "second")
            await other.remove("first")
            await until(lambda: "first" not in mine.devices)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def becomes_known(mine: Registry, other: Registry, device_id: str) -> None:
    await other.add(Device(id=device_id, profile="elsys-ers"))
    await until(lambda: device_id in mine.devices)


async def test_a_registry_looks_again_where_nothing_was_announced(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.registry._LOOK_AGAIN_S", 0.2)
    async with pool(database) as ours:
        mine = Registry(ours)
        await mine.start()
        following = asyncio.create_task(mine.follow())
        try:
            connection = await asyncpg.connect(database)
            await connection.execute("ALTER TABLE registry.devices DISABLE TRIGGER announce")
            await connection.execute(
                "INSERT INTO registry.devices (id, profile) VALUES ('quiet', 'elsys-ers')"
            )
            await connection.close()
            await until(lambda: "quiet" in mine.devices)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
