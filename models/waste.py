# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Waste management."""

from typing import ClassVar, Literal

from models.entity import Located, Thing
from models.values import (
    Celsius,
    DateTime,
    Distinct,
    Kilograms,
    Litres,
    Location,
    PartOfOne,
    PartsPerMillion,
    Percent,
    Reference,
    References,
)


class WasteContainer(Located, Thing):
    """A container for waste, and how full it is."""

    subject: ClassVar[str] = "WasteManagement"
    areas: ClassVar[tuple[str, ...]] = ("urban-development",)

    type: Literal["WasteContainer"] = "WasteContainer"
    location: Location
    fillingLevel: PartOfOne | None = None
    cargoWeight: Kilograms | None = None
    temperature: Celsius | None = None  # inside
    methaneConcentration: PartsPerMillion | None = None
    status: Literal["ok", "lidOpen", "dropped", "moved", "vandalized", "burning", "unknown"] | None = None
    category: Distinct[Literal["fixed", "ground", "other", "portable", "underground"]] | None = None
    storedWasteKind: (
        Literal[
            "organic",
            "inorganic",
            "glass",
            "oil",
            "plastic",
            "metal",
            "paper",
            "batteries",
            "electronics",
            "hazardous",
            "other",
        ]
        | None
    ) = None
    storedWasteOrigin: (
        Literal[
            "household",
            "municipal",
            "industrial",
            "construction",
            "hostelry",
            "agriculture",
            "other",
        ]
        | None
    ) = None
    storedWasteCode: str | None = None
    serialNumber: str | None = None
    regulation: str | None = None
    responsible: str | None = None
    dateServiceStarted: DateTime | None = None
    dateLastEmptying: DateTime | None = None
    nextActuationDeadline: DateTime | None = None
    actuationHours: str | None = None
    dateLastCleaning: DateTime | None = None
    nextCleaningDeadline: DateTime | None = None
    timeInstant: DateTime | None = None
    isleId: str | None = None
    wardId: str | None = None
    license_plate: str | None = None
    RFID: str | None = None
    binId: str | None = None
    binColor: str | None = None
    binCapacity: Litres | None = None
    binFullnessThreshold: Percent | None = None
    binRecommendedLoad: Kilograms | None = None
    binMaxLoad: Kilograms | None = None
    binLoggedTime: DateTime | None = None
    refWasteContainerModel: Reference | None = None
    refWasteContainerIsle: Reference | None = None
    refDevice: References | None = None
