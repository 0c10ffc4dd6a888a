# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""SenseCAP (Seeed): tagged big-endian frames of the S2120 weather station, on port 3.

Source: "SenseCAP S2120 LoRaWAN 8-in-1 Weather Station User Guide", 10.2 Packet Parsing. Firmware 2
numbers the measurements 4A and 4B, with the same fields, and adds 4C.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.codecs.framing import tagged
from adapters.codecs.table import Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.codecs.framing import Rows
    from adapters.codecs.table import TableCodec

_F_PORT = 3
_AIR: Rows = (
    Row(name="air_temperature", signed=True, per=10),  # °C
    Row(name="air_humidity", size=1),  # %
    Row(name="light_intensity", size=4),  # lx
    Row(name="uv_index", size=1, per=10),
    Row(name="wind_speed", per=10),  # m/s
)
_WIND: Rows = (
    Row(name="wind_direction"),  # °
    Row(name="rain_gauge", size=4, per=1000),  # mm/h
    Row(name="barometric_pressure", per=0.1),  # Pa
)
_BATTERY = Row(name="battery", size=1)  # %: 100 until it is nearly empty
_INTERVALS: Rows = (Row(name="interval"), Row(name="gps_interval"))  # min

TAGS: Mapping[str, Mapping[bytes, Rows]] = {
    "s2120": {
        b"\x01": _AIR,
        b"\x02": _WIND,
        b"\x04": (_BATTERY, Row(name="hardware_version"), Row(name="software_version"), *_INTERVALS),
        b"\x03": (_BATTERY,),
        b"\x05": _INTERVALS,
        b"\x06": (Row(name="error", size=1),),
        b"\x4a": _AIR,
        b"\x4b": _WIND,
        b"\x4c": (Row(name="peak_wind_gust", per=10), Row(name="rain_accumulation", size=4, per=1000)),
    }
}
CODECS: Mapping[str, TableCodec] = {
    f"sensecap.{model}": tagged(f"sensecap.{model}", _F_PORT, tags) for model, tags in TAGS.items()
}
