# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The client against a server that keeps entities as Orion-LD does: limits, contexts, pages."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from broker.client import (
    LIMITS,
    BrokerFailureError,
    BrokerUnavailableError,
    ContextUnavailableError,
    NgsiLdClient,
    NotFoundError,
    NotSupportedError,
    TooLargeError,
)
from tests.orion_like import OrionLike

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOON = "2026-05-01T12:00:00.000Z"


def entity(number: int, **attributes: Any) -> dict[str, Any]:
    return {"id": f"urn:ngsi-ld:Sensor:hagen:{number}", "type": "Sensor", **attributes}


def measured(value: Any, at: str = NOON) -> dict[str, Any]:
    return {"type": "Property", "value": value, "observedAt": at}


@asynccontextmanager
async def served_context() -> AsyncIterator[str]:
    """Serve a context on loopback; its address."""
    context = {"Sensor": "ours:Sensor", "level": {"@id": "ours:level"}, "ours": "https://example.org/terms/"}

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"@context": [context]}, content_type="application/ld+json")

    app = web.Application()
    app.router.add_get("/context.jsonld", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/context.jsonld"
    await runner.cleanup()


async def test_more_entities_than_a_batch_takes(orion_like: OrionLike) -> None:
    async with NgsiLdClient(orion_like.url, batch=5000) as client:
        result = await client.upsert([entity(n, level=measured(n)) for n in range(900)], context=None)
    assert len(result.succeeded) == 900
    assert not result.failed
    assert [seen.entities for seen in orion_like.requests] == [800, 100]
    assert len(orion_like.ids()) == 900


async def test_one_request_for_a_usual_batch(orion_like: OrionLike) -> None:
    entities = [entity(n, level=measured(n)) for n in range(100)]
    async with NgsiLdClient(orion_like.url) as client:
        first = await client.upsert(entities, context=None)
        again = await client.upsert(entities, context=None)
    assert (first.created, again.created) == ({item["id"] for item in entities}, frozenset())
    assert (first.status, again.status) == (201, 204)
    assert first.succeeded == again.succeeded
    assert first.succeeded == tuple(item["id"] for item in entities)
    assert len(orion_like.requests) == 2


async def test_more_bytes_than_a_body_takes(orion_like: OrionLike) -> None:
    entities = [entity(n, note={"type": "Property", "value": "x" * 90_000}) for n in range(30)]
    async with NgsiLdClient(orion_like.url) as client:
        result = await client.upsert(entities, context=None)
    assert result.succeeded == tuple(item["id"] for item in entities)
    assert all(seen.size <= LIMITS["orion-ld"].body for seen in orion_like.requests)


async def test_one_entity_above_the_limit_does_not_hold_up_the_others(orion_like: OrionLike) -> None:
    entities = [entity(n, level=measured(n)) for n in range(10)]
    entities[4]["note"] = {"type": "Property", "value": "x" * 1_200_000}
    async with NgsiLdClient(orion_like.url) as client:
        result = await client.upsert(entities, context=None)
        with pytest.raises(TooLargeError):
            await client.create_entity({**entities[4], "id": "urn:ngsi-ld:Sensor:hagen:large"})
    assert len(result.succeeded) == 9
    assert {id_: problem.status for id_, problem in result.failed.items()} == {entities[4]["id"]: 413}


async def test_a_limit_that_the_client_did_not_know(orion_like: OrionLike) -> None:
    limits = replace(LIMITS["orion-ld"], body=10_000_000)
    entities = [entity(n, note={"type": "Property", "value": "x" * 300_000}) for n in range(8)]
    async with NgsiLdClient(orion_like.url, limits=limits) as client:
        result = await client.upsert(entities, context=None)
    assert result.succeeded == tuple(item["id"] for item in entities)


async def test_a_batch_refused_as_a_whole_is_halved_to_the_culprits(orion_like: OrionLike) -> None:
    """Nothing that can be stored is held up by what cannot."""
    entities = [entity(n, level=measured(n)) for n in range(16)]
    orion_like.fail_next(3, status=400)  # all sixteen, the first eight, the first four …
    async with NgsiLdClient(orion_like.url) as client:
        result = await client.upsert(entities, context=None)
    assert len(result.succeeded) == 16
    assert [seen.entities for seen in orion_like.requests] == [16, 8, 4, 2, 2, 4, 8]


async def test_a_single_entity_refused_as_a_whole(orion_like: OrionLike) -> None:
    orion_like.fail_next(1, status=400)
    async with NgsiLdClient(orion_like.url) as client:
        result = await client.upsert([entity(1)], context=None)
    assert result.failed["urn:ngsi-ld:Sensor:hagen:1"].sentence == "Injected: by the test (400)"


async def test_a_crooked_polygon_fails_the_batch_and_halving_finds_it(orion_like: OrionLike) -> None:
    crooked = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}
    entities = [entity(n, level=measured(n)) for n in range(3)]
    entities[1]["location"] = {"type": "GeoProperty", "value": crooked}
    async with NgsiLdClient(orion_like.url) as client:
        with pytest.raises(BrokerFailureError):
            await client.upsert(entities, context=None)
    assert orion_like.ids() == (entities[0]["id"],)


