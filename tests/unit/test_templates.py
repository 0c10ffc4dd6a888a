# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""An entity made of a template is the one that would be made as a whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapters.codecs.decoding import Codecs, encode
from adapters.profiles import load_profiles
from adapters.translate import World, translate
from models.device import Device
from models.message import Message
from models.uplink import Position
from tests.uplinks import DEV_EUI, chirpstack

if TYPE_CHECKING:
    from models.translation import Translation

NOW = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
ROOM = Device(
    id=DEV_EUI, profile="elsys-ers", name="Raum 112", position=Position(longitude=7.47, latitude=51.36)
)


def world() -> World:
    return World(city="hagen", devices={DEV_EUI: ROOM}, profiles=load_profiles(), codecs=Codecs())


async def say(known: World, minutes: int = 0, **fields: float) -> Translation:
    f_port, payload = encode("elsys", {"temperature": 21.5, "humidity": 40, **fields})
    at = NOW + timedelta(minutes=minutes)
    topic, body = chirpstack(payload, f_port=f_port, f_cnt=minutes, at=at)
    return await translate(Message(source="test", topic=topic, payload=body, received_at=at), known)


@pytest.mark.parametrize(
    ("before", "after", "fields"),
    [
        pytest.param(ROOM, ROOM, {"temperature": 19.0, "humidity": 55}, id="other values"),
        pytest.param(ROOM, ROOM, {"light": 300, "vdd": 3500}, id="more values"),
        pytest.param(ROOM, replace(ROOM, name="Raum 113"), {}, id="another name"),
        pytest.param(ROOM, replace(ROOM, place="aula"), {}, id="another place"),
        pytest.param(
            ROOM,
            replace(ROOM, position=Position(longitude=7.5, latitude=51.3)),
            {},
            id="another position",
        ),
        pytest.param(ROOM, replace(ROOM, profile="elsys-ers-co2"), {}, id="another profile"),
        pytest.param(
            replace(ROOM, entity_type="WeatherObserved"),
            replace(ROOM, entity_type="WeatherObserved", attributes={"dateObserved": "2026-01-01T00:00:00Z"}),
            {},
            id="an attribute that is known, and not the time of observation",
        ),
        pytest.param(
            replace(ROOM, entity_type="Device"),
            replace(ROOM, entity_type="Device"),
            {"vdd": 3500},
            id="status",
        ),
        pytest.param(ROOM, ROOM, {"temperature": -5.0}, id="a value that its type does not allow"),
    ],
)
async def test_the_second_message_of_a_device_is_translated_as_the_first(
    before: Device, after: Device, fields: dict[str, Any]
) -> None:
    devices = {DEV_EUI: before}
    known = replace(world(), devices=devices)
    await say(known)
    devices[DEV_EUI] = after

    second = await say(known, minutes=1, **fields)
    alone = await say(replace(world(), devices=devices), minutes=1, **fields)

    assert [update.body for update in second.entities] == [update.body for update in alone.entities]
    assert [str(problem) for problem in second.problems] == [str(problem) for problem in alone.problems]
    assert alone.entities
