# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Entities and attributes whose `expiresAt` has come are removed (CIM 009, clause 4.22).

Readers do not see them from that moment on; this takes them out of the tables a little later, as
a deletion that goes into history like any other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING

import structlog

from broker.embedded.merging import drop_expired, now
from broker.embedded.store import SQL
from broker.embedded.writing import existing
from store.postgres import AWAY

if TYPE_CHECKING:
    from broker.embedded.writing import Writer
    from store.postgres import Pool

log = structlog.get_logger(__name__)

_BATCH = 500
_PAUSE = 1.0  # seconds between two looks, which is how late subscribers may be told


class Expiry:
    """Removes what has expired.

    Args:
        pool: connections to the broker's database.
        writer: changes entities.
    """

    def __init__(self, pool: Pool, writer: Writer) -> None:
        self._pool = pool
        self._writer = writer
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look, every second."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def remove(self) -> int:
        """Remove what has expired by now and return from how many entities."""
        removed = 0
        while True:
            rows = await self._pool.fetch(SQL["due_entities"], now(), _BATCH)
            entities: dict[str, list[str]] = defaultdict(list)
            attributes: dict[str, list[str]] = defaultdict(list)
            for row in rows:
                (entities if row["whole"] else attributes)[row["tenant"]].append(row["id"])
            for tenant, ids in entities.items():
                await self._writer.delete(tenant, ids, expired=True)
            for tenant, ids in attributes.items():
                await self._writer.write(tenant, [existing(drop_expired, each) for each in ids])
            removed += len(rows)
            if len(rows) < _BATCH:
                return removed

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_PAUSE)
            try:
                removed = await self.remove()
            except AWAY as error:
                log.warning("expiry.failed", reason=str(error))
                continue
            if removed:
                log.info("expiry.removed", entities=removed)
