# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A publisher that knows what the MQTT broker acknowledged, and says again what it did not."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import struct
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.faults.measures import Fleet, Measure

_WINDOW = 400
_CHUNK = 20


class Raw(NamedTuple):
    """A message that is no measure of a device."""

    topic: str
    body: bytes


class Publisher:
    """QoS 1 over MQTT 3.1.1, many on their way at once, in order.

    Attributes:
        acknowledged: what the MQTT broker has taken responsibility for, in order.
        repeated: messages that were sent again, since the answer to the first got lost: the MQTT
            broker may hold them twice.
    """

    def __init__(self, port: int) -> None:
        self.acknowledged: list[Measure | Raw] = []
        self.repeated = 0
        self._port = port
        self._room = asyncio.Event()
        self._waiting: dict[int, Measure | Raw] = {}
        self._numbers = itertools.cycle(range(1, 2**16))

    async def send(self, messages: Iterable[Measure | Raw], *, rate: float | None = None) -> None:
        """Publish all of them; return once the MQTT broker has acknowledged each."""
        todo = deque(messages)
        while todo:
            try:
                await self._session(todo, rate)
            except (OSError, asyncio.IncompleteReadError):
                self.repeated += len(self._waiting)
                todo.extendleft(reversed(self._waiting.values()))
                self._waiting.clear()
                await asyncio.sleep(0.05)

    async def _session(self, todo: deque[Measure | Raw], rate: float | None) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(_packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x00\x00\x00"))
        listening = None
        try:
            await reader.readexactly(4)
            listening = asyncio.create_task(self._listen(reader))
            begin, sent = asyncio.get_running_loop().time(), 0
            while (todo or self._waiting) and not listening.done():
                for _ in range(min(_CHUNK, len(todo), _WINDOW - len(self._waiting))):
                    self._publish(writer, todo.popleft())
                    sent += 1
                await writer.drain()
                pause = begin + sent / rate - asyncio.get_running_loop().time() if rate else 0.0
                if todo and pause > 0:
                    await asyncio.sleep(pause)
                elif not todo or len(self._waiting) >= _WINDOW:
                    self._room.clear()
                    await self._room.wait()
            if listening.done():
                listening.result()
        finally:
            if listening is not None:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
            writer.write(b"\xe0\x00")
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _publish(self, writer: asyncio.StreamWriter, message: Measure | Raw) -> None:
        number = next(self._numbers)
        topic = message.topic.encode()
        self._waiting[number] = message
        writer.write(
            _packet(0x32, struct.pack(f">H{len(topic)}sH", len(topic), topic, number) + message.body)
        )

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                kind, length, number = struct.unpack(">BBH", await reader.readexactly(4))
                assert (kind, length) == (0x40, 2), "a publisher gets nothing but PUBACK"
                self.acknowledged.append(self._waiting.pop(number))
                self._room.set()
        finally:
            self._room.set()


class Load:
    """A steady load in the background: `async with Load(publisher, fleet, rate): …`."""

    def __init__(self, publisher: Publisher, fleet: Fleet, rate: float) -> None:
        self._publisher = publisher
        self._fleet = fleet
        self._rate = rate
        self._ended = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        self._ended = True
        if kind is not None:
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=kind is not None)

    async def _run(self) -> None:
        while not self._ended:
            await self._publisher.send(self._fleet.take(int(self._rate / 2)), rate=self._rate)


def _packet(kind: int, body: bytes) -> bytes:
    length, left = bytearray(), len(body)
    while True:
        left, digit = divmod(left, 128)
        length.append(digit | (0x80 if left else 0))
        if not left:
            return bytes([kind]) + bytes(length) + body
