# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The bridge: from the journal to the NGSI-LD broker.

    read a chunk → translate → recognise duplicates → keep late readings back → lanes → commit

Each entity belongs to one lane, and a lane sends one batch at a time: one writer an entity, its
updates in order. A message is settled once all its entities are; the journal's cursor moves over
settled messages only, so what a crash interrupts is sent again (entity updates are idempotent).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import structlog

from broker.journal.port import KEYS_REMEMBERED, DeadLetter, Settled, key_hash
from broker.lane import Lane, Shipment
from broker.newest import Newest
from models.errors import BrokerError, LateReadingError, MessageError, StoreError
from models.uplink import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from datetime import datetime

    from broker.client import NgsiLdClient
    from broker.journal.port import Entry, Journal, Outcome
    from models.message import Message
    from models.reading import EntityUpdate
    from models.translation import Translation

log = structlog.get_logger(__name__)

_RETRY_S = 1.0
_STRANDS = 16
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class BridgeSettings:
    """How much the bridge holds at once.

    Attributes:
        lanes: batches on their way at the same time; also the broker connections used.
        batch: entities a batch; facts on Orion-LD: 50 to 100 is fastest, above 800 it fails.
        chunk: messages read from the journal at a time.
        window: messages read and not yet settled.
        window_bytes: payload bytes of these; bounds the memory.
        consumer: the name of the cursor in the journal.
    """

    lanes: int = 4
    batch: int = 100
    chunk: int = 500
    window: int = 4000
    window_bytes: int = 64 * 1024 * 1024
    consumer: str = "bridge"


@dataclass(kw_only=True, slots=True)
class BridgeState:
    """What the bridge is doing, for status and metrics.

    Attributes:
        translated: messages since the start.
        readings: readings since the start.
        entities: entity updates that the broker took since the start.
        batches: batches sent since the start.
        broker_error: what the broker last said, while it is not taking batches; None: it is well.
        store_error: the same of the journal.
    """

    translated: int = 0
    readings: int = 0
    entities: int = 0
    batches: int = 0
    broker_error: str | None = None
    store_error: str | None = None


@dataclass(kw_only=True, slots=True, eq=False)
class _Ticket:
    """One message between reading and commit."""

    entry: Entry
    translation: Translation
    waiting: int = 0
    problems: list[MessageError] = field(default_factory=list)
    duplicate: bool = False


