# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Dead letters: kept, listed, replayed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from broker.journal.port import DeadLetter
from tests.contract.journals import OPENERS, T0, message, settle, unread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from broker.journal.port import Journal
    from models.message import Message
    from tests.contract.journals import Entry


@pytest_asyncio.fixture(params=OPENERS)
async def journal(request: pytest.FixtureRequest, database: str) -> AsyncIterator[Journal]:
    async with OPENERS[request.param](database) as opened:
        yield opened


def letter(entry: Entry, **changes: Any) -> DeadLetter:
    fields: dict[str, Any] = {
        "seq": entry.seq,
        "message": entry.message,
        "kind": "codec",
        "sentence": "The codec could not decode the payload.",
        "replay_of": entry.replay_of,
    }
    return DeadLetter(**fields | changes)


async def bury(journal: Journal, *messages: Message, **changes: Any) -> list[Entry]:
    """Append messages and let them die; `changes` may be callables of the entry."""
    await asyncio.gather(*(journal.append(one) for one in messages))
    entries = await unread(journal)
    dead = [
        letter(entry, **{name: made(entry) if callable(made) else made for name, made in changes.items()})
        for entry in entries
    ]
    await journal.settle("bridge", entries[-1].position, settle(entries, "dead"), dead)
    return entries


async def deliver(journal: Journal) -> list[Entry]:
    entries = await unread(journal)
    await journal.settle("bridge", entries[-1].position, settle(entries))
    return entries


async def test_a_letter_has_the_whole_message_and_the_reason(journal: Journal) -> None:
    detail = {
        "problem": {"title": "Bad", "status": 400},
        "entity": {"id": "urn:x", "schön": [1.5, None, True]},
    }
    sent = message(1, payload=bytes(range(256)), redelivered=True)
    await bury(journal, sent, device_id="70b3d57ed0000001", detail=detail, sentence="Nein: zu heiß.")
    (listed,) = await journal.dead_letters()
    full = await journal.dead_letter(listed.id)
    assert full is not None
    assert full.payload == sent.payload
    assert listed.payload is None
    assert (full.seq, full.source, full.topic, full.size) == (1, sent.source, sent.topic, 256)
    assert (full.received_at, full.redelivered) == (sent.received_at, True)
    assert (full.kind, full.sentence, full.device_id) == ("codec", "Nein: zu heiß.", "70b3d57ed0000001")
    assert full.detail == detail
    assert (full.state, full.replay_of, full.replayed_at) == ("waiting", None, None)
    assert await journal.dead_letter(999) is None


@pytest.mark.parametrize(
    ("detail", "kept"),
    [
        pytest.param({"nan": float("nan"), "inf": float("inf")}, {"nan": None, "inf": None}, id="no number"),
        pytest.param({"text": "a\0b"}, {"text": "a\N{REPLACEMENT CHARACTER}b"}, id="NUL"),
        pytest.param({"text": "a\\u0000b"}, {"text": "a\\ufffdb"}, id="looks like NUL"),
        pytest.param({"at": T0, 1: b"x"}, {"at": "2026-05-01T12:00:00+00:00", "1": "b'x'"}, id="no JSON"),
        pytest.param({"a": "\ud800"}, {"text": "{'a': '\\ud800'}"}, id="lone surrogate"),
        pytest.param({"a": 2**70}, {"text": "{'a': 1180591620717411303424}"}, id="huge number"),
    ],
)
async def test_what_no_store_can_hold_is_kept_as_text(
    journal: Journal, detail: dict[Any, Any], kept: dict[str, Any]
) -> None:
    await bury(journal, message(1), detail=detail, sentence="zero \0", device_id="d\ud800", kind="codec")
    (found,) = await journal.dead_letters()
    assert found.detail == kept
    assert (found.sentence, found.device_id) == ("zero \N{REPLACEMENT CHARACTER}", "d?")


async def test_letters_are_listed_newest_first_and_by_the_page(journal: Journal) -> None:
    await bury(journal, *(message(number) for number in range(25)))
    pages = [await journal.dead_letters(limit=10)]
    while pages[-1]:
        pages.append(await journal.dead_letters(limit=10, before=pages[-1][-1].id))
    assert [len(page) for page in pages] == [10, 10, 5, 0]
    assert [one.seq for page in pages for one in page] == list(range(25, 0, -1))


async def bury_four(journal: Journal) -> None:
    await bury(
        journal,
        message(1, source="ttn"),
        message(2, source="ttn"),
        message(3, source="chirpstack"),
        message(4, source="chirpstack"),
        kind=lambda entry: "codec" if entry.seq % 2 else "late",
        device_id=lambda entry: "a" if entry.seq < 4 else None,
    )


CHOICES: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [1, 2, 3, 4]),
    ({"kind": "late"}, [2, 4]),
    ({"device": "a"}, [1, 2, 3]),
    ({"source": "chirpstack"}, [3, 4]),
    ({"since": T0 + timedelta(seconds=2)}, [2, 3, 4]),
    ({"until": T0 + timedelta(seconds=2)}, [1]),
    ({"kind": "codec", "source": "ttn", "device": "a"}, [1]),
    ({"kind": "x' OR true --"}, []),
]


@pytest.mark.parametrize(("choice", "numbers"), CHOICES)
async def test_letters_are_chosen_alike_for_listing_and_for_replay(
    journal: Journal, choice: dict[str, Any], numbers: list[int]
) -> None:
    await bury_four(journal)
    assert sorted(one.seq for one in await journal.dead_letters(**choice)) == numbers
    assert await journal.replay(**choice) == len(numbers)
    assert sorted(one.seq for one in await journal.dead_letters(state="replayed")) == numbers
    assert len(await journal.dead_letters(state=None)) == 4
    assert await journal.replay(**choice) == 0


