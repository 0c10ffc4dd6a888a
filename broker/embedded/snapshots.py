# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What a notification will say of a change, kept in the queue until it is delivered (clause 5.8.6).

An entity in the queue is its stored form and, where the subscription asks for them, what a change
took away: attributes that were deleted stand there with NGSI-LD's null as their value, and `before`
holds the values before the change (`showChanges`), by attribute and datasetId ("" for the default).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from broker.embedded.history import bare
from broker.embedded.merging import Changes, timestamp
from broker.embedded.vocabulary import NULL, VALUE_MEMBER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from broker.embedded.entities import Attributes, Instance
    from broker.embedded.merging import Stored
    from broker.embedded.subscriptions import Subscription

_NULLS: Mapping[str, Any] = {
    "languageMap": {"@none": NULL},
    "valueList": [NULL],
    "objectList": [NULL],
}
"""What stands for "it was deleted" in the members where it is no plain string (clause 4.5.0)."""


@dataclass(kw_only=True, slots=True)
class Write:
    """What was done to one entity.

    Attributes:
        entity: as it is now; where it was deleted, as it was.
        before: its attributes before, and what they had; none where it was created.
    """

    entity: Stored
    changes: Changes
    before: Mapping[str, list[Instance]]
    deleted: bool = False
    _lost: tuple[str, ...] | None = None
    _altered: dict[str, bool] = field(default_factory=dict)

    def alters(self, iri: str) -> bool:
        """Say whether an attribute that was written is another now than it was before (clause 5.8.6)."""
        if iri not in self._altered:
            before = {_dataset(each): each for each in self.before.get(iri, ())}
            self._altered[iri] = any(
                _differs(before.get(_dataset(each)), each) for each in self.entity.attributes.get(iri, ())
            )
        return self._altered[iri]

    @property
    def lost(self) -> tuple[str, ...]:
        """IRIs of the attributes that were deleted, or of which an instance was."""
        if self._lost is None:
            self._lost = tuple(self.entity.attributes) if self.deleted else self._fewer()
        return self._lost

    def _fewer(self) -> tuple[str, ...]:
        touched = dict.fromkeys((*self.changes.deleted, *self.changes.updated))
        return tuple(iri for iri in touched if self._lacks(iri))

    def _lacks(self, iri: str) -> bool:
        """Say whether an attribute had an instance that it has no more."""
        before, after = self.before.get(iri, ()), self.entity.attributes.get(iri, ())
        if len(before) == len(after) == 1:  # as nearly always
            return _dataset(before[0]) != _dataset(after[0])
        return bool({_dataset(each) for each in before} - {_dataset(each) for each in after})


def deletion(entity: Stored) -> Write:
    """Return the removal of an entity."""
    return Write(entity=entity, changes=Changes(), before=entity.attributes, deleted=True)


def snapshot(writes: Iterable[Write], subscription: Subscription, moment: datetime) -> str:
    """Return entities as a notification shows them, as JSON: the latest of each, in order of appearance."""
    latest = {write.entity.id: write for write in writes}
    return orjson.dumps([_item(write, subscription, moment) for write in latest.values()]).decode()


def _item(write: Write, subscription: Subscription, moment: datetime) -> dict[str, Any]:
    entity, wanted = write.entity, subscription.notification
    deletions = _deletions(write, subscription, timestamp(moment))
    attributes: Attributes = {
        iri: instances
        for iri, instances in ({} if write.deleted else entity.attributes).items()
        if wanted.shows(iri)
    }
    for iri, instances in deletions.items():
        attributes[iri] = [*attributes.get(iri, ()), *instances]
    item: dict[str, Any] = {
        "id": entity.id,
        "types": entity.types,
        "scopes": None if write.deleted and not wanted.changes else entity.scopes,
        "attributes": attributes,
        "created_at": entity.created_at,
        "modified_at": entity.modified_at,
        "expires_at": entity.expires_at,
    }
    if write.deleted:
        item["deleted_at"] = timestamp(moment)
    if wanted.changes:
        item["before"] = _before(write, attributes)
    return item


def _deletions(write: Write, subscription: Subscription, stamp: str) -> Attributes:
    """Return what stands for attributes that are there no more, if the subscription is about them."""
    wanted = subscription.notification
    told = "attributeDeleted" in (subscription.triggers if write.deleted else subscription.updates)
    if not told and not (write.deleted and wanted.changes):
        return {}
    found: Attributes = {}
    for iri in write.lost:
        unwatched = write.deleted and subscription.watched is not None and iri not in subscription.watched
        if not wanted.shows(iri) or (unwatched and not wanted.changes):
            continue
        kept = set() if write.deleted else {_dataset(each) for each in write.entity.attributes.get(iri, ())}
        gone = [each for each in write.before.get(iri, ()) if _dataset(each) not in kept]
        if len(gone) > 1 and not kept and not wanted.changes:
            gone = [{key: value for key, value in gone[0].items() if key != "datasetId"}]
        if gone:
            found[iri] = [_null(instance, stamp) for instance in gone]
    return found


def _null(instance: Instance, stamp: str) -> Instance:
    holder = VALUE_MEMBER[instance["type"]]
    null: Instance = {"type": instance["type"], holder: _NULLS.get(holder, NULL)}
    null.update(
        {name: instance[name] for name in ("datasetId", "createdAt", "modifiedAt") if name in instance}
    )
    return {**null, "deletedAt": stamp}


def _before(write: Write, shown: Attributes) -> dict[str, dict[str, Any]]:
    """Return the values before the change, each in the member that held it, of what changed and is shown."""
    changes = write.changes
    altered = filter(write.alters, changes.updated)
    touched: Sequence[str] = write.lost if write.deleted else (*altered, *write.lost)
    return {
        iri: {
            _dataset(instance): {VALUE_MEMBER[instance["type"]]: instance[VALUE_MEMBER[instance["type"]]]}
            for instance in write.before.get(iri, ())
            if _replaced(instance, shown[iri])
        }
        for iri in dict.fromkeys(touched)
        if iri in shown
    }


def _differs(before: Instance | None, after: Instance) -> bool:
    """Say whether any member has another value than before, down to the attributes of the attribute."""
    if before is None or before is after:
        return before is None
    holder = VALUE_MEMBER[after["type"]]
    if before.get(holder) != after[holder] or before.get("observedAt") != after.get("observedAt"):
        return True  # as nearly always
    return _content(before) != _content(after)


def _content(instance: Instance) -> bytes:
    """Return what was said of an attribute, without what the broker itself notes down."""
    return orjson.dumps(bare([instance]), option=orjson.OPT_SORT_KEYS)


def _replaced(before: Instance, shown: Sequence[Instance]) -> bool:
    """Say whether another instance stands where one stood; one that was left alone is the same object."""
    return all(each is not before for each in shown)


def _dataset(instance: Instance) -> str:
    return str(instance.get("datasetId", ""))
