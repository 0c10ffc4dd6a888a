# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From stored history to what clients read (CIM 009, clauses 4.5.6 to 4.5.9, 4.5.18 and 4.5.19)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import orjson

from broker.embedded.history import SCOPE
from broker.embedded.history_aggregates import is_json
from broker.embedded.lifetimes import is_expired
from broker.embedded.merging import Stored, now, timestamp
from broker.embedded.representations import View, show
from broker.embedded.vocabulary import VALUE_MEMBER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from broker.embedded.entities import Instance
    from broker.embedded.history import Name
    from broker.embedded.history_aggregates import Period
    from broker.embedded.history_store import Known
    from broker.embedded.language import Languages
    from broker.embedded.representations import Form
    from broker.embedded.temporal_query import Window
    from broker.embedded.terms import Context

TemporalForm: TypeAlias = Literal["normalized", "concise", "temporalValues", "aggregatedValues"]

_ID = "urn:ngsi-ld:Instance:"
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_WRAPPED = frozenset({"LanguageProperty", "VocabProperty", "JsonProperty"})


@dataclass(frozen=True, kw_only=True, slots=True)
class TemporalView:
    """How histories are to be shown.

    Attributes:
        context: whose terms are used.
        system: whether createdAt and modifiedAt are shown.
        window: the time that was asked for.
        pick: of the members that are no attributes, those that are shown; None: all but `omit`.
        languages: those in which texts are shown, the best first; None for all.
    """

    context: Context
    form: TemporalForm
    system: bool
    window: Window
    pick: frozenset[str] | None = None
    omit: frozenset[str] = frozenset()
    languages: Languages | None = None


