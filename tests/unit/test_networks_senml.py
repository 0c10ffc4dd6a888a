# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""SenML: the RFC's own examples and rules, JSON and CBOR, and what becomes of them."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.codecs.cbor import read_cbor, write_cbor
from adapters.codecs.senml import CODECS, UNITS
from adapters.networks.envelope import read_uplink
from adapters.networks.words import named_quantity, reading
from models.errors import CodecError, EnvelopeError, MalformedPayloadError
from models.message import Message
from models.uplink import Position, Uplink
from ontology.loader import units

RECEIVED = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
MAC = "urn:dev:mac:0024befffe804ff1"
# 2026-03-01T12:00:00Z
NOON = 1772366400

PACK: list[dict[str, Any]] = [
    {"bn": f"{MAC}/", "bt": float(NOON), "bu": "Cel", "n": "temperature", "v": 21.5},
    {"n": "humidity", "u": "%RH", "v": 47},
    {"n": "temperature", "t": -600, "v": 21.25},
    {"n": "note", "vs": "ok"},
    {"n": "door", "vb": True},
]
# The same pack, made by cbor2.
CBOR = bytes.fromhex(
    "85a521781d75726e3a6465763a6d61633a303032346265666666653830346666312f22fb41da690a90000000236343656c"
    "006b74656d706572617475726502fb4035800000000000a3006868756d6964697479016325524802182fa3006b74656d70"
    "657261747572650639025702fb4035400000000000a200646e6f746503626f6ba20064646f6f7204f5"
)
# RFC 8428, 6: the example of 5.1.3 in CBOR.
RFC_CBOR = bytes.fromhex(
    "87a721781b75726e3a6465763a6f773a3130653230373361303130383030363a22fb41d303a15b00106223614120050067"
    "766f6c7461676501615602fb405e066666666666a3006763757272656e74062402fbbff3333333333333a3006763757272"
    "656e74062302fbbff4cccccccccccda3006763757272656e74062202fbbff6666666666666a3006763757272656e740621"
    "02f93e00a3006763757272656e74062002fbbff999999999999aa3006763757272656e74060002fbbffb333333333333"
)


def read(body: Any, network: str = "senml") -> Uplink:
    return read_bytes(body if isinstance(body, bytes) else orjson.dumps(body), network)


def read_bytes(payload: bytes, network: str = "senml") -> Uplink:
    return read_uplink(
        Message(source="mqtt", topic="sensors/7", payload=payload, received_at=RECEIVED), network
    )


def test_each_record_has_its_own_time() -> None:
    assert read(PACK) == Uplink(
        network="senml",
        device_id=MAC,
        observed_at=datetime(2026, 3, 1, 12, 0, tzinfo=UTC),
        device_time=True,
        moments=(
            (datetime(2026, 3, 1, 11, 50, tzinfo=UTC), {"temperature": 21.25}),
            (
                datetime(2026, 3, 1, 12, 0, tzinfo=UTC),
                {"temperature": 21.5, "humidity": 47, "note": "ok", "door": True},
            ),
        ),
        normalized=(
            {"time": "2026-03-01T11:50:00+00:00", "air.temperature": 21.25},
            {"time": "2026-03-01T12:00:00+00:00", "air.temperature": 21.5, "air.relativeHumidity": 47},
        ),
    )


def test_cbor_says_the_same() -> None:
    assert read(CBOR) == read(CBOR, "auto") == read(PACK, "auto") == read(PACK)


def test_the_rfcs_example_in_cbor() -> None:
    uplink = read(RFC_CBOR)
    assert uplink.device_id == "urn:dev:ow:10e2073a0108006"
    assert uplink.observed_at == datetime(2010, 6, 8, 18, 1, 16, 1000, tzinfo=UTC)
    assert [list(each) for each in uplink.normalized] == [
        *[["time", "power.current"]] * 5,
        ["time", "power.voltage", "power.current"],
    ]
    assert uplink.normalized[-1]["power.voltage"] == 120.1


def test_a_pack_of_one_time_can_be_read_by_a_profile() -> None:
    uplink = read([{"bn": f"{MAC}/", "n": "wl", "u": "m", "v": 1.5}, {"n": "state", "vs": "ok"}])
    assert uplink.decoded == {"wl": 1.5, "state": "ok"}
    assert (uplink.observed_at, uplink.device_time) == (RECEIVED, False)


