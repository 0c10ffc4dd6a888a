# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Who may use an HTTP API, and how it says no (RFC 9457)."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from compose.settings import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compose.settings import WebSettings


class RefusedError(Exception):
    """A request that is not done; the answer is a problem."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        more: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.more, self.headers = status, title, detail, more, headers

    def response(self) -> web.Response:
        """Return the answer."""
        problem = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **(self.more or {}),
        }
        return web.Response(
            status=self.status,
            body=orjson.dumps(problem),
            content_type="application/problem+json",
            headers=self.headers,
        )


class Access:
    """Lets in who has a key; where there is none, programs on this machine.

    Raises:
        ConfigurationError: a key cannot be read.
    """

    def __init__(self, settings: WebSettings) -> None:
        self._keys = [key.read().encode() for key in settings.api_keys]
        self._alone = is_loopback(settings.host) and not settings.behind_proxy

    def admit(self, request: web.Request) -> None:
        """Let a request pass.

        Raises:
            RefusedError: it has no key, or comes from elsewhere where there is none.
        """
        if self._keys:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            given = token.strip().encode(errors="surrogateescape")
            # All are compared, in a time that tells nothing of how much of one is right.
            right = sum([hmac.compare_digest(given, key) for key in self._keys])
            if not right or scheme.lower() != "bearer":
                detail = "this needs a key, as Authorization: Bearer <key>"
                raise RefusedError(
                    401, "Unauthorized", detail, headers={"WWW-Authenticate": "Bearer", "Connection": "close"}
                )
        elif not self._alone:
            detail = "the device API is off, since no key is configured (web.api_keys)"
            raise RefusedError(403, "Forbidden", detail, headers={"Connection": "close"})
        elif not is_loopback(request.url.host or "") or "Origin" in request.headers:
            # A web page in a browser of this machine is not a program of its owner.
            detail = "without a key (web.api_keys) only programs on this machine may use the device API"
            raise RefusedError(403, "Forbidden", detail, headers={"Connection": "close"})
