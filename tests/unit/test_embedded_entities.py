# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Reading entities in their three forms, and showing them again (clauses 4.5.1 to 4.5.5)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.embedded.entities import Reading, read_entity, read_fragment
from broker.embedded.merging import append, create, merge, update
from broker.embedded.problems import BadRequestDataError, ProblemError
from broker.embedded.representations import View, feature, show
from broker.embedded.terms import Context
from broker.embedded.vocabulary import DEFAULT_VOCAB
from ontology.loader import core_context

CONTEXT = Context(None, [core_context()["@context"]])
PLAIN = Reading(context=CONTEXT)
NULLS = Reading(context=CONTEXT, nulls=True)
MOMENT = datetime(2026, 5, 1, 10, tzinfo=UTC)
LATER = datetime(2026, 5, 1, 11, tzinfo=UTC)
POINT = {"type": "Point", "coordinates": [7.47, 51.36]}

NORMALIZED = {
    "id": "urn:ngsi-ld:T:1",
    "type": "T",
    "no2": {"type": "Property", "value": 22.5, "unitCode": "GQ", "observedAt": "2026-05-01T10:00:00Z"},
    "name": {"type": "Property", "value": "Emst"},
    "flag": {"type": "Property", "value": False},
    "list": {"type": "Property", "value": [1, 2]},
    "address": {"type": "Property", "value": {"addressLocality": "Hagen"}},
    "location": {"type": "GeoProperty", "value": POINT},
    "refDevice": {"type": "Relationship", "object": "urn:ngsi-ld:Device:1"},
    "title": {"type": "LanguageProperty", "languageMap": {"de": "Luft", "en": "air"}},
    "kind": {"type": "VocabProperty", "vocab": "outdoor"},
    "raw": {"type": "JsonProperty", "json": {"a": [1]}},
    "pm10": {
        "type": "Property",
        "value": 9,
        "accuracy": {
            "type": "Property",
            "value": 0.1,
            "madeBy": {"type": "Relationship", "object": "urn:x:1"},
        },
    },
}
CONCISE = {
    "id": "urn:ngsi-ld:T:1",
    "type": "T",
    "no2": {"value": 22.5, "unitCode": "GQ", "observedAt": "2026-05-01T10:00:00Z"},
    "name": "Emst",
    "flag": False,
    "list": [1, 2],
    "address": {"addressLocality": "Hagen"},
    "location": POINT,
    "refDevice": {"object": "urn:ngsi-ld:Device:1"},
    "title": {"languageMap": {"de": "Luft", "en": "air"}},
    "kind": {"vocab": "outdoor"},
    "raw": {"json": {"a": [1]}},
    "pm10": {"value": 9, "accuracy": {"value": 0.1, "madeBy": {"object": "urn:x:1"}}},
}


def stored(body: dict[str, Any]) -> Any:
    entity, _ = create(read_entity(body, PLAIN), MOMENT)
    return entity


def shown(entity: Any, form: Any = "normalized", **view: Any) -> Any:
    return show(entity, View(context=CONTEXT, form=form, **view))


def test_normalized_goes_through_unchanged() -> None:
    assert shown(stored(NORMALIZED)) == NORMALIZED


def test_concise_and_normalized_are_two_ways_to_say_one_thing() -> None:
    assert shown(stored(CONCISE)) == NORMALIZED
    assert shown(stored(NORMALIZED), "concise") == CONCISE


def test_concise_keeps_what_is_no_plain_value_apart() -> None:  # 4.5.2.3
    entity: dict[str, Any] = {
        "id": "urn:ngsi-ld:T:1",
        "type": "T",
        "typed": {"value": {"type": "x"}},
        "shape": {"type": "Property", "value": POINT},  # no GeoProperty, though it could be one: 5.2.5
        "shapes": [{"type": "Property", "value": POINT}, {"value": POINT, "datasetId": "urn:d:1"}],
        "alike": {"value": [{"value": 1}]},
        "several": [{"value": 1}, {"value": 2, "datasetId": "urn:d:1"}],
        "places": [{"value": POINT}, {"value": POINT, "datasetId": "urn:d:1"}],
        "parts": [{"a": 1}, {"b": 2}],
    }
    assert shown(stored(entity), "concise") == entity
    assert shown(stored(shown(stored(entity), "concise"))) == shown(stored(entity))


def test_simplified_keeps_the_values() -> None:
    assert shown(stored(NORMALIZED), "simplified") == {
        "id": "urn:ngsi-ld:T:1",
        "type": "T",
        "no2": 22.5,
        "name": "Emst",
        "flag": False,
        "list": [1, 2],
        "address": {"addressLocality": "Hagen"},
        "location": POINT,
        "refDevice": "urn:ngsi-ld:Device:1",
        "title": {"languageMap": {"de": "Luft", "en": "air"}},
        "kind": {"vocab": "outdoor"},
        "raw": {"json": {"a": [1]}},
        "pm10": 9,
    }


