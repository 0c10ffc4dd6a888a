# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Dingtek: level in waste containers, a fixed frame between 80 and 81 on port 3.

Source: Dingtek, "DF702 & DF703 Waste Bin Sensor, Protocol LoRaWAN", V2.8: the periodic report without a
position. Its reports of settings measure nothing and are refused by their length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.codecs.framing import fixed
from adapters.codecs.table import Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.codecs.framing import Parts
    from adapters.codecs.table import TableCodec

_F_PORT = 3
_YES: Mapping[int, str | bool] = {0: False, 1: True}


def _alarm(name: str, mask: int, *, stay: bool = False) -> Row:
    return Row(name=name, size=1, mask=mask, stay=stay, words=_YES)


PORTS: Mapping[str, Mapping[int, Parts]] = {
    "dingtek.df702": {
        _F_PORT: (
            (
                Row(name="head", size=1, default=0x80),
                Row(name="forced", size=1),
                Row(name="device_type", size=1, default=1),
                Row(name="report_type", size=1, default=1),
                Row(name="packet_size", size=1, default=0x11),
                Row(name="level"),  # mm, from the lid down to the waste
                Row(name="positioned", size=1),
                Row(name="temperature", size=1, signed=True),  # °C
                Row(name="angle_sign", size=1),
                Row(name="angle_degrees", size=1),
                _alarm("full", 0xF0, stay=True),
                _alarm("fire", 0x0F),
                _alarm("tilt", 0xF0, stay=True),
                _alarm("battery", 0x0F),  # nearly empty
                Row(name="frame_counter", size=2),
                Row(name="reserved", size=1),
                Row(name="tail", size=1, default=0x81),
            ),
        ),
    }
}
CODECS: Mapping[str, TableCodec] = {codec: fixed(codec, ports) for codec, ports in PORTS.items()}
