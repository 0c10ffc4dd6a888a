# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Places that people look for."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from models.entity import Located
from models.structures import ContactPoint, OpeningHours, Structure
from models.values import Distinct, Location, Number, OneOf, PeopleNumber, Reference, References, Several, Uri

MuseumType: TypeAlias = Annotated[
    str,
    OneOf(
        """
        appliedArts, scienceAndTechnology, fineArts, music, history, sacredArt, archaeology, specials,
        decorativeArts, literature, medicineAndPharmacy, maritime, transports, military, wax,
        popularArtsAndTraditions, numismatic, unesco, ceramics, sumptuaryArts, naturalScience, prehistoric,
        ethnology, railway, mining, textile, sculpture, multiDisciplinar, painting, paleonthology,
        modernArt, thematic, architecture, museumHouse, cathedralMuseum, diocesanMuseum, universitary,
        contemporaryArt, bullfighting
        """
    ),
]
Facilities: TypeAlias = Annotated[
    str,
    OneOf(
        """
        elevator, cafeteria, shop, auditory, conferenceRoom, audioguide, cloakRoom, forDisabled, forBabies,
        guidedTour, restaurant, ramp, reservation
        """
    ),
]
BuildingType: TypeAlias = Annotated[
    str,
    OneOf(
        """
        prehistoricPlace, acropolis, alcazaba, aqueduct, alcazar, amphitheatre, arch, polularArchitecture,
        basilica, road, chapel, cartuja, nobleHouse, residence, castle, castro, catacombs, cathedral,
        cloister, convent, prehistoricCave, dolmen, officeBuilding, houseBuilding, industrialBuilding,
        militaryBuilding, hermitage, fortress, sculpturalGroups, church, garden, fishMarket, masia,
        masiaFortificada, minaret, monastery, monolith, walls, necropolis, menhir, mansion, palace,
        pantheon, pazo, pyramid, bridge, gate, arcade, walledArea, sanctuary, grave, synagogue,
        taulasTalayotsNavetas, theathre, temple, spring, tower, archeologicalSite, university, graveyard,
        fortifiedTemple, civilEngineering, square, seminar, bullfightingRing, publicBuilding, town,
        cavesAndTouristicMines, proCathedral, mosque, circus, burialMound
        """
    ),
]


class Municipality(Structure, total=False):
    """The part of the city."""

    district: str
    ulbName: str
    cityID: str
    wardID: str
    stateName: str
    cityName: str
    zoneName: str
    zoneID: str
    wardName: str
    wardNum: Number


class PointOfInterest(Located):
    """A place that people look for."""

    subject: ClassVar[str] = "PointOfInterest"
    areas: ClassVar[tuple[str, ...]] = ("inclusion",)

    type: Literal["PointOfInterest"] = "PointOfInterest"
    name: str
    category: Several[str] | None = None
    contactPoint: ContactPoint | None = None
    refSeeAlso: References | None = None
    wardId: str | None = None
    zoneId: str | None = None
    additionalInfoURL: Reference | None = None
    zoneName: str | None = None
    municipalityInfo: Municipality | None = None
    title: str | None = None
    relevance: Number | None = None
    image: Uri | None = None
    priceRange: str | None = None
    capacity: PeopleNumber | None = None
    occupancy: PeopleNumber | None = None


class Museum(Located):
    """A museum."""

    subject: ClassVar[str] = "PointOfInterest"
    areas: ClassVar[tuple[str, ...]] = ("culture",)

    type: Literal["Museum"] = "Museum"
    name: str
    location: Location
    museumType: Distinct[MuseumType] | None = None
    facilities: Distinct[Facilities] | None = None
    historicalPeriod: Distinct[str] | None = None
    artPeriod: Distinct[str] | None = None
    buildingType: Several[BuildingType] | None = None
    featuredArtist: Distinct[str] | None = None
    contactPoint: ContactPoint | None = None
    touristArea: str | None = None
    openingHoursSpecification: Several[OpeningHours] | None = None
    refSeeAlso: References | None = None
