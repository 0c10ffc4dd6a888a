# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Which readings are counters, and which quantity their difference is: `difference` in the ontology.

A device that says the difference by itself is asked for none: its profile has a row for that quantity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from models.counters import Counted
from models.reading import Reading
from ontology.loader import convert, quantities

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from models.device import FieldMapping, Profile


class Counter(Struct, frozen=True, kw_only=True):
    """A reading of a counter.

    Attributes:
        now: what it says.
        gives: the quantity of the difference.
        modulus: where it rolls over, in its quantity's unit; None: not known.
    """

    now: Counted
    gives: str
    modulus: float | None

    def reading(self, passed: float) -> Reading:
        """Return what was counted as a reading."""
        return Reading(
            quantity=self.gives,
            value=passed,
            unit=quantities()[self.gives].unit,
            observed_at=self.now.at,
            codec="derived",
        )


def counters_of(readings: Sequence[Reading], profile: Profile) -> Iterator[Counter]:
    """Give the counters of one moment, of each quantity one: the last."""
    known = quantities()
    measured = {row.quantity for row in profile.fields} | {reading.quantity for reading in readings}
    for reading in {reading.quantity: reading for reading in readings}.values():
        gives = known[reading.quantity].difference
        if gives is not None and gives not in measured:
            now = Counted(reading.quantity, float(reading.value), reading.observed_at)
            yield Counter(now=now, gives=gives, modulus=_modulus(reading, profile))


def counter_rows(profile: Profile) -> tuple[FieldMapping, ...]:
    """Return the rows of a profile by which it reads counters whose difference is asked for."""
    kept = _ROWS.get(id(profile))
    if kept is not None and kept[0] is profile:
        return kept[1]
    known = quantities()
    measured = {row.quantity for row in profile.fields}
    rows = tuple(
        row
        for row in profile.fields
        if (gives := known[row.quantity].difference) is not None and gives not in measured
    )
    if len(_ROWS) >= _PROFILES:
        _ROWS.clear()
    _ROWS[id(profile)] = profile, rows
    return rows


# By profile, which is asked for with each message; far more than there are.
_PROFILES = 4096
_ROWS: dict[int, tuple[Profile, tuple[FieldMapping, ...]]] = {}


def _modulus(reading: Reading, profile: Profile) -> float | None:
    row = next((row for row in profile.fields if row.quantity == reading.quantity and row.modulus), None)
    if row is None or row.modulus is None:
        return None
    if row.unit is None or reading.unit is None:
        return row.modulus
    return convert(row.modulus, row.unit, reading.unit)
