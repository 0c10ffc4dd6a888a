# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Between Volme and its MQTT broker: counts what each says, cuts the wire, keeps acknowledgements back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from tests.conftest import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_PUBLISH, _PUBACK, _SUBACK = 3, 4, 9
_QOS, _DUP = 0x06, 0x08


class Wire:
    """A proxy that reads along.

    Attributes:
        delivered: messages with QoS 1 that the MQTT broker sent.
        repeated: of these, the ones that it had sent before, and marked so.
        acknowledged: acknowledgements that Volme sent.
        stale: of these, the ones that answer nothing on their connection: the MQTT broker would
            take them for the answer to another message.
        subscriptions: how often the MQTT broker took Volme's subscriptions: connections that are used.
        holding: keep acknowledgements back.
    """

    def __init__(self, port: int) -> None:
        self.port = free_port()
        self.delivered = self.repeated = self.acknowledged = self.subscriptions = 0
        self.stale: list[int] = []
        self.holding = False
        self._port = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Drop every connection, whatever is on its way."""
        for writer in self._open:
            writer.transport.abort()

    @property
    def outstanding(self) -> int:
        """Messages of all connections that were never acknowledged."""
        return self.delivered - self.acknowledged

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            theirs = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, theirs[1]}
        self._open |= both
        unanswered: set[int] = set()
        try:
            await asyncio.gather(
                self._down(theirs[0], writer, unanswered), self._up(reader, theirs[1], unanswered)
            )
        except OSError:
            pass  # either side is gone, and so is the other
        finally:
            for each in both:
                each.transport.abort()
            self._open -= both

    async def _down(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, unanswered: set[int]
    ) -> None:
        packets = _Packets()
        while data := await reader.read(65536):
            for packet, start in packets.take(data):
                if packet[0] >> 4 == _SUBACK:
                    self.subscriptions += 1
                if packet[0] >> 4 == _PUBLISH and packet[0] & _QOS:
                    at = start + 2 + int.from_bytes(packet[start : start + 2])
                    unanswered.add(int.from_bytes(packet[at : at + 2]))
                    self.delivered += 1
                    self.repeated += bool(packet[0] & _DUP)
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError

    async def _up(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, unanswered: set[int]
    ) -> None:
        packets = _Packets()
        while data := await reader.read(65536):
            for packet, start in packets.take(data):
                kind = packet[0] >> 4
                if kind == _PUBACK:
                    number = int.from_bytes(packet[start : start + 2])
                    self.acknowledged += 1
                    if number not in unanswered:
                        self.stale.append(number)
                    unanswered.discard(number)
                if kind != _PUBACK or not self.holding:
                    writer.write(packet)
            await writer.drain()
        raise ConnectionResetError


class _Packets:
    """Cuts a stream into MQTT packets."""

    def __init__(self) -> None:
        self._buffer = b""

    def take(self, data: bytes) -> Iterator[tuple[bytes, int]]:
        """Yield whole packets, and where their content begins."""
        self._buffer += data
        while (found := self._head()) is not None:
            start, end = found
            packet, self._buffer = self._buffer[:end], self._buffer[end:]
            yield packet, start

    def _head(self) -> tuple[int, int] | None:
        length = 0
        for place, byte in enumerate(self._buffer[1:5]):
            length |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                end = place + 2 + length
                return (place + 2, end) if len(self._buffer) >= end else None
        return None
