# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From the city's entities to what is published, with a real broker in between."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from broker.client import BrokerUnavailableError, NgsiLdClient, NotFoundError
from ontology.loader import context, core_context, subjects
from portal.datasets import Dataset, Rule, Text
from portal.live import Live
from portal.projection import Projection
from portal.publisher import Pace, Publisher
from portal.views import View
from tests.embedded_serving import own_database, serving
from tests.http_serving import served
from tests.portal_city import CONTEXTS, at, context_of, measured, said
from tests.waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOW = datetime.now(UTC).replace(microsecond=0)
WORDS = Text(de="Versuch", en="Trial")
FAST = Pace(look=0.2, poll=0.2, due=0.1, late=0.2, retry=0.1)
SLOW = Pace(look=3600, poll=3600, due=3600, late=3600, retry=0.1)
ID = "urn:ngsi-ld:CrowdFlowObserved:hagen:{}"


def crowds(*attributes: str, name: str = "crowds", **more: Any) -> Dataset:
    return Dataset(
        name=name,
        type="CrowdFlowObserved",
        title=WORDS,
        description=WORDS,
        attributes=attributes or ("name", "location", "peopleCount"),
        **more,
    )


def crowd(name: str, count: int, moment: datetime = NOW, **more: Any) -> dict[str, Any]:
    return {
        "id": ID.format(name),
        "type": "CrowdFlowObserved",
        "name": said(f"Platz {name}"),
        "location": at(7.47, 51.36),
        "peopleCount": measured(count, None, moment),
        "peopleCountAway": measured(99, None, moment),
        "description": said("secret"),
        **more,
    }


class Town:
    """A broker with a city's own tenant, and publishers into other tenants."""

    def __init__(self, url: str, city: NgsiLdClient, folder: Path) -> None:
        self.url, self.city, self.folder = url, city, folder
        self.live = Live()

    async def tell(self, *entities: dict[str, Any]) -> None:
        result = await self.city.upsert(list(entities), context=context_of(entities[0]["type"]))
        assert not result.failed

    @asynccontextmanager
    async def publishing(
        self, *datasets: Dataset, pace: Pace = FAST, notified: bool = False
    ) -> AsyncIterator[View]:
        async with NgsiLdClient(self.url, kind="embedded", tenant="public") as client:
            view = View(name="public", datasets=datasets, client=client, context_of=context_of)
            hidden = {each.type for each in datasets if each.ids == "hidden"}
            projection = Projection(view, key=b"key", hidden=hidden, live=self.live)
            async with _notifications() as (endpoint, taken):
                publisher = Publisher(
                    self.city,
                    [projection],
                    context_of=context_of,
                    endpoint=endpoint if notified else None,
                    notes=self.folder / "notes.json",
                    pace=pace,
                )
                taken.append(publisher)
                running = asyncio.create_task(publisher.run())
                try:
                    await asyncio.wait_for(publisher.ready.wait(), PATIENCE)
                    yield view
                finally:
                    running.cancel()
                    await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def _notifications() -> AsyncIterator[tuple[str, list[Publisher]]]:
    publishers: list[Publisher] = []

    async def take(request: web.Request) -> web.Response:
        body = await request.json()
        assert publishers[0].notify(request.match_info["dataset"], body["data"])
        return web.Response()

    app = web.Application()
    app.router.add_post("/notify/{dataset}", take)
    async with served(app) as url:
        yield f"{url}/notify", publishers


@pytest.fixture
async def town(postgres: str, tmp_path: Path) -> AsyncIterator[Town]:
    documents = {f"{CONTEXTS}/{name}.jsonld": context(name) for name in subjects()}
    async with (
        own_database(postgres) as dsn,
        serving(dsn, preloaded=documents, core_context=core_context()) as served,
        NgsiLdClient(served.url, kind="embedded") as city,
    ):
        yield Town(served.url, city, tmp_path)


