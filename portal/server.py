# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The portal's HTTP server: every public interface, and what all of them have in common.

From the outside in: who asks too much is told to wait, every answer gets the headers that keep browsers
safe and let other sites' scripts read it, errors become problems, and what many ask at the same time is
made once and compressed once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import structlog
from aiohttp import web

from broker.client import BrokerUnavailableError, NgsiLdError
from ontology.loader import context, core_context, subjects
from portal import gateway, static_files
from portal.kept import KEYS, Kept, kept, let_streams_go
from portal.office import OFFICE, Office, UnknownKeyError
from portal.problems import problem, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from aiohttp.typedefs import Handler, Middleware

    from portal.limits import Limiter

log = structlog.get_logger(__name__)

_CACHE_BYTES = 64 * 1024 * 1024
_BODY = 1024 * 1024
CSP = (
    "default-src 'self'; img-src 'self' data: blob:; worker-src 'self'; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors {frames}"
)
_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(self), browsing-topics=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "ETag, Last-Modified, Link, Location, NGSILD-Results-Count, Content-Range, Content-Crs, Retry-After,"
        " Preference-Applied"
    ),
}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
    "Access-Control-Allow-Headers": (
        "Accept, Accept-Language, Authorization, Content-Type, If-None-Match, Last-Event-ID, Link, Prefer,"
        " X-API-Key"
    ),
    "Access-Control-Max-Age": "86400",
}


def portal_app(
    office: Office,
    interfaces: Iterable[Callable[[Office], Iterable[web.AbstractRouteDef]]],
    *,
    limiter: Limiter | None = None,
    private: Iterable[web.AbstractRouteDef] = (),
    prepared: Callable[[], bool] | None = None,
) -> web.Application:
    """Return the application.

    Args:
        office: what the interfaces work with.
        interfaces: the `routes` of each.
        limiter: says who has asked too much; None: nobody is limited.
        private: routes for the broker's notifications, which are neither limited nor kept.
        prepared: says whether what is in the tenants was published by the rules of now; nothing is shown
            before.
    """
    private = tuple(private)
    inner = {route.path for route in private if isinstance(route, web.RouteDef)}
    middlewares: list[Middleware] = [_preflight]
    if limiter is not None:
        middlewares.append(_limits(limiter, inner))
    middlewares += [_errors, _not_before(prepared, inner), kept(Kept(_CACHE_BYTES))]
    app = web.Application(middlewares=[web.middleware(each) for each in middlewares], client_max_size=_BODY)
    app.on_response_prepare.extend((_add_headers, let_streams_go))
    app[OFFICE] = office
    app.add_routes(private)
    app.add_routes(_contexts())
    for interface in (gateway.routes, static_files.routes, *interfaces):
        app.add_routes(list(interface(office)))
    return app


def _contexts() -> Iterable[web.AbstractRouteDef]:
    documents = {name: orjson.dumps(context(name)) for name in subjects()}
    documents["core"] = orjson.dumps(core_context())

    async def show(request: web.Request) -> web.Response:
        body = documents.get(request.match_info["subject"])
        if body is None:
            return problem(404, "Not found", f"There are the @contexts {', '.join(sorted(documents))}.")
        return web.Response(
            body=body, content_type="application/ld+json", headers={"Cache-Control": "public, max-age=86400"}
        )

    yield web.get("/contexts/{subject}.jsonld", show)


async def _preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let the scripts of any site ask."""
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        return web.Response(status=204, headers=_PREFLIGHT)
    return await handler(request)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer, streamed ones too, what keeps browsers safe, and let any site read it."""
    frames = "*" if request.path.startswith("/embed/") else "'none'"
    response.headers.setdefault("Content-Security-Policy", CSP.format(frames=frames))
    for name, value in {**_SAFE, **_CORS}.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "Volme"
    if any(name in request.headers for name in KEYS):
        # Caches on the way must not give what a key shows to others, whatever the interface said.
        said = [part.strip() for part in response.headers.get("Cache-Control", "no-cache").split(",")]
        response.headers["Cache-Control"] = ", ".join(["private", *(p for p in said if p != "public")])
    if request.app[OFFICE].url.startswith("https://"):
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")


def _limits(limiter: Limiter, inner: Collection[str]) -> Middleware:
    async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _canonical(request) in inner:
            return await handler(request)
        wait = limiter.wait(request)
        if wait > 0:
            return problem(
                429,
                "Too many requests",
                f"Please wait {wait:.0f} s; whoever needs more may ask the city for a key.",
                headers={"Retry-After": f"{max(1, round(wait))}"},
            )
        return await handler(request)

    return limit


def _canonical(request: web.Request) -> str:
    """Return the path of the route that a request has found; empty: none."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical


def _not_before(prepared: Callable[[], bool] | None, inner: Collection[str]) -> Middleware:
    async def wait(request: web.Request, handler: Handler) -> web.StreamResponse:
        if prepared is None or prepared() or _canonical(request) in inner:
            return await handler(request)
        return unavailable("What is published is being put in order after a change.", 10)

    return wait


async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what an interface did not answer itself into a problem."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400 or error.content_type == "application/problem+json":  # noqa: PLR2004 - redirects
            raise
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        detail = f"{request.method} {request.path[:200]}: {error.reason}"
        return problem(error.status, error.reason, detail, headers=headers)
    except UnknownKeyError:
        headers = {"WWW-Authenticate": "Bearer"}
        return problem(401, "The key is not known", "Ask the city for a valid key.", headers=headers)
    except BrokerUnavailableError as error:
        return unavailable("The context broker does not answer.", error.retry_after)
    except NgsiLdError as error:
        log.warning("portal.broker.failed", path=request.path, reason=str(error))
        return problem(502, "The context broker refused", "The data cannot be read from the context broker.")
    except Exception:
        log.exception("portal.request.failed", method=request.method, path=request.path)
        return problem(500, "A defect of the portal", "The request cannot be answered; this has been noted.")
