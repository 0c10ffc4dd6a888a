# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The temporal interface over HTTP (CIM 009, clauses 5.6.11 to 5.6.16, 5.7.3, 5.7.4, 6.18 to 6.22)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aiohttp import web

from broker.embedded.api_consumption import check_breadth
from broker.embedded.api_entities import read_patch
from broker.embedded.entities import Reading, read_entity, read_fragment
from broker.embedded.filters import Filter
from broker.embedded.geo import parse_geo
from broker.embedded.history import SCOPE
from broker.embedded.history_aggregates import aggregates
from broker.embedded.links import page_links
from broker.embedded.ordering import parse_order
from broker.embedded.parts import PARTS
from broker.embedded.problems import (
    BadRequestDataError,
    InvalidRequestError,
    NotFoundError,
)
from broker.embedded.projection import attribute_names
from broker.embedded.query import check_pattern, hops_of, parse_q, patterns_of
from broker.embedded.requests import (
    JSON_MEDIA,
    MERGE_PATCH,
    Call,
    answer,
    done,
    read_call,
    refuse_entity_map,
    source_of,
)
from broker.embedded.scopes import parse_scopes
from broker.embedded.selection import parse_types, type_names
from broker.embedded.subscriptions import named_types, typed_selectors
from broker.embedded.temporal_asked import OPTIONS, Asked, attribute_iri, read_asked
from broker.embedded.temporal_query import (
    AGGREGATION_MEMBERS,
    MEMBERS,
    Window,
    only_known,
    parse_window,
)
from broker.embedded.temporal_representations import (
    aggregates_of,
    entity_of,
    instances_of,
    moment_text,
)
from broker.embedded.versions import amended_history, preferred
from broker.embedded.vocabulary import DEFAULT_INSTANCE, RESERVED_MEMBERS, VALUE_MEMBER, check_id, check_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from broker.embedded.entities import Fragment, Instance
    from broker.embedded.history import Name
    from broker.embedded.history_aggregates import Period
    from broker.embedded.history_store import HistoryReader, Known, Selection
    from broker.embedded.ordering import Order
    from broker.embedded.parts import Parts
    from broker.embedded.query import Query
    from broker.embedded.temporal_writing import TemporalWriter
    from broker.embedded.terms import Context

PATH = "/ngsi-ld/v1/temporal/entities"
_SHOWN = frozenset({"attrs", "pick", "omit", "datasetId", "lang", "options", "format"})
_JOINING = frozenset({"join", "joinLevel", "containedBy"})  # of current entities alone (5.7.3.4 and 5.7.4.4)
_MAPPING = frozenset({"entityMap", "entityMapLifetime"})
_RETRIEVED = MEMBERS | AGGREGATION_MEMBERS | _SHOWN | _JOINING | _MAPPING
_QUERIED = _RETRIEVED | {
    "id", "type", "idPattern", "q", "georel", "geometry", "coordinates", "geoproperty", "limit", "offset",
    "count", "orderBy", "collation", "scopeQ", "csf", "expandValues", "jsonKeys", "splitEntities",
}  # fmt: skip
_POSTED_TEXTS = ("q", "scopeQ", "csf", "lang", "entityMapLifetime")
_POSTED_LISTS = ("attrs", "pick", "omit", "datasetId")
_POSTED_NAMES = ("expandValues", "jsonKeys")  # strings with commas (5.2.23), or arrays
_POSTED_FLAGS = ("entityMap", "splitEntities")
_POSTED = frozenset(
    {"@context", "type", "entities", "geoQ", "temporalQ", "aggrParams", "ordering"}
    | {*_POSTED_TEXTS, *_POSTED_LISTS, *_POSTED_NAMES, *_POSTED_FLAGS}
)
_PATCHES = (*JSON_MEDIA, MERGE_PATCH)
_PAYLOADS = frozenset(VALUE_MEMBER.values())
_NO_ATTRIBUTES = frozenset({"id", "type"})
_OWN_MEMBERS = frozenset({"id", "type", "createdAt", "modifiedAt", "deletedAt"})
_MAX_LIMIT = 1000
_MAX_OFFSET = 10**9


