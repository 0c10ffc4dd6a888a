# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Reading history. Whoever calls these functions sees no SQL.

Every statement reads a bounded number of instances: of each attribute no more than an answer may
have, by the index that has them in the order of time.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from broker.embedded.filters import Filter, Parameters, condition, scopes_sql
from broker.embedded.history import SCOPE, SQL
from broker.embedded.ordering import order_sql, values_sql
from broker.embedded.problems import TooComplexQueryError
from broker.embedded.query import paths_of
from broker.embedded.store import answered, collation_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Sequence
    from datetime import datetime

    import asyncpg

    from broker.embedded.geo import GeoQuery
    from broker.embedded.history import Name
    from broker.embedded.ordering import Order
    from broker.embedded.query import Path
    from broker.embedded.scopes import ScopeQuery
    from broker.embedded.temporal_query import Window
    from store.postgres import Connection, Pool

_SECONDS = 20.0
_IN_THREAD = 200
_TIES = 20  # how many times the most instances an answer may have if they are all of one moment
_COLUMNS = """
    e.number, e.id, e.types, e.scopes, e.names, e.created_at, e.deleted_at,
    GREATEST(e.modified_at, (
        SELECT s.modified_at FROM ngsild.entities AS s WHERE s.tenant = $1 AND s.id = e.id
    )) AS modified_at
"""
_TEXT = """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
# members of an instance that have columns of their own, for those queries that ask about them
_ASKED_MEMBERS = {
    "datasetId": "CASE WHEN m.dataset = '' THEN '{}' ELSE jsonb_build_object('datasetId', m.dataset) END",
    "observedAt": "CASE WHEN i.observed THEN jsonb_build_object('observedAt', "
    + _TEXT.format("i.at")
    + ") ELSE '{}' END",
    "createdAt": f"jsonb_build_object('createdAt', {_TEXT.format('i.created_at')})",
    "modifiedAt": f"jsonb_build_object('modifiedAt', {_TEXT.format('i.modified_at')})",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What is known of an entity that has a history.

    Attributes:
        names: numbers of the attributes that ever were in it.
        deleted_at: since when there is no such entity; None: there is, or never was.
    """

    number: int
    id: str
    types: list[str]
    scopes: list[str] | None
    names: list[int]
    created_at: datetime
    modified_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which attributes are read.

    Attributes:
        only: their numbers; None: all.
        without: numbers of those that are not.
    """

    only: frozenset[int] | None = None
    without: frozenset[int] = frozenset()

    def of(self, names: Iterable[int]) -> list[int]:
        """Return those of an entity's attributes that are selected."""
        return [
            name for name in names if (self.only is None or name in self.only) and name not in self.without
        ]

    @property
    def whole(self) -> bool:
        """Whether every attribute is selected."""
        return self.only is None and not self.without


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A page of entities.

    Attributes:
        total: how many there are in all; None if nobody asked.
        more: whether there are any after this page.
    """

    entities: list[Known]
    total: int | None
    more: bool


@asynccontextmanager
async def reading(pool: Pool) -> AsyncIterator[Connection]:
    """Lend a connection for queries of history.

    Over many partitions PostgreSQL takes longer to compile such a query than to answer it.

    Raises:
        BadRequestDataError: a pattern is no regular expression, or a value is none it can hold.
        TooComplexQueryError: the answer took too long.
    """
    async with answered(pool) as connection, connection.transaction():
        await connection.execute("SET LOCAL jit = off")
        yield connection


class HistoryReader:
    """Reads history.

    Args:
        pool: connections to the broker's database.
        most: the most instances that an answer has, whatever is asked for; 20 times as many where they
            are all of one moment, which no range of time tells apart.
    """

    def __init__(self, pool: Pool, most: int) -> None:
        self.pool = pool
        self._ties = most * _TIES

    async def entity(self, tenant: str, entity_id: str) -> Known | None:
        """Read what is known of one entity."""
        row = await self.pool.fetchrow(SQL["history_entity"], tenant, entity_id)
        return None if row is None else _known(row)

    async def selection(
        self,
        *,
        only: Collection[str] | None = None,
        without: Collection[str] = (),
        datasets: Collection[str] | None = None,
    ) -> Selection:
        """Return the numbers of attributes, by their IRIs and datasetIds."""
        chosen: frozenset[int] | None = None
        left_out: frozenset[int] = frozenset()
        if only is not None or datasets is not None:
            chosen = await self._numbers(only, datasets)
        if without:
            left_out = await self._numbers(without, None)
        return Selection(only=chosen, without=left_out)

    async def names(self, numbers: Collection[int]) -> dict[int, Name]:
        """Return attributes and datasetIds by number."""
        rows = await self.pool.fetch(SQL["names_of"], list(numbers))
        return {row["number"]: (row["attribute"], row["dataset"]) for row in rows}

    async def query(
        self,
        tenant: str,
        which: Filter,
        window: Window,
        selection: Selection,
        *,
        limit: int,
        offset: int,
        count: bool,
        order: Order | None = None,
    ) -> Found:
        """Read a page of the entities that a filter selects and that have an instance in the window.

        Raises:
            BadRequestDataError: a pattern is no regular expression, or there is no such collation.
            TooComplexQueryError: the answer took too long.
        """
        members = _members([] if which.q is None else paths_of(which.q))

        def instances(name: str) -> str:
            return _of_attribute("e", window, members, parameters, f"m.attribute = {name}::text")

        parameters = Parameters(tenant, instances=instances)
        where = f"{condition(which, parameters)} AND {_has_instance(window, selection, parameters)}"
        source = _source(which, window, parameters, order)
        if which.geo is not None:
            rows = await self._decided(which.geo, f"{source} WHERE {where}", order, parameters)
            return Found(
                entities=[_known(row) for row in rows[offset : offset + limit]],
                total=len(rows) if count else None,
                more=len(rows) > offset + limit,
            )
        total = None
        async with reading(self.pool) as connection:
            if count:
                statement = f"SELECT count(*) FROM {source} WHERE {where}"  # noqa: S608 - SQL of our own alone
                total = await connection.fetchval(statement, *parameters.values, timeout=_SECONDS)
            if limit == 0:
                return Found(entities=[], total=total, more=False)
            sorting = await _sorting(connection, order)
            page = f"LIMIT {parameters.add(limit + 1)} OFFSET {parameters.add(offset)}"
            statement = f"SELECT {_COLUMNS} FROM {source} WHERE {where} ORDER BY {sorting} {page}"  # noqa: S608 - as above
            rows = await connection.fetch(statement, *parameters.values, timeout=_SECONDS)
        return Found(entities=[_known(row) for row in rows[:limit]], total=total, more=len(rows) > limit)

    async def _decided(
        self, geo: GeoQuery, source: str, order: Order | None, parameters: Parameters
    ) -> list[asyncpg.Record]:
        """Decide outside SQL which entities lie as asked, at any time in the window."""
        attribute = parameters.add(geo.attribute)

        def decide(rows: list[asyncpg.Record]) -> list[asyncpg.Record]:
            return [row for row in rows if row["instances"] and geo.matched(orjson.loads(row["instances"]))]

        async with reading(self.pool) as connection:
            sorting = await _sorting(connection, order)
            statement = (
                f"SELECT {_COLUMNS}, e.doc -> {attribute}::text AS instances FROM {source} ORDER BY {sorting}"  # noqa: S608 - SQL of our own alone
            )
            rows = await connection.fetch(statement, *parameters.values, timeout=_SECONDS)
        return decide(rows) if len(rows) < _IN_THREAD else await asyncio.to_thread(decide, rows)

    async def instances(
        self, entities: Sequence[Known], window: Window, selection: Selection, *, most: int
    ) -> tuple[list[asyncpg.Record], bool]:
        """Read the entities' instances in the window, in the order of time, and say whether that is all.

        Whatever is left out is later than what is not (earlier, where the last ones are asked for),
        instances of one moment stay together, and a part that is not all has two moments at least.

        Raises:
            TooComplexQueryError: too many instances are of one moment, or the answer took too long.
        """
        async with reading(self.pool) as connection:
            statement, values = _instances(entities, window, selection, most + 1)
            rows = await connection.fetch(statement, *values, timeout=_SECONDS)
            if len(rows) <= most:
                return rows, True
            boundary = rows[most]["moment"]
            kept = [row for row in rows if row["moment"] != boundary]
            # what comes next begins with the moment that this ends with, so there have to be two of them
            if kept and kept[0]["moment"] != kept[-1]["moment"]:
                return kept, False
            # more instances of one moment than an answer should have: no range of time tells them apart
            statement, values = _instances(entities, window, selection, self._ties + 1)
            rows = await connection.fetch(statement, *values, timeout=_SECONDS)
        moments = list(dict.fromkeys(row["moment"] for row in rows))[:2]
        kept = [row for row in rows if row["moment"] in moments]
        if len(kept) > self._ties:
            raise TooComplexQueryError(detail="too many instances are of one moment; ask for fewer entities")
        return kept, len(kept) == len(rows)

    async def scopes_at_first(
        self, entities: Sequence[Known], window: Window, selection: Selection
    ) -> list[asyncpg.Record]:
        """Read the scopes that entities had been given before a window began, if those are asked for.

        They are shown beside those within it (annex C.5.16).
        """
        if window.scopes is None or window.begins is None or window.time != "observedAt":
            return []
        numbers = selection.of(await self._numbers([SCOPE], None))
        if not numbers:
            return []
        parameters = Parameters([entity.number for entity in entities], numbers, window.begins)
        matches = scopes_sql(window.scopes, "jsonb_array_elements_text(i.doc -> 'value')", parameters)
        statement = f"""
            SELECT i.* FROM (
                SELECT DISTINCT ON (i.entity) i.*, i.at AS moment FROM ngsild.history AS i
                WHERE i.entity = ANY($1::bigint[]) AND i.name = ANY($2::integer[]) AND i.at < $3::timestamptz
                ORDER BY i.entity, i.at DESC
            ) AS i WHERE NOT i.deleted AND {matches}
        """  # noqa: S608 - SQL of our own alone
        async with reading(self.pool) as connection:
            return list(await connection.fetch(statement, *parameters.values, timeout=_SECONDS))

    async def present(
        self, entities: Sequence[Known], window: Window, selection: Selection
    ) -> dict[int, dict[int, str]]:
        """Say which of the entities' attributes have an instance in the window, and of which type."""
        parameters = Parameters([entity.number for entity in entities])
        statement = f"""
            SELECT e.number AS entity, n.number AS name, i.kind
            FROM ngsild.history_entities AS e CROSS JOIN LATERAL unnest(e.names) AS n(number)
            CROSS JOIN LATERAL (
                SELECT i.doc ->> 'type' AS kind FROM ngsild.history AS i
                WHERE i.entity = e.number AND i.name = n.number AND {within(window, parameters)} LIMIT 1
            ) AS i
            WHERE e.number = ANY($1::bigint[]) AND {selected(selection, parameters)}
        """  # noqa: S608 - SQL of our own alone
        async with reading(self.pool) as connection:
            rows = await connection.fetch(statement, *parameters.values, timeout=_SECONDS)
        found: dict[int, dict[int, str]] = defaultdict(dict)
        for row in rows:
            found[row["entity"]][row["name"]] = row["kind"]
        return found

    async def _numbers(
        self, attributes: Collection[str] | None, datasets: Collection[str] | None
    ) -> frozenset[int]:
        rows = await self.pool.fetch(
            SQL["select_names"],
            None if attributes is None else list(attributes),
            None if datasets is None else list(datasets),
        )
        return frozenset(row["number"] for row in rows)


