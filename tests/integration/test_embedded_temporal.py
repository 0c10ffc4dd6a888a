# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What becomes history, and how history is changed (clauses 5.6.11 to 5.6.16)."""

from __future__ import annotations

import asyncio
import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from broker.embedded.history_retention import forget
from store.postgres import pool as open_pool
from tests.embedded_serving import Client, own_database, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HISTORY = "/temporal/entities"
_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database_url(postgres: str) -> AsyncIterator[str]:
    async with own_database(postgres) as dsn:
        yield dsn


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def broker(database_url: str) -> AsyncIterator[Client]:
    async with serving(database_url) as client:
        yield client


@pytest.fixture
def client(broker: Client) -> Client:
    return broker.other()


def fresh() -> str:
    return f"urn:ngsi-ld:Gauge:{next(_numbers)}"


def level(value: Any, at: str | None = None, **members: Any) -> dict[str, Any]:
    observed = {} if at is None else {"observedAt": f"2026-05-01T{at}Z"}
    return {"type": "Property", "value": value, **observed, **members}


def gauge(entity_id: str, **attributes: Any) -> dict[str, Any]:
    return {"id": entity_id, "type": "Gauge", **attributes}


async def upsert(client: Client, *entities: dict[str, Any], options: str = "update") -> None:
    answer = await client.ask("POST", f"/entityOperations/upsert?options={options}", list(entities))
    assert answer.status in {201, 204}, answer


async def evolution(client: Client, entity_id: str, query: str = "") -> Any:
    answer = await client.ask("GET", f"{HISTORY}/{entity_id}{query}")
    assert answer.status == 200, answer
    return answer.json


async def values(client: Client, entity_id: str, name: str = "level", query: str = "") -> list[Any]:
    found = (await evolution(client, entity_id, query)).get(name, [])
    return [instance["value"] for instance in found]


async def test_every_way_of_writing_is_recorded(client: Client) -> None:
    entity_id = fresh()
    path = f"/entities/{entity_id}"
    steps = [
        ("POST", "/entities", gauge(entity_id, level=level(1, "10:00:00"))),
        ("POST", f"{path}/attrs", {"level": level(2, "10:01:00")}),
        ("PATCH", f"{path}/attrs", {"level": level(3, "10:02:00")}),
        ("PATCH", f"{path}/attrs/level", {"value": 4, "observedAt": "2026-05-01T10:03:00Z"}),
        ("PUT", f"{path}/attrs/level", level(5, "10:04:00")),
        ("PATCH", path, {"level": {"value": 6, "observedAt": "2026-05-01T10:05:00Z"}}),
        ("PUT", path, gauge(entity_id, level=level(7, "10:06:00"))),
        ("POST", "/entityOperations/upsert", [gauge(entity_id, level=level(8, "10:07:00"))]),
        ("POST", "/entityOperations/update", [gauge(entity_id, level=level(9, "10:08:00"))]),
        ("POST", "/entityOperations/merge", [gauge(entity_id, level=level(10, "10:09:00"))]),
    ]
    for method, target, body in steps:
        answer = await client.ask(method, target, body)
        assert answer.status in {201, 204}, (method, target, answer)
    assert await values(client, entity_id) == list(range(1, 11))


async def test_a_batch_create_is_recorded_and_each_of_two_states_in_one_batch(client: Client) -> None:
    one, two = fresh(), fresh()
    made = await client.ask(
        "POST", "/entityOperations/create", [gauge(one, level=level(1)), gauge(two, level=level(2))]
    )
    assert made.status == 201
    await upsert(client, *(gauge(one, level=level(n, f"10:00:0{n}")) for n in range(5)))
    assert sorted(await values(client, one)) == [0, 1, 1, 2, 3, 4]
    assert await values(client, two) == [2]


async def test_what_is_delivered_twice_is_in_history_once(client: Client) -> None:
    entity_id = fresh()
    readings = [gauge(entity_id, level=level(n, f"10:00:0{n}"), name=level("Volme")) for n in range(4)]
    for reading in [*readings, *readings, readings[2], readings[0]]:
        await upsert(client, reading)
    found = await evolution(client, entity_id)
    assert [instance["value"] for instance in found["level"]] == [0, 1, 2, 3]
    assert [instance["value"] for instance in found["name"]] == ["Volme"]
    late = {"id": entity_id, "type": "Gauge", "level": [level(2, "10:00:02"), level(9, "09:00:00")]}
    for _ in range(2):
        assert (await client.ask("POST", HISTORY, late)).status == 204
    assert await values(client, entity_id) == [9, 0, 1, 2, 3]


