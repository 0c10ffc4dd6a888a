# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The QR code on a LoRaWAN device: `LW:D0:<JoinEUI>:<DevEUI>:<ProfileID>[:O…][:S…][:P…][:C…]`.

Source: LoRa Alliance, TR005 LoRaWAN Device Identification QR Codes. Its example carries a check sum of
CRC-16/MODBUS over all that stands before `:C`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_PARTS = re.compile(
    r"LW:D0:(?P<join_eui>[0-9A-F]{16}):(?P<dev_eui>[0-9A-F]{16}):(?P<vendor>[0-9A-F]{4})(?P<model>[0-9A-F]{4})"
    r"(?P<extensions>(?::[A-Z][^:]*)*)"
)
_CHECK = re.compile(r":C(?P<sum>[0-9A-F]{4})(?=:|$)")


class LabelError(ValueError):
    """It is no such QR code; the text is a sentence without a full stop."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """What the code says.

    Attributes:
        dev_eui: 16 lower-case hex digits.
        join_eui: likewise.
        vendor: the LoRa Alliance's number of the vendor, four lower-case hex digits.
        model: the vendor's number of the model, likewise.
        owner_token: proves who owns the device: a secret.
        serial: the vendor's serial number.
        proprietary: whatever else the vendor says.
    """

    dev_eui: str
    join_eui: str
    vendor: str
    model: str
    owner_token: str | None = field(default=None, repr=False)
    serial: str | None = None
    proprietary: str | None = None

    @property
    def names(self) -> tuple[str, str]:
        """What a profile may name among its `models`: `tr005/<vendor><model>`."""
        return ("tr005", f"{self.vendor}{self.model}")


def read_label(text: str) -> Label:
    """Read what a camera saw.

    Raises:
        LabelError: it is no code of TR005, or its check sum is wrong.
    """
    code = text.strip()
    # The letters of its own parts are capital; scanners and hands are not always.
    found = _PARTS.fullmatch(code) or _PARTS.fullmatch(code.upper())
    if found is None:
        msg = "this is no QR code of TR005: LW:D0:<JoinEUI>:<DevEUI>:<ProfileID>, and what the vendor adds"
        raise LabelError(msg)
    whole, extensions = found[0], found["extensions"]
    if (check := _CHECK.search(extensions)) is not None:
        covered = whole[: found.start("extensions") + check.start()]
        if _crc16(covered.encode()) != int(check["sum"], 16):
            msg = f"the check sum {check['sum']} does not fit the rest: something was misread or mistyped"
            raise LabelError(msg)
    said = {part[0]: part[1:] for part in extensions.split(":")[1:]}
    return Label(
        dev_eui=found["dev_eui"].lower(),
        join_eui=found["join_eui"].lower(),
        vendor=found["vendor"].lower(),
        model=found["model"].lower(),
        owner_token=said.get("O") or None,
        serial=said.get("S") or None,
        proprietary=said.get("P") or None,
    )


def _crc16(text: bytes) -> int:
    """Return CRC-16/MODBUS: polynomial 0x8005 reflected, initially 0xFFFF."""
    value = 0xFFFF
    for byte in text:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return value
