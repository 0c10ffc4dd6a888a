# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Weather."""

from typing import ClassVar, Literal

from typing_extensions import TypedDict

from models.entity import Located
from models.values import (
    Celsius,
    Centimetres,
    DateTime,
    Degrees,
    Hectopascals,
    Index,
    Location,
    Lux,
    MetresPerSecond,
    Millimetres,
    NonNegative,
    Number,
    PartOfOne,
    Reference,
    WattsPerSquareMetre,
)


class OverTime(TypedDict, total=False):
    """How a value went over a period."""

    instValue: Number
    minOverTime: Number
    maxOverTime: Number
    averageValue: Number


class WeatherObserved(Located):
    """The weather at a place and time."""

    subject: ClassVar[str] = "Weather"

    type: Literal["WeatherObserved"] = "WeatherObserved"
    dateObserved: DateTime
    location: Location
    temperature: Celsius | None = None
    feelsLikeTemperature: Celsius | None = None
    dewPoint: Celsius | None = None
    relativeHumidity: PartOfOne | None = None
    atmosphericPressure: Hectopascals | None = None
    pressureTendency: Literal["falling", "raising", "steady"] | Number | None = None
    windSpeed: MetresPerSecond | None = None
    windDirection: Degrees | None = None
    gustSpeed: MetresPerSecond | None = None
    precipitation: Millimetres | None = None
    snowHeight: Centimetres | None = None
    streamGauge: Centimetres | None = None
    solarRadiation: WattsPerSquareMetre | None = None
    directIrradiation: WattsPerSquareMetre | None = None
    diffuseIrradiation: WattsPerSquareMetre | None = None
    illuminance: Lux | None = None
    uVIndexMax: Index | None = None
    visibility: (
        Literal["veryPoor", "poor", "moderate", "good", "veryGood", "excellent"] | NonNegative | None
    ) = None
    weatherType: str | None = None
    airQualityIndex: Index | None = None
    airQualityIndexForecast: Index | None = None
    aqiMajorPollutant: str | None = None
    aqiMajorPollutantForecast: str | None = None
    airTemperatureForecast: Celsius | None = None
    airTemperatureTSA: OverTime | None = None
    precipitationForecast: Millimetres | None = None
    relativeHumidityForecast: PartOfOne | None = None
    refDevice: Reference | None = None
    refPointOfInterest: Reference | None = None
