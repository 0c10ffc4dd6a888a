# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Replay of captured messages: JSON lines of a file, or of all files of a folder, into the journal.

    {"topic": "v3/…/up", "payload": {…}, "received_at": "2026-03-01T12:00:00Z", "source": "ttn"}

`payload` is the JSON that was received, or a text that was; `payload_base64` any bytes. Without
`received_at` a message counts as received now.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from adapters.networks.fields import Fields
from adapters.networks.parse import parse_json
from models.errors import ConfigurationError, EnvelopeError, StoreError
from models.message import Message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from models.ports import Appender

SUFFIXES = (".jsonl", ".ndjson")
"""Files of a folder that are replayed, in the order of their names."""

LINE_LIMIT = 16_777_216
"""Bytes."""

ERRORS_KEPT = 1000


@dataclass(kw_only=True, slots=True)
class Progress:
    """How far a replay is.

    Attributes:
        messages: how many are in the journal.
        bad: lines that are no message.
        errors: what is wrong with the first of them: `file:line: sentence`.
    """

    messages: int = 0
    bad: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    errors: list[str] = field(default_factory=list)

    def report(self, place: str, sentence: str) -> None:
        """Count a line that is no message."""
        self.bad += 1
        if len(self.errors) < ERRORS_KEPT:
            self.errors.append(f"{place}: {sentence}")


async def replay(
    path: Path, appender: Appender, *, source: str = "replay", batch: int = 1000
) -> AsyncIterator[Progress]:
    """Append all messages of a file or folder, in order; yield the progress after each batch.

    Args:
        path: a file of any name, or a folder with files that end in `SUFFIXES`.
        appender: the journal.
        source: for messages that name none.
        batch: messages that are appended at once.

    Raises:
        ConfigurationError: there is nothing to replay.
        StoreError: the journal failed; the sentence says where it stopped. Whoever replays again
            does no harm: keys tell what was there before.
    """
    files = _files(path)
    progress = Progress(bytes_total=sum(each.stat().st_size for each in files))
    for file in files:
        with file.open("rb") as lines:
            before = progress.bytes_done
            numbered = enumerate(_lines(lines), 1)
            while read := await asyncio.to_thread(_take, numbered, batch):
                messages = list(_messages(read, file.name, source, progress))
                await _append(messages, appender, f"{file.name}:{read[0][0]}")
                progress.messages += len(messages)
                progress.bytes_done = before + lines.tell()
                yield progress


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES and each.is_file())
    if not files:
        ends = " or ".join(SUFFIXES)
        sentence = f"There is nothing to replay at {path}: no such file, and no folder with files in {ends}."
        raise ConfigurationError(sentence)
    return files


def _lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Yield lines; None stands for one above the limit, which is passed over without keeping it."""
    while line := file.readline(LINE_LIMIT):
        if len(line) < LINE_LIMIT or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(LINE_LIMIT)
        yield None


def _take(numbered: Iterator[tuple[int, bytes | None]], batch: int) -> list[tuple[int, bytes | None]]:
    """Read the lines of one batch: so many, or as many as one line at its limit has bytes."""
    taken, size = [], 0
    for number, line in numbered:
        taken.append((number, line))
        size += len(line or b"")
        if len(taken) >= batch or size >= LINE_LIMIT:
            break
    return taken


def _messages(
    read: list[tuple[int, bytes | None]], name: str, source: str, progress: Progress
) -> Iterator[Message]:
    for number, line in read:
        if line is None:
            progress.report(f"{name}:{number}", f"The line has more than {LINE_LIMIT:,} bytes.")
        elif line.strip():
            try:
                yield _message(line, source)
            except EnvelopeError as error:
                progress.report(f"{name}:{number}", error.sentence)


def _message(line: bytes, source: str) -> Message:
    entry = Fields.of(parse_json(line, limit=LINE_LIMIT))
    topic = entry.text("topic")
    if topic is None:
        sentence = "The line has no topic."
        raise EnvelopeError(sentence)
    name = entry.text("source") or source
    if "\x00" in topic + name:
        sentence = "The topic or the source has the character U+0000, which cannot be stored."
        raise EnvelopeError(sentence)
    return Message(
        source=name,
        topic=topic,
        payload=_payload(entry),
        received_at=entry.time("received_at") or datetime.now(UTC),
    )


def _payload(entry: Fields) -> bytes:
    if "payload_base64" in entry.data:
        return entry.base64("payload_base64")
    if "payload" not in entry.data:
        sentence = "The line has neither payload nor payload_base64."
        raise EnvelopeError(sentence)
    payload: Any = entry.data["payload"]
    return payload.encode() if isinstance(payload, str) else orjson.dumps(payload)


async def _append(messages: list[Message], appender: Appender, place: str) -> None:
    try:
        await appender.extend(messages)
    except StoreError as error:
        sentence = f"The replay stopped in the batch that begins at {place}: {error}"
        raise StoreError(sentence) from error
