# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From the bytes of a device to its decoded fields: every codec behind one name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.codecs import decentlab, dragino, elsys
from adapters.codecs.table import Decoded, TableCodec
from models.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["TABLES", "Codecs", "Decoded", "decode_table", "encode"]

TABLES: Mapping[str, TableCodec] = {**decentlab.CODECS, **dragino.CODECS, **elsys.CODECS}


def decode_table(codec: str, payload: bytes, f_port: int | None) -> Decoded:
    """Decode by a table codec, without leaving the process.

    Raises:
        CodecError: no such table, or the payload is not one of the device's frames.
    """
    return _table(codec).decode(payload, f_port)


def encode(codec: str, fields: Mapping[str, Any]) -> tuple[int, bytes]:
    """Return (f_port, payload), from which the table codec decodes the fields again.

    Raises:
        CodecError: no such table, or a field that it does not have or cannot hold.
    """
    return _table(codec).encode(fields)


def _table(codec: str) -> TableCodec:
    if codec in TABLES:
        return TABLES[codec]
    if codec == "network":
        message = (
            "Only the network server can decode this device, and it sent no decoded object: "
            "install the vendor's codec there."
        )
    else:
        message = f"There is no codec {codec!r}."
    raise CodecError(message)


class Codecs:
    """Every codec that this platform has."""

    async def decode(
        self,
        codec: str,
        *,
        payload: bytes,
        f_port: int | None,
        received_at: datetime,  # noqa: ARG002 - vendor JavaScript reads the clock; tables do not
    ) -> Decoded:
        """Decode one payload.

        Raises:
            CodecError: it cannot be decoded; the sentence says why.
        """
        return decode_table(codec, payload, f_port)

    async def close(self) -> None:
        """End what the codecs started."""
