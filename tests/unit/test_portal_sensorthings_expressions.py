# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The language of $filter: what it means, and that no text makes it fail otherwise than by a reason."""

from __future__ import annotations

import operator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.sensorthings.evaluate import Program, Work
from portal.sensorthings.expressions import DEEPEST, MOST_TOKENS, Parser
from portal.sensorthings.model import KINDS, Node
from portal.sensorthings.options import read_query, split
from portal.sensorthings.problems import RequestError, TooCostlyError
from portal.sensorthings.times import compact, exact, read_compact

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
THINGS = KINDS["Things"]
OBSERVATION = Node(
    kind=KINDS["Observations"],
    id="a:20260301T115500Z",
    body={
        "phenomenonTime": "2026-03-01T11:55:00.000Z",
        "resultTime": "2026-03-01T11:55:00.000Z",
        "result": 21.5,
        "parameters": {"simulated": True, "note": "Straße", "tags": ["a", "b"]},
    },
)


def evaluated(text: str, node: Node = OBSERVATION) -> Any:
    return Program(Parser(text).filter(), node.kind, NOW).value(node)


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "result gt 21",
        "21 lt result and result le 21.5",
        "result ne null and not (result eq 1 or result eq 2)",
        "not result eq 1",
        "result add 1 mul 2 eq 23.5",
        "(result add 1) mul 2 eq 45",
        "result sub 0.5 div 2 gt 21.2",
        "7 mod 4 eq 3",
        "-result lt -21",
        "1e3 eq 1000 and 1.5E-1 eq 0.15",
        "phenomenonTime lt now()",
        "phenomenonTime gt now() sub duration'PT10M'",
        "now() sub phenomenonTime eq duration'PT5M'",
        "phenomenonTime add duration'PT5M' eq now()",
        "phenomenonTime eq 2026-03-01T12:55:00+01:00",
        "phenomenonTime eq 2026-03-01T12:55:00 01:00",
        "phenomenonTime ge 2026-03-01",
        "date(phenomenonTime) eq 2026-03-01",
        "time(phenomenonTime) lt 11:55:01",
        "year(phenomenonTime) eq 2026 and month(phenomenonTime) eq 3 and day(phenomenonTime) eq 1",
        "hour(phenomenonTime) eq 11 and minute(phenomenonTime) eq 55 and second(phenomenonTime) eq 0",
        "fractionalseconds(2026-03-01T11:55:00.25Z) eq 0.25 and totaloffsetminutes(phenomenonTime) eq 0",
        "phenomenonTime gt mindatetime() and phenomenonTime lt maxdatetime()",
        "substringof('traß',parameters/note) and contains(parameters/note,'traß')",
        "startswith(parameters/note,'St') and endswith(parameters/note,'ße')",
        "length(parameters/note) eq 6 and indexof(parameters/note,'a') eq 3",
        "substring(parameters/note,1) eq 'traße' and substring(parameters/note,1,2) eq 'tr'",
        "tolower('ABC') eq 'abc' and toupper('abc') eq 'ABC' and trim(' x ') eq 'x'",
        "concat(concat('a',', '),'b') eq 'a, b'",
        "round(2.5) eq 3 and round(-2.5) eq -3 and floor(2.9) eq 2 and ceiling(2.1) eq 3",
        "parameters/simulated eq true and parameters/simulated",
        "parameters/tags eq 'b' and not (parameters/tags eq 'c')",
        "parameters/nothing eq null",
        "result in (1, 21.5) and not (result in (1,2))",
        "result ne 'text' and 'it''s' eq 'it''s'",
        "Observations/result eq 21.5",
        "geo.distance(geography'POINT (0 0)',geography'POINT (3 4)') eq 5",
        "geo.length(geography'LINESTRING (0 0,3 4,3 5)') eq 6",
    ],
)
def test_holds(text: str) -> None:
    assert evaluated(text) is True


