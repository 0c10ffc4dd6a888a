# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From what a client sends (normalized, concise or simplified) to the one form that is stored.

The stored form of an entity's attributes is `{IRI: [instance, ...]}`, one instance for each
datasetId. An instance is `{"type": "Property", "value": ..., "unitCode": ..., "observedAt": ...,
"createdAt": ..., "modifiedAt": ..., IRI: [instance, ...]}`: NGSI-LD's own members under their short
names, which hold no colon, and attributes of the attribute under their IRIs, which always hold
one. Values are opaque JSON: terms inside them are not expanded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from broker.embedded.attribute_values import is_null, read_member, read_value
from broker.embedded.geometry import is_plain_point
from broker.embedded.instants import check_instant
from broker.embedded.problems import BadRequestDataError
from broker.embedded.vocabulary import (
    DEFAULT_INSTANCE,
    GEOMETRIES,
    NGSI_LD,
    NOT_REIFIED,
    NULL,
    OPTIONAL_MEMBERS,
    OUTPUT_MEMBERS,
    PLACES,
    RESERVED_MEMBERS,
    SYSTEM_MEMBERS,
    TYPE_BY_MEMBER,
    VALUE_MEMBER,
    check_id,
    check_name,
    is_uri,
)

if TYPE_CHECKING:
    from broker.embedded.terms import Context

Instance: TypeAlias = dict[str, Any]
Attributes: TypeAlias = dict[str, list[Instance]]

MAX_ATTRIBUTES = 1000
MAX_INSTANCES = 1000
MAX_TEMPORAL_INSTANCES = 10_000
MAX_TYPES = 100
_MAX_NESTED_ATTRIBUTES = 8

_SCOPE = re.compile(r"/?[^\W\d_]\w*(/[^\W\d_]\w*)*")
_NO_NAME = re.compile(r"[!#$%*+/@~]")
_NO_ATTRIBUTES = (
    SYSTEM_MEMBERS | NOT_REIFIED | {"id", "@id", "type", "@type", "scope", "expiresAt", "@context"}
)
_NUMBERS = frozenset({int, float})
_MEASUREMENT = frozenset({"type", "value", "unitCode", "observedAt"})


