# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""When devices were heard, which frames came, and which did not.

Kept in memory for the devices heard since the start, and saved every few seconds together with the
place in the log up to which it is true; what was settled after that is read again after a start.

A city has a hundred thousand devices: what is known of them is in columns of numbers, a row a device.
"""

from __future__ import annotations

from array import array
from datetime import UTC, datetime
from math import isnan, nan
from typing import TYPE_CHECKING

from msgspec import Struct

from broker.journal.port import KEYS_REMEMBERED, Activity
from models.completeness import HOUR_S, HOURS, MOST, PACKED, add_frames, begin_hours

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A frame counter that jumps further ahead says nothing of lost frames: the device was replaced.
_LARGEST_GAP = 1000
# A counter so little behind the newest is a frame that was overtaken; further behind, a new count.
_OVERTAKEN = 100
# How much of an interval that is shorter or longer than the usual one the usual one gives way.
_STEP = 0.1
# Counts of a device: what came and what is missing, by the hour.
_COUNTS = 2 * HOURS
_NO_COUNTS = bytes(2 * _COUNTS)


class Heard(Struct, frozen=True, gc=False):
    """How often a device is heard.

    Attributes:
        last_seen: the newest time of observation; None: there was none.
        interval: seconds between its messages, usually; 0: not known yet.
        messages: settled ones, duplicates included.
    """

    last_seen: datetime | None
    interval: float
    messages: int


class Book:
    """What is known of the devices heard since the start."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        # Seconds since 1970, which are exact to the microsecond for a lifetime; not a number: never.
        self._first_seen = array("d")
        self._last_seen = array("d")
        self._interval = array("d")
        self._messages = array("Q")
        self._f_cnt = array("q")  # -1: none
        self._hour = array("q")
        self._counts = array("H")
        # Hashes of the last messages, signed 64 bits, oldest first.
        self._keys: list[array[int] | None] = []
        self._changed: set[str] = set()
        # Frames on their way, which are not in the book before they are settled.
        self._under_way: set[tuple[str, int]] = set()

    @property
    def changed(self) -> int:
        """Devices whose entry is not saved."""
        return len(self._changed)

    def unknown(self, device_ids: Iterable[str]) -> set[str]:
        """Return those that have no entry."""
        rows = self._rows
        return {device_id for device_id in device_ids if device_id not in rows}

    def recall(self, device_ids: Iterable[str], saved: Mapping[str, Activity]) -> None:
        """Enter what was saved; what was not is new."""
        for device_id in device_ids:
            row = self._row(device_id)
            if device_id in saved:
                self._open(row, saved[device_id])

    def heard(self, device_id: str) -> Heard | None:
        """Return how often a device is heard; None: it has no entry."""
        row = self._rows.get(device_id)
        if row is None:
            return None
        return Heard(_moment(self._last_seen[row]), self._interval[row], self._messages[row])

    def last_seen(self, device_id: str) -> datetime | None:
        """Return when a device was heard last, of what is settled."""
        row = self._rows.get(device_id)
        return None if row is None else _moment(self._last_seen[row])

    def take(self, device_id: str, key: int) -> bool:
        """Note that a frame is on its way; return whether it came before."""
        frame = (device_id, key)
        if frame in self._under_way:
            return True
        row = self._rows.get(device_id)
        keys = None if row is None else self._keys[row]
        if keys is not None and key in keys:
            return True
        self._under_way.add(frame)
        return False

    def settle(
        self,
        device_id: str,
        observed_at: datetime,
        *,
        key: int | None = None,
        f_cnt: int | None = None,
        duplicate: bool = False,
    ) -> None:
        """Enter a settled message."""
        row = self._rows.get(device_id)
        if row is None:
            row = self._row(device_id)
        self._changed.add(device_id)
        self._messages[row] += 1
        if duplicate:
            return
        if key is not None:
            self._under_way.discard((device_id, key))
            if not self._remember(row, key):  # another try of a dead letter
                return
        at = observed_at.timestamp()
        hour = int(at) // HOUR_S
        newest = self._hour[row]
        if hour > newest:
            newest = self._hour[row] = begin_hours(self._counts, row * _COUNTS, newest, hour)
        if hour > newest - HOURS:
            counts, place = self._counts, row * _COUNTS + hour % HOURS
            if counts[place] < MOST:
                counts[place] += 1
            if f_cnt is not None and (missing := self._missing(row, f_cnt)):
                add_frames(counts, place + HOURS, missing)
        if f_cnt is not None and not self._overtaken(row, f_cnt):
            self._f_cnt[row] = f_cnt
        self._note_time(row, at)

    def take_changes(self) -> dict[str, Activity]:
        """Return the entries that are not saved, and hold them for saved."""
        changed, self._changed = self._changed, set()
        return {device_id: self._close(self._rows[device_id]) for device_id in changed}

    def put_back(self, device_ids: Iterable[str]) -> None:
        """These could not be saved after all."""
        self._changed.update(device_ids)

    def _row(self, device_id: str) -> int:
        """Return the row of a device, where it has none yet a new one."""
        row = self._rows.get(device_id)
        if row is None:
            row = self._rows[device_id] = len(self._rows)
            self._first_seen.append(nan)
            self._last_seen.append(nan)
            self._interval.append(0.0)
            self._messages.append(0)
            self._f_cnt.append(-1)
            self._hour.append(0)
            self._counts.frombytes(_NO_COUNTS)
            self._keys.append(None)
        return row

    def _remember(self, row: int, key: int) -> bool:
        """Remember a key; return whether it is new."""
        keys = self._keys[row]
        if keys is None:
            keys = self._keys[row] = array("q")
        elif key in keys:
            return False
        keys.append(key)
        if len(keys) > KEYS_REMEMBERED:
            del keys[:-KEYS_REMEMBERED]
        return True

    def _note_time(self, row: int, at: float) -> None:
        """Move when the device was heard, and learn how often it usually is."""
        last = self._last_seen[row]
        if at > last:
            self._last_seen[row] = at
            passed = at - last
            usual = self._interval[row]
            if not usual:
                usual = passed
            elif abs(passed - usual) <= _STEP * usual:
                usual = (usual + passed) / 2
            else:  # towards the median: one long silence does not make the device a slow one
                usual *= 1 + _STEP if passed > usual else 1 - _STEP
            self._interval[row] = usual
        elif isnan(last):
            self._first_seen[row] = self._last_seen[row] = at
        elif at < self._first_seen[row]:
            self._first_seen[row] = at

    # Lost frames are told by the counter that each uplink carries (LoRaWAN 1.0.4, 4.3.1.5).

    def _overtaken(self, row: int, f_cnt: int) -> bool:
        """Say whether a frame comes after a later one."""
        return f_cnt < self._f_cnt[row] <= f_cnt + _OVERTAKEN

    def _missing(self, row: int, f_cnt: int) -> int:
        """Return how many frames are missing before one; -1: it was missing, and came after all."""
        last = self._f_cnt[row]
        if self._overtaken(row, f_cnt):
            return -1
        return f_cnt - last - 1 if last >= 0 and 1 < f_cnt - last <= _LARGEST_GAP else 0

    def _open(self, row: int, activity: Activity) -> None:
        self._first_seen[row] = _stamp(activity.first_seen)
        self._last_seen[row] = _stamp(activity.last_seen)
        self._f_cnt[row] = -1 if activity.f_cnt is None else activity.f_cnt
        self._messages[row] = activity.messages
        self._keys[row] = array("q", activity.keys) if activity.keys else None
        if len(activity.hours) >= PACKED.size:  # its counters may follow
            self._interval[row], *counts = PACKED.unpack_from(activity.hours)
            self._counts[row * _COUNTS : (row + 1) * _COUNTS] = array("H", counts)
            self._hour[row] = activity.hour

    def _close(self, row: int) -> Activity:
        f_cnt = self._f_cnt[row]
        counts = self._counts[row * _COUNTS : (row + 1) * _COUNTS]
        return Activity(
            first_seen=_moment(self._first_seen[row]),
            last_seen=_moment(self._last_seen[row]),
            f_cnt=None if f_cnt < 0 else f_cnt,
            messages=self._messages[row],
            keys=tuple(self._keys[row] or ()),
            hour=self._hour[row],
            hours=PACKED.pack(self._interval[row], *counts),
        )


def _stamp(moment: datetime | None) -> float:
    return nan if moment is None else moment.timestamp()


def _moment(stamp: float) -> datetime | None:
    return None if isnan(stamp) else datetime.fromtimestamp(stamp, UTC)
