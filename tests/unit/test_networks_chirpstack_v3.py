# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""ChirpStack v3: messages shaped as both of its marshalers write them."""

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
DEVICE = "application/17/device/a81758fffe0312ab/event/"

V3: dict[str, Any] = {
    "applicationID": "17",
    "applicationName": "Stadt",
    "deviceName": "Pegel Volmebrücke",
    "deviceProfileName": "Decentlab DL-MBX",
    "deviceProfileID": "f293e453-6d9c-4a46-8c57-bcaa7a0c2b5c",
    "devEUI": "a81758fffe0312ab",
    "rxInfo": [
        {
            "gatewayID": "0016c001f153a14d",
            "uplinkID": "6f2b4c12-7d0f-4a4e-9c45-3c2d0d7d7d12",
            "name": "Rathaus",
            "time": "2026-03-01T12:00:03.401Z",
            "rssi": -97,
            "loRaSNR": 6.5,
            "location": {"latitude": 51.3585, "longitude": 7.4717, "altitude": 106},
        },
        {"gatewayID": "0016c001f153a14c", "name": "Schloss", "time": None, "rssi": -57, "loRaSNR": -1.2},
    ],
    "txInfo": {"frequency": 868100000, "dr": 5},
    "adr": True,
    "fCnt": 10,
    "fPort": 1,
    "data": "AgKgAAECAwQ=",
    "object": {"distance": 1234},
    "tags": {"viertel": "Mitte"},
}
JSON: dict[str, Any] = {
    **{key: value for key, value in V3.items() if key != "object"},
    "devEUI": "qBdY//4DEqs=",
    "rxInfo": [
        {**V3["rxInfo"][0], "gatewayID": "ABbAAfFToU0=", "uplinkID": "byFMEn0PSk6cRTwtDX19Eg=="},
        {**V3["rxInfo"][1], "gatewayID": "ABbAAfFToUw="},
    ],
    "objectJSON": '{"distance":1234}',
    "confirmedUplink": False,
    "devAddr": "ABiUQA==",
}


def read(body: Any, event: str = "up", network: str = "chirpstack_v3", topic: str | None = None) -> Uplink:
    return read_uplink(
        Message(
            source="cs",
            topic=DEVICE + event if topic is None else topic,
            payload=orjson.dumps(body),
            received_at=RECEIVED,
        ),
        network,
    )


def test_both_marshalers_say_the_same() -> None:
    assert read(JSON) == read(V3) == read(V3, network="auto") == read(JSON, topic="?event=up")
    assert read(V3) == read(V3, topic="application/17/device/a81758fffe0312ab/rx") == read(V3, topic="")
    assert read(V3) == Uplink(
        network="chirpstack_v3",
        kind="data",
        device_id="a81758fffe0312ab",
        observed_at=datetime(2026, 3, 1, 12, 0, 3, 401000, tzinfo=UTC),
        key="10:2026-03-01T12:00:03.401Z",
        payload=bytes.fromhex("0202a00001020304"),
        f_port=1,
        f_cnt=10,
        decoded={"distance": 1234},
        rssi=-57,
        snr=-1.2,
        gateway="0016c001f153a14c",
        name="Pegel Volmebrücke",
        model=("Decentlab DL-MBX",),
        tags={"viertel": "Mitte"},
    )


def test_a_gateway_without_a_clock_is_not_believed() -> None:
    body = copy.deepcopy(V3)
    body["rxInfo"] = [{"gatewayID": "0016c001f153a14d", "time": "1970-01-01T00:03:21Z", "rssi": -97}]
    assert read(body).observed_at == RECEIVED
    assert read({**body, "publishedAt": "2026-03-01T12:00:04.5Z"}).observed_at == datetime(
        2026, 3, 1, 12, 0, 4, 500000, tzinfo=UTC
    )
    assert read({**body, "rxInfo": []}).key is None


def test_other_events() -> None:
    info = {key: V3[key] for key in ("applicationID", "deviceName", "devEUI", "tags")}
    status = read({**info, "margin": 9, "batteryLevel": 75.5, "batteryLevelUnavailable": False}, "status")
    assert (status.kind, status.battery, status.name) == ("status", 0.755, "Pegel Volmebrücke")
    assert read({**info, "batteryLevel": 0, "externalPowerSource": True}, "status").battery is None
    place = {"latitude": 51.3585, "longitude": 7.4717, "altitude": 106}
    located = read({**info, "location": place}, "location")
    assert (located.kind, located.position) == (
        "location",
        Position(longitude=7.4717, latitude=51.3585, altitude=106),
    )
    for event in ("join", "ack", "txack", "error", "integration"):
        assert read(info, event).kind == "other"
    assert [
        read(body, topic="").kind for body in ({**info, "margin": 1}, {**info, "location": place}, info)
    ] == [
        "status",
        "location",
        "other",
    ]


def test_mac_commands_on_port_0_are_no_payload() -> None:
    body = {key: value for key, value in V3.items() if key not in {"fPort", "object"}}
    assert (read(body).kind, read(body).payload) == ("status", b"")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"devEUI": "zzzz"}, "devEUI is no EUI"),
        ({"devEUI": "a81758fffe0312ag"}, "devEUI is no DevEUI"),
        ({"devEUI": 5}, "devEUI is a number where text belongs"),
        ({"objectJSON": "{", "object": None}, "objectJSON is not JSON"),
        ({"objectJSON": "[1]", "object": None}, "objectJSON holds no object"),
        ({"data": "??"}, "data is not base64"),
        ({"fCnt": -1}, "fCnt is -1"),
        ({"rxInfo": {}}, "rxInfo is an object where an array belongs"),
        ({"publishedAt": "gestern"}, "publishedAt is no RFC 3339"),
    ],
)
def test_bad_fields_are_named(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(EnvelopeError, match=words):
        read({**V3, **changed})


def test_what_is_no_event_is_refused() -> None:
    with pytest.raises(UnknownEnvelopeError, match="no event that is known"):
        read(V3, "strange")
    with pytest.raises(UnknownEnvelopeError, match="no devEUI"):
        read({**V3, "devEUI": None})
