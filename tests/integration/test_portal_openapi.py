# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The OpenAPI document is true: what is in it answers, and what answers is in it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from portal.interfaces import INTERFACES
from portal.openapi import document, operations, table
from portal.server import portal_app
from tests.portal_city import published_city, serving_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from portal.openapi import Operation
    from tests.portal_city import City

ENTITY = "urn:ngsi-ld:FloodMonitoring:hagen:eilpe"
HERE = {"dataset": "pegel", "type": "FloodMonitoring", "attribute": "currentLevel", "entity": ENTITY}
PUBLIC = [row for row in table().operations if not row.partner]
#: What is no interface: pages for people, and the files that they are made of.
PAGES = re.compile(
    r"(/en|/leicht)?/?|(/embed)?(/en|/leicht)?/(thema|station)/\{\}|(/en|/leicht)?/(barrierefreiheit|datenschutz)"
    r"|/assets/.*|/static/.*|/dashboard/.*|/daten|/en/data|/en/dataset/\{\}|/api"
)


@pytest_asyncio.fixture(scope="module")
async def city(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[City]:
    async with (
        published_city(postgres, tmp_path_factory.mktemp("openapi")) as city,
        serving_app(city, portal_app(city.office, INTERFACES)),
    ):
        yield city


def filled(said: Any) -> Any:
    if isinstance(said, str):
        for name, value in HERE.items():
            said = said.replace(f"{{{name}}}", value)
        return said
    if isinstance(said, dict):
        return {key: filled(value) for key, value in said.items()}
    return [filled(each) for each in said] if isinstance(said, list) else said


def address_of(row: Operation, *keys: str) -> str:
    path = row.address
    for key in row.path:
        parameter = table().path[key]
        path = path.replace(f"{{{parameter.name}}}", quote(filled(parameter.example), safe=":"))
    asked = {table().query[key].name: filled(table().query[key].example) for key in keys}
    return f"{path}?{'&'.join(f'{name}={quote(value)}' for name, value in asked.items())}"


def with_needs(row: Operation, *keys: str) -> list[str]:
    """Return parameters with what they need; of those with the same name, the first."""
    found: dict[str, str] = {}
    for key in (*keys, *(need for each in keys for need in table().query[each].needs)):
        if key != "ngsi.type" or key in row.query:
            found.setdefault(table().query[key].name, key)
    return list(found.values())


async def ask(city: City, row: Operation, *keys: str, accept: str = "*/*") -> tuple[int, str, str]:
    """Return status, media type and the beginning of the body: events never end."""
    assert city.session is not None
    body = filled(dict(row.body)) or None
    async with city.session.request(
        row.method.upper(), f"{city.url}{address_of(row, *keys)}", json=body, headers={"Accept": accept}
    ) as answer:
        text = (await answer.content.read(500)).decode(errors="replace")
        media = answer.headers.get("Content-Type", "").partition(";")[0]
        answer.close()
        return answer.status, media, text


@pytest.mark.parametrize("row", PUBLIC, ids=lambda row: row.id)
async def test_what_is_in_it_answers(city: City, row: Operation) -> None:
    usual = with_needs(row, *row.required) or ["ngsi.type"] * ("ngsi.type" in row.query)
    status, media, text = await ask(city, row, *usual)
    assert status in row.statuses, text
    assert media in [each.partition(";")[0] for each in row.answers]
    for answer in row.answers[1:]:
        if row.id != "file":  # which has a name for each format
            status, media, text = await ask(city, row, *usual, accept=answer)
            assert (status in row.statuses, media) == (True, answer.partition(";")[0]), text


@pytest.mark.parametrize(
    ("row", "key"),
    [(row, key) for row in PUBLIC for key in row.query],
    ids=lambda each: getattr(each, "id", each),
)
async def test_its_parameters_exist(city: City, row: Operation, key: str) -> None:
    status, _, text = await ask(city, row, *with_needs(row, key, *row.required))
    assert status in row.statuses, text


async def test_what_answers_is_in_it(city: City) -> None:
    described = {
        (row.method.upper(), re.sub(r"\{[^}]*\}", "{}", row.address)) for row in operations(city.office)
    }
    app = portal_app(city.office, INTERFACES)
    found = 0
    for route in app.router.routes():
        if route.method == "HEAD" or route.resource is None:
            continue
        path = re.sub(r"\{[^}]*\}", "{}", route.resource.canonical)
        if PAGES.fullmatch(path):
            continue
        found += 1
        if route.method == "*":  # below which the interface itself says what there is
            below = path.removesuffix("/{}")
            assert any(address.startswith(below) for _, address in described), path
        elif not (path.endswith("/") or path == "/ogc/features/{}"):
            assert (route.method, path) in described, path
    assert found > 30


async def test_subscriptions_are_for_partners(city: City) -> None:
    plain = document(city.office, "en")
    assert "/ngsi-ld/v1/subscriptions" not in plain["paths"]
    partners = replace(city.office, partners={b"digest": city.office.public})
    told = document(partners, "en")["paths"]["/ngsi-ld/v1/subscriptions"]
    assert set(told) == {"get", "post"}
    assert told["post"]["security"] == [{"key": []}, {"bearer": []}]
    served = {
        (route.method, route.resource.canonical)
        for route in portal_app(partners, INTERFACES).router.routes()
        if route.resource is not None
    }
    for row in table().operations:
        if row.partner:
            assert (row.method.upper(), row.address) in served


async def test_the_document(city: City) -> None:
    status, headers, _ = await city.get("/api/openapi.json")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    for language in ("de", "en"):
        said = document(city.office, language)  # type: ignore[arg-type]
        assert said["openapi"] == "3.1.0"
        names = [row["operationId"] for methods in said["paths"].values() for row in methods.values()]
        assert len(names) == len(set(names))
        tags = {tag["name"] for tag in said["tags"]}
        for path, methods in said["paths"].items():
            for row in methods.values():
                assert set(row["tags"]) <= tags
                parameters = row.get("parameters", [])
                in_path = [each["name"] for each in parameters if each["in"] == "path"]
                assert sorted(in_path) == sorted(re.findall(r"\{(\w+)\}", path))
                assert len({(each["in"], each["name"]) for each in parameters}) == len(parameters), path
        for reference in re.findall(r"'\$ref': '#/components/schemas/(\w+)'", str(said)):
            assert reference in said["components"]["schemas"]
    assert document(city.office, "de")["tags"][0]["x-displayName"] == "Katalog"


async def test_the_page_shows_all_of_it(city: City) -> None:
    for path, word in (("/api", "Spielregeln"), ("/api?lang=en", "Rules")):
        status, headers, body = await city.get(path)
        text = body.decode()
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert word in text
        for row in operations(city.office):
            assert f'id="{row.id}-details"' in text
        assert "<script" not in text
    for path in ("/api?lang=fr", "/api/openapi.json?lang=x"):
        assert (await city.get(path))[0] == 400
