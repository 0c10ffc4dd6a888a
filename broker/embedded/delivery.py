# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Notifications, from the queue in PostgreSQL to the subscribers' endpoints over HTTP and MQTT.

Each subscription has a worker of its own while there is something for it, so an endpoint that
fails delays no other one, not even on the same server; within a subscription the order of the
changes is kept. One server gets a few requests at a time. An attempt that fails for a passing
reason is repeated after 1, 2, 4 … seconds, up to a minute, with the same notification id; a
receiver that comes back gets all that it missed, in order, but for what was due in the cooldown that
its subscriber asked for, or while the subscription was paused. What is older than `keep`, or more than
the newest `most` of a subscription, is given up, the oldest first, and the log says how many. One
process works on a database's queue.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import aiohttp
import orjson
import structlog
from zmqtt import MQTTError

from broker.embedded.endpoints import ForbiddenAddressError
from broker.embedded.merging import now
from broker.embedded.mqtt_delivery import MqttLine
from broker.embedded.notification_bodies import compose
from broker.embedded.notifications import read_known
from broker.embedded.periodic import Periodic
from broker.embedded.problems import ProblemError
from broker.embedded.store import SQL, EntityReader
from store.postgres import AWAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    import asyncpg

    from broker.embedded.contexts import Contexts
    from broker.embedded.endpoints import AddressPolicy
    from broker.embedded.notification_bodies import Message
    from broker.embedded.notification_params import Endpoint
    from broker.embedded.notifications import Known, QueueKey
    from store.postgres import Pool

log = structlog.get_logger(__name__)

DEFAULT_KEEP = timedelta(hours=24)
DEFAULT_MOST = 10_000

_AT_ONCE = 20  # notifications read from the queue together
_REQUESTS = 200  # under way at a time
_REQUESTS_EACH = 4  # to one scheme, host and port
_POLL_SECONDS = 5.0
_COUNTED_WITHIN = 0.2  # seconds that who asks for a subscription waits at most for an answer of its receiver
_TIMEOUT_SECONDS = 5.0
_LONGEST_TIMEOUT = 60.0
_FIRST_PAUSE = 1.0
_CLOSING_SECONDS = 5.0  # before a task that was told to end is told again
_FAILED_PAUSE = 5.0  # before a worker that failed for a reason unforeseen is replaced
_LONGEST_PAUSE = 60.0
_LONGEST_COOLDOWN = 3600.0
_PASSING = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)  # and every 5xx


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    """How an attempt ended: delivered, or why not, and whether to try again."""

    delivered: bool
    again: bool = False
    reason: str = ""


@dataclass(kw_only=True, slots=True)
class _Work:
    """What a worker keeps from one notification to the next.

    Attributes:
        changed: what the subscription's row says of itself; whether it has to be compiled anew.
        created_at: when the subscription was created; under its id there may be another now.
        failed_at: when the last attempt that failed was made.
    """

    line: MqttLine
    changed: object = None
    known: Known | None = None
    created_at: datetime | None = None
    failed_at: datetime | None = None

    def rests_until(self) -> datetime | None:
        """Return the end of the cooldown after the last failure (5.2.15); None if there is none."""
        asked = None if self.known is None else self.known.subscription.notification.endpoint.cooldown
        if self.failed_at is None or asked is None:
            return None
        return self.failed_at + timedelta(seconds=min(_LONGEST_COOLDOWN, asked))

    def passed_over(self, row: asyncpg.Record) -> str | None:
        """Return why a notification is not to be sent (5.2.15 and 5.8.6); None: it is."""
        until, failed_at = self.rests_until(), self.failed_at
        if until is not None and failed_at is not None and failed_at <= row["notified_at"] < until:
            return "cooldown"
        if self.known is not None and not self.known.subscription.active(now()):
            return "paused or expired"
        return None


