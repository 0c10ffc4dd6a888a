# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What no sensible device sends: it is a dead letter, alone, and nobody waits for it."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.faults.account import balance, listed, raw
from tests.faults.publisher import Raw
from tests.faults.scale import LIMIT, RATE

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
