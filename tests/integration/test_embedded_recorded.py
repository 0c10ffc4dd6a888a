# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The same requests that a real Orion-LD and a real Coraine answered, in the same order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from tests.embedded_serving import Client, serving

if TYPE_CHECKING:
    from pathlib import Path


def exchanges(folder: Path, broker: str) -> list[dict[str, Any]]:
    lines = (folder / "data" / f"{broker}-exchanges.jsonl").read_text().splitlines()
    return [orjson.loads(line) for line in lines]


def big_entity() -> list[dict[str, Any]]:
    text = {"type": "Property", "value": "x" * 1_100_000}
    return [{"id": "urn:ngsi-ld:AirQualityObserved:hagen:rec-30", "type": "AirQualityObserved", "d": text}]


async def replay(client: Client, exchange: dict[str, Any]) -> Any:
    request = exchange["request"]
    body = request["body"]
    if isinstance(body, str):
        body = orjson.dumps(big_entity()) if body.startswith("(one entity") else body.encode()
    headers = {name.replace("-", "_"): value for name, value in request["headers"].items()}
    path = request["path"].removeprefix("/ngsi-ld/v1")
    return await client.ask(request["method"], path, body, **headers)


async def test_statuses_agree_with_one_of_two_real_brokers(shared: Path, database: str) -> None:
    orion, coraine = exchanges(shared, "orion-ld"), exchanges(shared, "coraine")
    disagreements = {}
    async with serving(database) as client:
        plain = client.other("")
        for first, second in zip(orion, coraine, strict=True):
            answer = await replay(plain, first)
            recorded = {first["response"]["status"], second["response"]["status"]}
            if answer.status not in recorded:
                disagreements[first["name"]] = (answer.status, recorded)
    assert disagreements == {}


async def test_bodies_agree_where_both_brokers_agree(shared: Path, database: str) -> None:
    orion, coraine = exchanges(shared, "orion-ld"), exchanges(shared, "coraine")
    compared = 0
    async with serving(database) as client:
        plain = client.other("")
        for first, second in zip(orion, coraine, strict=True):
            answer = await replay(plain, first)
            bodies = [comparable(each["response"]["body"]) for each in (first, second)]
            if bodies[0] is not None and bodies[0] == bodies[1]:
                assert comparable(answer.json) == bodies[0], first["name"]
                compared += 1
    assert compared > 15


def comparable(body: Any) -> Any:
    """What a body says beyond wording and the moment: errors by their type alone."""
    if isinstance(body, list):
        return [comparable(item) for item in body]
    if not isinstance(body, dict):
        return body
    if "title" in body:
        return {"type": body.get("type")}
    left_out = {"@context", "createdAt", "modifiedAt", "jsonldContext"}
    return {
        name: comparable(value).replace(".000Z", "Z") if name == "observedAt" else comparable(value)
        for name, value in body.items()
        if name not in left_out
    }