def test_times_are_relative_below_two_to_the_28() -> None:
    for time, at in (
        (-5, RECEIVED - timedelta(seconds=5)),
        (2, RECEIVED + timedelta(seconds=2)),
        (NOON + 0.5, datetime(2026, 3, 1, 12, 0, 0, 500000, tzinfo=UTC)),
        (2**28, datetime(1978, 7, 4, 21, 24, 16, tzinfo=UTC)),
    ):
        assert read([{"n": f"{MAC}:t", "v": 1, "t": time}]).observed_at == at


def test_base_value_and_sum_are_added() -> None:
    uplink = read([{"bn": "pump-7/", "bv": 20, "n": "temp", "u": "Cel", "v": 1.5}, {"n": "flow", "s": 2}])
    assert (uplink.device_id, uplink.decoded) == ("pump-7", {"temp": 21.5})


@pytest.mark.parametrize(
    ("base", "name", "device", "field"),
    [
        (None, "urn:dev:ow:10e2073a01080063", "urn:dev:ow:10e2073a01080063", "value"),
        (None, "urn:dev:ow:10e2073a01080063:temp", "urn:dev:ow:10e2073a01080063", "temp"),
        (None, "urn:dev:mac:0024beffff804ff1_temp", "urn:dev:mac:0024beffff804ff1", "temp"),
        ("urn:dev:ow:10e2073a01080063:", "temp", "urn:dev:ow:10e2073a01080063", "temp"),
        ("building/room7/", "temp", "building/room7", "temp"),
        ("pump7", None, "pump7", "value"),
        (None, "building/room7/temp", "building/room7", "temp"),
        (None, "room7:temp", "room7", "temp"),
    ],
)
def test_device_and_name(base: str | None, name: str | None, device: str, field: str) -> None:
    record = {key: text for key, text in (("bn", base), ("n", name)) if text is not None}
    uplink = read([{**record, "u": "Cel", "v": 7}])
    assert (uplink.device_id, uplink.decoded) == (device, {field: 7})
    assert uplink.normalized[0]["air.temperature"] == 7


def test_a_place_is_the_devices() -> None:
    uplink = read(
        [{"bn": f"{MAC}/", "n": "x", "u": "lat", "v": 51.3585}, {"n": "y", "u": "lon", "v": 7.4717}]
    )
    assert uplink.position == Position(longitude=7.4717, latitude=51.3585)
    with pytest.raises(EnvelopeError, match="no place on earth"):
        read([{"bn": f"{MAC}/", "n": "x", "u": "lat", "v": 151}, {"n": "y", "u": "lon", "v": 7.4717}])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "at least one"),
        ({}, "array of records"),
        ([1], "record 1 is no object"),
        ([{"n": "a:b"}], "record 1 has no value"),
        ([{"n": "a:b", "v": 1, "vs": "x"}], "record 1 has several values"),
        ([{"v": 1}], "record 1 has no name"),
        ([{"n": "ä:b", "v": 1}], "record 1 has no name"),
        ([{"n": "a:b", "v": "1"}], "record 1: v is no number"),
        ([{"n": "a:b", "v": True}], "record 1: v is no number"),
        ([{"n": "a:b", "vb": 1}], "record 1: vb is neither"),
        ([{"n": 5, "v": 1}], "record 1: n is no text"),
        ([{"n": "a:b", "v": 1, "bver": 11}], "version is 11"),
        ([{"n": "a:b", "v": 1, "new_": 1}], "has to be understood"),
        ([{"n": "a:b", "v": 1, "t": 1e300}], "outside the years"),
        ([{"n": "a:b", "v": 1, "t": -1e300}], "outside the years"),
        ([{"n": "temp", "v": 1}], "names no device"),
        ([{"n": "a:b", "v": 1}, {"n": "c:b", "v": 1}], r"speaks of 2 devices \(a, c\)"),
    ],
)
def test_broken_rules_are_named(body: Any, words: str) -> None:
    with pytest.raises(EnvelopeError, match=words) as caught:
        read(body)
    assert caught.value.sentence.endswith(".")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("81", "ends within a value"),
        ("8181", "ends within a value"),
        ("8100ff", "does not end where"),
        ("9fff00", "does not end where"),
        ("8161", "ends within a value"),
        ("8161ff", "not UTF-8"),
        ("816100", r"U\+0000"),
        ("81f97e00", "NaN"),
        ("81f97c00", "NaN or Infinity"),
        ("81f0", "simple value"),
        ("811c", "none begins with"),
        ("811f", "none begins with"),
        ("81c249010000000000000000", "more than 64 bits"),
        ("82ff00", "an array ends early"),
        ("81a2010101", "ends within a value|has a name twice"),
        ("81a201010102", "has a name twice"),
        ("81a18001", "neither text nor"),
        ("815f00ff", "part of another kind"),
        ("817f4100ff", "part of another kind"),
        ("81" * 80 + "00", "nested deeper than 64"),
    ],
)
def test_what_is_no_cbor_is_named(raw: str, words: str) -> None:
    with pytest.raises(MalformedPayloadError, match=words):
        read(bytes.fromhex(raw))


