# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The operators' page as an operator meets it on a bad night, with a real platform behind it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from compose.settings import load_settings
from compose.wiring import running
from models.message import Message
from tests.browser.test_dashboard_accessible import faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser, Page, Route

    from compose.platform import Platform

pytestmark = pytest.mark.timeout(300)
KEY = "operators-key"


@pytest_asyncio.fixture
async def city(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Platform]:
    """A platform with a message that nobody can read."""
    monkeypatch.setenv("OPERATOR", KEY)
    settings = load_settings(
        None,
        data=tmp_path,
        postgres__url=database,
        web__port=0,
        web__api_keys=[{"env": "OPERATOR"}],
        broker__embedded__port=0,
        embedded_mqtt_port=0,
        log_level="error",
    )
    async with running(settings, strict_ports=True) as found:
        letter = Message(source="mqtt", topic="x/y", payload=b"{}", received_at=datetime.now(UTC))
        await found.journal.append(letter)
        for _ in range(100):
            await found.look()
            if found.status().dead_letters:
                break
        yield found


@pytest_asyncio.fixture
async def page(browser: Browser, city: Platform) -> AsyncIterator[Page]:
    """The page, not yet opened with the key."""
    context = await browser.new_context(
        locale="de-DE", timezone_id="Europe/Berlin", viewport={"width": 1280, "height": 900}
    )
    page = await context.new_page()
    await page.goto(f"{city.addresses.web}/betrieb")
    yield page
    await context.close()


async def enter(page: Page, key: str = KEY) -> None:
    await page.wait_for_selector("#key", state="visible")
    await page.locator("#key").fill(key)
    await page.keyboard.press("Enter")


async def test_what_is_wrong_and_what_to_do_are_there_for_who_has_the_key(page: Page) -> None:
    await enter(page, "guessed")
    await page.wait_for_function("() => document.querySelector('#refusal').textContent.length > 10")
    assert not await page.locator("#all").is_visible()
    await enter(page)
    await page.wait_for_selector("#advice li")
    advice = await page.locator("#advice").inner_text()
    assert "1 nicht zustellbare Nachrichten der Art „unknown-envelope“" in advice
    assert "volme dead-letters" in await page.locator("#advice code").first.inner_text()
    letters = await page.locator("#letters tbody tr").inner_text()
    assert "unknown-envelope" in letters
    assert len(letters) > 60  # with its reason
    for name in ("wartet", "Rückstand", "unzustellbar", "Geräte", "schweigen", "vollständig, 24 h"):
        assert await page.locator("#numbers dt", has_text=name).first.is_visible(), name
    assert await page.locator("#numbers .bad dt").all_inner_texts() == ["unzustellbar"]
    await page.locator("#language").click()
    assert "What to do now" in await page.locator("main").inner_text()
    assert await page.evaluate("[document.cookie, ...Object.keys(localStorage)].join()") == ""


async def test_it_says_that_it_is_cut_off(page: Page) -> None:
    await enter(page)
    await page.wait_for_selector("#advice li")
    lost = True

    async def cut(route: Route) -> None:
        await (route.abort() if lost else route.continue_())

    await page.route("**/api/operations", cut)
    await page.wait_for_selector("#state.lost")
    assert "veraltet" in await page.locator("#state").inner_text()
    lost = False
    await page.wait_for_selector("#state:not(.lost)")
    assert (await page.locator("#state").inner_text()).startswith("Stand")


@pytest.mark.parametrize("appearance", ["light", "dark"])
async def test_everybody_can_use_it(page: Page, appearance: str) -> None:
    """axe-core finds nothing, before the key and after; the keyboard opens it; a phone shows it."""
    await page.emulate_media(color_scheme="dark" if appearance == "dark" else "light")
    await page.wait_for_selector("#key", state="visible")
    assert await faults(page) == []
    await enter(page)
    await page.wait_for_selector("#advice li")
    for _ in range(2):
        assert await faults(page) == []
        await page.locator("#language").click()
    await page.set_viewport_size({"width": 320, "height": 700})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
