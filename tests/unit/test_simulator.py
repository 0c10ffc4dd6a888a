# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import orjson
import pytest

from adapters.codecs.decoding import TABLES, Codecs, decode_table
from adapters.networks.envelope import read_uplink
from adapters.networks.plain import PlainFormat
from adapters.profiles import find_profile, load_profiles
from adapters.sources.simulator import Installation, Simulator, devices, installations
from adapters.sources.simulator.catalogue import gateways
from adapters.sources.simulator.courses import COURSES
from adapters.sources.simulator.moment import Moment
from adapters.sources.simulator.weather import rain_rate
from adapters.templates import Templates
from adapters.translate import World, translate
from models.device import Device
from models.errors import ConfigurationError
from models.message import Message
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.uplink import Uplink

SEED = 2026
NOON = datetime(2026, 6, 16, 10, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
PLAIN = PlainFormat(topic="hagen/{device}/measures", time="time")
PLACES: Mapping[str, Installation] = {str(each.device.place): each for each in installations()}
LORAWAN = {"the_things_stack", "chirpstack"}
EVERY = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())


def read(message: Message) -> Uplink:
    return read_uplink(message, PLAIN if PLAIN.matches(message.topic) else "auto")


def message_at(place: Installation, at: datetime, simulator: Simulator | None = None) -> Message:
    topic, payload = (simulator or Simulator(SEED)).uplinks(place.device, at)
    return Message(source="mqtt", topic=topic, payload=payload, received_at=at)


def values_at(name: str, at: datetime) -> Mapping[str, float]:
    place = PLACES[name]
    return COURSES[place.choice("kind")](Moment.of(SEED, place, at))


def berlin(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=BERLIN).astimezone(UTC)  # type: ignore[misc, arg-type] # year to minute


# --- what hangs where --------------------------------------------------------------------------------


def test_one_device_of_every_profile_and_few_of_most() -> None:
    assert {place.device.profile for place in PLACES.values()} == set(load_profiles())
    assert 70 <= len(devices()) <= 110


def test_ids_and_places_of_their_own() -> None:
    known = devices()
    assert len({device.id for device in known}) == len(known)
    assert len({(device.entity_type, device.place) for device in known}) == len(known)
    assert len({device.name for device in known}) == len(known)


def test_every_device_says_that_it_is_simulated() -> None:
    for device in devices():
        assert device.simulated
        assert device.name is not None
        assert device.name.endswith(" (simuliert)")
        assert device.profile == "parking-site" or device.id.startswith(
            ("70b3d57ed0", "fe", "simuliert-", "esp8266-58095")
        )


def test_everything_is_within_hagen() -> None:
    for position in (*(device.position for device in devices()), *(each.position for each in gateways())):
        assert position is not None
        assert 7.38 <= position.longitude <= 7.63
        assert 51.28 <= position.latitude <= 51.43


def test_all_ten_impact_areas_and_the_types_of_devices_are_served() -> None:
    assert {area for place in PLACES.values() for area in place.impact_areas} == {
        "Mobilität",
        "Klima und Nachhaltigkeit",
        "Integration und Teilhabe",
        "Verwaltung",
        "Katastrophenschutz",
        "Stadtentwicklung",
        "Bildung",
        "Kultur",
        "Wirtschaft",
        "Wissenschaft",
    }
    assert {place.device.entity_type for place in PLACES.values()} == {
        "WeatherObserved",
        "AirQualityObserved",
        "NoiseLevelObserved",
        "WaterObserved",
        "FloodMonitoring",
        "IndoorEnvironmentObserved",
        "GreenspaceRecord",
        "ParkingSpot",
        "WasteContainer",
        "CrowdFlowObserved",
        "TrafficFlowObserved",
        "WaterQualityObserved",
        "PhreaticObserved",
        "AgriParcelRecord",
        "ACMeasurement",
        "SmartMeteringObservation",
        "DeviceMeasurement",
        "WaterConsumptionObserved",
        "OffStreetParking",
    }


