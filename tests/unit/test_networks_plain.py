# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Plain MQTT JSON by a declared topic and declared paths."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal, get_args

import orjson
import pytest

from adapters.networks.envelope import NETWORKS, read_uplink
from adapters.networks.plain import PlainFormat
from compose.settings import Network
from models.errors import ConfigurationError, EnvelopeError, UnknownEnvelopeError
from models.message import Message
from models.uplink import Uplink

RECEIVED = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def read(form: PlainFormat, topic: str, body: Any) -> Uplink:
    return read_uplink(
        Message(source="city", topic=topic, payload=orjson.dumps(body), received_at=RECEIVED), form
    )


def test_device_in_the_topic_and_the_whole_object_measured() -> None:
    form = PlainFormat(topic="city/{device}/measures")
    assert read(form, "city/gauge-7/measures", {"level": 1.2}) == Uplink(
        network="plain", device_id="gauge-7", observed_at=RECEIVED, decoded={"level": 1.2}
    )


def test_device_time_key_and_fields_by_path() -> None:
    form = PlainFormat(
        topic="{area}/+/#", device="{area}-{meta.ids.0}", time="meta.at", fields="data", key="meta.n"
    )
    body = {"meta": {"ids": [17], "at": "2026-03-01T13:00:00+01:00", "n": "a-1"}, "data": {"level": 1.2}}
    assert read(form, "north/x/y/z", body) == Uplink(
        network="plain",
        device_id="north-17",
        observed_at=NOON,
        device_time=True,
        key="a-1",
        decoded={"level": 1.2},
    )
    assert read(PlainFormat(topic="#", device="meta.ids.0"), "any/thing", body).device_id == "17"


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        ("auto", "2026-03-01T12:00:00.000000000Z"),
        ("rfc3339", "2026-03-01 12:00:00Z"),
        ("auto", 1772366400),
        ("auto", 1772366400000),
        ("s", 1772366400.0),
        ("ms", 1772366400000),
    ],
)
def test_times_are_understood(unit: Literal["auto", "rfc3339", "s", "ms"], value: Any) -> None:
    uplink = read(PlainFormat(topic="{device}", time="t", time_unit=unit), "d", {"t": value})
    assert (uplink.observed_at, uplink.device_time) == (NOON, True)


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        ("auto", None),
        ("auto", True),
        ("auto", "noon"),
        ("auto", 1e300),
        ("s", "2026-03-01T12:00:00Z"),
        ("rfc3339", 1772366400),
    ],
)
def test_what_is_no_time_is_named(unit: Literal["auto", "rfc3339", "s", "ms"], value: Any) -> None:
    with pytest.raises(EnvelopeError, match="The field t ") as caught:
        read(PlainFormat(topic="{device}", time="t", time_unit=unit), "d", {"t": value})
    assert caught.value.device_id == "d"


@pytest.mark.parametrize(
    ("topic", "matching", "other"),
    [
        (
            "city/{device}/measures",
            ["city/a/measures"],
            ["city/a", "city/a/b/measures", "city//measures", "x"],
        ),
        ("city/+/{device}", ["city/a/b", "city//b"], ["city/a/b/c"]),
        ("city/{device}/#", ["city/a", "city/a/b", "city/a/b/c"], ["city", "town/a"]),
        ("/ingest/{device}", ["/ingest/a"], ["ingest/a"]),
        ("a.c/{device}", ["a.c/x"], ["abc/x"]),
    ],
)
def test_topics_match_as_mqtt_filters_do(topic: str, matching: list[str], other: list[str]) -> None:
    form = PlainFormat(topic=topic)
    assert all(form.matches(each) for each in matching)
    assert not any(form.matches(each) for each in other)
    with pytest.raises(UnknownEnvelopeError, match="does not match"):
        read(form, other[0], {})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"topic": "city/#/{device}"}, "'#' cannot be one of its levels"),
        ({"topic": "city/a+/{device}"}, "'a\\+' cannot be"),
        ({"topic": "city/x{device}"}, "cannot be one of its levels"),
        ({"topic": "{device}/{device}"}, "names two levels alike"),
        ({"topic": "city/+"}, "does not say where the device's id is"),
        ({"topic": "city/+", "device": ""}, "empty or unprintable"),
    ],
)
def test_a_format_that_cannot_work_is_refused_at_the_start(arguments: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        PlainFormat(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("form", "body", "words"),
    [
        (PlainFormat(topic="+", device="id"), {}, "The field id is missing"),
        (PlainFormat(topic="+", device="id"), {"id": 1.5}, "The field id is missing or neither"),
        (PlainFormat(topic="+", device="id"), {"id": "a b"}, "id has spaces"),
        (PlainFormat(topic="+", device="id"), {"id": "a\x07"}, "control characters"),
        (PlainFormat(topic="+", device="id"), {"id": "a" * 201}, "more than 200"),
        (
            PlainFormat(topic="{device}", fields="data"),
            {"data": [1]},
            "The field data is missing or no object",
        ),
        (PlainFormat(topic="{device}", key="n"), {"n": None}, "The field n is missing"),
        (PlainFormat(topic="{device}"), [1], "is an array where an envelope is an object"),
        (PlainFormat(topic="{device}"), 3.5, "is a number where an envelope is an object"),
    ],
)
def test_a_wrong_payload_is_named(form: PlainFormat, body: Any, words: str) -> None:
    with pytest.raises(EnvelopeError, match=words):
        read(form, "d", body)


def test_an_unknown_network_is_a_matter_of_configuration() -> None:
    assert {"auto", *NETWORKS} == set(get_args(Network))
    message = Message(source="x", topic="t", payload=b"{}", received_at=RECEIVED)
    with pytest.raises(ConfigurationError, match="The network sigfox is unknown"):
        read_uplink(message, "sigfox")
