# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From the city's entities to what is published: the one way into the tenants that readers see.

Changes come as notifications of the broker's subscriptions; a look at everything, now and then, finds
what was missed or is gone. What was observed while the portal was away, and what arrives late, is taken
from the broker's history. Nothing is kept here that could not be read again, but for how far it got.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from broker.client import (
    AlreadyExistsError,
    BrokerRefusalError,
    NgsiLdError,
    NotFoundError,
    NotSupportedError,
)
from models.values import rfc3339
from portal.notes import Notes, fingerprint
from portal.privacy import less
from portal.views import View, moment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from broker.client import NgsiLdClient
    from portal.datasets import Dataset
    from portal.projection import Projection

log = structlog.get_logger(__name__)

SUBSCRIPTION = "urn:ngsi-ld:Subscription:volme-portal:{}"
_AT_ONCE = 100
_HISTORY_AT_ONCE = 25
_LATE = timedelta(minutes=1)
_EXPIRES = timedelta(hours=2)
_WINDOW = timedelta(days=7)  # of history that is in memory at a time, where means are made of it


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How often what is done, in seconds.

    Attributes:
        look: between looks at everything, where the broker notifies.
        poll: the same where it does not.
        due: between looks for what has come to be public.
        late: between looks into history for late values.
        retry: after the broker was away.
        history: how far back history is published at most.
    """

    look: float = 60.0
    poll: float = 10.0
    due: float = 2.0
    late: float = 300.0
    retry: float = 5.0
    history: timedelta = timedelta(days=365)


class Publisher:
    """Keeps the tenants of views true.

    Args:
        city: speaks to the broker for the city's own tenant.
        projections: one for each view.
        context_of: address of a type's @context, as the broker knows it.
        endpoint: where the broker can notify, without the dataset's name; None: it is asked instead.
        notes: file in which is kept how far history was published, and by which rules.
        pace: how often what is done.
    """

    def __init__(
        self,
        city: NgsiLdClient,
        projections: Sequence[Projection],
        *,
        context_of: Callable[[str], str],
        endpoint: str | None,
        notes: Path,
        pace: Pace | None = None,
    ) -> None:
        self._city = city
        self._projections = tuple(projections)
        self._context_of = context_of
        self._endpoint = endpoint
        self._pace = pace or Pace()
        self._notes = Notes(notes)
        self._datasets = {d.name: d for each in projections for d in each.view.datasets}
        self._source = View(
            name="city", datasets=tuple(self._datasets.values()), client=city, context_of=context_of
        )
        self._turn = asyncio.Lock()
        self._notified: asyncio.Queue[tuple[str, list[dict[str, Any]]]] = asyncio.Queue(maxsize=1000)
        self._ids: dict[str, set[str]] = {}
        self._locations: dict[str, dict[str, Any]] = {}  # by dataset and entity, where squares matter
        self._told: dict[str, set[str]] = {}  # what was notified while everything is looked at
        self._caught_up: set[str] = set()
        # Means are of all entities: they wait until the past of all is read.
        self._held = {_mark_of(each, d) for each in projections for d in each.view.datasets if _has_means(d)}
        self._subscribed = False
        self.ready = asyncio.Event()
        self.problem: str | None = None
        self.refused: dict[str, str] = {}  # why, by dataset
        #: What is in the tenants was published by these rules; before, nobody may read it.
        self.prepared = asyncio.Event()
        if not any(self._outdated(each) for each in projections):
            self.prepared.set()

    async def run(self) -> None:
        """Publish until cancelled; a broker that is away is waited for."""
        await self._insist(self._prepare)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take_notified())
            group.create_task(self._again(self._look, lambda: self._looks))
            group.create_task(self._again(self._publish_due, lambda: self._pace.due))
            group.create_task(self._again(self._catch_up, lambda: self._pace.late))
            group.create_task(self._again(self._subscribe, lambda: _EXPIRES.total_seconds() / 4))

    @property
    def _looks(self) -> float:
        return self._pace.look if self._subscribed else self._pace.poll

    def notify(self, dataset: str, entities: list[dict[str, Any]]) -> bool:
        """Take a notification; return False where it has to come again, for too many wait.

        Raises:
            KeyError: there is no such dataset.
        """
        if dataset not in self._datasets:
            raise KeyError(dataset)
        try:
            self._notified.put_nowait((dataset, entities))
        except asyncio.QueueFull:
            return False
        return True

    # ---- at the start

    def _outdated(self, projection: Projection) -> dict[str, str]:
        """Return the types that were published by other rules, and the digest of those of now."""
        view, rules = projection.view, self._notes.rules.get(projection.view.name, {})
        wanted = {
            name: fingerprint([d for d in view.datasets if d.type == name], projection.hidden)
            for name in sorted({*view.types, *rules})
        }
        return {name: digest for name, digest in wanted.items() if rules.get(name) != digest}

    async def _prepare(self) -> None:
        """Empty what was published by other rules, and read what is published."""
        for projection in self._projections:
            view = projection.view
            rules = self._notes.rules.setdefault(view.name, {})
            for type_name, wanted in self._outdated(projection).items():
                number = await projection.forget(type_name)
                if number:
                    log.info("portal.rules.changed", view=view.name, type=type_name, withdrawn=number)
                for dataset in view.datasets:
                    if dataset.type == type_name:
                        self._notes.until.pop(_mark_of(projection, dataset), None)
                if type_name in view.types:
                    rules[type_name] = wanted
                else:
                    del rules[type_name]
                self._notes.write()
            await projection.remember()
        self.prepared.set()

    async def _insist(self, step: Callable[[], Any]) -> None:
        while True:
            try:
                await step()
            except NgsiLdError as error:
                self._failed(error)
                await asyncio.sleep(self._pace.retry)
            else:
                self.problem = None
                return

    async def _again(self, step: Callable[[], Any], pause: Callable[[], float]) -> None:
        while True:
            await self._insist(step)
            await asyncio.sleep(pause())

    def _failed(self, error: NgsiLdError) -> None:
        if self.problem is None:
            log.warning("portal.broker.failed", reason=str(error))
        self.problem = str(error)

    # ---- what is

    async def _look(self) -> None:
        """Compare all that there is with what is published."""
        for dataset in self._datasets.values():
            try:
                await self._look_at(dataset)
            except BrokerRefusalError as error:  # such as for its filter: the others do not wait for it
                if self.refused.get(dataset.name) != str(error):
                    log.warning("portal.dataset.refused", dataset=dataset.name, reason=str(error))
                self.refused[dataset.name] = str(error)
            else:
                self.refused.pop(dataset.name, None)
        for projection in self._projections:
            names, projection.disturbed = projection.disturbed & self._ids.keys(), set()
            for name in sorted(names - self.refused.keys()):
                await self._look_at(self._datasets[name])
        self.ready.set()

    async def _look_at(self, dataset: Dataset) -> None:
        ids = self._told[dataset.name] = set()
        locations: dict[str, Any] = {}
        by_square = _by_square(dataset)
        some: list[dict[str, Any]] = []
        async for entity in self._city.query(
            type=dataset.type, q=dataset.filter, context=self._context_of(dataset.type)
        ):
            ids.add(str(entity["id"]))
            if by_square and "location" in entity:
                locations[str(entity["id"])] = entity["location"]
            some.append(entity)
            if len(some) >= _AT_ONCE:
                await self._publish(dataset, some, whole=True)
                some = []
        await self._publish(dataset, some, whole=True)
        self._ids[dataset.name], self._locations[dataset.name] = ids, locations
        async with self._turn:
            for projection in self._of(dataset):
                await projection.keep_only(dataset, ids)

    async def _take_notified(self) -> None:
        while True:
            name, entities = await self._notified.get()
            dataset = self._datasets[name]
            fresh = [each for each in entities if each.get("type") == dataset.type and "id" in each]
            await self._insist(partial(self._publish, dataset, fresh))
            # A look that has begun before may not have seen them: it must not take them for gone.
            for ids in (self._ids.setdefault(name, set()), self._told.setdefault(name, set())):
                ids.update(str(each["id"]) for each in fresh)

    async def _publish(
        self, dataset: Dataset, entities: Sequence[Mapping[str, Any]], *, whole: bool = False
    ) -> None:
        async with self._turn:
            for projection in self._of(dataset):
                await projection.publish(dataset, entities)
                if whole:
                    for entity in entities:
                        await projection.drop_attributes(dataset, entity)

    async def _publish_due(self) -> None:
        async with self._turn:
            for projection in self._projections:
                held = {d.name for d in projection.view.datasets if _mark_of(projection, d) in self._held}
                await projection.publish_due(datetime.now(UTC), held=held)

    def _of(self, dataset: Dataset) -> Iterable[Projection]:
        return (each for each in self._projections if dataset in each.view.datasets)

    async def _subscribe(self) -> None:
        """See that the broker notifies; subscriptions end by themselves where the portal does not come back.

        Raises:
            NgsiLdError: the broker is away.
        """
        if self._endpoint is None:
            return
        accepted = 0
        for dataset in self._datasets.values():
            body: dict[str, Any] = {
                "id": SUBSCRIPTION.format(dataset.name),
                "type": "Subscription",
                "subscriptionName": f"Volme portal: {dataset.name}",
                "entities": [{"type": dataset.type}],
                "notification": {
                    "format": "normalized",
                    "endpoint": {"uri": f"{self._endpoint}/{dataset.name}", "accept": "application/json"},
                },
                "expiresAt": rfc3339(datetime.now(UTC) + _EXPIRES),
                "isActive": True,
            }
            if dataset.filter is not None:
                body["q"] = dataset.filter
            context = self._context_of(dataset.type)
            try:
                await self._city.create_subscription(body, context=context)
            except AlreadyExistsError:
                changes = {name: value for name, value in body.items() if name not in {"id", "type"}}
                await self._city.update_subscription(body["id"], changes, context=context)
            except (NotSupportedError, NotFoundError) as error:
                log.warning("portal.subscription.refused", dataset=dataset.name, reason=str(error))
                return
            except BrokerRefusalError as error:  # such as for its filter: the others do not wait for it
                log.warning("portal.subscription.refused", dataset=dataset.name, reason=str(error))
            else:
                accepted += 1
        self._subscribed = accepted == len(self._datasets)

    # ---- what was

    async def _catch_up(self) -> None:
        """Publish the history that is not published: of the time away, and what came late."""
        await self.ready.wait()
        for projection in self._projections:
            for dataset in projection.view.datasets:
                mark = _mark_of(projection, dataset)
                until = self._notes.until.get(mark)
                now = datetime.now(UTC)
                try:
                    if until is None:
                        await self._add_past(projection, dataset, now - self._pace.history, now)
                    else:
                        since = moment_of(until)
                        if mark not in self._caught_up and (longest := _longest_wait(dataset)):
                            # What waited when the portal ended was nowhere but in its memory.
                            await self._add_past(projection, dataset, since - longest, now)
                        elif since < now - timedelta(seconds=2 * self._pace.late):
                            await self._add_past(projection, dataset, since, now)
                        await self._add_history(projection, dataset, since, now, late=True)
                except NotSupportedError as error:
                    log.info("portal.history.none", reason=str(error))
                    self._held.clear()
                    return
                except BrokerRefusalError as error:
                    log.warning("portal.history.refused", dataset=dataset.name, reason=str(error))
                    self._held.discard(mark)
                    continue
                self._held.discard(mark)
                self._caught_up.add(mark)
                self._notes.until[mark] = rfc3339(now)
                self._notes.write()

    async def _add_past(
        self, projection: Projection, dataset: Dataset, start: datetime, end: datetime
    ) -> None:
        """Publish what was observed between two moments; means in order of time, each of all entities."""
        if not _has_means(dataset):
            await self._add_history(projection, dataset, start, end)
            return
        self._held.add(_mark_of(projection, dataset))
        while start < end:
            until = min(start + _WINDOW, end)
            await self._add_history(projection, dataset, start, until)
            async with self._turn:
                await projection.publish_due(until, only=dataset)
            start = until

    async def _add_history(
        self, projection: Projection, dataset: Dataset, start: datetime, end: datetime, *, late: bool = False
    ) -> None:
        """Publish what the city observed between two moments, or learnt then of earlier ones (`late`)."""
        ids = sorted(self._ids.get(dataset.name, ()))
        for first in range(0, len(ids), _HISTORY_AT_ONCE):
            params = {
                "type": dataset.type,
                "id": ",".join(ids[first : first + _HISTORY_AT_ONCE]),
                "attrs": ",".join(dataset.attributes),
            }
            if late:
                params["timeproperty"] = "modifiedAt"
            async for entities in self._source.histories(dataset.type, params, start, end):
                async with self._turn:
                    for entity in entities:
                        before = start - _LATE if late else None
                        await self._add_history_of(projection, dataset, entity, before)
                await asyncio.sleep(0)

    async def _add_history_of(
        self, projection: Projection, dataset: Dataset, entity: Mapping[str, Any], before: datetime | None
    ) -> None:
        attributes: dict[str, list[dict[str, Any]]] = defaultdict(list)
        place = {"location": self._locations.get(dataset.name, {}).get(str(entity["id"]))}
        for name in dataset.attributes:
            rule = dataset.rules.get(name)
            bodies = entity.get(name, ())
            for body in bodies if isinstance(bodies, list) else [bodies]:
                if not isinstance(body, dict) or "observedAt" not in body:
                    continue
                if before is not None and moment_of(str(body["observedAt"])) >= before:
                    continue
                if rule is not None and rule.timed:
                    kept = {"id": entity["id"], **place, name: body}
                    projection.keep(dataset, kept, late=before is not None)
                    continue
                left = less(body, rule, projection.public_id)
                if left is not None:
                    attributes[name].append(left)
        entity_id = projection.public_id(str(entity["id"]), dataset.type)
        await projection.add_history(dataset, entity_id, attributes)


def _by_square(dataset: Dataset) -> bool:
    """Say whether entities are taken together by where they lie, which history does not say."""
    return any(rule.least and rule.metres for rule in dataset.rules.values())


def _mark_of(projection: Projection, dataset: Dataset) -> str:
    return f"{projection.view.name}/{dataset.name}"


def _has_means(dataset: Dataset) -> bool:
    return any(rule.least is not None for rule in dataset.rules.values())


def _longest_wait(dataset: Dataset) -> timedelta:
    """Return how long after it was observed the last of a dataset is published."""
    waits = (rule.wait + (rule.period or timedelta()) for rule in dataset.rules.values())
    return max(waits, default=timedelta())