def test_every_kind_of_input_is_seen() -> None:
    networks = Counter(place.network for place in PLACES.values())
    assert min(networks["the_things_stack"], networks["chirpstack"]) >= 15
    assert networks["plain"] >= 2
    assert networks["sensor_community"] == networks["opensensemap"] == 1
    kinds = {(place.network, place.form) for place in PLACES.values() if place.network in LORAWAN}
    assert kinds == {
        ("the_things_stack", "bytes"),
        ("the_things_stack", "decoded"),
        ("the_things_stack", "normalized"),
        ("chirpstack", "bytes"),
        ("chirpstack", "decoded"),
    }
    profiles = load_profiles()
    by_bytes = {profiles[place.device.profile].codec for place in PLACES.values() if place.form == "bytes"}
    assert {"decentlab.dl_atm41", "decentlab.dl_mbx", "dragino.ldds75", "elsys", "cayenne_lpp"} <= by_bytes


def test_an_unknown_city_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="only hagen"):
        devices("atlantis")


# --- frames ------------------------------------------------------------------------------------------


@EVERY
def test_a_frame_repeats_and_depends_on_the_seed(place: Installation) -> None:
    first, again = (Simulator(SEED).uplinks(place.device, NOON) for _ in range(2))
    assert first == again
    assert Simulator(SEED + 1).uplinks(place.device, NOON) != first


@EVERY
def test_envelopes_are_read_as_those_of_their_networks(place: Installation) -> None:
    message = message_at(place, NOON)
    uplink = read(message)
    assert uplink.network == place.network
    assert uplink.kind == "data"
    assert uplink.device_id == place.device.id
    assert NOON - timedelta(seconds=place.interval) < uplink.observed_at <= NOON
    if place.network not in LORAWAN:
        assert uplink.decoded is not None
        assert place.network != "plain" or uplink.decoded["simulated"] is True
        return
    assert uplink.payload
    assert uplink.f_cnt
    assert uplink.key
    assert uplink.gateway is not None
    assert uplink.rssi is not None
    assert -125 <= uplink.rssi <= -35
    assert uplink.simulated or uplink.tags["simulated"] == "true"
    assert (uplink.decoded is not None) == (place.form != "bytes")
    assert bool(uplink.normalized) == (place.form == "normalized")


@EVERY
def test_the_network_server_names_a_model_that_finds_the_profile(place: Installation) -> None:
    profiles = load_profiles()
    model = read(message_at(place, NOON)).model
    if place.network in {"sensor_community", "opensensemap"}:
        # What a box posts in the form of luftdaten.info is an airRohr's, as far as one can see.
        assert find_profile(profiles, model) == profiles["sensor-community-airrohr"]
        return
    if place.network == "plain" or not (
        place.network == "chirpstack" or profiles[place.device.profile].models
    ):
        assert model == ()
        return
    found = find_profile(profiles, model)
    # ChirpStack knows only the name that somebody typed in there.
    assert found is None or found.name == place.device.profile
    assert found is not None or place.network == "chirpstack"


@EVERY
def test_bytes_and_decoded_object_say_the_same(place: Installation) -> None:
    codec = load_profiles()[place.device.profile].codec
    uplink = read(message_at(place, NOON))
    if codec not in TABLES or uplink.decoded is None:
        assert uplink.decoded is not None or codec in TABLES
        return
    fields = decode_table(codec, uplink.payload, uplink.f_port).fields
    said = {
        key: each.get("value") if isinstance(each, dict) else each for key, each in uplink.decoded.items()
    }
    assert said == pytest.approx(fields)


def test_between_two_frames_the_last_one_is_given_again() -> None:
    place = PLACES["volme-eckesey"]  # every 15 minutes
    frames = [read(message_at(place, NOON + timedelta(seconds=step))) for step in range(0, 1800, 60)]
    times = [frame.observed_at for frame in frames]
    assert times == sorted(times)
    assert len(set(times)) == 3
    assert len({(frame.key, frame.payload) for frame in frames}) == 3
    counts = sorted({frame.f_cnt for frame in frames if frame.f_cnt is not None})
    assert counts == list(range(counts[0], counts[0] + 3))


