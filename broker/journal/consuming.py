# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Consumers of the log in PostgreSQL: cursors, accounts, and when devices were heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.journal.connection import SQL, Kept, speaking
from broker.journal.records import Account, Activity, Position
from broker.journal.rows import (
    clean,
    columns_of_activity,
    columns_of_counts,
    columns_of_letters,
    read_activity,
    read_source_account,
    unsettled,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import asyncpg

    from broker.journal.records import DeadLetter, SettledBatch
    from broker.journal.tail import Tail
    from store.postgres import Connection, Pool


# Devices in one statement.
_SAVED_AT_ONCE = 2_000


class Consuming:
    """The journal's side towards who consumes the log."""

    _tail: Tail

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._settling = Kept(pool)
        # Where the cursors stood last: as long as nobody else moves them, settling needs one statement.
        self._cursors: dict[str, int] = {}

    async def position(self, consumer: str) -> Position:
        """See `Journal.position`."""
        with speaking("find the cursor"):
            return await self._place("position", "register", consumer)

    async def activity_position(self, consumer: str) -> Position:
        """See `Journal.activity_position`."""
        await self.position(consumer)
        with speaking("find how far activity reaches"):
            return await self._place("activity_position", "register_activity", consumer)

    async def _place(self, place: str, register: str, consumer: str) -> Position:
        row = await self._pool.fetchrow(SQL[place], consumer)
        if row is None:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(SQL["lock_retention"])
                await connection.execute(SQL[register], consumer)
                row = await connection.fetchrow(SQL[place], consumer)
        assert row is not None  # noqa: S101 - registered just now, and never deleted
        return Position(day=row["day"], seq=row["seq"])

    async def settle(
        self,
        consumer: str,
        position: Position,
        settled: Sequence[SettledBatch],
        dead: Sequence[DeadLetter] = (),
    ) -> bool:
        """See `Journal.settle`."""
        with speaking("commit"):
            async with self._settling as connection:
                cursor = self._cursors.get(consumer)
                while True:
                    if cursor is None:
                        cursor = await _cursor(connection, consumer, position)
                    if position.seq <= cursor:
                        return False
                    try:
                        fresh = unsettled(settled, cursor, position)
                    except ValueError:
                        if self._cursors.pop(consumer, None) is None:
                            raise
                        cursor = None  # somebody else may have moved it
                        continue
                    letters = [letter for letter in dead if letter.seq > cursor]
                    columns = (*columns_of_counts(fresh), *columns_of_letters(letters))
                    if await connection.fetchval(
                        SQL["settle"], consumer, cursor, position.day, position.seq, *columns
                    ):
                        self._cursors[consumer] = position.seq
                        self._tail.settled(position)
                        return True
                    cursor = None
                    self._cursors.pop(consumer, None)

    async def account(self, consumer: str = "bridge") -> Account:
        """See `Journal.account`."""
        with speaking("give account"):
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

    async def save_activity(
        self, consumer: str, position: Position, activities: Mapping[str, Activity]
    ) -> None:
        """See `Journal.save_activity`."""
        device_ids = list(activities)
        with speaking("save when devices were heard"):
            # In parts, since what is sent of 100,000 devices at once is large; one step all the same.
            async with self._pool.acquire() as connection, connection.transaction():
                for start in range(0, max(1, len(device_ids)), _SAVED_AT_ONCE):
                    part = {each: activities[each] for each in device_ids[start : start + _SAVED_AT_ONCE]}
                    row = await connection.fetchrow(
                        SQL["save_activity"], consumer, position.day, position.seq, *columns_of_activity(part)
                    )
                    _check_saved(row, consumer, position)

    async def activity(self, device_ids: Collection[str]) -> Mapping[str, Activity]:
        """See `Journal.activity`."""
        return await self._activity([clean(device_id) for device_id in device_ids], -1)

    async def activities(self, *, beyond: int = -1) -> Mapping[str, Activity]:
        """See `Journal.activities`."""
        return await self._activity(None, beyond)

    async def _activity(self, device_ids: list[str] | None, beyond: int) -> Mapping[str, Activity]:
        with speaking("tell when devices were heard"):
            rows = await self._pool.fetch(SQL["activity"], device_ids, beyond)
        return {row["device_id"]: read_activity(row) for row in rows}


def _check_saved(row: asyncpg.Record | None, consumer: str, position: Position) -> None:
    if row is None:
        msg = f"the consumer {consumer} asks how far its activity reaches before it saves any"
        raise ValueError(msg)
    if position.seq > row["cursor"]:
        msg = f"activity cannot reach up to {position.seq}: {consumer} has settled up to {row['cursor']}"
        raise ValueError(msg)


async def _cursor(connection: Connection, consumer: str, position: Position) -> int:
    """Return where the cursor stands.

    Raises:
        ValueError: there is none, or the position is beyond the log.
    """
    row = await connection.fetchrow(SQL["cursor"], consumer)
    if row is None:
        msg = f"the consumer {consumer} asks for its position before it settles"
        raise ValueError(msg)
    if position.seq > row["head"]:
        msg = (
            f"what is settled up to {position.seq} must settle each message once, and there are {row['head']}"
        )
        raise ValueError(msg)
    return int(row["seq"])
