# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""@contexts are added, listed, served and deleted over HTTP (CIM 009, clauses 5.13, 6.29 and 6.30).

Those that users add and those that came inside a subscription are rows of a table; those that were
fetched, or came inside a query, are in memory. How often one was used is counted since the broker started.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import orjson

from broker.embedded.merging import timestamp
from broker.embedded.parts import CONTEXTS_PATH as PATH
from broker.embedded.parts import PARTS, Parts
from broker.embedded.problems import BadRequestDataError, InvalidRequestError, NotFoundError, NotServedError
from broker.embedded.requests import Call, answer, done, read_call
from broker.embedded.store import SQL, subscriptions_version
from broker.embedded.terms import Context
from broker.embedded.vocabulary import CORE_CONTEXT_URL, is_uri

if TYPE_CHECKING:
    from aiohttp import web

    from broker.embedded.contexts import Use

Kind: TypeAlias = Literal["Cached", "Hosted", "ImplicitlyCreated"]

_KINDS = frozenset({"Cached", "Hosted", "ImplicitlyCreated"})
_MAX_PARTS = 64


async def add_context(request: web.Request) -> web.Response:
    """POST /jsonldContexts (5.13.2)."""
    parts = request.app[PARTS]
    call = await read_call(request, body=True)
    if not isinstance(call.body, dict) or "@context" not in call.body:
        raise InvalidRequestError(detail="the body must be a JSON object with an @context")
    source = call.body["@context"]
    _check(source)
    context_id = str(uuid.uuid4())
    body = orjson.dumps({"@context": source}).decode()
    async with parts.pool.acquire() as connection, connection.transaction():
        await subscriptions_version(connection, call.tenant, create=True)
        await connection.execute(SQL["add_context"], context_id, call.tenant, body)
    return done(call, status=201, headers={"Location": f"{PATH}/{context_id}"})


async def list_contexts(request: web.Request) -> web.Response:
    """GET /jsonldContexts (5.13.3)."""
    parts = request.app[PARTS]
    call = await read_call(request, parameters={"details", "kind"})
    kind, details = call.parameters.get("kind"), _flag(call, "details")
    if kind is not None and kind not in _KINDS:
        raise BadRequestDataError(detail=f"kind is {', '.join(sorted(_KINDS))}, not {kind[:60]!r}")
    await parts.reader.check_tenant(call.tenant)
    found: list[dict[str, Any]] = []
    if kind != "Cached":
        rows = await parts.reader.rows("list_contexts", call.tenant, kind)
        found += [_own(parts, call, row) for row in rows]
    if kind in {None, "ImplicitlyCreated"}:
        found += [_lent(parts, call, context_id) for context_id in parts.contexts.lent_to(call.tenant)]
    if kind in {None, "Cached"}:
        found += [_cached(url, use) for url, use in _all_cached(parts).items()]
    return answer(call, found if details else [each["URL"] for each in found], None)


async def serve_context(request: web.Request) -> web.Response:
    """GET /jsonldContexts/{id} (5.13.4)."""
    parts = request.app[PARTS]
    call = await read_call(request, parameters={"details"})
    details = _flag(call, "details")
    context_id = request.match_info["id"]
    await parts.reader.check_tenant(call.tenant)
    rows = await parts.reader.rows("read_context", context_id)
    if rows:
        body = _own(parts, call, rows[0]) if details else orjson.loads(rows[0]["body"])
        parts.contexts.use(context_id).note()
        return answer(call, body, None) if details else _document(call, body)
    lent = parts.contexts.lent(context_id)
    if lent is not None:
        shown = _lent(parts, call, context_id)
        parts.contexts.use(context_id).note()
        return answer(call, shown, None) if details else _document(call, lent)
    url = _url_of(parts, context_id)
    if url is None:
        raise NotFoundError(detail=f"there is no @context {context_id[:200]}")
    if not details:
        raise NotServedError(detail=f"{url} is a copy for the broker's own use; ask there for it")
    use = _all_cached(parts).get(url) or parts.contexts.use(url)
    body = _cached(url, use)
    use.note()
    return answer(call, body, None)


