# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A device that misses its interval is an Alert in the broker, and recovers by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from adapters.profiles import load_profiles
from broker.client import NgsiLdClient
from broker.journal.port import Activity
from compose.readers import announcement
from compose.settings import load_settings
from compose.silence import Watch
from compose.wiring import running
from models.alert import Alert
from models.completeness import Hours
from models.device import Device
from models.message import Message
from models.ngsild import keyvalues
from models.uplink import Position
from tests.waiting import nothing_pending, subscribed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from compose.platform import Platform

HERE = Position(longitude=7.4983, latitude=51.3391)
HOUR = timedelta(hours=1)


class Town:
    """A whole platform without the simulator, and one who looks for silent devices when told to."""

    def __init__(self, platform: Platform, client: NgsiLdClient) -> None:
        self.platform = platform
        self.client = client
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.restart(listening_since=self.now - 100 * HOUR)

    def restart(self, *, listening_since: datetime) -> None:
        """One who looks, and knows nothing yet."""
        alerts = f"{self.platform.addresses.web}/contexts/Alert.jsonld"
        profiles = load_profiles(self.platform.settings.profiles)
        self.watch = Watch(self.platform, self.client, profiles, alerts, listening_since=listening_since)

    async def install(self, device_id: str, **known: Any) -> None:
        device = Device(id=device_id, profile="station", name=f"Station {device_id}", position=HERE, **known)
        await self.platform.registry.add(device, replace=True)
        await self.platform.journal.append(announcement(device_id))

    async def speak(self, device_id: str, at: datetime) -> None:
        payload = json.dumps({"time": at.isoformat(), "temperature": 21.5}).encode()
        message = Message(source="mqtt", topic=f"city/{device_id}", payload=payload, received_at=self.now)
        await self.platform.journal.append(message)
        await self.settle()

    async def settle(self) -> None:
        """Wait until nothing is pending, and everybody knows it."""
        await nothing_pending(self.platform.journal)
        await self.platform.look()

    async def look(self, at: datetime) -> list[dict[str, Any]]:
        """Look for silent devices at a time, and return the broker's alerts."""
        await self.watch.look(at)
        await self.settle()
        alerts = f"{self.platform.addresses.web}/contexts/Alert.jsonld"
        return [keyvalues(entity) async for entity in self.client.query(type="Alert", context=alerts)]

    async def messages(self) -> int:
        """How many messages the registry sent."""
        return (await self.platform.journal.account()).sources["registry"].received


@pytest_asyncio.fixture
async def town(tmp_path: Path, database: str) -> AsyncIterator[Town]:
    settings = load_settings(
        None,
        data=tmp_path,
        postgres__url=database,
        web__port=0,
        broker__embedded__port=0,
        embedded_mqtt_port=0,
        profiles={
            "station": {
                "vendor": "Acme",
                "model": "Station",
                "codec": "network",
                "entity_type": "WeatherObserved",
                "fields": {"temperature": "air.temperature"},
            }
        },
        plain=[{"source": "mqtt", "topic": "city/{device}", "time": "time"}],
    )
    async with (
        running(settings, strict_ports=True) as platform,
        NgsiLdClient(platform.addresses.broker, kind="embedded") as client,
    ):
        await subscribed(platform)
        yield Town(platform, client)


async def test_a_device_falls_silent_and_speaks_again(town: Town) -> None:
    await town.install("a", parameters={"interval": 600})
    await town.speak("a", town.now - HOUR)
    assert await town.look(town.now - HOUR / 2 - timedelta(seconds=1)) == []

    (alert,) = await town.look(town.now)
    assert Alert.model_validate(alert).type == "Alert"
    assert alert["id"] == "urn:ngsi-ld:Alert:hagen:a:silence"
    assert alert["alertSource"] == "urn:ngsi-ld:Device:hagen:a"
    assert (alert["severity"], alert["category"]) == ("medium", "weather")
    assert alert["location"] == {"type": "Point", "coordinates": [7.4983, 51.3391]}
    assert datetime.fromisoformat(alert["validFrom"]) == town.now - HOUR
    assert datetime.fromisoformat(alert["dateIssued"]) == town.now - HOUR / 2  # three intervals later
    assert datetime.fromisoformat(alert["validTo"]) > town.now + 10_000 * HOUR
    german, english = alert["description"].split(" / ")
    assert german.startswith("Station a hat sich zuletzt")
    assert english.endswith("usually about every 10 min.")

    await town.speak("a", town.now + HOUR)
    (over,) = await town.look(town.now + HOUR)
    assert (over["id"], over["severity"]) == (alert["id"], "informational")
    assert datetime.fromisoformat(over["validTo"]) == town.now + HOUR
    assert over["validFrom"] == alert["validFrom"]

    (again,) = await town.look(town.now + 2 * HOUR)
    assert again["severity"] == "medium"
    assert datetime.fromisoformat(again["validFrom"]) == town.now + HOUR
    assert datetime.fromisoformat(again["validTo"]) > town.now + 10_000 * HOUR


