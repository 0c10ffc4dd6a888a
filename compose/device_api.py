# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The device API for integrators: what `volme devices` does, over HTTP, with an OpenAPI document.

One table says what there is (`compose/device_operations.py`). Who has one of `web.api_keys` may
use it. Without a key configured only programs on this machine may, and nobody where Volme listens beyond
loopback or stands behind a proxy.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
import structlog
from aiohttp import web
from pydantic import BaseModel, ValidationError

from adapters.profiles import find_profile
from adapters.sync.listing import ListingError
from adapters.tr005 import LabelError, read_label
from compose import device_requests as bodies
from compose.api_access import Access, RefusedError
from compose.commands.device_files import read_text, write_csv
from compose.commands.device_input import DeviceInputError, device_id, read_device
from compose.device_health import last_day_of, shown
from compose.device_json import as_dict, plan_dict, proposal_dict
from compose.device_operations import FILE_KINDS, OPERATIONS, Operation
from compose.network_sync import (
    SERVERS,
    address_problem,
    apply,
    compare,
    list_devices,
    origin_of,
    sync_dict,
    token_problem,
)
from compose.onboarding import Onboarding, OnboardingError, TakenDevicesError
from compose.openapi import document
from models.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from compose.platform import Platform

log = structlog.get_logger(__name__)

_Model = TypeVar("_Model", bound=BaseModel)

_PAGE = 1000


