# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The city as the standard sees it: Things, Datastreams and the rest, made from a view's entities.

An entity is a Thing, each of its measured attributes (those with `observedAt`) a Datastream; what it
measures with is a Sensor (its device where that is published, else the dataset's sensors as a whole).
A Thing's Location is where the entity is now; of its HistoricalLocations there is this one alone, for the
platform's stations stand still. What is simulated says so, wherever it is shown.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from models.entity import TIME_ATTRIBUTES
from models.ngsild import keyvalues
from models.types import TYPES
from models.values import rfc3339
from ontology.loader import context, quantities, units
from portal.described import label
from portal.sensorthings.model import KINDS, Node, Seen, Stream
from portal.views import SIMULATION, moment_of, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from ontology.loader import Quantity
    from portal.datasets import Dataset
    from portal.office import Office

_SAFE: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:._-")
_OTHER: Final = "https://uri.etsi.org/ngsi-ld/default-context/"
_OM: Final = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_"
_GEOJSON: Final = "application/geo+json"
_NO_UNIT: Final = {"name": None, "symbol": None, "definition": None}
#: Entities after which others get their turn.
_TURN: Final = 50

#: An entity as each of the datasets that it is in publishes it.
Published: TypeAlias = "list[tuple[Dataset, Mapping[str, Any]]]"


def safe_id(text: str) -> str:
    """Return an id as it stands in addresses: letters that would need quoting there become `~` and hex."""
    if _SAFE.issuperset(text):
        return text
    return "".join(
        letter if letter in _SAFE else "".join(f"~{byte:02X}" for byte in letter.encode("utf-8", "replace"))
        for letter in text
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class City:
    """All entities but the observations: each collection in the order of ids, and by id.

    Attributes:
        made_of: the broker's entities, by id: where one is the same the next time, so is what was made of it.
    """

    collections: Mapping[str, list[Node]]
    index: Mapping[str, Mapping[str, Node]]
    made_of: Mapping[str, Published]

    def find(self, collection: str, node_id: str) -> Node | None:
        """Return an entity by its id; None: there is none."""
        return self.index[collection].get(node_id)

    def stream(self, stream_id: str) -> Stream | None:
        """Return a datastream by its id; None: there is none."""
        found = self.index["Datastreams"].get(stream_id)
        return found if isinstance(found, Stream) else None

    @property
    def streams(self) -> list[Stream]:
        """All datastreams."""
        return [node for node in self.collections["Datastreams"] if isinstance(node, Stream)]


async def build(
    office: Office, published: Iterable[tuple[Dataset, Mapping[str, Any]]], before: City | None = None
) -> City:
    """Make a city from entities (normalized NGSI-LD), each with the dataset that it was found in.

    Others get their turn while it is made. What has not changed since the city before is taken from there.
    """
    found: dict[str, Published] = {}
    for dataset, entity in published:
        found.setdefault(str(entity["id"]), []).append((dataset, entity))
    builder = _Builder(office, before)
    for number, (entity_id, as_published) in enumerate(found.items()):
        if number % _TURN == _TURN - 1:
            await asyncio.sleep(0)
        if before is None or before.made_of.get(entity_id) != as_published:
            builder.add(entity_id, as_published)
        else:
            builder.keep(entity_id, as_published)
    return builder.city()


class _Builder:
    def __init__(self, office: Office, before: City | None) -> None:
        self._office = office
        self._before = before
        self._nodes: dict[str, dict[str, Node]] = {name: {} for name in KINDS}
        self._made_of: dict[str, Published] = {}

    def city(self) -> City:
        collections = {
            name: [nodes[node_id] for node_id in sorted(nodes)] for name, nodes in self._nodes.items()
        }
        return City(collections=collections, index=self._nodes, made_of=self._made_of)

    def keep(self, entity_id: str, found: Published) -> None:
        """Take over what was made of an entity; what it shares with others is linked anew."""
        before = self._before
        thing = None if before is None else before.find("Things", safe_id(entity_id))
        if before is None or thing is None:
            self.add(entity_id, found)
            return
        self._made_of[entity_id] = found
        self._put(thing)
        for name in ("Locations", "HistoricalLocations", "FeaturesOfInterest"):
            node = before.find(name, thing.id)
            if node is not None:
                self._put(node)
        for stream in thing.links["Datastreams"]:
            self._put(stream)
            for name in ("Sensor", "ObservedProperty"):
                shared = self._again(stream.links[name][0])
                stream.links[name] = [shared]
                shared.links["Datastreams"].append(stream)

    def _again(self, shared: Node) -> Node:
        """Return a sensor or property as it is in this city."""
        known = self._nodes[shared.kind.collection].get(shared.id)
        if known is not None:
            return known
        return self._put(
            Node(
                kind=shared.kind,
                id=shared.id,
                body=shared.body,
                links={"Datastreams": []},
                shown=shared.shown,
            )
        )

    def _put(self, node: Node) -> Node:
        self._nodes[node.kind.collection][node.id] = node
        return node

    def add(self, entity_id: str, found: Published) -> None:
        """Add an entity, as each of the datasets that it is in publishes it."""
        self._made_of[entity_id] = found
        datasets = [dataset for dataset, _ in found]
        owner = {name: dataset for dataset, _ in reversed(found) for name in dataset.attributes}
        body = {
            name: _default(entity[name])
            for dataset, entity in found
            for name in dataset.attributes
            if name in entity
        }
        plain = keyvalues({"type": datasets[0].type, **body})
        measured = {name: each for name, each in body.items() if _measured(name, each)}
        simulated = plain.get("source") == SIMULATION
        thing = self._thing(entity_id, datasets, plain, measured.keys(), simulated=simulated)
        feature = self._place(thing, plain.get("location"))
        streams: list[Node] = []
        for name, attribute in sorted(measured.items()):
            dataset = owner.get(name)
            if dataset is not None:
                about = {"name": name, "attribute": attribute, "device": plain.get("refDevice")}
                streams.append(self._stream(thing, feature, dataset, **about, simulated=simulated))
        thing.links["Datastreams"] = streams
        newest = max((stream.newest.moment for stream in streams if isinstance(stream, Stream)), default=None)
        self._known_at(thing, newest)

    def _thing(
        self,
        entity_id: str,
        datasets: list[Dataset],
        plain: dict[str, Any],
        measured: Iterable[str],
        *,
        simulated: bool,
    ) -> Node:
        hidden = {"id", "type", "location", "name", "description", *TIME_ATTRIBUTES, *measured}
        properties = {name: value for name, value in plain.items() if name not in hidden}
        licences = [self._office.catalogue.licence_of(dataset) for dataset in datasets]
        properties |= {
            "entity": entity_id,
            "type": datasets[0].type,
            "dataset": _one_or_several(dataset.name for dataset in datasets),
            "licence": _one_or_several(licences),
            "simulated": simulated,
        }
        name = _text(plain.get("name")) or entity_id.rpartition(":")[2]
        description = _text(plain.get("description")) or datasets[0].title.de
        return self._put(
            Node(
                kind=KINDS["Things"],
                id=safe_id(entity_id),
                body={
                    "name": _marked(name, simulated=simulated),
                    "description": _marked(description, simulated=simulated),
                    "properties": properties,
                },
                links={"Locations": [], "HistoricalLocations": []},
            )
        )

    def _place(self, thing: Node, place: Any) -> Node:
        """Add where a Thing is, and what its observations are about; return the latter."""
        geometry = place if isinstance(place, dict) and "coordinates" in place else None
        about = {name: thing.body[name] for name in ("name", "description")}
        if geometry is not None:
            location = self._put(
                Node(
                    kind=KINDS["Locations"],
                    id=thing.id,
                    body={**about, "encodingType": _GEOJSON, "location": geometry, "properties": {}},
                    links={"Things": [thing], "HistoricalLocations": []},
                )
            )
            thing.links["Locations"].append(location)
        # a feature without a place is one that GeoJSON knows (RFC 7946, 3.2)
        feature = geometry or {"type": "Feature", "geometry": None, "properties": {}}
        return self._put(
            Node(
                kind=KINDS["FeaturesOfInterest"],
                id=thing.id,
                body={**about, "encodingType": _GEOJSON, "feature": feature, "properties": {}},
                links={"Thing": [thing]},
            )
        )

    def _known_at(self, thing: Node, newest: datetime | None) -> None:
        """Add that a Thing is known to have been where it is when it was last heard of."""
        if newest is None or not thing.links["Locations"]:
            return
        known = self._put(
            Node(
                kind=KINDS["HistoricalLocations"],
                id=thing.id,
                body={"time": rfc3339(newest)},
                links={"Thing": [thing], "Locations": thing.links["Locations"]},
            )
        )
        thing.links["HistoricalLocations"].append(known)
        for location in thing.links["Locations"]:
            location.links["HistoricalLocations"].append(known)

    def _stream(
        self,
        thing: Node,
        feature: Node,
        dataset: Dataset,
        *,
        name: str,
        attribute: Mapping[str, Any],
        device: Any,
        simulated: bool,
    ) -> Node:
        stream_id = f"{thing.id}:{safe_id(name)}"
        value, unit = value_of(attribute), attribute.get("unitCode")
        quality = attribute.get("quality")
        newest = Seen(
            stream=stream_id,
            moment=moment_of(attribute["observedAt"]),
            value=value,
            quality=value_of(quality) if isinstance(quality, dict) else None,
        )
        observed = self._observed(dataset.type, name)
        sensor = self._sensor(dataset, device, simulated=simulated)
        properties: dict[str, Any] = {
            "attribute": name,
            "dataset": dataset.name,
            "licence": self._office.catalogue.licence_of(dataset),
            "simulated": simulated,
        }
        if unit is not None:
            properties |= {"unitCode": unit, "ucum": units()[unit].ucum if unit in units() else None}
        if dataset.accuracy is not None:
            properties["accuracy"] = dataset.accuracy.de
        rule = dataset.rules.get(name)
        if rule is not None:  # a reader of values should know that they are of a whole period, or late
            properties |= {
                each: said for each in ("every", "delay") if (said := getattr(rule, each)) is not None
            }
        body = {
            "name": f"{thing.body['name']}: {observed.body['name']}",
            "description": _marked(f"{observed.body['name']}, {dataset.title.de}", simulated=simulated),
            "observationType": _observation_type(value),
            "unitOfMeasurement": _unit(unit),
            "properties": properties,
        }
        area = feature.body["feature"]
        if "coordinates" in area:
            body["observedArea"] = area
        stream = Stream(
            kind=KINDS["Datastreams"],
            id=stream_id,
            body={key: body[key] for key in KINDS["Datastreams"].properties if key in body},
            links={"Thing": [thing], "Sensor": [sensor], "ObservedProperty": [observed]},
            dataset=dataset,
            entity=str(thing.body["properties"]["entity"]),
            attribute=name,
            newest=newest,
            feature=feature,
            parameters={"simulated": True} if simulated else None,
        )
        sensor.links["Datastreams"].append(stream)
        observed.links["Datastreams"].append(stream)
        return self._put(stream)

    def _observed(self, type_name: str, name: str) -> Node:
        node_id = f"{type_name}.{safe_id(name)}"
        known = self._nodes["ObservedProperties"].get(node_id)
        if known is not None:
            return known
        quantity = _quantities().get((type_name, name))
        german, english = label(type_name, name)
        properties: dict[str, Any] = {"attribute": name, "type": type_name, "label_en": english}
        if quantity is not None:
            properties["quantity"] = quantity.name
        return self._put(
            Node(
                kind=KINDS["ObservedProperties"],
                id=node_id,
                body={
                    "name": german,
                    "definition": _iri(type_name, name),
                    "description": f"{german} ({english})",
                    "properties": properties,
                },
                links={"Datastreams": []},
            )
        )

    def _sensor(self, dataset: Dataset, device: Any, *, simulated: bool) -> Node:
        if isinstance(device, list):
            device = device[0] if device else None
        own = isinstance(device, str)
        node_id = safe_id(str(device)) if own else f"{dataset.name}:simulation" if simulated else dataset.name
        known = self._nodes["Sensors"].get(node_id)
        if known is not None:
            return known
        name = f"Sensor {str(device).rpartition(':')[2]}" if own else f"Sensoren: {dataset.title.de}"
        properties: dict[str, Any] = {"dataset": dataset.name, "simulated": simulated}
        if dataset.accuracy is not None:
            properties["accuracy"] = dataset.accuracy.de
        return self._put(
            Node(
                kind=KINDS["Sensors"],
                id=node_id,
                body={
                    "name": _marked(name, simulated=simulated),
                    "description": dataset.description.de,
                    "encodingType": "text/html",
                    "metadata": f"{self._office.url}/dataset/{dataset.name}",
                    "properties": properties,
                },
                links={"Datastreams": []},
            )
        )


def _default(attribute: Any) -> Any:
    """Of several instances of an attribute, return the one without datasetId, else the first."""
    if isinstance(attribute, list) and attribute and all(isinstance(each, dict) for each in attribute):
        return next((each for each in attribute if "datasetId" not in each), attribute[0])
    return attribute


def _measured(name: str, attribute: Any) -> bool:
    return (
        isinstance(attribute, dict)
        and "observedAt" in attribute
        and attribute.get("type", "Property") == "Property"
        and name not in TIME_ATTRIBUTES
    )


def _one_or_several(values: Iterable[str]) -> str | list[str]:
    distinct = list(dict.fromkeys(values))
    return distinct[0] if len(distinct) == 1 else distinct


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _marked(text: str, *, simulated: bool) -> str:
    return f"{text} (simuliert)" if simulated and "simuliert" not in text.lower() else text


def _observation_type(value: Any) -> str:
    match value:
        case bool():
            return f"{_OM}TruthObservation"
        case int() | float():
            return f"{_OM}Measurement"
    return f"{_OM}Observation"


def _unit(code: Any) -> dict[str, str | None]:
    """Return a unit: its printed symbol (UCUM's code stands in the datastream's properties) and its IRI."""
    unit = units().get(code) if isinstance(code, str) else None
    if unit is None:
        return {**_NO_UNIT, "name": code, "symbol": code} if isinstance(code, str) else dict(_NO_UNIT)
    return {"name": unit.label_de, "symbol": unit.symbol, "definition": unit.qudt}


@cache
def _quantities() -> Mapping[tuple[str, str], Quantity]:
    """Return the quantity that an attribute of a type takes, where it takes one alone."""
    fed = [
        ((type_name, target.attribute), quantity)
        for quantity in quantities().values()
        for type_name, target in quantity.targets.items()
    ]
    times = Counter(place for place, _ in fed)
    return {place: quantity for place, quantity in fed if times[place] == 1}


def _iri(type_name: str, name: str) -> str:
    """Return what an attribute's name means: its IRI in the type's context."""
    terms = context(TYPES[type_name].subject)["@context"]
    term = terms.get(name) if isinstance(terms, dict) else None
    iri = term.get("@id") if isinstance(term, dict) else term
    return iri if isinstance(iri, str) else f"{_OTHER}{name}"
