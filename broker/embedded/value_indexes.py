# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Indexes on the values that queries compare, made by themselves where queries take long.

An index costs something at each write of an entity that has the attribute (a fifth of what PostgreSQL does
for it), so there is none that nobody has asked for, there are not many, and one that nobody uses any more
makes room for another. What it holds is `ngsild.scalar` of one attribute;
`filters.py` compares with the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import defaultdict
from hashlib import blake2b
from typing import TYPE_CHECKING

import structlog

from broker.embedded.filters import compares_scalar
from broker.embedded.query import Compare, terms_of
from store.postgres import AWAY
from store.sql import queries

if TYPE_CHECKING:
    from broker.embedded.query import Query
    from store.postgres import Pool

log = structlog.get_logger(__name__)

_SQL = queries("broker.embedded", "value_indexes.sql")
# A query that takes less needs no index; one is made once queries have spent so much on an attribute.
_SLOW_S = 0.01
_WORTH_S = 2.0
_MOST = 20
_REPLACED_EVERY_S = 3600.0  # whoever asks for ever other values keeps PostgreSQL no busier than that
_MADE_WITHIN_S = 3600.0


class ValueIndexes:
    """Makes the indexes.

    Args:
        pool: connections to the broker's database.

    Attributes:
        number: how many were made so far. A statement that names it is another one for PostgreSQL once there
            is a further index, which forgets that a plan for any value was the best when there was none.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.number = 0
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._wanted: asyncio.Queue[str | None] = asyncio.Queue()
        self._replaced_at = -math.inf
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; what an earlier run did not finish is removed first, for which nobody has to wait."""
        self._wanted.put_nowait(None)
        self._task = asyncio.create_task(self._make_forever(), name="value indexes")

    async def close(self) -> None:
        """Stop; what is not finished is begun anew when it is wanted again."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def note(self, query: Query, seconds: float) -> None:
        """Take note of how long a query took."""
        if seconds < _SLOW_S:
            return
        for attribute in _compared(query):
            if len(self._spent) >= 100 * _MOST and attribute not in self._spent:
                self._spent.clear()  # names that come and go are not to be remembered for ever
            before = self._spent[attribute]
            self._spent[attribute] = before + seconds
            if before < _WORTH_S <= before + seconds:
                self._wanted.put_nowait(attribute)

    async def made(self) -> None:
        """Wait until all that is wanted now is made, or was given up."""
        await self._wanted.join()

    async def _make_forever(self) -> None:
        while True:
            attribute = await self._wanted.get()
            try:
                for row in await self._pool.fetch(_SQL["unfinished"]):
                    await self._pool.execute(row["drop"], timeout=_MADE_WITHIN_S)
                if attribute is not None:
                    await self._make(attribute)
            except AWAY as error:
                log.warning("query.index_failed", attribute=attribute, error=str(error))
                if attribute is not None:
                    self._spent.pop(attribute, None)
                    self._wanted.put_nowait(None)  # what is left of it only costs writers time
            finally:
                self._wanted.task_done()

    async def _make(self, attribute: str) -> None:
        name = f"entities_value_{blake2b(attribute.encode(), digest_size=8).hexdigest()}"
        known = {row["name"] for row in await self._pool.fetch(_SQL["value_indexes"])}
        if name in known:
            return
        if not await self._pool.fetchval(_SQL["has_attribute"], attribute):
            self._spent.pop(attribute, None)  # there may be some later on
            return
        if len(known) >= _MOST and not await self._made_room():
            log.warning("query.index_refused", attribute=attribute, most=_MOST)
            self._spent[attribute] = -100 * _WORTH_S  # it is looked at again when much more was spent
            return
        statement = await self._pool.fetchval(_SQL["index_statement"], name, attribute)
        log.info("query.index_begun", attribute=attribute, index=name)
        await self._pool.execute(statement, timeout=_MADE_WITHIN_S)
        await self._pool.execute(_SQL["look_at_values"], timeout=_MADE_WITHIN_S)
        self.number += 1
        log.info("query.index_made", attribute=attribute, index=name)

    async def _made_room(self) -> bool:
        """Remove the index that was of no use for longest; False: all are used, or one was removed lately."""
        if time.monotonic() < self._replaced_at + _REPLACED_EVERY_S:
            return False
        row = await self._pool.fetchrow(_SQL["unused"])
        if row is None:
            return False
        self._replaced_at = time.monotonic()
        await self._pool.execute(row["drop"], timeout=_MADE_WITHIN_S)
        log.info("query.index_removed", index=row["name"])
        return True


def _compared(query: Query) -> set[str]:
    """Return the attributes whose values an index would find."""
    return {
        term.path.attributes[0]
        for term in terms_of(query)
        if isinstance(term, Compare) and compares_scalar(term)
    }
