# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A server that behaves as the recorded Orion-LD did, with its limits and its faults.

It keeps entities and subscriptions in memory and sends no notifications. Held to the recording by
`tests/contract/test_orion_like.py`. By hand: `python tests/orion_like.py --port 1026`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import operator
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import aiohttp
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

API = "/ngsi-ld/v1"
CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.6.jsonld"
DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"
ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
MAX_BODY, MAX_BATCH, MAX_PAGE, MAX_UPDATE = 1_048_576, 800, 1000, 20
JSON, LD_JSON, GEO_JSON = "application/json", "application/ld+json", "application/geo+json"
# The core context wins over the user's.
CORE_TERMS = {
    "location": "https://uri.etsi.org/ngsi-ld/location",
    "observationSpace": "https://uri.etsi.org/ngsi-ld/observationSpace",
    "operationSpace": "https://uri.etsi.org/ngsi-ld/operationSpace",
    "description": "http://purl.org/dc/terms/description",
    "title": "http://purl.org/dc/terms/title",
}
_OBSERVED_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_BAD_IN_ID = re.compile(r'[\s<;"|]')
_Q = re.compile(r"(\w+)(==|!=|>=|<=|>|<)(.+)")
_COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_Attributes = dict[str, dict[str, Any]]


NAMES = {
    400: "BadRequestData",
    404: "ResourceNotFound",
    409: "AlreadyExists",
    500: "InternalError",
    501: "OperationNotSupported",
    503: "LdContextNotAvailable",
}


class Problem(Exception):  # noqa: N818 - ProblemDetails is the standard's word
    """An answer that says no."""

    def __init__(self, status: int, title: str, detail: str = "", *, name: str | None = None) -> None:
        super().__init__(title)
        self.status = status
        type_ = ERRORS + (name or NAMES.get(status, "BadRequestData"))
        self.body = {"type": type_, "title": title, "detail": detail}


@dataclass(slots=True)
class Context:
    """Terms of one @context, both ways."""

    terms: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.terms = {term: self._iri(iri) for term, iri in self.terms.items()} | CORE_TERMS
        self.names = {iri: term for term, iri in self.terms.items()}

    def _iri(self, iri: str) -> str:
        prefix, _, rest = iri.partition(":")
        return self.terms[prefix] + rest if prefix in self.terms and not rest.startswith("//") else iri

    def expand(self, name: str) -> str:
        return self.terms.get(name) or (self._iri(name) if ":" in name else DEFAULT + name)

    def compact(self, iri: str) -> str:
        return self.names.get(iri) or iri.removeprefix(DEFAULT)


