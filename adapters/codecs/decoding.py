# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From the bytes of a device to its decoded fields: every codec behind one name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.codecs import (
    browan,
    cayenne_lpp,
    decentlab,
    dingtek,
    dragino,
    elsys,
    elvaco,
    imbuildings,
    klax,
    mbus,
    milesight,
    parametric,
    parking,
    senml,
    sensecap,
)
from adapters.codecs.javascript import PREFIX, JavaScriptPool, Request
from adapters.codecs.table import Decoded, TableCodec
from models.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

__all__ = ["TABLES", "Codecs", "Decoded", "Request", "decode_table", "encode"]

TABLES: Mapping[str, TableCodec] = {
    **browan.CODECS,
    **cayenne_lpp.CODECS,
    **decentlab.CODECS,
    **dingtek.CODECS,
    **dragino.CODECS,
    **elsys.CODECS,
    **elvaco.CODECS,
    **imbuildings.CODECS,
    **klax.CODECS,
    **mbus.CODECS,
    **milesight.CODECS,
    **parametric.CODECS,
    **parking.CODECS,
    **sensecap.CODECS,
    **senml.CODECS,
}
_UNANSWERED = CodecError("The codec has not answered.")


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


def _attempt(request: Request) -> Decoded | CodecError:
    try:
        return decode_table(request.codec, request.payload, request.f_port)
    except CodecError as error:
        return error


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
        if not codec.startswith(PREFIX):
            return decode_table(codec, payload, f_port)
        return await self._pool.decode(
            Request(codec=codec, payload=payload, f_port=f_port, received_at=received_at)
        )

    async def decode_many(self, requests: Sequence[Request]) -> list[Decoded | CodecError]:
        """Decode payloads, each by its own codec; far cheaper than one after the other.

        Nothing that one codec does spoils another's result.

        Returns:
            In the order of the requests, what was decoded, or why it was not: nothing is raised.
        """
        results: list[Decoded | CodecError] = []
        foreign: list[Request] = []
        places: list[int] = []
        for place, request in enumerate(requests):
            if request.codec.startswith(PREFIX):
                foreign.append(request)
                places.append(place)
                results.append(_UNANSWERED)
            else:
                results.append(_attempt(request))
        for place, result in zip(places, await self._pool.decode_many(foreign), strict=True):
            results[place] = result
        return results

    def update(self, javascript: Mapping[str, str]) -> list[str]:
        """Take other JavaScript codecs from now on; return the names of those that differ."""
        return self._pool.update(javascript)

    async def close(self) -> None:
        """End the child processes."""
        await self._pool.close()
