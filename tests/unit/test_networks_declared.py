# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Plain JSON by declared paths: arrays of measurements, and times in every common form."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.networks.declared import DeclaredFormat
from adapters.networks.envelope import read_uplink
from adapters.networks.times import read_time
from compose.readers import source_readers
from compose.settings import load_settings
from models.device import FieldMapping
from models.errors import ConfigurationError, EnvelopeError, MessageError, UnknownEnvelopeError
from models.message import Message

if TYPE_CHECKING:
    from models.uplink import Uplink

RECEIVED = datetime(2026, 11, 23, 9, 0, 5, tzinfo=UTC)
NINE = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LEVEL = (FieldMapping(path="wl", quantity="water.level", unit="CMT"),)
TWO = (
    {"time": "2026-11-23T08:50:00+00:00", "water.level": 1.5},
    {"time": "2026-11-23T09:00:00+00:00", "water.level": 1.25},
)


def read(form: DeclaredFormat, body: Any, topic: str = "city/p1/up") -> Uplink:
    return read_uplink(
        Message(source="mqtt", topic=topic, payload=orjson.dumps(body), received_at=RECEIVED), form
    )


def declared(**given: Any) -> DeclaredFormat:
    return DeclaredFormat(topic="city/{device}/up", fields=given.pop("fields", LEVEL), **given)


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (
            declared(time="t", measurements="data.rows"),
            {"data": {"rows": [{"t": 1795423800, "wl": 150}, {"t": 1795424400, "wl": 125}]}},
        ),
        (
            declared(time="t"),
            [{"t": "2026-11-23T08:50:00Z", "wl": 150}, {"t": "20261123T090000Z", "wl": "125"}],
        ),
        (declared(time="t"), {"t": [1795423800000, 1795424400000], "wl": [150, 125]}),
        (
            declared(time="0", fields=(FieldMapping(path="1", quantity="water.level", unit="CMT"),)),
            [["23.11.2026 08:50Z", 150], ["2026-11-23 10:00+01", 125]],
        ),
        (
            declared(time="ts", name="n", value="v"),
            [{"n": "wl", "v": 125, "ts": 1795424400.0}, {"n": "wl", "v": 150, "ts": 1795423800}],
        ),
        (
            declared(time="t", zone="Europe/Berlin", key="id"),
            {"id": 1, "t": ["23.11.2026 09:50", "2026-11-23 10:00"], "wl": [150, 125]},
        ),
    ],
)
def test_several_measurements_are_several_moments(form: DeclaredFormat, body: Any) -> None:
    uplink = read(form, body)
    assert uplink.normalized == TWO
    assert (uplink.device_id, uplink.observed_at, uplink.device_time) == ("p1", NINE, True)
    assert uplink.decoded is None
    assert uplink.moments == ()


def test_one_measurement_is_left_to_the_profile() -> None:
    form = DeclaredFormat(topic="x", device="meta.id", measurements="m", time="zeit", zone="Europe/Berlin")
    uplink = read(
        form, {"meta": {"id": "7"}, "zeit": "23.11.2026 10:00", "m": {"temp": 5, "a": {"b": 1}}}, "x"
    )
    assert (uplink.device_id, uplink.observed_at) == ("7", NINE)
    assert uplink.decoded == {"temp": 5, "a": {"b": 1}}
    assert uplink.normalized == ({"time": "2026-11-23T09:00:00+00:00", "air.temperature": 5},)


def test_device_in_an_array_and_nothing_in_it() -> None:
    form = DeclaredFormat(topic="#", device="0.id")
    assert read(form, [{"id": "p9", "temp": 5}]).device_id == "p9"
    empty = read(declared(time="t"), [])
    assert (empty.kind, empty.observed_at, empty.device_time) == ("status", RECEIVED, False)


@pytest.mark.parametrize(
    ("form", "body", "words"),
    [
        (declared(measurements="rows"), {}, "The field rows is missing"),
        (declared(measurements="rows"), {"rows": 5}, "The field rows is missing or neither"),
        (declared(time="t"), [{"wl": 1}], "measurement 1 has no t"),
        (declared(time="t"), [{"t": 1, "wl": 1}, 5], "measurement 2 has no t"),
        (declared(), [{"wl": 1}, 5], "measurement 2 is neither"),
        (declared(time="t"), {"t": [1, 2], "wl": [1]}, "not of one length"),
        (declared(time="t"), [{"t": "23.11.2026 10:00"}], "no time zone"),
        (declared(name="n", value="v"), [{"v": 1}], "measurement 1 has no name at n"),
        (declared(), [{}] * 10_001, "more than 10,000 measurements"),
    ],
)
def test_what_is_not_as_declared_is_named(form: DeclaredFormat, body: Any, words: str) -> None:
    with pytest.raises(EnvelopeError, match=words) as caught:
        read(form, body)
    assert caught.value.device_id == "p1"