async def shown(view: View, dataset: Dataset) -> dict[str, dict[str, Any]]:
    return {e["id"].rpartition(":")[2]: e async for e in view.entities(dataset, {"options": "keyValues"})}


async def test_what_is_declared_and_nothing_else(town: Town) -> None:
    dataset = crowds()
    await town.tell(crowd("markt", 3))
    await town.tell({"id": "urn:ngsi-ld:Device:hagen:1", "type": "Device", "name": said("secret")})
    async with town.publishing(dataset) as view:
        (entity,) = (await shown(view, dataset)).values()
        assert entity == {
            "id": ID.format("markt"),
            "type": "CrowdFlowObserved",
            "name": "Platz markt",
            "location": {"type": "Point", "coordinates": [7.47, 51.36]},
            "peopleCount": 3,
        }
        assert [each async for each in view.client.query(type="Device", context=context_of("Device"))] == []
        attributes = await view.client.attributes(context=context_of("CrowdFlowObserved"))
        assert set(attributes) == {"name", "location", "peopleCount"}
        with pytest.raises(NotFoundError):
            await view.client.retrieve_temporal("urn:ngsi-ld:Device:hagen:1")


async def test_changes_come_by_notification(town: Town) -> None:
    """The pace is so slow that only the broker's notifications can have told of it."""
    dataset = crowds()
    await town.tell(crowd("markt", 3))
    async with town.publishing(dataset, pace=SLOW, notified=True) as view:
        before = town.live.last

        async def subscribed() -> bool:
            return bool([each async for each in town.city.subscriptions()])

        await until(subscribed)
        await town.tell(crowd("markt", 7, NOW + timedelta(seconds=1)))

        async def seven() -> bool:
            return (await shown(view, dataset))["markt"]["peopleCount"] == 7

        await until(seven)
        (change,) = town.live.since(before) or []
        assert change.entity == {
            "id": ID.format("markt"),
            "type": "CrowdFlowObserved",
            "location": {"type": "Point", "coordinates": [7.47, 51.36]},
            "peopleCount": 7,
            "observedAt": change.entity and change.entity["observedAt"],
        }


async def test_what_is_gone_and_what_no_longer_meets_the_filter(town: Town) -> None:
    dataset = crowds(filter="peopleCount>2")
    await town.tell(crowd("a", 3), crowd("b", 4), crowd("c", 1))
    async with town.publishing(dataset) as view:
        assert (await shown(view, dataset)).keys() == {"a", "b"}
        await town.city.delete_entity(ID.format("a"))
        await town.tell(crowd("b", 0, NOW + timedelta(seconds=1)))

        async def empty() -> bool:
            return not await shown(view, dataset)

        await until(empty)


async def test_history_is_published_once_and_late_values_too(town: Town) -> None:
    dataset = crowds()
    for minute in range(5):
        await town.tell(crowd("markt", minute, NOW - timedelta(minutes=10 - minute)))

    async def counts(view: View) -> list[Any]:
        start, end = NOW - timedelta(hours=5), NOW + timedelta(minutes=1)
        return [
            each.value async for part in view.observations(dataset, start=start, end=end) for each in part
        ]

    for _ in range(2):  # what was published by an earlier run is not published again
        async with town.publishing(dataset) as view:

            async def complete(view: View = view) -> bool:
                return await counts(view) == [0, 1, 2, 3, 4]

            await until(complete)
    async with town.publishing(dataset) as view:
        late = {"id": ID.format("markt"), "type": "CrowdFlowObserved"}
        late["peopleCount"] = measured(77, None, NOW - timedelta(hours=3))  # type: ignore[assignment]
        await town.city.add_temporal(late, context=context_of("CrowdFlowObserved"))

        async def came() -> bool:
            return await counts(view) == [77, 0, 1, 2, 3, 4]

        await until(came)
        assert (await shown(view, dataset))["markt"]["peopleCount"] == 4


