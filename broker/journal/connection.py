# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The journal's way to PostgreSQL: its statements, its errors, connections that are kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg

from models.errors import StoreError
from store.postgres import AWAY
from store.sql import queries

if TYPE_CHECKING:
    from types import TracebackType

    from asyncpg.pool import PoolConnectionProxy

    from store.postgres import Pool

SQL = queries("broker.journal")

_ACQUIRE_TIMEOUT_S = 60.0
_SENTENCE_LENGTH = 300


class speaking:  # noqa: N801 - reads as a verb; a class, since a generator costs five times as much
    """Turn what PostgreSQL or the way to it says into a StoreError of one sentence."""

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, AWAY):
            said = (str(error) or type(error).__name__).splitlines()[0][:_SENTENCE_LENGTH]
            msg = f"the journal cannot {self._doing}: {said}"
            raise StoreError(msg) from error


class Kept:
    """A connection of the pool that is kept for one kind of work, which is done one at a time.

    Taking one from the pool for each statement costs a second statement, by which the pool resets it.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._lock = asyncio.Lock()
        self.connection: PoolConnectionProxy[asyncpg.Record] | None = None

    async def __aenter__(self) -> PoolConnectionProxy[asyncpg.Record]:
        """Give the connection, a new one if the old one broke."""
        await self._lock.acquire()
        try:
            return await self._whole()
        except BaseException:
            self._lock.release()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    async def _whole(self) -> PoolConnectionProxy[asyncpg.Record]:
        if self.connection is not None and _is_broken(self.connection):
            broken, self.connection = self.connection, None
            await self._pool.release(broken)
        if self.connection is None:
            self.connection = await self._pool.acquire(timeout=_ACQUIRE_TIMEOUT_S)
            # Whatever the server's default: what is acknowledged is on disk.
            await self.connection.execute(SQL["commit_durably"])
        return self.connection

    async def close(self) -> None:
        """Give the connection back."""
        async with self._lock:
            if self.connection is not None:
                connection, self.connection = self.connection, None
                await self._pool.release(connection)


def _is_broken(connection: PoolConnectionProxy[asyncpg.Record]) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:  # the pool has taken it back by itself
        return True
