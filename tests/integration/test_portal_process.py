# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From an uplink to the public: `volme run` with a portal, as processes."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import psutil
import pytest_asyncio

from tests.conftest import free_port
from tests.embedded_serving import own_database
from tests.faults.volme_process import Uplink, Volme, eui, publish
from tests.waiting import Patience, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import pytest

ROOM = eui(1)
KEY = "a-partners-key"
DATASETS = """
licence = "dl-by-de/2.0"
title = { de = "Versuch", en = "Trial" }
description = { de = "Versuch", en = "Trial" }
publisher = { name = { de = "Stadt", en = "City" } }
contact = { name = { de = "Stadt", en = "City" }, url = "https://city.example" }
place = { name = "Hagen", municipality_key = "05914000", bbox = [7.38, 51.26, 7.63, 51.44] }

[[dataset]]
name = "raum-grob"
type = "IndoorEnvironmentObserved"
title = { de = "Räume", en = "Rooms" }
description = { de = "Räume", en = "Rooms" }
attributes = ["location", "temperature"]
rules.location = { metres = 1000 }

[[dataset]]
name = "raum-genau"
type = "IndoorEnvironmentObserved"
access = "partners"
title = { de = "Räume", en = "Rooms" }
description = { de = "Räume", en = "Rooms" }
attributes = ["name", "location"]
"""


@dataclass(frozen=True, kw_only=True)
class City:
    volme: Volme
    mqtt_port: int
    url: str
    counts: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def portal(self) -> psutil.Process | None:
        children = psutil.Process(self.volme.pid).children()
        return next((each for each in children if "--child" in each.cmdline()), None)

    async def rooms(self, key: str | None = None) -> list[dict[str, Any]]:
        """Return what a reader sees; nothing while the portal is not there."""
        headers = {} if key is None else {"X-API-Key": key}
        url = f"{self.url}/ngsi-ld/v1/entities?type=IndoorEnvironmentObserved&options=keyValues"
        async with aiohttp.ClientSession(headers=headers) as session:
            with suppress(aiohttp.ClientError):
                async with session.get(url) as answer:
                    found = await answer.json()
                    return found if answer.status == 200 else []
        return []

    async def shown(self, temperature: float, key: str | None = None) -> list[dict[str, Any]]:
        watch = Patience(f"a room with {temperature}")
        while True:
            found = await self.rooms(key)
            if found and (key is not None or found[0].get("temperature") == temperature):
                return found
            watch.look(found)
            await asyncio.sleep(0.1)

    async def say(self) -> float:
        """Let the room send what it has not sent yet, and wait until Volme has it; return the value."""
        f_cnt = next(self.counts)
        await publish(self.mqtt_port, [Uplink(ROOM, f_cnt)])
        await self.volme.until_settled(f_cnt, "mqtt")
        return 15 + f_cnt % 100 / 10


def configuration(database: str, mqtt_port: int, portal_port: int) -> str:
    return f"""
embedded_mqtt_port = {mqtt_port}
[postgres]
url = "{database}"
[broker.embedded]
port = {free_port()}
[portal]
port = {portal_port}
datasets = "datasets.toml"
[[portal.partner]]
name = "schulamt"
key = {{ env = "SCHULAMT" }}
datasets = ["raum-genau"]
"""


@pytest_asyncio.fixture(scope="module")
async def city(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> AsyncIterator[City]:
    """One for all tests, the last of which kills it."""
    folder = tmp_path_factory.mktemp("portal")
    (folder / "datasets.toml").write_text(DATASETS, encoding="utf-8")
    mqtt_port, portal_port = free_port(), free_port()
    async with (
        own_database(postgres) as database,
        Volme(folder, configuration(database, mqtt_port, portal_port), {"SCHULAMT": KEY}) as volme,
    ):
        await volme.start()
        arguments = ("--profile", "elsys-ers", "--at", "51.36,7.47", "--name", "Ratssaal")
        assert (await volme.ask("devices", "add", ROOM, *arguments))[0] == 0
        yield City(volme=volme, mqtt_port=mqtt_port, url=f"http://127.0.0.1:{portal_port}")


async def test_from_an_uplink_to_the_public(city: City) -> None:
    """What is declared arrives, coarsened where it is to be; a partner sees what the key names."""
    (room,) = await city.shown(await city.say())
    assert room.keys() == {"id", "type", "location", "temperature"}
    assert room["location"]["coordinates"] != [7.47, 51.36]
    (theirs,) = await city.shown(0, KEY)
    assert theirs.keys() == {"id", "type", "name", "location"}
    assert theirs["location"]["coordinates"] == [7.47, 51.36]


async def test_readers_hear_of_it(city: City) -> None:
    await city.shown(await city.say())
    async with aiohttp.ClientSession() as session, session.get(f"{city.url}/events") as events:
        temperature = await city.say()
        async for line in events.content:
            if line.startswith(b"data: ") and b'"temperature"' in line:
                assert json.loads(line[6:])["entity"]["temperature"] == temperature
                return


async def test_the_process_is_killed_and_comes_again(city: City) -> None:
    """The platform goes on meanwhile, and what came meanwhile is published."""
    await city.shown(await city.say())
    portal = city.portal
    assert portal is not None
    portal.kill()
    temperature = await city.say()
    await city.shown(temperature)
    assert city.portal is not None
    assert city.portal.pid != portal.pid


async def test_the_platform_is_killed_and_its_portal_ends(city: City) -> None:
    await city.shown(await city.say())
    portal = city.portal
    assert portal is not None
    await city.volme.kill()
    await until(lambda: not portal.is_running() or portal.status() == psutil.STATUS_ZOMBIE)
