# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The dashboard's pages, rendered with the current values: they say what they have to say without JavaScript.

German stands at `/`, English below `/en`, Leichte Sprache below `/leicht`:

    /                   all themes, map and list; ?q=&thema=&bezirk=&sort=&seite= narrow and order the list
    /thema/<theme>      one theme
    /station/<id>       one station; <id> without `urn:ngsi-ld:`
    /embed/station/<id>, /embed/thema/<theme>         for frames on other sites
    /barrierefreiheit, /datenschutz
    /stations.json      what all of this is made from (portal/pages_stations.py)
    /assets/<digest>/…  scripts, styles, texts (portal/pages_assets.py)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import jinja2
import structlog
from aiohttp import web

from broker.client import NgsiLdError
from ontology.loader import areas
from portal.datasets import ZONE
from portal.described import LICENCES, privacy_text, shown
from portal.pages_assets import assets, sent
from portal.pages_cards import Sparks, card, cards, curve_of
from portal.pages_facts import facts
from portal.pages_list import COLUMNS, DISTRICT, ORDERS, PAGE, QUERY, SORT, TOPIC, Asked, listed
from portal.pages_outline import WIDTH, marks, outline
from portal.pages_rules import DASHBOARD, rules
from portal.pages_stations import Collector
from portal.pages_text import languages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from portal.office import Office
    from portal.pages_stations import Station, Stations
    from portal.pages_text import Language

log = structlog.get_logger(__name__)

