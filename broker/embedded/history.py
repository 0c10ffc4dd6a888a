# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How changes become history: instances of attributes, each with its place in time.

Whatever changes the current state is recorded in the transaction that changes it, with three
statements for a batch of any size. An instance is known by its entity, attribute, datasetId,
observedAt and content: what is delivered twice is in history once. An attribute without
observedAt that is written again as it was adds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import asyncpg
import orjson

from broker.embedded.vocabulary import NULL, RESERVED_MEMBERS, VALUE_MEMBER
from models.errors import VolmeError
from store.sql import queries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from broker.embedded.entities import Attributes, Instance
    from broker.embedded.merging import Changes, Stored
    from store.postgres import Connection, Pool

SQL = queries("broker.embedded", "temporal.sql")
SCOPE = "scope"
WRITTEN, OBSERVED, DELETED = range(3)

Name: TypeAlias = tuple[str, str]
"""An attribute's IRI and a datasetId; the default instance's is empty."""

_APART = frozenset({"observedAt", "datasetId", "createdAt", "modifiedAt", "instanceId", "deletedAt"})
_MAX_NAMES = 50_000  # kept in memory


class Row(NamedTuple):
    """One instance, as it is stored; a tuple, since every reading makes several.

    Attributes:
        origin: WRITTEN without a time, OBSERVED, or DELETED.
        at: its observedAt; without one, the moment it was written.
        doc: its members as JSON, without those that have columns of their own.
    """

    name: Name
    origin: int
    at: str
    digest: int
    created_at: str
    doc: bytes


class Before(NamedTuple):
    """What is compared with, of an entity that is about to change."""

    types: list[str]
    scopes: list[str] | None
    attributes: Attributes


class Entry(NamedTuple):
    """What one step adds to the history of one entity.

    Attributes:
        news: whether its types, its scopes or the names of its attributes are new.
        later: whether each instance is later than the one in whose place it comes, so that it cannot be in
            history already, unless that went back in time before.
    """

    entity: Stored
    news: bool
    later: bool
    rows: list[Row]


class UnpreparedError(VolmeError):
    """Names have no number yet, or moments no partition; a transaction of its own has to make them."""

    def __init__(self, *, names: Collection[Name] = (), moments: Collection[datetime] = ()) -> None:
        super().__init__("history is not prepared for what is to be written")
        self.names = names
        self.moments = moments


def before_of(stored: Stored | None) -> Before | None:
    """Keep what an entity is before a step; steps replace lists, they do not change them."""
    if stored is None:
        return None
    return Before(stored.types, stored.scopes, stored.attributes.copy())


def entry_of(before: Before | None, after: Stored, changes: Changes, moment: datetime) -> Entry:
    """Return what a step adds to history."""
    known: Mapping[str, list[Instance]] = {} if before is None else before.attributes
    rows: list[Row] = []
    news = before is None or before.types != after.types or before.scopes != after.scopes
    later = True
    now = after.attributes
    for iri in dict.fromkeys((*changes.created, *changes.updated, *changes.deleted)):
        old, new = known.get(iri, ()), now.get(iri, ())
        if len(old) == len(new) == 1:
            was, is_ = old[0], new[0]
            if was.get("datasetId") == is_.get("datasetId"):
                if was is not is_ and not _unchanged(was, is_):
                    rows.append(row_of(iri, is_, moment))
                    later = later and _later(was, is_)
                continue
        datasets = {instance.get("datasetId"): instance for instance in old}
        for instance in new:
            same = datasets.pop(instance.get("datasetId"), None)
            if same is None:
                news = True
                later = later and before is None
            elif same is instance or _unchanged(same, instance):
                continue
            else:
                later = later and _later(same, instance)
            rows.append(row_of(iri, instance, moment))
        rows += [_deletion(iri, instance, moment) for instance in datasets.values()]
    scopes_before = None if before is None else before.scopes
    if (after.scopes or None) != (scopes_before or None):
        rows.append(scope_row(after.scopes, moment))
    return Entry(after, news, later, rows)


def deletion_of(entity: Stored, moment: datetime) -> Entry:
    """Return what the deletion of an entity adds to its history."""
    rows = [
        _deletion(iri, instance, moment)
        for iri, instances in entity.attributes.items()
        for instance in instances
    ]
    return Entry(entity=entity, news=False, later=True, rows=rows)


def row_of(iri: str, instance: Instance, moment: datetime) -> Row:
    """Return an instance as it is stored; its own createdAt and modifiedAt are kept if it has any."""
    doc, digest = content(instance)
    observed_at = instance.get("observedAt")
    at = _text(moment) if observed_at is None else _within_calendar(observed_at)
    created_at = instance.get("createdAt") or _text(moment)
    name = iri, instance.get("datasetId", "")
    return Row(name, WRITTEN if observed_at is None else OBSERVED, at, digest, created_at, doc)


