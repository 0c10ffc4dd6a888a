# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What a view reads of its tenant."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest_asyncio

from tests.portal_city import NOW, published_city

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from portal.views import Observation, View
    from tests.portal_city import City


@pytest_asyncio.fixture(scope="module")
async def city(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[City]:
    async with published_city(postgres, tmp_path_factory.mktemp("views")) as city:
        yield city


async def observed(view: View, dataset: str, **asked: object) -> list[Observation]:
    found = view.dataset(dataset)
    assert found is not None
    end = NOW + timedelta(seconds=1)
    parts = view.observations(found, start=NOW - timedelta(days=3), end=end, **asked)  # type: ignore[arg-type]
    return [each async for part in parts for each in part]


async def test_current(city: City) -> None:
    view = city.office.public
    pegel = view.dataset("pegel")
    assert pegel is not None
    page = await view.page(pegel, limit=2, count=True)
    assert page.count == 3
    assert [entity["id"].rpartition(":")[2] for entity in page.entities] == ["boele", "eilpe"]
    rest = await view.page(pegel, limit=2, offset=2, params={"options": "keyValues"})
    assert rest.entities[0]["currentLevel"] == 0.39
    assert len([entity async for entity in view.entities(pegel)]) == 3
    assert await view.entity(pegel, "urn:ngsi-ld:FloodMonitoring:hagen:nowhere") is None


async def test_history_by_parts(city: City) -> None:
    """However little the broker sends at a time, every observation comes once and in order."""
    seen = await observed(city.office.public, "pegel")
    assert len(seen) == 3 * 72
    for entity in {each.entity for each in seen}:
        times = [each.observed_at for each in seen if each.entity == entity]
        assert times == sorted(set(times))
    assert {each.unit for each in seen} == {"MTR"}
    assert {each.attribute for each in seen} == {"currentLevel"}


async def test_only_what_is_asked_for(city: City) -> None:
    view = city.office.public
    weather = await observed(view, "wetter", attributes=("temperature",))
    assert {each.attribute for each in weather} == {"temperature"}
    assert await observed(view, "wetter", attributes=("unknown",)) == []
    one = ["urn:ngsi-ld:FloodMonitoring:hagen:eilpe"]
    assert {each.entity for each in await observed(view, "pegel", ids=one)} == set(one)
    pegel = view.dataset("pegel")
    assert pegel is not None
    latest = await view.latest(pegel, one[0], last=3)
    assert [each.observed_at for each in latest] == [NOW - timedelta(hours=hours) for hours in (2, 1, 0)]
