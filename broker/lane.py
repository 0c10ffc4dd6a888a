# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A lane: one connection's worth of entity updates, in order, in batches.

What the broker does not take now is kept and sent again; an entity that it alone does not take now
waits beside the lane, with all later updates of it behind it, and the others go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from typing import TYPE_CHECKING, Protocol

import structlog
from msgspec import Struct
from msgspec.structs import replace

from broker.answers import (
    BadRequestDataError,
    BrokerFailureError,
    BrokerUnavailableError,
    NgsiLdError,
    TooLargeError,
)
from models.errors import BrokerError, MessageError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from broker.answers import Problem
    from broker.client import NgsiLdClient
    from broker.state import BridgeSettings, BridgeState
    from models.reading import EntityUpdate

log = structlog.get_logger(__name__)

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
# How often an entity that alone makes the broker fail holds up its lane.
_TRIES_ALONE = 4
# How often after that, and where the broker itself says that it takes the entity later.
_TRIES_ASIDE = 6
_STOP_WITHIN_S = 5.0
# How far ahead a batch looks for entities that it does not have yet.
_LOOK_AHEAD = 10


class Owner(Protocol):
    """Whoever waits for shipments."""

    def arrived(self, index: int, problem: MessageError | None) -> None:
        """Take note that the shipment has arrived, or why it never will."""
        ...


class Shipment(Struct, frozen=True, gc=False):
    """One update on its way.

    Attributes:
        body: what is sent of it, as JSON.
        whole: that is all of it, and not only what changed.
        owner: is told how it ended, together with `index`.
        express: before all others. One entity's updates all are, or none is.
    """

    update: EntityUpdate
    body: bytes
    whole: bool
    owner: Owner
    index: int = 0
    express: bool = False


class StoppedError(Exception):
    """The lane was stopped while the broker was away; the next start sends the batch again."""


class _NothingTakenError(BrokerError):
    """The broker took none of a batch, and may take all of it later."""


