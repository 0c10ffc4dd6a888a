# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme journal` and the dry run of `volme dead-letters replay`, on a platform that does not run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from adapters.registry import Registry
from broker.journal.port import START, Activity, DeadLetter, SettledBatch, Tally, is_forgotten
from broker.journal.postgres import PostgresJournal
from models.device import Device
from models.message import Message
from models.uplink import Position as Place
from store.postgres import pool
from tests.cli_runs import Program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

_CONFIG = """
data = "data"
postgres.url = "{url}"

[[mqtt]]
name = "city"
url = "mqtt://127.0.0.1:1"
topics = ["city/#"]

[[plain]]
source = "city"
topic = "city/{{device}}/measures"
time = "time"

[profiles.air]
vendor = "City"
model = "air"
codec = "network"
entity_type = "AirQualityObserved"

[profiles.air.fields]
no2 = "air.no2"
"""


class City(Program):
    """A platform's database and configuration, and commands about them."""

    def __init__(self, folder: Path, url: str, journal: PostgresJournal, registry: Registry) -> None:
        super().__init__(folder)
        self.journal = journal
        self.registry = registry
        (folder / "city.toml").write_text(_CONFIG.format(url=url), encoding="utf-8")

    def run(self, *arguments: str, given: bytes = b"") -> Any:
        return self(*arguments, "--config", "city.toml", given=given)

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.code == 0, done.err
        return json.loads(done.out)

    async def bury(self, *messages: Message, kind: str, devices: Sequence[str | None]) -> None:
        """Append messages and let them die."""
        await self.journal.extend(messages)
        place = await self.journal.position("bridge")
        await self.journal.activity_position("bridge")
        (batch,) = await self.journal.read_batches(place, 1000)
        dead = [
            DeadLetter(seq=seq, message=one, kind=kind, sentence=f"{kind}.", device_id=device)
            for (seq, one), device in zip(enumerate(batch.messages, batch.first), devices, strict=True)
        ]
        tally = Tally(dead=len(batch))
        settled = SettledBatch(first=batch.first, last=batch.last, day=batch.day, tallies={"city": tally})
        await self.journal.settle("bridge", batch.position, [settled], dead)

    async def register(self, device: str) -> None:
        place = Place(longitude=7.47, latitude=51.36)
        await self.registry.add(Device(id=device, profile="air", position=place))


@pytest_asyncio.fixture
async def city(tmp_path: Path, database: str) -> AsyncIterator[City]:
    async with pool(database) as connections:
        registry = Registry(connections)
        await registry.start()
        journal = PostgresJournal(connections)
        await journal.start()
        yield City(tmp_path, database, journal, registry)
        await journal.close()


def measure(device: str, payload: bytes | None = None) -> Message:
    now = datetime.now(UTC)
    measured = b'{"time": "%s", "no2": 21.5}' % now.isoformat().encode()
    topic = f"city/{device}/measures"
    return Message(
        source="city", topic=topic, payload=measured if payload is None else payload, received_at=now
    )


# Dry runs


async def test_a_dry_run_says_what_would_become_of_each_message(city: City) -> None:
    await city.bury(measure("a"), measure("b"), measure("b"), kind="unknown-device", devices=["a", "b", "b"])
    await city.bury(
        measure("a", b"{"),
        measure("a", measure("a").payload.replace(b"no2", b"other")),
        kind="nothing-measured",
        devices=["a", "a"],
    )
    await city.bury(measure("a"), kind="late", devices=["a"])
    await city.register("a")
    would = city.json("dead-letters", "replay", "--everything", "--dry-run")
    assert would["messages"] == 6
    assert {name: would["would"][name] for name in ("delivered", "broker", "ignored")} == {
        "delivered": 1,
        "broker": 1,
        "ignored": 0,
    }
    assert would["would"]["dead"] == {"unknown-device": 2, "malformed-payload": 1, "nothing-measured": 1}
    by_id = {letter["id"]: letter["would"] for letter in would["letters"]}
    assert [by_id[number]["outcome"] for number in range(1, 7)] == [
        *("delivered", "dead", "dead", "dead", "dead", "broker")
    ]
    assert by_id[1]["entities"] == ["urn:ngsi-ld:AirQualityObserved:hagen:a", "urn:ngsi-ld:Device:hagen:a"]
    shown = city.run("dead-letters", "replay", "--everything", "--dry-run").out
    assert "\n1 message would be delivered.\n" in shown
    assert "2 messages would stay dead (unknown-device), such as: " in shown
    assert "6 messages would be tried again. Nothing was done." in shown
    assert (await city.journal.account()).pending == 0
    assert len(await city.journal.dead_letters()) == 6


