# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Profiles and codecs that are put into the data folder of a running platform decode from then on."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest_asyncio
from structlog.testing import capture_logs

from adapters.codecs.decoding import Codecs
from adapters.profiles import load_profiles
from adapters.translate import World, translate
from compose.readers import javascript_sources
from compose.reload import Reload
from compose.settings import load_settings
from models.device import Device
from models.message import Message
from models.uplink import Position
from tests.uplinks import DEV_EUI, chirpstack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from models.translation import Translation

NOW = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
CODEC = "function decodeUplink(input) {{ return {{ data: {{ temperature: input.bytes[0] * {factor} }} }}; }}"
PROFILE = """
[own-thermometer]
vendor = "Own"
model = "thermometer"
codec = "javascript:own"
entity_type = "WeatherObserved"

[own-thermometer.fields]
temperature = "air.temperature"
"""


class Running:
    """What of a platform translates, and looks for changes."""

    def __init__(self, data: Path) -> None:
        settings = load_settings(None, data=data)
        self.data = data
        self.profiles = load_profiles(settings.profiles)
        self.codecs = Codecs(javascript_sources(settings))
        self.reload = Reload(settings, self.profiles, self.codecs)
        device = Device(
            id=DEV_EUI, profile="own-thermometer", position=Position(longitude=7.47, latitude=51.36)
        )
        self.world = World(
            city="hagen", devices={device.id: device}, profiles=self.profiles, codecs=self.codecs
        )
        self._written = 0

    def write(self, name: str, text: str) -> None:
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self._written += 1  # file systems may count time in whole seconds
        os.utime(path, ns=(self._written, self._written))

    async def hears(self, payload: bytes) -> Translation:
        topic, body = chirpstack(payload, at=NOW)
        return await translate(Message(source="t", topic=topic, payload=body, received_at=NOW), self.world)

    async def temperature(self, payload: bytes) -> float:
        done = await self.hears(payload)
        assert [problem.sentence for problem in done.problems] == []
        assert done.codec == "javascript:own"
        found: float = done.entities[0].body["temperature"]["value"]
        return found


@pytest_asyncio.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    found = Running(tmp_path)
    yield found
    await found.codecs.close()


async def test_a_profile_and_its_codec_are_taken_up_and_changed(running: Running) -> None:
    done = await running.hears(b"\x15")
    assert [problem.kind for problem in done.problems] == ["unknown-profile"]
    assert running.reload.look() is False
    running.write("codecs/own.js", CODEC.format(factor=1))
    running.write("profiles/own.toml", PROFILE)
    assert running.reload.look() is True
    assert await running.temperature(b"\x15") == 21
    assert running.reload.look() is False
    running.write("codecs/own.js", CODEC.format(factor=2))
    assert running.reload.look() is True
    assert await running.temperature(b"\x15") == 42
    running.write("profiles/own.toml", PROFILE.replace('"air.temperature"', '"air.dewPoint"'))
    assert running.reload.look() is True
    assert "dewPoint" in (await running.hears(b"\x15")).entities[0].body


async def test_what_comes_before_the_first_look_is_taken_up(tmp_path: Path) -> None:
    found = Running(tmp_path)
    found.write("codecs/own.js", CODEC.format(factor=1))
    found.write("profiles/own.toml", PROFILE)
    found.reload = Reload(load_settings(None), found.profiles, None)
    assert found.reload.look() is False
    settings = load_settings(None, data=tmp_path / "empty").model_copy(update={"data": tmp_path})
    assert Reload(settings, found.profiles, found.codecs).look() is True
    assert await found.temperature(b"\x15") == 21
    await found.codecs.close()


async def test_profiles_that_did_not_change_stay_the_same_objects(running: Running) -> None:
    before = dict(running.profiles)
    running.write("profiles/own.toml", PROFILE.replace("javascript:own", "network"))
    assert running.reload.look() is True
    assert all(running.profiles[name] is profile for name, profile in before.items())


async def test_files_that_cannot_be_used_change_nothing_and_are_logged_once(running: Running) -> None:
    running.write("codecs/own.js", CODEC.format(factor=1))
    running.write("profiles/own.toml", PROFILE)
    running.reload.look()
    running.write("profiles/broken.toml", "[broken]\nvendor = 1")
    with capture_logs() as logs:
        assert running.reload.look() is False
        assert running.reload.look() is False
    assert [entry["event"] for entry in logs] == ["reload.refused"]
    assert "broken" in logs[0]["error"]
    assert await running.temperature(b"\x15") == 21
    (running.data / "profiles/broken.toml").unlink()
    running.write("codecs/own.js", CODEC.format(factor=3))
    assert running.reload.look() is True
    assert await running.temperature(b"\x15") == 63


async def test_a_codec_that_was_stopped_is_judged_anew_when_it_was_mended(running: Running) -> None:
    running.write("codecs/own.js", "function decodeUplink() { while (true) {} }")
    running.write("profiles/own.toml", PROFILE)
    running.reload.look()
    kinds: list[str] = []
    while "codec-paused" not in kinds:
        kinds += [problem.kind for problem in (await running.hears(b"\x15")).problems]
        assert len(kinds) < 20
    running.write("codecs/own.js", CODEC.format(factor=1))
    running.reload.look()
    assert await running.temperature(b"\x15") == 21


async def test_what_is_taken_away_goes_on_until_the_next_start(tmp_path: Path) -> None:
    first = Running(tmp_path)
    first.write("codecs/own.js", CODEC.format(factor=1))
    first.write("profiles/own.toml", PROFILE)
    await first.codecs.close()
    second = Running(tmp_path)
    second.reload.look()
    assert await second.temperature(b"\x15") == 21
    (tmp_path / "codecs/own.js").unlink()
    (tmp_path / "profiles/own.toml").unlink()
    second.reload.look()
    assert await second.temperature(b"\x15") == 21
    await second.codecs.close()
    third = Running(tmp_path)
    assert [problem.kind for problem in (await third.hears(b"\x15")).problems] == ["unknown-profile"]
    await third.codecs.close()
