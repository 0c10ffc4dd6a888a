# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The devices, as one process that publishes what was written beforehand.

    python -m benchmarks.publisher PORT KIND DEVICES EPOCH COUNTER

Orders come on standard input, a line of JSON each. {"first": 0, "count": 20000} writes the packets of
so many measures and is answered when they are ready. {"rate": null, "window": 5000} publishes them; the
answer is one line: when each was published (a list, monotonic clock), once the MQTT broker has
acknowledged them all, and the processor time that it took. `rate` is in messages a second; null: as fast
as the broker takes them, and no more than `window` beyond what the sink has counted in COUNTER, so that
the publisher works as long as Volme does; null: without regard to it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import uvloop

from benchmarks.counter import Counter
from benchmarks.measures import KINDS

# Published and not acknowledged; a broker's own window must not be what is measured.
_WINDOW = 2000
_AT_ONCE = 50
_PAUSE_S, _PACED_PAUSE_S = 0.004, 0.001
_CONNECT = b"\x10\x19\x00\x04MQTT\x04\x02\x00\x00\x00\x0dbenchmark-out"
_CONNACK = 0x20
_PUBACK = 0x40


class Publisher(asyncio.Protocol):
    """One MQTT 3.1.1 connection that publishes with QoS 1."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        loop = asyncio.get_running_loop()
        self.connected: asyncio.Future[None] = loop.create_future()
        self._news = asyncio.Event()
        self._acknowledged = 0
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Log in."""
        self._transport = transport
        transport.write(_CONNECT)

    def data_received(self, data: bytes) -> None:
        """Count acknowledgements: packets of four bytes, as CONNACK is one."""
        data = self._buffer + data
        whole = len(data) // 4 * 4
        self._buffer = data[whole:]
        self._acknowledged += data[:whole:4].count(_PUBACK)
        if _CONNACK in data[:whole:4] and not self.connected.done():
            self.connected.set_result(None)
        self._news.set()
        # Acknowledgements come one by one; to wake up for each would cost more than all the rest.
        self._transport.pause_reading()
        asyncio.get_running_loop().call_later(_PAUSE_S, self._transport.resume_reading)

    async def publish(self, packets: list[bytes], rate: float | None, window: int | None) -> list[float]:
        """Send the packets and wait for their acknowledgements; return when each was sent."""
        sent: list[float] = []
        before, arrived = self._acknowledged, self._counter.value()
        began = time.monotonic()
        while len(sent) < len(packets):
            now = time.monotonic()
            due = len(packets) if rate is None else int((now - began) * rate) + 1
            if window is not None:
                due = min(due, self._counter.value() - arrived + window)
            room = _WINDOW - (len(sent) - (self._acknowledged - before))
            some = packets[len(sent) : min(due, len(sent) + min(room, _AT_ONCE))]
            if some:
                self._transport.write(b"".join(some))
                sent += [now] * len(some)
            if room <= _AT_ONCE:
                await self._acknowledgements()
            else:
                await asyncio.sleep(_PACED_PAUSE_S if rate else 0 if some else _PAUSE_S)
        while self._acknowledged - before < len(packets):
            await self._acknowledgements()
        return sent

    async def _acknowledgements(self) -> None:
        self._news.clear()
        await self._news.wait()


async def main(port: int, kind: str, devices: int, epoch: datetime, counter: Path) -> None:
    """Publish what is ordered until standard input ends."""
    loop = asyncio.get_running_loop()
    _, publisher = await loop.create_connection(lambda: Publisher(Counter(counter)), "127.0.0.1", port)
    await publisher.connected
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = orjson.loads(line)
        if "rate" not in order:  # to write them takes longer than to send them: before the clock runs
            packets = KINDS[kind].packets(order["first"], order["count"], devices, epoch)
            answer: dict[str, Any] = {"ready": len(packets)}
        else:
            began = time.process_time()
            sent = await publisher.publish(packets, order["rate"], order.get("window"))
            answer = {"sent": sent, "processor_s": time.process_time() - began}
        sys.stdout.write(orjson.dumps(answer).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _port, _kind, _devices, _epoch, _counter = sys.argv[1:]
    uvloop.run(main(int(_port), _kind, int(_devices), datetime.fromisoformat(_epoch), Path(_counter)))