def scope_row(scopes: Sequence[str] | None, moment: datetime) -> Row:
    """Return what the scope has become; empty where it was deleted (clause 4.18)."""
    doc, digest = content({"type": "Property", "value": list(scopes or ())})
    return Row(
        name=(SCOPE, ""),
        origin=OBSERVED if scopes else DELETED,  # its observedAt is its modifiedAt (clause 4.5.6)
        at=moment.isoformat(),
        digest=digest,
        created_at=moment.isoformat(),
        doc=doc,
    )


def content(instance: Mapping[str, Any]) -> tuple[bytes, int]:
    """Return an instance's JSON without times and datasetId, and the 64 bits that stand for it."""
    kept = dict(instance)
    for member in _APART:
        kept.pop(member, None)
    if not RESERVED_MEMBERS.issuperset(kept):
        kept = {member: bare(value) if ":" in member else value for member, value in kept.items()}
    raw = orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)
    return raw, int.from_bytes(blake2b(raw, digest_size=8).digest(), "big", signed=True)


@lru_cache(maxsize=16)
def _text(moment: datetime) -> str:
    return moment.isoformat()


def instant(text: str) -> datetime:
    """Return the moment that an RFC 3339 text names, as far as a microsecond goes."""
    try:
        return datetime.fromisoformat(text.replace(",", ".")).astimezone(UTC)
    except OverflowError:  # the first or the last hours of the calendar, in another zone
        return datetime.fromisoformat(text.replace(",", ".")).replace(tzinfo=UTC)


def _within_calendar(text: str) -> str:
    """Return a moment as PostgreSQL reads it, which knows other zones and other years than Python."""
    if text[-1] == "Z" and "0001" < text[:4] < "9999":
        return text.replace(",", ".") if "," in text else text
    return instant(text).isoformat()


