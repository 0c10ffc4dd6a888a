# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Devices and their models, as the broker knows them."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, Field, StringConstraints

from models.entity import Described, Located, Thing
from models.structures import Structure
from models.values import (
    DateTime,
    DecibelMilliwatts,
    Flag,
    IpAddress,
    KilowattHours,
    MetresAboveZero,
    Number,
    PowerFactor,
    Reference,
    Sent,
    Several,
    Uri,
    Volts,
)

Category: TypeAlias = Literal[
    "actuator",
    "beacon",
    "endgun",
    "HVAC",
    "implement",
    "irrSection",
    "irrSystem",
    "meter",
    "multimedia",
    "network",
    "sensor",
]
ControlledProperty: TypeAlias = Literal[
    "airPollution",
    "atmosphericPressure",
    "averageVelocity",
    "batteryLife",
    "batterySupply",
    "cdom",
    "conductance",
    "conductivity",
    "depth",
    "eatingActivity",
    "electricityConsumption",
    "energy",
    "fillingLevel",
    "freeChlorine",
    "gasConsumption",
    "gateOpening",
    "heading",
    "humidity",
    "light",
    "location",
    "milking",
    "motion",
    "movementActivity",
    "noiseLevel",
    "occupancy",
    "orp",
    "pH",
    "power",
    "precipitation",
    "pressure",
    "refractiveIndex",
    "salinity",
    "smoke",
    "soilMoisture",
    "solarRadiation",
    "speed",
    "tds",
    "temperature",
    "trafficFlow",
    "tss",
    "turbidity",
    "uvLampIntensity",
    "uvOrganicLoad",
    "waterConsumption",
    "waterFlow",
    "waterLevel",
    "waterPollution",
    "weatherConditions",
    "weight",
    "windDirection",
    "windSpeed",
]
Protocol: TypeAlias = Literal[
    "3g",
    "bluetooth",
    "bluetooth LE",
    "cat-m",
    "coap",
    "ec-gsm-iot",
    "gprs",
    "http",
    "lwm2m",
    "lora",
    "lte-m",
    "mqtt",
    "nb-iot",
    "onem2m",
    "sigfox",
    "ul20",
    "websocket",
]


def _charge(level: float) -> float:
    if -1 < level < 0:
        msg = "a battery is between 0 (empty) and 1 (full), or -1 while nobody can say"
        raise ValueError(msg)
    return level


BatteryLevel: TypeAlias = Annotated[Number, Field(ge=-1, le=1), AfterValidator(_charge), Sent(unit="C62")]


class Setting(Structure, total=False):
    """One parameter of a device's configuration."""

    parameter: str
    value: str


class Capable(Described):
    """What a device can do; the schemas' device commons."""

    controlledProperty: Several[ControlledProperty]
    deviceCategory: Several[Category] | None = None
    category: Several[Category] | None = None  # deprecated: deviceCategory
    supportedProtocol: Several[Protocol] | None = None
    macAddress: (
        Annotated[str, StringConstraints(pattern=r"^([0-9A-Fa-f]{2}[:-]){5}([0-9A-Fa-f]{2})$")] | None
    ) = None


class Device(Located, Capable):
    """One installed device and how it is."""

    subject: ClassVar[str] = "Device"
    areas: ClassVar[tuple[str, ...]] = ("administration",)

    type: Literal["Device"] = "Device"
    deviceState: str | None = None
    dateLastValueReported: DateTime | None = None
    dateObserved: DateTime | None = None
    batteryLevel: BatteryLevel | None = None
    # Not in the public schema, which has no place for what most devices report: volts.
    batteryVoltage: Volts | None = None
    rssi: DecibelMilliwatts | None = None
    # Part of the schema, but NGSI-LD's own `value` by its IRI: no broker need keep it.
    value: str | None = None
    serialNumber: str | None = None
    refDeviceModel: Reference | None = None
    controlledAsset: Several[Uri] | None = None
    dateInstalled: DateTime | None = None
    dateFirstUsed: DateTime | None = None
    dateManufactured: DateTime | None = None
    dateLastCalibration: DateTime | None = None
    hardwareVersion: str | None = None
    softwareVersion: str | None = None
    firmwareVersion: str | None = None
    osVersion: str | None = None
    provider: str | None = None
    configuration: Several[Setting] | None = None
    distance: MetresAboveZero | None = None
    depth: MetresAboveZero | None = None
    relativePosition: str | None = None
    direction: Literal["Inlet", "Outlet", "Entry", "Exit"] | None = None
    dstAware: Flag | None = None
    ipAddress: Several[IpAddress] | None = None
    mcc: str | None = None
    mnc: str | None = None


class DeviceModel(Thing, Capable):
    """What is common to all devices of one make."""

    subject: ClassVar[str] = "Device"
    areas: ClassVar[tuple[str, ...]] = ("administration",)

    type: Literal["DeviceModel"] = "DeviceModel"
    category: Several[Category]
    manufacturerName: str
    brandName: str
    modelName: str
    deviceClass: Literal["C0", "C1", "C2"] | None = None
    energyLimitationClass: Literal["E0", "E1", "E2", "E9"] | None = None
    function: (
        Several[Literal["levelControl", "sensing", "onOff", "openClose", "metering", "eventNotification"]]
        | None
    ) = None
    supportedUnits: Several[str] | None = None
    documentation: Uri | None = None


class DeviceMeasurement(Located):
    """One measured value, whatever it is: for what no other type has an attribute."""

    subject: ClassVar[str] = "Device"
    areas: ClassVar[tuple[str, ...]] = ("science", "education")

    type: Literal["DeviceMeasurement"] = "DeviceMeasurement"
    numValue: Number | None = None
    textValue: str | None = None
    controlledProperty: str | None = None
    refDevice: Reference | None = None
    deviceType: str | None = None
    measurementType: str | None = None
    dateObserved: DateTime | None = None
    outlier: Flag | None = None
    unit: str | None = None


class SmartMeteringObservation(Located):
    """A meter's reading."""

    subject: ClassVar[str] = "Device"
    areas: ClassVar[tuple[str, ...]] = ("administration", "climate")

    type: Literal["SmartMeteringObservation"] = "SmartMeteringObservation"
    entityVersion: Literal["2.0", "LD"] | None = None
    meterType: str | None = None
    refDevice: Reference | None = None
    image: Uri | None = None
    totalConsumption: KilowattHours | None = None
    peakConsumption: KilowattHours | None = None
    offPeakConsumption: KilowattHours | None = None
    powerFactor: PowerFactor | None = None
