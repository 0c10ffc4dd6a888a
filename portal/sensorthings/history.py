# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Observations out of the broker's history, in the order of time and never more than are needed.

The newest of a datastream is what its entity says now, so that the most usual of all requests, the last
value of each, asks the broker for no history at all. Further back, datastreams of one type are read
together, backwards by `lastN` or forwards from a moment on; what they gave is put in order as far as all
have been read. A broker without history has the current values alone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog

from broker.client import BadRequestDataError, NotFoundError, NotSupportedError, UnknownTenantError
from portal.sensorthings.model import Seen, Stream
from portal.sensorthings.observing import Window, behind, observation
from portal.sensorthings.problems import TooCostlyError
from portal.sensorthings.times import TICK, exact
from portal.views import moment_of, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from portal.sensorthings.evaluate import Work
    from portal.sensorthings.observing import Plan, Token
    from portal.views import View

log = structlog.get_logger(__name__)

#: What one request may ask of the broker's history, and hold in memory at a time.
MOST_QUERIES: Final = 60
MOST_SEEN: Final = 60_000
#: Observations that may be sorted by something else than time.
MOST_SORTED: Final = 20_000
_ENTITIES: Final = 25
_AT_A_TIME: Final = 10_000
#: Entities that are read as one, entities that the broker shows at once, and how much time at first.
_MANY: Final = 100
_PAGE: Final = 1000
_STEP: Final = timedelta(minutes=1)
_SCANNED: Final = 1_000
_BY_TIME: Final = "ask for one Datastream, or for a shorter phenomenonTime"


@dataclass(kw_only=True)
class Found:
    """Some observations, and whether there may be more behind them."""

    seen: list[Seen]
    more: bool


@dataclass(eq=False, kw_only=True, slots=True)
class _Run:
    """Datastreams of one type that are read together.

    Attributes:
        rest: the time that is still to be read.
        ready: what was read and not yet given out.
        done: nothing is left to be read.
        step: they are so many that they are read without their ids, so much time at once; None: they are few.
    """

    streams: dict[tuple[str, str], Stream]
    rest: Window
    ready: list[Seen] = field(default_factory=list)
    done: bool = False
    step: timedelta | None = None