class DeviceApi:
    """Answers requests about devices."""

    def __init__(self, platform: Platform) -> None:
        """Take the platform's own registry and journal.

        Raises:
            ConfigurationError: a key cannot be read, or a profile cannot be used.
        """
        self._onboarding = Onboarding(platform.settings, platform.registry, platform.journal)
        self._access = Access(platform.settings.web)

    def routes(self) -> list[web.RouteDef]:
        """Return what the web server mounts."""
        routes: list[web.RouteDef] = [
            web.route(row.method, row.path, self._handler(row)) for row in OPERATIONS
        ]
        return [web.get("/api/openapi.json", _openapi), *routes]

    def _handler(self, row: Operation) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            try:
                self._access.admit(request)
                answer: web.Response = await getattr(self, row.handler)(request)
            except RefusedError as refused:
                problem = refused
            except DeviceInputError as error:
                problem = RefusedError(422, "Unprocessable Content", str(error))
            except OnboardingError as error:
                taken = isinstance(error, TakenDevicesError)
                title = "Conflict" if taken else "Not Found"
                problem = RefusedError(
                    409 if taken else 404, title, str(error), {"devices": list(error.devices)}
                )
            except StoreError as error:
                log.warning("api.store_away", operation=row.name, error=str(error))
                detail = "The registry cannot be reached now; try again later."
                problem = RefusedError(503, "Service Unavailable", detail)
            else:
                return answer
            return problem.response()

        return handle

    # ---- devices -----------------------------------------------------------------------------

    async def list_devices(self, request: web.Request) -> web.Response:
        """Return a page."""
        limit = _number(request, "limit", _PAGE, most=10_000)
        after = request.query.get("after", "")
        retired = request.query.get("retired", "false") == "true"
        registry = self._onboarding.registry
        known = registry.retired if retired else registry.devices
        names = sorted(name for name in known if name > after)
        more = names[limit - 1] if len(names) > limit else None
        return _json({"devices": [as_dict(known[name]) for name in names[:limit]], "next": more})

    async def add(self, request: web.Request) -> web.Response:
        """Register one."""
        given = await _body(request, bodies.NewDevice)
        said = _said(given)
        if given.qr is not None:
            said = {**await self._labelled(said.pop("qr")), **said}
        device = read_device(said, self._onboarding.profiles)
        await self._onboarding.register([device])
        return _json(as_dict(device), 201, {"Location": f"/api/devices/{device.id}"})

    async def _labelled(self, code: str) -> dict[str, Any]:
        """Return what a label says of its device, and what the network server said of it meanwhile."""
        try:
            label = read_label(code)
        except LabelError as error:
            raise RefusedError(422, "Unprocessable Content", str(error)) from error
        profiles = self._onboarding.profiles
        waiting = await self._onboarding.pending([label.dev_eui])
        told = next((each.profile for each in waiting if each.by == "model"), None)
        known = find_profile(profiles, label.names)
        profile = told or (known.name if known else None)
        return {"id": label.dev_eui, **({"profile": profile} if profile else {})}

    async def show(self, request: web.Request) -> web.Response:
        """Return one."""
        return _json(as_dict(self._onboarding.find(_named(request))))

    async def put(self, request: web.Request) -> web.Response:
        """Register one, or say anew all that is known of it."""
        given = await _body(request, bodies.GivenDevice)
        device = read_device(_said(given, id=_named(request)), self._onboarding.profiles)
        await self._onboarding.register([device], overwrite=True)
        return _json(as_dict(device))

    async def forget(self, request: web.Request) -> web.Response:
        """Forget one."""
        name = self._onboarding.find(_named(request)).id
        await self._onboarding.registry.remove(name)
        return web.Response(status=204)

    async def move(self, request: web.Request) -> web.Response:
        """Say where one hangs now."""
        given = await _body(request, bodies.Move)
        said = {"altitude": None, **_position(given.position), "installed": given.since or datetime.now(UTC)}
        said |= {name: value for name in ("name", "place") if (value := getattr(given, name))}
        return _json(as_dict(await self._onboarding.change(_named(request), said)))

    async def replace(self, request: web.Request) -> web.Response:
        """Let another one take its place."""
        given = await _body(request, bodies.Replacement)
        said: dict[str, Any] = {"profile": given.profile} if given.profile else {}
        said |= {"installed": given.since} if given.since else {}
        new, waited = await self._onboarding.replace(_named(request), device_id(given.by), said)
        return _json({"devices": [as_dict(new)], "left": [], "messages": waited})

    async def retire(self, request: web.Request) -> web.Response:
        """Take one out of service."""
        (gone,) = await self._onboarding.retire([_named(request)])
        return _json(as_dict(gone))

    # ---- unknown ones ------------------------------------------------------------------------

    async def pending(self, _: web.Request) -> web.Response:
        """Return what waits."""
        proposals = await self._onboarding.pending()
        return _json({"devices": [proposal_dict(proposal) for proposal in proposals]})

    async def approve(self, request: web.Request) -> web.Response:
        """Register one that waits."""
        given = await _body(request, bodies.Approval)
        name = _named(request)
        proposals = await self._onboarding.pending([name])
        if not proposals:
            raise RefusedError(404, "Not Found", f"device {name} does not wait", {"devices": [name]})
        device = self._onboarding.proposed(proposals[0], _said(given))
        waited = await self._onboarding.register([device])
        return _json({"devices": [as_dict(device)], "left": [], "messages": waited})

    async def approve_many(self, request: web.Request) -> web.Response:
        """Register many that wait: all or none of those that are named."""
        given = await _body(request, bodies.Approvals)
        names = {device_id(name) for name in given.devices}
        proposals = await self._onboarding.pending(names or None)
        if given.all:
            proposals = [each for each in proposals if each.retired_at is None]
        absent = names - {each.device.device_id for each in proposals}
        if absent:
            detail = "some devices do not wait; nothing was registered"
            raise RefusedError(404, "Not Found", detail, {"devices": sorted(absent)})
        left = [each.device.device_id for each in proposals if each.profile is None]
        if names and left:
            detail = "no profile fits some devices; nothing was registered"
            raise RefusedError(422, "Unprocessable Content", detail, {"devices": left})
        devices = [self._onboarding.proposed(each, {}) for each in proposals if each.profile is not None]
        waited = await self._onboarding.register(devices)
        return _json({"devices": [as_dict(device) for device in devices], "left": left, "messages": waited})

    # ---- network servers ---------------------------------------------------------------------

    async def sync(self, request: web.Request) -> web.Response:
        """Say what differs from a network server's list of devices, or follow it."""
        given = await _body(request, bodies.Sync)
        wrong = address_problem(given.url, plain_http=given.plainHttp) or token_problem(given.token)
        if wrong is None and given.profile is not None and given.profile not in self._onboarding.profiles:
            wrong = f"there is no profile “{given.profile}”"
        if wrong is not None:
            raise RefusedError(422, "Unprocessable Content", wrong)
        try:
            listed = await list_devices(SERVERS[given.network], given.url, given.token, given.application)
        except ListingError as error:
            raise RefusedError(502, "Bad Gateway", str(error)) from error
        plan = compare(
            listed,
            self._onboarding.registry.devices,
            self._onboarding.profiles,
            origin=origin_of(given.network, given.url, given.application),
            profile=given.profile,
            keep=given.keep,
        )
        retired = given.apply and given.retireGone
        waited = await apply(plan, self._onboarding, retire_gone=retired) if given.apply else 0
        return _json(sync_dict(plan, applied=given.apply, retired=retired, waited=waited))

    async def health(self, _: web.Request) -> web.Response:
        """Return how complete the last 24 hours of each device are."""
        found = last_day_of(
            self._onboarding.registry.devices.values(),
            self._onboarding.profiles,
            await self._onboarding.activities(),
            datetime.now(UTC),
        )
        return _json({"devices": [shown(device, last_day) for device, last_day in found]})

    # ---- files -------------------------------------------------------------------------------

    async def import_devices(self, request: web.Request) -> web.Response:
        """Say what a file would change, or change it."""
        kind = FILE_KINDS.get(request.content_type)
        if kind is None:
            detail = f"a file of devices is {', '.join(FILE_KINDS)}, not {request.content_type}"
            raise RefusedError(415, "Unsupported Media Type", detail)
        plan = await self._onboarding.plan(read_text(await _read(request), "the file", kind))
        applied = request.query.get("apply", "false") == "true"
        if plan.errors and applied:
            detail = "the file cannot be used; nothing was changed"
            errors = plan_dict(plan, applied=False)["errors"]
            raise RefusedError(422, "Unprocessable Content", detail, {"errors": errors})
        waited = await self._onboarding.register(plan.devices, overwrite=True) if applied else 0
        return _json({**plan_dict(plan, applied=applied), "messages": waited})

    async def export(self, request: web.Request) -> web.Response:
        """Return a table."""
        excel = request.query.get("excel", "false") == "true"
        text = write_csv(self._onboarding.registry.devices.values(), excel=excel)
        return web.Response(
            body=text.encode(),
            content_type="text/csv",
            charset="utf-8",
            headers={"Content-Disposition": 'attachment; filename="devices.csv"'},
        )


