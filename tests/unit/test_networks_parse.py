# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Whatever arrives as bytes is JSON, or an error of one sentence."""

from __future__ import annotations

import contextlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.networks.parse import DEPTH_LIMIT, SIZE_LIMIT, parse_json
from models.errors import EnvelopeError, MalformedPayloadError, TooLargeError


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"", "is empty"),
        (b"hello", "is not JSON"),
        (b'{"a": 1', "is not JSON"),
        (b'{"a": 1} {"a": 2}', "is not JSON"),
        (b'{"a": "\xff\xfe"}', "is not UTF-8: byte 8"),
        (b"\xef\xbb\xbf{}", "is not JSON"),
        (b'{"a": NaN}', "NaN or Infinity"),
        (b'{"a": Infinity}', "NaN or Infinity"),
        (b'{"a": -Infinity}', "NaN or Infinity"),
        (b'{"a": 1e999}', "number too large"),
        (b'{"a": -1e999}', "number too large"),
        (b"1" + b"0" * 400, "number too large"),
        (b'{"a": "\\ud800"}', "is not JSON"),
        (b"[" * 20_000 + b"]" * 20_000, "nested deeper than 64"),
        (b"[" * 20_000, "nested deeper than 64"),
        (b'{"a": [{"b": "x\\u0000"}]}', "U\\+0000, which no database stores"),
        (b'{"a\\u0000": 1}', "U\\+0000, which no database stores"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested deeper than 64"),
    ],
)
def test_malformed_payloads_are_named_in_one_sentence(payload: bytes, words: str) -> None:
    with pytest.raises(MalformedPayloadError, match=words) as caught:
        parse_json(payload)
    assert caught.value.kind == "malformed-payload"
    assert caught.value.sentence.startswith("The message ")
    assert caught.value.sentence.endswith(".")


def test_a_payload_above_the_limit_is_not_parsed() -> None:
    with pytest.raises(TooLargeError, match=r"has 10,485,760 bytes; at most 1,048,576 are read"):
        parse_json(b"x" * 10_485_760)
    assert parse_json(b'"' + b"x" * (SIZE_LIMIT - 2) + b'"') == "x" * (SIZE_LIMIT - 2)
    with pytest.raises(TooLargeError, match="at most 10"):
        parse_json(b"[1, 2, 3, 4]", limit=10)


def test_the_deepest_allowed_nesting_and_wide_messages_pass() -> None:
    assert parse_json(b"[" * DEPTH_LIMIT + b"]" * DEPTH_LIMIT)
    assert len(parse_json(b"[" + b",".join([b"{}"] * 500) + b"]")) == 500
    assert parse_json(b'"' + b"[{" * 500 + b'"') == "[{" * 500
    assert parse_json(rb'{"path": "C:\\u0000"}') == {"path": r"C:\u0000"}


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_an_envelope_error(payload: bytes) -> None:
    with contextlib.suppress(EnvelopeError):
        orjson.dumps(parse_json(payload))
