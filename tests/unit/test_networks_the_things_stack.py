# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The Things Stack v3: messages shaped as its application server sends them."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from adapters.networks.envelope import read_uplink
from models.errors import EnvelopeError, UnknownEnvelopeError
from models.message import Message
from models.uplink import Position, Uplink

RECEIVED = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
TOPIC = "v3/hagen-water@ttn/devices/volme-eilpe/up"

UP: dict[str, Any] = {
    "end_device_ids": {
        "device_id": "volme-eilpe",
        "application_ids": {"application_id": "hagen-water"},
        "dev_eui": "70B3D57BA000156C",
        "join_eui": "70B3D57BA0000001",
        "dev_addr": "260B41C7",
    },
    "correlation_ids": ["gs:uplink:01JNA8ZC5T", "as:up:01JNA8ZCDK"],
    "received_at": "2026-03-01T12:00:03.812345678Z",
    "uplink_message": {
        "session_key_id": "AZVQw1lQxkT4bD4pXh0y1A==",
        "f_port": 1,
        "f_cnt": 4711,
        "frm_payload": "AjKQAANM0gKf",
        "decoded_payload": {"Distance_average": {"value": 1234, "unit": "mm"}},
        "decoded_payload_warnings": ["first measurement after boot"],
        "normalized_payload": [{"time": "2026-03-01T11:59:58Z", "tank": {"distance": 1.234}}],
        "rx_metadata": [
            {
                "gateway_ids": {"gateway_id": "hagen-rathaus", "eui": "58A0CBFFFE800001"},
                "time": "2026-03-01T12:00:03.601Z",
                "timestamp": 3405691582,
                "rssi": -109,
                "channel_rssi": -109,
                "snr": -2.5,
                "location": {"latitude": 51.3597, "longitude": 7.4747, "altitude": 120},
                "received_at": "2026-03-01T12:00:03.611Z",
            },
            {
                "gateway_ids": {"gateway_id": "hagen-eilpe", "eui": "58A0CBFFFE800002"},
                "rssi": -81,
                "channel_rssi": -81,
                "snr": 9.2,
            },
        ],
        "settings": {
            "data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 7, "coding_rate": "4/5"}},
            "frequency": "868300000",
            "timestamp": 3405691582,
        },
        "received_at": "2026-03-01T12:00:03.605123456Z",
        "consumed_airtime": "0.056576s",
        "locations": {
            "user": {"latitude": 51.3432, "longitude": 7.4931, "altitude": 108, "source": "SOURCE_REGISTRY"}
        },
        "version_ids": {
            "brand_id": "decentlab",
            "model_id": "dl-mbx",
            "hardware_version": "1.0",
            "firmware_version": "1.0",
            "band_id": "EU_863_870",
        },
        "network_ids": {"net_id": "000013", "tenant_id": "ttn", "cluster_id": "eu1"},
        "attributes": {"bezirk": "Eilpe/Dahl"},
        "last_battery_percentage": {"f_cnt": 4700, "value": 94.5, "received_at": "2026-03-01T04:00:00Z"},
    },
}


def read(body: Any, network: str = "the_things_stack") -> Uplink:
    message = Message(source="ttn", topic=TOPIC, payload=orjson.dumps(body), received_at=RECEIVED)
    return read_uplink(message, network)


def test_an_uplink_is_read_whole() -> None:
    assert read(UP) == Uplink(
        network="the_things_stack",
        kind="data",
        device_id="70b3d57ba000156c",
        observed_at=datetime(2026, 3, 1, 12, 0, 3, 605123, tzinfo=UTC),
        key="AZVQw1lQxkT4bD4pXh0y1A==:4711",
        payload=bytes.fromhex("02329000034cd2029f"),
        f_port=1,
        f_cnt=4711,
        decoded={"Distance_average": {"value": 1234, "unit": "mm"}},
        normalized=({"time": "2026-03-01T11:59:58Z", "tank": {"distance": 1.234}},),
        battery=0.945,
        rssi=-81,
        snr=9.2,
        gateway="hagen-eilpe",
        position=Position(longitude=7.4931, latitude=51.3432, altitude=108),
        name="volme-eilpe",
        model=("decentlab", "dl-mbx"),
        tags={"bezirk": "Eilpe/Dahl"},
    )


