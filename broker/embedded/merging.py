# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What each operation does to one stored entity: pure functions on the stored form.

An attribute that is overwritten keeps its createdAt and gets a new modifiedAt. The time that an
attribute was observed plays no part: an older observation overwrites a newer one, as the
standard has it; who must not let that happen asks first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from dataclasses import replace as replace_in
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from broker.embedded.attribute_values import is_null
from broker.embedded.lifetimes import instant, is_expired
from broker.embedded.problems import BadRequestDataError, NotFoundError
from broker.embedded.vocabulary import GEOMETRIES, NULL, RESERVED_MEMBERS, UNITLESS, VALUE_MEMBER, is_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from broker.embedded.entities import Attributes, Fragment, Instance

_ABSENT = "no such attribute"
_PRESENT = "it exists already, and noOverwrite was asked for"


@dataclass(kw_only=True, slots=True)
class Stored:
    """An entity as the store holds it."""

    id: str
    types: list[str]
    scopes: list[str] | None
    attributes: Attributes
    created_at: datetime
    modified_at: datetime
    expires_at: datetime | None = None


@dataclass(kw_only=True, slots=True)
class Changes:
    """What an operation did to one entity, by the attributes' IRIs.

    Attributes:
        other: whether its types or scopes changed.
        refused: attribute → why it was left as it was.
    """

    entity_created: bool = False
    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    other: bool = False
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether there is anything to store."""
        return bool(self.entity_created or self.other or self.created or self.updated or self.deleted)

    def then(self, later: Changes) -> Changes:
        """Return this and what a later operation did to the same entity, as one."""
        return Changes(
            entity_created=self.entity_created or later.entity_created,
            created=[*self.created, *later.created],
            updated=[*self.updated, *later.updated],
            deleted=[*self.deleted, *later.deleted],
            other=self.other or later.other,
            refused={**self.refused, **later.refused},
        )


def now() -> datetime:
    """Return the present, to the millisecond, which is what clients are shown."""
    present = datetime.now(UTC)
    return present.replace(microsecond=present.microsecond // 1000 * 1000)


@lru_cache(maxsize=1024)
def timestamp(moment: datetime) -> str:
    """Return it as the standard writes it: UTC with a Z, in milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def brief_timestamp(moment: datetime) -> str:
    """Return it in UTC with a Z, and with as many digits of a second as it needs."""
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"


def create(fragment: Fragment, moment: datetime) -> tuple[Stored, Changes]:
    """Make a new entity (clause 5.6.1)."""
    stamp = timestamp(moment)
    for instances in fragment.attributes.values():
        _stamp(instances, stamp)
    stored = Stored(
        id=fragment.id or "",
        types=list(fragment.types),
        scopes=fragment.scopes,
        attributes=dict(fragment.attributes),
        created_at=moment,
        modified_at=moment,
        expires_at=_instant(fragment.expires_at),
    )
    return stored, Changes(entity_created=True, created=list(fragment.attributes))


def replace(stored: Stored, fragment: Fragment, moment: datetime) -> Changes:
    """Replace everything but the id (clauses 5.6.8 and 5.6.18)."""
    gone = [iri for iri in stored.attributes if iri not in fragment.attributes]
    changes = Changes(deleted=gone, other=True)
    stamp = timestamp(moment)
    for iri, instances in fragment.attributes.items():
        (changes.updated if iri in stored.attributes else changes.created).append(iri)
        _stamp(instances, stamp, _by_dataset(stored.attributes.get(iri, [])))
    stored.attributes = dict(fragment.attributes)
    stored.types = fragment.types or stored.types
    stored.scopes = fragment.scopes
    stored.expires_at = _instant(fragment.expires_at)
    stored.modified_at = moment
    return changes


def append(stored: Stored, fragment: Fragment, moment: datetime, *, overwrite: bool = True) -> Changes:
    """Add attributes, overwriting those that exist unless told not to (clauses 5.6.3 and 5.6.8)."""
    changes = Changes()
    stamp = timestamp(moment)
    for iri, instances in fragment.attributes.items():
        _put(stored, iri, instances, changes, stamp, overwrite=overwrite)
    _add_types(stored, fragment, changes)
    if fragment.scopes is not None:
        before = [] if overwrite else stored.scopes or []
        stored.scopes = list(dict.fromkeys([*before, *fragment.scopes]))
        changes.other = True
    if fragment.expires_at is not None and (overwrite or stored.expires_at is None):
        _expire(stored, fragment, changes)
    stored.modified_at = moment
    return changes


