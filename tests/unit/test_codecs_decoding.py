# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""One name for every codec: which one decodes, and what is said where none can."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.codecs.decoding import Codecs, Decoded, Request, decode_table
from models.errors import CodecError

RECEIVED = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("codec", "payload", "field"),
    [
        ("decentlab.dl_mbx", "02012f000304d200010bb1", ("distance", 1234)),
        ("dragino.ldds75", "0d0a07e900000001", ("Distance", 2025)),
        ("elsys", "0100ea0237", ("humidity", 55)),
        ("cayenne_lpp", "016700ea", ("temperature_1", 23.4)),
    ],
)
async def test_tables_need_no_process(codec: str, payload: str, field: tuple[str, float]) -> None:
    codecs = Codecs()
    decoded = await codecs.decode(codec, payload=bytes.fromhex(payload), f_port=1, received_at=RECEIVED)
    assert decoded.fields[field[0]] == field[1]
    assert decoded == decode_table(codec, bytes.fromhex(payload), 1)
    await codecs.close()


@pytest.mark.parametrize(
    ("codec", "sentence"),
    [
        (
            "network",
            (
                "Only the network server can decode this device, and it sent no decoded object: "
                "install the vendor's codec there."
            ),
        ),
        ("milesight.em300", "There is no codec 'milesight.em300'."),
        ("javascript:em300", "There is no JavaScript codec 'em300'."),
        ("", "There is no codec ''."),
    ],
)
async def test_where_nothing_can_decode(codec: str, sentence: str) -> None:
    codecs = Codecs({"other": "function Decoder() { return {}; }"})
    with pytest.raises(CodecError) as caught:
        await codecs.decode(codec, payload=b"\x01", f_port=1, received_at=RECEIVED)
    assert caught.value.sentence == sentence
    assert caught.value.kind == "codec"
    await codecs.close()


async def test_many_at_once_are_what_they_are_one_by_one() -> None:
    codecs = Codecs({"sum": "function Decoder(b) { return { sum: b[0] + b[1] }; }"})
    asked = [
        ("elsys", "0100ea0237"),
        ("javascript:sum", "0203"),
        ("elsys", "ff"),
        ("javascript:none", "01"),
    ] * 50
    requests = [
        Request(codec=codec, payload=bytes.fromhex(payload), f_port=1, received_at=RECEIVED)
        for codec, payload in asked
    ]
    results = await codecs.decode_many(requests)
    assert len(results) == len(requests)
    for request, result in zip(requests, results, strict=True):
        try:
            alone: Decoded | str = await codecs.decode(
                request.codec, payload=request.payload, f_port=1, received_at=RECEIVED
            )
        except CodecError as error:
            alone = error.sentence
        assert alone == (result.sentence if isinstance(result, CodecError) else result)
    await codecs.close()


async def test_an_impossible_port_spoils_no_other() -> None:
    codecs = Codecs({"sum": "function Decoder(b, port) { return { port }; }"}, workers=1)
    requests = [
        Request(codec="javascript:sum", payload=b"", f_port=port, received_at=RECEIVED)
        for port in (1, 10**30, None, 255)
    ]
    first, impossible, none, last = await codecs.decode_many(requests)
    assert isinstance(impossible, CodecError)
    assert impossible.sentence == "The port is none of LoRaWAN's, which are 0 to 255."
    ports = [result.fields["port"] for result in (first, none, last) if isinstance(result, Decoded)]
    assert ports == [1, None, 255]
    await codecs.close()
