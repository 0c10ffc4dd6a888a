# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What changes in the public view, as it changes: the last changes are kept for those who come back."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KEPT = 10_000
_WAITING = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A published entity that is new, has changed or is gone.

    Attributes:
        number: counts up by one with each change.
        datasets: names of the datasets that it belongs to.
        entity: id, type and what has changed, as simplified NGSI-LD (keyvalues), with `observedAt`: the
            newest of its attributes' times; None: it is gone.
        entity_id: its id.
    """

    number: int
    datasets: tuple[str, ...]
    entity_id: str
    entity: Mapping[str, Any] | None


class Live:
    """Tells listeners of changes. A listener that is too slow is told to begin anew.

    Args:
        first: number of the first change; later than any of an earlier run, such as from the clock.
    """

    def __init__(self, first: int = 1) -> None:
        self._next = first
        self._kept: deque[Change] = deque(maxlen=_KEPT)
        self._listeners: set[Listener] = set()

    def tell(self, entity_id: str, datasets: tuple[str, ...], entity: Mapping[str, Any] | None) -> None:
        """Tell everybody of a change."""
        change = Change(number=self._next, datasets=datasets, entity_id=entity_id, entity=entity)
        self._next += 1
        self._kept.append(change)
        for listener in self._listeners:
            listener.take(change)

    @property
    def last(self) -> int:
        """Number of the last change; of the one before the first where there was none."""
        return self._next - 1

    def since(self, number: int) -> list[Change] | None:
        """Return the changes after one; None: some of them are no longer known."""
        if number == self.last:
            return []
        oldest = self._kept[0].number if self._kept else self._next
        if not oldest - 1 <= number < self._next:
            return None
        return [change for change in self._kept if change.number > number]

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        """Listen to all changes from now on."""
        listener = Listener()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)


class Listener:
    """One who listens; `missed` once they were too slow to be told everything."""

    def __init__(self) -> None:
        self._waiting: deque[Change] = deque()
        self._some = asyncio.Event()
        self.missed = False

    def take(self, change: Change) -> None:
        """Note a change."""
        if len(self._waiting) >= _WAITING:
            self._waiting.clear()
            self.missed = True
        self._waiting.append(change)
        self._some.set()

    async def changes(self) -> list[Change]:
        """Wait until there are changes, and return them."""
        await self._some.wait()
        self._some.clear()
        found = list(self._waiting)
        self._waiting.clear()
        return found
