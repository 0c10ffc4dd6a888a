# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The standard's kinds of entities: their properties and how they hang together (OGC 18-088, 8.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from portal.sensorthings.problems import RequestError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from portal.datasets import Dataset


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of entity.

    Attributes:
        name: of one of them.
        collection: of all of them.
        properties: in the order of the standard's tables.
        open: those whose members anybody may name in a path: JSON objects.
        links: to other entities, by name: the collection, and whether it is more than one.
    """

    name: str
    collection: str
    properties: tuple[str, ...]
    open: frozenset[str]
    links: Mapping[str, tuple[str, bool]]


def _kind(name: str, collection: str, properties: str, opened: str, *, one: str = "", many: str = "") -> Kind:
    links = {each: (_COLLECTIONS[each], False) for each in one.split()}
    links |= {each: (each, True) for each in many.split()}
    return Kind(
        name=name,
        collection=collection,
        properties=tuple(properties.split()),
        open=frozenset(opened.split()),
        links=links,
    )


_COLLECTIONS: Final = {
    "Thing": "Things",
    "Datastream": "Datastreams",
    "Sensor": "Sensors",
    "ObservedProperty": "ObservedProperties",
    "FeatureOfInterest": "FeaturesOfInterest",
}

OBSERVATIONS: Final = "Observations"

KINDS: Final[Mapping[str, Kind]] = {
    kind.collection: kind
    for kind in (
        _kind(
            "Thing",
            "Things",
            "name description properties",
            "properties",
            many="Datastreams Locations HistoricalLocations",
        ),
        _kind(
            "Location",
            "Locations",
            "name description encodingType location properties",
            "location properties",
            many="Things HistoricalLocations",
        ),
        _kind("HistoricalLocation", "HistoricalLocations", "time", "", one="Thing", many="Locations"),
        _kind(
            "Datastream",
            "Datastreams",
            "name description observationType unitOfMeasurement observedArea phenomenonTime resultTime "
            "properties",
            "unitOfMeasurement observedArea properties",
            one="Thing Sensor ObservedProperty",
            many="Observations",
        ),
        _kind(
            "Sensor",
            "Sensors",
            "name description encodingType metadata properties",
            "properties",
            many="Datastreams",
        ),
        _kind(
            "ObservedProperty",
            "ObservedProperties",
            "name definition description properties",
            "properties",
            many="Datastreams",
        ),
        _kind(
            "Observation",
            "Observations",
            "phenomenonTime resultTime result resultQuality validTime parameters",
            "result resultQuality parameters",
            one="Datastream FeatureOfInterest",
        ),
        _kind(
            "FeatureOfInterest",
            "FeaturesOfInterest",
            "name description encodingType feature properties",
            "feature properties",
            many="Observations",
        ),
    )
}


@dataclass(eq=False, kw_only=True, slots=True)
class Node:
    """One entity.

    Attributes:
        id: as in its address; of letters that need no quoting there.
        body: its properties, as they are shown.
        links: the entities that it is linked with, by the link's name; observations are none of them.
        shown: as it is written whole, without brackets and but for what is expanded in it, by the names of
            that; made when it is first asked for.
    """

    kind: Kind
    id: str
    body: dict[str, Any]
    links: dict[str, list[Node]] = field(default_factory=dict)
    shown: dict[tuple[str, ...], bytes] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A value that was observed.

    Attributes:
        stream: the datastream's id.
        value: as simplified NGSI-LD has it.
        quality: the flag on its quality; None: nothing is said.
    """

    stream: str
    moment: datetime
    value: Any
    quality: Any


@dataclass(eq=False, kw_only=True, slots=True)
class Stream(Node):
    """A datastream: one measured attribute of one entity.

    Attributes:
        dataset: that publishes it.
        entity: id of the entity, in the broker.
        attribute: its name.
        newest: what the entity says now.
        feature: what is observed: where the entity is.
        parameters: of each of its observations; None: there are none.
        latest: its newest observation; made when it is first asked for.
    """

    dataset: Dataset
    entity: str
    attribute: str
    newest: Seen
    feature: Node
    parameters: dict[str, Any] | None
    latest: Node | None = None


def kind_of(name: str) -> Kind:
    """Return the kind whose collection has a name.

    Raises:
        RequestError: there is none.
    """
    kind = KINDS.get(name)
    if kind is None:
        msg = f"There is no {shown(name)}: there are {', '.join(KINDS)}"
        raise RequestError(msg, status=404)
    return kind
