# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What is shown without being read is what is shown when it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.embedded.entities import Reading, read_entity
from broker.embedded.merging import create, timestamp
from broker.embedded.representations import View, show
from broker.embedded.terms import Context
from broker.embedded.unread import Unread, show_unread
from ontology.loader import core_context

if TYPE_CHECKING:
    import asyncpg

CONTEXT = Context(None, [core_context()["@context"]])
MOMENT = datetime(2026, 5, 1, 10, tzinfo=UTC)
AT = "2026-05-01T10:00:00Z"
POINT = {"type": "Point", "coordinates": [7.47, 51.36]}

AS_STORED: dict[str, Any] = {
    "number": {"type": "Property", "value": 22.5, "unitCode": "GQ", "observedAt": AT},
    "great": {"type": "Property", "value": 2**63 - 1},
    "text": {"type": "Property", "value": 'Emst "Nord"\\ ä 😀 \u2028'},
    "false": {"type": "Property", "value": False},
    "array": {"type": "Property", "value": [1, [2.0], {"createdAt": 1}]},
    "object": {"type": "Property", "value": {"type": "x", "value": {"createdAt": AT, "modifiedAt": AT}}},
    "location": {"type": "GeoProperty", "value": POINT},
    "one": {"type": "Relationship", "object": "urn:x:1"},
    "many": {"type": "Relationship", "object": ["urn:x:1", "urn:x:2"]},
    "title": {"type": "LanguageProperty", "languageMap": {"de": "Luft", "en": ["air", "breath"]}},
    "raw": {"type": "JsonProperty", "json": {"a": [1]}},
    "list": {"type": "ListProperty", "valueList": [1, "b"]},
    "several": [
        {"type": "Property", "value": 1},
        {"type": "Property", "value": 2, "datasetId": "urn:d:2", "observedAt": AT},
    ],
}
TO_BE_READ: dict[str, Any] = {
    "vocab": {"type": "VocabProperty", "vocab": "outdoor"},
    "links": {"type": "ListRelationship", "objectList": ["urn:x:1", "urn:x:2"]},
    "typed": {"type": "Relationship", "object": "urn:x:1", "objectType": "T"},
    "flagged": {"type": "Property", "value": 1, "quality": {"type": "Property", "value": ["range"]}},
    "brief": {
        "type": "Property",
        "value": 1,
        "expiresAt": timestamp(datetime.now(UTC) + timedelta(hours=1)),
    },
}


def unread(attributes: dict[str, Any], **members: Any) -> Unread:
    body = {"id": "urn:ngsi-ld:T:1", "type": "T", **members, **attributes}
    entity, _ = create(read_entity(body, Reading(context=CONTEXT)), MOMENT)
    row = {
        "id": entity.id,
        "types": entity.types,
        "scopes": entity.scopes,
        "doc": orjson.dumps(entity.attributes).decode().replace(",", ", "),  # as PostgreSQL spaces it
        "created_at": MOMENT,
        "modified_at": MOMENT,
        "expires_at": None,
    }
    return Unread(cast("asyncpg.Record", row))


def both(entity: Unread) -> tuple[Any, Any]:
    """Return an entity as it is shown unread, and as it is shown when it is read."""
    view = View(context=CONTEXT)
    assert view.plain
    shown = show_unread(entity, view)
    return None if shown is None else orjson.loads(orjson.dumps(shown)), show(entity, view)


@pytest.mark.parametrize("name", AS_STORED)
def test_it_is_shown_the_same(name: str) -> None:
    found, wanted = both(unread({name: AS_STORED[name]}))
    assert found == wanted
    assert "modifiedAt" not in wanted[name]


@pytest.mark.parametrize("name", TO_BE_READ)
def test_what_has_more_to_it_is_read(name: str) -> None:
    found, wanted = both(unread({"number": AS_STORED["number"], name: TO_BE_READ[name]}))
    assert found is None
    assert name in wanted


@pytest.mark.parametrize(
    "members", [{}, {"type": ["T", "U"]}, {"scope": "/a"}, {"scope": ["/a", "/b/c"]}], ids=str
)
def test_members_of_the_entity(members: dict[str, Any]) -> None:
    found, wanted = both(unread(AS_STORED, **members))
    assert found == wanted


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_any_json(value: Any) -> None:
    found, wanted = both(unread({"raw": {"type": "JsonProperty", "json": [value]}}))
    assert found == wanted


@pytest.mark.parametrize(
    "members",
    [
        {"form": "concise"},
        {"system": True},
        {"attributes": frozenset()},
        {"pick": {}},
        {"omit": {}},
        {"datasets": frozenset({None})},
        {"languages": ()},
    ],
    ids=str,
)
def test_other_views_are_not_plain(members: dict[str, Any]) -> None:
    assert not View(context=CONTEXT, **members).plain
