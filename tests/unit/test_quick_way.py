# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The quick way gives what the whole way gives, and messages that are like those before take it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.codecs.decoding import Codecs, encode
from adapters.networks.envelope import read_uplink
from adapters.networks.plain import PlainFormat
from adapters.profiles import load_profiles
from adapters.templates import Templates
from adapters.translate import World, translate, translate_all
from models.device import Device
from models.message import Message
from models.uplink import REGISTRY, Position, Uplink
from tests.uplinks import DEV_EUI, chirpstack, the_things_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from adapters.plans import Plan
    from models.device import Profile
    from models.translation import Translation

NOW = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
HERE = Position(longitude=7.4983, latitude=51.3391)
PLAIN = PlainFormat(topic="city/{device}/measures", time="time")

FIELDS = {
    "temperature": "air.temperature",
    "humidity": "air.relativeHumidity",
    "pressure": {"quantity": "air.pressure", "unit": "KPA"},
    "light": "air.lightIntensity",
    "deep.level": "level.distance",
    "any_*": "air.co2",
    "taken": "occupancy.occupied",
    "state": {"quantity": "waste.status", "values": {"0": "ok", "1": "lidOpen"}, "missing": ["9"]},
    "bat": "battery.voltage",
    "percent": "battery.level",
    "again": "air.temperature",
    "noise": "noise.laeq",
    "pieces": {"quantity": "air.pm2_5", "missing": ["-1"]},
}


def _profile(entity_type: str, **more: Any) -> dict[str, Any]:
    return {
        "vendor": "Acme",
        "model": entity_type,
        "codec": "network",
        "entity_type": entity_type,
        "fields": FIELDS,
        **more,
    }


TYPES = (
    "WeatherObserved",
    "IndoorEnvironmentObserved",
    "NoiseLevelObserved",
    "AirQualityObserved",
    "ParkingSpot",
    "WasteContainer",
    "FloodMonitoring",
    "Device",
)
PARAMETERS: tuple[Mapping[str, float], ...] = (
    {},
    {"reference_level": 3.0},
    {"empty_distance": 1.5, "full_distance": 0.5},
    {"empty_distance": 1.0, "full_distance": 1.0},
    {"period": 900},
    {"dew_point": 1.0, "occupied_below": 1.5},
)
ATTRIBUTES: tuple[Mapping[str, Any], ...] = (
    {},
    {"category": ["onStreet"], "refParkingSite": "urn:ngsi-ld:OffStreetParking:hagen:1"},
    {"temperature": 4.0},
    {"dateObserved": "2026-01-01T00:00:00Z"},
)


@cache
def profiles() -> Mapping[str, Profile]:
    extra = {f"acme-{name}": _profile(name) for name in TYPES}
    extra |= {"acme-battery": _profile("WeatherObserved", battery=[2.0, 3.0])}
    return load_profiles(extra)


class WholeWay(Templates):
    """No message is like those before."""

    def find(self, device: Device, profile: Profile, uplink: Uplink, city: str) -> Plan | None:  # noqa: ARG002 - none is found
        return None


def _read(message: Message) -> Uplink:
    return read_uplink(message, PLAIN if PLAIN.matches(message.topic) else "auto")


def _announced(message: Message) -> Uplink:
    return Uplink(network=REGISTRY, kind="status", device_id=message.topic, observed_at=message.received_at)


def world(device: Device, templates: Templates) -> World:
    return World(
        city="hagen",
        devices={device.id: device},
        profiles=profiles(),
        codecs=Codecs(),
        readers={"any": _read, REGISTRY: _announced},
        templates=templates,
    )


def said(done: Translation) -> dict[str, Any]:
    return {
        "entities": [
            (update.id, update.type, update.subject, update.observed_at, update.measured, update.body)
            for update in done.entities
        ],
        # What is sent again and again, and what only now and then.
        "still": [(orjson.loads(b"{" + update.still[1:] + b"}")) for update in done.entities],
        "problems": [(problem.kind, problem.sentence, problem.device_id) for problem in done.problems],
        "rest": (done.codec, done.fields, done.count, sorted(done.unmapped), done.uplink, done.device),
    }