def entity_of(known: Known, view: TemporalView, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entity's history; the attributes come with their IRIs and as they are to be shown."""
    stored = Stored(
        id=known.id,
        types=known.types,
        scopes=None,  # over time it is shown as attributes are (clause 4.5.6)
        attributes={},
        created_at=known.created_at,
        modified_at=known.modified_at,
    )
    shown = show(stored, View(context=view.context, system=view.system))
    if view.system and known.deleted_at is not None:
        shown["deletedAt"] = timestamp(known.deleted_at)
    kept = {
        name: value
        for name, value in shown.items()
        if (view.pick is None or name in view.pick) and name not in view.omit
    }
    return kept | {view.context.compact(iri): value for iri, value in attributes.items()}


def instances_of(
    rows: Iterable[Any], names: Mapping[int, Name], view: TemporalView, empty: Mapping[int, str]
) -> dict[str, Any]:
    """Return one entity's attributes, by IRI, from its instances in the order of time.

    Args:
        rows: the instances.
        names: attributes and datasetIds by number.
        view: how they are to be shown.
        empty: attributes that have instances, maybe none in the part of the time that is shown, and
            their types.
    """
    by_attribute: dict[str, list[tuple[Any, Instance]]] = defaultdict(list)
    moment = now()
    for row in rows:
        instance: Instance = orjson.loads(row["doc"])
        if not is_expired(instance, moment):  # the storage of what is transient ends too (clause 4.22)
            by_attribute[names[row["name"]][0]].append((row, instance))
    shown: dict[str, Any] = {
        names[name][0]: {"type": kind, f"{VALUE_MEMBER[kind]}s": []} if view.form == "temporalValues" else []
        for name, kind in empty.items()
    }
    for iri, found in by_attribute.items():
        instances = _instances(iri, found, names, view)
        moments = [row["moment"] for row, _ in found]
        shown[iri] = _values(instances, moments) if view.form == "temporalValues" else instances
    return shown


def aggregates_of(periods: Iterable[Period], names: Mapping[int, Name]) -> dict[str, Any]:
    """Return one entity's attributes, by IRI, from what was calculated (clause 4.5.19)."""
    shown: dict[Name, dict[str, Any]] = {}
    for period in periods:
        name = names[period.name]
        each = shown.setdefault(name, {"type": period.kind} | ({"datasetId": name[1]} if name[1] else {}))
        span = [moment_text(period.start), moment_text(period.end)]
        for method, value in period.values.items():
            each.setdefault(method, []).append([orjson.loads(value) if is_json(method) else value, *span])
    return _one_or_many((iri, each) for (iri, _), each in shown.items())


def moment_text(moment: datetime) -> str:
    """Return a moment in UTC with as many digits of a second as it needs."""
    text = moment.replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"


def instance_id(entity: int, row: Any) -> str:
    """Return the URN of an instance: where it is, or where it was before it was moved."""
    if row["instance_id"] is not None:
        return str(row["instance_id"])
    return place_id(entity, row["name"], row["at"], row["digest"])


def place_id(entity: int, name: int, at: datetime, digest: int) -> str:
    """Return the URN of the instance that is at a place."""
    # the first and the last moment of the calendar come out of the database without their zone
    since = (at.replace(tzinfo=UTC) - _BEGINNING) // _MICROSECOND
    return f"{_ID}{entity:x}-{name:x}-{since:x}-{digest & (1 << 64) - 1:x}"


def place_of(urn: str) -> tuple[int, int, datetime, int] | None:
    """Return the entity's number, the name's, the time and the digest in a URN; None if it is not ours."""
    try:
        entity, name, at, digest = (int(part, 16) for part in urn.removeprefix(_ID).split("-"))
        moment = _BEGINNING + at * _MICROSECOND
    except (ValueError, OverflowError):
        return None
    if min(entity, name, digest) < 0 or entity >= 1 << 63 or name >= 1 << 31 or digest >= 1 << 64:
        return None
    return entity, name, moment, digest - (1 << 64 if digest >= 1 << 63 else 0)


def _instances(
    iri: str, found: Sequence[tuple[Any, Instance]], names: Mapping[int, Name], view: TemporalView
) -> list[dict[str, Any]]:
    """Return an attribute's instances, normalized or concise (clauses 4.5.7 and 4.5.8)."""
    stored = Stored(
        id="",
        types=[iri],
        scopes=None,
        attributes={iri: [_stored(iri, each, names[row["name"]][1], row) for row, each in found]},
        created_at=_BEGINNING,
        modified_at=_BEGINNING,
    )
    form: Form = "concise" if view.form == "concise" else "normalized"
    how = View(context=view.context, form=form, languages=view.languages)
    given = show(stored, how)
    attribute = given[view.context.compact(iri)]
    shown: list[dict[str, Any]] = []
    for (row, kept), each in zip(found, attribute if len(found) > 1 else [attribute], strict=True):
        instance = each if isinstance(each, dict) and "coordinates" not in each else {"value": each}
        if iri != SCOPE:
            instance["instanceId"] = instance_id(row["entity"], row)
        if row["deleted"]:
            instance["deletedAt"] = timestamp(row["at"])
        else:
            if view.system or view.window.time == "createdAt":
                instance["createdAt"] = timestamp(row["created_at"])
            if view.system or view.window.time == "modifiedAt":
                instance["modifiedAt"] = timestamp(row["modified_at"])
            if view.system and "expiresAt" in kept:
                instance["expiresAt"] = kept["expiresAt"]
        shown.append(instance)
    return shown


def _stored(iri: str, kept: Instance, dataset: str, row: Any) -> Instance:
    instance = {member: value for member, value in kept.items() if member != "expiresAt"}
    if iri == SCOPE and len(instance["value"]) == 1:
        instance["value"] = instance["value"][0]  # an array stands for several (clause 4.18)
    if row["observed"]:
        # that of a scope is a copy of its modifiedAt, where nobody gave another (clause 4.5.6)
        copied = iri == SCOPE and row["at"] == row["modified_at"]
        instance["observedAt"] = timestamp(row["at"]) if copied else moment_text(row["at"])
    if dataset:
        instance["datasetId"] = dataset
    return instance


def _values(instances: Sequence[dict[str, Any]], moments: Sequence[datetime]) -> Any:
    """Return an attribute's values with their times, a list for each datasetId (clause 4.5.9)."""
    shown: dict[tuple[str, str], dict[str, Any]] = {}
    for instance, moment in zip(instances, moments, strict=True):
        kind, dataset = instance["type"], instance.get("datasetId", "")
        holder = VALUE_MEMBER[kind]
        each = shown.get((dataset, kind))
        if each is None:
            each = {"type": kind} | ({"datasetId": dataset} if dataset else {}) | {f"{holder}s": []}
            shown[dataset, kind] = each
        value = instance[holder]
        if kind == "ListRelationship":
            value = [item["object"] for item in value]
        each[f"{holder}s"].append([{holder: value} if kind in _WRAPPED else value, moment_text(moment)])
    found = list(shown.values())
    return found[0] if len(found) == 1 else found


def _one_or_many(found: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    shown: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for iri, each in found:
        shown[iri].append(each)
    return {iri: many[0] if len(many) == 1 else many for iri, many in shown.items()}