async def delete_context(request: web.Request) -> web.Response:
    """DELETE /jsonldContexts/{id} (5.13.5)."""
    parts = request.app[PARTS]
    call = await read_call(request, parameters={"reload"})
    reload = _flag(call, "reload")
    context_id = request.match_info["id"]
    await parts.reader.check_tenant(call.tenant)
    url = _url_of(parts, context_id)
    if url is not None:
        await _delete_cached(parts, url, reload=reload)
        return done(call)
    if reload:  # what is not there is not of that kind either
        raise BadRequestDataError(detail="only an @context of the kind Cached can be reloaded")
    if (
        not parts.contexts.take_back(context_id, call.tenant)
        and await parts.pool.fetchval(SQL["delete_context"], call.tenant, context_id) is None
    ):
        raise NotFoundError(detail=f"there is no @context {context_id[:200]}")
    parts.contexts.forget(context_id)
    return done(call)


async def _delete_cached(parts: Parts, url: str, *, reload: bool) -> None:
    """Forget a fetched @context or fetch it anew; those that came with the broker stay as they are."""
    if parts.contexts.is_pinned(url):
        if not reload:
            raise BadRequestDataError(detail=f"{url} came with the broker and cannot be deleted")
    elif reload:
        await parts.contexts.reload(url)
    else:
        parts.contexts.forget(url)


def _check(source: Any) -> None:
    """See that an @context can be compiled, as far as that can be said without fetching anything.

    Raises:
        BadRequestDataError: it cannot.
    """
    items = source if isinstance(source, list) else [source]
    if not items or len(items) > _MAX_PARTS:
        raise BadRequestDataError(detail=f"an @context has 1 to {_MAX_PARTS} parts")
    for item in items:
        if isinstance(item, dict):
            Context(None, [item])
        elif not is_uri(item):
            raise BadRequestDataError(detail="an @context is a URL, an object or an array of them")


def _all_cached(parts: Parts) -> dict[str, Use]:
    core = {CORE_CONTEXT_URL: parts.contexts.use(CORE_CONTEXT_URL)}
    return core | parts.contexts.cached()


def _url_of(parts: Parts, context_id: str) -> str | None:
    """Return the URL of a fetched @context, by that URL or by its local id; None if there is none."""
    known = _all_cached(parts)
    if context_id in known or parts.contexts.is_pinned(context_id):
        return context_id
    return next((url for url in known if _local_id(url) == context_id), None)


def _local_id(url: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, url))


def _document(call: Call, document: Any) -> web.Response:
    """Return an @context document in the media type that is asked for (6.3.6)."""
    response = done(call, status=200)
    response.body = orjson.dumps(document)
    response.content_type = call.media
    return response


def _lent(parts: Parts, call: Call, context_id: str) -> dict[str, Any]:
    use = parts.contexts.use(context_id)
    url = f"{call.origin}{PATH}/{context_id}"
    return _details(url, context_id, "ImplicitlyCreated", use.created_at, use)


def _own(parts: Parts, call: Call, row: Any) -> dict[str, Any]:
    use = parts.contexts.use(row["id"])
    return _details(f"{call.origin}{PATH}/{row['id']}", row["id"], row["kind"], row["created_at"], use)


def _cached(url: str, use: Use) -> dict[str, Any]:
    return _details(url, _local_id(url), "Cached", use.created_at, use)


def _details(url: str, local_id: str, kind: str, created_at: Any, use: Use) -> dict[str, Any]:
    shown = {
        "URL": url,
        "localId": local_id,
        "kind": kind,
        "createdAt": timestamp(created_at),
        "numberOfHits": use.hits,
    }
    return shown if use.last is None else {**shown, "lastUsage": timestamp(use.last)}


def _flag(call: Call, name: str) -> bool:
    try:
        return call.flag(name)
    except InvalidRequestError as error:
        raise BadRequestDataError(detail=error.detail) from error
