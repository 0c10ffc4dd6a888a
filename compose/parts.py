# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The parts that may be embedded (MQTT broker, NGSI-LD broker), and servers that listen."""

from __future__ import annotations

import asyncio
import signal
import ssl
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING

from aiohttp import web
from iotcore import Broker

from broker.embedded.server import EmbeddedBroker, EmbeddedSettings
from compose.settings import LOOPBACK, is_loopback
from models.types import TYPES
from ontology.loader import context, core_context, subjects

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from compose.settings import Settings, Tls
    from store.postgres import Pool

# A network server's largest envelopes; the broker's own default of 20 kB would cut them off.
_LARGEST_MQTT = 16 * 1024 * 1024
_OFFICIAL = "https://raw.githubusercontent.com/smart-data-models/dataModel.{}/master/context.jsonld"
_CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.{}.jsonld"
_CORE_VERSIONS = range(3, 10)
_THIS_MACHINE = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@asynccontextmanager
async def mqtt_broker(port: int) -> AsyncIterator[None]:
    """Run the embedded MQTT broker, on loopback only, in a child process."""
    broker = Broker(port=port, listen=LOOPBACK, max_payload_size=_LARGEST_MQTT)
    await asyncio.to_thread(_start_unmoved_by_ctrl_c, broker)
    try:
        yield
    finally:
        await asyncio.to_thread(broker.stop)


def _start_unmoved_by_ctrl_c(broker: Broker) -> None:
    """Let the child inherit that Ctrl-C does not reach it: it is stopped in order, not by the terminal.

    Only this thread's mask changes: a Ctrl-C meanwhile reaches Volme all the same.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        broker.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@asynccontextmanager
async def ngsi_ld_broker(pool: Pool, settings: Settings, context_base: str) -> AsyncIterator[EmbeddedBroker]:
    """Run the embedded NGSI-LD broker, not yet served; it knows our contexts by all their names, offline."""
    embedded = settings.broker.embedded
    documents = {f"{context_base}/{name}.jsonld": context(name) for name in subjects()}
    documents |= {_OFFICIAL.format(name): context(name) for name in subjects()}
    documents |= {_CORE.format(minor): core_context() for minor in _CORE_VERSIONS}
    documents[f"{context_base}/core.jsonld"] = core_context()
    # Whoever can write to a broker that only this machine reaches may be notified on this machine.
    alone = is_loopback(embedded.host) and not embedded.behind_proxy
    nearby = _THIS_MACHINE if alone else ()
    broker = EmbeddedBroker(
        pool,
        EmbeddedSettings(
            preloaded=documents,
            core_context=core_context(),
            default_contexts={
                name: f"{context_base}/{model.subject}.jsonld" for name, model in TYPES.items()
            },
            write_keys=frozenset(key.read() for key in embedded.write_keys) if embedded.write_keys else None,
            notify_allow=(*embedded.notify_allow, *nearby),
            context_allow=nearby,
            history=embedded.history_days > 0,
            history_page=embedded.history_page,
            notify_keep=timedelta(hours=embedded.notify_keep_hours),
            notify_most=embedded.notify_most,
        ),
    )
    await broker.start()
    try:
        yield broker
    finally:
        await broker.close()


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int, tls: Tls | None) -> AsyncIterator[None]:
    """Serve an application until the end of the `with`."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=_tls(tls)).start()
        yield
    finally:
        await runner.cleanup()


def _tls(tls: Tls | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(tls.certificate, tls.key)
    return server
