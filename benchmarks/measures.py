# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the devices say, and how it is found again behind Volme.

Measure number n was observed n milliseconds after the epoch of the run: the time of observation comes out of
Volme as it went in, so it tells what was lost, what came twice and what overtook what.
"""

from __future__ import annotations

import base64
import uuid
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from adapters.codecs.decoding import encode
from models.device import Device
from models.uplink import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_PACKET_IDS = 65_535
_QOS_1 = 0x32


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of device.

    Attributes:
        profile: in the registry.
        entity_type: what its measures become; `subject`: whose context names the terms.
        title: for the table of figures.
        topics: what Volme subscribes to.
        device_id: of the device with this number.
        message: (device's id, number of the measure, its time) → topic and payload.
    """

    name: str
    title: str
    profile: str
    entity_type: str
    subject: str
    topics: str
    device_id: Callable[[int], str]
    message: Callable[[str, int, str], tuple[str, bytes]]

    def device(self, number: int) -> Device:
        """Return a device as it is registered."""
        return Device(
            id=self.device_id(number),
            profile=self.profile,
            name=f"{self.name} {number}",
            position=Position(longitude=round(7.4 + number / 10_000, 4), latitude=51.36),
        )

    def messages(self, first: int, count: int, devices: int, epoch: datetime) -> Iterator[tuple[str, bytes]]:
        """Give topics and payloads; devices take turns."""
        for n in range(first, first + count):
            yield self.message(self.device_id(n % devices), n, _time(epoch, n))

    def packets(self, first: int, count: int, devices: int, epoch: datetime) -> list[bytes]:
        """Return MQTT PUBLISH packets with QoS 1, ready to be sent."""
        messages = self.messages(first, count, devices, epoch)
        return [_publish(n, topic, payload) for n, (topic, payload) in enumerate(messages, first)]


#: Profiles of no product: part of the benchmark's configuration.
PROFILES: Mapping[str, Mapping[str, Any]] = {
    "benchmark-json": {
        "vendor": "Volme",
        "model": "benchmark, JSON",
        "codec": "network",
        "entity_type": "WeatherObserved",
        "fields": {
            "temperature": "air.temperature",
            "humidity": "air.relativeHumidity",
            "pressure": "air.pressure",
            "light": "air.lightIntensity",
        },
    },
    "benchmark-javascript": {
        "vendor": "Volme",
        "model": "benchmark, JavaScript",
        "codec": "javascript:benchmark",
        "entity_type": "IndoorEnvironmentObserved",
        "fields": {
            "temperature": "air.temperature",
            "humidity": "air.relativeHumidity",
            "light": "air.lightIntensity",
            "motion": "action.motion.count",
            "co2": "air.co2",
        },
    },
}

#: What a vendor would write for the payload of `_lorawan`.
JAVASCRIPT = """
function decodeUplink(input) {
  var bytes = input.bytes;
  var data = {};
  for (var i = 0; i < bytes.length; ) {
    var type = bytes[i++];
    if (type === 0x01) {
      data.temperature = (((bytes[i] << 24) >> 16) | bytes[i + 1]) / 10;
      i += 2;
    } else if (type === 0x02) {
      data.humidity = bytes[i++];
    } else if (type === 0x04) {
      data.light = (bytes[i] << 8) | bytes[i + 1];
      i += 2;
    } else if (type === 0x05) {
      data.motion = bytes[i++];
    } else if (type === 0x06) {
      data.co2 = (bytes[i] << 8) | bytes[i + 1];
      i += 2;
    } else if (type === 0x07) {
      data.vdd = (bytes[i] << 8) | bytes[i + 1];
      i += 2;
    } else {
      return { errors: ["unknown type " + type] };
    }
  }
  return { data: data };
}
"""


def _plain(device_id: str, n: int, time: str) -> tuple[str, bytes]:
    measure = {
        "time": time,
        "temperature": 15 + n % 100 / 10,
        "humidity": 40 + n % 50,
        "pressure": 1000 + n // 1000 % 200 / 10,  # as slowly as air does: what jumps is flagged
        "light": n % 50_000,
    }
    return f"city/{device_id}/measures", orjson.dumps(measure)