def _instances(
    entities: Sequence[Known], window: Window, selection: Selection, limit: int
) -> tuple[str, list[Any]]:
    """Return the statement that reads instances, with its parameters."""
    parameters = Parameters([entity.number for entity in entities])
    each = parameters.add(min(limit, window.last or limit))
    time, descending = time_of(window), "DESC" if window.last else "ASC"
    inner = f"""
        SELECT i.*, {time} AS moment FROM ngsild.history AS i
        WHERE i.entity = e.number AND i.name = n.number AND {within(window, parameters)}
        ORDER BY {time} {descending}, i.digest LIMIT {each}::bigint
    """  # noqa: S608 - SQL of our own alone
    statement = f"""
        SELECT i.entity, i.name, i.observed, i.deleted, i.at, i.digest, i.created_at, i.modified_at,
            i.instance_id, i.doc, i.moment
        FROM ngsild.history_entities AS e
        CROSS JOIN LATERAL unnest(e.names) AS n(number)
        CROSS JOIN LATERAL ({inner}) AS i
        WHERE e.number = ANY($1::bigint[]) AND {selected(selection, parameters)}
        ORDER BY i.moment {descending}, i.entity, i.name, i.digest
        LIMIT {parameters.add(limit)}::bigint
    """  # noqa: S608 - as above
    return statement, parameters.values


