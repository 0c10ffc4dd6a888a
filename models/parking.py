# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Parking."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from models.entity import Located, Thing
from models.structures import ContactPoint, Structure
from models.values import (
    AtLeastOne,
    DateTime,
    Distinct,
    Flag,
    Index,
    Location,
    Metres,
    NonNegative,
    Number,
    OneOf,
    PartOfOne,
    Pieces,
    PositiveMetres,
    Reference,
    References,
    Sent,
    Several,
    Uri,
    Whole,
)


class ParkingSpot(Located, Thing):
    """One place to park, free or not."""

    subject: ClassVar[str] = "Parking"
    areas: ClassVar[tuple[str, ...]] = ("mobility",)

    type: Literal["ParkingSpot"] = "ParkingSpot"
    location: Location
    status: Literal["closed", "free", "occupied", "unknown"]
    category: Distinct[Literal["onStreet", "offStreet"]]
    refParkingSite: Reference
    refParkingGroup: Reference | None = None
    width: Metres | None = None
    length: Metres | None = None
    timeInstant: DateTime | None = None
    refDevice: References | None = None


Category: TypeAlias = Annotated[
    str,
    OneOf(
        """
        barrierAccess, feeCharged, forCustomers, forDisabled, forElectricalCharging, forEmployees,
        forMembers, forResidents, forStudents, forVisitors, free, freeAccess, gateAccess, guarded, ground,
        longTerm, mediumTerm, onlyResidents, onlyWithPermit, parkingGarage, parkingLot, private, public,
        publicPrivate, shortTerm, staffed, underground, urbanDeterrentParking, other
        """
    ),
]
AllowedVehicleType: TypeAlias = Annotated[
    str,
    OneOf(
        """
        agriculturalVehicle, anyVehicle, bicycle, bus, car, caravan, carWithCaravan, carWithTrailer,
        constructionOrMaintenanceVehicle, lorry, moped, motorcycle, motorcycleWithSideCar, motorscooter,
        tanker, trailer, van
        """
    ),
]
ChargeType: TypeAlias = Annotated[
    str,
    OneOf(
        """
        additionalIntervalPrice, annualPayment, firstIntervalPrice, flat, free, minimum, maximum,
        monthlyPayment, other, seasonTicket, temporaryPrice
        """
    ),
]
RequiredPermit: TypeAlias = Annotated[
    str,
    OneOf(
        """
        employeePermit, fairPermit, governmentPermit, noPermitNeeded, residentPermit,
        specificIdentifiedVehiclePermit, studentPermit, visitorPermit
        """
    ),
]
OccupancyDetectionType: TypeAlias = Annotated[
    str,
    OneOf(
        """
        balancing, manual, modelBased, none, singleSpaceDetection
        """
    ),
]
AcceptedPaymentMethod: TypeAlias = Annotated[
    str,
    OneOf(
        """
        ByBankTransferInAdvance, ByInvoice, Cash, CheckInAdvance, COD, DirectDebit, GoogleCheckout, PayPal,
        PaySwarm
        """
    ),
]
Layout: TypeAlias = Annotated[
    str,
    OneOf(
        """
        automatedParkingGarage, carports, covered, field, garageBoxes, multiLevel, multiStorey, nested,
        openSpace, rooftop, sheds, singleLevel, surface, other
        """
    ),
]
UsageScenario: TypeAlias = Annotated[
    str,
    OneOf(
        """
        automaticParkingGuidance, carSharing, dropOffWithValet, dropOffMechanical, dropOff, eventParking,
        kissAndRide, liftShare, loadingBay, overnightParking, parkAndCycle, parkAndRide, parkAndWalk,
        restArea, serviceArea, staffGuidesToSpace, truckParking, vehicleLift, other
        """
    ),
]
ParkingMode: TypeAlias = Annotated[str, OneOf("echelonParking, parallelParking, perpendicularParking")]
Facilities: TypeAlias = Annotated[
    str,
    OneOf(
        """
        bikeParking, cashMachine, copyMachineOrService, defibrillator, dumpingStation,
        electricChargingStation, elevator, faxMachineOrService, fireHose, fireExtinguisher, fireHydrant,
        firstAidEquipment, freshWater, iceFreeScaffold, informationPoint, internetWireless, luggageLocker,
        payDesk, paymentMachine, playground, publicPhone, refuseBin, safeDeposit, shower, toilet,
        tollTerminal, vendingMachine, wasteDisposal
        """
    ),
]
Security: TypeAlias = Annotated[
    str,
    OneOf(
        """
        areaSeparatedFromSurroundings, cctv, dog, externalSecurity, fences, floodLight, guard24hours,
        lighting, patrolled, securityStaff
        """
    ),
]
SpecialLocation: TypeAlias = Annotated[
    str,
    OneOf(
        """
        airportTerminal, cableCarStation, campground, cinema, coachStation, conventionCentre,
        exhibitionCentre, ferryTerminal, hotel, market, publicTransportStation, religiousCentre,
        shoppingCentre, skilift, specificFacility, themePark, trainStation, vehicleOnRailTerminal, other
        """
    ),
]
Status: TypeAlias = Annotated[
    str,
    OneOf(
        """
        almostFull, closed, closedAbnormal, full, fullAtEntrance, open, openingTimesInForce, spacesAvailable
        """
    ),
]
ReservationType: TypeAlias = Annotated[str, OneOf("mandatory, notAvailable, optional, partly")]
Category_: TypeAlias = Annotated[
    str,
    OneOf(
        """
        barrierAccess, blueZone, feeCharged, forDisabled, forElectricalCharging, forLoadUnload,
        forResidents, free, greenZone, mediumTerm, onlyWithPermit, public, shortTerm, taxiStop, underground
        """
    ),
]
AllowedVehicleType_: TypeAlias = Annotated[
    str,
    OneOf(
        """
        agriculturalVehicle, anyVehicle, articulatedVehicle, bicycle, bus, car, caravan, carOrLightVehicle,
        carWithCaravan, carWithTrailer, constructionOrMaintenanceVehicle, fourWheelDrive, highSidedVehicle,
        lorry, moped, motorcycle, motorcycleWithSideCar, motorscooter, tanker, threeWheeledVehicle, trailer,
        tram, twoWheeledVehicle, van, vehicleWithCatalyticConverter, vehicleWithoutCatalyticConverter,
        vehicleWithCaravan, vehicleWithTrailer, withEvenNumberedRegistrationPlates,
        withOddNumberedRegistrationPlates, other
        """
    ),
]
ChargeType_: TypeAlias = Annotated[
    str,
    OneOf(
        """
        additionalIntervalPrice, annualPayment, firstIntervalPrice, flat, free, minimum, maximum,
        monthlyPayment, seasonTicket, temporaryFee, temporaryPrice, unknown, other
        """
    ),
]
UsageScenario_: TypeAlias = Annotated[
    str,
    OneOf(
        """
        carSharing, dropOff, kissAndRide, liftShare, loadingBay, overnightParking, parkAndRide,
        parkAndCycle, parkAndWalk, vehicleLift, other
        """
    ),
]


