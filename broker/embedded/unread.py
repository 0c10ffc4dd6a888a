# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Entities that are read from the store, and often shown without a look into their attributes.

Most attributes are shown as they are stored, but for their names and for what the broker notes down. Then
their values are not made into objects and back: of a page, that is a third of the work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from broker.embedded.merging import Stored

if TYPE_CHECKING:
    import asyncpg

    from broker.embedded.representations import View

_ABSENT = msgspec.Raw()


class _Instance(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """An instance that is shown as it is stored; the names are the members', the values JSON."""

    type: str
    value: msgspec.Raw = _ABSENT
    object: msgspec.Raw = _ABSENT
    json: msgspec.Raw = _ABSENT
    languageMap: msgspec.Raw = _ABSENT  # noqa: N815 - the member's name
    valueList: msgspec.Raw = _ABSENT  # noqa: N815 - the member's name
    unitCode: msgspec.Raw = _ABSENT  # noqa: N815 - the member's name
    observedAt: msgspec.Raw = _ABSENT  # noqa: N815 - the member's name
    datasetId: msgspec.Raw = _ABSENT  # noqa: N815 - the member's name
    createdAt: msgspec.Raw = _ABSENT  # noqa: N815 - the member's name
    modifiedAt: msgspec.Raw = _ABSENT  # noqa: N815 - the member's name


_read = msgspec.json.Decoder(dict[str, list[_Instance]]).decode
_write = msgspec.json.Encoder().encode


class Unread(Stored):
    """An entity whose attributes are read when somebody looks at them.

    Args:
        row: of the table of entities.
    """

    __slots__ = ("doc",)

    def __init__(self, row: asyncpg.Record) -> None:
        self.id = row["id"]
        self.types = row["types"]
        self.scopes = row["scopes"]
        self.created_at = row["created_at"]
        self.modified_at = row["modified_at"]
        self.expires_at = row["expires_at"]
        self.doc: str = row["doc"]

    def __getattr__(self, name: str) -> Any:
        if name != "attributes":
            raise AttributeError(name)
        self.attributes = orjson.loads(self.doc)
        return self.attributes


def show_unread(entity: Stored, view: View) -> orjson.Fragment | None:
    """Return an entity as `representations.show` does in a plain view; None where that has to do it."""
    if not isinstance(entity, Unread):
        return None
    try:
        attributes = _read(entity.doc)
    except msgspec.ValidationError:  # it has attributes with attributes, texts in languages, or the like
        return None
    compact = view.context.compact
    types = [compact(iri) for iri in entity.types]
    shown: dict[str, Any] = {"id": entity.id, "type": types[0] if len(types) == 1 else types}
    if entity.scopes:
        shown["scope"] = entity.scopes[0] if len(entity.scopes) == 1 else entity.scopes
    for iri, instances in attributes.items():
        for instance in instances:
            instance.createdAt = instance.modifiedAt = _ABSENT
        shown[compact(iri)] = instances[0] if len(instances) == 1 else instances
    return orjson.Fragment(_write(shown))
