# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The operations of OGC API - Features over HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson
import structlog
from aiohttp import web

from broker.client import BrokerFailureError, BrokerUnavailableError, NgsiLdError
from models.values import rfc3339
from portal.described import LICENCES
from portal.features import documents, openapi, pages
from portal.features.asked import GEOJSON, HTML, JSON, OPENAPI, ROOT, SCHEMA, refuse_others, understand
from portal.features.columns import columns_of
from portal.features.errors import NotThereError, RefusedRequestError
from portal.features.selection import crs_of, select
from portal.features.snapshot import Snapshots

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from portal.datasets import Dataset
    from portal.features.asked import Asked
    from portal.office import Office

    Operation = Callable[[Asked, Snapshots, Mapping[str, str]], Awaitable["Found"]]

log = structlog.get_logger(__name__)

#: Seconds for which a dataset's features are kept.
KEPT: Final = 2.0
_LATER: Final = "10"  # seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What answers a request.

    Attributes:
        document: the answer as JSON.
        template: of the answer as HTML.
        context: what the template needs besides.
        headers: of the answer.
    """

    document: dict[str, Any]
    template: str
    context: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def routes(office: Office, *, kept: float = KEPT) -> Iterable[web.AbstractRouteDef]:
    """Return the routes, all of them below `/ogc/features`.

    Args:
        office: what the interfaces share.
        kept: seconds for which a dataset's features are kept.
    """
    snapshots = Snapshots(kept)
    collection = f"{ROOT}/collections/{{collection}}"
    operations: tuple[tuple[str, str, Operation], ...] = (
        (ROOT, JSON, _landing),
        (f"{ROOT}/", JSON, _landing),
        (f"{ROOT}/conformance", JSON, _conformance),
        (f"{ROOT}/api", OPENAPI, _definition),
        (f"{ROOT}/collections", JSON, _collections),
        (collection, JSON, _collection),
        (f"{collection}/schema", SCHEMA, _schema),
        (f"{collection}/queryables", SCHEMA, _queryables),
        (f"{collection}/items", GEOJSON, _items),
        (f"{collection}/items/{{feature}}", GEOJSON, _feature),
        (f"{ROOT}/{{rest:.*}}", JSON, _nothing),
    )
    return [
        web.get(path, partial(_answer, office, snapshots, media, operation))
        for path, media, operation in operations
    ]


async def _answer(
    office: Office, snapshots: Snapshots, media: str, operation: Operation, request: web.Request
) -> web.Response:
    asked: Asked | None = None
    try:
        asked = understand(request, office, media)
        found = await operation(asked, snapshots, request.match_info)
    except RefusedRequestError as error:
        return _refusal(asked, error.status, error.code, error.description)
    except (BrokerUnavailableError, BrokerFailureError) as error:
        log.warning("portal.features.broker_away", error=str(error), path=request.path)
        sentence = "The data cannot be read at the moment. Please try again later."
        answer = _refusal(asked, 503, "ServiceUnavailable", sentence)
        answer.headers["Retry-After"] = _LATER
        return answer
    except NgsiLdError as error:
        log.exception("portal.features.broker_refused", error=str(error), path=request.path)
        return _refusal(asked, 500, "InternalServerError", "The data cannot be read.")
    if asked.form == "html":
        page = pages.render(found.template, asked, document=found.document, **found.context)
        return _response(page.encode(), HTML, asked, headers=found.headers)
    return _response(orjson.dumps(found.document), media, asked, headers=found.headers)


def _refusal(asked: Asked | None, status: int, code: str, description: str) -> web.Response:
    """Return an exception, as the standard has it (17-069r4, 7.5.1)."""
    document = {"code": code, "description": description}
    if asked is not None and asked.form == "html":
        page = pages.render("error.html", asked, document=document, status=status)
        return _response(page.encode(), HTML, asked, status=status)
    return _response(orjson.dumps(document), JSON, asked, status=status)


def _response(
    body: bytes,
    media: str,
    asked: Asked | None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    told = {"Vary": "Accept, Accept-Language", **(headers or {})}
    told["Content-Type"] = f"{media}; charset=utf-8" if media == HTML else media
    if asked is not None and status == 200:  # noqa: PLR2004 - OK; refusals are in English
        told["Content-Language"] = asked.language
    return web.Response(body=body, status=status, headers=told)


async def _landing(asked: Asked, _snapshots: Snapshots, _where: Mapping[str, str]) -> Found:
    refuse_others(asked)
    return Found(document=documents.landing(asked), template="landing.html")


async def _conformance(asked: Asked, _snapshots: Snapshots, _where: Mapping[str, str]) -> Found:
    refuse_others(asked)
    return Found(document=documents.conformance(asked), template="conformance.html")


async def _definition(asked: Asked, _snapshots: Snapshots, _where: Mapping[str, str]) -> Found:
    refuse_others(asked)
    return Found(document=openapi.definition(asked), template="api.html")


async def _collections(asked: Asked, snapshots: Snapshots, _where: Mapping[str, str]) -> Found:
    refuse_others(asked)
    found = await asyncio.gather(*(snapshots.of(asked.view, dataset) for dataset in asked.view.datasets))
    counts = {snapshot.dataset.name: len(snapshot.features) for snapshot in found}
    return Found(
        document=documents.collections(asked, found), template="collections.html", context={"counts": counts}
    )


async def _collection(asked: Asked, snapshots: Snapshots, where: Mapping[str, str]) -> Found:
    dataset = _dataset(asked, where)
    refuse_others(asked)
    snapshot = await snapshots.of(asked.view, dataset)
    return Found(
        document=documents.collection(asked, snapshot, links=asked.selves()),
        template="collection.html",
        context={
            "columns": snapshot.columns,
            "count": len(snapshot.features),
            "licence": LICENCES[dataset.licence or asked.office.catalogue.licence][0],
        },
    )


async def _schema(asked: Asked, _snapshots: Snapshots, where: Mapping[str, str]) -> Found:
    return _columns(asked, where, documents.schema)


async def _queryables(asked: Asked, _snapshots: Snapshots, where: Mapping[str, str]) -> Found:
    return _columns(asked, where, documents.queryables)


def _columns(asked: Asked, where: Mapping[str, str], document: Callable[..., dict[str, Any]]) -> Found:
    dataset = _dataset(asked, where)
    refuse_others(asked)
    return Found(document=document(asked, dataset, columns_of(dataset)), template="columns.html")


async def _items(asked: Asked, snapshots: Snapshots, where: Mapping[str, str]) -> Found:
    dataset = _dataset(asked, where)
    selection = select(asked, columns_of(dataset))
    snapshot = await snapshots.of(asked.view, dataset)
    matching = selection.matching(snapshot)
    features = [
        feature.encoded(selection.crs) if asked.form == "json" else feature.members(selection.crs)
        for feature in selection.page(matching)
    ]
    document = {
        "type": "FeatureCollection",
        "timeStamp": rfc3339(snapshot.taken),
        "numberMatched": len(matching),
        "numberReturned": len(features),
        "links": [*asked.selves(), *_pages(asked, selection.offset, selection.limit, len(matching))],
        "features": features,
    }
    return Found(
        document=document,
        template="items.html",
        context={
            "dataset": dataset,
            "columns": [column for column in snapshot.columns if not column.time],
            "offset": selection.offset,
        },
        headers={"Content-Crs": f"<{selection.crs.uri}>"},
    )


def _pages(asked: Asked, offset: int, limit: int, matched: int) -> list[dict[str, str]]:
    media = GEOJSON if asked.form == "json" else HTML
    links = []
    if offset + limit < matched:
        title = asked.say("Nächste Seite", "Next page")
        links.append(asked.to("next", asked.again(offset=str(offset + limit)), media, title))
    if offset > 0:
        before = max(0, min(offset, matched) - limit)
        title = asked.say("Vorige Seite", "Previous page")
        links.append(asked.to("prev", asked.again(offset=str(before) if before else None), media, title))
    return links


async def _feature(asked: Asked, snapshots: Snapshots, where: Mapping[str, str]) -> Found:
    dataset = _dataset(asked, where)
    refuse_others(asked, ("crs",))
    crs = crs_of(asked)
    snapshot = await snapshots.of(asked.view, dataset)
    feature = snapshot.feature(where["feature"])
    if feature is None:
        msg = f"The collection {dataset.name} has no feature {where['feature'][:200]!r}."
        raise NotThereError(msg)
    path, title = f"/collections/{dataset.name}", asked.text(dataset.title)
    links = [*asked.selves(), asked.link("collection", path, JSON, title)]
    return Found(
        document={**feature.members(crs), "links": links},
        template="feature.html",
        context={"dataset": dataset, "columns": snapshot.columns},
        headers={"Content-Crs": f"<{crs.uri}>"},
    )


async def _nothing(asked: Asked, _snapshots: Snapshots, where: Mapping[str, str]) -> Found:
    msg = f"There is nothing at {quote(where['rest'][:200])}: begin at {asked.address('')}."
    raise NotThereError(msg)


def _dataset(asked: Asked, where: Mapping[str, str]) -> Dataset:
    name = where["collection"]
    dataset = asked.view.dataset(name)
    if dataset is None:
        msg = f"There is no collection {name[:200]!r}: {asked.address('/collections')} lists them."
        raise NotThereError(msg)
    return dataset
