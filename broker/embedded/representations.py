# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From the stored form to what clients read (CIM 009, clauses 4.5.1 to 4.5.5 and 4.5.16 to 4.5.24)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from broker.embedded.entities import is_geometry
from broker.embedded.language import choose_language
from broker.embedded.lifetimes import is_expired
from broker.embedded.merging import brief_timestamp, now, timestamp
from broker.embedded.vocabulary import LOCATION, RESERVED_MEMBERS, VALUE_MEMBER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.embedded.entities import Instance
    from broker.embedded.joining import Joined
    from broker.embedded.language import Languages
    from broker.embedded.merging import Stored
    from broker.embedded.projection import Projection
    from broker.embedded.terms import Context

Form: TypeAlias = Literal["normalized", "concise", "simplified"]

# members of an attribute that are shown as they are, and those that are terms
_MEMBERS = frozenset({"unitCode", "observedAt", "datasetId", "entityIdSealed"})
_TERMS = frozenset({"objectType", "valueType", "entityTypeSealed"})
_SYSTEM = frozenset({"createdAt", "modifiedAt"})
# an instance that has no other members is shown as it is, but for those of the system
_AS_STORED = frozenset({"type", "value", "object"}) | _MEMBERS | _SYSTEM
_BARE = frozenset({"Property", "GeoProperty", "Relationship", "ListProperty", "ListRelationship"})
_LINKS = frozenset({"Relationship", "ListRelationship"})


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """How entities are to be shown.

    Attributes:
        context: whose terms are used.
        system: whether createdAt and modifiedAt are shown.
        attributes: IRIs of those that are shown; None for all.
        pick: the members that are shown; None for all.
        omit: the members that are not.
        datasets: datasetIds of the instances that are shown, None for the default one; None for all.
        languages: those in which texts are shown, the best first; None for all.
        joined: the entities that are shown in place of the links to them.
    """

    context: Context
    form: Form = "normalized"
    system: bool = False
    attributes: frozenset[str] | None = None
    pick: Projection | None = None
    omit: Projection | None = None
    datasets: frozenset[str | None] | None = None
    languages: Languages | None = None
    joined: Joined | None = None

    @property
    def plain(self) -> bool:
        """Whether everything is shown that anybody says, and nothing else."""
        chosen = (self.attributes, self.pick, self.omit, self.datasets, self.languages, self.joined)
        return self.form == "normalized" and not self.system and all(each is None for each in chosen)

    def shows(self, member: str) -> bool:
        """Say whether a member that is no attribute is shown."""
        return self._shows(member)

    def shows_attribute(self, iri: str) -> bool:
        """Say whether an attribute is shown."""
        return (self.attributes is None or iri in self.attributes) and self._shows(iri)

    def beyond(self, iri: str) -> View:
        """Return how entities are shown that a relationship points to."""
        return replace(
            self,
            attributes=None,
            pick=None if self.pick is None else self.pick.get(iri),
            omit=None if self.omit is None else self.omit.get(iri),
        )

    def _shows(self, name: str) -> bool:
        if self.pick is not None and name not in self.pick:
            return False
        # an omitted member that goes on in braces is about the entities beyond it
        return self.omit is None or name not in self.omit or self.omit[name] is not None


def shown_attributes(entity: Stored, view: View) -> dict[str, list[Instance]]:
    """Return the attributes, and of each the instances, that are shown."""
    shown: dict[str, list[Instance]] = {}
    everything = view.attributes is None and view.pick is None and view.omit is None
    for iri, instances in entity.attributes.items():
        if not everything and not view.shows_attribute(iri):
            continue
        kept = instances
        if view.datasets is not None:
            kept = [each for each in kept if each.get("datasetId") in view.datasets]
        for each in kept:
            if "expiresAt" in each:
                moment = now()
                kept = [each for each in kept if not is_expired(each, moment)]
                break
        if kept:
            shown[iri] = kept
    return shown


