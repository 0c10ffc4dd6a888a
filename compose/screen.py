# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What `volme up` shows: how the start goes, addresses, lines to paste, and a live table."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import click
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from compose.commands.words import clean, counted
from compose.telemetry import configure_logs
from models.uplink import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from rich.console import RenderableType

    from broker.journal.port import SourceAccount
    from compose.platform import Platform
    from compose.settings import Settings
    from compose.status import SourceStatus, Status

_View = TypeVar("_View")

_REFRESH_S = 1.0
_LINE_EVERY_S = 10.0
_LOOK_S = 0.2
_RATE_OVER = 60  # refreshes, about a minute
_RATE_FROM_S = 5.0
_EXAMPLE_TYPE = "WeatherObserved"
_BACKLOG = 1000  # messages that wait; fewer are on their way
_COLUMNS = ("received", "readings", "entities", "dead", "pending")
_HEADINGS = ("messages", "readings", "entities", "dead", "waiting")


async def show_start(settings: Settings) -> None:
    """Say which part is being started, until cancelled."""
    console = Console(stderr=True, highlight=False)
    began = time.monotonic()
    said = ""
    with _logs_above(console.status("", spinner="dots"), settings.log_level) as view:
        while True:
            words = f"Starting {starting_part(settings)} …"
            if console.is_terminal:
                view.update(f"{words} {time.monotonic() - began:.0f} s")
            elif words != said:
                click.echo(words, err=True)
            said = words
            await asyncio.sleep(_LOOK_S)


@contextmanager
def _logs_above(view: AbstractContextManager[_View], level: str) -> Iterator[_View]:
    """Let what is logged on this terminal go above what is being shown there, not into it.

    A view stands in for standard error while it is shown, and logs go where that was when they were
    configured.
    """
    try:
        with view as shown:
            configure_logs("console", level)
            yield shown
    finally:
        configure_logs("console", level)


def starting_part(settings: Settings) -> str:
    """Tell what is being started by what PostgreSQL says of itself."""
    folder = settings.data / "postgres"
    if settings.postgres.url is None and not _accepts(folder / "postmaster.pid"):
        first = not (folder / "postmaster.opts").exists()
        return "PostgreSQL" + (" (the first time, its database is made)" if first else "")
    return "MQTT broker, NGSI-LD broker, bridge and sources"


def _accepts(pid_file: Path) -> bool:
    """Say whether a PostgreSQL server takes connections: the last line of its file is its state."""
    try:
        return pid_file.read_text(errors="replace").rstrip().endswith("ready")
    except OSError:
        return False


def welcome(platform: Platform, seconds: float) -> str:
    """Return addresses and examples that work when pasted."""
    at = platform.addresses
    moved = "".join(f"\n  Port {wanted} is taken; {used} is used instead." for wanted, used in at.moved)
    return f"""
Volme is running; it took {seconds:.1f} s to start.{moved}

  Portal    {at.portal or "nothing is published"}{"/" if at.portal else ""}
  NGSI-LD   {at.broker}/ngsi-ld/v1/
  MQTT      {at.mqtt or "your own broker"}
  Web       {at.web}/   (health: /healthz, metrics: /metrics)
  Data      {platform.settings.data}

{_examples(platform)}
Ctrl-C stops; the next start goes on with the data.
"""


def _examples(platform: Platform) -> str:
    at = platform.addresses
    simulated = [device for device in platform.registry.devices.values() if device.simulated]
    example = next((device for device in simulated if device.entity_type == _EXAMPLE_TYPE), None)
    if example is None or not platform.settings.simulator.enabled:
        return f"""Nothing is simulated. To bring a device in:

  volme profiles                     which device models are known
  volme devices add …                register a device (`volme devices pending`: those that already send)
  curl '{at.broker}/ngsi-ld/v1/types'
"""
    entity = f"urn:ngsi-ld:{_EXAMPLE_TYPE}:{platform.settings.city}:{example.place or example.id}"
    subscription = (
        '{"type":"Subscription","entities":[{"type":"' + _EXAMPLE_TYPE + '"}],'
        '"notification":{"endpoint":{"uri":"http://127.0.0.1:9000/","accept":"application/json"}}}'
    )
    return f"""Entities of a type; one entity; a subscription, whose notifications
`volme listen` shows in another terminal:

  curl '{at.broker}/ngsi-ld/v1/entities?type={_EXAMPLE_TYPE}'
  curl '{at.broker}/ngsi-ld/v1/entities/{entity}?options=keyValues'
  curl -i '{at.broker}/ngsi-ld/v1/subscriptions' -H 'Content-Type: application/json' -d '{subscription}'
"""


