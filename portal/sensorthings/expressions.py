# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The language of $filter and $orderby (OGC 18-088, 9.3.3.5; OData 4.0, URL conventions, 5.1.1): its parser.

From the loosest to the tightest: or, and, not, eq ne gt ge lt le in, add sub, mul div mod, minus. (OData
binds `not` tighter than comparisons, which would make `not name eq 'x'` say nothing.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from portal.sensorthings.geometry import read_wkt
from portal.sensorthings.problems import RequestError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST: Final = 20_000
MOST_TOKENS: Final = 400
DEEPEST: Final = 30


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as it was written."""

    value: Any


@dataclass(frozen=True, slots=True)
class Path:
    """A property, by way of links: `Datastreams/ObservedProperty/name`."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function, or an operator by its name, and what it is used on."""

    name: str
    arguments: tuple[Expression, ...]


Expression: TypeAlias = Literal | Path | Call

COMPARISONS: Final = ("eq", "ne", "gt", "ge", "lt", "le")
_SUMS: Final = ("add", "sub")
_PRODUCTS: Final = ("mul", "div", "mod")
_WORDS: Final = frozenset({*COMPARISONS, *_SUMS, *_PRODUCTS, "and", "or", "not", "in"})

_TOKENS: Final = re.compile(
    r"""\s*(?:
      (?P<typed>(?:geography|geometry|duration)'(?:[^']|'')*')
    | (?P<text>'(?:[^']|'')*')
    | (?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:[.,]\d{1,12})?)?(?:Z|z|[+\ -]\d\d:?\d\d)?)
    | (?P<date>\d{4}-\d\d-\d\d)(?![\w:])
    | (?P<time>\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?)
    | (?P<number>\d{1,30}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,3})?)(?![\w])
    | (?P<word>[^\W\d][\w.-]*|@iot\.[A-Za-z]+)
    | (?P<mark>[(),/-])
    )""",
    re.VERBOSE,
)
_DURATION: Final = re.compile(
    r"([+-])?P(?:(\d{1,6})D)?(?:T(?:(\d{1,7})H)?(?:(\d{1,8})M)?(?:(\d{1,10}(?:\.\d{1,9})?)S)?)?"
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    place: int


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    stop = len(text.rstrip())
    while place < stop:
        found = _TOKENS.match(text, place)
        if found is None or found.lastgroup is None:
            rest = shown(text[place:].strip())
            msg = f"At letter {place + 1} of the expression stands {rest}, which says nothing"
            raise RequestError(msg)
        yield _Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup))
        place = found.end()


