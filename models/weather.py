# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Weather."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from models.entity import Located
from models.structures import Payload, Structure
from models.values import (
    Celsius,
    Centimetres,
    DateTime,
    DateTimeOrInterval,
    Degrees,
    Hectopascals,
    Index,
    Location,
    Lux,
    MetresPerSecond,
    Millimetres,
    NonNegative,
    Number,
    OneOf,
    PartOfOne,
    Reference,
    WattsPerSquareMetre,
)

Visibility: TypeAlias = Literal["veryPoor", "poor", "moderate", "good", "veryGood", "excellent"] | NonNegative


class OverTime(Structure, total=False):
    """How a value went over a period."""

    instValue: Number
    minOverTime: Number
    maxOverTime: Number
    averageValue: Number


class WeatherObserved(Located):
    """The weather at a place and time."""

    subject: ClassVar[str] = "Weather"
    areas: ClassVar[tuple[str, ...]] = ("climate", "civil-protection")

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
    visibility: Visibility | None = None
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


Category: TypeAlias = Annotated[
    str,
    OneOf(
        """
        agriculture, environment, health, naturalDisaster, security, traffic, weather
        """
    ),
]
SubCategory: TypeAlias = Annotated[
    str,
    OneOf(
        """
        avalanches, coastalEvent, coldWave, flood, fog, forestFire, heatWave, highTemperature, hurricane,
        ice, lowTemperature, rainfall, rain_flood, snow, snow_ice, thunderstorms, tornado, tropicalCyclone,
        tsunami, wind
        """
    ),
]


class Extremes(Structure, total=False):
    """The least or the greatest values of a day."""

    temperature: Number
    feelLikesTemperature: Number  # misspelt by the schema
    relativeHumidity: PartOfOne


class WeatherForecast(Located):
    """The weather to come at a place."""

    subject: ClassVar[str] = "Weather"
    areas: ClassVar[tuple[str, ...]] = ("civil-protection",)

    type: Literal["WeatherForecast"] = "WeatherForecast"
    dateIssued: DateTime
    weatherType: str | None = None
    visibility: Visibility | None = None
    windDirection: Degrees | None = None
    windSpeed: MetresPerSecond | None = None
    gustSpeed: MetresPerSecond | None = None
    refPointOfInterest: Reference | None = None
    atmosphericPressure: Hectopascals | None = None
    illuminance: Lux | None = None
    temperature: Celsius | None = None
    feelsLikeTemperature: Celsius | None = None
    relativeHumidity: PartOfOne | None = None
    dateRetrieved: DateTime | None = None
    validity: DateTimeOrInterval | None = None
    validFrom: DateTime | None = None
    validTo: DateTime | None = None
    dayMaximum: Extremes | None = None
    dayMinimum: Extremes | None = None
    uVIndexMax: Index | None = None
    precipitation: Millimetres | None = None
    precipitationProbability: PartOfOne | None = None


class WeatherAlert(Located):
    """A warning of the weather."""

    subject: ClassVar[str] = "Weather"
    areas: ClassVar[tuple[str, ...]] = ("civil-protection",)

    type: Literal["WeatherAlert"] = "WeatherAlert"
    dateIssued: DateTime
    category: Category
    alertSource: Reference
    subCategory: SubCategory
    validFrom: DateTime | None = None
    validTo: DateTime | None = None
    severity: Literal["informational", "low", "medium", "high", "critical"] | None = None
    data: Payload | None = None
