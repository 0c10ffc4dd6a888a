# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Which context source this is (CIM 009, clauses 5.2.40, 5.15.1 and 6.33)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from broker.embedded.merging import now, timestamp
from broker.embedded.parts import PARTS
from broker.embedded.requests import answer, read_call

if TYPE_CHECKING:
    from datetime import timedelta

    from aiohttp import web

_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://uri.etsi.org/ngsi-ld/ContextSourceIdentity")


async def source_identity(request: web.Request) -> web.Response:
    """GET /info/sourceIdentity (5.15.1); each tenant is a source of its own."""
    parts = request.app[PARTS]
    call = await read_call(request)
    await parts.reader.check_tenant(call.tenant)
    context = await parts.context(call)
    # the database has been there since a moment that no other one has been there since
    (first,) = await parts.reader.rows("tenant_since", "")
    identity = uuid.uuid5(_SPACE, f"{first['created_at'].isoformat()} {call.tenant}")
    moment = now()
    body = {
        "id": f"urn:ngsi-ld:ContextSourceIdentity:{identity}",
        "type": "ContextSourceIdentity",
        "contextSourceAlias": f"volme-{identity}",
        "contextSourceUptime": _duration(moment - parts.started),
        "contextSourceTimeAt": timestamp(moment),
    }
    return answer(call, body, context)


def _duration(time: timedelta) -> str:
    """Return a duration as ISO 8601 writes it."""
    hours, seconds = divmod(time.seconds, 3600)
    return f"P{time.days}DT{hours}H{seconds // 60}M{seconds % 60}S"
