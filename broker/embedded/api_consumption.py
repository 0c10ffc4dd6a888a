# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Entities are read over HTTP: retrieve and query (CIM 009, clauses 5.7.1 and 5.7.2, 6.4, 6.5, 6.23)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from broker.embedded.filters import Filter
from broker.embedded.geo import parse_geo
from broker.embedded.joining import Joined, flattened, joined, parse_join
from broker.embedded.language import parse_languages
from broker.embedded.links import page_links
from broker.embedded.ordering import PARAMETERS as ORDERING
from broker.embedded.ordering import parse_order
from broker.embedded.parts import PARTS, Parts
from broker.embedded.problems import BadRequestDataError, NotFoundError
from broker.embedded.projection import (
    ENTITY_MEMBERS,
    attribute_names,
    attributes_in,
    depth_of,
    parse_projection,
)
from broker.embedded.query import check_pattern, hops_of, parse_q, paths_of, patterns_of
from broker.embedded.representations import View, feature, show, shown_attributes
from broker.embedded.requests import (
    ENTITY_MEDIA,
    GEO_JSON,
    JSON,
    Call,
    answer,
    read_call,
    refuse_entity_map,
    source_of,
)
from broker.embedded.scopes import parse_scopes
from broker.embedded.selection import parse_types, type_names
from broker.embedded.subscriptions import named_types, typed_selectors
from broker.embedded.unread import show_unread
from broker.embedded.versions import amended, preferred
from broker.embedded.vocabulary import LOCATION, SYSTEM_ATTRIBUTES, check_id, check_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web

    from broker.embedded.joining import Join
    from broker.embedded.merging import Stored
    from broker.embedded.ordering import Order
    from broker.embedded.representations import Form
    from broker.embedded.terms import Context

FORMS: Mapping[str, Form] = {
    "normalized": "normalized",
    "concise": "concise",
    "keyValues": "simplified",
    "simplified": "simplified",
}
MAX_LIMIT = 1000
MAX_OFFSET = 10**9
_EVERYWHERE = "the type * is about this broker alone, which local=false denies"

