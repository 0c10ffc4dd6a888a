# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The one way in which entities are changed: read and lock, apply, write, match, in one transaction.

A batch of any size takes the same handful of statements, for each time that one of its entities occurs in it.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import asyncpg
import structlog

from broker.embedded import store
from broker.embedded.geo import moved
from broker.embedded.history import UnpreparedError, before_of, entry_of
from broker.embedded.lifetimes import is_transient
from broker.embedded.merging import Changes, drop_expired, now
from broker.embedded.problems import NotFoundError, ProblemError
from broker.embedded.snapshots import Write, deletion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from broker.embedded.delivery import Delivery
    from broker.embedded.history import Before, Entry, History
    from broker.embedded.merging import Stored
    from broker.embedded.notifications import Matcher, QueueKey
    from broker.embedded.selection import Selection
    from store.postgres import Connection, Pool

log = structlog.get_logger(__name__)

Apply: TypeAlias = "Callable[[Stored | None, datetime], tuple[Stored, Changes]]"

_ATTEMPTS = 5
_CAREFUL_SECONDS = 60.0  # in which more is expected to be in history already, once something was


class Step(NamedTuple):
    """What is to be done to one entity.

    Attributes:
        apply: takes the entity as it is (None: there is none) and the present, and returns it as it
            will be, with what changed; or raises a ProblemError and changes nothing. It may be
            called again, with the entity as somebody else has left it meanwhile.
    """

    entity_id: str
    apply: Apply


class Writer:
    """Changes entities, records their history and queues the notifications that follow.

    Args:
        pool: connections to the broker's database.
        matcher: knows who is to be told.
        delivery: tells them.
        history: records every change; None records nothing.
    """

    def __init__(self, pool: Pool, matcher: Matcher, delivery: Delivery, history: History | None) -> None:
        self._pool = pool
        self._matcher = matcher
        self._delivery = delivery
        self._history = history
        self._careful_until: dict[str, float] = {}  # by tenant, by the clock that only goes on

    async def write(
        self, tenant: str, steps: Sequence[Step], *, create_tenant: bool = False
    ) -> list[Changes | ProblemError]:
        """Do every step that can be done, in order, and return what came of each.

        What is done to one entity in several steps is told of in as many notifications (clause 5.5.11.3).

        Raises:
            NonexistentTenantError: there is no such tenant, and it was not to be created.
        """
        began = time.monotonic()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    version = await store.subscriptions_version(connection, tenant, create=create_tenant)
                    results: dict[int, Changes | ProblemError] = {}
                    queued: set[QueueKey] = set()
                    moment: datetime | None = None
                    for numbers in _rounds(steps):
                        done, written, entries, moment = await _apply_all(
                            connection,
                            tenant,
                            [steps[number] for number in numbers],
                            record=self._history is not None,
                            moment=moment,
                        )
                        results.update(zip(numbers, done, strict=True))
                        if self._history is not None:
                            careful = attempt > 1 or began < self._careful_until.get(tenant, began)
                            await self._history.record(connection, tenant, entries, moment, careful=careful)
                        queued |= await self._matcher.publish(connection, tenant, version, written)
            except (
                asyncpg.DeadlockDetectedError,
                asyncpg.SerializationError,
                asyncpg.UniqueViolationError,
            ) as error:
                if attempt == _ATTEMPTS:
                    raise
                if isinstance(error, asyncpg.UniqueViolationError):  # somebody sends what was sent before
                    self._careful_until[tenant] = time.monotonic() + _CAREFUL_SECONDS
                log.info("entities.write_repeated", attempt=attempt)
            except UnpreparedError as error:
                if attempt == _ATTEMPTS or self._history is None:
                    raise
                await self._history.prepare(error)
            else:
                break
        self._delivery.wake(queued)
        return [results[number] for number in range(len(steps))]

    async def write_one(self, tenant: str, step: Step, *, create_tenant: bool = False) -> Changes:
        """Do one step.

        Raises:
            ProblemError: it cannot be done.
        """
        (result,) = await self.write(tenant, [step], create_tenant=create_tenant)
        if isinstance(result, ProblemError):
            raise result
        return result

    async def delete(self, tenant: str, ids: Sequence[str], *, expired: bool = False) -> set[str]:
        """Remove entities and return the ids of those that were there, and had not expired (clause 4.22).

        Args:
            tenant: whose entities they are.
            ids: which ones.
            expired: whether only those go that have expired by now.

        Raises:
            NonexistentTenantError: there is no such tenant.
        """
        for _ in range(_ATTEMPTS):
            try:
                return await self._delete(tenant, ids, expired=expired)
            except UnpreparedError as error:
                if self._history is None:
                    raise
                await self._history.prepare(error)
        return await self._delete(tenant, ids, expired=expired)

    async def _delete(self, tenant: str, ids: Sequence[str], *, expired: bool) -> set[str]:
        async with self._pool.acquire() as connection, connection.transaction():
            version = await store.subscriptions_version(connection, tenant, create=tenant == "")
            # in the order of the ids, like every writer
            found = await store.lock(connection, tenant, ids)
            moment = now()
            if expired:
                ids = sorted(_expired(found, moment))
                found = {entity_id: found[entity_id] for entity_id in ids}
            if self._history is not None and found:
                await self._history.delete(connection, tenant, list(found.values()), moment)
            gone = [deletion(entity) for entity in found.values()]
            queued = await self._matcher.publish(connection, tenant, version, gone)
            deleted = await store.delete(connection, tenant, ids)
        self._delivery.wake(queued)
        return deleted - _expired(found, moment)


