# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The client against the embedded broker: the two share nothing but the standard."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import web

from broker.client import (
    AlreadyExistsError,
    NgsiLdClient,
    NotFoundError,
    UnauthorizedError,
)
from broker.embedded.server import EmbeddedBroker, EmbeddedSettings
from ontology.loader import core_context
from store.postgres import pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONTEXT = "https://context.example/sensors.jsonld"
TERMS = {"@context": {"Sensor": "https://example.org/Sensor", "level": "https://example.org/level"}}
KEY = "a-key-of-the-test"


@pytest_asyncio.fixture
async def url(database: str) -> AsyncIterator[str]:
    settings = EmbeddedSettings(
        core_context=core_context(), preloaded={CONTEXT: TERMS}, write_keys=frozenset({KEY})
    )
    async with pool(database, size=2) as connections:
        broker = EmbeddedBroker(connections, settings)
        await broker.start()
        runner = web.AppRunner(broker.app(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        await runner.cleanup()
        await broker.close()


def sensor(number: int, value: float, at: str = "2026-05-01T12:00:00.250Z") -> dict[str, Any]:
    level = {"type": "Property", "value": value, "unitCode": "MTR", "observedAt": at}
    return {"id": f"urn:ngsi-ld:Sensor:hagen:{number}", "type": "Sensor", "level": level}


async def test_every_operation(url: str) -> None:
    async with NgsiLdClient(url, kind="embedded", token=KEY) as client:
        await client.ping()
        sensors = [sensor(n, n / 10) for n in range(120)]
        ids = [item["id"] for item in sensors]
        for _ in range(2):  # the first creates, the second updates
            assert (await client.upsert(sensors, context=CONTEXT)).succeeded == tuple(ids)

        assert await client.types(context=CONTEXT) == ("Sensor",)
        assert await client.attributes(context=CONTEXT) == ("level",)
        assert await client.count(type="Sensor", context=CONTEXT) == 120
        found = [item["id"] async for item in client.query(type="Sensor", context=CONTEXT, page=50)]
        assert sorted(found) == sorted(ids)
        high = [item["id"] async for item in client.query(type="Sensor", q="level>11.85", context=CONTEXT)]
        assert high == [ids[119]]
        observed = await client.observed([*ids, "urn:ngsi-ld:Sensor:none"], type="Sensor", context=CONTEXT)
        noon = datetime(2026, 5, 1, 12, 0, 0, 250_000, UTC)
        assert observed == {id_: {"level": noon} for id_ in ids}

        refused = {**sensor(3, 1), "level": {"type": "Property"}}
        mixed = await client.upsert([sensor(2, 7.5), refused], context=CONTEXT)
        assert mixed.succeeded == (ids[2],)
        assert mixed.failed.keys() == {ids[3]}

        with pytest.raises(AlreadyExistsError):
            await client.create_entity(sensor(2, 1), context=CONTEXT)
        change = {"level": {"type": "Property", "value": 8}}
        assert (await client.patch_attributes(ids[2], change, context=CONTEXT)).updated == ("level",)
        note = {"note": {"type": "Property", "value": "x"}}
        assert (await client.append_attributes(ids[2], note, context=CONTEXT)).updated == ("note",)
        stored = await client.retrieve_entity(ids[2], options="keyValues", context=CONTEXT)
        assert stored == {"id": ids[2], "type": "Sensor", "level": 8, "note": "x"}
        await client.delete_attribute(ids[2], "note", context=CONTEXT)
        deleted = await client.delete_entities([*ids[:2], "urn:ngsi-ld:Sensor:none"])
        assert deleted.succeeded == tuple(ids[:2])
        assert {id_: problem.status for id_, problem in deleted.failed.items()} == {
            "urn:ngsi-ld:Sensor:none": 404
        }
        await client.delete_entity(ids[2])
        with pytest.raises(NotFoundError):
            await client.retrieve_entity(ids[2])


async def test_large_numbers_keep_their_value(url: str) -> None:
    async with NgsiLdClient(url, kind="embedded", token=KEY) as client:
        for value in (2**31, 1714557600000, 2**63 - 1):
            await client.upsert([sensor(1, value)], context=CONTEXT)
            stored = await client.retrieve_entity(sensor(1, 0)["id"], options="keyValues", context=CONTEXT)
            assert stored["level"] == value


async def test_subscriptions(url: str) -> None:
    subscription = {
        "type": "Subscription",
        "entities": [{"type": "Sensor"}],
        "notification": {"endpoint": {"uri": "https://93.184.215.14/notify", "accept": "application/json"}},
    }
    async with NgsiLdClient(url, kind="embedded", token=KEY) as client:
        created = await client.create_subscription(subscription, context=CONTEXT)
        assert [item["id"] async for item in client.subscriptions(context=CONTEXT)] == [created]
        await client.update_subscription(created, {"isActive": False})
        assert (await client.retrieve_subscription(created, context=CONTEXT))["status"] == "paused"
        await client.delete_subscription(created)
        with pytest.raises(NotFoundError):
            await client.delete_subscription(created)


async def test_writing_wants_a_key(url: str) -> None:
    async with NgsiLdClient(url, kind="embedded") as client:
        with pytest.raises(UnauthorizedError):
            await client.upsert([sensor(1, 1)], context=CONTEXT)
