# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From the stored form to what clients read (CIM 009, clauses 4.5.1 to 4.5.16)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from broker.embedded.merging import timestamp
from broker.embedded.vocabulary import LOCATION, VALUE_MEMBER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.embedded.entities import Instance
    from broker.embedded.merging import Stored
    from broker.embedded.terms import Context

Form: TypeAlias = Literal["normalized", "concise", "simplified"]

# members of an attribute, in the order that people read them
_MEMBERS = ("unitCode", "observedAt", "datasetId", "objectType", "valueType")
_BARE = frozenset({"Property", "GeoProperty", "Relationship"})


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """How entities are to be shown.

    Attributes:
        context: whose terms are used.
        system: whether createdAt and modifiedAt are shown.
        attributes: IRIs of those that are shown; None for all.
    """

    context: Context
    form: Form = "normalized"
    system: bool = False
    attributes: frozenset[str] | None = None


def show(entity: Stored, view: View) -> dict[str, Any]:
    """Return an entity as a client reads it, without its @context."""
    context = view.context
    types = [context.compact(iri) for iri in entity.types]
    shown: dict[str, Any] = {"id": entity.id, "type": types[0] if len(types) == 1 else types}
    if entity.scopes:
        shown["scope"] = entity.scopes[0] if len(entity.scopes) == 1 else entity.scopes
    if view.system:
        shown["createdAt"] = timestamp(entity.created_at)
        shown["modifiedAt"] = timestamp(entity.modified_at)
    for iri, instances in entity.attributes.items():
        if view.attributes is None or iri in view.attributes:
            shown[context.compact(iri)] = _attribute(instances, view)
    return shown


def feature(entity: Stored, view: View, geometry_property: str = LOCATION) -> dict[str, Any]:
    """Return an entity as a GeoJSON feature (clause 4.5.16)."""
    shown = show(entity, view)
    geometry = next(
        (
            instance["value"]
            for instance in entity.attributes.get(geometry_property, ())
            if instance["type"] == "GeoProperty"
        ),
        None,
    )
    return {"id": shown.pop("id"), "type": "Feature", "geometry": geometry, "properties": shown}


def feature_collection(
    entities: Sequence[Stored], view: View, geometry_property: str = LOCATION
) -> dict[str, Any]:
    """Return entities as a GeoJSON feature collection (clause 4.5.17)."""
    return {
        "type": "FeatureCollection",
        "features": [feature(entity, view, geometry_property) for entity in entities],
    }


def _attribute(instances: list[Instance], view: View) -> Any:
    if view.form == "simplified":
        if len(instances) == 1:
            return _simplified(instances[0], view)
        return {
            "dataset": {
                instance.get("datasetId", "@none"): _simplified(instance, view) for instance in instances
            }
        }
    shown = [_instance(instance, view) for instance in instances]
    return shown[0] if len(shown) == 1 else shown


def _value(instance: Instance, view: View) -> Any:
    kind = instance["type"]
    value = instance[VALUE_MEMBER[kind]]
    if kind != "VocabProperty":
        return value
    if isinstance(value, list):
        return [view.context.compact(iri) for iri in value]
    return view.context.compact(value)


def _simplified(instance: Instance, view: View) -> Any:
    value = _value(instance, view)
    kind = instance["type"]
    return value if kind in _BARE or kind.startswith("List") else {VALUE_MEMBER[kind]: value}


def _instance(instance: Instance, view: View) -> Any:
    kind = instance["type"]
    shown = {"type": kind, VALUE_MEMBER[kind]: _value(instance, view)}
    for member in _MEMBERS:
        if member in instance:
            value = instance[member]
            shown[member] = _compacted(value, view) if member in {"objectType", "valueType"} else value
    if view.system:
        shown["createdAt"], shown["modifiedAt"] = instance["createdAt"], instance["modifiedAt"]
    for member, nested in instance.items():
        if ":" in member:
            shown[view.context.compact(member)] = _attribute(nested, view)
    return _concise(shown) if view.form == "concise" else shown


def _compacted(value: Any, view: View) -> Any:
    if isinstance(value, list):
        return [view.context.compact(iri) for iri in value]
    return view.context.compact(value)


def _concise(shown: dict[str, Any]) -> Any:
    """Leave out the type, and all but the value where there is nothing else (clause 4.5.1.3)."""
    kind = shown.pop("type")
    if len(shown) == 1 and kind in {"Property", "GeoProperty"}:
        value = shown["value"]
        # a plain object could be taken for an attribute's members, so it stays inside "value"
        if kind == "GeoProperty" or not isinstance(value, dict | list):
            return value
    return shown