def test_another_topic_is_refused() -> None:
    assert declared().matches("city/p1/up")
    with pytest.raises(UnknownEnvelopeError, match="does not match"):
        read(declared(), [], "city/p1/down")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"zone": "Hagen"}, "There is no time zone “Hagen”"),
        ({"zone": "../etc/passwd"}, "There is no time zone"),
        ({"name": "n"}, "needs both name and value"),
        ({"fields": (FieldMapping(path="x", quantity="nonsense"),)}, "no quantity “nonsense”"),
        ({"fields": (FieldMapping(path="x", quantity="water.level", unit="CEL"),)}, "cannot be converted"),
    ],
)
def test_a_format_that_cannot_be(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        declared(**given)


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2026-11-23T09:00:00Z", NINE),
        ("2026-11-23t09:00:00z", NINE),
        ("2026-11-23T14:30:00.000+05:30", NINE),
        ("2026-11-23T10:00+0100", NINE),
        ("2026-11-22 23:00:00 -10", NINE),
        ("20261123T090000Z", NINE),
        ("2026-11-23 10:00", NINE),
        ("2026-11-23 10:00:00,000", NINE),
        ("2026-07-23 10:00", datetime(2026, 7, 23, 8, 0, tzinfo=UTC)),
        ("23.11.2026 10:00", NINE),
        ("23.11.2026, 10:00:00 Uhr", NINE),
        ("3.1.2026 9:05", datetime(2026, 1, 3, 8, 5, tzinfo=UTC)),
        (1795424400, NINE),
        ("1795424400", NINE),
        (1795424400.25, NINE.replace(microsecond=250000)),
        (1795424400000, NINE),
        (1795424400000123, NINE.replace(microsecond=123)),
        (1795424400000123456, NINE.replace(microsecond=123)),
        ("2026-11-23T08:59:60Z", NINE.replace(hour=8, minute=59, second=59)),
        ("2026-11-23T09:00:00.123456789Z", NINE.replace(microsecond=123456)),
    ],
)
def test_times_of_every_form(value: Any, at: datetime) -> None:
    assert read_time(value, named="t", zone="Europe/Berlin", received_at=RECEIVED) == at


def test_the_hour_that_comes_twice() -> None:
    # 25 October 2026: after 02:59 of summer time it is 02:00 again.
    text = "25.10.2026 02:30"
    summer, winter = (datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1))
    for received, meant in ((summer, summer), (winter, winter), (None, summer)):
        assert read_time(text, named="t", zone="Europe/Berlin", received_at=received) == meant


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("gestern", "auto"), ("", "auto"), (None, "auto"), (True, "auto"), ([], "auto"), ({}, "auto"),
        ("2026-13-01T00:00:00Z", "auto"), ("30.02.2026 10:00", "auto"), ("2026-11-23T25:00:00Z", "auto"),
        ("2026-11-23T10:00:00+99:00", "auto"), ("0001-01-01T00:00:00+01:00", "auto"),
        ("9999-12-31T23:59:59-01:00", "auto"), (1e300, "auto"), (-1e18, "s"), (1e15, "s"),
        (1795424400, "rfc3339"), ("23.11.2026 10:00", "rfc3339"), ("2026-11-23T10:00:00Z", "ms"),
        ("٢٠٢٦-11-23T10:00:00Z", "auto"),
    ],
)  # fmt: skip
def test_what_is_no_time(value: Any, form: Any) -> None:
    with pytest.raises(EnvelopeError, match="The field t"):
        read_time(value, named="t", form=form, zone="Europe/Berlin")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("abt0123456789-:.TZ ", max_size=25),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("twnv0"), inner),
)
FORMS = (
    declared(time="t", zone="Europe/Berlin"),
    declared(time="t", name="n", value="v"),
    declared(time="0", fields=(FieldMapping(path="1", quantity="water.level"),)),
    declared(measurements="wl", fields=()),
)


@given(
    st.sampled_from(FORMS), st.lists(JSON, max_size=4) | st.dictionaries(st.sampled_from(["t", "wl"]), JSON)
)
def test_any_json_is_read_or_refused_by_name(form: DeclaredFormat, body: Any) -> None:
    try:
        uplink = read(form, body)
    except MessageError as error:
        refused = error.sentence
        assert refused.endswith(".")
    else:
        assert uplink.device_id == "p1"


@pytest.mark.parametrize(
    ("given", "body"),
    [
        (
            {
                "measurements": "",
                "time": "t",
                "quantities": {"wl": {"quantity": "water.level", "unit": "CMT"}},
            },
            [{"t": "2026-11-23T09:00:00Z", "wl": 125}],
        ),
        (
            {"time": "t", "zone": "Europe/Berlin", "quantities": {"wl": "water.level"}},
            {"t": "23.11.2026 10:00", "wl": 1.25},
        ),
        (
            {"time": "t", "time_unit": "us", "name": "n", "value": "v", "quantities": {"wl": "water.level"}},
            {"t": 1795424400000000, "n": "wl", "v": 1.25},
        ),
    ],
)
def test_an_operator_declares_it_in_the_settings(given: dict[str, Any], body: Any) -> None:
    plain = [{"source": "mqtt", "topic": "city/{device}/up", **given}]
    reader = source_readers(load_settings(None, plain=plain))["mqtt"]
    uplink = reader(
        Message(source="mqtt", topic="city/p1/up", payload=orjson.dumps(body), received_at=RECEIVED)
    )
    assert uplink.normalized == ({"time": "2026-11-23T09:00:00+00:00", "water.level": 1.25},)


def test_settings_that_cannot_be() -> None:
    topic = {"source": "mqtt", "topic": "city/{device}/up"}
    with pytest.raises(ConfigurationError, match="say the same"):
        load_settings(None, plain=[{**topic, "fields": "a", "measurements": "b"}])
    settings = load_settings(None, plain=[{**topic, "quantities": {"wl": "water.levl"}}])
    with pytest.raises(ConfigurationError, match=r"no quantity “water\.levl”"):
        source_readers(settings)
