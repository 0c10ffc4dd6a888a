# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How far readings are to be trusted: flagged, and never held back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from adapters.codecs.decoding import Codecs
from adapters.networks.plain import PlainFormat
from adapters.profiles import load_profiles
from adapters.quality import Recent
from adapters.translate import World, translate
from models.device import Device
from models.message import Message
from models.uplink import Position
from ontology.loader import quantities

if TYPE_CHECKING:
    from models.translation import Translation
    from models.uplink import Uplink

START = datetime(2026, 5, 1, 10, tzinfo=UTC)
PLACE = Position(latitude=51.36, longitude=7.47)


def world(**fields: str) -> World:
    table = {
        "vendor": "Acme",
        "model": "Sensor",
        "codec": "network",
        "entity_type": "AirQualityObserved",
        "fields": fields,
    }
    device = Device(id="one", profile="acme", position=PLACE, parameters={"dew_point": 1})
    plain = PlainFormat(topic="city/{device}", time="time")

    def read(message: Message) -> Uplink:
        return plain.read(message.topic, orjson.loads(message.payload), received_at=message.received_at)

    return World(
        city="hagen",
        devices={"one": device},
        profiles=load_profiles({"acme": table}),
        codecs=Codecs(),
        readers={"mqtt": read},
        recent=Recent(),
    )


async def flags(known: World, minutes: float, at: datetime | None = None, **fields: Any) -> dict[str, str]:
    """Return the flags in the entity that is made, by attribute."""
    done = await run(known, minutes, at, **fields)
    assert done.problems == ()
    body = done.entities[0].body
    return {
        name: attribute["quality"]["value"]
        for name, attribute in body.items()
        if isinstance(attribute, dict) and "quality" in attribute
    }


async def run(known: World, minutes: float, at: datetime | None = None, **fields: Any) -> Translation:
    received_at = START + timedelta(minutes=minutes)
    body = {**fields, "time": (at or received_at).isoformat()}
    message = Message(source="mqtt", topic="city/one", payload=orjson.dumps(body), received_at=received_at)
    return await translate(message, known)


async def test_what_is_impossible_is_delivered_with_a_flag() -> None:
    known = world(t="air.temperature", p="air.pm10")
    assert await flags(known, 0, t=5500, p=12) == {"temperature": "range"}
    assert await flags(known, 1, t=20, p=12) == {}


@pytest.mark.parametrize("quick", [False, True])
async def test_what_changes_too_fast(quick: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """On the quick way, too: there the flag sends the message the whole one."""
    known = world(t="air.temperature", p="air.pm10")
    minutes = 0.0
    for minutes in range(5 if quick else 1):
        assert await flags(known, minutes, t=20.0 + minutes / 10, p=12) == {}
    assert (known.templates.quick > 0) is quick
    assert await flags(known, minutes + 1, t=45.0, p=12) == {"temperature": "rate"}
    assert await flags(known, minutes + 2, t=44.0, p=12) == {}
    assert await flags(known, minutes + 62, t=-5.0, p=12) == {}, "in an hour it may"


async def test_the_same_message_again_has_the_same_flags() -> None:
    known = world(t="air.temperature")
    await run(known, 0, t=20.0)
    for _ in range(3):
        assert await flags(known, 1, t=60.0) == {"temperature": "rate"}


async def test_what_is_late_is_compared_with_nothing() -> None:
    known = world(t="air.temperature")
    await run(known, 10, t=20.0)
    assert await flags(known, 20, START, t=60.0) == {}
    assert await flags(known, 30, t=21.0) == {}


async def test_what_does_not_change_for_too_long() -> None:
    known = world(t="air.temperature", h="air.relativeHumidity")
    hours = quantities()["air.temperature"].stuck
    assert hours is not None
    for hour in range(int(hours) + 1):
        assert await flags(known, 60 * hour, t=20.1, h=0) == {}
    assert await flags(known, 60 * (hours + 1), t=20.1, h=0) == {"temperature": "stuck"}, "0 % may stay"
    assert await flags(known, 60 * (hours + 2), t=20.2, h=0) == {}


async def test_a_clock_that_is_ahead_or_stands_still() -> None:
    known = world(p="air.pm10")
    assert await flags(known, 0, START + timedelta(hours=2), p=12) == {"pm10": "clock"}
    assert await flags(known, 1, START, p=12) == {}
    assert await flags(known, 5, START, p=13) == {"pm10": "clock"}
    assert await flags(known, 6, START + timedelta(minutes=6), p=13) == {}


async def test_what_is_derived_from_a_flagged_reading_is_flagged_too() -> None:
    known = world(t="air.temperature", h="air.relativeHumidity")
    await run(known, 0, t=20.0, h=50)
    done = await run(known, 1, t=60.0, h=50)
    found = {each.quantity: each.quality for each in done.readings}
    derived = [each for each in done.readings if each.codec == "derived"]
    assert derived
    assert {each.quality for each in derived} == {found["air.temperature"]} == {"rate"}
    assert found["air.relativeHumidity"] is None


async def test_nothing_is_derived_from_what_is_impossible() -> None:
    known = world(t="air.temperature", h="air.relativeHumidity")
    done = await run(known, 0, t=5500, h=50)
    assert {each.quantity: each.quality for each in done.readings} == {
        "air.temperature": "range",
        "air.relativeHumidity": None,
    }
