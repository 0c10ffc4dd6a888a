# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What a request asks of Observations: which datastreams, which time, and what else must hold.

Of the conditions that are joined by `and`, those on the datastream and its entity choose datastreams,
which costs nothing; those that compare phenomenonTime or resultTime with a moment become a window of
time, which the broker's index finds; the rest is asked of each observation in the window.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from portal.sensorthings.evaluate import IDS, Program, constant
from portal.sensorthings.expressions import Call, Path, walk
from portal.sensorthings.functions import to_moment
from portal.sensorthings.model import KINDS, OBSERVATIONS, Node, Seen
from portal.sensorthings.problems import RequestError, shown
from portal.sensorthings.times import BEGINNING, END, TICK, compact, exact, read_compact, within

if TYPE_CHECKING:
    from datetime import datetime

    from portal.sensorthings.evaluate import Work
    from portal.sensorthings.expressions import Expression
    from portal.sensorthings.model import Stream
    from portal.sensorthings.options import Options

TIMES: Final = ("phenomenonTime", "resultTime")
_KIND: Final = KINDS[OBSERVATIONS]
_TURNED: Final = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge", "eq": "eq"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A span of time: from `start` on and before `end`."""

    start: datetime = BEGINNING
    end: datetime = END

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    @property
    def empty(self) -> bool:
        """Whether nothing can lie in it."""
        return self.start >= self.end


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """Where a page ended: what follows lies behind this observation, in the order that is asked for."""

    moment: datetime
    stream: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is asked of Observations.

    Attributes:
        window: the time that they may be of.
        choice: what their datastream must meet; None: any does.
        rest: what each of them must meet besides; None: nothing.
        timely: they are ordered by time.
        upwards: the oldest first.
        after: where the page before ended.
    """

    window: Window
    choice: Program | None
    rest: Program | None
    timely: bool
    upwards: bool
    after: Token | None

    async def chosen(self, streams: list[Stream], work: Work) -> list[Stream]:
        """Return the datastreams whose observations can be meant."""
        if self.window.empty:
            return []
        if self.choice is None:
            return streams
        stubs = {stream.id: _stub(stream) for stream in streams}
        chosen = {id(node) for node in await work.chosen(self.choice, stubs.values())}
        return [stream for stream in streams if id(stubs[stream.id]) in chosen]


def plan(options: Options, now: datetime) -> Plan:
    """Read what the options ask of Observations.

    Raises:
        RequestError: they are ordered by time and by something else besides, or the page is of another order.
    """
    timely, upwards = _order(options)
    window, choices, rest = Window(), [], []
    for condition in _conditions(options.filter[0] if options.filter else None):
        narrowed = _narrowed(window, condition, now)
        if narrowed is not None:
            window = narrowed
        elif _on_stream(condition):
            choices.append(condition)
        else:
            rest.append(condition)
    return Plan(
        window=window,
        choice=_joined(choices, now),
        rest=_joined(rest, now),
        timely=timely,
        upwards=upwards,
        after=_token(options.token) if options.token is not None and timely else None,
    )


def _order(options: Options) -> tuple[bool, bool]:
    """Say whether the order is that of time, and whether upwards; the usual one is the newest first."""
    if not options.order_as_read:
        return True, False
    (first, downwards), *others = options.order_as_read
    if not (isinstance(first, Path) and first.parts[-1] in TIMES and len(first.parts) == 1):
        return False, False
    for other, _ in others:
        if not (isinstance(other, Path) and len(other.parts) == 1 and other.parts[0] in (*IDS, *TIMES)):
            msg = "Observations that are ordered by time are ordered by their id besides, and by nothing else"
            raise RequestError(msg)
    return True, not downwards


def _conditions(expression: Expression | None) -> tuple[Expression, ...]:
    if expression is None:
        return ()
    if isinstance(expression, Call) and expression.name == "and":
        return tuple(part for each in expression.arguments for part in _conditions(each))
    return (expression,)


def _narrowed(window: Window, condition: Expression, now: datetime) -> Window | None:
    """Return the window as a condition on time leaves it; None: it is no such condition."""
    if not isinstance(condition, Call) or condition.name not in _TURNED:
        return None
    name, (left, right) = condition.name, condition.arguments
    if _is_time(right):
        name, left, right = _TURNED[name], right, left
    if not _is_time(left) or not constant(right):
        return None
    moment = to_moment(Program(right, _KIND, now).value(_NOBODY))
    if moment is None:
        return None
    moment = within(moment)
    start = {"eq": moment, "ge": moment, "gt": moment + TICK}.get(name, BEGINNING)
    end = {"eq": moment + TICK, "le": moment + TICK, "lt": moment}.get(name, END)
    return Window(start=max(window.start, start), end=min(window.end, end))


def _is_time(expression: Expression) -> bool:
    return isinstance(expression, Path) and len(_own(expression)) == 1 and _own(expression)[0] in TIMES


def _own(path: Path) -> tuple[str, ...]:
    """Return a path without the collection's own name: Observations/result."""
    return path.parts[1:] if path.parts[0] == OBSERVATIONS and len(path.parts) > 1 else path.parts


def _on_stream(condition: Expression) -> bool:
    """Whether a condition is on the datastream (or the feature) alone."""
    paths = [_own(part) for part in walk(condition) if isinstance(part, Path)]
    return bool(paths) and all(parts[0] in _KIND.links for parts in paths)


def _joined(conditions: list[Expression], now: datetime) -> Program | None:
    if not conditions:
        return None
    whole = conditions[0] if len(conditions) == 1 else Call("and", tuple(conditions))
    return Program(whole, _KIND, now)


def _token(text: str) -> Token:
    moment, _, stream = text.partition(",")
    read = read_compact(moment)
    if read is None:
        msg = f"$skiptoken={shown(text)} is none of ours"
        raise RequestError(msg)
    return Token(moment=read, stream=stream)


def behind(window: Window, token: Token | None, *, upwards: bool) -> Window:
    """Return the part of a window that a page may be of; what was at the token's moment is in it."""
    if token is None:
        return window
    if upwards:
        return replace(window, start=max(window.start, token.moment))
    return replace(window, end=min(window.end, token.moment + TICK))


_NOBODY: Final = Node(kind=_KIND, id="", body={})


def _stub(stream: Stream) -> Node:
    return Node(
        kind=_KIND, id="", body={}, links={"Datastream": [stream], "FeatureOfInterest": [stream.feature]}
    )


def observation(stream: Stream, seen: Seen) -> Node:
    """Return an observation as the standard has it; the newest, which all ask for, is made once."""
    if seen is not stream.newest:
        return _made(stream, seen)
    if stream.latest is None:
        stream.latest = _made(stream, seen)
    return stream.latest


def _made(stream: Stream, seen: Seen) -> Node:
    moment = exact(seen.moment)
    body = {"phenomenonTime": moment, "resultTime": moment, "result": seen.value}
    if seen.quality is not None:
        body["resultQuality"] = seen.quality
    if stream.parameters is not None:
        body["parameters"] = stream.parameters
    return Node(
        kind=_KIND,
        id=f"{stream.id}:{compact(seen.moment)}",
        body=body,
        links={"Datastream": [stream], "FeatureOfInterest": [stream.feature]},
    )


def observation_id(text: str) -> tuple[str, datetime] | None:
    """Return the datastream and the moment that an observation's id names; None: it names none."""
    stream, _, moment = text.rpartition(":")
    read = read_compact(moment)
    return None if read is None else (stream, read)