@pytest.mark.parametrize(
    ("choice", "count"),
    [
        (("--kind", "codec"), 2),
        (("--device", "a"), 1),
        (("--source", "city"), 2),
        (("--source", "elsewhere"), 0),
        (("--since", "1h"), 2),
        (("--until", "1h"), 0),
        (("--since", "1h", "--device", "b"), 1),
    ],
)
async def test_letters_are_chosen_alike_by_list_dry_run_and_replay(
    city: City, choice: tuple[str, ...], count: int
) -> None:
    await city.bury(measure("a"), measure("b"), kind="codec", devices=["a", "b"])
    assert len(city.json("dead-letters", "list", *choice)) == count
    assert city.json("dead-letters", "replay", *choice, "--dry-run")["messages"] == count
    assert city.json("dead-letters", "replay", *choice)["messages"] == count


async def test_of_one_letter_a_dry_run_shows_the_steps(city: City) -> None:
    await city.bury(measure("a"), measure("a", b"[1]"), kind="unknown-device", devices=["a", None])
    await city.register("a")
    good = city.run("dead-letters", "replay", "1", "--dry-run").out
    assert "1  message" in good
    assert "air.no2" in good
    assert "1 message would be delivered." in good
    bad = city.run("dead-letters", "replay", "2", "--dry-run").out
    assert "it stops here" in bad
    assert "1 message would stay dead (" in bad


# The journal


async def test_the_size_of_the_log_by_day(city: City) -> None:
    await city.journal.append(measure("a", bytes(3 * 2**20)))
    found = city.json("journal", "size")
    assert found["pending"] == 1
    assert found["bytes"] == sum(found["days"].values()) > 3 * 2**20
    shown = city.run("journal", "size").out
    assert "MB in all; 1 message not yet delivered." in shown


async def two_devices(city: City) -> None:
    await city.bury(
        measure("70b3d57ed0000001"),
        measure("other"),
        measure("70B3D57ED0000001", b"{"),  # nothing can read it, and its topic names the device
        measure("other", b"{"),
        Message(
            source="gone", topic="x", payload=b'{"id": "70b3d57ed0000001"', received_at=datetime.now(UTC)
        ),
        kind="codec",
        devices=["70b3d57ed0000001", "other", None, None, None],
    )
    end = await city.journal.position("bridge")
    activities = dict.fromkeys(("70b3d57ed0000001", "other"), Activity(messages=1))
    await city.journal.save_activity("bridge", end, activities)


async def assert_forgotten(city: City) -> None:
    (batch,) = await city.journal.read_batches(START, 100)
    assert [is_forgotten(message) for message in batch.messages] == [True, False, True, False, True]
    assert [letter.seq for letter in await city.journal.dead_letters()] == [4, 2]
    assert set(await city.journal.activities()) == {"other"}
    assert (await city.journal.account()).total().dead == 5


async def test_a_device_is_forgotten_after_a_question(city: City) -> None:
    await two_devices(city)
    asked = city.run("journal", "forget", "70B3D57ED0000001", given=b"n\n")
    assert asked.code == 130
    assert "3 messages of 70b3d57ed0000001 would be emptied for good, 3 dead letters deleted" in asked.out
    assert len(await city.journal.dead_letters()) == 5
    done = city.run("journal", "forget", "70B3D57ED0000001", given=b"y\n")
    assert (done.code, "3 messages are emptied, 3 dead letters deleted." in done.out) == (0, True)
    assert "backups" in done.err
    await assert_forgotten(city)
    again = city.run("journal", "forget", "70B3D57ED0000001")
    assert (again.code, "The log has nothing of them." in again.out) == (0, True)


async def test_scripts_forget_without_a_question(city: City) -> None:
    await two_devices(city)
    assert city.run("journal", "forget", "70b3d57ed0000001", "--json").code == 2
    assert city.json("journal", "forget", "70b3d57ed0000001", "--yes") == {"messages": 3, "letters": 3}
    await assert_forgotten(city)
