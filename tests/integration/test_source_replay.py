# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Replay of captured messages from files."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
import pytest

from adapters.sources import replay as replay_module
from adapters.sources.replay import replay
from models.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from models.message import Message


@dataclass
class Shelf:
    """A journal that stores many at once, and fails from one message on."""

    messages: list[Message] = field(default_factory=list)
    fails_from: int = 1_000_000
    most_under_way: int = 0

    async def append(self, message: Message) -> int:
        await self.extend((message,))
        return len(self.messages)

    async def extend(self, messages: Sequence[Message]) -> None:
        self.most_under_way = max(self.most_under_way, len(messages))
        self.messages.extend(messages)
        await asyncio.sleep(0)
        if len(self.messages) >= self.fails_from:
            sentence = "PostgreSQL is away"
            raise StoreError(sentence)


def line(number: int) -> bytes:
    return orjson.dumps({"topic": "city/a", "payload": {"n": number}}) + b"\n"


async def test_every_form_of_a_line(tmp_path: Path) -> None:
    file = tmp_path / "captured.txt"
    file.write_bytes(
        b'{"topic": "a", "payload": {"x": [1, null]}, "source": "ttn",'
        b' "received_at": "2026-03-01T13:00:00.5+01:00"}\n'
        b"\n"
        b'{"topic": "b", "payload": "not { json"}\n'
        b'{"topic": "c", "payload_base64": "/w==", "qos": 1}\n'
        b'{"topic": "d", "payload": null}'
    )
    shelf = Shelf()
    (progress,) = [each async for each in replay(file, shelf, source="again")]
    first, second, third, fourth = shelf.messages
    assert (first.source, first.topic, first.payload) == ("ttn", "a", b'{"x":[1,null]}')
    assert first.received_at == datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    assert (second.source, second.payload, second.received_at.tzinfo) == ("again", b"not { json", UTC)
    assert (third.payload, fourth.payload) == (b"\xff", b"null")
    assert (progress.messages, progress.bad, progress.errors) == (4, 0, [])
    assert progress.bytes_done == progress.bytes_total == file.stat().st_size


async def test_a_folder_in_order_with_progress_and_bounded(tmp_path: Path) -> None:
    (tmp_path / "2").mkdir()
    (tmp_path / "1.jsonl").write_bytes(b"".join(map(line, range(250))))
    (tmp_path / "2" / "b.ndjson").write_bytes(b"".join(map(line, range(250, 300))))
    (tmp_path / "notes.txt").write_bytes(b"not for us")
    shelf, seen = Shelf(), []
    async for progress in replay(tmp_path, shelf, batch=100):
        seen.append((progress.messages, progress.bytes_done))
    assert [orjson.loads(each.payload)["n"] for each in shelf.messages] == list(range(300))
    assert [messages for messages, _ in seen] == [100, 200, 250, 300]
    assert seen[-1][1] == progress.bytes_total
    assert sorted(seen) == seen
    assert shelf.most_under_way == 100


async def test_bad_lines_are_reported_and_the_others_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "LINE_LIMIT", 200)
    monkeypatch.setattr(replay_module, "ERRORS_KEPT", 7)
    bad = [
        b"{}}\n",
        b"[1]\n",
        b'{"payload": 1}\n',
        b'{"topic": "a"}\n',
        b'{"topic": 7, "payload": 1}\n',
        b'{"topic": "a", "payload_base64": "!"}\n',
        b'{"topic": "' + b"a" * 500 + b'", "payload": 1}\n',
        b'{"topic": "a", "payload": 1, "received_at": "noon"}\n',
        b'{"topic": "a\\u0000", "payload": 1}\n',
    ]
    (tmp_path / "a.jsonl").write_bytes(line(0) + b"".join(bad) + line(1))
    shelf = Shelf()
    progress = [each async for each in replay(tmp_path, shelf)][-1]
    assert [orjson.loads(each.payload)["n"] for each in shelf.messages] == [0, 1]
    assert (progress.messages, progress.bad) == (2, 9)
    assert progress.errors == [
        "a.jsonl:2: The message is not JSON: unexpected content after document, at line 1, column 3.",
        "a.jsonl:3: The message is an array where an envelope is an object.",
        "a.jsonl:4: The line has no topic.",
        "a.jsonl:5: The line has neither payload nor payload_base64.",
        "a.jsonl:6: The field topic is a number where text belongs.",
        "a.jsonl:7: The field payload_base64 is not base64.",
        "a.jsonl:8: The line has more than 200 bytes.",
    ]
    assert progress.bytes_done == progress.bytes_total


async def test_it_stops_where_the_journal_fails(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"".join(map(line, range(100))))
    shelf = Shelf(fails_from=15)
    batches = replay(file, shelf, batch=10)
    assert (await anext(batches)).messages == 10
    with pytest.raises(StoreError, match=r"stopped in the batch that begins at a\.jsonl:11: PostgreSQL"):
        await anext(batches)
    assert len(shelf.messages) == 20


async def test_nothing_to_replay_is_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere.jsonl"):
        with pytest.raises(ConfigurationError, match="nothing to replay at"):
            await anext(replay(path, Shelf()))
