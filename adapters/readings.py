# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From decoded fields to readings, and which readings cannot be. Pure functions."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from adapters.derive import battery_parameters
from adapters.fields import pick
from models.errors import ImpossibleTimeError
from models.reading import Reading
from ontology.loader import convert, quantities

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from models.device import FieldMapping, Profile
    from models.uplink import Uplink

# A device's own clock: before the first LoRaWAN networks, or more than a day ahead of ours.
_EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(days=1)
_LONGEST_CAUSE = 200
#: Beyond it numbers are infinite.
LARGEST = sys.float_info.max


def check_time(uplink: Uplink, received_at: datetime) -> None:
    """Refuse what was observed before there were networks, or long after it was received.

    Raises:
        ImpossibleTimeError: the clock is wrong.
    """
    observed_at = uplink.observed_at
    if observed_at is not received_at and not _EARLIEST <= observed_at <= received_at + _AHEAD:
        raise _impossible(
            "The device's clock" if uplink.device_time else "The network server", observed_at, received_at
        )


def _impossible(whose: str, observed_at: datetime, received_at: datetime) -> ImpossibleTimeError:
    msg = (
        f"{whose} says {observed_at:%Y-%m-%d %H:%M:%S} UTC, which cannot be:"
        f" the message came in at {received_at:%Y-%m-%d %H:%M:%S} UTC."
    )
    return ImpossibleTimeError(msg)


def profile_parameters(profile: Profile) -> Mapping[str, float]:
    """Return what a profile says of every device's parameters; the device's own go before them."""
    return {**battery_parameters(profile.battery), **profile.parameters}


def mapped(
    fields: Mapping[str, Any], rows: Iterable[FieldMapping], observed_at: datetime, codec: str
) -> tuple[Reading, ...]:
    """Read decoded fields by the rows of a profile, in the quantities' units."""
    readings = []
    known = quantities()
    for mapping in rows:
        value = pick(fields, mapping)
        if value is None:
            continue
        unit = known[mapping.quantity].unit
        if mapping.unit and unit and not isinstance(value, bool | str):
            value = convert(value, mapping.unit, unit)
        readings.append(
            Reading(quantity=mapping.quantity, value=value, unit=unit, observed_at=observed_at, codec=codec)
        )
    return tuple(readings)


def mapped_moments(
    moments: Iterable[tuple[datetime, Mapping[str, Any]]],
    rows: Sequence[FieldMapping],
    received_at: datetime,
    codec: str,
) -> tuple[Reading, ...]:
    """Read decoded fields of several times, each as `mapped` does.

    Raises:
        ImpossibleTimeError: one of the times cannot be.
    """
    readings: list[Reading] = []
    for at, fields in moments:
        if not _EARLIEST <= at <= received_at + _AHEAD:
            whose = "The device's clock"
            raise _impossible(whose, at, received_at)
        readings += mapped(fields, rows, at, codec)
    return tuple(readings)


def normalized(
    measurements: Iterable[Mapping[str, Any]], observed_at: datetime, received_at: datetime, path: str = ""
) -> tuple[Reading, ...]:
    """Read the public normalised payload schema: its paths are our quantities' names."""
    readings: list[Reading] = []
    for measurement in measurements:
        time = measurement.get("time")
        at = _measured_at(time, received_at) if isinstance(time, str) and not path else observed_at
        for key, value in measurement.items():
            name = f"{path}{key}"
            if isinstance(value, dict):
                readings += normalized((value,), at, received_at, f"{name}.")
            elif (quantity := quantities().get(_NORMALIZED_NAMES.get(name, name))) and value is not None:
                readings.append(
                    Reading(
                        quantity=quantity.name,
                        value=value,
                        unit=quantity.unit,
                        observed_at=at,
                        codec="normalized",
                    )
                )
    return tuple(readings)


def _measured_at(text: str, received_at: datetime) -> datetime:
    """Read the time that a codec gave its measurement.

    Raises:
        ImpossibleTimeError: it is no time with a zone, or one that cannot be.
    """
    try:
        at = datetime.fromisoformat(text.upper())
        known = at.tzinfo is not None
        at = at.astimezone(UTC)
    except (ValueError, OverflowError):
        known = False
    if not known:
        msg = f"The codec dates a measurement “{text[:_LONGEST_CAUSE]}”, which is no time with a time zone."
        raise ImpossibleTimeError(msg)
    if not _EARLIEST <= at <= received_at + _AHEAD:
        whose = "The codec"
        raise _impossible(whose, at, received_at)
    return at


# Where the public schema's name is not our quantity's: its `battery` is a voltage.
_NORMALIZED_NAMES = {
    "battery": "battery.voltage",
    "action.occupancy.occupied": "occupancy.occupied",
    "water.temperature.current": "water.temperature",
}


def implausible(reading: Reading) -> str | None:
    """Say why a reading cannot be; None: it can."""
    quantity = quantities()[reading.quantity]
    value = reading.value
    if quantity.kind == "boolean":
        return (
            None if isinstance(value, bool) else f"{quantity.name} is {value!r}, but must be true or false."
        )
    if quantity.kind == "text":
        return None if isinstance(value, str) else f"{quantity.name} is {value!r}, but must be a text."
    if type(value) is not float and type(value) is not int:
        return f"{quantity.name} is {value!r}, but must be a number."
    low = -LARGEST if quantity.low is None else quantity.low
    high = LARGEST if quantity.high is None else quantity.high
    if low <= value <= high:
        return None
    if value != value or abs(value) == float("inf"):  # noqa: PLR0124 - NaN alone differs from itself
        return f"{quantity.name} is not a number."
    return f"{quantity.name} is {value:g}, outside what is physically possible ({low:g} to {high:g})."


def by_moment(readings: tuple[Reading, ...]) -> list[tuple[Reading, ...]]:
    """Group readings by time of observation, oldest first: some devices send what they kept in one frame."""
    moments = {reading.observed_at for reading in readings}
    if len(moments) == 1:
        return [readings]
    return [
        tuple(reading for reading in readings if reading.observed_at == moment) for moment in sorted(moments)
    ]
