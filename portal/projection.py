# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""One view's tenant, kept to what is published: what differs is written, and nothing else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

import structlog

from broker.client import (
    BadRequestDataError,
    NotFoundError,
    NotSupportedError,
    TooLargeError,
    UnknownTenantError,
)
from portal.privacy import due, hidden_id, later_public, now_public, period_start, type_in
from portal.views import moment_of, scope_of, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from portal.datasets import Dataset
    from portal.live import Live
    from portal.privacy import Instance
    from portal.views import View

log = structlog.get_logger(__name__)

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_ATTRIBUTES = frozenset({"id", "type", "scope", "@context", "createdAt", "modifiedAt", "expiresAt"})
#: Of what is published of an attribute: a digest, when it was observed, and the datasetIds of its instances.
_Mark: TypeAlias = "tuple[int, datetime, frozenset[str | None]]"


@dataclass(slots=True)
class _Known:
    """What is in the tenant of one entity.

    Attributes:
        type: its type.
        datasets: names of the datasets that it belongs to.
        attributes: by name, what is published.
    """

    type: str
    datasets: set[str] = field(default_factory=set)
    attributes: dict[str, _Mark] = field(default_factory=dict)


class Projection:
    """What one view may see of the city, written into its tenant.

    Args:
        view: whose.
        key: with which ids are hidden.
        hidden: types of which entities are published under another id.
        live: told of what changes; None: nobody listens to this view.
    """

    def __init__(
        self, view: View, *, key: bytes, hidden: Collection[str] = (), live: Live | None = None
    ) -> None:
        self.view = view
        self._key = key
        self._hidden = frozenset(hidden)
        self._live = live
        self._known: dict[str, _Known] = {}
        self._pending: dict[tuple[str, str], dict[tuple[str, datetime], Instance]] = {}
        #: Datasets of which entities were taken out because another dataset has lost them.
        self.disturbed: set[str] = set()
        self._untimed: dict[tuple[str, str, str, str | None], int] = {}
        self._several = {name for name in view.types if sum(d.type == name for d in view.datasets) > 1}

    @property
    def hidden(self) -> list[str]:
        """The types of which ids are hidden."""
        return sorted(self._hidden)

    def public_id(self, entity_id: str, type_name: str | None = None) -> str:
        """Return the id that an entity is published under.

        Args:
            entity_id: its own.
            type_name: its type; None: only the id may say it. What does not say it is hidden, if anything is.
        """
        hides = (type_name or type_in(entity_id) or next(iter(self._hidden), None)) in self._hidden
        return hidden_id(entity_id, self._key) if hides else entity_id

    async def remember(self) -> None:
        """Read what is in the tenant already, so that it is not written again.

        Raises:
            NgsiLdError: the broker is away, or refuses.
        """
        self._known.clear()
        for dataset in self.view.datasets:
            async for entity in self.view.entities(dataset):
                known = self._known.setdefault(str(entity["id"]), _Known(type=dataset.type))
                known.datasets.add(dataset.name)
                for name, attribute in entity.items():
                    if name not in _NOT_ATTRIBUTES:
                        bodies = attribute if isinstance(attribute, list) else [attribute]
                        known.attributes[name] = _mark(bodies)

    async def forget(self, type_name: str) -> int:
        """Delete all entities of a type and their history; return how many.

        Raises:
            NgsiLdError: the broker is away, or refuses.
        """
        context = self.view.context_of(type_name)
        ids: set[str] = set()
        try:
            async for entity in self.view.client.query(type=type_name, context=context, options="keyValues"):
                ids.add(str(entity["id"]))
            ids |= await self._with_history(type_name)
        except UnknownTenantError:
            return 0
        for entity_id in sorted(ids):
            await self._delete(entity_id, history=True)
        return len(ids)

    async def _with_history(self, type_name: str) -> set[str]:
        """Return the ids of a type that have a history, those without a current state included."""
        ids: set[str] = set()
        asked = {"type": type_name, "timerel": "after", "timeAt": "1970-01-01T00:00:00Z", "lastN": "1"}
        offset = 0
        while True:
            page = {**asked, "limit": "100", "offset": str(offset), "timeproperty": "modifiedAt"}
            try:
                result = await self.view.client.query_temporal(
                    context=self.view.context_of(type_name), **page
                )
            except (NotSupportedError, NotFoundError):
                return ids
            if not result.entities:
                return ids
            ids |= {str(entity["id"]) for entity in result.entities}
            offset += 100

    async def publish(self, dataset: Dataset, entities: Iterable[Mapping[str, Any]]) -> int:
        """Publish what a dataset's rules leave of entities; return how many of them had changed.

        Raises:
            NgsiLdError: the broker is away, or refuses; nothing is taken for published then.
        """
        arrived = datetime.now(UTC)
        found: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for entity in entities:
            entity_id = self.public_id(str(entity["id"]), dataset.type)
            found[entity_id] = now_public(entity, dataset, self.public_id)
            for name, instance in later_public(entity, dataset, arrived=arrived):
                self._keep(dataset, name, instance)
        return await self._write(dataset, found)

    def keep(self, dataset: Dataset, entity: Mapping[str, Any], *, late: bool) -> None:
        """Note what may be published of an entity later.

        Args:
            dataset: whose rules count.
            entity: normalized.
            late: it came after what was observed later: of periods that are over, it changes nothing.
        """
        for name, instance in later_public(entity, dataset, arrived=datetime.now(UTC)):
            self._keep(dataset, name, instance, past=not late)

    def _keep(self, dataset: Dataset, name: str, instance: Instance, *, past: bool = False) -> None:
        rule = dataset.rules[name]
        moment = instance.at if rule.period is None else period_start(instance.at, rule.period)
        # A mean that is published twice, of few more than before, would tell the value of those few.
        if moment <= self._observed(self.public_id(instance.entity, dataset.type), name) and (
            not past or rule.least is not None
        ):
            return
        if rule.period is None and "observedAt" not in instance.body:
            # It arrives anew with each look: only what has changed waits from then on.
            said = (dataset.name, name, instance.entity, instance.body.get("datasetId"))
            digest = _mark([instance.body])[0]
            if self._untimed.get(said) == digest:
                return
            self._untimed[said] = digest
        kept = self._pending.setdefault((dataset.name, name), {})
        before = kept.get((instance.entity, moment))
        if before is None or before.at <= instance.at:
            kept[instance.entity, moment] = instance

    def _observed(self, entity_id: str, name: str) -> datetime:
        known = self._known.get(entity_id)
        mark = None if known is None else known.attributes.get(name)
        return _LONG_AGO if mark is None else mark[1]

    async def publish_due(
        self, now: datetime, *, held: Collection[str] = (), only: Dataset | None = None
    ) -> int:
        """Publish what waited and has come to be public; return how many entities had changed.

        Args:
            now: with a time zone.
            held: names of datasets of which means wait, for not all that belongs to them is read.
            only: of this dataset alone; None: of all.

        Raises:
            NgsiLdError: the broker is away, or refuses; what is due stays due.
        """
        changed = 0
        for dataset in self.view.datasets if only is None else (only,):
            for name, rule in dataset.rules.items():
                kept = self._pending.get((dataset.name, name))
                if not kept or (rule.least is not None and dataset.name in held):
                    continue
                length = rule.wait if rule.period is None else rule.period + rule.wait
                over = {key: each for key, each in kept.items() if key[1] <= now - length}
                if not over:
                    continue
                found = due(over.values(), rule, now, self.public_id)
                newest: dict[str, dict[str, list[dict[str, Any]]]] = {}
                for own_id, bodies in found.items():
                    entity_id = self.public_id(own_id, dataset.type)
                    observed = self._observed(entity_id, name)
                    last = [body for body in bodies if observed <= _observed_at(body, observed)][-1:]
                    for body in bodies:
                        if body not in last and "observedAt" in body:
                            await self.add_history(dataset, entity_id, {name: [body]})
                    if last:
                        newest[entity_id] = {name: last}
                changed += await self._write(dataset, newest)
                for key in over:
                    kept.pop(key, None)
        return changed

    async def add_history(
        self, dataset: Dataset, entity_id: str, attributes: Mapping[str, Sequence[Mapping[str, Any]]]
    ) -> None:
        """Add published instances to the history of an entity; what is there already stays once.

        What the broker finds wrong is logged, and holds up nothing else.

        Raises:
            NgsiLdError: the broker is away, or has no history.
        """
        if not attributes:
            return
        entity = {"id": entity_id, "type": dataset.type, **attributes}
        try:
            await self.view.client.add_temporal(entity, context=self.view.context_of(dataset.type))
        except (BadRequestDataError, TooLargeError) as error:
            log.warning(
                "portal.history.refused", entity=entity_id, view=self.view.name, reason=error.problem.sentence
            )

    async def _write(self, dataset: Dataset, found: Mapping[str, Mapping[str, list[dict[str, Any]]]]) -> int:
        now = datetime.now(UTC)
        updates: dict[str, dict[str, Any]] = {}
        marks: dict[str, dict[str, _Mark]] = {}
        for entity_id, attributes in found.items():
            known = self._known.get(entity_id)
            changed: dict[str, Any] = {}
            for name, bodies in attributes.items():
                mark = _mark(bodies)
                before = known.attributes.get(name) if known else None
                # What was read before and written after a newer value must not overtake it; a time that
                # has not come is no newer value.
                if before is None or (before[0] != mark[0] and (mark[1] >= before[1] or before[1] > now)):
                    changed[name] = bodies[0] if len(bodies) == 1 else bodies
                    # Instances that are not sent again stay, until `drop_attributes` finds them gone.
                    there = before[2] if before else frozenset()
                    marks.setdefault(entity_id, {})[name] = (mark[0], mark[1], mark[2] | there)
            if changed or known is None or dataset.name not in known.datasets:
                updates[entity_id] = self._update(entity_id, dataset, known, changed)
                marks.setdefault(entity_id, {})
        if not updates:
            return 0
        result = await self.view.client.upsert(
            list(updates.values()), context=self.view.context_of(dataset.type)
        )
        for entity_id, problem in result.failed.items():
            log.warning(
                "portal.publish.refused", entity=entity_id, view=self.view.name, reason=problem.sentence
            )
        for entity_id in updates.keys() - result.failed.keys():
            known = self._known.setdefault(entity_id, _Known(type=dataset.type))
            known.datasets.add(dataset.name)
            known.attributes |= marks[entity_id]
            if self._live is not None and marks[entity_id]:
                changes = _keyvalues(updates[entity_id], found[entity_id])
                self._live.tell(entity_id, tuple(sorted(known.datasets)), changes)
        return len(updates) - len(result.failed)

    def _update(
        self, entity_id: str, dataset: Dataset, known: _Known | None, changed: Mapping[str, Any]
    ) -> dict[str, Any]:
        update = {"id": entity_id, "type": dataset.type, **changed}
        if dataset.type in self._several:
            names = {dataset.name, *(known.datasets if known else ())}
            update["scope"] = [scope_of(name) for name in sorted(names)]
        return update

    async def keep_only(self, dataset: Dataset, ids: Collection[str]) -> int:
        """Take out of a dataset what is not in it any more; return how many entities that were.

        Args:
            dataset: whose.
            ids: of the city's own entities that are in it.

        Raises:
            NgsiLdError: the broker is away, or refuses.
        """
        # First what waits: where the broker goes away in between, it must not come to be published.
        for (name, _), kept in self._pending.items():
            if name == dataset.name:
                for key in [key for key in kept if key[0] not in ids]:
                    del kept[key]
        for said in [said for said in self._untimed if said[0] == dataset.name and said[2] not in ids]:
            del self._untimed[said]
        wanted = {self.public_id(entity_id, dataset.type) for entity_id in ids}
        gone = [
            entity_id
            for entity_id, known in self._known.items()
            if dataset.name in known.datasets and entity_id not in wanted
        ]
        for entity_id in gone:  # one that another dataset has too comes again with that dataset's next look
            await self._delete(entity_id, history=False)
            known = self._known.pop(entity_id)
            self.disturbed |= known.datasets - {dataset.name}
            if self._live is not None:
                self._live.tell(entity_id, tuple(sorted(known.datasets)), None)
        return len(gone)

    async def drop_attributes(self, dataset: Dataset, entity: Mapping[str, Any]) -> None:
        """Delete what the city's entity does not have any more.

        Raises:
            NgsiLdError: the broker is away, or refuses.
        """
        entity_id = self.public_id(str(entity["id"]), dataset.type)
        known = self._known.get(entity_id)
        if known is None:
            return
        timed = {
            name
            for each in self.view.datasets
            if each.type == dataset.type
            for name, rule in each.rules.items()
            if rule.timed
        }
        now = now_public(entity, dataset, self.public_id)  # of what it has, a rule may leave nothing now
        for name in known.attributes.keys() - timed:
            digest, observed, there = known.attributes[name]
            left = _instances_of((now if name in dataset.attributes else entity).get(name, ()))
            for dataset_id in there - left:
                await self._delete_instance(dataset, entity_id, name, dataset_id)
            if left & there:
                known.attributes[name] = (digest, observed, left & there)
            else:
                del known.attributes[name]

    async def _delete_instance(
        self, dataset: Dataset, entity_id: str, name: str, dataset_id: str | None
    ) -> None:
        path = f"/entities/{quote(entity_id, safe=':')}/attrs/{quote(name, safe='')}"
        params = None if dataset_id is None else {"datasetId": dataset_id}
        context = self.view.context_of(dataset.type)
        try:
            await self.view.client.request("DELETE", path, params=params, context=context)
        except NotFoundError:
            log.debug("portal.attribute.gone_already", entity=entity_id, attribute=name)

    async def _delete(self, entity_id: str, *, history: bool) -> None:
        deletes: list[Callable[[str], Any]] = [self.view.client.delete_entity]
        if history:
            deletes.append(self.view.client.delete_temporal)
        for delete in deletes:
            try:
                await delete(entity_id)
            except (NotFoundError, NotSupportedError):
                log.debug("portal.entity.gone_already", entity=entity_id)

    @property
    def waiting(self) -> int:
        """How many values wait to be published."""
        return sum(map(len, self._pending.values()))


