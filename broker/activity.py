# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""When devices were heard, which frames came, and which did not.

Kept in memory for the devices heard since the start, and saved every few seconds together with the
place in the log up to which it is true; what was settled after that is read again after a start.

A city has a hundred thousand devices: what is known of them is in columns of numbers, a row a device, and
the columns are on pages: one that grows leaves behind in memory as much as it needs.
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
    from collections.abc import Iterable, Iterator, Mapping

# A frame counter that jumps further ahead says nothing of lost frames: the device was replaced.
_LARGEST_GAP = 1000
# A counter so little behind the newest is a frame that was overtaken; further behind, a new count.
_OVERTAKEN = 100
# How much of an interval that is shorter or longer than the usual one the usual one gives way.
_STEP = 0.1
# Rows of a page: 2 ** _BITS.
_BITS = 10
_ROWS = 1 << _BITS


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


class _Page:
    """What is known of some devices, a row each.

    Attributes:
        names: of those that have a row.
        first_seen: seconds since 1970, exact to the microsecond for a lifetime; not a number: never.
        last_seen: likewise.
        interval: seconds between messages, usually; 0: not known yet.
        messages: settled ones, duplicates included.
        f_cnt: the newest frame counter; -1: there was none.
        hour: the newest hour of the counts.
        counts: what came: see `models.completeness.begin_hours`.
        missing: what did not; None: nothing is missing of any of them.
        keys: hashes of the last messages, signed 64 bits, oldest first.
        changed: 1 where it is not saved.
    """

    __slots__ = (
        "changed",
        "counts",
        "f_cnt",
        "first_seen",
        "hour",
        "interval",
        "keys",
        "last_seen",
        "messages",
        "missing",
        "names",
    )

    def __init__(self) -> None:
        self.names: list[str] = []
        self.first_seen = array("d", [nan]) * _ROWS
        self.last_seen = array("d", [nan]) * _ROWS
        self.interval = array("d", [0.0]) * _ROWS
        self.messages = array("Q", [0]) * _ROWS
        self.f_cnt = array("q", [-1]) * _ROWS
        self.hour = array("q", [0]) * _ROWS
        self.counts = _counts()
        self.missing: array[int] | None = None
        self.keys: list[array[int] | None] = [None] * _ROWS
        self.changed = bytearray(_ROWS)

    def heard(self, row: int) -> Heard:
        """Return how often a device is heard."""
        return Heard(_moment(self.last_seen[row]), self.interval[row], self.messages[row])

    def remember(self, row: int, key: int) -> bool:
        """Remember a key; return whether it is new."""
        keys = self.keys[row]
        if keys is None:
            keys = self.keys[row] = array("q")
        elif key in keys:
            return False
        keys.append(key)
        if len(keys) > KEYS_REMEMBERED:
            del keys[:-KEYS_REMEMBERED]
        return True

    def count(self, row: int, stamp: float, f_cnt: int | None) -> None:
        """Count a frame, and those that are missing before it."""
        hour = int(stamp) // HOUR_S
        newest, counts = self.hour[row], self.counts
        if hour > newest:
            begin_hours(counts, row * HOURS, newest, hour)
            if self.missing is not None:
                begin_hours(self.missing, row * HOURS, newest, hour)
            newest = self.hour[row] = hour
        kept = hour > newest - HOURS
        place = row * HOURS + hour % HOURS
        if kept and counts[place] < MOST:
            counts[place] += 1
        if f_cnt is None:
            return
        # Lost frames are told by the counter that each uplink carries (LoRaWAN 1.0.4, 4.3.1.5).
        last = self.f_cnt[row]
        if f_cnt < last <= f_cnt + _OVERTAKEN:
            missing = -1  # it was missing, and came after all
        else:
            missing = f_cnt - last - 1 if last >= 0 and 1 < f_cnt - last <= _LARGEST_GAP else 0
            self.f_cnt[row] = f_cnt
        if kept and missing:
            if self.missing is None:
                self.missing = _counts()
            add_frames(self.missing, place, missing)

    def note_time(self, row: int, stamp: float) -> None:
        """Move when a device was heard, and learn how often it usually is."""
        last = self.last_seen[row]
        if stamp > last:
            self.last_seen[row] = stamp
            passed = stamp - last
            usual = self.interval[row]
            if not usual:
                usual = passed
            elif abs(passed - usual) <= _STEP * usual:
                usual = (usual + passed) / 2
            else:  # towards the median: one long silence does not make the device a slow one
                usual *= 1 + _STEP if passed > usual else 1 - _STEP
            self.interval[row] = usual
        elif isnan(last):
            self.first_seen[row] = self.last_seen[row] = stamp
        elif stamp < self.first_seen[row]:
            self.first_seen[row] = stamp

    def read(self, row: int, activity: Activity) -> None:
        """Take over what was saved."""
        self.first_seen[row] = _stamp(activity.first_seen)
        self.last_seen[row] = _stamp(activity.last_seen)
        self.f_cnt[row] = -1 if activity.f_cnt is None else activity.f_cnt
        self.messages[row] = activity.messages
        self.keys[row] = array("q", activity.keys) if activity.keys else None
        if len(activity.hours) >= PACKED.size:  # its counters may follow
            self.interval[row], *counts = PACKED.unpack_from(activity.hours)
            place = slice(row * HOURS, (row + 1) * HOURS)
            self.counts[place] = array("H", counts[:HOURS])
            if self.missing is None and any(counts[HOURS:]):
                self.missing = _counts()
            if self.missing is not None:
                self.missing[place] = array("H", counts[HOURS:])
            self.hour[row] = activity.hour

    def write(self, row: int) -> Activity:
        """Return what is to be saved."""
        f_cnt = self.f_cnt[row]
        place = slice(row * HOURS, (row + 1) * HOURS)
        missing = _NO_HOURS if self.missing is None else self.missing[place]
        return Activity(
            first_seen=_moment(self.first_seen[row]),
            last_seen=_moment(self.last_seen[row]),
            f_cnt=None if f_cnt < 0 else f_cnt,
            messages=self.messages[row],
            keys=tuple(self.keys[row] or ()),
            hour=self.hour[row],
            hours=PACKED.pack(self.interval[row], *self.counts[place], *missing),
        )

    def take_changes(self) -> Iterator[tuple[str, Activity]]:
        """Give what is not saved, and hold it for saved."""
        row = self.changed.find(1)
        while row >= 0:
            yield self.names[row], self.write(row)
            self.changed[row] = 0
            row = self.changed.find(1, row + 1)