async def test_stricter_rules_withdraw_what_was_published(town: Town) -> None:
    """Of what was exact before, nothing is left: neither now nor in history."""
    await town.tell(crowd("markt", 3, NOW - timedelta(hours=2)))
    await town.tell(crowd("markt", 4, NOW - timedelta(hours=1)))
    async with town.publishing(crowds()) as view:
        assert (await shown(view, crowds()))["markt"]["peopleCount"] == 4
    strict = crowds("name", "location", rules={"location": Rule(metres=1000)}, ids="hidden")
    async with town.publishing(strict) as view:
        (entity,) = (await shown(view, strict)).values()
        assert "peopleCount" not in entity
        assert entity["id"] != ID.format("markt")
        assert entity["location"]["coordinates"] != [7.47, 51.36]
        with pytest.raises(NotFoundError):
            await view.client.retrieve_temporal(ID.format("markt"))
        with pytest.raises(NotFoundError):
            await view.client.retrieve_entity(ID.format("markt"))


async def test_periods_are_published_when_they_are_over(town: Town) -> None:
    """From history as well as from what is now: the last value of each quarter, as of its start."""
    dataset = crowds("name", "peopleCount", rules={"peopleCount": Rule(every="PT15M")})
    now = datetime.now(UTC).replace(microsecond=0)
    quarter = now.replace(minute=now.minute // 15 * 15, second=0)
    for count, minutes in ((1, -40), (2, -31), (3, -14), (4, -1)):
        await town.tell(crowd("markt", count, quarter + timedelta(minutes=minutes)))
    # Of the next quarter, so that it is not over should this one end while the test runs.
    await town.tell(crowd("markt", 5, quarter + timedelta(minutes=16)))
    async with town.publishing(dataset) as view:

        async def found() -> list[tuple[Any, datetime]]:
            start, end = now - timedelta(hours=5), now + timedelta(minutes=1)
            parts = view.observations(dataset, start=start, end=end)
            return [(each.value, each.observed_at) async for part in parts for each in part]

        wanted = [(2, quarter - timedelta(minutes=45)), (4, quarter - timedelta(minutes=15))]

        async def complete() -> bool:
            return await found() == wanted

        await until(complete)
        assert (await shown(view, dataset))["markt"]["peopleCount"] == 4


async def test_two_datasets_of_a_type(town: Town) -> None:
    busy = crowds("name", "peopleCount", name="busy", filter="peopleCount>5")
    every = crowds("name", "location", name="every")
    await town.tell(crowd("a", 9), crowd("b", 1))
    async with town.publishing(busy, every) as view:
        assert (await shown(view, busy)).keys() == {"a"}
        both = await shown(view, every)
        assert both.keys() == {"a", "b"}
        assert "peopleCount" not in both["a"], "each dataset shows its own attributes"


async def test_the_broker_is_away(town: Town) -> None:
    """Nothing is taken for published that is not."""
    dataset = crowds()
    async with town.publishing(dataset) as view:
        assert await shown(view, dataset) == {}
        view.client._base, base = "http://127.0.0.1:9", view.client._base
        await town.tell(crowd("markt", 3))
        await asyncio.sleep(0.5)
        view.client._base = base

        async def there() -> bool:
            return bool(await shown(view, dataset))

        await until(there)


async def test_an_attribute_that_is_gone_of_an_entity_in_two_datasets(town: Town) -> None:
    """It goes, whichever of the datasets names it; what waits for its time is not touched."""
    busy = crowds("name", "peopleCount", name="busy", filter="peopleCount>5")
    every = crowds("name", "location", name="every")
    await town.tell(crowd("a", 9))
    async with town.publishing(busy, every) as view:
        assert "location" in (await shown(view, every))["a"]
        await town.city.delete_attribute(ID.format("a"), "location", context=context_of("CrowdFlowObserved"))

        async def gone() -> bool:
            return "location" not in (await shown(view, every))["a"]

        await until(gone)
        assert (await shown(view, busy))["a"]["peopleCount"] == 9


async def test_an_instance_that_is_gone(town: Town) -> None:
    """Of an attribute with instances by datasetId, one goes: it goes from what is published too."""
    dataset = crowds("name", "peopleCount")
    other = {**measured(7, None, NOW), "datasetId": "urn:ngsi-ld:Dataset:other"}
    await town.tell(crowd("a", 9, peopleCount=[measured(9, None, NOW), other]))
    async with town.publishing(dataset) as view:
        path = f"/entities/{ID.format('a')}/attrs/peopleCount"

        async def instances() -> Any:
            (entity,) = [each async for each in view.entities(dataset)]
            return entity["peopleCount"]

        assert len(await instances()) == 2
        await town.city.request(
            "DELETE",
            path,
            params={"datasetId": "urn:ngsi-ld:Dataset:other"},
            context=context_of("CrowdFlowObserved"),
        )

        async def gone() -> bool:
            return isinstance(await instances(), dict)

        await until(gone)
        assert (await instances())["value"] == 9


async def test_hidden_are_ids_of_any_form(town: Town) -> None:
    """Whose id does not name the type is hidden as well, and where relationships lead."""
    dataset = Dataset(
        name="spots",
        type="ParkingSpot",
        title=WORDS,
        description=WORDS,
        attributes=("name", "refParkingSite"),
        ids="hidden",
    )
    own = "urn:ngsi-ld:villa-mueller"
    link = {"type": "Relationship", "object": own}
    await town.tell({"id": own, "type": "ParkingSpot", "name": said("odd"), "refParkingSite": link})
    async with town.publishing(dataset) as view:
        (entity,) = [each async for each in view.entities(dataset)]
        assert "villa" not in str(entity)
        assert entity["refParkingSite"]["object"] == entity["id"]
        await asyncio.sleep(0.5)
        assert [each["id"] async for each in view.entities(dataset)] == [entity["id"]]


async def test_what_waits_survives_a_restart(town: Town) -> None:
    """Values whose time had not come when the portal ended are published when it comes."""
    dataset = crowds("name", "peopleCount", rules={"peopleCount": Rule(delay="PT6S")})
    start = datetime.now(UTC)
    await town.tell(crowd("markt", 1, start))
    await town.tell(crowd("markt", 2, start + timedelta(milliseconds=500)))
    async with town.publishing(dataset):
        await asyncio.sleep(1)
    await asyncio.sleep(0.5)
    async with town.publishing(dataset) as view:

        async def both() -> bool:
            parts = view.observations(
                dataset, start=start - timedelta(hours=1), end=start + timedelta(hours=1)
            )
            return [each.value async for part in parts for each in part] == [1, 2]

        await until(both)


async def test_a_dataset_that_the_broker_refuses_holds_up_no_other(town: Town) -> None:
    broken = crowds(name="broken", filter="peopleCount~=((")
    good = Dataset(
        name="good", type="ParkingSpot", title=WORDS, description=WORDS, attributes=("name", "status")
    )
    spot = {"id": "urn:ngsi-ld:ParkingSpot:hagen:1", "type": "ParkingSpot"}
    await town.tell({**spot, "status": measured("free", None, NOW)})
    async with town.publishing(broken, good, pace=SLOW, notified=True) as view:
        await town.tell({**spot, "status": measured("occupied", None, NOW + timedelta(seconds=1))})

        async def occupied() -> bool:
            await town.tell({**spot, "status": measured("occupied", None, datetime.now(UTC))})
            return bool((await shown(view, good))["1"]["status"] == "occupied")

        await until(occupied)


async def test_times_at_the_end_of_the_calendar(town: Town) -> None:
    """A delay after them is beyond what is a time at all; nothing ends for that."""
    dataset = crowds("name", "peopleCount", rules={"peopleCount": Rule(delay="PT1S")})
    await town.tell(crowd("far", 1, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)))
    async with town.publishing(dataset) as view:
        await town.tell(crowd("markt", 3, NOW - timedelta(minutes=1)))

        async def there() -> bool:
            return (await shown(view, dataset)).get("markt", {}).get("peopleCount") == 3

        await until(there)