class Spots(Structure, total=False):
    """How many spots there are for a kind of vehicle."""

    availableSpotNumber: Number
    totalSpotNumber: Number
    occupiedSpotNumber: Number


class Slots(Structure, total=False):
    """The same for cars, in other words."""

    availableSlotNumber: Number
    totalSlotNumber: Number
    occupiedSlotNumber: Number


class Municipality(Structure, total=False):
    """The part of the city."""

    district: str
    ulbName: str
    cityId: str
    wardId: str
    stateName: str
    cityName: str
    zoneName: str
    zoneId: str
    wardName: str
    wardNum: Number


class Rating(Structure, total=False):
    """What people think of it, in the words of schema.org."""

    ratingValue: Number
    ratingCount: Number


class PermitHours(Structure, total=False):
    """When a permit is needed, as opening hours of schema.org."""

    blueZonePermit: str


class OffStreetParking(Located):
    """A car park, and how full it is."""

    subject: ClassVar[str] = "Parking"
    areas: ClassVar[tuple[str, ...]] = ("mobility",)

    type: Literal["OffStreetParking"] = "OffStreetParking"
    location: Location
    category: Distinct[Category] | None = None
    extCategory: Distinct[str] | None = None
    allowedVehicleType: Distinct[AllowedVehicleType] | None = None
    chargeType: Distinct[ChargeType] | None = None
    requiredPermit: Distinct[RequiredPermit] | None = None
    occupancyDetectionType: Distinct[OccupancyDetectionType] | None = None
    occupiedSpotNumber: Pieces | None = None
    occupancyModified: DateTime | None = None
    occupancy: PartOfOne | None = None
    acceptedPaymentMethod: Distinct[AcceptedPaymentMethod] | None = None
    priceRatePerMinute: NonNegative | None = None
    priceCurrency: str | None = None
    layout: Distinct[Layout] | None = None
    usageScenario: Distinct[UsageScenario] | None = None
    parkingMode: Distinct[ParkingMode] | None = None
    facilities: Distinct[Facilities] | None = None
    security: Distinct[Security] | None = None
    highestFloor: Whole | None = None
    lowestFloor: Whole | None = None
    maximumParkingDuration: str | None = None
    totalSpotNumber: Annotated[AtLeastOne, Sent(unit="C62")] | None = None
    availableSpotNumber: Pieces | None = None
    extraSpotNumber: Pieces | None = None
    openingHours: str | None = None
    firstAvailableFloor: Whole | None = None
    specialLocation: Distinct[SpecialLocation] | None = None
    status: Distinct[Status] | None = None
    reservationType: Distinct[ReservationType] | None = None
    provider: ContactPoint | None = None
    measuresPeriod: NonNegative | None = None
    measuresPeriodUnit: str | None = None
    contactPoint: ContactPoint | None = None
    averageSpotWidth: Metres | None = None
    averageSpotLength: PositiveMetres | None = None
    maximumAllowedHeight: PositiveMetres | None = None
    maximumAllowedWidth: PositiveMetres | None = None
    refParkingAccess: Reference | None = None
    refParkingGroup: Reference | None = None
    refParkingSpot: Reference | None = None
    aggregateRating: Rating | None = None
    vehicleEntranceCount: Index | None = None
    vehicleExitCount: Index | None = None
    accessModified: DateTime | None = None
    images: Several[Uri] | None = None
    outOfServiceSlotNumber: Index | None = None
    parkingSiteId: str | None = None
    observationDateTime: DateTime | None = None
    fourWheelerSlots: Slots | None = None
    unclassifiedSlots: Spots | None = None
    twoWheelerSlots: Spots | None = None
    municipalityInfo: Municipality | None = None