@dataclass(slots=True)
class Stored:
    """An entity with expanded names."""

    type: str
    attributes: _Attributes
    created_at: str
    modified_at: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A request, for tests to look at."""

    method: str
    path: str
    size: int
    entities: int


@dataclass(slots=True)
class _Failure:
    left: int
    status: int | None
    close: bool
    headers: Mapping[str, str]
    path: str


class OrionLike:
    """The server.

    Args:
        port: on loopback; 0: a free one.
        fetch_contexts: fetch the contexts that Link headers name, and answer 503 where that
            fails; False: accept any and take all its terms for those of the default context.
        delay: seconds that a batch takes, to make overlaps visible.

    Attributes:
        requests: all that came, in order.
        overlapping: ids of entities that two requests were writing at the same time, which
            crashed older versions.
        went_back: (id, attribute) whose observedAt became older.
    """

    def __init__(self, *, port: int = 0, fetch_contexts: bool = True, delay: float = 0.0) -> None:
        self.url = ""
        self.requests: list[Seen] = []
        self.overlapping: set[str] = set()
        self.went_back: list[tuple[str, str]] = []
        self._port = port
        self._fetch_contexts = fetch_contexts
        self._delay = delay
        self._tenants: dict[str, dict[str, Stored]] = {"": {}}
        self._subscriptions: dict[str, dict[str, Any]] = {}
        self._contexts: dict[str, Context] = {CORE: Context()}
        self._failures: list[_Failure] = []
        self._writing: Counter[str] = Counter()
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._edge], client_max_size=64 * MAX_BODY)
        route, entity, batch = app.router.add_route, API + "/entities/{id}", API + "/entityOperations"
        route("POST", API + "/entities", self._create)
        route("GET", API + "/entities", self._query)
        route("GET", entity, self._retrieve)
        route("DELETE", entity, self._delete)
        route("POST", entity + "/attrs", self._append)
        route("PATCH", entity + "/attrs", self._patch)
        route("DELETE", entity + "/attrs/{name}", self._delete_attribute)
        route("POST", batch + "/upsert", self._batch_upsert)
        route("POST", batch + "/create", self._batch_create)
        route("POST", batch + "/update", self._batch_update)
        route("POST", batch + "/delete", self._batch_delete)
        route("GET", API + "/types", self._types)
        route("GET", API + "/attributes", self._attributes)
        route("POST", API + "/subscriptions", self._subscribe)
        route("GET", API + "/subscriptions", self._list_subscriptions)
        route("GET", API + "/subscriptions/{id}", self._retrieve_subscription)
        route("PATCH", API + "/subscriptions/{id}", self._update_subscription)
        route("DELETE", API + "/subscriptions/{id}", self._unsubscribe)
        route("*", API + "/temporal/{rest:.*}", self._temporal)
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    # ---- for tests

    def fail_next(
        self,
        requests: int = 1,
        *,
        status: int | None = None,
        close: bool = False,
        headers: Mapping[str, str] | None = None,
        path: str = "",
    ) -> None:
        """Let the next requests whose path has `path` in it fail before they do anything.

        With a status they are answered by it; with `close` the connection is closed without an
        answer; with neither they hang until the client gives up.
        """
        self._failures.append(_Failure(requests, status, close, headers or {}, path))

    def recover(self) -> None:
        """Fail no more."""
        self._failures.clear()

    def entity(self, entity_id: str, *, tenant: str = "", context: str = CORE) -> dict[str, Any] | None:
        """Return an entity in keyvalues, by the names of a context that was used; None: there is none."""
        stored = self._tenants.get(tenant, {}).get(entity_id)
        context_ = self._contexts.get(context) or Context()
        return None if stored is None else _show(entity_id, stored, context_, {"keyValues"})

    def ids(self, *, tenant: str = "") -> tuple[str, ...]:
        """Return the ids of all entities."""
        return tuple(self._tenants.get(tenant, {}))

    # ---- the edge

    @web.middleware
    async def _edge(self, request: web.Request, handler: Any) -> web.StreamResponse:
        body = await request.read()
        failure = next((f for f in self._failures if f.left and f.path in request.path), None)
        many = _quiet_json(body)
        count = len(many) if isinstance(many, list) else 0
        self.requests.append(Seen(request.method, request.path_qs, len(body), count))
        if failure is not None:
            return await self._fail(request, failure)
        try:
            _check_media(request, body)
            answer: web.StreamResponse = await handler(request)
        except Problem as problem:
            return web.json_response(problem.body, status=problem.status)
        if tenant := _tenant(request):
            answer.headers["NGSILD-Tenant"] = tenant
        return answer

    async def _fail(self, request: web.Request, failure: _Failure) -> web.StreamResponse:
        failure.left -= 1
        if failure.close:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        if failure.status is None:
            await asyncio.Event().wait()
        problem = {"type": ERRORS + "InternalError", "title": "Injected", "detail": "by the test"}
        return web.json_response(problem, status=failure.status or 500, headers=failure.headers)

    async def _context(self, request: web.Request, body: Any = None) -> Context:
        """Find the context of a request: in its Link header, or in a body of ld+json."""
        if request.content_type == LD_JSON and isinstance(body, dict):
            return await self._load(body.get("@context"))
        link = re.search(r"<([^>]+)>", request.headers.get("Link", ""))
        return await self._load(link.group(1) if link else CORE)

    async def _load(self, source: Any) -> Context:
        if isinstance(source, str):
            if source not in self._contexts:
                self._contexts[source] = Context(dict(await self._terms(source)))
            return self._contexts[source]
        return Context(dict(await self._terms(source)))

    async def _terms(self, source: Any) -> list[tuple[str, str]]:
        if isinstance(source, str):
            if source.startswith("https://uri.etsi.org/") or not self._fetch_contexts:
                return []
            return await self._terms((await self._download(source))["@context"])
        if isinstance(source, list):
            return [pair for item in source for pair in await self._terms(item)]
        iris = {term: item["@id"] if isinstance(item, dict) else item for term, item in source.items()}
        return [(term, iri) for term, iri in iris.items() if isinstance(iri, str)]

    async def _download(self, address: str) -> Any:
        unavailable = Problem(503, "Unable to download context", address)
        if self._session is None:
            raise unavailable
        try:
            async with self._session.get(address) as answer:
                if answer.status != 200:
                    raise unavailable
                return await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise unavailable from error

    def _entities(self, request: web.Request) -> dict[str, Stored]:
        tenant = _tenant(request)
        if request.method == "GET" and tenant not in self._tenants:
            raise Problem(404, "No such tenant", tenant, name="NonExistingTenant")
        return self._tenants.setdefault(tenant, {})

    def _found(self, request: web.Request, title: str = "Entity not found") -> tuple[str, Stored]:
        entity_id = request.match_info["id"]
        stored = self._entities(request).get(entity_id)
        if stored is None:
            raise Problem(404, title, entity_id)
        return entity_id, stored

    # ---- entities

    async def _create(self, request: web.Request) -> web.Response:
        body = await _body(request)
        if request.content_type == LD_JSON and "@context" not in body:
            raise Problem(
                400, "@context missing in JSON payload", "For application/ld+json, it must be present"
            )
        context = await self._context(request, body)
        entities = self._entities(request)
        entity_id, type_, attributes = _read_entity(body, context)
        if type_ is None:
            raise Problem(400, "Mandatory field missing", "Entity::type")
        if entity_id in entities:
            raise Problem(409, "Entity already exists", entity_id)
        self._write(entities, entity_id, type_, attributes)
        return web.Response(status=201, headers={"Location": f"{API}/entities/{entity_id}"})

    async def _retrieve(self, request: web.Request) -> web.Response:
        context = await self._context(request)
        entity_id, stored = self._found(request, "Entity Not Found")
        wanted = {context.expand(name) for name in _listed(request, "attrs")}
        return _entity_answer(request, _show(entity_id, stored, context, _options(request), wanted))

    async def _delete(self, request: web.Request) -> web.Response:
        entity_id, _ = self._found(request)
        del self._entities(request)[entity_id]
        return web.Response(status=204)

    async def _append(self, request: web.Request) -> web.Response:
        body = await _body(request)
        context = await self._context(request, body)
        entity_id, stored = self._found(request, "Entity does not exist")
        self._write(self._entities(request), entity_id, stored.type, _read_attributes(body, context))
        return web.Response(status=204)

    async def _patch(self, request: web.Request) -> web.Response:
        body = await _body(request)
        context = await self._context(request, body)
        entity_id, stored = self._found(request, "Entity does not exist")
        attributes = _read_attributes(body, context)
        known = {iri: attribute for iri, attribute in attributes.items() if iri in stored.attributes}
        unknown = [context.compact(iri) for iri in attributes if iri not in known]
        if not known:
            raise Problem(404, "Attribute Not Found", ", ".join(unknown))
        self._write(self._entities(request), entity_id, stored.type, known)
        if not unknown:
            return web.Response(status=204)
        missing = {"statusCode": 404, "title": "Attribute Not Found", "attributes": unknown}
        result = {"notUpdated": [missing], "updated": [context.compact(iri) for iri in known]}
        return web.json_response(result, status=207, headers=_link())

    async def _delete_attribute(self, request: web.Request) -> web.Response:
        context = await self._context(request)
        _, stored = self._found(request)
        name = request.match_info["name"]
        if stored.attributes.pop(context.expand(name), None) is None:
            raise Problem(404, "Entity/Attribute not found", name)
        return web.Response(status=204)

    def _write(
        self,
        entities: dict[str, Stored],
        entity_id: str,
        type_: str,
        attributes: _Attributes,
        *,
        replace: bool = False,
    ) -> None:
        now = _text(datetime.now(UTC))
        stored = entities.get(entity_id)
        before = stored.attributes if stored is not None else {}
        for iri, attribute in attributes.items():
            attribute["createdAt"] = before.get(iri, {}).get("createdAt", now)
            attribute["modifiedAt"] = now
            if attribute.get("observedAt", "~") < before.get(iri, {}).get("observedAt", ""):
                self.went_back.append((entity_id, iri))
        kept = {} if replace else before
        created = stored.created_at if stored is not None else now
        entities[entity_id] = Stored(type_, {**kept, **attributes}, created, now)

    # ---- batches

    async def _batch_upsert(self, request: web.Request) -> web.Response:
        body = await _batch_body(request)
        ids = {item["id"] for item in body if isinstance(item, dict) and isinstance(item.get("id"), str)}
        self._writing.update(ids)
        self.overlapping |= {entity_id for entity_id in ids if self._writing[entity_id] > 1}
        try:
            await asyncio.sleep(self._delay)
            return await self._upsert(request, body)
        finally:
            self._writing.subtract(ids)

    async def _upsert(self, request: web.Request, body: list[Any]) -> web.Response:
        entities, replace = self._entities(request), "update" not in _options(request)
        link_context = None if request.content_type == LD_JSON else await self._context(request)
        last = {item.get("id"): n for n, item in enumerate(body) if isinstance(item, dict)}
        created, done, errors = [], [], []
        for n, item in enumerate(body):
            if n >= MAX_BATCH:
                raise Problem(500, "Database Error", "too many entities")
            try:
                context = link_context or await self._context(request, item)
                entity_id, type_, attributes = _read_entity(item, context)
                stored = entities.get(entity_id)
                settled = _settle_type(type_, stored)
            except Problem as problem:
                errors.append(_batch_error(item, problem))
                continue
            if last[entity_id] != n:
                continue
            if any(_crooked(attribute) for attribute in attributes.values()):
                raise Problem(500, "Database Error", "mongocEntitiesUpsert failed")
            if stored is None:
                created.append(entity_id)
            done.append(entity_id)
            self._write(entities, entity_id, settled, attributes, replace=replace)
        if errors:
            return web.json_response({"success": done, "errors": errors}, status=207)
        return web.json_response(created, status=201) if created else web.Response(status=204)

    async def _batch_create(self, request: web.Request) -> web.Response:
        context, entities = await self._context(request), self._entities(request)
        created, errors = [], []
        for item in await _batch_body(request):
            try:
                entity_id, type_, attributes = _read_entity(item, context)
            except Problem as problem:
                errors.append(_batch_error(item, problem))
                continue
            if entity_id in entities:
                known = Problem(409, "Entity already exists", "Cannot create an existing entity")
                errors.append(_batch_error(item, known))
                continue
            created.append(entity_id)
            self._write(entities, entity_id, type_ or "", attributes)
        if errors:
            return web.json_response({"success": created, "errors": errors}, status=207)
        return web.json_response(created, status=201)

    async def _batch_update(self, request: web.Request) -> web.Response:
        context, entities = await self._context(request), self._entities(request)
        updated, errors = [], []
        for n, item in enumerate(await _batch_body(request)):
            try:
                entity_id, _, attributes = _read_entity(item, context)
            except Problem as problem:
                errors.append(_batch_error(item, problem))
                continue
            stored = entities.get(entity_id)
            if stored is None or n >= MAX_UPDATE:
                unknown = Problem(404, "Entity not found", "Cannot update a non-existing entity")
                errors.append(_batch_error(item, unknown))
                continue
            updated.append(entity_id)
            self._write(entities, entity_id, stored.type, attributes)
        if errors:
            return web.json_response({"success": updated, "errors": errors}, status=207)
        return web.Response(status=204)

    async def _batch_delete(self, request: web.Request) -> web.Response:
        entities = self._entities(request)
        deleted, errors = [], []
        for n, entity_id in enumerate(await _batch_body(request)):
            if n < MAX_BATCH and entities.pop(entity_id, None) is not None:
                deleted.append(entity_id)
                continue
            reason = "Cannot delete entities that do not exist"
            problem = Problem(404, "Entity Not Found", reason)
            errors.append(_batch_error({"id": entity_id}, problem))
        if errors:
            return web.json_response({"errors": errors, "success": deleted}, status=207)
        return web.Response(status=204)

    # ---- queries

    async def _query(self, request: web.Request) -> web.Response:
        context, options = await self._context(request), _options(request)
        limit, offset = int(request.query.get("limit", "20")), int(request.query.get("offset", "0"))
        if limit > MAX_PAGE:
            raise Problem(
                400, "Invalid value for URI parameter /limit/", f"must be an integer value <= {MAX_PAGE}"
            )
        if request.query.keys().isdisjoint({"type", "id", "attrs", "q", "georel", "local"}):
            raise Problem(400, "Too broad query", "Need at least one of: entity-id, entity-type, …")
        wanted = {context.expand(name) for name in _listed(request, "attrs")}
        found = [
            _show(entity_id, stored, context, options, wanted)
            for entity_id, stored in self._entities(request).items()
            if _matches(request, context, entity_id, stored, wanted)
        ]
        headers = _link()
        if "count" in options or request.query.get("count") == "true":
            headers["NGSILD-Results-Count"] = str(len(found))
        return web.json_response(found[offset : offset + limit], headers=headers)

    async def _types(self, request: web.Request) -> web.Response:
        context = await self._context(request)
        types: dict[str, dict[str, None]] = {}
        for stored in self._entities(request).values():
            types.setdefault(stored.type, {}).update(dict.fromkeys(stored.attributes))
        if request.query.get("details") != "true":
            names = [context.compact(type_) for type_ in types]
            body = {
                "id": f"urn:ngsi-ld:EntityTypeList:{uuid4()}",
                "type": "EntityTypeList",
                "typeList": names,
            }
            return web.json_response(body, headers=_link())
        details = [
            {
                "id": type_,
                "type": "EntityType",
                "typeName": context.compact(type_),
                "attributeNames": [context.compact(iri) for iri in attributes],
            }
            for type_, attributes in types.items()
        ]
        return web.json_response(details, headers=_link())

    async def _attributes(self, request: web.Request) -> web.Response:
        context = await self._context(request)
        stored = self._entities(request).values()
        names = sorted({context.compact(iri) for item in stored for iri in item.attributes})
        body = {"id": f"urn:ngsi-ld:AttributeList:{uuid4()}", "type": "AttributeList", "attributeList": names}
        return web.json_response(body, headers=_link())

    async def _temporal(self, request: web.Request) -> web.Response:
        title = "Not Implemented in Orion-LD, please use Mintaka for this operation"
        raise Problem(501, title, request.path)

    # ---- subscriptions

    async def _subscribe(self, request: web.Request) -> web.Response:
        body = await _body(request)
        subscription_id = body.setdefault("id", f"urn:ngsi-ld:Subscription:{uuid4()}")
        if subscription_id in self._subscriptions:
            raise Problem(409, "Subscription already exists", subscription_id)
        if "notification" not in body:
            raise Problem(400, "Mandatory field missing", "Subscription::notification")
        self._subscriptions[subscription_id] = {"isActive": True, **body}
        return web.Response(status=201, headers={"Location": f"{API}/subscriptions/{subscription_id}"})

    def _subscription(self, request: web.Request) -> dict[str, Any]:
        subscription_id = request.match_info["id"]
        if subscription_id not in self._subscriptions:
            raise Problem(404, "Subscription not found", subscription_id)
        return self._subscriptions[subscription_id]

    async def _list_subscriptions(self, request: web.Request) -> web.Response:
        limit, offset = int(request.query.get("limit", "20")), int(request.query.get("offset", "0"))
        found = [_show_subscription(item) for item in self._subscriptions.values()]
        return web.json_response(found[offset : offset + limit], headers=_link())

    async def _retrieve_subscription(self, request: web.Request) -> web.Response:
        return web.json_response(_show_subscription(self._subscription(request)), headers=_link())

    async def _update_subscription(self, request: web.Request) -> web.Response:
        self._subscription(request).update(await _body(request))
        return web.Response(status=204)

    async def _unsubscribe(self, request: web.Request) -> web.Response:
        del self._subscriptions[self._subscription(request)["id"]]
        return web.Response(status=204)


# ---- reading requests


def _check_media(request: web.Request, body: bytes) -> None:
    """Refuse what Orion-LD refuses before it looks at the operation."""
    accepted = {part.partition(";")[0].strip() for part in request.headers.get("Accept", "*/*").split(",")}
    if not accepted & {"*/*", "application/*", JSON, LD_JSON, GEO_JSON}:
        raise Problem(406, "Invalid Accept mime-type")
    if request.method in {"POST", "PATCH"}:
        if request.content_type not in {JSON, LD_JSON}:
            raise Problem(415, "unsupported format of payload")
        if len(body) > MAX_BODY:
            detail = f"payload size: {len(body)}, max size supported: {MAX_BODY}"
            raise Problem(413, "Request Entity too large", detail)


def _tenant(request: web.Request) -> str:
    return request.headers.get("NGSILD-Tenant", "").lower()


def _options(request: web.Request) -> set[str]:
    return set(_listed(request, "options"))


def _listed(request: web.Request, name: str) -> list[str]:
    text = request.query.get(name, "")
    return text.split(",") if text else []


def _quiet_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


async def _json(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except ValueError as error:
        raise Problem(400, "JSON Parse Error", "Invalid JSON payload", name="InvalidRequest") from error


async def _body(request: web.Request) -> dict[str, Any]:
    body = await _json(request)
    if not isinstance(body, dict):
        raise Problem(400, "Invalid Payload Body", "must be an object")
    if request.content_type == JSON and "@context" in body:
        raise Problem(400, "Mismatch between /Content-Type/ and contents of the request payload body")
    return body


async def _batch_body(request: web.Request) -> list[Any]:
    body = await _json(request)
    if not isinstance(body, list):
        raise Problem(400, "Invalid Payload Body", "must be an array")
    if not body:
        raise Problem(400, "Invalid Payload Body", "Empty Array")
    return body


def _batch_error(item: Any, problem: Problem) -> dict[str, Any]:
    entity_id = item.get("id", "No Entity::id") if isinstance(item, dict) else "No Entity::id"
    # Recorded: in a batch, a context that cannot be fetched is 503 and BadRequestData.
    type_ = ERRORS + "BadRequestData" if problem.status == 503 else problem.body["type"]
    return {"entityId": entity_id, "error": {**problem.body, "type": type_, "status": problem.status}}


def _read_entity(item: Any, context: Context) -> tuple[str, str | None, _Attributes]:
    if not isinstance(item, dict) or "id" not in item:
        raise Problem(400, "Mandatory field missing", "Entity::id")
    if ":" not in str(item["id"]) or _BAD_IN_ID.search(str(item["id"])):
        raise Problem(400, "Invalid URI", "Entity::id")
    type_ = item.get("type")
    if type_ is not None and not isinstance(type_, str):
        raise Problem(400, "Invalid type", "must be one string")
    return item["id"], type_ and context.expand(type_), _read_attributes(item, context)


def _settle_type(type_: str | None, stored: Stored | None) -> str:
    if type_ is None and stored is None:
        raise Problem(400, "Invalid Entity", "no type in incoming payload for CREATION of Entity")
    if stored is not None and type_ not in {None, stored.type}:
        raise Problem(400, "Invalid Entity", "the Entity Type cannot be altered")
    return stored.type if stored is not None else type_ or ""


def _read_attributes(item: Mapping[str, Any], context: Context) -> _Attributes:
    attributes = {}
    for name, value in item.items():
        if name in {"id", "type", "@context", "createdAt", "modifiedAt"}:
            continue
        if isinstance(value, list) and any(isinstance(one, dict) and "datasetId" in one for one in value):
            continue  # the real one drops it, without a word
        iri = context.expand(name)
        attribute = _attribute(value)
        if _has_null(attribute):
            raise Problem(400, "The use of NULL value is not recommended for JSON-LD", iri)
        if "observedAt" in attribute:
            attribute["observedAt"] = _observed_at(attribute["observedAt"])
        attributes[iri] = {key: _number(item) for key, item in attribute.items()}
    return attributes


def _attribute(value: Any) -> dict[str, Any]:
    """Return an attribute in the normalized form, whichever it came in."""
    if not isinstance(value, dict):
        return {"type": "Property", "value": value}
    if "type" in value and not isinstance(value["type"], dict) and value.keys() & _VALUES.values():
        return dict(value)
    for kind, key in _VALUES.items():
        if key in value:
            return {"type": kind, **value}
    return {"type": "GeoProperty" if "coordinates" in value else "Property", "value": value}


_VALUES = {"Property": "value", "Relationship": "object", "LanguageProperty": "languageMap"}


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_null, value.values()))
    return any(map(_has_null, value)) if isinstance(value, list) else value is None


def _number(value: Any) -> Any:
    """Store as MongoDB through Orion-LD does: int32, and an array of one as its only item."""
    if isinstance(value, list):
        items = [_number(item) for item in value]
        return items[0] if len(items) == 1 else items
    if isinstance(value, dict):
        geometry = "coordinates" in value
        return value if geometry else {key: _number(item) for key, item in value.items()}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return (value + 2**31) % 2**32 - 2**31 if whole else value


def _observed_at(text: Any) -> str:
    if not isinstance(text, str) or not _OBSERVED_AT.fullmatch(text):
        raise Problem(400, "Invalid ISO8601 timestamp", "observedAt")
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise Problem(400, "Invalid ISO8601 timestamp", "observedAt") from error
    if time.timestamp() < 0:
        raise Problem(400, "Invalid ISO8601 timestamp", "observedAt")
    return _text(time)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _crooked(attribute: Mapping[str, Any]) -> bool:
    """Say whether a polygon crosses itself, which MongoDB's index does not take."""
    value = attribute.get("value")
    if not isinstance(value, dict) or value.get("type") != "Polygon":
        return False
    edges = list(pairwise(value["coordinates"][0]))
    return any(
        _cross(*a, *b) for n, a in enumerate(edges) for b in edges[n + 2 :] if a[0] not in b and a[1] not in b
    )


