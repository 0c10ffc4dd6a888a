# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""One view's tenant, kept to what is published: what differs is written, and nothing else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from broker.client import NotFoundError, NotSupportedError, UnknownTenantError
from portal.privacy import due, hidden_id, later_public, now_public, period_start
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


@dataclass(slots=True)
class _Known:
    """What is in the tenant of one entity.

    Attributes:
        type: its type.
        datasets: names of the datasets that it belongs to.
        attributes: by name, a digest of what is published and when that was observed.
    """

    type: str
    datasets: set[str] = field(default_factory=set)
    attributes: dict[str, tuple[int, datetime]] = field(default_factory=dict)


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
        self._several = {name for name in view.types if sum(d.type == name for d in view.datasets) > 1}

    def public_id(self, entity_id: str) -> str:
        """Return the id that an entity is published under."""
        return hidden_id(entity_id, self._key) if _type_in(entity_id) in self._hidden else entity_id

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
            entity_id = self.public_id(str(entity["id"]))
            found[entity_id] = now_public(entity, dataset, self.public_id)
            for name, instance in later_public(entity, dataset, arrived=arrived):
                self._keep(dataset, name, instance)
        return await self._write(dataset, found)

    def keep(self, dataset: Dataset, entity: Mapping[str, Any]) -> None:
        """Note what may be published of an entity later."""
        for name, instance in later_public(entity, dataset, arrived=datetime.now(UTC)):
            self._keep(dataset, name, instance)

    def _keep(self, dataset: Dataset, name: str, instance: Instance) -> None:
        rule = dataset.rules[name]
        moment = instance.at if rule.period is None else period_start(instance.at, rule.period)
        if moment <= self._observed(self.public_id(instance.entity), name):
            return
        kept = self._pending.setdefault((dataset.name, name), {})
        before = kept.get((instance.entity, moment))
        if before is None or before.at <= instance.at:
            kept[instance.entity, moment] = instance

    def _observed(self, entity_id: str, name: str) -> datetime:
        known = self._known.get(entity_id)
        return _LONG_AGO if known is None else known.attributes.get(name, (0, _LONG_AGO))[1]

    async def publish_due(self, now: datetime) -> int:
        """Publish what waited and has come to be public; return how many entities had changed.

        Raises:
            NgsiLdError: the broker is away, or refuses; what is due stays due.
        """
        changed = 0
        for dataset in self.view.datasets:
            for name, rule in dataset.rules.items():
                kept = self._pending.get((dataset.name, name))
                if not kept:
                    continue
                length = rule.wait if rule.period is None else rule.period + rule.wait
                over = {key: each for key, each in kept.items() if key[1] + length <= now}
                if not over:
                    continue
                found = due(over.values(), rule, now, self.public_id)
                newest: dict[str, dict[str, list[dict[str, Any]]]] = {}
                for own_id, bodies in found.items():
                    entity_id = self.public_id(own_id)
                    for body in bodies[:-1]:
                        await self.add_history(dataset, entity_id, {name: [body]})
                    newest[entity_id] = {name: bodies[-1:]}
                changed += await self._write(dataset, newest)
                for key in over:
                    kept.pop(key, None)
        return changed

    async def add_history(
        self, dataset: Dataset, entity_id: str, attributes: Mapping[str, Sequence[Mapping[str, Any]]]
    ) -> None:
        """Add published instances to the history of an entity; what is there already stays once.

        Raises:
            NgsiLdError: the broker is away, or has no history.
        """
        if attributes:
            entity = {"id": entity_id, "type": dataset.type, **attributes}
            await self.view.client.add_temporal(entity, context=self.view.context_of(dataset.type))

    async def _write(self, dataset: Dataset, found: Mapping[str, Mapping[str, list[dict[str, Any]]]]) -> int:
        updates: dict[str, dict[str, Any]] = {}
        marks: dict[str, dict[str, tuple[int, datetime]]] = {}
        for entity_id, attributes in found.items():
            known = self._known.get(entity_id)
            changed: dict[str, Any] = {}
            for name, bodies in attributes.items():
                mark = _mark(bodies)
                before = known.attributes.get(name) if known else None
                # What was read before and written after a newer value must not overtake it.
                if before is None or (before[0] != mark[0] and mark[1] >= before[1]):
                    changed[name] = bodies[0] if len(bodies) == 1 else bodies
                    marks.setdefault(entity_id, {})[name] = mark
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
        wanted = {self.public_id(entity_id) for entity_id in ids}
        gone = [
            entity_id
            for entity_id, known in self._known.items()
            if dataset.name in known.datasets and entity_id not in wanted
        ]
        for entity_id in gone:  # one that another dataset has too comes again with that dataset's next turn
            await self._delete(entity_id, history=False)
            known = self._known.pop(entity_id)
            if self._live is not None:
                self._live.tell(entity_id, tuple(sorted(known.datasets)), None)
        for kept in self._pending.values():
            for key in [key for key in kept if self.public_id(key[0]) in set(gone)]:
                del kept[key]
        return len(gone)

    async def drop_attributes(self, dataset: Dataset, entity: Mapping[str, Any]) -> None:
        """Delete what the city's entity does not have any more.

        Raises:
            NgsiLdError: the broker is away, or refuses.
        """
        entity_id = self.public_id(str(entity["id"]))
        known = self._known.get(entity_id)
        if known is None or len(known.datasets) > 1:
            return
        for name in [name for name in known.attributes if name not in entity]:
            rule = dataset.rules.get(name)
            if rule is None or not rule.timed:
                try:
                    await self.view.client.delete_attribute(
                        entity_id, name, context=self.view.context_of(dataset.type)
                    )
                except NotFoundError:
                    log.debug("portal.attribute.gone_already", entity=entity_id, attribute=name)
                del known.attributes[name]

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
    def published(self) -> int:
        """How many entities are in the tenant."""
        return len(self._known)

    @property
    def waiting(self) -> int:
        """How many values wait to be published."""
        return sum(map(len, self._pending.values()))


def _type_in(entity_id: str) -> str:
    """Return the type that an id of ours names: `urn:ngsi-ld:<Type>:<city>:<place>`."""
    parts = entity_id.split(":", 3)
    return parts[2] if len(parts) > 3 else ""  # noqa: PLR2004 - urn, ngsi-ld, type and the rest


def _mark(bodies: Sequence[Mapping[str, Any]]) -> tuple[int, datetime]:
    """Return a digest of what is published and when that was observed."""
    kept = [
        {name: value for name, value in body.items() if name not in {"createdAt", "modifiedAt", "instanceId"}}
        for body in bodies
    ]
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    digest = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
    times = [moment_of(str(body["observedAt"])) for body in bodies if "observedAt" in body]
    return digest, max(times, default=_LONG_AGO)


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
