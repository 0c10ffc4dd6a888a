# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What `volme up` shows: addresses, three lines to paste, and a live table."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

if TYPE_CHECKING:
    from compose.platform import Platform
    from compose.status import Status

_REFRESH_S = 1.0
_LINE_EVERY_S = 10.0
_EXAMPLE_TYPE = "WeatherObserved"


def welcome(platform: Platform) -> str:
    """Return addresses and examples that work when pasted."""
    at = platform.addresses
    moved = "".join(f"  Port {wanted} is taken; {used} is used instead.\n" for wanted, used in at.moved)
    example = next(
        (
            device
            for device in platform.registry.devices.values()
            if device.entity_type == _EXAMPLE_TYPE and device.simulated
        ),
        None,
    )
    entity = f"urn:ngsi-ld:{_EXAMPLE_TYPE}:{platform.settings.city}:" + (
        (example.place or example.id) if example else "…"
    )
    subscription = (
        '{"type":"Subscription","entities":[{"type":"' + _EXAMPLE_TYPE + '"}],'
        '"notification":{"endpoint":{"uri":"http://127.0.0.1:9000/","accept":"application/json"}}}'
    )
    return f"""
Volme is running.
{moved}
  NGSI-LD   {at.broker}/ngsi-ld/v1/
  MQTT      {at.mqtt or "your own broker"}
  Web       {at.web}/   (health: /healthz, metrics: /metrics)
  Data      {platform.settings.data}

All entities of a type, one entity, a subscription (`volme listen` in another terminal shows what arrives):

  curl '{at.broker}/ngsi-ld/v1/entities?type={_EXAMPLE_TYPE}'
  curl '{at.broker}/ngsi-ld/v1/entities/{entity}?options=keyValues'
  curl -i '{at.broker}/ngsi-ld/v1/subscriptions' -H 'Content-Type: application/json' -d '{subscription}'

Ctrl-C stops.
"""


async def show_until_cancelled(platform: Platform) -> None:
    """Keep a table on a terminal; elsewhere print a line now and then."""
    if not sys.stdout.isatty():
        while True:
            click.echo(one_line(platform.status()))
            await asyncio.sleep(_LINE_EVERY_S)
    with Live(table(platform.status()), console=Console(), auto_refresh=False, transient=False) as live:
        while True:
            live.update(table(platform.status()), refresh=True)
            await asyncio.sleep(_REFRESH_S)


def one_line(status: Status) -> str:
    """Return the totals in one line."""
    accounts = [source.account for source in status.sources.values()]
    words = {
        name: sum(getattr(account, name) for account in accounts)
        for name in ("received", "readings", "entities", "dead")
    }
    line = "  ".join(f"{name} {count:,}" for name, count in words.items())
    return f"{line}  pending {status.pending:,}  lag {status.lag:.1f} s" + "".join(
        f"  ! {problem}" for problem in status.problems
    )


def table(status: Status) -> Table:
    """Return the account as a table, a row a source."""
    view = Table(title=None, expand=False)
    view.add_column("source")
    for column in ("messages", "readings", "entities", "duplicates", "dead letters", "pending"):
        view.add_column(column, justify="right")
    view.add_column("state")
    for name, source in status.sources.items():
        account = source.account
        state = {None: "", True: "connected", False: source.error or "not connected"}[source.connected]
        view.add_row(
            name,
            *(
                f"{count:,}"
                for count in (
                    account.received,
                    account.readings,
                    account.entities,
                    account.duplicate,
                    account.dead,
                    account.pending,
                )
            ),
            state,
        )
    well = "all is well" if not status.problems else "; ".join(status.problems)
    view.caption = f"lag {status.lag:.1f} s · {status.devices} devices · {well}"
    return view
