# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""HTTP push over a real server: 202 means that the message is stored."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
import pytest
import structlog
from aiohttp import web

from adapters.networks.envelope import read_uplink
from adapters.sources.webhook import Webhook, WebhookSettings
from models.errors import ConfigurationError, MalformedPayloadError, StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from models.message import Message

TOKEN = "a-token-of-chirpstack"
OTHER_TOKEN = "a-token-of-the-things-stack"
LIMIT = 100_000


@dataclass
class Shelf:
    """A journal that can be told to fail, and to take its time."""

    messages: list[Message] = field(default_factory=list)
    broken: bool = False
    open: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)

    async def append(self, message: Message) -> int:
        self.entered.set()
        await self.open.wait()
        if self.broken:
            sentence = "PostgreSQL is away"
            raise StoreError(sentence)
        self.messages.append(message)
        return len(self.messages)


@asynccontextmanager
async def served(shelf: Shelf) -> AsyncIterator[tuple[aiohttp.ClientSession, Webhook]]:
    webhook = Webhook(
        (WebhookSettings(name="cs", token=TOKEN), WebhookSettings(name="ttn", token=OTHER_TOKEN)),
        shelf,
        max_body=LIMIT,
    )
    app = web.Application()
    app.add_routes(webhook.routes())
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
            yield session, webhook
    finally:
        await runner.cleanup()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def shelf() -> Shelf:
    shelf = Shelf()
    shelf.open.set()
    return shelf


async def test_a_push_is_stored_as_it_is(shelf: Shelf) -> None:
    async with served(shelf) as (session, webhook):
        async with session.post("/ingest/cs?event=up", data=b'{"a": 1}', headers=bearer(TOKEN)) as answer:
            assert (answer.status, await answer.read()) == (202, b"")
        async with session.post("/ingest/ttn/up", data=b"{}", headers=bearer(OTHER_TOKEN)) as answer:
            assert answer.status == 202
    first, second = shelf.messages
    assert (first.source, first.topic, first.payload) == ("cs", "/ingest/cs?event=up", b'{"a": 1}')
    assert (second.source, second.topic) == ("ttn", "/ingest/ttn/up")
    state = webhook.states["cs"]
    assert (state.connected, state.received, state.acknowledged, state.refused) == (True, 1, 1, 0)
    assert state.last_message_at == first.received_at


async def test_the_answer_waits_for_the_journal(shelf: Shelf) -> None:
    shelf.open.clear()
    async with served(shelf) as (session, webhook):
        push = asyncio.create_task(session.post("/ingest/cs", data=b"{}", headers=bearer(TOKEN)))
        await shelf.entered.wait()
        state = webhook.states["cs"]
        assert (push.done(), state.in_flight, state.acknowledged) == (False, 1, 0)
        shelf.open.set()
        assert (await push).status == 202
        assert (state.in_flight, state.acknowledged) == (0, 1)


async def test_without_a_store_the_sender_is_told_to_come_again(shelf: Shelf) -> None:
    shelf.broken = True
    async with served(shelf) as (session, webhook):
        state = webhook.states["cs"]
        async with session.post("/ingest/cs", data=b"{}", headers=bearer(TOKEN)) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
            assert answer.content_type == "application/problem+json"
            assert (await answer.json())["title"] == "Service Unavailable"
        assert (state.acknowledged, state.refused, state.in_flight) == (0, 1, 0)
        assert state.error == "Messages are refused, for they cannot be stored: PostgreSQL is away"
        shelf.broken = False
        async with session.post("/ingest/cs", data=b"{}", headers=bearer(TOKEN)) as answer:
            assert answer.status == 202
        assert (state.acknowledged, state.error) == (1, None)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(""),
        bearer("wrong"),
        bearer(TOKEN[:-1]),
        bearer(OTHER_TOKEN),
        bearer("tökén"),
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
    ],
)
async def test_without_its_token_nobody_gets_in(shelf: Shelf, headers: dict[str, str]) -> None:
    with structlog.testing.capture_logs() as logs:
        async with (
            served(shelf) as (session, webhook),
            session.post("/ingest/cs", data=b"{}", headers=headers) as answer,
        ):
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert (await answer.json())["status"] == 401
    assert shelf.messages == []
    assert webhook.states["cs"].refused == 1
    assert [each["event"] for each in logs] == ["webhook.refused"]
    assert not any(word in str(logs) for word in (TOKEN, OTHER_TOKEN, "wrong", "tökén"))


async def test_the_scheme_may_be_in_any_case(shelf: Shelf) -> None:
    async with (
        served(shelf) as (session, _),
        session.post("/ingest/cs", data=b"{}", headers={"Authorization": f"bearer {TOKEN}"}) as answer,
    ):
        assert answer.status == 202


async def test_an_unknown_source_is_not_found(shelf: Shelf) -> None:
    async with served(shelf) as (session, _):
        async with session.post("/ingest/nobody", data=b"{}", headers=bearer(TOKEN)) as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json")
        async with session.get("/ingest/cs", headers=bearer(TOKEN)) as answer:
            assert answer.status == 405
    assert shelf.messages == []


async def in_pieces(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 10_000):
        yield b"x" * 10_000


async def test_a_body_above_the_limit_is_refused_however_it_comes(shelf: Shelf) -> None:
    async with served(shelf) as (session, webhook):
        for body in (b"x" * (LIMIT + 1), in_pieces(LIMIT + 10_000)):
            async with session.post("/ingest/cs", data=body, headers=bearer(TOKEN)) as answer:
                assert answer.status == 413
                assert (await answer.json())["detail"] == "A message may have 100,000 bytes at most."
        bomb = {**bearer(TOKEN), "Content-Encoding": "gzip"}
        async with session.post("/ingest/cs", data=gzip.compress(b"x" * 10_000_000), headers=bomb) as answer:
            assert answer.status == 413
        assert shelf.messages == []
        assert webhook.states["cs"].refused == 3
        async with session.post("/ingest/cs", data=b"x" * LIMIT, headers=bearer(TOKEN)) as answer:
            assert answer.status == 202


async def test_a_body_that_breaks_off_is_not_stored(shelf: Shelf) -> None:
    async with served(shelf) as (session, webhook):
        assert session._base_url is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", session._base_url.port)
        head = f"POST /ingest/cs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 9"
        writer.write(head.encode() + b"\r\n\r\nhalf")
        writer.write_eof()
        assert b" 202 " not in await reader.read()
        writer.close()
        assert webhook.states["cs"].received == 0
    assert shelf.messages == []


@pytest.mark.parametrize("body", [b"", b"hello", b"\xff\xfe", b'{"a": NaN}'])
async def test_what_is_no_json_is_stored_and_becomes_a_dead_letter(shelf: Shelf, body: bytes) -> None:
    async with (
        served(shelf) as (session, _),
        session.post("/ingest/cs", data=body, headers=bearer(TOKEN)) as answer,
    ):
        assert answer.status == 202
    (message,) = shelf.messages
    assert message.payload == body
    with pytest.raises(MalformedPayloadError):
        read_uplink(message)


def test_a_webhook_without_token_or_with_a_double_does_not_start(shelf: Shelf) -> None:
    with pytest.raises(ConfigurationError, match="has no token"):
        Webhook((WebhookSettings(name="cs", token=" "),), shelf)
    with pytest.raises(ConfigurationError, match="the same name"):
        Webhook((WebhookSettings(name="cs", token="a"), WebhookSettings(name="cs", token="b")), shelf)
    assert "secret" not in repr(WebhookSettings(name="cs", token="secret"))
