# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The embedded NGSI-LD broker: an HTTP application on PostgreSQL (ETSI GS CIM 009 v1.9.1).

broker = EmbeddedBroker(pool, EmbeddedSettings(core_context=document))
await broker.start()
web.run_app(broker.app())        # /ngsi-ld/v1/...
await broker.close()
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from aiohttp import web

from broker.embedded import (
    api_batch,
    api_consumption,
    api_contexts,
    api_discovery,
    api_elsewhere,
    api_entities,
    api_identity,
    api_purge,
    api_subscriptions,
    api_temporal,
)
from broker.embedded.api_temporal import TEMPORAL, Temporal
from broker.embedded.contexts import Contexts
from broker.embedded.delivery import DEFAULT_KEEP, DEFAULT_MOST, Delivery
from broker.embedded.endpoints import AddressPolicy
from broker.embedded.expiry import Expiry
from broker.embedded.history import History
from broker.embedded.history_retention import Forgotten, forget
from broker.embedded.history_store import HistoryReader
from broker.embedded.notifications import Matcher
from broker.embedded.parts import PARTS, Parts
from broker.embedded.problems import (
    LengthRequiredError,
    MethodNotAllowedError,
    NotFoundError,
    ProblemError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
)
from broker.embedded.requests import DefaultContexts, tenant_header
from broker.embedded.store import SQL, EntityReader
from broker.embedded.temporal_writing import TemporalWriter
from broker.embedded.value_indexes import ValueIndexes
from broker.embedded.writing import Writer
from store.postgres import AWAY, migrate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import timedelta

    from broker.embedded.endpoints import Network
    from store.postgres import Pool

log = structlog.get_logger(__name__)

_ROOT = "/ngsi-ld/v1"
_QUERY_BY_POST = f"{_ROOT}/entityOperations/query"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddedSettings:
    """How the broker is set up.

    Attributes:
        core_context: the NGSI-LD core context's document.
        preloaded: @context documents by URL, which are never fetched.
        default_contexts: short name of a type → URL of the @context that stands in where a request
            names none and only such types. A house extension; empty is strictly the standard.
        write_keys: keys of which every write has to bring one; None asks for none, which is for
            loopback alone.
        notify_allow: networks beyond the public addresses that notifications may go to.
        context_allow: networks beyond the public addresses that @contexts may be fetched from.
        max_body: the largest request body, in bytes.
        first_retry: seconds before a notification that failed is attempted again; doubles each time.
        notify_keep: how long a notification is attempted before it is given up.
        notify_most: notifications kept for one subscription; beyond it the oldest are given up.
        history: whether changes are recorded and the temporal interface answers.
        history_page: the most instances of attributes in one answer where the client does not prefer
            another number; what is beyond comes by 206 (6.3.10).
        history_most: the most that a client can prefer.
    """

    core_context: Mapping[str, Any]
    preloaded: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    default_contexts: Mapping[str, str] = field(default_factory=dict)
    write_keys: frozenset[str] | None = None
    notify_allow: tuple[Network, ...] = ()
    context_allow: tuple[Network, ...] = ()
    max_body: int = 1_048_576
    first_retry: float = 1.0
    notify_keep: timedelta = DEFAULT_KEEP
    notify_most: int = DEFAULT_MOST
    history: bool = True
    history_page: int = 30
    history_most: int = 10_000


