# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""sensor.community (airRohr, formerly luftdaten.info): what a citizen's station pushes to another API.

The station is named in the body (`esp8266id`), or by the header X-Sensor, which the webhook puts into the
topic (`?x-sensor=esp8266-12331981`). Values are texts; `value_type` is the sensor and what it measures.
The message has no time: it is when it was received; nor has it anything that tells deliveries apart.
Source: the airRohr firmware's JSON ("Send data to custom API"), and sensor.community's list of value types.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adapters.networks.fields import Fields
from adapters.networks.words import reading
from models.errors import EnvelopeError, UnknownEnvelopeError
from models.uplink import Position, Uplink

if TYPE_CHECKING:
    from datetime import datetime

NETWORK = "sensor_community"

_CHIPS = ("esp8266", "esp32")
_CHIP_ID = re.compile(r"[0-9A-Za-z]{1,20}", re.ASCII)
_STATION = re.compile(
    r"[?&/=](?:x-sensor=)?((?:esp8266|esp32|raspi|smogomierz|TTN)-[0-9A-Za-z]{1,20})(?=$|[/?&])"
)
_NUMBER = re.compile(r"([+-]?\d{1,15}(?:\.\d{1,15})?)(?: ?(?:dBm|%))?", re.ASCII)
# What the firmware sends where a sensor did not answer.
_NOTHING = frozenset({"", "nan", "inf", "-inf", "null", "-1.00e0"})
# Where several sensors measure the same, the first of these is believed.
_BEST = ("bme280", "bme680", "sht3x", "htu21d", "bmp280", "bmp180", "ds18b20", "dht")
_PLACE = {"GPS_lat": "latitude", "GPS_lon": "longitude", "GPS_height": "altitude"}
_PASCAL = "PAL"
# The firmware's names of particles by their size.
_PARTICLES = {"P0": "air.pm1_0", "P1": "air.pm10", "P2": "air.pm2_5", "P4": "air.pm4_0"}


@dataclass(kw_only=True, slots=True)
class Measured:
    """What one message of a station says."""

    decoded: dict[str, float] = field(default_factory=dict)
    normalized: dict[str, Any] = field(default_factory=dict)
    rssi: float | None = None
    place: dict[str, float] = field(default_factory=dict)

    @property
    def position(self) -> Position | None:
        """Where the station's own receiver says that it is; 0, 0 is what it says without a satellite."""
        latitude, longitude = self.place.get("latitude", 0.0), self.place.get("longitude", 0.0)
        if not (latitude or longitude) or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):  # noqa: PLR2004 - degrees
            return None
        return Position(longitude=longitude, latitude=latitude, altitude=self.place.get("altitude"))


def recognises(body: Any) -> bool:
    """Tell by its shape whether a station of sensor.community sent this."""
    return isinstance(body, dict) and "sensordatavalues" in body


def read(topic: str, body: Any, *, received_at: datetime) -> Uplink:
    """Read one message.

    Raises:
        UnknownEnvelopeError: it names no station, or has no values.
        EnvelopeError: a field is of a wrong type; the sentence names it.
    """
    envelope = Fields.of(body)
    if not recognises(body):
        sentence = "The message is none of sensor.community: it has no sensordatavalues."
        raise UnknownEnvelopeError(sentence)
    device_id = _station(envelope, topic)
    try:
        measured = read_values(envelope)
        version = envelope.text("software_version")
    except EnvelopeError as error:
        error.device_id = device_id
        raise
    return uplink_of(measured, network=NETWORK, device_id=device_id, received_at=received_at, version=version)


def uplink_of(
    measured: Measured, *, network: str, device_id: str, received_at: datetime, version: str | None
) -> Uplink:
    """Return the uplink of what was measured."""
    return Uplink(
        network=network,
        kind="data" if measured.decoded else "status",
        device_id=device_id,
        observed_at=received_at,
        decoded=measured.decoded or None,
        normalized=(measured.normalized,) if measured.normalized else (),
        rssi=measured.rssi,
        position=measured.position,
        model=("sensor.community", "airrohr"),
        tags={"software_version": version} if version else {},
    )


def read_values(envelope: Fields) -> Measured:
    """Read `sensordatavalues`.

    Raises:
        EnvelopeError: they are no array of types and values.
    """
    measured = Measured()
    for entry in sorted(envelope.sections("sensordatavalues"), key=_rank):
        name, value = entry.text("value_type"), _value(entry)
        if name is None:
            sentence = f"The field {entry.named('value_type')} is missing."
            raise EnvelopeError(sentence)
        if value is None:
            continue
        if name in _PLACE:
            measured.place[_PLACE[name]] = value
        elif name == "signal":
            measured.rssi = value
        else:
            measured.decoded[name] = value
            what = _PARTICLES.get(name.rpartition("_")[2], name)
            known = reading(what, value, _PASCAL if name.endswith("pressure") else None)
            if known is not None:
                measured.normalized.setdefault(*known)
    return measured


def _rank(entry: Fields) -> int:
    kind = str(entry.data.get("value_type")).lower()
    return next((rank for rank, sensor in enumerate(_BEST) if kind.startswith(sensor)), len(_BEST))


def _value(entry: Fields) -> float | None:
    value = entry.data.get("value")
    if not isinstance(value, str):
        return entry.number("value")
    if value.strip().lower() in _NOTHING:
        return None
    match = _NUMBER.fullmatch(value.strip())
    if match is None:
        key = "value"
        raise entry.wrong(key, value, "a number")
    return float(match[1])


def _station(envelope: Fields, topic: str) -> str:
    for chip in _CHIPS:
        value = envelope.data.get(f"{chip}id")
        if value is None:
            continue
        text = str(value) if type(value) is int else value
        if type(text) is not str or _CHIP_ID.fullmatch(text) is None:
            sentence = f"The field {chip}id is no number of a chip."
            raise EnvelopeError(sentence)
        return f"{chip}-{text}"
    named = _STATION.search(topic)
    if named is not None:
        return named[1]
    sentence = (
        "The message names no station: it has neither esp8266id, nor was it sent with the header X-Sensor"
        " or to a path that ends in the station, such as …/esp8266-12331981."
    )
    raise UnknownEnvelopeError(sentence)
