# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Aggregates of history over periods, calculated where the history lies (CIM 009, clause 4.5.19)."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from broker.embedded.filters import Parameters
from broker.embedded.history_store import reading, selected, time_of, within
from broker.embedded.problems import TooComplexQueryError
from broker.embedded.temporal_query import later
from broker.embedded.vocabulary import NGSI_LD

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from broker.embedded.history_store import Known, Selection
    from broker.embedded.temporal_query import Aggregation, Window
    from store.postgres import Connection, Pool

_SECONDS = 20.0
_MAX_MONTHS = 12_000  # boundaries of periods whose length differs
# of the numbers, the sizes of arrays and the texts in a period (table 4.5.19.1-1), and of the targets of
# relationships (table 4.5.19.1-3); what a method cannot be applied to gives NULL
_METHODS = {
    "totalCount": "count(*)",
    "distinctCount": """CASE WHEN bool_and(s.kind LIKE '%Relationship') THEN (
            SELECT count(DISTINCT t.target)
            FROM jsonb_array_elements(jsonb_agg(s.value) FILTER (WHERE s.kind LIKE '%Relationship'))
                AS o(object)
            CROSS JOIN jsonb_array_elements(
                CASE jsonb_typeof(o.object) WHEN 'array' THEN o.object ELSE jsonb_build_array(o.object) END
            ) AS t(target)
        ) ELSE count(DISTINCT s.value) END""",
    "sum": "sum(s.number)",
    "avg": "avg(s.number)",
    "stddev": "stddev_pop(s.number) FILTER (WHERE NOT s.is_array)",
    "sumsq": "sum(s.number * s.number) FILTER (WHERE NOT s.is_array)",
    "min": "COALESCE(to_jsonb(min(s.number)), to_jsonb(min(s.content)))",
    "max": "COALESCE(to_jsonb(max(s.number)), to_jsonb(max(s.content)))",
}
_JSON = frozenset({"min", "max"})
# a value says its data type itself, or beside itself (clause 4.5.2.2)
_TYPE = "COALESCE(p.whole ->> '@type', i.doc ->> 'valueType')"
_IS_URI = f"COALESCE({_TYPE} IN ('URI', '{NGSI_LD}URI'), false)"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d([.,]\d{1,6})?Z"


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """What was calculated for one attribute over one period.

    Attributes:
        kind: the type of the attribute.
        values: by method; the text of a JSON value for min and max. A method that the values do
            not allow is left out.
    """

    entity: int
    name: int
    kind: str
    start: datetime
    end: datetime
    values: dict[str, Any]


async def aggregates(
    pool: Pool,
    entities: Sequence[Known],
    window: Window,
    selection: Selection,
    aggregation: Aggregation,
    *,
    most: int,
) -> tuple[list[Period], bool]:
    """Calculate, and say whether that is all; what is left out is later (earlier, with lastN).

    Raises:
        TooComplexQueryError: there are too many periods of months, or the answer took too long.
    """
    async with reading(pool) as connection:
        extremes = await _extremes(connection, entities, window, selection)
        if extremes is None:
            return [], True
        bounds = window.begins or extremes[0], window.ends or extremes[1]
        parameters = Parameters([entity.number for entity in entities])
        starts = _boundaries(bounds[0], extremes[1], aggregation) if aggregation.period.months else []
        start = _start(window, aggregation, starts or [bounds[0]], parameters)
        statement = _statement(window, selection, aggregation, start, parameters)
        limit = parameters.add(most + 1)
        rows = await connection.fetch(f"{statement} LIMIT {limit}", *parameters.values, timeout=_SECONDS)
    periods = [_period(row, _end(row["start"], bounds[1], starts, aggregation), aggregation) for row in rows]
    whole = len(periods) <= most
    if not whole:
        boundary = periods[most].start
        periods = [period for period in periods[:most] if period.start != boundary] or periods[:most]
    return (periods if window.last is None else _last(periods, window.last)), whole


async def _extremes(
    connection: Connection, entities: Sequence[Known], window: Window, selection: Selection
) -> tuple[datetime, datetime] | None:
    """Return when the first and the last instance are; None without any."""
    parameters = Parameters([entity.number for entity in entities])
    time = time_of(window)
    where = f"i.entity = e.number AND i.name = n.number AND {within(window, parameters)}"
    statement = f"""
        SELECT min(low.moment) AS first, max(high.moment) AS last
        FROM ngsild.history_entities AS e CROSS JOIN LATERAL unnest(e.names) AS n(number)
        CROSS JOIN LATERAL (
            SELECT {time} AS moment FROM ngsild.history AS i WHERE {where} ORDER BY {time} LIMIT 1
        ) AS low
        CROSS JOIN LATERAL (
            SELECT {time} AS moment FROM ngsild.history AS i WHERE {where} ORDER BY {time} DESC LIMIT 1
        ) AS high
        WHERE e.number = ANY($1::bigint[]) AND {selected(selection, parameters)}
    """  # noqa: S608 - SQL of our own alone
    row = await connection.fetchrow(statement, *parameters.values, timeout=_SECONDS)
    return None if row is None or row["first"] is None else (row["first"], row["last"])


