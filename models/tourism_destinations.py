# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Events."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from typing_extensions import TypedDict

from models.entity import Located
from models.structures import ContactPoint, Day, OpeningHours, Structure
from models.values import (
    DateTime,
    Flag,
    Hours,
    MomentText,
    Number,
    OneOf,
    PeopleNumber,
    References,
    Several,
    Uri,
)

Category: TypeAlias = Annotated[
    str,
    OneOf(
        """
        excursion, gastronomy, history, museum, outdoorActivities, parksAndGardens, religiousWorship,
        shopping, spectacle, wellness
        """
    ),
]
EventStatus: TypeAlias = Annotated[
    str,
    OneOf(
        """
        opened, closed, suspended, cancelled, scheduled, finished, postponed, rescheduled
        """
    ),
]
Audience: TypeAlias = Annotated[str, OneOf("adult, allPublic, children, family, senior, teenager")]
PaymentAccepted: TypeAlias = Annotated[str, OneOf("Cash, CreditCard, CryptoCurrency, other")]
RouteType: TypeAlias = Annotated[
    str,
    OneOf(
        """
        bus, cableCar, cableTram, ferry, funicular, monorail, subway, train, tram, trolleybus
        """
    ),
]
ElectricTransport: TypeAlias = Annotated[
    str,
    OneOf(
        """
        electricBicycle, electricCar, electricMotorBike, electricScooter
        """
    ),
]


TouristType: TypeAlias = Annotated[
    str,
    OneOf(
        """
        ADVENTURE TOURISM, ASTRONOMY TOURISM, BACKPACKING TOURISM, BEACH AND SUN TOURISM, BEER TOURISM,
        BIRDING TOURISM, BULLFIGHTING TOURISM, BUSINESS, COMMUNITY-BASED TOURISM, CRUISE TOURISM, CULTURAL
        TOURISM, CYCLING TOURISM, DIVING TOURISM, ECOTOURISM, EVENTS AND FESTIVALS TOURISM, FAMILY TOURISM,
        FILM TOURISM, FISHING TOURISM, FOOD TOURISM, GAMBLING TOURISM, GEOLOGICAL TOURISM, HERITAGE TOURISM,
        HUNTING TOURISM, INDUSTRIAL TOURISM, LANGUAGE TOURISM, LGTBI TOURISM, LUXURY TOURISM, MEDICAL
        TOURISM, MEMORIAL TOURISM, MICE TOURISM, NATURE TOURISM, OLIVE OIL TOURISM, PARTY TOURISM,
        PHOTOGRAPHY TOURISM, RELIGIOUS TOURISM, ROMANTIC TOURISM, RURAL TOURISM, SAFARI TOURISM, SAILING
        TOURISM, SENIOR TOURISM, SHOPPING TOURISM, SHORT BREAK TOURISM, SINGLES TOURISM, SPORTS TOURISM,
        TOURISM, TREKKING TOURISM, URBAN TOURISM, WATER SPORTS TOURISM, WEDDING & HONEYMOON TOURISM,
        WELLNESS TOURISM, WHISKY TOURISM, WINE TOURISM, WINTER SPORTS TOURISM, WOMEN TOURISM
        """
    ),
]
SubCategory: TypeAlias = Annotated[
    str,
    OneOf(
        """
        --museum--, archaeology, contemporaryArt, modernArt, appliedArts, decorativeArts,
        scienceAndTechnology, fineArts, music, history, sacredArt, specials, literature,
        medicineAndPharmacy, maritime, transports, military, wax, popularArtsAndTraditions, numismatic,
        ceramics, sumptuaryArts, naturalScience, prehistoric, ethnology, railway, mining, textile,
        sculpture, multiDisciplinar, painting, paleonthology, thematic, architecture, museumHouse,
        universitary, bullfighting, --excursion--, sea, mountain, river, countryside, ancientCity, cultural,
        culinary, wineRoute, --parksAndGardens--, park, garden, fountain, --religiousWorship--, church,
        cathedral, synagogue, mosque, buddhistTemple, hinduTemple, monastery, sanctuary, cemetery, sumptuar,
        --history--, castle, warMemorials, memorial, fortifiedCastles, archaeologicalSite, crypt, cave,
        --shopping--, departmentStore, luxuryStores, outlet, mall, clothing, mensClothing, womensClothing,
        childrenClothing, localProducts, souvenir, wine, pastry, chocolate, confectionery, jewelry, watch,
        shoe, perfume, cosmetics, press, sport, optics, leatherGoods, decoration, market, bike, book,
        computer, convenience, electronic, florist, furniture, grocery, home, liquor, mobile, movierental,
        pawnShop, tire, toy, --gastronomy--, worldCuisine, traditional, provencal, mediterranean, greek,
        spanish, brazilian, lebanese, creole, mauritian, reunion, hawaiian, mexican, american, texMex,
        vegetarian, fish, seafood, indian, vietnamese, thai, laosian, cambodian, chinese, moroccan,
        tunisian, african, sushi, japanese, scandinavian, russian, --outdoorActivities--, rafting,
        canyoning, aquatichiking, hiking, viaferrata, climbing, kitesurfing, canoeing, paddleboarding,
        jetSki, catamaran, sailing, surfing, deltaPlane, skiing, scooter, karting, --wellness--, spa, haman,
        jacuzzi, hotSpring, thalasso, bodyCare, swimmingPool, relaxationArea, massage, careCenter,
        --spectacle--, cabaret, theater, boulevard, vaudeville, humor
        """
    ),
]


