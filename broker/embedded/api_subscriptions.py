# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Subscriptions over HTTP (CIM 009, clauses 5.8.1 to 5.8.5)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from broker.embedded import store
from broker.embedded.links import page_links
from broker.embedded.merging import now, timestamp
from broker.embedded.notifications import read_known
from broker.embedded.parts import PARTS, Parts
from broker.embedded.problems import AlreadyExistsError, BadRequestDataError, ConflictError, NotFoundError
from broker.embedded.query import patterns_of
from broker.embedded.requests import JSON_MEDIA, MERGE_PATCH, Call, answer, done, read_call, source_of
from broker.embedded.store import SQL
from broker.embedded.subscriptions import (
    Recorder,
    check_new,
    check_written,
    compile_subscription,
    expanded,
    named_types,
    names_kept,
    patched,
    provided,
    resumed,
    shown_doc,
    status,
)
from broker.embedded.versions import preferred
from broker.embedded.vocabulary import CORE_CONTEXT_URL, check_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    import asyncpg
    from aiohttp import web

    from broker.embedded.subscriptions import Subscription
    from broker.embedded.terms import Context

PATH = "/ngsi-ld/v1/subscriptions"
_MAX_LIMIT = 1000
_ATTEMPTS = 50  # each of which fails only where somebody else's change succeeded


async def create_subscription(request: web.Request) -> web.Response:
    """POST /subscriptions (5.8.1)."""
    parts = request.app[PARTS]
    call = await read_call(request, body=True)
    doc = _object(call.body)
    check_new(doc)
    context = await parts.contexts.resolve(parts.source(source_of(doc, call), named_types(doc)))
    doc = {member: value for member, value in provided(doc).items() if value is not None or member == "id"}
    doc["id"] = check_id(doc.get("id", f"urn:ngsi-ld:Subscription:{uuid.uuid4()}"), "a subscription's id")
    names = Recorder(context)
    subscription = compile_subscription(doc, names)
    check_written(doc, subscription)
    await _check(parts, subscription, dated=True)
    stored_context = await _with_context(parts, call, doc, context, names)
    async with parts.pool.acquire() as connection, connection.transaction():
        await store.subscriptions_version(connection, call.tenant, create=True)
        added = await connection.fetchval(
            SQL["add_subscription"],
            call.tenant,
            doc["id"],
            _json(doc),
            _json(stored_context),
            now(),
            subscription.interval,
        )
        if added is None:
            raise AlreadyExistsError(detail=f"the subscription {doc['id']} exists already")
        await connection.execute(SQL["touch_subscriptions"], call.tenant)
    parts.delivery.look_at_the_clock()
    return done(call, status=201, headers={"Location": f"{PATH}/{quote(doc['id'], safe=':')}"})


async def retrieve_subscription(request: web.Request) -> web.Response:
    """GET /subscriptions/{id} (5.8.3)."""
    parts = request.app[PARTS]
    call = await read_call(request, parameters={"options"}, options={"sysAttrs"})
    subscription_id = check_id(request.match_info["id"], "a subscription's id")
    await parts.reader.check_tenant(call.tenant)
    await parts.delivery.counted((call.tenant, subscription_id))
    rows = await parts.reader.rows("read_subscriptions", call.tenant, subscription_id)
    if not rows:
        raise NotFoundError(detail=f"there is no subscription {subscription_id}")
    context = await _context_for(parts, call, rows[0])
    return answer(call, _shown(rows[0], call, context), context, headers=_preference(call))


async def list_subscriptions(request: web.Request) -> web.Response:
    """GET /subscriptions (5.8.4)."""
    parts = request.app[PARTS]
    call = await read_call(
        request, parameters={"options", "limit", "offset", "count"}, options={"sysAttrs", "count"}
    )
    count = call.flag("count") or "count" in call.options
    limit = call.number("limit", 20, highest=_MAX_LIMIT)
    offset = call.number("offset", 0, highest=10**9)
    if limit == 0 and not count:
        raise BadRequestDataError(detail="limit may be 0 only beside count=true")
    context = await parts.context(call)
    await parts.reader.check_tenant(call.tenant)
    rows = await parts.reader.rows("read_subscriptions", call.tenant, None)
    page = rows[offset : offset + limit]
    more = len(rows) > offset + limit and limit > 0
    links = page_links(PATH, call.parameters, limit=limit, offset=offset, more=more, media=call.media)
    headers = [*_preference(call), *(("Link", link) for link in links)]
    if count:
        headers.append(("NGSILD-Results-Count", str(len(rows))))
    return answer(call, [_shown(row, call, context) for row in page], context, headers=headers)


