# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Entities by id: requests that come at the same time are answered by one look at the database."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from broker.embedded.merging import Stored

    Asked: TypeAlias = dict[tuple[str, str], list[asyncio.Future[Stored | None]]]

C = TypeVar("C")

_MOST = 200  # entities in one look
_LOOKS = 100  # with one connection, before somebody else may have it


class Lookups(Generic[C]):
    """Reads single entities.

    While one look is under way, whoever asks waits for the next, which begins as soon as it ends: so
    each sees an entity as it is after it has asked. What is found is shared: nobody may change it.

    Args:
        lend: lends a connection; to borrow one for each look is a good part of what a look takes.
        read: returns those of a tenant's entities, named by their ids, that there are.
    """

    def __init__(
        self,
        lend: Callable[[], AbstractAsyncContextManager[C]],
        read: Callable[[C, str, Sequence[str]], Awaitable[list[Stored]]],
    ) -> None:
        self._lend = lend
        self._read = read
        self._waiting: Asked = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, tenant: str, entity_id: str) -> Stored | None:
        """Return an entity; None if there is none."""
        found: asyncio.Future[Stored | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault((tenant, entity_id), []).append(found)
        if self._task is None:
            self._task = asyncio.create_task(self._look(), name="entities by id")
        return await found

    async def _look(self) -> None:
        """Answer all who wait."""
        asked: Asked = {}
        try:
            while self._waiting:
                asked = self._next()
                try:
                    async with self._lend() as connection:
                        await self._answer(connection, asked)
                        for _ in range(_LOOKS - 1):
                            if not self._waiting:
                                break
                            asked = self._next()
                            await self._answer(connection, asked)
                except Exception as error:  # noqa: BLE001 - it is theirs who asked
                    _fail(asked, error)
        except BaseException:
            for each in (each for waiting in (*asked.values(), *self._waiting.values()) for each in waiting):
                each.cancel()
            self._waiting.clear()
            raise
        finally:
            self._task = None

    def _next(self) -> Asked:
        return {key: self._waiting.pop(key) for key in list(self._waiting)[:_MOST]}

    async def _answer(self, connection: C, asked: Asked) -> None:
        by_tenant: dict[str, list[str]] = defaultdict(list)
        for tenant, entity_id in asked:
            by_tenant[tenant].append(entity_id)
        for tenant, ids in by_tenant.items():
            entities = {entity.id: entity for entity in await self._read(connection, tenant, ids)}
            for entity_id in ids:
                for each in asked[tenant, entity_id]:
                    if not each.done():  # who asked may have gone
                        each.set_result(entities.get(entity_id))


def _fail(asked: Asked, error: Exception) -> None:
    for each in (each for waiting in asked.values() for each in waiting):
        if not each.done():
            each.set_exception(error)
