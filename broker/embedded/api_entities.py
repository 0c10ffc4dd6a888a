# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Entities and their attributes over HTTP.

CIM 009, clauses 5.6.1 to 5.6.6, 5.6.17 to 5.6.19, 5.7.1 and 5.7.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from broker.embedded import merging
from broker.embedded.entities import Reading, read_attribute, read_entity, read_fragment
from broker.embedded.filters import Filter
from broker.embedded.geo import parse_geo
from broker.embedded.links import page_links
from broker.embedded.parts import PARTS, Parts
from broker.embedded.problems import (
    AlreadyExistsError,
    BadRequestDataError,
    InvalidRequestError,
    NotFoundError,
)
from broker.embedded.query import check_pattern, parse_q, patterns_of
from broker.embedded.representations import View, feature, feature_collection, show
from broker.embedded.requests import (
    ENTITY_MEDIA,
    GEO_JSON,
    JSON_LD,
    JSON_MEDIA,
    MERGE_PATCH,
    Call,
    answer,
    done,
    read_call,
    source_of,
)
from broker.embedded.selection import parse_types, type_names
from broker.embedded.vocabulary import LOCATION, VALUE_MEMBER, check_id, check_name
from broker.embedded.writing import Step, existing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from aiohttp import web

    from broker.embedded.entities import Fragment
    from broker.embedded.merging import Changes, Stored
    from broker.embedded.representations import Form
    from broker.embedded.terms import Context

PATH = "/ngsi-ld/v1/entities"
_FORMS = frozenset({"normalized", "concise", "keyValues", "simplified"})
_PATCHES = (*JSON_MEDIA, MERGE_PATCH)
_SIMPLE = frozenset({"keyValues", "simplified"})
_MAX_LIMIT = 1000
_MAX_OFFSET = 10**9
_QUERY_PARAMETERS = frozenset(
    {
        "id", "type", "idPattern", "attrs", "q", "georel", "geometry", "coordinates", "geoproperty",
        "geometryProperty", "limit", "offset", "count", "options", "format",
    }
)  # fmt: skip


async def create_entity(request: web.Request) -> web.Response:
    """POST /entities (5.6.1)."""
    parts = request.app[PARTS]
    call = await read_call(request, body=True, options=_FORMS, parameters={"options", "format"})
    if not isinstance(call.body, dict):
        raise InvalidRequestError(detail="the body must be a JSON object")
    fragment = await _read_entity(parts, call, call.body)
    entity_id = fragment.id or ""
    await parts.writer.write_one(call.tenant, creation(fragment), create_tenant=True)
    return done(call, status=201, headers={"Location": f"{PATH}/{quote(entity_id, safe=':')}"})


async def retrieve_entity(request: web.Request) -> web.Response:
    """GET /entities/{id} (5.7.1)."""
    parts = request.app[PARTS]
    call = await read_call(
        request,
        offered=ENTITY_MEDIA,
        options=_FORMS | {"sysAttrs"},
        parameters={"attrs", "options", "format", "geometryProperty", "type"},
    )
    entity_id = check_id(request.match_info["id"])
    await parts.reader.check_tenant(call.tenant)
    stored = await parts.reader.get(call.tenant, entity_id)
    if stored is None:
        raise NotFoundError(detail=f"there is no entity {entity_id}")
    context = await parts.context(call, stored.types)
    attributes = attribute_names(call.parameters.get("attrs"), context)
    if attributes is not None and not any(iri in stored.attributes for iri in attributes):
        raise NotFoundError(detail=f"the entity {entity_id} has none of these attributes")
    view = view_of(call, context, attributes)
    if call.media == GEO_JSON:
        return answer(call, feature(stored, view, _geometry_property(call, context)), context)
    return answer(call, show(stored, view), context)


