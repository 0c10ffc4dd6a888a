# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What changes in the public view, as server-sent events (HTML standard, 9.2) at `/events`.

    retry: 3000
    id: 1041

    id: 1042
    event: change
    data: {"datasets": ["pegel"], "id": "urn:ngsi-ld:…", "entity": {"currentLevel": 0.42, "observedAt": …}}

`change` has what is new of an entity; `gone` is one that is not there any more (`entity` is null); `reset`
tells readers to load everything anew: they were away for too long or too slow. Whoever comes back with
`Last-Event-ID` gets what they missed. Comments keep the connection open.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog
from aiohttp import web

from broker.client import NgsiLdError
from portal.features.boxes import parse_box
from portal.features.columns import geometry_attribute
from portal.features.errors import RefusedRequestError
from portal.office import OFFICE
from portal.problems import problem, unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from portal.datasets import Dataset
    from portal.features.boxes import Box
    from portal.live import Change, Listener, Live
    from portal.office import Office

log = structlog.get_logger(__name__)

_PARAMETERS: Final = frozenset({"dataset", "bbox", "lastEventId"})
_RETRY_MS: Final = 3000
_LATER: Final = "30"  # seconds
_AT_ONCE: Final = 100  # events in one piece
_LOOK_S: Final = 2.0  # between looks whether the reader is still there
_END_S: Final = 1.0  # that a reader has to take the last events when the portal ends
_WORDED: Final = 5000  # events that are kept as they were sent
_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # a proxy that keeps events back
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Manner:
    """How streams are kept, in seconds.

    Attributes:
        heartbeat: between comments, where nothing changes.
        stalled: after which a reader who takes nothing is let go.
        most: readers at a time.
    """

    heartbeat: float = 15.0
    stalled: float = 60.0
    most: int = 500


class _Streams:
    """The streams of one portal: they end together, and say the same in the same bytes."""

    def __init__(self) -> None:
        self.ended = False
        self.tasks: set[asyncio.Task[Any]] = set()
        self._worded: dict[int, bytes] = {}

    def word(self, change: Change) -> bytes:
        """Return a change as an event; for all readers it is made once."""
        event = self._worded.get(change.number)
        if event is None:
            event = self._worded[change.number] = _event(change)
            if len(self._worded) > _WORDED:
                del self._worded[next(iter(self._worded))]
        return event


_STREAMS: weakref.WeakKeyDictionary[Live, _Streams] = weakref.WeakKeyDictionary()


def routes(office: Office, *, manner: Manner | None = None) -> Iterable[web.AbstractRouteDef]:
    """Return the route `/events`.

    Args:
        office: what the interfaces share.
        manner: how streams are kept.
    """
    streams = _STREAMS.setdefault(office.live, _Streams())
    return [web.get("/events", partial(_events, office, streams, manner or Manner()), allow_head=False)]


async def end_streams(app: web.Application) -> None:
    """End all streams: for an application's `on_shutdown`, for they would not end by themselves."""
    streams = _STREAMS.setdefault(app[OFFICE].live, _Streams())
    streams.ended = True
    for task in streams.tasks:
        task.cancel()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """What a reader asks for.

    Attributes:
        datasets: names of those that they want.
        box: only what is in it; None: everything.
        after: number of the last change that they know; None: they begin.
    """

    datasets: tuple[Dataset, ...]
    box: Box | None
    after: int | None


class _UnknownDatasetError(Exception):
    """There is no such dataset in the view."""


async def _events(
    office: Office, streams: _Streams, manner: Manner, request: web.Request
) -> web.StreamResponse:
    office.view(request)  # whoever shows a key that nobody has is told so
    try:
        asked = _understand(office, request)
    except _UnknownDatasetError as error:
        known = ", ".join(dataset.name for dataset in office.public.datasets)
        return problem(404, "Unknown dataset", f"There is no dataset {str(error)!r}: there are {known}.")
    except RefusedRequestError as error:
        return problem(400, "The request cannot be understood", error.description)
    if streams.ended or office.live.listeners >= manner.most:
        told = {"Retry-After": _LATER}
        return problem(
            503, "Too many readers", "Please come back later, or read the data now and then.", headers=told
        )
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a handler always runs in one
    streams.tasks.add(task)
    try:
        with office.live.listening() as listener:
            try:
                inside = None if asked.box is None else await _inside(office, asked.datasets, asked.box)
            except NgsiLdError:
                return unavailable("Which entities are in the bbox cannot be read at the moment.")
            stream = _Stream(office.live, streams, manner, asked, inside)
            return await stream.send(request, listener)
    finally:
        streams.tasks.discard(task)


