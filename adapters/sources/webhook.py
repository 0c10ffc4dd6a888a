# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""HTTP push: `POST /ingest/<source>`, answered 202 after the journal has the message on disk.

Whoever knows the source's token is let in; what they send is kept as it is. That it is no JSON is
found out when it is translated, and then it is a dead letter: 202 says that it will not be lost.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
import structlog
from aiohttp import web

from adapters.networks.parse import SIZE_LIMIT
from adapters.sources.state import SourceState
from models.errors import ConfigurationError, StoreError
from models.message import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.ports import Appender

log = structlog.get_logger(__name__)

_RETRY_AFTER = "10"
_BODY_TIMEOUT = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookSettings:
    """One sender.

    Attributes:
        name: the source's name and the last part of its path.
        token: what the sender gives as `Authorization: Bearer <token>`, or as the password of `Basic`.
    """

    name: str
    token: str = field(repr=False)


class _RefusedError(Exception):
    """A request that is not taken; the answer is a problem of RFC 9457."""

    def __init__(
        self, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.headers = status, title, detail, headers

    def response(self) -> web.Response:
        problem = {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}
        return web.Response(
            status=self.status,
            body=orjson.dumps(problem),
            content_type="application/problem+json",
            headers=self.headers,
        )


class Webhook:
    """Takes what network servers push; one path and one token for each source.

    A network server may add to the path (`/ingest/ttn/up`) and to the query (`?event=up`): both
    are kept as the message's topic, with what a header X-Sensor says (`&x-sensor=esp8266-1234567`).

    Raises:
        ConfigurationError: a source without token, or two of one name.
    """

    def __init__(
        self, settings: tuple[WebhookSettings, ...], appender: Appender, max_body: int = SIZE_LIMIT
    ) -> None:
        self._settings = {each.name: each for each in settings}
        if len(self._settings) != len(settings):
            sentence = "Two webhooks have the same name."
            raise ConfigurationError(sentence)
        for each in settings:
            if not each.token.strip():
                sentence = f"The webhook {each.name} has no token, so anybody could write."
                raise ConfigurationError(sentence)
        self.states: Mapping[str, SourceState] = {
            each.name: SourceState(name=each.name, connected=True) for each in settings
        }
        self._appender = appender
        self._max_body = max_body

    def routes(self) -> list[web.RouteDef]:
        """Return what the web server mounts."""
        return [web.post(r"/ingest/{source:[^/]+}{rest:(?:/.*)?}", self._ingest)]

    async def _ingest(self, request: web.Request) -> web.Response:
        name = request.match_info["source"]
        try:
            settings = self._admit(name, request)
            payload = await self._body(request)
            await self._store(settings, _topic(request), payload)
        except _RefusedError as refused:
            if name in self.states:
                self.states[name].refused += 1
                log.warning("webhook.refused", source=name, status=refused.status, reason=refused.detail)
            return refused.response()
        return web.Response(status=202)

    def _admit(self, name: str, request: web.Request) -> WebhookSettings:
        settings = self._settings.get(name)
        if settings is None:
            raise _RefusedError(404, "Not Found", "There is no source of this name.")
        given = _given(request.headers.get("Authorization", ""))
        # Compared as bytes, in a time that tells nothing of how much of it is right.
        if not hmac.compare_digest(given, settings.token.encode(errors="surrogateescape")):
            detail = "This source needs its token, as Authorization: Bearer <token>, or as a Basic password."
            raise _RefusedError(401, "Unauthorized", detail, {"WWW-Authenticate": "Bearer"})
        return settings

    async def _body(self, request: web.Request) -> bytes:
        if (request.content_length or 0) > self._max_body:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_TIMEOUT):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > self._max_body:
                        raise self._too_large()
        except TimeoutError:
            detail = f"The body did not arrive within {_BODY_TIMEOUT:g} s."
            raise _RefusedError(408, "Request Timeout", detail, _CLOSE) from None
        except web.RequestPayloadError:
            raise _RefusedError(400, "Bad Request", "The body did not arrive whole.", _CLOSE) from None
        return bytes(body)

    def _too_large(self) -> _RefusedError:
        detail = f"A message may have {self._max_body:,} bytes at most."
        return _RefusedError(413, "Content Too Large", detail, _CLOSE)

    async def _store(self, settings: WebhookSettings, topic: str, payload: bytes) -> None:
        state = self.states[settings.name]
        now = datetime.now(UTC)
        message = Message(source=settings.name, topic=topic, payload=payload, received_at=now)
        state.received += 1
        state.in_flight += 1
        state.last_message_at = now
        try:
            await self._appender.append(message)
        except StoreError as error:
            state.error = f"Messages are refused, for they cannot be stored: {error}"
            detail = "The message cannot be stored now; send it again later."
            raise _RefusedError(503, "Service Unavailable", detail, {"Retry-After": _RETRY_AFTER}) from error
        finally:
            state.in_flight -= 1
        state.acknowledged += 1
        state.error = None


def _given(authorization: str) -> bytes:
    """Return the token that a header gives; empty: none, which is no source's.

    `Basic` is all that many devices know: the token is the password, whoever the user.
    """
    scheme, _, credentials = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return credentials.strip().encode(errors="surrogateescape")
        case "basic":
            try:
                user_and_password = base64.b64decode(credentials.strip(), validate=True)
            except ValueError:
                return b""
            return user_and_password.partition(b":")[2]
        case _:
            return b""


def _topic(request: web.Request) -> str:
    """Return path and query, and the station that a citizen's sensor names in a header alone."""
    sensor = request.headers.get("X-Sensor", "")
    if _SENSOR.fullmatch(sensor) is None:
        return request.path_qs
    return f"{request.path_qs}{'&' if request.query_string else '?'}x-sensor={sensor}"


# sensor.community: the kind of chip and its number.
_SENSOR = re.compile(r"[0-9A-Za-z]{1,20}-[0-9A-Za-z]{1,20}", re.ASCII)
# The rest of such a body is not read, so the connection cannot be used again.
_CLOSE = {"Connection": "close"}
