# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Reading a subscription: whatever JSON it is, it is read or refused (clauses 5.2.12 to 5.2.15)."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from broker.embedded.problems import ProblemError
from broker.embedded.subscriptions import Recorder, Remembered, compile_subscription, patched, shown_doc
from broker.embedded.terms import Context
from broker.embedded.vocabulary import NULL
from ontology.loader import core_context

CONTEXT = Context(None, [core_context()["@context"]])
WHOLE: dict[str, Any] = {
    "id": "urn:s:1",
    "type": "Subscription",
    "entities": [{"type": "Air,(Water;River)", "id": "urn:a:1", "idPattern": "x"}],
    "watchedAttributes": ["no2"],
    "notificationTrigger": ["attributeCreated", "entityUpdated"],
    "q": "no2>5",
    "geoQ": {"georel": "within", "geometry": "Point", "coordinates": [7, 51], "geoproperty": "location"},
    "throttling": 5,
    "expiresAt": "2099-01-01T00:00:00Z",
    "isActive": True,
    "notification": {
        "attributes": ["no2"],
        "format": "concise",
        "showChanges": False,
        "endpoint": {
            "uri": "https://r.example/x",
            "accept": "application/json",
            "timeout": 500,
            "receiverInfo": [{"key": "X-A", "value": "b"}],
        },
    },
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=5) | st.just(NULL),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value inside."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(found for key, item in inside for found in places(item, (*way, key)))]


def replaced(way: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(WHOLE)
    target = changed
    for key in way[:-1]:
        target = target[key]
    target[way[-1]] = value
    return changed


def test_a_stored_subscription_is_read_again_without_its_context() -> None:
    names = Recorder(CONTEXT)
    first = compile_subscription(WHOLE, names)
    assert compile_subscription(WHOLE, Remembered(names.known)) == first
    assert shown_doc(WHOLE, names.known, CONTEXT)["watchedAttributes"] == ["no2"]


@given(st.sampled_from([way for way in places(WHOLE) if way and way != ("id",)]), JSON)
def test_any_value_anywhere_is_read_or_refused(way: tuple[Any, ...], value: Any) -> None:
    try:
        compile_subscription(replaced(way, value), Recorder(CONTEXT))
    except ProblemError as error:
        assert len(error.detail) > 10  # noqa: PT017 - either outcome is right


@given(st.dictionaries(st.sampled_from([*WHOLE, "x"]), JSON, max_size=3))
def test_any_patch_leaves_a_subscription_or_is_refused(patch: dict[str, Any]) -> None:
    try:
        compile_subscription({**patched(WHOLE, patch), "id": "urn:s:1"}, Recorder(CONTEXT))
    except ProblemError as error:
        assert len(error.detail) > 10  # noqa: PT017 - either outcome is right