async def test_what_comes_again_after_its_entity_was_deleted_is_in_history_once(client: Client) -> None:
    one, two = fresh(), fresh()
    readings = [[gauge(one, level=level(n, f"10:00:0{n}")), gauge(two, level=level(n))] for n in range(3)]
    for batch in readings:
        await upsert(client, *batch)
    assert (await client.ask("DELETE", f"/entities/{one}")).status == 204
    for batch in readings:
        await upsert(client, *batch)
    found = await evolution(client, one)
    assert [each["value"] for each in found["level"] if each["value"] != "urn:ngsi-ld:null"] == [0, 1, 2]
    assert await values(client, two) == [0, 1, 2, 0, 1, 2]  # without times each is a change


async def test_what_several_write_at_once_in_any_order_is_in_history_once(client: Client) -> None:
    entities = [fresh() for _ in range(4)]
    sent: set[tuple[str, str, int]] = set()

    async def write(seed: int) -> None:
        dice = random.Random(seed)  # noqa: S311 - any order, the same in every run
        for _ in range(25):
            said = [(each, f"10:00:0{dice.randrange(5)}", dice.randrange(3)) for each in entities]
            dice.shuffle(said)
            sent.update(said)
            if dice.random() < 0.8:  # four of five tell the present, one the past
                await upsert(client, *(gauge(each, level=level(value, at)) for each, at, value in said))
                continue
            for each, at, value in said:
                past = {"id": each, "type": "Gauge", "level": [level(value, at)]}
                assert (await client.ask("POST", HISTORY, past)).status in {201, 204}

    await asyncio.gather(*(write(seed) for seed in range(6)))
    found = [
        (each, instance["observedAt"][11:19], instance["value"])
        for each in entities
        for instance in (await evolution(client, each))["level"]
    ]
    assert sorted(found) == sorted(sent)


async def test_another_value_of_the_same_moment_is_another_instance(client: Client) -> None:
    entity_id = fresh()
    for value in (1, 2, 2.5, "2", True):
        await upsert(client, gauge(entity_id, level=level(value, "10:00:00")))
    assert len(await values(client, entity_id)) == 5


async def test_a_value_that_comes_back_without_a_time_is_a_change(client: Client) -> None:
    entity_id = fresh()
    for value in ("open", "shut", "open", "open"):
        await upsert(client, gauge(entity_id, gate=level(value)))
        await asyncio.sleep(0.005)
    assert await values(client, entity_id, "gate") == ["open", "shut", "open"]


async def test_attributes_of_attributes_and_metadata_are_kept(client: Client) -> None:
    entity_id = fresh()
    given = level(1.5, "10:00:00", unitCode="MTR", accuracy={"type": "Property", "value": 0.1})
    for _ in range(2):
        await upsert(client, gauge(entity_id, level=given))
    (instance,) = (await evolution(client, entity_id))["level"]
    assert instance.pop("instanceId").startswith("urn:ngsi-ld:")
    assert instance == given


async def test_late_readings_enter_history_and_leave_the_state(client: Client) -> None:
    entity_id = fresh()
    await upsert(client, gauge(entity_id, level=level(5, "12:00:00")))
    before = (await client.ask("GET", f"/entities/{entity_id}?options=sysAttrs")).json
    late = {"level": [level(3, "08:00:00"), {**level(1), "observedAt": "2025-02-28T23:59:59Z"}]}
    assert (await client.ask("POST", f"{HISTORY}/{entity_id}/attrs", late)).status == 204
    assert (
        await client.ask("POST", f"{HISTORY}/{entity_id}/attrs/", {"depth": level(9, "08:00:00")})
    ).status == 204
    assert await values(client, entity_id) == [1, 3, 5]
    assert await values(client, entity_id, "depth") == [9]
    assert (await client.ask("GET", f"/entities/{entity_id}?options=sysAttrs")).json == before


