# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""An embedded NGSI-LD broker on a port of its own, for the tests."""

from __future__ import annotations

import asyncio
import io
import ipaddress
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import asyncpg
import orjson
from aiohttp import web

from broker.embedded.server import EmbeddedBroker, EmbeddedSettings
from ontology.loader import core_context
from store.postgres import pool as open_pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
# 127.0.0.1 as HTTP clients or operating systems understand it
LOOPBACK_SPELLINGS = (
    "①②⑦.0.0.1",
    "１２７.0.0.1",  # noqa: RUF001 - the point
    "127。0。0。1",
    "𝟏𝟐𝟕.0.0.1",  # noqa: RUF001 - the point
    "127.1",
    "2130706433",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "user@127.0.0.1",
)
JSON_LD = "application/ld+json"
_tenants = itertools.count(1)
_databases = itertools.count(1)


class Client:
    """Asks a broker over HTTP, for a tenant of its own unless told otherwise."""

    def __init__(self, url: str, session: aiohttp.ClientSession, tenant: str) -> None:
        self.url = url
        self.session = session
        self.tenant = tenant

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask; a header's name is written with _ for -."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.tenant:
            sent.setdefault("NGSILD-Tenant", self.tenant)
        data = body if isinstance(body, bytes | None) else orjson.dumps(body)
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self.session.request(
            method,
            f"{self.url}/ngsi-ld/v1{path}",
            data=data if data is None else io.BytesIO(data),
            headers=sent,
            allow_redirects=False,
        ) as response:
            content = await response.read()
            return Answer(response.status, response, content)

    def other(self, tenant: str | None = None) -> Client:
        """Return a client of the same broker with another tenant."""
        return Client(self.url, self.session, f"t{next(_tenants)}" if tenant is None else tenant)


class Answer:
    """What came back."""

    def __init__(self, status: int, response: aiohttp.ClientResponse, content: bytes) -> None:
        self.status = status
        self.headers = response.headers
        self.content = content

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return orjson.loads(self.content)

    @property
    def problem(self) -> str:
        """The last part of the ProblemDetails' type."""
        return str(self.json["type"]).rpartition("/")[2]

    def __repr__(self) -> str:
        return f"{self.status} {self.content[:2000]!r}"


@asynccontextmanager
async def own_database(postgres: str) -> AsyncIterator[str]:
    """Make an empty database and return its address."""
    name = f"embedded_{next(_databases)}"
    connection = await asyncpg.connect(postgres)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        yield postgres.replace("/postgres?", f"/{name}?")
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@asynccontextmanager
async def serving(dsn: str, **settings: Any) -> AsyncIterator[Client]:
    """Run a broker; loopback may be notified unless the settings say otherwise."""
    settings = {"core_context": core_context(), "notify_allow": LOOPBACK, "first_retry": 0.05, **settings}
    async with open_pool(dsn, size=4) as pool:
        broker = EmbeddedBroker(pool, EmbeddedSettings(**settings))
        await broker.start()
        runner = web.AppRunner(broker.app())
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            port = runner.addresses[0][1]
            async with aiohttp.ClientSession() as session:
                yield Client(f"http://127.0.0.1:{port}", session, f"t{next(_tenants)}")
        finally:
            await runner.cleanup()
            await broker.close()


@asynccontextmanager
async def listening(*statuses: int, port: int = 0) -> AsyncIterator[Receiver]:
    """Run a receiver of notifications that answers with these statuses, the last one over and over."""
    receiver = Receiver(statuses or (200,))
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/notify"
    try:
        yield receiver
    finally:
        await runner.cleanup()


class Receiver:
    """Keeps the notifications it gets."""

    def __init__(self, statuses: tuple[int, ...]) -> None:
        self._statuses = list(statuses)
        self.url = ""
        self.answers: dict[str, int] = {}  # statuses by path, before all others
        self.hold = asyncio.Event()  # answers wait while it is cleared
        self.hold.set()
        self.got: asyncio.Queue[tuple[Any, Any]] = asyncio.Queue()

    async def take(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        self.got.put_nowait((body, request.headers))
        await self.hold.wait()
        if request.path in self.answers:
            return web.Response(status=self.answers[request.path])
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        return web.Response(status=status)

    def at(self, path: str) -> str:
        """Return the URL of another path."""
        return self.url.removesuffix("/notify") + path

    async def next(self, timeout: float = 20.0) -> tuple[Any, Any]:  # noqa: ASYNC109 - of the test's own
        """Return the next notification's body and headers."""
        return await asyncio.wait_for(self.got.get(), timeout)
