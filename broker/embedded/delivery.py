# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Notifications, from the queue in PostgreSQL to the subscribers' endpoints over HTTP.

Each subscription has a worker of its own while there is something for it, so an endpoint that
fails delays no other one, not even on the same server; within a subscription the order of the
changes is kept. One server gets a few requests at a time. An attempt that fails for a passing
reason is repeated after 1, 2, 4 … seconds, up to a minute. One
process works on a database's queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import aiohttp
import asyncpg
import orjson
import structlog

from broker.embedded.contexts import as_json_ld
from broker.embedded.endpoints import ForbiddenAddressError
from broker.embedded.links import context_link
from broker.embedded.merging import Stored, now, timestamp
from broker.embedded.notifications import Known, destination, read_known
from broker.embedded.problems import ProblemError
from broker.embedded.representations import View, feature_collection, show
from broker.embedded.store import SQL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from broker.embedded.contexts import Contexts
    from broker.embedded.endpoints import AddressPolicy
    from broker.embedded.notifications import QueueKey
    from broker.embedded.subscriptions import Subscription
    from broker.embedded.terms import Context
    from store.postgres import Pool

log = structlog.get_logger(__name__)

_AT_ONCE = 20  # notifications read from the queue together
_REQUESTS = 200  # under way at a time
_REQUESTS_EACH = 4  # to one scheme, host and port
_POLL_SECONDS = 5.0
_TIMEOUT_SECONDS = 5.0
_LONGEST_TIMEOUT = 60.0
_FIRST_PAUSE = 1.0
_FAILED_PAUSE = 5.0  # before a worker that failed for a reason unforeseen is replaced
_LONGEST_PAUSE = 60.0
_MAX_ATTEMPTS = 20
_MAX_AGE = timedelta(hours=24)
_MAX_WAITING = 10_000  # notifications kept for one subscription whose endpoint does not answer
_PASSING = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)  # and every 5xx


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    """How an attempt ended: delivered, or why not, and whether to try again."""

    delivered: bool
    again: bool = False
    reason: str = ""