async def test_history_alone_makes_no_entity(client: Client) -> None:
    entity_id = fresh()
    body = gauge(entity_id, level=[level(1, "10:00:00"), level(2, "11:00:00")])
    made = await client.ask("POST", HISTORY, body)
    assert (made.status, made.content) == (201, b"")
    assert made.headers["Location"] == f"/ngsi-ld/v1{HISTORY}/{entity_id}"
    assert (await client.ask("POST", f"{HISTORY}/", body)).status == 204
    assert (await client.ask("GET", f"/entities/{entity_id}")).status == 404
    assert await values(client, entity_id) == [1, 2]


@pytest.mark.parametrize("year", ["0001", "1969", "1999", "2000", "2025", "2099", "2100", "9999"])
async def test_every_year_of_the_calendar_has_a_place(client: Client, year: str) -> None:
    entity_id = fresh()
    for day in ("01-01T00:00:00Z", "12-31T23:59:59.999999Z", "06-15T12:00:00+02:00"):
        at = f"{year}-{day}"
        await upsert(client, gauge(entity_id, level={**level(day), "observedAt": at}))
    assert len(await values(client, entity_id)) == 3
    found = (await evolution(client, entity_id))["level"]
    assert [instance["observedAt"] for instance in found] == [
        f"{year}-01-01T00:00:00Z",
        f"{year}-06-15T10:00:00Z",
        f"{year}-12-31T23:59:59.999999Z",
    ]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2026-05-01T10:00:00+23:59", "2026-04-30T10:01:00Z"),
        ("2026-05-01T10:00:00-20:00", "2026-05-02T06:00:00Z"),
        ("2026-05-01T10:00:00,5Z", "2026-05-01T10:00:00.5Z"),
        ("2026-05-01T10:00:00.123456Z", "2026-05-01T10:00:00.123456Z"),
        ("0001-01-01T00:00:00+10:00", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59-10:00", "9999-12-31T23:59:59Z"),
    ],
)
async def test_every_moment_that_is_taken_is_shown(client: Client, given: str, shown: str) -> None:
    entity_id = fresh()
    await upsert(client, gauge(entity_id, level={**level(1), "observedAt": given}))
    (instance,) = (await evolution(client, entity_id))["level"]
    assert instance["observedAt"] == shown


async def test_deletions_are_recorded(client: Client) -> None:
    entity_id = fresh()
    await upsert(
        client,
        gauge(
            entity_id,
            scope="/Hagen",
            level=[level(1, "10:00:00"), level(2, "10:00:00", datasetId="urn:d:a")],
            site={"type": "Relationship", "object": "urn:s:1"},
            name={"type": "LanguageProperty", "languageMap": {"de": "Pegel"}},
        ),
    )
    assert (await client.ask("DELETE", f"/entities/{entity_id}/attrs/level?datasetId=urn:d:a")).status == 204
    assert (await client.ask("DELETE", f"/entities/{entity_id}/attrs/site")).status == 204
    assert (await client.ask("DELETE", f"/entities/{entity_id}/attrs/scope")).status == 204
    found = await evolution(client, entity_id, "?timeproperty=deletedAt")
    (gone,) = found["level"]
    assert (gone["value"], gone["datasetId"]) == ("urn:ngsi-ld:null", "urn:d:a")
    assert found["site"][0]["object"] == "urn:ngsi-ld:null"
    assert found["scope"][0]["value"] == []
    assert "deletedAt" in found["scope"][0]
    assert "name" not in found
    assert await values(client, entity_id) == [1, 2]
    assert (await client.ask("DELETE", f"/entities/{entity_id}")).status == 204
    found = await evolution(client, entity_id, "?timeproperty=deletedAt&options=sysAttrs")
    assert found["name"][0]["languageMap"] == {"@none": "urn:ngsi-ld:null"}
    assert len(found["level"]) == 2
    assert found["deletedAt"] == found["name"][0]["deletedAt"]
    await upsert(client, gauge(entity_id, level=level(3, "11:00:00")))
    found = await evolution(client, entity_id, "?options=sysAttrs")
    assert "deletedAt" not in found
    assert [instance["value"] for instance in found["level"]] == [1, 2, 3]


async def test_a_batch_delete_is_recorded(client: Client) -> None:
    ids = [fresh(), fresh()]
    await upsert(client, *(gauge(entity_id, level=level(1)) for entity_id in ids))
    assert (await client.ask("POST", "/entityOperations/delete", ids)).status == 204
    for entity_id in ids:
        assert await values(client, entity_id, query="?timeproperty=deletedAt") == ["urn:ngsi-ld:null"]


