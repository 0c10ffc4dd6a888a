# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The operators' page (`/betrieb`) and what it shows (`/api/operations`): what is wrong now, and what to do.

The page itself says nothing of the city; its numbers need the operator's key, as the device API does.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from aiohttp import web

from adapters.profiles import load_profiles
from broker.client import NgsiLdClient, NgsiLdError
from compose import advice
from compose.api_access import Access, RefusedError
from compose.device_health import last_day_of, shown
from models.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.journal.port import Letter
    from compose.platform import Platform

_FOLDER = Path(__file__).parent / "betrieb"
_FILES = {"page.css": "text/css", "page.js": "text/javascript"}
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_LETTERS = 100
_DEVICES = 200
_SUBSCRIPTIONS = 500
_PORTAL_S = 3.0


def operations_routes(platform: Platform) -> list[web.RouteDef]:
    """Return what is served.

    Raises:
        ConfigurationError: a key cannot be read.
    """
    access = Access(platform.settings.web)

    async def page(_: web.Request) -> web.Response:
        text = (_FOLDER / "page.html").read_text(encoding="utf-8")
        return web.Response(text=text, content_type="text/html", headers=_PAGE_HEADERS)

    async def file(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in _FILES:
            raise web.HTTPNotFound
        text = (_FOLDER / name).read_text(encoding="utf-8")
        return web.Response(text=text, content_type=_FILES[name], headers=_PAGE_HEADERS)

    async def operations(request: web.Request) -> web.Response:
        try:
            access.admit(request)
        except RefusedError as refusal:
            return refusal.response()
        try:
            picture = await look(platform)
        except StoreError as error:
            status = platform.status()
            picture = {"status": status.as_json(), "advice": [advice.store(str(error)).as_json()]}
        return web.Response(
            body=orjson.dumps(picture), content_type="application/json", headers={"Cache-Control": "no-store"}
        )

    return [
        web.get("/betrieb", page),
        web.get("/betrieb/{name}", file),
        web.get("/api/operations", operations),
    ]


async def look(platform: Platform) -> dict[str, Any]:
    """Return how everything is, as JSON.

    Raises:
        StoreError: PostgreSQL is away.
    """
    now = datetime.now(UTC)
    status = platform.status()
    heard = await platform.journal.activities()
    profiles = load_profiles(platform.settings.profiles)
    health = last_day_of(platform.registry.devices.values(), profiles, heard, now)
    letters = await platform.journal.dead_letters(limit=_LETTERS)
    subscriptions, subscriptions_error = await _subscriptions(platform)
    portal = await _portal(platform)
    silent = [device for device, last_day in health if last_day.silent_since]
    known = [last_day for _, last_day in health if last_day.share is not None]
    expected = sum(each.received + each.missed for each in known)
    share = sum(each.received for each in known) / expected if expected else None
    failing = [each for each in subscriptions if each["failing"]]
    given = [
        *advice.flow(status),
        *advice.portal(portal),
        *advice.letters(status.dead_letters),
        *advice.devices(len(silent), share),
        *advice.subscriptions(failing),
    ]
    return {
        "city": platform.settings.city,
        "now": now,
        "status": status.as_json(),
        "advice": [each.as_json() for each in given],
        "devices": {
            "registered": len(health),
            "silent": len(silent),
            "complete": share,
            "worst": [
                {
                    **shown(device, last_day),
                    "lastSeen": heard[device.id].last_seen if device.id in heard else None,
                }
                for device, last_day in health[:_DEVICES]
            ],
        },
        "letters": [_letter(each) for each in letters],
        "subscriptions": subscriptions,
        "subscriptionsError": subscriptions_error,
        "portal": portal,
    }


async def _subscriptions(platform: Platform) -> tuple[list[dict[str, Any]], str | None]:
    settings, found = platform.settings.broker, []
    token = settings.token.read() if settings.url and settings.token else None
    if settings.url is None and settings.embedded.write_keys:
        token = settings.embedded.write_keys[0].read()
    kind = "embedded" if settings.url is None else settings.kind
    try:
        async with NgsiLdClient(
            platform.addresses.broker, kind=kind, tenant=settings.tenant, token=token, timeout=5.0
        ) as client:
            async for each in client.subscriptions():
                found.append(_subscription(each))
                if len(found) >= _SUBSCRIPTIONS:
                    break
    except NgsiLdError as error:
        return [], str(error)
    return sorted(found, key=lambda each: (not each["failing"], each["name"])), None


def _subscription(body: Mapping[str, Any]) -> dict[str, Any]:
    notification = body.get("notification") or {}
    endpoint = (notification.get("endpoint") or {}).get("uri", "")
    success, failure = notification.get("lastSuccess"), notification.get("lastFailure")
    active = body.get("isActive", True) and body.get("status", "active") in {"active", "ok"}
    return {
        "id": body.get("id", ""),
        "name": body.get("subscriptionName") or str(body.get("id", "")).rpartition(":")[2],
        "endpoint": endpoint.partition("/notified/")[0],  # what follows is a secret
        "status": body.get("status", ""),
        "timesSent": notification.get("timesSent", 0),
        "timesFailed": notification.get("timesFailed", 0),
        "lastSuccess": success,
        "lastFailure": failure,
        "failing": not active or bool(failure and (not success or failure > success)),
    }


async def _portal(platform: Platform) -> dict[str, Any] | None:
    port = platform.addresses.portal_port
    if port is None:
        return None
    scheme = "https" if platform.settings.portal.tls else "http"
    found: dict[str, Any] = {"url": platform.addresses.portal, "well": False, "reason": None}
    timeout = aiohttp.ClientTimeout(total=_PORTAL_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            address = f"{scheme}://127.0.0.1:{port}/healthz"
            async with session.get(address, ssl=False) as answer:
                found["well"] = answer.status == 200  # noqa: PLR2004 - OK
                if not found["well"]:
                    found["reason"] = f"HTTP {answer.status}"
    except (aiohttp.ClientError, TimeoutError) as error:
        found["reason"] = str(error) or type(error).__name__
    return found


def _letter(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "kind": letter.kind,
        "device": letter.device_id,
        "source": letter.source,
        "topic": letter.topic,
        "reason": letter.sentence,
        "receivedAt": letter.received_at,
    }
