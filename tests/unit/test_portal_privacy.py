# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the rules of a dataset leave of an entity."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.values import rfc3339
from portal.datasets import Dataset, Rule, Text
from portal.privacy import Instance, due, hidden_id, later_public, less, now_public

WORDS = Text(de="Versuch", en="Trial")
NOW = datetime(2026, 11, 23, 12, 7, tzinfo=UTC)
RULES = {
    "location": Rule(metres=500),
    "address": Rule(keep=("addressLocality",)),
    "peopleCount": Rule(every="PT15M"),
}


def same(entity_id: str) -> str:
    return entity_id


def dataset(*attributes: str, **rules: Rule) -> Dataset:
    return Dataset(
        name="test",
        type="CrowdFlowObserved",
        title=WORDS,
        description=WORDS,
        attributes=attributes,
        rules=rules,
    )


def measured(value: Any, at: datetime, **more: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, "observedAt": rfc3339(at), **more}


def crowd(
    name: str, count: float, at: datetime, place: tuple[float, float] = (7.47, 51.36)
) -> dict[str, Any]:
    return {
        "id": f"urn:ngsi-ld:CrowdFlowObserved:hagen:{name}",
        "type": "CrowdFlowObserved",
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [*place, 104.5]}},
        "address": {"type": "Property", "value": {"addressLocality": "Hagen", "streetAddress": "Geheim 1"}},
        "peopleCount": measured(count, at),
        "refDevice": {"type": "Relationship", "object": "urn:ngsi-ld:Device:hagen:secret"},
    }


def test_what_is_not_named_stays_behind() -> None:
    entity = crowd("a", 3, NOW)
    entity["peopleCount"] |= {
        "providedBy": {"type": "Relationship", "object": "urn:ngsi-ld:Device:hagen:secret"},
        "quality": {
            "type": "Property",
            "value": "out-of-range",
            "seenBy": {"type": "Property", "value": "x"},
        },
        "createdAt": rfc3339(NOW),
        "modifiedAt": rfc3339(NOW),
        "instanceId": "urn:x",
    }
    found = now_public(entity, dataset("peopleCount"), same)
    kept = {**measured(3, NOW), "quality": {"type": "Property", "value": "out-of-range"}}
    assert found == {"peopleCount": [kept]}


def test_places_are_those_of_a_square() -> None:
    rules = dataset("location", "address", location=RULES["location"], address=RULES["address"])
    published = {
        str(now_public(crowd("a", 1, NOW, (7.47 + east / 1e5, 51.36)), rules, same)["location"][0]["value"])
        for east in range(0, 300, 10)
    }
    assert len(published) <= 2  # 210 metres cross one side of a square at most
    found = now_public(crowd("a", 1, NOW), rules, same)
    assert len(found["location"][0]["value"]["coordinates"]) == 2, "nor its height"
    assert found["address"][0]["value"] == {"addressLocality": "Hagen"}


@given(st.floats(-180, 180), st.floats(-89, 89), st.sampled_from([50, 500, 5000]))
def test_the_square_is_near_and_the_same_for_its_middle(
    longitude: float, latitude: float, metres: int
) -> None:
    rule = Rule(metres=metres)
    body = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [longitude, latitude]}}
    found = less(body, rule, same)
    assert found is not None
    east, north = found["value"]["coordinates"]
    assert abs(north - latitude) * 111_320 <= metres
    again = less(
        {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [east, north]}}, rule, same
    )
    assert again is not None
    assert again["value"]["coordinates"][1] == pytest.approx(north, abs=2e-6)


def pending(rule: Rule, *entities: dict[str, Any]) -> list[Instance]:
    rules = dataset("peopleCount", peopleCount=rule)
    return [each for entity in entities for _, each in later_public(entity, rules, arrived=NOW)]


def test_the_last_of_a_period_once_it_is_over() -> None:
    rule = Rule(every="PT15M")
    quarter = NOW.replace(minute=0)
    entities = [crowd("a", n, quarter + timedelta(minutes=m)) for n, m in ((1, -14), (2, -1), (3, 1), (4, 6))]
    assert now_public(entities[0], dataset("peopleCount", peopleCount=rule), same) == {}
    (entity_id, found), *rest = due(pending(rule, *entities), rule, NOW, same).items()
    assert (entity_id, rest) == (entities[0]["id"], [])
    assert found == [measured(2, quarter - timedelta(minutes=15))]
    later = due(pending(rule, *entities), rule, NOW + timedelta(minutes=8), same)
    assert later[entity_id][1:] == [measured(4, quarter)]


def test_later_than_observed() -> None:
    rule = Rule(delay="PT1H")
    old, new = crowd("a", 1, NOW - timedelta(minutes=61)), crowd("a", 2, NOW - timedelta(minutes=59))
    assert due(pending(rule, old, new), rule, NOW, same) == {old["id"]: [old["peopleCount"]]}


def test_a_mean_of_enough_or_nothing() -> None:
    """Three are together in a square, one is alone in another: of the one, nothing is known."""
    rule = Rule(every="PT15M", least=3, metres=1000)
    at = NOW - timedelta(minutes=20)
    close = [crowd(name, count, at) for name, count in (("a", 1), ("b", 2), ("c", 6))]
    alone = crowd("d", 99, at, (7.6, 51.3))
    assert due(pending(rule, *close, alone), rule, NOW, same) == {
        each["id"]: [measured(3.0, NOW.replace(minute=45, hour=11))] for each in close
    }
    assert due(pending(rule, *close[:2], alone), rule, NOW, same) == {}


def test_hidden_ids_cannot_be_found_out() -> None:
    entity_id = "urn:ngsi-ld:CrowdFlowObserved:hagen:meinestrasse-1"
    found = hidden_id(entity_id, b"key")
    assert found == hidden_id(entity_id, b"key") != hidden_id(entity_id, b"other")
    assert found.startswith("urn:ngsi-ld:CrowdFlowObserved:")
    assert "strasse" not in found


@pytest.mark.parametrize(
    ("attributes", "rules", "complaint"),
    [
        (("peopleCount",), {"location": Rule(metres=100)}, "not among the attributes"),
        (("nonsense",), {}, "has no attribute"),
        (("peopleCount", "dateObserved"), {"peopleCount": Rule(every="PT1H")}, "would tell when"),
    ],
)
def test_declarations_that_cannot_be_meant(
    attributes: tuple[str, ...], rules: dict[str, Rule], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        dataset(*attributes, **rules)


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"least": 3},
        {"every": "15M"},
        {"every": "PT0S"},
        {"keep": ("a",), "metres": 100},
        {"delay": "P1Y"},
    ],
)
def test_rules_that_cannot_be_meant(rule: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Rule(**rule)