def time_of(window: Window) -> str:
    """Return the column of `ngsild.history AS i` that a window looks at."""
    return {"createdAt": "i.created_at", "modifiedAt": "i.modified_at"}.get(window.time, "i.at")


def within(window: Window, parameters: Parameters, *, timeless: bool = False) -> str:
    """Return the condition on `ngsild.history AS i` that a window amounts to.

    Args:
        window: the window.
        parameters: the statement's.
        timeless: whether an instance that has not the time in question is always within.
    """
    time = time_of(window)
    parts = ["i.deleted" if window.time == "deletedAt" else "NOT i.deleted"]
    if window.relation in {"after", "between"}:
        parts.append(f"{time} >= {parameters.add(window.at)}::timestamptz")
    if window.ends is not None:
        parts.append(f"{time} < {parameters.add(window.ends)}::timestamptz")
    if window.time == "observedAt" and (window.relation is not None or window.timeproperty is not None):
        parts.append("i.observed")
    if window.scopes is not None:
        parts.append(_had_scope(window.scopes, parameters))
    bounds = " AND ".join(parts)
    if timeless and window.time not in {"createdAt", "modifiedAt"}:  # which every instance has
        return f"({bounds} OR NOT (i.observed OR i.deleted))"
    return bounds


def _had_scope(scopes: ScopeQuery, parameters: Parameters) -> str:
    """Return the condition that the entity of `ngsild.history AS i` was within scopes at the time of i.

    A scope holds from the time it was set until another one is, or it is deleted (clause 4.18).
    """
    matches = scopes_sql(scopes, "jsonb_array_elements_text(was.doc -> 'value')", parameters)
    return f"""COALESCE((
        SELECT NOT was.deleted AND {matches} FROM ngsild.history AS was
        WHERE was.entity = i.entity AND was.at <= i.at AND was.name = (
            SELECT number FROM ngsild.history_names WHERE attribute = {parameters.add(SCOPE)} AND dataset = ''
        )
        ORDER BY was.at DESC LIMIT 1
    ), false)"""  # noqa: S608 - SQL of our own alone


