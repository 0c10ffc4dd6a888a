# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The small languages of a query: lang (4.15), scopeQ (4.19), pick and omit (4.21), orderBy (4.23)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.embedded.language import choose_language, parse_languages
from broker.embedded.ordering import parse_order, without_icu
from broker.embedded.problems import BadRequestDataError
from broker.embedded.projection import attributes_in, depth_of, parse_projection
from broker.embedded.query import Exists, Hop, hops_of, parse_q
from broker.embedded.scopes import parse_scopes
from broker.embedded.terms import Context
from broker.embedded.vocabulary import DEFAULT_VOCAB
from ontology.loader import core_context

if TYPE_CHECKING:
    from collections.abc import Callable

CONTEXT = Context(None, [core_context()["@context"]])


def iri(name: str) -> str:
    return DEFAULT_VOCAB + name


@pytest.mark.parametrize(
    ("wanted", "available", "chosen"),
    [
        ("en", ["de", "en"], "en"),
        ("EN", ["de", "en"], "en"),
        ("fr-CH,fr", ["fr", "nl"], "fr"),
        ("fr;q=0.5,nl;q=0.9", ["fr", "nl"], "nl"),
        ("fr;q=0,nl", ["fr", "nl"], "nl"),
        ("de", ["de-AT", "en"], "de-AT"),
        ("de-AT", ["en", "de"], "de"),
        ("*", ["fr", "nl"], "fr"),
        ("*", ["fr", "@none"], "@none"),
        ("it", ["fr", "@none"], "@none"),
        ("it", ["fr", "nl"], "fr"),
        ("en;q=0.2, *;q=0.1", ["de", "en"], "en"),
        ("en", [], None),
    ],
)
def test_the_language_that_is_wanted_most(wanted: str, available: list[str], chosen: str | None) -> None:
    assert choose_language(available, parse_languages(wanted)) == chosen


@pytest.mark.parametrize("text", ["", "en,", "en;q=2", "en;q=x", "e n", "en-", ",".join(["en"] * 60), "ë"])
def test_languages_that_are_refused(text: str) -> None:
    with pytest.raises(BadRequestDataError):
        parse_languages(text)


@pytest.mark.parametrize(
    ("query", "scopes", "matches"),
    [
        ("/Madrid", ["/Madrid"], True),
        ("/Madrid", ["/Madrid/Gardens"], False),
        ("Madrid", ["/Madrid"], True),
        ("/Madrid/Gardens/#", ["/Madrid/Gardens"], True),
        ("/Madrid/Gardens/#", ["/Madrid/Gardens/ParqueNorte/Parterre1"], True),
        ("/Madrid/Gardens/#", ["/Madrid/GardensX"], False),
        ("/Madrid/+/ParqueNorte", ["/Madrid/Sights/ParqueNorte"], True),
        ("/Madrid/+/ParqueNorte", ["/Madrid/ParqueNorte"], False),
        ("/+", ["/A/B"], False),
        ("/#", ["/A"], True),
        ("/#", [], False),
        ("(/A;/B)", ["/A"], False),
        ("(/A;/B)", ["/B", "/A"], True),
        ("/A;/B", ["/B", "/A"], True),
        ("(/A;/B)|/C", ["/C"], True),
        ("(/A;/B),C", ["/C"], True),
        ("/a.c", ["/abc"], False),
    ],
)
def test_scopes_that_match(query: str, scopes: list[str], *, matches: bool) -> None:
    assert parse_scopes(query).matches(scopes) is matches


@pytest.mark.parametrize(
    "text",
    ["", "/", "//", "/A//B", "/A/#/B", "/A+", "(/A", "/A)", "/A,", "/A;", "/A B", "/A" * 60, "a" * 9000],
)
def test_scopes_that_are_refused(text: str) -> None:
    with pytest.raises(BadRequestDataError):
        parse_scopes(text)


def test_projections() -> None:
    found = parse_projection("id,name|locatedAt{id,name,isIn{id}},scope", CONTEXT, "pick")
    assert found == {
        "id": None,
        iri("name"): None,
        iri("locatedAt"): {"id": None, iri("name"): None, iri("isIn"): {"id": None}},
        "scope": None,
    }
    assert depth_of(found) == 2
    assert depth_of(None) == 0
    assert attributes_in(found) == (iri("name"), iri("locatedAt"))


