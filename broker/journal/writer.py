# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Group commit: many appends, one transaction.

While one batch commits the next one gathers, so batches are as large as the load asks for and a
lone message does not wait for company.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import structlog

from models.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from models.message import Message

log = structlog.get_logger(__name__)


class UnwritableError(StoreError):
    """A message of the batch can never be written; the others can."""


class _Waiting(NamedTuple):
    message: Message
    size: int
    seq: asyncio.Future[int]


class GroupCommit:
    """One task that writes what many callers append, in the order of their calls.

    Args:
        flush: writes a batch in one transaction and returns the number of its first message.
            Raises StoreError if the batch was not acknowledged, UnwritableError if one of its
            messages is at fault.
        batch: messages in a transaction, at most.
        batch_bytes: bytes of payload in a transaction, at most, unless one message has more.
        capacity: messages that wait for their transaction, at most; further callers wait for room.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Message]], Awaitable[int]],
        *,
        batch: int = 2_000,
        batch_bytes: int = 16 * 2**20,
        capacity: int = 10_000,
    ) -> None:
        self._flush = flush
        self._batch = batch
        self._batch_bytes = batch_bytes
        self._room = asyncio.Semaphore(capacity)  # fair: who waits longest comes first
        self._buffer: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        """Begin to write."""
        self._closing = False
        self._task = asyncio.create_task(self._run(), name="journal.writer")

    async def close(self) -> None:
        """Write what waits, refuse what comes later, and end."""
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            await self._task
            self._task = None

    async def append(self, message: Message) -> int:
        """Return the message's number once its batch has committed.

        Raises:
            StoreError: its batch did not commit, or the writer does not run.
        """
        async with self._room:
            if self._closing or self._task is None:
                msg = "the journal is closed"
                raise StoreError(msg)
            seq: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            self._buffer.append(_Waiting(message, len(message.payload), seq))
            self._arrived.set()
            return await seq

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            if batch := self._next_batch():
                await self._commit(batch)
                # Those who were just answered append their next messages now: let them into the batch.
                await asyncio.sleep(0)
            elif self._closing:
                return
            else:
                self._arrived.clear()

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._buffer and len(batch) < self._batch:
            size += self._buffer[0].size
            if batch and size > self._batch_bytes:
                break
            waiting = self._buffer.popleft()
            if not waiting.seq.cancelled():
                batch.append(waiting)
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        try:
            first = await self._flush([waiting.message for waiting in batch])
        except Exception as error:  # noqa: BLE001 - the writer must outlive whatever it meets
            away = isinstance(error, StoreError) and not isinstance(error, UnwritableError)
            if away or len(batch) == 1:
                log.warning("journal.append_failed", messages=len(batch), error=repr(error))
                _refuse(batch, error)
                return
            middle = len(batch) // 2
            await self._commit(batch[:middle])
            await self._commit(batch[middle:])
        else:
            for seq, waiting in enumerate(batch, first):
                if not waiting.seq.done():
                    waiting.seq.set_result(seq)


def _refuse(batch: list[_Waiting], cause: Exception) -> None:
    for waiting in batch:
        if not waiting.seq.done():
            error = StoreError(str(cause) or type(cause).__name__)
            error.__cause__ = cause
            waiting.seq.set_exception(error)
