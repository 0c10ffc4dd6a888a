# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How many spots of a parking site are free: what its spots said last, put together.

Declared at the device of each spot: its attribute `refParkingSite` names the site's entity. What a spot said
last is kept as counters are (`models/counters.py`), so the count is right after a start, and a late message
changes nothing. A spot that never said anything is neither free nor occupied.

What else is known of the site (name, place, attributes) is that of the registered thing that feeds this very
entity (profile `parking-site`), where there is one; else it lies in the middle of its spots.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote

from msgspec.structs import replace

from adapters.build import build_entities, entity_id
from models.counters import Counted
from models.device import Device, Profile
from models.reading import Reading
from models.uplink import Position
from ontology.loader import quantities

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from models.counters import Counters
    from models.reading import EntityUpdate
    from models.uplink import Uplink

#: The attribute of a spot that names its site.
SITE: Final = "refParkingSite"
#: What is known of a spot.
STATE: Final = "occupancy.occupied"
#: The profile of a thing that stands for a site and sends nothing.
THING: Final = "parking-site"

_URN: Final = re.compile(r"urn:ngsi-ld:(OnStreetParking|OffStreetParking):([^:]+):(.+)")
_SILENT: Final = Profile(name=THING, vendor="", model="", codec="network", entity_type="", fields=())
_SUFFIX: Final = " (simuliert)"


class Site(NamedTuple):
    """A parking site.

    Attributes:
        thing: what is known of it, as of a device.
        city: in its entity's id.
        spots: ids of the devices of its spots, in service.
        before: ids of those that were its spots' once.
    """

    thing: Device
    city: str
    spots: tuple[str, ...]
    before: tuple[str, ...]


class Sites:
    """The parking sites of the registered devices, worked out anew when these have changed."""

    def __init__(self) -> None:
        self._of: tuple[int, int, int] | None = None
        self._sites: Mapping[str, Site] = {}

    def find(self, urn: str, devices: Mapping[str, Device], retired: Mapping[str, Device]) -> Site | None:
        """Return a site by its entity's id; None: no spot names it, or the id is none of a parking site.

        Args:
            urn: its entity's id.
            devices: in service; their `version`, if they have one, is another when anything has changed.
            retired: out of service.
        """
        version = getattr(devices, "version", None)
        now = None if version is None else (id(devices), version, len(retired))
        if now is None or now != self._of:
            self._of, self._sites = now, dict(_sites(devices, retired))
        return self._sites.get(urn)


def site_of(device: Device) -> str | None:
    """Return the id of the site's entity that a spot belongs to; None: the device is no spot of one."""
    named = device.attributes.get(SITE) if device.attributes else None
    return named if isinstance(named, str) and _URN.fullmatch(named) else None


def states(readings: Iterable[Reading]) -> Iterator[Counted]:
    """Give what readings say of a spot, oldest first."""
    for reading in sorted(readings, key=lambda each: each.observed_at):
        if reading.quantity == STATE:
            yield Counted(STATE, float(reading.value), reading.observed_at)


def count_free(site: Site, counters: Counters, uplink: Uplink) -> EntityUpdate | None:
    """Make the update of a site's entity from what its spots said last; None: none of them did.

    It is as of the newest of these states: later messages never make it older.

    Args:
        site: whose spots are counted.
        counters: what is known of them.
        uplink: the message that made it change.
    """
    known = [state for name in site.spots if (state := counters.last(name, STATE)) is not None]
    if not known:
        return None
    past = [state for name in site.before if (state := counters.last(name, STATE)) is not None]
    at = max(state.at for state in (*known, *past))
    occupied = sum(state.value > 0 for state in known)
    readings = (
        _reading("parking.free", len(known) - occupied, at),
        _reading("parking.occupied", occupied, at),
    )
    frame = replace(uplink, observed_at=at, position=None, name=None)
    built = build_entities(readings, site.thing, _SILENT, frame, city=site.city)
    return next((update for update in built.entities if update.type == site.thing.entity_type), None)


def _reading(quantity: str, value: int, at: datetime) -> Reading:
    return Reading(
        quantity=quantity,
        value=float(value),
        unit=quantities()[quantity].unit,
        observed_at=at,
        codec="derived",
    )


def _sites(devices: Mapping[str, Device], retired: Mapping[str, Device]) -> Iterator[tuple[str, Site]]:
    spots: dict[str, list[Device]] = {}
    before: dict[str, list[str]] = {}
    for device in devices.values():
        if (urn := site_of(device)) is not None:
            spots.setdefault(urn, []).append(device)
    for device in retired.values():
        if (urn := site_of(device)) is not None:
            before.setdefault(urn, []).append(device.id)
    things = {
        (device.entity_type or "OnStreetParking", device.place or device.id): device
        for device in devices.values()
        if device.profile == THING
    }
    for urn, members in spots.items():
        type_name, city, local = _parts(urn)
        if entity_id(type_name, city, local) == urn:
            thing = _thing(things.get((type_name, local)), type_name, local, members)
            yield urn, Site(thing, city, tuple(each.id for each in members), tuple(before.get(urn, ())))


def _parts(urn: str) -> tuple[str, str, str]:
    match = _URN.fullmatch(urn)
    type_name, city, local = match.groups() if match else ("", "", "")
    return type_name, city, unquote(local)


def _thing(known: Device | None, type_name: str, local: str, spots: Sequence[Device]) -> Device:
    """Return what is known of a site, as of a device; what is not known of it is said by its spots."""
    simulated = all(spot.simulated for spot in spots)
    attributes: dict[str, Any] = {"totalSpotNumber": len(spots), **(known.attributes if known else {})}
    return Device(
        id=local,
        profile=THING,
        entity_type=type_name,
        place=local,
        name=(known and known.name) or local + _SUFFIX * simulated,
        position=(known and known.position) or _middle(spots),
        simulated=simulated,
        attributes=attributes,
    )


def _middle(spots: Sequence[Device]) -> Position | None:
    places = [spot.position for spot in spots if spot.position is not None]
    if not places:
        return None
    return Position(
        longitude=round(sum(place.longitude for place in places) / len(places), 6),
        latitude=round(sum(place.latitude for place in places) / len(places), 6),
    )