def existing(
    change: Callable[[Stored, datetime], Changes], entity_id: str, types: Selection | None = None
) -> Step:
    """Return a step that changes an entity and fails where there is none, or none of these types."""

    def apply(stored: Stored | None, moment: datetime) -> tuple[Stored, Changes]:
        if stored is None:
            raise NotFoundError(detail=f"there is no entity {entity_id}")
        if types is not None and not types.matches(stored.types):
            raise NotFoundError(detail=f"there is no entity {entity_id} of this type")
        return stored, change(stored, moment)

    return Step(entity_id=entity_id, apply=apply)


def _rounds(steps: Sequence[Step]) -> list[list[int]]:
    """Return the steps by their numbers: the first for each entity, then the second of each, and so on."""
    if len({step.entity_id for step in steps}) == len(steps):
        return [list(range(len(steps)))]
    rounds: list[list[int]] = []
    seen: Counter[str] = Counter()
    for number, step in enumerate(steps):
        if seen[step.entity_id] == len(rounds):
            rounds.append([])
        rounds[seen[step.entity_id]].append(number)
        seen[step.entity_id] += 1
    return rounds


async def _apply_all(
    connection: Connection,
    tenant: str,
    steps: Sequence[Step],
    *,
    record: bool,
    moment: datetime | None = None,
) -> tuple[list[Changes | ProblemError], list[Write], list[Entry], datetime]:
    """Apply the steps and write what they changed; return what came of each, what history gets, and when.

    Somebody else may create an entity between our reading and our writing it. Then the steps
    for that entity are applied once more, to what is there now, and locked this time. A moment is
    given to steps that go on with a batch: all of it is of one moment (clause 5.5.11.0).
    """
    given = moment
    results: dict[int, Changes | ProblemError] = {}
    effects: dict[int, Changes] = {}  # what they did, and what had expired
    entries: dict[int, Entry] = {}
    entities: dict[str, Stored] = {}
    befores: dict[str, Before | None] = {}
    pending = list(enumerate(steps))
    moment = now()
    while pending:
        locked = await store.lock(connection, tenant, {step.entity_id for _, step in pending})
        moment = given or now()  # not before it is our turn: of two writers the later has the later moment
        entities.update(await _unexpired(connection, tenant, locked, moment))
        known = set(entities)
        changed, remade = set(), set()
        for number, step in pending:
            stored = entities.get(step.entity_id)
            before = before_of(stored)
            befores.setdefault(step.entity_id, before)
            # what has expired is not there, swept up or not (clause 4.22)
            gone = drop_expired(stored, moment) if stored is not None and is_transient(stored) else None
            try:
                after, changes = step.apply(stored, moment)
            except ProblemError as error:
                results[number] = error
                entries.pop(number, None)
                effects.pop(number, None)
                continue
            results[number] = changes
            entities[step.entity_id] = after
            changes = effects[number] = changes if gone is None else gone.then(changes)
            if changes.any:
                changed.add(step.entity_id)
                if changes.other or (before and moved(before.attributes, after.attributes)):
                    remade.add(step.entity_id)
                if record:
                    entries[number] = entry_of(before, after, changes, moment)
        fresh = [entities[entity_id] for entity_id in changed - known]
        inserted = await store.insert(connection, tenant, fresh) if fresh else set()
        if remade & known:
            await store.overwrite(connection, tenant, [entities[each] for each in remade & known])
        if changed & known - remade:
            refreshed = [entities[each] for each in (changed & known) - remade]
            await store.refresh(connection, tenant, refreshed, moment)
        clashed = changed - known - inserted
        for entity_id in clashed:
            del entities[entity_id], befores[entity_id]
        pending = [(number, step) for number, step in pending if step.entity_id in clashed]
    ordered = [results[number] for number in range(len(steps))]
    written = _written(steps, effects, entities, befores)
    return ordered, written, [entries[number] for number in sorted(entries)], moment


async def _unexpired(
    connection: Connection, tenant: str, found: dict[str, Stored], moment: datetime
) -> dict[str, Stored]:
    """Return entities that are locked without what has expired, which is not there any more (clause 4.22)."""
    expired = _expired(found, moment)
    if expired:
        await store.delete(connection, tenant, expired)
        for key in expired:
            del found[key]
    return found


def _expired(found: Mapping[str, Stored], moment: datetime) -> set[str]:
    return {key for key, each in found.items() if each.expires_at is not None and each.expires_at <= moment}


def _written(
    steps: Sequence[Step],
    effects: Mapping[int, Changes],
    entities: Mapping[str, Stored],
    befores: Mapping[str, Before | None],
) -> list[Write]:
    """Return each entity that changed once, with all that changed."""
    changed: dict[str, Changes] = {}
    for number, step in enumerate(steps):
        effect = effects.get(number)
        if effect is not None and effect.any:
            before = changed.get(step.entity_id)
            changed[step.entity_id] = effect if before is None else before.then(effect)
    return [
        Write(
            entity=entities[entity_id],
            changes=changes,
            before={} if (known := befores[entity_id]) is None else known.attributes,
        )
        for entity_id, changes in changed.items()
    ]
