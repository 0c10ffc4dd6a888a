# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How the platform is: one picture for the table, `volme status`, `/healthz` and `/metrics`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from broker.journal.port import SourceAccount
from broker.state import BridgeState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from broker.journal.port import Account


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceStatus:
    """One source: its account since the beginning, and whether it is connected (None: not a connection)."""

    account: SourceAccount = field(default_factory=SourceAccount)
    connected: bool | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """The platform, a moment ago.

    Attributes:
        sources: by name; sources of earlier configurations keep their account.
        dead_letters: waiting, by kind.
        lag: seconds since the oldest unsettled message was received.
        broker_error: what the NGSI-LD broker last said, while it does not take batches.
        store_error: the same of PostgreSQL.
        devices: registered.
        rate: messages settled a second, of late; None: it is too early to say.
        bridge: what the bridge did since the start.
    """

    sources: Mapping[str, SourceStatus] = field(default_factory=dict)
    dead_letters: Mapping[str, int] = field(default_factory=dict)
    pending: int = 0
    lag: float = 0.0
    broker_error: str | None = None
    store_error: str | None = None
    devices: int = 0
    rate: float | None = None
    bridge: BridgeState = field(default_factory=BridgeState)

    @property
    def drained_in(self) -> float | None:
        """Seconds until the backlog is gone, at the rate of late; None: nothing moves, or nothing waits."""
        return self.pending / self.rate if self.pending and self.rate else None

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong now, a sentence each; nothing: all is well."""
        found = [
            *(f"PostgreSQL: {self.store_error}" for _ in range(self.store_error is not None)),
            *(f"NGSI-LD broker: {self.broker_error}" for _ in range(self.broker_error is not None)),
        ]
        for name, source in self.sources.items():
            if source.error is not None:  # not connected and without one: it is on its way
                found.append(f"Source {name}: {source.error}")
        return tuple(found)

    def as_json(self) -> dict[str, Any]:
        """Return what scripts read (`volme status --json`, `/healthz`)."""
        return {
            "ok": not self.problems,
            "problems": list(self.problems),
            "pending": self.pending,
            "lagSeconds": round(self.lag, 3),
            "settledPerSecond": None if self.rate is None else round(self.rate, 1),
            "drainedInSeconds": None if self.drained_in is None else round(self.drained_in),
            "devices": self.devices,
            "deadLetters": dict(self.dead_letters),
            "broker": {
                "batches": self.bridge.batches,
                "entities": self.bridge.entities,
                "history": self.bridge.history,
                "takenAhead": self.bridge.ahead,
                "answers": dict(self.bridge.answers),
            },
            "sources": {
                name: {
                    "connected": source.connected,
                    "error": source.error,
                    **{key: getattr(source.account, key) for key in SourceAccount.__dataclass_fields__},
                }
                for name, source in self.sources.items()
            },
        }


def picture(
    account: Account,
    *,
    dead_letters: Mapping[str, int],
    connections: Mapping[str, tuple[bool | None, str | None]],
    devices: int = 0,
    rate: float | None = None,
    bridge: BridgeState | None = None,
) -> Status:
    """Put the picture together from the journal's account and what the sources say."""
    sources = {}
    for name in sorted({*account.sources, *connections}):
        connected, error = connections.get(name, (None, None))
        sources[name] = SourceStatus(
            account=account.sources.get(name, SourceAccount()), connected=connected, error=error
        )
    return Status(
        sources=sources,
        dead_letters=dict(dead_letters),
        pending=account.pending,
        lag=account.lag,
        broker_error=bridge.broker_error if bridge else None,
        store_error=bridge.store_error if bridge else None,
        devices=devices,
        rate=rate,
        bridge=bridge or BridgeState(),
    )
