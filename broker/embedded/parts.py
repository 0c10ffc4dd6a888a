# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The broker's parts, as the handlers of requests reach them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from broker.embedded.merging import now
from broker.embedded.store import SQL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from broker.embedded.contexts import Contexts
    from broker.embedded.delivery import Delivery
    from broker.embedded.endpoints import AddressPolicy
    from broker.embedded.notifications import Matcher
    from broker.embedded.requests import Call, DefaultContexts
    from broker.embedded.store import EntityReader
    from broker.embedded.terms import Context
    from broker.embedded.writing import Writer
    from store.postgres import Pool


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What the handlers need.

    Attributes:
        started: when the broker did.
    """

    pool: Pool
    contexts: Contexts
    defaults: DefaultContexts
    reader: EntityReader
    writer: Writer
    matcher: Matcher
    delivery: Delivery
    endpoints: AddressPolicy
    started: datetime = field(default_factory=now)

    async def context(self, call: Call, types: Iterable[object] = ()) -> Context:
        """Return the @context that a request is read and answered with.

        Args:
            call: the request.
            types: the types that it names, for the house's default contexts.

        Raises:
            BadRequestDataError: what it names is no @context.
            ContextNotAvailableError: it cannot be had.
        """
        context = await self.contexts.resolve(self.source(call.declared, types))
        if call.declared is None and isinstance(context.source, list) and context.path is None:
            context.path = await self.keep_context("", context.source)
        return context

    def linked(self, call: Call, context: Context) -> Context:
        """See that a Link header can name a query's @context, also one that stood in the query's body."""
        if call.declared is not None and context.url is None and context.source is not None:
            context.path = f"{CONTEXTS_PATH}/{self.contexts.lend(context.source, call.tenant)}"
        return context

    async def keep_context(self, tenant: str, source: Any) -> str:
        """Keep an @context that has no URL of its own, and return the path that it is served at (5.13.1)."""
        body = orjson.dumps({"@context": source}).decode()
        context_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{tenant} {body}"))
        await self.pool.execute(SQL["keep_context"], context_id, tenant, body)
        return f"{CONTEXTS_PATH}/{context_id}"

    def source(self, declared: Any, types: Iterable[object]) -> Any:
        """Return the declared @context, or the default one for the types where none is declared."""
        return self.defaults.choose(types) if declared is None and self.defaults else declared

    async def context_by_id(self, call: Call, entity_id: str, named: Iterable[object] = ()) -> Context:
        """Return the @context for a request that names an entity by its id.

        Raises:
            BadRequestDataError: what it names is no @context.
            ContextNotAvailableError: it cannot be had.
        """
        types = list(named)
        if call.declared is None and self.defaults and not types:
            types = list(await self.reader.types_of(call.tenant, entity_id))
        return await self.context(call, types)


CONTEXTS_PATH = "/ngsi-ld/v1/jsonldContexts"
PARTS = web.AppKey("parts", Parts)
