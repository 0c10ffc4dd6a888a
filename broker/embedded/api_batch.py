# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Batch operations over HTTP (CIM 009, clauses 5.6.7 to 5.6.10 and 5.6.20).

Each entity stands or falls by itself. An entity that occurs twice is written twice, in order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from broker.embedded import merging
from broker.embedded.api_entities import creation
from broker.embedded.entities import Reading, read_entity, read_fragment
from broker.embedded.parts import PARTS, Parts
from broker.embedded.problems import BadRequestDataError, NotFoundError, ProblemError
from broker.embedded.requests import MAX_BATCH, Call, answer, done, read_call, source_of
from broker.embedded.vocabulary import check_id
from broker.embedded.writing import Step, existing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from aiohttp import web

    from broker.embedded.entities import Fragment
    from broker.embedded.merging import Changes, Stored


async def batch_create(request: web.Request) -> web.Response:
    """POST /entityOperations/create (5.6.7)."""
    call = await read_call(request, body=True)
    success, _, errors = await _write(request.app[PARTS], call, creation, create_tenant=True)
    return answer(call, success, None, status=201) if not errors else _partial(call, success, errors)


async def batch_upsert(request: web.Request) -> web.Response:
    """POST /entityOperations/upsert (5.6.8): 201 names the entities that are new."""
    call = await read_call(request, body=True, parameters={"options"}, options={"update", "replace"})
    updates = "update" in call.options
    change = merging.append if updates else merging.replace

    def step(fragment: Fragment) -> Step:
        def apply(stored: Stored | None, moment: datetime) -> tuple[Stored, Changes]:
            if stored is None:
                return merging.create(fragment, moment)
            return stored, change(stored, fragment, moment)

        return Step(entity_id=fragment.id or "", apply=apply)

    def deletes(fragment: Fragment, error: ProblemError) -> Step:
        fragment = merging.settled(fragment)

        def apply(stored: Stored | None, moment: datetime) -> tuple[Stored, Changes]:
            if stored is None:
                raise error
            return stored, merging.append(stored, fragment, moment)

        return Step(entity_id=fragment.id or "", apply=apply)

    success, created, errors = await _write(
        request.app[PARTS], call, step, create_tenant=True, deletes=deletes if updates else None
    )
    if errors:
        return _partial(call, success, errors)
    return answer(call, created, None, status=201) if created else done(call)


async def batch_update(request: web.Request) -> web.Response:
    """POST /entityOperations/update (5.6.9)."""
    call = await read_call(
        request, body=True, parameters={"options"}, options={"noOverwrite", "update", "replace"}
    )
    overwrite = "noOverwrite" not in call.options

    def step(fragment: Fragment) -> Step:
        fragment = merging.settled(fragment)

        def change(stored: Stored, moment: datetime) -> Changes:
            return merging.append(stored, fragment, moment, overwrite=overwrite)

        return existing(change, fragment.id or "")

    success, _, errors = await _write(request.app[PARTS], call, step, whole=False, nulls=True)
    return _partial(call, success, errors) if errors else done(call)


async def batch_merge(request: web.Request) -> web.Response:
    """POST /entityOperations/merge (5.6.20)."""
    call = await read_call(request, body=True)

    def step(fragment: Fragment) -> Step:
        def change(stored: Stored, moment: datetime) -> Changes:
            return merging.merge(stored, fragment, moment)

        return existing(change, fragment.id or "")

    success, _, errors = await _write(request.app[PARTS], call, step, whole=False, nulls=True, merge=True)
    return _partial(call, success, errors) if errors else done(call)


async def batch_delete(request: web.Request) -> web.Response:
    """POST /entityOperations/delete (5.6.10)."""
    parts = request.app[PARTS]
    call = await read_call(request, body=True)
    errors: list[dict[str, Any]] = []
    ids: list[str] = []
    for item in _items(call):
        try:
            ids.append(check_id(item))
        except ProblemError as error:
            errors.append(_error(item, error))
    deleted = await parts.writer.delete(call.tenant, ids)
    success: list[str] = []
    for entity_id in ids:
        if entity_id in deleted:
            success.append(entity_id)
            deleted.discard(entity_id)  # named once more, it is not there any more
        else:
            errors.append(_error(entity_id, NotFoundError(detail=f"there is no entity {entity_id}")))
    return _partial(call, success, errors) if errors else done(call)