class Delivery:
    """Sends what is queued.

    Args:
        policy: which addresses may be connected to, checked again at each connection.
        first_pause: seconds before the first repetition.
    """

    def __init__(
        self, pool: Pool, contexts: Contexts, policy: AddressPolicy, *, first_pause: float = _FIRST_PAUSE
    ) -> None:
        self._pool = pool
        self._contexts = contexts
        self._policy = policy
        self._first_pause = first_pause
        self._wake = asyncio.Event()
        self._workers: dict[QueueKey, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(_REQUESTS)
        self._room_at: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._dispatcher: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Start sending, beginning with what an earlier process left."""
        self._session = self._policy.session(timeout=_TIMEOUT_SECONDS, connections=_REQUESTS)
        self._wake.set()
        self._dispatcher = asyncio.create_task(self._dispatch(), name="notifications")

    async def close(self) -> None:
        """Stop; what is not delivered stays in the queue."""
        tasks = [task for task in (self._dispatcher, *self._workers.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._workers.clear()
        if self._session is not None:
            await self._session.close()
            self._session = None

    def wake(self, keys: Iterable[QueueKey]) -> None:
        """Say which subscriptions something was queued for."""
        if self._session is not None:
            for key in keys:
                self._start_worker(key)

    async def _dispatch(self) -> None:
        """See that every subscription with something waiting has a worker."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _POLL_SECONDS)
            self._wake.clear()
            try:
                rows = await self._pool.fetch(SQL["waiting_subscriptions"])
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("notifications.queue_unreadable", reason=str(error))
                await asyncio.sleep(_FIRST_PAUSE)
                continue
            for row in rows:
                self._start_worker((row["tenant"], row["subscription_id"]))

    def _start_worker(self, key: QueueKey) -> None:
        if key in self._workers:
            return
        task = asyncio.create_task(self._serve(key), name=f"notifications {key[1]}")
        self._workers[key] = task

        def release() -> None:
            self._workers.pop(key, None)
            self._wake.set()  # something may have been queued while it ended

        def ended(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is None:
                release()
                return
            log.error("notifications.worker_failed", tenant=key[0], subscription=key[1], exc_info=error)
            # until then the key counts as served, so that nothing starts it anew at once
            asyncio.get_running_loop().call_later(_FAILED_PAUSE, release)

        task.add_done_callback(ended)

    async def _serve(self, key: QueueKey) -> None:
        """Deliver what waits for one subscription until nothing does."""
        pause = self._first_pause
        while True:
            try:
                rows = await self._pool.fetch(SQL["next_notifications"], *key, _AT_ONCE)
                if not rows:
                    return
                for row in rows:
                    if await self._handle(row):
                        pause = self._first_pause
                    else:
                        break
                else:
                    continue
                trimmed = await self._pool.fetchval(SQL["trim_notifications"], *key, _MAX_WAITING)
                if trimmed:
                    log.warning("notifications.trimmed", tenant=key[0], subscription=key[1], lost=trimmed)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("notifications.queue_unreadable", reason=str(error))
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)

    async def _handle(self, row: asyncpg.Record) -> bool:
        """Attempt one notification; False if the same one has to be attempted again later."""
        found = await self._pool.fetchrow(SQL["read_subscriptions"], row["tenant"], row["subscription_id"])
        known = None if found is None else read_known(found)
        if known is None:
            # deleted meanwhile, and the notification with it; or this version cannot read it
            await self._pool.execute(SQL["finish_notification"], row["number"], False, now())  # noqa: FBT003 - SQL
            return True
        try:
            outcome = await self._attempt(row, known)
        except Exception as error:
            log.exception("notification.failed", subscription=known.subscription.id)
            outcome = _Outcome(delivered=False, again=True, reason=str(error))
        bound = log.bind(subscription=known.subscription.id, uri=known.subscription.uri, tenant=row["tenant"])
        moment = now()
        late = row["attempts"] + 1 >= _MAX_ATTEMPTS or moment - row["notified_at"] > _MAX_AGE
        if outcome.delivered or not outcome.again or late:
            await self._pool.execute(SQL["finish_notification"], row["number"], outcome.delivered, moment)
            if outcome.delivered:
                bound.debug("notification.delivered")
            else:
                bound.warning("notification.lost", reason=outcome.reason)
            return True
        await self._pool.execute(SQL["postpone_notification"], row["number"], moment)
        bound.info("notification.postponed", reason=outcome.reason, attempts=row["attempts"] + 1)
        return False

    async def _attempt(self, row: asyncpg.Record, known: Known) -> _Outcome:
        subscription = known.subscription
        try:
            context = await self._contexts.resolve(known.context)
            self._policy.check_literal(subscription.uri)
        except ProblemError as error:
            return _Outcome(delivered=False, again=True, reason=error.detail)
        except ForbiddenAddressError as error:
            return _Outcome(delivered=False, reason=str(error))
        body, headers = _rendered(row, known, context)
        server = destination(subscription.uri)
        room = self._room_at.setdefault(server, asyncio.Semaphore(_REQUESTS_EACH))
        async with room, self._room:  # in this order: who waits for a slow server takes no other's place
            return await self._post(subscription, orjson.dumps(body), headers)

    async def _post(self, subscription: Subscription, body: bytes, headers: Mapping[str, str]) -> _Outcome:
        if self._session is None:
            return _Outcome(delivered=False, again=True, reason="the broker is stopping")
        seconds = min(_LONGEST_TIMEOUT, subscription.timeout or _TIMEOUT_SECONDS)
        try:
            async with self._session.post(
                subscription.uri,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as response:
                await response.content.read(1024)
                return _judged(response.status)
        except TimeoutError:
            return _Outcome(delivered=False, again=True, reason=f"no answer in {seconds:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _Outcome(delivered=False, again=True, reason=str(error))


def _judged(status: int) -> _Outcome:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _Outcome(delivered=True)
    again = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING
    return _Outcome(delivered=False, again=again, reason=f"the receiver answers {status}")


def _rendered(row: asyncpg.Record, known: Known, context: Context) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a notification's body and headers (clauses 5.3.1 and 6.3.8)."""
    subscription = known.subscription
    view = View(context=context, form=subscription.form, system=subscription.system)
    entities = [_entity(item) for item in orjson.loads(row["entities"])]
    linked = {"@context": as_json_ld(context)} if subscription.accept == "application/ld+json" else {}
    data: Any = [{**show(entity, view), **linked} for entity in entities]
    if subscription.accept == "application/geo+json":
        data = feature_collection(entities, view)
    body = {
        "id": f"urn:ngsi-ld:Notification:{uuid.uuid4()}",
        "type": "Notification",
        "subscriptionId": subscription.id,
        "notifiedAt": timestamp(row["notified_at"]),
        "data": data,
        **linked,
    }
    headers = {**dict(subscription.headers), "Content-Type": subscription.accept}
    if row["tenant"]:
        headers["NGSILD-Tenant"] = row["tenant"]
    if not linked:
        headers["Link"] = context_link(known.doc.get("jsonldContext") or context.url)
    return body, headers


def _entity(item: dict[str, Any]) -> Stored:
    return Stored(
        id=item["id"],
        types=item["types"],
        scopes=item["scopes"],
        attributes=item["attributes"],
        created_at=datetime.fromisoformat(item["created_at"]),
        modified_at=datetime.fromisoformat(item["modified_at"]),
    )