def show(entity: Stored, view: View) -> dict[str, Any]:
    """Return an entity as a client reads it, without its @context."""
    compact = view.context.compact
    everything = view.pick is None and view.omit is None
    shown: dict[str, Any] = {}
    if everything or view.shows("id"):
        shown["id"] = entity.id
    if everything or view.shows("type"):
        types = [compact(iri) for iri in entity.types]
        shown["type"] = types[0] if len(types) == 1 else types
    if entity.scopes and view.shows("scope"):
        shown["scope"] = entity.scopes[0] if len(entity.scopes) == 1 else entity.scopes
    if view.system:  # which takes in when something expires (6.3.11)
        if entity.expires_at is not None and view.shows("expiresAt"):
            shown["expiresAt"] = brief_timestamp(entity.expires_at)
        for member, moment in (("createdAt", entity.created_at), ("modifiedAt", entity.modified_at)):
            if view.shows(member):
                shown[member] = timestamp(moment)
    for iri, instances in shown_attributes(entity, view).items():
        shown[compact(iri)] = _attribute(iri, instances, view)
    return shown


def feature(
    entity: Stored, view: View, geometry_property: str = LOCATION, dataset: str | None = None
) -> dict[str, Any]:
    """Return an entity as a GeoJSON feature (clause 4.5.16).

    Args:
        entity: the entity.
        view: how it is to be shown.
        geometry_property: IRI of the attribute that is the geometry.
        dataset: datasetId of the instance that is; None for the default one, or the only one there is.
    """
    shown = show(entity, view)
    moment = now()
    places = [
        instance
        for instance in entity.attributes.get(geometry_property, ())
        if instance["type"] == "GeoProperty"
        and (view.datasets is None or instance.get("datasetId") in view.datasets)
        and not is_expired(instance, moment)
    ]
    chosen = [each for each in places if each.get("datasetId") == dataset]
    if dataset is None and len(places) == 1:  # a datasetId is to tell it from others (clause 4.5.16.1)
        chosen = places
    geometry = chosen[0]["value"] if chosen else None
    shown.pop("id", None)
    return {"id": entity.id, "type": "Feature", "geometry": geometry, "properties": shown}


def feature_collection(
    entities: Sequence[Stored], view: View, geometry_property: str = LOCATION, dataset: str | None = None
) -> dict[str, Any]:
    """Return entities as a GeoJSON feature collection (clause 4.5.17)."""
    return {
        "type": "FeatureCollection",
        "features": [feature(entity, view, geometry_property, dataset) for entity in entities],
    }


def targets(instance: Instance) -> list[str]:
    """Return the ids that a relationship's instance points to."""
    value = instance.get(VALUE_MEMBER[instance["type"]]) if instance["type"] in _LINKS else None
    items = value if isinstance(value, list) else [value]
    ids = [item.get("object") if isinstance(item, dict) else item for item in items]
    return [each for each in ids if isinstance(each, str)]


def _attribute(iri: str, instances: list[Instance], view: View) -> Any:
    if view.form == "simplified":
        if len(instances) == 1:
            return _simplified(iri, instances[0], view)
        return {
            "dataset": {
                instance.get("datasetId", "@none"): _simplified(iri, instance, view) for instance in instances
            }
        }
    if len(instances) == 1:
        return _instance(iri, instances[0], view)
    return [_instance(iri, instance, view, alone=False) for instance in instances]


def _value(instance: Instance, view: View) -> Any:
    kind = instance["type"]
    value = instance[VALUE_MEMBER[kind]]
    if kind == "ListRelationship":  # each an object of its own, but in the concise form (clause 4.5.22)
        return (
            targets(instance) if view.form == "concise" else [{"object": each} for each in targets(instance)]
        )
    return _compacted(value, view) if kind == "VocabProperty" else value