async def test_a_deletion_can_be_added_to_history(client: Client) -> None:
    entity_id, null = fresh(), "urn:ngsi-ld:null"
    gone = {"type": "Property", "value": null, "deletedAt": "2026-05-01T12:00:00Z"}
    body = gauge(entity_id, level=[level(1, "10:00:00"), gone], depth=[{**level(1, "10:00:00"), **gone}])
    assert (await client.ask("POST", HISTORY, body)).status == 201
    assert await values(client, entity_id) == [1]
    found = await evolution(
        client, entity_id, "?timeproperty=deletedAt&timerel=after&timeAt=2026-05-01T12:00:00Z"
    )
    assert [(each["value"], each["deletedAt"][:19]) for each in found["level"] + found["depth"]] == [
        (null, "2026-05-01T12:00:00")
    ] * 2  # 4.5.7
    scope = [
        {"type": "Property", "value": "/Hagen", "observedAt": "2026-05-01T10:00:00Z"},
        {"type": "Property", "value": null, "deletedAt": "2026-05-01T12:00:00Z"},
    ]
    assert (await client.ask("POST", f"{HISTORY}/{entity_id}/attrs", {"scope": scope})).status == 204
    found = (await evolution(client, entity_id, "?pick=scope&timeproperty=deletedAt"))["scope"]
    assert [(each["value"], each["deletedAt"][:19]) for each in found] == [([], "2026-05-01T12:00:00")]
    assert [each["value"] for each in (await evolution(client, entity_id))["scope"]] == ["/Hagen"]
    for wrong in ("yesterday", 5):
        answer = await client.ask("POST", HISTORY, gauge(entity_id, level=[{**gone, "deletedAt": wrong}]))
        assert (answer.status, answer.problem) == (400, "BadRequestData")


async def test_types_and_scopes_follow_the_entity(client: Client) -> None:
    entity_id = fresh()
    await upsert(client, gauge(entity_id, scope="/Hagen", level=level(1)))
    await upsert(client, {"id": entity_id, "type": "FloodGauge", "scope": ["/Hagen", "/Volme"]})
    found = await evolution(client, entity_id)
    assert found["type"] == ["Gauge", "FloodGauge"]
    assert [each["value"] for each in found["scope"]] == ["/Hagen", ["/Hagen", "/Volme"]]
    shown = await evolution(client, entity_id, "?options=sysAttrs&pick=scope")
    assert all(each["observedAt"] == each["modifiedAt"] for each in shown["scope"])  # 4.5.6
    found = await evolution(client, entity_id, "?timeproperty=modifiedAt&attrs=level")
    assert found["level"][0]["value"] == 1
    found = await evolution(client, entity_id, "?timeproperty=modifiedAt&pick=scope")
    assert [instance["value"] for instance in found["scope"]] == ["/Hagen", ["/Hagen", "/Volme"]]
    assert "scope" not in await evolution(client, entity_id, "?attrs=level")
    added = {"id": entity_id, "type": "Sensor", "level": [level(0, "01:00:00")]}
    assert (await client.ask("POST", HISTORY, added)).status == 204
    assert (await evolution(client, entity_id))["type"] == ["Gauge", "FloodGauge", "Sensor"]


async def test_a_history_can_be_written_as_it_was_read(client: Client) -> None:
    entity_id = fresh()
    body = gauge(
        entity_id,
        scope=[{"type": "Property", "value": "/Hagen", "observedAt": "2026-05-01T09:00:00Z"}],
        level=[level(1, "10:00:00", unitCode="MTR"), level(2, "10:00:00", datasetId="urn:d:a")],
        site=[{"type": "Relationship", "object": "urn:s:1", "observedAt": "2026-05-01T10:00:00Z"}],
        name=[{"type": "LanguageProperty", "languageMap": {"de": "Pegel"}}],
    )
    for form in ("normalized", "concise"):
        assert (await client.ask("POST", HISTORY, body)).status == 201
        body = await evolution(client, entity_id, f"?options={form}")
        assert (await client.ask("DELETE", f"{HISTORY}/{entity_id}")).status == 204
        assert (await client.ask("POST", HISTORY, body)).status == 201
        again = await evolution(client, entity_id, f"?options={form}")
        for found in (body, again):
            for instance in found["level"] + found["site"] + found["name"]:
                del instance["instanceId"]
        assert again == body
        assert (await client.ask("DELETE", f"{HISTORY}/{entity_id}")).status == 204