async def test_letters_are_counted_by_kind(journal: Journal) -> None:
    await bury_four(journal)
    await journal.replay(kind="late", source="ttn")
    assert await journal.dead_letter_counts() == {"codec": 2, "late": 1}
    assert await journal.dead_letter_counts("replayed") == {"late": 1}
    assert await journal.dead_letter_counts(None) == {"codec": 2, "late": 2}


async def test_a_replayed_message_comes_again_as_it_was_and_in_order(journal: Journal) -> None:
    dead = await bury(journal, *(message(number, redelivered=number == 1) for number in range(5)))
    letters = {one.seq: one.id for one in await journal.dead_letters()}
    assert await journal.replay([letters[4], letters[2]]) == 2
    again = await deliver(journal)
    assert [entry.message for entry in again] == [dead[1].message, dead[3].message]
    assert [entry.replay_of for entry in again] == [letters[2], letters[4]]
    assert [entry.seq for entry in again] == [6, 7]
    replayed = await journal.dead_letter(letters[2])
    assert replayed is not None
    assert replayed.state == "replayed"
    assert replayed.replayed_at is not None
    total = (await journal.account()).total()
    assert (total.received, total.dead, total.delivered, total.pending) == (7, 5, 2, 0)


async def test_a_replay_wakes_the_reader(journal: Journal) -> None:
    await bury(journal, message(1))
    assert await unread(journal) == []
    waiting = asyncio.create_task(journal.wait(60))
    await journal.replay()
    assert await waiting is True


async def test_a_letter_that_dies_again_names_its_predecessor(journal: Journal) -> None:
    await bury(journal, message(1))
    (first,) = await journal.dead_letters()
    await journal.replay([first.id])
    await bury(journal)
    (second,) = await journal.dead_letters()
    assert (second.replay_of, second.seq, second.id > first.id) == (first.id, 2, True)
    assert await journal.replay([first.id]) == 0
    assert await journal.replay([second.id]) == 1
    (entry,) = await deliver(journal)
    assert entry.replay_of == second.id
    assert [one.state for one in await journal.dead_letters(state=None)] == ["replayed", "replayed"]


async def test_a_message_with_several_letters_is_replayed_once(journal: Journal) -> None:
    await journal.append(message(1))
    entries = await unread(journal)
    letters = [letter(entries[0], kind=kind) for kind in ("late", "refused", "refused")]
    await journal.settle("bridge", entries[-1].position, settle(entries, "dead"), letters)
    assert await journal.replay(kind="refused") == 1
    assert await journal.dead_letters() == []
    (entry,) = await unread(journal)
    assert entry.replay_of == min(one.id for one in await journal.dead_letters(state=None))


async def test_replays_at_the_same_time_append_each_message_once(journal: Journal) -> None:
    await bury(journal, *(message(number) for number in range(50)))
    counts = await asyncio.gather(*(journal.replay() for _ in range(5)), journal.append(message(99)))
    assert sum(counts[:5]) == 50
    assert len(await deliver(journal)) == 51


async def test_many_letters_are_replayed_step_by_step(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.journal.letters._STEP", 10)
    sent = [message(number, source="ab"[number % 2]) for number in range(35)]
    await bury(journal, *sent)
    steps: list[int] = []
    assert await journal.replay(progress=steps.append) == 35
    assert steps == [10, 20, 30, 35]
    again = await deliver(journal)
    assert [entry.message for entry in again] == sent
    assert len({entry.replay_of for entry in again}) == 35


async def test_what_dies_again_meanwhile_is_not_replayed_again(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.journal.letters._STEP", 1)
    await bury(journal, *(message(number) for number in range(5)))

    async def bury_on() -> None:
        while (await journal.account()).pending or not replaying.done():
            if await unread(journal):
                await bury(journal)
            await asyncio.sleep(0)

    replaying = asyncio.create_task(journal.replay())
    await asyncio.gather(replaying, bury_on())
    assert replaying.result() == 5
    assert len(await journal.dead_letters()) == 5


async def test_large_letters_are_replayed_a_few_at_a_time(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.journal.letters._STEP_BYTES", 1000)
    await bury(journal, *(message(n, payload=bytes(size)) for n, size in enumerate((400, 500, 200, 3000, 1))))
    steps: list[int] = []
    assert await journal.replay(progress=steps.append) == 5
    assert steps == [2, 3, 4, 5]


async def test_unknown_devices_wait_with_what_is_known_of_them(journal: Journal) -> None:
    await bury(
        journal,
        message(1, source="ttn"),
        message(5, source="ttn"),
        message(3, source="chirpstack"),
        message(9, source="ttn"),
        kind="unknown-device",
        sentence=lambda entry: f"Nobody knows it ({entry.seq}).",
        device_id=lambda entry: "a" if entry.seq < 4 else "b",
        detail=lambda entry: {"model": ["elsys", f"ers-{entry.seq}"]},
    )
    await bury(journal, message(7), kind="codec", device_id="c")
    a, b = await journal.unknown_devices()
    assert (a.device_id, a.count, b.device_id, b.count) == ("a", 3, "b", 1)
    assert (a.first_seen, a.last_seen) == (T0 + timedelta(seconds=1), T0 + timedelta(seconds=5))
    assert (a.source, a.sentence, a.detail) == (
        "chirpstack",
        "Nobody knows it (3).",
        {"model": ["elsys", "ers-3"]},
    )
    assert await journal.replay(device="a", kind="unknown-device") == 3
    assert [one.device_id for one in await journal.unknown_devices()] == ["b"]
