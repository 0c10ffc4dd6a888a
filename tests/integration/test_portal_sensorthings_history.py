# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Observations out of the broker's history: complete, in order, and no more of it than is needed."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

import broker.client
from broker.transport import Transport
from models.values import rfc3339
from portal.sensorthings import evaluate, history, reading
from tests.portal_city import NOW, City, at, measured
from tests.sensorthings_city import sensorthings_service, serving_city

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.sensorthings_city import Service

Value = tuple[str, str, float]
STATIONS = 6
ATTRIBUTES = {"temperature": "CEL", "windSpeed": "MTS", "precipitation": "MMT"}


def station(number: int) -> str:
    return f"urn:ngsi-ld:WeatherObserved:hagen:w{number}"


def weather() -> tuple[list[dict[str, Any]], list[Value]]:
    """Return entities oldest first, and all their values: some often, some seldom, some at one moment."""
    dice = random.Random(7)  # noqa: S311 - nothing is secret about it
    entities, values = [], []
    for minute in range(-50, 1):
        for number in range(STATIONS):
            moment = NOW + timedelta(minutes=minute)
            parts = {
                name: measured(dice.randint(0, 50) / 2, unit, moment)
                for name, unit in ATTRIBUTES.items()
                if dice.random() < (0.5, 0.02, 0.3)[number % 3]
            }
            if parts:
                entities.append(
                    {"id": station(number), "type": "WeatherObserved", "location": at(7.4, 51.3), **parts}
                )
                values += [
                    (rfc3339(moment), f"{station(number)}:{name}", part["value"])
                    for name, part in parts.items()
                ]
    return entities, values


class Counted:
    """What the broker was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths: list[str] = []
        request = Transport.request

        async def noted(client: Transport, method: str, path: str, **given: Any) -> Any:
            self.paths.append(path)
            return await request(client, method, path, **given)

        monkeypatch.setattr(Transport, "request", noted)

    @property
    def histories(self) -> int:
        return sum(path.startswith("/temporal") for path in self.paths)


@pytest_asyncio.fixture(scope="module")
async def everything() -> list[Value]:
    return weather()[1]


@pytest_asyncio.fixture(scope="module")
async def service(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("sensorthings-history")
    async with sensorthings_service(postgres, folder, entities=weather()[0]) as service:
        yield service


@pytest.fixture(
    params=[(10_000, 100), (7, 100), (10_000, 1), (40, 1)], ids=["whole", "in parts", "many", "many in parts"]
)
def parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker sends so many values at a time; so many entities are still few."""
    at_once, few = request.param
    monkeypatch.setattr(broker.client, "_MANY_INSTANCES", f"maxpagesize={at_once}")
    monkeypatch.setattr(reading, "_MANY", few)
    monkeypatch.setattr(reading, "MOST_QUERIES", 2000)


def found(page: list[dict[str, Any]]) -> list[Value]:
    return [(each["phenomenonTime"], each["@iot.id"].rpartition(":")[0], each["result"]) for each in page]


def ordered(values: list[Value], *, upwards: bool) -> list[Value]:
    by_stream = sorted(values, key=lambda value: value[1])
    return sorted(by_stream, key=lambda value: value[0], reverse=not upwards)


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("upwards", [False, True])
async def test_every_value_once_and_in_order(
    service: Service, everything: list[Value], *, upwards: bool
) -> None:
    order = "phenomenonTime asc" if upwards else "phenomenonTime desc"
    of_all = await service.every("/Observations", orderby=order, top="23")
    assert found(of_all) == ordered(everything, upwards=upwards)
    one = f"{station(0)}:temperature"
    of_one = await service.every(f"/Datastreams('{one}')/Observations", orderby=order, top="23")
    assert found(of_one) == ordered([value for value in everything if value[1] == one], upwards=upwards)


@pytest.mark.usefixtures("parts")
async def test_any_part_of_it(service: Service, everything: list[Value]) -> None:
    """Whatever is asked is what a list of all values would give."""
    dice = random.Random(11)  # noqa: S311 - nothing is secret about it
    for _ in range(12):
        upwards, skip, top = dice.random() < 0.5, dice.randint(0, 20), dice.randint(1, 30)
        start, end = sorted(NOW - timedelta(minutes=dice.randint(-5, 55)) for _ in range(2))
        least = dice.choice([None, 5, 24.5])
        stream = dice.choice([None, f"{station(dice.randrange(STATIONS))}:temperature"])
        conditions = [f"phenomenonTime ge {rfc3339(start)}", f"phenomenonTime lt {rfc3339(end)}"]
        conditions += [] if least is None else [f"result ge {least}"]
        conditions += [] if stream is None else [f"Datastream/id eq '{stream}'"]
        dice.shuffle(conditions)
        expected = ordered(
            [
                value
                for value in everything
                if rfc3339(start) <= value[0] < rfc3339(end)
                and (least is None or value[2] >= least)
                and (stream is None or value[1] == stream)
            ],
            upwards=upwards,
        )
        page = await service.get(
            "/Observations",
            filter=" and ".join(conditions),
            orderby=f"phenomenonTime {'asc' if upwards else 'desc'}",
            skip=str(skip),
            top=str(top),
            count="true",
        )
        assert found(page["value"]) == expected[skip : skip + top]
        assert page["@iot.count"] == len(expected)