class EmbeddedBroker:
    """The broker.

    Args:
        pool: connections to its database; it has the schema `ngsild` to itself.
        settings: how it is set up.
    """

    def __init__(self, pool: Pool, settings: EmbeddedSettings) -> None:
        self._pool = pool
        self._settings = settings
        self._contexts = Contexts(
            settings.core_context,
            settings.preloaded,
            AddressPolicy(settings.context_allow, setting="context_allow"),
            self._hosted_context,
        )
        self._endpoints = AddressPolicy(settings.notify_allow, setting="notify_allow")
        self._defaults = DefaultContexts(settings.default_contexts)
        self._delivery = Delivery(
            pool,
            self._contexts,
            self._endpoints,
            first_pause=settings.first_retry,
            keep=settings.notify_keep,
            most=settings.notify_most,
        )
        self._matcher = Matcher()
        self._history = History(pool) if settings.history else None
        self._writer = Writer(pool, self._matcher, self._delivery, self._history)
        self._expiry = Expiry(pool, self._writer)
        self._indexes = ValueIndexes(pool)

    async def start(self) -> None:
        """Bring the tables up to date and start to deliver notifications.

        Raises:
            StoreError: the tables cannot be brought up to date.
            ProblemError: a default context cannot be had.
        """
        await migrate(self._pool, "broker.embedded")
        async with self._pool.acquire() as connection:
            await connection.execute("INSERT INTO ngsild.tenants (tenant) VALUES ('') ON CONFLICT DO NOTHING")
        await self._defaults.prepare(self._contexts)
        await self._delivery.start()
        self._expiry.start()
        await self._indexes.start()

    async def forget_history(self, age: timedelta) -> Forgotten:
        """Remove what is older from history; to be called once a day or so."""
        return await forget(self._pool, age)

    async def close(self) -> None:
        """Stop delivering; what is not delivered stays queued for the next start."""
        await self._indexes.close()
        await self._expiry.close()
        await self._delivery.close()
        await self._contexts.close()

    def app(self) -> web.Application:
        """Return the application; paths may end in a slash."""
        app = web.Application(
            middlewares=[_problems, _keys(self._settings.write_keys)], client_max_size=self._settings.max_body
        )
        app[PARTS] = Parts(
            pool=self._pool,
            contexts=self._contexts,
            defaults=self._defaults,
            reader=EntityReader(self._pool, self._indexes),
            writer=self._writer,
            matcher=self._matcher,
            delivery=self._delivery,
            endpoints=self._endpoints,
        )
        if self._history is not None:
            app[TEMPORAL] = Temporal(
                reader=HistoryReader(self._pool, self._settings.history_most),
                writer=TemporalWriter(self._pool, self._history),
                page=self._settings.history_page,
                most=self._settings.history_most,
            )
        for method, path, handler in (*(_TEMPORAL_ROUTES if self._history else _NO_HISTORY), *_ROUTES):
            app.router.add_route(method, path + "{_:/?}", handler)
            if method == "GET":
                app.router.add_route("HEAD", path + "{_:/?}", handler)
        return app

    async def _hosted_context(self, context_id: str) -> Mapping[str, Any] | None:
        """Return an @context that the broker serves itself; None if it does not."""
        row = await self._pool.fetchrow(SQL["read_context"], context_id)
        return self._contexts.lent(context_id) if row is None else orjson.loads(row["body"])


async def _version(_request: web.Request) -> web.Response:
    """GET /version."""
    try:
        number = version("volme")
    except PackageNotFoundError:
        number = "0"
    return web.json_response({"name": "Volme embedded NGSI-LD broker", "version": number})


_ROUTES: tuple[tuple[str, str, Callable[[web.Request], Awaitable[web.StreamResponse]]], ...] = (
    ("GET", "/version", _version),
    ("POST", f"{_ROOT}/entities", api_entities.create_entity),
    ("GET", f"{_ROOT}/entities", api_consumption.query_entities),
    ("DELETE", f"{_ROOT}/entities", api_purge.purge_entities),
    ("GET", f"{_ROOT}/entities/{{id}}", api_consumption.retrieve_entity),
    ("DELETE", f"{_ROOT}/entities/{{id}}", api_entities.delete_entity),
    ("PUT", f"{_ROOT}/entities/{{id:[^/]*}}", api_entities.replace_entity),
    ("PATCH", f"{_ROOT}/entities/{{id:[^/]*}}", api_entities.merge_entity),
    ("POST", f"{_ROOT}/entities/{{id:[^/]*}}/attrs", api_entities.append_attributes),
    ("PATCH", f"{_ROOT}/entities/{{id:[^/]*}}/attrs", api_entities.update_attributes),
    ("PATCH", f"{_ROOT}/entities/{{id:[^/]*}}/attrs/{{name}}", api_entities.patch_attribute),
    ("PUT", f"{_ROOT}/entities/{{id:[^/]*}}/attrs/{{name}}", api_entities.replace_attribute),
    ("DELETE", f"{_ROOT}/entities/{{id:[^/]*}}/attrs/{{name}}", api_entities.delete_attribute),
    ("POST", f"{_ROOT}/entityOperations/create", api_batch.batch_create),
    ("POST", f"{_ROOT}/entityOperations/upsert", api_batch.batch_upsert),
    ("POST", f"{_ROOT}/entityOperations/update", api_batch.batch_update),
    ("POST", f"{_ROOT}/entityOperations/merge", api_batch.batch_merge),
    ("POST", f"{_ROOT}/entityOperations/delete", api_batch.batch_delete),
    ("POST", _QUERY_BY_POST, api_consumption.query_by_post),
    ("GET", f"{_ROOT}/types", api_discovery.list_types),
    ("GET", f"{_ROOT}/types/{{type}}", api_discovery.describe_type),
    ("GET", f"{_ROOT}/attributes", api_discovery.list_attributes),
    ("GET", f"{_ROOT}/attributes/{{name}}", api_discovery.describe_attribute),
    ("POST", f"{_ROOT}/subscriptions", api_subscriptions.create_subscription),
    ("GET", f"{_ROOT}/subscriptions", api_subscriptions.list_subscriptions),
    ("GET", f"{_ROOT}/subscriptions/{{id}}", api_subscriptions.retrieve_subscription),
    ("PATCH", f"{_ROOT}/subscriptions/{{id}}", api_subscriptions.update_subscription),
    ("DELETE", f"{_ROOT}/subscriptions/{{id}}", api_subscriptions.delete_subscription),
    ("POST", f"{_ROOT}/jsonldContexts", api_contexts.add_context),
    ("GET", f"{_ROOT}/jsonldContexts", api_contexts.list_contexts),
    ("GET", f"{_ROOT}/jsonldContexts/{{id:.+?}}", api_contexts.serve_context),
    ("DELETE", f"{_ROOT}/jsonldContexts/{{id:.+?}}", api_contexts.delete_context),
    ("GET", f"{_ROOT}/info/sourceIdentity", api_identity.source_identity),
    *(
        ("*", f"{_ROOT}/{name}{rest}", api_elsewhere.not_here)
        for name in ("csourceRegistrations", "csourceSubscriptions", "entityMaps", "snapshots")
        for rest in ("", "/{rest:.+}")
    ),
)

