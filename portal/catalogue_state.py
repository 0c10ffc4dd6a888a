# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What is known of each public dataset at the moment: how old, how much, which files, since when.

Catalogue, start page and feed tell the same, so they share one look at the broker, which is kept for a
while. The one thing that is remembered beyond that is when a dataset was first published and when its
declaration last changed: the declaration itself does not say, and harvesters go by it.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

import orjson
import structlog

from models.values import rfc3339
from portal.files import files_of
from portal.views import SIMULATION, moment_of, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from portal.datasets import Catalogue, Dataset
    from portal.files import File
    from portal.office import Office

log = structlog.get_logger(__name__)

_MEMORY: Final = "catalogue.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is known of a dataset.

    Attributes:
        dataset: its declaration.
        files: that can be downloaded.
        count: how many entities it has now.
        simulated: how many of them are simulated.
        newest: when the newest of their values was observed; None: there are no values yet.
        seen: when it was first published, as far as this portal remembers.
        changed: when its declaration was last found to be another; None: it never was.
        declaration: a fingerprint of it.
    """

    dataset: Dataset
    files: tuple[File, ...]
    count: int
    simulated: int
    newest: datetime | None
    seen: datetime
    changed: datetime | None
    declaration: str

    @property
    def issued(self) -> datetime:
        """Since when it is published: the first day that there is a file of, if that is earlier."""
        days = [file.days[0] for file in self.files if file.days is not None]
        return min([self.seen, *(datetime.combine(day, time(), UTC) for day in days)])

    @property
    def modified(self) -> datetime:
        """When its data or its declaration last changed."""
        files = [file.modified for file in self.files if file.modified is not None and file.days is not None]
        known = [moment for moment in (self.newest, self.changed, *files) if moment is not None]
        return max(known, default=self.seen)


class Records:
    """Looks at the public datasets, and remembers what they were.

    Args:
        office: of the portal.
    """

    def __init__(self, office: Office) -> None:
        self._office = office
        self._lock = asyncio.Lock()
        self._facts: Mapping[str, Facts] = {}
        self._at: float | None = None

    async def facts(self, max_age: float) -> Mapping[str, Facts]:
        """Return what is known of each public dataset, by name and in the order of the declaration.

        Args:
            max_age: seconds since the broker was last asked; older than that, it is asked again.

        Raises:
            NgsiLdError: the broker is away, or refuses the query.
        """
        loop = asyncio.get_running_loop()
        async with self._lock:
            if self._at is None or loop.time() - self._at > max_age:
                began = loop.time()
                self._facts = await self._look()
                self._at = began
            return self._facts

    async def _look(self) -> Mapping[str, Facts]:
        path = self._office.folder / _MEMORY
        known = await asyncio.to_thread(_read, path)
        found = {dataset.name: await self._of(dataset, known) for dataset in self._office.public.datasets}
        memory = {name: _remembered(facts) for name, facts in found.items()}
        if any(known.get(name) != entry for name, entry in memory.items()):
            await asyncio.to_thread(_write, path, {**known, **memory})
        return found

    async def _of(self, dataset: Dataset, known: Mapping[str, Any]) -> Facts:
        count = simulated = 0
        newest: datetime | None = None
        async for entity in self._office.public.entities(dataset):
            count += 1
            source = entity.get("source")
            simulated += isinstance(source, dict) and value_of(source) == SIMULATION
            for moment in observed(entity):
                newest = moment if newest is None else max(newest, moment)
        files = await files_of(self._office, dataset)
        declaration = _fingerprint(self._office.catalogue, dataset)
        seen, changed = _history(declaration, known.get(dataset.name), newest)
        return Facts(
            dataset=dataset,
            files=files,
            count=count,
            simulated=simulated,
            newest=newest,
            seen=seen,
            changed=changed,
            declaration=declaration,
        )


# Of each office, for as long as anybody uses them: the interfaces are made one by one.
_SHARED: WeakValueDictionary[int, Records] = WeakValueDictionary()


def records_of(office: Office) -> Records:
    """Return the records that all interfaces of an office share."""
    return _SHARED.setdefault(id(office), Records(office))


def observed(entity: Mapping[str, Any]) -> list[datetime]:
    """Return when the values of an entity (normalized) were observed."""
    found = []
    for attribute in entity.values():
        for instance in attribute if isinstance(attribute, list) else [attribute]:
            if isinstance(instance, dict) and isinstance(instance.get("observedAt"), str):
                with suppress(ValueError):  # what other brokers hold need not be a time
                    found.append(moment_of(instance["observedAt"]))
    return found


def _fingerprint(catalogue: Catalogue, dataset: Dataset) -> str:
    """Return what changes whenever the declaration of a dataset does, or what it takes from the catalogue."""
    said = (catalogue.publisher_of(dataset), catalogue.contact_of(dataset), catalogue.place, dataset)
    parts = [catalogue.licence_of(dataset), *(each.model_dump_json(exclude_defaults=True) for each in said)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _history(fingerprint: str, entry: Any, newest: datetime | None) -> tuple[datetime, datetime | None]:
    """Say when a dataset was first published and when its declaration last changed."""
    now = datetime.now(UTC).replace(microsecond=0)
    try:
        seen = moment_of(entry["seen"])
        changed = None if entry["changed"] is None else moment_of(entry["changed"])
        same = entry["declaration"] == fingerprint
    except (KeyError, TypeError, ValueError):  # nothing is remembered, or nothing that can be read
        return min(now, newest or now), None
    return seen, changed if same else now


def _remembered(facts: Facts) -> dict[str, Any]:
    return {
        "seen": rfc3339(facts.issued),  # old files go, and with them what they told
        "changed": None if facts.changed is None else rfc3339(facts.changed),
        "declaration": facts.declaration,
    }


def _read(path: Path) -> Mapping[str, Any]:
    try:
        known = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, orjson.JSONDecodeError) as error:
        log.warning("catalogue.memory.unreadable", path=str(path), error=str(error))
        return {}
    return known if isinstance(known, dict) else {}


def _write(path: Path, memory: Mapping[str, Any]) -> None:
    beside = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(orjson.dumps(memory, option=orjson.OPT_INDENT_2))
        beside.replace(path)
    except OSError as error:
        # It is told again in the next look; until then a restart forgets when datasets were declared.
        log.warning("catalogue.memory.not-written", path=str(path), error=str(error))
