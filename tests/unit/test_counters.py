# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Counters become what was counted from one message to the next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.codecs.decoding import Codecs
from adapters.counters import counter_rows
from adapters.profiles import load_profiles
from adapters.translate import World, translate
from broker.journal.port import HOURS_BYTES
from models.completeness import PACKED, Hours
from models.counters import Count, Counted, Counters
from models.device import Device
from models.errors import ConfigurationError
from models.message import Message
from models.ngsild import keyvalues
from models.uplink import Position
from ontology.loader import quantities
from tests.uplinks import DEV_EUI, chirpstack, the_things_stack

if TYPE_CHECKING:
    from models.translation import Translation

NOW = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
PEOPLE = "people.cumulative.in"


def said(counters: Counters, *values: float, modulus: float | None = None) -> list[float | None]:
    """What is counted if a counter says these values, a minute from one to the next."""
    return [
        counters.advance("a", Counted(PEOPLE, value, NOW + timedelta(minutes=minute)), modulus)
        for minute, value in enumerate(values)
    ]


# --- the rule -------------------------------------------------------------------------------------------


def test_the_first_reading_counts_nothing_and_each_later_one_what_came_since() -> None:
    assert said(Counters(), 100, 103, 103, 110.5) == [None, 3, 0, 7.5]


def test_a_counter_rolls_over_where_it_is_declared_to() -> None:
    assert said(Counters(), 65_530, 4, 10, modulus=65_536) == [None, 10, 6]
    assert said(Counters(), 65_530, 4, 10) == [None, None, 6]


def test_a_counter_that_goes_back_far_from_its_roll_over_begins_anew() -> None:
    """The device was replaced."""
    assert said(Counters(), 40_000, 4, 10, modulus=65_536) == [None, None, 6]
    assert said(Counters(), 65_530, 30_000, 30_001, modulus=65_536) == [None, None, 1]
    assert said(Counters(), 70_000, 4, 5, modulus=65_536) == [None, None, 1]


def test_a_late_reading_or_the_same_again_counts_nothing_and_the_next_one_all() -> None:
    counters = Counters()
    at = [NOW + timedelta(minutes=minute) for minute in (0, 2, 1, 2, 3)]
    values = (100, 110, 104, 110, 111)
    found = [
        counters.advance("a", Counted(PEOPLE, value, moment))
        for value, moment in zip(values, at, strict=True)
    ]
    assert found == [None, 10, None, None, 1]


def test_devices_and_quantities_count_by_themselves() -> None:
    counters = Counters()
    for device, quantity, value in (("a", "x", 1), ("b", "x", 5), ("a", "y", 9)):
        assert counters.advance(device, Counted(quantity, value, NOW)) is None
    later = NOW + timedelta(minutes=1)
    assert counters.advance("a", Counted("x", 2, later)) == 1
    assert counters.advance("b", Counted("x", 7, later)) == 2
    assert counters.advance("a", Counted("y", 12, later)) == 3


@given(values=st.lists(st.integers(0, 2**53), min_size=2, max_size=8).map(sorted), cut=st.integers(0, 8))
def test_what_is_counted_adds_up_also_after_a_start(values: list[int], cut: int) -> None:
    counters, total = Counters(), 0.0
    for minute, value in enumerate(values):
        if minute == cut:
            saved, counters = counters.pack("a"), Counters()
            counters.restore("a", saved)
        total += counters.advance("a", Counted(PEOPLE, value, NOW + timedelta(minutes=minute))) or 0
    assert total == values[-1] - values[0]


def test_what_is_saved_of_all_counters_has_room_behind_the_hours() -> None:
    counters = Counters()
    last = {
        name: Count(123_456_789.125, NOW + timedelta(microseconds=123_456))
        for name, quantity in quantities().items()
        if quantity.difference
    }
    counters.note("a", [Counted(name, *count) for name, count in last.items()])
    packed = counters.pack("a")
    hours = Hours().pack(600.0)
    assert len(hours + packed) <= HOURS_BYTES
    assert Hours.unpack(0, hours + packed)[1] == 600.0
    again = Counters()
    again.restore("a", (hours + packed)[PACKED.size :])
    assert again.pack("a") == packed
    assert again.known(["a", "b"]) == ["a"]
    again.restore("b", b"")
    assert (again.pack("b"), len(again)) == (b"", 1)


@pytest.mark.parametrize("name", sorted(name for name, known in quantities().items() if known.difference))
def test_a_difference_is_a_quantity_in_the_counters_unit(name: str) -> None:
    counter = quantities()[name]
    difference = quantities()[counter.difference or ""]
    assert (difference.kind, difference.unit, difference.low) == ("number", counter.unit, 0)
    assert difference.difference is None


# --- in translation ------------------------------------------------------------------------------------


def world(*, counters: Counters | None, **profile: Any) -> World:
    table = {
        "vendor": "Acme",
        "model": "Counter",
        "codec": "network",
        "entity_type": "CrowdFlowObserved",
        "fields": {
            "in": {"quantity": PEOPLE, "modulus": 65_536},
            "out": "people.cumulative.out",
            "now": "people.present",
        },
        **profile,
    }
    place = Position(longitude=7.4983, latitude=51.3391)
    device = Device(id=DEV_EUI, profile="acme", position=place, name="Eilpe")
    profiles = load_profiles({"acme": table})
    return World(
        city="hagen", devices={device.id: device}, profiles=profiles, codecs=Codecs(), counters=counters
    )


