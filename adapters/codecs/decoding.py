# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From the bytes of a device to its decoded fields: every codec behind one name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.codecs import cayenne_lpp, decentlab, dragino, elsys
from adapters.codecs.javascript import JavaScriptPool
from adapters.codecs.table import Decoded, TableCodec
from models.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["TABLES", "Codecs", "Decoded", "decode_table", "encode"]

TABLES: Mapping[str, TableCodec] = {
    **cayenne_lpp.CODECS,
    **decentlab.CODECS,
    **dragino.CODECS,
    **elsys.CODECS,
}
_JAVASCRIPT = "javascript:"


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
    """Every codec that this platform has: tables, and the operator's JavaScript.

    Attributes:
        javascript: name → source text; codec `javascript:<name>`.
        workers: child processes at most, started when the first JavaScript codec is used.
    """

    def __init__(self, javascript: Mapping[str, str] = {}, workers: int = 2) -> None:
        self._pool = JavaScriptPool(javascript, workers=workers)

    async def decode(
        self, codec: str, *, payload: bytes, f_port: int | None, received_at: datetime
    ) -> Decoded:
        """Decode one payload.

        Raises:
            CodecError: it cannot be decoded, in time and within memory; the sentence says why.
        """
        if codec.startswith(_JAVASCRIPT):
            name = codec.removeprefix(_JAVASCRIPT)
            return await self._pool.decode(name, payload=payload, f_port=f_port, received_at=received_at)
        return decode_table(codec, payload, f_port)

    async def close(self) -> None:
        """End the child processes."""
        await self._pool.close()
