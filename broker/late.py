# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Late readings go to the broker's history; its current state, which is newer, stays.

A broker without a temporal API cannot take them: they become dead letters of the kind `late`, and
can be replayed into a broker that has one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import structlog

from broker.answers import BrokerFailureError, BrokerRefusalError, NotSupportedError, UnauthorizedError
from broker.lane import Patience, StoppedError, refused
from models.errors import BrokerError, LateReadingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.client import NgsiLdClient
    from broker.lane import Shipment
    from broker.state import BridgeState
    from models.errors import MessageError
    from models.reading import EntityUpdate

log = structlog.get_logger(__name__)

# How long a broker that has no history is not asked for it again.
_ASK_AGAIN_S = 600.0
# How often a reading is tried that makes the broker fail, while it takes others.
_TRIES = 8


class LateLane:
    """Sends late readings to the broker's history, one at a time."""

    def __init__(self, client: NgsiLdClient, context_url: Callable[[str], str], state: BridgeState) -> None:
        self._client = client
        self._context_url = context_url
        self._state = state
        self._waiting: deque[Shipment] = deque()
        self._no_history_until = 0.0
        self._news = asyncio.Event()
        self._stopping = asyncio.Event()

    def put(self, shipment: Shipment) -> None:
        """Add a late update."""
        self._waiting.append(shipment)
        self._news.set()

    async def run(self) -> None:
        """Send until stopped."""
        while not self._stopping.is_set():
            if not self._waiting:
                self._news.clear()
                await self._news.wait()
                continue
            shipment = self._waiting.popleft()
            try:
                problem = await self._deliver(shipment.update)
            except StoppedError:
                return
            shipment.owner.arrived(shipment.index, problem)

    def stop(self) -> None:
        """Send nothing more; what is on its way is sent again after the next start."""
        self._stopping.set()
        self._news.set()

    async def _deliver(self, update: EntityUpdate) -> MessageError | None:
        patience = Patience(self._state, self._stopping)
        context = self._context_url(update.subject)
        tries, others = 0, self._state.entities
        while True:
            if not self._client.limits.temporal or asyncio.get_running_loop().time() < self._no_history_until:
                return _late(update)
            try:
                await self._client.add_temporal(update.body, context=context)
            except UnauthorizedError as error:
                await patience.pause(error)
            except NotSupportedError as error:
                log.warning("bridge.no_history", error=str(error))
                self._no_history_until = asyncio.get_running_loop().time() + _ASK_AGAIN_S
            except BrokerRefusalError as error:
                return refused(update, error.problem)
            except BrokerFailureError as error:
                tries += 1
                if tries >= _TRIES and self._state.entities > others:  # it takes others meanwhile
                    return refused(update, error.problem)
                await patience.pause(error)
            except BrokerError as error:
                await patience.pause(error)
            else:
                self._state.history += 1
                return None


def _late(update: EntityUpdate) -> LateReadingError:
    msg = (
        f"{update.id}: the reading of {update.observed_at:%Y-%m-%d %H:%M:%S} UTC came after a newer one, and"
        " the broker has no history that it could go to; the current state stays as it is."
    )
    return LateReadingError(msg, detail={"entities": [update.body]})
