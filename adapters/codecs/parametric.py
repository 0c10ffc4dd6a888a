# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Parametric: radar counters of people (PCR2) and of traffic (TCR), big-endian.

Source: Parametric's "PCR2 Application Payloads" V2 to V4 and "TCR Application Payload" V1 and V2. A
PCR2 sends tagged values (in the format of Elsys) or, if set so, the extended frame of its version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.codecs.framing import tagged
from adapters.codecs.table import Row

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
CODECS: Mapping[str, TableCodec] = {
    f"parametric.{model}": tagged(f"parametric.{model}", _PORTS[model], tags, strict=True)
    for model, tags in TAGS.items()
}
