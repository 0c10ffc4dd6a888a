# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Who is to be told of a change (CIM 009, clause 5.8.6).

A change is matched in the transaction that makes it, and what is to be sent is queued in the
same transaction: what the broker confirmed, it also tells. `delivery.py` sends it. Subscriptions
are kept in memory by the entities and types they are about, so that a change costs what concerns
it; q is decided in memory too, and SQL is asked for what only it can say: linked entities, and
patterns that it was not asked about before.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson
import structlog

from broker.embedded import store
from broker.embedded.filters import Filter
from broker.embedded.merging import now
from broker.embedded.patterns import Patterns
from broker.embedded.problems import ProblemError
from broker.embedded.query_in_memory import meets
from broker.embedded.snapshots import snapshot
from broker.embedded.store import SQL
from broker.embedded.subscription_index import SubscriptionIndex
from broker.embedded.subscriptions import Remembered, Subscription, compile_subscription

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from broker.embedded.snapshots import Write
    from broker.embedded.subscriptions import Selector
    from store.postgres import Connection

log = structlog.get_logger(__name__)

Sorted: TypeAlias = "dict[str, tuple[Subscription, dict[int, Write]]]"
QueueKey: TypeAlias = tuple[str, str]  # tenant, subscription's id: what is queued for one is kept in order


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A subscription in memory: compiled, and what its document said.

    Attributes:
        context: the @context that its notifications are written with.
        link: the address of that @context.
    """

    subscription: Subscription
    context: Any
    link: str | None


class _Kept:
    """A tenant's subscriptions in memory.

    Attributes:
        reading: held while they are read, so that of writers who see them changed one reads for all.
        version: the one that `index` is of.
        compiled: what was made of each row, by what the row says.
    """

    def __init__(self) -> None:
        self.reading = asyncio.Lock()
        self.version: int | None = None
        self.index = SubscriptionIndex(())
        self.compiled: dict[tuple[str, str, str], Known | None] = {}


class Matcher:
    """Keeps the tenants' subscriptions in memory and matches changes against them."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = defaultdict(_Kept)
        self._patterns = Patterns()

    async def publish(
        self, connection: Connection, tenant: str, version: int, written: Sequence[Write]
    ) -> set[QueueKey]:
        """Queue the notifications that a transaction's changes call for.

        Where entities are to be removed, they still are there while this is asked.

        Args:
            connection: the one with the transaction.
            tenant: whose entities were written.
            version: the version of the tenant's subscriptions.
            written: what was written, in order.

        Returns:
            The subscriptions that have something to be delivered now.
        """
        known = await self._of(connection, tenant, version)
        if not known or not written:
            return set()
        moment = now()
        concerned = [
            (subscription, number, write)
            for number, write in enumerate(written)
            for subscription in known.about(write)
            if subscription.active(moment) and _triggered(subscription, write)
        ]
        matched, unsure = self._sorted(concerned)
        if await self._patterns.learn(connection):
            matched, unsure = self._sorted(concerned)
        for key, (subscription, writes) in unsure.items():
            confirmed = await _confirmed(connection, tenant, subscription, writes)
            if confirmed:
                matched.setdefault(key, (subscription, {}))[1].update(confirmed)
        if not matched:
            return set()
        subscriptions = [subscription for subscription, _ in matched.values()]
        allowed = await _unthrottled(connection, tenant, subscriptions, moment)
        due = {
            key: (subscription, [writes[number] for number in sorted(writes)])
            for key, (subscription, writes) in matched.items()
            if key in allowed
        }
        if due:
            await add_notifications(connection, tenant, due, moment)
        return {(tenant, key) for key in due}

    def _sorted(self, concerned: Iterable[tuple[Subscription, int, Write]]) -> tuple[Sorted, Sorted]:
        """Return, by subscription, the changes that each is about, and those of which only SQL can say."""
        matched: Sorted = {}
        unsure: Sorted = {}
        for subscription, number, write in concerned:
            decided = _decided(subscription, write, self._patterns)
            if decided is not False:
                into = unsure if decided is None else matched
                into.setdefault(subscription.id, (subscription, {}))[1][number] = write
        return matched, unsure

    async def _of(self, connection: Connection, tenant: str, version: int) -> SubscriptionIndex:
        """Return a tenant's subscriptions, read again if they have changed."""
        kept = self._kept[tenant]
        if kept.version == version:
            return kept.index
        async with kept.reading:
            if kept.version == version:
                return kept.index
            rows = await connection.fetch(SQL["read_subscriptions"], tenant, None)
            before, kept.compiled = kept.compiled, {}
            for row in rows:
                said = row["id"], row["doc"], row["context"]
                kept.compiled[said] = before[said] if said in before else read_known(row)
            known = [each for each in kept.compiled.values() if each is not None]
            kept.index = SubscriptionIndex(each.subscription for each in known)
            kept.version = version
            return kept.index


