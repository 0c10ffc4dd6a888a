# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Volme's own HTTP server: start page, health, metrics, contexts and pushed uplinks."""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest

from compose.device_api import device_routes
from compose.operations import operations_routes
from ontology.loader import context, core_context, subjects

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from prometheus_client import CollectorRegistry

    from compose.platform import Platform

_LD_JSON = "application/ld+json"
# Contexts are pinned by release; a day is short enough for an update to reach every cache.
_CACHE = {"Cache-Control": "public, max-age=86400", "Access-Control-Allow-Origin": "*"}


def web_app(
    platform: Platform,
    metrics: CollectorRegistry,
    routes: Iterable[web.RouteDef],
    links: Mapping[str, str],
    *,
    max_body: int,
) -> web.Application:
    """Return the application.

    Args:
        platform: whose health is asked for, and whose devices.
        metrics: what `/metrics` shows; the pushed uplinks are counted there by their answers.
        routes: further routes, such as the webhook's.
        links: what the start page leads to: address by German and English label.
        max_body: bytes that a request may have.
    """
    pushes = Counter(
        "volme_pushes", "Pushed uplinks by source and HTTP answer", ["source", "status"], registry=metrics
    )

    @web.middleware
    async def count_pushes(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        response = await handler(request)
        if (source := request.match_info.get("source")) is not None:
            # Whoever asks for a source that does not exist must not make a label of it.
            pushes.labels("" if response.status == HTTPStatus.NOT_FOUND else source, response.status).inc()
        return response

    app = web.Application(client_max_size=max_body, middlewares=[count_pushes])
    documents = {name: orjson.dumps(context(name)) for name in subjects()}
    documents["core"] = orjson.dumps(core_context())

    async def health(_: web.Request) -> web.Response:
        # What is wrong elsewhere (a broker away) is no reason to restart a Volme that loses nothing.
        status = platform.status()
        return web.json_response(
            status.as_json(),
            status=200 if status.store_error is None else 503,
            headers={"Cache-Control": "no-store"},
        )

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def show_context(request: web.Request) -> web.Response:
        body = documents.get(request.match_info["subject"])
        if body is None:
            raise web.HTTPNotFound(
                text=f"There is no such context; there are: {', '.join(sorted(documents))}.\n"
            )
        return web.Response(body=body, content_type=_LD_JSON, headers=_CACHE)

    async def start_page(_: web.Request) -> web.Response:
        return web.Response(text=_start_page(links), content_type="text/html")

    app.add_routes(
        [
            web.get("/", start_page),
            web.get("/healthz", health),
            web.get("/metrics", show_metrics),
            web.get("/contexts/{subject}.jsonld", show_context),
            *device_routes(platform),
            *operations_routes(platform),
            *routes,
        ]
    )
    return app


def _start_page(links: Mapping[str, str]) -> str:
    items = "\n".join(
        f'<li><a href="{escape(address, quote=True)}">{escape(label)}</a></li>'
        for label, address in links.items()
    )
    return f"""<!doctype html>
<html lang="de"><head><meta charset="utf-8"><title>Volme</title>
<meta name="viewport" content="width=device-width"></head>
<body><h1>Volme</h1>
<p>Diese Seite ist für den Betrieb. Die Daten liegen im NGSI-LD-Broker.<br>
<span lang="en">This page is for operators. The data is in the NGSI-LD broker.</span></p>
<ul>
{items}
</ul></body></html>
"""
