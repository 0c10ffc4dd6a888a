# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""One name for every codec: which one decodes, and what is said where none can."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.codecs.decoding import Codecs, decode_table
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