class Delivery:
    """Sends what is queued.

    Args:
        pool: connections to the broker's database.
        contexts: the @contexts that notifications are written with.
        policy: which addresses may be connected to, checked again at each connection.
        first_pause: seconds before the first repetition.
        keep: how long a notification is tried.
        most: notifications kept for one subscription whose endpoint does not answer.
    """

    def __init__(
        self,
        pool: Pool,
        contexts: Contexts,
        policy: AddressPolicy,
        *,
        first_pause: float = _FIRST_PAUSE,
        keep: timedelta = DEFAULT_KEEP,
        most: int = DEFAULT_MOST,
    ) -> None:
        self._pool = pool
        self._contexts = contexts
        self._policy = policy
        self._first_pause = first_pause
        self._keep = keep
        self._most = most
        self._reader = EntityReader(pool)
        self._periodic = Periodic(pool, self._reader, self.wake)
        self._wake = asyncio.Event()
        self._workers: dict[QueueKey, asyncio.Task[None]] = {}
        self._on_the_way: dict[QueueKey, asyncio.Future[None]] = {}
        self._resting: dict[QueueKey, asyncio.Event] = {}
        self._room = asyncio.Semaphore(_REQUESTS)
        self._room_at: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._dispatcher: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Start sending, beginning with what an earlier process left."""
        self._session = self._policy.session(timeout=_TIMEOUT_SECONDS, connections=_REQUESTS)
        self._wake.set()
        self._dispatcher = asyncio.create_task(self._dispatch(), name="notifications")
        self._periodic.start()

    async def close(self) -> None:
        """Stop; what is not delivered stays in the queue."""
        session, self._session = self._session, None  # from here on no worker is started
        await self._periodic.close()
        tasks = [task for task in (self._dispatcher, *self._workers.values()) if task is not None]
        while pending := [task for task in tasks if not task.done()]:
            for task in pending:
                task.cancel()
            # a library may let a cancellation go by that meets the end of what it waits for
            await asyncio.wait(pending, timeout=_CLOSING_SECONDS)
        self._workers.clear()
        if session is not None:
            await session.close()

    def wake(self, keys: Iterable[QueueKey]) -> None:
        """Say which subscriptions something was queued for."""
        if self._session is not None:
            for key in keys:
                self._start_worker(key)

    async def counted(self, key: QueueKey) -> None:
        """Wait a moment for what comes of a notification that is on its way: who has it may ask at once."""
        if key in self._on_the_way:
            await asyncio.wait([self._on_the_way[key]], timeout=_COUNTED_WITHIN)

    def changed(self, key: QueueKey) -> None:
        """Say that a subscription was changed or deleted: what waits for it waits no longer."""
        if key in self._resting:
            self._resting[key].set()

    def look_at_the_clock(self) -> None:
        """Say that a subscription with a timeInterval was added or changed."""
        self._periodic.wake()

    async def _dispatch(self) -> None:
        """See that every subscription with something waiting has a worker."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):  # wait_for would now and then swallow a cancel()
                    await self._wake.wait()
            self._wake.clear()
            try:
                rows = await self._pool.fetch(SQL["waiting_subscriptions"])
            except AWAY as error:
                log.warning("notifications.queue_unreadable", reason=str(error))
                await asyncio.sleep(_FIRST_PAUSE)
                continue
            self.wake((row["tenant"], row["subscription_id"]) for row in rows)

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
        work = _Work(line=MqttLine(self._policy))
        try:
            pause = self._first_pause
            while True:
                try:
                    rows = await self._pool.fetch(SQL["next_notifications"], *key, _AT_ONCE)
                    if not rows:
                        return
                    for row in rows:
                        with self._sending(key):
                            done = await self._handle(row, work)
                        if not done:
                            break
                        pause = self._first_pause
                    else:
                        continue
                    await self._give_up(key)
                except AWAY as error:
                    log.warning("notifications.queue_unreadable", reason=str(error))
                await self._rest(key, work, pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
        finally:
            await work.line.close()

    async def _rest(self, key: QueueKey, work: _Work, pause: float) -> None:
        """Wait before the next attempt, and for the end of a cooldown; what came in that is dropped."""
        until = work.rests_until()
        seconds = pause if until is None else max(pause, (until - now()).total_seconds())
        changed = self._resting[key] = asyncio.Event()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await changed.wait()
        finally:
            del self._resting[key]
        if until is None or now() < until:
            return
        try:
            dropped = await self._pool.fetchval(SQL["drop_notifications"], *key, work.failed_at, until)
        except AWAY as error:
            log.warning("notifications.queue_unreadable", reason=str(error))
            return
        if dropped:
            log.info("notifications.passed_over", subscription=key[1], reason="cooldown", number=dropped)

    @contextlib.contextmanager
    def _sending(self, key: QueueKey) -> Iterator[None]:
        """Let be known that a notification is on its way."""
        came = self._on_the_way[key] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            del self._on_the_way[key]
            came.set_result(None)

    async def _give_up(self, key: QueueKey) -> None:
        """Drop what is too old or too much."""
        lost = await self._pool.fetchval(SQL["trim_notifications"], *key, self._most, now() - self._keep)
        if lost:
            log.warning("notifications.trimmed", tenant=key[0], subscription=key[1], lost=lost)

    async def _handle(self, row: asyncpg.Record, work: _Work) -> bool:
        """Attempt one notification; False if the same one has to be attempted again later."""
        known = await self._known(row, work)
        if known is None:
            # deleted meanwhile, and the notification with it; or this version cannot read it
            await self._pool.execute(SQL["finish_notification"], row["number"], False, now())  # noqa: FBT003 - SQL
            return True
        if (reason := work.passed_over(row)) is not None:
            await self._pool.execute(SQL["drop_notification"], row["number"])
            log.info(
                "notifications.passed_over", subscription=row["subscription_id"], reason=reason, number=1
            )
            return True
        if (until := work.rests_until()) is not None and now() < until:
            return False
        endpoint = known.subscription.notification.endpoint
        try:
            outcome = await self._attempt(row, known, work.line)
        except Exception as error:
            log.exception("notification.failed", subscription=known.subscription.id)
            outcome = _Outcome(delivered=False, again=True, reason=str(error))
        bound = log.bind(
            subscription=known.subscription.id, destination=endpoint.destination, tenant=row["tenant"]
        )
        moment = now()
        if not outcome.delivered:
            work.failed_at = moment
        if outcome.delivered or not outcome.again:
            await self._pool.execute(SQL["finish_notification"], row["number"], outcome.delivered, moment)
            if outcome.delivered:
                bound.debug("notification.delivered")
            else:
                bound.warning("notification.lost", reason=outcome.reason)
            return True
        await self._pool.execute(SQL["postpone_notification"], row["number"], moment)
        bound.info("notification.postponed", reason=outcome.reason, attempts=row["attempts"] + 1)
        return False

    async def _known(self, row: asyncpg.Record, work: _Work) -> Known | None:
        """Return the subscription as it is now; compiled anew only where it has changed."""
        found = await self._pool.fetchrow(SQL["read_subscriptions"], row["tenant"], row["subscription_id"])
        if found is None:
            return None
        if work.created_at != found["created_at"]:
            work.created_at, work.failed_at = found["created_at"], None
        changed = (found["modified_at"], found["doc"])
        if work.changed != changed:
            work.known, work.changed = read_known(found), changed
        failure, success = found["last_failure"], found["last_success"]
        if failure is not None and (success is None or failure > success):
            work.failed_at = failure
        return work.known

    async def _attempt(self, row: asyncpg.Record, known: Known, line: MqttLine) -> _Outcome:
        endpoint = known.subscription.notification.endpoint
        try:
            context = await self._contexts.resolve(known.context)
            self._policy.check_literal(endpoint.uri)
            message = await compose(row, known, context, self._reader)
        except ProblemError as error:
            return _Outcome(delivered=False, again=True, reason=error.detail)
        except ForbiddenAddressError as error:
            return _Outcome(delivered=False, reason=str(error))
        room = self._room_at.setdefault(endpoint.destination, asyncio.Semaphore(_REQUESTS_EACH))
        async with room, self._room:  # in this order: who waits for a slow server takes no other's place
            if endpoint.mqtt is not None:
                return await _publish(line, endpoint, message)
            return await self._post(endpoint, message)

    async def _post(self, endpoint: Endpoint, message: Message) -> _Outcome:
        if self._session is None:
            return _Outcome(delivered=False, again=True, reason="the broker is stopping")
        seconds = _timeout(endpoint)
        try:
            async with self._session.post(
                endpoint.uri,
                data=orjson.dumps(message.body),
                headers=message.headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as response:
                await response.content.read(1024)
                return _judged(response.status)
        except TimeoutError:
            return _Outcome(delivered=False, again=True, reason=f"no answer in {seconds:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _Outcome(delivered=False, again=True, reason=str(error))


async def _publish(line: MqttLine, endpoint: Endpoint, message: Message) -> _Outcome:
    seconds = _timeout(endpoint)
    if endpoint.mqtt is None:
        return _Outcome(delivered=False, reason="the endpoint is no MQTT broker")
    try:
        async with asyncio.timeout(seconds):
            await line.send(endpoint.mqtt, message)
    except ForbiddenAddressError as error:
        return _Outcome(delivered=False, reason=str(error))
    except TimeoutError:
        return _Outcome(delivered=False, again=True, reason=f"no answer in {seconds:g} s")
    except (MQTTError, OSError, ValueError) as error:
        return _Outcome(delivered=False, again=True, reason=str(error))
    return _Outcome(delivered=True)


def _timeout(endpoint: Endpoint) -> float:
    return min(_LONGEST_TIMEOUT, endpoint.timeout or _TIMEOUT_SECONDS)


def _judged(status: int) -> _Outcome:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _Outcome(delivered=True)
    again = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING
    return _Outcome(delivered=False, again=again, reason=f"the receiver answers {status}")
