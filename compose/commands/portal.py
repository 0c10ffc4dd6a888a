# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme portal`."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path  # noqa: TC003 - click reads it

import click

from compose.addresses import free_port
from compose.commands.common import config_options, run_async, settings_of
from compose.commands.words import examples
from compose.partners import check_partners
from compose.portal import Around, open_portal
from compose.settings import Settings
from compose.telemetry import configure_logs
from models.errors import ConfigurationError
from portal.datasets import load_catalogue


@click.command(
    short_help="Run the public interfaces alone, beside a running platform.",
    epilog=examples(
        "volme portal --config city.toml --check",
        "volme portal --config city.toml",
    ),
)
@config_options
@click.option("--check", is_flag=True, help="Only check what is declared.")
@click.option("--child", is_flag=True, hidden=True)
def portal(*, config: Path | None, data: Path | None, check: bool, child: bool) -> None:
    """Run the public interfaces and the citizens' page as a process of their own.

    `volme up` and `volme run` start it by themselves where the configuration names `portal.datasets`; alone
    it runs where another machine is to serve the public. It needs nothing but the NGSI-LD broker.
    """
    if child:
        _run_as_child()
        return
    settings = settings_of(config, data)
    if settings.portal.datasets is None:
        msg = "the configuration does not name portal.datasets: nothing is published"
        raise ConfigurationError(msg)
    if check:
        catalogue = load_catalogue(settings.portal.datasets)
        check_partners(settings.portal, catalogue)
        click.echo(f"{settings.portal.datasets} can be used: {len(catalogue.dataset)} datasets.")
        return
    if settings.broker.url is None:
        msg = "the portal alone needs broker.url: the address of the NGSI-LD broker of the running platform"
        raise ConfigurationError(msg)
    configure_logs(settings.log_format, settings.log_level)
    port = free_port(settings.portal.host, settings.portal.port, strict=True)
    base = settings.web.public_url or f"http://{settings.web.host}:{settings.web.port}"
    around = Around(broker=settings.broker.url, contexts=f"{base.rstrip('/')}/contexts", port=port)
    run_async(_serve(settings, around, until_input_ends=False))


def _run_as_child() -> None:
    """Run with what the platform says on standard input; end when that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the platform, which ends us in order
    said = json.loads(sys.stdin.buffer.readline())
    settings = Settings.model_validate(said["settings"])
    configure_logs(settings.log_format, settings.log_level)
    around = Around(broker=said["broker"], contexts=said["contexts"], port=said["port"])
    run_async(_serve(settings, around, until_input_ends=True))


async def _serve(settings: Settings, around: Around, *, until_input_ends: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    stops = (signal.SIGTERM, signal.SIGHUP) if until_input_ends else (signal.SIGINT, signal.SIGTERM)
    for number in stops:
        loop.add_signal_handler(number, stop.set)
    if until_input_ends:
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        ended = asyncio.create_task(reader.read())
        ended.add_done_callback(lambda _: stop.set())
    async with open_portal(settings, around):
        await stop.wait()