def test_counters_begin_anew_each_month_and_time_never_goes_back() -> None:
    start = datetime(2026, 2, 28, 21, tzinfo=UTC)
    by_device: defaultdict[str, list[Uplink]] = defaultdict(list)
    times = []
    for at, topic, payload in Simulator(SEED).schedule(start, start + timedelta(hours=6)):
        times.append(at)
        uplink = read(Message(source="mqtt", topic=topic, payload=payload, received_at=at))
        assert uplink.observed_at == at
        by_device[uplink.device_id].append(uplink)
    assert times == sorted(times)
    assert by_device.keys() == {place.device.id for place in PLACES.values()}
    for uplinks in by_device.values():
        assert all(one.observed_at < other.observed_at for one, other in pairwise(uplinks))
        if uplinks[0].network in LORAWAN:
            assert len({uplink.key for uplink in uplinks}) == len(uplinks)
            resets = [other.f_cnt for one, other in pairwise(uplinks) if other.f_cnt != (one.f_cnt or 0) + 1]
            assert resets == [0]


@pytest.mark.parametrize(
    "day", [datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)]
)
def test_every_device_sends_at_its_pace_through_the_night_when_clocks_change(day: datetime) -> None:
    by_topic: defaultdict[str, list[datetime]] = defaultdict(list)
    for at, topic, _ in Simulator(SEED).schedule(day, day + timedelta(hours=6)):
        by_topic[topic].append(at)
    assert len(by_topic) == len(PLACES)
    for times in by_topic.values():
        assert len({other - one for one, other in pairwise(times)}) == 1


def test_a_device_of_somebody_else_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="none of the simulated ones"):
        Simulator(SEED).uplinks(Device(id="0011223344556677", profile="elsys-ers"), NOON)


# --- all the way to entities -------------------------------------------------------------------------


async def test_a_year_of_frames_becomes_entities_without_a_problem() -> None:
    codecs = Codecs()
    world = World(
        city="hagen",
        devices={device.id: device for device in devices()},
        profiles=load_profiles(),
        codecs=codecs,
        readers={"mqtt": read},
    )
    simulator = Simulator(SEED)
    types: Counter[str] = Counter()
    # Every eleventh day, each time at another hour.
    for step in range(34):
        at = datetime(2026, 1, 3, tzinfo=UTC) + timedelta(days=11 * step, hours=(7 * step) % 24)
        for place in PLACES.values():
            done = await translate(message_at(place, at, simulator), world)
            assert [problem.sentence for problem in done.problems] == []
            main = next(entity for entity in done.entities if entity.type == place.device.entity_type)
            # A DeviceMeasurement is one of its device and quantity, whatever the place is called.
            local = place.device.id if main.type == "DeviceMeasurement" else place.device.place
            assert main.id.startswith(f"urn:ngsi-ld:{main.type}:hagen:{local}")
            assert main.body["source"]["value"] == "simulation"
            types[main.type] += 1
    await codecs.close()
    assert sum(types.values()) == 34 * len(PLACES)


async def test_every_device_says_what_its_profile_reads_and_what_its_course_measured() -> None:
    profiles, codecs = load_profiles(), Codecs()
    world = World(
        city="hagen",
        devices={device.id: device for device in devices()},
        profiles=profiles,
        codecs=codecs,
        readers={"mqtt": read},
    )
    for place in PLACES.values():
        message = message_at(place, NOON)
        done = await translate(message, replace(world, templates=Templates()))  # the quick way only counts
        measured = COURSES[place.choice("kind")](Moment.of(SEED, place, read(message).observed_at))
        wanted = {row.quantity for row in profiles[place.device.profile].fields} - AS_SENT
        if place.device.profile not in ("cayenne-lpp", "normalized"):
            assert wanted <= {reading.quantity for reading in done.readings}, place.device.place
        for reading in done.readings:
            # Citizens' stations say no time: what they measured is some minutes older than it seems.
            expected = measured.get(reading.quantity) if place.network in {*LORAWAN, "plain"} else None
            if isinstance(expected, str | bool):
                assert reading.value == expected
            elif expected is not None:
                # To the device's resolution: a percent, a degree, 10 µg/m³ of formaldehyde.
                step = 6.0 if reading.quantity == "air.hcho" else 1.0
                assert reading.value == pytest.approx(expected, rel=0.03, abs=step), reading
    await codecs.close()