async def test_an_attribute_is_removed_from_history_by_dataset_or_whole(client: Client) -> None:
    entity_id = fresh()
    many = [level(1, "10:00:00"), level(2, "11:00:00"), level(3, "10:00:00", datasetId="urn:d:a")]
    body = gauge(entity_id, level=many, depth=[level(4, "10:00:00")])
    assert (await client.ask("POST", HISTORY, body)).status == 201
    path = f"{HISTORY}/{entity_id}/attrs/level"
    assert (await client.ask("DELETE", path)).status == 204
    assert await values(client, entity_id) == [3]
    assert (await client.ask("DELETE", path)).problem == "ResourceNotFound"
    assert (await client.ask("DELETE", f"{path}?datasetId=urn:d:a")).status == 204
    assert await values(client, entity_id) == []
    gone = await client.ask("GET", f"{HISTORY}/{entity_id}?attrs=level")
    assert (gone.status, gone.problem) == (404, "ResourceNotFound")
    assert (await client.ask("POST", HISTORY, body)).status == 204
    assert (await client.ask("DELETE", f"{path}?datasetId=@none")).status == 204
    assert await values(client, entity_id) == [3]
    assert (await client.ask("DELETE", f"{path}?deleteAll=true")).status == 204
    assert await values(client, entity_id) == []
    assert await values(client, entity_id, "depth") == [4]


async def test_an_instance_is_corrected_and_keeps_its_id(client: Client) -> None:
    entity_id = fresh()
    body = gauge(entity_id, level=[level(1, "10:00:00", unitCode="MTR"), level(2, "11:00:00")])
    await client.ask("POST", HISTORY, body)
    first = (await evolution(client, entity_id))["level"][0]
    path = f"{HISTORY}/{entity_id}/attrs/level/{first['instanceId']}"
    assert (await client.ask("PATCH", path, {"type": "Property", "value": 7})).status == 204
    (changed, _) = (await evolution(client, entity_id, "?options=sysAttrs"))["level"]
    assert changed.pop("modifiedAt") >= changed.pop("createdAt")
    assert changed == level(
        7, "10:00:00", instanceId=first["instanceId"]
    )  # replaced, with its unit (5.6.14.4)
    assert (await client.ask("PATCH", path, {"unitCode": "MTR"})).status == 204
    (changed, _) = (await evolution(client, entity_id))["level"]
    assert (changed["value"], changed["unitCode"]) == (7, "MTR")
    moved = {"value": 8, "observedAt": "2026-05-01T12:00:00Z"}
    assert (await client.ask("PATCH", path, moved)).status == 204
    last = (await evolution(client, entity_id))["level"][-1]
    assert last == {
        "type": "Property", "value": 8, "observedAt": moved["observedAt"], "instanceId": first["instanceId"]
    }  # fmt: skip
    assert (await client.ask("PATCH", path, {"value": 9})).status == 204
    assert await values(client, entity_id) == [2, 9]
    again = {"value": 9, "observedAt": "1990-05-01T12:00:00Z"}
    assert (await client.ask("PATCH", path, again)).status == 204
    assert await values(client, entity_id) == [9, 2]
    assert (await client.ask("DELETE", path)).status == 204
    assert await values(client, entity_id) == [2]
    assert (await client.ask("DELETE", path)).problem == "ResourceNotFound"
    assert (await client.ask("PATCH", path, {"value": 1})).problem == "ResourceNotFound"


async def test_a_correction_is_the_fragment_of_an_entity_or_the_instance_itself(client: Client) -> None:
    entity_id = fresh()
    body = gauge(entity_id, level=[level(1, "10:00:00", datasetId="urn:d:a")], depth=[level(1, "10:00:00")])
    await client.ask("POST", HISTORY, body)
    urn = (await evolution(client, entity_id))["level"][0]["instanceId"]
    path = f"{HISTORY}/{entity_id}/attrs/level/{urn}"
    iri = "https://uri.etsi.org/ngsi-ld/default-context/level"
    for number, patch in enumerate(
        (
            {"level": [level(0, "10:00:00", datasetId="urn:d:a")]},
            {"level": level(1, "10:00:00")},
            {"id": entity_id, "type": "Gauge", iri: [level(2, "10:00:00")]},
            [level(3, "10:00:00")],
            {"value": 4, "level": {"type": "Property", "value": 7}},  # which is an attribute of the attribute
        )
    ):
        assert (await client.ask("PATCH", path, patch)).status == 204
        assert await values(client, entity_id) == [number]
    new = [level(5, "10:00:00")]
    for wrong in (
        {"depth": new},
        {"level": new, "depth": new},
        {"id": "urn:x:1", "level": new},
        {"level": new * 2},
        {"level": []},
    ):
        assert (await client.ask("PATCH", path, wrong)).problem == "BadRequestData"
    assert await values(client, entity_id) == [4]


