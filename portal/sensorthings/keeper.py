# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Keeps a view's city for a few seconds: however many ask, the broker is asked once."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from portal.sensorthings.city import build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from portal.datasets import Dataset
    from portal.office import Office
    from portal.sensorthings.city import City
    from portal.views import View

#: Seconds that a city is shown before it is looked at again.
FRESH: Final = 4.0
#: Datasets that the broker is asked for at the same time.
_AT_ONCE: Final = 3


class Keeper:
    """The last city of each view."""

    def __init__(self, office: Office, *, fresh: float = FRESH) -> None:
        self._office = office
        self._fresh = fresh
        # by the view itself, which lives as long as the office: a partner's name could be another's, too
        self._known: dict[int, tuple[float, City]] = {}
        self._looking: dict[int, asyncio.Task[City]] = {}

    async def city(self, view: View) -> City:
        """Return a view's city as it was at most a few seconds ago.

        Raises:
            NgsiLdError: the broker is away.
        """
        known = self._known.get(id(view))
        if known is not None and time.monotonic() - known[0] < self._fresh:
            return known[1]
        looking = self._looking.get(id(view))
        if looking is None:
            looking = asyncio.create_task(self._look(view))
            self._looking[id(view)] = looking
            looking.add_done_callback(lambda _: self._looking.pop(id(view), None))
            # who asked first may be gone when it fails: whoever still waits is told
            looking.add_done_callback(_heard)
        return await asyncio.shield(looking)

    async def _look(self, view: View) -> City:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def of(dataset: Dataset) -> list[tuple[Dataset, Mapping[str, Any]]]:
            async with limit:
                return [(dataset, entity) async for entity in view.entities(dataset)]

        began = time.monotonic()
        found = await asyncio.gather(*(of(dataset) for dataset in view.datasets))
        before = self._known.get(id(view))
        published = (each for entities in found for each in entities)
        city = await build(self._office, published, None if before is None else before[1])
        self._known[id(view)] = (began, city)
        return city


def _heard(task: asyncio.Task[City]) -> None:
    with suppress(asyncio.CancelledError):
        task.exception()