_NO_HISTORY = (("*", f"{_ROOT}/temporal/{{rest:.*}}", api_elsewhere.not_here),)
_HISTORY = f"{_ROOT}/temporal/entities"
_HISTORY_QUERY = f"{_ROOT}/temporal/entityOperations/query"
_TEMPORAL_ROUTES: tuple[tuple[str, str, Callable[[web.Request], Awaitable[web.StreamResponse]]], ...] = (
    ("POST", _HISTORY, api_temporal.create_or_update),
    ("GET", _HISTORY, api_temporal.query_entities),
    ("GET", f"{_HISTORY}/{{id}}", api_temporal.retrieve_entity),
    ("DELETE", f"{_HISTORY}/{{id}}", api_temporal.delete_entity),
    ("POST", f"{_HISTORY}/{{id:[^/]*}}/attrs", api_temporal.add_attributes),
    ("DELETE", f"{_HISTORY}/{{id:[^/]*}}/attrs/{{name}}", api_temporal.delete_attribute),
    ("PATCH", f"{_HISTORY}/{{id:[^/]*}}/attrs/{{name}}/{{instance}}", api_temporal.patch_instance),
    ("DELETE", f"{_HISTORY}/{{id:[^/]*}}/attrs/{{name:[^/]*}}/{{instance}}", api_temporal.delete_instance),
    ("POST", _HISTORY_QUERY, api_temporal.query_by_post),
)


@web.middleware
async def _problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer every error with its ProblemDetails."""
    try:
        return await handler(request)
    except ProblemError as error:
        problem = error
    except web.HTTPNotFound:
        problem = NotFoundError(detail=f"there is no {request.path}")
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        problem = MethodNotAllowedError(detail=f"{request.path} takes {allowed}, not {request.method}")
        return _details(problem, {**tenant_header(request), "Allow": allowed})
    except web.HTTPException:
        raise
    except AWAY as error:
        log.exception("request.store_failed", method=request.method, path=request.path)
        problem = ProblemError(detail=f"the broker's database does not do its part: {type(error).__name__}")
    except Exception:
        log.exception("request.failed", method=request.method, path=request.path)
        problem = ProblemError(detail="the broker failed; its log says why")
    return _details(problem, tenant_header(request))


def _keys(keys: frozenset[str] | None) -> Any:
    """Return the middleware that asks writers for a key; reading is open."""
    secrets = None if keys is None else [key.encode() for key in keys]

    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        reads = request.method in _READING or request.path.rstrip("/") in {_QUERY_BY_POST, _HISTORY_QUERY}
        if secrets is not None and not reads and not _has_key(request, secrets):
            raise UnauthorizedError(detail="writing needs a key: Authorization: Bearer <key>, or X-API-Key")
        return await handler(request)

    return check


def _has_key(request: web.Request, secrets: list[bytes]) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    given = token.strip() if scheme.lower() == "bearer" else request.headers.get("X-API-Key", "")
    raw = given.encode(errors="surrogateescape")
    # every key is compared, so that the time taken tells nothing
    return any([hmac.compare_digest(raw, secret) for secret in secrets])  # noqa: C419 - as said


def _details(problem: ProblemError, headers: Mapping[str, str] | None = None) -> web.Response:
    shown = dict(headers or {})
    if isinstance(problem, LengthRequiredError | UnsupportedMediaTypeError):
        return web.Response(status=problem.status, headers=shown)  # "just the status" (clause 6.3.4)
    if isinstance(problem, UnauthorizedError):
        shown["WWW-Authenticate"] = "Bearer"
    return web.Response(
        status=problem.status,
        body=orjson.dumps(problem.body()),
        content_type="application/json",
        headers=shown,
    )