def _lorawan(device_id: str, n: int, time: str) -> tuple[str, bytes]:
    """Envelope of ChirpStack v4, as two gateways heard it; the payload is an Elsys ERS CO2's."""
    fields = {
        "temperature": 15 + n % 100 / 10,
        "humidity": 40 + n % 50,
        "light": n % 1000,
        "motion": n % 10,
        "co2": 400 + n % 800,
        "vdd": 3600,
    }
    f_port, payload = encode("elsys", fields)
    application = "8f3a7c52-6d1e-4b90-a2c4-0e5d9b7f1a33"
    envelope = {
        "deduplicationId": str(uuid.UUID(int=n)),
        "time": time,
        "deviceInfo": {
            "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
            "tenantName": "Hagen",
            "applicationId": application,
            "applicationName": "Schulen",
            "deviceProfileId": "7d1e0e6e-42b0-4d3b-8d7c-1a2b3c4d5e6f",
            "deviceProfileName": "Elsys ERS CO2",
            "deviceName": "Raum 112",
            "devEui": device_id,
            "deviceClassEnabled": "CLASS_A",
            "tags": {"building": "Ricarda-Huch-Gymnasium"},
        },
        "devAddr": "01ab23cd",
        "adr": True,
        "dr": 5,
        "fCnt": n,
        "fPort": f_port,
        "confirmed": False,
        "data": base64.b64encode(payload).decode(),
        "rxInfo": [
            {
                "gatewayId": gateway,
                "uplinkId": n,
                "nsTime": time,
                "rssi": rssi,
                "snr": 6.5,
                "location": {"latitude": 51.358, "longitude": 7.463, "altitude": 110.0},
                "context": "QzhSTQ==",
                "crcStatus": "CRC_OK",
            }
            for gateway, rssi in (("0016c001ff10a235", -97), ("0016c001ff10a3b1", -112))
        ],
        "txInfo": {
            "frequency": 868_100_000,
            "modulation": {"lora": {"bandwidth": 125_000, "spreadingFactor": 7, "codeRate": "CR_4_5"}},
        },
    }
    return f"application/{application}/device/{device_id}/event/up", orjson.dumps(envelope)


KINDS: dict[str, Kind] = {
    "plain": Kind(
        name="plain",
        title="JSON over MQTT",
        profile="benchmark-json",
        entity_type="WeatherObserved",
        subject="Weather",
        topics="city/+/measures",
        device_id="station-{:06}".format,
        message=_plain,
    ),
    "lorawan": Kind(
        name="lorawan",
        title="LoRaWAN, table codec",
        profile="elsys-ers-co2",
        entity_type="IndoorEnvironmentObserved",
        subject="Environment",
        topics="application/+/device/+/event/up",
        device_id="a81758fffe{:06x}".format,
        message=_lorawan,
    ),
}


KINDS["javascript"] = replace(
    KINDS["lorawan"],
    name="javascript",
    title="LoRaWAN, JavaScript codec",
    profile="benchmark-javascript",
    device_id="a81758ffff{:06x}".format,
)


def _time(epoch: datetime, n: int) -> str:
    return (epoch + timedelta(milliseconds=n)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def number_of(observed_at: datetime, epoch: datetime) -> int:
    """Return the number of the measure that was observed then."""
    return round((observed_at - epoch) / timedelta(milliseconds=1))


def _publish(n: int, topic: str, payload: bytes) -> bytes:
    name = topic.encode()
    body = b"".join((len(name).to_bytes(2, "big"), name, (n % _PACKET_IDS + 1).to_bytes(2, "big"), payload))
    length = len(body)
    header = bytearray((_QOS_1,))
    while length > 0x7F:
        header.append(length & 0x7F | 0x80)
        length >>= 7
    header.append(length)
    return bytes(header) + body


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What arrived at the sink.

    Attributes:
        arrived: when each measure arrived first, by its number.
        twice: arrivals of measures that had arrived before.
        overtaken: measures that arrived after a later one of the same device.
    """

    arrived: Mapping[int, float]
    twice: int
    overtaken: int


def find(requests: Iterable[tuple[float, bytes]], kind: Kind, epoch: datetime) -> Found:
    """Look through the sink's requests: (when, body of a batch upsert)."""
    arrived: dict[int, float] = {}
    last: dict[str, int] = {}
    seen: Counter[str] = Counter()
    for moment, body in requests:
        entities = orjson.loads(body)
        for entity in entities if isinstance(entities, list) else [entities]:
            if entity.get("type") != kind.entity_type:
                continue
            n = number_of(_observed_at(entity), epoch)
            if n in arrived:
                seen["twice"] += 1
            elif n < last.get(entity["id"], -1):
                seen["overtaken"] += 1
            arrived.setdefault(n, moment)
            last[entity["id"]] = n
    return Found(arrived=arrived, twice=seen["twice"], overtaken=seen["overtaken"])


def _observed_at(entity: Mapping[str, Any]) -> datetime:
    return max(
        datetime.fromisoformat(value["observedAt"])
        for attribute in entity.values()
        for value in (attribute if isinstance(attribute, list) else [attribute])
        if isinstance(value, dict) and "observedAt" in value
    )
