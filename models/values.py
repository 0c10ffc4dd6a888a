# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The values of attributes: what may be in them, and how NGSI-LD sends them.

A value's type says once what it may be (range, pattern) and, in its `Sent` metadata, which kind of
NGSI-LD attribute carries it and in which unit. The Smart Data Models are made of these types.
"""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from ipaddress import ip_address
from typing import Annotated, Any, Literal, NotRequired, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    Strict,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict  # typing's own, before Python 3.12, pydantic cannot read

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """How NGSI-LD sends an attribute.

    Attributes:
        kind: the NGSI-LD attribute type.
        unit: UN/CEFACT Recommendation 20 code of its value, sent as `unitCode`.
    """

    kind: Literal["Property", "Relationship", "GeoProperty"] = "Property"
    unit: str | None = None


# --- numbers -----------------------------------------------------------------------------------------
# Strict: "21.5" and true are no numbers. NaN and infinity are refused by the entity's configuration.

Number: TypeAlias = Annotated[float, Strict()]
NonNegative: TypeAlias = Annotated[Number, Field(ge=0)]
PartOfOne: TypeAlias = Annotated[Number, Field(ge=0, le=1), Sent(unit="C62")]

Acidity: TypeAlias = Annotated[Number, Field(ge=0, le=14), Sent(unit="Q30")]
Amperes: TypeAlias = Annotated[Number, Sent(unit="AMP")]
Bars: TypeAlias = Annotated[NonNegative, Sent(unit="BAR")]
Celsius: TypeAlias = Annotated[Number, Sent(unit="CEL")]
Centimetres: TypeAlias = Annotated[NonNegative, Sent(unit="CMT")]
CubicMetres: TypeAlias = Annotated[NonNegative, Sent(unit="MTQ")]
CubicMetresPerHour: TypeAlias = Annotated[Number, Sent(unit="MQH")]
CubicMetresPerSecond: TypeAlias = Annotated[NonNegative, Sent(unit="MQS")]
Decibels: TypeAlias = Annotated[Number, Sent(unit="2N")]
DecibelMilliwatts: TypeAlias = Annotated[Number, Sent(unit="DBM")]
Degrees: TypeAlias = Annotated[Number, Field(ge=0, le=360), Sent(unit="DD")]
Hertz: TypeAlias = Annotated[NonNegative, Sent(unit="HTZ")]
Hours: TypeAlias = Annotated[NonNegative, Sent(unit="HUR")]
Hectopascals: TypeAlias = Annotated[NonNegative, Sent(unit="A97")]
Index: TypeAlias = Annotated[NonNegative, Sent(unit="C62")]
Kilograms: TypeAlias = Annotated[NonNegative, Sent(unit="KGM")]
Kilopascals: TypeAlias = Annotated[Number, Sent(unit="KPA")]
KilovarHours: TypeAlias = Annotated[NonNegative, Sent(unit="K3")]
KilovoltampereHours: TypeAlias = Annotated[NonNegative, Sent(unit="C79")]
KilowattHours: TypeAlias = Annotated[NonNegative, Sent(unit="KWH")]
Kilowatts: TypeAlias = Annotated[Number, Sent(unit="KWT")]
KilometresPerHour: TypeAlias = Annotated[NonNegative, Sent(unit="KMH")]
Litres: TypeAlias = Annotated[NonNegative, Sent(unit="LTR")]
Lux: TypeAlias = Annotated[NonNegative, Sent(unit="LUX")]
Metres: TypeAlias = Annotated[NonNegative, Sent(unit="MTR")]
MetresAboveZero: TypeAlias = Annotated[Number, Sent(unit="MTR")]  # of a gauge or a start: may be below
MetresPerSecond: TypeAlias = Annotated[NonNegative, Sent(unit="MTS")]
MetresPerSecondSquared: TypeAlias = Annotated[Number, Sent(unit="MSK")]
MicrogramsPerCubicMetre: TypeAlias = Annotated[NonNegative, Sent(unit="GQ")]
MilligramsPerCubicMetre: TypeAlias = Annotated[NonNegative, Sent(unit="GP")]
MilligramsPerLitre: TypeAlias = Annotated[NonNegative, Sent(unit="M1")]
Millimetres: TypeAlias = Annotated[NonNegative, Sent(unit="MMT")]
PartsPerBillion: TypeAlias = Annotated[NonNegative, Sent(unit="61")]
PartsPerMillion: TypeAlias = Annotated[NonNegative, Sent(unit="59")]
Percent: TypeAlias = Annotated[NonNegative, Sent(unit="P1")]
PositiveMetres: TypeAlias = Annotated[Number, Field(gt=0), Sent(unit="MTR")]
PowerFactor: TypeAlias = Annotated[Number, Field(ge=-1, le=1), Sent(unit="C62")]
Seconds: TypeAlias = Annotated[NonNegative, Sent(unit="SEC")]
SiemensPerMetre: TypeAlias = Annotated[Number, Sent(unit="D10")]
SquareMetres: TypeAlias = Annotated[NonNegative, Sent(unit="MTK")]
Turbidity: TypeAlias = Annotated[NonNegative, Sent(unit="NTU")]
Volts: TypeAlias = Annotated[NonNegative, Sent(unit="VLT")]
Watts: TypeAlias = Annotated[Number, Sent(unit="WTT")]
WattsPerSquareMetre: TypeAlias = Annotated[NonNegative, Sent(unit="D54")]


def _whole(value: Any) -> Any:
    # JSON Schema's integer includes 12.0, and conversion of units gives floats; "12" and true are none.
    return "no number" if isinstance(value, bool | str | bytes) else value


# Above 2⁵³ JSON numbers lose digits on the way (RFC 8259, 6).
Count: TypeAlias = Annotated[int, Field(ge=0, le=2**53), BeforeValidator(_whole)]
AtLeastOne: TypeAlias = Annotated[int, Field(ge=1, le=2**53), BeforeValidator(_whole)]
Whole: TypeAlias = Annotated[int, Field(ge=-(2**53), le=2**53), BeforeValidator(_whole)]
Pieces: TypeAlias = Annotated[Count, Sent(unit="C62")]
People: TypeAlias = Annotated[Count, Sent(unit="IE")]
PeopleNumber: TypeAlias = Annotated[NonNegative, Sent(unit="IE")]  # where the schema takes 2.5 of them
Flag: TypeAlias = Annotated[bool, Strict()]


# --- texts and lists -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of many words, separated by commas: what `Literal` is for a few."""

    words: str

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:
        """Give pydantic the words as an enumeration."""
        return core_schema.literal_schema([" ".join(word.split()) for word in self.words.split(",")])


