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

from datetime import timedelta
from functools import cache
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from adapters.derive import DERIVATIONS, VARIANTS
from ontology.loader import quantities

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from models.reading import Reading
    from models.uplink import Uplink

RANGE, CLOCK, RATE, STUCK = "range", "clock", "rate", "stuck"
#: How far a device's clock may be ahead of ours; beyond a day it is no time at all.
_AHEAD: Final = timedelta(minutes=5)
# Of messages of one time that come later than this after each other, the clock stands still.
_STANDS: Final = timedelta(minutes=1)
# A value is stuck only if it came again and again: the last time within this part of how long it may stay.
_OFTEN: Final = 5
_RATE, _STUCK = 1, 2
_FLAGS: Final = {_RATE: RATE, _STUCK: STUCK}


class Limit(NamedTuple):
    """What a quantity never does.

    Attributes:
        rate: the greatest change in a minute, in its unit; None: there is no limit.
        stuck: seconds that it never stays the same; None: it may.
        ends: values at which it may stay: zero, and where the sensor's range ends.
    """

    rate: float | None
    stuck: float | None
    ends: frozenset[float]


@cache
def limits() -> Mapping[str, Limit]:
    """Return what is watched, by quantity."""
    return {
        name: Limit(
            rate=quantity.rate,
            stuck=None if quantity.stuck is None else quantity.stuck * 3600,
            ends=frozenset({0.0, *(end for end in (quantity.low, quantity.high) if end is not None)}),
        )
        for name, quantity in quantities().items()
        if quantity.rate is not None or quantity.stuck is not None
    }


class _Together:
    """Quantities that devices measure together, and what each device said of them last.

    A state is packed, for a city has a hundred thousand devices: when it was observed, the flags, the values,
    and since when each is what it is.
    """

    __slots__ = ("_flags", "_layout", "_limits", "_names", "_states")

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._limits = tuple(limits()[name] for name in names)
        self._layout = Struct(f"={2 + 2 * len(names)}d")
        self._states: dict[str, bytes] = {}
        self._flags: dict[int, Mapping[str, str]] = {}

    def look(self, device_id: str, at: float, values: Sequence[float]) -> Mapping[str, str] | None:
        """See `Recent.look`."""
        packed = self._states.get(device_id)
        if packed is None:
            self._states[device_id] = self._layout.pack(at, 0, *values, *[at] * len(values))
            return None
        last, known, *rest = self._layout.unpack(packed)
        if at <= last:
            return self._told(int(known)) if at == last and known else None
        since = rest[len(values) :]
        passed, flags = at - last, 0
        minutes = passed / 60 if passed > 60 else 1.0  # noqa: PLR2004 - seconds of a minute
        compared = zip(values, rest, self._limits, strict=False)  # behind the values, `rest` has their times
        for place, (value, before, (rate, stuck, ends)) in enumerate(compared):
            if value != before:
                since[place] = at
                if rate is not None and not -rate * minutes <= value - before <= rate * minutes:
                    flags |= _RATE << 2 * place
            elif stuck is not None and at - since[place] > stuck >= _OFTEN * passed and value not in ends:
                flags |= _STUCK << 2 * place
        self._states[device_id] = self._layout.pack(at, flags, *values, *since)
        return self._told(flags) if flags else None

    def _told(self, flags: int) -> Mapping[str, str]:
        found = self._flags.get(flags)
        if found is None:
            bits = ((name, flags >> 2 * place & 3) for place, name in enumerate(self._names))
            found = self._flags[flags] = {name: _FLAGS[bit] for name, bit in bits if bit}
        return found


class Recent:
    """What devices said before, of the quantities that are watched. After a start it begins anew."""

    def __init__(self) -> None:
        self._together: dict[tuple[str, ...], _Together] = {}
        self._clocks: dict[str, tuple[datetime, datetime]] = {}

    def look(
        self, device_id: str, at: float, names: tuple[str, ...], values: Sequence[float]
    ) -> Mapping[str, str] | None:
        """Enter what a device measured, and return the flags by quantity; None: there are none.

        It is compared with what the device said before of the same quantities. The same again has the same
        flags; what is older than known is not looked at.

        Args:
            device_id: of the device.
            at: when it was observed, in seconds since 1970.
            names: of quantities in `limits`, sorted.
            values: of each.
        """
        together = self._together.get(names)
        if together is None:
            together = self._together[names] = _Together(names)
        return together.look(device_id, at, values)

    def clock_is_wrong(self, uplink: Uplink, device_id: str, received_at: datetime) -> bool:
        """Say whether a device's own clock is ahead, or stands still."""
        if not uplink.device_time:
            return False
        observed_at = uplink.observed_at
        if observed_at > received_at + _AHEAD:
            return True
        before = self._clocks.get(device_id)
        if before is None or before[0] != observed_at:
            self._clocks[device_id] = observed_at, received_at
            return False
        return received_at - before[1] > _STANDS


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
