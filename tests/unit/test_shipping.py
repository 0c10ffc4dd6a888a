# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What is sent of an update, and what is held back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from msgspec.structs import replace

from adapters.codecs.decoding import Codecs
from adapters.profiles import load_profiles
from adapters.translate import World, translate
from broker.shipping import Shipping
from broker.state import BridgeSettings, BridgeState
from models.device import Device
from models.last_seen import last_seen
from models.message import Message
from models.reading import EntityUpdate, Written
from models.uplink import Position, Uplink

if TYPE_CHECKING:
    from models.errors import MessageError

T0 = datetime(2026, 5, 1, 10, tzinfo=UTC)
URN = "urn:ngsi-ld:Device:hagen:a"
NAME = Written(b',"name":{"type":"Property","value":"Markt"}')


class Counting:
    """Waits for nothing."""

    def arrived(self, index: int, problem: MessageError | None) -> None:
        """See `Owner.arrived`."""


@pytest.fixture
def shipping() -> Shipping:
    return Shipping(None, str, BridgeSettings(), BridgeState(), None)  # type: ignore[arg-type] # nothing is sent


def sent(shipping: Shipping) -> list[dict[str, Any]]:
    """Take from the lanes what they would send next."""
    batches = (lane._next_batch() for lane in shipping._lanes)
    return [orjson.loads(shipment.body) for batch in batches for shipment in batch]


def ship(shipping: Shipping, update: EntityUpdate, seconds: float) -> list[dict[str, Any]]:
    shipping.ship(update, Counting(), 0, seconds, repeated=False)
    return sent(shipping)


def heard(seconds: float) -> EntityUpdate:
    return last_seen(URN, T0 + timedelta(seconds=seconds), NAME)


def moment(body: dict[str, Any]) -> str:
    return str(body["dateLastValueReported"]["value"]["@value"])


def with_battery(seconds: float) -> EntityUpdate:
    update = heard(seconds)
    battery = {"type": "Property", "value": 0.5, "observedAt": "2026-05-01T10:00:00.000Z"}
    head = orjson.dumps({**orjson.loads(update.head + b"}"), "batteryLevel": battery})[:-1]
    return replace(update, measured=("batteryLevel",), head=head)


def test_what_does_not_change_is_sent_once_and_again_after_an_hour(shipping: Shipping) -> None:
    assert ["name" in body for body in ship(shipping, with_battery(0), 10_000)] == [True]
    assert ["name" in body for body in ship(shipping, with_battery(1), 10_001)] == [False]
    same = replace(with_battery(2), rest=Written(NAME.text))
    assert ["name" in body for body in ship(shipping, same, 10_002)] == [False]
    other = replace(with_battery(3), rest=Written(b',"name":{"type":"Property","value":"Haspe"}'))
    assert ["name" in body for body in ship(shipping, other, 10_003)] == [True]
    assert ["name" in body for body in ship(shipping, replace(other), 10_004)] == [False]
    assert ["name" in body for body in ship(shipping, replace(other), 13_604)] == [True]
    shipping.newest.say_whole_again(URN)
    assert ["name" in body for body in ship(shipping, replace(other), 13_605)] == [True]


def test_that_a_device_was_heard_is_held_back_and_said_in_the_end(shipping: Shipping) -> None:
    assert len(ship(shipping, heard(0), 10_000)) == 1
    assert ship(shipping, heard(10), 10_010) == []
    assert ship(shipping, heard(20), 10_020) == []
    assert not shipping.say_held(before=10_009)
    assert sent(shipping) == []
    shipping.say_held(before=10_010)
    (said,) = sent(shipping)
    assert moment(said) == "2026-05-01T10:00:20.000Z"
    assert ship(shipping, heard(30), 10_030) == []
    assert [moment(body) for body in ship(shipping, heard(80), 10_080)] == ["2026-05-01T10:01:20.000Z"]
    shipping.say_held(before=20_000)
    assert sent(shipping) == []  # it was said by what followed


def test_a_late_part_does_not_say_what_is_held_back(shipping: Shipping) -> None:
    ship(shipping, heard(0), 10_000)
    ship(shipping, heard(30), 10_030)
    assert ["batteryLevel" in body for body in ship(shipping, with_battery(20), 10_031)] == [True]
    shipping.say_held(before=20_000)
    assert [moment(body) for body in sent(shipping)] == ["2026-05-01T10:00:30.000Z"]


def test_what_says_more_is_not_held_back(shipping: Shipping) -> None:
    ship(shipping, heard(0), 10_000)
    other = replace(heard(10), head=with_battery(10).head)
    assert len(ship(shipping, other, 10_010)) == 1


def test_many_that_fell_silent_are_said_one_after_the_other(shipping: Shipping) -> None:
    for number in range(1500):
        for seconds in (0, 1):
            update = last_seen(f"{URN}{number}", T0 + timedelta(seconds=seconds), NAME)
            shipping.ship(update, Counting(), 0, 10_000 + seconds, repeated=False)
    while sent(shipping):
        pass
    assert shipping.say_held(before=20_000)
    assert not shipping.say_held(before=20_000)
    said = [body["id"] for _ in range(100) for body in sent(shipping)]
    assert len(said) == len(set(said)) == 1500


async def test_it_is_what_translation_says_of_a_device_that_was_heard() -> None:
    fields = {"temperature": "air.temperature"}
    profile = {"vendor": "Acme", "model": "A", "codec": "network", "entity_type": "WeatherObserved"}
    device = Device(id="a", profile="acme-a", position=Position(longitude=7.4, latitude=51.3))
    at = T0 + timedelta(microseconds=123_456)
    said = Uplink(network="plain", device_id="a", observed_at=at, decoded={"temperature": 20})
    world = World(
        city="hagen",
        devices={"a": device},
        profiles=load_profiles({"acme-a": {**profile, "fields": fields}}),
        codecs=Codecs(),
        readers={"made": lambda _message: said},
    )
    message = Message(source="made", topic="a", payload=b"{}", received_at=at)
    for _ in range(3):  # the whole way, and the quick one
        update = (await translate(message, world)).entities[1]
        assert update == last_seen(URN, at, update.rest)
