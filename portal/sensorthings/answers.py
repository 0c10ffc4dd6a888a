# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Answers: entities as JSON, with their links, what is expanded in them, and the way to the next page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from portal.sensorthings.address import linked
from portal.sensorthings.functions import order_of
from portal.sensorthings.model import KINDS, OBSERVATIONS, Node, Stream
from portal.sensorthings.observing import observation, plan
from portal.sensorthings.options import FURTHEST
from portal.sensorthings.problems import RequestError, TooCostlyError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from portal.sensorthings.address import Many
    from portal.sensorthings.evaluate import Work
    from portal.sensorthings.history import Found, History
    from portal.sensorthings.model import Kind
    from portal.sensorthings.options import Options

#: Entities in one answer, those of all expansions together.
MOST_NODES: Final = 60_000
#: Of a part of an answer: what is expanded in each other grows with each step.
MOST_BYTES: Final = 64_000_000
_COMPONENTS: Final = ("id", "phenomenonTime", "resultTime", "result", "resultQuality", "parameters")


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page of a collection.

    Attributes:
        count: how many there are altogether; None: that was not asked.
        next: address of the next page; None: this is the last.
    """

    nodes: Sequence[Node]
    count: int | None
    next: str | None


class Answerer:
    """Makes the answer to one request.

    Args:
        base: the interface's address, without a slash at its end.
        now: the moment of the request.
    """

    def __init__(self, base: str, history: History, work: Work, now: datetime) -> None:
        self._base = base
        self._history = history
        self._work = work
        self._now = now
        self._nodes = MOST_NODES

    # --- what is asked for --------------------------------------------------------------------------------

    async def many(self, many: Many, options: Options) -> bytes:
        """Return a page of a collection, as JSON.

        Raises:
            RequestError: it cannot be made, or would cost too much.
            NgsiLdError: the broker is away.
        """
        page = (await self._pages(many.kind, [(many.url, many.nodes)], options))[0]
        if many.reference:
            value = [orjson.dumps({"@iot.selfLink": self.link(node)}) for node in page.nodes]
        elif options.format == "dataArray":
            value = [orjson.dumps(table) for table in self._arrays(many.kind, page.nodes, options)]
        else:
            value = await self._shown(many.kind, page.nodes, options)
        members, name = [], b"value"
        if options.format == "GeoJSON":
            members, name = [b'"type":"FeatureCollection"'], b"features"
            value = _features(many.kind, page.nodes, value)
        if page.count is not None:
            members.append(b'"@iot.count":%d' % page.count)
        if page.next is not None:
            members.append(b'"@iot.nextLink":' + orjson.dumps(page.next))
        members.append(b'"%b":[%b]' % (name, b",".join(value)))
        return b"{%b}" % b",".join(members)

    async def one(self, node: Node, options: Options) -> bytes:
        """Return one entity, as JSON. Raises as `many` does."""
        return (await self._shown(node.kind, [node], options))[0]

    def link(self, node: Node) -> str:
        """Return an entity's address."""
        return f"{self._base}/{node.kind.collection}('{node.id}')"

    # --- pages ----------------------------------------------------------------------------------------------

    async def _pages(
        self, kind: Kind, collections: Sequence[tuple[str, Sequence[Node]]], options: Options
    ) -> list[Page]:
        """Return a page of each of some collections (address, entities); observations are read together."""
        if kind.collection != OBSERVATIONS:
            return [await self._page(url, nodes, options) for url, nodes in collections]
        return await self._observed(collections, options)

    async def _page(self, url: str, nodes: Sequence[Node], options: Options) -> Page:
        found = nodes
        if options.filter is not None:
            found = await self._work.chosen(options.filter[1], nodes)
        if options.order:
            found = await self._sorted(found, options)
        start, stop = options.skip, options.skip + options.at_once
        more = stop < len(found)
        shown = found[start:stop]
        self._count(len(shown))
        return Page(
            nodes=shown,
            count=len(found) if options.count else None,
            next=f"{self._base}/{url}?{options.further(options.at_once)}" if more and shown else None,
        )

    async def _sorted(self, nodes: Sequence[Node], options: Options) -> list[Node]:
        ordered = list(nodes)
        for program, downwards in reversed(options.order):
            await self._work.take(program.cost * len(ordered))
            ordered.sort(key=lambda node, key=program: order_of(key.value(node)), reverse=downwards)  # type: ignore[misc]
        return ordered

    async def _observed(
        self, collections: Sequence[tuple[str, Sequence[Node]]], options: Options
    ) -> list[Page]:
        asked = plan(options, self._now)
        skip, top = options.skip, options.at_once
        if skip > FURTHEST:
            msg = f"$skip goes to {FURTHEST}: name a phenomenonTime instead"
            raise TooCostlyError(msg)
        together = [[node for node in nodes if isinstance(node, Stream)] for _, nodes in collections]
        found: list[Found]
        alone = [streams[0] for streams in together if len(streams) == 1]
        if len(alone) == len(together) > 1 and asked.after is None and asked.timely:
            by_id = await self._history.pages(alone, asked, skip=skip, top=top)
            found = [by_id[stream.id] for stream in alone]
        else:
            found = [await self._history.page(each, asked, skip=skip, top=top) for each in together]
        counts: list[int] | list[None] = [None] * len(together)
        if options.count and len(alone) == len(together):
            counts = await self._history.counts(alone, asked)
        elif options.count:
            counts = [await self._history.count(each, asked) for each in together]
        known = {stream.id: stream for streams in together for stream in streams}
        pages, further = [], options.further(top)
        for (url, _), each, count in zip(collections, found, counts, strict=True):
            nodes = [observation(known[seen.stream], seen) for seen in each.seen]
            more, behind = each.more, ""
            if not asked.timely:  # all are here, in the order of time
                ordered = await self._sorted(nodes, options)
                nodes, more = ordered[skip : skip + top], skip + top < len(ordered)
            elif more and nodes:
                last = nodes[-1].id.rpartition(":")[2]  # its moment, as a token has it
                behind = f"&$skiptoken={last},{each.seen[-1].stream}"
            self._count(len(nodes))
            link = f"{self._base}/{url}?{further}{behind}" if more and nodes else None
            pages.append(Page(nodes=nodes, count=count, next=link))
        return pages

    def _count(self, number: int) -> None:
        self._nodes -= number
        if self._nodes < 0:
            msg = f"The answer would have more than {MOST_NODES} entities: expand less, or lower $top"
            raise TooCostlyError(msg)

    # --- entities -------------------------------------------------------------------------------------------

    async def _shown(self, kind: Kind, nodes: Sequence[Node], options: Options) -> list[bytes]:
        """Return entities of one kind as JSON, in which others are expanded.

        They are put together of what is written once and kept: an answer of some thousand entities as
        dictionaries would take most of its time to be looked through by the garbage collector.
        """
        await self._work.take(len(nodes))
        columns = [self._heads(nodes, options)]
        for name, inner in options.expand.items():
            collection, several = kind.links[name]
            expand = self._expand_many if several else self._expand_one
            columns.append(await expand(name, KINDS[collection], nodes, inner))
        return [b"{%b}" % b",".join(filter(None, parts)) for parts in zip(*columns, strict=True)]

    async def _expand_many(
        self, name: str, target: Kind, nodes: Sequence[Node], options: Options
    ) -> list[bytes]:
        collections = [(f"{node.kind.collection}('{node.id}')/{name}", linked(node, name)) for node in nodes]
        pages = await self._pages(target, collections, options)
        inner = await self._distinct(target, [node for page in pages for node in page.nodes], options)
        key, place, column = name.encode(), 0, []
        for page in pages:
            members = [b'"%b":[%b]' % (key, b",".join(inner[place : place + len(page.nodes)]))]
            place += len(page.nodes)
            if page.count is not None:
                members.append(b'"%b@iot.count":%d' % (key, page.count))
            if page.next is not None:
                members.append(b'"%b@iot.nextLink":%b' % (key, orjson.dumps(page.next)))
            column.append(b",".join(members))
        return column

    async def _expand_one(
        self, name: str, target: Kind, nodes: Sequence[Node], options: Options
    ) -> list[bytes]:
        others = [node.links[name][0] for node in nodes]
        self._count(len(others))
        key = name.encode()
        return [b'"%b":%b' % (key, inner) for inner in await self._distinct(target, others, options)]

    async def _distinct(self, kind: Kind, nodes: list[Node], options: Options) -> list[bytes]:
        """Return entities as JSON; one that is there many times (a property of many) is made once."""
        unique = list({id(node): node for node in nodes}.values())
        shown = await self._shown(kind, unique, options)
        if len(unique) != len(nodes):
            made = dict(zip(map(id, unique), shown, strict=True))
            shown = [made[id(node)] for node in nodes]
        if sum(map(len, shown)) > MOST_BYTES:
            msg = f"The answer would have more than {MOST_BYTES} bytes: expand less, or lower $top"
            raise TooCostlyError(msg)
        return shown

    def _heads(self, nodes: Sequence[Node], options: Options) -> list[bytes]:
        """Return what entities have besides what is expanded in them, without their brackets."""
        if options.select is not None:
            return [orjson.dumps(self._selected(node, options.select))[1:-1] for node in nodes]
        expanded = tuple(sorted(options.expand))
        heads = []
        for node in nodes:
            head = node.shown.get(expanded)
            if head is None:
                head = node.shown[expanded] = orjson.dumps(self._whole(node, expanded))[1:-1]
            heads.append(head)
        return heads

    def _selected(self, node: Node, names: Sequence[str]) -> dict[str, Any]:
        link = self.link(node)
        body: dict[str, Any] = {}
        for name in names:
            if name in ("id", "@iot.id"):
                body["@iot.id"] = node.id
            elif name == "@iot.selfLink":
                body[name] = link
            elif name in node.kind.links:
                body[f"{name}@iot.navigationLink"] = f"{link}/{name}"
            elif name in node.body:
                body[name] = node.body[name]
        return body

    def _whole(self, node: Node, expanded: Sequence[str]) -> dict[str, Any]:
        link = self.link(node)
        body = {"@iot.id": node.id, "@iot.selfLink": link, **node.body}
        for name in node.kind.links:
            if name not in expanded:
                body[f"{name}@iot.navigationLink"] = f"{link}/{name}"
        return body

    # --- other formats --------------------------------------------------------------------------------------

    def _arrays(self, kind: Kind, nodes: Sequence[Node], options: Options) -> list[dict[str, Any]]:
        """Return observations as rows, datastream by datastream (OGC 18-088, 12.1)."""
        if kind.collection != OBSERVATIONS or options.expand:
            msg = "$resultFormat=dataArray is for Observations, without $expand"
            raise RequestError(msg)
        names = ["id" if name == "@iot.id" else name for name in options.select or _COMPONENTS]
        names = [name for name in names if name == "id" or name in kind.properties]
        tables: dict[str, dict[str, Any]] = {}
        for node in nodes:
            stream = node.links["Datastream"][0]
            table = tables.setdefault(
                stream.id,
                {
                    "Datastream@iot.navigationLink": self.link(stream),
                    "components": names,
                    "dataArray@iot.count": 0,
                    "dataArray": [],
                },
            )
            table["dataArray"].append([node.id if name == "id" else node.body.get(name) for name in names])
            table["dataArray@iot.count"] += 1
        return list(tables.values())


_PLACES: Final = {
    "Things": None,
    "Locations": "location",
    "FeaturesOfInterest": "feature",
    "Datastreams": "observedArea",
}


def _features(kind: Kind, nodes: Sequence[Node], value: Sequence[bytes]) -> list[bytes]:
    """Return entities that have a place as GeoJSON."""
    if kind.collection not in _PLACES:
        msg = f"$resultFormat=GeoJSON is for {', '.join(_PLACES)}"
        raise RequestError(msg)
    name = _PLACES[kind.collection]
    features = []
    for node, body in zip(nodes, value, strict=True):
        place: Any
        if name is None:
            place = next((each.body["location"] for each in node.links["Locations"]), None)
        else:
            place = node.body.get(name)
        geometry = place if isinstance(place, dict) and "coordinates" in place else None
        feature = {
            "type": "Feature",
            "id": node.id,
            "geometry": geometry,
            "properties": orjson.Fragment(body),
        }
        features.append(orjson.dumps(feature))
    return features
