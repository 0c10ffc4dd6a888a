# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Who is to be told of a change (CIM 009, clause 5.8.6).

A change is matched in the transaction that makes it, and what is to be sent is queued in the
same transaction: what the broker confirmed, it also tells. `delivery.py` sends it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson
import structlog
from yarl import URL

from broker.embedded import store
from broker.embedded.merging import now
from broker.embedded.problems import ProblemError
from broker.embedded.store import SQL
from broker.embedded.subscriptions import Remembered, Subscription, compile_subscription

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from broker.embedded.filters import Filter
    from broker.embedded.merging import Changes, Stored
    from store.postgres import Connection

log = structlog.get_logger(__name__)

QueueKey: TypeAlias = tuple[str, str]  # tenant, subscription's id: what is queued for one is kept in order


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A subscription in memory: compiled, and what its document said.

    Attributes:
        context: the @context that its notifications are written with.
    """

    subscription: Subscription
    doc: Mapping[str, Any]
    names: Mapping[str, str]
    context: Any


class Matcher:
    """Keeps the tenants' subscriptions in memory and matches changes against them."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, dict[str, Known]]] = {}

    async def known(self, connection: Connection, tenant: str, version: int) -> dict[str, Known]:
        """Return a tenant's subscriptions by id, read again if they have changed."""
        cached = self._known.get(tenant)
        if cached is not None and cached[0] == version:
            return cached[1]
        rows = await connection.fetch(SQL["read_subscriptions"], tenant, None)
        found = {row["id"]: known for row in rows if (known := read_known(row)) is not None}
        self._known[tenant] = (version, found)
        return found

    async def publish(
        self, connection: Connection, tenant: str, version: int, written: Sequence[tuple[Stored, Changes]]
    ) -> set[QueueKey]:
        """Queue the notifications that a transaction's changes call for.

        Returns:
            The subscriptions that have something to be delivered now.
        """
        moment = now()
        matched: dict[str, list[Stored]] = {}
        for known in (await self.known(connection, tenant, version)).values():
            subscription = known.subscription
            if not subscription.active(moment):
                continue
            candidates = [entity for entity, changes in written if subscription.may_match(entity, changes)]
            if candidates:
                confirmed = await _confirmed(connection, tenant, subscription, candidates)
                if confirmed:
                    matched[subscription.id] = confirmed
        if not matched:
            return set()
        found = self._known[tenant][1]
        allowed = await _unthrottled(connection, tenant, [found[key].subscription for key in matched], moment)
        due = [key for key in matched if key in allowed]
        await connection.execute(
            SQL["add_notifications"],
            tenant,
            due,
            [destination(found[key].subscription.uri) for key in due],
            moment,
            [_snapshot(matched[key], found[key].subscription) for key in due],
        )
        return {(tenant, key) for key in due}


def read_known(row: Any) -> Known | None:
    """Compile a stored subscription; None, and a warning, if this version cannot read it."""
    doc, context = orjson.loads(row["doc"]), orjson.loads(row["context"])
    try:
        subscription = compile_subscription(doc, Remembered(context["names"]))
    except ProblemError as error:
        log.warning("subscription.unreadable", subscription=row["id"], reason=error.detail)
        return None
    return Known(subscription=subscription, doc=doc, names=context["names"], context=context["shown"])


def destination(uri: str) -> str:
    """Return scheme, host and port of an endpoint: what its server is told apart by."""
    return str(URL(uri).origin())


async def _confirmed(
    connection: Connection, tenant: str, subscription: Subscription, candidates: Sequence[Stored]
) -> list[Stored]:
    """Ask SQL for what only it can say: q and patterns of ids."""
    asked: dict[Filter, list[str]] = defaultdict(list)
    confirmed: set[str] = set()
    for entity in candidates:
        filters = subscription.filters(entity)
        if not filters:
            confirmed.add(entity.id)
        for each in filters:
            asked[each].append(entity.id)
    for each, ids in asked.items():
        (found,) = await store.matching(connection, tenant, ids, [each])
        confirmed |= found
    return [entity for entity in candidates if entity.id in confirmed]


async def _unthrottled(
    connection: Connection, tenant: str, subscriptions: Sequence[Subscription], moment: Any
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


def _snapshot(entities: Sequence[Stored], subscription: Subscription) -> str:
    """Return entities as they are now, with the attributes that the subscription shows."""
    shown = subscription.shown
    return orjson.dumps(
        [
            {
                "id": entity.id,
                "types": entity.types,
                "scopes": entity.scopes,
                "attributes": {
                    iri: instances
                    for iri, instances in entity.attributes.items()
                    if shown is None or iri in shown
                },
                "created_at": entity.created_at,
                "modified_at": entity.modified_at,
            }
            for entity in entities
        ]
    ).decode()
