# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What no sensible device sends: it is a dead letter, alone, and nobody waits for it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

import pytest

from tests.faults.account import balance, listed, raw
from tests.faults.publisher import Raw
from tests.faults.scale import LIMIT, RATE
from tests.waiting import reached

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.faults.measures import Measure
    from tests.faults.town import Town

    Build = Callable[..., AbstractAsyncContextManager[Town]]

pytestmark = pytest.mark.timeout(LIMIT)

_STRANGE = {"endDevice": {"devEui": "70-B3-D5-7E-D0-00-00-01"}, "fCntUp": 4, "fPort": 5, "payload": "0100e1"}
#: Payload, and the kind of the dead letter.
POISON: dict[str, tuple[bytes, str]] = {
    "nested 20,000 deep": (b"[" * 20_000 + b"]" * 20_000, "malformed-payload"),
    "objects 20,000 deep": (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, "malformed-payload"),
    "a string of 20 MB": (json.dumps({"n": 1, "text": "x" * 20_000_000}).encode(), "too-large"),
    "null": (b"null", "unknown-envelope"),
    "a bare number": (b"42", "unknown-envelope"),
    "invalid UTF-8": (b'{"n": 1, "name": "\xff\xfe"}', "malformed-payload"),
    "1e999": (b'{"n": 1, "measured": {"temperature": 1e999}}', "malformed-payload"),
    "NaN": (b'{"n": 1, "measured": {"temperature": NaN}}', "malformed-payload"),
    "nothing": (b"", "malformed-payload"),
    "another network server": (json.dumps(_STRANGE).encode(), "unknown-envelope"),
}


TOPICS = ("city/gauge-003/measures", "application/hagen/device/70b3d57ed0100003/event/up")


async def test_poison_is_a_dead_letter_alone(build: Build) -> None:
    """Whichever way it comes; what other devices send between, behind and before it arrives."""
    async with build() as town:
        messages: list[Measure | Raw] = [*town.fleet.take(200)]
        for topic in TOPICS:
            for payload, _ in POISON.values():
                messages += [Raw(topic, payload), *town.fleet.take(50)]
        await town.publisher.send(messages, rate=2 * RATE)
        kinds = Counter(kind for _ in TOPICS for _, kind in POISON.values())
        # On the topic that a plain format is declared for, it lacks what that format says.
        kinds.subtract({"unknown-envelope": 1, "envelope": -1})
        account = await balance(
            town.volme, town.publisher, town.receiver, refused=kinds.total(), letters=kinds
        )
        assert account.duplicate == town.receiver.repeats == 0
        letters = await listed(town.volme)
        sizes = Counter(len(payload) for _ in TOPICS for payload, _ in POISON.values())
        assert Counter(letter["size"] for letter in letters) == sizes
        # With the message, byte by byte.
        heaviest = max(letters, key=lambda letter: letter["size"])
        assert await raw(town.volme, heaviest["id"]) == POISON["a string of 20 MB"][0]


#: Tries with each poison. Of these the best counts: a busy machine is slow now and then, poison is always.
ROUNDS = 3
#: Tries more with what seems to be slow.
AGAIN = 12
#: By so much what comes behind poison may take longer than what comes behind nothing.
LONGER = 4.0


async def test_nobody_waits_for_poison(build: Build) -> None:
    """What others send right behind it takes as long as it does without poison before it."""
    # To carry twenty megabytes takes long, whoever reads them.
    poison = {name: payload for name, (payload, _) in POISON.items() if len(payload) < 1_000_000}
    async with build() as town:
        without: list[float] = []
        behind: dict[tuple[str, str], list[float]] = {}
        await _seconds(town)
        which = [(topic, name) for topic in TOPICS for name in poison]
        for tries in range(ROUNDS + AGAIN):
            for topic, name in which:
                without.append(await _seconds(town))
                behind.setdefault((topic, name), []).append(await _seconds(town, Raw(topic, poison[name])))
            if tries + 1 < ROUNDS:
                continue
            usual = median(without)
            longer = {which: round(min(seconds) / usual, 2) for which, seconds in behind.items()}
            if not (which := [each for each, times in longer.items() if times >= LONGER]):
                break
        assert which == [], f"usually {usual:.3f} s, behind poison times {longer}"
        refused = sum(map(len, behind.values()))
        account = await balance(town.volme, town.publisher, town.receiver, refused=refused)
        assert account.duplicate == 0


async def _seconds(town: Town, *first: Raw) -> float:
    """Return how long it takes until readings have arrived that are sent behind something."""
    clock = asyncio.get_running_loop().time
    fine = town.fleet.take(20)
    begun = clock()
    await town.publisher.send([*first, *fine])
    await reached(len(fine), lambda: sum(each.key in town.receiver.values for each in fine))
    return clock() - begun
