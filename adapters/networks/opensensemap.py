# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""openSenseMap and senseBox: what a box posts to `…/boxes/<box>/data`, or to `…/boxes/<box>/<sensor>`.

A box names its sensors by their ids alone, so its profile says which quantity each of them is; stations that
post in the form of luftdaten.info say it themselves. Forms of a body: an array of `{"sensor", "value",
"createdAt"}`, an object of sensors to values or `[value, createdAt]`, lines of `sensor,value,createdAt`,
`{"value"}` of one sensor, and `{"sensordatavalues"}`. Where a sensor speaks more than once in a message, what
it says is told apart by its times; else all sensors are taken to have measured together.
Source: openSenseMap's API documentation, "Post multiple new measurements".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters.networks.fields import Fields
from adapters.networks.loose import number
from adapters.networks.sensor_community import read_values, uplink_of
from adapters.networks.sensor_community import recognises as is_luftdaten
from adapters.networks.times import read_time
from models.errors import EnvelopeError, MalformedPayloadError, UnknownEnvelopeError
from models.uplink import Position, Uplink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

NETWORK = "opensensemap"

_ID = r"[0-9a-f]{24}"
_SENSOR = re.compile(_ID)
_PATH = re.compile(rf"/boxes/(?P<box>{_ID})(?:/(?P<sensor>{_ID}|data))?(?=$|[/?])")
_LINE = re.compile(rf"({_ID}), ?([^,]{{1,40}})(?:, ?([^,]{{1,40}}))?(?:,[^,]{{0,40}}){{0,3}}")
_MOST_LINES = 2_500
_VALUE_AND_TIME = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class _Value:
    sensor: str
    value: float
    at: datetime | None
    place: Any = None


def recognises(topic: str) -> bool:
    """Tell by its topic whether a box sent a message: its body can be nearly anything."""
    return _PATH.search(topic) is not None


def parse_lines(payload: bytes) -> Any:
    """Return the lines of `text/csv` in the form of the array.

    Raises:
        MalformedPayloadError: they are no such lines.
    """
    try:
        lines = [line.strip() for line in payload.decode().splitlines() if line.strip()]
    except UnicodeDecodeError:
        lines = []
    matches = [_LINE.fullmatch(line) for line in lines[: _MOST_LINES + 1]]
    if not matches or len(matches) > _MOST_LINES or None in matches:
        sentence = f"A box sends JSON or lines of sensor,value[,createdAt], at most {_MOST_LINES:,}."
        raise MalformedPayloadError(sentence)
    return [{"sensor": match[1], "value": match[2], "createdAt": match[3]} for match in matches if match]


def read(topic: str, body: Any, *, received_at: datetime) -> Uplink:
    """Read one message.

    Raises:
        UnknownEnvelopeError: the path names no box.
        EnvelopeError: a field is of a wrong type, or a sensor speaks twice; the sentence names it.
    """
    path = _PATH.search(topic)
    if path is None:
        sentence = "The path names no box: openSenseMap's boxes post to …/boxes/<id of 24 digits>/data."
        raise UnknownEnvelopeError(sentence)
    try:
        if is_luftdaten(body):
            envelope = Fields.of(body)
            return uplink_of(
                read_values(envelope),
                network=NETWORK,
                device_id=path["box"],
                received_at=received_at,
                version=envelope.text("software_version"),
            )
        values = list(_values(body, path["sensor"]))
    except EnvelopeError as error:
        error.device_id = path["box"]
        raise
    return _uplink(values, path["box"], received_at)


def _uplink(values: list[_Value], box: str, received_at: datetime) -> Uplink:
    decoded = {each.sensor: each.value for each in values}
    times = [each.at for each in values if each.at is not None]
    observed_at = max(times, default=received_at)
    moments: dict[datetime, dict[str, Any]] = {}
    if len(decoded) < len(values):
        for each in values:
            known = moments.setdefault(each.at or observed_at, {})
            if each.sensor in known:
                sentence = f"The box sends several values of the sensor {each.sensor} at the same time."
                raise EnvelopeError(sentence, device_id=box)
            known[each.sensor] = each.value
    return Uplink(
        network=NETWORK,
        kind="data" if decoded else "status",
        device_id=box,
        observed_at=observed_at,
        device_time=bool(times),
        decoded=None if moments else decoded or None,
        moments=tuple(sorted(moments.items())),
        position=next((place for each in values if (place := _position(each.place)) is not None), None),
        model=("sensebox", "home"),
    )


def _values(body: Any, sensor: str | None) -> Iterator[_Value]:
    if sensor is not None and sensor != "data":
        yield _value(sensor, Fields.of(body))
    elif type(body) is list:
        for each in Fields({"measurements": body}).sections("measurements"):
            yield _value(each.text("sensor") or each.text("sensor_id") or "", each)
    else:
        for name, given in Fields.of(body).data.items():
            parts = given if type(given) is list else [given]
            if not 1 <= len(parts) <= _VALUE_AND_TIME + 1:
                sentence = f"The field {name} is no value, nor an array of value, createdAt and location."
                raise EnvelopeError(sentence)
            known = dict(zip(("value", "createdAt", "location"), parts, strict=False))
            yield _value(name, Fields(known, Fields({}), name))


def _value(sensor: str, entry: Fields) -> _Value:
    if _SENSOR.fullmatch(sensor) is None:
        sentence = f"The field {entry.named('sensor')} is no id of a sensor, which has 24 hexadecimal digits."
        raise EnvelopeError(sentence)
    value = number(entry, "value")
    if value is None:
        sentence = f"The field {entry.named('value')} is missing or empty."
        raise EnvelopeError(sentence)
    created = entry.text("createdAt")
    at = None if created is None else read_time(created, named=entry.named("createdAt"), form="rfc3339")
    return _Value(sensor=sensor, value=value, at=at, place=entry.data.get("location"))


def _position(place: Any) -> Position | None:
    """Return a place, which is an array of longitude, latitude and perhaps height, or an object of them."""
    if type(place) is list:
        place = dict(zip(("lng", "lat", "height"), place, strict=False))
    if type(place) is not dict:
        return None
    known = Fields(place, Fields({}), "location")
    longitude, latitude = number(known, "lng"), number(known, "lat")
    if longitude is None or latitude is None or not (-180 <= longitude <= 180 and -90 <= latitude <= 90):  # noqa: PLR2004 - degrees
        return None
    return Position(longitude=longitude, latitude=latitude, altitude=number(known, "height"))