numbers = st.one_of(
    st.floats(-70, 1200, width=32),
    st.floats(0, 1),
    st.integers(-5, 120),
    st.sampled_from([0, -0.0, 1e-7, 1e-10, 1e16, 2**31, -(2**31) - 1, 10**25, 1e300, 5e-324, 0.1 + 0.2]),
)
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=4),
    st.sampled_from(["21.5", "2799 mm", "-3,5 °C", "ok", "OK", "lidOpen", "9", "1e999", "nan"]),
    st.builds(lambda value: {"value": value, "unit": "x"}, numbers),
    st.lists(numbers, max_size=2),
)
values = st.one_of(numbers, odd)


def mostly(*fine: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda chance: values if chance == 0 else st.one_of(*fine))


decoded = st.fixed_dictionaries(
    {"temperature": mostly(st.floats(-30, 40), st.integers(-5, 30))},
    optional={
        "humidity": mostly(st.floats(0, 100), st.integers(0, 100), st.sampled_from([1e-8, 0.1 + 0.2])),
        "pressure": mostly(st.floats(90, 105)),
        "light": mostly(st.integers(0, 9000), st.just("300 lx")),
        "bat": mostly(st.floats(1.5, 3.5)),
        "percent": mostly(st.floats(0, 100)),
        "again": mostly(st.floats(-30, 40), st.none()),
        "deep": st.one_of(values, st.builds(lambda level: {"level": level}, mostly(st.floats(0.1, 9)))),
        "any_1": mostly(st.integers(300, 5000)),
        "any_2": mostly(st.just({"value": 480, "unit": "ppm"})),
        "taken": mostly(st.booleans()),
        "state": mostly(st.sampled_from(["ok", "OK", "moved", 0, 1, 9])),
        "noise": mostly(st.floats(20, 120)),
        "pieces": mostly(st.sampled_from([-1, -1.0, 0, 12.5])),
        "else": values,
    },
)
FINE = {"temperature": 21.5, "humidity": 40, "pressure": 101.3, "light": 300}

Made = tuple[str, bytes]


def _plain(fields: Mapping[str, Any], at: datetime) -> Made:
    time = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"city/{DEV_EUI}/measures", json.dumps({"time": time, **fields}).encode()


def _status(level: float, at: datetime) -> Made:
    topic, payload = chirpstack(b"", at=at)
    body = json.loads(payload)
    status = {key: body[key] for key in ("deduplicationId", "time", "deviceInfo")}
    return topic.replace("/up", "/status"), json.dumps({**status, "batteryLevel": level}).encode()


times = st.one_of(
    st.integers(0, 3600).map(lambda seconds: NOW + timedelta(seconds=seconds)),
    st.integers(0, 3600).map(lambda seconds: NOW + timedelta(seconds=seconds, microseconds=123456)),
    st.integers(0, 3600).map(lambda seconds: NOW - timedelta(seconds=seconds, microseconds=1)),
    st.timedeltas(timedelta(days=-1), timedelta(hours=20)).map(lambda since: NOW + since),
    st.sampled_from([datetime(1970, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)]),
)
gateways = st.lists(
    st.fixed_dictionaries(
        {"gatewayId": st.sampled_from(["a", "b", ""]), "rssi": st.sampled_from([-97, -50.5, 0, "NaN", -1e9])},
        optional={"snr": st.sampled_from([6.5, -3, "NaN"])},
    ),
    max_size=3,
)
shown = st.one_of(
    st.builds(_plain, decoded, times),
    st.builds(lambda fields, at: chirpstack(b"", at=at, object=fields), decoded, times),
    st.builds(
        lambda fields, at, heard: chirpstack(b"", at=at, object=fields, rxInfo=heard),
        decoded,
        times,
        gateways,
    ),
    st.builds(
        lambda fields, at, level: the_things_stack(
            b"\x01", at=at, decoded_payload=fields, last_battery_percentage={"value": level}
        ),
        decoded,
        times,
        mostly(st.floats(0, 100)),
    ),
    st.builds(_status, mostly(st.floats(0, 100)), times),
    st.builds(lambda at: the_things_stack(b"", f_port=0, at=at), times),
)
acme = st.builds(
    Device,
    id=st.just(DEV_EUI),
    profile=st.sampled_from(
        [*(f"acme-{name}" for name in TYPES), "acme-battery", "cayenne-lpp", "normalized"]
    ),
    entity_type=st.sampled_from([None, None, "NoiseLevelObserved", "WeatherObserved"]),
    place=st.sampled_from([None, "aula"]),
    name=st.sampled_from([None, "100 % “Eilpe”"]),
    position=st.sampled_from([HERE, HERE, HERE, None]),
    simulated=st.booleans(),
    parameters=st.sampled_from(PARAMETERS),
    attributes=st.sampled_from(ATTRIBUTES),
)


