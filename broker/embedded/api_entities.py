# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Entities and their attributes are written over HTTP (CIM 009, clauses 5.6.1 to 5.6.6, 5.6.17 to 5.6.19)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from broker.embedded import merging
from broker.embedded.api_consumption import FORMS, form_of
from broker.embedded.entities import (
    Reading,
    attribute_name,
    is_geometry,
    read_attribute,
    read_entity,
    read_fragment,
)
from broker.embedded.instants import check_instant
from broker.embedded.language import is_language
from broker.embedded.merging import Common
from broker.embedded.parts import PARTS, Parts
from broker.embedded.problems import (
    AlreadyExistsError,
    BadRequestDataError,
    InvalidRequestError,
    NotFoundError,
)
from broker.embedded.requests import (
    JSON_MEDIA,
    MERGE_PATCH,
    Call,
    answer,
    done,
    read_call,
    source_of,
)
from broker.embedded.selection import parse_types
from broker.embedded.vocabulary import DEFAULT_INSTANCE, NULL, VALUE_MEMBER, check_id
from broker.embedded.writing import Step, existing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from aiohttp import web

    from broker.embedded.entities import Fragment
    from broker.embedded.merging import Changes, Stored
    from broker.embedded.selection import Selection
    from broker.embedded.terms import Context

PATH = "/ngsi-ld/v1/entities"
_PATCHES = (*JSON_MEDIA, MERGE_PATCH)


async def create_entity(request: web.Request) -> web.Response:
    """POST /entities (5.6.1)."""
    parts = request.app[PARTS]
    call = await read_call(request, body=True, options=FORMS.keys(), parameters={"options", "format"})
    if not isinstance(call.body, dict):
        raise InvalidRequestError(detail="the body must be a JSON object")
    fragment = await _read_entity(parts, call, call.body)
    entity_id = fragment.id or ""
    await parts.writer.write_one(call.tenant, creation(fragment), create_tenant=True)
    return done(call, status=201, headers={"Location": f"{PATH}/{quote(entity_id, safe=':')}"})


async def delete_entity(request: web.Request) -> web.Response:
    """DELETE /entities/{id} (5.6.6)."""
    parts = request.app[PARTS]
    call = await read_call(request, parameters={"type"})
    entity_id = check_id(request.match_info["id"])
    if "type" in call.parameters:
        context = await parts.context_by_id(call, entity_id)
        types = await parts.reader.types_of(call.tenant, entity_id)
        if not parse_types(call.parameters["type"], context).matches(types):
            raise NotFoundError(detail=f"there is no entity {entity_id} of this type")
    if not await parts.writer.delete(call.tenant, [entity_id]):
        raise NotFoundError(detail=f"there is no entity {entity_id}")
    return done(call)


async def replace_entity(request: web.Request) -> web.Response:
    """PUT /entities/{id} (5.6.18)."""
    return await _change_entity(request, merging.replace)


async def merge_entity(request: web.Request) -> web.Response:
    """PATCH /entities/{id} (5.6.17)."""
    observed_at, lang = request.query.get("observedAt"), request.query.get("lang")
    if observed_at is not None:
        observed_at = check_instant(observed_at)
    if lang is not None and not is_language(lang):
        raise BadRequestDataError(detail=f"lang is a language, such as de-CH, not {lang[:60]!r}")
    common = Common(observed_at=observed_at, language=lang)
    return await _change_entity(
        request, merging.merge, nulls=True, common=common, parameters={"observedAt", "lang"}
    )


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
    if request.match_info["name"] == "scope":
        raise BadRequestDataError(detail="the scope is no attribute; PATCH …/attrs replaces it")

    def change(stored: Stored, iri: str, body: Any, context: Context, moment: datetime) -> Changes:
        if iri not in stored.attributes:
            raise NotFoundError(detail=f"{stored.id} has no such attribute: {iri}")
        instances = stored.attributes[iri]
        dataset = body.get("datasetId", DEFAULT_INSTANCE) if isinstance(body, dict) else DEFAULT_INSTANCE
        meant = (each for each in instances if each.get("datasetId", DEFAULT_INSTANCE) == dataset)
        kind = next(meant, instances[0])["type"]
        return merging.patch_attribute(stored, iri, read_patch(iri, body, kind, context), moment)

    return await _change_attribute(request, change)


async def replace_attribute(request: web.Request) -> web.Response:
    """PUT /entities/{id}/attrs/{name} (5.6.19)."""
    if request.match_info["name"] == "scope":
        raise BadRequestDataError(detail="the scope is no attribute; PATCH …/attrs replaces it")

    def change(stored: Stored, iri: str, body: Any, context: Context, moment: datetime) -> Changes:
        if iri not in stored.attributes:
            raise NotFoundError(detail=f"{stored.id} has no such attribute: {iri}")
        if body in ({}, []):
            raise BadRequestDataError(detail="the body must be an attribute")
        fragment = read_fragment({iri: body}, Reading(context=context))
        first, *others = fragment.attributes[iri]
        known = {instance.get("datasetId") for instance in stored.attributes[iri]}
        if not others and first.get("datasetId") not in known:
            raise NotFoundError(detail=f"{stored.id} has no such instance of the attribute {iri}")
        return merging.append(stored, fragment, moment)

    return await _change_attribute(request, change)


