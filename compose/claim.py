# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The claim on a PostgreSQL database: one platform works on it, since two would write the same entities."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg
import structlog

from models.errors import ConfigurationError
from store.postgres import AWAY

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    from store.postgres import Pool

log = structlog.get_logger(__name__)

# One arbitrary number, the same in every platform.
_PLATFORM_LOCK = 0x766F6C6D65_02
_TRIES = 5
_LOOK_EVERY_S = 2.0


class Claim:
    """An advisory lock, which PostgreSQL gives back with the connection that took it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: PoolConnectionProxy[asyncpg.Record] | None = None
        self._lost = asyncio.Event()

    async def take(self) -> None:
        """Take it.

        Raises:
            ConfigurationError: another platform has it.
        """
        connection = self._connection = await self._pool.acquire()
        self._lost.clear()
        connection.add_termination_listener(self._note_lost)
        for _ in range(_TRIES):  # a platform that was killed a moment ago may still seem to be there
            if await connection.fetchval("SELECT pg_try_advisory_lock($1)", _PLATFORM_LOCK):
                return
            await asyncio.sleep(1)
        await self.give_up()
        msg = "another Volme works on this PostgreSQL database; a second one needs a database of its own"
        raise ConfigurationError(msg)

    async def keep(self) -> None:
        """Take it again when PostgreSQL was away, until cancelled.

        Raises:
            ConfigurationError: another platform has it meanwhile.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._lost.wait()
            try:
                if self._connection is None:
                    await self.take()
                    log.info("platform.claimed_again")
                else:
                    await self._connection.execute("SELECT")
            except AWAY as error:
                if self._connection is not None:
                    log.warning("platform.claim_lost", error=str(error))
                else:  # not to be had yet
                    self._lost.clear()
                await self.give_up()

    def _note_lost(self, _: object) -> None:
        """Take it again at once: whoever starts now would get it."""
        self._lost.set()

    async def give_up(self) -> None:
        """Give the connection back, and the lock with it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.execute("SELECT pg_advisory_unlock_all()")
            except AWAY:
                log.debug("platform.claim_gone")
                # and the lock with it, if the connection is not gone already
                with contextlib.suppress(asyncpg.InterfaceError):
                    connection.terminate()
            finally:
                await self._pool.release(connection)