def _cross(a: Any, b: Any, c: Any, d: Any) -> bool:
    def side(p: Any, q: Any, r: Any) -> float:
        return math.copysign(1, (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))

    return side(a, b, c) != side(a, b, d) and side(c, d, a) != side(c, d, b)


# ---- answering


def _link() -> dict[str, str]:
    relation = 'rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
    return {"Link": f"<{CORE}>; {relation}"}


def _show(
    entity_id: str, stored: Stored, context: Context, options: set[str], wanted: Iterable[str] = ()
) -> dict[str, Any]:
    wanted = set(wanted)
    system = {"createdAt": stored.created_at, "modifiedAt": stored.modified_at}
    attributes = {
        context.compact(iri): _show_attribute(attribute, options)
        for iri, attribute in stored.attributes.items()
        if not wanted or iri in wanted
    }
    known = system if "sysAttrs" in options else {}
    return {"id": entity_id, "type": context.compact(stored.type), **known, **attributes}


def _show_attribute(attribute: Mapping[str, Any], options: set[str]) -> Any:
    if "keyValues" in options:
        return next(attribute[key] for key in _VALUES.values() if key in attribute)
    hidden = set() if "sysAttrs" in options else {"createdAt", "modifiedAt"}
    return {key: value for key, value in attribute.items() if key not in hidden}


