# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The bridge: from the journal to the NGSI-LD broker.

    read a batch → translate → recognise duplicates → late ones to history → lanes → settle

Each entity belongs to one lane, and a lane sends one batch at a time: one writer an entity, its
updates in order. A batch of the log is settled once all its entities are; the journal's cursor moves
over settled batches only, so what a crash interrupts is sent again (entity updates are idempotent).

Messages of preferred devices do not wait in a backlog: a second reader goes ahead of the first, takes
them alone, and the first finds them done when it comes there (`broker/ahead.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import structlog
from msgspec.structs import replace

from broker.activity import Book
from broker.ahead import Preference, read_ahead
from broker.journal.port import Batch, is_forgotten, key_hash
from broker.redelivery import Redelivered
from broker.shipping import Shipping
from broker.state import BridgeSettings, BridgeState
from broker.ticket import Ahead, Ticket
from models.completeness import PACKED
from models.counters import Counters
from models.errors import BrokerError, StoreError
from models.uplink import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from broker.activity import Heard
    from broker.client import NgsiLdClient
    from broker.journal.port import Journal, Position
    from broker.lane import Owner
    from models.message import Message
    from models.translation import Translation

__all__ = ["Bridge", "BridgeSettings", "BridgeState", "Preference"]

log = structlog.get_logger(__name__)

_RETRY_S = 1.0
# Messages that are asked for at once.
_READ = 2_000
# While one batch waits for an entity that the broker does not take, so many messages and batches behind
# it may be settled and not committed: some 200 bytes each.
_UNCOMMITTED = 200_000
_TICKETS = 20_000
# A message that was received so long ago has waited.
_BACKLOG_S = 2.0
# While batches settle one after the other, they are committed together.
_COMMIT_EVERY_S = 0.02
# Rows a second that saving the book of devices may write, and how long it may wait at most.
_SAVED_A_SECOND = 1500
_SAVE_WITHIN_S = 60.0
_T = TypeVar("_T")


class Bridge:
    """One consumer of the journal.

    Args:
        translate: the pipeline, message by message in their order; never raises for what they contain.
        context_url: from a subject (`Weather`) to the address of its context.
        preference: who does not wait in a backlog; None: everybody does.
        counters: those that `translate` asks and advances; None: it needs none.
    """

    def __init__(
        self,
        journal: Journal,
        client: NgsiLdClient,
        translate: Callable[[Sequence[Message]], Awaitable[list[Translation]]],
        context_url: Callable[[str], str],
        settings: BridgeSettings | None = None,
        *,
        preference: Preference | None = None,
        counters: Counters | None = None,
    ) -> None:
        self._settings = settings or BridgeSettings()
        self._journal = journal
        self._translate = translate
        self.state = BridgeState()
        self._preference = preference
        self._shipping = Shipping(
            client, context_url, self._settings, self.state, preference.entity if preference else None
        )
        self._book = Book()
        # Of what is taken, and of what is settled: what a crash interrupts is counted from there again.
        self._counters = Counters() if counters is None else counters
        self._counted = Counters()
        self._redelivered = Redelivered(journal)
        # When a device was heard last, of what was settled before it was first seen after the start.
        self._settled_at: dict[str, datetime | None] = {}
        # Messages still to be read that an earlier run may have delivered already.
        self._unsettled = 0
        self._tickets: deque[Ticket] = deque()
        # Messages on their way; those that are settled behind one that is not; bytes of the former.
        self._messages = 0
        self._uncommitted = 0
        self._bytes = 0
        self._room = asyncio.Condition()
        self._settled = asyncio.Event()
        self._finished: list[Ticket] = []
        # One at a time takes messages: the reader, or the one ahead of it.
        self._taking = asyncio.Lock()
        self._ahead: dict[int, Ahead] = {}
        self._backlog = asyncio.Event()
        self.position: Position | None = None
        self._booked: Position | None = None

    @property
    def in_flight(self) -> int:
        """Messages read and not yet settled."""
        return self._messages

    def heard(self, device_id: str) -> Heard | None:
        """Return what is known of when a device spoke, to be read; None: it did not since the start."""
        return self._book.heard(device_id)

    async def run(self) -> None:
        """Deliver until cancelled; then finish the batches on their way and commit what is settled."""
        reader = asyncio.create_task(self._read_forever(), name="bridge.reader")
        work = [*self._shipping.work(), self._commit_forever(), self._save_forever()]
        if self._preference is not None:
            work.append(read_ahead(self, self._journal, self._preference, self._backlog))
        others = [asyncio.ensure_future(each) for each in work]
        try:
            done, _ = await asyncio.wait((reader, *others), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # none ends but by a defect, which must be seen
        finally:
            reader.cancel()
            await self._shipping.stop()
            for task in others:
                task.cancel()
            await asyncio.gather(reader, *others, return_exceptions=True)
            with contextlib.suppress(StoreError):  # the next start sends it again
                await self._commit_settled()
                await self._save()

    # Reading

    async def _read_forever(self) -> None:
        consumer = self._settings.consumer
        position = await self.patiently(lambda: self._journal.position(consumer))
        await self._recall_counters()
        await self._catch_up_book(position)
        self._unsettled = (await self.patiently(lambda: self._journal.account(consumer))).pending
        if not self._unsettled:
            self._shipping.newest.forget_told()
        self.position = position
        while True:
            batches = await self.patiently(partial(self._journal.read_batches, position, _READ))
            if not batches:
                self._backlog.clear()
                await self.patiently(lambda: self._journal.wait(1.0))
                continue
            if (datetime.now(UTC) - batches[-1].messages[-1].received_at).total_seconds() > _BACKLOG_S:
                self._backlog.set()
            for batch in batches:
                for part in _parts(batch, self._settings.chunk):
                    if not self._has_room():
                        async with self._room:
                            await self._room.wait_for(self._has_room)
                    await self._take(part)
                    position = part.position

    async def _recall_counters(self) -> None:
        """Know what counters said where the book was saved last."""
        saved = await self.patiently(lambda: self._journal.activities(beyond=PACKED.size))
        for device_id, one in saved.items():
            for counters in (self._counters, self._counted):
                counters.restore(device_id, one.hours[PACKED.size :])

    def _has_room(self) -> bool:
        return (
            self._messages < self._settings.window
            and self._bytes < self._settings.window_bytes
            and self._uncommitted < _UNCOMMITTED
            and len(self._tickets) < _TICKETS
        )

    async def _catch_up_book(self, position: Position) -> None:
        """Enter what was settled after the book was saved last."""
        consumer = self._settings.consumer
        saved = await self.patiently(lambda: self._journal.activity_position(consumer))
        while saved < position:
            batches = await self.patiently(partial(self._journal.read_batches, saved, _READ))
            for batch in batches:
                if batch.first > position.seq:
                    return
                part = _upto(batch, position.seq)
                translations = await self._translate(part.messages)
                await self._recall_book(translations)
                await self._redelivered.prepare(part)
                ticket = Ticket(part, translations, self._finish)
                for index, done in enumerate(translations):
                    if self._came_before(part, index, done):
                        ticket.duplicates.add(index)
                ticket.note_activity(self._book, self._counted)
                saved = part.position
                self._settled_at.update(
                    {
                        done.device.id: self._book.last_seen(done.device.id)
                        for done in translations
                        if done.device is not None
                    }
                )
            if not batches:  # dropped meanwhile
                return

    async def _take(self, batch: Batch) -> None:
        """Translate a batch and send it on its way."""
        async with self._taking:
            translations = await self._translate(batch.messages)
            await self._recall_book(translations)
            await self._recall_newest(translations)
            await self._redelivered.prepare(batch)
            ticket = Ticket(batch, translations, self._finish)
            self._tickets.append(ticket)
            self._messages += len(batch)
            self._uncommitted += len(batch)
            self._bytes += ticket.size
            self._ship_batch(ticket)
            self.position = batch.position
            self.state.translated += len(batch)
        if ticket.waiting == 0:
            self._finish(ticket)

    def _ship_batch(self, ticket: Ticket) -> None:
        batch, readings, now = ticket.batch, 0, asyncio.get_running_loop().time()
        for index, done in enumerate(ticket.translations):
            if self._ahead and (ahead := self._ahead.pop(batch.first + index, None)) is not None:
                ticket.adopt(index, ahead)
            else:
                readings += done.count
                if done.problems and not is_forgotten(batch.messages[index]):
                    ticket.note(index, done.problems)
                if self._came_before(batch, index, done):
                    ticket.duplicates.add(index)
                elif done.entities:
                    ticket.waiting += self._ship(done, ticket, index, now)
            if self._unsettled > 0:
                self._note_settled()
        self.state.readings += readings

    def _ship(self, done: Translation, owner: Owner, index: int, now: float) -> int:
        repeated = self._unsettled > 0 and self._may_be_repeated(done)
        shipments = 0
        for update in done.entities:
            shipments += self._shipping.ship(update, owner, index, now, repeated=repeated)
        return shipments

    def _note_settled(self) -> None:
        """From the last message on that an earlier run may have delivered, nothing is a repetition."""
        self._unsettled -= 1
        if self._unsettled == 0:
            self._shipping.newest.forget_told()
            self._settled_at.clear()

    async def take_ahead(self, batch: Batch, indices: Sequence[int]) -> None:
        """Take some messages of a batch before their turn, but for those whose turn it was meanwhile."""
        async with self._taking:
            assert self.position is not None  # noqa: S101 - nobody is ahead before there is a reader
            indices = [index for index in indices if batch.first + index > self.position.seq]
            translations = await self._translate([batch.messages[index] for index in indices])
            await self._recall_book(translations)
            await self._recall_newest(translations)
            await self._redelivered.prepare(batch)
            now = asyncio.get_running_loop().time()
            for index, done in zip(indices, translations, strict=True):
                ahead = self._ahead[batch.first + index] = Ahead(done)
                self.state.readings += done.count
                if self._came_before(batch, index, done):
                    ahead.duplicate = True
                elif done.entities:
                    ahead.waiting = self._ship(done, ahead, index, now)
            self.state.ahead += len(indices)

    @property
    def taken_ahead(self) -> int:
        """Messages that were taken before their turn, which has not come yet."""
        return len(self._ahead)

    # What is known of devices and entities

    def _came_before(self, batch: Batch, index: int, done: Translation) -> bool:
        """Say whether the same message of the device came before: by its key, or by the transport."""
        uplink, device = done.uplink, done.device
        if batch.first + index in batch.replays:
            return False
        if self._redelivered.active and self._redelivered.came_before(batch.messages[index]):
            return True
        return (
            uplink is not None
            and device is not None
            and uplink.key is not None
            and self._book.take(device.id, key_hash(uplink.key))
        )

    def _may_be_repeated(self, done: Translation) -> bool:
        """Say whether an earlier run may have delivered this, and what the device sent after it too.

        Where several devices feed one entity, one of the others may have been first: then it is late.
        """
        device, uplink = done.device, done.uplink
        if device is None or uplink is None or device.place is not None:
            return False
        settled_at = self._settled_at.get(device.id)
        return settled_at is None or uplink.observed_at >= settled_at

    async def _recall_book(self, translations: Iterable[Translation]) -> None:
        unknown = self._book.unknown(
            done.device.id
            for done in translations
            if done.device is not None and done.uplink is not None and done.uplink.network != REGISTRY
        )
        if unknown:
            self._book.recall(unknown, await self.patiently(lambda: self._journal.activity(unknown)))
            if self._unsettled > 0:
                self._settled_at.update({each: self._book.last_seen(each) for each in unknown})

    async def _recall_newest(self, translations: Iterable[Translation]) -> None:
        newest = self._shipping.newest
        unknown = newest.unknown(update for done in translations for update in done.entities)
        while unknown:
            try:
                await newest.recall(unknown)
            except BrokerError as error:
                if self.state.broker_error is None:
                    log.warning("bridge.broker_away", error=str(error))
                self.state.broker_error = str(error)
                await asyncio.sleep(_RETRY_S)
            else:
                return

    # Settling

    async def _commit_forever(self) -> None:
        while True:
            await self._settled.wait()
            self._settled.clear()
            await self.patiently(self._commit_settled)
            await self._make_room()
            await asyncio.sleep(_COMMIT_EVERY_S)

    def _finish(self, ticket: Ticket) -> None:
        """All of a batch has arrived."""
        self._finished.append(ticket)
        self._settled.set()

    async def _make_room(self) -> None:
        """Let others follow; what cannot be committed yet, since a batch before it waits, is kept small."""
        finished, self._finished = self._finished, []
        for ticket in finished:
            self._messages -= ticket.count
            self._bytes -= ticket.size
            if not ticket.committed:
                ticket.shrink()
        async with self._room:
            self._room.notify_all()

    async def _commit_settled(self) -> None:
        ready: list[Ticket] = []
        for ticket in self._tickets:
            if ticket.waiting:
                break
            ready.append(ticket)
        if not ready:
            return
        began = time.perf_counter()
        await self._journal.settle(
            self._settings.consumer,
            ready[-1].position,
            [ticket.settle() for ticket in ready],
            [letter for ticket in ready for letter in ticket.dead_letters()],
        )
        self.state.commit_seconds.add(time.perf_counter() - began)
        for ticket in ready:
            self._tickets.popleft()
            ticket.note_activity(self._book, self._counted)
            ticket.committed = True
            self._uncommitted -= ticket.count
        self._booked = ready[-1].position

    async def _save_forever(self) -> None:
        """Save the book of devices: soon where few have changed, seldom where many have."""
        waited = 0.0
        while True:
            await asyncio.sleep(1.0)
            waited += 1.0
            if waited >= min(self._book.changed / _SAVED_A_SECOND, _SAVE_WITHIN_S):
                waited = 0.0
                await self.patiently(self._save)

    async def _save(self) -> None:
        position, changes = self._booked, self._book.take_changes()
        if position is None or not changes:
            return
        for device_id in self._counted.known(changes):
            one = changes[device_id]
            changes[device_id] = replace(one, hours=one.hours + self._counted.pack(device_id))
        try:
            await self._journal.save_activity(self._settings.consumer, position, changes)
        except StoreError:
            self._book.put_back(changes)
            raise

    async def patiently(self, work: Callable[[], Awaitable[_T]]) -> _T:
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


def _upto(batch: Batch, seq: int) -> Batch:
    """Return the batch without what is behind the message `seq`."""
    if batch.last <= seq:
        return batch
    replays = {number: letter for number, letter in batch.replays.items() if number <= seq}
    messages = batch.messages[: seq + 1 - batch.first]
    return Batch(day=batch.day, first=batch.first, messages=messages, replays=replays)


def _parts(batch: Batch, size: int) -> Iterator[Batch]:
    """Cut a batch into some of at most so many messages."""
    while len(batch) > size:
        part = _upto(batch, batch.first + size - 1)
        yield part
        batch = batch.behind(part.last)
    yield batch
