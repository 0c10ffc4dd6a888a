# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Transportation."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from models.entity import Located
from models.structures import ContactPoint
from models.values import (
    AtLeastOne,
    DateTime,
    DateTimeOrInterval,
    Distinct,
    Flag,
    Index,
    KilometresPerHour,
    Kilowatts,
    Location,
    Metres,
    NonNegative,
    Number,
    OneOf,
    PartOfOne,
    People,
    Pieces,
    Reference,
    Seconds,
    Sent,
    Uri,
    Volts,
    Whole,
)


class CrowdFlowObserved(Located):
    """How many people went by, over a period."""

    subject: ClassVar[str] = "Transportation"
    areas: ClassVar[tuple[str, ...]] = ("culture", "economy")

    type: Literal["CrowdFlowObserved"] = "CrowdFlowObserved"
    dateObserved: DateTimeOrInterval
    dateObservedFrom: DateTime | None = None
    dateObservedTo: DateTime | None = None
    peopleCount: People | None = None
    peopleCountTowards: People | None = None
    peopleCountAway: People | None = None
    direction: Literal["inbound", "outbound"] | None = None
    occupancy: PartOfOne | None = None
    averageCrowdSpeed: KilometresPerHour | None = None
    averageHeadwayTime: Seconds | None = None
    congested: Flag | None = None
    refRoadSegment: Reference | None = None


VehicleType: TypeAlias = Annotated[
    str,
    OneOf(
        """
        agriculturalVehicle, bicycle, bus, minibus, car, caravan, tram, tanker, carWithCaravan,
        carWithTrailer, lorry, moped, motorcycle, motorcycleWithSideCar, motorscooter, trailer, van,
        constructionOrMaintenanceVehicle, trolley, binTrolley, sweepingMachine, cleaningTrolley
        """
    ),
]
LaneDirection: TypeAlias = Annotated[str, OneOf("forward, backward, inbound, outbound, right, left")]
Status: TypeAlias = Annotated[
    str,
    OneOf(
        """
        almostEmpty, almostFull, empty, full, outOfService, withIncidence, working
        """
    ),
]
AllowedVehicleType: TypeAlias = Annotated[
    str,
    OneOf(
        """
        bicycle, bus, car, caravan, motorcycle, motorscooter, truck
        """
    ),
]
SocketType: TypeAlias = Annotated[
    str,
    OneOf(
        """
        Caravan_Mains_Socket, CHAdeMO, CCS/SAE, Dual_CHAdeMO, Dual_J-1772, Dual_Mennekes, J-1772, Mennekes,
        Other, Tesla, Type2, Type3, Wall_Euro
        """
    ),
]
ChargeType: TypeAlias = Annotated[str, OneOf("annualPayment, flat, free, monthlyPayment, other")]
AcceptedPaymentMethod: TypeAlias = Annotated[
    str,
    OneOf(
        """
        ByBankTransferInAdvance, ByInvoice, Cash, CheckInAdvance, COD, DirectDebit, GoogleCheckout, PayPal,
        PaySwarm
        """
    ),
]
VehicleType_: TypeAlias = Annotated[
    str,
    OneOf(
        """
        agriculturalVehicle, ambulance, articulatedVehicle, autorickshaw, bicycle, binTrolley, BRT bus, BRT
        minibus, bus, car, caravan, carOrLightVehicle, carWithCaravan, carWithTrailer, cleaningTrolley,
        compactor, constructionOrMaintenanceVehicle, dumper, e-moped, e-scooter, e-motorcycle, fire tender,
        fourWheelDrive, highSidedVehicle, hopper, lorry, minibus, moped, motorcycle, motorcycleWithSideCar,
        motorscooter, police van, sweepingMachine, tanker, tempo, threeWheeledVehicle, tipper, trailer,
        tram, twoWheeledVehicle, trolley, van
        """
    ),
]


