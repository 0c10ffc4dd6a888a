# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""When devices were heard, which frames came, and which did not.

Kept in memory for the devices heard since the start, and saved every few seconds together with the
place in the log up to which it is true; what was settled after that is read again after a start.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from msgspec import Struct

from broker.journal.port import KEYS_REMEMBERED, Activity
from models.completeness import Hours

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

# A frame counter that jumps further ahead says nothing of lost frames: the device was replaced.
_LARGEST_GAP = 1000
# A counter so little behind the newest is a frame that was overtaken; further behind, a new count.
_OVERTAKEN = 100
# How much of an interval that is shorter or longer than the usual one the usual one gives way.
_STEP = 0.1


class Heard(Struct, gc=False):
    """One device.

    Attributes:
        keys: hashes of its last messages, signed 64 bits, oldest first.
        hours: what came and what is missing, hour by hour.
        interval: seconds between its messages, usually; 0: not known yet.
    """

    first_seen: datetime | None = None
    last_seen: datetime | None = None
    f_cnt: int | None = None
    messages: int = 0
    keys: array[int] | None = None
    hours: Hours | None = None
    interval: float = 0.0


class Book:
    """What is known of the devices heard since the start."""

    def __init__(self) -> None:
        self._heard: dict[str, Heard] = {}
        self._changed: set[str] = set()
        # Frames on their way, which are not in the book before they are settled.
        self._under_way: set[tuple[str, int]] = set()

    @property
    def changed(self) -> int:
        """Devices whose entry is not saved."""
        return len(self._changed)

    def unknown(self, device_ids: Iterable[str]) -> set[str]:
        """Return those that have no entry."""
        heard = self._heard
        return {device_id for device_id in device_ids if device_id not in heard}

    def recall(self, device_ids: Iterable[str], saved: Mapping[str, Activity]) -> None:
        """Enter what was saved; what was not is new."""
        for device_id in device_ids:
            self._heard[device_id] = _opened(saved[device_id]) if device_id in saved else Heard()

    def last_seen(self, device_id: str) -> datetime | None:
        """Return when a device was heard last, of what is settled."""
        heard = self._heard.get(device_id)
        return heard.last_seen if heard else None

    def take(self, device_id: str, key: int) -> bool:
        """Note that a frame is on its way; return whether it came before."""
        frame = (device_id, key)
        if frame in self._under_way:
            return True
        heard = self._heard.get(device_id)
        if heard is not None and heard.keys is not None and key in heard.keys:
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
        heard = self._heard.get(device_id)
        if heard is None:
            heard = self._heard[device_id] = Heard()
        self._changed.add(device_id)
        heard.messages += 1
        if duplicate:
            return
        if key is not None:
            self._under_way.discard((device_id, key))
            if not _remember(heard, key):  # another try of a dead letter
                return
        if heard.hours is None:
            heard.hours = Hours()
        heard.hours.received(observed_at)
        if f_cnt is not None:
            _count_frames(heard, heard.hours, f_cnt, observed_at)
        _note_time(heard, observed_at)

    def take_changes(self) -> dict[str, Activity]:
        """Return the entries that are not saved, and hold them for saved."""
        changed, self._changed = self._changed, set()
        return {device_id: _closed(self._heard[device_id]) for device_id in changed}

    def put_back(self, device_ids: Iterable[str]) -> None:
        """These could not be saved after all."""
        self._changed.update(device_ids)


def _remember(heard: Heard, key: int) -> bool:
    """Remember a key; return whether it is new."""
    keys = heard.keys
    if keys is None:
        keys = heard.keys = array("q")
    elif key in keys:
        return False
    keys.append(key)
    if len(keys) > KEYS_REMEMBERED:
        del keys[:-KEYS_REMEMBERED]
    return True


def _note_time(heard: Heard, observed_at: datetime) -> None:
    """Move when the device was heard, and learn how often it usually is."""
    last = heard.last_seen
    if last is None:
        heard.first_seen = heard.last_seen = observed_at
    elif observed_at > last:
        heard.last_seen = observed_at
        passed = (observed_at - last).total_seconds()
        usual = heard.interval
        if not usual:
            heard.interval = passed
        elif abs(passed - usual) <= _STEP * usual:
            heard.interval = (usual + passed) / 2
        else:  # towards the median: one long silence does not make the device a slow one
            heard.interval = usual * (1 + _STEP if passed > usual else 1 - _STEP)
    elif heard.first_seen is None or observed_at < heard.first_seen:
        heard.first_seen = observed_at


def _count_frames(heard: Heard, hours: Hours, f_cnt: int, observed_at: datetime) -> None:
    """Tell lost frames by the counter that each uplink carries (LoRaWAN 1.0.4, 4.3.1.5)."""
    last = heard.f_cnt
    if last is not None and f_cnt < last and last - f_cnt <= _OVERTAKEN:
        hours.missed(observed_at, -1)  # it was missing, and came after all
        return
    if last is not None and 1 < f_cnt - last <= _LARGEST_GAP:
        hours.missed(observed_at, f_cnt - last - 1)
    heard.f_cnt = f_cnt


def _opened(activity: Activity) -> Heard:
    hours, interval = Hours.unpack(activity.hour, activity.hours)
    return Heard(
        first_seen=activity.first_seen,
        last_seen=activity.last_seen,
        f_cnt=activity.f_cnt,
        messages=activity.messages,
        keys=array("q", activity.keys) if activity.keys else None,
        hours=hours,
        interval=interval,
    )


def _closed(heard: Heard) -> Activity:
    hours = heard.hours or Hours()
    return Activity(
        first_seen=heard.first_seen,
        last_seen=heard.last_seen,
        f_cnt=heard.f_cnt,
        messages=heard.messages,
        keys=tuple(heard.keys or ()),
        hour=hours.hour,
        hours=hours.pack(heard.interval),
    )
