# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Environment: air, noise, water, rooms."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.entity import Located
from models.values import (
    Bars,
    Celsius,
    Count,
    CubicMetres,
    CubicMetresPerSecond,
    DateTime,
    DateTimeOrInterval,
    Decibels,
    Degrees,
    Flag,
    Hectopascals,
    Location,
    Lux,
    Metres,
    MetresAboveZero,
    MetresPerSecond,
    MicrogramsPerCubicMetre,
    MilligramsPerCubicMetre,
    Millimetres,
    NonNegative,
    Number,
    PartOfOne,
    PartsPerBillion,
    PartsPerMillion,
    Percent,
    Reference,
    References,
    Seconds,
    Sent,
    Several,
    SquareMetres,
    Volts,
)


class AirQualityObserved(Located):
    """The quality of the air at a place and time."""

    subject: ClassVar[str] = "Environment"
    areas: ClassVar[tuple[str, ...]] = ("climate", "science")

    type: Literal["AirQualityObserved"] = "AirQualityObserved"
    dateObserved: DateTime
    location: Location
    typeofLocation: Literal["indoor", "outdoor"] | None = None
    airQualityIndex: Count | None = None
    airQualityLevel: Annotated[str, Field(min_length=2)] | None = None
    reliability: PartOfOne | None = None
    pm1: MicrogramsPerCubicMetre | None = None
    pm25: MicrogramsPerCubicMetre | None = None
    pm4: MicrogramsPerCubicMetre | None = None
    pm10: MicrogramsPerCubicMetre | None = None
    tpc: Count | None = None
    tsp: Count | None = None
    no: MicrogramsPerCubicMetre | None = None
    no2: MicrogramsPerCubicMetre | None = None
    nox: MicrogramsPerCubicMetre | None = None
    o3: MicrogramsPerCubicMetre | None = None
    so2: MicrogramsPerCubicMetre | None = None
    sh2: MicrogramsPerCubicMetre | None = None
    co: MilligramsPerCubicMetre | None = None
    coLevel: str | None = None
    co2: PartsPerMillion | None = None
    volatileOrganicCompoundsTotal: PartsPerBillion | None = None
    c6h6: MicrogramsPerCubicMetre | None = None
    as_: MicrogramsPerCubicMetre | None = Field(default=None, alias="as")
    cd: MicrogramsPerCubicMetre | None = None
    ni: MicrogramsPerCubicMetre | None = None
    pb: MicrogramsPerCubicMetre | None = None
    temperature: Celsius | None = None
    relativeHumidity: PartOfOne | None = None
    pressure: Hectopascals | None = None
    precipitation: Millimetres | None = None
    windSpeed: MetresPerSecond | None = None
    windDirection: Annotated[Number, Field(ge=-180, le=180), Sent(unit="DD")] | None = None
    charge: Volts | None = None
    refDevice: Reference | None = None
    refPointOfInterest: Reference | None = None
    refWeatherObserved: Reference | None = None


class NoiseLevelObserved(Located):
    """How loud it was at a place over a period.

    Levels are A-weighted; UN/CEFACT has no code for dB(A), so they are sent as decibels.
    """

    subject: ClassVar[str] = "Environment"
    areas: ClassVar[tuple[str, ...]] = ("climate", "urban-development")

    type: Literal["NoiseLevelObserved"] = "NoiseLevelObserved"
    dateObservedFrom: DateTime
    dateObservedTo: DateTime
    location: Location
    dateObserved: DateTimeOrInterval | None = None
    LAeq: Decibels | None = None
    LAeq_d: Decibels | None = None
    LAS: Decibels | None = None
    LAmax: Decibels | None = None
    sonometerClass: Literal["0", "1", "2"] | None = None
    obstacles: str | None = None
    heightAverage: str | None = None  # metres, but the schema wants a text
    distanceAverage: str | None = None  # likewise
    refDevice: Reference | None = None
    refPointOfInterest: Reference | None = None
    refWeatherObserved: Reference | None = None


class WaterObserved(Located):
    """A water's level, flow and waves at a place and time."""

    subject: ClassVar[str] = "Environment"
    areas: ClassVar[tuple[str, ...]] = ("civil-protection",)

    type: Literal["WaterObserved"] = "WaterObserved"
    dateObserved: DateTime
    location: Location
    dateObservedFrom: DateTime | None = None
    dateObservedTo: DateTime | None = None
    waterLevel: Metres | None = None
    flow: CubicMetresPerSecond | None = None
    waterDischarge: CubicMetres | None = None
    height: Metres | None = None  # reached on the coast: not the level of a river
    swellHeight: Metres | None = None
    swellPeriod: Seconds | None = None
    swellDirection: Degrees | None = None
    waveLength: Metres | None = None
    measuredArea: SquareMetres | None = None
    objectArea: Percent | None = None
    objectHeightAverage: Metres | None = None
    objectHeightMax: Metres | None = None
    objectVolume: CubicMetres | None = None
    refDevice: Reference | None = None


class FloodMonitoring(Located):
    """What a station says of a flood.

    currentLevel = referenceLevel (river bed to sensor) - measuredDistance (sensor to water).
    """

    subject: ClassVar[str] = "Environment"
    areas: ClassVar[tuple[str, ...]] = ("civil-protection",)

    type: Literal["FloodMonitoring"] = "FloodMonitoring"
    stationID: str | None = None
    observationDateTime: DateTime | None = None
    currentLevel: MetresAboveZero | None = None
    measuredDistance: MetresAboveZero | None = None
    referenceLevel: MetresAboveZero | None = None
    alertLevel: MetresAboveZero | None = None
    dangerLevel: MetresAboveZero | None = None
    floodLevelStatus: str | None = None


class IndoorEnvironmentObserved(Located):
    """The climate in a room.

    The schema knows no frost indoors, and describes co2 as mg/l where everybody measures ppm: `unitCode`
    says which it is.
    """

    subject: ClassVar[str] = "Environment"
    areas: ClassVar[tuple[str, ...]] = ("education", "inclusion")

    type: Literal["IndoorEnvironmentObserved"] = "IndoorEnvironmentObserved"
    dateObserved: DateTime
    location: Location
    temperature: Annotated[NonNegative, Sent(unit="CEL")] | None = None
    relativeHumidity: Percent | None = None
    co2: PartsPerMillion | None = None
    atmosphericPressure: Hectopascals | None = None
    illuminance: Lux | None = None
    peopleCount: Annotated[NonNegative, Sent(unit="IE")] | None = None
    sensorPlacement: (
        Literal["northWall", "southWall", "eastWall", "westWall", "center", "floor", "roof", "ceiling"] | None
    ) = None
    sensorHeight: Metres | None = None
    refDevice: Reference | None = None
    refPointOfInterest: Reference | None = None


class PhreaticObserved(Located):
    """Groundwater at a place and time."""

    subject: ClassVar[str] = "Environment"
    areas: ClassVar[tuple[str, ...]] = ("civil-protection",)

    type: Literal["PhreaticObserved"] = "PhreaticObserved"
    location: Location
    dateObserved: DateTime
    measurementType: Several[Literal["depth", "other", "quality", "volume"]]
    refDevice: References | None = None
    dateObservedFrom: DateTime | None = None
    dateObservedTo: DateTime | None = None
    isMobile: Flag | None = None
    investigationDepth: MetresAboveZero | None = None
    waterTable: MetresAboveZero | None = None
    pressure: Bars | None = None
    depth: MetresAboveZero | None = None
    pollutionRate: Annotated[Number, Sent(unit="P1")] | None = None
    residueLevel: Number | None = None
