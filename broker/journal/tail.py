# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The tail of the log in memory: what this process itself appended a moment ago."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broker.journal.records import Batch, Position


class Tail:
    """The newest batches of this process, for a reader who comes right behind.

    It is filled once somebody reads, and holds nothing that the reader has left behind. What is
    handed over continues without a gap: where another process appended in between, it ends.

    Args:
        messages: held at most.
        size: bytes held at most.
    """

    def __init__(self, *, messages: int = 50_000, size: int = 32 * 2**20) -> None:
        self._most = messages
        self._most_bytes = size
        self._batches: deque[tuple[Batch, int]] = deque()
        self._messages = 0
        self._bytes = 0
        self._read = False

    def add(self, batch: Batch, size: int) -> None:
        """Take a batch that was committed just now, of so many bytes; the oldest go where it is too much."""
        if not self._read:
            return
        self._batches.append((batch, size))
        self._messages += len(batch)
        self._bytes += size
        while self._messages > self._most or self._bytes > self._most_bytes:
            self._drop_first()

    def behind(self, after: Position, limit: int, size: int) -> list[Batch]:
        """Return what continues right behind a position: at most so many messages and bytes, or one batch."""
        self._read = True
        while self._batches and self._batches[0][0].last <= after.seq:
            self._drop_first()
        found: list[Batch] = []
        seq = after.seq
        for batch, its_size in self._batches:
            more = batch.behind(seq)
            limit -= len(more)
            size -= its_size
            if more.first != seq + 1 or (found and (limit < 0 or size < 0)):
                break
            found.append(more)
            seq = more.last
        return found

    def clear(self) -> None:
        """Hold nothing."""
        self._batches.clear()
        self._messages = self._bytes = 0

    def _drop_first(self) -> None:
        batch, size = self._batches.popleft()
        self._messages -= len(batch)
        self._bytes -= size
