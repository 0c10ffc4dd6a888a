# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What a dataset's rules leave of an entity: pure functions from what the city knows to what is public.

An attribute keeps its value, its unit, its times and its flag of quality; whatever else is beside them
stays behind. Attributes that no dataset names are not looked at.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from models.types import TYPES
from models.values import rfc3339
from portal.views import moment_of, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from portal.datasets import Dataset, Rule

#: What is kept of an attribute, beside its value.
_KEPT = ("type", "unitCode", "observedAt", "datasetId")
_VALUES = ("value", "object", "languageMap", "vocab", "json", "valueList", "objectList")
#: The property of a property that says how far a value is to be trusted.
QUALITY = "quality"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_METRES_PER_DEGREE = 111_320.0
Cell = tuple[int, int] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """One value of an attribute that is not published at once.

    Attributes:
        entity: its id.
        at: when it was observed.
        cell: the square that the entity lies in; None: there is no rule on squares, or it lies nowhere.
        body: the attribute, normalized.
    """

    entity: str
    at: datetime
    cell: Cell
    body: Mapping[str, Any]


def hidden_id(entity_id: str, key: bytes) -> str:
    """Return another id of the same type, always the same one, from which the own cannot be found out."""
    type_name = type_in(entity_id) or "Entity"
    return f"urn:ngsi-ld:{type_name}:{hmac.new(key, entity_id.encode(), hashlib.sha256).hexdigest()[:20]}"


def type_in(entity_id: str) -> str | None:
    """Return the type that an id of ours names: `urn:ngsi-ld:<Type>:<city>:<place>`; None: it names none."""
    parts = entity_id.split(":", 3)
    named = parts[2] if len(parts) > 3 and entity_id.startswith("urn:ngsi-ld:") else ""  # noqa: PLR2004 - urn, ngsi-ld, type and the rest
    return named if named in TYPES else None


