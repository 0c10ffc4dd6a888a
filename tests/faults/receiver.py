# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A receiver that behaves as Orion-LD, fails as it is told, and notes all that arrives."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.faults.measures import TYPE
from tests.orion_like import OrionLike, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.faults.measures import Measure

_PREFIX = f"urn:ngsi-ld:{TYPE}:hagen:"
_VALUE = "/temperature"
#: What it says of what it refuses.
REFUSAL = "waterLevel must not be a poem"


class Receiver(OrionLike):
    """The NGSI-LD broker at the end of the way.

    Attributes:
        arrived: (device, time of observation) of every reading that was stored, in order.
        values: what was stored for it last.
        poisonous: devices whose readings let a whole batch fail with 500, what stands before them stored.
        cursed: devices whose entity does so whatever is said of it.
        refused: devices whose entity is refused in a 207.
        failed: batches that failed for a poisonous one.
        full: whether it takes no more now: who sends a batch waits.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.arrived: list[tuple[str, str]] = []
        self.values: dict[tuple[str, str], Any] = {}
        self.poisonous: set[str] = set()
        self.cursed: set[str] = set()
        self.refused: set[str] = set()
        self.failed = 0
        self.full: Callable[[], bool] = lambda: False

    async def stop(self) -> None:
        """Go away: nothing listens any more. What is stored stays."""
        await super().__aexit__()

    async def start(self) -> None:
        """Come back at the same address."""
        await super().__aenter__()

    async def _batch_upsert(self, request: web.Request) -> web.Response:
        while self.full():  # noqa: ASYNC110 - room has no event
            await asyncio.sleep(0.02)
        return await super()._batch_upsert(request)

    async def _upsert(self, request: web.Request, body: list[Any]) -> web.Response:
        for number, item in enumerate(body):
            if self._fails_for(item):
                self.failed += 1
                await super()._upsert(request, body[:number])
                raise Problem(500, "Database Error", "mongocEntitiesUpsert failed")
        bad = [item["id"] for item in body if _device(item) in self.refused]
        if not bad:
            return await super()._upsert(request, body)
        good = [item for item in body if item["id"] not in bad]
        if good:
            await super()._upsert(request, good)
        problem = Problem(400, "Invalid value", REFUSAL).body | {"status": 400}
        errors = [{"entityId": entity_id, "error": problem} for entity_id in bad]
        return web.json_response({"success": [item["id"] for item in good], "errors": errors}, status=207)

    def _fails_for(self, item: Any) -> bool:
        device = _device(item)
        return device in self.cursed or (device in self.poisonous and "temperature" in item)

    def _write(self, entities: Any, entity_id: str, type_: str, attributes: Any, **how: Any) -> None:
        if entity_id.startswith(_PREFIX):
            for iri, attribute in attributes.items():
                if iri.endswith(_VALUE):
                    key = entity_id.removeprefix(_PREFIX), attribute["observedAt"]
                    self.arrived.append(key)
                    self.values[key] = attribute["value"]
        super()._write(entities, entity_id, type_, attributes, **how)

    # What the account asks.

    async def gathered(self) -> None:
        """Nothing is to be fetched: all was noted as it came."""

    @property
    def known(self) -> set[tuple[str, str]]:
        """What arrived at all."""
        return set(self.arrived)

    @property
    def repeats(self) -> int:
        """Readings that came more than once."""
        return len(self.arrived) - len(set(self.arrived))

    def out_of_order(self) -> list[Any]:
        """Return where a device's reading came after a newer one, or while another was written."""
        by_device: dict[str, list[str]] = {}
        for device, at in self.arrived:
            by_device.setdefault(device, []).append(at)
        after_newer = [
            (device, one, other)
            for device, times in by_device.items()
            for one, other in pairwise(times)
            if one > other
        ]
        return [*after_newer, *self.went_back, *self.overlapping]

    def wrong(self, measures: Iterable[Measure]) -> list[Measure]:
        """Return what arrived with another value than was sent."""
        return [each for each in measures if self.values.get(each.key, each.value) != each.value]

    def missing(self, measures: Iterable[Measure]) -> list[Measure]:
        """Return what did not arrive."""
        there = Counter(self.arrived)
        return [each for each in measures if each.key not in there]


def _device(item: Any) -> str:
    return str(item.get("id", "")).removeprefix(_PREFIX) if isinstance(item, dict) else ""