def device_routes(platform: Platform) -> list[web.RouteDef]:
    """Return the device API's routes."""
    return DeviceApi(platform).routes()


async def _openapi(_: web.Request) -> web.Response:
    return _json(document(OPERATIONS))


def _json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    body = orjson.dumps(value, option=orjson.OPT_UTC_Z, default=dict)
    return web.Response(
        body=body,
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


async def _read(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise RefusedError(413, "Content Too Large", "the body is too large (web.max_body)") from error


async def _body(request: web.Request, model: type[_Model]) -> _Model:
    """Read and check a JSON body.

    Raises:
        RefusedError: it is not JSON, or not what is wanted; every reason is said.
    """
    raw = await _read(request)
    if request.content_type != "application/json":
        detail = f"the body must be application/json, not {request.content_type}"
        raise RefusedError(415, "Unsupported Media Type", detail)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        reasons = "; ".join(
            f"{'.'.join(str(part) for part in each['loc']) or 'the body'}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False)
        )
        raise RefusedError(422, "Unprocessable Content", reasons) from error


def _said(given: BaseModel, **more: Any) -> dict[str, Any]:
    """Return what was said, as `read_device` wants it."""
    said = given.model_dump(exclude_none=True, exclude={"position"})
    if "attributes" in said:
        # A text stays one, even where it looks like JSON.
        said["attributes"] = {name: json.dumps(value) for name, value in said["attributes"].items()}
    return {**said, **_position(getattr(given, "position", None)), **more}


def _position(given: bodies.GivenPosition | None) -> dict[str, float]:
    return given.model_dump(exclude_none=True) if given else {}


def _named(request: web.Request) -> str:
    return device_id(request.match_info["device"])


def _number(request: web.Request, name: str, default: int, *, most: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise RefusedError(400, "Bad Request", f"{name} must be a number from 1 to {most}")
    return int(text)
