# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What is asked about patterns, and what is not asked again."""

from __future__ import annotations

from broker.embedded.patterns import Patterns
from store.postgres import pool as open_pool


async def test_patterns_are_asked_about_once(database: str) -> None:
    patterns = Patterns()
    assert patterns.matches("^urn:a", "urn:a:1") is True  # which means the same everywhere
    assert patterns.matches("a.*1$", "urn:a:1") is True
    asked = [("(a|b):[12]$", "urn:a:1"), ("(a|b):[12]$", "urn:c:1"), (r"\ma\M", "urn:a:1")]
    assert [patterns.matches(*each) for each in asked] == [None, None, None]
    async with open_pool(database, size=1) as pool, pool.acquire() as connection:
        assert await patterns.learn(connection)
        assert [patterns.matches(*each) for each in asked] == [True, False, True]
        assert not await patterns.learn(connection)
        assert patterns.matches("[x]", "x" * 1_000) is None  # too long to be remembered
        assert not await patterns.learn(connection)
