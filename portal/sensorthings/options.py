# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Query options: `$expand`, `$select`, `$filter` and the rest, nested as deep as is allowed (9.3)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote_plus

from portal.sensorthings.evaluate import IDS, Program
from portal.sensorthings.expressions import LONGEST, Parser
from portal.sensorthings.model import KINDS, OBSERVATIONS
from portal.sensorthings.problems import RequestError, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from portal.sensorthings.expressions import Expression
    from portal.sensorthings.model import Kind

MOST_AT_ONCE: Final = 1000
USUAL: Final = 100
#: A page further on is reached by following @iot.nextLink.
FURTHEST: Final = 100_000
MOST_EXPANSIONS: Final = 20
DEEPEST: Final = 6
MOST_KEYS: Final = 5

_OF_ONE: Final = frozenset({"$select", "$expand", "$resultFormat"})
_OF_MANY: Final = frozenset(
    {"$filter", "$orderby", "$top", "$skip", "$count", "$select", "$expand", "$resultFormat", "$skiptoken"}
)
_NOTHING: Final = ""
FORMATS: Final = ("default", "dataArray", "GeoJSON")


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What is asked of a collection, or of one entity.

    Attributes:
        filter: as it was written, and made ready; None: all.
        order: what it is ordered by, made ready, and whether downwards.
        order_as_read: the same, as it was written.
        select: names of properties and links; None: all.
        expand: what is shown in place of a link, by its name.
        token: where a page begins, from a link that we made.
        raw: the options as they were written, for links.
    """

    filter: tuple[Expression, Program] | None = None
    order: tuple[tuple[Program, bool], ...] = ()
    order_as_read: tuple[tuple[Expression, bool], ...] = ()
    top: int | None = None
    skip: int = 0
    count: bool = False
    select: tuple[str, ...] | None = None
    expand: Mapping[str, Options] = field(default_factory=dict)
    token: str | None = None
    format: str = "default"
    raw: Mapping[str, str] = field(default_factory=dict)

    @property
    def at_once(self) -> int:
        """How many entities one answer has, at most."""
        return USUAL if self.top is None else min(self.top, MOST_AT_ONCE)

    def further(self, skip: int) -> str:
        """Return the query of a collection's next page, which begins `skip` entities further on.

        What clients look for in it are a plain `$top` and `$skip`; those of expansions are quoted.
        """
        kept = {name: text for name, text in self.raw.items() if name not in ("$skip", "$skiptoken")}
        kept["$skip"] = str(self.skip + skip)
        return "&".join(f"{name}={quote(text, safe=_NOTHING)}" for name, text in kept.items())


def read_query(query: str, kind: Kind, now: datetime, *, several: bool) -> Options:
    """Read the options in an address; what does not begin with $ is none of the standard's, and left alone.

    Raises:
        RequestError: an option is unknown, twice, or says nothing.
    """
    pairs = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        name = unquote_plus(name)
        if name.startswith("$"):
            pairs.append((name, unquote_plus(value)))
    return Reader(now).options(pairs, kind, several=several)


class Reader:
    """Reads options; counts the expansions in all of them."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._expansions = 0

    def options(self, pairs: list[tuple[str, str]], kind: Kind, *, several: bool, depth: int = 0) -> Options:
        """Read the options of a collection (`several`) or of one entity."""
        raw = dict(pairs)
        if len(raw) != len(pairs):
            twice = next(name for name, _ in pairs if [other for other, _ in pairs].count(name) > 1)
            msg = f"{twice} stands twice"
            raise RequestError(msg)
        known = _OF_MANY if several else _OF_ONE
        for name in raw:
            if name not in known:
                why = "is for collections" if name in _OF_MANY else "is unknown"
                msg = f"The option {shown(name)} {why}: there are {', '.join(sorted(known))}"
                raise RequestError(msg)
        order = self._order(raw["$orderby"]) if "$orderby" in raw else ()
        return Options(
            filter=self._filter(raw["$filter"], kind) if "$filter" in raw else None,
            order=tuple((Program(key, kind, self._now), down) for key, down in order),
            order_as_read=order,
            top=_whole("$top", raw["$top"], 10**9) if "$top" in raw else None,
            skip=_whole("$skip", raw["$skip"], 10**9) if "$skip" in raw else 0,
            count=_flag(raw["$count"]) if "$count" in raw else False,
            select=_selected(raw["$select"], kind) if "$select" in raw else None,
            expand=self._expand(raw["$expand"], kind, depth) if "$expand" in raw else {},
            token=raw.get("$skiptoken"),
            format=_format(raw["$resultFormat"], depth) if "$resultFormat" in raw else "default",
            raw=raw,
        )

    def _filter(self, text: str, kind: Kind) -> tuple[Expression, Program]:
        read = Parser(text).filter()
        return read, Program(read, kind, self._now)

    @staticmethod
    def _order(text: str) -> tuple[tuple[Expression, bool], ...]:
        keys = Parser(text).order()
        if len(keys) > MOST_KEYS:
            msg = f"$orderby takes at most {MOST_KEYS} expressions"
            raise RequestError(msg)
        return keys

    def _expand(self, text: str, kind: Kind, depth: int) -> dict[str, Options]:
        if len(text) > LONGEST:
            msg = f"$expand has at most {LONGEST} letters"
            raise RequestError(msg)
        found: dict[str, Options] = {}
        for item in split(text, ","):
            way, _, inside = item.strip().partition("(")
            if inside and not inside.endswith(")"):
                msg = f"The bracket in $expand={shown(item)} is not closed"
                raise RequestError(msg)
            one = self._expanded(way.strip().split("/"), inside[:-1], kind, depth + 1)
            for name, options in one.items():
                found[name] = _merged(found[name], options) if name in found else options
        return found

    def _expanded(self, way: list[str], inside: str, kind: Kind, depth: int) -> dict[str, Options]:
        """Read one expansion; `Datastreams/Sensor` is a Sensor in a Datastream."""
        self._expansions += 1
        if self._expansions > MOST_EXPANSIONS or depth > DEEPEST:
            msg = f"$expand takes at most {MOST_EXPANSIONS} links, {DEEPEST} deep"
            raise RequestError(msg, status=413)
        name, *further = way
        if name not in kind.links:
            msg = f"A {kind.name} has no link {shown(name)}: it has {', '.join(kind.links)}"
            raise RequestError(msg)
        collection, several = kind.links[name]
        target = KINDS[collection]
        if further:
            options = Options(expand=self._expanded(further, inside, target, depth + 1))
            rest, _, last = "/".join(further), None, inside
            return {name: replace(options, raw={"$expand": f"{rest}({last})" if last else rest})}
        pairs = []
        for part in split(inside, ";"):
            if part.strip():
                option, sign, value = part.strip().partition("=")
                if not sign:
                    msg = f"In $expand={shown(name)} stands {shown(part)}, which is no option"
                    raise RequestError(msg)
                pairs.append((option.strip(), value.strip()))
        return {name: self.options(pairs, target, several=several, depth=depth)}


