# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Which types and attributes there are (CIM 009, clauses 5.7.5 to 5.7.10)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from broker.embedded.parts import PARTS
from broker.embedded.problems import NotFoundError
from broker.embedded.requests import answer, read_call
from broker.embedded.vocabulary import check_name

if TYPE_CHECKING:
    import asyncpg
    from aiohttp import web

    from broker.embedded.terms import Context


async def list_types(request: web.Request) -> web.Response:
    """GET /types (5.7.5 and 5.7.6)."""
    parts = request.app[PARTS]
    call = await read_call(request, parameters={"details"})
    context = await parts.context(call)
    await parts.reader.check_tenant(call.tenant)
    rows = await parts.reader.rows("list_types", call.tenant, None)
    if call.flag("details"):
        details = [
            {
                "id": row["type"],
                "type": "EntityType",
                "typeName": context.compact(row["type"]),
                "attributeNames": [context.compact(iri) for iri in row["attributes"] or []],
            }
            for row in rows
        ]
        return answer(call, details, context)
    names = [context.compact(row["type"]) for row in rows]
    return answer(call, _list("EntityTypeList", "typeList", names), context)


async def describe_type(request: web.Request) -> web.Response:
    """GET /types/{type} (5.7.7)."""
    parts = request.app[PARTS]
    call = await read_call(request)
    name = check_name(request.match_info["type"], "a type")
    context = await parts.context(call, [name])
    iri = context.expand(name)
    await parts.reader.check_tenant(call.tenant)
    rows = [row for row in await parts.reader.rows("list_types", call.tenant, iri) if row["type"] == iri]
    if not rows:
        raise NotFoundError(detail=f"no entity has the type {name}")
    attributes = await parts.reader.rows("attributes_of_type", call.tenant, iri)
    info = {
        "id": iri,
        "type": "EntityTypeInfo",
        "typeName": context.compact(iri),
        "entityCount": rows[0]["entities"],
        "attributeDetails": [
            {
                "id": row["name"],
                "type": "Attribute",
                "attributeName": context.compact(row["name"]),
                "attributeTypes": row["kinds"],
            }
            for row in attributes
        ],
    }
    return answer(call, info, context)


async def list_attributes(request: web.Request) -> web.Response:
    """GET /attributes (5.7.8 and 5.7.9)."""
    parts = request.app[PARTS]
    call = await read_call(request, parameters={"details"})
    context = await parts.context(call)
    await parts.reader.check_tenant(call.tenant)
    rows = await parts.reader.rows("list_attributes", call.tenant, None)
    if call.flag("details"):
        return answer(call, [_attribute(row, context) for row in rows], context)
    names = [context.compact(row["name"]) for row in rows]
    return answer(call, _list("AttributeList", "attributeList", names), context)


async def describe_attribute(request: web.Request) -> web.Response:
    """GET /attributes/{name} (5.7.10)."""
    parts = request.app[PARTS]
    call = await read_call(request)
    name = check_name(request.match_info["name"])
    context = await parts.context(call)
    await parts.reader.check_tenant(call.tenant)
    rows = await parts.reader.rows("list_attributes", call.tenant, context.expand(name))
    if not rows:
        raise NotFoundError(detail=f"no entity has the attribute {name}")
    counts = {"attributeCount": rows[0]["instances"], "attributeTypes": rows[0]["kinds"]}
    return answer(call, {**_attribute(rows[0], context), **counts}, context)


def _attribute(row: asyncpg.Record, context: Context) -> dict[str, Any]:
    return {
        "id": row["name"],
        "type": "Attribute",
        "attributeName": context.compact(row["name"]),
        "typeNames": [context.compact(iri) for iri in row["types"]],
    }


def _list(kind: str, member: str, names: list[str]) -> dict[str, Any]:
    return {"id": f"urn:ngsi-ld:{kind}:{uuid.uuid4()}", "type": kind, member: names}
