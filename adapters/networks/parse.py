# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Bytes from the network → JSON, with a reason where they are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from models.errors import MalformedPayloadError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE_LIMIT = 1_048_576
"""Bytes. The largest uplink of a network server is some 20 kB: forty gateways heard it."""

DEPTH_LIMIT = 64
"""Objects and arrays within each other. Decoded payloads of real devices stay below ten."""


def parse_json(payload: bytes, *, limit: int = SIZE_LIMIT) -> Any:
    """Parse RFC 8259 JSON, strictly: UTF-8 without a byte order mark, and every number finite.

    Args:
        payload: what the source received.
        limit: bytes above which nothing is parsed.

    Raises:
        TooLargeError: above the limit.
        MalformedPayloadError: not UTF-8, not JSON, a number beyond 1.8e308 or none at all
            (NaN, Infinity), nested deeper than 64, or with the character U+0000.
    """
    if len(payload) > limit:
        sentence = f"The message has {len(payload):,} bytes; at most {limit:,} are read."
        raise TooLargeError(sentence)
    try:
        parsed = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise MalformedPayloadError(_why(payload, error)) from None
    # Looking for single bytes costs next to nothing; only what has many brackets is walked through.
    if (
        len(payload) > 2 * DEPTH_LIMIT
        and payload.count(b"{") + payload.count(b"[") > DEPTH_LIMIT
        and _depth(parsed) > DEPTH_LIMIT
    ):
        raise MalformedPayloadError(_TOO_DEEP)
    if b"\\" in payload and rb"\u0000" in payload and b"\x00" in _unescaped(parsed):
        sentence = "The message has the character U+0000, which no database stores."
        raise MalformedPayloadError(sentence)
    return parsed


_TOO_DEEP = f"The message is nested deeper than {DEPTH_LIMIT} levels, which no device needs."


def _why(payload: bytes, error: orjson.JSONDecodeError) -> str:
    """Return one sentence; the payload itself stays out of it, it may be personal."""
    where = f"line {error.lineno}, column {error.colno}"
    if not payload:
        return "The message is empty."
    if "depth limit" in error.msg:
        return _TOO_DEEP
    if "infinity" in error.msg:
        return f"The message has a number too large to be stored, at {where}."
    try:
        text = payload.decode()
    except UnicodeDecodeError as undecodable:
        return f"The message is not UTF-8: byte {undecodable.start + 1:,} cannot be read."
    if text[error.pos : error.pos + 9].lstrip("-+").lower().startswith(("nan", "inf")):
        return f"The message has NaN or Infinity where JSON wants a number, at {where}."
    return f"The message is not JSON: {error.msg.removesuffix('.')}, at {where}."


def _depth(parsed: Any) -> int:
    return sum(1 for level in _levels(parsed) if any(isinstance(each, dict | list) for each in level))


def _unescaped(parsed: Any) -> bytes:
    """Return all names and texts of a message, joined."""
    names = (name for level in _levels(parsed) for each in level if isinstance(each, dict) for name in each)
    texts = (each for level in _levels(parsed) for each in level if isinstance(each, str))
    return " ".join((*names, *texts)).encode()


def _levels(parsed: Any) -> Iterator[list[Any]]:
    """Yield the values level by level, without recursion: a hostile message must not exhaust the stack."""
    level = [parsed]
    while level:
        yield level
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
        ]
