# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Entities in PostgreSQL. Whoever calls these functions sees no SQL."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson

from broker.embedded.filters import IS_POINT, Filter, Parameters, box_sql, condition, near_sql
from broker.embedded.geo import extent
from broker.embedded.lifetimes import due_at
from broker.embedded.lookups import Lookups
from broker.embedded.merging import Stored
from broker.embedded.ordering import distance, distance_sql, key_sql, order_sql, values_sql, without_icu
from broker.embedded.problems import (
    BadRequestDataError,
    NonexistentTenantError,
    TooComplexQueryError,
)
from broker.embedded.unread import Unread
from store.sql import queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from datetime import datetime

    from broker.embedded.entities import Attributes
    from broker.embedded.geo import GeoQuery
    from broker.embedded.ordering import Collation, Order, OrderKey
    from broker.embedded.value_indexes import ValueIndexes
    from store.postgres import Connection, Pool

SQL = queries("broker.embedded")

_QUERY_SECONDS = 20.0
_IN_THREAD = 200
_CHUNK = 200  # entities whose places are decided together
_DENSE = 2_000  # places in a search box, from which on it takes less time to go through the entities in order
_COLUMNS = "e.id, e.types, e.scopes, e.doc, e.created_at, e.modified_at, e.expires_at"
_ALIVE = "(e.expires_at IS NULL OR e.expires_at > now())"  # clause 4.22


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A part of a query's answer.

    Attributes:
        total: how many there are in all; None if nobody asked.
        more: whether there are any after this page.
    """

    entities: list[Stored]
    total: int | None
    more: bool


async def subscriptions_version(connection: Connection, tenant: str, *, create: bool) -> int:
    """Return the version of a tenant's subscriptions.

    Raises:
        NonexistentTenantError: there is no such tenant, and it was not to be created.
    """
    version = await connection.fetchval(SQL["find_tenant"], tenant)
    if version is None and create:
        await connection.execute(SQL["add_tenant"], tenant)
        version = await connection.fetchval(SQL["find_tenant"], tenant)
    if version is None:
        raise NonexistentTenantError(detail=f"nothing was ever written for the tenant {tenant!r}")
    return int(version)


async def lock(connection: Connection, tenant: str, ids: Iterable[str]) -> dict[str, Stored]:
    """Read entities and keep others from writing them until the transaction ends."""
    rows = await connection.fetch(SQL["lock_entities"], tenant, list(ids))
    return {row["id"]: _stored(row) for row in rows}


async def insert(connection: Connection, tenant: str, entities: Sequence[Stored]) -> set[str]:
    """Add entities and return the ids of those that were not there."""
    rows = await connection.fetch(SQL["insert_entities"], tenant, *_columns(entities))
    return {row["id"] for row in rows}


async def overwrite(connection: Connection, tenant: str, entities: Sequence[Stored]) -> None:
    """Write entities that are there and locked."""
    await connection.execute(SQL["update_entities"], tenant, *_columns(entities))


async def refresh(connection: Connection, tenant: str, entities: Sequence[Stored], moment: datetime) -> None:
    """Write entities that are there and locked, of which nothing has changed but attributes, all at a moment.

    It is what sensors do all day long, and takes half of what `overwrite` does.
    """
    docs = [_json(entity.attributes) for entity in entities]
    await connection.execute(
        SQL["refresh_entities"],
        tenant,
        [entity.id for entity in entities],
        docs,
        list(map(_due_at, entities, docs)),
        moment,
    )


async def delete(connection: Connection, tenant: str, ids: Iterable[str]) -> set[str]:
    """Remove entities and return the ids of those that were there."""
    rows = await connection.fetch(SQL["delete_entities"], tenant, list(ids))
    return {row["id"] for row in rows}


async def matching(
    connection: Connection, tenant: str, ids: Sequence[str], which: Sequence[Filter]
) -> list[set[str]]:
    """Say of each filter which of the entities it selects; geographical parts are left out."""
    found = []
    for each in which:
        parameters = Parameters(tenant, list(ids))
        where = condition(each, parameters)
        statement = f"SELECT e.id FROM ngsild.entities AS e WHERE e.tenant = $1 AND e.id = ANY($2::text[]) AND {where}"  # noqa: S608, E501 - `condition` writes SQL of its own alone
        rows = await connection.fetch(statement, *parameters.values)
        found.append({row["id"] for row in rows})
    return found


class EntityReader:
    """Reads entities.

    Args:
        pool: connections to the broker's database.
        indexes: are told how long queries take.
    """

    def __init__(self, pool: Pool, indexes: ValueIndexes | None = None) -> None:
        self._pool = pool
        self._indexes = indexes
        self._tenants: set[str] = {""}
        self._lookups = Lookups(pool.acquire, _by_ids)

    async def check_tenant(self, tenant: str) -> None:
        """See that a tenant exists; the default one, whose name is empty, always does.

        Raises:
            NonexistentTenantError: it does not.
        """
        if tenant in self._tenants:
            return
        async with self._pool.acquire() as connection:
            await subscriptions_version(connection, tenant, create=False)
        self._tenants.add(tenant)

    async def get(self, tenant: str, entity_id: str) -> Stored | None:
        """Read one entity, which is not to be changed."""
        return await self._lookups.get(tenant, entity_id)

    async def get_many(self, tenant: str, ids: Iterable[str]) -> list[Stored]:
        """Read those of some entities that there are, in the order of their ids."""
        async with self._pool.acquire() as connection:
            return await _by_ids(connection, tenant, ids)

    async def types_of(self, tenant: str, entity_id: str) -> list[str]:
        """Return an entity's types; none if there is no such entity."""
        return await self._pool.fetchval(SQL["types_of"], tenant, entity_id) or []

    async def query(
        self, tenant: str, which: Filter, *, limit: int, offset: int, count: bool, order: Order | None = None
    ) -> Page:
        """Read a page of the entities that a filter selects, in the order of their ids or another.

        Raises:
            BadRequestDataError: a pattern is no regular expression, or there is no such collation.
            TooComplexQueryError: the answer took too long.
        """
        if which.geo is not None or (order is not None and order.by_distance):
            if which.geo is not None and order is None and not count:
                return await self._first(tenant, which, which.geo, limit=limit, offset=offset)
            ids = await self._decided(tenant, which, order)
            found = {each.id: each for each in await self.get_many(tenant, ids[offset : offset + limit])}
            entities = [found[key] for key in ids[offset : offset + limit] if key in found]
            more = limit > 0 and len(ids) > offset + limit
            return Page(entities=entities, total=len(ids) if count else None, more=more)
        parameters = Parameters(tenant)
        where = f"{_ALIVE} AND {condition(which, parameters)}"
        total = None
        made = 0 if self._indexes is None else self._indexes.number
        async with answered(self._pool) as connection, self._noted(which):
            if count:
                statement = f"SELECT count(*) FROM ngsild.entities AS e WHERE e.tenant = $1 AND {where}"  # noqa: S608 - `condition` writes SQL of its own alone
                total = await connection.fetchval(statement, *parameters.values, timeout=_QUERY_SECONDS)
            if limit == 0:
                return Page(entities=[], total=total, more=False)
            values, sorting = "", "e.id"
            if order is not None:
                values = values_sql(order, parameters)
                sorting = order_sql(order, await collation_of(connection, order))
            window = f"LIMIT {parameters.add(limit + 1)} OFFSET {parameters.add(offset)}"
            statement = f"SELECT {_COLUMNS} FROM ngsild.entities AS e{values} WHERE e.tenant = $1 AND {where} ORDER BY {sorting} {window} /* {made} */"  # noqa: S608, E501 - as above
            rows = await connection.fetch(statement, *parameters.values, timeout=_QUERY_SECONDS)
        return Page(entities=[Unread(row) for row in rows[:limit]], total=total, more=len(rows) > limit)

    @asynccontextmanager
    async def _noted(self, which: Filter) -> AsyncIterator[None]:
        """Have noted how long it takes what is done meanwhile, also where it takes too long."""
        began = time.monotonic()
        try:
            yield
        finally:
            if which.q is not None and self._indexes is not None:
                self._indexes.note(which.q, time.monotonic() - began)

    async def ids(self, tenant: str, which: Filter) -> list[str]:
        """Return the ids of all the entities that a filter selects, in order.

        Raises:
            BadRequestDataError: a pattern is no regular expression.
            TooComplexQueryError: the answer took too long.
        """
        return await self._decided(tenant, which, None)

    async def _decided(self, tenant: str, which: Filter, order: Order | None) -> list[str]:
        """Let SQL find what may match by its box, decide exactly here, and sort by distance."""
        parameters = Parameters(tenant)
        where, sure = _places(which, parameters)
        instances = _instances(which, sure, parameters)
        geo = which.geo
        async with answered(self._pool) as connection:
            ranks = values = ""
            if order is not None:
                values = values_sql(order, parameters)
                collation = await collation_of(connection, order)
                for number, key in enumerate(order.keys):
                    ranks += f", {_rank(number, key, collation)} AS rank{number}"
                    if key.by_distance:
                        metres, place = distance_sql(key, order, parameters)
                        ranks += f", {metres} AS metres{number}, {place} AS place{number}"
            statement = f"SELECT e.id, {instances}{ranks} FROM ngsild.entities AS e{values} WHERE e.tenant = $1 AND {where} ORDER BY e.id"  # noqa: S608, E501 - as above
            rows = await connection.fetch(statement, *parameters.values, timeout=_QUERY_SECONDS)

        def decide() -> list[str]:
            kept = [row for row in rows if geo is None or _lies(row, geo)]
            if order is not None:
                kept.sort(key=lambda row: _place(row, order))
            return [row["id"] for row in kept]

        return decide() if len(rows) < _IN_THREAD else await asyncio.to_thread(decide)

    async def _first(self, tenant: str, which: Filter, geo: GeoQuery, *, limit: int, offset: int) -> Page:
        """Read a page of what a geographical query selects, without reading all of it."""
        found: list[Stored] = []
        last, before = "", offset
        async with answered(self._pool) as connection:
            parameters = Parameters()
            inside = box_sql(geo, parameters)
            probe = (
                f"SELECT count(*) FROM (SELECT FROM ngsild.entities AS e WHERE {inside} LIMIT {_DENSE}) AS n"  # noqa: S608 - SQL of our own alone
            )
            dense = await connection.fetchval(probe, *parameters.values, timeout=_QUERY_SECONDS) == _DENSE
            parameters = Parameters(tenant)
            where, sure = _places(replace(which, dense=dense), parameters)
            source = "ngsild.entities"
            if not dense:
                # found by place alone, whatever PostgreSQL makes of a box that it does not know when it
                # plans: OFFSET 0 keeps the other conditions out
                source = f"(SELECT * FROM ngsild.entities AS e WHERE {box_sql(geo, parameters)} OFFSET 0)"  # noqa: S608 - as above
            size = offset + limit + 1 if sure else max(_CHUNK, offset + limit + 1)
            size = min(size, _DENSE)
            after = parameters.add(None)
            statement = f"SELECT {_COLUMNS}, {sure or 'false'} AS sure FROM {source} AS e WHERE e.tenant = $1 AND e.id > {after}::text AND {where} ORDER BY e.id LIMIT {parameters.add(size)}"  # noqa: S608, E501 - as above
            while True:
                values = [last if value is None else value for value in parameters.values]
                rows = await connection.fetch(statement, *values, timeout=_QUERY_SECONDS)
                for row in rows:
                    if row["sure"] and before:
                        before -= 1
                        continue
                    entity = Unread(row)
                    if not (row["sure"] or geo.matches(entity.attributes.get(geo.attribute, []))):
                        continue
                    if before:
                        before -= 1
                        continue
                    found.append(entity)
                    if len(found) > limit:
                        return Page(entities=found[:limit], total=None, more=limit > 0)
                if len(rows) < size:
                    return Page(entities=found, total=None, more=False)
                last = rows[-1]["id"]

    async def check_pattern(self, pattern: str) -> None:
        """See that PostgreSQL takes a regular expression.

        Raises:
            BadRequestDataError: it does not.
        """
        async with answered(self._pool) as connection:
            await connection.fetchval(SQL["try_pattern"], pattern)

    async def rows(self, name: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run a named statement that reads."""
        async with answered(self._pool) as connection:
            return await connection.fetch(SQL[name], *arguments, timeout=_QUERY_SECONDS)


async def _by_ids(connection: Connection, tenant: str, ids: Iterable[str]) -> list[Stored]:
    rows = await connection.fetch(SQL["read_entities"], tenant, list(ids))
    return [Unread(row) for row in rows]


def _places(which: Filter, parameters: Parameters) -> tuple[str, str | None]:
    """Return the condition that a filter amounts to, and what says whether it decides of a place.

    None: it decides of none that `geo` asks for, only of the boxes around them.
    """
    where = f"{_ALIVE} AND {condition(which, parameters)}"
    near = near_sql(which.geo, parameters)
    if near is None:
        return where, None
    return f"{where} AND (e.extent IS NOT NULL AND (NOT {IS_POINT} OR {near}))", IS_POINT


def _instances(which: Filter, sure: str | None, parameters: Parameters) -> str:
    """Return two columns: whether it is decided that an entity lies as asked, and what to decide it by."""
    if which.geo is None:
        return "true AS sure, NULL AS instances"
    attribute = f"e.doc -> {parameters.add(which.geo.attribute)}::text"
    if sure is None:
        return f"false AS sure, {attribute} AS instances"
    return f"{sure} AS sure, CASE WHEN NOT {sure} THEN {attribute} END AS instances"


def _lies(row: asyncpg.Record, geo: GeoQuery) -> bool:
    return row["sure"] or geo.matches(orjson.loads(row["instances"] or "[]"))


def _rank(number: int, key: OrderKey, collation: Collation) -> str:
    """Return the number that an entity is sorted by."""
    return f"dense_rank() OVER (ORDER BY {', '.join(key_sql(number, key, collation))})"


def _place(row: asyncpg.Record, order: Order) -> tuple[Any, ...]:
    """Return where an entity stands; after the places that are measured to come other values (4.23.2)."""
    place: list[Any] = []
    for number, key in enumerate(order.keys):
        rank = row[f"rank{number}"]
        if key.by_distance and order.reference is not None:
            metres = row[f"metres{number}"]
            if metres is None:
                metres = distance(row[f"place{number}"], order.reference)
            rank = (1, rank) if metres is None else (0, -metres if key.descending else metres)
        place.append(rank)
    return (*place, row["id"])


async def collation_of(connection: Connection, order: Order) -> Collation:
    """Return how texts are ordered: by a collation of PostgreSQL's, or what stands in where it lacks ICU.

    Raises:
        BadRequestDataError: there is no such collation (clause 5.7.2.4).
    """
    name = await connection.fetchval(SQL["collation"], order.collation)  # as PostgreSQL itself quotes it
    found = without_icu(order.collation) if name is None else (f"{{}} COLLATE {name}",)
    if found is None:
        raise BadRequestDataError(detail=f"the broker's database has no collation {order.collation}")
    return found


@asynccontextmanager
async def answered(pool: Pool) -> AsyncIterator[Connection]:
    """Lend a connection, and turn what PostgreSQL refuses of a query into a client's error.

    Raises:
        BadRequestDataError: a pattern is no regular expression, or a value is none it can hold.
        TooComplexQueryError: the answer took too long.
    """
    try:
        async with pool.acquire() as connection:
            yield connection
    except asyncpg.InvalidRegularExpressionError as error:
        raise BadRequestDataError(detail=f"a pattern is wrong: {error}") from error
    except (asyncpg.DataError, OverflowError) as error:
        raise BadRequestDataError(detail=f"a value in the query cannot be compared with: {error}") from error
    except (asyncpg.QueryCanceledError, asyncpg.ProgramLimitExceededError, TimeoutError) as error:
        raise TooComplexQueryError(detail="the query takes too long; name types or fewer terms") from error


def _columns(entities: Sequence[Stored]) -> tuple[list[Any], ...]:
    """Return entities as one list a column, sorted by id, as insert and update take them."""
    ordered = sorted(entities, key=lambda entity: entity.id)
    extents = [extent(entity.attributes) or (None, None, None, None) for entity in ordered]
    docs = [_json(entity.attributes) for entity in ordered]
    return (
        [entity.id for entity in ordered],
        [_json(entity.types) for entity in ordered],
        [_json(entity.scopes) if entity.scopes else None for entity in ordered],
        docs,
        *([box[side] for box in extents] for side in range(4)),
        [entity.created_at for entity in ordered],
        [entity.modified_at for entity in ordered],
        [entity.expires_at for entity in ordered],
        list(map(_due_at, ordered, docs)),
    )


def _due_at(entity: Stored, doc: str) -> datetime | None:
    """Return when something of an entity expires, which its document has to say."""
    return None if entity.expires_at is None and '"expiresAt"' not in doc else due_at(entity)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _stored(row: asyncpg.Record) -> Stored:
    attributes: Attributes = orjson.loads(row["doc"])
    return Stored(
        id=row["id"],
        types=row["types"],
        scopes=row["scopes"],
        attributes=attributes,
        created_at=row["created_at"],
        modified_at=row["modified_at"],
        expires_at=row["expires_at"],
    )
