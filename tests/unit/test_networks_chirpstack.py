# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""ChirpStack v4: messages shaped as its MQTT and HTTP integrations send them."""

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
DEVICE = "application/0f7d2a2e-0d3b-4a8b-9d43-50a8a7c1f3d2/device/a81758fffe0312ab/event/"

INFO: dict[str, Any] = {
    "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
    "tenantName": "Stadt Hagen",
    "applicationId": "0f7d2a2e-0d3b-4a8b-9d43-50a8a7c1f3d2",
    "applicationName": "Schulen",
    "deviceProfileId": "14855bf7-d10d-4aee-b618-ebfcb64dc7ad",
    "deviceProfileName": "Elsys ERS CO2",
    "deviceName": "Gymnasium Raum 204",
    "devEui": "a81758fffe0312ab",
    "deviceClassEnabled": "CLASS_A",
    "tags": {"gebaeude": "G12"},
}

UP: dict[str, Any] = {
    "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
    "time": "2026-03-01T12:00:03.433+00:00",
    "deviceInfo": INFO,
    "devAddr": "00189440",
    "adr": True,
    "dr": 5,
    "fCnt": 918,
    "fPort": 5,
    "confirmed": False,
    "data": "AQDiAikEACcFBgYDMQ4KHQ==",
    "object": {"temperature": 22.6, "humidity": 41.0, "co2": 817.0},
    "rxInfo": [
        {
            "gatewayId": "0016c001f153a14c",
            "uplinkId": 4217106255,
            "gwTime": "2026-03-01T12:00:03.401+00:00",
            "nsTime": "2026-03-01T12:00:03.229+00:00",
            "rssi": -36,
            "snr": 10.5,
            "channel": 3,
            "rfChain": 1,
            "location": {},
            "context": "E3OWOQ==",
            "metadata": {"region_config_id": "eu868"},
            "crcStatus": "CRC_OK",
        },
        {"gatewayId": "0016c001f153a14d", "uplinkId": 12, "rssi": -97, "snr": 12.0},
    ],
    "txInfo": {
        "frequency": 868100000,
        "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 7, "codeRate": "CR_4_5"}},
    },
    "regionConfigId": "eu868",
}


def read(body: Any, event: str = "up", network: str = "chirpstack", topic: str | None = None) -> Uplink:
    message = Message(
        source="chirpstack",
        topic=DEVICE + event if topic is None else topic,
        payload=orjson.dumps(body),
        received_at=RECEIVED,
    )
    return read_uplink(message, network)


def test_an_uplink_is_read_whole() -> None:
    assert read(UP) == Uplink(
        network="chirpstack",
        kind="data",
        device_id="a81758fffe0312ab",
        observed_at=datetime(2026, 3, 1, 12, 0, 3, 433000, tzinfo=UTC),
        key="3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
        payload=bytes.fromhex("0100e202290400270506060331 0e0a1d".replace(" ", "")),
        f_port=5,
        f_cnt=918,
        decoded={"temperature": 22.6, "humidity": 41.0, "co2": 817.0},
        rssi=-36,
        snr=10.5,
        gateway="0016c001f153a14c",
        name="Gymnasium Raum 204",
        model=("Elsys ERS CO2",),
        tags={"gebaeude": "G12"},
    )


def test_topic_query_and_shape_say_the_same() -> None:
    assert read(UP, network="auto") == read(UP)
    assert read(UP, topic="/ingest/chirpstack?event=up") == read(UP)
    assert read(UP, topic="captured") == read(UP)


def test_upper_case_dev_eui_is_lowered() -> None:
    body = copy.deepcopy(UP)
    body["deviceInfo"]["devEui"] = "A81758FFFE0312AB"
    assert read(body).device_id == "a81758fffe0312ab"


def test_defaults_and_mac_only_frames() -> None:
    body = copy.deepcopy(UP)
    body.update(
        fCnt=0, fPort=0, data="", object=None, rxInfo=[{"gatewayId": "0016c001f153a14c", "rssi": -50}]
    )
    uplink = read(body)
    assert (uplink.kind, uplink.payload, uplink.f_port, uplink.f_cnt) == ("status", b"", 0, 0)
    assert (uplink.decoded, uplink.rssi, uplink.snr) == (None, -50, 0.0)
    for name in ("fPort", "data", "object", "rxInfo", "time"):
        del body[name]
    uplink = read(body)
    assert (uplink.f_port, uplink.gateway, uplink.rssi, uplink.observed_at) == (0, None, None, RECEIVED)


