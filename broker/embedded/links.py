# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The Link headers of NGSI-LD: the @context, and the next and previous page (clauses 6.3.5, 6.3.10)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from broker.embedded.problems import BadRequestDataError
from broker.embedded.vocabulary import CORE_CONTEXT_URL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONTEXT_RELATION = "http://www.w3.org/ns/json-ld#context"

_LINK = re.compile(r"<([^>]*)>((?:\s*;\s*[A-Za-z]+\s*=\s*(?:\"[^\"]*\"|[^\s;,\"]+))*)")
_RELATION = re.compile(r";\s*rel\s*=\s*\"?([^\"\s;]+)", re.IGNORECASE)


def context_of(headers: Iterable[str]) -> str | None:
    """Return the URL of the @context that Link headers name; None if they name none.

    Raises:
        BadRequestDataError: they name several, or one that is empty.
    """
    found = [
        url
        for header in headers
        for url, parameters in _LINK.findall(header)
        if (relation := _RELATION.search(parameters)) and relation.group(1) == CONTEXT_RELATION
    ]
    if len(found) > 1:
        raise BadRequestDataError(detail="the Link header names more than one @context")
    if found and not found[0].strip():
        raise BadRequestDataError(detail="the Link header's @context has no address")
    return found[0].strip() if found else None


def context_link(url: str | None) -> str:
    """Return the Link header for an answer without an @context of its own."""
    return f'<{url or CORE_CONTEXT_URL}>; rel="{CONTEXT_RELATION}"; type="application/ld+json"'


def page_links(
    path: str, parameters: Mapping[str, str], *, limit: int, offset: int, more: bool, media: str
) -> list[str]:
    """Return the Link headers to the next and the previous page, where there are such.

    One page has one address: its parameters are in order, and nothing is escaped that a query may hold
    and a list of links does not take for its own.
    """
    if limit == 0:
        return []  # nothing but the number is asked for (clause 4.13)
    targets = []
    if more:
        targets.append(("next", offset + limit))
    if offset > 0:
        targets.append(("prev", max(0, offset - limit)))
    links = []
    for relation, start in targets:
        every = {**parameters, "limit": str(limit), "offset": str(start)}
        query = urlencode(sorted(every.items()), safe="/:*", quote_via=quote)
        links.append(f'<{path.rstrip("/")}?{query}>;rel="{relation}";type="{media}"')
    return links