class History:
    """Reads a view's observations for one request.

    Args:
        view: whose.
        streams: all datastreams, by id.
        work: counts what the request costs.
        kept: whether the broker keeps history; it is found out.
    """

    def __init__(self, view: View, work: Work) -> None:
        self._view = view
        self._work = work
        self._queries = MOST_QUERIES
        self._seen = MOST_SEEN
        self.kept = view.client.limits.temporal

    # --- one collection ----------------------------------------------------------------------------------

    async def page(self, streams: Sequence[Stream], plan: Plan, *, skip: int, top: int) -> Found:
        """Return `top` observations of some datastreams together, in the order of the plan.

        Raises:
            TooCostlyError: too much would have to be read for that.
            NgsiLdError: the broker is away, or refuses.
        """
        chosen = await plan.chosen(list(streams), self._work)
        if top == 0:
            return Found(seen=[], more=bool(chosen))
        if not plan.timely:
            return await self._sorted_later(chosen, plan)
        after = plan.after
        # a token says where the page begins: what was skipped before it is not skipped again
        needed = top if after is not None else skip + top
        if needed > MOST_SEEN:
            msg = f"$skip goes to {MOST_SEEN} observations: follow @iot.nextLink, or {_BY_TIME}"
            raise TooCostlyError(msg)
        found = await self._merged(chosen, plan, needed)
        kept = found.seen if after is not None else found.seen[skip:]
        return Found(seen=kept, more=found.more)

    async def _sorted_later(self, streams: list[Stream], plan: Plan) -> Found:
        """Return all that the plan allows, for an order that the broker does not know."""
        found = await self._merged(streams, plan, MOST_SORTED + 1)
        if len(found.seen) > MOST_SORTED:
            msg = f"Only {MOST_SORTED} observations are sorted by something else than time: {_BY_TIME}"
            raise TooCostlyError(msg)
        return Found(seen=found.seen, more=False)

    async def _merged(self, streams: list[Stream], plan: Plan, needed: int) -> Found:
        """Return the first `needed` observations of several datastreams in the order of time."""
        window = behind(plan.window, plan.after, upwards=plan.upwards)
        chunk = _SCANNED if plan.rest is not None else min(needed + 1, _AT_A_TIME)
        runs = self._runs(streams, window, chunk, upwards=plan.upwards, wide=not plan.upwards)
        by_id = {stream.id: stream for stream in streams}
        out: list[Seen] = []
        while True:
            active = [run for run in runs if not run.done]
            limit = _limit(active, upwards=plan.upwards)
            ready = _given_out(runs, limit, upwards=plan.upwards)
            out += await self._meeting(_behind(ready, plan.after, upwards=plan.upwards), by_id, plan)
            if len(out) > needed:
                return Found(seen=out[:needed], more=True)
            if not active:
                return Found(seen=out, more=False)
            if len(out) == needed:
                return Found(seen=out, more=self.kept)
            reading = [run for run in active if _edge(run, upwards=plan.upwards) == limit]
            await self._read(reading, chunk, upwards=plan.upwards)

    async def _meeting(self, seen: list[Seen], by_id: Mapping[str, Stream], plan: Plan) -> list[Seen]:
        """Return those that meet what the plan asks of each."""
        if plan.rest is None:
            return seen
        await self._work.take(plan.rest.cost * len(seen))
        return [each for each in seen if plan.rest.holds(observation(by_id[each.stream], each))[0]]

    def _runs(
        self, streams: list[Stream], window: Window, chunk: int, *, upwards: bool, wide: bool = False
    ) -> list[_Run]:
        """Put datastreams together that can be read at once: of one type, the most recent ones first.

        Where a window ends before what many entities say now, nothing tells which of them have something
        close to its end: with `wide`, they are read as one.
        """
        by_type: dict[str, dict[str, list[Stream]]] = {}
        for stream in sorted(streams, key=lambda each: each.newest.moment, reverse=True):
            by_type.setdefault(stream.dataset.type, {}).setdefault(stream.entity, []).append(stream)
        runs = []
        for entities in by_type.values():
            widest = max(len(each) for each in entities.values())
            size = max(1, min(_ENTITIES, _AT_A_TIME // (chunk * widest) if chunk else _ENTITIES))
            together = list(entities.values())
            busy = [each for each in together if max(one.newest.moment for one in each) >= window.end]
            if wide and self.kept and len(busy) > _MANY:
                all_busy = {(one.entity, one.attribute): one for each in busy for one in each}
                runs.append(_Run(streams=all_busy, rest=window, step=_STEP))
                together = [each for each in together if each not in busy]
            for start in range(0, len(together), size):
                members = [stream for some in together[start : start + size] for stream in some]
                runs.append(self._run(members, window, upwards=upwards))
        return runs

    def _run(self, members: list[Stream], window: Window, *, upwards: bool) -> _Run:
        """Begin to read datastreams; downwards, with what their entities say now."""
        streams = {(stream.entity, stream.attribute): stream for stream in members}
        current = [stream.newest for stream in members]
        if upwards and self.kept:
            return _Run(streams=streams, rest=window)
        if not self.kept:  # there is nothing but what is now
            ready = [seen for seen in current if seen.moment in window]
            return _Run(streams=streams, rest=window, ready=ready, done=True)
        newest = max(seen.moment for seen in current)
        if newest < window.start:
            return _Run(streams=streams, rest=window, done=True)
        if newest >= window.end:
            return _Run(streams=streams, rest=window)
        ready = [seen for seen in current if seen.moment == newest]
        return _Run(
            streams=streams,
            rest=Window(start=window.start, end=newest),
            ready=ready,
            done=newest <= window.start,
        )

    # --- each of several collections -----------------------------------------------------------------------

    async def pages(self, streams: Sequence[Stream], plan: Plan, *, skip: int, top: int) -> dict[str, Found]:
        """Return, of each datastream by its id, `top` of its observations; many are read together."""
        chosen = await plan.chosen(list(streams), self._work)
        found = {stream.id: Found(seen=[], more=False) for stream in streams}
        if plan.rest is not None or plan.upwards:
            if len(chosen) > MOST_QUERIES:
                msg = (
                    f"The observations of {len(chosen)} Datastreams are not searched at once, but "
                    f"of {MOST_QUERIES}: order them by phenomenonTime desc, or ask for fewer Datastreams"
                )
                raise TooCostlyError(msg)
            for stream in chosen:
                found[stream.id] = await self.page([stream], plan, skip=skip, top=top)
            return found
        if len(chosen) * (skip + top) > MOST_SEEN:
            msg = (
                f"{skip + top} observations of each of {len(chosen)} Datastreams are more than the "
                f"{MOST_SEEN} that one answer has: ask for fewer"
            )
            raise TooCostlyError(msg)
        needed = skip + top
        newest: dict[str, list[Seen]] = {stream.id: [] for stream in chosen}
        behind_it: dict[str, Stream] = {}
        for stream in chosen:
            if stream.newest.moment in plan.window:
                newest[stream.id].append(stream.newest)
            if needed > len(newest[stream.id]) and stream.newest.moment >= plan.window.start:
                behind_it[stream.id] = stream
        if self.kept and behind_it:
            await self._newest(list(behind_it.values()), plan.window, needed + 1, newest)
        for stream in chosen:
            seen = newest[stream.id]
            more = self.kept if stream.id not in behind_it else len(seen) > needed
            found[stream.id] = Found(seen=seen[skip:needed], more=more and len(seen) >= needed)
        return found

    async def _newest(
        self, streams: list[Stream], window: Window, needed: int, into: dict[str, list[Seen]]
    ) -> None:
        """Read the newest of each datastream into lists that have the current value or nothing."""

        async def read(run: _Run) -> None:
            while not run.done:
                await self._read([run], needed, upwards=False)
                for seen in sorted(run.ready, key=lambda each: each.moment, reverse=True):
                    so_far = into[seen.stream]
                    if len(so_far) < needed and (not so_far or seen.moment < so_far[-1].moment):
                        so_far.append(seen)
                run.ready.clear()
                for key, stream in list(run.streams.items()):
                    if len(into[stream.id]) >= needed:
                        del run.streams[key]
                run.done |= not run.streams

        runs = self._runs(streams, window, needed, upwards=False)
        for run in runs:  # their current values are known: what is read is what lies before
            run.ready, run.rest, run.done = [], window, False
        for some in (runs[start : start + 4] for start in range(0, len(runs), 4)):
            await asyncio.gather(*(read(run) for run in some))

    async def at(self, stream: Stream, moment: datetime) -> Seen | None:
        """Return what a datastream observed at a moment; None: nothing."""
        if stream.newest.moment == moment:
            return stream.newest
        if not self.kept:
            return None
        run = _Run(
            streams={(stream.entity, stream.attribute): stream}, rest=Window(start=moment, end=moment + TICK)
        )
        await self._read([run], 1, upwards=True)
        return next((seen for seen in run.ready if seen.moment == moment), None)

    async def count(self, streams: Sequence[Stream], plan: Plan) -> int:
        """Return how many observations a plan allows.

        Raises:
            TooCostlyError: they would have to be looked at one by one, and are too many.
        """
        chosen = await plan.chosen(list(streams), self._work)
        if not chosen:
            return 0
        if plan.rest is None and self.kept:
            counted = await self._counted(chosen, plan.window)
            if counted is not None:
                return sum(counted.values())
        whole = await self._merged(chosen, replace(plan, after=None), MOST_SORTED + 1)
        if len(whole.seen) > MOST_SORTED:
            msg = f"More than {MOST_SORTED} observations are not counted one by one: {_BY_TIME}"
            raise TooCostlyError(msg)
        return len(whole.seen)

    async def counts(self, streams: Sequence[Stream], plan: Plan) -> list[int]:
        """Return how many observations of each of some datastreams a plan allows. Raises as `count` does."""
        chosen = await plan.chosen(list(streams), self._work)
        if plan.rest is None and self.kept and chosen:
            counted = await self._counted(chosen, plan.window)
            if counted is not None:
                return [counted.get(stream.id, 0) for stream in streams]
        return [await self.count([stream], plan) for stream in streams]

    async def _counted(self, streams: list[Stream], window: Window) -> dict[str, int] | None:
        """Let the broker count, by datastream; None: it cannot."""
        counted: dict[str, int] = {}
        asked = {"options": "aggregatedValues", "aggrMethods": "totalCount", "aggrPeriodDuration": "PT0S"}
        runs = self._runs(streams, window, 0, upwards=True)
        while runs:
            run = runs.pop()
            try:
                entities, partial = await self._ask(run, window, asked)
            except BadRequestDataError:
                return None
            if partial and len(run.streams) > 1:
                runs += _halves(run)
                continue
            for entity in entities:
                for (entity_id, attribute), stream in run.streams.items():
                    if entity.get("id") == entity_id and attribute in entity:
                        counted[stream.id] = _count_of(entity[attribute])
        return counted if self.kept else None

    # --- the broker ----------------------------------------------------------------------------------------

    async def _read(self, runs: list[_Run], chunk: int, *, upwards: bool) -> None:
        await asyncio.gather(*(self._further(run, chunk, upwards=upwards) for run in runs))

    async def _step(self, run: _Run, step: timedelta) -> None:
        """Read what many datastreams have in the last part of their window; less where that is much."""
        whole = run.rest
        start = whole.start if whole.end - whole.start <= step else whole.end - step
        window = Window(start=start, end=whole.end)
        entities, partial = await self._ask(run, window, {})
        if partial and step > timedelta(milliseconds=1):
            run.step = step / 4
            return
        found = [seen for entity in entities for seen in _instances(entity, run.streams)]
        self._count_seen(len(found))
        run.ready += [seen for seen in found if seen.moment in window]
        run.rest = Window(start=whole.start, end=start)
        run.done = run.rest.empty
        run.step = step * 4 if len(found) < _SCANNED else step

    async def _further(self, run: _Run, chunk: int, *, upwards: bool) -> None:
        """Read a run further: what is complete is ready, and the rest is for the next time."""
        if run.step is not None:
            await self._step(run, run.step)
            return
        window = run.rest
        entities, partial = await self._ask(run, window, {} if upwards else {"lastN": str(chunk)})
        if not self.kept:
            run.done = True
            return
        by_stream: dict[str, dict[datetime, Seen]] = {stream.id: {} for stream in run.streams.values()}
        for entity in entities:
            for seen in _instances(entity, run.streams):
                if seen.moment in window:
                    by_stream[seen.stream].setdefault(seen.moment, seen)
        moments = [moment for seen in by_stream.values() for moment in seen]
        self._count_seen(len(moments))
        if upwards:
            edge = max(moments) if partial and moments else None
            run.rest = window if edge is None else Window(start=edge + TICK, end=window.end)
        else:
            edges = [min(seen) for seen in by_stream.values() if len(seen) >= chunk]
            if partial and moments:
                edges.append(min(moments))
            edge = max(edges) if edges else None
            run.rest = window if edge is None else Window(start=window.start, end=edge)
        run.done = edge is None or run.rest.empty
        read = Window(
            start=window.start if upwards or edge is None else edge,
            end=window.end if not upwards or edge is None else edge + TICK,
        )
        for stream in run.streams.values():  # the current value may not be in the history, or no longer
            if stream.newest.moment in read:
                by_stream[stream.id].setdefault(stream.newest.moment, stream.newest)
        run.ready += [each for seen in by_stream.values() for moment, each in seen.items() if moment in read]

    async def _ask(
        self, run: _Run, window: Window, params: Mapping[str, str]
    ) -> tuple[Sequence[Mapping[str, Any]], bool]:
        """Ask the broker for the history of some datastreams, and say whether its answer is a part."""
        self._queries -= 1
        if self._queries < 0:
            msg = f"The answer would have to be gathered from too much history: {_BY_TIME}"
            raise TooCostlyError(msg)
        type_name = next(iter(run.streams.values())).dataset.type
        asked = {
            "type": type_name,
            "attrs": ",".join(dict.fromkeys(attribute for _, attribute in run.streams)),
            "timerel": "between",
            "timeAt": exact(window.start),
            "endTimeAt": exact(window.end),
            **params,
        }
        if run.step is None:
            asked |= {
                "id": ",".join(dict.fromkeys(entity for entity, _ in run.streams)),
                "limit": str(_ENTITIES),
            }
        else:
            asked["limit"] = str(_PAGE)
        try:
            answer = await self._view.client.query_temporal(context=self._view.context_of(type_name), **asked)
        except (NotFoundError, UnknownTenantError):
            return (), False
        except NotSupportedError:
            log.info("sensorthings.history.none", view=self._view.name)
            self.kept = False
            return (), False
        # more entities than the broker shows at once are as much as a part of their values
        return answer.entities, answer.partial or (run.step is not None and len(answer.entities) >= _PAGE)

    def _count_seen(self, number: int) -> None:
        self._seen -= number
        if self._seen < 0:
            msg = f"More than {MOST_SEEN} observations would have to be looked at: {_BY_TIME}"
            raise TooCostlyError(msg)


def _halves(run: _Run) -> list[_Run]:
    members = list(run.streams.items())
    middle = len(members) // 2
    return [_Run(streams=dict(half), rest=run.rest) for half in (members[:middle], members[middle:])]


def _edge(run: _Run, *, upwards: bool) -> datetime:
    return run.rest.start if upwards else run.rest.end


def _limit(active: list[_Run], *, upwards: bool) -> datetime | None:
    """Return the moment up to which all have been read; None: all is read."""
    if not active:
        return None
    edges = [_edge(run, upwards=upwards) for run in active]
    return min(edges) if upwards else max(edges)


def _given_out(runs: list[_Run], limit: datetime | None, *, upwards: bool) -> list[Seen]:
    """Take what is ready and lies before all that is still to be read; in order."""
    out: list[Seen] = []
    for run in runs:
        if limit is None:
            out += run.ready
            run.ready = []
            continue
        out += [seen for seen in run.ready if (seen.moment < limit if upwards else seen.moment >= limit)]
        run.ready = [
            seen for seen in run.ready if not (seen.moment < limit if upwards else seen.moment >= limit)
        ]
    out.sort(key=lambda seen: seen.stream)
    out.sort(key=lambda seen: seen.moment, reverse=not upwards)
    return out


def _behind(seen: list[Seen], token: Token | None, *, upwards: bool) -> list[Seen]:
    """Leave out what the page before ended with: at its moment, the datastreams up to its own."""
    if token is None:
        return seen
    return [
        each
        for each in seen
        if (each.moment > token.moment if upwards else each.moment < token.moment)
        or (each.moment == token.moment and each.stream > token.stream)
    ]


def _instances(entity: Mapping[str, Any], streams: Mapping[tuple[str, str], Stream]) -> Iterable[Seen]:
    """Yield what a temporal representation says of some datastreams."""
    entity_id = entity.get("id")
    for name, attribute in entity.items():
        stream = streams.get((str(entity_id), name))
        if stream is None:
            continue
        for instance in attribute if isinstance(attribute, list) else [attribute]:
            if not isinstance(instance, dict) or "observedAt" not in instance or "datasetId" in instance:
                continue
            quality = instance.get("quality")
            yield Seen(
                stream=stream.id,
                moment=moment_of(instance["observedAt"]),
                value=value_of(instance),
                quality=value_of(quality) if isinstance(quality, dict) else None,
            )


def _count_of(attribute: Any) -> int:
    """Read how many values an aggregated attribute has: totalCount [[number, start, end], …]."""
    members = attribute if isinstance(attribute, list) else [attribute]
    counts = [
        row[0]
        for member in members
        if isinstance(member, dict)
        for row in member.get("totalCount", ())
        if isinstance(row, list) and row
    ]
    return sum(int(count) for count in counts)
