# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the devices of a test say: each message has a device, a number and a time of its own."""

from __future__ import annotations

import json
import struct
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from tests.uplinks import chirpstack, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Before all that the tests send; in the past, as every real measurement.
EPOCH = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=12)
TYPE = "IndoorEnvironmentObserved"
_EACH = 100
GAUGES = tuple(f"gauge-{number:03}" for number in range(_EACH))
SENSORS = tuple(f"70b3d57ed01{number:05x}" for number in range(_EACH))
#: Half speak plain JSON, half LoRaWAN; in turn, as they send.
FLEET = tuple(device for pair in zip(GAUGES, SENSORS, strict=True) for device in pair)

#: What the platform's configuration says of the gauges.
PROFILE = f"""
[[plain]]
source = "city"
topic = "city/{{device}}/measures"
time = "at"
fields = "measured"
key = "n"
[profiles.gauge]
vendor = "Volme"
model = "gauge"
codec = "network"
entity_type = "{TYPE}"
[profiles.gauge.fields]
temperature = "air.temperature"
"""


@dataclass(frozen=True, slots=True)
class Measure:
    """One message: what is sent, and what must arrive for it.

    Attributes:
        seq: counts the device's messages, in the order of its clock.
        ballast: bytes without meaning that make the message large.
    """

    device: str
    seq: int
    ballast: int = 0

    @property
    def at(self) -> datetime:
        return EPOCH + timedelta(seconds=self.seq)

    @property
    def key(self) -> tuple[str, str]:
        """What the receiver knows it by: device and time of observation."""
        return self.device, rfc3339(self.at)

    @property
    def value(self) -> float:
        return 10 + self.seq % 150 / 10

    @property
    def topic(self) -> str:
        return f"city/{self.device}/measures" if self.device in _GAUGES else _uplink(self)[0]

    @property
    def body(self) -> bytes:
        if self.device not in _GAUGES:
            return _uplink(self)[1]
        body = {"n": self.seq, "at": rfc3339(self.at), "measured": {"temperature": self.value}}
        return json.dumps(body | ({"ballast": "x" * self.ballast} if self.ballast else {})).encode()


_GAUGES = frozenset(GAUGES)


@lru_cache(maxsize=4)
def _uplink(measure: Measure) -> tuple[str, bytes]:
    payload = struct.pack(">bh", 1, round(10 * measure.value))  # Elsys: temperature, in tenths
    extra = {"ballast": "x" * measure.ballast} if measure.ballast else {}
    topic, body = chirpstack(
        payload, f_port=5, f_cnt=measure.seq, dev_eui=measure.device, at=measure.at, **extra
    )
    return topic, body.replace(b"5e0c2d4a-0000", f"{measure.device[-8:]}-0000".encode())


class Fleet:
    """Devices in turn, each counting its own messages.

    Args:
        begin: the number before the first one.
        ballast: of each message.
    """

    def __init__(self, devices: Iterable[str] = FLEET, *, begin: int = 0, ballast: int = 0) -> None:
        self._devices = tuple(devices)
        self._seq = Counter(dict.fromkeys(self._devices, begin))
        self._turn = 0
        self._ballast = ballast

    def take(self, number: int) -> list[Measure]:
        """Return the next messages."""
        return [next(self) for _ in range(number)]

    def one(self, device: str, number: int) -> list[Measure]:
        """Return the next messages of one device."""
        return [self._of(device) for _ in range(number)]

    def __iter__(self) -> Iterator[Measure]:
        return self

    def __next__(self) -> Measure:
        device = self._devices[self._turn % len(self._devices)]
        self._turn += 1
        return self._of(device)

    def _of(self, device: str) -> Measure:
        self._seq[device] += 1
        return Measure(device, self._seq[device], self._ballast)