async def test_what_waited_of_an_entity_that_is_gone(town: Town) -> None:
    """It is not published, even where the broker went away in the middle of withdrawing."""
    dataset = crowds("name", "peopleCount", rules={"peopleCount": Rule(delay="PT1H")})
    async with NgsiLdClient(town.url, kind="embedded", tenant="public") as client:
        view = View(name="public", datasets=(dataset,), client=client, context_of=context_of)
        projection = Projection(view, key=b"key")
        await projection.publish(dataset, [crowd("a", 1)])
        assert projection.waiting == 1
        client._base = "http://127.0.0.1:9"
        with pytest.raises(BrokerUnavailableError):
            await projection.keep_only(dataset, ())
        assert projection.waiting == 0


async def test_what_a_rule_leaves_nothing_of_any_more(town: Town) -> None:
    dataset = crowds("name", "address", rules={"address": Rule(keep=("addressLocality",))})
    await town.tell(crowd("a", 1, address=said({"addressLocality": "Hagen", "streetAddress": "secret"})))
    async with town.publishing(dataset) as view:
        assert (await shown(view, dataset))["a"]["address"] == {"addressLocality": "Hagen"}
        await town.tell(crowd("a", 1, address=said({"streetAddress": "secret"})))

        async def gone() -> bool:
            return "address" not in (await shown(view, dataset))["a"]

        await until(gone)


