# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Expressions made ready to be asked of entities.

A path through a link to several entities (`Datastreams/name`) means any of them; two conditions that go
through the same link are about the same entity, as where tables are joined.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from portal.sensorthings.expressions import Literal, Path, walk
from portal.sensorthings.functions import FUNCTIONS, calculate, compare
from portal.sensorthings.geometry import Shape
from portal.sensorthings.model import KINDS, OBSERVATIONS, Kind, Node
from portal.sensorthings.problems import RequestError, TooCostlyError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from portal.sensorthings.expressions import Expression

#: Which entity is looked at: that which is asked first, then one for each link to several.
Row: TypeAlias = list[Node | None]
Ask: TypeAlias = "Callable[[Row], Any]"

#: Steps of evaluation that one request may take, and after how many others get their turn.
MOST_STEPS: Final = 3_000_000
_TURN: Final = 20_000
#: Steps for one entity: sensors have thousands of datastreams, and a path may go to and fro.
_MOST_OF_ONE: Final = 200_000
_TOO_LONG: Final = (
    "The condition takes too long to evaluate: ask for fewer entities, or with fewer conditions"
)
IDS: Final = ("id", "@iot.id")


@dataclass(frozen=True, slots=True)
class _Join:
    """A link to several entities: from which entity of the row, by way of which links to one."""

    source: int
    way: tuple[str, ...]
    name: str


class Program:
    """An expression that can be asked of entities of one kind.

    Raises:
        RequestError: it names a property, link or function that there is not.
    """

    def __init__(self, expression: Expression, kind: Kind, now: datetime) -> None:
        self._joins: list[_Join] = []
        self._now = now
        self._kind = kind
        self._ask = self._made(expression)
        self.cost = sum(_cost(part) for part in walk(expression))

    def holds(self, node: Node) -> tuple[bool, int]:
        """Whether an entity meets the condition, and how many steps it took to find out.

        Raises:
            TooCostlyError: its links lead to too many others.
        """
        if not self._joins:
            return self._ask([node]) is True, self.cost
        steps = 0
        for row in self._rows([node]):
            steps += self.cost
            if self._ask(row) is True:
                return True, steps
            if steps > _MOST_OF_ONE:
                raise TooCostlyError(_TOO_LONG)
        return False, steps

    def value(self, node: Node) -> Any:
        """Return the value for an entity; where there are several, the first."""
        if not self._joins:
            return self._ask([node])
        return next(self._ask(row) for row in self._rows([node]))

    def _rows(self, row: Row) -> Iterator[Row]:
        place = len(row) - 1
        join = self._joins[place]
        source = _follow(row[join.source], join.way)
        members: Iterable[Node | None] = (source.links.get(join.name, ()) if source else ()) or (None,)
        if place == len(self._joins) - 1:
            for member in members:
                yield [*row, member]
            return
        for member in members:
            yield from self._rows([*row, member])

    # --- making it ready ---------------------------------------------------------------------------------

    def _made(self, expression: Expression) -> Ask:
        if isinstance(expression, Literal):
            value = expression.value
            return lambda _: value
        if isinstance(expression, Path):
            return self._path(expression.parts)
        asks = [self._made(argument) for argument in expression.arguments]
        return _operation(expression.name, asks) or self._function(expression.name, asks)

    def _function(self, name: str, asks: list[Ask]) -> Ask:
        if name == "now" and not asks:
            return lambda _: self._now
        known = FUNCTIONS.get(name)
        if known is None:
            msg = f"There is no function {shown(name)}: there are now, {', '.join(FUNCTIONS)}"
            raise RequestError(msg, status=501 if name.startswith(("st_", "geo.")) else 400)
        least, most, function = known
        if not least <= len(asks) <= most:
            count = str(least) if least == most else f"{least} to {most}"
            msg = f"{name} takes {count} values, not {len(asks)}"
            raise RequestError(msg)
        return lambda row: function(*(ask(row) for ask in asks))

    def _path(self, parts: tuple[str, ...]) -> Ask:
        kind, source, rest = self._kind, 0, list(parts)
        way: tuple[str, ...] = ()
        if len(rest) > 1 and rest[0] == kind.collection and rest[0] not in kind.links:
            del rest[0]  # Things/name, asked of Things
        while rest and rest[0] in kind.links:
            name = rest.pop(0)
            collection, several = kind.links[name]
            if collection == OBSERVATIONS:
                msg = (
                    f"{kind.collection} are not found by their Observations, which are too many: ask for "
                    "Observations, with a condition on their Datastream"
                )
                raise RequestError(msg)
            kind = KINDS[collection]
            if several:
                source, way = self._joined(_Join(source, way, name)), ()
            else:
                way = (*way, name)
        return _getter(kind, source, way, rest, parts)

    def _joined(self, join: _Join) -> int:
        if join not in self._joins:
            self._joins.append(join)
        return self._joins.index(join) + 1


