# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The update that says no more than when a device was heard: the most frequent one of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from models.devices import Device
from models.entity import LAST_SEEN
from models.reading import EntityUpdate
from models.values import rfc3339

if TYPE_CHECKING:
    from datetime import datetime

    from models.reading import Rest

_TYPE = Device.__name__


def last_seen(device_urn: str, at: datetime, rest: Rest) -> EntityUpdate:
    """Say when a device was heard last.

    Args:
        device_urn: the Device's id.
        at: when that was, UTC.
        rest: what stays the same of the Device.
    """
    body = {
        "id": device_urn,
        "type": _TYPE,
        LAST_SEEN: {"type": "Property", "value": {"@type": "DateTime", "@value": rfc3339(at)}},
    }
    return EntityUpdate(
        id=device_urn,
        type=_TYPE,
        subject=Device.subject,
        observed_at=at,
        head=orjson.dumps(body)[:-1],
        rest=rest,
    )
