# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme status`, `volme listen`."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import click
import orjson
from aiohttp import web

from compose.commands.common import config_options, expect_platform, holder, offices, run_async, settings_of
from compose.commands.printing import json_option, print_json, print_table, show_json
from compose.commands.words import clean, counted, examples
from compose.running import read_addresses
from compose.status import picture
from models.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from compose.settings import Settings

_LOOPBACK = "127.0.0.1"
_ANSWER_WITHIN_S = 5
_COLUMNS = ("received", "delivered", "duplicate", "ignored", "dead", "pending", "readings", "entities")


@click.command(
    short_help="Show whether all is well.",
    epilog=examples(
        "volme status",
        "volme status --config city.toml --json | jq .problems",
        "volme status > /dev/null || echo 'something is wrong'",
    ),
)
@config_options
@json_option
def status(*, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Show whether all is well: what was received, delivered, waits, is dead.

    The exit code is 1 if something is wrong, or if Volme does not run.
    """
    found = run_async(_status(config, data))
    if as_json:
        print_json(found)
    else:
        _print_status(found)
    if not found["ok"]:
        raise click.exceptions.Exit(1)


async def _status(config: Path | None, data: Path | None) -> dict[str, Any]:
    settings = settings_of(config, data)
    expect_platform(settings)
    process = holder(settings.data)
    addresses = read_addresses(settings.data) if process else {}
    # Without a lock file nothing is known of this machine: it may run on another.
    elsewhere = config is not None and not (settings.data / "volme.lock").exists()
    published = addresses.get("web") or settings.web.public_url
    asked = [address for address in (_own_address(settings), published) if address]
    for address in asked if process or elsewhere else ():
        live = await _health(address, verify=address == published)
        if live is not None:
            known = {name: value for name, value in addresses.items() if value and name != "pid"}
            return {**live, "running": True, "process": process, "addresses": known}
    reason = (
        f"Volme runs (process {process}), but does not answer at {' or '.join(asked)}."
        if process
        else "Volme is not running."
    )
    return await _stored(config, data, reason)


def _own_address(settings: Settings) -> str | None:
    """Return where a platform with a port of its own answers on this machine, past any proxy."""
    host = {"0.0.0.0": _LOOPBACK, "::": "::1"}.get(settings.web.host, settings.web.host)  # noqa: S104 - compared, not bound
    if not settings.web.port or (settings.web.public_url is None and settings.web.tls is None):
        return None  # published as it is
    scheme = "https" if settings.web.tls else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.web.port}"


async def _health(address: str, *, verify: bool) -> dict[str, Any] | None:
    """Ask the running platform; None: nothing answers, or something else does.

    Its certificate, made for its public name, is not verified where it is asked on this machine.
    """
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S)) as session,
            session.get(f"{address.rstrip('/')}/healthz", ssl=verify) as answer,
        ):
            found = await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    return found if isinstance(found, dict) and "sources" in found and "ok" in found else None


async def _stored(config: Path | None, data: Path | None, reason: str) -> dict[str, Any]:
    """Return what the journal says while no platform answers."""
    found: dict[str, Any] = {}
    problems = [reason]
    try:
        async with offices(config, data) as at:
            found = picture(
                await at.journal.account(),
                dead_letters=await at.journal.dead_letter_counts(),
                connections={},
                devices=len(at.registry.devices),
            ).as_json()
    except StoreError as error:
        problems.append(str(error))
    return {**found, "ok": False, "problems": problems, "running": False, "process": None, "addresses": {}}


def _print_status(found: dict[str, Any]) -> None:
    for name, label in (("broker", "NGSI-LD"), ("mqtt", "MQTT"), ("web", "Web")):
        if found["addresses"].get(name):
            click.echo(f"{label:<8} {found['addresses'][name]}")
    if found["addresses"]:
        click.echo()
    if "sources" in found:
        _print_account(found)
    for problem in found["problems"]:
        click.secho(clean(problem), fg="red")
    if found["ok"]:
        click.secho("All is well.", fg="green")


def _print_account(found: dict[str, Any]) -> None:
    rows = [
        (name, *(source[column] for column in _COLUMNS)) for name, source in sorted(found["sources"].items())
    ]
    print_table(("source", *_COLUMNS), rows, "Nothing was received yet.")
    devices, pending = counted(found["devices"], "device"), counted(found["pending"], "message")
    click.echo(f"\n{devices}, {pending} not yet delivered, lag {found['lagSeconds']:.1f} s")
    if found.get("drainedInSeconds") is not None:
        rate, left = found["settledPerSecond"], found["drainedInSeconds"]
        click.echo(f"{rate:,.0f} messages a second are settled: all are in about {left:,} s")
    waiting = ", ".join(f"{count:,} {kind}" for kind, count in found["deadLetters"].items() if count)
    if waiting:
        click.echo(f"dead letters that wait: {waiting} (`volme dead-letters list`)")


@click.command(
    short_help="Print NGSI-LD notifications as they arrive.",
    epilog=examples(
        "volme listen", "volme listen --port 9100 | jq -c '.data[] | [.id, .dateObserved.value]'"
    ),
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=9000,
    show_default=True,
    metavar="PORT",
    help="Where to listen.",
)
def listen(*, port: int) -> None:
    """Print NGSI-LD notifications as they arrive, to try subscriptions.

    Subscriptions name http://127.0.0.1:PORT/ as their endpoint's uri. On a terminal notifications
    are indented; elsewhere each is one line.
    """
    run_async(_listen(port))


async def _listen(port: int) -> None:
    async def receive(request: web.Request) -> web.Response:
        _print_notification(await request.read())
        return web.Response()

    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_post("/{anywhere:.*}", receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, _LOOPBACK, port).start()
        except OSError as error:
            msg = (
                f"cannot listen on port {port}: it is taken, or not yours to take."
                " Take another with --port, and name it in the subscription's endpoint"
            )
            raise click.ClickException(msg) from error
        click.echo(f"Waiting for notifications at http://{_LOOPBACK}:{port}/ (Ctrl-C ends)", err=True)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _print_notification(body: bytes) -> None:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        click.echo(clean(body.decode(errors="backslashreplace")))
        return
    if sys.stdout.isatty():
        show_json(value)
    else:
        click.echo(orjson.dumps(value))
