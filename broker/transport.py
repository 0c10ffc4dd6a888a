# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""One HTTP request to a broker, and its answer read to the end.

Nothing is tried again here, but for a request that may be repeated and met a kept-alive connection
which the broker was just closing.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from broker.answers import Answer, BrokerUnavailableError, MalformedAnswerError, Problem, error_for
from models.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import SimpleNamespace

JSON: Final = "application/json"
_API: Final = "/ngsi-ld/v1"
_LARGE: Final = 1024 * 1024
_MAX_ANSWER: Final = 64 * 1024 * 1024
# What aiohttp itself repeats on a new connection.
_REPEATED_BY_AIOHTTP: Final = frozenset({"GET", "DELETE"})


class Transport:
    """A small and bounded number of connections to one broker.

    Args:
        base_url: `http://orion:1026`, with or without the `/ngsi-ld/v1`.
        headers: go out with every request.
        connections: open at the same time, at most; older Orion-LDs break above 1,024.
        timeout: seconds for one request, waiting for a free connection included.

    Raises:
        ConfigurationError: the address cannot be used.
    """

    def __init__(
        self, base_url: str, *, headers: Mapping[str, str], connections: int, timeout: float
    ) -> None:
        self._base = base_url.rstrip("/").removesuffix(_API) + _API
        self._shown = _checked(self._base, headers)
        self._headers = {"Accept": JSON, "User-Agent": "volme", **headers}
        self._connections = connections
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            trace_configs=[trace],
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        context: str | None = None,
        accept: str = JSON,
        content_type: str = JSON,
        idempotent: bool = False,
        checked: bool = True,
        prefer: str | None = None,
    ) -> Answer:
        """Send one request and return its answer.

        Args:
            method: of HTTP.
            path: begins behind `/ngsi-ld/v1`, and is encoded.
            params: of the query; not encoded.
            body: None: there is none.
            context: address of the @context for the `Link` header (6.3.5).
            accept: media type wanted.
            content_type: media type of the body.
            idempotent: doing it twice is as good as once.
            checked: a status of 300 or more is an error.
            prefer: a preference (RFC 7240), which a broker may ignore.

        Raises:
            BrokerUnavailableError: no connection, it broke, no answer in time, or: later.
            BrokerFailureError: the broker failed.
            MalformedAnswerError: the answer is not HTTP, or larger than 64 MiB.
            BrokerRefusalError: the broker refuses.
        """
        headers = dict(self._headers)
        if accept != JSON:
            headers["Accept"] = accept
        if body is not None:
            headers["Content-Type"] = content_type
        if context is not None:
            headers["Link"] = _link(context)
        if prefer is not None:
            headers["Prefer"] = prefer
        url = URL(f"{self._base}{path}{_query(params)}", encoded=True)
        repeat = idempotent and method not in _REPEATED_BY_AIOHTTP
        answer = await self._exchange(
            method, url, body, headers, request=f"{method} {self._shown}{path}", repeat=repeat
        )
        if checked and answer.status >= 300:  # noqa: PLR2004 - all but 2xx
            raise error_for(answer)
        return answer

    async def _exchange(
        self,
        method: str,
        url: URL,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        request: str,
        repeat: bool,
    ) -> Answer:
        if self._session is None:
            msg = "the client must be entered (`async with`) before it is used"
            raise RuntimeError(msg)
        connection = _Connection()
        try:
            async with self._session.request(
                method,
                url,
                data=_data(body),
                headers=headers,
                allow_redirects=False,
                trace_request_ctx=connection,
            ) as response:
                content = await _read(response, request)
                return Answer(request=request, status=response.status, headers=response.headers, body=content)
        except (aiohttp.ClientError, TimeoutError) as error:
            if not (repeat and connection.reused and _is_closed(error)):
                raise self._error(error, request) from error
        return await self._exchange(method, url, body, headers, request=request, repeat=False)

    def _error(self, error: aiohttp.ClientError | TimeoutError, request: str) -> Exception:
        match error:
            case TimeoutError():
                return _unavailable(request, f"no answer within {self._timeout:g} s")
            case aiohttp.ClientConnectorError():
                return _unavailable(request, error.strerror or str(error))
            case aiohttp.ClientPayloadError():
                return _unavailable(request, "the answer broke off or cannot be unpacked")
            case aiohttp.ClientResponseError():
                return _malformed(request, f"The answer is not HTTP ({' '.join(error.message.split())})")
            case _:
                return _unavailable(request, "the connection was closed before the answer")


class _Connection:
    """What is known of the connection that a request went over."""

    __slots__ = ("reused",)

    def __init__(self) -> None:
        self.reused = False


async def _note_reuse(_: aiohttp.ClientSession, trace: SimpleNamespace, __: object) -> None:
    trace.trace_request_ctx.reused = True


def _data(body: bytes | None) -> bytes | BytesIO | None:
    """Pass a large body on in pieces, so that it does not hold up everything else."""
    return body if body is None or len(body) <= _LARGE else BytesIO(body)


def _is_closed(error: Exception) -> bool:
    return isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) and not isinstance(
        error, aiohttp.ClientConnectorError | TimeoutError
    )


async def _read(response: aiohttp.ClientResponse, request: str) -> bytes:
    """Read a body of bounded size, also one that is packed."""
    parts = bytearray()
    async for part in response.content.iter_any():
        parts += part
        if len(parts) > _MAX_ANSWER:
            raise _malformed(request, f"The answer is larger than {_MAX_ANSWER} bytes")
    return bytes(parts)


def _unavailable(request: str, reason: str) -> BrokerUnavailableError:
    problem = Problem(status=0, title="The broker cannot be reached", detail=reason)
    return BrokerUnavailableError(f"{request}: {problem.sentence}", problem=problem)


def _malformed(request: str, reason: str) -> MalformedAnswerError:
    problem = Problem(status=0, title=reason)
    return MalformedAnswerError(f"{request}: {problem.sentence}", problem=problem)


def _checked(address: str, headers: Mapping[str, str]) -> str:
    """Return the address without user and password, for messages."""
    wrong = f"The broker's address must be like http://orion:1026, not {address.rpartition('@')[2]!r}."
    try:
        url = URL(address)
    except ValueError as error:
        raise ConfigurationError(wrong) from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigurationError(wrong)
    if url.user is not None and "Authorization" in headers:
        msg = "The broker's address has a user in it, and there is a token: leave one of the two out."
        raise ConfigurationError(msg)
    return str(url.with_user(None))


def _link(context: str) -> str:
    return f'<{context}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'


def _query(params: Mapping[str, str] | None) -> str:
    return f"?{urlencode(params, quote_via=quote, safe=':,')}" if params else ""
