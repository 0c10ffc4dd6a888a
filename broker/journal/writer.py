# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Group commit: many appends, one transaction.

While one batch commits the next one gathers, so batches are as large as the load asks for and a
lone message does not wait for company.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import structlog

from models.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from models.message import Message

log = structlog.get_logger(__name__)

_payload = attrgetter("payload")

# Fewer messages in a transaction are no load: whoever sent them may wait for them before the next.
_LOAD = 16
# So many looks for whether more keeps coming.
_STEPS = 8
# Where nothing more came, all callers wait for an answer: so often nobody waits for more.
_IN_VAIN = 16


class UnwritableError(StoreError):
    """A message of the batch can never be written; the others can."""


class _Waiting(NamedTuple):
    messages: Sequence[Message]
    size: int
    first: asyncio.Future[int]


class Room:
    """Room for so many messages and bytes; who waits longest comes first.

    Whatever does not fit at all gets in when there is nothing else.
    """

    def __init__(self, messages: int, size: int) -> None:
        self._most = messages
        self._most_bytes = size
        self._messages = 0
        self._bytes = 0
        self._queue: deque[tuple[int, int, asyncio.Future[None]]] = deque()

    async def enter(self, messages: int, size: int) -> None:
        """Wait until there is room, and take it."""
        if not self._queue and self._fits(messages, size):
            self._take(messages, size)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((messages, size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(messages, size)
            else:
                self._admit()  # those behind it may fit
            raise

    def leave(self, messages: int, size: int) -> None:
        """Give the room back."""
        self._messages -= messages
        self._bytes -= size
        self._admit()

    def _admit(self) -> None:
        while self._queue:
            messages, size, turn = self._queue[0]
            if not turn.done():
                if not self._fits(messages, size):
                    return
                self._take(messages, size)
                turn.set_result(None)
            self._queue.popleft()

    def _fits(self, messages: int, size: int) -> bool:
        return not self._messages or (
            self._messages + messages <= self._most and self._bytes + size <= self._most_bytes
        )

    def _take(self, messages: int, size: int) -> None:
        self._messages += messages
        self._bytes += size


class GroupCommit:
    """One task that writes what many callers append, in the order of their calls.

    Args:
        flush: writes a batch in one transaction and returns the number of its first message.
            Raises StoreError if the batch was not acknowledged, UnwritableError if one of its
            messages is at fault.
        batch: messages in a transaction, at most.
        batch_bytes: bytes of payload in a transaction, at most, unless one message has more.
        capacity: messages that wait for their transaction, at most; further callers wait for room.
        capacity_bytes: bytes of payload that wait, at most, unless one message has more.
        linger: under load the next transaction begins so many seconds after the last one, while
            more keeps coming: larger batches cost less.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Message]], Awaitable[int]],
        *,
        batch: int = 2_000,
        batch_bytes: int = 16 * 2**20,
        capacity: int = 10_000,
        capacity_bytes: int = 64 * 2**20,
        linger: float = 0.008,
    ) -> None:
        self._flush = flush
        self._batch = batch
        self._batch_bytes = batch_bytes
        self._linger = linger
        self._room = Room(capacity, capacity_bytes)
        self._buffer: deque[_Waiting] = deque()
        self._waiting = 0
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

    async def append(self, messages: Sequence[Message]) -> int:
        """Return the number of the first message once all have committed.

        What fits into a transaction is in one, and its numbers have no gaps.

        Raises:
            StoreError: they did not all commit, or the writer does not run.
        """
        # A tuple: the caller's list may change, and readers get the messages from memory.
        pieces = list(self._cut(tuple(messages)))
        count, size = len(messages), sum(size for _, size in pieces)
        await self._room.enter(count, size)
        try:
            if self._closing or self._task is None:
                msg = "the journal is closed"
                raise StoreError(msg)
            numbers = [self._put(*piece) for piece in pieces]
            self._arrived.set()
            return await numbers[0] if len(numbers) == 1 else (await asyncio.gather(*numbers))[0]
        finally:
            self._room.leave(count, size)

    def _put(self, messages: Sequence[Message], size: int) -> asyncio.Future[int]:
        first: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._buffer.append(_Waiting(messages, size, first))
        self._waiting += len(messages)
        return first

    def _cut(self, messages: Sequence[Message]) -> Iterator[tuple[Sequence[Message], int]]:
        """Cut into what fits into a transaction; give the bytes of each."""
        try:
            sizes = list(map(len, map(_payload, messages)))
        except TypeError as error:
            msg = "the journal cannot append a message whose payload is not bytes"
            raise StoreError(msg) from error
        if len(messages) <= self._batch and (total := sum(sizes)) <= self._batch_bytes:
            yield messages, total
            return
        start = total = 0
        for number, size in enumerate(sizes):
            if number > start and (number - start == self._batch or total + size > self._batch_bytes):
                yield messages[start:number], total
                start, total = number, 0
            total += size
        yield messages[start:], total

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        begun, written, in_vain = 0.0, 0, 0
        while True:
            await self._arrived.wait()
            if written >= _LOAD and not self._closing:
                if in_vain:
                    in_vain -= 1
                elif not await self._gather(begun + self._linger):
                    in_vain = _IN_VAIN
            if batch := self._next_batch():
                begun, written = loop.time(), sum(len(waiting.messages) for waiting in batch)
                await self._commit(batch)
                # Those who were just answered append their next messages now: let them into the batch.
                await asyncio.sleep(0)
            elif self._closing:
                return
            else:
                self._arrived.clear()

    async def _gather(self, until: float) -> bool:
        """Wait while more keeps coming, until a moment or until there is enough; say whether more came."""
        loop = asyncio.get_running_loop()
        begin, seen = self._waiting, 0
        while seen < self._waiting < self._batch and loop.time() < until:
            seen = self._waiting
            await asyncio.sleep(self._linger / _STEPS)
        return self._waiting > begin or begin >= self._batch

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        count = size = 0
        while self._buffer:
            count += len(self._buffer[0].messages)
            size += self._buffer[0].size
            if batch and (count > self._batch or size > self._batch_bytes):
                break
            waiting = self._buffer.popleft()
            self._waiting -= len(waiting.messages)
            if waiting.first.cancelled():
                count -= len(waiting.messages)
                size -= waiting.size
            else:
                batch.append(waiting)
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        try:
            if len(batch) == 1:
                first = await self._flush(batch[0].messages)
            else:
                first = await self._flush(tuple(chain.from_iterable(waiting.messages for waiting in batch)))
        except Exception as error:  # noqa: BLE001 - the writer must outlive whatever it meets
            away = isinstance(error, StoreError) and not isinstance(error, UnwritableError)
            if away or len(batch) == 1:
                messages = sum(len(waiting.messages) for waiting in batch)
                log.warning("journal.append_failed", messages=messages, error=repr(error))
                _refuse(batch, error)
                return
            middle = len(batch) // 2
            await self._commit(batch[:middle])
            await self._commit(batch[middle:])
        else:
            for waiting in batch:
                if not waiting.first.done():
                    waiting.first.set_result(first)
                first += len(waiting.messages)


def _refuse(batch: list[_Waiting], cause: Exception) -> None:
    for waiting in batch:
        if not waiting.first.done():
            error = StoreError(str(cause) or type(cause).__name__)
            error.__cause__ = cause
            waiting.first.set_exception(error)
