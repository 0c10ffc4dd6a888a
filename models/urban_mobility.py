# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Buses and trains."""

from typing import ClassVar, Literal

from models.entity import Described
from models.values import Duration, Metres, Reference, References


class ArrivalEstimation(Described):
    """When a bus or train will arrive at a stop."""

    subject: ClassVar[str] = "UrbanMobility"
    areas: ClassVar[tuple[str, ...]] = ("mobility",)

    type: Literal["ArrivalEstimation"] = "ArrivalEstimation"
    hasTrip: Reference
    remainingTime: Duration
    headSign: str
    hasStop: References
    remainingDistance: Metres | None = None
