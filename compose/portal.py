# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The portal put together: the publisher, the views, and the server of all public interfaces.

It is a client of the NGSI-LD broker and runs in a process of its own: a crowd of readers takes nothing
from the sensors' way, and what fails here fails alone.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from broker.client import NgsiLdClient
from compose.addresses import notify_address, portal_address
from compose.partners import check_partners, public_datasets
from compose.parts import listening
from compose.settings import is_loopback
from models.errors import ConfigurationError
from models.types import TYPES
from portal.datasets import load_catalogue
from portal.exports.tending import tend
from portal.interfaces import INTERFACES
from portal.limits import Limiter
from portal.live import Live
from portal.live_events import end_streams
from portal.office import Office, digest
from portal.problems import problem
from portal.projection import Projection
from portal.publisher import Publisher
from portal.server import portal_app
from portal.views import View

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from compose.settings import PortalSettings, Settings
    from portal.datasets import Dataset

log = structlog.get_logger(__name__)

_NOTIFICATION = 16 * 1024 * 1024
_GIGABYTE = 10**9


@dataclass(frozen=True, kw_only=True, slots=True)
class Around:
    """Where the parts around the portal are.

    Attributes:
        broker: address of the NGSI-LD broker.
        contexts: address under which the broker knows Volme's @contexts.
        port: that the portal listens on.
    """

    broker: str
    contexts: str
    port: int


@asynccontextmanager
async def open_portal(settings: Settings, around: Around) -> AsyncIterator[Publisher]:
    """Run the portal until the end of the `with`.

    Raises:
        ConfigurationError: what is declared cannot be used.
    """
    portal = settings.portal
    if portal.datasets is None:
        msg = "portal.datasets does not say which file declares what is published"
        raise ConfigurationError(msg)
    catalogue = load_catalogue(portal.datasets)
    check_partners(portal, catalogue)
    folder = settings.data / "portal"
    key = _key(folder)
    hidden = {dataset.type for dataset in catalogue.dataset if dataset.ids == "hidden"}
    live = Live(first=time.time_ns() // 1_000_000)

    def context_of(type_name: str) -> str:
        return f"{around.contexts}/{TYPES[type_name].subject}.jsonld"

    async with AsyncExitStack() as stack:
        city = await stack.enter_async_context(_client(settings, around, settings.broker.tenant))

        async def view(name: str, tenant: str, datasets: Iterable[Dataset]) -> View:
            client = await stack.enter_async_context(_client(settings, around, tenant))
            return View(name=name, datasets=tuple(datasets), client=client, context_of=context_of)

        public = await view("public", portal.tenant, public_datasets(catalogue))
        partners = {
            partner.name: await view(
                partner.name,
                f"{portal.tenant}-{partner.name}",
                [each for each in catalogue.dataset if each.name in partner.datasets],
            )
            for partner in portal.partner
        }
        projections = [Projection(public, key=key, hidden=hidden, live=live)]
        projections += [Projection(each, key=key, hidden=hidden) for each in partners.values()]
        # The same after a start: what the broker kept for us while we were away still arrives.
        token = hmac.new(key, b"notified", "sha256").hexdigest()
        publisher = Publisher(
            city,
            projections,
            context_of=context_of,
            endpoint=f"{notify_address(settings, around.port)}/notified/{token}",
            notes=folder / "publisher.json",
        )
        office = Office(
            url=portal_address(settings, around.port),
            catalogue=catalogue,
            public=public,
            partners={digest(each.key.read()): partners[each.name] for each in portal.partner},
            endpoints={each.name: each.endpoints for each in portal.partner},
            live=live,
            folder=folder / "files",
            feedback=portal.feedback,
            basemap=portal.basemap,
        )
        app = portal_app(
            office,
            INTERFACES,
            limiter=_limiter(portal),
            private=_private(publisher, token),
            prepared=publisher.prepared.is_set,
        )
        app.on_shutdown.append(end_streams)
        await stack.enter_async_context(listening(app, portal.host, around.port, portal.tls))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        tasks = [
            group.create_task(publisher.run()),
            group.create_task(_tend(publisher, office, int(portal.files_gigabytes * _GIGABYTE))),
        ]
        log.info("portal.started", url=office.url, datasets=len(catalogue.dataset))
        try:
            yield publisher
        finally:
            for task in tasks:
                task.cancel()


async def _tend(publisher: Publisher, office: Office, most_bytes: int) -> None:
    """Make files, but none of what was published by other rules."""
    await publisher.prepared.wait()
    await tend(office, most_bytes=most_bytes)


def _limiter(portal: PortalSettings) -> Limiter | None:
    """Return who counts requests; None where only this machine can reach the portal: nobody."""
    if is_loopback(portal.host) and not portal.behind_proxy:
        return None
    return Limiter(
        each_minute=portal.requests_per_minute,
        at_once=portal.requests_per_minute,
        behind_proxy=portal.behind_proxy,
    )


def _client(settings: Settings, around: Around, tenant: str | None) -> NgsiLdClient:
    broker = settings.broker
    token = broker.token.read() if broker.url and broker.token else None
    if broker.url is None and broker.embedded.write_keys:
        token = broker.embedded.write_keys[0].read()
    return NgsiLdClient(
        around.broker,
        kind="embedded" if broker.url is None else broker.kind,
        tenant=tenant,
        token=token,
        connections=8,
        timeout=broker.timeout,
    )


def _private(publisher: Publisher, token: str) -> Iterable[web.AbstractRouteDef]:
    """Return where the broker notifies, at an address that only it is told, and where health is asked for."""

    async def notified(request: web.Request) -> web.Response:
        if not secrets.compare_digest(request.match_info["token"].encode(), token.encode()):
            return problem(404, "Not found", "There is nothing here.")
        request._client_max_size = _NOTIFICATION  # noqa: SLF001 - aiohttp has no limit by route
        try:
            body = await request.json()
        except ValueError:  # as a defect, the address would be in the log, which is a secret
            return problem(400, "Not a notification", "It is no JSON.")
        data = body.get("data") if isinstance(body, dict) else None
        if not isinstance(data, list):
            return problem(400, "Not a notification", "It has no data.")
        try:
            entities = [each for each in data if isinstance(each, dict)]
            taken = publisher.notify(request.match_info["dataset"], entities)
        except KeyError:
            return problem(404, "Not found", "There is no such dataset.")
        return web.Response() if taken else problem(503, "Later", "Too many notifications wait.")

    async def health(_: web.Request) -> web.Response:
        well = publisher.ready.is_set() and publisher.problem is None  # what is wrong is in the log
        return web.json_response(
            {"status": "ok" if well else "degraded"},
            status=200 if well else 503,
            headers={"Cache-Control": "no-store"},
        )

    yield web.post("/notified/{token}/{dataset}", notified)
    yield web.get("/healthz", health)


def _key(folder: Path) -> bytes:
    """Return the secret that hides ids; it is made once, for hidden ids must stay the same."""
    file = folder / "ids.key"
    try:
        return file.read_bytes()
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        key = secrets.token_bytes(32)
        file.touch(mode=0o600)
        file.write_bytes(key)
        return key