def now_public(
    entity: Mapping[str, Any], dataset: Dataset, rename: Callable[[str], str]
) -> dict[str, list[dict[str, Any]]]:
    """Return what may be seen at once of an entity's attributes: by name, the instances.

    Args:
        entity: normalized, with short names.
        dataset: whose attributes and rules count.
        rename: from the id of an entity to the id that it is published under; what relationships lead to.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for name in dataset.attributes:
        rule = dataset.rules.get(name)
        if rule is not None and rule.timed:
            continue
        bodies = [less(each, rule, rename) for each in _instances(entity.get(name))]
        left = [body for body in bodies if body is not None]
        if left:
            found[name] = left
    return found


def later_public(
    entity: Mapping[str, Any], dataset: Dataset, *, arrived: datetime
) -> Iterator[tuple[str, Instance]]:
    """Return what may be seen later of an entity, by the name of its attribute.

    Args:
        entity: normalized, with short names.
        dataset: whose attributes and rules count.
        arrived: when it was observed, where the entity does not say it.
    """
    for name, rule in dataset.rules.items():
        if not rule.timed:
            continue
        cell = cell_of(entity, rule)
        for body in _instances(entity.get(name)):
            text = body.get("observedAt")
            at = arrived if text is None else moment_of(str(text))
            yield name, Instance(entity=str(entity["id"]), at=at, cell=cell, body=body)


def due(
    instances: Iterable[Instance], rule: Rule, now: datetime, rename: Callable[[str], str]
) -> dict[str, list[dict[str, Any]]]:
    """Return what has come to be public of one attribute: by entity, the instances in order of time.

    Args:
        instances: of all entities of a dataset, in any order.
        rule: a timed one.
        now: with a time zone.
        rename: see `now_public`.
    """
    if rule.period is None:
        seen = sorted((each for each in instances if each.at <= now - rule.wait), key=lambda each: each.at)
        return _by_entity((each.entity, less(each.body, rule, rename)) for each in seen)
    last: dict[tuple[datetime, Cell], dict[str, Instance]] = {}
    for each in sorted(instances, key=lambda each: each.at):
        start = period_start(each.at, rule.period)
        if start <= now - rule.period - rule.wait:
            last.setdefault((start, each.cell if rule.least else None), {})[each.entity] = each
    found: list[tuple[str, dict[str, Any] | None]] = []
    for (start, cell), members in sorted(last.items(), key=lambda item: item[0][0]):
        at = rfc3339(start)
        if rule.least is None:
            for entity_id, each in members.items():
                body = less(each.body, rule, rename)
                found.append((entity_id, body and {**body, "observedAt": at}))
        elif rule.metres is None or cell is not None:
            found += _together(members, rule.least, at)
    return _by_entity(found)


def _together(
    members: Mapping[str, Instance], least: int, at: str
) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Give every member the mean of all, where they are enough; values of another unit are left out."""
    units = [each.body.get("unitCode") for each in members.values()]
    unit = max(units, key=units.count)
    numbers = {
        entity_id: value
        for entity_id, each in members.items()
        if each.body.get("unitCode") == unit
        and isinstance(value := value_of(each.body), int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
    }
    if len(numbers) < least:
        return
    mean = round(math.fsum(numbers.values()) / len(numbers), 6)
    body: dict[str, Any] = {"type": "Property", "value": mean, "observedAt": at}
    if unit is not None:
        body["unitCode"] = unit
    for entity_id in numbers:
        yield entity_id, body


def less(body: Mapping[str, Any], rule: Rule | None, rename: Callable[[str], str]) -> dict[str, Any] | None:
    """Return an attribute's instance without what is not published of it; None: nothing is left."""
    kept = {name: body[name] for name in _KEPT if name in body}
    for name in _VALUES:
        if name in body:
            kept[name] = body[name]
    quality = body.get(QUALITY)
    if isinstance(quality, dict) and "value" in quality:
        kept[QUALITY] = {"type": "Property", "value": quality["value"]}
    if isinstance(kept.get("object"), str | list):
        kept["object"] = _renamed(kept["object"], rename)
    if "objectList" in kept:
        kept["objectList"] = [
            {"object": rename(str(each["object"] if isinstance(each, dict) else each))}
            for each in kept["objectList"]
        ]
    return kept if rule is None else _by_rule(kept, rule)


def _by_rule(kept: dict[str, Any], rule: Rule) -> dict[str, Any] | None:
    value = kept.get("value")
    if rule.keep is not None:
        members = (
            {name: value[name] for name in rule.keep if name in value} if isinstance(value, dict) else {}
        )
        return {**kept, "value": members} if members else None
    if rule.metres is not None and rule.least is None:
        middle = _middle(value, rule.metres) if isinstance(value, dict) else None
        return middle and {**kept, "value": {"type": "Point", "coordinates": list(middle)}}
    return kept


def _renamed(target: str | Sequence[str], rename: Callable[[str], str]) -> str | list[str]:
    return rename(target) if isinstance(target, str) else [rename(str(each)) for each in target]


def cell_of(entity: Mapping[str, Any], rule: Rule) -> Cell:
    """Return the square of the rule's width that an entity lies in; None: no such rule, or nowhere."""
    if rule.metres is None:
        return None
    for body in _instances(entity.get("location")):
        place = _centre(body.get("value"))
        if place is not None:
            return _square(*place, rule.metres)
    return None


def period_start(moment: datetime, period: timedelta) -> datetime:
    """Return when the period began that a moment lies in; periods are counted from 1970."""
    return moment - (moment - _EPOCH) % period


def _middle(geometry: Mapping[str, Any], metres: float) -> tuple[float, float] | None:
    """Return the middle of the square that a geometry's middle lies in, to six digits."""
    place = _centre(geometry)
    if place is None:
        return None
    column, row = _square(*place, metres)
    latitude = (row + 0.5) * metres / _METRES_PER_DEGREE
    width = _width(row, metres)
    return round((column + 0.5) * width, 6), round(min(max(latitude, -90), 90), 6)


def _square(longitude: float, latitude: float, metres: float) -> tuple[int, int]:
    row = math.floor(latitude * _METRES_PER_DEGREE / metres)
    return math.floor(longitude / _width(row, metres)), row


def _width(row: int, metres: float) -> float:
    """Return how many degrees of longitude a square of a row is wide: the same for the whole row."""
    latitude = min(abs((row + 0.5) * metres / _METRES_PER_DEGREE), 89.0)
    return metres / (_METRES_PER_DEGREE * math.cos(math.radians(latitude)))


def _centre(geometry: Any) -> tuple[float, float] | None:
    """Return longitude and latitude of the middle of a geometry's positions; None: it has none."""
    if not isinstance(geometry, dict):
        return None
    positions = list(_positions(geometry.get("coordinates")))
    if not positions:
        return None
    longitudes, latitudes = zip(*positions, strict=True)
    return (min(longitudes) + max(longitudes)) / 2, (min(latitudes) + max(latitudes)) / 2


def _positions(coordinates: Any) -> Iterator[tuple[float, float]]:
    if not isinstance(coordinates, list) or not coordinates:
        return
    if isinstance(coordinates[0], int | float):
        if len(coordinates) > 1:
            yield float(coordinates[0]), float(coordinates[1])
        return
    for each in coordinates:
        yield from _positions(each)


def _instances(attribute: Any) -> list[Mapping[str, Any]]:
    if isinstance(attribute, dict):
        return [attribute]
    return [each for each in attribute if isinstance(each, dict)] if isinstance(attribute, list) else []


def _by_entity(found: Iterable[tuple[str, dict[str, Any] | None]]) -> dict[str, list[dict[str, Any]]]:
    by: dict[str, list[dict[str, Any]]] = {}
    for entity_id, body in found:
        if body is not None:
            by.setdefault(entity_id, []).append(body)
    return by