async def update_subscription(request: web.Request) -> web.Response:
    """PATCH /subscriptions/{id} (5.8.2)."""
    parts = request.app[PARTS]
    call = await read_call(request, body=True, taken=(*JSON_MEDIA, MERGE_PATCH))
    subscription_id = check_id(request.match_info["id"], "a subscription's id")
    patch = _object(call.body)
    if not patch.keys() - {"@context"}:
        raise BadRequestDataError(detail="the body has nothing to change")
    if patch.get("id", subscription_id) != subscription_id:
        raise BadRequestDataError(detail="a subscription's id cannot be changed")
    source = source_of(patch, call)
    patch = provided(patch)
    await parts.reader.check_tenant(call.tenant)
    for _ in range(_ATTEMPTS):
        rows = await parts.reader.rows("read_subscriptions", call.tenant, subscription_id)
        if not rows:
            raise NotFoundError(detail=f"there is no subscription {subscription_id}")
        if await _replace(parts, call, rows[0], await _changed(parts, call, rows[0], patch, source)):
            parts.delivery.look_at_the_clock()
            parts.delivery.changed((call.tenant, subscription_id))
            return done(call)
    raise ConflictError(detail=f"others keep changing the subscription {subscription_id}; try again")


async def _changed(
    parts: Parts, call: Call, row: asyncpg.Record, patch: Mapping[str, Any], source: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a subscription's document and stored context as a patch leaves them.

    This may fetch and ask the pool, so no connection is held meanwhile.
    """
    given, before = orjson.loads(row["doc"]), orjson.loads(row["context"])
    context = await parts.contexts.resolve(before["source"] if source is None else source)
    names = Recorder(context)
    names.known.update(names_kept(given, patch, before["names"]))
    if any(context.expand(name) != iri for name, iri in names.known.items()):
        patch = expanded(patch, context)  # whose names mean something else than those that stay
    doc = {**resumed(patched(given, patch), patch, _status(row)), "id": row["id"]}
    subscription = compile_subscription(doc, names)
    check_written(doc, subscription)
    await _check(parts, subscription, dated="expiresAt" in patch)
    return doc, await _with_context(parts, call, doc, context, names)


async def _replace(
    parts: Parts, call: Call, read: asyncpg.Record, changed: tuple[dict[str, Any], dict[str, Any]]
) -> bool:
    """Write a subscription; False if somebody else has changed or removed it since it was read."""
    doc, context = changed
    async with parts.pool.acquire() as connection, connection.transaction():
        await store.subscriptions_version(connection, call.tenant, create=not call.tenant)
        row = await connection.fetchrow(SQL["lock_subscription"], call.tenant, read["id"])
        # the clock is too coarse to tell by modified_at alone
        if row is None or any(row[column] != read[column] for column in ("modified_at", "doc", "context")):
            return False
        await connection.execute(
            SQL["update_subscription"],
            call.tenant,
            read["id"],
            _json(doc),
            _json(context),
            now(),
            doc.get("timeInterval"),
        )
        await connection.execute(SQL["touch_subscriptions"], call.tenant)
    return True


async def delete_subscription(request: web.Request) -> web.Response:
    """DELETE /subscriptions/{id} (5.8.5)."""
    parts = request.app[PARTS]
    call = await read_call(request)
    subscription_id = check_id(request.match_info["id"], "a subscription's id")
    async with parts.pool.acquire() as connection, connection.transaction():
        await store.subscriptions_version(connection, call.tenant, create=not call.tenant)
        deleted = await connection.fetchval(SQL["delete_subscription"], call.tenant, subscription_id)
        if deleted is None:
            raise NotFoundError(detail=f"there is no subscription {subscription_id}")
        await connection.execute(SQL["touch_subscriptions"], call.tenant)
    parts.delivery.changed((call.tenant, subscription_id))
    return done(call)


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise BadRequestDataError(detail="a subscription must be a JSON object")
    return body


async def _check(parts: Parts, subscription: Subscription, *, dated: bool) -> None:
    """Check what cannot be read off the document: addresses, patterns, the present.

    Args:
        parts: the broker's parts.
        subscription: what was read.
        dated: whether the request says when it expires.
    """
    if dated and subscription.expires_at is not None and subscription.expires_at <= now():
        raise BadRequestDataError(detail="expiresAt is in the past")
    await parts.endpoints.check(subscription.notification.endpoint.uri)
    patterns = [selector.id_pattern for selector in subscription.selectors if selector.id_pattern is not None]
    if subscription.q is not None:
        patterns += patterns_of(subscription.q)
    for pattern in patterns:
        await parts.reader.check_pattern(pattern)


async def _with_context(
    parts: Parts, call: Call, doc: Mapping[str, Any], context: Context, names: Recorder
) -> dict[str, Any]:
    """Return what is stored beside a document: its @context, that of its notifications, and its names.

    Raises:
        BadRequestDataError: the author's jsonldContext is no URI.
        ContextNotAvailableError: it cannot be had.
    """
    given = doc.get("jsonldContext")
    if given is not None:
        await parts.contexts.resolve(check_id(given, "jsonldContext"))
    return {
        "source": context.source,
        "shown": context.source if given is None else given,
        "url": await _context_url(parts, call, context),
        "names": names.known,
    }


async def _context_url(parts: Parts, call: Call, context: Context) -> str:
    """Return a URL for the context, as the Link header of notifications needs one.

    One that came inside the body has none: it is created implicitly (5.13.1) and served by the broker.
    """
    if context.source is None:
        return CORE_CONTEXT_URL
    if context.url is not None:
        return context.url
    return call.origin + await parts.keep_context(call.tenant, context.source)


async def _context_for(parts: Parts, call: Call, row: asyncpg.Record) -> Context:
    """Return the reader's @context; where it names none, core terms alone or the type's default."""
    return await parts.context(call, named_types(orjson.loads(row["doc"])))


def _shown(row: asyncpg.Record, call: Call, context: Context) -> dict[str, Any]:
    doc, stored_context = orjson.loads(row["doc"]), orjson.loads(row["context"])
    shown = shown_doc(doc, stored_context["names"], context)
    if isinstance(stored_context["source"], dict | list):  # then the broker created one implicitly
        shown.setdefault("jsonldContext", stored_context["url"])
    shown["status"] = _status(row)
    notification = shown["notification"]
    times = {
        "lastNotification": row["last_notification"],
        "lastSuccess": row["last_success"],
        "lastFailure": row["last_failure"],
    }
    counters = {"timesSent": row["times_sent"], "timesFailed": row["times_failed"]}
    notification.update({name: count for name, count in counters.items() if count})
    notification.update({name: timestamp(moment) for name, moment in times.items() if moment is not None})
    failure, success = row["last_failure"], row["last_success"]
    if row["last_notification"] is not None:
        failed = failure is not None and (success is None or failure > success)
        notification["status"] = "failed" if failed else "ok"
    if "sysAttrs" in call.options:
        shown["createdAt"], shown["modifiedAt"] = timestamp(row["created_at"]), timestamp(row["modified_at"])
    return {"id": shown.pop("id"), "type": shown.pop("type"), **shown}


def _status(row: asyncpg.Record) -> str:
    known = read_known(row)
    return "paused" if known is None else status(known.subscription, now())


def _preference(call: Call) -> list[tuple[str, str]]:
    """Return the header that says which version is answered (6.3.6); all show subscriptions alike."""
    version = preferred(call.preferences)
    return [] if version is None else [("Preference-Applied", f"ngsi-ld={version[0]}.{version[1]}")]


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