Uri: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`]+$")]


def _listed(value: Any) -> Any:
    # Brokers give [x] back as x.
    return [value] if isinstance(value, str | dict) else value


def _distinct(value: Sequence[Hashable]) -> Sequence[Hashable]:
    if len(set(value)) != len(value):
        msg = "the same value stands twice"
        raise ValueError(msg)
    return value


def _address(value: str) -> str:
    return str(ip_address(value))


Several: TypeAlias = Annotated[list[T], Field(min_length=1), BeforeValidator(_listed)]
Distinct: TypeAlias = Annotated[Several[T], AfterValidator(_distinct)]
Email: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$")]
IpAddress: TypeAlias = Annotated[str, AfterValidator(_address)]

# The other end of a relationship: NGSI-LD knows entities by URI (ETSI GS CIM 009, 4.5.3).
Reference: TypeAlias = Annotated[Uri, Sent(kind="Relationship")]
References: TypeAlias = Annotated[Distinct[Uri], Sent(kind="Relationship")]


# --- time ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)  # every attribute of a message has the same few moments
def rfc3339(moment: datetime) -> str:
    """Return a moment as `2026-03-01T12:00:00.000Z`: UTC, milliseconds, as brokers give it back."""
    return f"{moment.astimezone(UTC).isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"


def _moment(value: Any) -> datetime:
    """Read a moment and keep it to the millisecond, in UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        msg = "a date and time is expected, such as 2026-03-01T12:00:00Z"
        raise ValueError(msg)  # noqa: TRY004 - pydantic reports ValueError as invalid input, TypeError not
    if moment.tzinfo is None:
        msg = "the time has no zone: 2026-03-01T12:00:00Z, or with an offset"
        raise ValueError(msg)
    if moment.tzinfo is not UTC:
        try:
            moment = moment.astimezone(UTC)
        except OverflowError as error:
            msg = "the time is outside the years 1 to 9999"
            raise ValueError(msg) from error
    beyond = moment.microsecond % 1000
    return moment.replace(microsecond=moment.microsecond - beyond) if beyond else moment


_INTERVAL = re.compile(r"[^/\s]+/[^/\s]+")


def _moment_or_interval(value: Any) -> datetime | str:
    if isinstance(value, str) and _INTERVAL.fullmatch(value):
        begin, end = value.split("/")
        if not end.startswith("P") and _moment(begin) > _moment(end):
            msg = "the interval ends before it begins"
            raise ValueError(msg)
        return value
    return _moment(value)


_IN_JSON = PlainSerializer(
    lambda moment: rfc3339(moment) if isinstance(moment, datetime) else moment, when_used="json"
)

DateTime: TypeAlias = Annotated[
    datetime, PlainValidator(_moment), _IN_JSON, WithJsonSchema({"type": "string", "format": "date-time"})
]
#: A moment, or an ISO 8601 interval as text (`2026-03-01T12:00:00Z/2026-03-01T12:15:00Z`).
DateTimeOrInterval: TypeAlias = Annotated[
    datetime | str, PlainValidator(_moment_or_interval), _IN_JSON, WithJsonSchema({"type": "string"})
]

# Inside of structured values moments are texts: NGSI-LD types the value of an attribute, not its parts.
MomentText: TypeAlias = Annotated[str, AfterValidator(lambda text: rfc3339(_moment(text)))]


def _date(text: str) -> str:
    return date.fromisoformat(text).isoformat()


def _time(text: str) -> str:
    if time.fromisoformat(text).tzinfo is None:
        msg = "the time has no zone: 08:00:00Z, or with an offset"
        raise ValueError(msg)
    return text


_DURATION = re.compile(r"P(?=\d|T\d)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?")


def _duration(text: str) -> str:
    if not _DURATION.fullmatch(text):
        msg = "a duration is expected, such as PT8M5S (ISO 8601)"
        raise ValueError(msg)
    return text


DateText: TypeAlias = Annotated[str, AfterValidator(_date)]
TimeText: TypeAlias = Annotated[str, AfterValidator(_time)]
Duration: TypeAlias = Annotated[str, AfterValidator(_duration)]


# --- places ----------------------------------------------------------------------------------------------


def _on_earth(position: list[float]) -> list[float]:
    if not (-180 <= position[0] <= 180 and -90 <= position[1] <= 90):  # noqa: PLR2004 - WGS 84
        msg = "coordinates are longitude (-180 to 180), then latitude (-90 to 90)"
        raise ValueError(msg)
    return position


def _closed(ring: list[list[float]]) -> list[list[float]]:
    if ring[0] != ring[-1]:
        msg = "a polygon's ring ends where it begins (RFC 7946, 3.1.6)"
        raise ValueError(msg)
    return ring


Coordinates: TypeAlias = Annotated[list[Number], Field(min_length=2, max_length=3), AfterValidator(_on_earth)]
_Line: TypeAlias = Annotated[list[Coordinates], Field(min_length=2)]
_Ring: TypeAlias = Annotated[list[Coordinates], Field(min_length=4), AfterValidator(_closed)]
_Box: TypeAlias = Annotated[list[Number], Field(min_length=4, max_length=6)]


class _Geometry(TypedDict):
    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)  # type: ignore[misc] # read by pydantic

    bbox: NotRequired[_Box]


class Point(_Geometry):
    """A place: GeoJSON, WGS 84, longitude first (RFC 7946, 3.1.2)."""

    type: Literal["Point"]
    coordinates: Coordinates


class LineString(_Geometry):
    """A line."""

    type: Literal["LineString"]
    coordinates: _Line


class Polygon(_Geometry):
    """An area: its outline, then its holes."""

    type: Literal["Polygon"]
    coordinates: list[_Ring]


class MultiPoint(_Geometry):
    """Several places."""

    type: Literal["MultiPoint"]
    coordinates: list[Coordinates]


class MultiLineString(_Geometry):
    """Several lines."""

    type: Literal["MultiLineString"]
    coordinates: list[_Line]


class MultiPolygon(_Geometry):
    """Several areas."""

    type: Literal["MultiPolygon"]
    coordinates: list[list[_Ring]]


Geometry: TypeAlias = Annotated[
    Point | LineString | Polygon | MultiPoint | MultiLineString | MultiPolygon,
    Field(discriminator="type"),
]
Location: TypeAlias = Annotated[Geometry, Sent(kind="GeoProperty")]


class PostalAddress(TypedDict, total=False):
    """An address, in the words of schema.org."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc] # read by pydantic

    streetAddress: str
    streetNr: str
    postOfficeBoxNumber: str
    postalCode: str
    district: str
    addressLocality: str
    addressRegion: str
    addressCountry: str