def test_simplified_input() -> None:
    how = Reading(context=CONTEXT, simplified=True)
    body = {"id": "urn:a:1", "type": "T", "n": 1, "address": {"type": "PostalAddress"}, "location": POINT}
    entity, _ = create(read_entity(body, how), MOMENT)
    assert shown(entity, "simplified") == body
    assert shown(entity)["location"]["type"] == "GeoProperty"


def test_instances_by_dataset() -> None:
    first = {"type": "Property", "value": 1}
    second = {"type": "Property", "value": 2, "datasetId": "urn:d:2"}
    entity = stored({"id": "urn:a:1", "type": ["T", "U"], "scope": "/Hagen", "n": [first, second]})
    assert shown(entity) == {"id": "urn:a:1", "type": ["T", "U"], "scope": "/Hagen", "n": [first, second]}
    assert shown(entity, "simplified")["n"] == {"dataset": {"@none": 1, "urn:d:2": 2}}
    append(
        entity, read_fragment({"n": {"type": "Property", "value": 3, "datasetId": "urn:d:2"}}, PLAIN), LATER
    )
    assert [instance["value"] for instance in shown(entity)["n"]] == [1, 3]


def test_feature() -> None:
    found = feature(stored(NORMALIZED), View(context=CONTEXT, form="simplified"))
    assert (found["type"], found["id"], found["geometry"]) == ("Feature", "urn:ngsi-ld:T:1", POINT)
    assert found["properties"]["no2"] == 22.5
    assert feature(stored({"id": "urn:a:1", "type": "T"}), View(context=CONTEXT))["geometry"] is None


def test_overwriting_keeps_when_it_was_created_and_an_older_observation_overwrites() -> None:
    entity = stored(NORMALIZED)
    older = {"no2": {"type": "Property", "value": 5, "observedAt": "2020-01-01T00:00:00Z"}}
    changes = append(entity, read_fragment(older, PLAIN), LATER)
    attribute = shown(entity, system=True)["no2"]
    assert attribute == {
        "type": "Property",
        "value": 5,
        "observedAt": "2020-01-01T00:00:00Z",
        "createdAt": "2026-05-01T10:00:00.000Z",
        "modifiedAt": "2026-05-01T11:00:00.000Z",
    }
    assert (changes.updated, changes.created) == ([DEFAULT_VOCAB + "no2"], [])
    assert shown(entity, system=True)["modifiedAt"] == "2026-05-01T11:00:00.000Z"


def test_appending_without_overwriting_leaves_what_is_there() -> None:
    entity = stored(NORMALIZED)
    fragment = read_fragment({"no2": {"type": "Property", "value": 5}, "new": 1}, PLAIN)
    changes = append(entity, fragment, LATER, overwrite=False)
    assert shown(entity, "simplified")["no2"] == 22.5
    assert shown(entity, "simplified")["new"] == 1
    assert list(changes.refused) == [DEFAULT_VOCAB + "no2"]


def test_updating_adds_what_is_not_there_and_null_deletes() -> None:
    entity = stored(NORMALIZED)
    body = {
        "no2": "urn:ngsi-ld:null",
        "new": 1,
        "old": "urn:ngsi-ld:null",
        "scope": "/Hagen",
        "name": {"languageMap": {"@none": "urn:ngsi-ld:null"}},
    }
    changes = update(entity, read_fragment(body, NULLS), LATER)
    assert not {"no2", "old", "name", "scope"} & shown(entity).keys()
    assert shown(entity, "simplified")["new"] == 1
    assert list(changes.refused) == [DEFAULT_VOCAB + "old", "scope"]
    assert changes.deleted == [DEFAULT_VOCAB + "no2", DEFAULT_VOCAB + "name"]


def test_merging_goes_into_objects() -> None:
    entity = stored(NORMALIZED)
    body = {
        "address": {"value": {"streetAddress": "Rathausstraße 11"}},
        "no2": {"value": 1, "unitCode": "urn:ngsi-ld:null"},
        "pm10": {"value": 9, "accuracy": "urn:ngsi-ld:null"},
    }
    merge(entity, read_fragment(body, NULLS), LATER)
    assert shown(entity)["address"]["value"] == {
        "addressLocality": "Hagen",
        "streetAddress": "Rathausstraße 11",
    }
    assert shown(entity)["no2"] == {"type": "Property", "value": 1, "observedAt": "2026-05-01T10:00:00Z"}
    assert shown(entity, "simplified")["pm10"] == 9
    assert "accuracy" not in shown(entity)["pm10"]


def test_a_merge_that_is_refused_changes_nothing() -> None:
    entity, before = stored(NORMALIZED), stored(NORMALIZED)
    body = {"no2": 1, "pm10": {"accuracy": "urn:ngsi-ld:null", "unitCode": "GQ"}, "new": {"unitCode": "GQ"}}
    with pytest.raises(BadRequestDataError):
        merge(entity, read_fragment(body, Reading(context=CONTEXT, nulls=True, merge=True)), LATER)
    assert entity == before


