# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The broker asked by a client that is not ours: ngsildclient's AsyncClient."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tests.embedded_serving import Client, listening, own_database, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def broker(postgres: str) -> AsyncIterator[Client]:
    async with own_database(postgres) as dsn, serving(dsn) as found:
        yield found


@pytest_asyncio.fixture
async def client(broker: Client) -> AsyncIterator[Any]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    ngsildclient = pytest.importorskip("ngsildclient")
    root.handlers[:], root.level = before, level  # it sets up logging of its own when imported
    host, port = broker.url.removeprefix("http://").split(":")
    found = ngsildclient.AsyncClient(hostname=host, port=int(port), tenant=broker.other().tenant)
    yield found
    await found.close()


def air(number: int, value: float) -> Any:
    from ngsildclient import Entity  # noqa: PLC0415 - an extra

    entity = Entity("AirQualityObserved", f"AirQualityObserved:hagen:{number}")
    entity.prop("no2", value, unitcode="GQ")
    entity.loc((51.36, 7.47))
    entity.rel("refDevice", f"Device:{number}")
    entity.prop("name", "Mitte")
    return entity


async def test_create_retrieve_and_delete(client: Any) -> None:
    entity = air(1, 22.5)
    assert await client.create(entity)
    found = await client.get(entity.id)
    assert (found.id, found.type, found["no2"]["value"]) == (entity.id, "AirQualityObserved", 22.5)
    assert await client.exists(entity.id)
    from ngsildclient.api.exceptions import NgsiAlreadyExistsError  # noqa: PLC0415 - an extra

    with pytest.raises(NgsiAlreadyExistsError):
        await client.create(entity)
    assert await client.delete(entity)
    assert not await client.entities.count(type="AirQualityObserved")


async def test_batch_upsert_and_query_by_type(client: Any) -> None:
    result = await client.batch.upsert([air(number, number) for number in range(30)], update=True)
    assert (result.ok, len(result.success)) == (True, 30)
    again = await client.batch.upsert([air(number, number * 2) for number in range(30)], update=True)
    assert again.ok
    assert await client.entities.count(type="AirQualityObserved") == 30
    found = await client.query(type="AirQualityObserved", q="no2>50")
    assert sorted(entity["no2"]["value"] for entity in found) == [52, 54, 56, 58]
    assert "AirQualityObserved" in await client.types.list()
    deleted = await client.batch.delete([air(number, 0) for number in range(30)])
    assert deleted.ok


async def test_subscribe(client: Any) -> None:
    from ngsildclient import SubscriptionBuilder  # noqa: PLC0415 - an extra

    await client.create(air(9, 1))  # it lists subscriptions first, for which the tenant has to be there
    async with listening() as receiver:
        builder = SubscriptionBuilder(receiver.url).select_type("AirQualityObserved").watch(["no2"])
        wanted = builder.query('no2>30;name~="^Mi"').build()
        subscription_id = await client.subscriptions.create(wanted)
        await client.upsert(air(1, 40))
        body, _ = await receiver.next()
        assert body["subscriptionId"] == subscription_id
        assert body["data"][0]["no2"]["value"] == 40
        assert await client.subscriptions.exists(subscription_id)
        assert len(await client.subscriptions.list()) == 1
        assert await client.subscriptions.delete(None)
        assert await client.subscriptions.list() == []
