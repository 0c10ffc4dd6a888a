# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Readings that follow from other readings and from what is known of the place.

One row a derivation: which quantities it needs, which parameters of the device (or of its profile), and what
it gives. A quantity that was measured itself is never overwritten. Which quantities follow depends on the
names of quantities and parameters alone, never on their values.

What counters counted since the message before is known by then: `adapters/counters.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from models.errors import ConfigurationError
from models.reading import Reading
from ontology.loader import quantities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class Derivation:
    """One row.

    Attributes:
        given: the measured quantity.
        also: other measured quantities, all needed.
        parameters: names of the device's parameters, all needed.
        gives: the derived quantity, in its own unit.
        formula: the measured values, then the parameters, in their order.
        source: where the formula is from.
    """

    given: str
    also: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    gives: str
    formula: Callable[..., float]
    source: str


# Digits behind the point that derived values are worth.
_PERCENT, _METRES, _DEGREES = 2, 4, 2


def _level(distance: float, reference: float) -> float:
    return reference - distance


def _part(value: float, empty: float, full: float) -> float:
    if empty == full:
        msg = "empty and full are the same"
        raise ConfigurationError(msg)
    return round(min(100.0, max(0.0, 100 * (value - empty) / (full - empty))), _PERCENT)


def _lying_cylinder(distance: float, empty: float, diameter: float) -> float:
    """Return how much of the circle's area is below the surface; the drum's length cancels out."""
    if diameter <= 0:
        msg = "a lying container's diameter must be above 0"
        raise ConfigurationError(msg)
    radius = diameter / 2
    height = min(diameter, max(0.0, empty - distance))
    above = (radius - height) / radius
    return round(
        100 * (math.acos(above) - above * math.sqrt(max(0.0, 1 - above * above))) / math.pi, _PERCENT
    )


def _curve(value: float, *volts: float) -> float:
    """Interpolate between evenly spaced charges: the first voltage is empty, the last one is full."""
    if any(higher <= lower for lower, higher in pairwise(volts)):
        msg = "the battery's voltages must rise from empty to full"
        raise ConfigurationError(msg)
    if value >= volts[-1]:
        return 100.0
    step = 100 / (len(volts) - 1)
    for index, (lower, higher) in enumerate(pairwise(volts)):
        if value < higher:
            return round(max(0.0, step * (index + (value - lower) / (higher - lower))), _PERCENT)
    return 100.0


def _column(pressure: float, sensor_level: float) -> float:
    """Return the height of the surface; 1 bar is 10⁵ Pa, the column weighs 1000 kg/m³ · 9.80665 m/s²."""
    return round(sensor_level + pressure * 1e5 / (1000 * 9.80665), _METRES)


def _dew_point(temperature: float, humidity: float, _wanted: float) -> float:
    """Return °C over water from °C and %."""
    # Below a hundredth of a percent there is no dew point worth a number.
    log = math.log(max(humidity, 0.01) / 100) + 17.62 * temperature / (243.12 + temperature)
    return round(243.12 * log / (17.62 - log), _DEGREES)


def _nearer(distance: float, limit: float) -> bool:
    return distance < limit


# Lengths in metres, levels in metres above the gauge's zero, fill and charge in percent.
DERIVATIONS = (
    Derivation(
        given="level.distance",
        parameters=("reference_level",),
        gives="water.level",
        formula=_level,
        source="Smart Data Models, FloodMonitoring: currentLevel = referenceLevel - measuredDistance",
    ),
    Derivation(
        given="level.distance",
        parameters=("empty_distance", "full_distance"),
        gives="fill.level",
        formula=_part,
        source="geometry: a box or an upright cylinder is as full as it is high",
    ),
    Derivation(
        given="battery.voltage",
        parameters=("battery_empty", "battery_full"),
        gives="battery.level",
        formula=_part,
        source="the profile: what the vendor calls empty and full",
    ),
    Derivation(
        given="people.in",
        also=("people.out",),
        gives="people.total",
        formula=lambda came, went: came + went,
        source="Smart Data Models, CrowdFlowObserved: peopleCount is both directions together",
    ),
    Derivation(
        given="water.pressure",
        parameters=("sensor_level",),
        gives="water.level",
        formula=_column,
        source="hydrostatics, p = rho g h, with standard gravity (CGPM 1901)",
    ),
)

# The same and more, where a device's parameters ask for it. Each is tried before the rows above.
VARIANTS = (
    Derivation(
        given="level.distance",
        parameters=("empty_distance", "lying_diameter"),
        gives="fill.level",
        formula=_lying_cylinder,
        source="geometry: area of a circular segment, r² (arccos a - a √(1 - a²)), a = (r - h) / r",
    ),
    Derivation(
        given="battery.voltage",
        parameters=("battery_empty", "battery_25", "battery_50", "battery_75", "battery_full"),
        gives="battery.level",
        formula=_curve,
        source="the cell's data sheet: its discharge curve at quarters of the charge",
    ),
    Derivation(
        given="battery.voltage",
        parameters=("battery_empty", "battery_50", "battery_full"),
        gives="battery.level",
        formula=_curve,
        source="the cell's data sheet: its discharge curve at half of the charge",
    ),
    Derivation(
        given="air.temperature",
        also=("air.relativeHumidity",),
        parameters=("dew_point",),
        gives="air.dewPoint",
        formula=_dew_point,
        source="WMO-No. 8, Guide to Instruments and Methods of Observation (2018), annex 4.B: Magnus",
    ),
    Derivation(
        given="level.distance",
        parameters=("occupied_below",),
        gives="occupancy.occupied",
        formula=_nearer,
        source="geometry: a vehicle is nearer to a sensor overhead than the ground is",
    ),
)
_ROWS = (*VARIANTS, *DERIVATIONS)

#: Every parameter that a device may be given: what is needed here, and how often it speaks, seconds.
PARAMETERS = frozenset(name for row in _ROWS for name in row.parameters) | {"interval"}


def battery_parameters(volts: Sequence[float] | None) -> dict[str, float]:
    """Return the parameters that say a profile's battery: two voltages, or three or five of its curve."""
    if volts is None:
        return {}
    names = {2: ("empty", "full"), 3: ("empty", "50", "full"), 5: ("empty", "25", "50", "75", "full")}
    return {f"battery_{name}": value for name, value in zip(names[len(volts)], volts, strict=True)}


def derive(readings: Iterable[Reading], parameters: Mapping[str, float]) -> tuple[Reading, ...]:
    """Return the readings and what follows from them.

    Raises:
        ConfigurationError: the parameters contradict each other.
    """
    by_quantity = {reading.quantity: reading for reading in readings}
    for row in _ROWS:
        measured = by_quantity.get(row.given)
        if measured is None or row.gives in by_quantity:
            continue
        if not all(name in parameters for name in row.parameters):
            continue
        if not all(name in by_quantity for name in row.also):
            continue
        value = row.formula(
            measured.value,
            *(by_quantity[name].value for name in row.also),
            *(parameters[name] for name in row.parameters),
        )
        by_quantity[row.gives] = Reading(
            quantity=row.gives,
            value=value if isinstance(value, bool) else round(value, 6),
            unit=quantities()[row.gives].unit,
            observed_at=measured.observed_at,
            codec="derived",
        )
    return tuple(by_quantity.values())
