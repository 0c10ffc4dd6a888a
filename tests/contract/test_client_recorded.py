# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The client against each recorded exchange of a real Orion-LD and a real Coraine."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from broker.answers import read_batch
from broker.client import (
    LIMITS,
    AlreadyExistsError,
    Answer,
    AttributesResult,
    BadRequestDataError,
    BatchResult,
    BrokerFailureError,
    ContextUnavailableError,
    NgsiLdClient,
    NgsiLdError,
    NotFoundError,
    NotSupportedError,
    TemporalResult,
    UnknownTenantError,
)
from tests.contract.recorded_broker import Exchange, RecordedBroker, read_exchanges

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

ID = "urn:ngsi-ld:AirQualityObserved:hagen:rec-{}".format
TYPE = "AirQualityObserved"
SUBSCRIPTION = "urn:ngsi-ld:Subscription:rec-1"


class Recorded:
    """Stands for: what the broker answered."""


RECORDED = Recorded()


def stored(*numbers: int, **failed: int) -> tuple[tuple[str, ...], dict[str, int]]:
    """What a BatchResult says, for short: ids stored, and id → status of those that failed."""
    ids = {name: (ID(name[4:]) if name.startswith("rec_") else name) for name in failed}
    return tuple(map(ID, numbers)), {ids[name]: status for name, status in failed.items()}


@dataclass(frozen=True, kw_only=True)
class Case:
    """How the client is made to send a recorded request, and what it then returns or raises."""

    call: Callable[[NgsiLdClient, Exchange], Awaitable[Any]]
    orion: Any
    coraine: Any = field(default=...)
    client: dict[str, Any] = field(default_factory=dict)


async def _first(number: int, items: AsyncIterator[Any]) -> list[Any]:
    found = []
    async for item in items:
        found.append(item)
        if len(found) == number:
            break
    return found


def _create(client: NgsiLdClient, exchange: Exchange) -> Awaitable[Any]:
    return client.create_entity(exchange.body)


def _upsert(client: NgsiLdClient, exchange: Exchange) -> Awaitable[Any]:
    return client.upsert(exchange.body, context=None)


def _raw(client: NgsiLdClient, exchange: Exchange) -> Awaitable[Answer]:
    """Send what the client's methods never would: another media type, no JSON, a second of an id."""
    body = exchange.body
    return client.request(
        exchange.method,
        exchange.path.removeprefix("/ngsi-ld/v1"),
        params=dict(exchange.query),
        body=None if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode(),
        accept=exchange.accept,
        content_type=exchange.content_type,
    )


async def _raw_body(client: NgsiLdClient, exchange: Exchange) -> Any:
    return (await _raw(client, exchange)).json()


async def _raw_batch(client: NgsiLdClient, exchange: Exchange) -> BatchResult:
    return read_batch([entity["id"] for entity in exchange.body], await _raw(client, exchange))


async def _raw_later(client: NgsiLdClient, exchange: Exchange) -> bool:
    """Say whether what failed of a batch is to be sent again."""
    result = await _raw_batch(client, exchange)
    return bool(result.failed) and all(problem.transient for problem in result.failed.values())


async def _without_duplicates(client: NgsiLdClient, exchange: Exchange) -> Any:
    with pytest.raises(ValueError, match="rec-2 is twice in one batch"):
        await client.upsert(exchange.body, context=None)
    return (await _raw(client, exchange)).status


async def _nothing(client: NgsiLdClient, exchange: Exchange) -> Any:
    assert await client.upsert([], context=None) == BatchResult()
    return await _raw(client, exchange)


def _large(client: NgsiLdClient, _: Exchange) -> Awaitable[BatchResult]:
    return client.upsert([{"id": ID(30), "type": TYPE, "description": "x" * 1_100_000}], context=None)


def _retrieve(number: object, **options: Any) -> Callable[[NgsiLdClient, Exchange], Awaitable[Any]]:
    return lambda client, _: client.retrieve_entity(ID(number), **options)


