# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Whatever is asked of a small city, in the language of the standard: JSON, or a reason."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.client import NgsiLdClient
from portal.datasets import load_catalogue
from portal.live import Live
from portal.office import Office
from portal.sensorthings.address import Address, Many, One
from portal.sensorthings.answers import Answerer
from portal.sensorthings.city import City, build
from portal.sensorthings.evaluate import Work
from portal.sensorthings.history import History
from portal.sensorthings.model import KINDS, Kind
from portal.sensorthings.options import read_query
from portal.sensorthings.problems import RequestError
from portal.views import View
from tests.portal_city import HAGEN, context_of, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
Small = tuple[City, View]
NOW = datetime.now(UTC)
VALUES = st.sampled_from(
    [
        *("5", "'a'", "null", "true", "now()", "2026-01-01T00:00:00Z", "2026-01-01", "duration'PT1H'"),
        *("geography'POINT (7.4 51.3)'", "geography'POLYGON ((7 51,8 51,8 52,7 51))'", "12:00"),
    ]
)
PARTS = ("tolower({})", "round({})", "({} add 1)", "year({})", "length({})", "date({})", "-{}", "{}")
TESTS = (
    *(
        "{} eq {}",
        "{} ne {}",
        "{} gt {}",
        "{} le {}",
        "{} in ({},1)",
        "startswith({},{})",
        "st_within({},{})",
    ),
    *("geo.distance({},{}) lt 1", "st_touches({},{})", "substringof({},{})", "st_relate({},{},'T********')"),
)


async def _small() -> Small:
    """Return a city before a broker without history, so that nothing is asked of it."""
    catalogue = load_catalogue(HAGEN)
    client = NgsiLdClient("http://127.0.0.1:1", kind="embedded")
    client.limits = replace(client.limits, temporal=False)
    view = View(name="public", datasets=catalogue.dataset, client=client, context_of=context_of)
    office = Office(url="http://p.example", catalogue=catalogue, public=view, live=Live(), folder=Path())
    owner = {dataset.type: dataset for dataset in catalogue.dataset}
    newest = {entity["id"]: entity for entity in sample()}.values()
    return await build(office, [(owner[entity["type"]], entity) for entity in newest]), view


def finished(work: Coroutine[Any, Any, T]) -> T:
    """Run what never waits for anything."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


@cache
def small() -> Small:
    return finished(_small())


def properties(kind: Kind) -> list[str]:
    own = ["id", *kind.properties, *(f"{name}/x" for name in kind.open)]
    return own + [
        f"{link}/{name}"
        for link, (collection, _) in kind.links.items()
        for name in ("id", *KINDS[collection].properties)
    ]


@st.composite
def conditions(draw: Callable[..., Any], kind: Kind) -> str:
    value = st.sampled_from(properties(kind)) | VALUES
    parts = st.builds(str.format, st.sampled_from(PARTS), value)
    test = st.builds(str.format, st.sampled_from(TESTS), parts, parts)
    first, second = draw(test), draw(test)
    return str(
        draw(
            st.sampled_from(
                [first, f"not {first}", f"{first} and {second}", f"({first} or {second}) eq true"]
            )
        )
    )


@st.composite
def options(draw: Callable[..., Any], kind: Kind, depth: int = 0) -> list[tuple[str, str]]:
    offered: dict[str, st.SearchStrategy[str]] = {
        "$filter": conditions(kind),
        "$orderby": st.builds(
            "{}{}".format, st.sampled_from(properties(kind)), st.sampled_from(["", " desc", ",id"])
        ),
        "$top": st.integers(0, 5).map(str),
        "$skip": st.integers(0, 5).map(str),
        "$count": st.just("true"),
        "$select": st.sampled_from([*kind.properties, *kind.links, "id", "@iot.selfLink,id"]),
    }
    if depth == 0:
        offered["$resultFormat"] = st.sampled_from(["dataArray", "GeoJSON"])
    names = draw(st.lists(st.sampled_from(sorted(offered)), max_size=3, unique=True))
    found = [(name, draw(offered[name])) for name in names]
    if depth < 3 and draw(st.booleans()):
        links = draw(st.lists(st.sampled_from(sorted(kind.links)), min_size=1, max_size=2, unique=True))
        inner = [
            (link, ";".join(f"{name}={text}" for name, text in draw(options(_target(kind, link), depth + 1))))
            for link in links
        ]
        found.append(("$expand", ",".join(f"{link}({text})" if text else link for link, text in inner)))
    return found


def _target(kind: Kind, link: str) -> Kind:
    return KINDS[kind.links[link][0]]


@st.composite
def addresses(draw: Callable[..., Any], city: City) -> str:
    kind = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    ids = sorted(city.index[kind.collection]) or [
        f"{each.id}:{each.newest.moment:%Y%m%dT%H%M%SZ}" for each in city.streams
    ]
    path = kind.collection
    if draw(st.booleans()):
        path += f"('{draw(st.sampled_from(ids))}')"
        if draw(st.booleans()):
            path += f"/{draw(st.sampled_from([*kind.links, *kind.properties, '$ref']))}"
    return path


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150, deadline=None)
@given(data=st.data())
def test_json_or_a_reason(data: st.DataObject) -> None:
    city, view = small()
    work = Work()
    history = History(view, work)
    answerer = Answerer("http://p.example", history, work, NOW)
    try:
        found = finished(Address(data.draw(addresses(city)), city, history).find())
        if not isinstance(found, Many | One):
            return
        kind = found.kind if isinstance(found, Many) else found.node.kind
        query = "&".join(f"{name}={quote(text)}" for name, text in data.draw(options(kind)))
        asked = read_query(query, kind, NOW, several=isinstance(found, Many))
        body = finished(
            answerer.many(found, asked) if isinstance(found, Many) else answerer.one(found.node, asked)
        )
    except RequestError as error:
        status = error.status
    else:
        status = 200
        assert isinstance(orjson.loads(body), dict)
    assert status in (200, 400, 404)
