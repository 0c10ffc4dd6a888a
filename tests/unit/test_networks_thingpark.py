# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Actility ThingPark: reports shaped as its developer guide shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from adapters.networks.envelope import read_uplink
from models.errors import EnvelopeError, UnknownEnvelopeError
from models.message import Message
from models.uplink import Position, Uplink

RECEIVED = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
PUSHED = "/ingest/thingpark?LrnDevEui=402C765000000074&LrnFPort=2&AS_ID=TWA_100.1&Token=0123"

UPLINK: dict[str, Any] = {
    "Time": "2026-03-01T13:00:03.013+01:00",
    "DevEUI": "402C765000000074",
    "DevAddr": "0FA1B2C3",
    "FPort": 2,
    "FCntUp": 53,
    "FCntDn": 12,
    "ADRbit": 1,
    "MType": 2,
    "payload_hex": "02300040A0",
    "mic_hex": "e1d2c3b4",
    "Lrcid": "00000231",
    "LrrRSSI": -83.0,
    "LrrSNR": 9.5,
    "LrrESP": -83.46,
    "SpFact": 7,
    "Frequency": 868.1,
    "DevLrrCnt": 2,
    "Lrrid": "10000231",
    "Late": 0,
    "LrrLAT": 51.36,
    "LrrLON": 7.47,
    "Lrrs": {
        "Lrr": [
            {"Lrrid": "10000231", "Chain": 0, "LrrRSSI": -83.0, "LrrSNR": 9.5, "LrrESP": -83.46},
            {"Lrrid": "10000232", "Chain": 0, "LrrRSSI": -71.0, "LrrSNR": -2.0, "LrrESP": -75.1},
        ]
    },
    "CustomerID": "100000507",
    "CustomerData": {"name": "Pegel 7", "tags": ["hochwasser"], "alr": {"pro": "ADRF/DEMO", "ver": "1"}},
    "ModelCfg": "0",
    "DriverCfg": {
        "mod": {"pId": "decentlab", "mId": "dl-mbx", "ver": "1"},
        "app": {"pId": "decentlab", "mId": "dl-mbx", "ver": "1"},
    },
    "BatteryLevel": 127,
    "Margin": 9,
    "payload": {"distance": 1234},
    "points": {"distance": {"unitId": "mm", "record": 1234}},
}


def read(body: Any, network: str = "thingpark") -> Uplink:
    return read_uplink(
        Message(source="tp", topic=PUSHED, payload=orjson.dumps(body), received_at=RECEIVED), network
    )


def test_an_uplink_is_read_whole() -> None:
    assert read({"DevEUI_uplink": UPLINK}) == Uplink(
        network="thingpark",
        kind="data",
        device_id="402c765000000074",
        observed_at=datetime(2026, 3, 1, 12, 0, 3, 13000, tzinfo=UTC),
        key="53:2026-03-01T13:00:03.013+01:00",
        payload=bytes.fromhex("02300040a0"),
        f_port=2,
        f_cnt=53,
        decoded={"distance": 1234},
        battery=0.5,
        rssi=-71,
        snr=-2,
        gateway="10000232",
        name="Pegel 7",
        model=("decentlab", "dl-mbx"),
        tags={"hochwasser": ""},
    )


def test_wrapper_and_types_of_numbers_do_not_matter() -> None:
    texts = {
        key: str(value) if isinstance(value, int | float) else value for key, value in UPLINK.items()
    } | {"Lrrs": {"Lrr": [{**each, "LrrRSSI": str(each["LrrRSSI"])} for each in UPLINK["Lrrs"]["Lrr"]]}}
    whole = read({"DevEUI_uplink": UPLINK})
    assert read({"DevEUI_uplink": texts}) == read(UPLINK) == read(UPLINK, "auto") == whole
    assert read({"DevEUI_uplink": UPLINK}, "auto") == whole


def test_a_frame_without_payload_driver_and_name() -> None:
    bare = {key: UPLINK[key] for key in ("Time", "DevEUI", "FCntUp", "LrrRSSI", "LrrSNR", "Lrrid", "Lrcid")}
    uplink = read({"DevEUI_uplink": {**bare, "CustomerData": "", "BatteryLevel": 255, "DriverCfg": None}})
    assert (uplink.kind, uplink.f_port, uplink.payload, uplink.battery) == ("status", 0, b"", None)
    assert (uplink.name, uplink.model, dict(uplink.tags)) == (None, (), {})
    assert (uplink.gateway, uplink.rssi, uplink.snr) == ("10000231", -83, 9.5)


def test_the_networks_own_geolocation() -> None:
    located = {
        "DevEUI": "402C765000000074",
        "Lrcid": "0059AC01",
        "Time": "2026-03-01T13:00:03.013+01:00",
        "DevLocTime": "2026-03-01T13:00:03.000+01:00",
        "DevLAT": "51.358500",
        "DevLON": "7.471700",
        "DevAlt": "106.0",
        "DevLocRadius": "320.0",
    }
    place = Position(longitude=7.4717, latitude=51.3585, altitude=106)
    for body in ({"DevEUI_location": located}, located):
        assert (read(body).kind, read(body).position) == ("location", place)
    in_uplink = read({"DevEUI_uplink": {**UPLINK, **{key: located[key] for key in ("DevLAT", "DevLON")}}})
    assert in_uplink.position == Position(longitude=7.4717, latitude=51.3585)
    assert read({"DevEUI_location": {**located, "DevLAT": "0", "DevLON": "0.000"}}).position is None


def test_other_reports_measure_nothing() -> None:
    for wrapper in ("DevEUI_downlink_Sent", "DevEUI_notification"):
        assert read({wrapper: {"DevEUI": "402C765000000074", "Type": "join"}}).kind == "other"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"payload_hex": "0g"}, "payload_hex is not hexadecimal"),
        ({"payload_hex": "012"}, "payload_hex is not hexadecimal"),
        ({"FPort": "two"}, r"DevEUI_uplink\.FPort is text where a number belongs"),
        ({"FPort": 2.5}, "FPort is 2.5"),
        ({"FPort": "256"}, "FPort is 256"),
        ({"FCntUp": True}, "FCntUp is a boolean"),
        ({"Time": "2026-03-01 13:00"}, "Time is no RFC 3339"),
        ({"LrrRSSI": "NaN", "Lrrs": []}, "Lrrs is an array where an object belongs"),
        ({"DevLAT": "91", "DevLON": "7"}, "no place on earth"),
    ],
)
def test_bad_fields_are_named(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(EnvelopeError, match=words) as caught:
        read({"DevEUI_uplink": {**UPLINK, **changed}})
    assert caught.value.device_id == "402c765000000074"


def test_a_report_without_a_device_is_refused() -> None:
    with pytest.raises(UnknownEnvelopeError, match="no DevEUI"):
        read({"DevEUI_uplink": {}})
    with pytest.raises(UnknownEnvelopeError, match="where an envelope is an object"):
        read([1])
