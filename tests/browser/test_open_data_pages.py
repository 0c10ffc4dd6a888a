# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The pages about the open data in a real browser: accessible, in both appearances, on small screens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.test_dashboard_accessible import both_appearances

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browser.conftest import Desk

PAGES = ("/daten", "/en/dataset/raumluft", "/dataset/nichts", "/api")


async def opened(page: Page) -> None:
    """Open what is folded; of many operations a few of each kind."""
    await page.evaluate(
        "document.querySelectorAll('details').forEach((each, n) => { each.open = n < 30 && n % 6 == 0 })"
    )


@pytest.mark.parametrize("path", PAGES)
async def test_axe_finds_nothing(visitor: Desk, path: str) -> None:
    page = await (await visitor(strict=False)).visit(path)
    await opened(page)
    assert await both_appearances(page) == []


@pytest.mark.parametrize("path", ["/daten", "/dataset/pegel"])
async def test_axe_finds_nothing_on_a_phone(visitor: Desk, path: str) -> None:
    someone = await visitor(strict=False, viewport={"width": 390, "height": 844}, is_mobile=True)
    page = await someone.visit(path)
    await opened(page)
    assert await both_appearances(page) == []


@pytest.mark.parametrize("width", [320, 768])
async def test_nothing_is_cut_off(visitor: Desk, width: int) -> None:
    """Text flows into any width (WCAG 2.2, 1.4.10); the server's policy forbids nothing of the page."""
    someone = await visitor(viewport={"width": width, "height": 800})
    for path in ("/daten", "/en/data", "/dataset/luftqualitaet", "/api"):
        page = await someone.visit(path)
        await opened(page)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert await page.evaluate("document.styleSheets.length") == 1
        # the typeface in its two weights
        assert await page.evaluate("document.fonts.ready.then(fonts => fonts.size)") == 2


async def test_the_keyboard_goes_everywhere(visitor: Desk) -> None:
    """The first stop skips to the content; a dataset is reached and opened; an operation unfolds."""
    page = await (await visitor()).visit("/daten")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.hash") == "#content"
    await page.keyboard.press("Enter")
    for _ in range(12):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.closest('.card') !== null"):
            break
    outline = "getComputedStyle(document.activeElement.closest('.card')).outlineStyle"
    assert await page.evaluate(outline) == "solid"
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    assert page.url.endswith("/dataset/pegel")
    page = await (await visitor()).visit("/api")
    await page.locator("#query-entities-details > summary").focus()
    await page.keyboard.press("Enter")
    assert await page.locator("#query-entities-details table").is_visible()


async def test_a_click_selects_a_call(visitor: Desk) -> None:
    page = await (await visitor()).visit("/dataset/pegel")
    line = page.locator("pre code", has_text="/ngsi-ld/v1/entities?").first
    await line.click()
    selected = await page.evaluate("getSelection().toString()")
    assert selected == await line.inner_text()
