# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Water meters."""

import math
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator

from models.entity import Located
from models.values import Count, OneOf, Sent, Whole

AlarmFlowPersistence: TypeAlias = Annotated[
    str,
    OneOf(
        """
        Nothing to report, No persistence, In progress impacting persistence, In progress persistence, Past
        Persistence during the period
        """
    ),
]
PersistenceFlowDuration: TypeAlias = Annotated[
    str,
    OneOf(
        """
        15m < 60m, 60m < 3h, 3h < 6h, 6h < 12h, 12h < 24h, 24h < 2d, 2d < 4d, 4d < 8d, 8d < 15d, 15d < 30d,
        30d < 90d, 90d < 180d, > 180d
        """
    ),
]


def _full(value: Any) -> Any:
    # The schema wants whole numbers, and a part of a litre is not yet a litre more.
    return math.floor(value) if isinstance(value, float) and math.isfinite(value) else value


WholeLitres: TypeAlias = Annotated[Count, BeforeValidator(_full), Sent(unit="LTR")]
WholeLitresPerHour: TypeAlias = Annotated[Whole, BeforeValidator(_full), Sent(unit="E32")]


class WaterConsumptionObserved(Located):
    """A water meter's reading."""

    subject: ClassVar[str] = "WaterConsumption"
    areas: ClassVar[tuple[str, ...]] = ("administration",)

    type: Literal["WaterConsumptionObserved"] = "WaterConsumptionObserved"
    acquisitionStageFailure: Whole | None = None
    alarmFlowPersistence: AlarmFlowPersistence | None = None
    alarmInProgress: Literal[0, 1] | None = None
    alarmStopsLeaks: Literal[0, 1] | None = None
    alarmTamper: Literal[0, 1] | None = None
    alarmWaterQuality: Literal[0, 1] | None = None
    maxFlow: WholeLitresPerHour | None = None
    minFlow: WholeLitresPerHour | None = None
    moduleTampered: Whole | None = None
    persistenceFlowDuration: PersistenceFlowDuration | None = None
    waterConsumption: WholeLitres | None = None
    waterType: Literal["hotWater", "serviceWater"] | None = None
