# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""One message as people have it at hand: an envelope, topic and payload, a line of `mosquitto_sub -v`."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any

import click
import orjson

from compose.commands.options import read_moment
from models.message import Message

# `mosquitto_sub -v`: the topic, a space, the payload.
_LINE = re.compile(rb"([^\s{\[\"]+)[ \t]+([{\[].*)", re.DOTALL)
_PAYLOADS = ("payload", "payload_base64", "payload_hex")


def read_message(raw: bytes, *, topic: str | None, source: str | None) -> Message:
    """Wrap what was given; `{"topic": …, "payload": …}` and topic-and-payload lines are unwrapped.

    Where several messages are given, that is an error: they belong to `volme replay`.

    Raises:
        click.UsageError: there are several, or the wrapping cannot be read.
    """
    payload, body = raw, _json(raw)
    received_at = None
    if body is None and (line := _LINE.fullmatch(raw.strip())) and _json(line[2]) is not None:
        topic, payload = topic or line[1].decode(errors="replace"), line[2]
    elif body is None and _several(raw):
        msg = "these are several messages: `volme translate` takes one (head -1), `volme replay` takes all"
        raise click.UsageError(msg)
    elif isinstance(body, dict) and isinstance(body.get("topic"), str) and body.keys() & set(_PAYLOADS):
        topic = topic or body["topic"]
        payload = _payload(body)
        source = source or (body["source"] if isinstance(body.get("source"), str) else None)
        received_at = _received_at(body.get("received_at"))
    return Message(
        source=source or "",
        topic=topic or "",
        payload=payload,
        received_at=received_at or datetime.now(UTC),
    )


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None  # what is wrong with it, the translation says


def _several(raw: bytes) -> bool:
    lines = [line for line in raw.splitlines() if line.strip()]
    return len(lines) > 1 and all(
        _json(line) is not None or _LINE.fullmatch(line.strip()) is not None for line in lines
    )


def _payload(body: dict[str, Any]) -> bytes:
    try:
        if "payload_base64" in body:
            return base64.b64decode(body["payload_base64"], validate=True)
        if "payload_hex" in body:
            return bytes.fromhex(body["payload_hex"])
    except (TypeError, ValueError, binascii.Error) as error:
        msg = f"the payload cannot be read: {error}"
        raise click.UsageError(msg) from error
    payload = body["payload"]
    return payload.encode() if isinstance(payload, str) else orjson.dumps(payload)


def _received_at(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        return read_moment(value)
    except ValueError as error:
        msg = f"received_at: {error}"
        raise click.UsageError(msg) from error
