# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How the bridge is set, and what it is doing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from broker.histogram import Histogram


@dataclass(frozen=True, kw_only=True, slots=True)
class BridgeSettings:
    """How much the bridge holds at once.

    Attributes:
        lanes: batches on their way at the same time; also the broker connections used.
        batch: entities a batch; facts on Orion-LD: 50 to 100 is fastest, above 800 it fails.
        chunk: messages translated at a time.
        window: messages read and not yet settled from which on no chunk more is read.
        window_bytes: payload bytes of these, likewise; bounds the memory.
        linger: seconds from one batch of a lane to the next while the lane has less than a batch.
        consumer: the name of the cursor in the journal.
    """

    lanes: int = 4
    batch: int = 100
    chunk: int = 500
    window: int = 4000
    window_bytes: int = 64 * 1024 * 1024
    linger: float = 0.015
    consumer: str = "bridge"


@dataclass(kw_only=True, slots=True)
class BridgeState:
    """What the bridge is doing, for status and metrics.

    Attributes:
        translated: messages since the start.
        readings: readings since the start.
        entities: entity updates that the broker took since the start.
        batches: batches sent since the start.
        history: late updates that the broker's history took since the start.
        ahead: messages of preferred devices that were taken before their turn, since the start.
        answers: of the broker to batches, by status; `none`: there was no answer.
        batch_sizes: entities a batch.
        commit_seconds: that settling took.
        broker_error: what the broker last said, while it is not taking batches; None: it is well.
        store_error: the same of the journal.
    """

    translated: int = 0
    readings: int = 0
    entities: int = 0
    batches: int = 0
    history: int = 0
    ahead: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    batch_sizes: Histogram = field(default_factory=lambda: Histogram(1, 5, 10, 25, 50, 100, 200, 400, 800))
    commit_seconds: Histogram = field(
        default_factory=lambda: Histogram(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
    )
    broker_error: str | None = None
    store_error: str | None = None