def _items(call: Call) -> list[Any]:
    if not isinstance(call.body, list) or not call.body:
        raise BadRequestDataError(detail="the body must be a JSON array that is not empty")
    if None in call.body:
        raise BadRequestDataError(detail="an item of the array is null")
    if len(call.body) > MAX_BATCH:
        raise BadRequestDataError(detail=f"a batch has at most {MAX_BATCH} entities, not {len(call.body)}")
    return call.body


async def _write(
    parts: Parts,
    call: Call,
    step: Callable[[Fragment], Step],
    *,
    whole: bool = True,
    nulls: bool = False,
    merge: bool = False,
    create_tenant: bool = False,
    deletes: Callable[[Fragment, ProblemError], Step] | None = None,
) -> tuple[list[str], list[str], list[dict[str, Any]]]:
    """Write a batch.

    Args:
        parts: of the broker.
        call: the request.
        step: what is to be done with an entity.
        whole: whether an entity has its type.
        nulls: whether "urn:ngsi-ld:null" may stand for "delete this".
        merge: whether it may do so inside values too.
        create_tenant: whether the tenant begins with this.
        deletes: what is to be done with an entity that is refused for its nulls, and why it was.

    Returns:
        The ids that were written, those of them that are new, and the errors.
    """
    steps: list[Step] = []
    errors: list[dict[str, Any]] = []
    readings: dict[str | None, Reading] = {}
    await parts.contexts.resolve(call.declared)  # one for all that cannot be had fails the whole request
    for item in _items(call):
        try:
            source = _source(parts, call, item)
            reading = readings.get(source) if source is None or isinstance(source, str) else None
            if reading is None:
                context = await parts.contexts.resolve(source)
                reading = Reading(context=context, nulls=nulls, merge=merge)
                if source is None or isinstance(source, str):
                    readings[source] = reading
            steps.append(_planned(item, reading, step, deletes, whole=whole))
        except ProblemError as error:
            errors.append(_error(item, error))
    if not steps:
        return [], [], errors
    results = await parts.writer.write(call.tenant, steps, create_tenant=create_tenant or not call.tenant)
    done_well, created = [], []
    for each, result in zip(steps, results, strict=True):
        if isinstance(result, ProblemError):
            errors.append(_error(each.entity_id, result))
            continue
        if result.refused:
            names = ", ".join(result.refused)
            errors.append(_error(each.entity_id, BadRequestDataError(detail=f"left as they were: {names}")))
            continue
        done_well.append(each.entity_id)
        if result.entity_created:
            created.append(each.entity_id)
    return _once(done_well), _once(created), errors


def _planned(
    item: Any,
    reading: Reading,
    step: Callable[[Fragment], Step],
    deletes: Callable[[Fragment, ProblemError], Step] | None,
    *,
    whole: bool,
) -> Step:
    try:
        return step(_read(item, reading, whole=whole))
    except BadRequestDataError as error:
        if deletes is None:
            raise
        return deletes(_read(item, replace(reading, nulls=True), whole=whole), error)


def _source(parts: Parts, call: Call, item: Any) -> Any:
    types = item.get("type") if isinstance(item, dict) else None
    return parts.source(source_of(item, call), types if isinstance(types, list) else [types])


def _read(item: Any, reading: Reading, *, whole: bool) -> Fragment:
    fragment = read_entity(item, reading) if whole else read_fragment(item, reading)
    if fragment.id is None:
        raise BadRequestDataError(detail="the entity has no id")
    return fragment


def _error(item: Any, error: ProblemError) -> dict[str, Any]:
    entity_id = item.get("id") if isinstance(item, dict) else item
    return {"entityId": entity_id if isinstance(entity_id, str) else "", "error": error.body()}


def _partial(call: Call, success: Sequence[str], errors: list[dict[str, Any]]) -> web.Response:
    """Say what went well and what did not (5.2.16)."""
    return answer(call, {"success": success, "errors": errors}, None, status=207)


def _once(ids: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(ids))
