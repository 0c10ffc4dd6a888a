# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The DCAT-AP.de catalogue over HTTP: `/catalog.rdf`, `.ttl`, `.jsonld`, and `/catalog` by negotiation.

How harvesters behave decides the shape: they ask HEAD first, choose the parser by Content-Type, parse each
page alone and follow `hydra:next` until there is none. What is answered depends on the data and on what is
declared, never on the time of the request.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from broker.client import BrokerUnavailableError
from portal.catalogue_graph import PREFIXES, PageOf, catalogue_graph
from portal.catalogue_state import records_of
from portal.problems import problem, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiohttp.typedefs import Handler
    from rdflib import Graph

    from portal.catalogue_state import Facts
    from portal.office import Office

#: Datasets a page.
PAGE: Final = 25
#: Seconds that what is known of the datasets may be old.
MAX_AGE: Final = 60
_KEPT: Final = 32
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,5}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """A way to write RDF.

    Attributes:
        suffix: of the address.
        media_type: of the answer.
        serializer: rdflib's name of it.
    """

    suffix: str
    media_type: str
    serializer: str

    def write(self, graph: Graph) -> bytes:
        """Write a graph; the same graph always as the same bytes."""
        if self.serializer == "json-ld":
            context = {prefix: str(namespace) for prefix, namespace in PREFIXES.items()}
            text = graph.serialize(format=self.serializer, context=context)
            return orjson.dumps(_in_order(orjson.loads(text)), option=orjson.OPT_INDENT_2)
        return graph.serialize(format=self.serializer, encoding="utf-8")


RDF_XML: Final = Format(suffix=".rdf", media_type="application/rdf+xml", serializer="xml")
FORMATS: Final = (
    RDF_XML,
    Format(suffix=".ttl", media_type="text/turtle", serializer="turtle"),
    Format(suffix=".jsonld", media_type="application/ld+json", serializer="json-ld"),
)