@dataclass(kw_only=True, slots=True)
class Fragment:
    """What a request says of an entity; members that it does not name are None or empty.

    Attributes:
        expires_at: when it expires, as it was written; NULL: never (clause 4.22).
        scope_instances: its scopes over time, each as an instance of a Property (clause 4.5.6).
    """

    id: str | None = None
    types: list[str] = field(default_factory=list)
    scopes: list[str] | None = None
    attributes: Attributes = field(default_factory=dict)
    expires_at: str | None = None
    scope_instances: list[Instance] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How a request's entities are to be read.

    Attributes:
        context: the request's @context.
        nulls: whether "urn:ngsi-ld:null" may stand for "delete this".
        merge: whether it may do so inside a Property's value too, as a merge alone allows (clause 5.5.4);
            an attribute may come without its value then, which is there already.
        simplified: whether the body is in simplified (keyValues) form.
        temporal: whether an attribute is an array of its instances over time (clause 4.5.7).
    """

    context: Context
    nulls: bool = False
    merge: bool = False
    simplified: bool = False
    temporal: bool = False


def read_entity(body: Any, how: Reading) -> Fragment:
    """Read a whole entity: id and type must be there (clause 5.2.4).

    Raises:
        BadRequestDataError: it is no entity.
    """
    fragment = read_fragment(body, how)
    if fragment.id is None:
        raise BadRequestDataError(detail="the entity has no id")
    if not fragment.types:
        raise BadRequestDataError(detail=f"the entity {fragment.id} has no type")
    return fragment


def read_fragment(body: Any, how: Reading) -> Fragment:
    """Read a part of an entity: whatever members are there (clause 5.4).

    Raises:
        BadRequestDataError: it is none.
    """
    if not isinstance(body, dict):
        raise BadRequestDataError(detail="an entity must be a JSON object")
    if len(body) > MAX_ATTRIBUTES:
        raise BadRequestDataError(detail=f"an entity may have no more than {MAX_ATTRIBUTES} attributes")
    fragment = Fragment()
    attributes, expand = fragment.attributes, how.context.expand
    ordinary = not how.simplified and not how.temporal
    for name, value in body.items():
        if name not in _NO_ATTRIBUTES:
            iri = expand(_checked_name(name))
            if iri in attributes:
                raise BadRequestDataError(detail=f"two of the entity's attributes are both {iri}")
            plain = _read_plain(value) if ordinary and type(value) is dict else None
            attributes[iri] = read_attribute(name, value, how) if plain is None else [plain]
            if iri in PLACES and (plain is None or plain["type"] != "GeoProperty"):
                _check_place(name, attributes[iri])
        else:
            _read_own(fragment, name, value, how)
    return fragment


def _read_own(fragment: Fragment, name: str, value: Any, how: Reading) -> None:
    """Read a member of an entity that is no attribute."""
    if name in {"id", "@id"}:
        fragment.id = check_id(value)
        if value == NULL:
            raise BadRequestDataError(detail=f"an entity's id is never {NULL}")
    elif name == "scope" and how.temporal:
        fragment.scopes, fragment.scope_instances = _read_scopes_in_time(value)
    elif name in {"type", "@type"}:
        fragment.types = read_types(value, how.context)
    elif name == "scope":
        fragment.scopes = read_scopes(value, nulls=how.nulls)
    elif name == "expiresAt":
        fragment.expires_at = _expiry(value, how)
    elif name in NOT_REIFIED:
        raise BadRequestDataError(
            detail=f"{name} is no name of an attribute: the word has a meaning of its own in NGSI-LD"
        )


def _check_place(name: str, instances: list[Instance]) -> None:
    if any(
        instance["type"] != "GeoProperty"
        and not is_null(instance)
        and VALUE_MEMBER[instance["type"]] in instance
        for instance in instances
    ):
        raise BadRequestDataError(detail=f"{name} is a GeoProperty and nothing else")


def _expiry(value: Any, how: Reading) -> str:
    if value == NULL and how.nulls:
        return NULL
    if not isinstance(value, str):
        raise BadRequestDataError(detail="expiresAt of an entity must be a string")
    return check_instant(value)


def read_types(value: Any, context: Context) -> list[str]:
    """Read one type or an array of them; IRIs, each once, in order.

    Raises:
        BadRequestDataError: it is neither.
    """
    if type(value) is str:
        return [context.expand(_checked_type(value))]
    names = value if isinstance(value, list) else [value]
    if not names or len(names) > MAX_TYPES:
        raise BadRequestDataError(detail=f"an entity has between one type and {MAX_TYPES}")
    return list(dict.fromkeys(context.expand(_type_name(name)) for name in names))


def _type_name(name: Any) -> str:
    if isinstance(name, str) and (name in _NO_ATTRIBUTES or name == NULL):
        raise BadRequestDataError(detail=f"{name} is no type: the word has a meaning of its own in NGSI-LD")
    return _begun(check_name(name, "an entity's type"), "an entity's type")


def attribute_name(name: str) -> str:
    """Return a name of an attribute as it may be given (clause 4.6.2).

    Raises:
        BadRequestDataError: it is none.
    """
    short = name.removeprefix("ngsi-ld:").removeprefix(NGSI_LD)
    if short != name and short in _NO_ATTRIBUTES:
        raise BadRequestDataError(
            detail=f"{short} is no attribute: the word has a meaning of its own in NGSI-LD"
        )
    return _begun(check_name(name), "an attribute's name")


def _begun(name: str, what: str) -> str:
    """See that a name, unless it is an IRI, is made as names are (clause 4.6.2).

    Beyond the standard it may hold - and ., which are common in such names.
    """
    if ":" in name:
        return name
    if not name[0].isalpha():
        raise BadRequestDataError(detail=f"{what} begins with a letter, and {name[:200]!r} does not")
    if _NO_NAME.search(name):
        raise BadRequestDataError(detail=f"{what} is of letters, digits and _ alone, not {name[:200]!r}")
    return name


_checked_type = lru_cache(maxsize=10_000)(_type_name)
_checked_name = lru_cache(maxsize=10_000)(attribute_name)


def read_scopes(value: Any, *, nulls: bool = False) -> list[str]:
    """Read one scope or an array of them (clause 4.18).

    Raises:
        BadRequestDataError: one is no path such as /Hagen/Mitte.
    """
    scopes = value if isinstance(value, list) else [value]
    if nulls and scopes == [NULL]:
        return []
    for scope in scopes:
        if not isinstance(scope, str) or _SCOPE.fullmatch(scope) is None:
            raise BadRequestDataError(
                detail="a scope is a path such as /Hagen/Mitte, of letters, digits and _ that begin with a"
                f" letter: {str(scope)[:100]!r}"
            )
    return list(dict.fromkeys(scope if scope.startswith("/") else "/" + scope for scope in scopes))


def _read_scopes_in_time(value: Any) -> tuple[list[str] | None, list[Instance]]:
    """Read the scope as it is now, or a Property of what it was at different times (clause 4.5.6)."""
    items = value if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, dict) for item in items):
        return read_scopes(value), []
    instances = []
    for item in items:
        kind = item.get("type", "Property")
        if item.keys() - {"type", "value", "observedAt", *SYSTEM_MEMBERS} or kind != "Property":
            raise BadRequestDataError(
                detail="a scope over time is a Property with value and observedAt, and no other member"
            )
        scopes = read_scopes(item.get("value"), nulls="deletedAt" in item)
        instance: Instance = {"type": "Property", "value": scopes}
        if not scopes:
            instance.update(_deletion("scope", item))
        if "observedAt" in item:
            if not isinstance(item["observedAt"], str):
                raise BadRequestDataError(detail="observedAt of the scope must be a string")
            instance["observedAt"] = check_instant(item["observedAt"])
        instances.append(instance)
    return max(instances, key=lambda each: str(each.get("observedAt", "9")))["value"], instances


def read_attribute(name: str, given: Any, how: Reading, depth: int = 1) -> list[Instance]:
    """Read one attribute, or all its instances (clauses 4.5.1 to 4.5.5).

    Raises:
        BadRequestDataError: it breaks a rule; the sentence names the attribute.
    """
    if depth > _MAX_NESTED_ATTRIBUTES:
        raise BadRequestDataError(
            detail=f"the attribute {name} has attributes nested deeper than {_MAX_NESTED_ATTRIBUTES}"
        )
    if how.temporal and depth == 1:
        return _read_temporal(name, given, how)
    if how.simplified:  # a list is a value here
        return _read_simplified(name, given, how, depth)
    if isinstance(given, list) and given and all(_is_instance(item) for item in given):
        if len(given) > MAX_INSTANCES:
            raise BadRequestDataError(detail=f"the attribute {name} has more than {MAX_INSTANCES} instances")
        instances = [_read_instance(name, item, how, depth) for item in given]
        datasets = [instance.get("datasetId") for instance in instances]
        if len(set(datasets)) < len(datasets):
            raise BadRequestDataError(detail=f"two instances of the attribute {name} have the same datasetId")
        return instances
    return [_read_instance(name, given, how, depth)]


def _read_simplified(name: str, given: Any, how: Reading, depth: int) -> list[Instance]:
    """Read a value, or the values of several instances, by their datasetId (clause 4.5.4)."""
    datasets = given.get("dataset") if isinstance(given, dict) and len(given) == 1 else None
    if not datasets or not isinstance(datasets, dict):
        return [_read_instance(name, given, how, depth)]
    if not all(dataset == DEFAULT_INSTANCE or is_uri(dataset) for dataset in datasets):
        return [_read_instance(name, given, how, depth)]
    instances = []
    for dataset, value in datasets.items():
        instance = _read_instance(name, value, how, depth)
        instances.append(instance if dataset == DEFAULT_INSTANCE else {**instance, "datasetId": dataset})
    return instances


def _read_temporal(name: str, given: Any, how: Reading) -> list[Instance]:
    """Read an attribute's instances over time, of which many may have one datasetId."""
    instances = given if isinstance(given, list) else [given]
    if not all(_is_instance(item) for item in instances):
        raise BadRequestDataError(
            detail=f"the attribute {name} must be an array of instances with a value each"
        )
    if len(instances) > MAX_TEMPORAL_INSTANCES:
        raise BadRequestDataError(
            detail=f"the attribute {name} has more than {MAX_TEMPORAL_INSTANCES} instances in one request"
        )
    read = [_read_instance(name, item, how, 1) for item in instances]
    for item, instance in zip(instances, read, strict=True):
        if is_null(instance):
            instance.update(_deletion(name, item))
    return read


