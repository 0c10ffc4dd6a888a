# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How the parts are put together: started in order, stopped in reverse."""

from __future__ import annotations

import asyncio
import gc
import os
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from adapters.codecs.decoding import Codecs
from adapters.profiles import load_profiles
from adapters.quality import Recent
from adapters.registry import Registry
from adapters.sources.mqtt import MqttSettings, MqttSource
from adapters.sources.simulator import devices as simulated_devices
from adapters.sources.webhook import Webhook, WebhookSettings
from adapters.translate import World, translate_all
from broker.bridge import Bridge, BridgeSettings
from broker.client import NgsiLdClient
from broker.journal.postgres import PostgresJournal
from compose.addresses import choose_addresses
from compose.claim import Claim
from compose.database import postgres
from compose.parts import listening, mqtt_broker, ngsi_ld_broker
from compose.platform import Platform, forget_history
from compose.portal_child import PortalChild
from compose.preference import preference
from compose.readers import announcement, javascript_sources, source_readers
from compose.reload import Reload
from compose.running import claim, publish_addresses, withdraw_addresses
from compose.settings import LOOPBACK
from compose.silence import Watch
from compose.simulation import simulate
from compose.telemetry import metrics_registry
from compose.web import web_app
from models.counters import Counters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from compose.settings import MqttSource as MqttSourceSettings
    from compose.settings import Settings
    from store.postgres import Pool

log = structlog.get_logger(__name__)

_STOP_ASKED_S = 10.0
GC_THRESHOLDS = (100_000, 50, 100)
#: The name of the source that listens to the embedded MQTT broker.
EMBEDDED_SOURCE = "mqtt"


@asynccontextmanager
async def running(settings: Settings, *, strict_ports: bool) -> AsyncIterator[Platform]:
    """Run everything until the end of the `with`.

    Args:
        settings: what the operator set.
        strict_ports: a port that is taken is an error, not a reason to take another.

    Raises:
        ConfigurationError: a setting cannot be used.
        StoreError: PostgreSQL cannot be reached.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(claim(settings.data))
        # Messages are many short-lived objects and few cycles: the default looks for these too often.
        gc.set_threshold(*GC_THRESHOLDS)
        addresses = choose_addresses(settings, strict=strict_ports)
        pool = await stack.enter_async_context(postgres(settings))
        await _claim_database(stack, pool)
        journal = PostgresJournal(pool)
        await journal.start()
        stack.push_async_callback(journal.close)
        registry = Registry(pool)
        await registry.start()
        platform = Platform(settings=settings, addresses=addresses, journal=journal, registry=registry)
        await _serve(stack, platform, pool)
        if settings.simulator.enabled:
            await _register_simulated(platform)
        await _bridge(stack, platform)
        await _sources(stack, platform)
        if settings.portal.datasets is not None:
            await _task(stack, "portal", PortalChild(settings, addresses).run())
        await _task(stack, "registry", registry.follow())
        await platform.look()
        await _task(stack, "pulse", platform.pulse())
        await _task(stack, "adoption", platform.adopt())
        await _task(stack, "retention", platform.forget())
        publish_addresses(
            settings.data,
            {
                "pid": str(os.getpid()),
                "web": addresses.web,
                "broker": addresses.broker,
                "mqtt": addresses.mqtt or "",
                "portal": addresses.portal or "",
            },
        )
        stack.callback(withdraw_addresses, settings.data)
        log.info("platform.started", web=addresses.web, broker=addresses.broker, mqtt=addresses.mqtt)
        yield platform
        log.info("platform.stopping")


async def _claim_database(stack: AsyncExitStack, pool: Pool) -> None:
    """Be the only platform on this PostgreSQL: two would write the same entities at once.

    Raises:
        ConfigurationError: another platform works on it.
    """
    claim = Claim(pool)
    await claim.take()
    stack.push_async_callback(claim.give_up)
    await _task(stack, "claim", claim.keep())


async def _serve(stack: AsyncExitStack, platform: Platform, pool: Pool) -> None:
    """Start what listens: the NGSI-LD broker first, then Volme's own server."""
    settings, addresses = platform.settings, platform.addresses
    embedded = settings.broker.embedded
    if addresses.broker_port is not None:
        broker = await stack.enter_async_context(ngsi_ld_broker(pool, settings, f"{addresses.web}/contexts"))
        await stack.enter_async_context(
            listening(broker.app(), embedded.host, addresses.broker_port, embedded.tls)
        )
        if embedded.history_days:
            await _task(stack, "history", forget_history(broker, timedelta(days=embedded.history_days)))
    webhook = Webhook(
        tuple(WebhookSettings(name=source.name, token=source.token.read()) for source in settings.webhook),
        platform.journal,
        max_body=settings.web.max_body,
    )
    links = {
        "Betrieb / operations": "/betrieb",
        "Zustand / health": "/healthz",
        "Kennzahlen / metrics": "/metrics",
        "NGSI-LD": f"{addresses.broker}/ngsi-ld/v1/types",
    }
    app = web_app(
        platform, metrics_registry(platform), webhook.routes(), links, max_body=settings.web.max_body
    )
    await stack.enter_async_context(listening(app, settings.web.host, addresses.web_port, settings.web.tls))