async def query_entities(request: web.Request) -> web.Response:
    """GET /entities (5.7.2)."""
    parts = request.app[PARTS]
    call = await read_call(
        request, offered=ENTITY_MEDIA, options=_FORMS | {"sysAttrs", "count"}, parameters=_QUERY_PARAMETERS
    )
    given = call.parameters
    context = await parts.context(call, type_names(given.get("type", "")))
    attributes = attribute_names(given.get("attrs"), context)
    which = Filter(
        ids=_ids(given.get("id")),
        types=None if given.get("type") in {None, "*"} else parse_types(given["type"], context),
        id_pattern=check_pattern(given["idPattern"], "idPattern") if "idPattern" in given else None,
        attributes=attributes,
        q=parse_q(given["q"], context) if "q" in given else None,
        geo=parse_geo(given, context),
    )
    broad = which.types is None and which.attributes is None and which.q is None and which.geo is None
    if broad and not call.flag("local"):
        raise BadRequestDataError(
            detail="too broad query: it needs one of type, attrs, q, a geographical query, or local=true"
        )
    return await answer_query(parts, call, which, context, dict(given))


async def answer_query(
    parts: Parts, call: Call, which: Filter, context: Context, parameters: Mapping[str, str]
) -> web.Response:
    """Run a query and answer with a page of it."""
    count = call.flag("count") or "count" in call.options
    limit = call.number("limit", 20, highest=_MAX_LIMIT)
    offset = call.number("offset", 0, highest=_MAX_OFFSET)
    if limit == 0 and not count:
        raise BadRequestDataError(detail="limit may be 0 only beside count=true")
    patterns = [] if which.id_pattern is None else [which.id_pattern]
    for pattern in [*patterns, *patterns_of(which.q)] if which.q is not None else patterns:
        await parts.reader.check_pattern(pattern)
    await parts.reader.check_tenant(call.tenant)
    page = await parts.reader.query(call.tenant, which, limit=limit, offset=offset, count=count)
    links = page_links(call.path, parameters, limit=limit, offset=offset, more=page.more, media=call.media)
    headers = [("Link", link) for link in links]
    if page.total is not None:
        headers.append(("NGSILD-Results-Count", str(page.total)))
    view = view_of(call, context, which.attributes)
    if call.media == GEO_JSON:
        body: Any = feature_collection(page.entities, view, _geometry_property(call, context))
    else:
        body = [show(entity, view) for entity in page.entities]
    return answer(call, body, context, headers=headers)


async def delete_entity(request: web.Request) -> web.Response:
    """DELETE /entities/{id} (5.6.6)."""
    parts = request.app[PARTS]
    call = await read_call(request, parameters={"type"})
    entity_id = check_id(request.match_info["id"])
    if not await parts.writer.delete(call.tenant, [entity_id]):
        raise NotFoundError(detail=f"there is no entity {entity_id}")
    return done(call)


async def replace_entity(request: web.Request) -> web.Response:
    """PUT /entities/{id} (5.6.18)."""
    return await _change_entity(request, merging.replace)


async def merge_entity(request: web.Request) -> web.Response:
    """PATCH /entities/{id} (5.6.17)."""
    return await _change_entity(request, merging.merge, nulls=True)


async def append_attributes(request: web.Request) -> web.Response:
    """POST /entities/{id}/attrs (5.6.3)."""

    def change(stored: Stored, fragment: Fragment, moment: datetime) -> Changes:
        overwrite = "noOverwrite" not in request.query.get("options", "").split(",")
        return merging.append(stored, fragment, moment, overwrite=overwrite)

    return await _change_entity(request, change, options=frozenset({"noOverwrite"}))


async def update_attributes(request: web.Request) -> web.Response:
    """PATCH /entities/{id}/attrs (5.6.2)."""
    return await _change_entity(request, merging.update, nulls=True)


