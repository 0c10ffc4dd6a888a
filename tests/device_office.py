# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A registry and a journal on a real PostgreSQL, in which devices wait, for tests of onboarding."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from adapters.registry import Registry
from broker.journal.port import DeadLetter, SettledBatch, Tally
from broker.journal.postgres import PostgresJournal
from compose.onboarding import Onboarding
from compose.settings import load_settings
from models.errors import UnknownDeviceError
from models.message import Message
from store.postgres import pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from compose.settings import Settings
    from store.postgres import Pool

CONSUMER = "bridge"
T0 = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Office:
    """What a running platform has of devices."""

    pool: Pool
    settings: Settings
    registry: Registry
    journal: PostgresJournal
    onboarding: Onboarding

    async def settle(self, *unknown: tuple[str, str, bytes]) -> None:
        """Let messages come (device, topic, payload) whose devices nobody knows; settle all others."""
        for _, topic, payload in unknown:
            await self.journal.append(Message(source="mqtt", topic=topic, payload=payload, received_at=T0))
        position = await self.journal.position(CONSUMER)
        devices = iter(name for name, _, _ in unknown)
        settled: list[SettledBatch] = []
        dead: list[DeadLetter] = []
        while batches := await self.journal.read_batches(position, 10_000):
            for batch in batches:
                tallies: dict[str, Tally] = {}
                for seq, message in enumerate(batch.messages, batch.first):
                    old = tallies.get(message.source, Tally())
                    if message.source == "mqtt" and seq not in batch.replays:
                        tallies[message.source] = Tally(dead=old.dead + 1, delivered=old.delivered)
                        dead.append(
                            DeadLetter(
                                seq=seq,
                                message=message,
                                kind=UnknownDeviceError.kind,
                                sentence="It is not registered.",
                                device_id=next(devices),
                            )
                        )
                    else:
                        tallies[message.source] = Tally(dead=old.dead, delivered=old.delivered + 1)
                settled.append(
                    SettledBatch(first=batch.first, last=batch.last, day=batch.day, tallies=tallies)
                )
                position = batch.position
        await self.journal.settle(CONSUMER, position, settled, dead)

    async def appended(self) -> list[tuple[str, str]]:
        """Return source and topic of what is in the log and not settled."""
        position = await self.journal.position(CONSUMER)
        found: list[tuple[str, str]] = []
        while batches := await self.journal.read_batches(position, 10_000):
            found += [(message.source, message.topic) for batch in batches for message in batch.messages]
            position = batches[-1].position
        return found


@asynccontextmanager
async def open_office(database: str, **settings: Any) -> AsyncIterator[Office]:
    async with pool(database) as connections:
        registry = Registry(connections)
        await registry.start()
        journal = PostgresJournal(connections)
        await journal.start()
        await journal.position(CONSUMER)
        known = load_settings(None, **settings)
        try:
            yield Office(
                pool=connections,
                settings=known,
                registry=registry,
                journal=journal,
                onboarding=Onboarding(known, registry, journal),
            )
        finally:
            await journal.close()
