# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Transportation."""

from typing import ClassVar, Literal

from models.entity import Located
from models.values import (
    DateTime,
    DateTimeOrInterval,
    Flag,
    KilometresPerHour,
    PartOfOne,
    People,
    Reference,
    Seconds,
)


class CrowdFlowObserved(Located):
    """How many people went by, over a period."""

    subject: ClassVar[str] = "Transportation"

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