async def agree(device: Device, shown: list[Made]) -> None:
    quick, whole = world(device, Templates()), world(device, WholeWay())
    messages = [
        Message(source="any", topic=topic, payload=payload, received_at=NOW) for topic, payload in shown
    ]
    messages.insert(1, Message(source=REGISTRY, topic=device.id, payload=b"{}", received_at=NOW))
    for message in messages:
        ours, right = await translate(message, quick), await translate(message, whole)
        assert said(ours) == said(right)
    assert [said(done) for done in await translate_all(messages, quick)] == [
        said(done) for done in await translate_all(messages, whole)
    ]


@settings(max_examples=120, deadline=None)
@given(device=acme, later=st.lists(shown, min_size=1, max_size=4))
async def test_both_ways_give_the_same_for_decoded_fields(device: Device, later: list[Made]) -> None:
    everything = {
        **FINE,
        "noise": 50.0,
        "deep": {"level": 1.2},
        "any_1": 400,
        "taken": True,
        "state": "ok",
        "bat": 2.5,
    }
    await agree(device, [_plain(FINE, NOW), _plain(everything, NOW), *later])


@pytest.mark.parametrize(
    ("entity_type", "parameters", "fields"),
    [
        pytest.param(
            "NoiseLevelObserved", {"period": 900}, {"noise": 51.5}, id="a period that began earlier"
        ),
        pytest.param(
            "WeatherObserved", {}, {"humidity": 1e-8}, id="smaller than what is kept of a conversion"
        ),
        pytest.param("WeatherObserved", {}, {"humidity": 2 / 3}, id="more decimals than are kept"),
        pytest.param("AirQualityObserved", {}, {"pieces": 2**31}, id="beyond 32 bits"),
        pytest.param("WeatherObserved", {}, {"temperature": 1, "again": 2}, id="one quantity twice"),
    ],
)
async def test_both_ways_give_the_same_for_what_is_rare(
    entity_type: str, parameters: Mapping[str, float], fields: Mapping[str, Any]
) -> None:
    device = Device(
        id=DEV_EUI, profile=f"acme-{entity_type}", position=HERE, name="Eilpe", parameters=parameters
    )
    await agree(device, [_plain(fields, NOW + timedelta(seconds=second)) for second in range(3)])


CODECS = {
    "elsys-ers-co2": ("elsys", {"temperature": 21.5, "humidity": 40, "light": 300, "co2": 612, "vdd": 3600}),
    "decentlab-dl-atm41": (
        "decentlab.dl_atm41",
        {"air_temperature": 21.5, "atmospheric_pressure": 98.5, "battery_voltage": 2.55},
    ),
    "dragino-ldds75": ("dragino.ldds75", {"Bat": 3.3, "Distance": 500}),
}


@settings(max_examples=80, deadline=None)
@given(
    profile=st.sampled_from(sorted(CODECS)),
    parameters=st.sampled_from(PARAMETERS),
    later=st.lists(
        st.tuples(st.binary(max_size=30), st.sampled_from([chirpstack, the_things_stack]), times),
        min_size=1,
        max_size=4,
    ),
)
async def test_both_ways_give_the_same_for_payloads(
    profile: str, parameters: Mapping[str, float], later: list[tuple[bytes, Callable[..., Made], datetime]]
) -> None:
    device = Device(id=DEV_EUI, profile=profile, position=HERE, name="Eilpe", parameters=parameters)
    codec, fields = CODECS[profile]
    f_port, good = encode(codec, fields)
    # Bytes of a good frame changed from some place on are mostly still a frame.
    cuts = [good[: len(good) - len(tail)] + tail for tail, _, _ in later]
    await agree(
        device,
        [
            chirpstack(good, f_port=f_port, at=NOW),
            *(make(cut, f_port=f_port, at=at) for cut, (_, make, at) in zip(cuts, later, strict=True)),
            *(make(tail, f_port=f_port, at=at) for tail, make, at in later),
        ],
    )