def _operation(name: str, asks: list[Ask]) -> Ask | None:
    """Return what an operator does; None: it is none."""
    ask: Ask | None = None
    match name, asks:
        case "and", _:
            ask = lambda row: all(each(row) is True for each in asks)  # noqa: E731 - one of a table
        case "or", _:
            ask = lambda row: any(each(row) is True for each in asks)  # noqa: E731 - as above
        case "not", [one]:
            ask = lambda row: None if (value := one(row)) is None else value is not True  # noqa: E731 - as above
        case "in", [one, *others]:
            ask = lambda row: any(compare("eq", one(row), each(row)) for each in others)  # noqa: E731 - as above
        case "minus", [one]:
            ask = lambda row: calculate("sub", 0, one(row))  # noqa: E731 - as above
        case (("eq" | "ne" | "gt" | "ge" | "lt" | "le"), [left, right]):
            ask = lambda row: compare(name, left(row), right(row))  # noqa: E731 - as above
        case (("add" | "sub" | "mul" | "div" | "mod"), [left, right]):
            ask = lambda row: calculate(name, left(row), right(row))  # noqa: E731 - as above
    return ask


def _getter(kind: Kind, source: int, way: tuple[str, ...], rest: list[str], parts: tuple[str, ...]) -> Ask:
    if not rest:
        msg = f"{shown('/'.join(parts))} is no value: name a property of it"
        raise RequestError(msg)
    name, *members = rest
    if name in IDS and not members:
        return lambda row: None if (node := _follow(row[source], way)) is None else node.id
    if name not in kind.properties:
        msg = f"A {kind.name} has no {shown(name)}: it has id, {', '.join((*kind.properties, *kind.links))}"
        raise RequestError(msg)
    if members and name not in kind.open:
        msg = f"{name} of a {kind.name} has no parts"
        raise RequestError(msg)
    if not way and not members:
        return lambda row: None if (node := row[source]) is None else node.body.get(name)

    def get(row: Row) -> Any:
        node = _follow(row[source], way)
        value = None if node is None else node.body.get(name)
        for member in members:
            value = value.get(member) if isinstance(value, dict) else None
        return value

    return get


def _follow(node: Node | None, way: tuple[str, ...]) -> Node | None:
    for name in way:
        if node is None:
            return None
        linked = node.links.get(name)
        node = linked[0] if linked else None
    return node


def _cost(part: Expression) -> int:
    return max(1, part.value.size) if isinstance(part, Literal) and isinstance(part.value, Shape) else 1


class Work:
    """Counts what a request costs, and gives others their turn."""

    def __init__(self, most: int = MOST_STEPS) -> None:
        self._left = most
        self._turn = 0

    async def chosen(self, program: Program, nodes: Iterable[Node]) -> list[Node]:
        """Return the entities that meet a condition.

        Raises:
            TooCostlyError: to find them would take too long.
        """
        found = []
        for node in nodes:
            holds, steps = program.holds(node)
            if holds:
                found.append(node)
            self._left -= steps
            self._turn += steps
            if self._turn > _TURN or self._left < 0:
                await self.take(0)
        return found

    async def take(self, steps: int) -> None:
        """Count steps that are taken."""
        self._left -= steps
        self._turn += steps
        if self._left < 0:
            raise TooCostlyError(_TOO_LONG)
        if self._turn > _TURN:
            self._turn = 0
            await asyncio.sleep(0)


def constant(expression: Expression) -> bool:
    """Whether an expression is the same for all entities."""
    return not any(isinstance(part, Path) for part in walk(expression))