async def patch_attribute(request: web.Request) -> web.Response:
    """PATCH /entities/{id}/attrs/{name} (5.6.4)."""

    def change(stored: Stored, iri: str, body: Any, context: Context, moment: datetime) -> Changes:
        if iri not in stored.attributes:
            raise NotFoundError(detail=f"{stored.id} has no such attribute: {iri}")
        kind = stored.attributes[iri][0]["type"]
        return merging.patch_attribute(stored, iri, read_patch(iri, body, kind, context), moment)

    return await _change_attribute(request, change)


async def replace_attribute(request: web.Request) -> web.Response:
    """PUT /entities/{id}/attrs/{name} (5.6.19)."""
    if request.match_info["name"] == "scope":
        raise BadRequestDataError(detail="the scope is no attribute; PATCH …/attrs replaces it")

    def change(stored: Stored, iri: str, body: Any, context: Context, moment: datetime) -> Changes:
        if iri not in stored.attributes:
            raise NotFoundError(detail=f"{stored.id} has no such attribute: {iri}")
        fragment = read_fragment({iri: body}, Reading(context=context))
        return merging.append(stored, fragment, moment)

    return await _change_attribute(request, change)


async def delete_attribute(request: web.Request) -> web.Response:
    """DELETE /entities/{id}/attrs/{name} (5.6.5)."""
    parts = request.app[PARTS]
    call = await read_call(request, parameters={"datasetId", "deleteAll", "type"})
    entity_id, name = _named(request)
    context = await parts.context_by_id(call, entity_id)
    dataset, every = call.parameters.get("datasetId"), call.flag("deleteAll")
    if dataset is not None:
        check_id(dataset, "datasetId")

    def change(stored: Stored, moment: datetime) -> Changes:
        if name == "scope":
            return merging.delete_scope(stored, moment)
        return merging.delete_attribute(stored, context.expand(name), moment, dataset=dataset, every=every)

    await parts.writer.write_one(call.tenant, existing(change, entity_id), create_tenant=not call.tenant)
    return done(call)


def creation(fragment: Fragment) -> Step:
    """Return the step that adds an entity and fails where there is one."""

    def apply(stored: Stored | None, moment: datetime) -> tuple[Stored, Changes]:
        if stored is not None:
            raise AlreadyExistsError(detail=f"the entity {stored.id} exists already")
        return merging.create(fragment, moment)

    return Step(entity_id=fragment.id or "", apply=apply)


def attribute_names(text: str | None, context: Context) -> tuple[str, ...] | None:
    """Return the IRIs of the attributes that a comma-separated list names.

    Raises:
        BadRequestDataError: one is no name of an attribute.
    """
    if text is None:
        return None
    for name in text.split(","):
        if check_name(name) in {"id", "type", "scope"}:
            raise BadRequestDataError(detail=f"attrs names attributes, and {name} is none")
    return tuple(context.expand(name) for name in text.split(","))


def view_of(call: Call, context: Context, attributes: tuple[str, ...] | None) -> View:
    """Return how a request wants entities shown."""
    form: Form = "normalized"
    if call.options & _SIMPLE:
        form = "simplified"
    elif "concise" in call.options:
        form = "concise"
    return View(
        context=context,
        form=form,
        system="sysAttrs" in call.options,
        attributes=None if attributes is None else frozenset(attributes),
    )


async def _read_entity(parts: Parts, call: Call, body: Any) -> Fragment:
    types = body.get("type") if isinstance(body, dict) else None
    named = types if isinstance(types, list) else [types]
    context = await parts.contexts.resolve(parts.source(source_of(body, call), named))
    return read_entity(body, Reading(context=context, simplified=bool(call.options & _SIMPLE)))


