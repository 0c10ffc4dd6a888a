# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Where queries take long, the values they compare get an index."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

import asyncpg

from broker.embedded.contexts import Contexts
from broker.embedded.endpoints import AddressPolicy
from broker.embedded.filters import Filter
from broker.embedded.query import Compare, Literal, Path, parse_q
from broker.embedded.store import EntityReader
from broker.embedded.value_indexes import ValueIndexes
from ontology.loader import core_context
from store.postgres import pool as open_pool
from tests.embedded_serving import own_database, serving
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from broker.embedded.terms import Context
    from store.postgres import Pool

MADE = "SELECT indexdef FROM pg_indexes WHERE tablename = 'entities' AND indexname ~ '^entities_value_'"
ENTITIES = [
    {"id": f"urn:s:{number:03}", "type": "Station", "level": {"type": "Property", "value": number}}
    for number in range(300)
]


@asynccontextmanager
async def stations(postgres: str) -> AsyncIterator[tuple[Pool, ValueIndexes]]:
    """Some stations, and the one that makes indexes for them."""
    async with own_database(postgres) as dsn:
        async with serving(dsn) as client:
            answer = await client.other("").ask("POST", "/entityOperations/create", ENTITIES)
            assert answer.status == 201
        async with open_pool(dsn, size=4) as pool:
            indexes = ValueIndexes(pool)
            await indexes.start()
            try:
                yield pool, indexes
            finally:
                await indexes.close()


async def core() -> Context:
    async def none(_: str) -> None:
        return None

    return await Contexts(core_context(), {}, AddressPolicy((), setting=""), none).resolve(None)


async def made(pool: Pool) -> list[str]:
    return [row["indexdef"] for row in await pool.fetch(MADE)]


async def test_one_is_made_for_what_is_asked_for_often_and_slowly(postgres: str) -> None:
    context = await core()
    async with stations(postgres) as (pool, indexes):
        level = parse_q("level>298", context)
        for _ in range(3):
            indexes.note(level, 0.001)  # quick enough
        indexes.note(level, 1.5)
        indexes.note(parse_q('level~="a";!level;level.unit==3|level!=4', context), 60)  # helps none of these
        await indexes.made()
        assert await made(pool) == []
        indexes.note(level, 1.5)
        indexes.note(level, 1.5)
        await indexes.made()
        (statement,) = await made(pool)
        assert f"(tenant, ngsild.scalar(doc, '{context.expand('level')}'::text))" in statement
        used = "SELECT sum(idx_scan) FROM pg_stat_user_indexes WHERE indexrelname ~ '^entities_value_'"

        async def is_used() -> bool:
            page = await EntityReader(pool, indexes).query(
                "", Filter(q=level), limit=20, offset=0, count=True
            )
            assert ([each.id for each in page.entities], page.total) == (["urn:s:299"], 1)
            await pool.execute("SELECT pg_stat_force_next_flush()")
            return bool(await pool.fetchval(used))

        for _ in range(8):  # also where PostgreSQL has made up its mind on a plan for any value
            await is_used()
        await until(is_used)


