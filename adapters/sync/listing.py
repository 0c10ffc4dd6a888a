# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Asking a network server's API for pages of JSON, and what it lists."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import orjson
import structlog

from models.errors import VolmeError
from models.uplink import Position

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

log = structlog.get_logger(__name__)

_LONGEST_WAIT_S = 60.0
_TRIES = 4
_LARGEST = 32 * 1024 * 1024
_REASON = 200
_OK, _NOT_FOUND = 200, 404


class ListingError(VolmeError):
    """A network server does not list its devices; the text is a sentence without a full stop.

    `gone`: there is nothing at that path.
    """

    def __init__(self, sentence: str, *, gone: bool = False) -> None:
        super().__init__(sentence)
        self.gone = gone


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A device as a network server's registry has it.

    Attributes:
        id: the DevEUI, 16 lower-case hex digits, or the id that its messages have.
        name: what people call it there.
        model: as `Uplink.model`.
        tags: free key-value pairs.
        position: where it is said to be.
    """

    id: str
    name: str | None = None
    model: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    position: Position | None = None


class Api:
    """A network server's HTTP API, with a token.

    Waits as long as it is told where it asks too often (429) or the server is down for a moment (502 to
    504), a few times.
    """

    def __init__(self, url: str, headers: Mapping[str, str], *, timeout: float = 30.0) -> None:
        """Make it ready.

        Args:
            url: of the server, without the path of the API.
            headers: what every request has, such as the token.
            timeout: seconds that a request may take.
        """
        self._url = url.rstrip("/")
        self._session = aiohttp.ClientSession(
            headers={**headers, "Accept": "application/json"},
            timeout=aiohttp.ClientTimeout(total=timeout),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str, **query: str | int) -> Mapping[str, Any]:
        """Return the object at a path.

        Raises:
            ListingError: the server cannot be reached, refuses, or answers with something else.
        """
        for attempt in range(1, _TRIES + 1):
            status, body, pause = await self._ask(path, query)
            if pause is None or attempt == _TRIES:
                break
            log.info("sync.waiting", path=path, status=status, seconds=pause)
            await asyncio.sleep(pause)
        if status != _OK:
            raise ListingError(self._refusal(status, body, path), gone=status == _NOT_FOUND)
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            msg = f"{self._url}{path} answers with something that is no JSON: is it the API's address?"
            raise ListingError(msg) from error
        if not isinstance(found, dict):
            msg = f"{self._url}{path} answers with JSON that is no object"
            raise ListingError(msg)
        return found

    async def _ask(self, path: str, query: Mapping[str, str | int]) -> tuple[int, bytes, float | None]:
        """Return status, body, and how long to wait before asking again; None: no use."""
        try:
            # A redirect would carry the token to whom it leads.
            async with self._session.get(f"{self._url}{path}", params=query, allow_redirects=False) as answer:
                body = bytearray()
                async for part in answer.content.iter_any():
                    body += part
                    if len(body) > _LARGEST:
                        msg = f"{self._url}{path} answers with more than {_LARGEST // 1024 // 1024} MB"
                        raise ListingError(msg)
                again = answer.status in {429, 502, 503, 504}
                return answer.status, bytes(body), _pause(answer.headers) if again else None
        except TimeoutError as error:
            msg = f"{self._url} does not answer in time"
            raise ListingError(msg) from error
        except (aiohttp.ClientError, OSError) as error:
            msg = f"{self._url} cannot be reached: {error}"
            raise ListingError(msg) from error

    def _refusal(self, status: int, body: bytes, path: str) -> str:
        reason = _reason(body)
        said = f" ({reason})" if reason else ""
        match status:
            case 401 | 403:
                return f"{self._url} does not accept the token for this{said}"
            case 404:
                return f"{self._url}{path} does not exist{said}: is the application's id right?"
            case 429:
                return f"{self._url} wants to be asked less often{said}; try again later"
        return f"{self._url}{path} answers with status {status}{said}"


def _pause(headers: Mapping[str, str]) -> float:
    """Return how many seconds a server wants to be left alone."""
    for name in ("Retry-After", "X-Rate-Limit-Retry"):
        text = headers.get(name, "")
        if text.isdecimal():
            return min(float(text), _LONGEST_WAIT_S)
    return 1.0


def _reason(body: bytes) -> str:
    """Return what gRPC's gateways say of an error."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    message = found.get("message") if isinstance(found, dict) else None
    return str(message)[:_REASON] if message else ""


def text(value: Any) -> str | None:
    """Return a text that is not empty, else None."""
    return value.strip() or None if isinstance(value, str) else None


def texts(value: Any) -> dict[str, str]:
    """Return the pairs of a mapping that are texts."""
    if not isinstance(value, dict):
        return {}
    return {str(key): each for key, each in value.items() if isinstance(each, str)}


def position(latitude: Any, longitude: Any, altitude: Any = None) -> Position | None:
    """Return a place on earth; None: that is none, or the one that servers write for unknown (0, 0)."""
    numbers = [_number(latitude), _number(longitude), _number(altitude)]
    if numbers[0] is None or numbers[1] is None or not (numbers[0] or numbers[1]):
        return None
    if abs(numbers[0]) > 90 or abs(numbers[1]) > 180:  # noqa: PLR2004 - degrees
        return None
    return Position(latitude=numbers[0], longitude=numbers[1], altitude=numbers[2])


def _number(value: Any) -> float | None:
    try:
        number = float(value.replace(",", ".") if isinstance(value, str) else value)
    except (TypeError, ValueError):
        return None
    return number if number == number and abs(number) != float("inf") else None  # noqa: PLR0124 - NaN
