# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What hangs where: the simulated devices and gateways of a city, from `<city>.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from models.device import Device
from models.errors import ConfigurationError
from models.uplink import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

Network = Literal["the_things_stack", "chirpstack", "plain", "sensor_community", "opensensemap"]
Form = Literal["bytes", "decoded", "normalized"]

_SAYS_SO = " (simuliert)"
_OVER_A_PERIOD = frozenset({"NoiseLevelObserved", "CrowdFlowObserved"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """A simulated device and how it behaves.

    Attributes:
        device: as it is registered.
        network: whose envelope its frames come in.
        form: what the network server passes on: bytes alone, its own decoded object too, or
            normalised measurements too.
        interval: seconds between its regular frames.
        impact_areas: the strategy's areas that it serves, in German.
        course: what it measures, a name in `courses.COURSES`, and that course's settings.
    """

    device: Device
    network: Network
    form: Form
    interval: int
    impact_areas: tuple[str, ...]
    course: Mapping[str, Any]

    def setting(self, name: str) -> float:
        """Return a number that its course needs."""
        return float(self.course[name])

    def choice(self, name: str) -> str:
        """Return a name that its course needs."""
        return str(self.course[name])

    def numbers(self, name: str) -> tuple[int, ...]:
        """Return whole numbers that its course may have."""
        return tuple(self.course.get(name, ()))


@dataclass(frozen=True, kw_only=True, slots=True)
class Gateway:
    """A simulated LoRaWAN gateway; `eui` is 16 upper-case hex digits."""

    id: str
    eui: str
    position: Position


def devices(city: str = "hagen") -> tuple[Device, ...]:
    """Return the devices to register, every one marked as simulated.

    Parking sites are among them: they say nothing themselves, and their spots do.

    Raises:
        ConfigurationError: there is no such simulated city.
    """
    return (*(installation.device for installation in installations(city)), *_sites(city))


@cache
def installations(city: str = "hagen") -> tuple[Installation, ...]:
    """Return the simulated devices with their behaviour.

    Raises:
        ConfigurationError: there is no such simulated city.
    """
    return tuple(_installation(city, row) for row in _table(city)["device"])


@cache
def _sites(city: str) -> tuple[Device, ...]:
    return tuple(
        Device(
            id=row["id"],
            profile="parking-site",
            entity_type=row["type"],
            place=row["id"],
            name=row["name"] + _SAYS_SO,
            position=_position(row),
            owner=_owner(city),
            simulated=True,
            attributes={"areaServed": row["district"], **row.get("attributes", {})},
        )
        for row in _table(city)["site"]
    )


@cache
def gateways(city: str = "hagen") -> tuple[Gateway, ...]:
    """Return the simulated gateways."""
    return tuple(
        Gateway(id=row["id"], eui=row["eui"], position=_position(row)) for row in _table(city)["gateway"]
    )


def _table(city: str) -> dict[str, Any]:
    cities = {path.stem: path for path in Path(__file__).parent.glob("*.toml")}
    if city not in cities:
        sentence = (
            f"There is no simulated city “{city}”, only {', '.join(sorted(cities))}: leave the simulator off."
        )
        raise ConfigurationError(sentence)
    return tomllib.loads(cities[city].read_text(encoding="utf-8"))


def _installation(city: str, row: Mapping[str, Any]) -> Installation:
    parameters = dict(row.get("parameters", {}))
    if row["type"] in _OVER_A_PERIOD:
        parameters["period"] = row["interval"]
    attributes = {"areaServed": row["district"], **row.get("attributes", {})}
    if "reference_level" in parameters and row["type"] == "FloodMonitoring":
        attributes["referenceLevel"] = parameters["reference_level"]
    device = Device(
        id=row["id"],
        profile=row["profile"],
        entity_type=row["type"],
        place=row["place"],
        name=row["name"] + _SAYS_SO,
        position=_position(row),
        owner=_owner(city),
        installed_at=datetime.combine(row["installed"], time(9), UTC),
        simulated=True,
        parameters=parameters,
        attributes=attributes,
    )
    return Installation(
        device=device,
        network=row["network"],
        form=row.get("form", "bytes"),
        interval=row["interval"],
        impact_areas=tuple(row["areas"]),
        course=row["course"],
    )


def _owner(city: str) -> str:
    return f"Simulation {city.capitalize()}"


def _position(row: Mapping[str, Any]) -> Position:
    return Position(longitude=row["lon"], latitude=row["lat"], altitude=row.get("alt"))
