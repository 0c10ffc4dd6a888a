# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme up`, `volme run`, `volme replay`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adapters.sources.replay import replay as replay_messages
from compose.commands.common import config_options, offices, run_async, settings_of
from compose.platform import running
from compose.screen import show_until_cancelled, welcome
from compose.settings import load_settings
from compose.telemetry import configure_logs

if TYPE_CHECKING:
    from compose.platform import Platform
    from compose.settings import Settings


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    envvar="VOLME_DATA",
    show_default=True,
    help="Folder that keeps everything between starts.",
)
@click.option("--simulator/--no-simulator", default=True, show_default=True, help="Simulate Hagen's sensors.")
@click.option("--speed", type=float, help="How much faster than real time the simulator's devices send.")
@click.option("--web-port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@click.option("--broker-port", type=click.IntRange(0, 65535), default=1026, show_default=True)
@click.option("--mqtt-port", type=click.IntRange(0, 65535), default=1883, show_default=True)
@click.option(
    "--log", "log_level", type=click.Choice(["debug", "info", "warning", "error"]), default="warning"
)
def up(
    *,
    data: Path,
    simulator: bool,
    speed: float | None,
    web_port: int,
    broker_port: int,
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
    )
    configure_logs("console", log_level)
    click.echo("Volme is starting: PostgreSQL, MQTT broker, NGSI-LD broker, bridge …", err=True)
    run_async(_serve(settings, strict_ports=False, screen=True))


@click.command()
@config_options
@click.option("--behind-proxy", is_flag=True, help="A reverse proxy in front ends TLS.")
@click.option("--check", is_flag=True, help="Only check the configuration and its secrets.")
def run(*, config: Path | None, data: Path | None, behind_proxy: bool, check: bool) -> None:
    """Run in production: with the operator's own MQTT broker, PostgreSQL and NGSI-LD broker.

    What the configuration does not name runs embedded.
    """
    if config is None:
        msg = "volme run needs --config FILE (to try Volme without one: volme up)"
        raise click.UsageError(msg)
    proxy = True if behind_proxy else None
    settings = settings_of(config, data, web__behind_proxy=proxy, broker__embedded__behind_proxy=proxy)
    configure_logs(settings.log_format, settings.log_level)
    if check:
        settings.check_secrets()
        click.echo(f"{config} can be used.")
        return
    run_async(_serve(settings, strict_ports=True, screen=False))


@click.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--source", default="replay", show_default=True, help="Source that the messages are said to come from."
)
@config_options
def replay(*, path: Path, source: str, config: Path | None, data: Path | None) -> None:
    """Feed captured messages (a file of JSON lines, or a folder of them) into the journal."""
    run_async(_replay(path, source, config, data))


async def _replay(path: Path, source: str, config: Path | None, data: Path | None) -> None:
    async with offices(config, data) as at:
        bad: list[str] = []
        with click.progressbar(length=100, label="Replaying", file=sys.stderr) as bar:
            count = 0
            async for progress in replay_messages(path, at.journal, source=source):
                bar.update(int(100 * progress.bytes_done / max(1, progress.bytes_total)) - bar.pos)
                count = progress.messages
                bad = progress.errors
    click.echo(f"{count} messages are in the journal.")
    for line in bad:
        click.echo(f"not replayed: {line}", err=True)
    if bad:
        raise click.exceptions.Exit(1)


async def _serve(settings: Settings, *, strict_ports: bool, screen: bool) -> None:
    me = asyncio.current_task()
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop() -> None:
        if me is not None and not stopped.is_set():
            stopped.set()
            me.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        async with running(settings, strict_ports=strict_ports) as platform:
            with contextlib.suppress(asyncio.CancelledError):
                await _stay(platform, screen=screen)
            if screen:
                click.echo("Volme is stopping; the data stays in " + str(settings.data), err=True)
    except asyncio.CancelledError:
        pass  # stopped while it was starting
    if not stopped.is_set():
        msg = "Volme stopped, since one of its parts failed (see the log above)."
        raise click.ClickException(msg)


async def _stay(platform: Platform, *, screen: bool) -> None:
    if screen:
        click.echo(welcome(platform))
        await show_until_cancelled(platform)
    else:
        await asyncio.Event().wait()
