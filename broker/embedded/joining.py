# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Linked entity retrieval (CIM 009, clause 4.5.23): what relationships point to is read along.

An entity is followed to once on the way from the one that was asked for, so that circles end.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from broker.embedded.problems import BadRequestDataError, TooComplexQueryError
from broker.embedded.representations import shown_attributes, targets
from broker.embedded.vocabulary import check_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from broker.embedded.merging import Stored
    from broker.embedded.representations import View
    from broker.embedded.store import EntityReader

How: TypeAlias = Literal["inline", "flat"]

MAX_LEVEL = 10
MAX_LINKED = 2000  # entities that one answer reads along
_MAX_SHOWN = 10_000  # and shows in place of links, some of them several times


@dataclass(frozen=True, kw_only=True, slots=True)
class Join:
    """How far relationships are followed, and how what they lead to is shown.

    Attributes:
        contained_by: ids of entities that the client has met before.
    """

    how: How
    level: int
    contained_by: frozenset[str] = frozenset()


@dataclass(kw_only=True, slots=True)
class _Budget:
    left: int = _MAX_SHOWN


@dataclass(frozen=True, kw_only=True, slots=True)
class Joined:
    """Entities that are shown inline, seen from one of them.

    Attributes:
        level: how many steps are left.
        met: ids on the way here, to which no link leads again.
    """

    entities: Mapping[str, Stored]
    level: int
    met: frozenset[str]
    budget: _Budget = field(default_factory=_Budget)

    def follow(self, target: str) -> tuple[Stored | None, Joined | None]:
        """Return an entity that is linked to, if it is to be shown, and what is linked from there.

        Raises:
            TooComplexQueryError: too many are shown already.
        """
        entity = None if target in self.met else self.entities.get(target)
        if entity is None:
            return None, None
        self.budget.left -= 1
        if self.budget.left < 0:
            raise TooComplexQueryError(
                detail=f"more than {_MAX_SHOWN} linked entities; ask for a lower joinLevel"
            )
        if self.level <= 1:
            return entity, None
        return entity, replace(self, level=self.level - 1, met=self.met | {target})


def parse_join(given: Mapping[str, str]) -> Join | None:
    """Read `join`, `joinLevel` and `containedBy`; None where nothing is to be joined.

    Raises:
        BadRequestDataError: one of them is wrong.
    """
    how, level = given.get("join", "@none"), given.get("joinLevel", "1")
    if how not in {"flat", "inline", "@none"}:
        raise BadRequestDataError(detail=f"join is flat, inline or @none, not {how[:40]!r}")
    if not level.isascii() or not level.isdigit() or not 1 <= int(level[:9]) <= MAX_LEVEL:
        raise BadRequestDataError(
            detail=f"joinLevel is a whole number from 1 to {MAX_LEVEL}, not {level[:40]!r}"
        )
    met = [item for item in given.get("containedBy", "").split(",") if item]
    contained_by = frozenset(check_id(item, "an id in containedBy") for item in met)
    if how == "@none":
        return None
    return Join(how="flat" if how == "flat" else "inline", level=int(level), contained_by=contained_by)


async def joined(
    reader: EntityReader, tenant: str, roots: Sequence[Stored], view: View, join: Join
) -> Mapping[str, Stored]:
    """Read the entities that are linked from some, level by level, through what the view shows of them.

    Raises:
        TooComplexQueryError: there are more than 2,000 of them.
    """
    found: dict[str, Stored] = {}
    frontier = [(root, view) for root in roots]
    for _ in range(join.level):
        wanted = {
            target: inner
            for entity, seen in frontier
            for target, inner in _links(entity, seen)
            if target not in join.contained_by and target not in found
        }
        if not wanted:
            break
        if len(found) + len(wanted) > MAX_LINKED:
            raise TooComplexQueryError(
                detail=f"more than {MAX_LINKED} linked entities; ask for a lower joinLevel"
            )
        fetched = await reader.get_many(tenant, wanted)
        found.update({entity.id: entity for entity in fetched})
        frontier = [(entity, wanted[entity.id]) for entity in fetched]
    return found


def flattened(
    roots: Sequence[Stored], entities: Mapping[str, Stored], view: View, join: Join
) -> list[tuple[Stored, View]]:
    """Return the entities that were asked for and then those they link to, each once, with its view."""
    shown = [(root, view) for root in roots]
    met = {root.id for root in roots} | join.contained_by
    frontier = shown
    for _ in range(join.level):
        following: list[tuple[Stored, View]] = []
        for entity, seen in frontier:
            for target, inner in _links(entity, seen):
                if target in entities and target not in met:
                    met.add(target)
                    following.append((entities[target], inner))
        shown = [*shown, *following]
        frontier = following
    return shown


def _links(entity: Stored, view: View) -> Iterable[tuple[str, View]]:
    for iri, instances in shown_attributes(entity, view).items():
        for instance in instances:
            for target in targets(instance):
                yield target, view.beyond(iri)