# What says something of the device, and not of its place.
AS_SENT = {"battery.level", "battery.voltage"}


# --- courses -----------------------------------------------------------------------------------------


def test_air_in_classrooms_follows_the_lessons_by_local_time() -> None:
    # Lessons begin at 8: 7 o'clock UTC in winter, 6 in summer. The clocks changed on 29 March.
    assert values_at("fichte-gymnasium", berlin(2026, 3, 27, 7, 55))["air.co2"] < 500
    assert values_at("fichte-gymnasium", berlin(2026, 3, 27, 9, 30))["air.co2"] > 900
    assert values_at("fichte-gymnasium", datetime(2026, 3, 30, 6, 45, tzinfo=UTC))["air.co2"] > 800
    assert values_at("fichte-gymnasium", datetime(2026, 3, 27, 6, 45, tzinfo=UTC))["air.co2"] < 500
    assert values_at("fichte-gymnasium", berlin(2026, 3, 28, 9, 30))["air.co2"] < 500
    assert values_at("fichte-gymnasium", berlin(2026, 3, 30, 20, 0))["air.co2"] < 500


def test_rain_lifts_every_river_and_wets_the_soil() -> None:
    # The first real rain after a dry day.
    start = datetime(2026, 5, 1, tzinfo=UTC).timestamp()
    hours = [rain_rate(SEED, start + 3600 * hour) for hour in range(120 * 24)]
    wet = next(
        hour for hour in range(48, len(hours)) if hours[hour] > 1 and max(hours[hour - 36 : hour - 6]) == 0
    )
    before = datetime.fromtimestamp(start + 3600 * (wet - 6), UTC)
    for name, place in PLACES.items():
        if place.choice("kind") == "river":
            later = (before + timedelta(hours=hour) for hour in range(6, 48, 2))
            highest = max(values_at(name, at)["water.level"] for at in later)
            assert highest > values_at(name, before)["water.level"] + 0.02, name
        if place.choice("kind") == "soil":
            after = before + timedelta(hours=14)
            assert values_at(name, after)["soil.moisture"] > values_at(name, before)["soil.moisture"]


def test_a_gauge_stays_between_river_bed_and_sensor() -> None:
    for hour in range(0, 8760, 97):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
        for name, place in PLACES.items():
            if place.choice("kind") == "river":
                assert (
                    0.1
                    < values_at(name, at)["water.level"]
                    < place.device.parameters.get("reference_level", 8)
                )


def test_neighbours_have_nearly_the_same_weather_and_heights_a_lower_pressure() -> None:
    for hour in range(0, 8760, 97):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
        town, hill, lake = (
            values_at(name, at) for name in ("wetter-fernuni", "wetter-stadtgarten", "wetter-hengstey")
        )
        assert abs(town["air.temperature"] - hill["air.temperature"]) < 1.5
        assert lake["air.pressure"] > hill["air.pressure"]
        assert 900 < town["air.pressure"] < 1060
        assert -20 < town["air.temperature"] < 40


def test_the_sun_shines_by_day_and_summer_is_warmer() -> None:
    night, midday = berlin(2026, 7, 1, 1, 0), berlin(2026, 7, 1, 13, 0)
    assert values_at("wetter-fernuni", night)["solar.irradiance"] == 0
    assert values_at("wetter-fernuni", midday)["solar.irradiance"] > 100

    def mean(month: int) -> float:
        times = (datetime(2026, month, day, hour, tzinfo=UTC) for day in range(1, 29) for hour in (2, 14))
        return sum(values_at("wetter-fernuni", at)["air.temperature"] for at in times) / 56

    assert mean(7) - mean(1) > 10


def test_a_container_fills_until_the_morning_it_is_emptied() -> None:
    # The one at Boele is emptied on Wednesdays, at half past six.
    days = [values_at("container-boele", berlin(2026, 6, day, 20, 0))["fill.level"] for day in range(10, 17)]
    assert days == sorted(days)
    assert values_at("container-boele", berlin(2026, 6, 17, 6, 0))["fill.level"] >= days[-1] - 3
    assert values_at("container-boele", berlin(2026, 6, 17, 7, 0))["fill.level"] < 3


