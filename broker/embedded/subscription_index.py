# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A tenant's subscriptions, found by what they are about.

A change looks up the entity's id and its types, then the attributes that it touched, then what the
query compares: so a thousand subscriptions to one type with a threshold each cost what those cost
whose threshold is passed. What is found may match; whether it does, `notifications.py` decides.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeAlias

from broker.embedded.query import All, Compare, Literal
from broker.embedded.query_in_memory import CREATED, MODIFIED, scalars_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from broker.embedded.entities import Instance
    from broker.embedded.query import Query
    from broker.embedded.snapshots import Write
    from broker.embedded.subscriptions import Subscription

Found: TypeAlias = "dict[str, Subscription]"

_WHOLE = frozenset({"entityCreated", "entityDeleted"})  # to which watchedAttributes do not apply
_UP, _DOWN = frozenset({">", ">="}), frozenset({"<", "<="})


class SubscriptionIndex:
    """The subscriptions that a change may concern; those with a timeInterval wait for the clock alone."""

    def __init__(self, subscriptions: Iterable[Subscription]) -> None:
        self._by_id: dict[str, list[Subscription]] = defaultdict(list)
        self._by_type: dict[str, _Shelf] = defaultdict(_Shelf)
        self._others = _Shelf()
        self._any = False
        for each in subscriptions:
            if each.interval is None:
                self._any = True
                self._place(each)

    def __bool__(self) -> bool:
        return self._any

    def about(self, write: Write) -> Collection[Subscription]:
        """Return the subscriptions that a change may concern, each once."""
        found: Found = {each.id: each for each in self._by_id.get(write.entity.id, ())}
        self._others.find(write, found)
        for iri in write.entity.types:
            if iri in self._by_type:
                self._by_type[iri].find(write, found)
        return found.values()

    def _place(self, subscription: Subscription) -> None:
        """Put it where every entity that it may be about leads."""
        ids: set[str] = set()
        types: set[str] = set()
        for selector in subscription.selectors:
            if selector.ids is not None:
                ids.update(selector.ids)
            elif selector.types is not None:
                types.update(selector.types.names())
            else:
                ids, types = set(), set()
                break
        for entity_id in ids:
            self._by_id[entity_id].append(subscription)
        for shelf in [self._by_type[iri] for iri in types] or ([] if ids else [self._others]):
            shelf.add(subscription)


class _Shelf:
    """Subscriptions by the attributes that they watch, and by what they compare."""

    def __init__(self) -> None:
        self._plain: list[Subscription] = []
        self._watched: dict[str, _Shelf] = {}
        self._guards: dict[str, _Guard] = {}

    def add(self, subscription: Subscription) -> None:
        """Put a subscription where it is found."""
        if subscription.watched is None or subscription.triggers & _WHOLE:
            self._add(subscription)
            return
        for iri in subscription.watched:
            self._watched.setdefault(iri, _Shelf())._add(subscription)  # noqa: SLF001 - its own kind

    def _add(self, subscription: Subscription) -> None:
        guarding = _guarding(subscription.q)
        if guarding is None:
            self._plain.append(subscription)
        else:
            self._guards.setdefault(guarding.path.attributes[0], _Guard()).add(guarding, subscription)

    def find(self, write: Write, found: Found) -> None:
        """Add the subscriptions that may be concerned."""
        for each in self._plain:
            found[each.id] = each
        for iri, guard in self._guards.items():
            guard.find(write.entity.attributes.get(iri, ()), found)
        changes = write.changes
        for iri, shelf in self._watched.items():
            if iri in changes.updated or iri in changes.created or iri in write.lost:
                shelf.find(write, found)


class _Guard:
    """Subscriptions whose query compares one attribute with a number, or asks for certain values of it."""

    def __init__(self) -> None:
        self._above: list[tuple[float, int, Subscription]] = []
        self._below: list[tuple[float, int, Subscription]] = []
        self._equal: dict[tuple[bool, Any], list[Subscription]] = defaultdict(list)

    def add(self, guarding: Compare, subscription: Subscription) -> None:
        """Put a subscription where it is found."""
        values = [each.value for each in guarding.values if isinstance(each, Literal)]
        if guarding.operator == "==":
            for value in values:
                self._equal[isinstance(value, bool), value].append(subscription)
            return
        sorted_ = self._above if guarding.operator in _UP else self._below
        for value in values:
            if isinstance(value, int | float):
                insort(sorted_, (value, len(sorted_), subscription), key=lambda each: each[:2])

    def find(self, instances: Iterable[Instance], found: Found) -> None:
        """Add the subscriptions whose comparison may hold."""
        scalars = [scalar for instance in instances for scalar in scalars_of(instance)]
        if self._equal:
            for scalar in scalars:
                if isinstance(scalar, str | int | float):
                    for each in self._equal.get((isinstance(scalar, bool), scalar), ()):
                        found[each.id] = each
        numbers = [each for each in scalars if isinstance(each, int | float) and not isinstance(each, bool)]
        if numbers:
            met = self._above[: bisect_right(self._above, max(numbers), key=_threshold)]
            met += self._below[bisect_left(self._below, min(numbers), key=_threshold) :]
            for _, _, each in met:
                found[each.id] = each


def _threshold(entry: tuple[float, int, Subscription]) -> float:
    return entry[0]


def _guarding(query: Query | None) -> Compare | None:
    """Return a comparison that has to hold for the query to hold, and that is quickly looked up."""
    if isinstance(query, All):
        return next((found for term in query.terms if (found := _guarding(term)) is not None), None)
    if not isinstance(query, Compare):
        return None
    path = query.path
    if path.through or path.member is not None or path.keys or len(path.attributes) > 1:
        return None
    if path.attributes[0] in {CREATED, MODIFIED}:
        return None
    return query if _quick(query) else None


def _quick(query: Compare) -> bool:
    values = [each.value if isinstance(each, Literal) else None for each in query.values]
    if query.operator == "==":
        return all(isinstance(value, str | int | float) for value in values)
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return query.operator in _UP | _DOWN and numbers