async def show_until_cancelled(platform: Platform) -> None:
    """Keep a table on a terminal; elsewhere print a line now and then."""
    if not sys.stdout.isatty():
        while True:
            click.echo(f"{datetime.now().astimezone():%H:%M:%S}  {one_line(platform.status())}")
            await asyncio.sleep(_LINE_EVERY_S)
    rate = Rate()
    console = Console(highlight=False)
    view = Live(console=console, auto_refresh=False, redirect_stderr=sys.stderr.isatty())
    with _logs_above(view, platform.settings.log_level) as live:
        while True:
            status = platform.status()
            live.update(table(status, rate.per_minute(status)), refresh=True)
            await asyncio.sleep(_REFRESH_S)


class Rate:
    """How many messages came in the last minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque(maxlen=_RATE_OVER)

    def per_minute(self, status: Status, now: float | None = None) -> float | None:
        """Take note of a status; None: it is too early to say."""
        received = sum(source.account.received for source in status.sources.values())
        self._seen.append((time.monotonic() if now is None else now, received))
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        return None if last - first < _RATE_FROM_S else max(0, after - before) * 60 / (last - first)


def one_line(status: Status) -> str:
    """Return the totals in one line."""
    accounts = [source.account for source in status.sources.values()]
    words = {
        name: sum(getattr(account, name) for account in accounts)
        for name in ("received", "readings", "entities", "dead")
    }
    line = "  ".join(f"{name} {count:,}" for name, count in words.items())
    return f"{line}  pending {status.pending:,}  lag {status.lag:.1f} s{backlog(status)}" + "".join(
        f"  ! {clean(problem)}" for problem in status.problems
    )


def table(status: Status, per_minute: float | None = None) -> RenderableType:
    """Return the account: a row a source, the totals, and a line that says whether all is well.

    Fits into 80 columns.
    """
    view = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_footer=len(status.sources) > 1
    )
    accounts = [source.account for source in status.sources.values()]
    view.add_column("source", footer="all", max_width=16)
    for column, heading in zip(_COLUMNS, _HEADINGS, strict=True):
        total = sum(getattr(account, column) for account in accounts)
        view.add_column(heading, footer=f"{total:,}", justify="right", no_wrap=True, min_width=9)
    view.add_column("", max_width=13)
    for name, source in status.sources.items():
        view.add_row(Text(clean(name)), *_counts(source.account), _state(name, source))
    return Group(view, *_lines(status, per_minute))


def _counts(account: SourceAccount) -> Iterator[Text]:
    for column in _COLUMNS:
        count = getattr(account, column)
        yield Text(f"{count:,}", style="yellow" if column == "dead" and count else "")


def _state(name: str, source: SourceStatus) -> Text:
    if source.connected is None:
        return Text("Volme's own" if name == REGISTRY else "", style="dim")
    if source.connected:
        return Text("connected", style="green")
    return Text("not connected", style="red") if source.error else Text("connecting", style="yellow")


def backlog(status: Status) -> str:
    """Say when a backlog will be gone; nothing where there is none, or where nothing moves."""
    if status.pending < _BACKLOG or status.drained_in is None:
        return ""
    return f"  {status.pending:,} wait, gone in about {_span(status.drained_in)}"


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes} min"  # noqa: PLR2004 - below, seconds say more


def _lines(status: Status, per_minute: float | None) -> Iterator[Text]:
    parts = [f"lag {status.lag:.1f} s"]
    if progress := backlog(status):
        parts.append(progress.strip())
    if per_minute is not None:
        parts.append(f"{per_minute:,.0f} messages a minute")
    parts.append(counted(status.devices, "device"))
    line = Text(" · ".join(parts) + " · ")
    yield line if status.problems else line.append("all is well", style="green")
    for problem in status.problems:
        yield Text(clean(problem), style="red")
    waiting = ", ".join(f"{count:,} {clean(kind)}" for kind, count in status.dead_letters.items() if count)
    if waiting:
        yield Text(f"dead letters that wait: {waiting} (`volme dead-letters list`)", style="yellow")
