# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A lane: one connection's worth of entity updates, in order, in batches."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from broker.answers import (
    BadRequestDataError,
    BrokerFailureError,
    BrokerUnavailableError,
    TooLargeError,
)
from models.errors import BrokerError, MessageError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from broker.answers import Problem
    from broker.bridge import BridgeState
    from broker.client import NgsiLdClient
    from models.reading import EntityUpdate

log = structlog.get_logger(__name__)

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 30.0
# How often an entity that alone makes the broker fail is tried, before it is taken for the culprit.
_TRIES_ALONE = 4
_STOP_WITHIN_S = 5.0
# How far ahead a batch looks for entities that it does not have yet.
_LOOK_AHEAD = 10


class _StoppedError(Exception):
    """The lane was stopped while the broker was away; the next start sends the batch again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shipment:
    """One update on its way, and whom to tell: None, or why it will never arrive."""

    update: EntityUpdate
    done: Callable[[MessageError | None], None]


class Lane:
    """Sends what is put into it, one batch at a time; never gives up on a broker that is away."""

    def __init__(
        self,
        client: NgsiLdClient,
        context_url: Callable[[str], str],
        batch: int,
        state: BridgeState,
    ) -> None:
        self._client = client
        self._context_url = context_url
        self._batch = batch
        self._state = state
        self._waiting: deque[Shipment] = deque()
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = asyncio.Event()

    def put(self, shipment: Shipment) -> None:
        """Add an update behind those that wait."""
        self._waiting.append(shipment)
        self._news.set()

    async def run(self) -> None:
        """Send until stopped."""
        while not self._stopping.is_set():
            if not self._waiting:
                self._news.clear()
                await self._news.wait()
                continue
            batch = self._next_batch()
            self._idle.clear()
            try:
                await self._deliver(batch)
            except _StoppedError:
                return
            finally:
                self._idle.set()

    async def stop(self) -> None:
        """Send nothing more; wait, for a bounded time, for the batch on its way."""
        self._stopping.set()
        try:
            async with asyncio.timeout(_STOP_WITHIN_S):
                await self._idle.wait()
        except TimeoutError:
            log.warning("bridge.stopped_with_batch_on_its_way")

    def _next_batch(self) -> list[Shipment]:
        """Take updates of one context, no entity twice: its second update waits for the next batch."""
        subject = self._waiting[0].update.subject
        batch: list[Shipment] = []
        left: list[Shipment] = []
        taken: set[str] = set()
        for _ in range(min(len(self._waiting), self._batch * _LOOK_AHEAD)):
            shipment = self._waiting.popleft()
            update = shipment.update
            if update.subject != subject or update.id in taken:
                left.append(shipment)
            else:
                batch.append(shipment)
            taken.add(update.id)
            if len(batch) == self._batch:
                break
        self._waiting.extendleft(reversed(left))
        return batch

    async def _deliver(self, batch: Sequence[Shipment]) -> None:
        """Send a batch until each of its entities has arrived or never will."""
        pause = _FIRST_PAUSE_S
        alone = 0
        takes_writes = False
        while batch:
            try:
                batch = await self._send(batch)
                if batch:
                    pause = await self._pause(pause, BrokerError("the broker takes some entities later"))
            except (BadRequestDataError, TooLargeError) as error:
                await self._blame(batch, error.problem)
                return
            except BrokerFailureError as error:
                if len(batch) > 1 or takes_writes:
                    await self._blame(batch, error.problem)
                    return
                # Only an entity that fails again right after the broker took a write is the culprit:
                # a broker whose database is away may well answer questions.
                alone += 1
                takes_writes = alone >= _TRIES_ALONE and await self._takes_writes(batch[0].update)
                if not takes_writes:
                    pause = await self._pause(pause, error)
            except BrokerError as error:
                pause = await self._pause(pause, error)

    async def _send(self, batch: Sequence[Shipment]) -> list[Shipment]:
        """Send once; return what the broker may take later."""
        context = self._context_url(batch[0].update.subject)
        result = await self._client.upsert([shipment.update.body for shipment in batch], context=context)
        self._state.batches += 1
        self._state.broker_error = None
        later: list[Shipment] = []
        for shipment in batch:
            problem = result.failed.get(shipment.update.id)
            if problem is None:
                self._state.entities += 1
                shipment.done(None)
            elif problem.transient:
                later.append(shipment)
            else:
                self._refuse(shipment, problem)
        return later

    async def _blame(self, batch: Sequence[Shipment], problem: Problem) -> None:
        """One entity can make the broker fail a whole batch: find it by halving."""
        if len(batch) == 1:
            self._refuse(batch[0], problem)
            return
        middle = len(batch) // 2
        await self._deliver(batch[:middle])
        await self._deliver(batch[middle:])

    async def _takes_writes(self, update: EntityUpdate) -> bool:
        """Say whether the broker takes the entity without its attributes."""
        bare = {"id": update.id, "type": update.type}
        try:
            result = await self._client.upsert([bare], context=self._context_url(update.subject))
        except BrokerError:
            return False
        return not result.failed

    async def _pause(self, pause: float, error: BrokerError) -> float:
        if self._state.broker_error is None:
            log.warning("bridge.broker_away", error=str(error))
        self._state.broker_error = str(error)
        wanted = error.retry_after if isinstance(error, BrokerUnavailableError) else None
        # Jitter: lanes that failed together do not come back together.
        jittered = max(wanted or 0.0, pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        try:
            async with asyncio.timeout(jittered):
                await self._stopping.wait()
        except TimeoutError:
            return min(pause * 2, _LONGEST_PAUSE_S)
        raise _StoppedError

    def _refuse(self, shipment: Shipment, problem: Problem) -> None:
        update = shipment.update
        error = RefusedError(
            f"The broker refuses {update.id}: {problem.sentence}.",
            detail={"problem": problem.as_dict(), "entities": [update.body]},
        )
        log.warning("bridge.entity_refused", entity=update.id, error=problem.sentence)
        shipment.done(error)