@pytest.mark.parametrize(
    "text",
    ["", "id;name", "id,a{name", "id,a{{name}", "id,,name", "id,a{,name}", "id,a{}", "a}", "{a}", "a{b}c",
     "a{b}{c}", "a," * 5000, "a{" * 20 + "a" + "}" * 20, "a b", "@id"],
)  # fmt: skip
def test_projections_that_are_refused(text: str) -> None:
    with pytest.raises(BadRequestDataError):
        parse_projection(text, CONTEXT, "pick")


def test_q_that_goes_on_to_linked_entities() -> None:
    query = parse_q("sensor{Device,Thing:part{humidity.accuracy}};a", CONTEXT)
    assert hops_of(query) == 2
    (term,) = [each for each in query.terms if isinstance(each, Exists) and each.path.through]  # type: ignore[union-attr]
    assert term.path.through == (
        Hop(relationship=iri("sensor"), types=(iri("Device"), iri("Thing"))),
        Hop(relationship=iri("part")),
    )
    assert term.path.attributes == (iri("humidity"), iri("accuracy"))
    assert hops_of(parse_q("!a|b==1", CONTEXT)) == 0


def test_orders() -> None:
    order = parse_order({"orderBy": "type,name;desc,address[city];asc"}, CONTEXT)
    assert order is not None
    assert [(key.member, key.descending) for key in order.keys] == [
        ("type", False),
        (None, True),
        (None, False),
    ]
    assert parse_order({}, CONTEXT) is None
    near = parse_order({"orderBy": "location;dist-desc", "orderFrom": "[7,51]"}, CONTEXT)
    assert near is not None
    assert near.by_distance


@pytest.mark.parametrize(
    "given_",
    [
        {"orderBy": ""},
        {"orderBy": "name;up"},
        {"orderBy": "name,,age"},
        {"orderBy": "a==1"},
        {"orderBy": "a{b}"},
        {"orderBy": ",".join("a" * 20)},
        {"orderBy": "location;dist-asc"},
        {"orderBy": "location;dist-asc", "orderFrom": "[7"},
        {"orderBy": "location;dist-asc", "orderFrom": "[7,51]", "orderGeometry": "Polygon"},
        {"orderBy": "id;dist-asc", "orderFrom": "[7,51]"},
        {"orderBy": "name", "collation": 'de"; DROP'},
        {"orderBy": "name", "collation": "invalid"},
        {"orderBy": "name", "collation": "de-" + "-".join(["abcde"] * 40)},
        {"collation": "!!nope"},
        {"orderFrom": "8,40"},
    ],
)
def test_orders_that_are_refused(given_: dict[str, str]) -> None:
    with pytest.raises(BadRequestDataError):
        parse_order(given_, CONTEXT)


@pytest.mark.parametrize(
    ("tag", "known"),
    [("und", True), ("UND-x-icu", True), ("de-AT", True), ("de-u-co-phonebk", True),
     ("fr-Latn-FR-u-ks-level1", True), ("en-u-ks-level2-co-standard", True), ("und-u-ks-identic", True),
     ("sv", False), ("en-u-co-phonebk", False), ("de-u-kn-true", False), ("und-u-ks-level9", False)],
)  # fmt: skip
def test_orders_of_texts_without_icu(tag: str, *, known: bool) -> None:
    assert (without_icu(tag) is not None) is known


PIECES = st.sampled_from(
    ["id", "a", "/A", "{", "}", "(", ")", ",", "|", ";", "/", "#", "+", "*", "en", "q=0.1", " ", "="]
)
READERS: list[Callable[[str], object]] = [
    parse_languages,
    parse_scopes,
    lambda text: parse_projection(text, CONTEXT, "pick"),
    lambda text: parse_order({"orderBy": text}, CONTEXT),
    lambda text: parse_q(text, CONTEXT),
]


@given(
    text=st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=30), reader=st.sampled_from(READERS)
)
def test_any_text_is_read_or_refused(text: str, reader: Callable[[str], object]) -> None:
    with contextlib.suppress(BadRequestDataError):
        reader(text)  # anything else that it raises fails the test
