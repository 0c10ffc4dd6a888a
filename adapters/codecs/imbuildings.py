# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""IMBuildings: people counters, payload type 2 variant 6, big-endian.

A device may be set to leave out the header (type, variant, DevEUI): then the variant is the port less 20.

Source: IMBuildings' "Payload structure", type 2 variant 6, and the example beside its parser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.codecs.table import Decoded, Row, TableCodec, read_rows, refuse_unknown, size_of, write_rows
from models.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.codecs.framing import Rows

_F_PORT = 26
_HEADER: Rows = (
    Row(name="payload_type", size=1),
    Row(name="payload_variant", size=1),
    Row(name="device_id", size=8),
)
_START = {"payload_type": 2, "payload_variant": 6}
BODY: Rows = (
    Row(name="device_status", size=1),
    Row(name="battery_voltage", per=100),  # V
    Row(name="counter_a"),  # since the last frame
    Row(name="counter_b"),
    Row(name="sensor_status", size=1),
    Row(name="total_counter_a"),  # 16 bits, then from 0 again
    Row(name="total_counter_b"),
    Row(name="payload_counter", size=1),
)


def decode(payload: bytes, _f_port: int | None = None) -> Decoded:
    """Decode one frame, with or without its header.

    Raises:
        CodecError: another type or variant, or a frame of another length.
    """
    if len(payload) == size_of(BODY):
        return Decoded(fields=read_rows(BODY, payload, 0))
    if len(payload) != size_of(_HEADER) + size_of(BODY) or payload[:2] != bytes(_START.values()):
        message = (
            f"The payload of {len(payload)} bytes is none of type 2, variant 6:"
            " set the counter to this variant."
        )
        raise CodecError(message)
    return Decoded(fields=read_rows((*_HEADER, *BODY), payload, 0))


def encode(fields: Mapping[str, Any]) -> tuple[int, bytes]:
    """Return port and frame; a header goes out where a DevEUI is given."""
    refuse_unknown(fields, frozenset(row.name for row in (*_HEADER, *BODY)), "imbuildings.people_counter")
    body = write_rows(BODY, fields)
    if not any(row.name in fields for row in _HEADER):
        return _F_PORT, body
    return _F_PORT, write_rows(_HEADER, {**fields, **_START}) + body


CODECS: Mapping[str, TableCodec] = {
    "imbuildings.people_counter": TableCodec(decode=decode, encode=encode, ports=(_F_PORT,)),
}
