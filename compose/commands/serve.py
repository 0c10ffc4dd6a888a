# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme up`, `volme run`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapters.profiles import load_profiles
from compose.commands.common import config_option, data_option, naming_the_server, run_async, settings_of
from compose.commands.words import examples
from compose.partners import check_partners
from compose.readers import javascript_sources, source_readers
from compose.screen import show_start, show_until_cancelled, welcome
from compose.settings import load_settings
from compose.telemetry import configure_logs
from compose.wiring import running
from models.errors import ConfigurationError
from portal.datasets import load_catalogue

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from compose.platform import Platform
    from compose.settings import Settings

_PORT = click.IntRange(0, 65535)
#: What the simulated Hagen publishes.
EXAMPLE_DATASETS = Path(__file__).parents[1] / "datasets.toml"
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command(
    short_help="Start a whole platform here, with a simulated Hagen.",
    epilog=examples(
        "volme up",
        "volme up --data /srv/volme --no-simulator",
        "volme up --web-port 9080 --broker-port 9026 --mqtt-port 9883",
    ),
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    envvar="VOLME_DATA",
    show_default=True,
    metavar="FOLDER",
    help="Folder that keeps everything between starts.",
)
@click.option("--simulator/--no-simulator", default=True, show_default=True, help="Simulate Hagen's sensors.")
@click.option(
    "--speed",
    type=click.FloatRange(0, 1000, min_open=True),
    metavar="FACTOR",
    help="How much faster than real time the simulated devices send.  [default: 1]",
)
@click.option(
    "--web-port",
    type=_PORT,
    default=8080,
    show_default=True,
    metavar="PORT",
    help="Health, metrics, contexts, pushed uplinks; 0: any free port.",
)
@click.option(
    "--broker-port", type=_PORT, default=1026, show_default=True, metavar="PORT", help="NGSI-LD broker."
)
@click.option(
    "--portal-port",
    type=_PORT,
    default=8000,
    show_default=True,
    metavar="PORT",
    help="The public's page and open interfaces.",
)
@click.option("--mqtt-port", type=_PORT, default=1883, show_default=True, metavar="PORT", help="MQTT broker.")
@click.option(
    "--log",
    "log_level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="What is logged besides.",
)
def up(
    *,
    data: Path,
    simulator: bool,
    speed: float | None,
    web_port: int,
    broker_port: int,
    portal_port: int,
    mqtt_port: int,
    log_level: str,
) -> None:
    """Start the whole platform on this machine, with a simulated Hagen.

    PostgreSQL, MQTT broker and NGSI-LD broker are embedded, and everything listens on loopback only.
    A port that is taken is replaced by a free one. Ctrl-C stops; the next start goes on with the data.
    """
    settings = load_settings(
        None,
        data=data.absolute(),
        simulator__enabled=simulator,
        simulator__speed=speed,
        web__port=web_port,
        broker__embedded__port=broker_port,
        embedded_mqtt_port=mqtt_port,
        portal__datasets=EXAMPLE_DATASETS,
        portal__port=portal_port,
        log_level=log_level,
    )
    configure_logs("console", log_level)
    run_async(_serve(settings, strict_ports=False, screen=True))


@click.command(
    short_help="Run in production, by a configuration.",
    epilog=examples(
        "volme run --config city.toml --check",
        "volme run --config city.toml",
        "volme run --config city.toml --behind-proxy",
    ),
)
@config_option
@data_option
@click.option("--behind-proxy", is_flag=True, help="A reverse proxy in front ends TLS.")
@click.option("--check", is_flag=True, help="Only check the configuration, its files and its secrets.")
def run(*, config: Path | None, data: Path | None, behind_proxy: bool, check: bool) -> None:
    """Run in production: with the operator's own MQTT broker, PostgreSQL and NGSI-LD broker.

    What the configuration does not name runs embedded; compose/hagen.toml is an example. Ports that
    are taken are an error here. SIGTERM stops in order.
    """
    if config is None:
        msg = "volme run needs --config FILE (to try Volme without one: volme up)"
        raise click.UsageError(msg)
    proxy = True if behind_proxy else None
    settings = settings_of(
        config,
        data,
        web__behind_proxy=proxy,
        broker__embedded__behind_proxy=proxy,
        portal__behind_proxy=proxy,
    )
    configure_logs(settings.log_format, settings.log_level)
    if check:
        _check(settings)
        click.echo(f"{config} can be used.")
        return
    run_async(_serve(settings, strict_ports=True, screen=False))


def _check(settings: Settings) -> None:
    """Read all that the configuration leads to.

    Raises:
        ConfigurationError: something cannot be used.
    """
    settings.check_secrets()
    if settings.portal.datasets is not None:
        check_partners(settings.portal, load_catalogue(settings.portal.datasets))
    profiles = load_profiles(settings.profiles)
    source_readers(settings)
    sources = javascript_sources(settings)
    for profile in profiles.values():
        language, _, name = profile.codec.partition(":")
        if language == "javascript" and name not in sources:
            msg = f"profile {profile.name} wants the codec {profile.codec}, which [javascript] does not name"
            raise ConfigurationError(msg)
    tls = [server.tls for server in (settings.web, settings.broker.embedded) if server.tls]
    files = [(file, "certificate or key") for pair in tls for file in (pair.certificate, pair.key)]
    files += [
        (file, f"certificate or key of the source {source.name}")
        for source in settings.mqtt
        for file in (source.ca, source.certificate, source.key)
        if file is not None
    ]
    for file, what in files:
        if not file.is_file():
            msg = f"there is no file {file} ({what})"
            raise ConfigurationError(msg)


async def _serve(settings: Settings, *, strict_ports: bool, screen: bool) -> None:
    me = asyncio.current_task()
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    began = time.monotonic()

    def stop() -> None:
        if me is not None and not stopped.is_set():
            stopped.set()
            me.cancel()

    for number in _STOPS:
        loop.add_signal_handler(number, stop)
    try:
        async with contextlib.AsyncExitStack() as stack:
            with naming_the_server(settings):
                start = stack.enter_async_context(running(settings, strict_ports=strict_ports))
                platform = await (_telling(start, settings) if screen else start)
            with contextlib.suppress(asyncio.CancelledError):
                await _stay(platform, time.monotonic() - began, screen=screen)
            if screen:
                _say(f"Volme is stopping; the data stays in {settings.data}")
    except asyncio.CancelledError:
        pass  # stopped while it was starting
    if not stopped.is_set():
        msg = "Volme stopped, since one of its parts failed (see the log above)."
        raise click.ClickException(msg)
    if screen:
        _say("Volme has stopped.")


async def _telling(start: Coroutine[Any, Any, Platform], settings: Settings) -> Platform:
    """Start, and say meanwhile what is being started."""
    words = asyncio.create_task(show_start(settings))
    try:
        return await start
    finally:
        words.cancel()
        await asyncio.gather(words, return_exceptions=True)


def _say(sentence: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone: that is why it stops
        click.echo(sentence, err=True)


async def _stay(platform: Platform, seconds: float, *, screen: bool) -> None:
    if screen:
        click.echo(welcome(platform, seconds))
        await show_until_cancelled(platform)
    else:
        await asyncio.Event().wait()
