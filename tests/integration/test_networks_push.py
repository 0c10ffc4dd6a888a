# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What citizens' stations can send: a password and a header, over a real server."""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from adapters.sources.webhook import Webhook, WebhookSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from models.message import Message

TOKEN = "tökén-of-the-citizens"


@asynccontextmanager
async def served() -> AsyncIterator[tuple[aiohttp.ClientSession, list[Message]]]:
    kept: list[Message] = []

    class Shelf:
        async def append(self, message: Message) -> int:
            kept.append(message)
            return len(kept)

        async def extend(self, messages: Sequence[Message]) -> None:
            kept.extend(messages)

    app = web.Application()
    app.add_routes(Webhook((WebhookSettings(name="b", token=TOKEN),), Shelf()).routes())
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
            yield session, kept
    finally:
        await runner.cleanup()


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


async def test_a_password_is_a_token_and_the_header_names_the_station() -> None:
    async with served() as (session, kept):
        for path, sensor in (
            ("/ingest/b", "esp8266-123"),
            ("/ingest/b/data.php?a=1", "esp8266-123"),
            ("/ingest/b", "a b&c=d"),
        ):
            headers = {"Authorization": basic("anybody", TOKEN), "X-Sensor": sensor}
            async with session.post(path, data=b"{}", headers=headers) as answer:
                assert answer.status == 202
    assert [message.topic for message in kept] == [
        "/ingest/b?x-sensor=esp8266-123",
        "/ingest/b/data.php?a=1&x-sensor=esp8266-123",
        "/ingest/b",
    ]


@pytest.mark.parametrize(
    "authorization",
    [basic(TOKEN, ""), basic("x", TOKEN[:-1]), f"Basic {TOKEN}", "Basic", "Basic Og==", "Digest x", "Bearer"],
)
async def test_no_other_password_is(authorization: str) -> None:
    async with served() as (session, kept):
        headers = {"Authorization": authorization}
        async with session.post("/ingest/b", data=b"{}", headers=headers) as answer:
            assert answer.status == 401
    assert kept == []