@dataclass(frozen=True, kw_only=True, slots=True)
class Temporal:
    """What the handlers of this module need beyond the broker's other parts.

    Attributes:
        page: how many instances an answer has at most where the client does not say.
        most: the most that a client can have.
    """

    reader: HistoryReader
    writer: TemporalWriter
    page: int
    most: int

    def instances(self, call: Call) -> tuple[int, list[tuple[str, str]]]:
        """Return how many instances an answer may have, and the header that tells that a wish was met.

        The standard leaves the number to the broker (6.3.10); `Prefer: maxpagesize=1000`, which other
        brokers ignore (RFC 7240), asks for another one.
        """
        wish = call.preferences.get("maxpagesize", "")
        if not wish.isascii() or not wish.isdigit() or not int(wish[:9]):
            return self.page, []
        met = min(int(wish[:9]), self.most)
        return met, [("Preference-Applied", f"maxpagesize={met}")]


TEMPORAL = web.AppKey("temporal", Temporal)


async def create_or_update(request: web.Request) -> web.Response:
    """POST /temporal/entities (5.6.11)."""
    parts, temporal = request.app[PARTS], request.app[TEMPORAL]
    call = await read_call(request, body=True)
    fragment = await _fragment(parts, call, whole=True)
    if not await temporal.writer.create_or_update(call.tenant, fragment):
        return done(call)
    return done(call, status=201, headers={"Location": f"{PATH}/{quote(fragment.id or '', safe=':')}"})


async def add_attributes(request: web.Request) -> web.Response:
    """POST /temporal/entities/{id}/attrs (5.6.12)."""
    parts, temporal = request.app[PARTS], request.app[TEMPORAL]
    call = await read_call(request, body=True)
    entity_id = check_id(request.match_info["id"])
    fragment = await _fragment(parts, call, whole=False)
    if fragment.id not in {None, entity_id}:
        raise BadRequestDataError(detail=f"the body is about {fragment.id}, the path about {entity_id}")
    fragment.id = entity_id
    await temporal.writer.add(call.tenant, fragment)
    return done(call)


async def delete_attribute(request: web.Request) -> web.Response:
    """DELETE /temporal/entities/{id}/attrs/{name} (5.6.13)."""
    parts, temporal = request.app[PARTS], request.app[TEMPORAL]
    call = await read_call(request, parameters={"datasetId", "deleteAll"})
    entity_id, name = _named(request)
    context = await parts.context_by_id(call, entity_id)
    dataset, every = call.parameters.get("datasetId"), call.flag("deleteAll")
    if dataset == DEFAULT_INSTANCE:
        dataset = None
    elif dataset is not None:
        check_id(dataset, "datasetId")
    await temporal.writer.delete_attribute(
        call.tenant, entity_id, attribute_iri(name, context), dataset=dataset or "", every=every
    )
    return done(call)


async def patch_instance(request: web.Request) -> web.Response:
    """PATCH /temporal/entities/{id}/attrs/{name}/{instance} (5.6.14)."""
    parts, temporal = request.app[PARTS], request.app[TEMPORAL]
    call = await read_call(request, body=True, taken=_PATCHES)
    entity_id, name = _named(request)
    urn = check_id(request.match_info["instance"], "an instance's id")
    declared = source_of(call.body, call)
    context = await parts.context_by_id(call, entity_id)
    if declared is not call.declared:
        context = await parts.contexts.resolve(declared)
    body = _instance_in(call.body, entity_id, context.expand(name), context)

    def read(kind: str) -> Instance:
        return read_patch(name, body, kind, context)

    await temporal.writer.patch_instance(call.tenant, entity_id, context.expand(name), urn, read)
    return done(call)