async def test_dataset_ids_are_not_sent_to_orion_ld(orion_like: OrionLike) -> None:
    several = [measured(1), {**measured(2), "datasetId": "urn:ngsi-ld:Dataset:a"}]
    entities = [entity(1, level=several), entity(2, level=measured(1))]
    async with NgsiLdClient(orion_like.url) as client:
        result = await client.upsert(entities, context=None)
    assert result.succeeded == ("urn:ngsi-ld:Sensor:hagen:2",)
    assert result.failed["urn:ngsi-ld:Sensor:hagen:1"].status == 422
    async with NgsiLdClient(orion_like.url, kind="coraine") as client:
        assert not (await client.upsert(entities, context=None)).failed


@pytest.mark.parametrize(
    "value",
    [2**31, -(2**31) - 1, 1714557600000, 2**53, -(2**63), 2**63],
)
async def test_large_integers_do_not_wrap(orion_like: OrionLike, value: int) -> None:
    body = entity(1, level=measured(value), deep={"type": "Property", "value": {"at": [value, 7, True]}})
    async with NgsiLdClient(orion_like.url) as client:
        await client.upsert([body], context=None)
        stored = await client.retrieve_entity(body["id"], options="keyValues")
        assert stored["level"] == value
        assert stored["deep"] == {"at": [value, 7, True]}
    assert body["level"]["value"] == value


@pytest.mark.parametrize("value", [2**31 - 1, -(2**31), 0, 1.5, True, "12345678901"])
async def test_everything_else_is_sent_as_it_is(orion_like: OrionLike, value: Any) -> None:
    body = entity(1, level=measured(value), serial={"type": "Property", "value": "0123456789012"})
    async with NgsiLdClient(orion_like.url) as client:
        await client.upsert([body], context=None)
        stored = await client.retrieve_entity(body["id"], options="keyValues")
    assert stored["level"] == value
    assert type(stored["level"]) is type(value)
    assert stored["serial"] == "0123456789012"


async def test_integers_beyond_64_bits_keep_their_digits(orion_like: OrionLike) -> None:
    for kind in ("orion-ld", "coraine"):
        async with NgsiLdClient(orion_like.url, kind=kind) as client:
            result = await client.upsert([entity(1, level=measured(10**25))], context=None)
        assert result.succeeded


async def test_not_a_number_is_refused_and_nothing_else(orion_like: OrionLike) -> None:
    entities = [entity(1, level=measured(float("nan"))), entity(2, level=measured(1))]
    async with NgsiLdClient(orion_like.url) as client:
        result = await client.upsert(entities, context=None)
    assert result.succeeded == ("urn:ngsi-ld:Sensor:hagen:2",)
    assert result.failed["urn:ngsi-ld:Sensor:hagen:1"].status == 400


async def test_an_entity_twice_in_a_batch_is_the_callers_mistake(orion_like: OrionLike) -> None:
    async with NgsiLdClient(orion_like.url) as client:
        with pytest.raises(ValueError, match="hagen:1 is twice"):
            await client.upsert([entity(1), entity(2), entity(1)], context=None)
    assert not orion_like.requests