async def test_means_of_the_past_are_of_all(town: Town) -> None:
    """Of more entities than are read at a time, and of periods before the one that is now."""
    dataset = crowds("name", "peopleCount", rules={"peopleCount": Rule(every="PT15M", least=5)})
    first = NOW.replace(minute=0, second=0) - timedelta(hours=2)
    second = first + timedelta(minutes=30)
    for moment, factor in ((first, 1), (second, 2)):
        await town.tell(*(crowd(f"{number:02}", factor * number, moment) for number in range(30)))
    async with town.publishing(dataset, pace=replace(FAST, due=0.001)) as view:

        async def complete() -> bool:
            found = [
                (each.observed_at, each.value)
                async for part in view.observations(dataset, start=first, end=NOW)
                for each in part
            ]
            return sorted(found) == [(first, 14.5)] * 30 + [(second, 29)] * 30

        await until(complete)


async def test_means_of_the_past_are_of_a_square(town: Town) -> None:
    """Where an entity lies is not in what was observed: it is that of now."""
    dataset = crowds("name", "peopleCount", rules={"peopleCount": Rule(every="PT15M", least=3, metres=1000)})
    first = NOW.replace(minute=0, second=0) - timedelta(hours=2)
    near = [crowd(f"{number}", number, first) for number in range(4)]
    far = [crowd(f"{number}", 99, first, location=at(7.6, 51.3)) for number in (7, 8)]
    await town.tell(*near, *far)
    async with town.publishing(dataset) as view:

        async def complete() -> bool:
            parts = view.observations(dataset, start=first, end=NOW)
            return sorted([each.value async for part in parts for each in part]) == [1.5] * 4

        await until(complete)


async def test_a_moment_that_has_not_come_keeps_nothing_away(town: Town) -> None:
    """A clock that was years ahead has been set right."""
    dataset = crowds()
    await town.tell(crowd("markt", 1, NOW + timedelta(days=400)))
    async with town.publishing(dataset) as view:
        assert (await shown(view, dataset))["markt"]["peopleCount"] == 1
        await town.tell(crowd("markt", 2, NOW))

        async def right() -> bool:
            return (await shown(view, dataset))["markt"]["peopleCount"] == 2

        await until(right)