def _instance_in(body: Any, entity_id: str, iri: str, context: Context) -> Any:
    """Return the one instance in the fragment of an entity, or what is the instance itself.

    Raises:
        BadRequestDataError: the fragment is about another entity or attribute.
    """
    if isinstance(body, dict):
        body = {member: value for member, value in body.items() if member != "@context"}
        own = [member for member in body if context.expand(member) == iri]
        is_instance = not _PAYLOADS.isdisjoint(body.keys() - set(own[:1]))
        if own and not is_instance and isinstance(body[own[0]], dict | list):
            others = [name for name in body if name != own[0] and name not in _NO_ATTRIBUTES]
            if body.get("id", entity_id) != entity_id:
                raise BadRequestDataError(
                    detail=f"the body is about {body['id']}, the path about {entity_id}"
                )
            if others:
                raise BadRequestDataError(
                    detail=f"the body is about {others[0][:100]} too, the path about {iri}"
                )
            body = body[own[0]]
        elif body and not body.keys() & RESERVED_MEMBERS:
            raise BadRequestDataError(
                detail=f"the body is about {next(iter(body))[:100]}, the path about {iri}"
            )
    return body[0] if isinstance(body, list) and len(body) == 1 else body


async def delete_instance(request: web.Request) -> web.Response:
    """DELETE /temporal/entities/{id}/attrs/{name}/{instance} (5.6.15)."""
    parts, temporal = request.app[PARTS], request.app[TEMPORAL]
    call = await read_call(request)
    entity_id, name = _named(request)
    urn = check_id(request.match_info["instance"], "an instance's id")
    context = await parts.context_by_id(call, entity_id)
    await temporal.writer.delete_instance(call.tenant, entity_id, attribute_iri(name, context), urn)
    return done(call)


async def delete_entity(request: web.Request) -> web.Response:
    """DELETE /temporal/entities/{id} (5.6.16)."""
    call = await read_call(request)
    entity_id = check_id(request.match_info["id"])
    await request.app[TEMPORAL].writer.delete_entity(call.tenant, entity_id)
    return done(call)


async def retrieve_entity(request: web.Request) -> web.Response:
    """GET /temporal/entities/{id} (5.7.3)."""
    parts, temporal = request.app[PARTS], request.app[TEMPORAL]
    call = await read_call(request, options=OPTIONS, parameters=_RETRIEVED)
    entity_id = check_id(request.match_info["id"])
    _check_elsewhere(call.parameters)
    window = parse_window(call.parameters)
    await parts.reader.check_tenant(call.tenant)
    known = await temporal.reader.entity(call.tenant, entity_id)
    # a wrong request is one even where there is no such history
    context = await parts.context(call, [] if known is None else known.types)
    asked = read_asked(call, call.parameters, window, context)
    if known is None:
        raise NotFoundError(detail=f"there is no history of an entity {entity_id}")
    selection = await _selection(temporal, asked)
    named = selection.only is not None and asked.view.pick is None
    none = NotFoundError(detail=f"the history of {entity_id} has none of these attributes")
    if named and not selection.of(known.names):
        raise none
    most, headers = temporal.instances(call)
    shown, part = await _shown(temporal, [known], selection, asked, most)
    if named and window == Window() and shown[0].keys() <= _OWN_MEMBERS:  # all there was of them is removed
        raise none
    if not shown[0]:
        raise NotFoundError(detail=f"the history of {entity_id} has nothing of what is asked for")
    return _answer(call, shown, asked, many=False, headers=headers, part=part)


async def query_entities(request: web.Request) -> web.Response:
    """GET /temporal/entities (5.7.4)."""
    parts = request.app[PARTS]
    call = await read_call(request, options=OPTIONS | {"count"}, parameters=_QUERIED)
    given = call.parameters
    _check_elsewhere(given)
    context = await parts.context(call, type_names(given.get("type", "")))
    asked = read_asked(call, given, _required(given, given), context, query=True)
    which = Filter(
        ids=None if "id" not in given else tuple(check_id(item) for item in given["id"].split(",")),
        types=None if given.get("type") in {None, "*"} else parse_types(given["type"], context),
        id_pattern=check_pattern(given["idPattern"], "idPattern") if "idPattern" in given else None,
        q=_q(given, context),
        geo=parse_geo(given, context),
    )
    check_breadth(replace(which, attributes=asked.only), given)
    return await _answer_query(request, call, which, asked, _order(given, context))