class Parser:
    """Reads one expression, or several in a row.

    Raises:
        RequestError: the text is too long, has too many parts, is nested too deep, or says nothing.
    """

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            msg = f"An expression has at most {LONGEST} letters"
            raise RequestError(msg)
        self._text = text
        self._tokens = list(_tokens(text))
        if len(self._tokens) > MOST_TOKENS:
            msg = f"An expression has at most {MOST_TOKENS} words, values and brackets"
            raise RequestError(msg)
        self._next = 0
        self._depth = 0

    def filter(self) -> Expression:
        """Read a $filter."""
        found = self._or()
        self._end()
        return found

    def order(self) -> tuple[tuple[Expression, bool], ...]:
        """Read an $orderby: expressions, and whether each is descending."""
        keys = []
        while True:
            key = self._sum()
            word = self._word("asc", "desc", any_case=True)
            keys.append((key, word == "desc"))
            if not self._mark(","):
                break
        self._end()
        return tuple(keys)

    def _or(self) -> Expression:
        return self._chain(self._and, ("or",))

    def _and(self) -> Expression:
        return self._chain(self._not, ("and",))

    def _not(self) -> Expression:
        if self._word("not"):
            with_bracket = self._deeper(self._not)
            return Call("not", (with_bracket,))
        return self._comparison()

    def _comparison(self) -> Expression:
        left = self._sum()
        name = self._word(*COMPARISONS)
        if name:
            return Call(name, (left, self._sum()))
        if self._word("in"):
            self._need("(")
            members = self._arguments()
            return Call("in", (left, *members))
        return left

    def _sum(self) -> Expression:
        return self._chain(self._product, _SUMS)

    def _product(self) -> Expression:
        return self._chain(self._minus, _PRODUCTS)

    def _minus(self) -> Expression:
        if self._mark("-"):
            value = self._deeper(self._minus)
            if isinstance(value, Literal) and isinstance(value.value, int | float | timedelta):
                return Literal(-value.value)
            return Call("minus", (value,))
        return self._primary()

    def _chain(self, part: Callable[[], Expression], names: tuple[str, ...]) -> Expression:
        found = part()
        # what is chained is a tree as deep as the chain is long: it counts as depth, for it is walked so
        started = self._depth
        while name := self._word(*names):
            if name in ("and", "or"):
                found = _flat(name, found, part())
            else:
                self._down()
                found = Call(name, (found, part()))
        self._depth = started
        return found

    def _primary(self) -> Expression:
        token = self._take()
        if token is None:
            msg = "The expression ends where a value is expected"
            raise RequestError(msg)
        if token.kind == "mark" and token.text == "(":
            inner = self._deeper(self._or)
            self._need(")")
            return inner
        if token.kind == "word":
            return self._name(token)
        if token.kind == "mark":
            raise self._unexpected(token)
        return Literal(_value(token))

    def _name(self, token: _Token) -> Expression:
        match token.text:
            case "true":
                return Literal(value=True)
            case "false":
                return Literal(value=False)
            case "null":
                return Literal(None)
        if token.text in _WORDS:
            raise self._unexpected(token)
        if self._mark("("):
            return Call(token.text, self._arguments())
        parts = [token.text]
        while self._mark("/"):
            part = self._take()
            if part is None or part.kind != "word":
                msg = f"Behind {shown('/'.join(parts))} the name of a property or link is expected"
                raise RequestError(msg)
            parts.append(part.text)
        return Path(tuple(parts))

    def _arguments(self) -> tuple[Expression, ...]:
        """Read what stands in a bracket that was opened."""
        if self._mark(")"):
            return ()
        found = [self._deeper(self._or)]
        while self._mark(","):
            found.append(self._deeper(self._or))
        self._need(")")
        return tuple(found)

    def _deeper(self, part: Callable[[], Expression]) -> Expression:
        self._down()
        found = part()
        self._depth -= 1
        return found

    def _down(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            msg = f"An expression is nested at most {DEEPEST} deep"
            raise RequestError(msg)

    def _take(self) -> _Token | None:
        if self._next >= len(self._tokens):
            return None
        self._next += 1
        return self._tokens[self._next - 1]

    def _word(self, *words: str, any_case: bool = False) -> str:
        if self._next < len(self._tokens):
            token = self._tokens[self._next]
            text = token.text.lower() if any_case else token.text
            if token.kind == "word" and text in words:
                self._next += 1
                return text
        return ""

    def _mark(self, mark: str) -> bool:
        if self._next < len(self._tokens) and self._tokens[self._next] == _Token(
            "mark", mark, self._tokens[self._next].place
        ):
            self._next += 1
            return True
        return False

    def _need(self, mark: str) -> None:
        if not self._mark(mark):
            found = self._take()
            if found is None:
                msg = f"The expression ends where {mark} is expected"
                raise RequestError(msg)
            raise self._unexpected(found)

    def _end(self) -> None:
        token = self._take()
        if token is not None:
            raise self._unexpected(token)

    @staticmethod
    def _unexpected(token: _Token) -> RequestError:
        return RequestError(
            f"At letter {token.place + 1} of the expression {shown(token.text)} is not expected"
        )


def _flat(name: str, left: Expression, right: Expression) -> Call:
    """Join conditions; a long row of `and` is one condition of many parts, not many in each other."""
    if isinstance(left, Call) and left.name == name:
        return Call(name, (*left.arguments, right))
    return Call(name, (left, right))


def _value(token: _Token) -> Any:
    text = token.text
    try:
        match token.kind:
            case "text":
                return text[1:-1].replace("''", "'")
            case "number":
                exact = text.isdigit() and len(text) <= 15  # noqa: PLR2004 - what a float holds exactly
                return int(text) if exact else float(text)
            case "moment":
                return _moment(text)
            case "date":
                return date.fromisoformat(text)
            case "time":
                return time.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        msg = f"{shown(text)} is no moment"
        raise RequestError(msg) from error
    kind, _, quoted = text.partition("'")
    inner = quoted[:-1].replace("''", "'")
    return _duration(inner) if kind == "duration" else read_wkt(inner)


def _moment(text: str) -> datetime:
    # A plus sign that nobody quoted is a space by the time it gets here.
    main, _, part = text.replace(" ", "+").replace(",", ".").replace("z", "Z").partition(".")
    if part:
        digits = re.match(r"\d+", part)
        fraction = digits[0] if digits else ""
        main = f"{main}.{fraction[:6].ljust(6, '0')}{part[len(fraction) :]}"
    moment = datetime.fromisoformat(main)
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()[1:]):
        msg = f"A duration is written as duration'PT1H' or duration'P1D', not {shown(text)}"
        raise RequestError(msg)
    sign, days, hours, minutes, seconds = found.groups()
    try:
        length = timedelta(
            days=int(days or 0), hours=int(hours or 0), minutes=int(minutes or 0), seconds=float(seconds or 0)
        )
    except OverflowError as error:
        msg = f"The duration {shown(text)} is too long"
        raise RequestError(msg) from error
    return -length if sign == "-" else length


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield an expression and all its parts."""
    yield expression
    if isinstance(expression, Call):
        for argument in expression.arguments:
            yield from walk(argument)
