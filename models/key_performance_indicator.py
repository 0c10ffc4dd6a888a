# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Figures by which the city measures itself."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from typing_extensions import TypedDict

from models.entity import Located
from models.structures import Structure
from models.values import DateText, DateTime, Flag, Number, OneOf, Several

Category: TypeAlias = Annotated[
    str,
    OneOf(
        """
        actionable, directional, financial, input, lagging, leading, output, practical, process,
        qualitative, quantitative
        """
    ),
]
CalculationFrequency: TypeAlias = Annotated[
    str,
    OneOf(
        """
        hourly, daily, weekly, monthly, yearly, quarterly, bimonthly, biweekly
        """
    ),
]


class AggregatedData(Structure, total=False):
    """What the figure was computed from."""

    entityType: str
    attrs: Several[str]


Period = TypedDict("Period", {"from": DateText, "to": DateText}, total=False)


class KeyPerformanceIndicator(Located):
    """A figure by which the city measures itself."""

    subject: ClassVar[str] = "KeyPerformanceIndicator"
    areas: ClassVar[tuple[str, ...]] = ("economy", "administration")

    type: Literal["KeyPerformanceIndicator"] = "KeyPerformanceIndicator"
    category: Several[Category] | None = None
    organization: str | None = None
    process: str | None = None
    product: str | None = None
    provider: str | None = None
    businessTarget: str | None = None
    calculationFrequency: CalculationFrequency | None = None
    calculatedBy: str | None = None
    calculationMethod: Literal["manual", "automatic", "semiautomatic"] | None = None
    calculationFormula: str | None = None
    aggregatedData: Several[AggregatedData] | None = None
    calculationPeriod: Period | None = None
    currentStanding: Literal["veryGood", "good", "fair", "bad", "veryBad"] | None = None
    kpiValue: str | Number | Flag | list[str] | list[Number] | dict[str, str | Number] | None = None
    effectiveSince: DateTime | None = None
    dateNextCalculation: DateText | None = None
    dateExpires: DateTime | None = None
    updatedAt: DateTime | None = None
    area: str | None = None