async def query_by_post(request: web.Request) -> web.Response:
    """POST /temporal/entityOperations/query (5.7.4)."""
    parts = request.app[PARTS]
    call = await read_call(
        request,
        body=True,
        options=OPTIONS | {"count"},
        parameters={"limit", "offset", "count", "options", "format", *AGGREGATION_MEMBERS},
    )
    body = call.body
    if not isinstance(body, dict) or body.get("type") != "Query":
        raise BadRequestDataError(detail="the body must be a JSON object whose type is Query")
    only_known(body, _POSTED, "a temporal query")
    temporal_q = body.get("temporalQ")
    if not isinstance(temporal_q, dict):
        raise BadRequestDataError(detail="a temporal query needs temporalQ, a JSON object")
    only_known(temporal_q, MEMBERS | AGGREGATION_MEMBERS, "temporalQ")
    aggregation, ordering = _object(body, "aggrParams"), _object(body, "ordering")
    only_known(aggregation, AGGREGATION_MEMBERS, "aggrParams")
    only_known(ordering, {"orderBy", "collation", "geometry", "coordinates"}, "ordering")
    if "aggrParams" in body and "aggrMethods" not in aggregation:
        raise BadRequestDataError(detail="aggrParams needs aggrMethods")
    if "ordering" in body and "orderBy" not in ordering:
        raise BadRequestDataError(detail="ordering needs orderBy")
    if not isinstance(temporal_q.get("lastN"), int | None):
        raise BadRequestDataError(detail="lastN is a whole number")
    source = parts.source(source_of(body, call), named_types(body))
    context = await parts.contexts.resolve(source)
    await parts.reader.check_tenant(call.tenant)
    context = parts.linked(call, context)
    geo = body.get("geoQ")
    if not isinstance(geo, dict | None) or not all(
        isinstance(body.get(name), str | None) for name in _POSTED_TEXTS
    ):
        raise BadRequestDataError(detail=f"{', '.join(_POSTED_TEXTS)} are strings and geoQ is a JSON object")
    given = {
        **{name: temporal_q[name] for name in AGGREGATION_MEMBERS if name in temporal_q},
        **aggregation,
        **call.parameters,
        **{name: body[name] for name in _POSTED_TEXTS if body.get(name) is not None},
        **{name: _joined(body[name], name) for name in _POSTED_LISTS if name in body},
        **{
            name: body[name] if isinstance(body[name], str) else _joined(body[name], name)
            for name in _POSTED_NAMES
            if name in body
        },
        **{name: _flag(body[name], name) for name in _POSTED_FLAGS if name in body},
        **({"orderBy": _joined(ordering["orderBy"], "orderBy")} if "orderBy" in ordering else {}),
        **({"collation": ordering["collation"]} if "collation" in ordering else {}),
    }
    _check_elsewhere(given)
    asked = read_asked(call, given, _required(temporal_q, given), context, query=True)
    found = typed_selectors(body.get("entities"), context)
    for selector in found:
        if selector.id_pattern is not None:
            await parts.reader.check_pattern(selector.id_pattern)
    any_of = [Filter(ids=each.ids, types=each.types, id_pattern=each.id_pattern) for each in found]
    which = Filter(
        any_of=tuple(any_of) or None,
        q=_q(given, context),
        geo=None if geo is None else parse_geo(geo, context),
    )
    check_breadth(replace(which, attributes=asked.only), given)
    if geo is not None and which.geo is None:
        raise BadRequestDataError(detail="geoQ needs georel, geometry and coordinates")
    return await _answer_query(request, call, which, asked, _order(given, context))


