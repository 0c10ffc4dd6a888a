# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How far a reading is to be trusted: a flag, which goes to the broker beside the value as `quality`.

Nothing that is flagged is held back: who reads the data decides (`q=temperature.quality` finds them). The
limits stand in `ontology/quantities.toml`.

| flag    | what was seen                                                                                  |
|---------|------------------------------------------------------------------------------------------------|
| `range` | the value is outside of what is physically possible (`range`)                                  |
| `clock` | the device's own clock is ahead of the time of receipt, or stands still while messages come    |
| `rate`  | since the device's reading before, it changed more than the quantity can (`rate`, each minute) |
| `stuck` | it has been exactly the same for longer than the quantity ever is (`stuck`, hours)             |

What is derived from a flagged reading has its flag.
"""

from __future__ import annotations

from array import array
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from adapters.derive import DERIVATIONS, VARIANTS
from ontology.loader import quantities

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from models.reading import Reading
    from models.uplink import Uplink

RANGE, CLOCK, RATE, STUCK = "range", "clock", "rate", "stuck"
#: How far a device's clock may be ahead of ours; beyond a day it is no time at all.
_AHEAD: Final = timedelta(minutes=5)
# Of messages of one time that come later than this after each other, the clock stands still.
_STANDS_S: Final = 60.0
# So often at least a value has to come again before it is stuck.
_OFTEN: Final = 5
_FLAGS: Final = (None, RATE, STUCK)
# Of each quantity that is watched: value, when it was observed, since when it is so, how often, its flag.
_VALUE, _AT, _SINCE, _TIMES, _FLAG, _WIDTH = range(6)


class Limit(NamedTuple):
    """What a quantity never does.

    Attributes:
        rate: the greatest change in a minute, in its unit; None: there is no limit.
        stuck: seconds that it never stays the same; None: it may.
        low, high: at these values, and at zero, it may stay: the sensor's range ends there.
    """

    rate: float | None
    stuck: float | None
    low: float | None
    high: float | None


@cache
def limits() -> Mapping[str, Limit]:
    """Return what is watched, by quantity."""
    return {
        name: Limit(
            rate=quantity.rate,
            stuck=None if quantity.stuck is None else quantity.stuck * 3600,
            low=quantity.low,
            high=quantity.high,
        )
        for name, quantity in quantities().items()
        if quantity.rate is not None or quantity.stuck is not None
    }


class Recent:
    """What devices said before, of the quantities that are watched. After a start it begins anew."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[tuple[str, ...], array[float]]] = {}
        self._clocks: dict[str, tuple[float, float]] = {}
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}

    def look(
        self, device_id: str, at: float, values: Sequence[tuple[str, float]]
    ) -> Mapping[str, str] | None:
        """Enter what a device measured, and return the flags by quantity; None: there are none.

        The same again has the same flags; what is older than known is not looked at.

        Args:
            device_id: of the device.
            at: when it was observed, in seconds since 1970.
            values: of quantities in `limits`.
        """
        names, seen = self._state(device_id, values)
        flags: dict[str, str] | None = None
        for name, value in values:
            place = names.index(name) * _WIDTH
            before = seen[place + _AT]
            if at > before:
                _enter(seen, place, value, at, limits()[name])
            elif at < before:
                continue
            flag = _FLAGS[int(seen[place + _FLAG])]
            if flag is not None:
                flags = {**(flags or {}), name: flag}
        return flags

    def _state(
        self, device_id: str, values: Sequence[tuple[str, float]]
    ) -> tuple[tuple[str, ...], array[float]]:
        found = self._seen.get(device_id)
        names = () if found is None else found[0]
        more = tuple([name for name, _ in values if name not in names])
        if found is not None and not more:
            return found
        names = self._names.setdefault((*names, *more), (*names, *more))
        seen = array("d") if found is None else found[1]
        seen.extend([0.0] * _WIDTH * len(more))
        self._seen[device_id] = found = names, seen
        return found

    def clock_is_wrong(self, uplink: Uplink, device_id: str, received_at: datetime) -> bool:
        """Say whether a device's own clock is ahead, or stands still."""
        if not uplink.device_time:
            return False
        if uplink.observed_at > received_at + _AHEAD:
            return True
        observed, received = uplink.observed_at.timestamp(), received_at.timestamp()
        before = self._clocks.get(device_id)
        if before is None or before[0] != observed:
            self._clocks[device_id] = observed, received
            return False
        return received - before[1] > _STANDS_S

    def forget(self, device_ids: Iterable[str]) -> None:
        """Forget devices."""
        for device_id in device_ids:
            self._seen.pop(device_id, None)
            self._clocks.pop(device_id, None)


def _enter(seen: array[float], place: int, value: float, at: float, limit: Limit) -> None:
    before, since = seen[place + _VALUE], seen[place + _AT]
    flag = 0
    if since and limit.rate is not None:
        minutes = max((at - since) / 60, 1.0)
        flag = 1 if abs(value - before) > limit.rate * minutes else 0
    if since and value == before:
        seen[place + _TIMES] += 1
        if (
            limit.stuck is not None
            and at - seen[place + _SINCE] > limit.stuck
            and seen[place + _TIMES] >= _OFTEN
            and value not in (0, limit.low, limit.high)
        ):
            flag = 2
    else:
        seen[place + _SINCE], seen[place + _TIMES] = at, 1
    seen[place + _VALUE], seen[place + _AT], seen[place + _FLAG] = value, at, flag


def out_of_range(reading: Reading) -> bool:
    """Say whether a number is outside of what is physically possible."""
    quantity, value = quantities()[reading.quantity], reading.value
    if quantity.kind != "number" or isinstance(value, bool | str) or value != value:  # noqa: PLR0124 - NaN
        return False
    low, high = quantity.low, quantity.high
    if abs(value) == float("inf"):
        return False
    return (low is not None and value < low) or (high is not None and value > high)


def sources_of(quantity: str) -> tuple[str, ...]:
    """Return what a quantity may have been derived from, directly."""
    return _sources().get(quantity, ())


@cache
def _sources() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for row in (*VARIANTS, *DERIVATIONS):
        found[row.gives] = (*found.get(row.gives, ()), row.given, *row.also)
    return found
