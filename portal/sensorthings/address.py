# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Addresses: from `/Things('…')/Datastreams` to what is there (OGC 18-088, 9.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from portal.sensorthings.evaluate import IDS
from portal.sensorthings.model import KINDS, OBSERVATIONS, Node, Stream, kind_of
from portal.sensorthings.observing import observation, observation_id
from portal.sensorthings.problems import MissingError, RequestError, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from portal.sensorthings.city import City
    from portal.sensorthings.history import History
    from portal.sensorthings.model import Kind

_SEGMENT: Final = re.compile(r"([A-Za-z@.$][\w@.$-]*)(?:\((.*)\))?", re.DOTALL)
#: Links are followed as long as anybody needs, and no longer.
_LONGEST: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Many:
    """A collection.

    Attributes:
        url: its address, behind the interface's.
        nodes: what is in it; of Observations, the datastreams that they are of.
        reference: addresses alone are wanted (`$ref`).
    """

    kind: Kind
    url: str
    nodes: Sequence[Node]
    reference: bool = False

    @property
    def streams(self) -> list[Stream]:
        """Of a collection of Observations: the datastreams."""
        return [node for node in self.nodes if isinstance(node, Stream)]


@dataclass(frozen=True, kw_only=True, slots=True)
class One:
    """One entity."""

    node: Node
    reference: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """A property of an entity; `bare`: not as JSON (`$value`)."""

    name: str
    value: Any
    bare: bool = False


class Address:
    """Finds what is at an address.

    Args:
        path: behind the interface's own address, percent-encoded.
    """

    def __init__(self, path: str, city: City, history: History) -> None:
        self._segments = [unquote(segment) for segment in path.strip("/").split("/") if segment]
        self._city = city
        self._history = history

    async def find(self) -> Many | One | Value | None:
        """Return what is there; None: at the very beginning, where all collections are named.

        Raises:
            MissingError: nothing.
            RequestError: the address cannot be read.
        """
        if not self._segments:
            return None
        if len(self._segments) > _LONGEST:
            msg = f"An address follows at most {_LONGEST} links"
            raise RequestError(msg)
        first, *rest = self._segments
        name, key = _read(first)
        kind = kind_of(name)
        nodes: Sequence[Node] = self._city.streams if name == OBSERVATIONS else self._city.collections[name]
        many = Many(kind=kind, url=name, nodes=nodes)
        place: Many | One | Value = many if key is None else One(node=await self._member(many, key))
        for number, segment in enumerate(rest):
            place = await self._next(place, segment, last=number == len(rest) - 1)
        return place

    async def _next(self, place: Many | One | Value, segment: str, *, last: bool) -> Many | One | Value:
        if segment == "$ref" and last and not isinstance(place, Value):
            return replace(place, reference=True)
        if segment == "$value" and last and isinstance(place, Value):
            return replace(place, bare=True)
        match place:
            case One(node=node):
                return await self._of_one(node, segment)
            case Value(value=dict() as members):
                return _part(members, segment)
        msg = f"Behind {shown('/'.join(self._segments))} there is no {shown(segment)}"
        raise MissingError(msg)

    async def _of_one(self, node: Node, segment: str) -> Many | One | Value:
        name, key = _read(segment)
        kind = node.kind
        if name in kind.links:
            collection, several = kind.links[name]
            if not several:
                if key is not None:
                    msg = f"{name} of a {kind.name} is one alone, and needs no id"
                    raise RequestError(msg)
                return One(node=node.links[name][0])
            url = f"{kind.collection}('{node.id}')/{name}"
            many = Many(kind=KINDS[collection], url=url, nodes=linked(node, name))
            return many if key is None else One(node=await self._member(many, key))
        if key is None and name in IDS:
            return Value(name="@iot.id", value=node.id)
        if key is None and name in kind.properties:
            return Value(name=name, value=node.body.get(name))
        msg = f"A {kind.name} has no {shown(segment)}: it has {', '.join((*kind.properties, *kind.links))}"
        raise MissingError(msg)

    async def _member(self, many: Many, key: str) -> Node:
        """Return the entity of a collection that has an id."""
        found: Node | None = None
        if many.kind.collection == OBSERVATIONS:
            named = observation_id(key)
            stream = self._city.stream(named[0]) if named is not None else None
            if named is not None and stream is not None and (stream in many.nodes):
                seen = await self._history.at(stream, named[1])
                found = None if seen is None else observation(stream, seen)
        else:
            found = self._city.find(many.kind.collection, key)
            if found is not None and "/" in many.url and found not in many.nodes:
                found = None
        if found is None:
            msg = f"There is no {many.kind.name} {shown(key)} here"
            raise MissingError(msg)
        return found


def linked(node: Node, name: str) -> Sequence[Node]:
    """Return what an entity is linked with; of Observations, the datastreams that they are of."""
    if name != OBSERVATIONS:
        return node.links[name]
    if isinstance(node, Stream):
        return [node]
    return node.links["Thing"][0].links["Datastreams"]  # of a feature of interest


def _part(members: dict[str, Any], segment: str) -> Value:
    if segment not in members:
        msg = f"There is no {shown(segment)} in it"
        raise MissingError(msg)
    return Value(name=segment, value=members[segment])


def _read(segment: str) -> tuple[str, str | None]:
    """Read `Things` or `Things('id')`: the name, and the id."""
    found = _SEGMENT.fullmatch(segment)
    if found is None:
        msg = f"{shown(segment)} is no part of an address: Things, or Things('id')"
        raise RequestError(msg)
    name, key = found.groups()
    if key is None:
        return name, None
    key = key.strip()
    if len(key) > 1 and key[0] == "'" == key[-1]:
        return name, key[1:-1].replace("''", "'")
    if key.isdigit():
        return name, key
    msg = f"An id stands in quotes: {name}('…')"
    raise RequestError(msg)
