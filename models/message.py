# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A message: what a source received, raw."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the fields at run time

from msgspec import Struct


class Message(Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """One message as a source received it.

    A struct of msgspec and no dataclass, as all that is made for every message: making one takes a
    tenth of the time, and the journal packs thousands of them at once.

    Attributes:
        source: the source's name in the configuration (`simulator`, `ttn`).
        topic: the MQTT topic, or the path of the HTTP request.
        payload: the bytes, untouched.
        received_at: when the source took it, UTC. A replayed message keeps its own.
        redelivered: the transport says that it may have been delivered before (MQTT DUP).
        packet_id: by which the transport would deliver it again (MQTT with QoS 1); None: it never does.
    """

    source: str
    topic: str
    payload: bytes
    received_at: datetime
    redelivered: bool = False
    packet_id: int | None = None