def test_it_is_told_by_its_shape() -> None:
    assert read(UP, "auto") == read(UP)


def test_omitted_fields_are_zero_empty_or_false() -> None:
    body = copy.deepcopy(UP)
    frame = body["uplink_message"]
    for name in ("f_cnt", "decoded_payload", "normalized_payload", "attributes", "version_ids"):
        del frame[name]
    del frame["rx_metadata"][1]["snr"]
    del frame["locations"]["user"]["latitude"]
    del frame["last_battery_percentage"]["value"]
    uplink = read(body)
    assert (uplink.f_cnt, uplink.key) == (0, "AZVQw1lQxkT4bD4pXh0y1A==:0")
    assert (uplink.decoded, uplink.normalized, uplink.tags, uplink.model) == (None, (), {}, ())
    assert (uplink.rssi, uplink.snr, uplink.gateway) == (-81, 0.0, "hagen-eilpe")
    assert uplink.position == Position(longitude=7.4931, latitude=0.0, altitude=108)
    assert uplink.battery is None
    assert uplink.simulated is False


def test_a_mac_only_frame_has_signal_and_no_payload() -> None:
    body = copy.deepcopy(UP)
    for name in ("f_port", "frm_payload", "decoded_payload", "normalized_payload"):
        del body["uplink_message"][name]
    uplink = read(body)
    assert (uplink.kind, uplink.payload, uplink.f_port) == ("status", b"", 0)
    assert (uplink.rssi, uplink.battery) == (-81, 0.945)


def test_mac_commands_on_port_0_are_no_payload() -> None:
    body = copy.deepcopy(UP)
    for name in ("f_port", "decoded_payload", "normalized_payload"):
        del body["uplink_message"][name]
    uplink = read(body)
    assert (uplink.kind, uplink.payload) == ("status", b"")


def test_a_simulated_uplink_says_so_and_has_no_key() -> None:
    body = {
        "end_device_ids": {"device_id": "probe", "dev_eui": "0004A30B001C0530"},
        "uplink_message": {
            "f_port": 1,
            "decoded_payload": {"t": 1},
            "rx_metadata": [{"gateway_ids": {"gateway_id": "test"}}],
        },
        "simulated": True,
    }
    uplink = read(body)
    assert uplink.simulated
    assert (uplink.kind, uplink.key, uplink.observed_at) == ("data", None, RECEIVED)
    assert (uplink.gateway, uplink.rssi, uplink.snr) == ("test", None, None)


def test_a_personalised_device_without_dev_eui_goes_by_its_id() -> None:
    body = copy.deepcopy(UP)
    del body["end_device_ids"]["dev_eui"]
    assert read(body).device_id == "volme-eilpe"


def test_without_the_network_servers_time_the_application_servers_counts() -> None:
    body = copy.deepcopy(UP)
    del body["uplink_message"]["received_at"]
    assert read(body).observed_at == datetime(2026, 3, 1, 12, 0, 3, 812345, tzinfo=UTC)


@pytest.mark.parametrize(
    "event",
    ["join_accept", "downlink_sent", "downlink_queue_invalidated", "service_data", "uplink_normalized"],
)
def test_other_events_measure_nothing(event: str) -> None:
    body = {"end_device_ids": UP["end_device_ids"], "received_at": UP["received_at"], event: {"f_port": 1}}
    uplink = read(body, "auto")
    assert (uplink.kind, uplink.device_id) == ("other", "70b3d57ba000156c")


