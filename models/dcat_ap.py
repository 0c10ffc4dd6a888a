# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""What is published: DCAT-AP."""

from typing import ClassVar, Literal

from models.entity import Entity
from models.values import (
    DateTime,
    Duration,
    Geometry,
    Metres,
    MomentText,
    Reference,
    References,
    Several,
    Uri,
)


class Dataset(Entity):
    """A published dataset, as DCAT-AP describes it."""

    subject: ClassVar[str] = "DCAT-AP"
    areas: ClassVar[tuple[str, ...]] = ("science", "administration")

    type: Literal["Dataset"] = "Dataset"
    description: Several[str]
    title: Several[str]
    contactPoint: Several[str] | None = None
    belongsToCatalogue: Reference | None = None
    distribution: References | None = None
    keyword: Several[str] | None = None
    source: Several[Uri] | None = None
    publisher: str | None = None
    spatial: Several[Geometry] | None = None
    temporal: Several[MomentText] | None = None
    theme: Several[str] | None = None
    accessRights: str | None = None
    creator: Several[str] | None = None
    conformsTo: Several[str] | None = None
    page: Several[Uri] | None = None
    accrualPeriodicity: str | None = None
    hasVersion: Several[Uri] | None = None
    identifier: Several[Uri] | None = None
    isReferencedBy: References | None = None
    isVersionOf: Several[Uri] | None = None
    landingPage: Several[Uri] | None = None
    language: Several[str] | None = None
    otherIdentifier: Several[Uri] | None = None
    provenance: Several[str] | None = None
    qualifiedAttribution: Several[str] | None = None
    qualifiedRelation: Several[Uri] | None = None
    relation: Several[Uri] | None = None
    issued: DateTime | None = None
    sample: Several[Uri] | None = None
    spatialResolutionInMeters: Metres | None = None
    temporalResolution: Several[Duration] | None = None
    Type: str | None = None
    modified: DateTime | None = None
    versionInfo: str | None = None
    versionNotes: Several[str] | None = None
    wasGeneratedBy: Several[str] | None = None