def test_streets_are_loud_by_day_and_quiet_at_night() -> None:
    rush, night = berlin(2026, 6, 16, 17, 0), berlin(2026, 6, 16, 3, 0)
    for name in ("laerm-maerkischer-ring", "laerm-wehringhausen", "laerm-vorhalle"):
        assert values_at(name, rush)["noise.laeq"] > values_at(name, night)["noise.laeq"] + 6
        assert values_at(name, rush)["noise.lamax"] > values_at(name, rush)["noise.laeq"]


def test_people_come_when_it_is_open() -> None:
    assert values_at("elberfelder-strasse", berlin(2026, 6, 20, 14, 0))["people.total"] > 150
    assert values_at("elberfelder-strasse", berlin(2026, 6, 20, 3, 0))["people.total"] == 0
    assert values_at("museumsquartier", berlin(2026, 6, 14, 14, 30))["people.total"] > 20
    assert values_at("museumsquartier", berlin(2026, 6, 15, 14, 30))["people.total"] == 0
    assert values_at("freilichtmuseum", berlin(2026, 6, 14, 14, 30))["people.total"] > 50
    assert values_at("freilichtmuseum", berlin(2026, 1, 11, 14, 30))["people.total"] == 0


def test_parking_is_taken_by_day_and_mostly_free_at_night() -> None:
    def share(hour: int) -> float:
        spots = ("stellplatz-hauptbahnhof", "stellplatz-rathaus-1", "stellplatz-ischeland")
        days = [berlin(2026, 6, day, hour, 10) for day in (8, 9, 10, 11, 12, 15, 16, 17, 18, 19)]
        taken = [values_at(spot, day)["occupancy.occupied"] for spot in spots for day in days]
        return sum(taken) / len(taken)

    assert share(12) > 0.6
    assert share(3) < 0.3


def test_batteries_fall_slowly() -> None:
    place = PLACES["volme-eilpe"]
    codec = load_profiles()[place.device.profile].codec

    def volts(at: datetime) -> float:
        uplink = read(message_at(place, at))
        return float(decode_table(codec, uplink.payload, uplink.f_port).fields["battery_voltage"])

    later = [volts(NOON + timedelta(days=30 * month)) for month in range(4)]
    assert later == sorted(later, reverse=True)
    assert 0 < later[0] - later[-1] < 0.1


# --- live --------------------------------------------------------------------------------------------


async def test_live_every_device_speaks_once_and_then_goes_on() -> None:
    heard: list[tuple[str, bytes]] = []
    enough = asyncio.Event()

    async def publish(topic: str, payload: bytes) -> None:
        heard.append((topic, payload))
        if min(Counter(topic for topic, _ in heard).values()) >= 3 and len(heard) > 3 * len(PLACES):
            enough.set()

    task = asyncio.create_task(Simulator(SEED).run(publish, speed=100))
    await asyncio.wait_for(enough.wait(), PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len({topic for topic, _ in heard[: len(PLACES)]}) == len(PLACES)
    counts: defaultdict[str, list[int]] = defaultdict(list)
    for topic, payload in heard:
        body = orjson.loads(payload)
        frame = body.get("uplink_message", body)
        if "uplink_message" in body or "deviceInfo" in body:
            counts[topic].append(frame.get("f_cnt", frame.get("fCnt", 0)))
    assert all(one < other for each in counts.values() for one, other in pairwise(each))


async def test_live_it_ends_with_what_publishing_raises() -> None:
    async def publish(_topic: str, _payload: bytes) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await Simulator(SEED).run(publish)


@pytest.mark.parametrize("pace", [{"speed": 0}, {"speed": -1}, {"interval": 0}])
async def test_a_pace_that_cannot_be_is_refused(pace: dict[str, float]) -> None:
    async def publish(_topic: str, _payload: bytes) -> None:
        pytest.fail("nothing may be published")

    with pytest.raises(ConfigurationError):
        await Simulator(SEED).run(publish, **pace)
