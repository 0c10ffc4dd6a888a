# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The log in PostgreSQL: appending and reading."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg

from broker.journal.connection import SQL, Kept, speaking
from broker.journal.records import Batch
from broker.journal.rows import pack, read_batch
from broker.journal.tail import Tail
from broker.journal.writer import GroupCommit, UnwritableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.journal.records import Position
    from models.message import Message
    from store.postgres import Pool

_READ_BYTES = 16 * 2**20
_COMMIT_TIMEOUT_S = 60.0


class Log:
    """What the journal's parts share of the log. Arguments as for `PostgresJournal`."""

    def __init__(self, pool: Pool, *, batch: int, capacity: int, linger: float, poll: float) -> None:
        self._pool = pool
        self._poll = poll
        self._writing = Kept(pool)
        self._writer = GroupCommit(self._flush, batch=batch, capacity=capacity, linger=linger)
        self._tail = Tail()
        self._news = asyncio.Event()
        self._last = 0  # of the log, as far as it is known here
        self._seen = 0
        self.flushes = 0
        """Transactions that appended, since the start."""

    async def append(self, message: Message) -> int:
        """See `Journal.append`."""
        return await self._writer.append([message])

    async def extend(self, messages: Sequence[Message]) -> None:
        """See `Journal.extend`."""
        if messages:
            await self._writer.append(messages)

    async def _flush(self, messages: Sequence[Message]) -> int:
        try:
            packed = pack(messages)
        except TypeError as error:
            msg = f"the journal cannot append a message whose fields have the wrong types: {error}"
            raise UnwritableError(msg) from error
        sources = packed.sources
        row = (len(messages), list(sources), list(sources.values()), packed.data, None)
        with speaking("append"):
            async with self._writing as connection:
                try:
                    drawn = await connection.fetchrow(SQL["append"], *row, timeout=_COMMIT_TIMEOUT_S)
                except asyncpg.CheckViolationError:  # a new day: its partition is not there yet
                    await connection.execute(SQL["make_partitions"])
                    drawn = await connection.fetchrow(SQL["append"], *row, timeout=_COMMIT_TIMEOUT_S)
                except asyncpg.DataError as error:
                    msg = "the journal cannot append a message that PostgreSQL does not take"
                    raise UnwritableError(msg) from error
        assert drawn is not None  # noqa: S101 - the head has a row
        first: int = drawn["last"] - len(messages) + 1
        self._tail.add(Batch(day=drawn["day"], first=first, messages=packed.messages), len(packed.data))
        self._last = drawn["last"]
        self.flushes += 1
        self._news.set()
        return first

    async def read_batches(self, after: Position, limit: int) -> list[Batch]:
        """See `Journal.read_batches`."""
        self._news.clear()
        batches = self._tail.behind(after, limit, _READ_BYTES) or await self._select(after, limit)
        if batches:
            self._seen = max(self._seen, batches[-1].last)
            if batches[-1].last < self._last:
                self._news.set()  # there is more than what was asked for
        return batches

    async def _select(self, after: Position, limit: int) -> list[Batch]:
        with speaking("read"):
            rows = await self._pool.fetch(SQL["read"], after.day, after.seq, limit, _READ_BYTES)
        if not rows:
            return []
        self._last = max(self._last, rows[-1]["head"])
        first, *others = map(read_batch, rows)
        return [first.behind(after.seq), *others]

    async def wait(self, seconds: float) -> bool:
        """See `Journal.wait`."""
        deadline = asyncio.get_running_loop().time() + seconds
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            try:
                async with asyncio.timeout(min(left, self._poll)):
                    await self._news.wait()
            except TimeoutError:
                with speaking("look for news"):
                    if await self._pool.fetchval(SQL["head"]) > self._seen:
                        return True
            else:
                return True
        return False
