# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From what a request names as its @context to a compiled `Context`.

Documents that are preloaded (the subject contexts that Volme pins and serves itself, the core
context) never leave the machine. Others are fetched, kept as long as their server says or for an
hour, and used beyond that while it does not answer.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import aiohttp
import orjson
import structlog

from broker.embedded.cache import Cache
from broker.embedded.endpoints import AddressPolicy, ForbiddenAddressError
from broker.embedded.problems import BadRequestDataError, ContextNotAvailableError
from broker.embedded.terms import Context
from broker.embedded.vocabulary import CORE_CONTEXT_URL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

log = structlog.get_logger(__name__)

_CORE = re.compile(r"https?://uri\.etsi\.org/ngsi-ld/v1/ngsi-ld-core-context(-v\d+\.\d+(\.\d+)?)?\.jsonld")
_KEPT = 512  # failures and locks
_ROOM = 33_554_432  # bytes of documents kept, and as many of what was compiled from them, as JSON
_FRESH_SECONDS = 3600.0
_LONGEST_FRESH = 86_400.0
_MAX_AGE = re.compile(r"max-age=\"?([0-9]{1,10})")
_SHARED_MAX_AGE = re.compile(r"s-maxage=\"?([0-9]{1,10})")
_FAILED_SECONDS = 10.0
_MAX_BYTES = 1_048_576
_MAX_DEPTH = 8
_MAX_PARTS = 64
_MAX_REDIRECTS = 5
_MAX_USES = 4096
_HOSTED = re.compile(r"https?://[^?#]*/ngsi-ld/v1/jsonldContexts/([0-9a-f-]{36})")


