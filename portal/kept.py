# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Answers made once for all who ask the same within a moment, with ETag and compressed.

A flood night's crowd asks for the same few pages: they cost as much as one reader.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

#: Seconds that one answer serves all who ask the same, unless it says otherwise (`Cache-Control: max-age`).
FRESH_S = 2.0
_MOST_S = 60
_CACHED_MOST = 4 * 1024 * 1024
_COMPRESSED_LEAST = 600
_COMPRESSED_ASIDE = 100_000
_SMALL, _QUICK = 6, 4
_COMPRESSIBLE = ("text/", "application/json", "application/vnd.", "image/svg+xml")
_COMPRESSIBLE_ENDS = ("+json", "+xml", "/xml", "javascript", "turtle")
_VARIED = ("Accept", "Accept-Language", "Link", "Prefer")
#: What decides on who is shown what.
KEYS = ("X-API-Key", "Authorization")
_OK = 200


@dataclass(kw_only=True, slots=True)
class Answer:
    """What is kept of an answer: enough to give it to everybody who asks the same.

    Attributes:
        until: the time of the loop up to which it is fresh.
        zipped: the body compressed, once somebody has asked for that.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    compressible: bool
    etag: str
    until: float
    zipped: bytes | None = None

    async def zip(self) -> bytes:
        """Return the body compressed; a large one is compressed beside everything else."""
        if self.zipped is None:
            if len(self.body) > _COMPRESSED_ASIDE:
                self.zipped = await asyncio.to_thread(gzip.compress, self.body, _QUICK, mtime=0)
            else:
                self.zipped = gzip.compress(self.body, _SMALL, mtime=0)
        return self.zipped


class Kept:
    """Answers that are fresh, by what was asked; the least asked for go first.

    Args:
        most: bytes of all bodies together.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._answers: OrderedDict[tuple[str, ...], Answer] = OrderedDict()
        self.being_made: dict[tuple[str, ...], asyncio.Future[Answer | None]] = {}

    def get(self, asked: tuple[str, ...], now: float) -> Answer | None:
        """Return the answer if it is fresh."""
        answer = self._answers.get(asked)
        if answer is None:
            return None
        if answer.until <= now:
            self._drop(asked)
            return None
        self._answers.move_to_end(asked)
        return answer

    def put(self, asked: tuple[str, ...], answer: Answer) -> None:
        """Keep an answer."""
        self._drop(asked)
        self._answers[asked] = answer
        self._size += _weight(answer)
        while self._size > self._most:
            self._drop(next(iter(self._answers)))

    def release(
        self, asked: tuple[str, ...], made: asyncio.Future[Answer | None], answer: Answer | None
    ) -> None:
        """Tell those who wait for an answer that it is made; None: each has to ask for their own."""
        if self.being_made.get(asked) is made:
            del self.being_made[asked]
        if not made.done():
            made.set_result(answer)

    def _drop(self, asked: tuple[str, ...]) -> None:
        answer = self._answers.pop(asked, None)
        if answer is not None:
            self._size -= _weight(answer)


_MAKING: web.RequestKey[tuple[Kept, tuple[str, ...], asyncio.Future[Answer | None]]] = web.RequestKey(
    "making", tuple
)


async def let_streams_go(request: web.Request, response: web.StreamResponse) -> None:
    """Keep nobody waiting for an answer that is streamed: a signal, before an answer's headers are sent."""
    making = request.get(_MAKING)
    if making is None or isinstance(response, web.Response):
        return
    store, asked, made = making
    store.release(asked, made, None)


def _weight(answer: Answer) -> int:
    return len(answer.body) * 3 // 2 + 1000  # compressed it is kept, too


def kept(store: Kept) -> Middleware:
    """Make once what many ask: answers to GET without a key, for a moment."""

    async def keep(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method not in {"GET", "HEAD"} or "Range" in request.headers:
            return await handler(request)
        personal = any(name in request.headers for name in KEYS)
        asked = (request.method, request.path_qs, *(request.headers.get(name, "") for name in _VARIED))
        clock = asyncio.get_running_loop().time
        if personal:
            response = await handler(request)
            return await _respond(request, _answer(response, clock())) if _is_whole(response) else response
        if (answer := store.get(asked, clock())) is not None:
            return await _respond(request, answer)
        while (making := store.being_made.get(asked)) is not None:
            answer = await asyncio.shield(making)
            if answer is not None:
                return await _respond(request, answer)
        made: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        store.being_made[asked] = made
        request[_MAKING] = store, asked, made
        answer = None
        try:
            response = await handler(request)
            if not _is_whole(response):
                return response
            answer = _answer(response, clock())
            if response.status == _OK and len(answer.body) <= _CACHED_MOST:
                store.put(asked, answer)
            return await _respond(request, answer)
        finally:
            store.release(asked, made, answer if answer is not None and answer.status == _OK else None)

    return keep


def _is_whole(response: web.StreamResponse) -> bool:
    return (
        isinstance(response, web.Response)
        and not response.prepared
        and isinstance(response.body, bytes | None)
    )


def _answer(response: web.StreamResponse, now: float) -> Answer:
    assert isinstance(response, web.Response)  # noqa: S101 - as _is_whole said
    body = bytes(response.body or b"")  # type: ignore[arg-type]
    headers = tuple((name, value) for name, value in response.headers.items() if name != "Content-Length")
    etag = response.headers.get("ETag") or f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    return Answer(
        status=response.status,
        headers=headers,
        body=body,
        compressible=len(body) >= _COMPRESSED_LEAST and _is_compressible(response.content_type),
        etag=etag,
        until=now + _fresh(response.headers.get("Cache-Control", "")),
    )


def _is_compressible(media: str) -> bool:
    return media.startswith(_COMPRESSIBLE) or media.endswith(_COMPRESSIBLE_ENDS)


def _fresh(said: str) -> float:
    """Return for how many seconds an answer may be given to others."""
    if "no-store" in said or "private" in said:
        return 0.0
    for part in said.split(","):
        name, _, seconds = part.strip().partition("=")
        if name == "max-age" and seconds.isdigit():
            return float(min(int(seconds), _MOST_S))
    return FRESH_S


async def _respond(request: web.Request, answer: Answer) -> web.Response:
    headers = [*answer.headers]
    names = {name.lower() for name, _ in headers}
    if answer.status == _OK:
        if "etag" not in names:
            headers.append(("ETag", answer.etag))
        if "cache-control" not in names:
            headers.append(("Cache-Control", f"public, max-age={FRESH_S:.0f}"))
        headers.append(("Vary", ", ".join(("Accept-Encoding", *_VARIED, *KEYS))))
        if _not_modified(request, answer):
            kept = [pair for pair in headers if pair[0].lower() not in {"content-type", "content-encoding"}]
            return web.Response(status=304, headers=kept)
    body = answer.body
    if answer.compressible and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = await answer.zip()
        headers.append(("Content-Encoding", "gzip"))
    return web.Response(status=answer.status, body=body, headers=headers)


def _not_modified(request: web.Request, answer: Answer) -> bool:
    asked = request.headers.get("If-None-Match")
    if asked is not None:
        tags = {tag.strip().removeprefix("W/") for tag in asked.split(",")}
        return "*" in tags or answer.etag.removeprefix("W/") in tags
    since = request.headers.get("If-Modified-Since")
    changed = dict(answer.headers).get("Last-Modified")
    if since is None or changed is None:
        return False
    try:
        return parsedate_to_datetime(changed) <= parsedate_to_datetime(since)
    except ValueError:
        return False
