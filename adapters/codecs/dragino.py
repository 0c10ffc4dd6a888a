# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Dragino: fixed big-endian frames, on port 2 or, of contacts, on port 10; one table a model.

Source: Dragino's user manuals ("Uplink Payload"): LDDS75/45/20, LLDS12, LSE01, LSPH01, LLMS01, LAQ4,
LHT65(N), LDS02, LWL02. Firmware before 1.1.4 of the distance sensors sends battery and distance alone;
later ones add the interrupt, a DS18B20 thermometer and whether an ultrasonic sensor was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.codecs.framing import fixed
from adapters.codecs.table import Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.codecs.framing import Parts
    from adapters.codecs.table import TableCodec

_F_PORT = 2
_F_PORT_OF_CONTACTS = 10

_BATTERY = Row(name="Bat", per=1000, mask=0x3FFF)  # V; the two upper bits are flags
_INTERRUPT = Row(name="Interrupt_flag", size=1)
_PROBE = Row(name="TempC_DS18B20", signed=True, per=10)  # °C
_SENSOR = Row(name="Sensor_flag", size=1, default=1)
_MESSAGE = Row(name="Message_type", size=1, default=1)
_RESERVED = Row(name="reserved", size=1)

# mm. 0: no ultrasonic sensor answers; nearer than the sensor can see comes as 20 mm.
_DISTANCE = Row(name="Distance", words={0: "No Sensor", 20: "Invalid Reading"})

_LEVEL: Parts = ((_BATTERY, _DISTANCE), (_INTERRUPT,), (_PROBE, _SENSOR))
_SHT_HUMIDITY = Row(name="Hum_SHT", per=10)  # %


def _contact(status: str, bit: int, times: str, duration: str) -> Parts:
    """Battery and state share two bytes; then the mode, events and minutes of the last one, an alarm."""
    return (
        (
            Row(name=status, mask=bit, stay=True),
            Row(name="BAT_V", per=1000, mask=0x3FFF),
            Row(name="MOD", size=1),
            Row(name=times, size=3),
            Row(name=duration, size=3),
            Row(name="ALARM", size=1),
        ),
    )


# Parts that every frame has, then parts that a frame has or lacks, in their order.
MODELS: Mapping[str, Parts] = {
    "ldds75": _LEVEL,
    "ldds45": _LEVEL,
    "ldds20": _LEVEL,
    # level by laser, cm
    "llds12": (
        (
            _BATTERY,
            _PROBE,
            Row(name="Lidar_distance", per=10),
            Row(name="Lidar_signal"),
            _INTERRUPT,
            Row(name="Lidar_temp", size=1, signed=True),
            _MESSAGE,
        ),
    ),
    # soil: % of volume, °C, µS/cm
    "lse01": (
        (
            _BATTERY,
            _PROBE,
            Row(name="water_SOIL", per=100),
            Row(name="temp_SOIL", signed=True, per=100),
            Row(name="conduct_SOIL"),
            Row(name="flags", size=1),
        ),
    ),
    "lsph01": (
        (
            _BATTERY,
            _PROBE,
            Row(name="PH1_SOIL", per=100),
            Row(name="TEMP_SOIL", signed=True, per=10),
            _INTERRUPT,
            _RESERVED,
            _MESSAGE,
        ),
    ),
    # leaves: % and °C
    "llms01": (
        (
            _BATTERY,
            _PROBE,
            Row(name="Leaf_Moisture", per=10),
            Row(name="Leaf_Temperature", signed=True, per=10),
            _INTERRUPT,
            _RESERVED,
            _MESSAGE,
        ),
    ),
    # air in rooms: ppb and ppm
    "laq4": (
        (
            Row(name="Bat_V", per=1000),
            Row(name="mode", size=1),
            Row(name="TVOC_ppb"),
            Row(name="CO2_ppm"),
            Row(name="TempC_SHT", signed=True, per=10),
            _SHT_HUMIDITY,
        ),
    ),
    # air, with a probe on a cable: 1 is a thermometer
    "lht65n": (
        (
            Row(name="Bat_status", mask=0xC000, stay=True),
            Row(name="BatV", per=1000, mask=0x3FFF),
            Row(name="TempC_SHT", signed=True, per=100),
            _SHT_HUMIDITY,
            Row(
                name="Ext_sensor", size=1, default=1, words={0: "No external sensor", 1: "Temperature Sensor"}
            ),
            Row(name="TempC_DS", signed=True, per=100),
            Row(name="Ext_rest", default=0x7FFF),
        ),
    ),
    "lds02": _contact("DOOR_OPEN_STATUS", 0x8000, "DOOR_OPEN_TIMES", "LAST_DOOR_OPEN_DURATION"),
    "lwl02": _contact("WATER_LEAK_STATUS", 0x4000, "WATER_LEAK_TIMES", "LAST_WATER_LEAK_DURATION"),
}
_CONTACTS = frozenset({"lds02", "lwl02"})
CODECS: Mapping[str, TableCodec] = {
    f"dragino.{model}": fixed(
        f"dragino.{model}", {_F_PORT_OF_CONTACTS if model in _CONTACTS else _F_PORT: parts}
    )
    for model, parts in MODELS.items()
}