async def test_a_slow_query_is_noted_by_who_reads(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.embedded.value_indexes._SLOW_S", 0.0)
    monkeypatch.setattr("broker.embedded.value_indexes._WORTH_S", 1e-6)
    async with own_database(postgres) as dsn, serving(dsn) as client:
        assert (await client.ask("POST", "/entityOperations/create", ENTITIES)).status == 201
        for _ in range(2):
            answer = await client.ask("GET", f"/entities?type=Station&q={quote('level>298')}")
            assert [each["id"] for each in answer.json] == ["urn:s:299"]
        connection = await asyncpg.connect(dsn)
        try:
            await until(lambda: connection.fetch(MADE))
        finally:
            await connection.close()


async def test_what_a_killed_run_left_is_removed(postgres: str) -> None:
    context = await core()
    async with stations(postgres) as (pool, indexes):
        indexes.note(parse_q("level>298", context), 60)
        await indexes.made()
        invalid = (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid::regclass::text ~ 'entities_value_'"
        )
        await pool.execute(invalid)
        await indexes.close()
        await indexes.start()
        await indexes.made()
        assert await made(pool) == []


BEING_MADE = "SELECT pid FROM pg_stat_progress_create_index WHERE index_relid > 0"


async def test_what_postgresql_is_still_at_is_left_alone_and_nobody_waits_for_it(postgres: str) -> None:
    async with stations(postgres) as (pool, indexes):
        statement = (
            "CREATE INDEX CONCURRENTLY entities_value_0 ON ngsild.entities (ngsild.scalar(doc, 'urn:a'))"
        )
        async with pool.acquire() as writer, writer.transaction():
            await writer.execute("UPDATE ngsild.entities SET modified_at = now()")
            begun = asyncio.create_task(pool.execute(statement))  # as if by a broker that was killed since
            await until(lambda: pool.fetch(BEING_MADE))
            await indexes.close()
            await indexes.start()
            await indexes.made()
            assert not begun.done()
        await begun
        assert len(await made(pool)) == 1


async def test_what_could_not_be_finished_is_removed_and_made_when_it_is_wanted_again(postgres: str) -> None:
    level = parse_q("level>298", await core())
    async with stations(postgres) as (pool, indexes):
        async with pool.acquire() as writer, writer.transaction():
            await writer.execute("UPDATE ngsild.entities SET modified_at = now()")
            indexes.note(level, 60)
            rows = await until(lambda: pool.fetch(BEING_MADE))
            await pool.execute("SELECT pg_cancel_backend($1)", rows[0]["pid"])
        await indexes.made()
        assert await made(pool) == []
        indexes.note(level, 60)
        await indexes.made()
        assert len(await made(pool)) == 1


async def test_an_attribute_that_comes_later_gets_its_index_then(postgres: str) -> None:
    context = await core()
    height = parse_q("height>298", context)
    async with stations(postgres) as (pool, indexes):
        indexes.note(height, 60)
        await indexes.made()
        assert await made(pool) == []
        add = "UPDATE ngsild.entities SET doc = doc || jsonb_build_object($1::text, doc -> $2::text)"
        await pool.execute(add, context.expand("height"), context.expand("level"))
        indexes.note(height, 60)
        await indexes.made()
        assert len(await made(pool)) == 1


async def test_nothing_is_made_for_names_that_nobody_has_or_beyond_a_number(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.embedded.value_indexes._MOST", 1)
    context = await core()
    async with stations(postgres) as (pool, indexes):
        await pool.execute(
            "UPDATE ngsild.entities SET doc = doc || jsonb_build_object('urn:it''s', doc -> $1)",
            context.expand("level"),
        )
        indexes.note(parse_q("unheard>1", context), 60)
        await indexes.made()
        assert await made(pool) == []
        path = Path(attributes=("urn:it's",), member=None, keys=())
        indexes.note(Compare(path=path, operator=">", values=(Literal(value=298),)), 60)
        await indexes.made()
        (statement,) = await made(pool)
        assert "'urn:it''s'" in statement
        level = parse_q("level>298", context)
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL enable_seqscan = off")
            there = "tenant = '' AND doc ? 'urn:it''s'"
            used = f"SELECT FROM ngsild.entities WHERE {there} AND ngsild.scalar(doc, 'urn:it''s') = '1'"
            await connection.fetch(used)
            await connection.execute("SELECT pg_stat_force_next_flush()")
        indexes.note(level, 60)
        await indexes.made()
        assert await made(pool) == [statement]


async def test_one_that_nobody_uses_makes_room_but_not_all_the_time(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.embedded.value_indexes._MOST", 1)
    context = await core()
    async with stations(postgres) as (pool, indexes):
        for name in ("height", "depth"):
            add = "UPDATE ngsild.entities SET doc = doc || jsonb_build_object($1::text, doc -> $2::text)"
            await pool.execute(add, context.expand(name), context.expand("level"))
        for name, there in (("height", "height"), ("level", "level"), ("depth", "level")):
            indexes.note(parse_q(f"{name}>298", context), 60)
            await indexes.made()
            (statement,) = await made(pool)
            assert f"'{context.expand(there)}'" in statement
        monkeypatch.setattr("broker.embedded.value_indexes._REPLACED_EVERY_S", 0.0)
        for seconds, there in ((60, "level"), (600, "depth")):
            indexes.note(parse_q("depth>298", context), seconds)
            await indexes.made()
            (statement,) = await made(pool)
            assert f"'{context.expand(there)}'" in statement