def _merged(one: Options, two: Options) -> Options:
    """Join what two items of an $expand say of the same link: `Datastreams($top=1),Datastreams/Sensor`."""
    if set(one.raw) & set(two.raw) - {"$expand"}:
        msg = "In $expand one link has the same option twice"
        raise RequestError(msg)
    expand = dict(one.expand)
    for name, options in two.expand.items():
        expand[name] = _merged(expand[name], options) if name in expand else options
    first, second = (one, two) if set(one.raw) - {"$expand"} else (two, one)
    if set(second.raw) - {"$expand"}:
        msg = "In $expand the options of one link stand in one bracket"
        raise RequestError(msg)
    raw = {**second.raw, **first.raw}
    texts = [each.raw["$expand"] for each in (one, two) if "$expand" in each.raw]
    if texts:
        raw["$expand"] = ",".join(texts)
    return replace(first, expand=expand, raw=raw)


def split(text: str, sign: str) -> Iterator[str]:
    """Split a text at signs that stand outside of brackets and quotes.

    Raises:
        RequestError: a bracket or quote is not closed, or closed twice.
    """
    depth, quoted, start = 0, False, 0
    for place, letter in enumerate(text):
        if letter == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
            if depth < 0:
                break
        elif letter == sign and depth == 0:
            yield text[start:place]
            start = place + 1
    if depth or quoted:
        msg = f"A bracket or quote in {shown(text)} is not closed, or closed twice"
        raise RequestError(msg)
    yield text[start:]


def _whole(name: str, text: str, most: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > most:  # noqa: PLR2004 - digits
        msg = f"{name} is a whole number from 0 on, not {shown(text)}"
        raise RequestError(msg)
    return int(text)


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        msg = f"$count is true or false, not {shown(text)}"
        raise RequestError(msg)
    return text.lower() == "true"


def _format(text: str, depth: int) -> str:
    for name in FORMATS:
        if text.lower() == name.lower():
            if depth:
                break
            return name
    msg = f"$resultFormat is {' or '.join(FORMATS)}, of the whole answer, not {shown(text)}"
    raise RequestError(msg)


def _selected(text: str, kind: Kind) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in (*kind.properties, *kind.links, *IDS, "@iot.selfLink"):
            msg = (
                f"A {kind.name} has no {shown(name)}: it has id, {', '.join((*kind.properties, *kind.links))}"
            )
            raise RequestError(msg)
    return names


def is_observations(kind: Kind) -> bool:
    """Whether a kind is that which lies in the broker's history."""
    return kind.collection == OBSERVATIONS
