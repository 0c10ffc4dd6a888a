# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Dragino: fixed big-endian frames on port 2, one table a model.

Source: Dragino's user manuals ("Uplink Payload"). Firmware before 1.1.4 of the distance
sensors sends battery and distance alone; later ones add the interrupt, a DS18B20 thermometer
and whether an ultrasonic sensor was found.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from adapters.codecs.table import Decoded, Row, TableCodec, read_rows, refuse_unknown, size_of, write_rows
from models.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Mapping

_F_PORT = 2

_BATTERY = Row(name="Bat", per=1000, mask=0x3FFF)  # V; the two upper bits are flags
_INTERRUPT = Row(name="Interrupt_flag", size=1)
_PROBE = Row(name="TempC_DS18B20", signed=True, per=10)  # °C
_SENSOR = Row(name="Sensor_flag", size=1)

# mm. 0: no ultrasonic sensor answers; nearer than the sensor can see comes as 20 mm.
_DISTANCE = Row(name="Distance", words={0: "No Sensor", 20: "Invalid Reading"})

# Rows that every frame has, then rows that a frame has or lacks together, in their order.
_LEVEL = ((_BATTERY, _DISTANCE), (_INTERRUPT,), (_PROBE, _SENSOR))

MODELS: Mapping[str, tuple[tuple[Row, ...], ...]] = {"ldds75": _LEVEL, "ldds45": _LEVEL, "ldds20": _LEVEL}


def decode(parts: tuple[tuple[Row, ...], ...], payload: bytes, _f_port: int | None = None) -> Decoded:
    """Decode one frame by a model's table, as many of its parts as the firmware sends.

    Raises:
        CodecError: the frame ends within a part, or goes on after the last one.
    """
    fields: dict[str, Any] = {}
    position = 0
    for number, rows in enumerate(parts):
        if number and position == len(payload):
            break
        fields |= read_rows(rows, payload, position)
        position += size_of(rows)
    if position != len(payload):
        message = f"The payload has {len(payload)} bytes; this model's frame ends after {position}."
        raise CodecError(message)
    return Decoded(fields=fields)


def encode(codec: str, parts: tuple[tuple[Row, ...], ...], fields: Mapping[str, Any]) -> tuple[int, bytes]:
    """Return port and frame, as long as the present firmware's."""
    refuse_unknown(fields, frozenset(row.name for rows in parts for row in rows), codec)
    return _F_PORT, b"".join(write_rows(rows, fields) for rows in parts)


CODECS: Mapping[str, TableCodec] = {
    f"dragino.{model}": TableCodec(
        decode=partial(decode, parts), encode=partial(encode, f"dragino.{model}", parts)
    )
    for model, parts in MODELS.items()
}
