# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Messages that a transport delivers again: more than a device's last keys can tell, or without any.

MQTT delivers again what it has no acknowledgement for, marked (DUP) and with the same packet
identifier (MQTT 5, 4.4). Where that comes with the same topic and payload as the last message with this
identifier in the log, it is the same message. A marked message that differs was never in the log.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from broker.journal.port import Position

if TYPE_CHECKING:
    from broker.journal.port import Batch, Journal
    from models.message import Message

# A packet identifier has 16 bits: as many messages can be on their way at most (MQTT 5, 2.2.1).
_LOOK_BACK = 65_536
_READ = 2_000


class Redelivered:
    """What the last messages of the log were; looked up only while a transport delivers again."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._last: dict[tuple[str, int], int] = {}
        # The number of the last message that was marked; 0: nothing is remembered.
        self._marked = 0

    @property
    def active(self) -> bool:
        """Messages are being delivered again, or were a moment ago."""
        return bool(self._marked)

    async def prepare(self, batch: Batch) -> None:
        """Read the messages before a batch that has marked ones.

        Raises:
            StoreError: they cannot be read.
        """
        if not any(message.redelivered and message.packet_id for message in batch.messages):
            if self._marked and batch.first > self._marked + _LOOK_BACK:
                self._marked = 0
                self._last.clear()
            return
        if not self._marked:
            # The day before, since the log goes by days: more than that is no redelivery.
            place = Position(day=batch.day - timedelta(days=1), seq=max(0, batch.first - 1 - _LOOK_BACK))
            while place.seq < batch.first - 1:
                read = await self._journal.read_batches(place, _READ)
                for before in read:
                    for seq, message in enumerate(before.messages, before.first):
                        if seq < batch.first:
                            self._note(message)
                    place = before.position
                if not read:
                    break
        self._marked = batch.last

    def came_before(self, message: Message) -> bool:
        """Say whether a message is the same as one before it; remember it."""
        if message.packet_id is None:
            return False
        if message.redelivered and self._last.get((message.source, message.packet_id)) == _print(message):
            return True
        self._note(message)
        return False

    def _note(self, message: Message) -> None:
        if message.packet_id is not None:
            self._last[message.source, message.packet_id] = _print(message)


def _print(message: Message) -> int:
    return hash((message.topic, message.payload))