class TrafficFlowObserved(Located):
    """How vehicles went by, over a period."""

    subject: ClassVar[str] = "Transportation"
    areas: ClassVar[tuple[str, ...]] = ("mobility",)

    type: Literal["TrafficFlowObserved"] = "TrafficFlowObserved"
    dateObserved: DateTimeOrInterval
    laneId: AtLeastOne | None = None
    refRoadSegment: Reference | None = None
    dateObservedFrom: DateTime | None = None
    dateObservedTo: DateTime | None = None
    intensity: Index | None = None
    occupancy: PartOfOne | None = None
    averageVehicleSpeed: KilometresPerHour | None = None
    averageVehicleLength: Metres | None = None
    averageGapDistance: Metres | None = None
    congested: Flag | None = None
    averageHeadwayTime: Seconds | None = None
    laneDirection: Literal["forward", "backward"] | None = None
    reversedLane: Flag | None = None
    vehicleType: VehicleType | None = None
    vehicleSubType: str | None = None


class ItemFlowObserved(Located):
    """How people, vehicles or ships went by on a lane, over a period."""

    subject: ClassVar[str] = "Transportation"
    areas: ClassVar[tuple[str, ...]] = ("mobility",)

    type: Literal["ItemFlowObserved"] = "ItemFlowObserved"
    location: Location
    dateObserved: DateTime
    laneId: Whole
    refDevice: Reference | None = None
    refRoadSegment: Reference | None = None
    dateObservedFrom: DateTime | None = None
    dateObservedTo: DateTime | None = None
    itemType: Literal["people", "ship", "vehicle", "yacht"] | None = None
    itemSubType: str | None = None
    laneDirection: LaneDirection | None = None
    reverseLane: Flag | None = None
    intensity: Index | None = None
    occupancy: PartOfOne | None = None
    congested: Flag | None = None
    averageSpeed: KilometresPerHour | None = None
    averageLength: Metres | None = None
    averageHeadwayTime: Seconds | None = None
    averageGapDistance: Metres | None = None
    minSpeed: KilometresPerHour | None = None
    maxSpeed: KilometresPerHour | None = None


class BikeHireDockingStation(Located):
    """A station where bikes are hired and returned."""

    subject: ClassVar[str] = "Transportation"
    areas: ClassVar[tuple[str, ...]] = ("mobility",)

    type: Literal["BikeHireDockingStation"] = "BikeHireDockingStation"
    totalSlotNumber: Pieces | None = None
    freeSlotNumber: Pieces | None = None
    availableBikeNumber: Pieces | None = None
    outOfServiceSlotNumber: Pieces | None = None
    openingHours: str | None = None
    status: Status | None = None
    provider: str | None = None
    contactPoint: ContactPoint | None = None
    stationName: str | None = None
    mediaURL: Uri | None = None
    agency_url: Uri | None = None
    agency_name: str | None = None
    stationCode: str | None = None
    observationDateTime: DateTime | None = None
    agency_fare_url: str | None = None


class EVChargingStation(Located):
    """A station where electric vehicles are charged."""

    subject: ClassVar[str] = "Transportation"
    areas: ClassVar[tuple[str, ...]] = ("mobility",)

    type: Literal["EVChargingStation"] = "EVChargingStation"
    capacity: Annotated[AtLeastOne, Sent(unit="C62")]
    allowedVehicleType: Distinct[AllowedVehicleType]
    socketType: Distinct[SocketType]
    socketNumber: Annotated[AtLeastOne, Sent(unit="C62")] | None = None
    availableCapacity: Pieces | None = None
    openingHours: str | None = None
    status: Status | None = None
    network: str | None = None
    operator: str | None = None
    contactPoint: ContactPoint | None = None
    amperage: Annotated[NonNegative, Sent(unit="AMP")] | None = None
    voltage: Volts | None = None
    chargeType: Distinct[ChargeType] | None = None
    acceptedPaymentMethod: Distinct[AcceptedPaymentMethod] | None = None
    dataDescriptor: Reference | None = None
    powerConsumption: Kilowatts | None = None
    chargingUnitId: str | None = None
    transactionId: str | None = None
    transactionType: str | None = None
    stationName: str | None = None
    amountCollected: Number | None = None
    taxAmountCollected: Number | None = None
    endDateTime: DateTime | None = None
    startDateTime: DateTime | None = None
    vehicleType: VehicleType_ | None = None
    observationDateTime: DateTime | None = None