def _in_order(value: Any) -> Any:
    """Put what has no order of its own (members of nodes, values of properties) into one."""
    if isinstance(value, dict):
        return {name: _in_order(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return sorted(map(_in_order, value), key=orjson.dumps)
    return value


#: What readers may ask for by `Accept`; the first is for those who do not mind.
NEGOTIATED: Final[Mapping[str, Format]] = {
    **{each.media_type: each for each in FORMATS},
    "application/xml": RDF_XML,
    "text/xml": RDF_XML,
    "application/json": FORMATS[2],
}


def routes(office: Office) -> Iterable[web.AbstractRouteDef]:
    """Return the addresses of the catalogue."""
    publisher = CataloguePublisher(office)
    yield web.get("/catalog", publisher.negotiated)
    for each in FORMATS:
        yield web.get(f"/catalog{each.suffix}", publisher.handler(each))


class CataloguePublisher:
    """Answers harvesters."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._records = records_of(office)
        self._writing = asyncio.Lock()
        self._written: dict[tuple[str, str], tuple[Mapping[str, Facts], bytes]] = {}

    async def negotiated(self, request: web.Request) -> web.Response:
        """Answer in the format that the reader prefers; browsers are sent to the start page."""
        accepted = request.headers.get("Accept", "")
        wanted = preferred(accepted, [*NEGOTIATED, "text/html"])
        if wanted == "text/html":
            start = f"{self._office.url}/daten"
            raise web.HTTPSeeOther(start, headers={"Vary": "Accept"})
        if wanted is None:
            offered = ", ".join(NEGOTIATED)
            return problem(
                HTTPStatus.NOT_ACCEPTABLE, "Not acceptable", f"The catalogue can be had as {offered}."
            )
        return await self._answer(request, NEGOTIATED[wanted])

    def handler(self, format_: Format) -> Handler:
        """Return what answers in one format."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._answer(request, format_)

        return handle

    async def _answer(self, request: web.Request, format_: Format) -> web.Response:
        try:
            number = _number(request)
            facts = await self._records.facts(MAX_AGE)
        except ValueError as error:
            return problem(HTTPStatus.BAD_REQUEST, "Bad request", str(error))
        except BrokerUnavailableError as error:
            return unavailable("The context broker does not answer.", error.retry_after)
        everything = list(facts.values())
        if number is None:
            return await self._written_answer(format_, facts, everything, None)
        pages = max(1, -(-len(everything) // PAGE))
        if number > pages:
            return problem(
                HTTPStatus.NOT_FOUND, "Not found", f"There is no page {number}: the last is {pages}."
            )
        shown = everything[(number - 1) * PAGE : number * PAGE]
        page = _page(f"{self._office.url}/catalog{format_.suffix}", number, pages, len(everything))
        return await self._written_answer(format_, facts, shown, page)

    async def _written_answer(
        self,
        format_: Format,
        facts: Mapping[str, Facts],
        shown: Sequence[Facts],
        page: PageOf | None,
    ) -> web.Response:
        which = (format_.suffix, page.this if page else "full")
        async with self._writing:  # one at a time: to write it takes a processor for a while
            known = self._written.get(which)
            if known is None or known[0] != facts:
                body = await asyncio.to_thread(self._write, format_, list(facts.values()), shown, page)
                self._written.pop(which, None)
                self._written[which] = known = (facts, body)
                while len(self._written) > _KEPT:
                    self._written.pop(next(iter(self._written)))
        return _dated(format_, known[1], list(facts.values()))

    async def of_one(self, facts: Facts, format_: Format) -> web.Response:
        """Answer with what the catalogue says of one dataset."""
        body = await asyncio.to_thread(self._write, format_, [facts], [facts], None)
        return _dated(format_, body, [facts])

    def _write(
        self, format_: Format, everything: Sequence[Facts], shown: Sequence[Facts], page: PageOf | None
    ) -> bytes:
        return format_.write(
            catalogue_graph(self._office.url, self._office.catalogue, everything, shown, page)
        )


def _number(request: web.Request) -> int | None:
    """Return which page is asked for; None: everything at once.

    Raises:
        ValueError: a parameter cannot be understood; the text is one sentence.
    """
    for name in request.query:
        if name not in {"page", "full"}:
            msg = f"There is no parameter {name[:40]!r}: there are page and full."
            raise ValueError(msg)
    full = request.query.get("full", "0")
    if full not in {"0", "1", "true", "false"}:
        msg = f"“full” is 0 or 1, not {full[:40]!r}."
        raise ValueError(msg)
    number = request.query.get("page", "1")
    if not _NUMBER.fullmatch(number):
        msg = f"“page” is a whole number from 1 on, not {number[:40]!r}."
        raise ValueError(msg)
    return None if full in {"1", "true"} else int(number)


def _page(address: str, number: int, pages: int, total: int) -> PageOf:
    return PageOf(
        total=total,
        this=f"{address}?page={number}",
        first=f"{address}?page=1",
        last=f"{address}?page={pages}",
        previous=f"{address}?page={number - 1}" if number > 1 else None,
        next=f"{address}?page={number + 1}" if number < pages else None,
    )


def _dated(format_: Format, body: bytes, facts: Sequence[Facts]) -> web.Response:
    headers = {"Cache-Control": f"public, max-age={MAX_AGE}"}
    if facts:
        modified = max(each.modified for each in facts).astimezone(UTC)
        headers["Last-Modified"] = format_datetime(modified, usegmt=True)
    return web.Response(body=body, content_type=format_.media_type, charset="utf-8", headers=headers)


def preferred(accepted: str, offered: Sequence[str]) -> str | None:
    """Return which of the media types on offer a reader wants most (RFC 9110, 12.5.1); None: none of them.

    Of what is wanted equally, the first on offer; who says nothing gets the first.
    """
    if not accepted.strip():
        return offered[0]
    wanted: dict[str, float] = {}
    for entry in accepted.split(","):
        kind, *parameters = (part.strip().lower() for part in entry.split(";"))
        quality = next((text[2:].strip() for text in parameters if text.startswith("q=")), "1")
        try:
            wanted[kind] = float(quality)
        except ValueError:
            wanted[kind] = 0.0

    def quality_of(media_type: str) -> float:
        main = media_type.partition("/")[0]
        return next((wanted[kind] for kind in (media_type, f"{main}/*", "*/*") if kind in wanted), 0.0)

    best = max(offered, key=quality_of)
    return best if quality_of(best) > 0 else None
