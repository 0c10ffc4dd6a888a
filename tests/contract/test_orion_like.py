# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The server that stands for Orion-LD in the tests answers the recorded requests as it did."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from tests.contract.recorded_broker import LARGE, read_exchanges

if TYPE_CHECKING:
    from pathlib import Path

    from orion_like import OrionLike
    from recorded_broker import Exchange

_VARYING = ("createdAt", "modifiedAt")


async def test_answers_as_recorded(shared: Path, orion_like: OrionLike) -> None:
    differences = []
    async with aiohttp.ClientSession() as session:
        for exchange in read_exchanges(shared / "data" / "orion-ld-exchanges.jsonl"):
            status, body = await _send(session, orion_like.url, exchange)
            if (status, _comparable(body)) != (exchange.status, _comparable(exchange.answer)):
                differences.append((exchange.name, status, body, exchange.status, exchange.answer))
    assert not differences


async def _send(session: aiohttp.ClientSession, url: str, exchange: Exchange) -> tuple[int, Any]:
    body: str | None = exchange.body if isinstance(exchange.body, str) else json.dumps(exchange.body)
    if exchange.is_large:
        body = json.dumps([{"id": "urn:ngsi-ld:X:1", "type": "X", "description": "x" * LARGE}])
    if exchange.body is None:
        body = None
    query = "&".join(f"{name}={value.replace('[', '%5B')}" for name, value in exchange.query)
    address = URL(f"{url}{exchange.path}?{query}" if query else f"{url}{exchange.path}", encoded=True)
    async with session.request(
        exchange.method, address, data=body and io.BytesIO(body.encode()), headers=exchange.headers
    ) as answer:
        content = await answer.read()
        return answer.status, json.loads(content) if content else None


def _comparable(value: Any) -> Any:
    """Leave out what differs from run to run, and the wording of problems; arrays of names as sets."""
    match value:
        case {"type": str(type_), "title": str()} if "/errors/" in type_:
            return type_
        case {"type": "EntityTypeList" | "AttributeList"}:
            return {key: item for key, item in value.items() if key != "id"}
        case dict():
            return {key: _comparable(item) for key, item in value.items() if key not in _VARYING}
        case list() if all(isinstance(item, str) for item in value):
            return sorted(value)
        case list():
            return [_comparable(item) for item in value]
        case _:
            return value
