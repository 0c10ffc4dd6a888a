# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Parking sensors that say little: Bosch TPS110 and Nwave NPS310SM.

Both send on port 1 that a car came or left. Bosch repeats the state daily on port 2, and at the end of
what it says at its start on port 3; so does the Nwave, whose daily frame is not read.

Source: Bosch, "Parking Lot Sensor, Communication Interface, Technical Description", v0.23.3 and v0.29.4;
Nwave, "LoRaWAN Parking Sensor, Getting Started", 4.2.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.codecs.framing import fixed
from adapters.codecs.table import Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.codecs.framing import Parts, Rows
    from adapters.codecs.table import TableCodec

_STATE: Rows = (Row(name="occupied", size=1, mask=0x01, words={0: False, 1: True}),)

PORTS: Mapping[str, Mapping[int, Parts]] = {
    "bosch.tps110": {
        1: (_STATE,),
        2: (_STATE,),
        3: (
            (
                *(Row(name=f"debug_code_{number}", size=4, order="little") for number in range(1, 4)),
                Row(name="firmware_version", size=3),
                Row(name="reset_cause", size=1, words={3: "system request"}),
                *_STATE,
            ),
        ),
    },
    "nwave.nps310sm": {
        1: (_STATE,),
        3: (
            (
                Row(name="firmware_version", size=3),
                Row(name="reset_cause", size=1, words={2: "power_on"}),
                *_STATE,
            ),
        ),
    },
}
CODECS: Mapping[str, TableCodec] = {codec: fixed(codec, ports) for codec, ports in PORTS.items()}