async def _answer_query(
    request: web.Request, call: Call, which: Filter, asked: Asked, order: Order | None
) -> web.Response:
    """Run a query and answer with a page of it."""
    parts, temporal = request.app[PARTS], request.app[TEMPORAL]
    if order is not None and call.parameters.get("local") == "false":
        raise BadRequestDataError(detail="orderBy is about this broker alone, which local=false denies")
    count = call.flag("count") or "count" in call.options
    limit = call.number("limit", 20, highest=_MAX_LIMIT)
    offset = call.number("offset", 0, highest=_MAX_OFFSET)
    if limit == 0 and not count:
        raise BadRequestDataError(detail="limit may be 0 only beside count=true")
    patterns = [] if which.id_pattern is None else [which.id_pattern]
    for pattern in [*patterns, *patterns_of(which.q)] if which.q is not None else patterns:
        await parts.reader.check_pattern(pattern)
    await parts.reader.check_tenant(call.tenant)
    selection = await _selection(temporal, asked)
    # what is left out of the answer, or any attribute where none is to be shown, makes an entity one that is
    # found all the same
    named = tuple(iri for iri in asked.only or () if iri != SCOPE)
    tested = await temporal.reader.selection(only=named or None, datasets=asked.datasets)
    page = await temporal.reader.query(
        call.tenant, which, asked.view.window, tested, limit=limit, offset=offset, count=count, order=order
    )
    most, headers = temporal.instances(call)
    shown, part = await _shown(temporal, page.entities, selection, asked, most)
    links = page_links(
        call.path, call.parameters, limit=limit, offset=offset, more=page.more, media=call.media
    )
    headers += [("Link", link) for link in links]
    if page.total is not None:
        headers.append(("NGSILD-Results-Count", str(page.total)))
    return _answer(call, [each for each in shown if each], asked, headers=headers, part=part)


def _answer(
    call: Call,
    shown: list[dict[str, Any]],
    asked: Asked,
    *,
    many: bool = True,
    headers: Sequence[tuple[str, str]],
    part: Sequence[tuple[str, str]],
) -> web.Response:
    """Answer with histories, as an earlier version has them where the client prefers that (4.3.6.8)."""
    status, version, headers = 200, preferred(call.preferences), [*headers, *part]
    if version is not None and asked.view.form == "normalized":
        older = [amended_history(each, version) for each in shown]
        status, shown = (200 if older == shown else 203), older
        headers.append(("Preference-Applied", f"ngsi-ld={version[0]}.{version[1]}"))
    body = shown if many else shown[0]
    return answer(call, body, asked.view.context, status=206 if part else status, headers=headers)


