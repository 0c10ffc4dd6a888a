# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The client's temporal methods against a broker that keeps history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from broker.client import LIMITS, NgsiLdClient, NotFoundError, NotSupportedError
from tests.embedded_serving import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONTEXT = "https://context.example/gauges.jsonld"
TERMS = {"@context": {"Gauge": "https://example.org/Gauge", "level": "https://example.org/level"}}
ID = "urn:ngsi-ld:Gauge:hagen:1"


def gauge(value: float, at: str) -> dict[str, Any]:
    level = {"type": "Property", "value": value, "unitCode": "MTR", "observedAt": at}
    return {"id": ID, "type": "Gauge", "level": level}


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[NgsiLdClient]:
    async with (
        serving(database, preloaded={CONTEXT: TERMS}, history_page=5, history_most=5) as served,
        NgsiLdClient(served.url, kind="embedded") as opened,
    ):
        yield opened


async def test_the_embedded_broker_is_one_with_history() -> None:
    assert LIMITS["embedded"].temporal


async def test_a_late_reading_enters_history_and_leaves_the_state(client: NgsiLdClient) -> None:
    await client.upsert([gauge(2, "2026-05-01T12:00:00Z")], context=CONTEXT)
    for _ in range(2):
        await client.add_temporal(gauge(1, "2026-05-01T11:00:00Z"), context=CONTEXT)
    state = await client.retrieve_entity(ID, context=CONTEXT)
    assert state["level"]["value"] == 2
    history = await client.retrieve_temporal(ID, context=CONTEXT, options="temporalValues")
    assert not history.partial
    assert history.entities[0]["level"]["values"] == [
        [1, "2026-05-01T11:00:00Z"],
        [2, "2026-05-01T12:00:00Z"],
    ]


async def test_a_part_of_history_says_that_it_is_one(client: NgsiLdClient) -> None:
    for minute in range(8):
        await client.add_temporal(gauge(minute, f"2026-05-01T11:0{minute}:00Z"), context=CONTEXT)
    window = {"timerel": "after", "timeAt": "2026-05-01T00:00:00Z"}
    result = await client.query_temporal(type="Gauge", context=CONTEXT, **window)
    assert result.partial
    assert len(result.entities[0]["level"]) == 5


async def test_what_has_no_history(client: NgsiLdClient, database: str) -> None:
    with pytest.raises(NotFoundError):
        await client.retrieve_temporal(ID)
    async with (
        serving(database, history=False) as served,
        NgsiLdClient(served.url, kind="embedded") as other,
    ):
        with pytest.raises(NotSupportedError):
            await other.add_temporal(gauge(1, "2026-05-01T11:00:00Z"))