class OnStreetParking(Located):
    """Spots along a street, and how many are free."""

    subject: ClassVar[str] = "Parking"
    areas: ClassVar[tuple[str, ...]] = ("mobility",)

    type: Literal["OnStreetParking"] = "OnStreetParking"
    location: Location
    category: Several[Category_] | None = None
    allowedVehicleType: Several[AllowedVehicleType_] | None = None
    requiredPermit: Several[str] | None = None
    permitActiveHours: PermitHours | None = None
    maximumParkingDuration: str | None = None
    occupiedSpotNumber: Index | None = None
    occupancyModified: DateTime | None = None
    layout: Several[str] | None = None
    chargeType: Several[ChargeType_] | None = None
    acceptedPaymentMethod: AcceptedPaymentMethod | None = None
    usageScenario: UsageScenario_ | None = None
    totalSpotNumber: Pieces | None = None
    availableSpotNumber: Pieces | None = None
    extraSpotNumber: Pieces | None = None
    occupancyDetectionType: Several[OccupancyDetectionType] | None = None
    parkingMode: ParkingMode | None = None
    areBordersMarked: Flag | None = None
    averageSpotWidth: Metres | None = None
    averageSpotLength: Metres | None = None
    refParkingSpot: References | None = None
    refParkingGroup: References | None = None
    outOfServiceSlotNumber: Index | None = None
    parkingSiteId: str | None = None
    observationDateTime: DateTime | None = None
    fourWheelerSlots: Slots | None = None
    unclassifiedSlots: Spots | None = None
    twoWheelerSlots: Spots | None = None
    municipalityInfo: Municipality | None = None
