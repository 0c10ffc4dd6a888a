# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Counters that only rise: what was counted from one reading to the next.

A difference needs the reading before. It is exact if who follows the log in its order keeps the last count
of each counter, and after a start knows again what was known at that place in the log.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the fields at run time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

# A counter is taken to have rolled over if no more than this part of its range was counted since; else it
# began anew: the device was replaced, or its battery.
_ROLLED = 0.1


class Count(NamedTuple):
    """What a counter said, and when."""

    value: float
    at: datetime


class Counted(NamedTuple):
    """A reading of a counter."""

    quantity: str
    value: float
    at: datetime


class Counters:
    """The last count of each counter, by device and quantity."""

    def __init__(self) -> None:
        self._last: dict[str, dict[str, Count]] = {}

    def __len__(self) -> int:
        return len(self._last)

    def advance(self, device_id: str, now: Counted, modulus: float | None = None) -> float | None:
        """Enter a reading, and return what was counted since the one before.

        Args:
            device_id: of the device.
            now: the reading.
            modulus: the count at which the counter begins at zero again; None: not known.

        Returns:
            None where there is no difference: it is the first reading; or not newer than the one known,
            and then it is not entered; or the counter went back and did not roll over.
        """
        before = self.last(device_id, now.quantity)
        if not self.enter(device_id, now) or before is None:
            return None
        passed = now.value - before.value
        if passed < 0:
            passed += modulus or 0.0
            if modulus is None or not 0 <= passed <= _ROLLED * modulus:
                return None
        return round(passed, 9)

    def enter(self, device_id: str, now: Counted) -> bool:
        """Enter a reading, also of what is no counter and of which the newest state alone is asked for.

        Returns:
            Whether it is newer than the one known; else it is not entered.
        """
        known = self._last.setdefault(device_id, {})
        before = known.get(now.quantity)
        if before is not None and now.at <= before.at:
            return False
        known[now.quantity] = Count(now.value, now.at)
        return True

    def last(self, device_id: str, quantity: str) -> Count | None:
        """Return the newest reading that is known."""
        return self._last.get(device_id, {}).get(quantity)

    def note(self, device_id: str, readings: Iterable[Counted]) -> None:
        """Enter readings, as `enter` does."""
        for reading in readings:
            self.enter(device_id, reading)

    def known(self, device_ids: Iterable[str]) -> list[str]:
        """Return those of the devices that have counters."""
        return [device_id for device_id in device_ids if device_id in self._last] if self._last else []

    def pack(self, device_id: str) -> bytes:
        """Write what is known of a device's counters; nothing: it has none."""
        known = self._last.get(device_id)
        return msgspec.msgpack.encode(known) if known else b""

    def restore(self, device_id: str, packed: bytes) -> None:
        """Read what `pack` wrote; what was known of the device before is forgotten."""
        if packed:
            self._last[device_id] = msgspec.msgpack.decode(packed, type=dict[str, Count])
