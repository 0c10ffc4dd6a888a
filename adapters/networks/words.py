# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What devices call their quantities where no profile says so: their own words and units → our quantities.

The words are those of SenML devices, of sensor.community and of plain JSON; what is not here needs a
profile or a declared name. A unit that does not fit the word is believed more than the word.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ontology.loader import convert, quantities

if TYPE_CHECKING:
    from collections.abc import Mapping

# Letters and digits alone count.
_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("temperature", "temp", "temperatur", "airtemperature", "ta"), "air.temperature"),
    **dict.fromkeys(("humidity", "hum", "rh", "relativehumidity", "luftfeuchte"), "air.relativeHumidity"),
    **dict.fromkeys(("pressure", "press", "barometer", "airpressure", "luftdruck"), "air.pressure"),
    **dict.fromkeys(("dewpoint", "taupunkt"), "air.dewPoint"),
    "co2": "air.co2",
    "co2ppm": "air.co2",
    "tvoc": "air.tvoc",
    **dict.fromkeys(("illuminance", "light", "lux", "brightness", "helligkeit"), "air.lightIntensity"),
    **dict.fromkeys(("pm1", "pm01"), "air.pm1_0"),
    **dict.fromkeys(("pm25", "pm2p5"), "air.pm2_5"),
    **dict.fromkeys(("pm4", "pm40"), "air.pm4_0"),
    "pm10": "air.pm10",
    "no2": "air.no2",
    "o3": "air.o3",
    "so2": "air.so2",
    "nh3": "air.nh3",
    **dict.fromkeys(("windspeed", "windgeschwindigkeit"), "wind.speed"),
    **dict.fromkeys(("winddirection", "windrichtung"), "wind.direction"),
    **dict.fromkeys(("gust", "windgust"), "wind.gust"),
    **dict.fromkeys(("rain", "precipitation", "niederschlag"), "rain.amount"),
    **dict.fromkeys(("irradiance", "solarradiation"), "solar.irradiance"),
    **dict.fromkeys(("laeq", "noise", "noiselaeq"), "noise.laeq"),
    **dict.fromkeys(("lamax", "noiselamax"), "noise.lamax"),
    **dict.fromkeys(("lamin", "noiselamin"), "noise.lamin"),
    **dict.fromkeys(("soilmoisture", "bodenfeuchte"), "soil.moisture"),
    **dict.fromkeys(("soiltemperature", "bodentemperatur"), "soil.temperature"),
    **dict.fromkeys(("watertemperature", "wassertemperatur"), "water.temperature"),
    **dict.fromkeys(("waterlevel", "wasserstand", "pegel"), "water.level"),
    **dict.fromkeys(("distance", "abstand"), "level.distance"),
    **dict.fromkeys(("filllevel", "fuellstand"), "fill.level"),
    **dict.fromkeys(("battery", "batt", "bat", "batterylevel", "batterie"), "battery.level"),
    **dict.fromkeys(("batteryvoltage", "vbat", "vbatt"), "battery.voltage"),
    **dict.fromkeys(("power", "activepower"), "power.active"),
    "voltage": "power.voltage",
    "current": "power.current",
    **dict.fromkeys(("energy", "activeenergy"), "metering.energy.total"),
    **dict.fromkeys(("rssi", "signal"), "signal.rssi"),
    **dict.fromkeys(("motion", "pir", "bewegung"), "action.motion.detected"),
    **dict.fromkeys(("occupied", "occupancy", "belegt"), "occupancy.occupied"),
    **dict.fromkeys(("leak", "leakage"), "water.leak"),
}  # fmt: skip
# What a unit of SenML measures where the name says nothing.
_UNITS: Mapping[str, str] = {
    "Cel": "air.temperature",
    "%RH": "air.relativeHumidity",
    "%EL": "battery.level",
    "hPa": "air.pressure",
    "lx": "air.lightIntensity",
    "W/m2": "solar.irradiance",
    "mm/h": "rain.intensity",
    "kWh": "metering.energy.total",
    "Wh": "metering.energy.total",
    "W": "power.active",
    "kW": "power.active",
    "dBm": "signal.rssi",
}
_NOT_A_WORD = re.compile(r"[^0-9a-zäöüß]+")
_POINT_0 = re.compile(r"(pm_?\d{1,2})[._-]0$")
# Words of which the unit alone tells what they mean: a battery has volts or percent.
_WITH_UNIT = frozenset({"battery", "batt", "bat", "batterie"})
# What else a word may mean, where the unit does not fit.
_ELSE: Mapping[str, str] = {"battery.level": "battery.voltage"}
_PARTS = re.compile(r"[:/.;_ -]+")


@lru_cache(maxsize=4096)
def named_quantity(name: str) -> str | None:
    """Return the quantity that a name means: its own, a word for it, or the last part that is one."""
    if name in quantities():
        return name
    # `pm1.0` is not `pm10`.
    parts = [part for part in _PARTS.split(_POINT_0.sub(r"\1", name.lower())) if part]
    # `BME280_temperature` is a temperature; `wind_speed` is more than a speed.
    for first in range(len(parts)):
        word = _NOT_A_WORD.sub("", "".join(parts[first:]))
        if word in _WORDS:
            return _WORDS[word]
    return None


def reading(
    name: str, value: Any, unit: str | None = None, senml_unit: str | None = None
) -> tuple[str, Any] | None:
    """Return quantity and value in the quantity's unit; None: nobody knows what it is.

    Args:
        name: what the device calls it.
        value: number, boolean or text.
        unit: UN/CEFACT code of the value; None: the quantity's own.
        senml_unit: what SenML calls that unit, which alone may tell the quantity.
    """
    meant = None if unit is None and name.lower() in _WITH_UNIT else named_quantity(name)
    for quantity in (meant, _ELSE.get(meant or ""), _UNITS.get(senml_unit or "")):
        if quantity is None:
            continue
        known = quantities()[quantity]
        if known.kind == "boolean" and type(value) in {int, float} and value in {0, 1}:
            return quantity, bool(value)
        if unit is None or isinstance(value, bool | str):
            return quantity, value
        if known.unit is None:
            continue
        try:
            return quantity, convert(value, unit, known.unit)
        except ValueError:
            continue  # a voltage is no percentage, whatever the device calls it
    return None