def selected(selection: Selection, parameters: Parameters) -> str:
    """Return the condition on the number of an attribute, `n.number`, that a selection amounts to."""
    parts = ["true"]
    if selection.only is not None:
        parts.append(f"n.number = ANY({parameters.add(list(selection.only))}::integer[])")
    if selection.without:
        parts.append(f"n.number <> ALL({parameters.add(list(selection.without))}::integer[])")
    return " AND ".join(parts)


def _has_instance(window: Window, selection: Selection, parameters: Parameters) -> str:
    return f"""EXISTS (
        SELECT FROM unnest(e.names) AS n(number) CROSS JOIN LATERAL (
            SELECT FROM ngsild.history AS i
            WHERE i.entity = e.number AND i.name = n.number AND {within(window, parameters)} LIMIT 1
        ) AS i
        WHERE {selected(selection, parameters)}
    )"""  # noqa: S608 - SQL of our own alone


def _source(which: Filter, window: Window, parameters: Parameters, order: Order | None) -> str:
    """Return what stands for `ngsild.entities AS e` in a query of history.

    Its `doc` has every instance in the window of the attributes whose places are compared, or that
    decide the order, the newest first. Its `extent` is the world: places are compared one by one.
    """
    paths = [] if order is None else [key.path for key in order.keys if key.path is not None]
    asked = sorted({path.attributes[0] for path in paths} | _places_of(which))
    document, values = "NULL::jsonb", "" if order is None else values_sql(order, parameters)
    if asked:
        wanted = f"m.attribute = ANY({parameters.add(asked)}::text[])"
        found = _of_attribute("h", window, _members(paths), parameters, wanted)
        document = f"""(
            SELECT jsonb_object_agg(a.attribute, a.instances) FROM (
                SELECT i.attribute, jsonb_agg(i.node ORDER BY i.at DESC) AS instances
                FROM {found} AS i(node, attribute, at) GROUP BY i.attribute
            ) AS a
        )"""  # noqa: S608 - SQL of our own alone
    return f"""(
        SELECT h.*, NULL::timestamptz AS expires_at, d.doc, box(point(-180, -90), point(180, 90)) AS extent
        FROM ngsild.history_entities AS h CROSS JOIN LATERAL (SELECT {document} AS doc OFFSET 0) AS d
        WHERE h.tenant = $1
    ) AS e{values}"""  # noqa: S608 - as above


async def _sorting(connection: Connection, order: Order | None) -> str:
    """Return what comes after ORDER BY; an attribute stands for the last of its values in the window."""
    if order is None:
        return "e.id"
    return order_sql(order, await collation_of(connection, order))


def _of_attribute(
    entity: str, window: Window, members: Iterable[str], parameters: Parameters, wanted: str
) -> str:
    """Return the instances in the window of an attribute, so that a term holds if it held at some time.

    Attributes without observedAt count at any time.
    """
    instance = " || ".join(["i.doc", *(_ASKED_MEMBERS[member] for member in members)])
    return f"""(
        SELECT {instance} AS node, m.attribute, i.at
        FROM unnest({entity}.names) AS n(number) JOIN ngsild.history_names AS m ON m.number = n.number
        CROSS JOIN LATERAL (
            SELECT i.* FROM ngsild.history AS i
            WHERE i.entity = {entity}.number AND i.name = n.number
                AND {within(window, parameters, timeless=True)} OFFSET 0
        ) AS i
        WHERE {wanted}
    )"""  # noqa: S608 - SQL of our own alone


def _members(paths: Iterable[Path]) -> list[str]:
    """Return the members with columns of their own that paths lead to."""
    return sorted({path.member for path in paths if path.member in _ASKED_MEMBERS})


def _places_of(which: Filter) -> set[str]:
    return set() if which.geo is None else {which.geo.attribute}


def _known(row: asyncpg.Record) -> Known:
    members: dict[str, Any] = {name: row[name] for name in Known.__slots__}
    return Known(**members)
