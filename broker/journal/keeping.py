# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the journal keeps in PostgreSQL, and for how long: retention by time and by size."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import structlog

from broker.journal.connection import SQL, speaking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.postgres import Connection, Pool

log = structlog.get_logger(__name__)

_LOCK_TIMEOUT = "5s"


class Keeping:
    """Days of the log, dropped when they are old or too much."""

    _pool: Pool

    async def drop_before(self, day: date) -> list[date]:
        """See `Journal.drop_before`."""
        return await self._drop(day, 0)

    async def drop_beyond(self, size: int) -> list[date]:
        """See `Journal.drop_beyond`."""
        return await self._drop(date.max, size)

    async def _drop(self, day: date, kept: int) -> list[date]:
        """Drop what may go of the days before one, oldest first, while more bytes are there than are kept."""
        with speaking("drop old days"):
            dropped = await self._drop_in_one_step(day, kept)
        for old in dropped:
            log.info("journal.day_dropped", day=str(old))
        return dropped

    async def _drop_in_one_step(self, day: date, kept: int) -> list[date]:
        dropped = []
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(SQL["lock_retention"])
            # A long query on the log must not make everybody queue behind this one.
            await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            sizes = await _sizes(connection)
            total = sum(sizes.values())
            for row in await connection.fetch(SQL["droppable"], day):
                if total <= kept:
                    break
                old: date = row["day"]
                await connection.execute(f"DROP TABLE journal.batches_{old:%Y%m%d}")
                await connection.execute(SQL["forget_day"], old)
                total -= sizes[old]
                dropped.append(old)
        return dropped

    async def size(self) -> Mapping[date, int]:
        """See `Journal.size`."""
        with speaking("tell its size"):
            async with self._pool.acquire() as connection:
                return await _sizes(connection)


async def _sizes(connection: Connection) -> dict[date, int]:
    return {row["day"]: row["bytes"] for row in await connection.fetch(SQL["size"])}