_OPTIONS = FORMS.keys() | {"sysAttrs"}
_SHOWN = frozenset(
    {
        "attrs", "pick", "omit", "lang", "datasetId", "join", "joinLevel", "containedBy", "geometryProperty",
        "options", "format", "entityMap", "entityMapLifetime",
    }
)  # fmt: skip
FILTERS = frozenset(
    {"id", "type", "idPattern", "q", "scopeQ", "georel", "geometry", "coordinates", "geoproperty", "csf"}
)
_QUERIED = (
    _SHOWN | FILTERS | ORDERING | {"limit", "offset", "count", "expandValues", "jsonKeys", "splitEntities"}
)
_BODY_LISTS = ("attrs", "pick", "omit", "datasetId", "containedBy")
_BODY_TEXTS = (
    "q", "scopeQ", "csf", "lang", "join", "expandValues", "jsonKeys", "geometryProperty", "entityMapLifetime",
)  # fmt: skip
_BODY_MEMBERS = frozenset(
    {
        "@context", "type", "entities", "geoQ", "joinLevel", "ordering", "splitEntities", "entityMap",
        *_BODY_LISTS, *_BODY_TEXTS,
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What of the entities that are found is to be shown, and how.

    Attributes:
        attrs: IRIs of the attributes of which an entity has to have one (the deprecated `attrs`).
        geometry: IRI of the GeoProperty that is the geometry of a GeoJSON feature.
        dataset: datasetId of the instance that is.
    """

    view: View
    attrs: tuple[str, ...] | None
    join: Join | None
    geometry: str
    dataset: str | None


async def retrieve_entity(request: web.Request) -> web.Response:
    """GET /entities/{id} (5.7.1)."""
    parts = request.app[PARTS]
    call = await read_call(request, offered=ENTITY_MEDIA, options=_OPTIONS, parameters=_SHOWN | {"type"})
    entity_id = check_id(request.match_info["id"])
    await parts.reader.check_tenant(call.tenant)
    stored = await parts.reader.get(call.tenant, entity_id)
    types = call.parameters.get("type")
    # names are checked even where there is no such entity, so a wrong request is a wrong request
    named = type_names(types or "") if stored is None else stored.types
    context = await parts.context(call, named)
    shown = shown_as(call, call.parameters, context)
    selection = None if types is None else parse_types(types, context)
    if stored is None or (selection is not None and not selection.matches(stored.types)):
        raise NotFoundError(detail=f"there is no entity {entity_id}")
    view = shown.view
    if shown.attrs is not None and not shown_attributes(stored, replace(view, datasets=None)):
        raise NotFoundError(detail=f"the entity {entity_id} has none of these attributes")
    if (view.pick is not None or view.omit is not None) and not show(stored, replace(view, joined=None)):
        raise NotFoundError(detail=f"the entity {entity_id} has none of these members")
    body = await _bodies(parts, call, [stored], shown)
    flat = shown.join is not None and shown.join.how == "flat"
    return _answer_entities(call, body, shown, many=flat)


async def query_entities(request: web.Request) -> web.Response:
    """GET /entities (5.7.2)."""
    parts = request.app[PARTS]
    call = await read_call(request, offered=ENTITY_MEDIA, options=_OPTIONS | {"count"}, parameters=_QUERIED)
    given = call.parameters
    context = await parts.context(call, type_names(given.get("type", "")))
    shown = shown_as(call, given, context)
    which = filter_of(given, context, shown)
    return await _answer_query(parts, call, which, shown, given)


async def query_by_post(request: web.Request) -> web.Response:
    """POST /entityOperations/query (5.7.2, 6.23)."""
    parts = request.app[PARTS]
    call = await read_call(
        request,
        body=True,
        offered=ENTITY_MEDIA,
        options=_OPTIONS | {"count"},
        parameters={"limit", "offset", "count", "options", "format", "geometryProperty"},
    )
    body = call.body
    if not isinstance(body, dict) or body.get("type") != "Query":
        raise BadRequestDataError(detail="the body must be a JSON object whose type is Query")
    source_of(body, call)  # whether it may have an @context
    context = await parts.context(call, named_types(body))
    await parts.reader.check_tenant(call.tenant)
    context = parts.linked(call, context)
    given = {**_flat(body), **call.parameters}
    shown = shown_as(call, given, context)
    found = typed_selectors(body.get("entities"), context)
    for selector in found:
        if selector.id_pattern is not None:
            await parts.reader.check_pattern(selector.id_pattern)
        if selector.types is None and given.get("local") == "false":
            raise BadRequestDataError(detail=_EVERYWHERE)
    any_of = tuple(
        Filter(ids=selector.ids, types=selector.types, id_pattern=selector.id_pattern) for selector in found
    )
    which = filter_of(given, context, shown, geo=body.get("geoQ"), any_of=any_of or None)
    return await _answer_query(parts, call, which, shown, given)


def shown_as(call: Call, given: Mapping[str, str], context: Context) -> Shown:
    """Read what a request wants to be shown, and how.

    Raises:
        BadRequestDataError: parameters are wrong, or contradict each other.
        NotSupportedError: an EntityMap is asked for.
    """
    if not given:
        return _usual(context)
    for name in ("local", "entityMap", "splitEntities"):
        call.flag(name)
    refuse_entity_map(given)
    attrs, join = attribute_names(given.get("attrs"), context), parse_join(given)
    pick, omit = (
        parse_projection(given[name], context, name) if name in given else None for name in ("pick", "omit")
    )
    if attrs is not None and (pick is not None or omit is not None):
        raise BadRequestDataError(detail="attrs cannot stand beside pick or omit")
    both = sorted((pick or {}).keys() & (omit or {}).keys())
    if any((omit or {})[name] is None for name in both):
        raise BadRequestDataError(detail=f"pick and omit both name {both[0][:200]}")
    if max(depth_of(pick), depth_of(omit)) > (0 if join is None else join.level):
        raise BadRequestDataError(
            detail="pick or omit goes on to linked entities further than join and joinLevel do"
        )
    if "geometryProperty" in given and call.media != GEO_JSON:
        raise BadRequestDataError(detail=f"geometryProperty is about answers in {GEO_JSON}")
    geometry = given.get("geometryProperty")
    datasets = _datasets(given.get("datasetId"))
    return Shown(
        view=View(
            context=context,
            form=form_of(call),
            system="sysAttrs" in call.options,
            attributes=None if attrs is None else frozenset(attrs),
            pick=pick,
            omit=omit,
            datasets=datasets,
            languages=parse_languages(given["lang"]) if "lang" in given else None,
        ),
        attrs=attrs,
        join=join,
        geometry=LOCATION if geometry is None else context.expand(check_name(geometry, "geometryProperty")),
        dataset=next(iter(datasets)) if datasets is not None and len(datasets) == 1 else None,
    )


@lru_cache(maxsize=64)
def _usual(context: Context) -> Shown:
    """Return how entities are shown to those who ask for nothing in particular."""
    return Shown(view=View(context=context), attrs=None, join=None, geometry=LOCATION, dataset=None)


def filter_of(
    given: Mapping[str, str],
    context: Context,
    shown: Shown | None,
    *,
    geo: Any = None,
    any_of: tuple[Filter, ...] | None = None,
) -> Filter:
    """Read which entities a request means.

    Args:
        given: the parameters.
        context: what names mean.
        shown: what is to be shown; None where nothing is.
        geo: the geographical query, where it is no parameters.
        any_of: what `entities` of a query's body selects.

    Raises:
        BadRequestDataError: they are wrong, or mean all entities there are.
    """
    pick = None if shown is None else shown.view.pick
    attributes = attribute_names(given.get("attrs"), context) if shown is None else shown.attrs
    if pick is not None and not pick.keys() & ENTITY_MEMBERS:
        attributes = attributes_in(pick)  # there is nothing to be shown of an entity without them
    vocabulary = attribute_names(given.get("expandValues"), context) or ()
    attribute_names(given.get("jsonKeys"), context)
    which = Filter(
        ids=_ids(given.get("id")),
        types=None if given.get("type") in {None, "*"} else parse_types(given["type"], context),
        id_pattern=check_pattern(given["idPattern"], "idPattern") if "idPattern" in given else None,
        attributes=attributes,
        scopes=parse_scopes(given["scopeQ"]) if "scopeQ" in given else None,
        q=parse_q(given["q"], context, vocabulary=vocabulary) if "q" in given else None,
        geo=parse_geo(given if geo is None else _geo_object(geo), context),
        any_of=any_of,
    )
    if "csf" in given:
        parse_q(given["csf"], context)  # there is no context source that it could leave out
    check_breadth(which, given)
    hops = 0 if which.q is None else hops_of(which.q)
    if hops > (0 if shown is None or shown.join is None else shown.join.level):
        raise BadRequestDataError(
            detail="too deep query: q goes on to linked entities further than join and joinLevel do"
        )
    return which


def check_breadth(which: Filter, given: Mapping[str, str]) -> None:
    """See that a request does not mean all entities there are, unless it says so (5.6.21.4 and 5.7.2.4).

    Raises:
        BadRequestDataError: it does.
    """
    everything, local = given.get("type") == "*", given.get("local")
    if everything and local == "false":
        raise BadRequestDataError(detail=_EVERYWHERE)
    attributes = [iri for iri in which.attributes or () if iri not in SYSTEM_ATTRIBUTES]
    if which.q is not None:
        attributes += [
            path.attributes[0] for path in paths_of(which.q) if path.attributes[0] not in SYSTEM_ATTRIBUTES
        ]
    narrow = attributes or which.types or which.geo or which.any_of
    if not (everything or local == "true" or narrow):
        raise BadRequestDataError(
            detail="too broad query: it needs one of type, attrs, q, a geographical query, or local=true"
            " (attributes that the broker itself writes do not count)"
        )


def form_of(call: Call) -> Form:
    """Return the representation that is asked for; `format` has the say before `options` (6.3.7)."""
    for name in ("format", "options"):
        for word in call.parameters.get(name, "").split(","):
            if word in FORMS:
                return FORMS[word]
    return "normalized"


async def check_patterns(parts: Parts, which: Filter) -> None:
    """See that PostgreSQL takes every regular expression in a filter.

    Raises:
        BadRequestDataError: it does not.
    """
    patterns = [] if which.id_pattern is None else [which.id_pattern]
    if which.q is not None:
        patterns += patterns_of(which.q)
    for pattern in patterns:
        await parts.reader.check_pattern(pattern)


async def _answer_query(
    parts: Parts, call: Call, which: Filter, shown: Shown, given: Mapping[str, Any]
) -> web.Response:
    """Run a query and answer with a page of it."""
    order: Order | None = parse_order(given, shown.view.context)
    if order is not None and given.get("local") == "false":
        raise BadRequestDataError(detail="orderBy is about this broker alone, which local=false denies")
    count = call.flag("count") or "count" in call.options
    limit = call.number("limit", 20, highest=MAX_LIMIT)
    offset = call.number("offset", 0, highest=MAX_OFFSET)
    if limit == 0 and not count:
        raise BadRequestDataError(detail="limit may be 0 only beside count=true")
    await check_patterns(parts, which)
    await parts.reader.check_tenant(call.tenant)
    page = await parts.reader.query(call.tenant, which, limit=limit, offset=offset, count=count, order=order)
    more = page.more and limit > 0
    links = page_links(call.path, call.parameters, limit=limit, offset=offset, more=more, media=call.media)
    headers = [("Link", link) for link in links]
    if page.total is not None:
        headers.append(("NGSILD-Results-Count", str(page.total)))
    bodies = await _bodies(parts, call, page.entities, shown)
    return _answer_entities(call, bodies, shown, headers=headers)


def _answer_entities(
    call: Call,
    bodies: list[Any],
    shown: Shown,
    *,
    many: bool = True,
    headers: Sequence[tuple[str, str]] = (),
) -> web.Response:
    """Answer with entities, as an earlier version has them where the client prefers that (4.3.6.8)."""
    status, version = 200, preferred(call.preferences)
    if version is not None and call.media != GEO_JSON:
        normalized = shown.view.form == "normalized"
        older = [amended(body, version, normalized=normalized) for body in bodies]
        status, bodies = (200 if older == bodies else 203), older
        headers = [*headers, ("Preference-Applied", f"ngsi-ld={version[0]}.{version[1]}")]
    body = _collection(call, bodies) if many else bodies[0]
    return answer(call, body, shown.view.context, status=status, headers=headers)


async def _bodies(parts: Parts, call: Call, entities: Sequence[Stored], shown: Shown) -> list[Any]:
    """Return each entity as it is to be shown, an object or its JSON, and those that are joined to them."""
    seen = [(entity, shown.view) for entity in entities]
    if shown.join is not None:
        found = await joined(parts.reader, call.tenant, entities, shown.view, shown.join)
        if shown.join.how == "flat":
            seen = flattened(entities, found, shown.view, shown.join)
        else:
            start = Joined(entities=found, level=shown.join.level, met=shown.join.contained_by)
            seen = [
                (entity, replace(shown.view, joined=replace(start, met=start.met | {entity.id})))
                for entity in entities
            ]
    if call.media == GEO_JSON:
        return [feature(entity, view, shown.geometry, shown.dataset) for entity, view in seen]
    if call.media == JSON and shown.view.plain and shown.join is None and preferred(call.preferences) is None:
        return [show_unread(entity, view) or show(entity, view) for entity, view in seen]
    return [body for entity, view in seen if (body := show(entity, view))]


def _collection(call: Call, bodies: list[dict[str, Any]]) -> Any:
    return {"type": "FeatureCollection", "features": bodies} if call.media == GEO_JSON else bodies


def _flat(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a query's body as the parameters that say the same (5.2.23).

    Raises:
        BadRequestDataError: a member is unknown or of a wrong type.
    """
    unknown = sorted(body.keys() - _BODY_MEMBERS)
    if unknown:
        raise BadRequestDataError(detail=f"a query has no {unknown[0][:100]}")
    given: dict[str, Any] = _texts(body, _BODY_TEXTS) | _lists(body, _BODY_LISTS)
    if "joinLevel" in body:
        level = body["joinLevel"]
        if isinstance(level, bool) or not isinstance(level, int | str):
            raise BadRequestDataError(detail="joinLevel is a whole number")
        given["joinLevel"] = str(level)
    for name in ("splitEntities", "entityMap"):
        if not isinstance(body.get(name, False), bool):
            raise BadRequestDataError(detail=f"{name} is true or false")
        given[name] = str(body.get(name, False)).lower()
    if "ordering" in body:
        ordering = body["ordering"]
        known = {"orderBy", "collation", "geometry", "coordinates"}
        if not isinstance(ordering, dict) or "orderBy" not in ordering or ordering.keys() - known:
            raise BadRequestDataError(
                detail="ordering is an object with orderBy, and collation, geometry and coordinates"
            )
        given |= _lists(ordering, ("orderBy",)) | _texts(ordering, ("collation",))
        geometry = _texts(ordering, ("geometry",))
        given |= {"orderGeometry": geometry["geometry"]} if geometry else {}
        given |= {"orderFrom": ordering["coordinates"]} if "coordinates" in ordering else {}
    return given


def _texts(body: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    for name in names:
        if not isinstance(body.get(name, ""), str):
            raise BadRequestDataError(detail=f"{name} is a string")
    return {name: body[name] for name in names if name in body}


def _lists(body: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    for name in names:
        value = body.get(name, [""])
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            raise BadRequestDataError(detail=f"{name} is an array of strings that is not empty")
    return {name: ",".join(body[name]) for name in names if name in body}


def _geo_object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict) or "georel" not in value:
        raise BadRequestDataError(detail="geoQ is a JSON object with georel, geometry and coordinates")
    return value


def _datasets(text: str | None) -> frozenset[str | None] | None:
    if text is None:
        return None
    return frozenset(None if item == "@none" else check_id(item, "datasetId") for item in text.split(","))


def _ids(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(check_id(item) for item in text.split(","))