def update(stored: Stored, fragment: Fragment, moment: datetime) -> Changes:
    """Overwrite or add attributes; a scope only where there is one (clause 5.6.2).

    Earlier versions of the standard left attributes alone that the entity did not have.
    """
    changes = Changes()
    for iri, instances in settled(fragment).attributes.items():
        _put(stored, iri, instances, changes, timestamp(moment), overwrite=True)
    _add_types(stored, fragment, changes)
    if fragment.scopes is not None:
        if stored.scopes:
            stored.scopes = fragment.scopes
            changes.other = True
        else:
            changes.refused["scope"] = "the entity has no scope"
    if fragment.expires_at is not None:
        _expire(stored, fragment, changes)
    stored.modified_at = moment
    return changes


@dataclass(frozen=True, kw_only=True, slots=True)
class Common:
    """What a merge says of all its attributes at once (clause 5.6.17).

    Attributes:
        observed_at: for those that had an observedAt, and bring none.
        language: of texts for LanguageProperties.
        simplified: whether the attributes are bare values, which keep the type that is there.
        expand: makes an IRI of a name.
    """

    observed_at: str | None = None
    language: str | None = None
    simplified: bool = False
    expand: Callable[[str], str] = str


def merge(stored: Stored, fragment: Fragment, moment: datetime, common: Common | None = None) -> Changes:
    """Merge member by member, as a JSON merge patch does (clause 5.6.17).

    Raises:
        BadRequestDataError: a simplified value does not fit the attribute that is there, or one that is
            not there has none; nothing is changed then.
    """
    changes = Changes()
    merged: dict[str, list[Instance]] = {}
    for iri, instances in fragment.attributes.items():
        for instance in instances:
            before = _by_dataset(stored.attributes.get(iri, [])).get(instance.get("datasetId"))
            if is_null(instance):
                if before is not None:  # what is not there need not go (RFC 7396)
                    merged.setdefault(iri, []).append(instance)
                continue
            if before is not None and common is not None:
                instance = _fitted(iri, before, instance, common)  # noqa: PLW2901 - the same, better known
            merged.setdefault(iri, []).append(_merged(iri, before, instance))
    for iri, instances in merged.items():
        _put(stored, iri, instances, changes, timestamp(moment), overwrite=True)
    _add_types(stored, fragment, changes)
    if fragment.scopes is not None:
        stored.scopes = fragment.scopes or None
        changes.other = True
    if fragment.expires_at is not None:
        _expire(stored, fragment, changes)
    stored.modified_at = moment
    return changes


def patch_attribute(stored: Stored, iri: str, patch: Instance, moment: datetime) -> Changes:
    """Overwrite some members of one attribute's instance (clause 5.6.4).

    Raises:
        NotFoundError: the entity has no such attribute, or none with that datasetId.
        BadRequestDataError: the patch is of another type.
    """
    before = _by_dataset(stored.attributes.get(iri, [])).get(patch.get("datasetId"))
    if before is None:
        raise NotFoundError(detail=f"{stored.id} has no such attribute: {iri}")
    kind = patch.get("type", before["type"])
    if kind != before["type"]:
        raise BadRequestDataError(detail=f"{iri} is a {before['type']} and cannot become a {kind}")
    changes = Changes()
    if VALUE_MEMBER[kind] in patch and is_null({**patch, "type": kind}):
        return delete_attribute(stored, iri, moment, dataset=patch.get("datasetId"))
    _put(stored, iri, [_settled(_patched(before, patch))], changes, timestamp(moment), overwrite=True)
    stored.modified_at = moment
    return changes


def _patched(before: Instance, patch: Instance) -> Instance:
    """Overwrite members of an instance; of an attribute of it, instances by datasetId (clause 5.5.8)."""
    patched = {**before, **patch}
    for member in patch.keys() & before.keys() - RESERVED_MEMBERS:
        instances = {**_by_dataset(before[member]), **_by_dataset(patch[member])}
        patched[member] = list(instances.values())
    return patched


def delete_attribute(
    stored: Stored, iri: str, moment: datetime, *, dataset: str | None = None, every: bool = False
) -> Changes:
    """Remove one instance of an attribute, or all (clause 5.6.5).

    Raises:
        NotFoundError: there is no such instance.
    """
    instances = stored.attributes.get(iri, [])
    kept = [] if every else [instance for instance in instances if instance.get("datasetId") != dataset]
    if len(kept) == len(instances):
        raise NotFoundError(detail=f"{stored.id} has no such attribute: {iri}")
    if kept:
        stored.attributes[iri] = kept
    else:
        del stored.attributes[iri]
    stored.modified_at = moment
    return Changes(deleted=[iri])


