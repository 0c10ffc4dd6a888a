# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Between the port's words and PostgreSQL's rows and columns."""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
from msgspec.structs import replace

from broker.journal.records import (
    HOURS_BYTES,
    KEYS_REMEMBERED,
    Activity,
    Batch,
    Letter,
    PendingDevice,
    SourceAccount,
)
from models.message import Message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import asyncpg

    from broker.journal.records import DeadLetter, Position, SettledBatch

_COUNTS = ("delivered", "dead", "duplicate", "ignored", "readings", "entities")
_KEY_BYTES = 8

_source = attrgetter("source")
_topic = attrgetter("topic")
_counts = attrgetter(*_COUNTS)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Message]).decode


class Packed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Messages as a row of the log has them.

    Attributes:
        messages: as they come out again: their texts are clean.
        data: the same, packed.
        sources: how many there are of each source.
    """

    messages: Sequence[Message]
    data: bytes
    sources: Mapping[str, int]


def pack(messages: Sequence[Message]) -> Packed:
    """Pack messages.

    Raises:
        TypeError: a field of one is of the wrong type, and would not come out again.
    """
    try:
        data = _encode(messages)
        sources = Counter(map(_source, messages))
        clean_already = "\0" not in "".join(map(_topic, messages)) and "\0" not in "".join(sources)
    except UnicodeEncodeError:
        clean_already = False
    if not clean_already:
        messages = [replace(one, source=clean(one.source), topic=clean(one.topic)) for one in messages]
        data = _encode(messages)
        sources = Counter(map(_source, messages))
    try:
        # Whatever is acknowledged can be read: a tenth of what appending costs.
        _decode(data)
    except msgspec.ValidationError as error:
        raise TypeError(str(error)) from error
    return Packed(messages=messages, data=data, sources=sources)


def unpack(data: bytes) -> list[Message]:
    """Unpack messages."""
    return _decode(data)


def clean(value: str) -> str:
    """Return what PostgreSQL can hold of a text: no NUL, no lone surrogate."""
    if value.isascii() and "\0" not in value:
        return value
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def read_batch(row: asyncpg.Record) -> Batch:
    """Read a batch of the log."""
    first = row["last"] - row["count"] + 1
    return Batch(
        day=row["day"],
        first=first,
        messages=unpack(row["packed"]),
        replays=dict(enumerate(row["replays"], first)) if row["replays"] else {},
    )


def unsettled(settled: Sequence[SettledBatch], cursor: int, position: Position) -> list[SettledBatch]:
    """Return the batches behind the cursor, which hold the account exact: every message once.

    Raises:
        ValueError: they do not.
    """
    fresh = [batch for batch in settled if batch.last > cursor]
    seq = cursor
    for batch in fresh:
        count = sum(tally.messages for tally in batch.tallies.values())
        if batch.first != seq + 1 or batch.last - batch.first + 1 != count:
            msg = (
                f"what is settled from {cursor} to {position.seq} must settle each message once and in order:"
                f" {batch.first} to {batch.last} come behind {seq}, and {count} are told of"
            )
            raise ValueError(msg)
        seq = batch.last
    if seq != position.seq or (fresh and fresh[-1].day != position.day):
        msg = f"what is settled up to {position.seq} must settle each message once, and ends at {seq}"
        raise ValueError(msg)
    return fresh


def columns_of_counts(settled: Sequence[SettledBatch]) -> tuple[list[Any], ...]:
    """Add up what became of messages, by source and the day of appending."""
    counts: defaultdict[tuple[str, date], list[int]] = defaultdict(lambda: [0] * len(_COUNTS))
    for batch in settled:
        for source, tally in batch.tallies.items():
            counts[clean(source), batch.day] = list(
                map(sum, zip(counts[clean(source), batch.day], _counts(tally), strict=True))
            )
    rows = [(source, day, *count) for (source, day), count in sorted(counts.items())]
    return tuple(map(list, zip(*rows, strict=True)))


def columns_of_letters(letters: Sequence[DeadLetter]) -> tuple[list[Any], ...]:
    """Turn dead letters into columns."""
    return (
        [letter.seq for letter in letters],
        [clean(letter.message.source) for letter in letters],
        [clean(letter.message.topic) for letter in letters],
        [letter.message.payload for letter in letters],
        [letter.message.received_at for letter in letters],
        [letter.message.redelivered for letter in letters],
        [letter.kind for letter in letters],
        [clean(letter.sentence) for letter in letters],
        [None if letter.device_id is None else clean(letter.device_id) for letter in letters],
        [_json(letter.detail) for letter in letters],
        [letter.replay_of for letter in letters],
    )


def _json(detail: Mapping[str, Any]) -> str:
    """Write a detail as JSON that PostgreSQL can hold; where there is none, as one text."""
    try:
        written = orjson.dumps(detail, default=str, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        written = orjson.dumps({"text": ascii(detail)})
    return written.decode().replace("\\u0000", "\\ufffd")


def columns_of_activity(activities: Mapping[str, Activity]) -> tuple[list[Any], ...]:
    """Turn the activity of devices into columns, in an order that is the same for everybody."""
    ordered = sorted(activities.items())
    for device_id, one in ordered:
        if len(one.hours) > HOURS_BYTES or len(one.keys) > KEYS_REMEMBERED:
            msg = f"the activity of {device_id} has {len(one.keys)} keys and {len(one.hours)} bytes of hours"
            raise ValueError(msg)
    return (
        [clean(device_id) for device_id, _ in ordered],
        [one.first_seen for _, one in ordered],
        [one.last_seen for _, one in ordered],
        [one.f_cnt for _, one in ordered],
        [one.messages for _, one in ordered],
        [struct.pack(f">{len(one.keys)}q", *one.keys) for _, one in ordered],
        [one.hour for _, one in ordered],
        [one.hours for _, one in ordered],
    )


def read_activity(row: asyncpg.Record) -> Activity:
    """Read when a device was heard."""
    keys = row["keys"]
    return Activity(
        first_seen=row["first_seen"],
        last_seen=row["last_seen"],
        f_cnt=row["f_cnt"],
        messages=row["messages"],
        keys=struct.unpack(f">{len(keys) // _KEY_BYTES}q", keys),
        hour=row["hour"],
        hours=row["hours"],
    )


def read_letter(row: asyncpg.Record) -> Letter:
    """Read a dead letter."""
    return Letter(**{**row, "detail": orjson.loads(row["detail"])})


def read_letter_message(row: asyncpg.Record) -> Message:
    """Read the message of a dead letter."""
    return Message(
        source=row["source"],
        topic=row["topic"],
        payload=row["payload"],
        received_at=row["received_at"],
        redelivered=row["redelivered"],
    )


def read_pending_device(row: asyncpg.Record) -> PendingDevice:
    """Read an unknown device."""
    return PendingDevice(**{**row, "detail": orjson.loads(row["detail"])})


def read_source_account(row: asyncpg.Record) -> SourceAccount:
    """Read the account of a source."""
    settled = row["delivered"] + row["dead"] + row["duplicate"] + row["ignored"]
    return SourceAccount(
        received=row["received"],
        delivered=row["delivered"],
        dead=row["dead"],
        duplicate=row["duplicate"],
        ignored=row["ignored"],
        pending=row["received"] - settled,
        readings=row["readings"],
        entities=row["entities"],
    )
