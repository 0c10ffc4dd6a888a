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
from typing import TYPE_CHECKING

import orjson
import structlog
from msgspec.structs import replace

from broker.answers import BrokerRefusalError, NotFoundError, NotSupportedError, UnauthorizedError
from models.entity import LAST_SEEN, TIME_ATTRIBUTES
from models.values import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from broker.client import NgsiLdClient
    from models.reading import EntityUpdate

log = structlog.get_logger(__name__)

# Entities remembered; far more than a window of messages can have on its way.
_LIMIT = 200_000
# The key under which an entity's newest update as a whole is kept, beside its attributes.
_WHOLE = ""


class Newest:
    """Time of the newest value, by entity and attribute."""

    def __init__(self, client: NgsiLdClient, context_url: Callable[[str], str]) -> None:
        self._client = client
        self._context_url = context_url
        self._known: dict[str, dict[str, str]] = {}
        # Of these the times that the broker told, until this bridge itself wrote newer ones.
        self._told: dict[str, set[str]] = {}

    async def recall(self, updates: Iterable[EntityUpdate]) -> None:
        """Ask the broker for the state of entities that were not seen since the start.

        Raises:
            BrokerError: it cannot be asked.
        """
        unknown: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for update in updates:
            if update.id not in self._known:
                unknown[update.type, update.subject].add(update.id)
        for (type_name, subject), ids in unknown.items():
            stored = await self._ask(sorted(ids), type_name, subject)
            for entity_id in ids:
                times = {name: rfc3339(at) for name, at in stored.get(entity_id, {}).items()}
                if times:
                    times[_WHOLE] = max(times.values())
                self._known[entity_id] = times
                self._told[entity_id] = set(times)
        while len(self._known) > _LIMIT:
            forgotten = next(iter(self._known))
            del self._known[forgotten]
            self._told.pop(forgotten, None)

    async def _ask(self, ids: list[str], type_name: str, subject: str) -> dict[str, dict[str, datetime]]:
        """Ask the broker; what it refuses to look up it is taken not to have."""
        try:
            return await self._client.observed(
                ids, type=type_name, context=self._context_url(subject), moments=(*TIME_ATTRIBUTES, LAST_SEEN)
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

    def advance(
        self, update: EntityUpdate, *, repeated: bool = False
    ) -> tuple[EntityUpdate | None, EntityUpdate | None]:
        """Split an update into what is newer than (or as new as) the known state, and what is late.

        A fresh part is remembered as the newest state. What was never measured (name, place)
        belongs to the fresh part as long as nothing newer is known of the entity.

        Args:
            update: what a message says of an entity.
            repeated: it may have been delivered before a crash; what the broker holds newer of it
                came after it then, and it is neither fresh nor late.
        """
        if update.observed_at is None:
            return update, None
        known = self._known.pop(update.id, {})
        self._known[update.id] = known  # recently used: last to be forgotten
        told = self._told.get(update.id, set())
        now = rfc3339(update.observed_at)
        times = {
            name: value["observedAt"]
            for name, value in update.body.items()
            if isinstance(value, dict) and "observedAt" in value
        }
        older = {name for name, at in times.items() if known.get(name, at) > at}
        late = older - told if repeated else older
        whole_is_late = known.get(_WHOLE, now) > now
        fresh = times.keys() - older
        for name in fresh:
            known[name] = times[name]
        told -= fresh
        if not whole_is_late:
            known[_WHOLE] = now
        if not older and not whole_is_late:
            return update, None
        stale = _without(update, times.keys() - late) if late else None
        if not fresh:
            # An older update without any reading in it (a device's last-seen) is superseded, not late.
            return None, stale
        dropped = older if not whole_is_late else update.body.keys() - fresh - {"id", "type"}
        return _without(update, dropped), stale


def _without(update: EntityUpdate, names: Iterable[str]) -> EntityUpdate:
    left_out = set(names)
    body = {name: value for name, value in update.body.items() if name not in left_out}
    measured = tuple(name for name in update.measured if name not in left_out)
    return replace(update, measured=measured, head=orjson.dumps(body)[:-1], still=b"")
