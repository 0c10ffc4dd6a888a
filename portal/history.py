# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Reading much history: answers that are full, but whole, however dense or sparse the history is.

A broker has to look at more than it sends where a question is too broad, and then answers in part
(CIM 009, 6.3.10); where questions are too narrow, there are too many of them.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from broker.client import BrokerFailureError, NotFoundError, Problem, UnknownTenantError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from broker.client import NgsiLdClient

_ENTITIES_AT_ONCE = 25
_VALUES_AT_ONCE = 10_000
_FULL = 0.7
#: Of entities of which nothing is known, the history of this long is a question that any broker can bear.
_GUESS = timedelta(days=1)
_SHORTEST = timedelta(microseconds=1)
_PARTIAL = 206
_APPLIED = re.compile(r"maxpagesize=(\d{1,6})")
_MOMENT = r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)"
_RANGE = re.compile(rf"date-time\s+{_MOMENT}-({_MOMENT})/")
_LONG_AGO = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """A question about the past, but for whose and of when.

    Attributes:
        client: speaks to the broker.
        context: address of the @context.
        params: of the operation “query temporal evolution of entities” (6.18.3.2).
    """

    client: NgsiLdClient
    context: str
    params: Mapping[str, str]

    async def read(
        self, ids: Sequence[str], start: datetime, end: datetime
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield temporal representations from `start` on and before `end`, in parts.

        The entities come in the order in which they are named; of one entity alone a part may have less
        than all, and the next one goes on behind it.

        Raises:
            NotSupportedError: the broker keeps no history.
            NgsiLdError: the broker is away, or refuses the query.
        """
        pace = _Pace(end - start)
        place = 0
        while place < len(ids):
            some = ids[place : place + pace.entities]
            if len(some) == 1:
                async for entities in self._of_one(some[0], start, end, pace):
                    yield entities
            else:
                answer = await self._between(some, start, end)
                pace.note(answer, len(some), end - start)
                if answer.partial:
                    continue  # fewer at a time
                places = {entity_id: number for number, entity_id in enumerate(some)}
                yield sorted(answer.entities, key=lambda entity: places.get(str(entity.get("id")), 0))
            place += len(some)

    async def _of_one(
        self, entity_id: str, start: datetime, end: datetime, pace: _Pace
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield the history of an entity, span by span."""
        while start < end:
            until = min(start + pace.width, end)
            answer = await self._between([entity_id], start, until)
            pace.note(answer, 1, (answer.reach or until) - start)
            if not answer.partial:
                yield answer.entities
                start = until
            elif answer.reach is None:  # nothing says up to when it is whole: again, but less
                if until - start <= _SHORTEST:
                    raise _too_many(entity_id, start)
            elif answer.reach > start:  # nothing says whether the last moment is there as a whole
                yield [_before(entity, answer.reach) for entity in answer.entities]
                start = answer.reach
            else:
                yield await self._at(entity_id, start)
                start += _SHORTEST

    async def _at(self, entity_id: str, moment: datetime) -> list[dict[str, Any]]:
        answer = await self._between([entity_id], moment, moment + _SHORTEST)
        if answer.partial:
            raise _too_many(entity_id, moment)
        return answer.entities

    async def _between(self, ids: Sequence[str], start: datetime, end: datetime) -> _Answer:
        params = {
            **self.params,
            "id": ",".join(ids),
            "timerel": "between",
            "timeAt": _exactly(start),
            "endTimeAt": _exactly(end),
            "limit": str(len(ids)),
        }
        wish = f"maxpagesize={_VALUES_AT_ONCE}"
        try:
            answer = await self.client.request(
                "GET", "/temporal/entities", params=params, context=self.context, prefer=wish
            )
        except (NotFoundError, UnknownTenantError):
            return _Answer([], 0, None)
        entities = answer.array()
        applied = _APPLIED.search(answer.headers.get("Preference-Applied", ""))
        return _Answer(
            entities,
            sum(len(value) for entity in entities for value in entity.values() if isinstance(value, list)),
            None if applied is None else int(applied[1]),
            partial=answer.status == _PARTIAL,
            reach=_reach(answer.headers.get("Content-Range", ""), start, end),
        )


class _Answer(NamedTuple):
    """What the broker sent of a span of time.

    Attributes:
        values: how many.
        most: how many the broker sends at a time, where it says so.
        partial: the broker has more than it sent.
        reach: up to which moment it sent all; None: it does not say.
    """

    entities: list[dict[str, Any]]
    values: int
    most: int | None
    partial: bool = False
    reach: datetime | None = None


class _Pace:
    """How many entities, or how long a time of one, make an answer that is full but whole."""

    def __init__(self, span: timedelta) -> None:
        self._span = max(span.total_seconds(), 1e-6)
        self._most = _VALUES_AT_ONCE
        self._density: float | None = None  # values of an entity a second

    @property
    def entities(self) -> int:
        """How many entities to ask for at a time, over the whole time."""
        if self._density is None:
            return _ENTITIES_AT_ONCE if self._span <= _GUESS.total_seconds() else 1
        fitting = _FULL * self._most / (self._density * self._span)
        return max(1, int(min(_ENTITIES_AT_ONCE, fitting)))

    @property
    def width(self) -> timedelta:
        """How long a time to ask for, of one entity."""
        if self._density is None:
            return min(_GUESS, timedelta(seconds=self._span))
        return max(_SHORTEST, timedelta(seconds=min(self._span, _FULL * self._most / self._density)))

    def note(self, answer: _Answer, entities: int, width: timedelta) -> None:
        """Learn from an answer of so many entities and so long a time."""
        seconds = entities * max(width.total_seconds(), 1e-6)
        if not answer.partial:
            self._most = answer.most or self._most
            self._density = max(answer.values, 0.5) / seconds
        else:  # there is more than that; by how much, nobody says
            self._most = max(1, answer.most or answer.values)
            least = self._most / seconds
            self._density = least if answer.reach is not None and entities == 1 else 2 * least


def _before(entity: Mapping[str, Any], moment: datetime) -> dict[str, Any]:
    """Return a temporal representation without what was observed at a moment and later."""
    return {
        name: [each for each in value if not _observed(each) >= moment] if isinstance(value, list) else value
        for name, value in entity.items()
    }


def _observed(instance: Any) -> datetime:
    text = instance.get("observedAt", _LONG_AGO) if isinstance(instance, dict) else _LONG_AGO
    return datetime.fromisoformat(text)


def _reach(content_range: str, start: datetime, end: datetime) -> datetime | None:
    """Read up to which moment a partial answer reaches."""
    found = _RANGE.match(content_range)
    if found is not None:
        with suppress(ValueError):
            reach = datetime.fromisoformat(found[1])
            return reach if start <= reach < end else None
    return None


def _too_many(entity_id: str, moment: datetime) -> BrokerFailureError:
    detail = f"More of {entity_id} was observed at {_exactly(moment)} than the broker sends at a time"
    return BrokerFailureError(detail, problem=Problem(status=0, title=detail))


def _exactly(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"
