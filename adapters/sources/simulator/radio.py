# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How a frame is heard: which gateways, how well, on which channel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.sources.simulator.catalogue import gateways
from adapters.sources.simulator.chance import chance, jitter

if TYPE_CHECKING:
    from adapters.sources.simulator.catalogue import Gateway
    from models.uplink import Position

# EU868: the three channels that every network has, and five that most add.
_CHANNELS_HZ = (868_100_000, 868_300_000, 868_500_000, *range(867_100_000, 868_000_000, 200_000))
_WITHIN_KM = 7.0
_GATEWAYS = 3
_KM_PER_DEGREE = 111.2
_BANDWIDTH_HZ = 125_000
_LOW_RATE_FROM = 11  # spreading factors that need the low data rate optimisation
_LORAWAN_BYTES = 13  # headers, port and integrity code around the payload


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What one gateway says: dBm, dB."""

    gateway: Gateway
    rssi: int
    snr: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Radio:
    """How one frame went over the air.

    Attributes:
        heard: the best gateway first; at least one.
        frequency: Hz.
        spreading_factor: 7 to 12.
        airtime: seconds.
    """

    heard: tuple[Heard, ...]
    frequency: int
    spreading_factor: int
    airtime: float


def transmit(position: Position, size: int, *keys: int | str) -> Radio:
    """Return how a payload of `size` bytes, sent at a place, is heard; `keys` are its chance."""
    by_distance = sorted((distance(position, gateway.position), gateway) for gateway in gateways())
    near = [pair for pair in by_distance if pair[0] <= _WITHIN_KM][:_GATEWAYS] or by_distance[:1]
    heard = tuple(sorted((_heard(*pair, *keys) for pair in near), key=lambda each: -each.rssi))
    factor = next(
        (12 - step for step, snr in enumerate((-4.0, -1.5, 1.0, 3.5, 6.0)) if heard[0].snr < snr), 7
    )
    return Radio(
        heard=heard,
        frequency=_CHANNELS_HZ[int(chance(*keys, "channel") * len(_CHANNELS_HZ))],
        spreading_factor=factor,
        airtime=_airtime(size + _LORAWAN_BYTES, factor),
    )


def distance(one: Position, other: Position) -> float:
    """Return km, well enough for a city."""
    east = (one.longitude - other.longitude) * math.cos(math.radians(one.latitude))
    return _KM_PER_DEGREE * math.hypot(east, one.latitude - other.latitude)


def _heard(km: float, gateway: Gateway, *keys: int | str) -> Heard:
    rssi = round(-88 - 30 * math.log10(max(km, 0.05)) + 3 * jitter(*keys, gateway.id))
    # Near a gateway its receiver, not the way, limits the ratio.
    snr = min(9 + 1.5 * jitter(*keys, gateway.id, "snr"), (rssi + 122) * 0.75)
    return Heard(gateway=gateway, rssi=min(-35, rssi), snr=round(snr, 1))


def _airtime(size: int, factor: int) -> float:
    """Return seconds on the air (Semtech AN1200.13: preamble of 8, explicit header, 4/5, CRC)."""
    symbol = (1 << factor) / _BANDWIDTH_HZ
    saved = 2 if factor >= _LOW_RATE_FROM else 0
    more = math.ceil((8 * size - 4 * factor + 44) / (4 * (factor - saved)))
    return round(symbol * (12.25 + 8 + 5 * max(0, more)), 6)
