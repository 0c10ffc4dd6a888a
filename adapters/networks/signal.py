# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How a frame was heard, by the gateway that heard it best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """What one gateway measured.

    Attributes:
        gateway: its id.
        rssi: dBm. None: not measured.
        snr: dB. None: not measured.
    """

    gateway: str | None = None
    rssi: float | None = None
    snr: float | None = None


def strongest(heard: Iterable[Signal]) -> Signal:
    """Return the signal with the highest rssi; where none has one, the first.

    Network servers omit zeros. An omitted snr beside an rssi is 0 dB; an omitted rssi would be
    0 dBm, a gateway within reach of the hand, so it is taken for not measured.
    """
    best: Signal | None = None
    for each in heard:
        if best is None or _level(each) > _level(best):
            best = each
    if best is None:
        return Signal()
    if best.rssi is not None and best.snr is None:
        return Signal(gateway=best.gateway, rssi=best.rssi, snr=0.0)
    return best


def quick_strongest(
    heard: Iterable[Any], gateway: Callable[[Mapping[str, Any]], Any]
) -> tuple[float, float, str] | None:
    """Return rssi, snr and gateway of the strongest signal; None: something is odd, `strongest` knows what.

    Args:
        heard: objects with `rssi` and `snr`.
        gateway: what finds an object's id of the gateway.
    """
    level = -_FAR
    noise: Any = None
    name: Any = None
    for each in heard:
        if type(each) is not dict:
            return None
        rssi, snr, called = each.get("rssi"), each.get("snr", 0.0), gateway(each)
        if (type(rssi) is not int and type(rssi) is not float) or not -_FAR < rssi < _FAR:
            return None
        if (type(snr) is not float and type(snr) is not int) or type(called) is not str or not called:
            return None
        if rssi > level:
            level, noise, name = rssi, snr, called
    return None if name is None else (float(level), float(noise), name)


# dBm. Nothing is heard nearly as loud or as faint.
_FAR = 1e6


def _level(signal: Signal) -> float:
    return float("-inf") if signal.rssi is None else signal.rssi
