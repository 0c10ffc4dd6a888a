# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Milesight: channel, type, little-endian value, on port 85; one table a model.

Source: Milesight's user guides, "Device Payload" / "Uplink Data": AM100 and AM300 series, EM300,
EM400-MUD, EM500 series, VS121, VS133, VS135, WS302, WTS series. Field names are those of its decoders.
What a device says of itself when it joins (channel ff) is read and measures nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.codecs.framing import tagged
from adapters.codecs.table import Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.codecs.framing import Rows
    from adapters.codecs.table import TableCodec

_F_PORT = 85
_Table = dict[str, "Rows"]


def _byte(name: str, per: float = 1) -> Rows:
    return (Row(name=name, size=1, per=per, order="little"),)


def _word(name: str, per: float = 1, *, signed: bool = False) -> Rows:
    return (Row(name=name, per=per, signed=signed, order="little"),)


def _long(name: str, per: float = 1) -> Rows:
    return (Row(name=name, size=4, per=per, order="little"),)


def _said(name: str, **words: int) -> Rows:
    return (Row(name=name, size=1, words={number: word for word, number in words.items()}),)


def _level(*names: str) -> Rows:
    return tuple(Row(name=name, per=10, order="little") for name in names)


# What every model says of itself: protocol, serial number, versions, class, "power on".
_ITSELF: _Table = {
    "ff01": _byte("protocol_version"),
    "ff08": (Row(name="serial_number", size=6),),
    "ff09": (Row(name="hardware_version"),),
    "ff0a": (Row(name="software_version"),),
    "ff0b": _byte("power_on"),
    "ff0f": _byte("device_class"),
    "ff16": (Row(name="serial_number_long", size=8),),
    "ff18": (Row(name="sensor_status"),),
    "ff1f": (Row(name="software_version_long", size=4),),
}
_BATTERY: _Table = {"0175": _byte("battery")}  # %
_AIR: _Table = {"0367": _word("temperature", 10, signed=True), "0468": _byte("humidity", 2)}  # °C, %
_POSITION: _Table = {"0500": _said("position", normal=0, tilt=1)}
# Ambience: presence (PIR), a step of brightness 0 to 5, a rating of TVOC 1 to 5, or µg/m³ of it
_AM300: _Table = {
    **_AIR,
    "0500": _said("pir", idle=0, trigger=1),
    "06cb": _byte("light_level"),
    "077d": _word("co2"),  # ppm
    "087d": _word("tvoc", 100),
    "08e6": _word("tvoc_mass"),
    "0973": _word("pressure", 10),  # hPa
}
_PARTICLES: _Table = {"0b7d": _word("pm2_5"), "0c7d": _word("pm10")}  # µg/m³
_PERIOD = {1: "05", 2: "08", 3: "0b", 4: "0e"}  # channel of a line's people in the interval
_TOTAL = {1: ("03", "04"), 2: ("06", "07"), 3: ("09", "0a"), 4: ("0c", "0d")}

MODELS: Mapping[str, _Table] = {
    # ambience in rooms
    "am107": {
        **_AIR,
        "056a": _word("activity"),
        "0665": (
            Row(name="illumination", order="little"),  # lx
            Row(name="infrared_and_visible", order="little"),
            Row(name="infrared", order="little"),
        ),
        "077d": _word("co2"),
        "087d": _word("tvoc"),  # ppb
        "0973": _word("pressure", 10),
    },
    "am103": {**_AIR, "077d": _word("co2")},
    "am307": _AM300,
    "am308": {**_AM300, **_PARTICLES},
    "am319": {**_AM300, "0a7d": _word("hcho", 100), **_PARTICLES, "0d7d": _word("o3", 100)},  # mg/m³, ppm
    # air, outdoors
    "em300_th": _AIR,
    "em300_sld": {**_AIR, "0500": _said("leakage_status", normal=0, leak=1)},
    "em500_co2": {**_AIR, "057d": _word("co2"), "0673": _word("pressure", 10)},
    "em500_lgt": {"0394": _long("illumination")},
    "em500_pt100": {"0367": _word("temperature", 10, signed=True)},
    # soil: °C, % (two resolutions), µS/cm
    "em500_smtc": {
        "0367": _word("temperature", 10, signed=True),
        "04ca": _word("moisture", 100),
        "0468": _byte("moisture", 2),
        "057f": _word("ec"),
    },
    # level: distance downwards in mm, depth of submersion in cm
    "em500_udl": {"0382": _word("distance")},
    "em500_swl": {"0377": _word("depth")},
    "em400_mud": {
        "0367": _word("temperature", 10, signed=True),
        "0482": _word("distance"),
        **_POSITION,
        "8367": (*_word("temperature", 10, signed=True), *_byte("temperature_alarm")),
        "8482": (*_word("distance"), *_byte("distance_alarm")),
    },
    # weather: ° and m/s, rain of the present phase in mm and the frames in it
    "wts506": {
        **_AIR,
        "0584": _word("wind_direction", 10),
        "0673": _word("pressure", 10),
        "0792": _word("wind_speed", 10),
        "0877": (*_word("rainfall_total", 100), *_byte("rainfall_counter")),
    },
    # sound, dB: the byte behind the type says how it is weighted
    "ws302": {
        "055b05": _level("LAF", "LAeq", "LAFmax"),
        "055b01": _level("LA", "LAeq", "LAmax"),
        "055b06": _level("LCF", "LCeq", "LCFmax"),
        "055b02": _level("LC", "LCeq", "LCmax"),
    },
    # people: present now, and over a line since the last frame and in all
    "vs121": {
        "04c9": (*_byte("people_count_all"), *_byte("region_count"), Row(name="regions_occupied")),
        "05cc": (*_word("people_in"), *_word("people_out")),
        "06cd": _byte("people_count_max"),
        "0dcc": (*_word("people_total_in"), *_word("people_total_out")),
        "0ee4": (*_byte("dwell_region"), *_word("dwell_time_avg"), *_word("dwell_time_max")),
        "07d5": tuple(Row(name=f"region_{number}", size=1) for number in range(1, 9)),
        "08d5": tuple(Row(name=f"region_{number}", size=1) for number in range(9, 17)),
    },
    "vs133": {
        **{
            tag + "d2": _long(f"line_{line}_total_{way}")
            for line, tags in _TOTAL.items()
            for tag, way in zip(tags, ("in", "out"), strict=True)
        },
        **{
            tag + "cc": (*_word(f"line_{line}_period_in"), *_word(f"line_{line}_period_out"))
            for line, tag in _PERIOD.items()
        },
        "0fe3": tuple(Row(name=f"region_{number}_count", size=1) for number in range(1, 5)),
    },
}

TAGS: Mapping[str, Mapping[bytes, Rows]] = {
    model: {bytes.fromhex(tag): rows for tag, rows in {**_BATTERY, **table, **_ITSELF}.items()}
    for model, table in MODELS.items()
}
CODECS: Mapping[str, TableCodec] = {
    f"milesight.{model}": tagged(f"milesight.{model}", _F_PORT, tags) for model, tags in TAGS.items()
}
