# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What a source says of itself, for the status, the metrics and the live table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(kw_only=True, slots=True)
class SourceState:
    """How one source is doing; counted since it started.

    Attributes:
        connected: messages can arrive now.
        received: messages that arrived.
        acknowledged: messages that are on disk; the sender was told so where it still listened.
        refused: times that a message could not be put on disk or was not allowed in.
        in_flight: messages that arrived and are not on disk yet.
        last_message_at: when the newest one arrived, UTC.
        error: what is wrong now, one sentence; None: nothing.
        reconnects: connections that were lost and made again.
    """

    name: str
    connected: bool = False
    received: int = 0
    acknowledged: int = 0
    refused: int = 0
    in_flight: int = 0
    last_message_at: datetime | None = None
    error: str | None = None
    reconnects: int = 0