def _mark(bodies: Sequence[Mapping[str, Any]]) -> _Mark:
    """Return a digest of what is published, when that was observed, and which instances it has."""
    kept = [
        {name: value for name, value in body.items() if name not in {"createdAt", "modifiedAt", "instanceId"}}
        for body in bodies
    ]
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    digest = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
    times = [moment_of(str(body["observedAt"])) for body in bodies if "observedAt" in body]
    return digest, max(times, default=_LONG_AGO), _instances_of(bodies)


def _instances_of(attribute: Any) -> frozenset[str | None]:
    """Return the datasetIds of an attribute's instances; None: of the one that has none."""
    bodies = [attribute] if isinstance(attribute, dict) else attribute
    return frozenset(body.get("datasetId") for body in bodies)


def _observed_at(body: Mapping[str, Any], default: datetime) -> datetime:
    return moment_of(str(body["observedAt"])) if "observedAt" in body else default


def _keyvalues(
    update: Mapping[str, Any], attributes: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    """Return what changed as keyvalues, with where the entity is and when the newest value was observed."""
    changes: dict[str, Any] = {"id": update["id"], "type": update["type"]}
    times: list[str] = []
    for name, bodies in attributes.items():
        if name in update or name == "location":
            changes[name] = value_of(bodies[0])
        if name in update:
            times += [str(body["observedAt"]) for body in bodies if "observedAt" in body]
    if times:
        changes["observedAt"] = max(times)
    return changes
