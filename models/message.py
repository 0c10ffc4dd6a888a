# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A message: what a source received, raw."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - dataclass fields are read at run time


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message as a source received it.

    Attributes:
        source: the source's name in the configuration (`simulator`, `ttn`).
        topic: the MQTT topic, or the path of the HTTP request.
        payload: the bytes, untouched.
        received_at: when the source took it, UTC. A replayed message keeps its own.
        redelivered: the transport says that it may have been delivered before (MQTT DUP).
    """

    source: str
    topic: str
    payload: bytes
    received_at: datetime
    redelivered: bool = False
