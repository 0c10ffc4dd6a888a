# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What this broker leaves to others: context sources, entity maps, snapshots.

CIM 009, clauses 5.9 to 5.11, 5.14 and 5.16.

A request is still read as any other, so that a wrong one hears what is wrong with it (6.3.4, 6.3.5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from broker.embedded.parts import PARTS
from broker.embedded.problems import NotSupportedError
from broker.embedded.requests import JSON_MEDIA, MERGE_PATCH, read_call, source_of

if TYPE_CHECKING:
    from aiohttp import web

_WITH_BODY = frozenset({"POST", "PATCH", "PUT"})


async def not_here(request: web.Request) -> NoReturn:
    """Answer 501 to a request that is right as far as can be said."""
    words = {word for name in ("options", "format") for word in request.query.get(name, "").split(",")}
    call = await read_call(
        request,
        parameters=frozenset(request.query),
        options=words,
        body=request.method in _WITH_BODY,
        taken=(*JSON_MEDIA, MERGE_PATCH),
    )
    await request.app[PARTS].contexts.resolve(source_of(call.body, call))
    raise NotSupportedError(
        detail=f"{request.path} is a part of the standard that this broker does not have:"
        " it keeps entities of its own and asks no other broker"
    )
