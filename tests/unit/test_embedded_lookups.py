# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Entities that are asked for at the same time are read together."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from broker.embedded.lookups import Lookups
from broker.embedded.merging import Stored

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Table:
    """Entities by tenant, and what was read of them."""

    def __init__(self) -> None:
        self.ids = {"": {"urn:a:1", "urn:a:2"}, "other": {"urn:a:1"}}
        self.looks: list[tuple[str, list[str]]] = []
        self.fails = False
        self.looked = asyncio.Event()

    async def read(self, _connection: None, tenant: str, ids: Sequence[str]) -> list[Stored]:
        self.looks.append((tenant, list(ids)))
        self.looked.set()
        await asyncio.sleep(0)
        if self.fails:
            msg = "the database is away"
            raise OSError(msg)
        return [
            Stored(id=each, types=[tenant], scopes=None, attributes={}, created_at=NOW, modified_at=NOW)
            for each in ids
            if each in self.ids[tenant]
        ]


async def test_one_look_for_all_who_ask_at_once() -> None:
    table = Table()
    lookups = Lookups(nullcontext, table.read)
    asked = [("", "urn:a:1"), ("", "urn:a:2"), ("", "urn:a:1"), ("other", "urn:a:1"), ("", "urn:none")]
    found = await asyncio.gather(*(lookups.get(*key) for key in asked))
    assert [each and (each.types[0], each.id) for each in found] == [*asked[:4], None]
    assert table.looks == [("", ["urn:a:1", "urn:a:2", "urn:none"]), ("other", ["urn:a:1"])]


async def test_who_asks_later_sees_what_is_there_later() -> None:
    table = Table()
    lookups = Lookups(nullcontext, table.read)
    first = asyncio.create_task(lookups.get("", "urn:a:3"))
    await table.looked.wait()
    table.ids[""].add("urn:a:3")
    second = asyncio.create_task(lookups.get("", "urn:a:3"))
    assert (await second) is not None
    await first
    assert len(table.looks) == 2


async def test_a_failure_reaches_all_and_is_over() -> None:
    table = Table()
    lookups = Lookups(nullcontext, table.read)
    table.fails = True
    found = await asyncio.gather(
        lookups.get("", "urn:a:1"), lookups.get("", "urn:a:2"), return_exceptions=True
    )
    assert [type(each) for each in found] == [OSError, OSError]
    table.fails = False
    with pytest.raises(TimeoutError):  # somebody who does not wait takes nothing from others
        await asyncio.wait_for(lookups.get("", "urn:a:1"), 0)
    assert (await lookups.get("", "urn:a:1")) is not None


async def test_a_connection_that_fails_is_not_used_again() -> None:
    table = Table()
    lent = 0

    @asynccontextmanager
    async def lend() -> AsyncIterator[None]:
        nonlocal lent
        lent += 1
        table.fails = lent == 1
        yield

    lookups = Lookups(lend, table.read)
    with pytest.raises(OSError, match="away"):
        await lookups.get("", "urn:a:1")
    assert (await lookups.get("", "urn:a:1")) is not None
    assert lent == 2
    found = await asyncio.gather(*(lookups.get("", f"urn:a:{number}") for number in range(1, 1001)))
    assert sum(each is not None for each in found) == 2
    assert lent == 3  # for all five looks