def delete_scope(stored: Stored, moment: datetime) -> Changes:
    """Remove the scope (clause 5.6.5).

    Raises:
        NotFoundError: there is none.
    """
    if not stored.scopes:
        raise NotFoundError(detail=f"{stored.id} has no scope")
    stored.scopes = None
    stored.modified_at = moment
    return Changes(other=True)


def keep_attributes(stored: Stored, kept: Collection[str], moment: datetime) -> Changes:
    """Remove every attribute but these (clause 5.6.21)."""
    return drop_attributes(stored, [iri for iri in stored.attributes if iri not in kept], moment)


def drop_attributes(stored: Stored, dropped: Iterable[str], moment: datetime) -> Changes:
    """Remove those of these attributes that it has (clause 5.6.21)."""
    gone = [iri for iri in dropped if iri in stored.attributes]
    if gone:
        stored.attributes = {iri: each for iri, each in stored.attributes.items() if iri not in gone}
        stored.modified_at = moment
    return Changes(deleted=gone)


def drop_expired(stored: Stored, moment: datetime) -> Changes:
    """Remove the instances of attributes whose time has come (clause 4.22)."""
    changes = Changes()
    for iri, instances in list(stored.attributes.items()):
        kept = [instance for instance in instances if not is_expired(instance, moment)]
        if len(kept) == len(instances):
            continue
        changes.deleted.append(iri)
        if kept:
            stored.attributes[iri] = kept
        else:
            del stored.attributes[iri]
    if changes.deleted:
        stored.modified_at = moment
    return changes


def _instant(text: str | None) -> datetime | None:
    return None if text is None or text == NULL else instant(text)


def _expire(stored: Stored, fragment: Fragment, changes: Changes) -> None:
    stored.expires_at = _instant(fragment.expires_at)
    changes.other = True


def _put(
    stored: Stored, iri: str, instances: list[Instance], changes: Changes, stamp: str, *, overwrite: bool
) -> None:
    """Put instances in the place of those with the same datasetId, or beside the others."""
    before = stored.attributes.get(iri, [])
    if overwrite and _alone(instances) and (not before or _alone(before)) and not is_null(instances[0]):
        _stamp_one(instances[0], stamp, before[0] if before else None)
        (changes.updated if before else changes.created).append(iri)
        stored.attributes[iri] = instances
        return
    known = _by_dataset(before)
    deleted = [instance for instance in instances if is_null(instance)]
    given = [instance for instance in instances if not is_null(instance)]
    if not overwrite:
        fresh = [instance for instance in given if instance.get("datasetId") not in known]
        if len(fresh) < len(given):
            changes.refused[iri] = _PRESENT
        given, deleted = fresh, []
    elif any(instance.get("datasetId") not in known for instance in deleted):
        changes.refused[iri] = _ABSENT
    replaced = {instance.get("datasetId") for instance in (*given, *deleted)}
    _stamp(given, stamp, known)
    kept = [instance for instance in before if instance.get("datasetId") not in replaced]
    if given:
        (changes.updated if before else changes.created).append(iri)
        stored.attributes[iri] = [*kept, *given]
    elif len(kept) < len(before):
        changes.deleted.append(iri)
        if kept:
            stored.attributes[iri] = kept
        else:
            del stored.attributes[iri]


def _fitted(iri: str, before: Instance, given: Instance, common: Common) -> Instance:
    """Return an instance as what it is to be merged with allows: a bare value keeps the type there is."""
    fitted = dict(given)
    if common.observed_at is not None and "observedAt" in before and "observedAt" not in given:
        fitted["observedAt"] = common.observed_at
    value = given.get("value")
    texts = isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(each, str) for each in value)
    )
    if given["type"] == "Property" and before["type"] == "LanguageProperty" and common.language and texts:
        del fitted["value"]
        fitted |= {"type": "LanguageProperty", "languageMap": {common.language: value}}
    elif common.simplified and given["type"] != before["type"]:
        del fitted[VALUE_MEMBER[given["type"]]]
        value = _value_as(iri, before["type"], given, common.expand)
        fitted |= {"type": before["type"], VALUE_MEMBER[before["type"]]: value}
    return fitted


def _value_as(iri: str, kind: str, given: Instance, expand: Callable[[str], str]) -> Any:
    """Return a bare value as one of the type that the attribute has (clause 6.5.3.4).

    Raises:
        BadRequestDataError: it does not fit the type.
    """
    value: Any = given.get("value")
    items = value if isinstance(value, list) else [value]
    # a geometry is read as a GeoProperty's value, and may be a Property's; all others are a Property's
    fits = given["type"] == ("GeoProperty" if kind == "Property" else "Property")
    if not fits or kind not in _FITTING or not _FITTING[kind](value, items):
        raise BadRequestDataError(detail=f"{iri} is a {kind}, which the value does not fit")
    if kind == "VocabProperty":
        return [expand(each) for each in items] if value is items else expand(items[0])
    return value


