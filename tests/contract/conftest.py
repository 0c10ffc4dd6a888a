# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""NGSI-LD brokers to test the client against: recorded answers, and a server that behaves like Orion-LD."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.contract.recorded_broker import RecordedBroker
from tests.orion_like import OrionLike

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture
async def recorded_broker() -> AsyncIterator[RecordedBroker]:
    """A server that answers as recorded, once it is told which exchanges to play."""
    async with RecordedBroker() as broker:
        yield broker


@pytest_asyncio.fixture
async def orion_like() -> AsyncIterator[OrionLike]:
    """An empty Orion-LD, as far as its recorded behaviour goes."""
    async with OrionLike() as broker:
        yield broker
