# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How long entities and attributes are kept: their `expiresAt` (CIM 009, clause 4.22)."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broker.embedded.entities import Instance
    from broker.embedded.merging import Stored


def is_expired(instance: Instance, moment: datetime) -> bool:
    """Say whether an attribute's instance is there no longer (clause 4.22)."""
    return "expiresAt" in instance and instant(instance["expiresAt"]) <= moment


def is_transient(stored: Stored) -> bool:
    """Say whether any of an entity's attributes ever expires."""
    for instances in stored.attributes.values():
        for each in instances:
            if "expiresAt" in each:
                return True
    return False


def due_at(stored: Stored) -> datetime | None:
    """Return when something of an entity expires, itself or an attribute; None: never."""
    moments = [
        instant(instance["expiresAt"])
        for instances in stored.attributes.values()
        for instance in instances
        if "expiresAt" in instance
    ]
    if stored.expires_at is not None:
        moments.append(stored.expires_at)
    return min(moments, default=None)


@lru_cache(maxsize=1024)
def instant(text: str) -> datetime:
    """Return the moment that an RFC 3339 text names, in UTC."""
    moment = datetime.fromisoformat(text.replace(",", "."))
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # the first or the last hours of the calendar, in another zone
        return moment.replace(tzinfo=UTC)
