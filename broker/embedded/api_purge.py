# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Purge entities over HTTP (CIM 009 v1.9.1, clauses 5.6.21 and 6.4.3.3).

Thousands of entities are worked on in batches, each whole or not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.embedded import merging
from broker.embedded.api_consumption import FILTERS, check_patterns, filter_of
from broker.embedded.parts import PARTS
from broker.embedded.problems import BadRequestDataError
from broker.embedded.projection import attribute_names
from broker.embedded.query import hops_of
from broker.embedded.requests import done, read_call
from broker.embedded.selection import type_names
from broker.embedded.writing import existing

if TYPE_CHECKING:
    from datetime import datetime

    from aiohttp import web

    from broker.embedded.merging import Changes, Stored

_BATCH = 500


async def purge_entities(request: web.Request) -> web.Response:
    """DELETE /entities (5.6.21)."""
    parts = request.app[PARTS]
    call = await read_call(request, parameters=FILTERS | {"attrs", "keep", "drop", "geometryProperty"})
    given = call.parameters
    if "keep" in given and "drop" in given:
        raise BadRequestDataError(detail="keep and drop exclude each other")
    context = await parts.context(call, type_names(given.get("type", "")))
    keep, drop = attribute_names(given.get("keep"), context), attribute_names(given.get("drop"), context)
    # a list of attributes narrows the request down as well (clause 5.6.21.4)
    which = filter_of(given if keep is None and drop is None else {**given, "local": "true"}, context, None)
    if which.q is not None and hops_of(which.q):
        raise BadRequestDataError(detail="a purge does not follow relationships")
    await check_patterns(parts, which)
    await parts.reader.check_tenant(call.tenant)
    ids = await parts.reader.ids(call.tenant, which)

    def change(stored: Stored, moment: datetime) -> Changes:
        if keep is not None:
            return merging.keep_attributes(stored, keep, moment)
        return merging.drop_attributes(stored, drop or (), moment)

    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        if keep is None and drop is None:
            await parts.writer.delete(call.tenant, batch)
        else:
            await parts.writer.write(call.tenant, [existing(change, each) for each in batch])
    return done(call)
