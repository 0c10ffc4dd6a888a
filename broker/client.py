# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The NGSI-LD client: the only way by which bridge and portal reach the broker.

Every method is one operation of ETSI GS CIM 009 v1.8.1 (clause 5 what it does, clause 6 its HTTP
binding). Bodies go out as `application/json`; the context goes in a `Link` header (6.3.5), never
into the body. Numbers and sizes keep to the broker's row in `broker/limits.py`; `observedAt` goes
out as given, and Orion-LD refuses more than six digits of a second.

The client does not try again: whoever calls it knows better when. The one exception is a request
that may be repeated and met a kept-alive connection which the broker was just closing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import structlog

from broker.answers import (
    AlreadyExistsError,
    Answer,
    AttributesResult,
    BadRequestDataError,
    BatchResult,
    BrokerFailureError,
    BrokerRefusalError,
    BrokerUnavailableError,
    ContextUnavailableError,
    MalformedAnswerError,
    NgsiLdError,
    NotFoundError,
    NotSupportedError,
    Problem,
    TemporalResult,
    TooLargeError,
    UnauthorizedError,
    UnknownTenantError,
    error_for,
    error_of,
    is_batch_result,
    read_attributes,
    read_batch,
    unexpected,
)
from broker.limits import LIMITS, Limits, encode
from broker.transport import JSON, Transport
from models.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence

__all__ = [
    "LIMITS",
    "AlreadyExistsError",
    "Answer",
    "AttributesResult",
    "BadRequestDataError",
    "BatchResult",
    "BrokerFailureError",
    "BrokerRefusalError",
    "BrokerUnavailableError",
    "ContextUnavailableError",
    "Limits",
    "MalformedAnswerError",
    "NgsiLdClient",
    "NgsiLdError",
    "NotFoundError",
    "NotSupportedError",
    "Problem",
    "TemporalResult",
    "TooLargeError",
    "UnauthorizedError",
    "UnknownTenantError",
]

log = structlog.get_logger(__name__)

# Of the 8 kB that an address may have with every server, what the ids in it may take.
_IDS_BYTES: Final = 4000
# Of a batch that was refused as a whole, one entity may be the cause: these are worth halving for.
_HALVED: Final = frozenset({400, 404, 409, 413, 422})


_UPDATE = {"options": "update"}
# How many instances an answer has at most is the broker's to say (6.3.10); the embedded one can be asked.
_MANY_INSTANCES: Final = "maxpagesize=10000"