async def test_what_was_corrected_is_not_undone_by_what_comes_again(client: Client) -> None:
    entity_id = fresh()
    await upsert(client, gauge(entity_id, level=level(1, "10:00:00")))
    urn = (await evolution(client, entity_id))["level"][0]["instanceId"]
    await client.ask("PATCH", f"{HISTORY}/{entity_id}/attrs/level/{urn}", {"value": 2})
    await client.ask("POST", HISTORY, gauge(entity_id, level=[level(1, "10:00:00")]))
    assert await values(client, entity_id) == [2]


async def test_a_deleted_history_begins_anew(client: Client) -> None:
    entity_id = fresh()
    await upsert(client, gauge(entity_id, level=level(1, "10:00:00"), depth=level(1, "10:00:00")))
    assert (await client.ask("DELETE", f"{HISTORY}/{entity_id}")).status == 204
    assert (await client.ask("GET", f"{HISTORY}/{entity_id}")).problem == "ResourceNotFound"
    assert (await client.ask("DELETE", f"{HISTORY}/{entity_id}")).problem == "ResourceNotFound"
    assert (await client.ask("GET", f"/entities/{entity_id}")).status == 200
    await upsert(client, gauge(entity_id, level=level(2, "11:00:00")))
    await upsert(client, gauge(entity_id, depth=level(3, "11:00:00")))
    assert await values(client, entity_id) == [2]
    assert await values(client, entity_id, "depth") == [3]


async def test_tenants_have_histories_of_their_own(client: Client) -> None:
    entity_id, other = fresh(), client.other()
    await upsert(client, gauge(entity_id, level=level(1)))
    assert (await other.ask("GET", f"{HISTORY}/{entity_id}")).problem == "NonexistentTenant"
    await upsert(other, gauge(entity_id, level=level(2)))
    assert await values(client, entity_id) == [1]
    assert await values(other, entity_id) == [2]
    (instance,) = (await evolution(client, entity_id))["level"]
    foreign = f"{HISTORY}/{entity_id}/attrs/level/{instance['instanceId']}"
    assert (await other.ask("DELETE", foreign)).problem == "ResourceNotFound"
    assert (await other.ask("DELETE", f"{HISTORY}/{entity_id}")).status == 204
    assert await values(client, entity_id) == [1]
    stranger = client.other()
    assert (await stranger.ask("DELETE", f"{HISTORY}/{entity_id}")).problem == "NonexistentTenant"


async def test_writers_at_once_lose_nothing_and_double_nothing(client: Client) -> None:
    ids = [fresh() for _ in range(10)]

    async def write(round_: int) -> None:
        late = [level(n, f"09:00:{n:02}") for n in range(round_, round_ + 5)]
        now = [gauge(entity_id, level=level(round_, f"10:00:{round_:02}")) for entity_id in reversed(ids)]
        await upsert(client, *now)
        await upsert(client, *now)
        for entity_id in ids:
            answer = await client.ask("POST", HISTORY, gauge(entity_id, level=late))
            assert answer.status in {201, 204}

    await asyncio.gather(*(write(round_) for round_ in range(8)))
    for entity_id in ids:
        assert await values(client, entity_id) == [*range(12), *range(8)]


async def test_a_write_that_fails_leaves_no_trace(client: Client) -> None:
    entity_id = fresh()
    await upsert(client, gauge(entity_id, level=level(1)))
    assert (await client.ask("POST", "/entities", gauge(entity_id, level=level(2)))).status == 409
    assert (await client.ask("PATCH", f"/entities/{entity_id}/attrs/none", {"value": 1})).status == 404
    assert await values(client, entity_id) == [1]


