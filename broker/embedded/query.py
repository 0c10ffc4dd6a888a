# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The query language of `q` (CIM 009, clause 4.9), parsed into a tree.

    q     = any of: all of (;) joined by |      (; binds tighter than |)
    term  = (q) | path | !path | path operator values
    path  = attribute[.attribute ...][.member] [ "[" key[.key ...] "]" ]
          | relationship { [type[,type ...]:] path }

`filters.py` turns the tree into SQL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import orjson

from broker.embedded.problems import BadRequestDataError, TooComplexQueryError
from broker.embedded.vocabulary import RESERVED_MEMBERS, check_name, is_uri

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from broker.embedded.terms import Names

MAX_LENGTH = 8192
MAX_TERMS = 100
MAX_NESTED = 20
_MAX_STEPS = 10
_MAX_HOPS = 5
_ANYTHING: Collection[str] = ()

_OPERATOR = re.compile(r"==|!=|!~=|~=|>=|<=|>|<")
_NUMBER = re.compile(r"-?\d{1,300}(\.\d{1,300})?([eE][+-]?\d{1,3})?")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d{1,9})?(Z|[+-]\d\d:\d\d)")
_DATE_OR_TIME = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d([.,]\d{1,9})?(Z|[+-]\d\d:\d\d)?")
_HINT = re.compile(r"([^\s:{}\[\]().;|=!<>~\"]+):(?!//)")
_BACK_REFERENCE = re.compile(r"(?<!\\)(\\\\)*\\[1-9]")
_MAX_PATTERN = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class Hop:
    """A step from an entity to those that one of its relationships points to.

    Attributes:
        types: IRIs of the types of which the other entity has to have one; empty: any type.
    """

    relationship: str
    types: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Path:
    """What a term looks at.

    Attributes:
        through: the way from the entity to the one that has the attributes; empty: it is the same.
        attributes: IRIs: the attribute, then attributes of it.
        member: a member of the last attribute (observedAt, unitCode ...); None for its value.
        keys: the way into a value that is an object.
    """

    attributes: tuple[str, ...]
    member: str | None
    keys: tuple[str, ...]
    through: tuple[Hop, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Literal:
    """A value to compare with; its Python type is the type that is compared."""

    value: str | float | int | bool | datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A range, both ends included."""

    low: Literal
    high: Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Exists:
    """The target is there."""

    path: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Compare:
    """The target stands in relation to one of the values."""

    path: Path
    operator: str
    values: tuple[Literal | Span, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Not:
    """The term does not hold."""

    term: Query


@dataclass(frozen=True, kw_only=True, slots=True)
class All:
    """Every term holds."""

    terms: tuple[Query, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Any_:  # noqa: N801 - Any is taken
    """One of the terms holds."""

    terms: tuple[Query, ...]


Query: TypeAlias = Exists | Compare | Not | All | Any_


def parse_q(text: str, context: Names, *, vocabulary: Collection[str] = _ANYTHING) -> Query:
    """Parse a query, its names expanded by the context.

    Args:
        text: the query.
        context: what names mean.
        vocabulary: IRIs of the attributes whose values are names too (`expandValues`).

    Raises:
        BadRequestDataError: it breaks the grammar; the sentence shows where.
        TooComplexQueryError: it is too long, has too many terms or too many brackets within each other.
    """
    if len(text) > MAX_LENGTH:
        raise TooComplexQueryError(detail=f"q is longer than {MAX_LENGTH} characters")
    return _Parser(text, context, vocabulary).parse()


def check_pattern(pattern: str, what: str) -> str:
    """Return a regular expression that is not too long and has no back references.

    PostgreSQL matches any other in time that grows with the text alone. Whether it is a
    regular expression at all, PostgreSQL says.

    Raises:
        BadRequestDataError: it is longer than 512 characters, or has a back reference.
    """
    if len(pattern) > _MAX_PATTERN:
        raise BadRequestDataError(detail=f"the pattern of {what} is longer than {_MAX_PATTERN} characters")
    if _BACK_REFERENCE.search(pattern):
        raise BadRequestDataError(
            detail=f"the pattern of {what} has a back reference, which is not supported"
        )
    return pattern


def terms_of(query: Query) -> Iterator[Exists | Compare]:
    """Return a query's terms, without what joins or denies them."""
    if isinstance(query, All | Any_):
        for term in query.terms:
            yield from terms_of(term)
    elif isinstance(query, Not):
        yield from terms_of(query.term)
    else:
        yield query


def patterns_of(query: Query) -> Iterator[str]:
    """Return the regular expressions in a query."""
    for term in terms_of(query):
        if isinstance(term, Compare) and term.operator in {"~=", "!~="}:
            yield from (str(value.value) for value in term.values if isinstance(value, Literal))


def paths_of(query: Query) -> Iterator[Path]:
    """Return what a query's terms look at."""
    return (term.path for term in terms_of(query))


def hops_of(query: Query) -> int:
    """Return how many steps from entity to entity a query takes at most."""
    if isinstance(query, All | Any_):
        return max(hops_of(term) for term in query.terms)
    return hops_of(query.term) if isinstance(query, Not) else len(query.path.through)


class _Parser:
    def __init__(self, text: str, context: Names, vocabulary: Collection[str]) -> None:
        self._vocabulary = vocabulary
        self._text = text
        self._at = 0
        self._context = context
        self._terms = 0

    def parse(self) -> Query:
        found = self._alternatives(0)
        if self._at < len(self._text):
            self._refuse("an operator, ; or |")
        return found

    def _refuse(self, expected: str) -> NoReturn:
        rest = self._text[self._at : self._at + 40] or "its end"
        raise BadRequestDataError(detail=f"q is wrong at {rest!r}: {expected} is expected there")

    def _accept(self, token: str) -> bool:
        if self._text.startswith(token, self._at):
            self._at += len(token)
            return True
        return False

    def _alternatives(self, depth: int) -> Query:
        terms = [self._conjunction(depth)]
        while self._accept("|"):
            terms.append(self._conjunction(depth))
        return terms[0] if len(terms) == 1 else Any_(terms=tuple(terms))

    def _conjunction(self, depth: int) -> Query:
        terms = [self._term(depth)]
        while self._accept(";"):
            terms.append(self._term(depth))
        return terms[0] if len(terms) == 1 else All(terms=tuple(terms))

    def _term(self, depth: int) -> Query:
        self._terms += 1
        if depth > MAX_NESTED or self._terms > MAX_TERMS:
            raise TooComplexQueryError(
                detail=f"q has more than {MAX_TERMS} terms or brackets deeper than {MAX_NESTED}"
            )
        if self._accept("("):
            inner = self._alternatives(depth + 1)
            if not self._accept(")"):
                self._refuse("a closing bracket")
            return inner
        if self._accept("!"):
            return Not(term=Exists(path=self._path()))
        path = self._path()
        operator = _OPERATOR.match(self._text, self._at)
        if operator is None:
            return Exists(path=path)
        self._at = operator.end()
        return self._comparison(path, operator.group())

    def _comparison(self, path: Path, operator: str) -> Query:
        if operator in {"~=", "!~="}:
            return Compare(path=path, operator=operator, values=(Literal(value=self._pattern()),))
        names = path.attributes[0] in self._vocabulary and path.member is None and not path.keys
        values = [self._value(names=names)]
        while self._accept(","):
            values.append(self._value(names=names))
        if operator not in {"==", "!="}:
            only = values[0]
            if len(values) > 1 or isinstance(only, Span) or isinstance(only.value, bool):
                raise BadRequestDataError(
                    detail=f"in q, {operator} compares with one number, text or point in time"
                )
        return Compare(path=path, operator=operator, values=tuple(values))

    def _path(self, through: tuple[Hop, ...] = (), types: tuple[str, ...] = ()) -> Path:
        """Take a path; `types` are those of the entity that it is to start from."""
        start = self._at
        while self._at < len(self._text) and self._text[self._at] not in '=!<>~;|()[]{}", ':
            self._at += 1
        names = self._text[start : self._at]
        if not names:
            self._refuse("the name of an attribute")
        if types:
            through = (*through[:-1], Hop(relationship=through[-1].relationship, types=types))
        if self._accept("{"):
            return self._linked(names, through)
        steps = [names] if "://" in names else names.split(".")
        if len(steps) > _MAX_STEPS:
            raise BadRequestDataError(detail=f"a path in q has more than {_MAX_STEPS} steps: {names[:100]}")
        member = steps.pop() if len(steps) > 1 and steps[-1] in RESERVED_MEMBERS else None
        attributes = tuple(self._context.expand(check_name(step, "a name in q")) for step in steps)
        return Path(attributes=attributes, member=member, keys=self._keys(), through=through)

    def _linked(self, name: str, before: tuple[Hop, ...]) -> Path:
        """Take the path that follows a relationship's opening brace (example 13 of clause 4.9)."""
        if len(before) >= _MAX_HOPS:
            raise BadRequestDataError(detail=f"q follows relationships further than {_MAX_HOPS} steps")
        if "." in name and "://" not in name:
            raise BadRequestDataError(detail=f"in q, braces follow one relationship: {name[:100]!r}")
        if self._text.startswith(":", self._at):
            self._refuse("a type or a name")
        hop = Hop(relationship=self._context.expand(check_name(name, "a relationship's name in q")))
        hint = _HINT.match(self._text, self._at)
        types: tuple[str, ...] = ()
        if hint:
            self._at = hint.end()
            types = tuple(
                self._context.expand(check_name(each, "a type in q")) for each in hint.group(1).split(",")
            )
        path = self._path((*before, hop), types)
        if not self._accept("}"):
            self._refuse("a closing brace")
        return path

    def _keys(self) -> tuple[str, ...]:
        if not self._accept("["):
            return ()
        end = self._text.find("]", self._at)
        keys = tuple(self._text[self._at : end].split(".")) if end > 0 else ()
        if not keys or not all(keys) or len(keys) > _MAX_STEPS:
            self._refuse(f"up to {_MAX_STEPS} keys and a closing bracket")
        self._at = end + 1
        return keys

    def _value(self, *, names: bool) -> Literal | Span:
        low = self._literal(names=names)
        if not self._accept(".."):
            return low
        high = self._literal(names=names)
        kinds = {_kind(low.value), _kind(high.value)}
        if len(kinds) > 1 or bool in kinds:
            raise BadRequestDataError(
                detail="the ends of a range in q must be of one type, which is not boolean"
            )
        return Span(low=low, high=high)

    def _literal(self, *, names: bool) -> Literal:
        if self._text.startswith('"', self._at):
            quoted = self._quoted()
            try:
                text = str(orjson.loads(quoted))
            except orjson.JSONDecodeError as error:
                raise BadRequestDataError(detail=f"in q, {quoted[:100]} is no string: {error}") from error
            if "\x00" in text:
                raise BadRequestDataError(detail="q has a NUL character, which no stored text can hold")
            return Literal(value=self._context.expand(text) if names else text)
        end = min(
            (found for stop in (";", "|", ")", ",", "..") if (found := self._text.find(stop, self._at)) >= 0),
            default=len(self._text),
        )
        bare = self._text[self._at : end]
        if not bare:
            self._refuse("a value")
        self._at = end
        return Literal(value=self._context.expand(check_name(bare, "a value")) if names else _bare(bare))

    def _quoted(self) -> str:
        """Take what stands between quotes, with them."""
        start = self._at
        end = start + 1
        while end < len(self._text) and self._text[end] != '"':
            end += 2 if self._text[end] == "\\" else 1
        if end >= len(self._text):
            self._refuse("a closing quote later on")
        self._at = end + 1
        return self._text[start : self._at]

    def _pattern(self) -> str:
        """Take a regular expression: quoted, or up to the next ; or | that no bracket of its own holds."""
        if self._text.startswith('"', self._at):
            return check_pattern(self._quoted()[1:-1].replace('\\"', '"'), "q")
        start, open_brackets = self._at, 0
        while self._at < len(self._text):
            character = self._text[self._at]
            if open_brackets == 0 and character in ";|)":
                break
            open_brackets += (character == "(") - (character == ")")
            self._at += 2 if character == "\\" else 1
        self._at = min(self._at, len(self._text))
        if start == self._at:
            self._refuse("a regular expression")
        return check_pattern(self._text[start : self._at], "q")


def _bare(text: str) -> str | float | int | bool | datetime:
    """Return the value of a literal without quotes."""
    if text in {"true", "false"}:
        return text == "true"
    if _NUMBER.fullmatch(text):
        return _number(text)
    if _INSTANT.fullmatch(text):
        try:
            return datetime.fromisoformat(text.replace(",", "."))
        except ValueError as error:
            raise BadRequestDataError(detail=f"in q, {text} is no point in time: {error}") from error
    if _DATE_OR_TIME.fullmatch(text):
        try:
            (date if text[4] == "-" else time).fromisoformat(text.replace(",", "."))
        except ValueError as error:
            raise BadRequestDataError(detail=f"in q, {text} is no date or time: {error}") from error
        return text  # dates and times of one form are in order as texts are
    if is_uri(text):
        return text
    raise BadRequestDataError(detail=f"in q, a text stands in double quotes: {text[:100]!r}")


def _number(text: str) -> float | int:
    try:
        number = orjson.loads(text)
    except orjson.JSONDecodeError:
        number = None
    if not isinstance(number, int | float):
        raise BadRequestDataError(detail=f"in q, {text[:100]} is no number that JSON knows")
    return number


def _kind(value: Any) -> type:
    kind = type(value)
    return float if kind is int else kind