async def _change_entity(
    request: web.Request,
    change: Callable[[Stored, Fragment, datetime], Changes],
    *,
    nulls: bool = False,
    options: frozenset[str] = frozenset(),
) -> web.Response:
    """Change one entity by a fragment of one, and report the attributes that were left alone."""
    parts = request.app[PARTS]
    taken = _PATCHES if request.method == "PATCH" else JSON_MEDIA
    call = await read_call(
        request, body=True, options=options | _FORMS, parameters={"options", "format", "type"}, taken=taken
    )
    entity_id = check_id(request.match_info["id"])
    declared = source_of(call.body, call)
    types = call.body.get("type", []) if isinstance(call.body, dict) else []
    context = await parts.context_by_id(call, entity_id, types if isinstance(types, list) else [types])
    if declared is not call.declared:
        context = await parts.contexts.resolve(declared)
    reading = Reading(context=context, nulls=nulls, simplified=bool(call.options & _SIMPLE))
    fragment = read_fragment(call.body, reading)
    if fragment.id not in {None, entity_id}:
        raise BadRequestDataError(detail=f"the body is about {fragment.id}, the path about {entity_id}")
    if request.method == "PUT" and not fragment.types:
        raise BadRequestDataError(detail=f"the entity {entity_id} has no type")
    step = existing(lambda stored, moment: change(stored, fragment, moment), entity_id)
    changes = await parts.writer.write_one(call.tenant, step, create_tenant=not call.tenant)
    if not changes.refused:
        return done(call)
    done_well = dict.fromkeys([*changes.created, *changes.updated, *changes.deleted])
    report = {
        "updated": [context.compact(iri) for iri in done_well if iri not in changes.refused],
        "notUpdated": [
            {"attributeName": context.compact(iri), "reason": reason}
            for iri, reason in changes.refused.items()
        ],
    }
    return answer(call, report, context if call.media == JSON_LD else None, status=207)


async def _change_attribute(
    request: web.Request, change: Callable[[Stored, str, Any, Context, datetime], Changes]
) -> web.Response:
    parts = request.app[PARTS]
    taken = _PATCHES if request.method == "PATCH" else JSON_MEDIA
    call = await read_call(request, body=True, taken=taken, parameters={"type"})
    entity_id, name = _named(request)
    source_of(call.body, call)
    context = await parts.context_by_id(call, entity_id)
    body = call.body
    if isinstance(body, dict):
        body = {member: value for member, value in body.items() if member != "@context"}
    iri = context.expand(name)
    step = existing(lambda stored, moment: change(stored, iri, body, context, moment), entity_id)
    await parts.writer.write_one(call.tenant, step, create_tenant=not call.tenant)
    return done(call)


def read_patch(name: str, body: Any, kind: str, context: Context) -> dict[str, Any]:
    """Read some members of an attribute, whose value may be missing.

    Raises:
        BadRequestDataError: they are none.
    """
    if not isinstance(body, dict) or not body:
        raise BadRequestDataError(detail="the body must be a JSON object with members of the attribute")
    kind = body.get("type", kind)
    if kind not in VALUE_MEMBER:
        raise BadRequestDataError(detail=f"{str(kind)[:100]} is no type of attribute")
    holder = VALUE_MEMBER[kind]
    filled = {"type": kind, holder: _STANDS_IN[kind], **body}
    (instance,) = read_attribute(name, filled, Reading(context=context, nulls=True))
    if holder not in body:
        del instance[holder]
    return instance


_STANDS_IN: dict[str, Any] = {
    "Property": 0,
    "GeoProperty": {"type": "Point", "coordinates": [0, 0]},
    "Relationship": "urn:none",
    "LanguageProperty": {},
    "VocabProperty": "none",
    "JsonProperty": {},
    "ListProperty": [],
    "ListRelationship": [],
}


def _named(request: web.Request) -> tuple[str, str]:
    return check_id(request.match_info["id"]), check_name(request.match_info["name"])


def _ids(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(check_id(item) for item in text.split(","))


def _geometry_property(call: Call, context: Context) -> str:
    name = call.parameters.get("geometryProperty")
    return LOCATION if name is None else context.expand(check_name(name, "geometryProperty"))
