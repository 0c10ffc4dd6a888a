# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Works on streets and networks: a part of the subject Transportation."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from models.entity import Located
from models.structures import ContactPoint, Day, OpeningHours, Structure
from models.values import DateTime, Flag, Geometry, Index, Location, MomentText, Number, OneOf, Several, Uri

WorkState: TypeAlias = Annotated[
    str,
    OneOf(
        """
        all, approved, authorized, canceled, completed, decreeToBeSigned, draft, editedDecrees,
        instructionInProgress, investigated, nonCompliantOccupation, open, other, pendingAuthorization,
        pendingCancellation, planningCompleted, pendingDocument, pendingExtension, pendingPlanning, planned,
        received, reject, supported, validatedInPlanning
        """
    ),
]
WorkLevel: TypeAlias = Annotated[
    str,
    OneOf(
        """
        aerial, ground, mixed, other, roofing, surface, underground, wall
        """
    ),
]
WorkTarget: TypeAlias = Annotated[
    str,
    OneOf(
        """
        bicyclePath, busCorridor, catainers, cityMotorBike, cityBike, cityCar, cityScooter, coldAndAirCon,
        coldGroup, copperCable, CoringPenetrometry, drinkingWater, electricityNetworks, exploratoryWork,
        fireHydrants, frameRoof, gasNetworks, generator, historicalMonuments, infrastructure,
        landscapedArea, movingHoistNacelleTruck, networks, offStreetParking, opticalFibers, other,
        overheadLine, papersCollection, pavement, publicDecorativeLighting, publicDomain, publicTransport,
        railway, rainyWaters, riprap, rMTNetworks, roads, roadsAndPublicDomain, sanitation, scaffolding,
        sideWalk, speedReductionDevices, streetParking, surfaceOccupation, supportStructures,
        tagsAndPosters, telecomNetworks, telecom-RMT-VideoNetworks, trafficSignalingRegulation, tramway,
        urbanFurniture, urbanHeating, variousWorks, videoNetworks, vrd
        """
    ),
]
WorkNature: TypeAlias = Annotated[
    str,
    OneOf(
        """
        additionalInvestigations, brushCutting, cleaning, collection, connection, consolidation,
        construction, control, counting, craneLifting, creation, demolition, drivingSwitch, experimentation,
        extension, filmShooting, Installation-OR-layout, investigation, landFill, maintenance,
        manholeOpening, ManholeOpeningToRestoreService, miscellaneousInstallation, miscellaneousWorks,
        mowingDeburring, other, overheadLinesWorksIntervention, pruning, pulling, refurbishment,
        rehabilitation, reinforcement, renewal, renovation, repair, replacement, riprap, roadSign,
        safetyAndComplianceWork, safetyRailsInstallation, securingPerimeter, siteInstallation, staking,
        supportImplantation, surfaceOccupationAuthorization, survey, tarring, tonnageExemption, treeCutting,
        trenchOpening, upgrading
        """
    ),
]
InfrastructureFunction: TypeAlias = Annotated[
    str,
    OneOf(
        """
        collection, distribution, other, transportation
        """
    ),
]
TypeOfInterventionRequest: TypeAlias = Annotated[
    str,
    OneOf(
        """
        authorizationRequest, interventionNotice, other, urgentWorks
        """
    ),
]
WorkReason: TypeAlias = Annotated[
    str,
    OneOf(
        """
        collapse, derailment, fire, flood, gasLeak, landslide, other, powerCut, rockfall, sagging, waterLeak
        """
    ),
]
WorkZone: TypeAlias = Annotated[
    str,
    OneOf(
        """
        airport, beach, bicyclePath, bridge, busCorridor, dock, floodArea, harbor, heliport,
        mountainousArea, offRoad, other, parking, parksGardens, path, protectArea, railwayLine, riskArea,
        river, road, rockyArea, sevesoArea, sideWalk, subwayLine, tramwayLine, tunnel
        """
    ),
]
AllowedVehicle: TypeAlias = Annotated[
    str,
    OneOf(
        """
        allVehicle, bicycle, bus, car, companiesTrucks, emergencyVehicle, firefighters, lorry, motorcycle,
        police, subway, sweepingMachine, trailer, tramway, trucks, van
        """
    ),
]