def _entity_answer(request: web.Request, entity: dict[str, Any]) -> web.Response:
    match request.headers.get("Accept"):
        case "application/ld+json":
            return web.json_response({"@context": CORE, **entity}, content_type=LD_JSON)
        case "application/geo+json":
            properties = {key: value for key, value in entity.items() if key != "id"}
            place = entity.get("location")
            geometry = place.get("value", place) if isinstance(place, dict) else None
            feature = {"id": entity["id"], "type": "Feature", "properties": properties, "geometry": geometry}
            return web.json_response({**feature, "@context": CORE}, content_type=GEO_JSON)
        case _:
            return web.json_response(entity, headers=_link())


def _show_subscription(subscription: Mapping[str, Any]) -> dict[str, Any]:
    active = subscription["isActive"]
    return {
        **subscription,
        "status": "active" if active else "paused",
        "notification": {**subscription["notification"], "status": "ok"},
        "origin": "cache",
        "jsonldContext": CORE,
    }


def _matches(
    request: web.Request, context: Context, entity_id: str, stored: Stored, wanted: set[str]
) -> bool:
    types = {context.expand(name) for name in _listed(request, "type")}
    ids = _listed(request, "id")
    return (
        (not types or stored.type in types)
        and (not ids or entity_id in ids)
        and (not wanted or not wanted.isdisjoint(stored.attributes))
        and all(_holds(part, context, stored) for part in request.query.get("q", "").split(";") if part)
        and _near(request, context, stored)
    )


