# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Parking."""

from typing import ClassVar, Literal

from models.entity import Located, Thing
from models.values import DateTime, Distinct, Location, Metres, Reference, References


class ParkingSpot(Located, Thing):
    """One place to park, free or not."""

    subject: ClassVar[str] = "Parking"

    type: Literal["ParkingSpot"] = "ParkingSpot"
    location: Location
    status: Literal["closed", "free", "occupied", "unknown"]
    category: Distinct[Literal["onStreet", "offStreet"]]
    refParkingSite: Reference
    refParkingGroup: Reference | None = None
    width: Metres | None = None
    length: Metres | None = None
    timeInstant: DateTime | None = None
    refDevice: References | None = None