class NgsiLdClient(Transport):
    """An NGSI-LD broker, asked over a small and bounded number of connections.

    Args:
        base_url: `http://orion:1026`, with or without the `/ngsi-ld/v1`.
        kind: a row of `LIMITS`.
        tenant: NGSILD-Tenant of every request; None: the broker's default tenant.
        token: goes out as `Authorization: Bearer …`.
        connections: open at the same time, at most.
        timeout: seconds for one request, waiting for a free connection included.
        batch: entities a batch; None: the broker's usual number.
        limits: other limits than those of the kind.

    Every method raises, of the family in `broker/answers.py`:
        BrokerUnavailableError: no connection, no answer in time, or an answer that says: later.
        BrokerFailureError: the broker failed, or its answer cannot be read.
        BrokerRefusalError: the broker refuses; which subclass says why.
    """

    def __init__(
        self,
        base_url: str,
        *,
        kind: str = "orion-ld",
        tenant: str | None = None,
        token: str | None = None,
        connections: int = 4,
        timeout: float = 30.0,
        batch: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        if limits is None:
            if kind not in LIMITS:
                msg = f"The kind of broker must be one of {', '.join(LIMITS)}, not {kind!r}."
                raise ConfigurationError(msg)
            limits = LIMITS[kind]
        self.limits = replace(limits, batch=max(1, min(batch or limits.batch, limits.batch_max)))
        headers = {"NGSILD-Tenant": tenant, "Authorization": token and f"Bearer {token}"}
        super().__init__(
            base_url,
            headers={name: value for name, value in headers.items() if value},
            connections=max(1, min(connections, limits.connections)),
            timeout=timeout,
        )

    # ---- entities (5.6.1 to 5.6.6, 5.7.1, 5.7.2)

    async def create_entity(self, entity: Mapping[str, Any], *, context: str | None = None) -> str:
        """Create an entity and return its id.

        Raises:
            AlreadyExistsError: an entity has this id.
        """
        await self.request("POST", "/entities", body=self._one(entity), context=context)
        return str(entity["id"])

    async def retrieve_entity(
        self,
        entity_id: str,
        *,
        attrs: Iterable[str] = (),
        options: str | None = None,
        context: str | None = None,
        accept: str = JSON,
    ) -> dict[str, Any]:
        """Return an entity; `accept` application/geo+json makes it a GeoJSON feature.

        Raises:
            NotFoundError: there is none with this id.
        """
        params = _params(attrs=attrs, options=options)
        answer = await self.request("GET", _entity(entity_id), params=params, context=context, accept=accept)
        return answer.object()

    async def delete_entity(self, entity_id: str) -> None:
        """Delete an entity.

        Raises:
            NotFoundError: there is none with this id.
        """
        await self.request("DELETE", _entity(entity_id))

    async def append_attributes(
        self, entity_id: str, attributes: Mapping[str, Any], *, context: str | None = None
    ) -> AttributesResult:
        """Add attributes, or overwrite those that exist.

        Raises:
            NotFoundError: there is no entity with this id.
        """
        return await self._change_attributes("POST", entity_id, attributes, context)

    async def patch_attributes(
        self, entity_id: str, attributes: Mapping[str, Any], *, context: str | None = None
    ) -> AttributesResult:
        """Overwrite attributes that exist.

        Raises:
            NotFoundError: there is no entity with this id, or it has none of the attributes.
        """
        return await self._change_attributes("PATCH", entity_id, attributes, context)

    async def _change_attributes(
        self, method: str, entity_id: str, attributes: Mapping[str, Any], context: str | None
    ) -> AttributesResult:
        path, body = f"{_entity(entity_id)}/attrs", self._one(attributes)
        answer = await self.request(method, path, body=body, context=context, idempotent=True)
        names = tuple(name for name in attributes if name not in {"id", "type", "@context"})
        return read_attributes(names, answer)

    async def delete_attribute(self, entity_id: str, name: str, *, context: str | None = None) -> None:
        """Delete an attribute.

        Raises:
            NotFoundError: there is no such entity, or it has no such attribute.
        """
        await self.request("DELETE", f"{_entity(entity_id)}/attrs/{_quote(name)}", context=context)

    # ---- batches (5.6.7 to 5.6.10)

    async def upsert(
        self, entities: Sequence[Mapping[str, Any]], *, context: str | None, replace: bool = False
    ) -> BatchResult:
        """Create entities, or update those that exist; with `replace`, other attributes go.

        Usually one request. More entities or bytes than the broker takes go out in several, one
        after the other; so does a batch that the broker refuses as a whole, in halves, until it is
        clear which entity it refuses. Where a later part raises, an earlier one may have been
        done: send all again.

        Raises:
            ValueError: an entity is in it twice; of two states the broker keeps one.
        """
        params = None if replace else _UPDATE
        return await self._batch("upsert", entities, context, params, idempotent=True)

    async def upsert_encoded(
        self, ids: Sequence[str], entities: Sequence[bytes], *, context: str | None
    ) -> BatchResult:
        """Do as `upsert` with entities that are JSON already, keep to the limits, and have these ids."""
        return await self._encoded("upsert", ids, entities, context, _UPDATE, idempotent=True)

    async def create_entities(
        self, entities: Sequence[Mapping[str, Any]], *, context: str | None
    ) -> BatchResult:
        """Create entities; those that exist fail with 409. See `upsert`."""
        return await self._batch("create", entities, context)

    async def update_entities(
        self, entities: Sequence[Mapping[str, Any]], *, context: str | None
    ) -> BatchResult:
        """Update entities; those that do not exist fail with 404. See `upsert`.

        Orion-LD finds only the first 20 of a batch: use `upsert` there.
        """
        return await self._batch("update", entities, context, idempotent=True)

    async def delete_entities(self, ids: Sequence[str]) -> BatchResult:
        """Delete entities by id; those that do not exist fail with 404. See `upsert`."""
        return await self._batch("delete", ids)

    async def _batch(
        self,
        operation: str,
        items: Sequence[Any],
        context: str | None = None,
        params: Mapping[str, str] | None = None,
        *,
        idempotent: bool = False,
    ) -> BatchResult:
        ids = [item if isinstance(item, str) else item.get("id") or f"#{n}" for n, item in enumerate(items)]
        if len(set(ids)) != len(ids):
            twice = next(id_ for n, id_ in enumerate(ids) if id_ in ids[:n])
            msg = f"{twice} is twice in one batch: the broker would keep only one of the two"
            raise ValueError(msg)
        encoded = [self._encode(item) for item in items]
        return await self._encoded(operation, ids, encoded, context, params, idempotent=idempotent)

    async def _encoded(
        self,
        operation: str,
        ids: Sequence[str],
        items: Sequence[bytes],
        context: str | None,
        params: Mapping[str, str] | None,
        *,
        idempotent: bool,
    ) -> BatchResult:
        path = f"/entityOperations/{operation}"
        post = partial(
            self.request, "POST", path, params=params, context=context, idempotent=idempotent, checked=False
        )
        if 0 < len(ids) <= self.limits.batch:
            return await self._part(post, ids, items)
        result = BatchResult()
        for start in range(0, len(ids), self.limits.batch):
            stop = start + self.limits.batch
            result += await self._part(post, ids[start:stop], items[start:stop])
        return result

    async def _part(
        self, post: Callable[..., Awaitable[Answer]], ids: Sequence[str], items: Sequence[bytes]
    ) -> BatchResult:
        """Send a part of a batch in one request, or in halves where that is refused as a whole."""
        body = b"[%b]" % b",".join(items)
        problem = self.limits.problem(body)
        if problem is None:
            answer = await post(body=body)
            if answer.status < 300 or is_batch_result(answer):  # noqa: PLR2004 - 2xx
                return read_batch(ids, answer)
            error = error_for(answer)
            if answer.status not in _HALVED or isinstance(error, NotSupportedError | UnknownTenantError):
                raise error
            problem = error.problem
        if len(ids) == 1:
            return BatchResult(failed={ids[0]: problem})
        log.info("broker.batch.halved", entities=len(ids), reason=problem.sentence)
        middle = len(ids) // 2
        first = await self._part(post, ids[:middle], items[:middle])
        return first + await self._part(post, ids[middle:], items[middle:])

    # ---- queries (5.7.2, 5.7.5, 5.7.8)

    async def query(
        self,
        *,
        type: str | None = None,  # noqa: A002 - NGSI-LD's own word
        ids: Iterable[str] = (),
        q: str | None = None,
        attrs: Iterable[str] = (),
        options: str | None = None,
        geo: Mapping[str, str] | None = None,
        context: str | None = None,
        page: int | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the entities that match, page by page.

        Args:
            type: one type, several joined by commas, or a type selection.
            ids: entities with one of these ids; some brokers want a type beside it.
            q: attribute conditions (4.9), such as `no2>23;pm10`.
            attrs: only entities that have one of these, and only these of them.
            options: `keyValues`, `concise`, `sysAttrs`.
            geo: `georel`, `geometry`, `coordinates`, `geoproperty` (4.10).
            context: address of the context.
            page: entities asked for at a time; None: as many as the broker takes.
        """
        params = _params(type=type, id=ids, q=q, attrs=attrs, options=options, **(geo or {}))
        async for entity in self._pages("/entities", params, context, page):
            yield entity

    async def count(
        self,
        *,
        type: str | None = None,  # noqa: A002 - NGSI-LD's own word
        q: str | None = None,
        geo: Mapping[str, str] | None = None,
        context: str | None = None,
    ) -> int:
        """Return how many entities match."""
        # `options=count` is unknown to Coraine, and a limit of 0 is not taken by every broker.
        params = _params(type=type, q=q, count="true", limit="1", **(geo or {}))
        answer = await self.request("GET", "/entities", params=params, context=context)
        text = answer.headers.get("NGSILD-Results-Count", "")
        if not text.isdecimal():
            raise unexpected(answer, "a count")
        return int(text)

    async def observed(
        self,
        ids: Sequence[str],
        *,
        type: str,  # noqa: A002 - NGSI-LD's own word
        context: str | None = None,
        moments: Collection[str] = (),
    ) -> dict[str, dict[str, datetime]]:
        """Return, of each entity that the broker has, when its attributes were observed.

        Attributes without `observedAt` are left out; of several instances the newest counts. Of the
        attributes named in `moments` the value itself is a time of observation, and is returned.
        Names are short by the context, which must be the one that the entities were sent with.
        """
        found: dict[str, dict[str, datetime]] = {}
        for some in _pages_of_ids(ids):
            async for entity in self.query(type=type, ids=some, context=context):
                found[str(entity.get("id"))] = dict(_observations(entity, moments))
        return found

    async def types(self, *, context: str | None = None) -> tuple[str, ...]:
        """Return the names of the types that the broker has entities of."""
        return await self._names("/types", "typeList", context)

    async def attributes(self, *, context: str | None = None) -> tuple[str, ...]:
        """Return the names of the attributes that the broker's entities have."""
        return await self._names("/attributes", "attributeList", context)

    async def type_details(self, *, context: str | None = None) -> list[dict[str, Any]]:
        """Return the types with the attributes of each (EntityType, 5.2.25)."""
        return (await self.request("GET", "/types", params={"details": "true"}, context=context)).array()

    async def _names(self, path: str, key: str, context: str | None) -> tuple[str, ...]:
        answer = await self.request("GET", path, context=context)
        names = answer.object().get(key)
        if not isinstance(names, list):
            raise unexpected(answer, f"a list of names ({key})")
        return tuple(map(str, names))

    async def _pages(
        self, path: str, params: Mapping[str, str], context: str | None, page: int | None
    ) -> AsyncIterator[dict[str, Any]]:
        limit = min(page or self.limits.page, self.limits.page)
        offset = 0
        while True:
            places = {"limit": str(limit), "offset": str(offset)} if offset else {"limit": str(limit)}
            answer = await self.request("GET", path, params={**params, **places}, context=context)
            found = answer.array()
            for item in found:
                if not isinstance(item, dict):
                    raise unexpected(answer, "an array of objects")
                yield item
            if len(found) < limit:
                return
            offset += limit

    # ---- subscriptions (clause 5.8)

    async def create_subscription(
        self, subscription: Mapping[str, Any], *, context: str | None = None
    ) -> str:
        """Create a subscription and return its id, chosen by the broker if it has none.

        Raises:
            AlreadyExistsError: a subscription has this id.
        """
        body = self._one(subscription)
        answer = await self.request("POST", "/subscriptions", body=body, context=context)
        own = subscription.get("id")
        place = answer.headers.get("Location", "").rpartition("/subscriptions/")[2]
        if not (own or place):
            raise unexpected(answer, "a subscription's address")
        return str(own or place)

    async def retrieve_subscription(
        self, subscription_id: str, *, context: str | None = None
    ) -> dict[str, Any]:
        """Return a subscription.

        Raises:
            NotFoundError: there is none with this id.
        """
        return (await self.request("GET", _subscription(subscription_id), context=context)).object()

    async def subscriptions(self, *, context: str | None = None) -> AsyncIterator[dict[str, Any]]:
        """Yield all subscriptions, page by page."""
        async for subscription in self._pages("/subscriptions", {}, context, None):
            yield subscription

    async def update_subscription(
        self, subscription_id: str, changes: Mapping[str, Any], *, context: str | None = None
    ) -> None:
        """Change members of a subscription; `isActive` true revives a paused one.

        Raises:
            NotFoundError: there is none with this id.
        """
        path, body = _subscription(subscription_id), self._one(changes)
        await self.request("PATCH", path, body=body, context=context, idempotent=True)

    async def delete_subscription(self, subscription_id: str) -> None:
        """Delete a subscription.

        Raises:
            NotFoundError: there is none with this id.
        """
        await self.request("DELETE", _subscription(subscription_id))

    # ---- history (5.6.11, 5.7.3, 5.7.4)

    async def add_temporal(self, entity: Mapping[str, Any], *, context: str | None = None) -> None:
        """Add instances of attributes to an entity's history; its current state stays.

        Raises:
            NotSupportedError: the broker has no history.
        """
        await self.request("POST", "/temporal/entities", body=self._one(entity), context=context)

    async def retrieve_temporal(
        self, entity_id: str, *, context: str | None = None, **params: str
    ) -> TemporalResult:
        """Return an entity's history; `params` are those of `query_temporal`.

        Raises:
            NotFoundError: the broker has no history of it.
            NotSupportedError: the broker has no history at all.
        """
        answer = await self.request(
            "GET", f"/temporal{_entity(entity_id)}", params=params, context=context, prefer=_MANY_INSTANCES
        )
        return TemporalResult(entities=(answer.object(),), partial=_is_partial(answer))

    async def query_temporal(self, *, context: str | None = None, **params: str) -> TemporalResult:
        """Return the history of the entities that match, one page.

        Args:
            context: address of the context.
            params: as the standard names them: `type`, `timerel`, `timeAt`, `endTimeAt`, `lastN`,
                `attrs`, `q`, `options`, `limit`, `offset`.

        Raises:
            NotSupportedError: the broker has no history.
        """
        answer = await self.request(
            "GET", "/temporal/entities", params=params, context=context, prefer=_MANY_INSTANCES
        )
        return TemporalResult(entities=tuple(answer.array()), partial=_is_partial(answer))

    async def delete_temporal(self, entity_id: str) -> None:
        """Delete an entity's history.

        Raises:
            NotFoundError: the broker has none of it.
            NotSupportedError: the broker has no history at all.
        """
        await self.request("DELETE", f"/temporal{_entity(entity_id)}")

    # ---- the broker itself

    async def ping(self) -> None:
        """Return if the broker answers NGSI-LD, raise if not.

        It is asked for an entity that need not exist: a look-up by key, cheap in every broker.
        """
        with suppress(NotFoundError):
            await self.request("GET", _entity("urn:ngsi-ld:Volme:ping"))

    def _encode(self, value: Any) -> bytes:
        return encode(value, int32=self.limits.int32)

    def _one(self, value: Mapping[str, Any]) -> bytes:
        """Encode a body that is no batch."""
        body = self._encode(value)
        problem = self.limits.problem(body)
        if problem is not None:
            raise error_of(problem, "The request was not sent")
        return body


def _entity(entity_id: str) -> str:
    return f"/entities/{_quote(entity_id)}"


def _subscription(subscription_id: str) -> str:
    return f"/subscriptions/{_quote(subscription_id)}"


def _quote(part: str) -> str:
    return quote(part, safe=":")


def _params(**params: str | Iterable[str] | None) -> dict[str, str]:
    """Leave out what is not asked for; join lists by commas."""
    joined = {
        key: value if isinstance(value, str) else ",".join(value)
        for key, value in params.items()
        if value is not None
    }
    return {key: value for key, value in joined.items() if value}


def _is_partial(answer: Answer) -> bool:
    return answer.status == 206  # noqa: PLR2004 - Partial Content


def _pages_of_ids(ids: Sequence[str]) -> Iterable[list[str]]:
    page: list[str] = []
    size = 0
    for entity_id in ids:
        length = len(quote(entity_id, safe=":")) + 3  # and a comma, quoted
        if page and size + length > _IDS_BYTES:
            yield page
            page, size = [], 0
        page.append(entity_id)
        size += length
    if page:
        yield page


def _observations(entity: Mapping[str, Any], moments: Collection[str]) -> Iterable[tuple[str, datetime]]:
    for name, attribute in entity.items():
        if name in moments and isinstance(attribute, dict):
            value = attribute.get("value")
            time = _time(value.get("@value") if isinstance(value, dict) else value)
            if time is not None:
                yield name, time
            continue
        instances = attribute if isinstance(attribute, list) else [attribute]
        times = [
            time
            for instance in instances
            if isinstance(instance, dict) and (time := _time(instance.get("observedAt"))) is not None
        ]
        if times:
            yield name, max(times)


def _time(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        log.warning("broker.observed_at.unreadable", observed_at=text)
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
