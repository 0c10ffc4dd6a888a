# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A running platform: its parts, and how they are."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from compose.status import Status, picture
from models.errors import StoreError, UnknownDeviceError
from store.postgres import AWAY

if TYPE_CHECKING:
    from adapters.registry import Registry
    from adapters.sources.mqtt import MqttSource
    from broker.bridge import Bridge
    from broker.embedded.server import EmbeddedBroker
    from broker.journal.port import Account
    from broker.journal.postgres import PostgresJournal
    from compose.addresses import Addresses
    from compose.settings import Settings

_PULSE_S = 1.0
_ADOPT_S = 15.0
_FORGET_S = 3600.0

log = structlog.get_logger(__name__)


class Platform:
    """A running platform; made by `compose.wiring.running`."""

    def __init__(
        self, *, settings: Settings, addresses: Addresses, journal: PostgresJournal, registry: Registry
    ) -> None:
        self.settings = settings
        self.addresses = addresses
        self.journal = journal
        self.registry = registry
        self.bridge: Bridge | None = None
        self.sources: dict[str, MqttSource] = {}
        self._status = Status()
        self._settled: deque[tuple[float, int]] = deque(maxlen=11)

    def status(self) -> Status:
        """Return the state of at most a moment ago."""
        return self._status

    async def pulse(self) -> None:
        """Keep the status true until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_PULSE_S)

    async def adopt(self) -> None:
        """Deliver what waits for devices that are registered, until cancelled.

        `volme devices add` does so itself; this finds what arrived while it was running.
        """
        while True:
            await asyncio.sleep(_ADOPT_S)
            if not self._status.dead_letters.get(UnknownDeviceError.kind):
                continue
            with contextlib.suppress(StoreError):  # the status says so; the next round finds it again
                for waiting in await self.journal.unknown_devices():
                    if waiting.device_id in self.registry.devices:
                        await self.journal.replay(kind=UnknownDeviceError.kind, device=waiting.device_id)

    async def forget(self) -> None:
        """Drop days of the journal that are settled and old enough, until cancelled."""
        while True:
            keep = self.settings.postgres
            day = datetime.now(UTC).date() - timedelta(days=keep.keep_days)
            try:
                dropped = await self.journal.drop_before(day)
                if keep.keep_gigabytes is not None:
                    dropped += await self.journal.drop_beyond(int(keep.keep_gigabytes * 1e9))
            except StoreError as error:
                log.warning("journal.not_dropped", error=str(error))
            else:
                if dropped:
                    log.info("journal.dropped", days=[str(each) for each in dropped])
            await asyncio.sleep(_FORGET_S)

    async def look(self) -> None:
        """Take the picture anew."""
        connections: dict[str, tuple[bool | None, str | None]] = {
            name: (source.state.connected, source.state.error) for name, source in self.sources.items()
        }
        bridge = self.bridge.state if self.bridge else None
        try:
            account = await self.journal.account()
            letters = await self.journal.dead_letter_counts()
        except StoreError as error:
            self._status = Status(
                sources=self._status.sources,
                store_error=str(error),
                broker_error=bridge.broker_error if bridge else None,
            )
            return
        self._status = picture(
            account,
            dead_letters=letters,
            connections=connections,
            devices=len(self.registry.devices),
            rate=self._rate(account),
            bridge=bridge,
        )

    def _rate(self, account: Account) -> float | None:
        """Return how many messages are settled a second, over the last ten."""
        total = account.total()
        settled = total.delivered + total.dead + total.duplicate + total.ignored
        self._settled.append((time.monotonic(), settled))
        (first, before), (last, after) = self._settled[0], self._settled[-1]
        return (after - before) / (last - first) if last > first else None


async def forget_history(broker: EmbeddedBroker, age: timedelta) -> None:
    """Remove what is older from the embedded broker's history, until cancelled."""
    while True:
        try:
            await broker.forget_history(age)
        except AWAY as error:
            log.warning("history.not_forgotten", error=str(error))
        await asyncio.sleep(_FORGET_S)