def _query(number: int = 100, **options: Any) -> Callable[[NgsiLdClient, Exchange], Awaitable[Any]]:
    return lambda client, _: _first(number, client.query(**options))


NEAR = {"georel": "near;maxDistance==2000", "geometry": "Point", "coordinates": "[7.47,51.36]"}
WIDE = {"limits": replace(LIMITS["orion-ld"], page=1001, body=2_000_000)}
TENANT = {"tenant": "rectenant"}
KEYS: dict[str, Any] = {"options": "keyValues"}
ONE_FAILED = stored(3, rec_2=400)

CASES: dict[str, Case] = {
    "create entity": Case(call=_create, orion=ID(1)),
    "create entity again: conflict": Case(call=_create, orion=AlreadyExistsError),
    "retrieve entity": Case(call=_retrieve(1), orion=RECORDED),
    "retrieve entity, keyValues": Case(call=_retrieve(1, **KEYS), orion=RECORDED),
    "retrieve entity, sysAttrs": Case(call=_retrieve(1, options="sysAttrs"), orion=RECORDED),
    "retrieve entity as ld+json": Case(call=_retrieve(1, accept="application/ld+json"), orion=RECORDED),
    "retrieve entity as GeoJSON": Case(call=_retrieve(1, accept="application/geo+json"), orion=RECORDED),
    "retrieve unknown entity": Case(
        call=lambda client, _: client.retrieve_entity("urn:ngsi-ld:AirQualityObserved:hagen:none"),
        orion=NotFoundError,
    ),
    "patch attributes": Case(
        call=lambda client, exchange: client.patch_attributes(ID(1), exchange.body),
        orion=AttributesResult(updated=("no2",)),
    ),
    "patch attributes, one unknown": Case(
        call=lambda client, exchange: client.patch_attributes(ID(1), exchange.body),
        orion=(("no2",), {"pm10": 404}),
        coraine=(("no2", "pm10"), {}),
    ),
    "append attributes": Case(
        call=lambda client, exchange: client.append_attributes(ID(1), exchange.body),
        orion=AttributesResult(updated=("pm10",)),
    ),
    "patch attributes of unknown entity": Case(
        call=lambda client, exchange: client.patch_attributes(
            "urn:ngsi-ld:AirQualityObserved:hagen:none", exchange.body
        ),
        orion=NotFoundError,
    ),
    "batch upsert: all new": Case(call=_upsert, orion=stored(2, 3, 4, 5)),
    "batch upsert: all known": Case(call=_upsert, orion=stored(2, 3, 4, 5)),
    # 201 names rec-6 and rec-7 alone: the others were updated.
    "batch upsert: mixed new and known": Case(call=_upsert, orion=stored(4, 5, 6, 7)),
    "batch upsert: one bad entity (no type)": Case(call=_upsert, orion=stored(8, rec_9=400)),
    "batch upsert: one with another type": Case(call=_upsert, orion=ONE_FAILED, coraine=stored(2, 3)),
    "batch upsert: null value": Case(call=_upsert, orion=ONE_FAILED),
    # The second has no id: the broker calls it "No Entity::id" or "", the client by its position.
    "batch upsert: all bad": Case(call=_upsert, orion=((), {"nocolon": 400, "#1": 400})),
    "batch upsert: same entity twice": Case(call=_without_duplicates, orion=204),
    "the entity sent twice, after it": Case(call=_retrieve(2, **KEYS), orion=RECORDED),
    "batch upsert: bad observedAt": Case(call=_upsert, orion=ONE_FAILED),
    "batch upsert: nanosecond observedAt": Case(call=_upsert, orion=ONE_FAILED, coraine=stored(2, 3)),
    "batch upsert: large integer": Case(call=_upsert, orion=stored(2)),
    "large integer, after it": Case(call=_retrieve(2, attrs=["big"], **KEYS), orion=RECORDED),
    "batch upsert: self-intersecting polygon in the middle": Case(
        call=_upsert, orion=BrokerFailureError, coraine=stored(20, 21, 22)
    ),
    "before the bad polygon: stored": Case(call=_retrieve(20, **KEYS), orion=RECORDED),
    "after the bad polygon: not stored": Case(
        call=_retrieve(22, **KEYS), orion=NotFoundError, coraine=RECORDED
    ),
    "batch upsert: not JSON": Case(call=_raw, orion=BadRequestDataError),
    "batch upsert: empty array": Case(call=_nothing, orion=BadRequestDataError),
    "batch upsert: body above 1 MiB": Case(
        call=_large, orion=stored(rec_30=413), coraine=stored(30), client=WIDE
    ),
    "json with @context in the body": Case(call=_create, orion=BadRequestDataError),
    "ld+json with @context in the body": Case(call=lambda c, e: _status(_raw(c, e)), orion=201),
    "ld+json without @context": Case(call=_raw, orion=BadRequestDataError),
    "json with an unreachable Link context": Case(
        call=lambda client, exchange: client.create_entity(
            exchange.body, context="http://127.0.0.1:9/none.jsonld"
        ),
        orion=ContextUnavailableError,
    ),
    "ld+json batch with an unreachable context": Case(call=_raw_later, orion=True),
    "query by type": Case(
        call=_query(2, type=TYPE, options="keyValues,count", page=2),
        orion=RECORDED,
    ),
    "query by type, count": Case(call=_raw_body, orion=RECORDED),
    "query q": Case(call=_query(type=TYPE, q="no2>23", page=3, **KEYS), orion=RECORDED),
    "query near": Case(call=_query(2, type=TYPE, geo=NEAR, page=2, **KEYS), orion=RECORDED),
    "query limit above 1000": Case(
        call=_query(type=TYPE, page=1001), orion=BadRequestDataError, coraine=RECORDED, client=WIDE
    ),
    "query without a filter": Case(call=_query(), orion=BadRequestDataError),
    "types": Case(call=lambda client, _: client.types(), orion=(TYPE,), coraine=(TYPE, "WeatherObserved")),
    "types, details": Case(call=lambda client, _: client.type_details(), orion=RECORDED),
    "attributes": Case(
        call=lambda client, _: client.attributes(),
        orion=("big", "dateObserved", "location", "no2", "pm10", "refDevice"),
        coraine=("no2", "location", "dateObserved", "refDevice", "pm10", "big", "description"),
    ),
    "tenant: first write creates it": Case(call=_create, orion=ID(1), client=TENANT),
    "tenant: read": Case(call=_query(type=TYPE, **KEYS), orion=RECORDED, client=TENANT),
    "tenant: unknown": Case(call=_query(type=TYPE), orion=UnknownTenantError, client={"tenant": "nosuch"}),
    "create subscription": Case(
        call=lambda client, exchange: client.create_subscription(exchange.body), orion=SUBSCRIPTION
    ),
    "create subscription again": Case(
        call=lambda client, exchange: client.create_subscription(exchange.body), orion=AlreadyExistsError
    ),
    "retrieve subscription": Case(
        call=lambda client, _: client.retrieve_subscription(SUBSCRIPTION), orion=RECORDED
    ),
    "list subscriptions": Case(call=lambda client, _: _first(100, client.subscriptions()), orion=RECORDED),
    "update subscription": Case(
        call=lambda client, exchange: client.update_subscription(SUBSCRIPTION, exchange.body), orion=None
    ),
    "delete subscription": Case(call=lambda client, _: client.delete_subscription(SUBSCRIPTION), orion=None),
    "delete subscription again": Case(
        call=lambda client, _: client.delete_subscription(SUBSCRIPTION), orion=NotFoundError
    ),
    "batch delete": Case(
        call=lambda client, exchange: client.delete_entities(exchange.body), orion=stored(3, 4, rec_999=404)
    ),
    "delete attribute": Case(call=lambda client, _: client.delete_attribute(ID(1), "pm10"), orion=None),
    "delete entity": Case(call=lambda client, _: client.delete_entity(ID(1)), orion=None),
    "delete entity again": Case(call=lambda client, _: client.delete_entity(ID(1)), orion=NotFoundError),
    "batch update of an unknown entity": Case(
        call=lambda client, exchange: client.update_entities(exchange.body, context=None),
        orion=stored(rec_77=404),
    ),
    "batch create, one known": Case(
        call=lambda client, exchange: client.create_entities(exchange.body, context=None),
        orion=stored(50, rec_5=409),
    ),
    "temporal query": Case(
        call=lambda client, _: client.query_temporal(
            type=TYPE, timerel="after", timeAt="2026-01-01T00:00:00Z"
        ),
        orion=NotSupportedError,
        coraine=RECORDED,
    ),
    "unsupported media type": Case(call=_raw, orion=BadRequestDataError),
    "not acceptable": Case(call=_raw, orion=BadRequestDataError),
}


