# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""An NGSI-LD broker that takes everything at once and keeps nothing.

    python -m benchmarks.sink FILE TYPE

Prints its port. Whatever is posted is answered 204 as soon as it is whole, and written to FILE with the
time of its arrival; queries find nothing. Entities of TYPE are counted in FILE.count, by a search for
their type's name: what they say is read after the run. A line on standard input is answered, once the
file is whole, with the processor time used so far; at its end the sink ends.
"""

from __future__ import annotations

import asyncio
import re
import struct
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import uvloop

from benchmarks.counter import Counter

if TYPE_CHECKING:
    from collections.abc import Iterator

_RECORD = struct.Struct("!dI")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_DONE = b"HTTP/1.1 204 No Content\r\n\r\n"
_NOTHING = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"


class Sink(asyncio.Protocol):
    """One connection."""

    def __init__(self, file: BinaryIO, counted: bytes, counter: Counter) -> None:
        self._file = file
        self._counted = counted
        self._counter = counter
        self._buffer = bytearray()
        self._needed = 0
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Remember where answers go."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._buffer += data
        while len(self._buffer) >= self._needed:
            end = self._buffer.find(b"\r\n\r\n") + 4
            if end < 4:
                return
            length = _LENGTH.search(self._buffer, 0, end)
            self._needed = end + (int(length[1]) if length else 0)
            if len(self._buffer) < self._needed:
                return
            self._answer(bytes(self._buffer[end : self._needed]), upsert=self._buffer.startswith(b"POST"))
            del self._buffer[: self._needed]
            self._needed = 0

    def _answer(self, body: bytes, *, upsert: bool) -> None:
        self._transport.write(_DONE if upsert else _NOTHING)
        if upsert:
            self._file.write(_RECORD.pack(time.monotonic(), len(body)) + body)
            self._counter.add(body.count(self._counted))


def counter(path: Path) -> Counter:
    """Return the counter of the sink that writes to a file."""
    return Counter(path.with_suffix(".count"))


def requests(path: Path, start: int = 0) -> Iterator[tuple[float, bytes]]:
    """Read what the sink has written, from a place in the file on: time of arrival and body."""
    with path.open("rb") as file:
        file.seek(start)
        while head := file.read(_RECORD.size):
            moment, length = _RECORD.unpack(head)
            yield moment, file.read(length)


async def main(path: Path, entity_type: str) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    counted, count = f'"{entity_type}"'.encode(), counter(path)
    with path.open("wb") as file:
        server = await loop.create_server(lambda: Sink(file, counted, count), "127.0.0.1", 0)
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        while await asyncio.to_thread(sys.stdin.readline):
            file.flush()
            sys.stdout.write(f"{time.process_time()}\n")
            sys.stdout.flush()
        server.close()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), sys.argv[2]))
