# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From entity updates to shipments: what is late, what need not be said again, and which lane it takes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import lru_cache
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from broker.lane import Lane, Shipment
from broker.late import LateLane
from broker.newest import Newest
from models.last_seen import last_seen
from models.reading import NOTHING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from broker.client import NgsiLdClient
    from broker.lane import Owner
    from broker.newest import Known
    from broker.state import BridgeSettings, BridgeState
    from models.errors import MessageError
    from models.reading import EntityUpdate

# What does not change is said again after this time, should somebody have changed it in the broker.
_WHOLE_AGAIN_S = 3600.0
# Where a device says nothing of itself but that it was heard, it is not said more often than this.
_LAST_SEEN_EVERY = timedelta(seconds=60)
_LOOK_FOR_HELD_S = 5.0
# Entities of which is remembered whether they go before all others.
_ASKED = 65_536
# When a hundred thousand devices fall silent together, they are not all said at once.
_HELD_AT_ONCE = 1000
_BETWEEN_HELD_S = 0.2


class Shipping:
    """The lanes, and what goes into them.

    Args:
        preferred: whether an entity's updates go before all others; always the same of one entity.
    """

    def __init__(
        self,
        client: NgsiLdClient,
        context_url: Callable[[str], str],
        settings: BridgeSettings,
        state: BridgeState,
        preferred: Callable[[str], bool] | None,
    ) -> None:
        self.newest = Newest(client, context_url)
        self._preferred = None if preferred is None else lru_cache(maxsize=_ASKED)(preferred)
        self._lanes = [
            Lane(client, context_url, settings, state, self.newest.say_whole_again)
            for _ in range(settings.lanes)
        ]
        self._late = LateLane(client, context_url, state)
        # Devices of which is held back that they were heard, and since when: the newest state says the rest.
        self._held: dict[str, float] = {}

    def work(self) -> Iterator[Awaitable[None]]:
        """Give what runs beside each other until stopped."""
        yield from (lane.run() for lane in self._lanes)
        yield self._late.run()
        yield self._say_held()

    async def stop(self) -> None:
        """Send nothing more; wait, for a bounded time, for the batches on their way."""
        self._late.stop()
        await asyncio.gather(*(lane.stop() for lane in self._lanes))

    def ship(self, update: EntityUpdate, owner: Owner, index: int, now: float, *, repeated: bool) -> int:
        """Send an update, unless the broker has it or something newer.

        Args:
            update: what a message says of an entity.
            owner: is told, once for each shipment.
            index: which of its messages it was.
            now: seconds of the loop's clock.
            repeated: an earlier run may have delivered it, and what came after it.

        Returns:
            How many shipments were made of it.
        """
        known = self.newest.known(update.id)
        at = update.observed_at
        if (  # what nearly all updates are: the next of the same device
            update.measured
            and known.measured is update.measured
            and known.rest is update.rest
            and not repeated
            and at is not None
            and known.at is not None
            and known.at <= at
            and known.whole_at + _WHOLE_AGAIN_S > now
        ):
            known.at = known.sent_at = at
            if self._held:
                self._held.pop(update.id, None)
            self._put(update, owner, index, whole=False)
            return 1
        fresh, stale = self.newest.advance(update, known, repeated=repeated)
        if fresh is not update:
            return self._ship_parts(fresh, stale, owner, index)
        rest = known.rest
        whole = rest is not update.rest and (rest is None or rest.still(update.type) != update.still)
        known.rest = update.rest  # also where it says the same: what wrote it may belong to the past
        if whole or known.whole_at + _WHOLE_AGAIN_S <= now:
            known.whole_at = now
            whole = True
        elif not update.measured and self._hold(update, known, now):
            return 0
        known.sent_at = at or known.sent_at
        if self._held:  # this says all that it would have said
            self._held.pop(update.id, None)
        self._put(update, owner, index, whole=whole)
        return 1

    def _ship_parts(
        self,
        fresh: EntityUpdate | None,
        stale: EntityUpdate | None,
        owner: Owner,
        index: int,
    ) -> int:
        """Send what is late of an update to history, and the rest, of which no name or place is newer."""
        if stale is not None:
            self._late.put(Shipment(stale, stale.json, True, owner, index))  # noqa: FBT003 - as for all others
        if fresh is not None:
            self._put(fresh, owner, index, whole=False)
        return (stale is not None) + (fresh is not None)

    def _hold(self, update: EntityUpdate, known: Known, now: float) -> bool:
        """Hold an update back that says no more than that a device was heard, if that was said lately."""
        at = update.observed_at
        if at is None or known.sent_at is None or at - known.sent_at >= _LAST_SEEN_EVERY:
            return False
        if update.id not in self._held:
            if update != last_seen(update.id, at, update.rest):
                return False
            self._held[update.id] = now
        return True

    def _put(self, update: EntityUpdate, owner: Owner, index: int, *, whole: bool) -> None:
        body = update.json if whole else update.head + b"}"
        express = self._preferred is not None and self._preferred(update.id)
        lane = self._lanes[hash(update.id) % len(self._lanes)]
        lane.put(Shipment(update, body, whole, owner, index, express))

    async def _say_held(self) -> None:
        """Tell the broker in the end what was held back, as nothing else came to be told."""
        loop = asyncio.get_running_loop()
        while True:
            more = self.say_held(before=loop.time() - _LAST_SEEN_EVERY.total_seconds())
            await asyncio.sleep(_BETWEEN_HELD_S if more else _LOOK_FOR_HELD_S)

    def say_held(self, *, before: float) -> bool:
        """Send some of what is held back since before that time of the loop's clock.

        Returns:
            Whether there may be more of it.
        """
        due = takewhile(lambda entity_id: self._held[entity_id] <= before, self._held)
        some = list(islice(due, _HELD_AT_ONCE))
        for entity_id in some:
            del self._held[entity_id]
            known = self.newest.known(entity_id)
            if known.at is not None:  # else it was forgotten, as one of far too many
                known.sent_at = known.at
                update = last_seen(entity_id, known.at, known.rest or NOTHING)
                self._put(update, _NOBODY, 0, whole=False)
        return len(some) == _HELD_AT_ONCE


class _Nobody:
    """Waits for nothing: the message was settled by what else was made of it."""

    def arrived(self, index: int, problem: MessageError | None) -> None:
        """See `Owner.arrived`; the lane has logged a problem."""


_NOBODY = _Nobody()
