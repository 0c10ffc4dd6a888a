# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""ChirpStack v4 in protobuf: bytes that another implementation made of the published .proto files."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.networks.envelope import read_uplink
from adapters.networks.protobuf import Field, read_message
from models.errors import MalformedPayloadError, MessageError, UnknownEnvelopeError
from models.message import Message
from models.uplink import Position, Uplink

RECEIVED = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
TIME = datetime(2026, 3, 1, 12, 0, 3, 433000, tzinfo=UTC)
TOPIC = "application/0f7d2a2e-0d3b-4a8b-9d43-50a8a7c1f3d2/device/a81758fffe0312ab/event/"
# Made by Google's protobuf for Python from the messages of chirpstack-api 4.20.
VECTORS: dict[str, bytes] = {
    vector["name"]: bytes.fromhex(vector["hex"])
    for vector in json.loads(
        (Path(__file__).parents[1] / "vectors/networks/chirpstack_protobuf.json").read_text()
    )
}


def read(name: str, event: str, network: str = "chirpstack") -> Uplink:
    return read_bytes(VECTORS[name], event, network)


def read_bytes(payload: bytes, event: str, network: str = "chirpstack") -> Uplink:
    return read_uplink(
        Message(source="cs", topic=TOPIC + event, payload=payload, received_at=RECEIVED), network
    )


def test_an_uplink_is_read_whole() -> None:
    assert read("up", "up") == Uplink(
        network="chirpstack",
        kind="data",
        device_id="a81758fffe0312ab",
        observed_at=TIME,
        key="3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
        payload=bytes.fromhex("0100e2022904002705060603310e0a1d"),
        f_port=5,
        f_cnt=918,
        decoded={
            "temperature": 22.6,
            "humidity": 41.0,
            "valid": True,
            "unit": "°C",
            "none": None,
            "channels": [1.0, {"level": 2.5}],
            "nested": {"co2": 817.0},
        },
        rssi=-36,
        snr=10.5,
        gateway="0016c001f153a14c",
        name="Gymnasium Raum 204",
        model=("Elsys ERS CO2",),
        tags={"gebaeude": "G12", "etage": "2. OG"},
    )
    assert read("up", "up", "auto") == read("up", "up")


def test_every_event_is_read() -> None:
    mac = read("mac only", "up")
    assert (mac.kind, mac.f_port, mac.f_cnt, mac.gateway) == ("status", 0, 919, None)
    status = read("status", "status")
    assert (status.kind, status.battery, status.observed_at) == ("status", 0.773, TIME)
    assert read("mains", "status").battery is read("no battery", "status").battery is None
    location = read("location", "location")
    assert location.kind == "location"
    assert location.position == Position(longitude=-7.4717, latitude=51.3585, altitude=106.0)
    assert read("join", "join").kind == "other"


def test_the_topic_must_say_which_event_it_is() -> None:
    with pytest.raises(UnknownEnvelopeError, match="names no event"):
        read("up", "strange")
    with pytest.raises(MalformedPayloadError, match="The message is not UTF-8"):
        read("up", "up", "the_things_stack")


def test_json_after_a_line_feed_stays_json() -> None:
    with pytest.raises(UnknownEnvelopeError, match="deviceInfo has no devEui"):
        read_bytes(b'\n {"deviceInfo": {}}', "up", "auto")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("0a", "a number does not end"),
        ("0affffffffffffffffff7f", "it ends within the field 1"),
        ("0a05", "it ends within the field 1"),
        ("0a01ff", "a text is not UTF-8"),
        ("0a0100", r"U\+0000"),
        ("0801", "its field 1 has the wire type 0"),
        ("03", "the wire type 3 of the field 0 is none|has the number 0"),
        ("0b", "the wire type 3 of the field 1 is none"),
        ("120b08ffffffffffffff7f1001", "a time lies outside"),
        ("0affffffffffffffffffffff", "a number does not end"),
    ],
)
def test_other_bytes_are_named(raw: str, words: str) -> None:
    table = {1: Field(name="text", kind="text"), 2: Field(name="time", kind="time")}
    with pytest.raises(MalformedPayloadError, match=words):
        read_message(bytes.fromhex(raw), table)


def test_a_deep_object_is_refused() -> None:
    inner = b""
    for _ in range(70):  # Struct { fields { key "" value { struct_value } } }
        value = b"\x2a" + _length(inner) + inner
        entry = b"\x12" + _length(value) + value
        inner = b"\x0a" + _length(entry) + entry
    with pytest.raises(MalformedPayloadError, match="nested deeper than 64"):
        read_message(b"\x5a" + _length(inner) + inner, {11: Field(name="object", kind="struct")})


def _length(raw: bytes) -> bytes:
    size, out = len(raw), b""
    while size > 0x7F:
        out += bytes((size & 0x7F | 0x80,))
        size >>= 7
    return out + bytes((size,))


@given(st.sampled_from(sorted(VECTORS)), st.data())
def test_changed_bytes_raise_nothing_but_message_errors(name: str, data: Any) -> None:
    raw = bytearray(VECTORS[name])
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=5)):
        raw[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    event = data.draw(st.sampled_from(["up", "status", "location", "join", "log"]))
    for payload in (bytes(raw), bytes(raw[:cut])):
        with contextlib.suppress(MessageError):
            assert read_bytes(payload, event).network == "chirpstack"
