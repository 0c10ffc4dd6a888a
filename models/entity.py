# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""What the Smart Data Models have in common: entities as keyvalues.

A type is one class. Its fields are the attributes of the official schema under their official
names; what a field may hold and how NGSI-LD sends it is in the field's type (`models/values.py`);
what its name means (its IRI) stands in the subject's context, `ontology/contexts/<subject>.jsonld`.
"""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from models.values import DateTime, Location, PostalAddress, Several, Uri

#: Attributes that say when was observed, by the names that the types have for it.
TIME_ATTRIBUTES = ("dateObserved", "observationDateTime", "dateObservedFrom", "dateObservedTo")
#: When a device was last heard.
LAST_SEEN = "dateLastValueReported"


class Entity(BaseModel):
    """One entity, as keyvalues: what every type has.

    Attributes of class:
        subject: the Smart Data Models subject whose context names the terms (`Weather`).
        areas: the strategy's impact areas that it serves, first the one that it serves most: names in
            `ontology/impact_areas.ttl`.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        defer_build=True,  # a city uses a few of the types, and Volme starts without waiting for the rest
    )

    subject: ClassVar[str]
    areas: ClassVar[tuple[str, ...]]

    id: Uri
    type: str


class Described(Entity):
    """An entity with GSMA's common attributes: all types but those of DCAT-AP."""

    name: str | None = None
    alternateName: str | None = None
    description: str | None = None
    source: str | None = None
    dataProvider: str | None = None
    owner: Several[Uri] | None = None
    seeAlso: Several[Uri] | None = None
    dateCreated: DateTime | None = None
    dateModified: DateTime | None = None


class Located(Described):
    """An entity that is somewhere."""

    location: Location | None = None
    address: PostalAddress | None = None
    areaServed: str | None = None


class Thing(Described):
    """An entity that one can look at: the schemas' physical object."""

    color: str | None = None
    image: Uri | None = None
    annotations: Several[str] | None = None
