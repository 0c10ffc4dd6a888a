# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Between the port's words and PostgreSQL's rows and columns."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING, Any, get_args

import orjson

from broker.journal.port import Activity, Entry, Letter, Outcome, PendingDevice, SourceAccount
from models.message import Message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    import asyncpg

    from broker.journal.port import DeadLetter, Settled

_OUTCOMES = get_args(Outcome)


def check_complete(settled: Sequence[Settled], cursor: int, position: int, head: int) -> None:
    """Hold the account exact: each message between cursor and position has one outcome."""
    numbers = sorted(one.seq for one in settled)
    if position > head or numbers != list(range(cursor + 1, position + 1)):
        msg = (
            f"a commit from {cursor} to {position} of {head} messages must settle each of them once,"
            f" and settles {len(numbers)}"
        )
        raise ValueError(msg)


def clean(value: str) -> str:
    """Return what PostgreSQL can hold of a text: no NUL, no lone surrogate."""
    if value.isascii() and "\0" not in value:
        return value
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _json(detail: Mapping[str, Any]) -> str:
    """Write a detail as JSON that PostgreSQL can hold; where there is none, as one text."""
    try:
        written = orjson.dumps(detail, default=str, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        written = orjson.dumps({"text": ascii(detail)})
    return written.decode().replace("\\u0000", "\\ufffd")


def columns_of_counts(settled: Sequence[Settled], days: Sequence[tuple[int, date]]) -> list[list[Any]]:
    """Add up what became of messages, by source and the day of appending.

    Here and not in PostgreSQL: a few rows to send in place of five columns of all messages.
    """
    starts = [start for start, _ in days]
    counts: defaultdict[tuple[str, date], list[int]] = defaultdict(lambda: [0] * (len(_OUTCOMES) + 2))
    for one in settled:
        count = counts[one.source, days[bisect_right(starts, one.seq) - 1][1]]
        count[_OUTCOMES.index(one.outcome)] += 1
        count[-2] += one.readings
        count[-1] += one.entities
    rows = [(clean(source), day, *count) for (source, day), count in sorted(counts.items())]
    return [list(column) for column in zip(*rows, strict=True)]


def columns_of_activity(heard: Sequence[Settled]) -> tuple[list[Any], ...]:
    """Turn messages of devices into the columns of `note_activity`."""
    return (
        [clean(one.device_id or "") for one in heard],
        [one.observed_at for one in heard],
        [one.f_cnt for one in heard],
        [None if one.outcome == "duplicate" else one.key for one in heard],
    )


def columns_of_letters(letters: Sequence[DeadLetter]) -> tuple[list[Any], ...]:
    """Turn dead letters into the columns of `write_letters`."""
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


def read_entry(row: asyncpg.Record) -> Entry:
    """Read a message of the log."""
    return Entry(
        seq=row["seq"],
        day=row["day"],
        message=Message(
            source=row["source"],
            topic=row["topic"],
            payload=row["payload"],
            received_at=row["received_at"],
            redelivered=row["redelivered"],
        ),
        replay_of=row["replay_of"],
    )


def read_letter(row: asyncpg.Record) -> Letter:
    """Read a dead letter."""
    return Letter(**{**row, "detail": orjson.loads(row["detail"])})


def read_pending_device(row: asyncpg.Record) -> PendingDevice:
    """Read an unknown device."""
    return PendingDevice(**{**row, "detail": orjson.loads(row["detail"])})


def read_activity(row: asyncpg.Record) -> Activity:
    """Read when a device was heard."""
    return Activity(
        first_seen=row["first_seen"],
        last_seen=row["last_seen"],
        f_cnt=row["f_cnt"],
        messages=row["messages"],
        keys=tuple(row["keys"]),
    )


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
