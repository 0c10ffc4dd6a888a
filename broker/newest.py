# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What is the newest state of each entity: a late reading must not overwrite it.

The broker is asked once for an entity, when it is first seen after a start; from then on the
bridge, being its only writer, knows. Nothing is kept between starts.

What a crash interrupted is read again, and the broker may hold what comes later in the log than the
message at hand. Such a message is not late: it was delivered before the newer one, and is left out.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson
import structlog
from msgspec import Struct
from msgspec.structs import replace

from broker.answers import BrokerRefusalError, NotFoundError, NotSupportedError, UnauthorizedError
from models.entity import LAST_SEEN, TIME_ATTRIBUTES
from models.reading import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from broker.client import NgsiLdClient
    from models.reading import EntityUpdate, Rest

log = structlog.get_logger(__name__)

# Entities remembered, some 250 bytes each; far more than a window of messages can have on its way.
_LIMIT = 400_000
# Sets of attributes that are told apart; beyond, each attribute is.
_SETS = 8

# Different sets of attributes that brokers tell of: some a profile.
_TOLD_SETS = 4096
_MOMENTS = frozenset({*TIME_ATTRIBUTES, LAST_SEEN})

Names = tuple[str, ...]


class Known(Struct, gc=False):
    """What is known of one entity.

    Attributes:
        measured: the attributes of its newest update; `at`: the time of that. None: nothing is known.
        others: the same of updates with other attributes, as far as they are not superseded.
        rest: of the last update that was sent as a whole, what did not change since; `whole_at`: when
            that was, seconds of the loop's clock. None: it has to be sent.
        sent_at: the time of observation that the broker was sent last.
    """

    measured: Names = ()
    at: datetime | None = None
    others: dict[Names, datetime] | None = None
    rest: Rest | None = None
    whole_at: float = 0.0
    sent_at: datetime | None = None

    def sets(self) -> Iterator[tuple[Names, datetime]]:
        """Give the sets of attributes with the time of each."""
        if self.at is not None:
            yield self.measured, self.at
        yield from (self.others or {}).items()

    def note(self, measured: Names, at: datetime) -> None:
        """Remember that these attributes were observed then, and before it nothing newer of them."""
        if self.at is None or (measured == self.measured and at >= self.at):
            self.measured, self.at = measured, at
            return
        others = self.others or {}
        if at >= self.at:
            others[self.measured] = self.at
            others = {names: moment for names, moment in others.items() if not {*measured}.issuperset(names)}
            self.measured, self.at = measured, at
        elif measured:
            others[measured] = at
        if len(others) > _SETS and any(len(names) > 1 for names in others):
            single: dict[Names, datetime] = {
                (name,): moment for names, moment in others.items() for name in names
            }
            for names, moment in others.items():
                for name in names:
                    single[name,] = max(moment, single[name,])
            others = single
        self.others = others or None


