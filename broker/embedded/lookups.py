# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Entities by id: requests that come at the same time are answered by one look at the database."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from broker.embedded.merging import Stored

    Asked: TypeAlias = dict[tuple[str, str], list[asyncio.Future[Stored | None]]]

_MOST = 200  # entities in one look


class Lookups:
    """Reads single entities.

    While one look is under way, whoever asks waits for the next, which begins as soon as it ends: so
    each sees an entity as it is after it has asked. What is found is shared: nobody may change it.

    Args:
        read: returns those of a tenant's entities, named by their ids, that there are.
    """

    def __init__(self, read: Callable[[str, Sequence[str]], Awaitable[list[Stored]]]) -> None:
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
        try:
            while self._waiting:
                asked = {key: self._waiting.pop(key) for key in list(self._waiting)[:_MOST]}
                try:
                    await self._answer(asked)
                except BaseException as error:
                    for each in (each for waiting in asked.values() for each in waiting):
                        if not each.done():
                            each.set_exception(error) if isinstance(error, Exception) else each.cancel()
                    if not isinstance(error, Exception):
                        raise
        finally:
            self._task = None

    async def _answer(self, asked: Asked) -> None:
        by_tenant: dict[str, list[str]] = defaultdict(list)
        for tenant, entity_id in asked:
            by_tenant[tenant].append(entity_id)
        for tenant, ids in by_tenant.items():
            entities = {entity.id: entity for entity in await self._read(tenant, ids)}
            for entity_id in ids:
                for each in asked[tenant, entity_id]:
                    if not each.done():  # who asked may have gone
                        each.set_result(entities.get(entity_id))
