# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""One weather over the whole city; rivers, soil, rooms and air all follow it.

The figures are near Hagen's climate: 10 °C and about 950 mm of rain a year, wind from the south-west.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from adapters.sources.simulator.chance import chance, smooth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.sources.simulator.moment import Moment

_HOUR = 3600.0
_DAY = 24 * _HOUR
RAIN_SLOT_H = 6.0
_VALLEY_M = 110.0
_MOST_RAIN_MM = 45.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Weather:
    """The weather at one place: °C, %, hPa at the place, m/s, degrees, mm/h, W/m², cloud 0 to 1."""

    temperature: float
    humidity: float
    pressure: float
    wind_speed: float
    gust: float
    wind_direction: float
    rain_rate: float
    irradiance: float
    cloud: float


def weather(moment: Moment) -> Weather:
    """Return the weather at a moment's place; neighbours have nearly the same."""
    seed, now = moment.seed, moment.seconds
    low = _low_pressure(seed, now)
    cloud = _within(0.5 + 0.5 * low + 0.2 * smooth(now, 5 * _HOUR, seed, "cloud"), 0.05, 1)
    rain = rain_rate(seed, now) * (1 + 0.15 * moment.wander("rain", _DAY))
    sun = _sun(moment)
    daily = _daily(moment) * (3.2 - 1.9 * moment.winter) * (1.2 - 0.8 * cloud)
    position = moment.installation.device.position
    altitude = position.altitude if position and position.altitude is not None else _VALLEY_M
    temperature = (
        10.3
        - 8.2 * moment.winter
        + 5.0 * smooth(now, 5 * _DAY, seed, "air mass")
        + 1.5 * smooth(now, 2 * _DAY, seed, "front")
        + daily
        - 0.0065 * (altitude - _VALLEY_M)
        + 0.4 * moment.wander("temperature", 2 * _HOUR)
    )
    sea_level = 1016 - 13 * low - 4 * smooth(now, 1.5 * _DAY, seed, "pressure")
    wind = _within(2.6 + 2.6 * low + 0.8 * sun + 1.1 * moment.wander("wind", 0.3 * _HOUR), 0.1, 30)
    return Weather(
        temperature=temperature,
        humidity=_within(72 + 8 * moment.winter + 12 * cloud - 2.6 * daily + 6 * min(rain, 2), 22, 99),
        pressure=sea_level * math.exp(-altitude / 8400),
        wind_speed=wind,
        gust=wind * (1.5 + 0.2 * moment.wander("gust", 0.2 * _HOUR)) + 0.4,
        wind_direction=(
            225
            + 80 * smooth(now, 2 * _DAY, seed, "wind direction")
            + 20 * moment.wander("wind direction", 0.5 * _HOUR)
        )
        % 360,
        rain_rate=rain,
        irradiance=1020 * sun**1.15 * (1 - 0.75 * cloud**2),
        cloud=cloud,
    )


def rain_rate(seed: int, seconds: float) -> float:
    """Return mm/h over the city."""
    slot, part = divmod(seconds / _HOUR / RAIN_SLOT_H, 1)
    return _rain_of_slot(seed, int(slot)) / RAIN_SLOT_H * 2 * math.sin(math.pi * part) ** 2


def rain_before(seed: int, seconds: float, hours: float) -> Iterator[tuple[float, float]]:
    """Give (mm, hours since it began) of each spell of rain in the hours before, newest first."""
    now = seconds / _HOUR
    newest = math.floor(now / RAIN_SLOT_H)
    for slot in range(newest, newest - math.ceil(hours / RAIN_SLOT_H), -1):
        amount = _rain_of_slot(seed, slot)
        if amount:
            yield amount, now - slot * RAIN_SLOT_H


@lru_cache(maxsize=4096)
def _rain_of_slot(seed: int, slot: int) -> float:
    """Return the mm of one spell of six hours; mostly none."""
    low = _low_pressure(seed, (slot + 0.5) * RAIN_SLOT_H * _HOUR)
    if chance(seed, "rain?", slot) > 0.22 + 0.45 * low:
        return 0.0
    return min(_MOST_RAIN_MM, -2.7 * math.log(1 - chance(seed, "rain", slot)))


def _low_pressure(seed: int, seconds: float) -> float:
    return smooth(seconds, 3 * _DAY, seed, "low pressure")


def _solar_hour(moment: Moment) -> float:
    position = moment.installation.device.position
    east = position.longitude / 15 if position else 0.5
    return moment.at.hour + moment.at.minute / 60 + moment.at.second / 3600 + east


def _daily(moment: Moment) -> float:
    """Return 1 when the day is warmest, -1 twelve hours later."""
    return math.cos(2 * math.pi * (_solar_hour(moment) - 15) / 24)


def _sun(moment: Moment) -> float:
    """Return the sine of the sun's height; 0 at night."""
    position = moment.installation.device.position
    latitude = math.radians(position.latitude if position else 51.36)
    season = 2 * math.pi * (moment.at.timetuple().tm_yday - 81) / 365.25
    declination = math.radians(23.44) * math.sin(season)
    turned = math.radians(15 * (_solar_hour(moment) - 12))
    height = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(
        declination
    ) * math.cos(turned)
    return max(0.0, height)


def _within(value: float, low: float, high: float) -> float:
    return min(high, max(low, value))
