# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Which types and attributes there are (CIM 009, clauses 5.7.5 to 5.7.10)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson

from broker.embedded.parts import PARTS, Parts
from broker.embedded.problems import NotFoundError
from broker.embedded.requests import answer, read_call
from broker.embedded.vocabulary import check_name

if TYPE_CHECKING:
    from aiohttp import web

    from broker.embedded.terms import Context


@dataclass(kw_only=True, slots=True)
class _Known:
    """What is known of an attribute: how many instances, of which kinds, and the types that have it."""

    instances: int = 0
    kinds: set[str] = field(default_factory=set)
    types: set[str] = field(default_factory=set)


async def list_types(request: web.Request) -> web.Response:
    """GET /types (5.7.5 and 5.7.6)."""
    parts = request.app[PARTS]
    call = await read_call(request, parameters={"details"})
    context = await parts.context(call)
    await parts.reader.check_tenant(call.tenant)
    types = sorted(
        {iri for row in await parts.reader.rows("list_types", call.tenant) for iri in row["types"]}
    )
    if not call.flag("details"):
        names = [context.compact(iri) for iri in types]
        return answer(call, _list("EntityTypeList", "typeList", names), context)
    attributes = await _attributes(parts, call.tenant)
    details = [
        {
            "id": iri,
            "type": "EntityType",
            "typeName": context.compact(iri),
            "attributeNames": [context.compact(name) for name, known in attributes if iri in known.types],
        }
        for iri in types
    ]
    return answer(call, details, context)


async def describe_type(request: web.Request) -> web.Response:
    """GET /types/{type} (5.7.7)."""
    parts = request.app[PARTS]
    call = await read_call(request)
    name = check_name(request.match_info["type"], "a type")
    context = await parts.context(call, [name])
    iri = context.expand(name)
    await parts.reader.check_tenant(call.tenant)
    (row,) = await parts.reader.rows("count_type", call.tenant, iri)
    if not row["count"]:
        raise NotFoundError(detail=f"no entity has the type {name}")
    info = {
        "id": iri,
        "type": "EntityTypeInfo",
        "typeName": context.compact(iri),
        "entityCount": row["count"],
        "attributeDetails": [
            {
                "id": attribute,
                "type": "Attribute",
                "attributeName": context.compact(attribute),
                "attributeTypes": sorted(known.kinds),
            }
            for attribute, known in await _attributes(parts, call.tenant, of=iri)
        ],
    }
    return answer(call, info, context)


async def list_attributes(request: web.Request) -> web.Response:
    """GET /attributes (5.7.8 and 5.7.9)."""
    parts = request.app[PARTS]
    call = await read_call(request, parameters={"details"})
    context = await parts.context(call)
    await parts.reader.check_tenant(call.tenant)
    found = await _attributes(parts, call.tenant)
    if call.flag("details"):
        return answer(call, [_attribute(iri, known, context) for iri, known in found], context)
    names = [context.compact(iri) for iri, _ in found]
    return answer(call, _list("AttributeList", "attributeList", names), context)


async def describe_attribute(request: web.Request) -> web.Response:
    """GET /attributes/{name} (5.7.10)."""
    parts = request.app[PARTS]
    call = await read_call(request)
    name = check_name(request.match_info["name"])
    context = await parts.context(call)
    await parts.reader.check_tenant(call.tenant)
    found = await _attributes(parts, call.tenant, name=context.expand(name))
    if not found:
        raise NotFoundError(detail=f"no entity has the attribute {name}")
    ((iri, known),) = found
    counts = {"attributeCount": known.instances, "attributeTypes": sorted(known.kinds)}
    return answer(call, {**_attribute(iri, known, context), **counts}, context)


async def _attributes(
    parts: Parts, tenant: str, *, of: str | None = None, name: str | None = None
) -> list[tuple[str, _Known]]:
    """Return the attributes that there are, in order: of a type, or one, or all."""
    found: dict[str, _Known] = {}
    for shape in await parts.reader.rows("list_shapes", tenant, of, name):
        kinds = iter(orjson.loads(shape["kinds"] or "[]"))
        for iri, size in zip(shape["names"], orjson.loads(shape["sizes"] or "[]"), strict=True):
            known = found.setdefault(iri, _Known())
            known.instances += shape["entities"] * size
            known.kinds.update(islice(kinds, size))
            known.types.update(shape["types"])
    if name is not None:
        found = {iri: known for iri, known in found.items() if iri == name}
    return [(each, found[each]) for each in sorted(found)]


def _attribute(iri: str, known: _Known, context: Context) -> dict[str, Any]:
    return {
        "id": iri,
        "type": "Attribute",
        "attributeName": context.compact(iri),
        "typeNames": [context.compact(each) for each in sorted(known.types)],
    }


def _list(kind: str, member: str, names: list[str]) -> dict[str, Any]:
    return {"id": f"urn:ngsi-ld:{kind}:{uuid.uuid4()}", "type": kind, member: names}
