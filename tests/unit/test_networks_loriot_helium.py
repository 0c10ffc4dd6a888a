# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""LORIOT and Helium: messages shaped as their documentation shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from adapters.networks.envelope import read_uplink
from models.errors import EnvelopeError, UnknownEnvelopeError
from models.message import Message
from models.uplink import Uplink

RECEIVED = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
MS = 1772366403979  # 2026-03-01T12:00:03.979Z
HEARD = datetime(2026, 3, 1, 12, 0, 3, 979000, tzinfo=UTC)

LORIOT: dict[str, Any] = {
    "cmd": "gw",
    "seqno": 86102809,
    "EUI": "4786C58B0056003B",
    "ts": MS,
    "fcnt": 796,
    "port": 8,
    "freq": 868300000,
    "toa": 61,
    "dr": "SF7 BW125 4/5",
    "ack": False,
    "gws": [
        {"rssi": -96, "snr": 6.8, "ts": MS, "time": "2026-03-01T12:00:03.9Z", "gweui": "1C497BFFFFFA0001"},
        {"rssi": -62, "snr": 9.5, "ts": MS, "gweui": "1C497BFFFFFA0002", "lat": 51.36, "lon": 7.47},
    ],
    "bat": 127,
    "data": "80ff01c8",
}
HELIUM: dict[str, Any] = {
    "app_eui": "70B3D57ED0000001",
    "dev_eui": "A81758FFFE0312AB",
    "devaddr": "48000012",
    "fcnt": 42,
    "hotspots": [
        {"frequency": 868.1, "id": "11abc", "name": "tall-plum-griffin", "rssi": -110.0, "snr": -3.5},
        {"frequency": 868.1, "id": "12def", "name": "crazy-blue-otter", "rssi": -90.0, "snr": 5.2},
    ],
    "id": "0f7d2a2e-0d3b-4a8b-9d43-50a8a7c1f3d2",
    "metadata": {"labels": [{"id": "5a6b", "name": "Hagen", "organization_id": "1"}]},
    "name": "Baum 12",
    "payload": "AQDiAik=",
    "port": 5,
    "reported_at": MS,
    "decoded": {"status": "success", "payload": {"temperature": 22.6}},
}


def read(body: Any, network: str) -> Uplink:
    return read_uplink(
        Message(source="x", topic="/ingest/x", payload=orjson.dumps(body), received_at=RECEIVED), network
    )


def test_a_frame_of_loriot_is_read_whole() -> None:
    assert read(LORIOT, "loriot") == Uplink(
        network="loriot",
        kind="data",
        device_id="4786c58b0056003b",
        observed_at=HEARD,
        key=f"796:{MS}",
        payload=bytes.fromhex("80ff01c8"),
        f_port=8,
        f_cnt=796,
        battery=0.5,
        rssi=-62,
        snr=9.5,
        gateway="1C497BFFFFFA0002",
    )
    assert read(LORIOT, "auto") == read(LORIOT, "loriot")


def test_loriots_early_and_late_messages_of_one_frame_have_one_key() -> None:
    early = {key: value for key, value in LORIOT.items() if key != "gws"} | {
        "cmd": "rx",
        "rssi": -96,
        "snr": 6.8,
    }
    uplink = read(early, "loriot")
    assert (uplink.key, uplink.rssi, uplink.gateway) == (read(LORIOT, "loriot").key, -96, None)


def test_what_loriot_decoded_and_what_it_did_not() -> None:
    assert read({**LORIOT, "decoded": {"data": {"t": 1}}}, "loriot").decoded == {"t": 1}
    assert read({**LORIOT, "decoded": {"t": 1}}, "loriot").decoded == {"t": 1}
    assert [read({**LORIOT, "bat": bat}, "loriot").battery for bat in (0, 254, 255, None)] == [
        None,
        1.0,
        None,
        None,
    ]
    for command in ("txd", "mac", "cq"):
        assert read({**LORIOT, "cmd": command}, "loriot").kind == "other"
    encrypted = {key: value for key, value in LORIOT.items() if key != "data"} | {"encdata": "80ff"}
    with pytest.raises(EnvelopeError, match="still encrypted"):
        read(encrypted, "loriot")


def test_a_frame_of_helium_is_read_whole() -> None:
    assert read(HELIUM, "helium") == Uplink(
        network="helium",
        kind="data",
        device_id="a81758fffe0312ab",
        observed_at=HEARD,
        key=f"42:{MS}",
        payload=bytes.fromhex("0100e20229"),
        f_port=5,
        f_cnt=42,
        decoded={"temperature": 22.6},
        rssi=-90,
        snr=5.2,
        gateway="crazy-blue-otter",
        name="Baum 12",
        tags={"Hagen": "5a6b"},
    )
    assert read(HELIUM, "auto") == read(HELIUM, "helium")


def test_heliums_other_messages_measure_nothing() -> None:
    assert read({**HELIUM, "type": "join"}, "helium").kind == "other"
    assert read({**HELIUM, "type": "uplink"}, "helium").kind == "data"
    assert read({"dev_eui": HELIUM["dev_eui"], "app_eui": ""}, "helium").kind == "other"
    mac = read({**HELIUM, "port": 0, "decoded": None, "reported_at": None}, "helium")
    assert (mac.kind, mac.payload, mac.key, mac.observed_at) == ("status", b"", None, RECEIVED)


@pytest.mark.parametrize(
    ("network", "changed", "words"),
    [
        ("loriot", {"data": "8"}, "data is not hexadecimal"),
        ("loriot", {"ts": "gestern"}, "ts .* is no time"),
        ("loriot", {"ts": 1e300}, "outside the years 1 to 9999"),
        ("loriot", {"ts": [1]}, "ts is no time"),
        ("loriot", {"gws": [1]}, r"gws\[0\] is a number where an object belongs"),
        ("loriot", {"fcnt": "x"}, "fcnt is text where a number belongs"),
        ("helium", {"payload": "é"}, "payload is not base64"),
        ("helium", {"reported_at": True}, "reported_at is no time"),
        ("helium", {"metadata": {"labels": {}}}, r"metadata\.labels is an object where an array belongs"),
    ],
)
def test_bad_fields_are_named(network: str, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(EnvelopeError, match=words) as caught:
        read({**{"loriot": LORIOT, "helium": HELIUM}[network], **changed}, network)
    assert caught.value.device_id is not None


@pytest.mark.parametrize(("network", "field"), [("loriot", "EUI"), ("loriot", "cmd"), ("helium", "dev_eui")])
def test_a_message_without_a_device_is_refused(network: str, field: str) -> None:
    body = {**{"loriot": LORIOT, "helium": HELIUM}[network], field: None}
    with pytest.raises(UnknownEnvelopeError, match="names no device"):
        read(body, network)