class History:
    """Writes instances.

    Args:
        pool: connections to the broker's database.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._numbers: dict[Name, int] = {}

    async def record(
        self,
        connection: Connection,
        tenant: str,
        entries: Sequence[Entry],
        moment: datetime,
        *,
        careful: bool = True,
    ) -> None:
        """Write what a transaction's changes, made at a moment, add to history.

        Args:
            connection: within the transaction.
            tenant: whose entities have changed.
            entries: what each step adds.
            moment: when it is written.
            careful: whether instances that seem to be new may be there already.

        Raises:
            UnpreparedError: call `prepare` with it, and do the transaction again.
            asyncpg.UniqueViolationError: some are; do the transaction again, and be careful.
        """
        merged = _Merged(entries)
        if not merged.entities:
            return
        numbers = await self.known(connection, tenant, list(merged.entities))
        stale = [key for key in merged.entities if key in merged.news or key not in numbers]
        if stale:
            names = {key: _names_of(merged.entities[key], merged.rows[key]) for key in stale}
            numbered = self.numbered({name for each in names.values() for name in each})
            stored = [merged.entities[key] for key in stale]
            numbers |= await register(
                connection,
                tenant,
                [
                    Registration(entity=entity, names=[numbered[name] for name in names[entity.id]])
                    for entity in stored
                ],
                current=True,
            )
        await self.insert(
            connection,
            [(numbers[key], row) for key, rows in merged.rows.items() for row in rows],
            moment,
            careful=careful or not all(entry.later for entry in entries),
        )

    async def delete(
        self, connection: Connection, tenant: str, gone: Sequence[Stored], moment: datetime
    ) -> None:
        """Write that entities were deleted.

        Raises:
            UnpreparedError: call `prepare` with it, and do the transaction again.
        """
        await self.record(connection, tenant, [deletion_of(entity, moment) for entity in gone], moment)
        await connection.execute(SQL["mark_deleted"], tenant, [entity.id for entity in gone], moment)

    async def known(self, connection: Connection, tenant: str, ids: Sequence[str]) -> dict[str, int]:
        """Return the numbers of those entities that have a history."""
        rows = await connection.fetch(SQL["known"], tenant, ids)
        return {row["id"]: row["number"] for row in rows}

    async def insert(
        self,
        connection: Connection,
        rows: Sequence[tuple[int, Row]],
        moment: datetime,
        *,
        careful: bool = True,
    ) -> None:
        """Add instances, each with its entity's number; `moment` is when they are written.

        Raises:
            UnpreparedError: call `prepare` with it, and do the transaction again.
            asyncpg.UniqueViolationError: some are there already, which `careful` leaves as they are.
        """
        if not rows:
            return
        numbered = self.numbered({row.name for _, row in rows})
        listed = [
            (entity, numbered[name], origin, at, digest, created_at, orjson.Fragment(doc))
            for entity, (name, origin, at, digest, created_at, doc) in rows
        ]
        try:
            name = "record" if careful else "record_new"
            await connection.execute(SQL[name], orjson.dumps(listed).decode(), moment)
        except asyncpg.CheckViolationError as error:
            raise UnpreparedError(moments={instant(row.at) for _, row in rows}) from error

    def numbered(self, names: Collection[Name]) -> dict[Name, int]:
        """Return the names' numbers.

        Raises:
            UnpreparedError: some have none yet.
        """
        missing = [name for name in names if name not in self._numbers]
        if missing:
            raise UnpreparedError(names=list(names))
        return {name: self._numbers[name] for name in names}

    async def prepare(self, wanted: UnpreparedError) -> None:
        """Number names and make partitions, each for good, whatever becomes of the transaction."""
        for month in {(moment.year, moment.month): moment for moment in wanted.moments}.values():
            await self._pool.execute(SQL["add_month"], month)
        names = list(wanted.names)
        if not names:
            return
        attributes, datasets = [name[0] for name in names], [name[1] for name in names]
        await self._pool.execute(SQL["add_names"], attributes, datasets)
        rows = await self._pool.fetch(SQL["find_names"], attributes, datasets)
        if len(self._numbers) + len(rows) > _MAX_NAMES:
            self._numbers.clear()
        self._numbers |= {(row["attribute"], row["dataset"]): row["number"] for row in rows}


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """What is to be known of an entity that has a history."""

    entity: Stored
    names: list[int]


async def register(
    connection: Connection, tenant: str, given: Sequence[Registration], *, current: bool
) -> dict[str, int]:
    """Write what is known of entities and return their numbers.

    Args:
        connection: within a transaction.
        tenant: whose they are.
        given: the entities, each once.
        current: whether their types and scopes are now what is given, or are only added to.
    """
    rows = await connection.fetch(
        SQL["register"],
        tenant,
        [each.entity.id for each in given],
        [orjson.dumps(each.entity.types).decode() for each in given],
        [orjson.dumps(each.entity.scopes).decode() if each.entity.scopes else None for each in given],
        [orjson.dumps(each.names).decode() for each in given],
        [each.entity.created_at for each in given],
        [each.entity.modified_at for each in given],
        current,
    )
    return {row["id"]: row["number"] for row in rows}


@dataclass(slots=True)
class _Merged:
    """Entries by entity, in the order of the ids, as every writer has them."""

    entries: Sequence[Entry]
    entities: dict[str, Stored] = field(default_factory=dict)
    news: set[str] = field(default_factory=set)
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for entry in sorted(self.entries, key=lambda entry: entry.entity.id):
            if not entry.rows and not entry.news:
                continue
            key = entry.entity.id
            self.entities[key] = entry.entity
            self.rows.setdefault(key, []).extend(entry.rows)
            if entry.news:
                self.news.add(key)


def _names_of(entity: Stored, rows: Iterable[Row]) -> set[Name]:
    """Return the names of all that an entity has, and of what it had."""
    names = {
        (iri, instance.get("datasetId", ""))
        for iri, instances in entity.attributes.items()
        for instance in instances
    }
    return names.union(row.name for row in rows)


def _unchanged(before: Instance, after: Instance) -> bool:
    """Say whether an instance was written again as it was; of a sensor's, its time tells at once."""
    if before.get("observedAt") != after.get("observedAt") or len(before) != len(after):
        return False
    for member, value in after.items():
        other = before.get(member)
        if member in _APART or (other == value and type(other) is type(value)):
            continue
        return content(before) == content(after)  # attributes of it have times of their own
    return True


def _later(before: Instance, after: Instance) -> bool:
    """Say whether an instance's time is after that of the one before, as far as the texts tell (UTC)."""
    at = after.get("observedAt")
    return at is None or at > before.get("observedAt", "")


def _deletion(iri: str, instance: Instance, moment: datetime) -> Row:
    kind = instance["type"]
    null: Any = {"@none": NULL} if kind == "LanguageProperty" else NULL
    doc, digest = content({"type": kind, VALUE_MEMBER[kind]: null})
    return Row(
        name=(iri, instance.get("datasetId", "")),
        origin=DELETED,
        at=moment.isoformat(),
        digest=digest,
        created_at=instance["createdAt"],
        doc=doc,
    )


def bare(nested: list[Instance]) -> list[Instance]:
    """Return instances, and those of their own attributes, without what the broker wrote into them."""
    return [
        {
            member: value if member in RESERVED_MEMBERS else bare(value)
            for member, value in instance.items()
            if member not in {"createdAt", "modifiedAt"}
        }
        for instance in nested
    ]
