# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import asyncpg
import psutil
import pytest

from models.errors import StoreError
from store import postgres
from store.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_server_that_is_away_is_a_store_error() -> None:
    with pytest.raises(StoreError, match="cannot be reached"):
        await postgres.connect("postgresql://127.0.0.1:1/none")


async def test_the_database_of_a_test_is_empty_and_real(database: str) -> None:
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    assert await connection.fetchval("SHOW fsync") == "on"
    await connection.close()


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


async def test_what_a_killed_process_held_is_stopped_by_the_next(tmp_path: Path, dead: int) -> None:
    folder = tmp_path / "pg"
    first = EmbeddedPostgres(folder)
    await first.start()
    holders = folder / ".handle_pids.json"
    holders.write_text(json.dumps([*json.loads(holders.read_text()), dead]))
    await EmbeddedPostgres(folder).start()
    await first.stop()
    assert not (folder / "postmaster.pid").exists()


async def test_a_number_given_to_another_process_does_not_keep_the_server_from_starting(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "pg"
    server = EmbeddedPostgres(folder)
    await server.start()
    lock = (folder / "postmaster.pid").read_text()
    await server.stop()
    _, _, rest = lock.partition("\n")
    (folder / "postmaster.pid").write_text(f"{os.getpid()}\n{rest}")  # as after the machine went down
    address = await server.start()
    connection = await asyncpg.connect(address)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
    await server.stop()


async def test_a_path_that_the_server_cannot_live_in_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot live in"):
        await EmbeddedPostgres(tmp_path / "my data" / "pg").start()


async def test_the_server_keeps_more_in_memory_than_by_itself_unless_its_operator_says_otherwise(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "pg"
    server = EmbeddedPostgres(folder)

    async def buffers() -> str:
        connection = await asyncpg.connect(await server.start())
        shown: str = await connection.fetchval("SHOW shared_buffers")
        await connection.close()
        await server.stop()
        return shown

    eighth = psutil.virtual_memory().total // 2**20 // 8
    assert await buffers() in {"1GB", f"{eighth}MB", "128MB"}
    settings = folder / "postgresql.conf"
    text = settings.read_text()
    settings.write_text(re.sub(r"(?m)^(shared_buffers) = \d+MB\n\Z", r"\1 = 136MB\n", text))
    assert settings.read_text() != text
    assert await buffers() == "136MB"
    settings.write_text(re.sub(r"(?m)^shared_buffers = \d+MB.*\n", "", text) + "shared_buffers = 144MB\n")
    assert await buffers() == "144MB"
