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
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from broker.client import BadRequestDataError
from portal.sensorthings import reading
from portal.sensorthings.observing import Window, behind, observation
from portal.sensorthings.problems import TooCostlyError
from portal.sensorthings.reading import AT_A_TIME, BY_TIME, SCANNED, Reading, Run, edge_of, halves
from portal.sensorthings.times import TICK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from portal.sensorthings.evaluate import Work
    from portal.sensorthings.model import Seen, Stream
    from portal.sensorthings.observing import Plan, Token
    from portal.views import View

#: Observations that may be sorted by something else than time.
MOST_SORTED: Final = 20_000


@dataclass(kw_only=True)
class Found:
    """Some observations, and whether there may be more behind them."""

    seen: list[Seen]
    more: bool


class History(Reading):
    """Reads a view's observations for one request.

    Args:
        view: whose.
        work: counts what the request costs.
    """

    def __init__(self, view: View, work: Work) -> None:
        super().__init__(view)
        self._work = work

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
        if needed > reading.MOST_SEEN:
            msg = f"$skip goes to {reading.MOST_SEEN} observations: follow @iot.nextLink, or {BY_TIME}"
            raise TooCostlyError(msg)
        found = await self._merged(chosen, plan, needed)
        kept = found.seen if after is not None else found.seen[skip:]
        return Found(seen=kept, more=found.more)

    async def _sorted_later(self, streams: list[Stream], plan: Plan) -> Found:
        """Return all that the plan allows, for an order that the broker does not know."""
        found = await self._merged(streams, plan, MOST_SORTED + 1)
        if len(found.seen) > MOST_SORTED:
            msg = f"Only {MOST_SORTED} observations are sorted by something else than time: {BY_TIME}"
            raise TooCostlyError(msg)
        return Found(seen=found.seen, more=False)

    async def _merged(self, streams: list[Stream], plan: Plan, needed: int) -> Found:
        """Return the first `needed` observations of several datastreams in the order of time."""
        window = behind(plan.window, plan.after, upwards=plan.upwards)
        chunk = SCANNED if plan.rest is not None else min(needed + 1, AT_A_TIME)
        runs = self.runs(streams, window, chunk, upwards=plan.upwards, wide=not plan.upwards)
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
            reading = [run for run in active if edge_of(run, upwards=plan.upwards) == limit]
            await self.read(reading, chunk, upwards=plan.upwards)

    async def _meeting(self, seen: list[Seen], by_id: Mapping[str, Stream], plan: Plan) -> list[Seen]:
        """Return those that meet what the plan asks of each."""
        if plan.rest is None:
            return seen
        await self._work.take(plan.rest.cost * len(seen))
        return [each for each in seen if plan.rest.holds(observation(by_id[each.stream], each))[0]]

    # --- each of several collections -----------------------------------------------------------------------

    async def pages(self, streams: Sequence[Stream], plan: Plan, *, skip: int, top: int) -> dict[str, Found]:
        """Return, of each datastream by its id, `top` of its observations; many are read together."""
        chosen = await plan.chosen(list(streams), self._work)
        found = {stream.id: Found(seen=[], more=False) for stream in streams}
        if plan.rest is not None or plan.upwards:
            if len(chosen) > reading.MOST_QUERIES:
                msg = (
                    f"The observations of {len(chosen)} Datastreams are not searched at once, but of "
                    f"{reading.MOST_QUERIES}: order them by phenomenonTime desc, or ask for fewer"
                )
                raise TooCostlyError(msg)
            for stream in chosen:
                found[stream.id] = await self.page([stream], plan, skip=skip, top=top)
            return found
        if len(chosen) * (skip + top) > reading.MOST_SEEN:
            msg = (
                f"{skip + top} observations of each of {len(chosen)} Datastreams are more than the "
                f"{reading.MOST_SEEN} that one answer has: ask for fewer"
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

        async def read(run: Run) -> None:
            while not run.done:
                await self.read([run], needed, upwards=False)
                for seen in sorted(run.ready, key=lambda each: each.moment, reverse=True):
                    so_far = into[seen.stream]
                    if len(so_far) < needed and (not so_far or seen.moment < so_far[-1].moment):
                        so_far.append(seen)
                run.ready.clear()
                for key, stream in list(run.streams.items()):
                    if len(into[stream.id]) >= needed:
                        del run.streams[key]
                run.done |= not run.streams

        runs = self.runs(streams, window, needed, upwards=False)
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
        run = Run(
            streams={(stream.entity, stream.attribute): stream}, rest=Window(start=moment, end=moment + TICK)
        )
        await self.read([run], 1, upwards=True)
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
            msg = f"More than {MOST_SORTED} observations are not counted one by one: {BY_TIME}"
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
        runs = self.runs(streams, window, 0, upwards=True)
        while runs:
            run = runs.pop()
            try:
                entities, partial = await self.ask(run, window, asked)
            except BadRequestDataError:
                return None
            if partial and len(run.streams) > 1:
                runs += halves(run)
                continue
            for entity in entities:
                for (entity_id, attribute), stream in run.streams.items():
                    if entity.get("id") == entity_id and attribute in entity:
                        counted[stream.id] = _count_of(entity[attribute])
        return counted if self.kept else None


def _limit(active: list[Run], *, upwards: bool) -> datetime | None:
    """Return the moment up to which all have been read; None: all is read."""
    if not active:
        return None
    edges = [edge_of(run, upwards=upwards) for run in active]
    return min(edges) if upwards else max(edges)


def _given_out(runs: list[Run], limit: datetime | None, *, upwards: bool) -> list[Seen]:
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