def plain_measure(minute: int) -> Made:
    return _plain({**FINE, "temperature": 20 + minute / 10}, NOW + timedelta(minutes=minute))


def by_codec(profile: str, envelope: Callable[..., Made]) -> Callable[[int], Made]:
    codec, fields = CODECS[profile]

    def make(minute: int) -> Made:
        f_port, payload = encode(codec, fields)
        return envelope(payload, f_port=f_port, f_cnt=minute, at=NOW + timedelta(minutes=minute))

    return make


def by_the_network(minute: int) -> Made:
    return the_things_stack(b"\x01", at=NOW + timedelta(minutes=minute), decoded_payload=FINE)


def of_status(minute: int) -> Made:
    return _status(75.5, NOW + timedelta(minutes=minute))


@pytest.mark.parametrize(
    ("profile", "make"),
    [
        ("acme-WeatherObserved", plain_measure),
        ("acme-WeatherObserved", by_the_network),
        ("acme-WeatherObserved", of_status),
        *((profile, by_codec(profile, chirpstack)) for profile in CODECS),
        *((profile, by_codec(profile, the_things_stack)) for profile in CODECS),
    ],
)
async def test_what_is_like_the_message_before_goes_the_quick_way(
    profile: str, make: Callable[[int], Made]
) -> None:
    known = world(Device(id=DEV_EUI, profile=profile, position=HERE, name="Eilpe"), Templates())
    messages = [
        Message(source="any", topic=topic, payload=payload, received_at=NOW + timedelta(hours=1))
        for topic, payload in map(make, range(10))
    ]
    (first,) = await translate_all(messages[:1], known)
    later = await translate_all(messages[1:], known)
    assert (known.templates.whole, known.templates.quick) == (1, 9)
    for done in later:
        assert done.problems == ()
        for before, update in zip(first.entities, done.entities, strict=True):
            assert update.rest is before.rest
            assert update.measured is before.measured
            assert update.json == update.head + update.still + b"}"


@pytest.mark.parametrize(
    ("changed", "quick"),
    [
        ({"name": "Haspe"}, 3),
        ({"position": Position(longitude=7.4, latitude=51.3)}, 3),
        ({"profile": "acme-AirQualityObserved"}, 2),
        ({"place": "aula"}, 3),
        ({"parameters": {"period": 60}}, 2),
        ({"owner": "Stadtwerke"}, 2),
        ({"attributes": {"address": {"addressLocality": "Hagen"}}}, 2),
    ],
)
async def test_a_new_registration_makes_other_entities_at_once(changed: dict[str, Any], quick: int) -> None:
    device = Device(id=DEV_EUI, profile="acme-WeatherObserved", position=HERE, name="Eilpe")
    devices = {device.id: device}
    known = replace(world(device, Templates()), devices=devices)
    messages = [
        Message(source="any", topic=topic, payload=payload, received_at=NOW)
        for topic, payload in map(plain_measure, range(3))
    ]
    await translate_all(messages[:2], known)
    devices[device.id] = replace(device, **changed)
    right = await translate(messages[2], world(devices[device.id], WholeWay()))
    assert said(await translate(messages[2], known)) == said(right)
    assert said(await translate(messages[2], known)) == said(right)
    assert known.templates.quick == quick


texts = st.text(max_size=5) | st.sampled_from(["100 % €", "%b", '"\\', "urn:ngsi-ld:Device:hagen:a", "ok"])
places = st.builds(
    Position,
    longitude=st.floats(-181, 181) | st.integers(7, 8),
    latitude=st.floats(-91, 91) | st.just(float("nan")),
    altitude=st.none() | st.floats(-10, 3000) | st.just(float("inf")),
)
REGISTERED: dict[str, st.SearchStrategy[Any]] = {
    "id": st.text(min_size=1, max_size=5).map(lambda text: f"d{text}") | st.just(DEV_EUI),
    "name": st.none() | texts,
    "place": st.none() | texts,
    "position": st.none() | places,
    "owner": st.sampled_from([None, "Stadt"]),
    "simulated": st.booleans(),
    "installed_at": st.sampled_from(
        [None, NOW, NOW.replace(tzinfo=None), NOW.astimezone(timezone(timedelta(hours=1)))]
    ),
    "attributes": st.sampled_from(ATTRIBUTES),
}
# Of another device: its id, and one thing more that is different.
others = st.one_of(
    *(st.fixed_dictionaries({"id": REGISTERED["id"], name: REGISTERED[name]}) for name in REGISTERED)
)


