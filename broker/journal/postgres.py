# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The journal in PostgreSQL. The statements are in `queries.sql`, the tables in `migrations/`."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import structlog

from broker.journal.port import (
    Account,
    Activity,
    Entry,
    Letter,
    PendingDevice,
    Position,
)
from broker.journal.rows import (
    check_complete,
    clean,
    columns_of_activity,
    columns_of_counts,
    columns_of_letters,
    read_activity,
    read_entry,
    read_letter,
    read_pending_device,
    read_source_account,
)
from broker.journal.writer import GroupCommit, UnwritableError
from models.errors import StoreError
from store import postgres
from store.sql import queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence
    from datetime import date, datetime

    from asyncpg.pool import PoolConnectionProxy

    from broker.journal.port import DeadLetter, LetterState, Settled
    from models.message import Message

log = structlog.get_logger(__name__)

SQL = queries("broker.journal")

_READ_BYTES = 16 * 2**20
_COMMIT_TIMEOUT_S = 60.0
_LOCK_TIMEOUT = "5s"
_SENTENCE_LENGTH = 300


class PostgresJournal:
    """`Journal` on a pool of connections, of which the writer keeps one for itself.

    Args:
        pool: close the journal before the pool.
        batch: messages in one transaction, at most.
        capacity: messages that wait to be written, at most.
        poll: seconds between looks for what other processes have appended.
    """

    def __init__(
        self, pool: postgres.Pool, *, batch: int = 2_000, capacity: int = 10_000, poll: float = 0.5
    ) -> None:
        self._pool = pool
        self._poll = poll
        self._writer = GroupCommit(self._flush, batch=batch, capacity=capacity)
        self._connection: PoolConnectionProxy[asyncpg.Record] | None = None
        self._news = asyncio.Event()
        self._seen = 0
        self.flushes = 0
        """Transactions that appended, since the start."""

    async def start(self) -> None:
        """Bring the tables up to date and begin to write.

        Raises:
            StoreError: PostgreSQL is away, or the tables cannot be made.
        """
        async with _speaking("start"):
            await postgres.migrate(self._pool, "broker.journal")
            await self._pool.execute(SQL["make_partitions"])
        self._writer.start()

    async def close(self) -> None:
        """Write what was appended and give the connection back."""
        await self._writer.close()
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await self._pool.release(connection)

    # Appending

    async def append(self, message: Message) -> int:
        """See `Journal.append`."""
        return await self._writer.append(message)

    async def extend(self, messages: Sequence[Message]) -> None:
        """See `Appender.extend`."""
        await asyncio.gather(*(self._writer.append(message) for message in messages))

    async def _flush(self, batch: Sequence[Message]) -> int:
        arguments = (
            len(batch),
            [clean(message.source) for message in batch],
            [clean(message.topic) for message in batch],
            [message.payload for message in batch],
            [message.received_at for message in batch],
            [message.redelivered for message in batch],
        )
        async with _speaking("append"):
            connection = await self._writing()
            try:
                base = await connection.fetchval(SQL["append"], *arguments, timeout=_COMMIT_TIMEOUT_S)
            except asyncpg.CheckViolationError:  # a new day: its partition is not there yet
                await connection.execute(SQL["make_partitions"])
                base = await connection.fetchval(SQL["append"], *arguments, timeout=_COMMIT_TIMEOUT_S)
            except asyncpg.DataError as error:
                msg = "the journal cannot append a message whose fields have the wrong types"
                raise UnwritableError(msg) from error
        self.flushes += 1
        self._news.set()
        return int(base) + 1

    async def _writing(self) -> PoolConnectionProxy[asyncpg.Record]:
        """Return the writer's connection, a new one if the old one broke."""
        if self._connection is not None and _is_broken(self._connection):
            broken, self._connection = self._connection, None
            await self._pool.release(broken)
        if self._connection is None:
            self._connection = await self._pool.acquire(timeout=_COMMIT_TIMEOUT_S)
            # Whatever the server's default: an acknowledged message is on disk.
            await self._connection.execute(
                "SELECT set_config('synchronous_commit', 'on', false)"
                " WHERE current_setting('synchronous_commit') = 'off'"
            )
        return self._connection

    async def replay(
        self,
        ids: Collection[int] | None = None,
        *,
        kind: str | None = None,
        device: str | None = None,
        source: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        """See `Journal.replay`."""
        chosen = (None if ids is None else list(ids), kind, device, source, since, until)
        async with _speaking("replay dead letters"):
            await self._pool.execute(SQL["make_partitions"])
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(SQL["lock_head"])
                count = int(await connection.fetchval(SQL["replay"], *chosen))
        log.info("journal.replayed", messages=count, kind=kind, device=device, source=source)
        self._news.set()
        return count

    # Reading

    async def read(self, after: Position, limit: int) -> list[Entry]:
        """See `Journal.read`."""
        self._news.clear()
        async with _speaking("read"):
            rows = await self._pool.fetch(SQL["read"], after.day, after.seq, limit, _READ_BYTES)
        if rows:
            self._seen = max(self._seen, rows[-1]["seq"])
        return [read_entry(row) for row in rows]

    async def wait(self, seconds: float) -> bool:
        """See `Journal.wait`."""
        deadline = asyncio.get_running_loop().time() + seconds
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            try:
                async with asyncio.timeout(min(left, self._poll)):
                    await self._news.wait()
            except TimeoutError:
                async with _speaking("look for news"):
                    if await self._pool.fetchval(SQL["head"]) > self._seen:
                        return True
            else:
                return True
        return False

    # Consuming

    async def position(self, consumer: str) -> Position:
        """See `Journal.position`."""
        async with _speaking("find the cursor"):
            row = await self._pool.fetchrow(SQL["position"], consumer)
            if row is None:
                async with self._pool.acquire() as connection, connection.transaction():
                    await connection.execute(SQL["lock_retention"])
                    await connection.execute(SQL["register"], consumer)
                    row = await connection.fetchrow(SQL["position"], consumer)
        assert row is not None  # noqa: S101 - registered just now, and cursors are never deleted
        return Position(day=row["day"], seq=row["seq"])

    async def commit(
        self,
        consumer: str,
        position: Position,
        settled: Sequence[Settled],
        dead: Sequence[DeadLetter] = (),
    ) -> bool:
        """See `Journal.commit`."""
        async with (
            _speaking("commit"),
            self._pool.acquire() as connection,
            connection.transaction(),
        ):
            cursor = await connection.fetchrow(SQL["lock_cursor"], consumer)
            if cursor is None:
                msg = f"the consumer {consumer} asks for its position before it commits"
                raise ValueError(msg)
            if position.seq <= cursor["seq"]:
                return False
            fresh = [one for one in settled if one.seq > cursor["seq"]]
            check_complete(fresh, cursor["seq"], position.seq, cursor["head"])
            days = [(0, position.day)]
            if cursor["day"] != position.day:
                rows = await connection.fetch(SQL["days"], cursor["day"], position.day)
                days = [(row["first_seq"], row["day"]) for row in rows]
            await connection.execute(SQL["count_settled"], consumer, *columns_of_counts(fresh, days))
            if heard := [one for one in fresh if one.device_id is not None]:
                await connection.execute(SQL["note_activity"], *columns_of_activity(heard))
            if letters := [letter for letter in dead if letter.seq > cursor["seq"]]:
                await connection.execute(SQL["write_letters"], *columns_of_letters(letters))
            await connection.execute(SQL["move_cursor"], consumer, position.day, position.seq)
        return True

    # Accounts

    async def account(self, consumer: str = "bridge") -> Account:
        """See `Journal.account`."""
        async with _speaking("give account"):
            rows = await self._pool.fetch(SQL["account"], consumer)
            if not rows:
                return Account(sources={}, pending=0, lag=0.0)
            lag = None
            if rows[0]["pending"]:
                lag = await self._pool.fetchval(SQL["lag"], rows[0]["day"], rows[0]["seq"])
        return Account(
            sources={row["source"]: read_source_account(row) for row in rows},
            pending=rows[0]["pending"],
            lag=max(0.0, lag or 0.0),
        )

    async def activity(self, device_ids: Collection[str]) -> Mapping[str, Activity]:
        """See `Journal.activity`."""
        return await self._activity([clean(device_id) for device_id in device_ids])

    async def activities(self) -> Mapping[str, Activity]:
        """See `Journal.activities`."""
        return await self._activity(None)

    async def _activity(self, device_ids: list[str] | None) -> Mapping[str, Activity]:
        async with _speaking("tell when devices were heard"):
            rows = await self._pool.fetch(SQL["activity"], device_ids)
        return {row["device_id"]: read_activity(row) for row in rows}

    # Dead letters

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
        async with _speaking("list dead letters"):
            rows = await self._pool.fetch(
                SQL["dead_letters"], kind, device, source, since, until, state, before, limit
            )
        return [read_letter(row) for row in rows]

    async def dead_letter(self, letter_id: int) -> Letter | None:
        """See `Journal.dead_letter`."""
        async with _speaking("fetch a dead letter"):
            row = await self._pool.fetchrow(SQL["dead_letter"], letter_id)
        return None if row is None else read_letter(row)

    async def dead_letter_counts(self, state: LetterState | None = "waiting") -> Mapping[str, int]:
        """See `Journal.dead_letter_counts`."""
        async with _speaking("count dead letters"):
            rows = await self._pool.fetch(SQL["dead_letter_counts"], state)
        return {row["kind"]: row["letters"] for row in rows}

    async def unknown_devices(self) -> list[PendingDevice]:
        """See `Journal.unknown_devices`."""
        async with _speaking("list unknown devices"):
            rows = await self._pool.fetch(SQL["unknown_devices"])
        return [read_pending_device(row) for row in rows]

    # Retention

    async def drop_before(self, day: date) -> list[date]:
        """See `Journal.drop_before`."""
        async with (
            _speaking("drop old days"),
            self._pool.acquire() as connection,
            connection.transaction(),
        ):
            await connection.execute(SQL["lock_retention"])
            # A long query on the log must not make everybody queue behind this one.
            await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            dropped = [row["day"] for row in await connection.fetch(SQL["droppable"], day)]
            for old in dropped:
                await connection.execute(f"DROP TABLE journal.messages_{old:%Y%m%d}")
                await connection.execute(SQL["forget_day"], old)
        for old in dropped:
            log.info("journal.day_dropped", day=str(old))
        return dropped


@asynccontextmanager
async def _speaking(doing: str) -> AsyncIterator[None]:
    """Turn what PostgreSQL or the way to it says into a StoreError of one sentence."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        said = (str(error) or type(error).__name__).splitlines()[0][:_SENTENCE_LENGTH]
        msg = f"the journal cannot {doing}: {said}"
        raise StoreError(msg) from error


def _is_broken(connection: PoolConnectionProxy[asyncpg.Record]) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:  # the pool has taken it back by itself
        return True
