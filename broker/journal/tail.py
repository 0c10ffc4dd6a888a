# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The tail of the log in memory: what this process itself appended a moment ago."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broker.journal.records import Batch, Position

# How much is kept of what may be held, when it is too much.
_KEPT = 0.9


class Tail:
    """The newest batches of this process, for readers who come right behind.

    It is filled once somebody reads, until it is settled. What is handed over continues without a gap:
    where another process appended in between, it ends.

    Args:
        messages: held at most.
        size: bytes held at most.
    """

    def __init__(self, *, messages: int = 50_000, size: int = 32 * 2**20) -> None:
        self._most = messages
        self._most_bytes = size
        self._batches: list[Batch] = []
        self._lasts: list[int] = []
        self._sizes: list[int] = []
        self._messages = 0
        self._bytes = 0
        self._read = False

    def add(self, batch: Batch, size: int) -> None:
        """Take a batch that was committed just now, of so many bytes; the oldest go where it is too much."""
        if not self._read:
            return
        self._batches.append(batch)
        self._lasts.append(batch.last)
        self._sizes.append(size)
        self._messages += len(batch)
        self._bytes += size
        if self._messages > self._most or self._bytes > self._most_bytes:
            messages, size, count = self._messages, self._bytes, 0
            # More than is needed, so that not every batch that is added moves all others.
            while count < len(self._batches) and (
                messages > self._most * _KEPT or size > self._most_bytes * _KEPT
            ):
                messages -= len(self._batches[count])
                size -= self._sizes[count]
                count += 1
            self._drop(count)

    def behind(self, after: Position, limit: int, size: int) -> list[Batch]:
        """Return what continues right behind a position: at most so many messages and bytes, or one batch."""
        self._read = True
        found: list[Batch] = []
        seq = after.seq
        for place in range(bisect_right(self._lasts, seq), len(self._batches)):
            batch = self._batches[place].behind(seq)
            limit -= len(batch)
            size -= self._sizes[place]
            if batch.first != seq + 1 or (found and (limit < 0 or size < 0)):
                break
            found.append(batch)
            seq = batch.last
        return found

    def settled(self, position: Position) -> None:
        """Hold nothing any more that was settled."""
        self._drop(bisect_right(self._lasts, position.seq))

    def clear(self) -> None:
        """Hold nothing."""
        self._drop(len(self._batches))

    def _drop(self, count: int) -> None:
        self._messages -= sum(map(len, self._batches[:count]))
        self._bytes -= sum(self._sizes[:count])
        del self._batches[:count], self._lasts[:count], self._sizes[:count]
