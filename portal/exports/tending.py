# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Making the files of days and months as soon as they are over."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from models.errors import VolmeError
from portal.exports.formats import formats
from portal.exports.listing import DAYS, MONTHS, USUAL, shelf_of, store_of
from portal.exports.spans import last_days, last_months
from portal.exports.store import MOST_BYTES

if TYPE_CHECKING:
    from portal.exports.store import Shelf, Store
    from portal.office import Office

log = structlog.get_logger(__name__)

_ROUND_S = 600.0


async def tend(office: Office, *, most_bytes: int = MOST_BYTES) -> None:
    """Make the files of days and months as soon as they are over, and look at them again for a week.

    Runs until it is cancelled.

    Args:
        office: the portal's.
        most_bytes: what all files may take of the disk; beyond, those go first that nobody asked for the
            longest time.
    """
    store = store_of(office)
    store.most_bytes = most_bytes
    shelves = [
        shelf_of(office, view, dataset)
        for view in (office.public, *office.partners.values())
        for dataset in view.datasets
    ]
    await asyncio.to_thread(store.clean, shelves)
    try:
        while True:
            for shelf in shelves:
                await _tend(store, shelf)
            await asyncio.sleep(_ROUND_S)
    finally:
        await store.close()


async def _tend(store: Store, shelf: Shelf) -> None:
    """Make what is due of a dataset; what cannot be made now is left for the next round."""
    now = datetime.now(UTC)
    usual = {extension for extension in USUAL if extension in formats()}
    try:
        for span in (*last_days(now, DAYS), *last_months(now, MONTHS)):
            kept = store.all_kept(shelf, span)
            missing = usual - kept.keys()
            due = {name for name, each in kept.items() if span.due(each.checked, now)}
            if (missing or due) and not store.empty(shelf, span, now):
                await store.made(shelf, span, sorted(missing | due))
    except (VolmeError, OSError) as error:
        log.info("files.postponed", dataset=shelf.dataset.name, reason=str(error))