@pytest.mark.usefixtures("parts")
async def test_in_each_datastream(service: Service, everything: list[Value]) -> None:
    hour = NOW - timedelta(minutes=20)
    for top, condition, before in (
        ("1", "", None),
        ("5", "", None),
        ("200", "", None),
        ("3", f";$filter=phenomenonTime lt {rfc3339(hour)}", hour),
        ("3", ";$skip=2", None),
    ):
        page = await service.get(
            "/Datastreams", expand=f"Observations($top={top}{condition};$count=true)", top="1000"
        )
        assert len(page["value"]) == len({value[1] for value in everything})
        for stream in page["value"]:
            expected = [
                value
                for value in ordered(everything, upwards=False)
                if value[1] == stream["@iot.id"] and (before is None or value[0] < rfc3339(before))
            ]
            skip = 2 if "skip" in condition else 0
            assert found(stream["Observations"]) == expected[skip : skip + int(top)]
            assert stream["Observations@iot.count"] == len(expected)
            further = stream.get("Observations@iot.nextLink")
            if further is not None:
                rest = await service.get(further)
                assert found(rest["value"]) == expected[skip + int(top) :][: int(top)]
            else:
                assert len(expected) <= skip + int(top)


# --- what it costs -----------------------------------------------------------------------------------------


async def test_last_values_ask_for_no_history(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    last = "Observations($top=1;$orderby=phenomenonTime desc)"
    page = await service.get("/Things", expand=f"Locations,Datastreams($expand=ObservedProperty,{last})")
    assert page["value"][0]["Datastreams"][0]["Observations"]
    await service.get(f"/Datastreams('{station(0)}:temperature')/Observations", top="1")
    await service.get("/Datastreams", expand=last)
    assert counted.histories == 0
    await service.get("/Datastreams", expand="Observations($top=10)")
    assert counted.histories <= 6


async def test_many_ask_the_broker_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    city = City(office=service.city.office, broker=service.city.broker)
    counted = Counted(monkeypatch)
    async with serving_city(city) as other:
        await asyncio.gather(*(other.get("/Things", top=str(top)) for top in range(1, 21)))
    # Once, or once more where a slow machine lets what was read grow old in between.
    assert len(counted.paths) <= 2 * len(city.office.public.datasets)


async def test_too_much_is_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each bound has a reason that says what to do."""
    stream = f"/Datastreams('{station(0)}:temperature')/Observations"
    monkeypatch.setattr(history, "MOST_SORTED", 15)
    assert "413 Only 15 observations are sorted" in await service.refused(stream, orderby="result")
    never = "result gt 1000"
    counting = await service.refused("/Observations", filter="result gt 0", count="true", top="1")
    assert "413 More than 15 observations are not counted one by one" in counting
    monkeypatch.setattr(reading, "MOST_SEEN", 10)
    assert "413 More than 10 observations would have to" in await service.refused(
        stream, filter=never, top="1"
    )
    assert "413 $skip goes to 10" in await service.refused(stream, skip="50")
    assert "that one answer has" in await service.refused("/Datastreams", expand="Observations($top=30)")
    monkeypatch.setattr(reading, "MOST_SEEN", 60_000)
    monkeypatch.setattr(reading, "MOST_QUERIES", 0)
    assert "413 The answer would have to be gathered" in await service.refused(stream, top="1", filter=never)
    assert "413 The observations of" in await service.refused(
        "/Datastreams", expand="Observations($orderby=phenomenonTime)"
    )
    monkeypatch.setattr(reading, "MOST_QUERIES", 60)
    monkeypatch.setattr("portal.sensorthings.answers.MOST_NODES", 20)
    assert "413 The answer would have more than 20 entities" in await service.refused(
        "/Things", expand="Datastreams"
    )
    monkeypatch.setattr("portal.sensorthings.answers.MOST_NODES", 60_000)
    monkeypatch.setattr("portal.sensorthings.answers.MOST_BYTES", 5_000)
    assert "413 The answer would have more than 5000 bytes" in await service.refused(
        "/Things", expand="Datastreams($expand=Thing($expand=Datastreams))"
    )
    monkeypatch.setattr(evaluate, "_MOST_OF_ONE", 100)
    to_and_fro = "Datastreams/Sensor/Datastreams/Sensor/Datastreams/Sensor/id eq 'x'"
    assert "413 The condition takes too long" in await service.refused("/Sensors", filter=to_and_fro)
    further = await service.refused("/Observations", skip="200000")
    assert "413 $skip goes to" in further


async def test_tokens_of_others(service: Service) -> None:
    assert "400 $skiptoken" in await service.refused("/Observations", skiptoken="x")
    page = await service.get("/Observations", skiptoken="20000101T000000Z,x")
    assert page == {"value": []}
