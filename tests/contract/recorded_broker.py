# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A server that answers recorded requests exactly as the recorded broker did.

A recording is a file of JSON lines: `{name, request: {method, path, headers, body},
response: {status, headers, body}}`. A body that is text was sent as it stands; one in brackets
stands for something too large to record.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

JSON = "application/json"
LARGE = 1_048_576
# Sent by a client that pages; where they were not recorded, they change nothing in the answer.
_PAGING = frozenset({"limit", "offset"})


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded request and its answer."""

    name: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: Any
    status: int
    answer_headers: Mapping[str, str]
    answer: Any

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", JSON)

    @property
    def accept(self) -> str:
        return self.headers.get("Accept", JSON)

    @property
    def is_large(self) -> bool:
        return isinstance(self.body, str) and self.body.startswith("(")


def read_exchanges(file: Path) -> list[Exchange]:
    exchanges = []
    for line in file.read_text("utf-8").splitlines():
        record = json.loads(line)
        request, response = record["request"], record["response"]
        address = urlsplit(request["path"])
        exchanges.append(
            Exchange(
                name=record["name"],
                method=request["method"],
                path=address.path,
                query=tuple(sorted(parse_qsl(address.query, keep_blank_values=True))),
                headers=request["headers"],
                body=request["body"],
                status=response["status"],
                answer_headers=response["headers"],
                answer=response["body"],
            )
        )
    return exchanges


class RecordedBroker:
    """The server. Each exchange it is told to play is played once, in order where requests are equal.

    Attributes:
        unmatched: what came and was not to be played: for each request, what it differs in from
            the exchanges that were left.
        bodies: the bodies that came, as they came.
    """

    def __init__(self) -> None:
        self.url = ""
        self.unmatched: list[str] = []
        self.bodies: list[bytes] = []
        self._left: list[Exchange] = []
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * LARGE)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def play(self, *exchanges: Exchange) -> None:
        self._left = list(exchanges)

    @property
    def left(self) -> list[str]:
        """Names of the exchanges that nobody asked for yet."""
        return [exchange.name for exchange in self._left]

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.bodies.append(body)
        reasons = []
        for exchange in self._left:
            differing = list(_differences(request, body, exchange))
            if not differing:
                self._left.remove(exchange)
                return _response(exchange)
            reasons.append(f"{exchange.name}: {', '.join(differing)}")
        self.unmatched.append(f"{request.method} {request.path_qs} differs: {'; '.join(reasons)}")
        return web.Response(status=418, text=self.unmatched[-1])


def _response(exchange: Exchange) -> web.Response:
    body = b"" if exchange.answer is None else json.dumps(exchange.answer).encode()
    return web.Response(status=exchange.status, headers=exchange.answer_headers, body=body)


def _differences(request: web.Request, body: bytes, exchange: Exchange) -> Iterable[str]:
    """Name what makes a request another one than the recorded."""
    recorded, sent = set(exchange.query), set(request.query.items())
    surplus = {name for name, _ in sent - recorded}
    if request.method != exchange.method:
        yield "method"
    if request.path != exchange.path:
        yield "path"
    if recorded - sent or surplus - _PAGING or surplus & {name for name, _ in recorded}:
        yield "query"
    for header in ("Link", "NGSILD-Tenant"):
        if request.headers.get(header) != exchange.headers.get(header):
            yield header
    if request.headers.get("Accept") != exchange.accept:
        yield "Accept"
    if exchange.body is not None and request.headers.get("Content-Type") != exchange.content_type:
        yield "Content-Type"
    if not _same_body(body, exchange):
        yield "body"


def _same_body(body: bytes, exchange: Exchange) -> bool:
    if exchange.body is None:
        return not body
    if exchange.is_large:
        return len(body) > LARGE
    if isinstance(exchange.body, str):
        return body.decode() == exchange.body
    return bool(json.loads(body) == exchange.body)
