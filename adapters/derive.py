# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Readings that follow from other readings and from what is known of the place.

One row a derivation: which quantity it needs, which parameters of the device (or of its profile),
and what it gives. A quantity that was measured itself is never overwritten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.errors import ConfigurationError
from models.reading import Reading
from ontology.loader import quantities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class Derivation:
    """One row.

    Attributes:
        given: the measured quantity.
        parameters: names of the device's parameters, all needed.
        gives: the derived quantity, in its own unit.
        formula: measured value, then the parameters in their order.
    """

    given: str
    parameters: tuple[str, ...]
    gives: str
    formula: Callable[..., float]


def _level(distance: float, reference: float) -> float:
    return reference - distance


def _part(value: float, empty: float, full: float) -> float:
    if empty == full:
        msg = "empty and full are the same"
        raise ConfigurationError(msg)
    return min(100.0, max(0.0, 100 * (value - empty) / (full - empty)))


# Lengths in metres, levels in metres above the gauge's zero, fill and charge in percent.
DERIVATIONS = (
    Derivation(
        given="level.distance",
        parameters=("reference_level",),
        gives="water.level",
        formula=_level,
    ),
    Derivation(
        given="level.distance",
        parameters=("empty_distance", "full_distance"),
        gives="fill.level",
        formula=_part,
    ),
    Derivation(
        given="battery.voltage",
        parameters=("battery_empty", "battery_full"),
        gives="battery.level",
        formula=_part,
    ),
)

#: Every parameter that a device may be given.
PARAMETERS = frozenset(name for row in DERIVATIONS for name in row.parameters)


def derive(readings: Iterable[Reading], parameters: Mapping[str, float]) -> tuple[Reading, ...]:
    """Return the readings and what follows from them.

    Raises:
        ConfigurationError: the parameters contradict each other.
    """
    by_quantity = {reading.quantity: reading for reading in readings}
    for row in DERIVATIONS:
        measured = by_quantity.get(row.given)
        if measured is None or row.gives in by_quantity:
            continue
        if not all(name in parameters for name in row.parameters):
            continue
        by_quantity[row.gives] = Reading(
            quantity=row.gives,
            value=round(row.formula(measured.value, *(parameters[name] for name in row.parameters)), 6),
            unit=quantities()[row.gives].unit,
            observed_at=measured.observed_at,
            codec="derived",
        )
    return tuple(by_quantity.values())