class Bridge:
    """One consumer of the journal.

    Args:
        translate: the pipeline; never raises for what a message contains.
        context_url: from a subject (`Weather`) to the address of its context.
    """

    def __init__(
        self,
        journal: Journal,
        client: NgsiLdClient,
        translate: Callable[[Message], Awaitable[Translation]],
        context_url: Callable[[str], str],
        settings: BridgeSettings | None = None,
    ) -> None:
        self._settings = settings or BridgeSettings()
        self._journal = journal
        self._translate = translate
        self.state = BridgeState()
        self._newest = Newest(client, context_url)
        self._keys: dict[str, deque[int]] = {}
        # When a device was heard last, of what was settled before it was first seen after the start.
        self._settled_at: dict[str, datetime] = {}
        # Messages still to be read that an earlier run may have delivered already.
        self._unsettled = 0
        self._tickets: deque[_Ticket] = deque()
        self._bytes = 0
        self._room = asyncio.Condition()
        self._settled = asyncio.Event()
        self._lanes = [
            Lane(client, context_url, self._settings.batch, self.state) for _ in range(self._settings.lanes)
        ]

    @property
    def in_flight(self) -> int:
        """Messages read and not yet committed."""
        return len(self._tickets)

    async def run(self) -> None:
        """Deliver until cancelled; then finish the batches on their way and commit what is settled."""
        reader = asyncio.create_task(self._read_forever())
        others = [
            asyncio.create_task(work)
            for work in (*(lane.run() for lane in self._lanes), self._commit_forever())
        ]
        try:
            done, _ = await asyncio.wait((reader, *others), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # none ends but by a defect, which must be seen
        finally:
            reader.cancel()
            await asyncio.gather(*(lane.stop() for lane in self._lanes))
            for task in others:
                task.cancel()
            await asyncio.gather(reader, *others, return_exceptions=True)
            with contextlib.suppress(StoreError):  # the next start sends it again
                await self._commit_settled()

    async def _read_forever(self) -> None:
        consumer = self._settings.consumer
        position = await self._patiently(lambda: self._journal.position(consumer))
        self._unsettled = (await self._patiently(lambda: self._journal.account(consumer))).pending
        while True:
            async with self._room:
                await self._room.wait_for(self._has_room)
            entries = await self._patiently(partial(self._journal.read, position, self._settings.chunk))
            if not entries:
                await self._patiently(lambda: self._journal.wait(1.0))
                continue
            position = entries[-1].position
            await self._take(entries)

    def _has_room(self) -> bool:
        return len(self._tickets) < self._settings.window and self._bytes < self._settings.window_bytes

    async def _take(self, entries: Sequence[Entry]) -> None:
        translations = await self._translate_all(entries)
        await self._recall_keys(translations)
        await self._recall_newest(update for done in translations for update in done.entities)
        for entry, done in zip(entries, translations, strict=True):
            ticket = _Ticket(entry=entry, translation=done)
            ticket.problems += done.problems
            self._tickets.append(ticket)
            self._bytes += len(entry.message.payload)
            self.state.translated += 1
            self.state.readings += len(done.readings)
            if self._seen_before(done) and entry.replay_of is None:
                ticket.duplicate = True
            else:
                self._ship(ticket)
            self._unsettled -= 1
            if ticket.waiting == 0:
                self._settled.set()

    async def _translate_all(self, entries: Sequence[Entry]) -> list[Translation]:
        """Translate in a few strands: codecs in other processes work side by side.

        A task for each message would cost half as much as translating it.
        """

        async def strand(some: Sequence[Entry]) -> list[Translation]:
            return [await self._translate(entry.message) for entry in some]

        strands = await asyncio.gather(*(strand(entries[first::_STRANDS]) for first in range(_STRANDS)))
        return [strands[n % _STRANDS][n // _STRANDS] for n in range(len(entries))]

    def _ship(self, ticket: _Ticket) -> None:
        late: list[EntityUpdate] = []
        repeated = self._may_be_repeated(ticket)
        for update in ticket.translation.entities:
            fresh, stale = self._newest.advance(update, repeated=repeated)
            if stale is not None:
                late.append(stale)
            if fresh is None:
                continue
            ticket.waiting += 1
            lane = self._lanes[hash(update.id) % len(self._lanes)]
            lane.put(Shipment(update=fresh, done=partial(self._arrived, ticket)))
        if late:
            ticket.problems.append(_late(late))

    def _may_be_repeated(self, ticket: _Ticket) -> bool:
        """Say whether an earlier run may have delivered this, and what the device sent after it too.

        Where several devices feed one entity, one of the others may have been first: then it is late.
        """
        device, uplink = ticket.translation.device, ticket.translation.uplink
        if self._unsettled <= 0 or device is None or uplink is None or device.place is not None:
            return False
        settled_at = self._settled_at.get(device.id)
        return settled_at is None or uplink.observed_at >= settled_at

    def _arrived(self, ticket: _Ticket, problem: MessageError | None) -> None:
        if problem is not None:
            ticket.problems.append(problem)
        ticket.waiting -= 1
        if ticket.waiting == 0:
            self._settled.set()

    def _seen_before(self, done: Translation) -> bool:
        """Say whether the same frame of the device came before, by its key; remember it."""
        if done.uplink is None or done.uplink.key is None or done.device is None:
            return False
        seen = self._keys.setdefault(done.device.id, deque(maxlen=KEYS_REMEMBERED))
        key = key_hash(done.uplink.key)
        if key in seen:
            return True
        seen.append(key)
        return False

    async def _recall_keys(self, translations: Iterable[Translation]) -> None:
        unknown = {
            done.device.id for done in translations if done.device and done.device.id not in self._keys
        }
        if unknown:
            recalled = await self._patiently(lambda: self._journal.activity(unknown))
            for device_id, activity in recalled.items():
                self._keys[device_id] = deque(activity.keys, maxlen=KEYS_REMEMBERED)
                if activity.last_seen is not None:
                    self._settled_at[device_id] = activity.last_seen

    async def _recall_newest(self, updates: Iterable[EntityUpdate]) -> None:
        updates = tuple(updates)
        while True:
            try:
                await self._newest.recall(updates)
            except BrokerError as error:
                self.state.broker_error = str(error)
                log.warning("bridge.broker_away", error=str(error))
                await asyncio.sleep(_RETRY_S)
            else:
                return

    async def _commit_forever(self) -> None:
        while True:
            await self._settled.wait()
            self._settled.clear()
            await self._patiently(self._commit_settled)

    async def _commit_settled(self) -> None:
        ready: list[_Ticket] = []
        for ticket in self._tickets:
            if ticket.waiting:
                break
            ready.append(ticket)
        if not ready:
            return
        await self._journal.commit(
            self._settings.consumer,
            ready[-1].entry.position,
            [_settle(ticket) for ticket in ready],
            [letter for ticket in ready for letter in _letters(ticket)],
        )
        for _ in ready:
            self._bytes -= len(self._tickets.popleft().entry.message.payload)
        async with self._room:
            self._room.notify_all()

    async def _patiently(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Do it as soon as the journal's PostgreSQL answers."""
        while True:
            try:
                result = await work()
            except StoreError as error:
                if self.state.store_error is None:
                    log.warning("bridge.journal_away", error=str(error))
                self.state.store_error = str(error)
                await asyncio.sleep(_RETRY_S)
            else:
                self.state.store_error = None
                return result


def _late(updates: Sequence[EntityUpdate]) -> LateReadingError:
    first = updates[0]
    msg = (
        f"{first.id}: the reading of {first.observed_at:%Y-%m-%d %H:%M:%S} UTC came after a newer one;"
        " the current state stays as it is."
    )
    return LateReadingError(msg, detail={"entities": [update.body for update in updates]})


def _outcome(ticket: _Ticket) -> Outcome:
    if ticket.duplicate:
        return "duplicate"
    if ticket.problems:
        return "dead"
    return "delivered" if ticket.translation.entities else "ignored"


def _settle(ticket: _Ticket) -> Settled:
    done = ticket.translation
    uplink = done.uplink
    return Settled(
        seq=ticket.entry.seq,
        source=done.message.source,
        outcome=_outcome(ticket),
        device_id=done.device.id if done.device and uplink and uplink.network != REGISTRY else None,
        key=key_hash(uplink.key) if uplink and uplink.key else None,
        observed_at=uplink.observed_at if uplink else None,
        f_cnt=uplink.f_cnt if uplink else None,
        readings=len(done.readings),
        entities=len(done.entities),
    )


def _letters(ticket: _Ticket) -> Iterable[DeadLetter]:
    if ticket.duplicate:
        return
    uplink = ticket.translation.uplink
    envelope = {"network": uplink.network, "name": uplink.name, "model": list(uplink.model)} if uplink else {}
    for problem in ticket.problems:
        yield DeadLetter(
            seq=ticket.entry.seq,
            message=ticket.entry.message,
            kind=problem.kind,
            sentence=problem.sentence,
            device_id=problem.device_id or (uplink.device_id if uplink else None),
            detail={**envelope, **problem.detail},
            replay_of=ticket.entry.replay_of,
        )
