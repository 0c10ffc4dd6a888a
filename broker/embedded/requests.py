# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What every request has in common: parameters, body, @context, tenant, media types (clause 6.3)."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web
from multidict import CIMultiDict

from broker.embedded.contexts import as_json_ld, simplified
from broker.embedded.keywords import has_keywords, renamed
from broker.embedded.links import context_link, context_of
from broker.embedded.problems import (
    BadRequestDataError,
    InvalidRequestError,
    LengthRequiredError,
    NotAcceptableError,
    NotSupportedError,
    TooLargeError,
    UnsupportedMediaTypeError,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from broker.embedded.contexts import Contexts
    from broker.embedded.terms import Context

JSON, JSON_LD, GEO_JSON = "application/json", "application/ld+json", "application/geo+json"
MERGE_PATCH = "application/merge-patch+json"
JSON_MEDIA = (JSON, JSON_LD)
ENTITY_MEDIA = (JSON, JSON_LD, GEO_JSON)
MAX_BATCH = 1000

_TENANT = re.compile(r"[A-Za-z0-9_\-.~:]{1,128}")
_EVERYWHERE = frozenset({"local", "via"})
_SELECTING = re.compile(r"/(query|subscriptions(/[^/]*)?)/?$")  # whose `entities` are selectors
_SIMPLE = frozenset({"keyValues", "simplified"})
_NO_FORMATS = frozenset({"sysAttrs", "count", "noOverwrite", "update", "replace"})
"""Words that `options` may have and `format` may not (6.3.7 and 6.3.11)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request, read and checked.

    Attributes:
        tenant: empty for the default tenant.
        parameters: of the query string.
        options: the words in `options` and `format`.
        media: what the answer's body will be.
        preferences: what the client would rather have, and may not get (RFC 7240): name → value.
        body: the parsed JSON; None where there is none.
        declared: the @context that the request names; None if it names none.
        inline: whether the body is JSON-LD, each part of which may have an @context of its own.
    """

    path: str
    origin: str
    tenant: str
    parameters: Mapping[str, str]
    options: frozenset[str]
    media: str
    preferences: Mapping[str, str]
    body: Any
    declared: Any
    inline: bool

    def flag(self, name: str) -> bool:
        """Return a parameter that is true or false; false where it is absent.

        Raises:
            InvalidRequestError: it is neither.
        """
        value = self.parameters.get(name, "false")
        if value not in {"true", "false"}:
            raise InvalidRequestError(detail=f"{name} is true or false, not {value[:100]!r}")
        return value == "true"

    def number(self, name: str, default: int, *, highest: int) -> int:
        """Return a parameter that is a whole number, 0 or more.

        Raises:
            BadRequestDataError: it is none, or above the highest.
        """
        text = self.parameters.get(name)
        if text is None:
            return default
        if not re.fullmatch(r"[0-9]{1,12}", text) or int(text) > highest:
            raise BadRequestDataError(
                detail=f"{name} is a whole number from 0 to {highest}, not {text[:100]!r}"
            )
        return int(text)


class DefaultContexts:
    """The house's extension: an @context by type, for requests that name none.

    Args:
        by_type: short name of a type → URL of its @context. Empty: strictly the standard.
    """

    def __init__(self, by_type: Mapping[str, str]) -> None:
        self._urls = dict(by_type)

    async def prepare(self, contexts: Contexts) -> None:
        """Learn the types' IRIs."""
        for name, url in list(self._urls.items()):
            self._urls[(await contexts.resolve(url)).expand(name)] = url

    def choose(self, types: Iterable[object]) -> Any:
        """Return the @context for these types (names or IRIs); None where one of them has none.

        Where they differ it is an array of them all; the first type's comes last, so that its terms prevail.
        """
        urls = [self._urls.get(name) if isinstance(name, str) else None for name in types]
        if None in urls:
            return None
        distinct = list(dict.fromkeys(urls))[::-1]
        return distinct if len(distinct) > 1 else distinct[0] if distinct else None

    def __bool__(self) -> bool:
        return bool(self._urls)


async def read_call(
    request: web.Request,
    *,
    parameters: Collection[str] = (),
    options: Collection[str] = (),
    offered: Sequence[str] = JSON_MEDIA,
    body: bool = False,
    taken: Sequence[str] = JSON_MEDIA,
) -> Call:
    """Read a request.

    Args:
        request: the request.
        parameters: the query parameters that the operation knows.
        options: the words that it knows in `options` and `format`.
        offered: the media types that it can answer in.
        body: whether it has a body.
        taken: the media types that it takes.

    Raises:
        ProblemError: one of many, each with its sentence.
    """
    given = _parameters(request, parameters)
    headers = request.headers
    media = negotiated(tuple(headers.getall("Accept", ())), tuple(offered))
    if "NGSILD-Snapshot" in headers:  # what is meant for a snapshot is not for the entities there are
        raise NotSupportedError(detail="this broker has no snapshots, and the request is about one")
    link = context_of(headers.getall("Link")) if "Link" in headers else None
    content, inline, declared = None, False, link
    if body:
        content, inline = await _body(request, taken)
        declared = _declared(content, link, inline=inline)
    return Call(
        path=request.path,
        origin=f"{request.scheme}://{request.host}",
        tenant=_tenant(request),
        parameters=given,
        options=_options(given, options),
        media=media,
        preferences=preferences(headers.getall("Prefer", ())),
        body=content,
        declared=declared,
        inline=inline,
    )


@lru_cache(maxsize=256)
def negotiated(accepts: tuple[str, ...], offered: tuple[str, ...]) -> str:
    """Return the offered media type that the client likes best; the first where it has no say.

    Raises:
        NotAcceptableError: it accepts none of them.
    """
    ranges = [part.strip() for accept in accepts for part in accept.split(",") if part.strip()]
    if not ranges:
        return offered[0]
    best, liking = "", 0.0
    for media in offered:
        quality = max((_quality(each, media) for each in ranges), default=(0, 0.0))[1]
        if quality > liking:
            best, liking = media, quality
    if not best:
        raise NotAcceptableError(detail=f"the answer is available as {', '.join(offered)}")
    return best


def answer(
    call: Call,
    body: Any,
    context: Context | None,
    *,
    status: int = 200,
    headers: Iterable[tuple[str, str]] = (),
) -> web.Response:
    """Return a response with a body; its @context stands in the body or in a Link header."""
    shown: CIMultiDict[str] = CIMultiDict()
    media = call.media
    if context is not None:
        within = media == JSON_LD or (media == GEO_JSON and call.preferences.get("body") != "json")
        if within and isinstance(body, dict):
            body = {**body, "@context": as_json_ld(context)}
        elif within:
            member = as_json_ld(context)
            body = [{**item, "@context": member} if isinstance(item, dict) else item for item in body]
        if not within or (isinstance(body, list) and not body):
            url = context.url if context.path is None else call.origin + context.path
            shown.add("Link", context_link(url))
    elif media != JSON:
        media = JSON
    for name, value in headers:
        shown.add(name, value)
    if call.tenant:
        shown["NGSILD-Tenant"] = call.tenant
    shown["Content-Type"] = media
    return web.Response(status=status, body=orjson.dumps(body), headers=shown)


def done(call: Call, *, status: int = 204, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a response without a body."""
    response = web.Response(status=status, headers=headers)
    if call.tenant:
        response.headers["NGSILD-Tenant"] = call.tenant
    return response


def source_of(item: Any, call: Call) -> Any:
    """Return the @context for one entity of a body: its own in JSON-LD, else the request's.

    Raises:
        BadRequestDataError: it is JSON-LD without an @context, or JSON with one.
    """
    if not isinstance(item, dict):
        return call.declared
    if call.inline:
        if "@context" not in item:
            raise BadRequestDataError(detail=f"{JSON_LD} needs an @context in the body")
        return simplified(item["@context"])
    if "@context" in item:
        raise BadRequestDataError(detail=f"{JSON} must not have an @context in the body; send a Link header")
    return call.declared


def refuse_entity_map(given: Mapping[str, Any]) -> None:
    """See that no EntityMap is asked for.

    Raises:
        NotSupportedError: one is.
    """
    if given.get("entityMap", "false") != "false":
        raise NotSupportedError(detail="entity maps are about other brokers, and this one asks none")


def tenant_header(request: web.Request) -> dict[str, str]:
    """Return the header that names the tenant of a request that failed (6.3.14)."""
    tenant = request.headers.get("NGSILD-Tenant", "")
    return {"NGSILD-Tenant": tenant} if _TENANT.fullmatch(tenant) else {}


def _parameters(request: web.Request, known: Collection[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in request.query.items() if request.query_string else ():
        if name in given:
            raise InvalidRequestError(detail=f"the parameter {name[:100]} stands there twice")
        if name not in known and name not in _EVERYWHERE:
            raise InvalidRequestError(detail=f"the operation has no parameter {name[:100]!r}")
        if "\x00" in value:
            raise InvalidRequestError(detail=f"the parameter {name[:100]} has a NUL character")
        given[name] = value
    return given


def _options(given: Mapping[str, str], known: Collection[str]) -> frozenset[str]:
    words: list[str] = []
    for name in ("options", "format"):
        if name in given:
            taken = known if name == "options" else frozenset(known) - _NO_FORMATS
            found = [word for word in given[name].split(",") if word]
            for word in found:
                if word not in taken:
                    allowed = ", ".join(sorted(taken)) or "none"
                    detail = f"the operation's {name} may be {allowed}; not {word[:100]!r}"
                    raise InvalidRequestError(detail=detail)
            words += found
    return frozenset(words)


def preferences(headers: Collection[str]) -> dict[str, str]:
    """Return what Prefer headers say; of preferences named twice the first counts (RFC 7240, 2)."""
    found: dict[str, str] = {}
    for each in ",".join(headers).split(",") if headers else ():
        name, _, value = each.partition(";")[0].partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"'))
    return found


def _tenant(request: web.Request) -> str:
    tenant = request.headers.get("NGSILD-Tenant", "")
    if tenant and _TENANT.fullmatch(tenant) is None:
        raise BadRequestDataError(
            detail="a tenant's name has up to 128 letters, digits and _ - . ~ : and no other character"
        )
    return tenant


async def _body(request: web.Request, taken: Sequence[str]) -> tuple[Any, bool]:
    """Return the parsed body, and whether it is JSON-LD."""
    if request.content_length is None:
        raise LengthRequiredError(detail="the request needs a Content-Length")
    if request.content_type not in taken:
        raise UnsupportedMediaTypeError(
            detail=f"the body must be {' or '.join(taken)}, not {request.content_type}"
        )
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLargeError(detail=error.text or "the body is too large") from error
    if not raw.strip():
        raise InvalidRequestError(detail="the body is empty")
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(detail=f"the body is not JSON: {error}") from error
    if b"\\u0000" in raw and _has_nul(content):
        raise BadRequestDataError(detail="the body has a NUL character, which cannot be stored")
    if has_keywords(raw):
        content = renamed(
            content,
            attribute="name" in request.match_info,
            selectors=_SELECTING.search(request.path) is not None,
            simplified=not _SIMPLE.isdisjoint(re.split(r"[=&,]", request.query_string)),
        )
    return content, request.content_type == JSON_LD


def _declared(content: Any, link: str | None, *, inline: bool) -> Any:
    if inline and link is not None:
        raise BadRequestDataError(detail=f"{JSON_LD} has its @context in the body, not in a Link header")
    return simplified(content.get("@context")) if inline and isinstance(content, dict) else link


def _has_nul(content: Any) -> bool:
    level = [content]
    while level:
        following: list[Any] = []
        for node in level:
            if isinstance(node, str) and "\x00" in node:
                return True
            if isinstance(node, dict):
                following += [*node.keys(), *node.values()]
            elif isinstance(node, list):
                following += node
        level = following
    return False


def _quality(accepted: str, media: str) -> tuple[int, float]:
    """Return how exactly a range of an Accept header means a media type, and how much it likes it, 0 to 1.

    The most exact one decides (RFC 9110, 12.5.1).
    """
    kind, *parameters = (part.strip().lower() for part in accepted.split(";"))
    exactness = ("*/*", f"{media.partition('/')[0]}/*", media)
    if kind not in exactness:
        return 0, 0.0
    quality = 1.0
    for parameter in parameters:
        if parameter.startswith("q="):
            with contextlib.suppress(ValueError):
                quality = min(1.0, max(0.0, float(parameter[2:])))
    return 1 + exactness.index(kind), quality
