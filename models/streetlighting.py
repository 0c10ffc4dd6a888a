# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Street lights."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from models.entity import Located, Thing
from models.structures import Structure
from models.values import (
    Amperes,
    DateTime,
    Index,
    KilowattHours,
    Location,
    Metres,
    Number,
    OneOf,
    PartOfOne,
    PowerFactor,
    Reference,
    References,
    Volts,
    Watts,
)

LocationCategory: TypeAlias = Annotated[
    str,
    OneOf(
        """
        bridge, centralIsland, facade, garden, park, parking, pedestrianPath, playground, road, sidewalk,
        tunnel
        """
    ),
]


class Municipality(Structure, total=False):
    """The part of the city."""

    district: str
    ulbName: str
    cityId: str
    stateName: str
    cityName: str
    zoneId: str
    wardNum: Number


class LightModel(Structure, total=False):
    """The make of the device."""

    brandName: str
    manufacturerName: str
    modelName: str
    modelURL: str


class DeviceInfo(Structure, total=False):
    """The device that watches the light."""

    RFId: str
    deviceBatteryStatus: str
    deviceName: str
    deviceId: str
    measurand: str
    deviceSimNumber: str
    deviceModel: LightModel


class Streetlight(Located, Thing):
    """One street light, and how it is."""

    subject: ClassVar[str] = "Streetlighting"
    areas: ClassVar[tuple[str, ...]] = ("urban-development",)

    type: Literal["Streetlight"] = "Streetlight"
    location: Location
    status: Literal["brokenLantern", "columnIssue", "defectiveLamp", "ok"]
    circuit: str | None = None
    refStreetlightModel: Reference | None = None
    refStreetlightControlCabinet: Reference | None = None
    powerState: Literal["bootingUp", "low", "off", "on"] | None = None
    refDevice: References | None = None
    refStreetlightGroup: Reference | None = None
    dateLastLampChange: DateTime | None = None
    dateLastSwitchingOn: DateTime | None = None
    dateLastSwitchingOff: DateTime | None = None
    controllingMethod: Literal["group", "individual"] | None = None
    dateServiceStarted: DateTime | None = None
    locationCategory: LocationCategory | None = None
    lanternHeight: Metres | None = None
    lifetimeMotionDetected: Index | None = None
    lifetimePowerConsumption: KilowattHours | None = None
    illuminanceLevel: PartOfOne | None = None
    powerConsumption: Watts | None = None
    current: Amperes | None = None
    powerRating: Watts | None = None
    powerFactor: PowerFactor | None = None
    voltage: Volts | None = None
    feederPillarNum: str | None = None
    streetPoleNum: str | None = None
    observationDateTime: DateTime | None = None
    feederID: Reference | None = None
    municipalityInfo: Municipality | None = None
    deviceInfo: DeviceInfo | None = None