def test_mac_commands_on_port_0_are_no_payload() -> None:
    body = copy.deepcopy(UP)
    body.update(fPort=0, object={})
    assert (read(body).kind, read(body).payload) == ("status", b"")


@pytest.mark.parametrize(
    ("report", "battery"),
    [
        (
            {
                "margin": 7,
                "externalPowerSource": False,
                "batteryLevelUnavailable": False,
                "batteryLevel": 75.2,
            },
            0.752,
        ),
        (
            {
                "margin": 7,
                "externalPowerSource": False,
                "batteryLevelUnavailable": False,
                "batteryLevel": 0.0,
            },
            0.0,
        ),
        (
            {"margin": 7, "externalPowerSource": True, "batteryLevelUnavailable": False, "batteryLevel": 0.0},
            None,
        ),
        (
            {"margin": 7, "externalPowerSource": False, "batteryLevelUnavailable": True, "batteryLevel": 0.0},
            None,
        ),
    ],
)
def test_a_status_has_the_battery(report: dict[str, Any], battery: float | None) -> None:
    body = {"deduplicationId": "a", "time": UP["time"], "deviceInfo": INFO, **report}
    uplink = read(body, "status")
    assert (uplink.kind, uplink.battery, uplink.payload) == ("status", battery, b"")
    assert read(body, topic="captured", network="auto") == uplink


def test_a_location_is_a_position() -> None:
    location = {
        "latitude": 51.36,
        "longitude": 7.47,
        "altitude": 110.0,
        "source": "GEO_RESOLVER_WIFI",
        "accuracy": 9.0,
    }
    body = {"deduplicationId": "a", "time": UP["time"], "deviceInfo": INFO, "location": location}
    uplink = read(body, "location")
    assert (uplink.kind, uplink.position) == (
        "location",
        Position(longitude=7.47, latitude=51.36, altitude=110.0),
    )
    assert read(body, topic="captured") == uplink


@pytest.mark.parametrize("event", ["join", "ack", "txack", "log", "integration"])
def test_other_events_measure_nothing(event: str) -> None:
    body = {"deduplicationId": "a", "time": UP["time"], "deviceInfo": INFO, "devAddr": "00189440"}
    assert read(body, event).kind == "other"


def test_an_unknown_event_is_said_to_be_unknown() -> None:
    with pytest.raises(UnknownEnvelopeError, match="no event that is known") as caught:
        read(UP, "teleport")
    assert caught.value.device_id == "a81758fffe0312ab"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("time", 1700000000, "time is a number where text belongs"),
        ("fCnt", "918", "fCnt is text where a whole number belongs"),
        ("fPort", 300, "fPort is 300; it can be 0 to 255"),
        ("data", "!", "data is not base64"),
        ("object", "{}", "object is text where an object belongs"),
        ("rxInfo", [None], r"rxInfo\[0\] is null where an object belongs"),
        ("deduplicationId", 1, "deduplicationId is a number where text belongs"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: Any, words: str) -> None:
    with pytest.raises(EnvelopeError, match=words) as caught:
        read({**UP, field: value})
    assert caught.value.device_id == "a81758fffe0312ab"


def test_an_envelope_without_a_device_or_of_another_network_is_refused() -> None:
    with pytest.raises(UnknownEnvelopeError, match="deviceInfo has no devEui"):
        read({**UP, "deviceInfo": {}})
    with pytest.raises(EnvelopeError, match=r"deviceInfo\.devEui is no DevEUI"):
        read({**UP, "deviceInfo": {**INFO, "devEui": "a81758fffe0312a"}})
    with pytest.raises(UnknownEnvelopeError, match="no envelope of a network server that is known"):
        read({"device": {"eui": "402C765000000074"}}, network="auto")
    with pytest.raises(UnknownEnvelopeError, match="no envelope of a network server that is known"):
        read(None, network="auto")