def _deletion(name: str, item: dict[str, Any]) -> Instance:
    """Return since when an attribute or the scope was deleted, if its instance says so (clause 4.5.7)."""
    if "deletedAt" not in item:
        return {}
    if not isinstance(item["deletedAt"], str):
        raise BadRequestDataError(detail=f"deletedAt of {name} must be a string")
    return {"deletedAt": check_instant(item["deletedAt"])}


def _is_instance(given: Any) -> bool:
    """Say whether it is an attribute's instance with its members, and no bare value."""
    return isinstance(given, dict) and (
        _kind(given) in VALUE_MEMBER or any(member in given for member in TYPE_BY_MEMBER)
    )


def _kind(given: dict[str, Any]) -> str | None:
    """Return the type that an object names; None without one."""
    kind = given.get("type")
    return kind if kind is None or isinstance(kind, str) else str(kind)


def _read_instance(name: str, given: Any, how: Reading, depth: int) -> Instance:
    if type(given) is dict and not how.simplified and (plain := _read_plain(given)) is not None:
        return plain
    members, kind = _members(name, given, how)
    holder = VALUE_MEMBER[kind]
    instance: Instance = {"type": kind}
    if holder in members:
        instance[holder] = read_value(name, kind, members[holder], how)
    elif not how.merge:
        raise BadRequestDataError(detail=f"the attribute {name} is a {kind} without {holder}")
    for member, value in members.items():
        if member in OPTIONAL_MEMBERS:
            if member != "datasetId" or value != DEFAULT_INSTANCE:
                instance[member] = read_member(name, kind, member, value, how)
        elif member in {"type", holder} or member in OUTPUT_MEMBERS[kind]:
            continue
        elif member in RESERVED_MEMBERS:
            raise BadRequestDataError(detail=f"the attribute {name} is a {kind} and cannot have {member}")
        else:
            iri = how.context.expand(_checked_name(member))
            if iri in instance:
                raise BadRequestDataError(detail=f"two attributes of the attribute {name} are both {iri}")
            instance[iri] = read_attribute(f"{name}.{member}", value, how, depth + 1)
    return instance


