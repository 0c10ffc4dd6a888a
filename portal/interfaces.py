# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Every interface of the portal, but for the gateway and the files that belong to the server itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal import atom, catalogue, described, features, live_events, open_data, openapi, pages, sensorthings
from portal.exports import serving as files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiohttp import web

    from portal.office import Office

INTERFACES: tuple[Callable[[Office], Iterable[web.AbstractRouteDef]], ...] = (
    pages.routes,
    described.routes,
    open_data.routes,
    catalogue.routes,
    files.routes,
    features.routes,
    sensorthings.routes,
    atom.routes,
    openapi.routes,
    live_events.routes,
)