def deep(levels: int) -> Any:
    return [deep(levels - 1)] if levels else 1


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        "text",
        {"type": "T"},
        {"id": "urn:a:1"},
        {"id": "no-colon", "type": "T"},
        {"id": "urn:with space", "type": "T"},
        {"id": "urn:" + "x" * 2000, "type": "T"},
        {"id": 5, "type": "T"},
        {"id": "urn:a:1", "type": 5},
        {"id": "urn:a:1", "type": []},
        {"id": "urn:a:1", "type": ""},
        {"id": "urn:a:1", "type": "type"},
        {"id": "urn:a:1", "type": "a b"},
        {"id": "urn:a:1", "type": "T", "": 1},
        {"id": "urn:a:1", "type": "T", "a b": 1},
        {"id": "urn:a:1", "type": "T", "a(b": 1},
        {"id": "urn:a:1", "type": "T", "@weird": 1},
        {"id": "urn:a:1", "type": "T", "n": None},
        {"id": "urn:a:1", "type": "T", "n": {"type": "Property"}},
        {"id": "urn:a:1", "type": "T", "n": {"type": "Property", "value": None}},
        {"id": "urn:a:1", "type": "T", "n": {"type": "Property", "value": "urn:ngsi-ld:null"}},
        {"id": "urn:a:1", "type": "T", "n": {"type": "Property", "object": "urn:x:1"}},
        {"id": "urn:a:1", "type": "T", "n": {"type": "Thing", "value": 1}},
        {"id": "urn:a:1", "type": "T", "n": {"type": ["Property"], "value": 1}},
        {"id": "urn:a:1", "type": "T", "n": {"type": "Relationship", "object": "no uri"}},
        {"id": "urn:a:1", "type": "T", "n": {"type": "Relationship", "object": {"a": 1}}},
        {"id": "urn:a:1", "type": "T", "n": {"type": "Relationship", "object": "urn:x:1", "value": 5}},
        {"id": "urn:a:1", "type": "T", "n": {"type": "GeoProperty", "value": 5}},
        {"id": "urn:a:1", "type": "T", "n": {"type": "GeoProperty", "value": {"type": "Point"}}},
        {
            "id": "urn:a:1",
            "type": "T",
            "n": {"type": "GeoProperty", "value": {**POINT, "coordinates": [99, 99]}},
        },
        {"id": "urn:a:1", "type": "T", "n": {"type": "LanguageProperty", "languageMap": {"de": 5}}},
        {"id": "urn:a:1", "type": "T", "n": {"type": "LanguageProperty", "languageMap": "x"}},
        {"id": "urn:a:1", "type": "T", "n": {"type": "ListProperty", "valueList": 5}},
        {"id": "urn:a:1", "type": "T", "n": {"value": 1, "observedAt": "yesterday"}},
        {"id": "urn:a:1", "type": "T", "n": {"value": 1, "observedAt": "2026-02-30T10:00:00Z"}},
        {"id": "urn:a:1", "type": "T", "n": {"value": 1, "observedAt": "2026-02-01T10:00:00"}},
        {"id": "urn:a:1", "type": "T", "n": {"value": 1, "observedAt": 5}},
        {"id": "urn:a:1", "type": "T", "n": {"value": 1, "unitCode": 5}},
        {"id": "urn:a:1", "type": "T", "n": {"value": 1, "datasetId": "x"}},
        {"id": "urn:a:1", "type": "T", "n": {"unitCode": "GQ"}},
        {"id": "urn:a:1", "type": "T", "n": [{"value": 1}, {"value": 2}]},
        {"id": "urn:a:1", "type": "T", "n": deep(40)},
        {"id": "urn:a:1", "type": "T", "n": 1, "https://uri.etsi.org/ngsi-ld/default-context/n": 2},
        {"id": "urn:a:1", "type": "T", "scope": "has space"},
        {"id": "urn:a:1", "type": "T", "scope": 5},
        {"id": "urn:a:1", "type": "T", **{f"a{number}": 1 for number in range(1100)}},
    ],
)
def test_what_is_no_entity_is_refused_in_one_sentence(wrong: Any) -> None:
    with pytest.raises(BadRequestDataError) as caught:
        read_entity(wrong, PLAIN)
    assert 10 < len(caught.value.detail) < 400


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "value",
                    "object",
                    "languageMap",
                    "vocab",
                    "json",
                    "coordinates",
                    "observedAt",
                    "datasetId",
                    "x",
                ]
            )
            | st.text(max_size=5),
            inner
            | st.sampled_from(
                ["Property", "Relationship", "GeoProperty", "Point", "urn:a:b", "LanguageProperty"]
            ),
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_json_at_all_makes_the_reader_fail(value: Any) -> None:
    for body in (value, {"id": "urn:a:1", "type": "T", "n": value}):
        for simplified in (False, True):
            try:
                entity, _ = create(read_entity(body, Reading(context=CONTEXT, simplified=simplified)), MOMENT)
            except ProblemError:
                continue
            for form in ("normalized", "concise", "simplified"):
                shown(entity, form)
            assert shown(stored(shown(entity))) == shown(entity)
            assert shown(stored(shown(entity, "concise"))) == shown(entity)
