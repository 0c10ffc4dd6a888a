# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Electricity from the sun."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from models.entity import Located
from models.values import Amperes, DateTime, Kilowatts, Location, NonNegative, OneOf, Reference, Sent, Several

InverterStatus: TypeAlias = Annotated[
    str,
    OneOf(
        """
        00-On sector, 01-Power failure / On battery, 02-Loss of communication, 03-Battery fault, 04-System
        shutdown, 05-Tension dip, 06-Overvoltage, 07-Voltage drop, 08-Voltage increase, 09-Line noise,
        10-Frequency variation, 11-Transient distortion, 12-Harmonic distortion
        """
    ),
]


class PhotovoltaicMeasurement(Located):
    """What a photovoltaic plant gives."""

    subject: ClassVar[str] = "GreenEnergy"
    areas: ClassVar[tuple[str, ...]] = ("climate",)

    type: Literal["PhotovoltaicMeasurement"] = "PhotovoltaicMeasurement"
    location: Location
    dateObserved: DateTime
    refPhotovoltaicDevice: Reference
    temperature: Annotated[NonNegative, Sent(unit="CEL")]
    dateEnergyMeteringStarted: DateTime
    refPointOfInterest: Reference | None = None
    dateObservedFrom: DateTime | None = None
    dateObservedTo: DateTime | None = None
    nominalPeakPowerGeneration: Kilowatts | None = None
    activePower: Kilowatts | None = None
    reactivePower: Annotated[NonNegative, Sent(unit="KVR")] | None = None
    current: Amperes | None = None
    inverterStatus: Several[InverterStatus] | None = None