class Book:
    """What is known of the devices heard since the start."""

    def __init__(self) -> None:
        # The number of a device's row, over all pages.
        self._rows: dict[str, int] = {}
        self._pages: list[_Page] = []
        # Frames on their way, which are not in the book before they are settled.
        self._under_way: set[tuple[str, int]] = set()

    @property
    def changed(self) -> int:
        """Devices whose entry is not saved."""
        return sum(page.changed.count(1) for page in self._pages)

    def unknown(self, device_ids: Iterable[str]) -> set[str]:
        """Return those that have no entry."""
        rows = self._rows
        return {device_id for device_id in device_ids if device_id not in rows}

    def recall(self, device_ids: Iterable[str], saved: Mapping[str, Activity]) -> None:
        """Enter what was saved; what was not is new."""
        for device_id in device_ids:
            page, row = self._enter(device_id)
            if device_id in saved:
                page.read(row, saved[device_id])

    def heard(self, device_id: str) -> Heard | None:
        """Return how often a device is heard; None: it has no entry."""
        number = self._rows.get(device_id)
        return None if number is None else self._pages[number >> _BITS].heard(number % _ROWS)

    def last_seen(self, device_id: str) -> datetime | None:
        """Return when a device was heard last, of what is settled."""
        heard = self.heard(device_id)
        return heard.last_seen if heard else None

    def take(self, device_id: str, key: int) -> bool:
        """Note that a frame is on its way; return whether it came before."""
        frame = (device_id, key)
        if frame in self._under_way:
            return True
        number = self._rows.get(device_id)
        keys = None if number is None else self._pages[number >> _BITS].keys[number % _ROWS]
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
        page, row = self._enter(device_id)
        page.changed[row] = 1
        page.messages[row] += 1
        if duplicate:
            return
        if key is not None:
            self._under_way.discard((device_id, key))
            if not page.remember(row, key):  # another try of a dead letter
                return
        stamp = observed_at.timestamp()
        page.count(row, stamp, f_cnt)
        page.note_time(row, stamp)

    def take_changes(self) -> dict[str, Activity]:
        """Return the entries that are not saved, and hold them for saved."""
        return {name: activity for page in self._pages for name, activity in page.take_changes()}

    def put_back(self, device_ids: Iterable[str]) -> None:
        """These could not be saved after all."""
        for device_id in device_ids:
            page, row = self._enter(device_id)
            page.changed[row] = 1

    def _enter(self, device_id: str) -> tuple[_Page, int]:
        """Return page and row of a device, where it has none yet new ones."""
        number = self._rows.get(device_id)
        if number is None:
            number = self._rows[device_id] = len(self._rows)
            if number >> _BITS == len(self._pages):
                self._pages.append(_Page())
            self._pages[-1].names.append(device_id)
        return self._pages[number >> _BITS], number % _ROWS


_NO_HOURS = bytes(HOURS)


def _counts() -> array[int]:
    return array("H", [0]) * (HOURS * _ROWS)


def _stamp(moment: datetime | None) -> float:
    return nan if moment is None else moment.timestamp()


def _moment(stamp: float) -> datetime | None:
    return None if isnan(stamp) else datetime.fromtimestamp(stamp, UTC)
