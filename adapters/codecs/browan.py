# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Browan (also sold by MerryIoT): short little-endian frames, each model on a port of its own.

All begin with a status, the battery in the lower four bits of a byte, (25 + n) / 10 V, and the
temperature of the board, n - 32 °C.

Source: Browan, "TBSL100 / TBMS100 / TBDW100 / TBWL100 / TBHH100 Reference Manual", 4.1.2 Payload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.codecs.framing import fixed
from adapters.codecs.table import Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.codecs.framing import Parts, Rows
    from adapters.codecs.table import TableCodec


def _celsius(name: str) -> Row:
    return Row(name=name, size=1, mask=0x7F, zero=32)


_STATUS = Row(name="status", size=1, mask=0x01)
_BATTERY = Row(name="battery", size=1, mask=0x0F, zero=-25, per=10, default=3.6)  # V
_HUMIDITY = Row(name="humidity", size=1, mask=0x7F)  # %
_BOARD = _celsius("temperatureBoard")
_COUNTED: Rows = (
    _STATUS,
    _BATTERY,
    _BOARD,
    Row(name="time", order="little"),  # min since the last event
    Row(name="count", size=3, order="little"),
)

PORTS: Mapping[str, Mapping[int, Parts]] = {
    # sound, dB(A), 40 to 100
    "browan.tbsl100": {
        105: ((_STATUS, _BATTERY, _BOARD, Row(name="decibel", size=1, words={255: "not measured"})),)
    },
    # motion, 1: somebody moves
    "browan.tbms100": {102: (_COUNTED,)},
    # door, 1: open
    "browan.tbdw100": {100: (_COUNTED,)},
    # water, 1: leak
    "browan.tbwl100": {106: ((_STATUS, _BATTERY, _BOARD, _HUMIDITY, _celsius("temperature")),)},
    # room climate; here the third byte is of the room
    "browan.tbhh100": {
        103: (
            (
                Row(name="flags", size=1),
                _BATTERY,
                _celsius("temperature"),
                _HUMIDITY,
                Row(name="reserved", size=4, default=0xFFFFFFFF),
            ),
        )
    },
}
CODECS: Mapping[str, TableCodec] = {codec: fixed(codec, ports) for codec, ports in PORTS.items()}