def test_a_solved_location_is_a_position() -> None:
    location = {
        "latitude": 51.36,
        "longitude": 7.47,
        "accuracy": 12,
        "source": "SOURCE_WIFI_RSSI_GEOLOCATION",
    }
    uplink = read(
        {
            "end_device_ids": UP["end_device_ids"],
            "received_at": UP["received_at"],
            "location_solved": {"service": "wifi", "location": location},
        }
    )
    assert uplink.kind == "location"
    assert uplink.position == Position(longitude=7.47, latitude=51.36)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("end_device_ids",), "x", "end_device_ids is text where an object belongs"),
        (("end_device_ids", "dev_eui"), "70B3", "end_device_ids.dev_eui is no DevEUI"),
        (("end_device_ids", "dev_eui"), 7, "end_device_ids.dev_eui is a number where text belongs"),
        (("end_device_ids", "device_id"), "a b", "end_device_ids.device_id is no id"),
        (("uplink_message",), [], "uplink_message is an array where an object belongs"),
        (("uplink_message", "f_cnt"), "4711", "uplink_message.f_cnt is text where a whole number belongs"),
        (("uplink_message", "f_cnt"), 1.5, "uplink_message.f_cnt is a number where a whole number belongs"),
        (("uplink_message", "f_cnt"), True, "uplink_message.f_cnt is a boolean where a whole number belongs"),
        (("uplink_message", "f_cnt"), -1, "uplink_message.f_cnt is -1; it can be 0 to 4294967295"),
        (("uplink_message", "f_port"), 256, "uplink_message.f_port is 256; it can be 0 to 255"),
        (("uplink_message", "frm_payload"), "§§", "uplink_message.frm_payload is not base64"),
        (("uplink_message", "frm_payload"), "AjKQA", "uplink_message.frm_payload is not base64"),
        (("uplink_message", "received_at"), "yesterday", "uplink_message.received_at is no RFC 3339 time"),
        (("uplink_message", "received_at"), "2026-03-01T12:00:00", "no RFC 3339 time with a time zone"),
        (("uplink_message", "received_at"), "2026-02-30T12:00:00Z", "no RFC 3339 time"),
        (("uplink_message", "received_at"), "0001-01-01T00:00:00+23:00", "no RFC 3339 time"),
        (("uplink_message", "decoded_payload"), [1], "decoded_payload is an array where an object belongs"),
        (
            ("uplink_message", "normalized_payload"),
            {},
            "normalized_payload is an object where an array belongs",
        ),
        (
            ("uplink_message", "normalized_payload"),
            [1],
            r"normalized_payload\[0\] is a number where an object",
        ),
        (
            ("uplink_message", "rx_metadata", 1, "rssi"),
            "-81",
            r"rx_metadata\[1\].rssi is text where a number",
        ),
        (("uplink_message", "locations", "user", "latitude"), 91, "no place on earth: latitude 91"),
        (("uplink_message", "attributes"), {"a": 1}, "attributes.a is a number where text belongs"),
        (("simulated",), "yes", "simulated is text where true or false belongs"),
    ],
)
def test_a_wrong_field_is_named(path: tuple[Any, ...], value: Any, words: str) -> None:
    body = copy.deepcopy(UP)
    target = body
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    with pytest.raises(EnvelopeError, match=words) as caught:
        read(body)
    known = path[0] != "end_device_ids"
    assert caught.value.device_id == ("70b3d57ba000156c" if known else None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (None, "is null where an envelope is an object"),
        ([UP], "is an array where an envelope is an object"),
        (42, "is a number"),
        ({}, "names no device"),
        ({"end_device_ids": {"device_id": "x"}}, "carries no event"),
    ],
)
def test_what_is_no_envelope_is_said_to_be_none(body: Any, words: str) -> None:
    with pytest.raises(UnknownEnvelopeError, match=words):
        read(body)


def test_additional_fields_and_nulls_do_no_harm() -> None:
    body = copy.deepcopy(UP)
    body["identifiers"] = [{"device_ids": {}}]
    body["uplink_message"]["packet_error_rate"] = 0.1
    body["uplink_message"]["rx_metadata"][0]["frequency_offset"] = "-1234"
    uplink = read(body)
    body["uplink_message"]["rx_metadata"][0]["snr"] = None
    body["uplink_message"]["rx_metadata"][0]["rssi"] = "NaN"
    assert read(body) == uplink == read(UP)
