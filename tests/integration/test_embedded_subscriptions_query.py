# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What memory says of a query is what SQL says (clause 4.9)."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from broker.embedded.entities import Reading, read_entity
from broker.embedded.filters import Filter
from broker.embedded.merging import create, now
from broker.embedded.patterns import Patterns
from broker.embedded.query import parse_q
from broker.embedded.query_in_memory import meets
from broker.embedded.store import insert, matching
from broker.embedded.terms import Context
from broker.embedded.value_indexes import ValueIndexes
from ontology.loader import core_context
from store.postgres import migrate
from store.postgres import pool as open_pool

if TYPE_CHECKING:
    from broker.embedded.merging import Stored

CONTEXT = Context(None, [core_context()["@context"]])
VALUES: list[Any] = [
    5, 5.5, -1, 1e300, 2**60, "5", "Ä b", "", True, False, [1, 5], ["x", True], [], {"a": {"b": 5}},
    {"a": [5, {"c": "x"}]}, {"@type": "x", "@value": 5},
    {"value": {"@value": "2026-05-01T10:00:00Z", "@type": "t"}},
    "2026-05-01T10:00:00Z", "2026-05-01T12:00:00+02:00", "2026-05-01T10:00:00", "2026-13-01T10:00:00Z",
    "2026-05-01", "10:00:00",
    {"type": "Relationship", "object": "urn:x:5"},
    {"type": "Relationship", "object": ["urn:x:5", "urn:x:6"]},
    {"type": "ListRelationship", "objectList": ["urn:x:5", "urn:x:7"]},
    {"type": "LanguageProperty", "languageMap": {"de": "x", "fr": ["y", "5"]}},
    {"type": "VocabProperty", "vocab": "x"},
    {"type": "JsonProperty", "json": {"a": {"b": None}}},
    {"type": "ListProperty", "valueList": [5, [6]]},
    {"value": 7, "unitCode": "CEL", "observedAt": "2026-05-01T10:00:00.123Z", "p": {"value": 5, "r": 6}},
    [{"value": 4}, {"value": 5, "datasetId": "urn:d:1"}],
]  # fmt: skip
LITERALS = [
    "5", "5.0", '"5"', '"x"', '"Ä b"', "true", "false", "urn:x:5", "2026-05-01T10:00:00Z", "2026-05-01",
    "1e300",
]  # fmt: skip
PATHS = [
    "a", "a[a]", "a[a.b]", "a[a.1]", "a[a.0]", "a[-1]", "a[a.1.c]", "a[de]", "a[*]", "a.unitCode",
    "a.observedAt",
    "a.p", "a.p.r", "a.type", "b", "createdAt", "a.createdAt",
]  # fmt: skip


def entities() -> list[Stored]:
    return [
        create(
            read_entity({"id": f"urn:e:{number}", "type": "T", "a": value}, Reading(context=CONTEXT)), now()
        )[0]
        for number, value in enumerate(VALUES)
    ]


def queries() -> list[str]:
    found = [
        f"{path}{operator}{literal}"
        for path, operator, literal in itertools.product(PATHS, ("==", "!=", ">", "<="), LITERALS)
        if operator in {"==", "!="} or literal not in {"true", "false"}
    ]
    found += [f"{sign}{path}" for path in PATHS for sign in ("", "!")]
    found += [
        "a==1..5",
        'a=="a".."z"',
        "a!=1..5",
        'a==5,"x"',
        'a!=5,"x"',
        "a>1;!b",
        "(a==5|a.p==5);a!=4",
        "b|a<0",
    ]
    patterns = ('"x"', '"^.$"', '"[a-m]"', '"(5|x)"', '"\\d"')
    found += [
        f"{path}{operator}{pattern}"
        for path, operator, pattern in itertools.product(PATHS, ("~=", "!~="), patterns)
    ]
    return found


@pytest.mark.parametrize("indexed", [False, True])
async def test_memory_and_sql_are_of_one_mind(database: str, indexed: bool) -> None:  # noqa: FBT001 - a parameter
    stored = entities()
    ids, patterns = [entity.id for entity in stored], Patterns()
    async with open_pool(database, size=2) as pool, contextlib.AsyncExitStack() as stack:
        await migrate(pool, "broker.embedded")
        if indexed:
            indexes = ValueIndexes(pool)
            await indexes.start()
            stack.push_async_callback(indexes.close)
            await pool.execute("INSERT INTO ngsild.tenants VALUES ('') ON CONFLICT DO NOTHING")
        async with pool.acquire() as connection:
            await insert(connection, "", stored)
            if indexed:
                indexes.note(parse_q("a==1|b==1|c==1", CONTEXT), 60)
                await indexes.made()
                assert indexes.number > 0
                await connection.execute("SET enable_seqscan = off; SET enable_indexscan = off")
            for text in queries():
                query = parse_q(text, CONTEXT)
                (found,) = await matching(connection, "", ids, [Filter(q=query)])
                for entity in stored:
                    meets(entity, query, patterns)
                await patterns.learn(connection)
                assert {entity.id for entity in stored if meets(entity, query, patterns)} == found, text


@pytest.mark.parametrize("text", ["a{b}==5", '(a~="[x]"|a{b})', 'b~="[x]"|a{c}'])
def test_what_memory_cannot_say_is_left_to_sql(text: str) -> None:
    assert meets(entities()[0], parse_q(text, CONTEXT), Patterns()) is None


@pytest.mark.parametrize(("text", "expected"), [('a==5|a~="[x]"', True), ('a==6;a~="[x]"', False)])
def test_what_is_decided_already_is_not_left_to_sql(text: str, expected: Any) -> None:
    assert meets(entities()[0], parse_q(text, CONTEXT), Patterns()) is expected
