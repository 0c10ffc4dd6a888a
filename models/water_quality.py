# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""The quality of water."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from models.entity import Located
from models.values import (
    Acidity,
    Celsius,
    CubicMetresPerHour,
    DateTimeOrInterval,
    Location,
    MilligramsPerCubicMetre,
    MilligramsPerLitre,
    NonNegative,
    Reference,
    Sent,
    Several,
    Turbidity,
)

Conductivity: TypeAlias = Annotated[NonNegative, Sent(unit="D10")]


class WaterQualityObserved(Located):
    """What is in a water."""

    subject: ClassVar[str] = "WaterQuality"
    areas: ClassVar[tuple[str, ...]] = ("climate", "economy")

    type: Literal["WaterQualityObserved"] = "WaterQualityObserved"
    location: Location
    dateObserved: DateTimeOrInterval
    measurand: Several[str] | None = None
    temperature: Celsius | None = None
    bod: MilligramsPerLitre | None = None
    cod: MilligramsPerLitre | None = None
    conductivity: Conductivity | None = None
    conductance: Conductivity | None = None
    tss: MilligramsPerLitre | None = None
    tds: MilligramsPerLitre | None = None
    turbidity: Turbidity | None = None
    salinity: NonNegative | None = None
    pH: Acidity | None = None
    orp: Annotated[NonNegative, Sent(unit="2Z")] | None = None
    O2: MilligramsPerLitre | None = None
    Chla: MilligramsPerCubicMetre | None = None
    PE: MilligramsPerCubicMetre | None = None
    PC: MilligramsPerCubicMetre | None = None
    NH4: MilligramsPerLitre | None = None
    NH3: MilligramsPerLitre | None = None
    NO3: MilligramsPerLitre | None = None
    PO4: MilligramsPerLitre | None = None
    escherichiaColi: NonNegative | None = None
    enterococci: NonNegative | None = None
    refPointOfInterest: Reference | None = None
    flow: CubicMetresPerHour | None = None
    alkalinity: MilligramsPerLitre | None = None
    TKN: MilligramsPerLitre | None = None
    NO2: MilligramsPerLitre | None = None
    Al: MilligramsPerLitre | None = None
    As: MilligramsPerLitre | None = None
    B: MilligramsPerLitre | None = None
    Ba: MilligramsPerLitre | None = None
    Cd: MilligramsPerLitre | None = None
    Cr: MilligramsPerLitre | None = None
    Cu: MilligramsPerLitre | None = None
    Fe: MilligramsPerLitre | None = None
    fluoride: MilligramsPerLitre | None = None
    Hg: MilligramsPerLitre | None = None
    THC: MilligramsPerLitre | None = None
    Ni: MilligramsPerLitre | None = None
    TO: MilligramsPerLitre | None = None
    Pb: MilligramsPerLitre | None = None
    Se: MilligramsPerLitre | None = None
    Sn: MilligramsPerLitre | None = None
    sulphate: MilligramsPerLitre | None = None
    sulphite: MilligramsPerLitre | None = None
    Zn: MilligramsPerLitre | None = None
    componentAnalyzed: str | None = None
    componentName: str | None = None
    concentration: MilligramsPerLitre | None = None
