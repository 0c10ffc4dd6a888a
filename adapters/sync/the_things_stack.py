# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The Things Stack v3: the devices of an application, from its identity server.

Source: the stack's `api/ttn/lorawan/v3/end_device_services.proto` (`EndDeviceRegistry.List`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from adapters.sync.listing import Api, Listed, ListingError, position, text, texts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from models.uplink import Position

_PAGE = 500
_FIELDS = "name,attributes,version_ids,locations"
_DEV_EUI = re.compile(r"[0-9a-f]{16}")
_PREFERRED = ("user", "frm-payload")


def api(url: str, token: str) -> Api:
    """Return The Things Stack's API; the token is one of its API keys."""
    return Api(url, {"Authorization": f"Bearer {token}"})


async def devices(server: Api, application: str) -> AsyncIterator[Listed]:
    """Yield the devices of an application (its id).

    Raises:
        ListingError: the server does not list them.
    """
    path = f"/api/v3/applications/{quote(application, safe='')}/devices"
    number = 0
    seen: set[str] = set()
    while True:
        number += 1
        page = await server.get(path, field_mask=_FIELDS, limit=_PAGE, page=number)
        rows = page.get("end_devices") or []  # what is empty is left out
        if not isinstance(rows, list):
            msg = "The Things Stack's list of devices has no end_devices that is a list"
            raise ListingError(msg)
        # Servers may give less a page than they were asked for: the end is a page without news.
        news = [listed for row in rows if (listed := _listed(row)).id not in seen]
        if not news:
            return
        for listed in news:
            seen.add(listed.id)
            yield listed


def _listed(row: Any) -> Listed:
    ids = _mapping(_mapping(row).get("ids"))
    name = text(ids.get("device_id"))
    dev_eui = (text(ids.get("dev_eui")) or "").lower()
    if name is None:
        msg = "The Things Stack lists a device without a device_id"
        raise ListingError(msg)
    version = _mapping(row.get("version_ids"))
    model = tuple(part for key in ("brand_id", "model_id") if (part := text(version.get(key))))
    return Listed(
        # As uplinks name it: adapters/networks/the_things_stack.py.
        id=dev_eui if _DEV_EUI.fullmatch(dev_eui) else name,
        name=text(row.get("name")) or name,
        model=model if len(model) == 2 else (),  # noqa: PLR2004 - brand and model
        tags=texts(row.get("attributes")),
        position=_place(_mapping(row.get("locations"))),
    )


def _place(locations: dict[str, Any]) -> Position | None:
    """Return where people said that it is, else where it said so itself."""
    for name in _PREFERRED:
        where = _mapping(locations.get(name))
        # What is 0 is left out.
        if where and (
            found := position(where.get("latitude", 0), where.get("longitude", 0), where.get("altitude"))
        ):
            return found
    return None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