_RETRY_S = 30
_LATEST = 24
#: Texts that scripts need before anything else: they stand in the page itself.
_AT_ONCE = ("live.", "age.")
_CSP = (
    "default-src 'self'; img-src 'self' data: blob:{basemap}; connect-src 'self'{basemap}; worker-src 'self';"
    " object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors {frames}"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """What every page is made with."""

    office: Office
    collector: Collector
    sparks: Sparks
    templates: jinja2.Environment

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of the city."""
        return self.office.catalogue.place.centroid

    async def curves(self) -> dict[str, list[float | None]]:
        """Return the last day's curves; none where history is not to be had."""
        try:
            return await self.sparks.get()
        except NgsiLdError as error:
            log.warning("pages.no_curves", reason=str(error))
            return {}


Page = dict[str, Any]


def routes(office: Office) -> Iterable[web.AbstractRouteDef]:
    """Serve the dashboard."""
    collector = Collector(office)
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(DASHBOARD / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    templates.filters["path"] = lambda text: quote(text, safe=":")
    desk = Desk(office=office, collector=collector, sparks=Sparks(office, collector), templates=templates)

    async def document(request: web.Request) -> web.Response:
        written = await collector.document()
        headers = {"ETag": written.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        headers["Content-Type"] = "application/json; charset=utf-8"
        body, status = written.body, 200
        if written.etag in request.headers.get("If-None-Match", ""):
            body, status = b"", 304
        elif "gzip" in request.headers.get("Accept-Encoding", ""):
            body, headers["Content-Encoding"] = written.zipped, "gzip"
        return await sent(request, web.Response(body=body, status=status, headers=headers))

    async def asset(request: web.Request) -> web.Response:
        return await assets().serve(request, _policy(office, "'none'"))

    found: list[web.AbstractRouteDef] = [
        web.get("/stations.json", document),
        web.get("/assets/{digest}/{path:.+}", asset),
    ]
    for language in languages().values():
        prefix = language.prefix
        found += [
            web.get(prefix or "/", _answering(desk, language, _start)),
            web.get(f"{prefix}/thema/{{theme}}", _answering(desk, language, _theme)),
            web.get(f"{prefix}/station/{{id:.+}}", _answering(desk, language, _station)),
            web.get(f"{prefix}/barrierefreiheit", _answering(desk, language, _prose("a11y"))),
            web.get(f"{prefix}/datenschutz", _answering(desk, language, _prose("privacy"))),
            web.get(f"/embed{prefix}/thema/{{theme}}", _answering(desk, language, _embedded_theme)),
            web.get(f"/embed{prefix}/station/{{id:.+}}", _answering(desk, language, _embedded_station)),
        ]
        if prefix:
            found.append(web.get(f"{prefix}/", _to(prefix)))
    return found


def _to(address: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def redirect(_request: web.Request) -> web.Response:
        raise web.HTTPMovedPermanently(address)

    return redirect


def _answering(
    desk: Desk, language: Language, make: Callable[[Desk, Language, web.Request], Awaitable[Page]]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Turn what makes a page into a handler: a broker that is away is told in words."""

    async def answer(request: web.Request) -> web.Response:
        status, headers = 200, dict[str, str]()
        try:
            page = await make(desk, language, request)
        except NgsiLdError as error:
            log.warning("pages.unavailable", path=request.path, reason=str(error))
            status, headers["Retry-After"] = 503, str(_RETRY_S)
            page = {"template": "message.html", "title": language.t("unavailable.title"), "page": "message"}
            page["text"] = language.t("unavailable.text")
        status = page.pop("status", status)
        frames = "*" if request.path.startswith("/embed/") else "'none'"
        headers["Content-Security-Policy"] = _policy(desk.office, frames)
        template = desk.templates.get_template(page.pop("template"))
        body = template.render(**_common(desk, language, request), **page)
        return web.Response(text=body, content_type="text/html", status=status, headers=headers)

    return answer


def _common(desk: Desk, language: Language, request: web.Request) -> Page:
    office = desk.office
    contact = office.catalogue.contact
    rest = request.path.removeprefix("/embed").removeprefix(language.prefix) or "/"
    return {
        "language": language,
        "languages": [
            (each, (each.prefix + ("" if rest == "/" and each.prefix else quote(rest, safe="/:"))))
            for each in languages().values()
        ],
        "words": {key: text for key, text in language.texts.items() if key.startswith(_AT_ONCE)},
        "t": language.t,
        "n": language.n,
        "prefix": language.prefix,
        "home": language.prefix or "/",
        "asset": assets().url,
        "base": f"/assets/{assets().digest}/",
        "office": office,
        "catalogue": office.catalogue,
        "place": office.catalogue.place.name,
        "feedback": office.feedback or contact.email,
        "contact_url": contact.url,
        "themes": rules().themes,
        "now": datetime.now(UTC),
        "zone": ZONE,
        "path": rest,
        "basemap_host": _origin(office.basemap).partition("//")[2] if office.basemap else None,
    }


async def _start(desk: Desk, language: Language, request: web.Request) -> Page:
    stations = await desk.collector.stations()
    now = datetime.now(UTC)
    sparks = await desk.curves()
    shown_cards = cards(stations.all, language, now=now, centre=desk.centre, sparks=sparks)
    known = areas()
    grouped: list[tuple[str, list[Any]]] = []
    for each in shown_cards:
        area = known[each.theme.area]
        name = area.label_en if language.english else area.label_de
        if not grouped or grouped[-1][0] != name:
            grouped.append((name, []))
        grouped[-1][1].append(each)
    return {
        "template": "start.html",
        "page": "start",
        "title": language.t("title", place=desk.office.catalogue.place.name),
        "areas": grouped,
        "facts": facts(stations, language, now, desk.centre),
        **_explored(stations.all, stations, language, request, now),
    }


async def _theme(desk: Desk, language: Language, request: web.Request) -> Page:
    theme = rules().theme(request.match_info["theme"])
    if theme is None:
        return _missing(language)
    stations = await desk.collector.stations()
    now = datetime.now(UTC)
    chosen = stations.of(theme.id)
    datasets = [
        dataset for dataset in desk.office.public.datasets if rules().theme_of(dataset.type) == theme.id
    ]
    return {
        "template": "theme.html",
        "page": "theme",
        "title": language.t(f"topic.{theme.id}"),
        "theme": theme,
        "card": card(theme, chosen, language, now=now, centre=desk.centre, sparks=await desk.curves()),
        "area": areas()[theme.area],
        "datasets": datasets,
        "scales": rules().scales,
        "embed": f"{desk.office.url}/embed{language.prefix}/thema/{theme.id}",
        **_explored(chosen, stations, language, request, now, order="name"),
    }


def _explored(
    chosen: Iterable[Station],
    stations: Stations,
    language: Language,
    request: web.Request,
    now: datetime,
    *,
    order: str = "",
) -> Page:
    """Return what map and list are made of; `order`: where the address asks for none."""
    chosen = tuple(chosen)
    asked = Asked(
        query=request.query.get(QUERY, "")[:100],
        topic=request.query.get(TOPIC, ""),
        district=request.query.get(DISTRICT, ""),
        sort=request.query.get(SORT) or order,
        page=int(page) if (page := request.query.get(PAGE, "1")).isdecimal() and len(page) < 5 else 1,  # noqa: PLR2004 - pages have four digits at most
    )
    found = listed(chosen, asked, language, now)
    return {
        "stations": stations,
        "chosen": chosen,
        "found": found,
        "asked": asked,
        "columns": [(*each, *asked.column(each[0])) for each in COLUMNS],
        "orders": list(ORDERS),
        "topics": [theme for theme in rules().themes if any(each.theme == theme.id for each in chosen)],
        "districts": sorted({each.district for each in chosen if each.district}),
        "simulated": sum(each.simulated for each in chosen),
        "drawing": outline(),
        "drawing_width": WIDTH,
        "marks": marks(found.all, now),
    }


async def _station(desk: Desk, language: Language, request: web.Request) -> Page:
    stations = await desk.collector.stations()
    station = stations.by_short.get(request.match_info["id"])
    if station is None:
        return _missing(language, station=True)
    kind, dataset, office = station.dataset.type, station.dataset, desk.office
    numbers = [
        name
        for name, value in station.values.items()
        if isinstance(value.value, int | float) and not isinstance(value.value, bool)
    ]
    now = datetime.now(UTC)
    first = curve_of(station) or (numbers[0] if numbers else None)
    title, licence_url = LICENCES[dataset.licence or office.catalogue.licence]
    own = f"{language.prefix}/station/{quote(station.short, safe=':')}"
    return {
        "template": "station.html",
        "page": "station",
        "title": station.name,
        "station": station,
        "stale": station.stale(now),
        "kind": kind,
        "dataset": dataset,
        "numbers": numbers,
        "first": first,
        "latest": await _latest(desk, station, first),
        "shown": shown,
        "counters": rules().types.get(kind, {}).get("counters", ()),
        "bands": {
            name: rules().limits(kind, name, {key: value.value for key, value in station.values.items()})
            for name in numbers
        },
        "scale": rules().scales.get(rules().types.get(kind, {}).get("scale", "")),
        "licence": (title, licence_url),
        "attribution": dataset.attribution or language.both(office.catalogue.publisher_of(dataset).name),
        "privacy": [
            (language.label(kind, name), text["en" if language.english else "de"])
            for name, rule in dataset.rules.items()
            if (text := privacy_text(rule))
        ],
        "permalink": office.url + own,
        "embed": f"{office.url}/embed{own}",
        "api": f"{office.url}/ngsi-ld/v1/entities/{quote(station.id, safe=':')}?options=keyValues",
        "drawing": outline(),
        "drawing_width": WIDTH,
        "marks": marks([station], now),
    }


async def _latest(desk: Desk, station: Station, name: str | None) -> list[tuple[datetime, Any, Any]]:
    """Return the last values of an attribute, the newest first: time, value, quality."""
    if name is None:
        return []
    try:
        found = await desk.office.public.latest(station.dataset, station.id, attributes=[name], last=_LATEST)
    except NgsiLdError as error:
        log.warning("pages.no_history", station=station.short, reason=str(error))
        return []
    return [(each.observed_at, each.value, each.quality) for each in reversed(found)]


async def _embedded_station(desk: Desk, language: Language, request: web.Request) -> Page:
    page = await _station(desk, language, request)
    return page if "status" in page else {**page, "template": "embed_station.html"}


async def _embedded_theme(desk: Desk, language: Language, request: web.Request) -> Page:
    page = await _theme(desk, language, request)
    return page if "status" in page else {**page, "template": "embed_theme.html"}


def _prose(name: str) -> Callable[[Desk, Language, web.Request], Awaitable[Page]]:
    async def make(_desk: Desk, language: Language, _request: web.Request) -> Page:
        return {"template": f"{name}.html", "page": "prose", "title": language.t(f"{name}.title")}

    return make


def _missing(language: Language, *, station: bool = False) -> Page:
    return {
        "template": "message.html",
        "page": "message",
        "status": 404,
        "title": language.t("station.missing" if station else "missing.title"),
        "text": language.t("station.missing.text"),
    }


def _policy(office: Office, frames: str) -> str:
    """Return what browsers may do on a page: ask here and, for an operator's base map, where that is."""
    return _CSP.format(basemap=f" {_origin(office.basemap)}" if office.basemap else "", frames=frames)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