def _simplified(iri: str, instance: Instance, view: View) -> Any:
    kind = instance["type"]
    linked = _linked(iri, instance, view)
    if linked is not None:
        return linked
    if kind == "LanguageProperty" and view.languages is not None:
        language = choose_language(instance["languageMap"], view.languages)
        return None if language is None else instance["languageMap"][language]
    if kind == "ListRelationship":
        return targets(instance)
    value = _value(instance, view)
    return value if kind in _BARE else {VALUE_MEMBER[kind]: value}


def _instance(iri: str, instance: Instance, view: View, *, alone: bool = True) -> Any:
    if not instance.keys() <= _AS_STORED or (view.joined is not None and "object" in instance):
        return _member_by_member(iri, instance, view, alone=alone)
    shown = instance.copy()
    if not view.system:
        for member in _SYSTEM:
            shown.pop(member, None)
    return _concise(shown, alone=alone) if view.form == "concise" else shown


def _member_by_member(iri: str, instance: Instance, view: View, *, alone: bool) -> Any:
    kind = instance["type"]
    shown = {"type": kind, VALUE_MEMBER[kind]: _value(instance, view)}
    if kind == "LanguageProperty" and view.languages is not None:
        language = choose_language(instance["languageMap"], view.languages)
        if language is not None:  # one text alone is a Property (clause 4.15)
            shown = {"type": "Property", "value": instance["languageMap"][language], "lang": language}
    for member, value in instance.items():
        if member in _MEMBERS:
            shown[member] = value
        elif ":" in member and (lasting := _lasting(value)):
            shown[view.context.compact(member)] = _attribute(member, lasting, replace_joined(view))
        elif member in _TERMS:
            shown[member] = _compacted(value, view)
    if view.system:
        if "expiresAt" in instance:
            shown["expiresAt"] = instance["expiresAt"]
        shown["createdAt"], shown["modifiedAt"] = instance["createdAt"], instance["modifiedAt"]
    linked = _linked(iri, instance, view)
    if linked is not None:
        shown["entity" if kind == "Relationship" else "entityList"] = linked
    return _concise(shown, alone=alone) if view.form == "concise" else shown


def _lasting(instances: list[Instance]) -> list[Instance]:
    """Return the instances of an attribute's attribute that have not expired (clause 4.22)."""
    if not any("expiresAt" in each for each in instances):
        return instances
    moment = now()
    return [each for each in instances if not is_expired(each, moment)]


def replace_joined(view: View) -> View:
    """Return the view for attributes of an attribute: links in there are not followed."""
    return view if view.joined is None else replace(view, joined=None)


def _linked(iri: str, instance: Instance, view: View) -> Any:
    """Return what a relationship points to, where that is to be shown in its place (clause 4.5.23.2)."""
    if view.joined is None or instance["type"] not in _LINKS:
        return None
    many = instance["type"] == "ListRelationship" or isinstance(instance["object"], list)
    found = []
    for target in targets(instance):
        entity, inner = view.joined.follow(target)
        if entity is not None:
            found.append(show(entity, replace(view.beyond(iri), joined=inner)))
    if not found:
        return None
    return found if many else found[0]


def _compacted(value: Any, view: View) -> Any:
    if isinstance(value, list):
        return [view.context.compact(iri) for iri in value]
    return view.context.compact(value)


def _concise(shown: dict[str, Any], *, alone: bool) -> Any:
    """Leave out the type, and all but the value where there is nothing else (clause 4.5.2.3).

    One of several instances is an object with its value, and so is what could be taken for one.
    """
    kind = shown["type"]
    if kind == "Property" and is_geometry(shown["value"]):
        return shown  # without its type it would be a GeoProperty (clause 5.2.5)
    del shown["type"]
    if alone and len(shown) == 1 and kind in {"Property", "GeoProperty"}:
        value = shown["value"]
        items = value if isinstance(value, list) else (value,)
        if kind == "GeoProperty" or not any(
            isinstance(item, dict) and not RESERVED_MEMBERS.isdisjoint(item) for item in items
        ):
            return value
    return shown