@dataclass(kw_only=True, slots=True)
class Use:
    """How a stored @context was used since the broker started (clause 5.13.3.5).

    Attributes:
        created_at: when it came into the store.
    """

    created_at: datetime
    last: datetime | None = None
    hits: int = 0

    def note(self) -> None:
        """Count once more."""
        self.hits += 1
        self.last = datetime.now(UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    context: Context
    until: float
    size: int


class Contexts:
    """Every @context in use, compiled once.

    Args:
        core: the core context's document, `{"@context": {...}}`.
        preloaded: documents by URL.
        policy: which addresses contexts may be fetched from.
        hosted: returns the document that this broker itself serves under an id, if it does.
    """

    def __init__(
        self,
        core: Mapping[str, Any],
        preloaded: Mapping[str, Mapping[str, Any]],
        policy: AddressPolicy,
        hosted: Callable[[str], Awaitable[Mapping[str, Any] | None]] | None = None,
    ) -> None:
        self._hosted = hosted
        self._started = datetime.now(UTC)
        self._uses: dict[str, Use] = {}
        self._core = _locals_of(core, "the core context")
        self._preloaded = dict(preloaded)
        self._policy = policy
        self._compiled: Cache[bytes, _Entry] = Cache(_ROOM)
        self._documents: Cache[str, tuple[float, Mapping[str, Any]]] = Cache(_ROOM)
        self._lent: Cache[str, tuple[Mapping[str, Any], frozenset[str]]] = Cache(_ROOM)  # and to whom
        self._failed: dict[str, tuple[float, BadRequestDataError | ContextNotAvailableError]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._session: aiohttp.ClientSession | None = None
        self.core = Context(None, self._core)

    async def close(self) -> None:
        """Close the HTTP client."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def resolve(self, source: Any) -> Context:
        """Return the compiled context for an @context: a URL, an object, an array of them, or None.

        Raises:
            BadRequestDataError: it is no @context.
            ContextNotAvailableError: a document that it names cannot be had.
        """
        source = simplified(source)
        if source is None:
            return self.core
        key = orjson.dumps(source)
        now = time.monotonic()
        entry = self._compiled.get(key)
        if entry is not None and entry.until > now:
            if type(source) is str:
                self.use(use_key(source)).note()
            return entry.context
        try:
            ends = [now + _FRESH_SECONDS]
            parts = await self._parts(source, ends, base="", depth=0)
        except ContextNotAvailableError:
            if entry is None:
                raise
            log.warning("context.stale", context=entry.context.url)
            stale = _Entry(context=entry.context, until=now + _FAILED_SECONDS, size=entry.size)
            self._compiled.put(key, stale, entry.size)
            return entry.context
        names_core = any(part is core for part in parts for core in self._core)
        context = Context(source, [*parts, *self._core], names_core=names_core)
        size = len(key) + len(orjson.dumps(parts))
        self._compiled.put(key, _Entry(context=context, until=min(ends), size=size), size)
        return context

    def use(self, key: str) -> Use:
        """Return how an @context was used, by its URL, or by its id where this broker serves it."""
        found = self._uses.get(key)
        if found is None:
            while len(self._uses) >= _MAX_USES:
                self._uses.pop(next(iter(self._uses)))
            found = self._uses[key] = Use(created_at=datetime.now(UTC))
        return found

    def lend(self, source: Any, tenant: str) -> str:
        """Serve an @context that came inside a query for some time, and return its id (clause 6.3.6)."""
        document = {"@context": source}
        body = orjson.dumps(document)
        context_id = str(uuid.uuid5(uuid.NAMESPACE_URL, body.decode()))
        _, tenants = self._lent.get(context_id) or (None, frozenset())
        self._lent.put(context_id, (document, tenants | {tenant}), len(body))
        return context_id

    def lent(self, context_id: str) -> Mapping[str, Any] | None:
        """Return the document of an @context that is lent; None if there is none of this id."""
        found = self._lent.get(context_id)
        return None if found is None else found[0]

    def lent_to(self, tenant: str) -> list[str]:
        """Return the ids of the @contexts that are lent to a tenant."""
        return [key for key in self._lent.keys() if tenant in (self._lent.get(key) or ((), ()))[1]]  # noqa: SIM118 - no mapping

    def take_back(self, context_id: str, tenant: str) -> bool:
        """Lend an @context to a tenant no longer, and say whether it was."""
        document, tenants = self._lent.get(context_id) or ({}, frozenset())
        if tenant not in tenants:
            return False
        self._lent.drop(context_id)
        if tenants != {tenant}:
            self._lent.put(context_id, (document, tenants - {tenant}), len(orjson.dumps(document)))
        return True

    def cached(self) -> dict[str, Use]:
        """Return the URLs of the documents that are kept to be used again, and how they were used."""
        pinned = {url: self._uses.get(url, Use(created_at=self._started)) for url in self._preloaded}
        return pinned | {url: self.use(url) for url in self._documents.keys()}  # noqa: SIM118 - no mapping

    def is_pinned(self, url: str) -> bool:
        """Say whether a document came with the broker and never leaves it."""
        return url in self._preloaded or _CORE.fullmatch(url) is not None

    async def reload(self, url: str) -> None:
        """Fetch a document anew; the one that is there stays unless that succeeds.

        Raises:
            ContextNotAvailableError: it cannot be had, or is no @context (clause 5.13.5.4).
        """
        try:
            document, size, seconds = await self._fetch(url)
            Context(None, await self._parts(document["@context"], [], base=url, depth=1))
        except BadRequestDataError as error:
            raise ContextNotAvailableError(detail=error.detail) from error
        self._uses.pop(url, None)
        self._keep(url, document, size, seconds)
        self._compiled.clear()

    def forget(self, key: str) -> None:
        """Forget a document, by its URL, or by its id where this broker serves it."""
        self._documents.drop(key)
        self._failed.pop(key, None)
        self._uses.pop(key, None)
        self._compiled.clear()

    async def _parts(
        self, source: Any, ends: list[float], *, base: str, depth: int
    ) -> list[Mapping[str, Any]]:
        """Flatten an @context into the objects that make it up; `ends` gets what their documents last to."""
        if depth > _MAX_DEPTH:
            raise BadRequestDataError(detail=f"@context documents are nested deeper than {_MAX_DEPTH}")
        if source is None:
            return []
        if isinstance(source, dict):
            imported = source.get("@import")
            before = [] if imported is None else await self._parts(imported, ends, base=base, depth=depth + 1)
            return [*before, source]
        if isinstance(source, list):
            if len(source) > _MAX_PARTS:
                raise BadRequestDataError(detail=f"the @context has more than {_MAX_PARTS} parts")
            return [
                part for item in source for part in await self._parts(item, ends, base=base, depth=depth + 1)
            ]
        if isinstance(source, str):
            url = urljoin(base, source)
            if _CORE.fullmatch(url):
                return list(self._core)
            document = await self._document(url, ends)
            return await self._parts(document.get("@context"), ends, base=url, depth=depth + 1)
        raise BadRequestDataError(detail="an @context is a URL, an object or an array of them")

    async def _document(self, url: str, ends: list[float]) -> Mapping[str, Any]:
        if url in self._preloaded:
            return self._preloaded[url]
        own = _HOSTED.fullmatch(url)
        if own is not None and self._hosted is not None:
            document = await self._hosted(own.group(1))
            if document is not None:
                self.use(own.group(1)).note()
                return document
        async with self._locks.setdefault(url, asyncio.Lock()):
            now = time.monotonic()
            until, document = self._documents.get(url) or (0.0, {})
            if until > now:
                self.use(url).note()
                ends.append(until)
                return document
            if url in self._failed and self._failed[url][0] > now:
                before = self._failed[url][1]
                raise type(before)(detail=before.detail)
            try:
                document, size, seconds = await self._fetch(url)
            except (BadRequestDataError, ContextNotAvailableError) as error:
                _bound(self._failed)
                self._failed[url] = (now + _FAILED_SECONDS, error)
                raise
            self._keep(url, document, size, seconds)
            ends.append(now + seconds)
        if len(self._locks) > _KEPT:
            self._locks = {key: lock for key, lock in self._locks.items() if lock.locked()}
        return document

    def _keep(self, url: str, document: Mapping[str, Any], size: int, seconds: float) -> None:
        self._documents.put(url, (time.monotonic() + seconds, document), size)
        use = self.use(url)
        use.created_at = datetime.now(UTC)
        use.note()

    async def _fetch(self, url: str) -> tuple[Mapping[str, Any], int, float]:
        """Return a document, its size in bytes, as JSON without spaces, and how many seconds it is fresh.

        Raises:
            ContextNotAvailableError: it cannot be had.
            BadRequestDataError: it can, and is no @context (clause 5.5.6).
        """
        if self._session is None:
            self._session = self._policy.session(timeout=5.0, connections=10)
        try:
            content, seconds = await self._read(self._session, url)
        except TimeoutError as error:
            raise ContextNotAvailableError(detail=f"{url} did not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ContextNotAvailableError(detail=f"{url} cannot be fetched: {error}") from error
        try:
            document = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise BadRequestDataError(detail=f"{url} is not JSON: {error}") from error
        if not isinstance(document, dict) or "@context" not in document:
            raise BadRequestDataError(detail=f"{url} is no @context document")
        try:
            size = len(orjson.dumps(document))
        except TypeError as error:
            raise BadRequestDataError(detail=f"{url} is nested too deeply") from error
        log.info("context.fetched", url=url, bytes=len(content))
        return document, size, seconds

    async def _read(self, session: aiohttp.ClientSession, url: str) -> tuple[bytes, float]:
        for _ in range(_MAX_REDIRECTS):
            try:
                self._policy.check_literal(url)
            except BadRequestDataError as error:
                raise ContextNotAvailableError(detail=error.detail) from error
            except ForbiddenAddressError as error:
                raise ContextNotAvailableError(detail=str(error)) from error
            headers = {"Accept": "application/ld+json, application/json;q=0.9"}
            async with session.get(url, headers=headers, allow_redirects=False) as response:
                if response.status in {301, 302, 303, 307, 308} and "Location" in response.headers:
                    url = urljoin(url, response.headers["Location"])
                    continue
                if response.status != HTTPStatus.OK:
                    raise ContextNotAvailableError(detail=f"{url} answers {response.status}")
                content = bytearray()
                async for chunk in response.content.iter_chunked(65_536):
                    content += chunk
                    if len(content) > _MAX_BYTES:
                        raise ContextNotAvailableError(detail=f"{url} is larger than {_MAX_BYTES} bytes")
                return bytes(content), _fresh(response.headers)
        raise ContextNotAvailableError(detail=f"{url} redirects more than {_MAX_REDIRECTS} times")


def _fresh(headers: Mapping[str, str]) -> float:
    """Return for how many seconds a document is fresh (clause 6.3.16; RFC 9111, 5.1, 5.2.2 and 5.3).

    Many clients share what is kept.
    """
    control = headers.get("Cache-Control", "").lower()
    if "no-store" in control or "no-cache" in control:
        return 0.0
    lasts = _SHARED_MAX_AGE.search(control) or _MAX_AGE.search(control)
    if lasts is not None:
        age = headers.get("Age", "")  # for how long another cache has had it
        spent = float(age) if age.isascii() and age.isdigit() else 0.0
        return min(_LONGEST_FRESH, max(0.0, float(lasts.group(1)) - spent))
    if "Expires" not in headers:
        return _FRESH_SECONDS
    try:
        seconds = parsedate_to_datetime(headers["Expires"]).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0
    return min(_LONGEST_FRESH, max(0.0, seconds))


def use_key(url: str) -> str:
    """Return what an @context's use is counted under."""
    own = _HOSTED.fullmatch(url)
    return url if own is None else own.group(1)


def simplified(source: Any) -> Any:
    """Return an @context without the core context, which is always there; one alone without its array."""
    if isinstance(source, str):
        return None if _CORE.fullmatch(source) else source
    if isinstance(source, list):
        parts = [part for item in source if (part := simplified(item)) is not None]
        return parts[0] if len(parts) == 1 else parts or None
    return source or None


def as_json_ld(context: Context) -> Any:
    """Return the `@context` member for an answer: the client's, and the core one unless it is in there."""
    if context.source is None:
        return CORE_CONTEXT_URL
    if context.names_core:
        return context.source
    parts = context.source if isinstance(context.source, list) else [context.source]
    return [*parts, CORE_CONTEXT_URL]


def _locals_of(document: Mapping[str, Any], what: str) -> list[Mapping[str, Any]]:
    found = document.get("@context")
    parts: list[Mapping[str, Any]] = [
        part for part in (found if isinstance(found, list) else [found]) if isinstance(part, dict)
    ]
    if not parts:
        msg = f"{what} must be an object, or an array of objects, under @context"
        raise ValueError(msg)
    return parts


def _bound(cache: dict[str, Any]) -> None:
    while len(cache) >= _KEPT:
        cache.pop(next(iter(cache)))