async def delete_attribute(request: web.Request) -> web.Response:
    """DELETE /entities/{id}/attrs/{name} (5.6.5)."""
    parts = request.app[PARTS]
    call = await read_call(request, parameters={"datasetId", "deleteAll", "type"})
    entity_id, name = _named(request)
    context = await parts.context_by_id(call, entity_id)
    dataset, every = call.parameters.get("datasetId"), call.flag("deleteAll")
    if dataset == DEFAULT_INSTANCE:
        dataset = None
    elif dataset is not None:
        check_id(dataset, "datasetId")

    def change(stored: Stored, moment: datetime) -> Changes:
        if name == "scope":
            return merging.delete_scope(stored, moment)
        return merging.delete_attribute(stored, context.expand(name), moment, dataset=dataset, every=every)

    step = existing(change, entity_id, _types(call, context))
    await parts.writer.write_one(call.tenant, step, create_tenant=not call.tenant)
    return done(call)


def creation(fragment: Fragment) -> Step:
    """Return the step that adds an entity and fails where there is one."""

    def apply(stored: Stored | None, moment: datetime) -> tuple[Stored, Changes]:
        if stored is not None:
            raise AlreadyExistsError(detail=f"the entity {stored.id} exists already")
        return merging.create(fragment, moment)

    return Step(entity_id=fragment.id or "", apply=apply)


async def _read_entity(parts: Parts, call: Call, body: Any) -> Fragment:
    types = body.get("type") if isinstance(body, dict) else None
    named = types if isinstance(types, list) else [types]
    context = await parts.contexts.resolve(parts.source(source_of(body, call), named))
    return read_entity(body, Reading(context=context, simplified=form_of(call) == "simplified"))


async def _change_entity(
    request: web.Request,
    change: Callable[..., Changes],
    *,
    nulls: bool = False,
    common: Common | None = None,
    options: frozenset[str] = frozenset(),
    parameters: Collection[str] = (),
) -> web.Response:
    """Change one entity by a fragment of one, and report the attributes that were left alone.

    With something in common for all attributes the change is a merge.
    """
    parts = request.app[PARTS]
    taken = _PATCHES if request.method == "PATCH" else JSON_MEDIA
    call = await read_call(
        request,
        body=True,
        options=options | FORMS.keys(),
        parameters={"options", "format", "type", *parameters},
        taken=taken,
    )
    entity_id = check_id(request.match_info["id"])
    declared = source_of(call.body, call)
    types = call.body.get("type", []) if isinstance(call.body, dict) else []
    context = await parts.context_by_id(call, entity_id, types if isinstance(types, list) else [types])
    if declared is not call.declared:
        context = await parts.contexts.resolve(declared)
    simplified = form_of(call) == "simplified"
    reading = Reading(context=context, nulls=nulls, merge=common is not None, simplified=simplified)
    fragment = read_fragment(call.body, reading)
    if fragment.id not in {None, entity_id}:
        raise BadRequestDataError(detail=f"the body is about {fragment.id}, the path about {entity_id}")
    if request.method == "PUT" and not fragment.types:
        raise BadRequestDataError(detail=f"the entity {entity_id} has no type")
    if common is not None:
        common = replace(common, simplified=simplified, expand=context.expand)
        change = partial(change, common=common)
    step = existing(lambda stored, moment: change(stored, fragment, moment), entity_id, _types(call, context))
    changes = await parts.writer.write_one(call.tenant, step, create_tenant=not call.tenant)
    if not changes.refused:
        return done(call)
    done_well = dict.fromkeys([*changes.created, *changes.updated, *changes.deleted])
    report = {
        "updated": [iri for iri in done_well if iri not in changes.refused],
        "notUpdated": [{"attributeName": iri, "reason": reason} for iri, reason in changes.refused.items()],
    }
    return answer(call, report, None, status=207)  # whole names, as there is no @context (6.3.6)


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
    step = existing(
        lambda stored, moment: change(stored, iri, body, context, moment), entity_id, _types(call, context)
    )
    await parts.writer.write_one(call.tenant, step, create_tenant=not call.tenant)
    return done(call)


def _types(call: Call, context: Context) -> Selection | None:
    """Return which types the entity has to have, where the request says so."""
    return parse_types(call.parameters["type"], context) if "type" in call.parameters else None


def read_patch(name: str, body: Any, kind: str, context: Context) -> dict[str, Any]:
    """Read some members of an attribute, whose value may be missing.

    Raises:
        BadRequestDataError: they are none.
    """
    if not isinstance(body, dict) or not body:
        raise BadRequestDataError(detail="the body must be a JSON object with members of the attribute")
    if kind == "GeoProperty" and is_geometry(body):  # clause 4.7.3
        body = {"value": body}
    given = body.get("type", kind)
    if not isinstance(given, str) or given not in VALUE_MEMBER:
        raise BadRequestDataError(detail=f"{str(given)[:100]} is no type of attribute")
    kind = given
    if body.get("datasetId") == NULL:
        raise BadRequestDataError(detail="a datasetId cannot be removed by a null")
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
    return check_id(request.match_info["id"]), attribute_name(request.match_info["name"])
