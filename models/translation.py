# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What became of one message on its way to entities, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.counters import Counted
    from models.device import Device
    from models.errors import MessageError
    from models.message import Message
    from models.reading import EntityUpdate, Reading
    from models.uplink import Uplink


class Translation(Struct, kw_only=True):
    """The steps of one message's translation, as far as it came.

    Attributes:
        message: what was received.
        uplink: what the envelope says; None: it could not be read.
        device: the registered device; None: nobody has registered it.
        codec: what decoded the payload; None: nothing had to be decoded.
        fields: the decoded fields, or the network server's own decoded object.
        readings: measured and derived, all plausible. Empty where a message was translated quickly:
            then they are only counted.
        counted: how many readings there are, where they were only counted.
        unmapped: quantities for which the device's type has no attribute.
        entities: ready for the broker. Empty where nothing was measured.
        counts: what the device's counters say, for the difference to the next message.
        problems: why it stopped, or which values were left out; each becomes a dead letter.
    """

    message: Message
    uplink: Uplink | None = None
    device: Device | None = None
    codec: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    readings: tuple[Reading, ...] = ()
    counted: int = 0
    unmapped: tuple[str, ...] = ()
    entities: tuple[EntityUpdate, ...] = ()
    counts: tuple[Counted, ...] = ()
    problems: tuple[MessageError, ...] = ()

    @property
    def count(self) -> int:
        """How many readings there are."""
        return self.counted or len(self.readings)
