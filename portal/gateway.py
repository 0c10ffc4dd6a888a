# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""NGSI-LD for the public (`/ngsi-ld/v1`): the consumption operations of CIM 009, asked of a view's tenant.

What the broker answers goes out as it is, but for the addresses of @contexts, which are the portal's
here and Volme's own there. Who has a key may also subscribe, with endpoints that the operator allows.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from broker.client import BrokerUnavailableError, NgsiLdError
from models.types import TYPES
from ontology.loader import subjects
from portal.office import OFFICE, Office
from portal.problems import problem, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broker.client import Answer
    from portal.views import View

PATH = "/ngsi-ld/v1"
_LD_JSON = "application/ld+json"
_ACCEPTED = ("application/json", _LD_JSON, "application/geo+json")
_CONTEXT = "http://www.w3.org/ns/json-ld#context"
_LINK = re.compile(r'<([^<>]*)>\s*;\s*rel="?http://www\.w3\.org/ns/json-ld#context"?')
_OFFICIAL = re.compile(
    r"https://raw\.githubusercontent\.com/smart-data-models/dataModel\.(\w+)/master/context\.jsonld"
)
_CORE = re.compile(r"https://uri\.etsi\.org/ngsi-ld/v1/ngsi-ld-core-context(-v1\.\d)?\.jsonld")
#: Of the broker's answer, what goes on to the reader.
_PASSED = ("NGSILD-Results-Count", "Content-Range", "Preference-Applied", "Location", "NGSILD-Warning")
_READ = (
    "/entities",
    "/entities/{id}",
    "/types",
    "/types/{type}",
    "/attributes",
    "/attributes/{attribute}",
    "/temporal/entities",
    "/temporal/entities/{id}",
)
_QUERIES = ("/entityOperations/query", "/temporal/entityOperations/query")
_NOT_FOUND = 404
_BODY_S = 20.0  # that a body may take to come


class _RefusedError(Exception):
    """A request that is not passed on."""

    def __init__(
        self,
        *,
        detail: str,
        name: str = "BadRequestData",
        status: int = 400,
        title: str = "The request cannot be answered",
    ) -> None:
        super().__init__(detail)
        self.answer = problem(status, title, detail, name=name)


def routes(office: Office) -> Iterable[web.AbstractRouteDef]:
    """Return what is served."""
    yield from (web.get(PATH + path, _ask) for path in _READ)
    yield from (web.post(PATH + path, _ask) for path in _QUERIES)
    if office.partners:
        yield web.get(f"{PATH}/subscriptions", _subscriptions)
        yield web.post(f"{PATH}/subscriptions", _subscriptions)
        for method in ("GET", "PATCH", "DELETE"):
            yield web.route(method, f"{PATH}/subscriptions/{{id}}", _subscriptions)
    yield web.route("*", f"{PATH}/{{rest:.*}}", _elsewhere)


async def _ask(request: web.Request) -> web.Response:
    office = request.app[OFFICE]
    return await _forward(request, office, office.view(request))


