# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The interface over HTTP: its addresses, its first page, its errors."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog
from aiohttp import hdrs, web

from broker.client import (
    BrokerFailureError,
    BrokerRefusalError,
    BrokerUnavailableError,
    NgsiLdError,
)
from portal.sensorthings.address import Address, Many, One, Value
from portal.sensorthings.answers import Answerer
from portal.sensorthings.evaluate import Work
from portal.sensorthings.history import History
from portal.sensorthings.keeper import Keeper
from portal.sensorthings.model import KINDS
from portal.sensorthings.options import read_query
from portal.sensorthings.problems import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from portal.office import Office

log = structlog.get_logger(__name__)

PATH: Final = "/sensorthings/v1.1"
_REQUIREMENTS: Final = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
#: What is true of this service. Left out: to create, update and delete, batches, MultiDatastreams, MQTT, and
#: the data array, which is read here, but belongs with one that is written. $filter does not go from other
#: entities through their Observations; all else of the class request-data is there.
CONFORMANCE: Final = tuple(
    _REQUIREMENTS + name
    for name in (
        "datamodel",
        "resource-path/resource-path-to-entities",
        "request-data",
        "request-data/order",
        "request-data/expand",
        "request-data/select",
        "request-data/status-code",
        "request-data/query-status-code",
        "request-data/orderby",
        "request-data/top",
        "request-data/skip",
        "request-data/count",
        "request-data/filter",
        "request-data/built-in-filter-operations",
        "request-data/built-in-query-functions",
        "request-data/pagination",
    )
)
_READ: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
_ALLOW: Final = {"Allow": "GET, HEAD, OPTIONS"}
_LATER: Final = "5"


def routes(office: Office) -> Iterable[web.AbstractRouteDef]:
    """Return the routes of the interface."""
    service = _Service(office)
    return (web.route("*", PATH, service.answer), web.route("*", f"{PATH}/{{path:.*}}", service.answer))


class _Service:
    def __init__(self, office: Office) -> None:
        self._office = office
        self._keeper = Keeper(office)
        self._base = f"{office.url}{PATH}"

    async def answer(self, request: web.Request) -> web.Response:
        """Answer any request below our address."""
        if request.method == hdrs.METH_OPTIONS:
            return web.Response(status=204, headers=_ALLOW)
        if request.method not in _READ:
            return _problem(405, "This service is read-only: GET is what it answers", _ALLOW)
        try:
            return await self._found(request)
        except RequestError as error:
            return _problem(error.status, error.message)
        except NgsiLdError as error:
            return _broker_problem(error)

    async def _found(self, request: web.Request) -> web.Response:
        view = self._office.view(request)
        now, work = datetime.now(UTC), Work()
        city = await self._keeper.city(view)
        history = History(view, work)
        path = request.rel_url.raw_path.partition(PATH)[2]
        found = await Address(path, city, history).find()
        query = request.rel_url.raw_query_string
        answerer = Answerer(self._base, history, work, now)
        match found:
            case None:
                return _json(self._first_page())
            case Many():
                return _sent(await answerer.many(found, read_query(query, found.kind, now, several=True)))
            case One(node=node, reference=reference):
                options = read_query(query, node.kind, now, several=False)
                if reference:
                    return _json({"@iot.selfLink": answerer.link(node)})
                return _sent(await answerer.one(node, options))
            case Value():
                return _value(found)

    def _first_page(self) -> dict[str, Any]:
        return {
            "value": [{"name": name, "url": f"{self._base}/{name}"} for name in KINDS],
            "serverSettings": {"conformance": list(CONFORMANCE)},
        }


def _value(value: Value) -> web.Response:
    if value.value is None:
        return web.Response(status=204)
    if not value.bare:
        return _json({value.name: value.value})
    if isinstance(value.value, dict | list):
        return _json(value.value)
    text = value.value if isinstance(value.value, str) else orjson.dumps(value.value).decode()
    return web.Response(text=text, content_type="text/plain", charset="utf-8")


def _json(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return _sent(orjson.dumps(body), status=status, headers=headers)


def _sent(body: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=body, status=status, headers=headers, content_type="application/json", charset="utf-8"
    )


def _problem(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return _json({"code": status, "type": "error", "message": message}, status=status, headers=headers)


def _broker_problem(error: NgsiLdError) -> web.Response:
    """Say that the broker is away, or does not do what we ask; what it says is for our logs alone."""
    if isinstance(error, BrokerRefusalError):
        log.warning("sensorthings.broker.refused", problem=str(error))
        return _problem(502, "The context broker behind this service refused what was asked of it")
    if isinstance(error, BrokerUnavailableError | BrokerFailureError):
        log.info("sensorthings.broker.away", problem=str(error))
    return _problem(
        503, "The context broker behind this service does not answer now", {"Retry-After": _LATER}
    )
