# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Preferred devices: while others wait in a backlog, a reader goes ahead for them alone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from broker.journal.port import Batch, Journal, Position
    from models.message import Message

_CHUNK = 2_000
# Messages taken before their turn that are remembered, so that memory is bounded.
_LIMIT = 20_000
_PAUSE_S = 0.2
_LOOK_AGAIN_S = 10.0
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Preference:
    """Who does not wait.

    Attributes:
        message: whether a message is of a preferred device, told without translating it.
        entity: whether an entity is fed by preferred devices, by its id; its updates go first.
        anybody: whether there is any preferred device.
    """

    message: Callable[[Message], bool]
    entity: Callable[[str], bool]
    anybody: Callable[[], bool]


class Taker(Protocol):
    """The bridge, as the reader ahead of it sees it."""

    position: Position | None

    @property
    def taken_ahead(self) -> int:
        """Messages taken before their turn, which has not come yet."""
        ...

    async def take_ahead(self, batch: Batch, indices: Sequence[int]) -> None:
        """Take some messages of a batch before their turn."""
        ...

    async def patiently(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Do it as soon as the journal's PostgreSQL answers."""
        ...


async def read_ahead(bridge: Taker, journal: Journal, preference: Preference, backlog: asyncio.Event) -> None:
    """Go ahead of the bridge for preferred devices whenever there is a backlog, until cancelled."""
    place: Position | None = None
    while True:
        await backlog.wait()
        if not preference.anybody():
            await asyncio.sleep(_LOOK_AGAIN_S)
            continue
        if bridge.position is None or bridge.taken_ahead >= _LIMIT:
            await asyncio.sleep(_PAUSE_S)
            continue
        place = bridge.position if place is None else max(place, bridge.position)
        batches = await bridge.patiently(partial(journal.read_batches, place, _CHUNK))
        for batch in batches:
            indices = [n for n, message in enumerate(batch.messages) if preference.message(message)]
            if indices:
                await bridge.take_ahead(batch, indices)
            place = batch.position
            await asyncio.sleep(0)
        if not batches:
            await asyncio.sleep(_PAUSE_S)