class Schedule(Structure, total=False):
    """When it takes place again."""

    dayOfWeek: Day
    byDay: str
    byMonth: Number
    byMonthDay: Number
    byMonthWeek: Number
    exceptDate: MomentText
    duration: Number
    repeatFrequency: str
    repeatCount: Number


class Article(Structure, total=False):
    """A text in a language."""

    language: str
    article: str


class Review(Structure, total=False):
    """What a critic wrote."""

    article: str
    origin: str
    ratingValue: Number
    starRating: Number


class Reviews(Structure, total=False):
    """What critics wrote in a language."""

    language: str
    reviews: Several[Review]


class Price(Structure, total=False):
    """A price, for whom."""

    categoryDescription: str
    audience: Several[str]
    eligibleQuantity: Number
    price: Number
    minPrice: Number
    maxPrice: Number


class Organizer(Structure, total=False):
    """Who organizes it."""

    type: Uri  # JSON-LD takes it for the type of a thing
    name: str
    url: Uri


Stars = TypedDict(
    "Stars",
    {
        "10": Number,
        "9": Number,
        "8": Number,
        "7": Number,
        "6": Number,
        "5": Number,
        "4": Number,
        "3": Number,
        "2": Number,
        "1": Number,
    },
    total=False,
)


class Event(Located):
    """Something that takes place: a concert, a market, a festival."""

    subject: ClassVar[str] = "TourismDestinations"
    areas: ClassVar[tuple[str, ...]] = ("culture",)

    type: Literal["Event"] = "Event"
    touristType: TouristType | None = None
    url: Uri | None = None
    isAccessibleForFree: Flag | None = None
    publicAccess: Flag | None = None
    startDate: DateTime | None = None
    endDate: DateTime | None = None
    refPointOfInterest: References | None = None
    contactPoint: ContactPoint | None = None
    accessPlan: str | None = None
    category: Several[Category] | None = None
    subCategory: Several[SubCategory] | None = None
    thematic: Several[str] | None = None
    title: str | None = None
    slogan: str | None = None
    language: Several[str] | None = None
    superEvent: Uri | None = None
    subEvent: Several[Uri] | None = None
    eventStatus: Several[EventStatus] | None = None
    eventSchedule: Several[Schedule] | None = None
    duration: Hours | None = None
    doorTimeOpen: str | None = None
    doorTimeClose: str | None = None
    openingHoursSpecification: Several[OpeningHours] | None = None
    pitch: Several[Article] | None = None
    webSite: Uri | None = None
    contentURL: Uri | None = None
    performer: Several[str] | None = None
    actor: Several[str] | None = None
    composer: Several[str] | None = None
    director: Several[str] | None = None
    criticReview: Several[Reviews] | None = None
    ratingValueAverage: Number | None = None
    starRatingDetailed: Stars | None = None
    audience: Several[Audience] | None = None
    wheelChairAccessible: Flag | None = None
    maximumAttendeeCapacity: PeopleNumber | None = None
    eventPriceFrom: Number | None = None
    eventPriceTo: Number | None = None
    priceSpecification: Several[Price] | None = None
    paymentAccepted: Several[PaymentAccepted] | None = None
    currencyAccepted: Several[Literal["EUR", "USD"]] | None = None
    routeType: Several[RouteType] | None = None
    transportServices: Several[Literal["parkingShuttle", "taxi", "uber", "vtc"]] | None = None
    electricTransport: Several[ElectricTransport] | None = None
    offeredBy: Organizer | None = None
