# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A base map that the operator has chosen: from another server, under the policy that names it alone."""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tests.browser.conftest import portal_of
from tests.http_serving import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page

    from tests.browser.conftest import Desk, Portal

pytestmark = pytest.mark.timeout(300)
_CORS = {"Access-Control-Allow-Origin": "*"}
#: A pixel of pure red, as no part of our own map is.
_RED = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)


def style(url: str) -> dict[str, Any]:
    """Return a style as a state's survey publishes one: tiles, glyphs and names in its own typeface."""
    return {
        "version": 8,
        "glyphs": url + "/glyphs/{fontstack}/{range}.pbf",
        "sources": {
            "land": {
                "type": "raster",
                "tiles": [url + "/tiles/{z}/{x}/{y}.png"],
                "tileSize": 256,
                "attribution": '© <a href="https://survey.example">Landesvermessung</a>',
            },
            "names": {"type": "geojson", "data": {"type": "FeatureCollection", "features": []}},
        },
        "layers": [
            {"id": "land", "type": "raster", "source": "land"},
            {
                "id": "names",
                "type": "symbol",
                "source": "names",
                "layout": {"text-field": ["get", "name"], "text-font": ["Survey Sans"]},
            },
        ],
    }


@asynccontextmanager
async def survey(*, tiles: bool) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve a base map; yields its address, and the paths that were asked for."""
    asked: list[str] = []
    app = web.Application()

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.path == "/style.json":
            return web.json_response(style(str(request.url.origin())), headers=_CORS)
        if request.path.startswith("/tiles/") and tiles:
            return web.Response(body=_RED, content_type="image/png", headers=_CORS)
        if request.path.startswith("/glyphs/"):
            return web.Response(body=b"", content_type="application/x-protobuf", headers=_CORS)
        return web.Response(status=404, headers=_CORS)

    app.router.add_get("/{path:.*}", answer)
    async with served(app) as url:
        yield url, asked


async def shown(page: Page) -> Page:
    await page.locator("#map").scroll_into_view_if_needed()
    await page.wait_for_selector(".map-points button", state="attached")
    return page


async def test_the_operators_base_map_is_shown(visitor: Desk, portal: Portal) -> None:
    async with survey(tiles=True) as (url, asked), portal_of(portal.city, f"{url}/style.json") as other:
        someone = await visitor(other, reduced_motion="reduce")
        page = await shown(await someone.visit("/"))
        assert await page.locator(".map-note").inner_text() == "© Landesvermessung"
        assert any(path.startswith("/tiles/") for path in asked)
        # Numbers of several stations are written in a typeface that this base map has.
        assert {path.split("/")[2] for path in asked if path.startswith("/glyphs/")} == {"Survey Sans"}
        policy = await page.evaluate("async () => (await fetch('/')).headers.get('content-security-policy')")
        assert f"connect-src 'self' {url};" in policy
        assert "unsafe" not in policy
        # Light or dark, the operator's map stays.
        await page.get_by_role("button", name="Helle oder dunkle Darstellung").click()
        assert await page.locator(".map-note").inner_text() == "© Landesvermessung"
        await page.goto(f"{other.url}/datenschutz")
        assert url.removeprefix("http://") in await page.locator("main").inner_text()
        assert someone.foreign
        assert all(each.startswith(url) for each in someone.foreign)
        someone.foreign.clear()


@pytest.mark.parametrize("tiles", [True, False])
async def test_one_that_does_not_come_is_no_reason_to_have_none(
    visitor: Desk, portal: Portal, *, tiles: bool
) -> None:
    """Neither the style, which is away, nor tiles that are not there: our own map is drawn instead."""
    async with survey(tiles=False) as (url, _):
        address = f"{url}/away.json" if tiles else f"{url}/style.json"
        async with portal_of(portal.city, address) as other:
            someone = await visitor(other, strict=False, reduced_motion="reduce")
            page = await shown(await someone.visit("/thema/wasser"))
            assert await page.locator(".map-note").inner_text() == "Vereinfachte Darstellung"
            names = await page.locator(".map-points button").evaluate_all("all => all.map(e => e.ariaLabel)")
            assert any("Pegel Haspe" in name for name in names)
            someone.foreign.clear()
