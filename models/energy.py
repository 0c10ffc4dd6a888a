# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
# ruff: noqa: N815 - attributes are spelt as the Smart Data Models spell them
"""Electricity."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from models.entity import Located
from models.structures import Structure
from models.values import (
    DateTime,
    Hertz,
    KilovarHours,
    KilovoltampereHours,
    KilowattHours,
    Location,
    NonNegative,
    Number,
    PowerFactor,
    References,
    Sent,
    Watts,
)


class PerPhase(Structure, total=False):
    """A value of each phase that is never below zero."""

    L1: NonNegative
    L2: NonNegative
    L3: NonNegative


class SignedPerPhase(Structure, total=False):
    """A value of each phase."""

    L1: Number
    L2: Number
    L3: Number


class CurrentPerPhase(SignedPerPhase, total=False):
    """The current of each phase and of the neutral conductor."""

    N: Number


_Factor: TypeAlias = Annotated[Number, Field(ge=-1, le=1)]
_Part: TypeAlias = Annotated[Number, Field(ge=0, le=1)]


class FactorPerPhase(Structure, total=False):
    """A power factor of each phase."""

    L1: _Factor
    L2: _Factor
    L3: _Factor


class DistortionPerPhase(Structure, total=False):
    """The harmonic distortion of each phase."""

    L1: _Part
    L2: _Part
    L3: _Part


class BetweenPhases(Structure, total=False):
    """A voltage between two phases."""

    L12: NonNegative
    L23: NonNegative
    L31: NonNegative


class ACMeasurement(Located):
    """What an electricity meter says of an alternating current."""

    subject: ClassVar[str] = "Energy"
    areas: ClassVar[tuple[str, ...]] = ("administration", "climate")

    type: Literal["ACMeasurement"] = "ACMeasurement"
    location: Location
    dateObserved: DateTime
    phaseType: Literal["singlePhase", "threePhase"]
    dateObservedFrom: DateTime | None = None
    dateObservedTo: DateTime | None = None
    refDevice: References | None = None
    refTargetDevice: References | None = None
    frequency: Hertz | None = None
    dateEnergyMeteringStarted: DateTime | None = None
    activeEnergyImport: Annotated[PerPhase, Sent(unit="KWH")] | None = None
    reactiveEnergyImport: Annotated[PerPhase, Sent(unit="K3")] | None = None
    apparentEnergyImport: Annotated[PerPhase, Sent(unit="C79")] | None = None
    activeEnergyExport: Annotated[PerPhase, Sent(unit="KWH")] | None = None
    reactiveEnergyExport: Annotated[PerPhase, Sent(unit="K3")] | None = None
    apparentEnergyExport: Annotated[PerPhase, Sent(unit="C79")] | None = None
    totalActiveEnergyImport: KilowattHours | None = None
    totalReactiveEnergyImport: KilovarHours | None = None
    totalApparentEnergyImport: KilovoltampereHours | None = None
    totalActiveEnergyExport: KilowattHours | None = None
    totalReactiveEnergyExport: KilovarHours | None = None
    totalApparentEnergyExport: KilovoltampereHours | None = None
    activePower: Annotated[PerPhase, Sent(unit="WTT")] | None = None
    reactivePower: Annotated[SignedPerPhase, Sent(unit="D44")] | None = None
    apparentPower: Annotated[PerPhase, Sent(unit="D46")] | None = None
    totalActivePower: Watts | None = None
    totalReactivePower: Annotated[Number, Sent(unit="D44")] | None = None
    totalApparentPower: Annotated[NonNegative, Sent(unit="D46")] | None = None
    powerFactor: Annotated[FactorPerPhase, Sent(unit="C62")] | None = None
    displacementPowerFactor: Annotated[FactorPerPhase, Sent(unit="C62")] | None = None
    totalPowerFactor: PowerFactor | None = None
    totalDisplacementPowerFactor: PowerFactor | None = None
    current: Annotated[CurrentPerPhase, Sent(unit="AMP")] | None = None
    phaseVoltage: Annotated[PerPhase, Sent(unit="VLT")] | None = None
    thdVoltage: Annotated[DistortionPerPhase, Sent(unit="C62")] | None = None
    thdCurrent: Annotated[DistortionPerPhase, Sent(unit="C62")] | None = None
    phaseToPhaseVoltage: Annotated[BetweenPhases, Sent(unit="VLT")] | None = None