def _read_plain(given: dict[str, Any]) -> Instance | None:
    """Read what sensors send most: a number, perhaps with its unit and time, or a point; None: it is none.

    It says nothing that the longer way would not, which every other attribute takes.
    """
    value, kind = given.get("value"), given.get("type")
    if kind == "GeoProperty" and len(given) == 2 and is_plain_point(value):  # noqa: PLR2004 - type and value
        return {"type": kind, "value": value}
    if type(value) not in _NUMBERS or kind != "Property" or not _MEASUREMENT.issuperset(given):
        return None
    instance: Instance = {"type": "Property", "value": value}
    if "unitCode" in given:
        unit = instance["unitCode"] = given["unitCode"]
        if type(unit) is not str or unit == NULL:
            return None
    if "observedAt" in given:
        at = given["observedAt"]
        if type(at) is not str or at == NULL:
            return None
        instance["observedAt"] = check_instant(at)
    return instance


def _members(name: str, given: Any, how: Reading) -> tuple[dict[str, Any], str]:
    """Return an instance's members and its type, which concise and simplified input leave out."""
    if not isinstance(given, dict):
        return {"value": given}, "Property"
    kind = _kind(given)
    if kind is not None and kind in VALUE_MEMBER and not how.simplified:
        return given, kind
    if kind in GEOMETRIES and "coordinates" in given:
        return {"value": given}, "GeoProperty"
    for member, implied in TYPE_BY_MEMBER.items():
        if member in given and kind is None:
            geometry = implied == "Property" and is_geometry(given[member])
            return given, "GeoProperty" if geometry else implied
    if kind is not None and not how.simplified:
        raise BadRequestDataError(
            detail=f"the attribute {name} has the type {kind[:100]}, which is no type of attribute"
        )
    if kind is None and not how.simplified and OPTIONAL_MEMBERS & given.keys():
        if how.merge:  # what it has already is merged with these
            return given, "Property"
        raise BadRequestDataError(detail=f"the attribute {name} has no value")
    return {"value": given}, "Property"


def is_geometry(value: Any) -> bool:
    """Say whether it looks like a geometry, which then is a GeoProperty's value (clause 4.7.3)."""
    return isinstance(value, dict) and _kind(value) in GEOMETRIES and "coordinates" in value