@settings(max_examples=200)
@given(
    st.sampled_from(TYPES),
    st.fixed_dictionaries(REGISTERED),
    st.lists(others, min_size=1, max_size=6),
    st.sampled_from([None, "Haspe"]),
    st.sampled_from([None, HERE]),
)
async def test_a_device_like_another_is_like_it_at_once(
    entity_type: str,
    first: dict[str, Any],
    more: list[dict[str, Any]],
    name: str | None,
    position: Position | None,
) -> None:
    profile = f"acme-{entity_type}"
    fine = {"id": "fine", "name": "Fine", "position": HERE}
    known = world(Device(id="-", profile=profile), Templates())
    for registered in (fine, {**fine, "id": "b"}, first, *({**first, **other} for other in more)):
        device = Device(**{**registered, "profile": profile})
        heard = Uplink(
            network="plain",
            device_id=device.id,
            observed_at=NOW,
            decoded=FINE,
            name=name,
            position=position,
        )
        message = Message(source="made", topic=device.id, payload=b"{}", received_at=NOW)
        now = replace(known, devices={device.id: device}, readers={"made": partial(_said, heard)})
        quick = await translate(message, now)
        whole = await translate(message, replace(now, templates=WholeWay()))
        assert said(quick) == said(whole)
    assert known.templates.quick


def _said(heard: Uplink, _message: Message) -> Uplink:
    return heard


async def test_devices_that_differ_by_name_and_place_share_all_else() -> None:
    devices = {
        name: Device(id=name, profile="acme-WeatherObserved", position=HERE, name=f"Box {name}")
        for name in "abcdef"
    }
    known = replace(world(devices["a"], Templates()), devices=devices)
    done = []
    for name in devices:
        topic, payload = _plain(FINE, NOW)
        topic = topic.replace(DEV_EUI, name)
        done.append(
            await translate(Message(source="any", topic=topic, payload=payload, received_at=NOW), known)
        )
    assert (known.templates.whole, known.templates.quick) == (1, 5)
    names = [one.entities[0].body["name"]["value"] for one in done]
    assert names == [f"Box {name}" for name in devices]
    groups = {id(cast("Plan", one.entities[0].rest).group) for one in done}
    assert len(groups) == 1


async def test_a_devices_second_message_with_an_odd_value_names_it() -> None:
    known = world(Device(id=DEV_EUI, profile="acme-WeatherObserved", position=HERE), Templates())
    shown = [_plain(FINE, NOW), _plain({**FINE, "temperature": "hot"}, NOW), _plain(FINE, NOW)]
    done = await translate_all(
        [Message(source="any", topic=topic, payload=payload, received_at=NOW) for topic, payload in shown],
        known,
    )
    assert [len(each.problems) for each in done] == [0, 1, 0]
    assert "must be a number" in done[1].problems[0].sentence
    assert {each.entities[0].still for each in done} == {done[0].entities[0].still}
    assert done[1].entities[0].rest is done[0].entities[0].rest


async def test_plans_of_devices_that_are_gone_are_thrown_away() -> None:
    devices: dict[str, Device] = {}
    templates = Templates()
    known = replace(world(Device(id="-", profile="-"), templates), devices=devices)
    for number in range(1100):
        name = f"station-{number}"
        devices.clear()
        devices[name] = Device(id=name, profile="acme-WeatherObserved", position=HERE, name=name)
        topic, payload = _plain(FINE, NOW)
        message = Message(source="any", topic=topic.replace(DEV_EUI, name), payload=payload, received_at=NOW)
        assert (await translate(message, known)).problems == ()
    assert (templates.whole, templates.quick) == (1, 1099)  # all but the first are like the first
    assert len(templates) < 1050
