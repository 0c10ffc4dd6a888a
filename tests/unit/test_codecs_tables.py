# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Properties that hold for every row of every table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.codecs import (
    browan,
    cayenne_lpp,
    decentlab,
    dingtek,
    dragino,
    elsys,
    imbuildings,
    klax,
    milesight,
    parametric,
    parking,
    sensecap,
)
from adapters.codecs.decoding import TABLES, decode_table, encode
from models.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapters.codecs.table import Row


def by_name(rows: Iterable[Row]) -> dict[str, tuple[Row, ...]]:
    """The first row of each name: the one that a field is sent by."""
    found: dict[str, tuple[Row, ...]] = {}
    for row in rows:
        found.setdefault(row.name, (row,))
    return found


# Every field of every codec and its row; Grid-EYE is no single row.
ROWS: dict[str, dict[str, tuple[Row, ...]]] = {
    **{
        f"decentlab.{model}": by_name(row for rows in groups for row in rows)
        for model, groups in decentlab.MODELS.items()
    },
    **{
        f"dragino.{model}": by_name(row for rows in parts for row in rows)
        for model, parts in dragino.MODELS.items()
    },
    **{
        f"{vendor}.{model}": by_name(row for rows in tags.values() for row in rows)
        for vendor, models in (
            ("milesight", milesight.TAGS),
            ("sensecap", sensecap.TAGS),
            ("parametric", parametric.TAGS),
        )
        for model, tags in models.items()
    },
    **{
        codec: by_name(row for parts in ports.values() for rows in parts for row in rows)
        for ports_of in (browan.PORTS, dingtek.PORTS, parking.PORTS)
        for codec, ports in ports_of.items()
    },
    "imbuildings.people_counter": by_name(imbuildings.BODY),
    "klax": {row.name: (row,) for row in klax.HEADER if row.name != "version"},
    "elsys": {
        row.name: (row,)
        for rows in elsys.TYPES.values()
        for row in rows
        if not row.name.startswith("grideye")
    },
    "cayenne_lpp": {f"{name}_7": rows for name, rows in cayenne_lpp.TYPES.values()},
}


def values(row: Row) -> st.SearchStrategy[float | str]:
    """What the row can hold: any number between its ends, on its steps or beside them."""
    if row.words:
        words = st.sampled_from(sorted(row.words.values(), key=str))
        if row.mask:
            return words
        return st.one_of(
            words, st.integers(0, 2 ** (8 * row.size) - 1).filter(lambda raw: raw not in row.words)
        )
    ends = sorted((number - row.zero) / row.per for number in raw_ends(row))
    return st.floats(*ends)


def raw_ends(row: Row) -> tuple[int, int]:
    bits = min(8 * row.size, 52)  # what a float holds
    if row.order == "bcd":
        return 0, 10 ** (2 * row.size) - 1
    if row.mask:
        return 0, row.mask >> (row.mask & -row.mask).bit_length() - 1
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if row.signed else (0, 2**bits - 1)


def test_every_table_is_held_to_these_properties() -> None:
    # SenML and M-Bus have no table: each payload names its own fields; their own tests hold them.
    assert {*ROWS, "senml", "mbus", "elvaco.cmi"} == set(TABLES)


@st.composite
def codec_and_fields(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    codec = draw(st.sampled_from(sorted(ROWS)))
    names = draw(st.lists(st.sampled_from(sorted(ROWS[codec])), min_size=1, max_size=6, unique=True))
    fields: dict[str, Any] = {}
    for name in names:
        rows = ROWS[codec][name]
        drawn = {row.name: draw(values(row)) for row in rows}
        fields[name] = drawn if len(rows) > 1 else next(iter(drawn.values()))
    return codec, fields


@given(codec_and_fields())
def test_what_is_encoded_is_decoded_up_to_half_a_step(drawn: tuple[str, dict[str, Any]]) -> None:
    codec, fields = drawn
    f_port, payload = encode(codec, fields)
    decoded = decode_table(codec, payload, f_port)
    assert decoded.warnings == ()
    for name, expected in fields.items():
        for row in ROWS[codec][name]:
            wanted = expected[row.name] if isinstance(expected, dict) else expected
            got = decoded.fields[name]
            got = got[row.name] if isinstance(got, dict) else got
            if isinstance(wanted, str):
                assert got == wanted
            else:
                # Where a step is no decimal fraction, the value is rounded to a tenth of it.
                assert abs(got - wanted) <= 0.55 / abs(row.per) + abs(wanted) * 1e-9


@given(codec_and_fields())
def test_a_second_round_changes_nothing(drawn: tuple[str, dict[str, Any]]) -> None:
    codec, fields = drawn
    f_port, payload = encode(codec, fields)
    assert encode(codec, decode_table(codec, payload, f_port).fields)[1] == payload


def outcome(codec: str, payload: bytes, f_port: int | None) -> dict[str, Any] | str:
    """The fields, or the sentence that says why there are none."""
    try:
        return dict(decode_table(codec, payload, f_port).fields)
    except CodecError as error:
        return error.sentence


@given(st.sampled_from(sorted(TABLES)), st.binary(max_size=80), st.none() | st.integers(0, 255))
def test_no_bytes_bring_a_table_down(codec: str, payload: bytes, f_port: int | None) -> None:
    result = outcome(codec, payload, f_port)
    assert result
    assert not isinstance(result, str) or result.endswith(".")


@given(st.sampled_from(sorted(decentlab.MODELS)), st.integers(0, 2**16 - 1), st.binary(max_size=90))
def test_no_flags_bring_a_decentlab_frame_down(model: str, flags: int, words: bytes) -> None:
    frame = bytes((2, 0, 1)) + flags.to_bytes(2, "big") + words
    result = outcome(f"decentlab.{model}", frame, 1)
    assert "ends after" in result if isinstance(result, str) else result["device_id"] == 1


@pytest.mark.parametrize(
    ("codec", "fields", "sentence"),
    [
        ("elsys", {"humidity": 300}, "humidity = 300 does not fit into the 1 bytes of its field."),
        ("elsys", {"humidity": "wet"}, "humidity = 'wet' is not a number that can be encoded."),
        ("elsys", {"humidity": float("inf")}, "humidity = inf is not a number that can be encoded."),
        ("elsys", {"pm10": 3}, "elsys has no field pm10."),
        ("decentlab.dl_mbx", {"level": 3, "depth": 1}, "decentlab.dl_mbx has no field depth, level."),
        ("dragino.ldds75", {"Distance": -1}, "Distance = -1 does not fit into the 2 bytes of its field."),
        ("cayenne_lpp", {"temperature": 3}, "cayenne_lpp has no field temperature."),
        ("cayenne_lpp", {"temperature_256": 3}, "cayenne_lpp has no field temperature_256."),
        ("cayenne_lpp", {"mood_1": 3}, "cayenne_lpp has no field mood_1."),
        ("network", {}, "Only the network server can decode this device"),
        ("decentlab.dl_none", {}, "There is no codec 'decentlab.dl_none'."),
    ],
)
def test_what_cannot_be_encoded(codec: str, fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CodecError) as caught:
        encode(codec, fields)
    assert caught.value.sentence.startswith(sentence)


def test_a_group_of_a_decentlab_frame_goes_out_whole() -> None:
    f_port, payload = encode("decentlab.dl_atm41", {"device_id": 5, "air_temperature": -12.3})
    fields = decode_table("decentlab.dl_atm41", payload, f_port).fields
    assert fields["air_temperature"] == pytest.approx(-12.3)
    assert fields["wind_speed"] == 0
    assert "battery_voltage" not in fields
