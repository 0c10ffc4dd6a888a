# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Deleting for privacy what the journal in PostgreSQL has of devices.

Rows are replaced and vacuumed away. Their bytes are overwritten when PostgreSQL uses the space again;
its write-ahead log and backups keep theirs for as long as the operator keeps those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from msgspec.structs import replace

from broker.journal.connection import SQL, speaking
from broker.journal.records import START, Batch, Forgotten, Position, is_forgotten
from broker.journal.rows import clean, pack, read_batch, read_letter_message

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import date

    from broker.journal.tail import Tail
    from models.message import Message
    from store.postgres import Connection, Pool

log = structlog.get_logger(__name__)

_STEP = 2_000
_STEP_BYTES = 16 * 2**20
_VACUUM_TIMEOUT_S = 3600.0


class Forgetting:
    """The journal's memory of devices, and how it ends."""

    _pool: Pool
    _tail: Tail

    async def forget(
        self,
        matches: Callable[[Message], bool],
        devices: Collection[str],
        *,
        only_count: bool = False,
    ) -> Forgotten:
        """See `Journal.forget`."""
        names = {clean(device) for device in devices}
        with speaking("delete messages"):
            messages, days = await self._forget_messages(matches, only_count=only_count)
            letters = await self._forget_letters(matches, names, only_count=only_count)
            if not only_count:
                await self._pool.execute(SQL["forget_devices"], list(names))
                for table in (
                    *(f"batches_{day:%Y%m%d}" for day in sorted(days)),
                    "dead_letters",
                    "devices_seen",
                ):
                    await self._pool.execute(f"VACUUM journal.{table}", timeout=_VACUUM_TIMEOUT_S)
                log.info("journal.forgotten", devices=len(names), messages=messages, letters=letters)
        return Forgotten(messages=messages, letters=letters)

    async def _forget_messages(
        self, matches: Callable[[Message], bool], *, only_count: bool
    ) -> tuple[int, set[date]]:
        newest = await self._pool.fetchval(SQL["head"])
        place, count = START, 0
        days: set[date] = set()
        while place.seq < newest:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(SQL["lock_forgetting"])
                rows = await connection.fetch(SQL["read"], place.day, place.seq, _STEP, _STEP_BYTES)
                if not rows:
                    break
                for batch in map(read_batch, rows):
                    if found := _matching(batch, matches):
                        count += len(found)
                        days.add(batch.day)
                        if not only_count:
                            await _rewrite(connection, batch, found)
                place = Position(day=rows[-1]["day"], seq=rows[-1]["last"])
            if not only_count:
                self._tail.clear()  # it has what is on disk no more
        return count, days

    async def _forget_letters(
        self, matches: Callable[[Message], bool], devices: Collection[str], *, only_count: bool
    ) -> int:
        count = letter = 0
        while rows := await self._pool.fetch(SQL["letters_behind"], letter, _STEP, _STEP_BYTES):
            letter = rows[-1]["id"]
            found = [
                row["id"] for row in rows if row["device_id"] in devices or matches(read_letter_message(row))
            ]
            if found and not only_count:
                await self._pool.execute(SQL["delete_letters"], found)
            count += len(found)
        return count


def _matching(batch: Batch, matches: Callable[[Message], bool]) -> set[int]:
    """Return which messages of a batch are to be forgotten, by their places in it."""
    return {
        place
        for place, message in enumerate(batch.messages)
        if not is_forgotten(message) and matches(message)
    }


async def _rewrite(connection: Connection, batch: Batch, found: set[int]) -> None:
    messages = [
        replace(message, topic="", payload=b"", packet_id=None) if place in found else message
        for place, message in enumerate(batch.messages)
    ]
    await connection.execute(SQL["rewrite"], batch.day, batch.last, pack(messages).data)