async def _shown(
    temporal: Temporal, entities: Sequence[Known], selection: Selection, asked: Asked, most: int
) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Return entities as they are to be shown, and the Content-Range where that is not all (6.3.10)."""
    view, window = asked.view, asked.view.window
    if not entities:
        return [], []
    attributes: dict[int, dict[str, Any]] = {}
    by_entity: dict[int, list[Any]] = defaultdict(list)
    names = await temporal.reader.names({name for each in entities for name in selection.of(each.names)})
    moments: list[datetime]
    if asked.aggregation is not None:
        pool = temporal.reader.pool
        periods, whole = await aggregates(pool, entities, window, selection, asked.aggregation, most=most)
        periods = [period for period in periods if names[period.name][0] != SCOPE]
        for period in periods:
            by_entity[period.entity].append(period)
        if asked.query and asked.only is not None:
            _check_eligible(periods, names)
        attributes = {number: aggregates_of(found, names) for number, found in by_entity.items()}
        moments = [period.start for period in periods]
    else:
        rows, whole = await temporal.reader.instances(entities, window, selection, most=most)
        for row in [*await temporal.reader.scopes_at_first(entities, window, selection), *rows]:
            by_entity[row["entity"]].append(row)
        present = {} if whole else await temporal.reader.present(entities, window, selection)
        attributes = {
            each.number: instances_of(by_entity[each.number], names, view, present.get(each.number, {}))
            for each in entities
        }
        moments = [row["moment"] for row in rows]
    shown = [entity_of(each, view, attributes.get(each.number, {})) for each in entities]
    return shown, [] if whole else [("Content-Range", _content_range(window, moments))]


def _check_eligible(periods: Sequence[Period], names: Mapping[int, Name]) -> None:
    """See that each attribute that a query names has values that a method of it can be applied to (5.7.4.4).

    Raises:
        InvalidRequestError: one has none.
    """
    found = {names[period.name][0]: False for period in periods}
    found |= {names[period.name][0]: True for period in periods if period.values}
    for iri, eligible in found.items():
        if not eligible:
            raise InvalidRequestError(detail=f"none of aggrMethods can be applied to the values of {iri}")


def _content_range(window: Window, moments: Sequence[datetime]) -> str:
    """Say from when to when the instances are, in the direction in which one reads on."""
    if window.last is None:
        start, end, size = window.begins or min(moments), max(moments), "*"
    else:
        start, end, size = window.ends or max(moments), min(moments), str(window.last)
    return f"date-time {moment_text(start)}-{moment_text(end)}/{size}"


async def _selection(temporal: Temporal, asked: Asked) -> Selection:
    return await temporal.reader.selection(only=asked.only, without=asked.without, datasets=asked.datasets)


async def _fragment(parts: Parts, call: Call, *, whole: bool) -> Fragment:
    if not isinstance(call.body, dict) or not call.body:
        raise InvalidRequestError(detail="the body must be a JSON object that is not empty")
    types = call.body.get("type", [])
    source = parts.source(source_of(call.body, call), types if isinstance(types, list) else [types])
    reading = Reading(context=await parts.contexts.resolve(source), temporal=True)
    return read_entity(call.body, reading) if whole else read_fragment(call.body, reading)


def _joined(value: Any, name: str) -> str:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise BadRequestDataError(detail=f"{name} is an array of names that is not empty")
    return ",".join(value)


def _flag(value: Any, name: str) -> str:
    if not isinstance(value, bool):
        raise BadRequestDataError(detail=f"{name} is true or false")
    return str(value).lower()


def _check_elsewhere(given: Mapping[str, Any]) -> None:
    """See that a request asks for nothing that histories have not.

    Raises:
        BadRequestDataError: it is about linked entities, or a parameter is wrong.
        NotSupportedError: it asks for an EntityMap.
    """
    joining = sorted(given.keys() & _JOINING)
    if joining:
        raise BadRequestDataError(
            detail=f"a history follows no relationships, and {joining[0]} is about them"
        )
    for name in _POSTED_FLAGS:
        if given.get(name, "false") not in {"true", "false"}:
            raise BadRequestDataError(detail=f"{name} is true or false, not {given[name][:100]!r}")
    refuse_entity_map(given)


def _order(given: Mapping[str, Any], context: Context) -> Order | None:
    """Read in which order entities are wanted, which is never that of distances (5.7.4.4)."""
    if any(";dist-" in each for each in given.get("orderBy", "").split(",")):
        raise BadRequestDataError(detail="a query of history has no order by distance")
    if not isinstance(given.get("collation", ""), str):
        raise BadRequestDataError(detail="collation is a language tag")
    if "collation" in given and "orderBy" not in given:
        parse_order({"orderBy": "id", **given}, context)  # whether there can be such a collation
    return parse_order(given, context)


def _required(temporal_q: Mapping[str, Any], given: Mapping[str, Any]) -> Window:
    """Read the time that a query is about, and the scopes that go with it."""
    window = parse_window(temporal_q)
    if window.relation is None:
        raise BadRequestDataError(detail="a query of history needs timerel and timeAt")
    return replace(window, scopes=parse_scopes(given["scopeQ"])) if "scopeQ" in given else window


def _q(given: Mapping[str, Any], context: Context) -> Query | None:
    """Read `q`, and see that what it would be read with is right too."""
    vocabulary = attribute_names(given.get("expandValues"), context) or ()
    attribute_names(given.get("jsonKeys"), context)
    if "csf" in given:
        parse_q(given["csf"], context)  # there is no context source to be left out
    found = parse_q(given["q"], context, vocabulary=vocabulary) if "q" in given else None
    if found is not None and hops_of(found):
        raise BadRequestDataError(detail="too deep query: a query of history follows no relationships")
    return found


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = body.get(name, {})
    if not isinstance(found, dict):
        raise BadRequestDataError(detail=f"{name} is a JSON object")
    return found


def _named(request: web.Request) -> tuple[str, str]:
    return check_id(request.match_info["id"]), check_name(request.match_info["name"])