async def run(known: World, fields: dict[str, Any], minute: int) -> Translation:
    at = NOW + timedelta(minutes=minute)
    topic, payload = chirpstack(b"", at=at, object=fields, rxInfo=[])
    return await translate(Message(source="test", topic=topic, payload=payload, received_at=at), known)


async def test_people_who_were_counted_feed_the_attributes_of_the_type() -> None:
    known = world(counters=Counters())
    first = await run(known, {"in": 65_530, "out": 10}, 0)
    assert [update.type for update in first.entities] == ["Device", "DeviceMeasurement", "DeviceMeasurement"]
    for minute, (came, went) in enumerate([(4, 12), (9, 12), (10, 15)], 1):
        done = await run(known, {"in": came, "out": went}, minute)
        assert done.problems == ()
        assert [count.value for count in done.counts] == [came, went]
        flow = keyvalues(done.entities[0].body)
        assert done.entities[0].type == "CrowdFlowObserved"
        passed = [(10, 2), (5, 0), (1, 3)][minute - 1]
        assert (flow["peopleCountTowards"], flow["peopleCountAway"]) == passed
        assert flow["peopleCount"] == sum(passed)
        derived = [reading.quantity for reading in done.readings if reading.codec == "derived"]
        assert derived == ["people.in", "people.out", "people.total"]
    absolute = {update.body["measurementType"]["value"]: update.body for update in done.entities[2:]}
    assert absolute[PEOPLE]["numValue"]["value"] == 10.0


async def test_a_device_that_says_the_difference_itself_is_asked_for_none() -> None:
    fields = {"in": PEOPLE, "period_in": "people.in"}
    known = world(counters=Counters(), fields=fields)
    assert counter_rows(known.profiles["acme"]) == ()
    for minute, came in enumerate((100, 110)):
        done = await run(known, {"in": came}, minute)
        assert (done.counts, done.count, done.unmapped) == ((), 1, ())
    assert known.templates.quick == 1


async def test_what_is_translated_alone_has_no_differences() -> None:
    known = world(counters=None)
    for minute, came in enumerate((100, 110)):
        done = await run(known, {"in": came}, minute)
        assert (done.counts, done.count) == ((), 1)


async def test_a_message_without_a_count_lies_between_two_with_one() -> None:
    known = world(counters=Counters())
    await run(known, {"in": 100}, 0)
    for minute in (1, 2):
        await run(known, {"now": 5}, minute)
    assert known.templates.quick == 2
    done = await run(known, {"in": 104}, 3)
    assert {reading.quantity: reading.value for reading in done.readings}["people.in"] == 4


async def test_the_modulus_is_in_the_fields_unit() -> None:
    fields = {"ticks": {"quantity": "metering.water.total", "unit": "MTQ", "modulus": 100}}
    known = world(counters=Counters(), entity_type="DeviceMeasurement", fields=fields)
    await run(known, {"ticks": 99.5}, 0)
    done = await run(known, {"ticks": 0.25}, 1)
    assert {reading.quantity: reading.value for reading in done.readings}["metering.water.used"] == 750


async def test_a_difference_that_cannot_be_is_flagged_and_the_counter_goes_on() -> None:
    known = world(counters=Counters(), entity_type="WeatherObserved", fields={"rain": "rain.cumulative"})
    assert (await run(known, {"rain": 10}, 0)).problems == ()
    done = await run(known, {"rain": 2010}, 1)
    assert done.problems == ()
    assert [(each.quantity, each.value) for each in done.readings if each.quality] == [("rain.amount", 2000)]
    done = await run(known, {"rain": 2010.5}, 2)
    assert keyvalues(done.entities[0].body)["precipitation"] == 0.5


async def test_measurements_of_several_moments_are_counted_in_their_order() -> None:
    known = world(counters=Counters(), fields={})
    parts = [
        {"time": "2026-05-01T09:58:00Z", "rain": {"cumulative": 12.5}},
        {"time": "2026-05-01T09:00:00Z", "rain": {"cumulative": 12.0}},
    ]
    topic, payload = the_things_stack(b"\x01", at=NOW, normalized_payload=parts)
    done = await translate(Message(source="test", topic=topic, payload=payload, received_at=NOW), known)
    assert [(each.quantity, each.value) for each in done.readings if each.codec == "derived"] == [
        ("rain.amount", 0.5)
    ]


@pytest.mark.parametrize(
    ("field", "said_of_it"),
    [
        ({"quantity": "people.in", "modulus": 65_536}, "people.in is no counter"),
        ({"quantity": PEOPLE, "modulus": 0}, "must be above 0"),
        ({"quantity": PEOPLE, "modulus": float("inf")}, "must be above 0"),
    ],
)
def test_a_modulus_that_cannot_be_is_named(field: dict[str, Any], said_of_it: str) -> None:
    with pytest.raises(ConfigurationError, match=said_of_it):
        world(counters=None, fields={"in": field})
