# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""ChirpStack v4 through its REST proxy (`chirpstack-rest-api`).

ChirpStack has no field for the place of a device: it is read from the tags `latitude` and `longitude` (or
`lat` and `lon`). A page lists names and profiles; the tags are asked for device by device where it has
none. Source: ChirpStack's `api/proto/api/device.proto`.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from adapters.sync.listing import Api, Listed, ListingError, position, text, texts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_PAGE = 100
_AT_ONCE = 8
_DEV_EUI = re.compile(r"[0-9a-f]{16}")
_PLACES = (("latitude", "longitude", "altitude"), ("lat", "lon", "alt"), ("lat", "lng", "alt"))


def api(url: str, token: str) -> Api:
    """Return ChirpStack's API; the token is one of its API keys."""
    return Api(url, {"Grpc-Metadata-Authorization": f"Bearer {token}"})


async def devices(server: Api, application: str) -> AsyncIterator[Listed]:
    """Yield the devices of an application (its UUID).

    Raises:
        ListingError: the server does not list them.
    """
    offset = 0
    total = 1
    while offset < total:
        page = await server.get("/api/devices", applicationId=application, limit=_PAGE, offset=offset)
        rows = page.get("result") or []
        total = _total(page)
        if not isinstance(rows, list):
            msg = "ChirpStack's list of devices has no result that is a list"
            raise ListingError(msg)
        gate = asyncio.Semaphore(_AT_ONCE)
        for listed in await asyncio.gather(*(_listed(server, row, gate) for row in rows)):
            if listed is not None:
                yield listed
        if not rows:
            break
        offset += len(rows)


def _total(page: Mapping[str, Any]) -> int:
    try:
        return int(page.get("totalCount") or 0)
    except (TypeError, ValueError) as error:
        msg = "ChirpStack's list of devices has no totalCount that is a number"
        raise ListingError(msg) from error


async def _listed(server: Api, row: Any, gate: asyncio.Semaphore) -> Listed | None:
    name = str(row.get("devEui", "")).lower() if isinstance(row, dict) else ""
    if not _DEV_EUI.fullmatch(name):
        msg = "ChirpStack lists a device without a devEui"
        raise ListingError(msg)
    tags = row.get("tags")
    if tags is None:
        async with gate:
            try:
                whole = await server.get(f"/api/devices/{name}")
            except ListingError as error:
                if error.gone:
                    return None  # it was deleted a moment ago
                raise
        device = whole.get("device")
        tags = device.get("tags") if isinstance(device, dict) else None
    known = texts(tags)
    profile = text(row.get("deviceProfileName"))
    return Listed(
        id=name,
        name=text(row.get("name")),
        model=(profile,) if profile else (),
        tags=known,
        position=_place(known),
    )


def _place(tags: Mapping[str, str]) -> Any:
    lower = {key.lower(): value for key, value in tags.items()}
    found = (position(*(lower.get(name) for name in names)) for names in _PLACES)
    return next((place for place in found if place is not None), None)
