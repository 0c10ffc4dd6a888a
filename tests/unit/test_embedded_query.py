# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The query language's grammar (clauses 4.9 and 4.17), and that any text at all is read or refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.embedded.filters import Filter, Parameters, condition
from broker.embedded.problems import BadRequestDataError, TooComplexQueryError
from broker.embedded.query import All, Any_, Compare, Exists, Literal, Not, Path, Span, parse_q
from broker.embedded.selection import parse_types
from broker.embedded.terms import Context
from broker.embedded.vocabulary import DEFAULT_VOCAB
from ontology.loader import core_context

CONTEXT = Context(None, [core_context()["@context"]])


def path(*names: str, member: str | None = None, keys: tuple[str, ...] = ()) -> Path:
    return Path(attributes=tuple(DEFAULT_VOCAB + name for name in names), member=member, keys=keys)


def compare(operator: str, *values: object, of: Path | None = None) -> Compare:
    literals = tuple(each if isinstance(each, Span) else Literal(value=each) for each in values)  # type: ignore[arg-type]
    return Compare(path=of or path("a"), operator=operator, values=literals)


NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a", Exists(path=path("a"))),
        ("!a", Not(term=Exists(path=path("a")))),
        ("a==5", compare("==", 5)),
        ("a==-5.5e1", compare("==", -55.0)),
        ('a=="x y"', compare("==", "x y")),
        ('a=="x\\"y;|)"', compare("==", 'x"y;|)')),
        ("a==true", Compare(path=path("a"), operator="==", values=(Literal(value=True),))),
        ("a==urn:x:1", compare("==", "urn:x:1")),
        ("a>2026-05-01T12:00:00Z", compare(">", NOON)),
        ("a>2026-05-01T14:00:00+02:00", compare(">", NOON)),
        ("a<2026-05-01", compare("<", "2026-05-01")),
        ("a<12:30:00.123456789Z", compare("<", "12:30:00.123456789Z")),
        ("a==1,2,3", compare("==", 1, 2, 3)),
        ("a==1..2", compare("==", Span(low=Literal(value=1), high=Literal(value=2)))),
        ("a!=1.5..2.5,7", compare("!=", Span(low=Literal(value=1.5), high=Literal(value=2.5)), 7)),
        ('a~="^x(y|z);$"', compare("~=", "^x(y|z);$")),
        ("a~=^x(y|z)$", compare("~=", "^x(y|z)$")),
        ("a!~=x", compare("!~=", "x")),
        ("a.b.observedAt>1", compare(">", 1, of=path("a", "b", member="observedAt"))),
        ("a[b.c]==1", compare("==", 1, of=path("a", keys=("b", "c")))),
        ("a.b[c]==1", compare("==", 1, of=path("a", "b", keys=("c",)))),
        (
            "a;b|c",
            Any_(terms=(All(terms=(Exists(path=path("a")), Exists(path=path("b")))), Exists(path=path("c")))),
        ),
        (
            "a;(b|c)",
            All(terms=(Exists(path=path("a")), Any_(terms=(Exists(path=path("b")), Exists(path=path("c")))))),
        ),
        (
            "https://example.org/a.b==1",
            Compare(
                path=Path(attributes=("https://example.org/a.b",), member=None, keys=()),
                operator="==",
                values=(Literal(value=1),),
            ),
        ),
    ],
)
def test_what_is_read(text: str, tree: object) -> None:
    assert parse_q(text, CONTEXT) == tree


@pytest.mark.parametrize(
    "text",
    [
        "", ";", "a;", "a|", "(a", "a)", "()", "a==", "a>", "a=5", "a==x", 'a=="x', "a==1..", "a==1..true",
        "a==..5", "a>1,2", "a>true", "a>1..2", "a[", "a[]", "a[b", "a~=", "!", "==5", "a==1 b", "a..b", ".a",
        "a==2026-13-01T00:00:00Z", "a==2026-02-30", "a>25:00:00Z", "a==99999999999999999999e999", "a==01",
        "a==-", "a b==1",
        "a{b==1", "a.b{c}", "a{}==1", "a{b}{c}", "a{b{c{d{e{f{g}}}}}}", "a{:b}", "a==1;;b",
        "a" * 2000, "a~=(x)\\1", "a~=" + "x" * 600,
        ".".join("a" * 30), "a==1e999", 'a=="\\u0000"', 'a!="x".."\\u0000"', 'a{b}=="\\u0000"',
    ],
)  # fmt: skip
def test_what_is_refused(text: str) -> None:
    with pytest.raises(BadRequestDataError) as caught:
        parse_q(text, CONTEXT)
    assert "q" in caught.value.detail


@pytest.mark.parametrize("text", ["(" * 50 + "a" + ")" * 50, ";".join("a" * 200), "a" * 9000])
def test_what_is_too_complex(text: str) -> None:  # 5.5.6
    with pytest.raises(TooComplexQueryError) as caught:
        parse_q(text, CONTEXT)
    assert "q" in caught.value.detail


def test_a_request_shapes_no_sql() -> None:
    hostile = "x' OR 1=1; DROP TABLE ngsild.entities; --"
    texts = [f'a=="{hostile}"', f'a~="{hostile}"', f"a[{hostile.replace('.', '')}]==1"]
    for text in texts:
        parameters = Parameters("tenant")
        sql = condition(Filter(q=parse_q(text, CONTEXT), ids=(hostile,), id_pattern=hostile), parameters)
        assert "DROP" not in sql
        assert any("DROP" in str(value) for value in parameters.values)


SNIPPETS = st.sampled_from(
    ["a", "b.c", "a[b]", "==", "!=", ">", "<=", "~=", "!~=", ";", "|", "(", ")", "!", "..", ",", '"x"',
     "5", "-1.5",      "true", "urn:x:1", "2026-05-01T12:00:00Z", "2026-05-01",
     "[", "]", '"', "\\", "{", " ", "'", "observedAt", "."]
)  # fmt: skip


@given(st.lists(SNIPPETS, max_size=12).map("".join) | st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        tree = parse_q(text, CONTEXT)
    except BadRequestDataError:
        return
    parameters = Parameters()
    sql = condition(Filter(q=tree), parameters)
    assert all(f"${number}" in sql for number in range(1, len(parameters.values) + 1))


@given(
    st.lists(st.sampled_from(["A", "B", "C", "(", ")", ",", "|", ";"]), max_size=12).map("".join)
    | st.text(max_size=20)
)
def test_any_selection_of_types_is_read_or_refused(text: str) -> None:
    try:
        selection = parse_types(text, CONTEXT)
    except BadRequestDataError:
        return
    assert selection.names()
    assert selection.matches(selection.names())


def test_selections_of_types() -> None:
    selection = parse_types("(A;B)|C", CONTEXT)
    found = [
        types
        for types in ("A", "B", "C", "AB", "AC")
        if selection.matches([DEFAULT_VOCAB + t for t in types])
    ]
    assert found == ["C", "AB", "AC"]