async def _subscriptions(request: web.Request) -> web.Response:
    office = request.app[OFFICE]
    view = office.view(request)
    if view is office.public:
        return problem(
            401,
            "A key is needed",
            "Subscriptions are for partners of the city: show the key as X-API-Key. Without one, /events"
            " tells of changes.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return await _forward(request, office, view)


async def _elsewhere(request: web.Request) -> web.Response:
    if request.method in {"POST", "PUT", "PATCH", "DELETE"}:
        return problem(
            405,
            "This interface is for reading",
            f"{request.method} {request.path} is not offered here.",
            name="OperationNotSupported",
            headers={"Allow": "GET, HEAD, OPTIONS"},
        )
    return problem(
        _NOT_FOUND, "Not found", f"There is no {request.path} in this interface.", name="ResourceNotFound"
    )


async def _forward(request: web.Request, office: Office, view: View) -> web.Response:
    try:
        _refuse_tenants(request)
        body = await _body(request, office, view)
        context = _context_asked(request, office, view, body)
        answer = await view.client.request(
            request.method if request.method != "HEAD" else "GET",
            request.rel_url.raw_path.removeprefix(PATH),
            params=_params(request),
            body=None if body is None else orjson.dumps(body),
            context=context,
            accept=_accept(request),
            content_type=request.content_type if body is not None else "application/json",
            checked=False,
            prefer=request.headers.get("Prefer"),
        )
    except _RefusedError as refused:
        return refused.answer
    except BrokerUnavailableError as error:
        return unavailable("The context broker does not answer.", error.retry_after)
    except NgsiLdError as error:
        return problem(502, "The context broker's answer cannot be read", str(error))
    return _answer(request, office, view, answer)


def _answer(request: web.Request, office: Office, view: View, answer: Answer) -> web.Response:
    if answer.status == _NOT_FOUND and b"NonexistentTenant" in answer.body:
        return _nothing_yet(request)
    status, body = answer.status, answer.body
    if status >= 500 and status != 501:  # noqa: PLR2004 - a failure of the broker's, with its inner words
        return unavailable("The context broker failed.")
    base = _inner_base(view)
    media = answer.headers.get("Content-Type", "application/json").partition(";")[0]
    response = web.Response(
        status=status, body=body.replace(base.encode(), _outer_base(office).encode()), content_type=media
    )
    for name in _PASSED:
        if name in answer.headers:
            response.headers[name] = answer.headers[name]
    getall = getattr(answer.headers, "getall", None)
    for link in getall("Link", []) if getall else []:
        response.headers.add("Link", link.replace(base, _outer_base(office)))
    return response


def _nothing_yet(request: web.Request) -> web.Response:
    """Answer before anything was published: the tenant is not there, which nobody needs to know."""
    if "id" in request.match_info:
        name = request.match_info["id"]
        return problem(_NOT_FOUND, "Not found", f"There is no {name[:200]}.", name="ResourceNotFound")
    response = web.Response(body=b"[]", content_type="application/json")
    if request.query.get("count") == "true":
        response.headers["NGSILD-Results-Count"] = "0"
    return response


def _refuse_tenants(request: web.Request) -> None:
    if "NGSILD-Tenant" in request.headers:
        detail = "There are no tenants here; a key decides on what is shown."
        raise _RefusedError(
            status=_NOT_FOUND, title="There is no such tenant", detail=detail, name="NonexistentTenant"
        )


def _params(request: web.Request) -> dict[str, str]:
    """Return the parameters of the query; none may be there twice, for brokers differ in which one counts."""
    params: dict[str, str] = {}
    for name, value in request.query.items():
        if name in params:
            raise _RefusedError(detail=f"the parameter {name[:100]} is there twice")
        params[name] = value
    return params


def _accept(request: web.Request) -> str:
    return request.headers.get("Accept", "*/*").replace("*/*", "application/json", 1)


def _context_asked(
    request: web.Request, office: Office, view: View, body: dict[str, Any] | None
) -> str | None:
    """Return the broker's address for the @context that a request names, or for the type's own."""
    named = {url for header in request.headers.getall("Link", []) for url in _LINK.findall(header)}
    if len(named) > 1:
        raise _RefusedError(detail="the Link header names more than one @context")
    if named:
        return _inner(named.pop(), office, view)
    if body is not None and request.content_type == _LD_JSON:
        return None
    asked = request.query.get("type", request.match_info.get("type", ""))
    if not asked and request.match_info.get("id", "").startswith("urn:ngsi-ld:"):
        asked = request.match_info["id"].split(":")[2]
    named_in_body = body.get("entities") if body else None
    if isinstance(named_in_body, list):
        asked = ",".join(str(each.get("type", "")) for each in named_in_body if isinstance(each, dict))
    types = [name for name in re.split(r"[,|;()]+", asked) if name in TYPES]
    if len({TYPES[name].subject for name in types}) == 1:
        return view.context_of(types[0])
    return None


async def _body(request: web.Request, office: Office, view: View) -> dict[str, Any] | None:
    """Return a request's body; its @context is one that the portal has, its endpoint one that is allowed."""
    if request.method not in {"POST", "PATCH"}:
        return None
    try:
        async with asyncio.timeout(_BODY_S):
            sent = await request.read()
    except TimeoutError as error:
        detail = f"the body did not come within {_BODY_S:.0f} s"
        raise _RefusedError(status=408, title="Too slow", detail=detail) from error
    try:
        body = orjson.loads(sent)
    except orjson.JSONDecodeError as error:
        raise _RefusedError(detail=f"the body is not JSON: {error}", name="InvalidRequest") from error
    if not isinstance(body, dict):
        raise _RefusedError(detail="the body must be a JSON object", name="InvalidRequest")
    if "@context" in body:
        given = body["@context"]
        several = given if isinstance(given, list) else [given]
        if not all(isinstance(each, str) for each in several):
            raise _RefusedError(detail="an @context is named by its address here")
        body["@context"] = [_inner(each, office, view) for each in several]
    if "/subscriptions" in request.path:
        _check_endpoint(body, office.endpoints.get(view.name, ()))
        if isinstance(body.get("jsonldContext"), str):  # the broker would fetch it, from wherever it is
            body["jsonldContext"] = _inner(body["jsonldContext"], office, view)
    return body


def _check_endpoint(body: dict[str, Any], allowed: tuple[str, ...]) -> None:
    notification = body.get("notification")
    endpoint = notification.get("endpoint") if isinstance(notification, dict) else None
    uri = endpoint.get("uri") if isinstance(endpoint, dict) else None
    if uri is None and notification is None:
        return
    if not isinstance(uri, str) or not any(_is_below(uri, each) for each in allowed):
        detail = f"notifications go to {', '.join(allowed) or 'nobody'}, as agreed with the city"
        raise _RefusedError(status=403, title="The endpoint is not allowed", detail=detail)


def _is_below(uri: str, allowed: str) -> bool:
    return uri == allowed or (
        uri.startswith(allowed) and (allowed.endswith("/") or uri[len(allowed)] in "/?")
    )


def _inner(url: str, office: Office, view: View) -> str:
    """Return the broker's address for an @context."""
    outer = _outer_base(office)
    official = _OFFICIAL.fullmatch(url)
    subject = official.group(1) if official else url.removeprefix(outer).removesuffix(".jsonld")
    if (official or url.startswith(outer)) and subject in {*subjects(), "core"}:
        return f"{_inner_base(view)}{subject}.jsonld"
    if _CORE.fullmatch(url):
        return url
    raise _RefusedError(
        detail=f"the @context {url[:200]} is not one of those under {outer}", name="LdContextNotAvailable"
    )


def _inner_base(view: View) -> str:
    return view.context_of("Device").rpartition("/")[0] + "/"


def _outer_base(office: Office) -> str:
    return f"{office.url}/contexts/"
