# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme status`, `volme listen`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import click
from aiohttp import web

from compose.commands.common import (
    config_options,
    json_option,
    offices,
    print_json,
    print_table,
    run_async,
)
from compose.running import read_addresses
from compose.status import picture

if TYPE_CHECKING:
    from pathlib import Path

_LOOPBACK = "127.0.0.1"


@click.command()
@config_options
@json_option
def status(*, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Show the account: received, delivered, pending, dead; exit code 1 if something is wrong."""
    run_async(_status(config, data, as_json=as_json))


async def _status(config: Path | None, data: Path | None, *, as_json: bool) -> None:
    async with offices(config, data) as at:
        addresses = read_addresses(at.settings.data)
        found = picture(
            await at.journal.account(),
            dead_letters=await at.journal.dead_letter_counts(),
            connections={},
            devices=len(at.registry.devices),
        ).as_json()
    live = await _health(addresses.get("web"))
    found = {**found, **(live or {}), "running": live is not None, "addresses": addresses if live else {}}
    if live is None:
        found["ok"] = False
        found["problems"] = ["Volme is not running."]
    if as_json:
        print_json(found)
    else:
        _print_status(found)
    if not found["ok"]:
        raise click.exceptions.Exit(1)


async def _health(address: str | None) -> dict[str, Any] | None:
    """Ask the running platform; None: none answers."""
    if not address:
        return None
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.get(f"{address}/healthz") as answer,
        ):
            found: dict[str, Any] = await answer.json()
            return found
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None


def _print_status(found: dict[str, Any]) -> None:
    columns = ("received", "delivered", "duplicate", "ignored", "dead", "pending", "readings", "entities")
    rows = [
        (name, *(f"{source[column]:,}" for column in columns)) for name, source in found["sources"].items()
    ]
    print_table(("source", *columns), rows, "Nothing was received yet.")
    letters = ", ".join(f"{count:,} {kind}" for kind, count in found["deadLetters"].items()) or "none"
    click.echo(
        f"\nlag {found['lagSeconds']:.1f} s, {found['devices']} devices, dead letters waiting: {letters}"
    )
    for problem in found["problems"] or ["All is well."]:
        click.echo(problem)


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=9000, show_default=True)
def listen(*, port: int) -> None:
    """Print NGSI-LD notifications as they arrive at http://127.0.0.1:PORT/, to try subscriptions."""
    run_async(_listen(port))


async def _listen(port: int) -> None:
    async def receive(request: web.Request) -> web.Response:
        body = await request.text()
        click.echo(body)
        return web.Response()

    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_post("/{anywhere:.*}", receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, _LOOPBACK, port).start()
    except OSError as error:
        msg = f"cannot listen on port {port}: {error.strerror}; another one: --port"
        raise click.ClickException(msg) from error
    click.echo(f"Waiting for notifications at http://{_LOOPBACK}:{port}/ (Ctrl-C ends)", err=True)
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
