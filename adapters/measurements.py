# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Readings that no attribute takes: each becomes a DeviceMeasurement, so that the broker has them all.

One entity a device and quantity, `urn:ngsi-ld:DeviceMeasurement:<city>:<device>:<quantity>`. Numbers are in
`numValue`, in the quantity's unit, texts in `textValue`. The Smart Data Model has no boolean: true and false
are the texts, and 1 and 0 beside them, which can be averaged and drawn.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson
from msgspec import Struct
from pydantic import ValidationError

from adapters.build import entity_id, point, sentence
from adapters.shapes import stamp_of
from models.devices import DeviceMeasurement
from models.errors import InvalidEntityError
from models.ngsild import normalize, to_json
from models.reading import EntityUpdate, Written
from models.values import rfc3339
from ontology.loader import clean, quantities

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from models.device import Device
    from models.reading import Reading
    from models.uplink import Position, Uplink

MEASUREMENT: Final = "DeviceMeasurement"

# Devices times quantities whose unchanging part is kept, some 900 bytes each.
_KEPT = 16_384
_NUMBER: Final = ("numValue",)
_TEXT: Final = ("textValue",)
_BOTH: Final = ("numValue", "textValue")


def measurements(
    readings: Iterable[Reading], device: Device, uplink: Uplink, *, city: str
) -> Iterator[EntityUpdate | InvalidEntityError]:
    """Make the entities, in the order of the readings.

    Args:
        readings: plausible ones, of each quantity and moment at most one.
        device: that measured them.
        uplink: by which it said so.
        city: in the entities' ids.
    """
    position = device.position or uplink.position
    name = device.name or uplink.name or device.id
    source = "simulation" if device.simulated else None
    for reading in readings:
        try:
            kept = _unchanging(reading.quantity, city, device.id, name, position, source)
        except InvalidEntityError as problem:
            problem.device_id = device.id
            yield problem
        else:
            yield _update(reading, kept)


class _Kept(Struct, frozen=True, kw_only=True, gc=False):
    """What stays the same of what one device measures of one quantity.

    Attributes:
        number: the entity with a number, without the closing brace: gaps for the number and two times.
        rest: what is not said each time.
    """

    id: str
    number: bytes
    rest: Written


def _update(reading: Reading, kept: _Kept) -> EntityUpdate:
    value = reading.value
    if reading.quality is None and (type(value) is float or type(value) is int):  # what nearly all are
        stamp = stamp_of(reading.observed_at)
        head = kept.number % (orjson.dumps(clean(value)), stamp, stamp)
        measured: tuple[str, ...] = _NUMBER
    else:
        head = _head(kept.id, value, reading.unit, rfc3339(reading.observed_at), reading.quality)
        measured = _BOTH if isinstance(value, bool) else _TEXT if isinstance(value, str) else _NUMBER
    return EntityUpdate(
        id=kept.id,
        type=MEASUREMENT,
        subject=DeviceMeasurement.subject,
        observed_at=reading.observed_at,
        measured=measured,
        head=head,
        rest=kept.rest,
    )


def _head(id_: str, value: Any, unit: str | None, stamp: str, quality: str | None = None) -> bytes:
    body: dict[str, Any] = {"id": id_, "type": MEASUREMENT}
    if value is _GAP or not isinstance(value, str):
        number: Any = value if isinstance(value, str) else clean(value)
        body["numValue"] = {"type": "Property", "value": number, "observedAt": stamp}
        if unit is not None:
            body["numValue"]["unitCode"] = unit
    if isinstance(value, str | bool) and value is not _GAP:
        text = value if isinstance(value, str) else str(value).lower()
        body["textValue"] = {"type": "Property", "value": text, "observedAt": stamp}
    if quality is not None:
        for name in _BOTH:
            if name in body:
                body[name]["quality"] = {"type": "Property", "value": quality}
    body["dateObserved"] = {"type": "Property", "value": {"@type": "DateTime", "@value": stamp}}
    return to_json(body)[:-1]


# No measurement is this.
_GAP: Final = "\u2423gap"
_STAMP: Final = "\u2423stamp"


def _number(id_: str, unit: str | None) -> bytes:
    """Return an entity with a number, with gaps."""
    written = _head(id_, _GAP, unit, _STAMP).replace(b"%", b"%%")
    return written.replace(orjson.dumps(_GAP), b"%b").replace(_STAMP.encode(), b"%b")


@lru_cache(maxsize=_KEPT)
def _unchanging(  # noqa: PLR0917 - all that it depends on, and each part can be compared
    name: str, city: str, device_id: str, device_name: str, position: Position | None, source: str | None
) -> _Kept:
    """Return what stays the same of what one device measures of one quantity.

    Raises:
        InvalidEntityError: they break the Smart Data Model.
    """
    quantity = quantities()[name]
    id_ = entity_id(MEASUREMENT, city, f"{device_id}:{name}")
    try:
        entity = DeviceMeasurement.model_validate(
            {
                "id": id_,
                "name": f"{device_name}: {quantity.label_de}",
                "description": f"{quantity.label_de} / {quantity.label_en}",
                "measurementType": name,
                "controlledProperty": quantity.controlled,
                "unit": quantity.unit,
                "deviceType": "sensor",
                "refDevice": entity_id("Device", city, device_id),
                "location": point(position),
                "source": source,
            }
        )
    except ValidationError as error:
        raise InvalidEntityError(sentence(MEASUREMENT, id_, error)) from None
    body = normalize(entity, {})
    still = {key: value for key, value in body.items() if key not in {"id", "type"}}
    return _Kept(id=id_, number=_number(id_, quantity.unit), rest=Written(b"," + to_json(still)[1:-1]))
