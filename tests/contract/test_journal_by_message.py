# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Reading and settling message by message: goes with `broker/journal/legacy.py`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from broker.journal.port import KEYS_REMEMBERED, Activity, Journal, Settled, key_hash
from tests.contract.journals import T0, message, open_postgres


async def commit_one_by_one(journal: Journal, *settled: Settled) -> None:
    for one in settled:
        seq = await journal.append(message(0))
        entries = await journal.read(await journal.position("bridge"), 1)
        await journal.commit("bridge", entries[0].position, [replace(one, seq=seq)])


@pytest.mark.parametrize("together", [True, False], ids=["in one commit", "one by one"])
async def test_activity_of_a_device(database: str, together: bool) -> None:  # noqa: FBT001 - a parameter
    async with open_postgres(database) as journal:
        await check_activity(journal, together=together)


async def check_activity(journal: Journal, *, together: bool) -> None:
    count = KEYS_REMEMBERED + 4
    heard = [
        Settled(
            seq=number + 1,
            source="ttn",
            outcome="delivered",
            device_id="a",
            key=key_hash(f"frame {number}"),
            observed_at=T0 + timedelta(minutes=number),
            f_cnt=number,
        )
        for number in range(count)
    ]
    late = replace(heard[0], seq=count + 1, key=7, observed_at=T0 - timedelta(days=1), f_cnt=5)
    again = replace(heard[-1], seq=count + 2, outcome="duplicate")
    status = replace(heard[-1], seq=count + 3, key=None, f_cnt=None, observed_at=T0 + timedelta(hours=2))
    timeless = replace(heard[0], seq=count + 4, device_id="b", key=-(2**63), observed_at=None, f_cnt=None)
    nobody = replace(heard[0], seq=count + 5, device_id=None)
    settled = [*heard, late, again, status, timeless, nobody]
    if together:
        await journal.extend([message(number) for number in range(len(settled))])
        entries = await journal.read(await journal.position("bridge"), 100)
        await journal.commit("bridge", entries[-1].position, settled)
    else:
        await commit_one_by_one(journal, *settled)
    a = Activity(
        first_seen=T0 - timedelta(days=1),
        last_seen=T0 + timedelta(hours=2),
        f_cnt=count - 1,
        messages=count + 3,
        keys=(*(key_hash(f"frame {number}") for number in range(count)), 7)[-KEYS_REMEMBERED:],
    )
    b = Activity(first_seen=None, last_seen=None, f_cnt=None, messages=1, keys=(-(2**63),))
    assert await journal.activities() == {"a": a, "b": b}
    assert await journal.activity({"a", "c"}) == {"a": a}
    assert await journal.activity([]) == {}
