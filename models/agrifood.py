# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Farming: what is measured of soil and leaves."""

from typing import ClassVar, Literal

from models.entity import Located
from models.structures import Structure
from models.values import (
    Celsius,
    Hectopascals,
    Location,
    Metres,
    NonNegative,
    PartOfOne,
    Reference,
    References,
    Several,
    SiemensPerMetre,
    Uri,
    WattsPerSquareMetre,
)


class RelatedSource(Structure, total=False):
    """The entity in an application outside."""

    application: Uri
    applicationEntityId: str


class AgriParcelRecord(Located):
    """What was measured of a parcel: its soil and the leaves on it."""

    subject: ClassVar[str] = "Agrifood"
    areas: ClassVar[tuple[str, ...]] = ("climate", "science")

    type: Literal["AgriParcelRecord"] = "AgriParcelRecord"
    location: Location
    hasAgriParcel: Reference
    relatedSource: Several[RelatedSource] | None = None
    soilTemperature: Celsius | None = None
    soilMoistureVwc: PartOfOne | None = None
    soilMoistureEc: SiemensPerMetre | None = None
    solarRadiation: WattsPerSquareMetre | None = None
    soilSalinity: NonNegative | None = None
    relativeHumidity: PartOfOne | None = None
    leafWetness: PartOfOne | None = None
    leafRelativeHumidity: PartOfOne | None = None
    leafTemperature: Celsius | None = None
    atmosphericPressure: Hectopascals | None = None
    hasDevice: References | None = None
    depth: Metres | None = None
