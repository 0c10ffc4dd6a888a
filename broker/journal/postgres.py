# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The journal in PostgreSQL. The statements are in `queries.sql`, the tables in `migrations/`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.journal.connection import SQL, speaking
from broker.journal.consuming import Consuming
from broker.journal.forgetting import Forgetting
from broker.journal.keeping import Keeping
from broker.journal.letters import Letters
from broker.journal.log import Log
from store import postgres

if TYPE_CHECKING:
    from store.postgres import Pool


class PostgresJournal(Log, Consuming, Letters, Keeping, Forgetting):
    """`Journal` on a pool of connections, of which it keeps two for itself.

    Args:
        pool: close the journal before the pool.
        batch: messages in one transaction, at most.
        capacity: messages that wait to be written, at most.
        linger: under load, seconds between two transactions that append, while more keeps coming.
        poll: seconds between looks for what other processes have appended.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        batch: int = 2_000,
        capacity: int = 10_000,
        linger: float = 0.008,
        poll: float = 0.5,
    ) -> None:
        Log.__init__(self, pool, batch=batch, capacity=capacity, linger=linger, poll=poll)
        Consuming.__init__(self, pool)

    async def start(self) -> None:
        """Bring the tables up to date and begin to write.

        Raises:
            StoreError: PostgreSQL is away, or the tables cannot be made.
        """
        with speaking("start"):
            await postgres.migrate(self._pool, "broker.journal")
            await self._pool.execute(SQL["make_partitions"])
        self._writer.start()

    async def close(self) -> None:
        """Write what was appended and give the connections back."""
        await self._writer.close()
        self._tail.clear()
        await self._writing.close()
        await self._settling.close()
