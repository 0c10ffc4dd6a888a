# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A number that one process writes and others read, in a file that they share: a look at it costs nothing."""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NUMBER = struct.Struct("=Q")


class Counter:
    """The number in a file; whoever makes the file begins with 0."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_NUMBER.size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _NUMBER.size)

    def value(self) -> int:
        """Return the number."""
        return int(_NUMBER.unpack_from(self._memory)[0])

    def add(self, count: int) -> None:
        """Add to the number; only one process may."""
        _NUMBER.pack_into(self._memory, 0, self.value() + count)
