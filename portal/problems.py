# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How the portal says no where no other standard says how: ProblemDetails (RFC 9457)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

_NGSI_LD = "https://uri.etsi.org/ngsi-ld/errors/"


def problem(
    status: int,
    title: str,
    detail: str,
    *,
    name: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return an answer that says why not.

    Args:
        status: of HTTP.
        title: of the kind of problem, the same each time.
        detail: of this one, a sentence.
        name: of the error in CIM 009 (clause 6.3.2); None: it is none of NGSI-LD's.
        headers: go out beside it.
    """
    return web.Response(
        status=status,
        body=orjson.dumps(
            {
                "type": "about:blank" if name is None else f"{_NGSI_LD}{name}",
                "title": title,
                "status": status,
                "detail": detail,
            }
        ),
        content_type="application/problem+json",
        headers=headers,
    )


def unavailable(sentence: str, retry_after: float | None = None) -> web.Response:
    """Return that the broker cannot be asked now."""
    return problem(
        503,
        "The data cannot be reached at the moment",
        sentence,
        headers={"Retry-After": str(round(retry_after or 10))},
    )
