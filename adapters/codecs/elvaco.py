# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Elvaco CMi41xx in heat meters: an identifier of the message, then M-Bus records.

A record is a DIF (how the number is written), a VIF (what it is, and its power of ten) and the number.

Source: EN 13757-3, tables of DIF and primary VIF; Elvaco, "CMi4110 / CMi4130 / CMi4140 User's Manual",
message formats Standard and Compact. Records beyond these end what is decoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from adapters.codecs.framing import tagged
from adapters.codecs.table import Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.codecs.framing import Rows
    from adapters.codecs.table import TableCodec

_F_PORT = 2
_HEADER = b"\x15"  # the CMi4140's Standard

# DIF: bytes, and how they are written
_DIF: Mapping[int, tuple[int, Literal["little", "bcd"]]] = {
    0x04: (4, "little"),
    0x02: (2, "little"),
    0x0C: (4, "bcd"),
    0x0B: (3, "bcd"),
    0x0A: (2, "bcd"),
}
# VIFs of a quantity, and what one step is at the first of them; each further VIF is ten times that.
# The usual one comes first in each: it is what `encode` sends.
_VIF: tuple[tuple[str, range, float, int], ...] = (
    ("energy", range(0x08), 1e-6, 0x06),  # kWh
    ("energy_heat", range(0x08, 0x10), 1e-9, 0x0E),  # GJ
    ("volume", range(0x10, 0x18), 1e-6, 0x14),  # m³
    ("power", range(0x28, 0x30), 1e-6, 0x2C),  # kW
    ("flow", range(0x38, 0x40), 1e-6, 0x3B),  # m³/h
    ("flow_temperature", range(0x58, 0x5C), 1e-3, 0x5A),  # °C
    ("return_temperature", range(0x5C, 0x60), 1e-3, 0x5E),
)
_SIGNED = frozenset({"power", "flow", "flow_temperature", "return_temperature"})


def _records() -> dict[bytes, Rows]:
    usual: dict[bytes, Rows] = {}
    others: dict[bytes, Rows] = {}
    for name, vifs, first, preferred in _VIF:
        for vif in vifs:
            per = float(f"{1 / (first * 10 ** (vif - vifs.start)):.6g}")
            for dif, (size, order) in _DIF.items():
                signed = order == "little" and name in _SIGNED
                row = Row(name=name, size=size, signed=signed, per=per, order=order)
                (usual if vif == preferred else others)[bytes((dif, vif))] = (row,)
    return {
        **usual,
        **others,
        b"\x0c\x78": (Row(name="meter_id", size=4, order="bcd"),),
        b"\x02\xfd\x17": (Row(name="error_flags", order="little"),),
        b"\x04\xfd\x17": (Row(name="info_bits", size=4, order="little"),),
        b"\x01\xfd\x17": (Row(name="error_flags_short", size=1),),
        b"\x04\x6d": (Row(name="meter_time", size=4, order="little"),),
    }


TAGS: Mapping[str, Mapping[bytes, Rows]] = {"cmi": _records()}
CODECS: Mapping[str, TableCodec] = {
    f"elvaco.{model}": tagged(f"elvaco.{model}", _F_PORT, tags, header=_HEADER)
    for model, tags in TAGS.items()
}
