# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Subscriptions with a timeInterval: notified when it is over, whatever has changed (clause 5.8.6).

A notification holds the entities that meet the subscription at that time. While one still waits for
its receiver no other is queued: when the receiver is back, what it gets next is the present.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from broker.embedded.merging import Changes, now
from broker.embedded.notifications import add_notifications, read_known
from broker.embedded.problems import ProblemError
from broker.embedded.snapshots import Write
from broker.embedded.store import SQL
from store.postgres import AWAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import asyncpg

    from broker.embedded.notifications import Known, QueueKey
    from broker.embedded.store import EntityReader
    from store.postgres import Pool

log = structlog.get_logger(__name__)

_POLL_SECONDS = 5.0
_LEAST_SECONDS = 0.05
_PAGE = 1000  # entities in one notification


class Periodic:
    """Queues what is due.

    Args:
        pool: connections to the broker's database.
        reader: reads the entities.
        wake: is told what was queued.
    """

    def __init__(self, pool: Pool, reader: EntityReader, wake: Callable[[Iterable[QueueKey]], None]) -> None:
        self._pool = pool
        self._reader = reader
        self._queued = wake
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to watch the clock."""
        self._task = asyncio.create_task(self._run(), name="periodic notifications")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def wake(self) -> None:
        """Look again when the next one is due."""
        self._changed.set()

    async def _run(self) -> None:
        while True:
            pause = _POLL_SECONDS
            try:
                for row in await self._pool.fetch(SQL["claim_periodic"], now()):
                    await self._notify(row)
                due = await self._pool.fetchval(SQL["next_periodic"])
                if due is not None:
                    pause = min(pause, max(_LEAST_SECONDS, (due - now()).total_seconds()))
            except (TimeoutError, *AWAY) as error:
                log.warning("notifications.periodic_failed", reason=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()
            self._changed.clear()

    async def _notify(self, row: asyncpg.Record) -> None:
        known = read_known(row)
        if known is None or not known.subscription.active(now()) or row["waiting"]:
            return
        try:
            await self._queue(row["tenant"], known)
        except ProblemError as error:
            log.warning("notifications.periodic_failed", subscription=row["id"], reason=error.detail)
            return
        self._queued({(row["tenant"], row["id"])})

    async def _queue(self, tenant: str, known: Known) -> None:
        subscription, moment = known.subscription, now()
        which = subscription.filter()
        more, offset = True, 0
        while more:
            page = await self._reader.query(tenant, which, limit=_PAGE, offset=offset, count=False)
            more, offset = page.more, offset + _PAGE
            if page.entities:
                writes = [Write(entity=each, changes=Changes(), before={}) for each in page.entities]
                async with self._pool.acquire() as connection:
                    due = {subscription.id: (subscription, writes)}
                    await add_notifications(connection, tenant, due, moment)