@pytest.mark.parametrize(
    "case",
    [
        ("POST", "", b"{", 400, "InvalidRequest"),
        ("POST", "", {}, 400, "InvalidRequest"),
        ("POST", "", [], 400, "InvalidRequest"),
        ("POST", "", {"type": "A", "n": [level(1)]}, 400, "BadRequestData"),
        ("POST", "", {"id": "urn:a:1", "n": [level(1)]}, 400, "BadRequestData"),
        ("POST", "", {"id": "no", "type": "A", "n": [level(1)]}, 400, "BadRequestData"),
        ("POST", "", {"id": "urn:a:1", "type": "A", "n": [1, 2]}, 400, "BadRequestData"),
        ("POST", "", {"id": "urn:a:1", "type": "A", "n": [{"type": "Property"}]}, 400, "BadRequestData"),
        ("POST", "", {"id": "urn:a:1", "type": "A", "expiresAt": "urn:ngsi-ld:null"}, 400, "BadRequestData"),
        ("POST", "", {"id": "urn:a:1", "type": "A", "scope": [{"type": "Property"}]}, 400, "BadRequestData"),
        (
            "POST",
            "",
            {"id": "urn:a:1", "type": "A", "scope": [{"type": "Property", "value": "/A", "unitCode": "X"}]},
            400,
            "BadRequestData",
        ),
        (
            "POST",
            "",
            {"id": "urn:a:1", "type": "A", "n": [{**level(1), "observedAt": "now"}]},
            400,
            "BadRequestData",
        ),
        ("POST", "/urn:none/attrs", {"n": [level(1)]}, 404, "ResourceNotFound"),
        ("POST", "//attrs", {"n": [level(1)]}, 400, "BadRequestData"),
        ("POST", "/no/attrs", {"n": [level(1)]}, 400, "BadRequestData"),
        ("POST", "/urn:a:1/attrs", {"id": "urn:a:2", "n": [level(1)]}, 400, "BadRequestData"),
        ("POST", "/urn:a:1/attrs", {}, 400, "InvalidRequest"),
        ("DELETE", "/", None, 405, "OperationNotSupported"),
        ("DELETE", "/no", None, 400, "BadRequestData"),
        ("DELETE", "/urn:none", None, 404, "ResourceNotFound"),
        ("DELETE", "/no/attrs/n", None, 400, "BadRequestData"),
        ("DELETE", "//attrs/n", None, 400, "BadRequestData"),
        ("DELETE", "/urn:none/attrs/n", None, 404, "ResourceNotFound"),
        ("DELETE", "/urn:a:1/attrs/a(b", None, 400, "BadRequestData"),
        ("DELETE", "/urn:a:1/attrs/n?datasetId=no", None, 400, "BadRequestData"),
        ("DELETE", "/urn:a:1/attrs/n?deleteAll=maybe", None, 400, "InvalidRequest"),
        ("DELETE", "/urn:a:1/attrs/n/no", None, 400, "BadRequestData"),
        ("DELETE", "/urn:a:1/attrs//urn:i:1", None, 400, "BadRequestData"),
        ("DELETE", "/urn:none/attrs/n/urn:i:1", None, 404, "ResourceNotFound"),
        ("PATCH", "/urn:none/attrs/n/urn:i:1", {"value": 1}, 404, "ResourceNotFound"),
        ("PATCH", "/urn:a:1/attrs/n/", {"value": 1}, 405, "OperationNotSupported"),
        ("PATCH", "/urn:a:1/attrs/n/no", {"value": 1}, 400, "BadRequestData"),
        ("PATCH", "/urn:a:1", {"n": [level(1)]}, 405, "OperationNotSupported"),
        ("PUT", "", {}, 405, "OperationNotSupported"),
        ("GET", "/urn:a:1/attrs", None, 405, "OperationNotSupported"),
    ],
)
async def test_what_is_refused(broker: Client, case: tuple[str, str, Any, int, str]) -> None:
    method, path, body, status, problem = case
    answer = await broker.other("").ask(method, HISTORY + path, body)
    assert (answer.status, answer.problem) == (status, problem), answer


@pytest.mark.parametrize(
    "patch",
    [
        {"type": "Relationship", "object": "urn:a:b"},
        {"type": ["Property"], "value": 1},
        {"type": {}, "value": 1},
        {"value": "urn:ngsi-ld:null"},
        {"value": 1, "datasetId": "urn:d:b"},
        {"observedAt": "soon"},
        {},
    ],
)
async def test_corrections_that_are_refused(client: Client, patch: dict[str, Any]) -> None:
    entity_id = fresh()
    await client.ask("POST", HISTORY, gauge(entity_id, level=[level(1, "10:00:00")]))
    (before,) = (await evolution(client, entity_id))["level"]
    answer = await client.ask("PATCH", f"{HISTORY}/{entity_id}/attrs/level/{before['instanceId']}", patch)
    assert (answer.status, answer.problem) == (400, "BadRequestData")
    assert (await evolution(client, entity_id))["level"] == [before]