async def _status(answer: Awaitable[Answer]) -> int:
    return (await answer).status


@pytest.fixture(params=["orion-ld", "coraine"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def exchanges(shared: Path, kind: str) -> dict[str, Exchange]:
    return {
        exchange.name: exchange for exchange in read_exchanges(shared / "data" / f"{kind}-exchanges.jsonl")
    }


def test_each_recorded_exchange_has_a_case(exchanges: dict[str, Exchange]) -> None:
    assert len(exchanges) == 64
    assert exchanges.keys() == CASES.keys()


@pytest.mark.parametrize("name", CASES)
async def test_recorded(
    name: str, kind: str, exchanges: dict[str, Exchange], recorded_broker: RecordedBroker
) -> None:
    case, exchange = CASES[name], exchanges[name]
    expected = case.coraine if kind == "coraine" and case.coraine is not ... else case.orion
    recorded_broker.play(exchange)
    async with NgsiLdClient(recorded_broker.url, kind=kind, **case.client) as client:
        if isinstance(expected, type):
            with pytest.raises(expected) as caught:
                await case.call(client, exchange)
            _check_error(caught.value, exchange)
        else:
            assert _short(await case.call(client, exchange), expected) == (
                exchange.answer if expected is RECORDED else expected
            )
    assert not recorded_broker.unmatched
    assert not recorded_broker.left


def _check_error(error: BaseException, exchange: Exchange) -> None:
    """An error carries what the broker said, and reads as one line."""
    assert isinstance(error, NgsiLdError)
    if exchange.status != 207:
        assert error.problem.status == exchange.status
        if exchange.answer is not None:
            assert error.problem.title == exchange.answer["title"]
            assert error.problem.detail == exchange.answer["detail"]
            assert exchange.answer["title"] in str(error)
    assert "\n" not in str(error)


def _short(result: Any, expected: Any) -> Any:
    if isinstance(result, TemporalResult):
        assert not result.partial
        return list(result.entities)
    if not isinstance(expected, tuple):
        return result
    if isinstance(result, BatchResult):
        return result.succeeded, {id_: problem.status for id_, problem in result.failed.items()}
    if isinstance(result, AttributesResult):
        return result.updated, {name: problem.status for name, problem in result.failed.items()}
    return result


async def test_large_integers_go_to_orion_ld_with_a_decimal_point(
    shared: Path, recorded_broker: RecordedBroker
) -> None:
    name = "batch upsert: large integer"
    for kind, wanted in (("orion-ld", b'"value":1714557600000.0}'), ("coraine", b'"value":1714557600000}')):
        recorded = read_exchanges(shared / "data" / f"{kind}-exchanges.jsonl")
        exchange = next(exchange for exchange in recorded if exchange.name == name)
        recorded_broker.play(exchange)
        async with NgsiLdClient(recorded_broker.url, kind=kind) as client:
            await client.upsert(exchange.body, context=None)
        assert wanted in recorded_broker.bodies[-1]
