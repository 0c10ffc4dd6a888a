# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
from __future__ import annotations

import asyncpg
import pytest

from models.errors import StoreError
from store import postgres


async def test_a_server_that_is_away_is_a_store_error() -> None:
    with pytest.raises(StoreError, match="cannot be reached"):
        await postgres.connect("postgresql://127.0.0.1:1/none")


async def test_the_database_of_a_test_is_empty_and_real(database: str) -> None:
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    assert await connection.fetchval("SHOW fsync") == "on"
    await connection.close()