async def _bridge(stack: AsyncExitStack, platform: Platform) -> None:
    settings = platform.settings
    codecs = Codecs(javascript_sources(settings))
    stack.push_async_callback(codecs.close)
    counters = Counters()
    profiles = dict(load_profiles(settings.profiles))
    world = World(
        city=settings.city,
        devices=platform.registry.devices,
        retired=platform.registry.retired,
        profiles=profiles,
        codecs=codecs,
        readers=source_readers(settings),
        counters=counters,
        recent=Recent(),
    )
    client = await stack.enter_async_context(
        NgsiLdClient(
            platform.addresses.broker,
            kind="embedded" if settings.broker.url is None else settings.broker.kind,
            tenant=settings.broker.tenant,
            token=_broker_token(settings),
            connections=settings.broker.connections,
            timeout=settings.broker.timeout,
        )
    )
    platform.bridge = Bridge(
        platform.journal,
        client,
        partial(translate_all, world=world),
        context_url=lambda subject: f"{platform.addresses.web}/contexts/{subject}.jsonld",
        settings=BridgeSettings(lanes=settings.broker.connections, batch=settings.broker.batch),
        preference=preference(settings.priority, world),
        counters=counters,
    )
    await _task(stack, "bridge", platform.bridge.run())
    await _task(stack, "reload", Reload(settings, profiles, codecs).keep_looking())
    alerts = f"{platform.addresses.web}/contexts/Alert.jsonld"
    await _task(stack, "silence", Watch(platform, client, world.profiles, alerts).keep_looking())


def _broker_token(settings: Settings) -> str | None:
    if settings.broker.url is None:
        keys = settings.broker.embedded.write_keys
        return keys[0].read() if keys else None
    return settings.broker.token.read() if settings.broker.token else None


async def _sources(stack: AsyncExitStack, platform: Platform) -> None:
    settings, addresses = platform.settings, platform.addresses
    declared = [_mqtt_settings(source) for source in settings.mqtt]
    if addresses.mqtt_port is not None:
        await stack.enter_async_context(mqtt_broker(addresses.mqtt_port))
        declared.append(
            MqttSettings(
                name=EMBEDDED_SOURCE,
                host=LOOPBACK,
                port=addresses.mqtt_port,
                topics=("#",),
                version="3.1.1",  # all that the embedded broker speaks on one port
            )
        )
    for source_settings in declared:
        source = MqttSource(source_settings, platform.journal)
        platform.sources[source_settings.name] = source
        await _task(stack, f"source {source_settings.name}", source.run())
    if settings.simulator.enabled and addresses.mqtt_port is not None:
        await _task(stack, "simulator", simulate(settings.simulator, addresses.mqtt_port))


def _mqtt_settings(source: MqttSourceSettings) -> MqttSettings:
    url = urlsplit(source.url)
    secure = url.scheme == "mqtts"
    return MqttSettings(
        name=source.name,
        host=url.hostname or LOOPBACK,
        port=url.port or (8883 if secure else 1883),
        topics=source.topics,
        version=source.version,
        client_id=source.client_id or f"volme-{source.name}",
        username=source.username,
        password=source.password.read() if source.password else None,
        tls=secure,
        ca_file=source.ca,
        cert_file=source.certificate,
        key_file=source.key,
        max_in_flight=source.max_in_flight,
    )


async def _register_simulated(platform: Platform) -> None:
    """Register the simulated devices that the registry does not have yet."""
    for device in simulated_devices(platform.settings.city):
        if await platform.registry.add(device):
            await platform.journal.append(announcement(device.id))


async def _task(stack: AsyncExitStack, name: str, work: Coroutine[Any, Any, None]) -> None:
    """Run a part beside the others; when it ends by itself, that is a defect and stops everything."""
    task = asyncio.create_task(work, name=name)
    watched = asyncio.current_task()
    asked = False

    def ended(done: asyncio.Task[None]) -> None:
        error = None if done.cancelled() else done.exception()
        if not asked and watched is not None:
            log.critical("platform.part_ended", part=name, exc_info=error)
            watched.cancel()
        elif error is not None:
            log.warning("platform.part_failed_while_stopping", part=name, error=str(error))

    task.add_done_callback(ended)

    async def stop() -> None:
        nonlocal asked
        asked = True
        while not task.done():  # once more for a part that an error on its way out kept alive
            task.cancel()
            await asyncio.wait((task,), timeout=_STOP_ASKED_S)

    stack.push_async_callback(stop)
