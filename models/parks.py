# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Parks and gardens."""

from typing import ClassVar, Literal

from models.entity import Located, Thing
from models.values import Celsius, DateTime, Kilopascals, PartOfOne, Reference, SiemensPerMetre


class GreenspaceRecord(Located, Thing):
    """The state of a lawn, a bed or a tree's soil."""

    subject: ClassVar[str] = "ParksAndGardens"
    areas: ClassVar[tuple[str, ...]] = ("climate", "urban-development")

    type: Literal["GreenspaceRecord"] = "GreenspaceRecord"
    dateObserved: DateTime | None = None
    soilTemperature: Celsius | None = None
    soilMoistureVwc: PartOfOne | None = None
    soilMoistureEc: SiemensPerMetre | None = None
    soilMoisturePressure: Kilopascals | None = None
    litterCoverage: PartOfOne | None = None
    refGreenspace: Reference | None = None
    refDevice: Reference | None = None
    refWeatherObserved: Reference | None = None