@pytest.mark.parametrize(
    "text",
    [
        "result gt 'text'",
        "result gt null",
        "null gt result",
        "resultQuality eq 5",
        "length(result) gt 0",
        "result div 0 eq 0",
        "result add 'x' eq 1",
        "startswith(result,'2')",
        "phenomenonTime gt 'tomorrow'",
        "year('never') gt 0",
        "now() add duration'P999999D' mul 9999 gt now()",
        "1e300 mul 1e300 gt 0",
        "parameters lt 5",
        "not resultQuality",
        "substring('abc',-1) eq 'c'",
        "st_within(result,geography'POINT (7 51)')",
    ],
)
def test_says_nothing(text: str) -> None:
    """What makes no sense is not true, and no error."""
    assert evaluated(text) is not True


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "ends where a value"),
        ("result gt", "ends where a value"),
        ("result gt 5 5", "'5' is not expected"),
        ("gt 5", "'gt' is not expected"),
        ("result eq (5", "ends where \\) is expected"),
        ("result eq 'x", "which says nothing"),
        ("result eq 5 & 6", "which says nothing"),
        ("unknown(result)", "no function 'unknown'"),
        ("length()", "length takes 1 values, not 0"),
        ("substring('a')", "substring takes 2 to 3 values"),
        ("result/x/(1)", "the name of a property"),
        ("phenomenonTime/x eq 1", "has no parts"),
        ("Datastream/Observations/result eq 1", "not found by their Observations"),
        ("Datastream eq 1", "is no value"),
        ("nothing eq 1", "An Observation has no|A Observation has no"),
        ("phenomenonTime eq 2026-13-01T00:00:00Z", "is no moment"),
        ("duration'P' eq result", "A duration is written"),
        ("geography'CIRCLE (0 0)' eq result", "A geometry is written"),
        ("(" * (DEEPEST + 1) + "true" + ")" * (DEEPEST + 1), "nested at most"),
        ("1" + " add 1" * (DEEPEST + 1), "nested at most"),
        ("not " * (DEEPEST + 1) + "true", "nested at most"),
        ("true" + " and true" * MOST_TOKENS, "at most 400 words"),
        ("x" * 30_000, "at most 20000 letters"),
    ],
)
def test_refused_with_a_reason(text: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        evaluated(text)


def test_a_long_row_of_conditions_is_no_deep_one() -> None:
    assert evaluated(" and ".join(["true"] * 150)) is True
    assert evaluated(" or ".join(["false"] * 150)) is False


# --- whatever is written ---------------------------------------------------------------------------------

PIECES = st.sampled_from(
    """
    result name properties/x Datastreams/name Locations/location 'it''s' 'x 5 -1 2.5 null true ( ) , / - and
    or not in eq ne gt ge lt le add sub mul div mod now() length( tolower( st_within( geo.distance( concat(
    date( geography'POINT_(7_51)' geography'POLYGON_((0_0,1_0,1_1,0_0))' duration'PT1H' 2026-01-01 12:00
    @iot.id $ ;     2026-01-01T00:00:00Z id desc asc Things/name phenomenonTime
    """.replace("\n", " ").split()
)


def _written(pieces: list[str]) -> str:
    return " ".join(pieces).replace("_", " ")


THING = Node(
    kind=THINGS,
    id="a",
    body={"name": "Name", "description": "x", "properties": {"x": [1, {"y": None}]}},
    links={"Datastreams": [], "Locations": [], "HistoricalLocations": []},
)


@given(st.lists(PIECES, max_size=30).map(_written) | st.text(max_size=60))
def test_no_text_makes_it_fail(text: str) -> None:
    """An expression means something for every entity, or is refused with a reason."""
    try:
        program = Program(Parser(text).filter(), THINGS, NOW)
    except RequestError as error:
        refusal = error
    else:
        holds, steps = program.holds(THING)
        assert holds in (True, False)
        assert steps > 0
        return
    assert refusal.status in (400, 501)
    assert len(refusal.message) < 1200


@given(st.lists(PIECES, max_size=20).map(_written))
def test_no_order_makes_it_fail(text: str) -> None:
    try:
        keys = Parser(text).order()
        programs = [Program(key, THINGS, NOW) for key, _ in keys]
    except RequestError:
        return
    for program in programs:
        program.value(THING)


OPTION_PIECES = st.sampled_from(
    """
    $expand $filter $top $skip $count $select $orderby = & ; , ( ) Datastreams Locations Observations Thing /
    1 true name id result phenomenonTime desc 'x' %20 %28 + $resultFormat dataArray $skiptoken Sensor
    """.split()  # noqa: SIM905 - the list would be a page long
)


@given(st.lists(OPTION_PIECES, max_size=30).map("".join) | st.text(max_size=80))
def test_no_query_makes_it_fail(query: str) -> None:
    refused = set()
    for kind in (THINGS, KINDS["Datastreams"], KINDS["Observations"]):
        for several in (True, False):
            try:
                options = read_query(query, kind, NOW, several=several)
            except RequestError as error:
                refused.add(error.status)
            else:
                assert options.at_once <= 1000
    assert refused <= {400, 413, 501}


# --- properties ------------------------------------------------------------------------------------------

NUMBERS = st.integers(-1000, 1000)


@given(NUMBERS, NUMBERS, st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"]))
def test_comparisons_are_those_of_numbers(left: int, right: int, name: str) -> None:
    assert evaluated(f"{left} {name} {right}") is getattr(operator, name)(left, right)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_products_bind_tighter_than_sums(one: int, two: int, three: int) -> None:
    assert evaluated(f"{one} add {two} mul {three} eq {one + two * three}") is True
    assert evaluated(f"{one} sub {two} sub {three} eq {one - two - three}") is True


@given(st.booleans(), st.booleans(), st.booleans())
def test_logic(one: bool, two: bool, three: bool) -> None:  # noqa: FBT001 - they are the values that are tried
    texts = [str(value).lower() for value in (one, two, three)]
    assert evaluated("{} or {} and {}".format(*texts)) is (one or (two and three))
    assert evaluated("not {} and {}".format(*texts[:2])) is (not one and two)


@given(st.text(max_size=40))
def test_any_text_can_be_quoted(text: str) -> None:
    quoted = text.replace("'", "''")
    node = Node(kind=THINGS, id="a", body={"name": text})
    assert evaluated(f"name eq '{quoted}' and endswith(name,'{quoted}')", node) is True


@given(st.lists(st.text(alphabet="ab'(),;", max_size=6), min_size=1, max_size=5))
def test_what_is_split_is_joined_again(parts: list[str]) -> None:
    text = ";".join(parts)
    try:
        found = list(split(text, ";"))
    except RequestError:
        return
    assert ";".join(found) == text


@given(st.datetimes(datetime(1900, 1, 1), datetime(2199, 1, 1)))  # noqa: DTZ001 - as hypothesis wants them
def test_moments_are_read_as_written(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC)
    assert read_compact(compact(moment)) == moment
    assert evaluated(f"{exact(moment)} eq {exact(moment)}") is True
    assert datetime.fromisoformat(exact(moment)) == moment


async def test_too_much_work_is_refused() -> None:
    program = Program(Parser("name eq 'x'").filter(), THINGS, NOW)
    things = [THING] * 1000
    assert await Work().chosen(program, things) == []
    with pytest.raises(TooCostlyError, match="takes too long"):
        await Work(most=100).chosen(program, things)


def test_durations_can_be_negative() -> None:
    assert Parser("duration'-PT1H30M'").filter() == Parser("-duration'PT90M'").filter()
    assert evaluated("now() add duration'-PT1H' lt now()") is True
    assert timedelta(days=1) == Parser("duration'P1D'").filter().value  # type: ignore[union-attr]