def _statement(
    window: Window,
    selection: Selection,
    aggregation: Aggregation,
    start: str,
    parameters: Parameters,
) -> str:
    """Return the query for every period of every attribute; `start` is where an instance's begins."""
    calculated = ", ".join(f'{_METHODS[method]} AS "{method}"' for method in aggregation.methods)
    clock = "NULL::interval"
    if "avg" in aggregation.methods:  # that of times of day is one too (table 4.5.19.1-2)
        calculated += """, (time '00:00' + avg(s.clock))::text || 'Z' AS clock"""
        clock = f"""CASE WHEN {_TYPE} IN ('Time', '{NGSI_LD}Time')
                AND ngsild.as_text(v.value) ~ {parameters.add(f"^{_CLOCK}$")}
            THEN replace(rtrim(ngsild.as_text(v.value), 'Z'), ',', '.')::time::interval END"""
    descending = "" if window.last is None else "DESC"
    return f"""
        SELECT s.entity, s.name, s.start, max(s.kind) AS kind, {calculated}
        FROM (
            SELECT i.entity, i.name, {start} AS start, i.doc ->> 'type' AS kind, v.value,
                CASE i.doc ->> 'type' WHEN 'Property' THEN ngsild.as_number(v.value) END AS number,
                jsonb_typeof(v.value) = 'array' AS is_array, {clock} AS clock,
                CASE WHEN i.doc ->> 'type' = 'Property' AND NOT {_IS_URI} THEN ngsild.as_text(v.value) END
                    COLLATE "C" AS content
            FROM ngsild.history_entities AS e CROSS JOIN LATERAL unnest(e.names) AS n(number)
            JOIN ngsild.history AS i ON i.entity = e.number AND i.name = n.number
            CROSS JOIN LATERAL (SELECT ngsild.payload(i.doc) AS whole OFFSET 0) AS p
            CROSS JOIN LATERAL (SELECT COALESCE(p.whole -> '@value', p.whole) AS value OFFSET 0) AS v
            WHERE e.number = ANY($1::bigint[]) AND {selected(selection, parameters)}
                AND {within(window, parameters)}
        ) AS s
        GROUP BY s.entity, s.name, s.start
        ORDER BY s.start {descending}, s.entity, s.name
    """  # noqa: S608 - SQL of our own alone


def _start(
    window: Window, aggregation: Aggregation, starts: Sequence[datetime], parameters: Parameters
) -> str:
    """Return the beginning of the period that an instance falls into, as SQL."""
    time, period = time_of(window), aggregation.period
    if period.months:
        among = parameters.add(starts)
        return f"({among}::timestamptz[])[width_bucket({time}, {among}::timestamptz[])]"
    origin = f"{parameters.add(starts[0])}::timestamptz"
    return f"date_bin({parameters.add(period.rest)}::interval, {time}, {origin})" if period else origin


def _boundaries(start: datetime, last: datetime, aggregation: Aggregation) -> list[datetime]:
    """Return where each period of months begins, counted from the first so that no day is lost."""
    period = aggregation.period
    found = [start]
    while found[-1] <= last:
        if len(found) > _MAX_MONTHS:
            raise TooComplexQueryError(detail=f"the time asked for has more than {_MAX_MONTHS} such periods")
        count = len(found)
        try:
            step = type(period)(months=period.months * count, rest=period.rest * count)
            found.append(later(start, step))
        except OverflowError:
            break
    return found


def _end(start: datetime, last: datetime, starts: Sequence[datetime], aggregation: Aggregation) -> datetime:
    """Return where a period ends: with the next one, or with the whole time."""
    following = bisect_right(starts, start)
    if following < len(starts):
        return starts[following]
    try:
        return later(start, aggregation.period) if aggregation.period else last
    except OverflowError:
        return max(start, last)


def _period(row: asyncpg.Record, end: datetime, aggregation: Aggregation) -> Period:
    values = {method: row[method] for method in aggregation.methods if row[method] is not None}
    if "avg" in aggregation.methods and "avg" not in values and row["clock"] is not None:
        values = {
            method: row["clock"] if method == "avg" else values[method]
            for method in aggregation.methods
            if method == "avg" or method in values
        }
    return Period(
        entity=row["entity"], name=row["name"], kind=row["kind"], start=row["start"], end=end, values=values
    )


def _last(periods: Sequence[Period], count: int) -> list[Period]:
    """Return the last periods of each attribute; they come the newest first."""
    taken: dict[tuple[int, int], int] = {}
    kept = []
    for period in periods:
        key = period.entity, period.name
        taken[key] = taken.get(key, 0) + 1
        if taken[key] <= count:
            kept.append(period)
    return kept


def is_json(method: str) -> bool:
    """Say whether a method's value is the text of a JSON value."""
    return method in _JSON
