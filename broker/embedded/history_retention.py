# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How long history is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg
import structlog

from broker.embedded.history import SQL

if TYPE_CHECKING:
    from datetime import timedelta

    from store.postgres import Pool

log = structlog.get_logger(__name__)

_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Forgotten:
    """What was removed.

    Attributes:
        months: partitions that were dropped whole.
        instances: those that were removed from the month that the limit lies in.
        entities: those of which nothing is left, and which are no more.
    """

    months: int
    instances: int
    entities: int


async def forget(pool: Pool, age: timedelta) -> Forgotten:
    """Remove instances that are older, by their observedAt or else by when they were written."""
    before = datetime.now(UTC) - age
    months = await _drop_months(pool, before)
    instances = await pool.execute(SQL["forget_instances"], before, timeout=_SECONDS)
    entities = await pool.execute(SQL["forget_entities"], before, timeout=_SECONDS)
    forgotten = Forgotten(months=months, instances=_count(instances), entities=_count(entities))
    log.info(
        "history.forgotten",
        before=before.isoformat(),
        months=forgotten.months,
        instances=forgotten.instances,
        entities=forgotten.entities,
    )
    return forgotten


async def _drop_months(pool: Pool, before: datetime) -> int:
    """Drop whole months, unless somebody reads them for so long that all others would have to wait."""
    try:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(SQL["wait_briefly"])
            return int(await connection.fetchval(SQL["drop_months"], before, timeout=_SECONDS))
    except asyncpg.LockNotAvailableError:
        log.warning("history.in_use", before=before.isoformat())
        return 0


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
