# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What is kept in memory as long as there is room for it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Cache(Generic[Key, Value]):
    """Keeps what was used last, as many bytes of it as there is room for.

    Args:
        room: how many bytes there are.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._used = 0
        self._entries: OrderedDict[Key, tuple[int, Value]] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """Return what is kept under a key, if anything is."""
        found = self._entries.get(key)
        if found is None:
            return None
        self._entries.move_to_end(key)
        return found[1]

    def keys(self) -> list[Key]:
        """Return what things are kept under, those first that were used longest ago."""
        return list(self._entries)

    def drop(self, key: Key) -> None:
        """Keep something no longer."""
        size, _ = self._entries.pop(key, (0, None))
        self._used -= size

    def clear(self) -> None:
        """Keep nothing of all this."""
        self._entries.clear()
        self._used = 0

    def put(self, key: Key, value: Value, size: int) -> None:
        """Keep something of a size in bytes; what was used longest ago gives way.

        What is larger than all the room is not kept.
        """
        before, _ = self._entries.pop(key, (0, None))
        self._entries[key] = (size, value)
        self._used += size - before
        while self._used > self._room:
            _, (freed, _) = self._entries.popitem(last=False)
            self._used -= freed
