# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Citizens' reports."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from models.entity import Located
from models.values import DateTime, OneOf, Uri

ResolutionStatus: TypeAlias = Annotated[str, OneOf("Assigned, Closed., InProgress, Open, Unassigned")]


class IssueReporting(Located):
    """What a citizen reported, and what became of it."""

    subject: ClassVar[str] = "IssueTracking"
    areas: ClassVar[tuple[str, ...]] = ("inclusion", "administration")

    type: Literal["IssueReporting"] = "IssueReporting"
    comments: str | None = None
    wardId: str | None = None
    departmentId: str | None = None
    title: str | None = None
    subCategoryCode: str | None = None
    titleCode: str | None = None
    subCategory: str | None = None
    reportId: str | None = None
    categoryCode: str | None = None
    category: str | None = None
    landmark: str | None = None
    observationDateTime: DateTime | None = None
    mediaURL: Uri | None = None
    resolutionStatus: ResolutionStatus | None = None