class Patience:
    """Pauses between tries, longer each time; a stop ends them.

    Raises of `pause`:
        StoppedError: nothing more is to be tried.
    """

    def __init__(self, state: BridgeState, stopping: asyncio.Event) -> None:
        self._state = state
        self._stopping = stopping
        self._next = _FIRST_PAUSE_S

    def renew(self) -> None:
        """Begin with short pauses again."""
        self._next = _FIRST_PAUSE_S

    async def pause(self, error: BrokerError) -> None:
        """Wait before the next try."""
        if self._state.broker_error is None:
            log.warning("bridge.broker_away", error=str(error))
        self._state.broker_error = str(error)
        wanted = error.retry_after if isinstance(error, BrokerUnavailableError) else None
        seconds = max(wanted or 0.0, jittered(self._next))
        self._next = min(self._next * 2, _LONGEST_PAUSE_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        if self._stopping.is_set():
            raise StoppedError


def jittered(seconds: float) -> float:
    """Shorten a pause at random: who failed together does not come back together."""
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


class _Aside(Struct):
    """An entity that the broker takes later.

    Attributes:
        waiting: the update that it does not take now, and all that is to follow.
        due: when it is tried again, seconds of the loop's clock.
        tries: how often it failed while the broker took others; `others`: how many it had taken.
    """

    waiting: deque[Shipment]
    due: float = 0.0
    tries: int = 0
    others: int = 0


class Lane:
    """Sends what is put into it, one batch at a time; never gives up on a broker that is away.

    Args:
        on_refused: is told the id of an entity that the broker will never take as it is.
    """

    def __init__(
        self,
        client: NgsiLdClient,
        context_url: Callable[[str], str],
        settings: BridgeSettings,
        state: BridgeState,
        on_refused: Callable[[str], None],
    ) -> None:
        self._client = client
        self._on_refused = on_refused
        self._context_url = context_url
        self._batch = settings.batch
        self._linger = settings.linger
        self._state = state
        # By subject, since a batch has one context. First those who are preferred.
        self._express: dict[str, deque[Shipment]] = {}
        self._waiting: dict[str, deque[Shipment]] = {}
        self._aside: dict[str, _Aside] = {}
        # Entities of which an update was given up: the next ones go alone, and are tried once.
        self._suspects: set[str] = set()
        # What the broker took last, to try whether it takes anything.
        self._taken: EntityUpdate | None = None
        self._count = 0
        self._sent_at = 0.0
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = asyncio.Event()
        self._patience = Patience(state, self._stopping)

    def put(self, shipment: Shipment) -> None:
        """Add an update behind those that wait."""
        update = shipment.update
        if self._aside and (aside := self._aside.get(update.id)) is not None:
            aside.waiting.append(shipment)
            return
        if self._suspects and update.id in self._suspects:
            self._hold(shipment).tries = _TRIES_ASIDE
            self._news.set()
            return
        queues = self._express if shipment.express else self._waiting
        queue = queues.get(update.subject)
        if queue is None:
            queue = queues[update.subject] = deque()
        queue.append(shipment)
        self._count += 1
        if not self._news.is_set():
            self._news.set()

    async def run(self) -> None:
        """Send until stopped."""
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            batch = self._due(loop.time())
            if not batch and self._count:
                rest = self._sent_at + self._linger - loop.time()
                if rest > 0 and self._count < self._batch:
                    await asyncio.sleep(rest)
                batch = self._next_batch()
            if not batch:
                await self._wait(loop.time())
                continue
            self._sent_at = loop.time()
            self._idle.clear()
            try:
                await self._deliver(batch)
            except StoppedError:
                return
            finally:
                self._idle.set()

    async def stop(self) -> None:
        """Send nothing more; wait, for a bounded time, for the batch on its way."""
        self._stopping.set()
        self._news.set()
        try:
            async with asyncio.timeout(_STOP_WITHIN_S):
                await self._idle.wait()
        except TimeoutError:
            log.warning("bridge.stopped_with_batch_on_its_way")

    async def _wait(self, now: float) -> None:
        """Wait for news, or until an entity aside is due."""
        self._news.clear()
        due = min((aside.due for aside in self._aside.values()), default=None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if due is None else max(0.0, due - now)):
                await self._news.wait()

    # What is sent next

    def _next_batch(self) -> list[Shipment]:
        """Take updates of one context, no entity twice: its second update waits for the next batch."""
        for queues in (self._express, self._waiting):
            for subject, queue in queues.items():
                if queue:
                    queues[subject] = queues.pop(subject)  # the other subjects come first next time
                    return self._take(queue)
        return []

    def _take(self, queue: deque[Shipment]) -> list[Shipment]:
        batch: list[Shipment] = []
        left: list[Shipment] = []
        taken: set[str] = set()
        for _ in range(min(len(queue), self._batch * _LOOK_AHEAD)):
            shipment = queue.popleft()
            entity_id = shipment.update.id
            if entity_id in taken:
                left.append(shipment)
                continue
            taken.add(entity_id)
            batch.append(shipment)
            if len(batch) == self._batch:
                break
        queue.extendleft(reversed(left))
        self._count -= len(batch)
        return batch

    def _due(self, now: float) -> list[Shipment]:
        """Take the first update of each entity aside whose time has come, of one subject."""
        batch: list[Shipment] = []
        for aside in self._aside.values() if self._aside else ():
            first = aside.waiting[0]
            if aside.due > now:
                continue
            if first.update.id in self._suspects:
                return [first]
            if not batch or first.update.subject == batch[0].update.subject:
                batch.append(first)
                if len(batch) == self._batch:
                    break
        return batch

    # Sending

    async def _deliver(self, batch: Sequence[Shipment]) -> None:
        """Send a batch until each of its entities has arrived, waits aside, or never will arrive."""
        tries, others = 0, self._state.entities
        while True:
            try:
                await self._send(batch, together=tries < _TRIES_ALONE)
            except (BadRequestDataError, TooLargeError) as error:
                await self._blame(batch, error.problem)
            except BrokerFailureError as error:
                if len(batch) > 1:
                    await self._blame(batch, error.problem)
                    return
                # Only an entity that fails while the broker takes others may be the culprit: a broker
                # whose database is away may well answer questions.
                tries += 1
                aside = self._aside.get(batch[0].update.id)
                if tries < _TRIES_ALONE and aside is None:
                    await self._patience.pause(error)
                    continue
                others = others if aside is None else aside.others
                proven = self._state.entities > others or await self._takes_writes(batch[0].update)
                self._put_aside(batch[0], error.problem, proven=proven)
                if not proven:
                    await self._patience.pause(error)
            except _NothingTakenError as error:
                tries += 1
                await self._patience.pause(error)
                continue
            except BrokerError as error:
                await self._patience.pause(error)
                continue
            return

    async def _send(self, batch: Sequence[Shipment], *, together: bool) -> None:
        """Send once.

        Raises:
            _NothingTakenError: the broker takes none of them now, and they stay together.
        """
        self._state.batches += 1
        self._state.batch_sizes.add(len(batch))
        try:
            result = await self._client.upsert_encoded(
                [shipment.update.id for shipment in batch],
                [shipment.body for shipment in batch],
                context=self._context_url(batch[0].update.subject),
            )
        except NgsiLdError as error:
            self._state.answers[str(error.problem.status or "none")] += 1
            raise
        self._state.answers[str(result.status)] += 1
        if not result.failed and not result.created and not self._aside:
            self._state.broker_error = None
            self._patience.renew()
            self._state.entities += len(batch)
            self._taken = batch[-1].update
            for shipment in batch:
                shipment.owner.arrived(shipment.index, None)
            return
        transient = [problem for problem in result.failed.values() if problem.transient]
        if together and 1 < len(batch) == len(transient):
            raise _NothingTakenError(transient[0].sentence)
        self._state.broker_error = None
        if len(result.failed) < len(batch):
            self._patience.renew()
        self._state.entities += len(batch) - len(result.failed)
        for shipment in batch:
            problem = result.failed.get(shipment.update.id)
            if problem is None:
                self._arrived(shipment, created=shipment.update.id in result.created)
            elif problem.transient:
                self._put_aside(shipment, problem, proven=len(result.failed) < len(batch))
            else:
                self._refuse(shipment, problem)

    def _arrived(self, shipment: Shipment, *, created: bool) -> None:
        if created and not shipment.whole:
            # Somebody deleted the entity: it needs the rest again, before its next update.
            log.info("bridge.entity_was_missing", entity=shipment.update.id)
            self._hold(replace(shipment, body=shipment.update.json, whole=True))
            return
        self._taken = shipment.update
        self._suspects.discard(shipment.update.id)
        shipment.owner.arrived(shipment.index, None)
        self._let_in(shipment)

    def _put_aside(self, shipment: Shipment, problem: Problem, *, proven: bool) -> None:
        """Keep an entity that the broker takes later; where it never does, it is refused in the end.

        Args:
            shipment: its first update that was not taken.
            problem: what the broker says.
            proven: the broker took others meanwhile.
        """
        aside = self._hold(shipment)
        if proven or aside.others < self._state.entities:
            aside.others = self._state.entities
            aside.tries += 1
        if aside.tries > _TRIES_ASIDE:
            self._suspects.add(shipment.update.id)
            self._refuse(shipment, problem)
            return
        pause = min(_FIRST_PAUSE_S * 2.0**aside.tries, _LONGEST_PAUSE_S)
        aside.due = asyncio.get_running_loop().time() + jittered(pause)

    def _hold(self, shipment: Shipment) -> _Aside:
        """Let an entity wait aside, with all that already waits for it, so that it stays in order."""
        entity_id = shipment.update.id
        aside = self._aside.get(entity_id)
        if aside is not None:
            aside.waiting[0] = shipment
            return aside
        aside = self._aside[entity_id] = _Aside(waiting=deque((shipment,)))
        queues = self._express if shipment.express else self._waiting
        queue = queues.get(shipment.update.subject, ())
        later = [each for each in queue if each.update.id == entity_id]
        if later:
            queues[shipment.update.subject] = deque(each for each in queue if each.update.id != entity_id)
            self._count -= len(later)
            aside.waiting.extend(later)
        return aside

    def _let_in(self, shipment: Shipment) -> None:
        """An entity aside has moved by one update; what follows goes on with all others."""
        aside = self._aside.get(shipment.update.id)
        if aside is None or aside.waiting[0] is not shipment:
            return
        del self._aside[shipment.update.id]
        aside.waiting.popleft()
        for waiting in aside.waiting:
            self.put(waiting)

    async def _blame(self, batch: Sequence[Shipment], problem: Problem) -> None:
        """One entity can make the broker fail a whole batch: find it by halving."""
        if len(batch) == 1:
            self._refuse(batch[0], problem)
            return
        middle = len(batch) // 2
        await self._deliver(batch[:middle])
        await self._deliver(batch[middle:])

    async def _takes_writes(self, update: EntityUpdate) -> bool:
        """Say whether the broker takes an entity, without attributes: the last that it took, or this one."""
        known = self._taken or update
        bare = {"id": known.id, "type": known.type}
        try:
            result = await self._client.upsert([bare], context=self._context_url(known.subject))
        except BrokerError:
            return False
        return not result.failed

    def _refuse(self, shipment: Shipment, problem: Problem) -> None:
        self._on_refused(shipment.update.id)
        shipment.owner.arrived(shipment.index, refused(shipment.update, problem))
        self._let_in(shipment)


def refused(update: EntityUpdate, problem: Problem) -> RefusedError:
    """Return why an entity will never arrive, in the broker's own words."""
    log.warning("bridge.entity_refused", entity=update.id, error=problem.sentence)
    return RefusedError(
        f"The broker refuses {update.id}: {problem.sentence}.",
        detail={"problem": problem.as_dict(), "entities": [update.body]},
    )
