# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What is kept in memory as long as there is room for it."""

from __future__ import annotations

from broker.embedded.cache import Cache


def test_what_was_used_longest_ago_gives_way() -> None:
    cache: Cache[str, int] = Cache(100)
    for number, name in enumerate("abc"):
        cache.put(name, number, 30)
    assert cache.get("a") == 0
    cache.put("d", 3, 40)
    assert [cache.get(name) for name in "abcd"] == [0, None, 2, 3]


def test_what_is_put_again_counts_once() -> None:
    cache: Cache[str, int] = Cache(100)
    cache.put("a", 1, 40)
    for number in range(10):
        cache.put("b", number, 60)
    assert (cache.get("a"), cache.get("b")) == (1, 9)


def test_what_is_larger_than_the_room_is_not_kept_and_leaves_it_usable() -> None:
    cache: Cache[str, int] = Cache(100)
    cache.put("a", 1, 101)
    assert cache.get("a") is None
    cache.put("b", 2, 100)
    assert cache.get("b") == 2
