# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The index of subscriptions leaves out none that a change concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from broker.embedded.entities import Reading, read_entity
from broker.embedded.merging import Changes, create, now
from broker.embedded.patterns import Patterns
from broker.embedded.query_in_memory import meets
from broker.embedded.snapshots import Write
from broker.embedded.subscription_index import SubscriptionIndex
from broker.embedded.subscriptions import Recorder, Subscription, compile_subscription
from broker.embedded.terms import Context
from ontology.loader import core_context

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTEXT = Context(None, [core_context()["@context"]])
ENTITIES = st.sampled_from(
    [
        {"id": "urn:e:1", "type": "*"},
        {"type": "A"},
        {"type": "B"},
        {"type": "(A;B)"},
        {"idPattern": "e", "type": "*"},
    ]
)
QUERIES = st.sampled_from(
    [None, "a>5", "a>=5", "a<5", "a<=5", "a==5", "a==5,6", 'a=="x"', "a==true", "a!=5", "a==4..6", "a", "!a"]  # noqa: RUF005 - in two lines
    + ["b;a>5", "a>5|b", "(a==5;b>1)", "a.p>5", 'a>"x"', "a==urn:x:1", "createdAt>2000-01-01T00:00:00Z"]
)
VALUES = st.sampled_from(
    [4, 5, 6, 5.0, True, "x", [4, 6], {"object": "urn:x:1"}, {"languageMap": {"de": "x"}}]  # noqa: RUF005 - in two lines
    + [[{"value": 4}, {"value": 6, "datasetId": "urn:d"}], {"valueList": [5]}, {"a": 5}, {"@value": 5}]
)


def subscription(
    number: int, entities: list[dict[str, str]], q: str | None, watched: str | None
) -> Subscription:
    doc: dict[str, Any] = {
        "id": f"urn:s:{number}",
        "type": "Subscription",
        "entities": entities,
        "notification": {"endpoint": {"uri": "http://receiver.example/"}},
    }
    doc.update({"q": q} if q else {})
    doc.update({"watchedAttributes": [watched]} if watched else {})
    return compile_subscription(doc, Recorder(CONTEXT))


def concerned(subscriptions: Sequence[Subscription], write: Write) -> set[str]:
    """Return the ids of those that a change concerns, one by one."""
    touched = set(write.changes.updated)
    return {
        each.id
        for each in subscriptions
        if any(selector.may_match(write.entity) for selector in each.selectors)
        and (each.watched is None or each.watched & touched)
        and (each.q is None or meets(write.entity, each.q, Patterns()))
    }


@given(
    st.lists(
        st.tuples(st.lists(ENTITIES, min_size=1, max_size=2), QUERIES, st.sampled_from([None, "a", "b"])),
        max_size=8,
    ),
    st.dictionaries(st.sampled_from("ab"), VALUES, max_size=2),
    st.sampled_from(["A", "B", ["A", "B"], "C"]),
)
def test_none_is_left_out(
    given_: list[tuple[list[dict[str, str]], str | None, str | None]], attributes: dict[str, Any], types: Any
) -> None:
    subscriptions = [subscription(number, *each) for number, each in enumerate(given_)]
    body = {"id": "urn:e:1", "type": types, **attributes}
    entity, _ = create(read_entity(body, Reading(context=CONTEXT)), now())
    write = Write(entity=entity, changes=Changes(updated=list(entity.attributes)), before=entity.attributes)
    found = [each.id for each in SubscriptionIndex(subscriptions).about(write)]
    assert concerned(subscriptions, write) <= set(found)
    assert len(found) == len(set(found))