StationType: TypeAlias = Annotated[
    str,
    OneOf(
        """
        aerialLift, bus, cableTram, ferry, funicular, monorail, rail, subway, tram, trolleybus
        """
    ),
]
Dispositions: TypeAlias = Annotated[
    str,
    OneOf(
        """
        alternatingLights, bicyclePathClosure, bicyclePathDeviation, bicyclePathReduction,
        circulationManualControl, laneClosure, laneDeviation, laneReduction, noRestriction,
        parkingForbidden, parkingModification, sidewalkClosure, sidewalkClosureOrReduction,
        sidewalkReduction, speedReduction, workOtherImpact
        """
    ),
]


class Disposition(Structure, total=False):
    """A rule for the works."""

    disposition: Dispositions
    startDate: MomentText
    endDate: MomentText
    dayOfWeek: Several[Day]
    comment: str


class Derogation(Structure, total=False):
    """An exception granted for the works."""

    derogationType: str
    startDate: MomentText
    endDate: MomentText
    dayOfWeek: Several[Day]
    comment: str


class _Segments(Structure, total=False):
    segmentId: Several[Geometry]
    segmentLocation: Several[Geometry]
    segmentName: Several[str]


class ImpactedRoad(_Segments, total=False):
    """A road that the works hinder."""

    roadId: Uri
    roadName: str
    roadLocation: Geometry


class ImpactedLine(_Segments, total=False):
    """A line of public transport that the works hinder."""

    lineId: Uri
    lineName: str
    lineLocation: Geometry


class MaxTonnage(Structure, total=False):
    """How heavy vehicles may be on a road during the works."""

    roadImpacted: str
    maxTonnage: Number
    roadId: Uri
    roadName: str
    roadLocation: Geometry


class ImpactedStation(Structure, total=False):
    """A station that the works hinder."""

    stationType: StationType
    stationId: Several[Uri]
    stationName: Several[str]
    stationLocation: Several[Geometry]


class CityWork(Located):
    """Works on a street or a network, and what they hinder."""

    subject: ClassVar[str] = "Transportation"
    areas: ClassVar[tuple[str, ...]] = ("urban-development",)

    type: Literal["CityWork"] = "CityWork"
    location: Location
    territorialArea: str | None = None
    dateLastReported: DateTime | None = None
    workNumber: str | None = None
    workState: WorkState | None = None
    workDate: str | None = None
    startDate: DateTime | None = None
    endDate: DateTime | None = None
    openingHoursSpecification: Several[OpeningHours] | None = None
    contractingAuthority: str | None = None
    contactPoint: ContactPoint | None = None
    decrees: Several[str] | None = None
    workLastDateUpdate: DateTime | None = None
    mainContractingCompany: str | None = None
    othersContractingCompany: Several[str] | None = None
    workLevel: Several[WorkLevel] | None = None
    workTarget: Several[WorkTarget] | None = None
    workNature: Several[WorkNature] | None = None
    infrastructureFunction: Several[InfrastructureFunction] | None = None
    encroachment: Several[Literal["other", "private", "public"]] | None = None
    typeOfInterventionRequest: TypeOfInterventionRequest | None = None
    workReason: Several[WorkReason] | None = None
    workZone: Several[WorkZone] | None = None
    workDisposition: Several[Disposition] | None = None
    workOtherImpact: Several[str] | None = None
    isMobile: Flag | None = None
    countOfDerogation: Index | None = None
    derogation: Several[Derogation] | None = None
    isMainRoadImpactedHTR: Flag | None = None
    countOfRoadImpacted: Index | None = None
    roadImpacted: Several[ImpactedRoad] | None = None
    roadImpactedMT: Several[str] | None = None
    roadImpactedSA: Several[str] | None = None
    allowedVehicle: Several[AllowedVehicle] | None = None
    maxAuthorizedTonnage: Several[MaxTonnage] | None = None
    countOfBusLineImpacted: Index | None = None
    busImpacted: Several[ImpactedLine] | None = None
    countOfSchoolBusLineImpacted: Index | None = None
    schoolBusImpacted: Several[ImpactedLine] | None = None
    countOfTramwayLineImpacted: Index | None = None
    tramwayImpacted: Several[ImpactedLine] | None = None
    countOfSubwayLineImpacted: Index | None = None
    subwayImpacted: Several[ImpactedLine] | None = None
    countOfRailwayLineImpacted: Index | None = None
    railwayImpacted: Several[ImpactedLine] | None = None
    countOfSchoolImpacted: Index | None = None
    schoolImpacted: Several[str] | None = None
    countOfStationImpacted: Index | None = None
    stationImpacted: Several[ImpactedStation] | None = None
    countOfEventImpacted: Index | None = None
    eventsImpacted: Several[str] | None = None