async def test_nothing_is_told_twice_also_after_a_restart(town: Town) -> None:
    await town.install("a:1", parameters={"interval": 600})
    await town.speak("a:1", town.now - HOUR)
    (alert,) = await town.look(town.now)
    told = await town.messages()
    assert await town.look(town.now + HOUR) == [alert]
    town.restart(listening_since=town.now)
    assert await town.look(town.now + HOUR) == [alert]
    town.restart(listening_since=town.now - 100 * HOUR)
    assert await town.look(town.now + HOUR) == [alert]
    assert await town.messages() == told
    await town.speak("a:1", town.now + HOUR)
    town.restart(listening_since=town.now)
    (over,) = await town.look(town.now + HOUR)
    assert over["severity"] == "informational"
    assert await town.look(town.now + HOUR) == [over]
    assert await town.messages() == told + 1


async def test_what_was_learned_before_the_start_counts_and_what_is_declared_wins(town: Town) -> None:
    hours = Hours().pack(600.0)
    last = town.now - HOUR
    known = Activity(first_seen=last, last_seen=last, messages=10, hours=hours)
    few = Activity(first_seen=last, last_seen=last, messages=9, hours=hours)
    for name in ("usual", "declared", "new", "never"):
        await town.install(name, parameters={"interval": 3600} if name == "declared" else {})
    await town.settle()
    journal = town.platform.journal
    position = await journal.position("bridge")
    await journal.save_activity("bridge", position, {"usual": known, "declared": known, "new": few})
    assert [alert["id"] for alert in await town.look(town.now)] == ["urn:ngsi-ld:Alert:hagen:usual:silence"]


async def test_the_declared_interval_of_a_profile(town: Town) -> None:
    profiles = town.platform.settings.profiles
    profiles["station"]["parameters"] = {"interval": 600}
    town.restart(listening_since=town.now - 100 * HOUR)
    await town.install("a")
    await town.install("b", parameters={"interval": 3600})
    for name in ("a", "b"):
        await town.speak(name, town.now - HOUR)
    assert [alert["id"] for alert in await town.look(town.now)] == ["urn:ngsi-ld:Alert:hagen:a:silence"]


async def test_nobody_is_silent_while_nobody_listens(town: Town) -> None:
    await town.install("a", parameters={"interval": 600})
    await town.speak("a", town.now - 10 * HOUR)
    town.restart(listening_since=town.now)
    assert await town.look(town.now + HOUR / 2) == []
    source = town.platform.sources["mqtt"]
    assert source.state.connected
    source.state.connected = False  # as when its broker goes
    assert await town.look(town.now + HOUR) == []
    source.state.connected = True
    assert await town.look(town.now + 1.5 * HOUR) == []
    assert len(await town.look(town.now + 1.6 * HOUR)) == 1


@pytest.mark.parametrize("how", ["retired", "removed"])
async def test_nothing_is_expected_of_a_device_that_is_gone(town: Town, how: str) -> None:
    await town.install("a", parameters={"interval": 600}, simulated=True)
    await town.speak("a", town.now - HOUR)
    (alert,) = await town.look(town.now)
    assert (alert["severity"], alert["source"]) == ("medium", "simulation")
    if how == "removed":
        await town.platform.registry.remove("a")
    else:
        retired = replace(town.platform.registry.devices["a"], retired_at=town.now)
        await town.platform.registry.add(retired, replace=True)
    (over,) = await town.look(town.now + HOUR)
    assert over["severity"] == "informational"
    assert await town.look(town.now + 2 * HOUR) == [over]
    assert await town.platform.journal.dead_letters() == []


async def test_what_waits_in_the_journal_may_be_of_the_device(town: Town) -> None:
    await town.install("a", parameters={"interval": 600})
    await town.speak("a", town.now - HOUR)
    town.platform._status = replace(town.platform.status(), lag=3600.0)  # a backlog
    await town.watch.look(town.now)
    assert await town.look(town.now - HOUR / 2 - timedelta(seconds=1)) == []
