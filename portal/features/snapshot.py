# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A dataset's features as they are now: read from the broker at most every few seconds.

A city's current data is small: boxes, times and values are looked for here, in memory, with the same
meaning whichever broker it is. Who pages through a dataset finds its features in the order of their ids.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from models.entity import TIME_ATTRIBUTES
from portal.features.boxes import bounds
from portal.features.columns import Reader, columns_of, geometry_attribute, instance_of
from portal.views import value_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from portal.datasets import Dataset
    from portal.features.columns import Column
    from portal.features.crs import Crs
    from portal.views import View

# Values of Alert and the like: when it was said, where nothing was measured.
_TIMES = (*TIME_ATTRIBUTES, "dateIssued")


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """One entity as a feature.

    Attributes:
        id: the entity's.
        geometry: GeoJSON in longitude and latitude, with heights where it has them; None: it is nowhere.
        observed: when it was last observed; None: nothing says it.
        properties: every column of the dataset.
        entity: as the broker has it.
    """

    id: str
    geometry: Mapping[str, Any] | None
    observed: datetime | None
    properties: Mapping[str, Any]
    entity: Mapping[str, Any] = field(compare=False, repr=False)
    _encoded: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)

    def members(self, crs: Crs) -> dict[str, Any]:
        """Return it as GeoJSON."""
        return {
            "type": "Feature",
            "id": self.id,
            "geometry": None if self.geometry is None else crs.geometry(self.geometry),
            "properties": self.properties,
        }

    def encoded(self, crs: Crs) -> orjson.Fragment:
        """Return it as GeoJSON, in bytes."""
        found = self._encoded.get(crs.uri)
        if found is None:
            found = self._encoded[crs.uri] = orjson.dumps(self.members(crs))
        return orjson.Fragment(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A dataset's features as they were at one moment.

    Attributes:
        dataset: whose.
        columns: of its features.
        features: ordered by id.
        taken: when.
        box: west, south, east, north of all that have a place; None: none has.
        oldest: of the times at which the features were last observed; None: nothing says it.
    """

    dataset: Dataset
    columns: tuple[Column, ...]
    features: tuple[Feature, ...]
    taken: datetime
    box: tuple[float, float, float, float] | None
    oldest: datetime | None

    def feature(self, feature_id: str) -> Feature | None:
        """Return a feature by its id; None: there is none."""
        return next((feature for feature in self.features if feature.id == feature_id), None)


class Snapshots:
    """Keeps each dataset's features for a moment; many who ask at once cause one reading.

    While they are read anew, readers are given those of a moment ago.

    Args:
        seconds: after which they are read anew; three times as old, they are given to nobody.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: dict[tuple[str, str], tuple[float, Snapshot]] = {}
        self._coming: dict[tuple[str, str], asyncio.Task[Snapshot]] = {}

    async def of(self, view: View, dataset: Dataset) -> Snapshot:
        """Return a dataset's features.

        Raises:
            NgsiLdError: the broker is away, or refuses the query.
        """
        key = view.name, dataset.name
        read, kept = self._kept.get(key, (-math.inf, None))
        age = time.monotonic() - read
        if kept is not None and age < self._seconds:
            return kept
        coming = self._coming.get(key)
        if coming is None:
            coming = self._coming[key] = asyncio.create_task(_read(view, dataset, kept))
            coming.add_done_callback(partial(self._done, key))
        if kept is not None and age < 3 * self._seconds:
            return kept
        return await asyncio.shield(coming)

    def _done(self, key: tuple[str, str], task: asyncio.Task[Snapshot]) -> None:
        del self._coming[key]
        if not task.cancelled() and task.exception() is None:
            self._kept[key] = time.monotonic(), task.result()


async def _read(view: View, dataset: Dataset, before: Snapshot | None) -> Snapshot:
    """Read a dataset; what has not changed since the last reading stays as it is, encoded already."""
    columns, place = columns_of(dataset), geometry_attribute(dataset)
    reader = Reader(columns, [name for name in _TIMES if name in dataset.attributes])
    known = {} if before is None else {feature.id: feature for feature in before.features}
    found: dict[str, Feature] = {}
    async for entity in view.entities(dataset):
        old = known.get(str(entity["id"]))
        same = old is not None and old.entity == entity
        feature = old if same and old is not None else _feature(reader, place, entity)
        found[feature.id] = feature
    features = tuple(found[key] for key in sorted(found))
    return Snapshot(
        dataset=dataset,
        columns=columns,
        features=features,
        taken=datetime.now(UTC),
        box=bounds([feature.geometry for feature in features if feature.geometry is not None]),
        oldest=min((feature.observed for feature in features if feature.observed is not None), default=None),
    )


def _feature(reader: Reader, place: str | None, entity: Mapping[str, Any]) -> Feature:
    located = None if place is None else instance_of(entity, place)
    properties, observed = reader.read(entity)
    return Feature(
        id=str(entity["id"]),
        geometry=None if located is None else value_of(located),
        observed=observed,
        properties=properties,
        entity=entity,
    )
