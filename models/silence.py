# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""That a device fell silent, or speaks again: what the registry tells the broker of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class Silence:
    """A device is silent, or was. It says all that is needed: the device may be gone by then.

    Attributes:
        device_id: the device's id.
        name: what people call it.
        entity_type: Smart Data Models type that it feeds; None: not known any more.
        coordinates: longitude and latitude of where it hangs, where known.
        simulated: no reading of it is real.
        since: when it was heard last, UTC.
        issued: when that became a silence, UTC.
        interval: seconds from one of its messages to the next, usually or as declared.
        over: when it was over, UTC; None: it lasts.
    """

    device_id: str
    name: str
    entity_type: str | None
    coordinates: tuple[float, float] | None
    simulated: bool
    since: datetime
    issued: datetime
    interval: float
    over: datetime | None = None

    def to_json(self) -> bytes:
        """Write it as a message's payload."""
        return orjson.dumps(asdict(self))

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Silence:
        """Read what `to_json` wrote.

        Raises:
            KeyError: something is missing.
            ValueError: a time is none.
        """
        moments = {
            name: members[name] and datetime.fromisoformat(members[name])
            for name in ("since", "issued", "over")
        }
        place = members["coordinates"]
        return cls(**{**members, **moments, "coordinates": place and (place[0], place[1])})
