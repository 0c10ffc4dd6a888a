# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Dead letters in PostgreSQL: listed, counted, replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from broker.journal.connection import SQL, speaking
from broker.journal.rows import pack, read_letter, read_letter_message, read_pending_device

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from broker.journal.records import Letter, LetterState, PendingDevice
    from store.postgres import Pool

log = structlog.get_logger(__name__)

_STEP = 1_000
_STEP_BYTES = 16 * 2**20


class Letters:
    """The journal's dead letters."""

    _pool: Pool
    _news: asyncio.Event

    async def dead_letters(
        self,
        *,
        kind: str | None = None,
        device: str | None = None,
        source: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        state: LetterState | None = "waiting",
        limit: int = 100,
        before: int | None = None,
    ) -> list[Letter]:
        """See `Journal.dead_letters`."""
        with speaking("list dead letters"):
            rows = await self._pool.fetch(
                SQL["dead_letters"], kind, device, source, since, until, state, before, limit
            )
        return [read_letter(row) for row in rows]

    async def dead_letter(self, letter_id: int) -> Letter | None:
        """See `Journal.dead_letter`."""
        with speaking("fetch a dead letter"):
            row = await self._pool.fetchrow(SQL["dead_letter"], letter_id)
        return None if row is None else read_letter(row)

    async def dead_letter_counts(self, state: LetterState | None = "waiting") -> Mapping[str, int]:
        """See `Journal.dead_letter_counts`."""
        with speaking("count dead letters"):
            rows = await self._pool.fetch(SQL["dead_letter_counts"], state)
        return {row["kind"]: row["letters"] for row in rows}

    async def unknown_devices(self) -> list[PendingDevice]:
        """See `Journal.unknown_devices`."""
        with speaking("list unknown devices"):
            rows = await self._pool.fetch(SQL["unknown_devices"])
        return [read_pending_device(row) for row in rows]

    async def replay(
        self,
        ids: Collection[int] | None = None,
        *,
        kind: str | None = None,
        device: str | None = None,
        source: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """See `Journal.replay`."""
        chosen = (None if ids is None else list(ids), kind, device, source, since, until)
        count, seq = 0, 0
        with speaking("replay dead letters"):
            newest = await self._pool.fetchval(SQL["last_letter"])
            while True:
                replayed, seq = await self._replay_some(seq, newest, chosen)
                if not replayed:
                    break
                count += replayed
                self._news.set()
                if progress is not None:
                    progress(count)
        log.info("journal.replayed", messages=count, kind=kind, device=device, source=source)
        return count

    async def _replay_some(self, seq: int, newest: int, chosen: tuple[Any, ...]) -> tuple[int, int]:
        """Replay some messages behind a number; return how many, and the number of the last.

        The head's lock comes last, with the append itself: nobody waits while messages are packed.
        """
        async with self._pool.acquire() as connection:
            await connection.execute(SQL["make_partitions"])
            async with connection.transaction():
                await connection.execute(SQL["lock_replay"])
                rows = await connection.fetch(SQL["mark_replayed"], seq, newest, _STEP, _STEP_BYTES, *chosen)
                if not rows:
                    return 0, seq
                packed = pack([read_letter_message(row) for row in rows])
                await connection.execute(
                    SQL["append"],
                    len(rows),
                    list(packed.sources),
                    list(packed.sources.values()),
                    packed.data,
                    [row["id"] for row in rows],
                )
        return len(rows), rows[-1]["seq"]
