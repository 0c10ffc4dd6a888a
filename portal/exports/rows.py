# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The rows of a dataset's files: an entity as it is now, or what was observed of it at one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from portal.exports.columns import LOCATION, NAME, SOURCE
from portal.views import moment_of, value_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from datetime import datetime

    from portal.exports.columns import Sheet
    from portal.views import Observation, View

_AT_ONCE = 1000


class Row(NamedTuple):
    """One row.

    Attributes:
        id: of the entity.
        name: of the entity; None: it has none, or none is published.
        place: a GeoJSON geometry; None: as for the name.
        moment: when it was observed; None: nobody said.
        values: of the sheet's columns, as simplified NGSI-LD; None: there is none.
        quality: flags by attribute; None: there are none.
        entity: normalized; None: the row is about the past.
    """

    id: str
    name: str | None
    place: Mapping[str, Any] | None
    moment: datetime | None
    values: Sequence[Any]
    quality: Mapping[str, Any] | None
    entity: Mapping[str, Any] | None = None


async def current(view: View, sheet: Sheet) -> AsyncIterator[list[Row]]:
    """Yield the entities as they are now, by id, in parts.

    Raises:
        NgsiLdError: the broker is away, or refuses the query.
    """
    rows: list[Row] = []
    async for entity in view.entities(sheet.dataset):
        rows.append(_row(sheet, entity))
        if len(rows) >= _AT_ONCE:
            yield rows
            rows = []
    if rows:
        yield rows


def _row(sheet: Sheet, entity: Mapping[str, Any]) -> Row:
    attributes = {name: _instance(entity.get(name)) for name in sheet.dataset.attributes}
    present = {name: each for name, each in attributes.items() if each is not None}
    values = {name: value_of(each) for name, each in present.items()}
    moments = [moment_of(each["observedAt"]) for each in present.values() if "observedAt" in each]
    flagged = {
        name: value_of(each["quality"])
        for name, each in present.items()
        if isinstance(each.get("quality"), dict)
    }
    return Row(
        id=str(entity["id"]),
        name=values.get(NAME),
        place=values.get(LOCATION),
        moment=max(moments, default=None),
        values=[values.get(column.name) for column in sheet.columns],
        quality=flagged or None,
        entity=entity,
    )


def _instance(attribute: Any) -> Mapping[str, Any] | None:
    """Return an attribute; of several instances the one without a `datasetId`."""
    if isinstance(attribute, list):
        instances = [each for each in attribute if isinstance(each, dict)]
        return next((each for each in instances if "datasetId" not in each), next(iter(instances), None))
    return attribute if isinstance(attribute, dict) else None


async def past(view: View, sheet: Sheet, start: datetime, end: datetime) -> AsyncIterator[list[Row]]:
    """Yield what was observed from `start` on and before `end`, by entity and time, in parts.

    Raises:
        NotSupportedError: the broker keeps no history.
        NgsiLdError: the broker is away, or refuses the query.
    """
    if not sheet.measured:
        return
    still: dict[str, tuple[Any, Any, Any]] = {}
    async for entity in view.entities(sheet.dataset, {"options": "keyValues"}):
        still[str(entity["id"])] = entity.get(NAME), entity.get(LOCATION), entity.get(SOURCE)
    attributes = (*sheet.measured, *([LOCATION] if sheet.placed else []))
    parts = view.observations(sheet.dataset, start=start, end=end, ids=sorted(still), attributes=attributes)
    places = {column.name: number for number, column in enumerate(sheet.columns)}
    async for part in parts:
        yield list(_rows(part, still, places))


def _rows(
    part: Sequence[Observation], still: Mapping[str, tuple[Any, Any, Any]], places: Mapping[str, int]
) -> Iterator[Row]:
    """Put together what was observed of an entity at one moment."""
    source_place = places.get(SOURCE)
    entity, moment = "", None
    name: Any = None
    place: Any = None
    values: list[Any] = []
    flagged: dict[str, Any] = {}
    for seen in part:
        if seen.observed_at != moment or seen.entity != entity:
            if moment is not None:
                yield Row(entity, name, place, moment, values, flagged or None)
            if seen.entity != entity:  # a place that was observed holds until the next one
                entity = seen.entity
                name, place, source = still[entity]
            moment, values, flagged = seen.observed_at, [None] * len(places), {}
            if source_place is not None:
                values[source_place] = source
        if seen.attribute == LOCATION:
            place = seen.value
        elif seen.attribute in places:
            values[places[seen.attribute]] = seen.value
        if seen.quality is not None:
            flagged[seen.attribute] = seen.quality
    if moment is not None:
        yield Row(entity, name, place, moment, values, flagged or None)


def flags(row: Row) -> str | None:
    """Write a row's flags as a text: `pm25=suspect`."""
    if row.quality is None:
        return None
    return " ".join(f"{name}={flag}" for name, flag in sorted(row.quality.items()))
