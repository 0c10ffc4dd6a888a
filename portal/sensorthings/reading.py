# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The broker's history of datastreams that are read together, a part at a time.

Datastreams of one type are one question to the broker: backwards by `lastN`, forwards from a moment on, or,
where they are very many, by spans of time. After each answer it is known up to which moment it is complete.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog

from broker.client import NotFoundError, NotSupportedError, UnknownTenantError
from portal.sensorthings.model import Seen, Stream
from portal.sensorthings.observing import Window
from portal.sensorthings.problems import TooCostlyError
from portal.sensorthings.times import TICK, exact
from portal.views import moment_of, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from portal.views import View

log = structlog.get_logger(__name__)

#: What one request may ask of the broker's history, and hold in memory at a time.
MOST_QUERIES: Final = 60
MOST_SEEN: Final = 60_000
#: Values that are looked at in one go where not all of them will do, and that the broker sends at a time.
SCANNED: Final = 1_000
AT_A_TIME: Final = 10_000
BY_TIME: Final = "ask for one Datastream, or for a shorter phenomenonTime"
_ENTITIES: Final = 25
#: Entities that are read as one, entities that the broker shows at once, and how much time at first.
_MANY: Final = 100
_PAGE: Final = 1000
_STEP: Final = timedelta(minutes=1)


@dataclass(eq=False, kw_only=True, slots=True)
class Run:
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


class Reading:
    """Reads what datastreams observed, for one request.

    Args:
        view: whose.

    Attributes:
        kept: whether the broker keeps history; it is found out.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._queries = MOST_QUERIES
        self._seen = MOST_SEEN
        self.kept = view.client.limits.temporal

    def runs(
        self, streams: list[Stream], window: Window, chunk: int, *, upwards: bool, wide: bool = False
    ) -> list[Run]:
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
            size = max(1, min(_ENTITIES, AT_A_TIME // (chunk * widest) if chunk else _ENTITIES))
            together = list(entities.values())
            # the most recent come first: so do those that say now what lies behind the window
            busy = sum(max(one.newest.moment for one in each) >= window.end for each in together)
            if wide and self.kept and busy > _MANY:
                members = [one for each in together[:busy] for one in each]
                streams_of = {(one.entity, one.attribute): one for one in members}
                runs.append(Run(streams=streams_of, rest=window, step=_STEP))
                together = together[busy:]
            for start in range(0, len(together), size):
                members = [stream for some in together[start : start + size] for stream in some]
                runs.append(self._run(members, window, upwards=upwards))
        return runs

    def _run(self, members: list[Stream], window: Window, *, upwards: bool) -> Run:
        """Begin to read datastreams; downwards, with what their entities say now."""
        streams = {(stream.entity, stream.attribute): stream for stream in members}
        current = [stream.newest for stream in members]
        if upwards and self.kept:
            return Run(streams=streams, rest=window)
        if not self.kept:  # there is nothing but what is now
            ready = [seen for seen in current if seen.moment in window]
            return Run(streams=streams, rest=window, ready=ready, done=True)
        newest = max(seen.moment for seen in current)
        if newest < window.start:
            return Run(streams=streams, rest=window, done=True)
        if newest >= window.end:
            return Run(streams=streams, rest=window)
        ready = [seen for seen in current if seen.moment == newest]
        return Run(
            streams=streams,
            rest=Window(start=window.start, end=newest),
            ready=ready,
            done=newest <= window.start,
        )

    # --- the broker ----------------------------------------------------------------------------------------

    async def read(self, runs: list[Run], chunk: int, *, upwards: bool) -> None:
        """Read runs further, each by an answer of the broker."""
        await asyncio.gather(*(self._further(run, chunk, upwards=upwards) for run in runs))

    async def _step(self, run: Run, step: timedelta) -> None:
        """Read what many datastreams have in the last part of their window; less where that is much."""
        whole = run.rest
        start = whole.start if whole.end - whole.start <= step else whole.end - step
        window = Window(start=start, end=whole.end)
        entities, partial = await self.ask(run, window, {})
        if partial and step > timedelta(milliseconds=1):
            run.step = step / 4
            return
        found = [seen for entity in entities for seen in _instances(entity, run.streams)]
        self._count_seen(len(found))
        run.ready += [seen for seen in found if seen.moment in window]
        run.rest = Window(start=whole.start, end=start)
        run.done = run.rest.empty
        run.step = step * 4 if len(found) < SCANNED else step

    async def _further(self, run: Run, chunk: int, *, upwards: bool) -> None:
        """Read a run further: what is complete is ready, and the rest is for the next time."""
        if run.step is not None:
            await self._step(run, run.step)
            return
        window = run.rest
        entities, partial = await self.ask(run, window, {} if upwards else {"lastN": str(chunk)})
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

    async def ask(
        self, run: Run, window: Window, params: Mapping[str, str]
    ) -> tuple[Sequence[Mapping[str, Any]], bool]:
        """Ask the broker for the history of some datastreams, and say whether its answer is a part."""
        self._queries -= 1
        if self._queries < 0:
            msg = f"The answer would have to be gathered from too much history: {BY_TIME}"
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
            msg = f"More than {MOST_SEEN} observations would have to be looked at: {BY_TIME}"
            raise TooCostlyError(msg)


def halves(run: Run) -> list[Run]:
    """Return two that are read apart."""
    members = list(run.streams.items())
    middle = len(members) // 2
    return [Run(streams=dict(half), rest=run.rest) for half in (members[:middle], members[middle:])]


def edge_of(run: Run, *, upwards: bool) -> datetime:
    """Return the moment up to which a run has been read."""
    return run.rest.start if upwards else run.rest.end


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