def _understand(office: Office, request: web.Request) -> _Asked:
    """Read a request's parameters.

    Raises:
        RefusedRequestError: one cannot be read, stands twice, or does not exist.
        _UnknownDatasetError: the public view has no such dataset.
    """
    query = request.query
    for name in query:
        if name not in _PARAMETERS:
            msg = f"There is no parameter {name[:50]!r} here: there are {', '.join(sorted(_PARAMETERS))}."
            raise RefusedRequestError(msg)
        if len(query.getall(name)) > 1 and name != "dataset":
            msg = f"The parameter {name} stands twice."
            raise RefusedRequestError(msg)
    names = [part for text in query.getall("dataset", []) for part in text.split(",") if part]
    datasets = []
    for name in dict.fromkeys(names):
        dataset = office.public.dataset(name)
        if dataset is None:
            raise _UnknownDatasetError(name[:100])
        datasets.append(dataset)
    box = parse_box(query["bbox"]) if "bbox" in query else None
    # A browser that comes back repeats the address with its old number, and adds the header.
    said = request.headers.get("Last-Event-ID")
    if said is None:
        said = query.get("lastEventId")
        if said is not None and _number(said) is None:
            msg = f"The parameter lastEventId is the id of an event, a whole number, not {said[:50]!r}."
            raise RefusedRequestError(msg)
    after = None if said is None else _number(said)
    return _Asked(
        datasets=tuple(datasets) if "dataset" in query else office.public.datasets,
        box=box,
        after=-1 if said is not None and after is None else after,
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None  # noqa: PLR2004 - as numbers of 64 bits


async def _inside(office: Office, datasets: Sequence[Dataset], box: Box) -> set[str]:
    """Return the ids of the entities that are in a box now.

    Raises:
        NgsiLdError: the broker is away.
    """
    found: set[str] = set()
    for dataset in datasets:
        place = geometry_attribute(dataset)
        if place is None:
            continue
        params = {"options": "keyValues", "attrs": place}
        async for entity in office.public.entities(dataset, params):
            if _touches(box, entity.get(place)):
                found.add(str(entity["id"]))
    return found


def _touches(box: Box, geometry: Any) -> bool:
    return isinstance(geometry, dict) and "type" in geometry and box.touches(geometry)


class _Stream:
    """One reader's stream."""

    def __init__(
        self, live: Live, streams: _Streams, manner: Manner, asked: _Asked, inside: set[str] | None
    ) -> None:
        self._live = live
        self._streams = streams
        self._manner = manner
        self._names = {dataset.name for dataset in asked.datasets}
        places = (geometry_attribute(dataset) for dataset in asked.datasets)
        self._places = frozenset(place for place in places if place is not None)
        self._box = asked.box
        self._inside = inside
        self._after = asked.after
        self._seen = live.last

    async def send(self, request: web.Request, listener: Listener) -> web.StreamResponse:
        """Send events until the reader goes, or the portal ends."""
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        try:
            await self._write(response, self._begin())
            async for pieces in self._pieces(request, listener):
                await self._write(response, pieces)
        except (ConnectionError, TimeoutError):
            log.debug("portal.events.reader_gone", path=request.path_qs)
            _let_go(request)
        except asyncio.CancelledError:
            if not self._streams.ended:
                raise
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(_END_S):
                    await response.write_eof()
            _let_go(request)
        return response

    async def _write(self, response: web.StreamResponse, pieces: Sequence[bytes]) -> None:
        """Write, in parts: a reader who takes nothing for a while is let go.

        Raises:
            TimeoutError: they did not.
        """
        for first in range(0, len(pieces), _AT_ONCE):
            async with asyncio.timeout(self._manner.stalled):
                await response.write(b"".join(pieces[first : first + _AT_ONCE]))

    def _begin(self) -> list[bytes]:
        """Return what was missed, and the number to come back with."""
        first = b"retry: %d\n" % _RETRY_MS
        if self._after is None:
            return [first, b"id: %d\n\n" % self._seen]
        missed = self._live.since(self._after)
        if missed is None:
            self._seen = self._live.last
            return [first, b"\n", _reset(self._seen)]
        self._seen = self._after
        return [first, b"\n", *self._events(missed), b"id: %d\n\n" % self._live.last]

    async def _pieces(self, request: web.Request, listener: Listener) -> AsyncIterator[list[bytes]]:
        """Yield what is to be written, as it comes.

        Raises:
            ConnectionResetError: the reader is gone.
        """
        clock = asyncio.get_running_loop().time
        quiet = clock()
        while True:
            changes: list[Change] = []
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(_LOOK_S, self._manner.heartbeat)):
                    changes = await listener.changes()
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError
            if listener.missed:
                listener.missed = False
                self._seen = self._live.last
                pieces = [_reset(self._seen)]
            else:
                pieces = self._events(changes)
            if not pieces and clock() - quiet >= self._manner.heartbeat:
                pieces = [b": \nid: %d\n\n" % self._seen]
            if pieces:
                yield pieces
                quiet = clock()

    def _events(self, changes: Iterable[Change]) -> list[bytes]:
        """Return the events of those changes that were asked for and are new."""
        events = []
        for change in changes:
            if change.number <= self._seen:
                continue
            self._seen = change.number
            if self._names.intersection(change.datasets) and self._is_inside(change):
                events.append(self._streams.word(change))
        return events

    def _is_inside(self, change: Change) -> bool:
        """Whether an entity is in the box, or has just left it."""
        if self._inside is None or self._box is None:
            return True
        if change.entity is None:
            self._inside.discard(change.entity_id)
            return True  # of one that went while the reader was away, nobody knows where it was
        was = change.entity_id in self._inside
        moved = [place for place in self._places if place in change.entity]
        if moved:
            if any(_touches(self._box, change.entity[place]) for place in moved):
                self._inside.add(change.entity_id)
                return True
            self._inside.discard(change.entity_id)
        return was


def _let_go(request: web.Request) -> None:
    """Drop what a reader did not take: it is not kept for them."""
    if request.transport is not None and request.transport.get_write_buffer_size() > 0:
        request.transport.abort()


def _event(change: Change) -> bytes:
    said = {"datasets": change.datasets, "id": change.entity_id, "entity": change.entity}
    name = b"gone" if change.entity is None else b"change"
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (change.number, name, orjson.dumps(said, default=dict))


def _reset(number: int) -> bytes:
    return b"id: %d\nevent: reset\ndata: {}\n\n" % number
