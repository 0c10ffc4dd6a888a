# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Chance that repeats: numbers that depend on what they are asked for and on nothing else."""

from __future__ import annotations

import math
from functools import lru_cache
from hashlib import blake2b


def digest(*keys: int | str, size: int = 8) -> bytes:
    """Return `size` bytes that belong to the keys."""
    return blake2b("\x1f".join(map(str, keys)).encode(), digest_size=size).digest()


@lru_cache(maxsize=32768)  # neighbours in time ask for the same knots, rain and days
def chance(*keys: int | str) -> float:
    """Return a number, 0 <= n < 1, evenly distributed over the keys."""
    return int.from_bytes(digest(*keys, size=6), "big") / 2**48


def jitter(*keys: int | str) -> float:
    """Return a number, -1 <= n < 1, that is unrelated to its neighbours."""
    return 2 * chance(*keys) - 1


def smooth(seconds: float, period: float, *keys: int | str) -> float:
    """Return a number, -1 <= n <= 1, that wanders: a new knot every `period` seconds, a curve between."""
    knot = math.floor(seconds / period)
    part = seconds / period - knot
    weight = part * part * (3 - 2 * part)
    return jitter(*keys, knot) * (1 - weight) + jitter(*keys, knot + 1) * weight