async def test_replacing_drops_other_attributes(orion_like: OrionLike) -> None:
    async with NgsiLdClient(orion_like.url) as client:
        await client.upsert([entity(1, a=measured(1))], context=None)
        await client.upsert([entity(1, b=measured(2))], context=None)
        assert (orion_like.entity("urn:ngsi-ld:Sensor:hagen:1") or {}).keys() == {"id", "type", "a", "b"}
        await client.upsert([entity(1, c=measured(3))], context=None, replace=True)
    assert (orion_like.entity("urn:ngsi-ld:Sensor:hagen:1") or {}).keys() == {"id", "type", "c"}


async def test_pages(orion_like: OrionLike) -> None:
    async with NgsiLdClient(orion_like.url) as client:
        await client.upsert([entity(n, level=measured(n)) for n in range(25)], context=None)
        for page in (1, 5, 7, 25, 26, None):
            found = [item["id"] async for item in client.query(type="Sensor", page=page)]
            assert found == list(orion_like.ids())
        assert await client.count(type="Sensor") == 25
        assert await client.count(type="Sensor", q="level>=20") == 5
        assert await client.count(type="Other") == 0


async def test_ids_that_need_quoting(orion_like: OrionLike) -> None:
    ids = ["urn:ngsi-ld:Sensor:Märkischer-Ring", "urn:ngsi-ld:Sensor:a/b", "urn:ngsi-ld:Sensor:50%?#&+"]
    async with NgsiLdClient(orion_like.url) as client:
        for id_ in ids:
            await client.upsert([{"id": id_, "type": "Sensor", "level": measured(1)}], context=None)
            assert (await client.retrieve_entity(id_))["id"] == id_
            await client.delete_attribute(id_, "level")
            assert [item["id"] async for item in client.query(type="Sensor", ids=[id_])] == [id_]
            await client.delete_entity(id_)
    assert orion_like.ids() == ()


async def test_contexts_travel_as_links(orion_like: OrionLike) -> None:
    async with served_context() as context, NgsiLdClient(orion_like.url) as client:
        await client.upsert([entity(1, level=measured(1))], context=context)
        short = await client.retrieve_entity("urn:ngsi-ld:Sensor:hagen:1", context=context)
        long = await client.retrieve_entity("urn:ngsi-ld:Sensor:hagen:1")
        assert await client.types(context=context) == ("Sensor",)
        assert [item["id"] async for item in client.query(type="Sensor")] == []
    assert short["type"] == "Sensor"
    assert "level" in short
    assert long["type"] == "https://example.org/terms/Sensor"
    assert "https://example.org/terms/level" in long


async def test_a_context_that_cannot_be_fetched(orion_like: OrionLike) -> None:
    async with NgsiLdClient(orion_like.url) as client:
        with pytest.raises(ContextUnavailableError, match="Unable to download context"):
            await client.upsert([entity(1)], context="http://127.0.0.1:9/none.jsonld")


async def test_observed(orion_like: OrionLike) -> None:
    entities = [
        entity(1, level=measured(1, "2026-05-01T12:00:00.250Z"), name={"type": "Property", "value": "x"}),
        entity(2, level=measured(1, "2026-05-01T14:00:00+02:00"), other=measured(2, "2026-05-02T00:00:00Z")),
        entity(3),
        *(entity(n, level=measured(n)) for n in range(100, 200)),
    ]
    async with served_context() as context, NgsiLdClient(orion_like.url) as client:
        await client.upsert(entities, context=context)
        ids = [item["id"] for item in entities] + ["urn:ngsi-ld:Sensor:hagen:unknown"]
        seen = len(orion_like.requests)
        observed = await client.observed(ids, type="Sensor", context=context)
        assert len(orion_like.requests) - seen == 1  # by the length of the address, not by number
        assert await client.observed([], type="Sensor", context=context) == {}
    assert observed.keys() == set(ids[:-1])
    assert observed[ids[0]] == {"level": datetime(2026, 5, 1, 12, 0, 0, 250_000, UTC)}
    assert observed[ids[1]] == {
        "level": datetime(2026, 5, 1, 12, tzinfo=UTC),
        "other": datetime(2026, 5, 2, tzinfo=UTC),
    }
    assert observed[ids[2]] == {}
    assert observed[ids[-2]] == {"level": datetime(2026, 5, 1, 12, tzinfo=UTC)}