class Newest:
    """Time of the newest value, by entity and attribute."""

    def __init__(self, client: NgsiLdClient, context_url: Callable[[str], str]) -> None:
        self._client = client
        self._context_url = context_url
        self._known: dict[str, Known] = {}
        # The attributes whose time the broker told, until this bridge itself wrote newer ones; while
        # anything can be a repetition.
        self._told: dict[str, set[str]] = {}
        self._telling = True

    def unknown(self, updates: Iterable[EntityUpdate]) -> list[EntityUpdate]:
        """Return those whose entity was not seen since the start."""
        known = self._known
        return [update for update in updates if update.id not in known]

    async def recall(self, updates: Iterable[EntityUpdate]) -> None:
        """Ask the broker for the state of entities that were not seen since the start.

        Raises:
            BrokerError: it cannot be asked.
        """
        unknown: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for update in self.unknown(updates):
            unknown[update.type, update.subject].add(update.id)
        for (type_name, subject), ids in unknown.items():
            stored = await self._ask(sorted(ids), type_name, subject)
            for entity_id in ids:
                known = self._known[entity_id] = Known()
                attributes: defaultdict[datetime, list[str]] = defaultdict(list)
                for name, at in stored.get(entity_id, {}).items():
                    # Of a time of observation only the time counts: it is never measured.
                    attributes[at] += () if name in _MOMENTS else (name,)
                for at, names in sorted(attributes.items()):
                    known.note(_shared(tuple(names)), at)
                told = {name for names in attributes.values() for name in names}
                if told and self._telling:
                    self._told[entity_id] = told
        while len(self._known) > _LIMIT:
            forgotten = next(iter(self._known))
            del self._known[forgotten]
            self._told.pop(forgotten, None)

    async def _ask(self, ids: list[str], type_name: str, subject: str) -> dict[str, dict[str, datetime]]:
        """Ask the broker; what it refuses to look up it is taken not to have."""
        try:
            return await self._client.observed(
                ids, type=type_name, context=self._context_url(subject), moments=_MOMENTS
            )
        except NotFoundError:  # nothing was ever written to this tenant
            return {}
        except (UnauthorizedError, NotSupportedError):
            raise
        except BrokerRefusalError as error:
            if len(ids) == 1:
                log.warning("bridge.state_unknown", entity=ids[0], error=str(error))
                return {}
            middle = len(ids) // 2
            first = await self._ask(ids[:middle], type_name, subject)
            return first | await self._ask(ids[middle:], type_name, subject)

    def known(self, entity_id: str) -> Known:
        """Return what is known of an entity, to be read and marked."""
        known = self._known.get(entity_id)
        if known is None:
            known = self._known[entity_id] = Known()
        return known

    def say_whole_again(self, entity_id: str) -> None:
        """Send the next update of the entity as a whole, for the last one was refused."""
        if entity_id in self._known:
            self._known[entity_id].rest = None

    def forget_told(self) -> None:
        """From now on nothing can be a repetition."""
        self._telling = False
        self._told.clear()

    def advance(
        self, update: EntityUpdate, known: Known, *, repeated: bool = False
    ) -> tuple[EntityUpdate | None, EntityUpdate | None]:
        """Split an update into what is newer than (or as new as) the known state, and what is late.

        A fresh part is remembered as the newest state. What was never measured (name, place)
        belongs to the fresh part as long as nothing newer is known of the entity.

        Args:
            update: what a message says of an entity.
            known: what is known of this entity.
            repeated: it may have been delivered before a crash; what the broker holds newer of it
                came after it then, and it is neither fresh nor late.
        """
        at = update.observed_at
        if at is None:
            return update, None
        if known.at is None or at >= known.at:
            if update.measured is known.measured:  # the same attributes as ever
                known.at = at
            else:
                known.note(update.measured, at)
            if repeated and update.id in self._told:
                self._told[update.id] -= {*update.measured}
            return update, None
        newest: dict[str, datetime] = {}
        for names, moment in known.sets():
            for name in names:
                newest[name] = max(moment, newest.get(name, moment))
        older = {name for name in update.measured if newest.get(name, at) > at}
        told = self._told.get(update.id, set())
        late = older - told if repeated else older
        fresh = tuple(name for name in update.measured if name not in older)
        told -= {*fresh}
        known.note(fresh, at)
        stale = _only(update, late) if late else None
        # An older update without any reading in it (a device's last-seen) is superseded, not late.
        return _only(update, fresh) if fresh else None, stale


@lru_cache(maxsize=_TOLD_SETS)
def _shared(names: Names) -> Names:
    """Return the one tuple that stands for all equal ones: there is one an entity."""
    return names


def _only(update: EntityUpdate, names: Iterable[str]) -> EntityUpdate:
    """Return an update with some of what was measured, and nothing else."""
    kept = {"id", "type", *names}
    body = {name: value for name, value in update.body.items() if name in kept}
    measured = tuple(name for name in update.measured if name in kept)
    return replace(update, measured=measured, head=orjson.dumps(body)[:-1], rest=NOTHING)
