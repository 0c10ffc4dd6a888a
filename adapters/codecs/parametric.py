# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Parametric: radar counters of people (PCR2) and of traffic (TCR), big-endian.

Source: Parametric's "PCR2 Application Payloads" V2 to V4 and "TCR Application Payload" V1 and V2. A
PCR2 sends tagged values (in the format of Elsys) or, if set so, the extended frame of its version.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import structs

from adapters.codecs.framing import tagged
from adapters.codecs.table import Decoded, Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.codecs.framing import Rows
    from adapters.codecs.table import TableCodec

_LTR, _RTL = Row(name="ltr"), Row(name="rtl")  # from left to right and back, since the last frame
_TEMPERATURE = Row(name="temp", signed=True, per=10)  # of the processor, °C
_SUMS: Rows = (Row(name="ltr_sum"), Row(name="rtl_sum"))  # since it was switched on
_GAUGE = Row(name="sbx_batt_percent", size=1)
_BATTERY = Row(name="sbx_batt")  # mV, 0 without a solar charger
_SOLAR = Row(name="sbx_pv")  # mW

# Vehicles of four classes of speed, from the left (l) and from the right (r): count and mean, km/h.
_SPEEDS: Rows = tuple(
    row
    for number in range(4)
    for side in "lr"
    for row in (Row(name=f"{side}{number}_cnt"), Row(name=f"{side}{number}_avg", size=1))
)

TAGS: Mapping[str, Mapping[bytes, Rows]] = {
    "pcr2": {
        b"\xbe\x01\x04": (_LTR, _RTL, *_SUMS, _BATTERY, _SOLAR, _TEMPERATURE),
        b"\xbe\x01\x03": (_LTR, _RTL, *_SUMS, _GAUGE, _SOLAR, _TEMPERATURE),
        b"\x0a": (_LTR,),
        b"\x16": (_RTL,),
        b"\x01": (_TEMPERATURE,),
    },
    "tcr": {
        b"\xbe\x02\x02": (_BATTERY, _SOLAR, _TEMPERATURE, *_SPEEDS),
        b"\xbe\x02\x01": (_GAUGE, _SOLAR, _TEMPERATURE, *_SPEEDS),
    },
}
_PORTS = {"pcr2": 14, "tcr": 15}
_TABLES: Mapping[str, TableCodec] = {
    f"parametric.{model}": tagged(f"parametric.{model}", _PORTS[model], tags, strict=True)
    for model, tags in TAGS.items()
}


def _decode_traffic(table: TableCodec, payload: bytes, f_port: int | None = None) -> Decoded:
    """Decode, and add all vehicles (`vehicles`) and their mean speed (`mean_speed`, km/h, if any passed)."""
    decoded = table.decode(payload, f_port)
    fields = decoded.fields
    lanes = [
        (fields[f"{side}{number}_cnt"], fields[f"{side}{number}_avg"]) for number in range(4) for side in "lr"
    ]
    vehicles = sum(count for count, _ in lanes)
    more: dict[str, Any] = {"vehicles": vehicles}
    if vehicles:
        more["mean_speed"] = round(sum(count * speed for count, speed in lanes) / vehicles, 2)
    return structs.replace(decoded, fields={**fields, **more})


def _encode_traffic(table: TableCodec, fields: Mapping[str, Any]) -> tuple[int, bytes]:
    """Encode; where `vehicles` alone are given, they are all of the third class of speed, from the left."""
    lanes = {name: value for name, value in fields.items() if name not in ("vehicles", "mean_speed")}
    if not any(name.endswith("_cnt") for name in lanes):
        lanes |= {"l2_cnt": fields.get("vehicles", 0), "l2_avg": fields.get("mean_speed", 0)}
    return table.encode(lanes)


_TRAFFIC = _TABLES["parametric.tcr"]
CODECS: Mapping[str, TableCodec] = {
    **_TABLES,
    "parametric.tcr": replace(
        _TRAFFIC, decode=partial(_decode_traffic, _TRAFFIC), encode=partial(_encode_traffic, _TRAFFIC)
    ),
}