async def test_tenants_are_apart(orion_like: OrionLike) -> None:
    async with (
        NgsiLdClient(orion_like.url, tenant="hagen") as hagen,
        NgsiLdClient(orion_like.url, tenant="herdecke") as herdecke,
    ):
        await hagen.upsert([entity(1)], context=None)
        assert (await hagen.retrieve_entity("urn:ngsi-ld:Sensor:hagen:1"))["type"] == "Sensor"
        with pytest.raises(NotFoundError):
            await herdecke.retrieve_entity("urn:ngsi-ld:Sensor:hagen:1")
        await herdecke.ping()
    assert orion_like.ids() == ()


async def test_subscriptions(orion_like: OrionLike) -> None:
    subscription = {
        "type": "Subscription",
        "entities": [{"type": "Sensor"}],
        "notification": {"endpoint": {"uri": "http://127.0.0.1:9/"}},
    }
    async with NgsiLdClient(orion_like.url, limits=replace(LIMITS["orion-ld"], page=2)) as client:
        ids = {await client.create_subscription(subscription) for _ in range(5)}
        assert {item["id"] async for item in client.subscriptions()} == ids
        one = ids.pop()
        await client.update_subscription(one, {"isActive": False})
        assert (await client.retrieve_subscription(one))["status"] == "paused"
        await client.delete_subscription(one)
        with pytest.raises(NotFoundError):
            await client.retrieve_subscription(one)


async def test_history_is_not_supported(orion_like: OrionLike) -> None:
    async with NgsiLdClient(orion_like.url) as client:
        with pytest.raises(NotSupportedError, match="Mintaka"):
            await client.add_temporal(entity(1, level=[measured(1)]))
        with pytest.raises(NotSupportedError):
            await client.retrieve_temporal("urn:ngsi-ld:Sensor:hagen:1")
        assert not client.limits.temporal


async def test_failures_that_the_server_is_told_to_have(orion_like: OrionLike) -> None:
    async with NgsiLdClient(orion_like.url, timeout=0.3) as client:
        orion_like.fail_next(status=503, headers={"Retry-After": "2"}, path="/upsert")
        await client.ping()
        with pytest.raises(BrokerUnavailableError) as caught:
            await client.upsert([entity(1)], context=None)
        assert caught.value.retry_after == 2.0
        orion_like.fail_next(status=500)
        with pytest.raises(BrokerFailureError):
            await client.upsert([entity(1)], context=None)
        orion_like.fail_next()
        with pytest.raises(BrokerUnavailableError, match="no answer within"):
            await client.upsert([entity(1)], context=None)
    async with NgsiLdClient(orion_like.url) as client:
        orion_like.fail_next(close=True)
        with pytest.raises(BrokerUnavailableError, match="closed"):
            await client.upsert([entity(1)], context=None)
        orion_like.fail_next(100, status=503)
        orion_like.recover()
        assert (await client.upsert([entity(1)], context=None)).succeeded


async def test_the_server_sees_overlaps_and_time_going_back(orion_like: OrionLike) -> None:
    async with NgsiLdClient(orion_like.url) as client:
        await client.upsert([entity(1, level=measured(1, "2026-05-01T12:00:00Z"))], context=None)
        assert not orion_like.went_back
        await client.upsert([entity(1, level=measured(1, "2026-05-01T11:00:00Z"))], context=None)
    assert [id_ for id_, _ in orion_like.went_back] == ["urn:ngsi-ld:Sensor:hagen:1"]
    assert not orion_like.overlapping
    async with OrionLike(delay=0.05) as slow, NgsiLdClient(slow.url) as client:
        await asyncio.gather(
            client.upsert([entity(1), entity(2)], context=None),
            client.upsert([entity(2), entity(3)], context=None),
        )
    assert slow.overlapping == {"urn:ngsi-ld:Sensor:hagen:2"}
