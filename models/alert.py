# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Alerts and anomalies."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from models.entity import Located
from models.structures import Payload, Structure
from models.values import DateTime, MomentText, Number, OneOf, Reference, Several

Category: TypeAlias = Annotated[
    str,
    OneOf(
        """
        traffic, naturalDisaster, weather, environment, health, security, agriculture
        """
    ),
]


SubCategory: TypeAlias = Annotated[
    str,
    OneOf(
        """
        airPollution, assault, asthmaAttack, avalancheRisk, bacteria, badSeaState, bikerOnRoad,
        buildingFire, bumpedPatient, carAccident, carStopped, carWrongDirection, coastalEvent,
        civilDisorder, coldWave, crowdRisk, earthquake, fallenPatient, fertilisation, fireRisk, flood,
        floodRisk, fog, forestFire, fungus, hazardOnRoad, heartAttack, heatWave, highAtmosphericPressure,
        highHumidity, highTemperature, hurricane, ice, injuredBiker, insect, irrigation,
        lowAtmosphericPressure, lowHumidity, lowTemperature, microbe, mite, nematodes, noxiousWeed,
        pedestrianOnRoad, pollenConcentration, pothole, rainfall, roadClosed, roadWorks, robbery, rodent,
        snail, snow, snow/ice, suspiciousAction, thunderstorms, tornado, trafficJam, tramApproaching,
        tropicalCyclone, tsunami, virus, waterPollution, wind, avalanches, rain_flood, snow_ice
        """
    ),
]


class Breach(Structure, total=False):
    """A threshold that was passed."""

    dateObserved: MomentText
    measuredValue: Number
    thresholdType: Literal["UPPER", "LOWER"]
    thresholdValue: Number


class Alert(Located):
    """Something that people must know of: a flood, a failure, a danger."""

    subject: ClassVar[str] = "Alert"
    areas: ClassVar[tuple[str, ...]] = ("civil-protection", "administration")

    type: Literal["Alert"] = "Alert"
    dateIssued: DateTime
    category: Category
    alertSource: Reference
    validFrom: DateTime | None = None
    validTo: DateTime | None = None
    severity: Literal["informational", "low", "medium", "high", "critical"] | None = None
    data: Payload | None = None
    subCategory: SubCategory | None = None


class Anomaly(Located):
    """A value of a device that is not what it should be."""

    subject: ClassVar[str] = "Alert"
    areas: ClassVar[tuple[str, ...]] = ("science",)

    type: Literal["Anomaly"] = "Anomaly"
    anomalousProperty: str
    dateDetected: DateTime
    detectedBy: Reference | None = None
    thresholdBreach: Several[Breach] | None = None
