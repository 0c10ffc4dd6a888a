# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""axe-core finds nothing, in three languages and both appearances; the keyboard goes everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import axe_playwright_python
import pytest

from tests.browser.conftest import AIR, GAUGE

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browser.conftest import Desk

# A map drawn without a graphics card is slow, and axe-core on a busy machine is slower.
pytestmark = pytest.mark.timeout(300)
_AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
_LANGUAGES = ("", "/en", "/leicht")
_PAGES = (
    "/",
    "/thema/wasser",
    "/thema/luft",
    "/thema/weitere",
    f"/station/{GAUGE}",
    f"/station/{AIR}",
    "/barrierefreiheit",
    "/datenschutz",
    "/station/nowhere",
    f"/embed/station/{AIR}",
    "/embed/thema/wasser",
)
_THEMES = ("parken", "verkehr", "wetter", "parks", "laerm", "abfall", "raumluft", "besucher", "energie")


_ALL: dict[str, object] = {
    "type": "tag",
    "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}
_COLOURS: dict[str, object] = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}


async def faults(page: Page, only: dict[str, object] = _ALL) -> list[str]:
    """Return what axe-core finds, each as rule and place."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_AXE)
    found = await page.evaluate(
        "only => axe.run(document, {resultTypes: ['violations'], runOnly: only})", only
    )
    return [
        f"{rule['id']}: {node['html'][:160]} ({node['failureSummary'][:200]})"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


async def settled(page: Page) -> None:
    """Wait until nothing is being drawn: while a curve is, it is pale."""
    await page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 300)))")
    if await page.locator("#karte").count():
        await page.locator("#karte").scroll_into_view_if_needed()
        await page.wait_for_selector(".apply", state="hidden")
    if await page.locator("#chart").count():
        await page.wait_for_selector("#chart:not([aria-busy]) canvas")


async def both_appearances(page: Page) -> list[str]:
    """In the dark, colours alone are others."""
    await settled(page)
    found = await faults(page)
    await page.emulate_media(color_scheme="dark")
    await page.reload(wait_until="load")
    await settled(page)
    return found + [f"dark: {fault}" for fault in await faults(page, _COLOURS)]


@pytest.mark.parametrize("prefix", _LANGUAGES)
@pytest.mark.parametrize("path", _PAGES)
async def test_axe_finds_nothing(visitor: Desk, prefix: str, path: str) -> None:
    someone = await visitor(strict=False, reduced_motion="reduce")
    embedded = path.startswith("/embed")
    page = await someone.visit(
        f"/embed{prefix}{path[6:]}" if embedded else f"{prefix}{path}".rstrip("/") or "/"
    )
    assert await both_appearances(page) == []


@pytest.mark.parametrize("prefix", _LANGUAGES)
@pytest.mark.parametrize("theme", _THEMES)
async def test_axe_finds_nothing_on_other_themes(visitor: Desk, prefix: str, theme: str) -> None:
    someone = await visitor(strict=False, reduced_motion="reduce")
    assert await both_appearances(await someone.visit(f"{prefix}/thema/{theme}")) == []


async def test_axe_finds_nothing_with_the_map_and_on_a_phone(visitor: Desk) -> None:
    someone = await visitor(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = await someone.visit("/")
    await page.locator("#map").scroll_into_view_if_needed()
    await page.wait_for_selector(".map-points button")
    assert await both_appearances(page) == []


async def test_the_keyboard_reaches_the_map(visitor: Desk) -> None:
    """Tab to the points, arrow keys from one to the next, Enter opens, Escape goes back."""
    page = await (await visitor(reduced_motion="reduce")).visit("/thema/wasser")
    await page.locator("#map").scroll_into_view_if_needed()
    await page.wait_for_selector(".map-points button[tabindex='0']")
    await page.locator(".map-buttons button").last.focus()
    await page.keyboard.press("Tab")
    first = await page.evaluate("document.activeElement.ariaLabel")
    assert first.startswith("Pegel Haspe: ")
    await page.keyboard.press("ArrowRight")
    second = await page.evaluate("document.activeElement.ariaLabel")
    assert second != first
    await page.keyboard.press("Enter")
    card = page.locator(".map-card")
    assert second.startswith(await card.locator("h3").inner_text())
    assert await page.evaluate("document.activeElement.closest('.map-card') !== null")
    await page.keyboard.press("Escape")
    assert await card.count() == 0
    assert await page.evaluate("document.activeElement.ariaLabel") == second
    # The map itself moves with the arrow keys.
    await page.locator(".maplibregl-canvas").focus()
    before = await page.locator(".map-points button").first.get_attribute("style")
    await page.keyboard.press("ArrowRight")
    await page.wait_for_function(
        "before => document.querySelector('.map-points button')?.getAttribute('style') !== before", arg=before
    )


async def test_the_keyboard_goes_through_the_page(visitor: Desk) -> None:
    """The first stop skips to the content; every stop can be seen and is large enough; no trap."""
    page = await (await visitor(viewport={"width": 1280, "height": 900})).visit(f"/station/{GAUGE}")
    await page.wait_for_selector("#chart canvas")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    stops = []
    for _ in range(60):
        await page.keyboard.press("Tab")
        stop = await page.evaluate(
            """() => {
              const e = document.activeElement;
              if (e === document.body) return null;
              const seen = e.matches('.segments input') ? e.nextElementSibling : e;
              const box = seen.getBoundingClientRect();
              return [e.tagName, Math.round(box.width), Math.round(box.height),
                      getComputedStyle(seen).outlineStyle,
                      e.closest('p, dd, td, li') !== null && e.tagName === 'A'];
            }"""
        )
        if stop is None:
            break
        stops.append(stop)
    else:
        pytest.fail("sixty stops, and the end of the page is not reached")
    assert len(stops) > 15
    for tag, width, height, outline, inline in stops:
        assert outline != "none", (tag, width, height)
        assert inline or min(width, height) >= 24 or tag.lower() == "a", (tag, width, height)


@pytest.mark.parametrize("path", ["/", "/thema/luft", f"/station/{AIR}", "/en", "/leicht"])
@pytest.mark.parametrize("width", [320, 640])
async def test_narrow_and_enlarged(visitor: Desk, path: str, width: int) -> None:
    """320 px is 1,280 px at 400 % as well, 640 px at 200 %: nothing needs scrolling to the side."""
    page = await (await visitor(viewport={"width": width, "height": 700})).visit(path)
    await page.wait_for_selector("#chart canvas" if "station" in path else "#rows tr")
    wide = await page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width


@pytest.mark.parametrize("path", ["/", "/thema/wasser", f"/station/{AIR}", "/datenschutz", "/daten"])
async def test_pages_end_with_their_foot(visitor: Desk, path: str) -> None:
    """Nothing that is hidden makes them longer than what is to be seen."""
    page = await (await visitor()).visit(path)
    await settled(page)
    below = await page.evaluate(
        "document.documentElement.scrollHeight - document.body.getBoundingClientRect().bottom - scrollY"
    )
    assert below <= 1


async def test_live_regions_and_names(visitor: Desk) -> None:
    page = await (await visitor()).visit("/")
    assert await page.locator("#connection").get_attribute("aria-live") == "polite"
    assert await page.locator(".list-count").get_attribute("role") == "status"
    assert await page.locator("html").get_attribute("lang") == "de"
    for prefix, lang in (("/en", "en"), ("/leicht", "de-simple")):
        await page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/")[2] + prefix)
        assert await page.locator("html").get_attribute("lang") == lang