def test_cbor_of_every_kind() -> None:
    # RFC 8949, appendix A.
    for raw, value in {
        "00": 0, "17": 23, "1818": 24, "1903e8": 1000, "1b000000e8d4a51000": 10**12,
        "20": -1, "3903e7": -1000,
        "f93e00": 1.5, "fa47c35000": 100000.0, "fb3ff199999999999a": 1.1, "f4": False, "f6": None, "f7": None,
        "c11a514b67b0": 1363896240,
        "4401020304": b"\x01\x02\x03\x04", "62c3bc": "ü", "80": [],
        "8301820203820405": [1, [2, 3], [4, 5]], "a201020304": {1: 2, 3: 4},

        "5f42010243030405ff": b"\1\2\3\4\5",
        "7f657374726561646d696e67ff": "streaming", "9f0102ff": [1, 2], "bf6161019f0203ffff": None,
    }.items():  # fmt: skip
        if raw.startswith("bf"):
            with pytest.raises(ValueError, match="neither text nor"):
                read_cbor(bytes.fromhex(raw))
        else:
            assert read_cbor(bytes.fromhex(raw)) == value
    assert read_cbor(b"\xfa" + struct.pack("!f", 21.3)) == 21.3


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc") | st.integers(-9, 9), inner),
)  # fmt: skip


@settings(max_examples=50)
@given(JSON)
def test_cbor_is_read_as_it_was_written(value: Any) -> None:
    assert read_cbor(write_cbor(value)) == value


@given(st.data())
def test_changed_packs_raise_nothing_but_envelope_errors(data: Any) -> None:
    raw = bytearray(data.draw(st.sampled_from([CBOR, RFC_CBOR, orjson.dumps(PACK)])))
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=5)):
        raw[place] = data.draw(st.integers(0, 255))
    try:
        uplink = read(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    except EnvelopeError:
        return
    assert uplink.device_id
    assert uplink.normalized


def test_as_a_codec_of_lorawan_payloads() -> None:
    codec = CODECS["senml"]
    fields = {"temperature": 21.5, "count": 3, "door": True, "state": "ok"}
    f_port, payload = codec.encode(fields)
    assert codec.decode(payload, f_port).fields == fields
    assert codec.decode(orjson.dumps(PACK), 1).fields == {
        "temperature": 21.5,
        "humidity": 47,
        "note": "ok",
        "door": True,
    }
    for raw in (b"", b"[", b"\x81\xa0", b"\x00"):
        with pytest.raises(CodecError, match=r"\.$"):
            codec.decode(raw, 1)
    with pytest.raises(CodecError, match="cannot send"):
        codec.encode({"ä": 1})


def test_units_are_those_of_the_ontology() -> None:
    assert set(UNITS.values()) <= set(units())


@pytest.mark.parametrize(
    ("name", "quantity"),
    [
        ("temperature", "air.temperature"),
        ("BME280_temperature", "air.temperature"),
        ("sensors/3/Humidity", "air.relativeHumidity"),
        ("pm1.0", "air.pm1_0"),
        ("pm1_0", "air.pm1_0"),
        ("pm10", "air.pm10"),
        ("PM10.0", "air.pm10"),
        ("pm2.5", "air.pm2_5"),
        ("wind_speed", "wind.speed"),
        ("soil.temperature", "soil.temperature"),
        ("soil_temperature", "soil.temperature"),
        ("noise_LA_max", "noise.lamax"),
        ("speed", None),
        ("max_micro", None),
    ],
)
def test_words(name: str, quantity: str | None) -> None:
    assert named_quantity(name) == quantity


def test_units_are_believed_more_than_words() -> None:
    assert reading("temperature", 294.65, "KEL", "K") == ("air.temperature", 21.5)
    assert reading("pressure", 101325, "PAL", "Pa") == ("air.pressure", 1013.25)
    assert reading("battery", 3.6, "VLT", "V") == ("battery.voltage", 3.6)
    assert reading("humidity", 0.5, "C62", "/") == ("air.relativeHumidity", 50.0)
    assert reading("level", 80, "P1", "%EL") == ("battery.level", 80)
    assert reading("battery", 3.6) is None
    assert reading("battery", 80, "P1", "%") == ("battery.level", 80)
    assert reading("humidity", 5, "MTR", "m") is None
    assert reading("motion", 1) == ("action.motion.detected", True)