async def add_notifications(
    connection: Connection,
    tenant: str,
    due: Mapping[str, tuple[Subscription, Sequence[Write]]],
    moment: datetime,
) -> None:
    """Queue one notification for each of some subscriptions."""
    await connection.execute(
        SQL["add_notifications"],
        tenant,
        list(due),
        [subscription.notification.endpoint.destination for subscription, _ in due.values()],
        moment,
        [snapshot(writes, subscription, moment) for subscription, writes in due.values()],
    )


def read_known(row: Any) -> Known | None:
    """Compile a stored subscription; None, and a warning, if this version cannot read it."""
    doc, context = orjson.loads(row["doc"]), orjson.loads(row["context"])
    try:
        subscription = compile_subscription(doc, Remembered(context["names"]))
    except ProblemError as error:
        log.warning("subscription.unreadable", subscription=row["id"], reason=error.detail)
        return None
    link = doc.get("jsonldContext", context.get("url"))
    return Known(subscription=subscription, context=context["shown"], link=link)


def _triggered(subscription: Subscription, write: Write) -> bool:
    """Say whether a change is of a kind that is to be notified of."""
    triggers, updates, watched = subscription.triggers, subscription.updates, subscription.watched
    if write.deleted:
        if "entityDeleted" in triggers:
            return True
        # with the entity go its attributes, but that is no update of the entity
        lost = "attributeDeleted" in triggers
        return lost and (watched is None or not watched.isdisjoint(write.entity.attributes))
    changes = write.changes
    if changes.entity_created:  # which is no update of the entity, so entityUpdated does not count
        return "entityCreated" in triggers or (
            "attributeCreated" in triggers and _touched(changes.created, watched)
        )
    return (
        ("attributeUpdated" in updates and _altered(write, watched))
        or ("attributeCreated" in updates and _touched(changes.created, watched))
        or ("attributeDeleted" in updates and _touched(write.lost, watched))
        or ("entityUpdated" in triggers and watched is None and changes.other)
    )


def _touched(names: Iterable[str], watched: frozenset[str] | None) -> bool:
    return any(watched is None or name in watched for name in names)


def _altered(write: Write, watched: frozenset[str] | None) -> bool:
    return any((watched is None or name in watched) and write.alters(name) for name in write.changes.updated)


def _decided(subscription: Subscription, write: Write, patterns: Patterns) -> bool | None:
    """Say whether an entity is one that a subscription is about; None where only SQL can say."""
    entity = write.entity
    selected: bool | None = True
    if subscription.selectors:
        found = [_selected(selector, write, patterns) for selector in subscription.selectors]
        selected = True if True in found else None if None in found else False
    if selected is False:
        return False
    if subscription.scopes is not None and not subscription.scopes.matches(entity.scopes):
        return False
    geo = subscription.geo
    if geo is not None and not geo.matches(entity.attributes.get(geo.attribute, [])):
        return False
    met = True if subscription.q is None else meets(entity, subscription.q, patterns)
    return selected if met else met


def _selected(selector: Selector, write: Write, patterns: Patterns) -> bool | None:
    if not selector.may_match(write.entity):
        return False
    if selector.id_pattern is None:
        return True
    return patterns.matches(selector.id_pattern, write.entity.id)


async def _confirmed(
    connection: Connection, tenant: str, subscription: Subscription, writes: Mapping[int, Write]
) -> dict[int, Write]:
    """Ask SQL which entities are meant, of those that may be."""
    which = subscription.filter()
    asked = Filter(any_of=which.any_of, q=which.q)
    (found,) = await store.matching(
        connection, tenant, [write.entity.id for write in writes.values()], [asked]
    )
    return {number: write for number, write in writes.items() if write.entity.id in found}


async def _unthrottled(
    connection: Connection, tenant: str, subscriptions: Sequence[Subscription], moment: datetime
) -> set[str]:
    """Return the ids of subscriptions that may notify now; a throttled one's clock starts anew."""
    throttled = sorted(
        ((each.id, each.throttling) for each in subscriptions if each.throttling is not None),
    )
    allowed = {each.id for each in subscriptions if each.throttling is None}
    if throttled:
        ids, seconds = [key for key, _ in throttled], [pause for _, pause in throttled]
        rows = await connection.fetch(SQL["claim_throttled"], tenant, ids, seconds, moment)
        allowed |= {row["id"] for row in rows}
    return allowed
