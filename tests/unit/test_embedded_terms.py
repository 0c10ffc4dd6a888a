# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The compiled @context against PyLD, which implements JSON-LD 1.1 whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from pyld import jsonld

from broker.embedded.contexts import Contexts, as_json_ld, simplified
from broker.embedded.endpoints import AddressPolicy
from broker.embedded.problems import BadRequestDataError
from broker.embedded.terms import Context
from broker.embedded.vocabulary import CORE_CONTEXT_URL, DEFAULT_VOCAB
from ontology.loader import context as subject_context
from ontology.loader import core_context, subjects

if TYPE_CHECKING:
    from pathlib import Path

CORE = core_context()["@context"]


def compiled(*parts: dict[str, Any]) -> Context:
    return Context(list(parts), [*parts, CORE])


def names_for_pyld(parts: list[dict[str, Any]], names: list[str]) -> dict[str, str]:
    """Ask PyLD what each name is expanded to."""
    found = {}
    options = {"documentLoader": lambda url, _: pytest.fail(f"{url} was asked for")}
    for name in names:
        (expanded,) = jsonld.expand({"@context": parts, "@type": name, "@id": "urn:x:1"}, options)
        found[name] = expanded["@type"][0]
    return found


@pytest.mark.parametrize("subject", subjects())
def test_our_subject_contexts_expand_as_pyld_expands_them(subject: str) -> None:
    part = subject_context(subject)["@context"]
    ours = compiled(part)
    names = [name for name in part if not name.startswith("@") and name not in {"id", "type"}]
    expected = names_for_pyld([part, {key: v for key, v in CORE.items() if key != "@protected"}], names)
    assert {name: ours.expand(name) for name in names} == expected
    assert all(ours.expand(ours.compact(iri)) == iri for iri in expected.values())


def test_official_contexts_compile_and_round_trip(shared: Path) -> None:
    paths = sorted((shared / "data" / "smart-data-models").glob("dataModel.*/context.jsonld"))
    assert len(paths) > 20
    for path in paths:
        part = orjson.loads(path.read_bytes())["@context"]
        ours = compiled(part)
        for name in part:
            iri = ours.expand(name)
            assert ours.expand(ours.compact(iri)) == iri, (path, name)


@pytest.mark.parametrize(
    ("part", "name", "iri"),
    [
        ({}, "speed", DEFAULT_VOCAB + "speed"),
        ({}, "location", "https://uri.etsi.org/ngsi-ld/location"),
        ({}, "https://example.org/x", "https://example.org/x"),
        ({}, "urn:x:speed", "urn:x:speed"),
        ({"speed": "https://example.org/v"}, "speed", "https://example.org/v"),
        ({"ex": "https://example.org/", "speed": "ex:v"}, "speed", "https://example.org/v"),
        ({"speed": "ex:v", "ex": "https://example.org/"}, "speed", "https://example.org/v"),
        ({"ex": "https://example.org/"}, "ex:v", "https://example.org/v"),
        ({"speed": {"@id": "https://example.org/v", "@type": "@id"}}, "speed", "https://example.org/v"),
        ({"v": "https://example.org/v", "speed": "v"}, "speed", "https://example.org/v"),
        ({"location": "https://example.org/place"}, "location", "https://uri.etsi.org/ngsi-ld/location"),
        ({"@vocab": "https://example.org/", "speed": "v"}, "speed", "https://example.org/v"),
        ({"@vocab": "https://example.org/"}, "other", DEFAULT_VOCAB + "other"),
        ({"speed": None}, "speed", DEFAULT_VOCAB + "speed"),
    ],
)
def test_expansion(part: dict[str, Any], name: str, iri: str) -> None:
    assert compiled(part).expand(name) == iri


def test_a_later_context_overrides_an_earlier_one() -> None:
    context = compiled({"a": "https://one.example/a"}, {"a": "https://two.example/a"})
    assert context.expand("a") == "https://two.example/a"
    assert context.compact("https://one.example/a") == "https://one.example/a"


def test_compaction_takes_the_shortest_name_and_never_a_wrong_one() -> None:
    context = compiled({"ex": "https://example.org/", "longer": "ex:x", "short": "ex:x", "b": "ex:other"})
    assert context.compact("https://example.org/x") == "short"
    assert context.compact("https://example.org/y") == "ex:y"
    assert context.compact(DEFAULT_VOCAB + "free") == "free"
    assert context.expand(context.compact(DEFAULT_VOCAB + "b")) == DEFAULT_VOCAB + "b"


@pytest.mark.parametrize("part", [{"a": "b:x", "b": "a:y"}, {"a": 5}, {"a": {"@id": ["x"]}}])
def test_definitions_that_are_none_are_refused(part: dict[str, Any]) -> None:
    with pytest.raises(BadRequestDataError):
        compiled(part)


async def test_arrays_nested_and_preloaded_documents_need_no_network() -> None:
    preloaded = {
        "https://c.example/a.jsonld": {"@context": ["b.jsonld", {"a": "https://example.org/a"}]},
        "https://c.example/b.jsonld": {"@context": {"b": "https://example.org/b"}},
    }
    contexts = Contexts(core_context(), preloaded, AddressPolicy((), setting="context_allow"))
    context = await contexts.resolve(["https://c.example/a.jsonld", {"c": "https://example.org/c"}])
    assert [context.expand(name) for name in "abc"] == [f"https://example.org/{name}" for name in "abc"]
    assert as_json_ld(context)[-1] == CORE_CONTEXT_URL
    assert await contexts.resolve(["https://c.example/a.jsonld", {"c": "https://example.org/c"}]) is context
    await contexts.close()


async def test_documents_that_name_each_other_in_a_circle_are_refused() -> None:
    preloaded = {"https://c.example/a": {"@context": ["https://c.example/a"]}}
    contexts = Contexts(core_context(), preloaded, AddressPolicy((), setting="context_allow"))
    with pytest.raises(BadRequestDataError, match="deeper"):
        await contexts.resolve("https://c.example/a")


def test_the_core_context_goes_without_saying() -> None:
    assert simplified([CORE_CONTEXT_URL]) is None
    assert simplified(["https://c.example/a", CORE_CONTEXT_URL]) == "https://c.example/a"
    assert simplified("https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.3.jsonld") is None
    assert simplified([{"a": "b"}, "https://c.example/a"]) == [{"a": "b"}, "https://c.example/a"]
