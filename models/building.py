# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Buildings, and how they shake."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from models.entity import Located
from models.values import (
    DateTime,
    Location,
    MetresPerSecondSquared,
    OneOf,
    PartOfOne,
    PeopleNumber,
    PostalAddress,
    Reference,
    References,
    Several,
    Whole,
)

Category: TypeAlias = Annotated[
    str,
    OneOf(
        """
        apartments, bakehouse, barn, bridge, bungalow, bunker, cathedral, cabin, carport, cemetery, chapel,
        church, civic, commercial, conservatory, construction, cowshed, detached, digester, dormitory, farm,
        farm_auxiliary, garage, garages, garbage_shed, grandstand, greenhouse, hangar, hospital, hotel,
        house, houseboat, hut, industrial, kindergarten, kiosk, mosque, office, parking, pavilion, public,
        residential, retail, riding_hall, roof, ruins, school, service, shed, shrine, stable, stadium,
        static_caravan, sty, synagogue, temple, terrace, train_station, transformer_tower, transportation,
        university, warehouse, water_tower
        """
    ),
]


class Building(Located):
    """A building of the city."""

    subject: ClassVar[str] = "Building"
    areas: ClassVar[tuple[str, ...]] = ("administration", "urban-development")

    type: Literal["Building"] = "Building"
    address: PostalAddress
    category: Several[Category]
    containedInPlace: Location | None = None
    occupier: References | None = None
    floorsAboveGround: Whole | None = None
    floorsBelowGround: Whole | None = None
    mapUrl: Reference | None = None
    openingHours: Several[str] | None = None
    collapseRisk: PartOfOne | None = None
    peopleCapacity: PeopleNumber | None = None
    peopleOccupancy: PeopleNumber | None = None


class VibrationsObserved(Located):
    """How strongly a building or the ground shakes."""

    subject: ClassVar[str] = "Building"
    areas: ClassVar[tuple[str, ...]] = ("urban-development",)

    type: Literal["VibrationsObserved"] = "VibrationsObserved"
    dateObserved: DateTime
    accelerationMeasured: MetresPerSecondSquared