# whether a bare value is one of a type, by the value itself and the list that it is or stands in
_FITTING: dict[str, Callable[[Any, list[Any]], bool]] = {
    "Property": lambda _value, _items: True,
    "Relationship": lambda _value, items: all(map(is_uri, items)),
    "VocabProperty": lambda _value, items: all(isinstance(each, str) and each for each in items),
    "JsonProperty": lambda value, _items: isinstance(value, dict | list),
    "ListProperty": lambda value, items: value is items,
    "ListRelationship": lambda value, items: value is items and all(map(is_uri, items)),
}


def _merged(name: str, before: Instance | None, patch: Instance) -> Instance:
    """Merge one instance, and the attributes that it has, member by member."""
    kind = patch["type"]
    if VALUE_MEMBER[kind] not in patch:
        if before is None or kind not in {before["type"], "Property"}:
            raise BadRequestDataError(detail=f"the attribute {name} has no value")
        kind = before["type"]
        if "unitCode" in patch and kind in UNITLESS:
            raise BadRequestDataError(detail=f"the attribute {name} is a {kind} and cannot have unitCode")
    merged: dict[str, Any] = dict(before) if before is not None and before["type"] == kind else {}
    for member, value in {**patch, "type": kind}.items():
        if value == NULL:
            merged.pop(member, None)
        elif ":" in member and member not in RESERVED_MEMBERS:
            known = _by_dataset(merged.pop(member, []))
            for each in value:
                dataset = each.get("datasetId")
                inner = known.pop(dataset, None)
                if not is_null(each):
                    known[dataset] = _merged(member, inner, each)
            if known:
                merged[member] = list(known.values())
        else:
            merged[member] = _merged_value(merged.get(member), value)
    return merged


def _merged_value(before: Any, patch: Any) -> Any:
    """Merge JSON objects as RFC 7396 does, with NGSI-LD's null; a geometry is replaced whole."""
    if not isinstance(patch, dict) or ("coordinates" in patch and str(patch.get("type")) in GEOMETRIES):
        return patch
    merged = dict(before) if isinstance(before, dict) else {}
    for key, value in patch.items():
        if value in (None, NULL):
            merged.pop(key, None)
        else:
            merged[key] = _merged_value(merged.get(key), value)
    return merged


def settled(fragment: Fragment) -> Fragment:
    """Return a fragment, of whose attributes none has a member that is to be deleted (clause 5.5.8)."""
    attributes = {
        iri: [each if is_null(each) else _settled(each) for each in instances]
        for iri, instances in fragment.attributes.items()
    }
    return replace_in(fragment, attributes=attributes)


def _settled(instance: Instance) -> Instance:
    left = {}
    for member, value in instance.items():
        if value == NULL:
            continue
        if ":" in member and member not in RESERVED_MEMBERS:
            inner = [_settled(each) for each in value if not is_null(each)]
            if inner:
                left[member] = inner
        else:
            left[member] = value
    return left


def _stamp(instances: list[Instance], stamp: str, known: dict[str | None, Instance] | None = None) -> None:
    for instance in instances:
        _stamp_one(instance, stamp, known.get(instance.get("datasetId")) if known else None)


def _stamp_one(instance: Instance, stamp: str, before: Instance | None) -> None:
    instance["createdAt"] = before.get("createdAt", stamp) if before else stamp
    instance["modifiedAt"] = stamp
    if RESERVED_MEMBERS.issuperset(instance):  # it has no attributes of its own, as is the ordinary case
        return
    for member, nested in instance.items():
        if member not in RESERVED_MEMBERS:
            _stamp(nested, stamp, _by_dataset(before.get(member, [])) if before else None)


def _alone(instances: list[Instance]) -> bool:
    """Say whether it is the ordinary case: one instance, without datasetId."""
    return len(instances) == 1 and "datasetId" not in instances[0]


def _by_dataset(instances: list[Instance]) -> dict[str | None, Instance]:
    return {instance.get("datasetId"): instance for instance in instances}


def _add_types(stored: Stored, fragment: Fragment, changes: Changes) -> None:
    """Add types that the entity has not; none is ever taken away (clause 4.16)."""
    fresh = [iri for iri in fragment.types if iri not in stored.types]
    if fresh:
        stored.types = [*stored.types, *fresh]
        changes.other = True
