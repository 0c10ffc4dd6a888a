# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The operators' page: what is wrong now, and what to do; with a real platform behind it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest_asyncio

from broker.journal.port import SourceAccount
from compose import advice
from compose.settings import load_settings
from compose.status import SourceStatus, Status
from compose.wiring import running
from models.message import Message
from tests.device_office import T0

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest

    from compose.platform import Platform

KEY = "operators-key"


@asynccontextmanager
async def platform(database: str, folder: Path, **more: Any) -> AsyncIterator[Platform]:
    settings = load_settings(
        None,
        data=folder,
        postgres__url=database,
        web__port=0,
        broker__embedded__port=0,
        embedded_mqtt_port=0,
        log_level="error",
        **more,
    )
    async with running(settings, strict_ports=True) as found:
        yield found


@pytest_asyncio.fixture
async def city(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Platform]:
    monkeypatch.setenv("OPERATOR", KEY)
    async with platform(database, tmp_path, web__api_keys=[{"env": "OPERATOR"}]) as found:
        yield found


async def get(city: Platform, path: str, key: str | None = KEY) -> tuple[int, Any, bytes]:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(city.addresses.web + path, headers=headers) as answer,
    ):
        return answer.status, answer.headers, await answer.read()


async def test_the_numbers_need_the_key_and_the_page_tells_nothing(city: Platform) -> None:
    for key in (None, "guessed"):
        assert (await get(city, "/api/operations", key))[0] == 401
    status, headers, page = await get(city, "/betrieb", None)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert b"<style" not in page
    for name in ("page.css", "page.js"):
        assert (await get(city, f"/betrieb/{name}", None))[0] == 200
    assert (await get(city, "/betrieb/..%2fcli.py", None))[0] == 404


async def test_what_is_wrong_and_what_to_do(city: Platform) -> None:
    await city.journal.append(Message(source="mqtt", topic="x/y", payload=b"{}", received_at=T0))
    for _ in range(100):
        await city.look()
        if city.status().dead_letters:
            break
    _, _, body = await get(city, "/api/operations")
    found = orjson.loads(body)
    (letter,) = found["letters"]
    assert letter["kind"] == "unknown-envelope"
    assert letter["reason"]
    (todo,) = [each for each in found["advice"] if "unknown-envelope" in each["de"]]
    assert todo["level"] == "notice"
    assert "volme dead-letters" in todo["do_de"]
    assert found["devices"]["registered"] == 0
    assert found["subscriptions"] == []
    assert found["portal"] is None
    assert found["status"]["ok"]


def test_everything_that_stops_the_flow_has_an_advice() -> None:
    source = SourceStatus(account=SourceAccount(), connected=False, error="refused")
    status = Status(store_error="away", broker_error="503", sources={"ttn": source})
    given = list(advice.flow(status))
    assert [each.level for each in given] == ["problem"] * 3
    assert all(each.do_de and each.do_en for each in given)
    (lag,) = advice.flow(Status(pending=100, lag=90, rate=1.0))
    assert "90 s" in lag.de
    assert "2 min" in lag.en
    assert list(advice.flow(Status())) == []
    assert list(advice.devices(0, 0.99)) == []
    assert len(list(advice.devices(3, 0.5))) == 2
    assert list(advice.portal({"well": True, "reason": None})) == list(advice.portal(None)) == []