@pytest.mark.parametrize(
    "urn",
    [
        "1-1-1-1",
        "ffffffffffffffffff-1-1-1",
        "x",
        "1-1-ffffffffffffffff-1",
        "-1-1-1-1",
        "1-1-1-ffffffffffffffff",
    ],
)
async def test_instances_that_nobody_knows(client: Client, urn: str) -> None:
    entity_id = fresh()
    await client.ask("POST", HISTORY, gauge(entity_id, level=[level(1, "10:00:00")]))
    answer = await client.ask("DELETE", f"{HISTORY}/{entity_id}/attrs/level/urn:ngsi-ld:Instance:{urn}")
    assert (answer.status, answer.problem) == (404, "ResourceNotFound")


async def test_contexts_name_the_attributes_of_history(client: Client) -> None:
    entity_id = fresh()
    context = {"Gauge": "https://example.org/Gauge", "level": "https://example.org/level"}
    body = {**gauge(entity_id, level=[level(1, "10:00:00")]), "@context": [context]}
    made = await client.ask("POST", HISTORY, body, Content_Type="application/ld+json")
    assert made.status == 201
    found = await evolution(client, entity_id)
    assert found["type"] == "https://example.org/Gauge"
    assert found["https://example.org/level"][0]["value"] == 1


async def test_old_history_is_forgotten(postgres: str) -> None:
    async with own_database(postgres) as dsn, serving(dsn) as client, open_pool(dsn, size=1) as pool:
        now, kept, gone = datetime.now(UTC), fresh(), fresh()

        def days_ago(days: int) -> dict[str, Any]:
            return {**level(days), "observedAt": (now - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")}

        await upsert(client, gauge(kept, level=days_ago(0)))
        await client.ask("POST", HISTORY, gauge(kept, level=[days_ago(n) for n in (1, 29, 31, 400, 20_000)]))
        await client.ask("POST", HISTORY, gauge(gone, level=[days_ago(400)]))
        forgotten = await forget(pool, timedelta(days=30))
        assert forgotten.months >= 1
        assert await values(client, kept) == [29, 1, 0]
        await pool.execute("UPDATE ngsild.history_entities SET modified_at = now() - interval '31 days'")
        assert (await forget(pool, timedelta(days=30))).entities == 1
        assert (await client.ask("GET", f"{HISTORY}/{gone}")).status == 404
        assert (await client.ask("POST", HISTORY, gauge(kept, level=[days_ago(400)]))).status == 204
        assert await values(client, kept) == [400, 29, 1, 0]


async def test_entities_from_before_history_was_kept_get_one_with_their_next_change(postgres: str) -> None:
    async with own_database(postgres) as dsn:
        async with serving(dsn, history=False) as client:
            tenant, entity_id = client.tenant, fresh()
            await upsert(client, gauge(entity_id, level=level(1, "10:00:00"), depth=level(1, "10:00:00")))
            answer = await client.ask("GET", f"{HISTORY}/{entity_id}")
            assert (answer.status, answer.problem) == (501, "OperationNotSupported")
        async with serving(dsn) as served:
            client = served.other(tenant)
            await upsert(client, gauge(entity_id, level=level(2, "11:00:00")))
            await upsert(client, gauge(entity_id, depth=level(3, "11:00:00")))
            assert await values(client, entity_id) == [2]
            assert await values(client, entity_id, "depth") == [3]


async def test_writing_history_needs_a_key_and_asking_does_not(postgres: str) -> None:
    async with own_database(postgres) as dsn, serving(dsn, write_keys=frozenset({"key"})) as served:
        client = served.other("")
        assert (await client.ask("POST", HISTORY, gauge(fresh(), level=[level(1)]))).status == 401
        query = {"type": "Query", "entities": [{"type": "Gauge"}],
                 "temporalQ": {"timerel": "after", "timeAt": "2020-01-01T00:00:00Z"}}  # fmt: skip
        assert (await client.ask("POST", "/temporal/entityOperations/query", query)).status == 200