def _holds(condition: str, context: Context, stored: Stored) -> bool:
    match = _Q.fullmatch(condition)
    if match is None:
        raise Problem(400, "Not for this server", f"q={condition}")
    value = stored.attributes.get(context.expand(match[1]), {}).get("value")
    wanted = _quiet_json(match[3].encode())
    if value is None or isinstance(value, str) != isinstance(wanted, str):
        return False
    return bool(_COMPARE[match[2]](value, wanted))


def _near(request: web.Request, context: Context, stored: Stored) -> bool:
    georel = request.query.get("georel")
    if georel is None:
        return True
    match = re.fullmatch(r"near;maxDistance==(\d+)", georel)
    place = stored.attributes.get(context.expand("location"), {}).get("value", {})
    if match is None or request.query.get("geometry") != "Point":
        raise Problem(400, "Not for this server", georel)
    if place.get("type") != "Point":
        return False
    lon, lat = _radians(json.loads(request.query["coordinates"]))
    own_lon, own_lat = _radians(place["coordinates"])
    across = (own_lon - lon) * math.cos((lat + own_lat) / 2)
    return 6_371_000 * math.hypot(across, own_lat - lat) <= int(match[1])


def _radians(coordinates: Iterable[float]) -> Iterator[float]:
    return map(math.radians, list(coordinates)[:2])


async def _serve(port: int, *, fetch_contexts: bool) -> None:
    async with OrionLike(port=port, fetch_contexts=fetch_contexts) as broker:
        print(f"NGSI-LD at {broker.url}", flush=True)  # noqa: T201 - the one line of a program
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A server that behaves as the recorded Orion-LD did.")
    parser.add_argument("--port", type=int, default=1026)
    parser.add_argument("--any-context", action="store_true", help="do not fetch the contexts")
    arguments = parser.parse_args()
    try:
        asyncio.run(_serve(arguments.port, fetch_contexts=not arguments.any_context))
    except KeyboardInterrupt:
        print()  # noqa: T201 - leaves the ^C on a line of its own
