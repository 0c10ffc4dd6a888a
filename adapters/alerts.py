# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A device's silence becomes an Alert, and its end becomes the Alert's.

One entity a device, `urn:ngsi-ld:Alert:<city>:<device>:silence`. While the device is silent `severity` is
`medium` and `validTo` lies far ahead; when it is over, `severity` is `informational` and `validTo` says since
when: NGSI-LD's batch operations leave an attribute as it was that is not sent, so both are always sent.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from adapters.build import entity_id, sentence
from models.alert import Alert
from models.errors import InvalidEntityError
from models.ngsild import normalize, to_json
from models.reading import EntityUpdate
from models.silence import Silence
from models.types import TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SILENT: Final = "medium"
OVER: Final = "informational"
#: The end of an alert that lasts.
UNTIL_FURTHER_NOTICE: Final = datetime(2999, 12, 31, tzinfo=UTC)

_SUFFIX: Final = ":silence"
_MEASURED: Final = ("severity", "validTo")
# The schema's categories are those of dangers; by the subject of what the device feeds.
_CATEGORIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Agrifood": "agriculture",
        "Parking": "traffic",
        "Transportation": "traffic",
        "UrbanMobility": "traffic",
        "Weather": "weather",
    }
)
_ELSE: Final = "environment"
_MINUTE_S, _HOUR_S = 60, 3600


def alert_id(city: str, device_id: str) -> str:
    """Return the id of the alert of a device's silence."""
    return entity_id("Alert", city, f"{device_id}{_SUFFIX}")


def silence_alert(members: Mapping[str, Any], city: str) -> EntityUpdate:
    """Make the entity of a silence, or of its end.

    Args:
        members: the message's payload (`models/silence.py`).
        city: in the entities' ids.

    Raises:
        InvalidEntityError: it breaks the Smart Data Model.
    """
    silence = Silence.of(members)
    urn = alert_id(city, silence.device_id)
    try:
        alert = Alert.model_validate(
            {
                "id": urn,
                "type": "Alert",
                "name": f"Funkstille: {silence.name}",
                "description": _description(silence),
                "category": _category(silence.entity_type),
                "severity": SILENT if silence.over is None else OVER,
                "alertSource": entity_id("Device", city, silence.device_id),
                "dateIssued": silence.issued,
                "validFrom": silence.since,
                "validTo": silence.over or UNTIL_FURTHER_NOTICE,
                "location": silence.coordinates
                and {"type": "Point", "coordinates": list(silence.coordinates)},
                "source": "simulation" if silence.simulated else None,
            }
        )
    except ValidationError as error:
        raise InvalidEntityError(sentence("Alert", urn, error), device_id=silence.device_id) from None
    at = silence.over or silence.issued
    return EntityUpdate(
        id=urn,
        type="Alert",
        subject=Alert.subject,
        observed_at=at,
        measured=_MEASURED,
        head=to_json(normalize(alert, dict.fromkeys(_MEASURED, at)))[:-1],
    )


def _category(entity_type: str | None) -> str:
    model = TYPES.get(entity_type or "")
    return _CATEGORIES.get(model.subject, _ELSE) if model else _ELSE


def _description(silence: Silence) -> str:
    since = f"{silence.since:%d.%m.%Y %H:%M} UTC"
    if silence.over is not None:
        over = f"{silence.over:%d.%m.%Y %H:%M} UTC"
        return (
            f"{silence.name} hatte sich seit {since} nicht gemeldet; vorbei seit {over}. /"
            f" {silence.name} had been silent since {since}; over since {over}."
        )
    return (
        f"{silence.name} hat sich zuletzt {since} gemeldet, sonst etwa alle {_span(silence.interval)}. /"
        f" {silence.name} was heard last {since}, usually about every {_span(silence.interval)}."
    )


def _span(seconds: float) -> str:
    if seconds >= 2 * _HOUR_S:
        return f"{seconds / _HOUR_S:.0f} h"
    return f"{seconds / _MINUTE_S:.0f} min" if seconds >= 2 * _MINUTE_S else f"{seconds:.0f} s"
