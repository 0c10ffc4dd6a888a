# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Answers: entities as JSON, with their links, what is expanded in them, and the way to the next page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from portal.sensorthings.address import linked
from portal.sensorthings.functions import order_of
from portal.sensorthings.model import KINDS, OBSERVATIONS, Node, Stream
from portal.sensorthings.observing import Token, observation, observation_id, plan
from portal.sensorthings.options import FURTHEST
from portal.sensorthings.problems import RequestError, TooCostlyError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from portal.sensorthings.address import Many
    from portal.sensorthings.city import City
    from portal.sensorthings.evaluate import Work
    from portal.sensorthings.history import Found, History
    from portal.sensorthings.model import Kind
    from portal.sensorthings.options import Options

#: Entities in one answer, those of all expansions together.
MOST_NODES: Final = 60_000
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

    def __init__(self, base: str, city: City, history: History, work: Work, now: datetime) -> None:
        self._base = base
        self._city = city
        self._history = history
        self._work = work
        self._now = now
        self._nodes = MOST_NODES

    # --- what is asked for --------------------------------------------------------------------------------

    async def many(self, many: Many, options: Options) -> dict[str, Any]:
        """Return a page of a collection.

        Raises:
            RequestError: it cannot be made, or would cost too much.
            NgsiLdError: the broker is away.
        """
        page = (await self._pages(many.kind, [(many.url, many.nodes)], options))[0]
        if many.reference:
            value: list[Any] = [{"@iot.selfLink": self.link(node)} for node in page.nodes]
        elif options.format == "dataArray":
            value = self._arrays(many.kind, page.nodes, options)
        else:
            value = await self._shown(many.kind, page.nodes, options)
        if options.format == "GeoJSON":
            return _features(many.kind, page, value)
        answer: dict[str, Any] = {}
        if page.count is not None:
            answer["@iot.count"] = page.count
        if page.next is not None:
            answer["@iot.nextLink"] = page.next
        answer["value"] = value
        return answer

    async def one(self, node: Node, options: Options) -> dict[str, Any]:
        """Return one entity. Raises as `many` does."""
        shown: dict[str, Any] = (await self._shown(node.kind, [node], options))[0]
        return shown

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
            next=options.further(f"{self._base}/{url}", options.at_once) if more and shown else None,
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
        pages = []
        for (url, _), each, count in zip(collections, found, counts, strict=True):
            nodes = [observation(self._stream(seen.stream), seen) for seen in each.seen]
            more, token = each.more, None
            if not asked.timely:  # all are here, in the order of time
                ordered = await self._sorted(nodes, options)
                nodes, more = ordered[skip : skip + top], skip + top < len(ordered)
            elif nodes:
                last = observation_id(nodes[-1].id)
                token = None if last is None else str(Token(moment=last[1], stream=last[0]))
            self._count(len(nodes))
            link = options.further(f"{self._base}/{url}", top, token) if more and nodes else None
            pages.append(Page(nodes=nodes, count=count, next=link))
        return pages

    def _stream(self, stream_id: str) -> Stream:
        stream = self._city.stream(stream_id)
        if stream is None:
            raise LookupError(stream_id)
        return stream

    def _count(self, number: int) -> None:
        self._nodes -= number
        if self._nodes < 0:
            msg = f"The answer would have more than {MOST_NODES} entities: expand less, or lower $top"
            raise TooCostlyError(msg)

    # --- entities -------------------------------------------------------------------------------------------

    async def _shown(self, kind: Kind, nodes: Sequence[Node], options: Options) -> list[dict[str, Any]]:
        """Return entities of one kind as JSON, in which others are expanded."""
        shown = [self._body(node, options) for node in nodes]
        for name, inner in options.expand.items():
            collection, several = kind.links[name]
            target = KINDS[collection]
            if several:
                await self._expand_many(name, target, nodes, shown, inner)
            else:
                await self._expand_one(name, target, nodes, shown, inner)
        return shown

    async def _expand_many(
        self, name: str, target: Kind, nodes: Sequence[Node], shown: list[dict[str, Any]], options: Options
    ) -> None:
        collections = [(f"{node.kind.collection}('{node.id}')/{name}", linked(node, name)) for node in nodes]
        pages = await self._pages(target, collections, options)
        inner = await self._distinct(target, [node for page in pages for node in page.nodes], options)
        place = 0
        for body, page in zip(shown, pages, strict=True):
            body.pop(f"{name}@iot.navigationLink", None)
            if page.count is not None:
                body[f"{name}@iot.count"] = page.count
            body[name] = inner[place : place + len(page.nodes)]
            place += len(page.nodes)
            if page.next is not None:
                body[f"{name}@iot.nextLink"] = page.next

    async def _expand_one(
        self, name: str, target: Kind, nodes: Sequence[Node], shown: list[dict[str, Any]], options: Options
    ) -> None:
        others = [node.links[name][0] for node in nodes]
        self._count(len(others))
        for body, inner in zip(shown, await self._distinct(target, others, options), strict=True):
            body.pop(f"{name}@iot.navigationLink", None)
            body[name] = inner

    async def _distinct(self, kind: Kind, nodes: list[Node], options: Options) -> list[dict[str, Any]]:
        """Return entities as JSON; one that is there many times (a property of many) is made once."""
        unique = list({id(node): node for node in nodes}.values())
        if len(unique) == len(nodes):
            return await self._shown(kind, nodes, options)
        made = dict(zip(map(id, unique), await self._shown(kind, unique, options), strict=True))
        return [made[id(node)] for node in nodes]

    def _body(self, node: Node, options: Options) -> dict[str, Any]:
        """Return an entity as JSON, with its own links."""
        link = self.link(node)
        if options.select is None:
            body = {"@iot.id": node.id, "@iot.selfLink": link, **node.body}
            for name in node.kind.links:
                body[f"{name}@iot.navigationLink"] = f"{link}/{name}"
            return body
        body = {}
        for name in options.select:
            if name in ("id", "@iot.id"):
                body["@iot.id"] = node.id
            elif name == "@iot.selfLink":
                body[name] = link
            elif name in node.kind.links:
                body[f"{name}@iot.navigationLink"] = f"{link}/{name}"
            elif name in node.body:
                body[name] = node.body[name]
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


def _features(kind: Kind, page: Page, value: list[dict[str, Any]]) -> dict[str, Any]:
    """Return entities that have a place as GeoJSON."""
    if kind.collection not in _PLACES:
        msg = f"$resultFormat=GeoJSON is for {', '.join(_PLACES)}"
        raise RequestError(msg)
    name = _PLACES[kind.collection]
    features = []
    for node, body in zip(page.nodes, value, strict=True):
        place: Any
        if name is None:
            place = next((each.body["location"] for each in node.links["Locations"]), None)
        else:
            place = node.body.get(name)
        geometry = place if isinstance(place, dict) and "coordinates" in place else None
        properties = {key: member for key, member in body.items() if key != name}
        features.append({"type": "Feature", "id": node.id, "geometry": geometry, "properties": properties})
    answer: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    if page.count is not None:
        answer["@iot.count"] = page.count
    if page.next is not None:
        answer["@iot.nextLink"] = page.next
    return answer
