# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2

"""Structured values that several subjects share."""

from typing import Literal, TypeAlias

from pydantic import ConfigDict
from typing_extensions import TypedDict

from models.values import DateText, Email, Flag, MomentText, Number, Several, TimeText, Uri

Day: TypeAlias = Literal[
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "PublicHolidays"
]
_DayIri: TypeAlias = Literal[
    "https://schema.org/Monday",
    "https://schema.org/Tuesday",
    "https://schema.org/Wednesday",
    "https://schema.org/Thursday",
    "https://schema.org/Friday",
    "https://schema.org/Saturday",
    "https://schema.org/Sunday",
    "https://schema.org/PublicHolidays",
]


class Structure(TypedDict, total=False):
    """A structured value: its members, all optional, and no others."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)  # type: ignore[misc] # read by pydantic


#: Members of any name. Name them as the subject's context does: others mean nothing outside this entity.
Payload: TypeAlias = dict[str, str | Number | Flag]


class ContactPoint(Structure, total=False):
    """Whom to contact, in the words of schema.org."""

    contactType: str
    email: Email
    telephone: str
    name: str
    url: Uri
    areaServed: str
    availableLanguage: str | Several[str]
    contactOption: str | Several[str]
    faxNumber: str
    productSupported: str
    availabilityRestriction: Several[Uri]


class OpeningHours(Structure, total=False):
    """When a place or a service is open, in the words of schema.org."""

    opens: TimeText
    closes: TimeText
    dayOfWeek: Day | _DayIri
    validFrom: DateText | MomentText
    validThrough: DateText | MomentText
