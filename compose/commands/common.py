# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the commands share: options, exit codes, output."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import orjson
import uvloop

from adapters.registry import Registry
from broker.journal.postgres import PostgresJournal
from compose.platform import store
from compose.settings import load_settings
from compose.telemetry import configure_logs
from models.errors import ConfigurationError, StoreError, VolmeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from compose.settings import Settings

_T = TypeVar("_T")

EXIT_CODES = {
    0: "done; for `status`: all is well",
    1: "not done, or something is wrong; the output says what",
    2: "the command line is not understood",
    3: "the configuration cannot be used",
    4: "PostgreSQL cannot be reached",
    130: "ended by Ctrl-C",
}


def exit_code(error: VolmeError) -> int:
    """Return the exit code of an error."""
    if isinstance(error, ConfigurationError):
        return 3
    return 4 if isinstance(error, StoreError) else 1


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which platform a command is about."""
    for option in (
        click.option(
            "--config",
            type=click.Path(path_type=Path, dir_okay=False),
            envvar="VOLME_CONFIG",
            help="The city's configuration, for a platform that `volme run` started.",
        ),
        click.option(
            "--data",
            type=click.Path(path_type=Path, file_okay=False),
            envvar="VOLME_DATA",
            help="Folder with the data of the embedded parts.  [default: data]",
        ),
    ):
        command = option(command)
    return command


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def settings_of(config: Path | None, data: Path | None, **overrides: Any) -> Settings:
    """Read the settings that a command is about; what the command line says has precedence."""
    return load_settings(config, data=data.absolute() if data else None, **overrides)


def run_async(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a command's coroutine."""
    return uvloop.run(work)


@dataclass(frozen=True, kw_only=True, slots=True)
class Offices:
    """What administrative commands work on."""

    settings: Settings
    registry: Registry
    journal: PostgresJournal


@asynccontextmanager
async def offices(config: Path | None, data: Path | None) -> AsyncIterator[Offices]:
    """Open registry and journal of a platform, whether it runs or not.

    Raises:
        ConfigurationError: there is no platform in the data folder.
        StoreError: PostgreSQL cannot be reached.
    """
    configure_logs("console", "warning")
    settings = settings_of(config, data)
    if settings.postgres.url is None and not (settings.data / "postgres").exists():
        msg = (
            f"there is no platform in {settings.data}: start one with `volme up`, or name --config or --data"
        )
        raise ConfigurationError(msg)
    async with store(settings) as pool:
        registry = Registry(pool)
        await registry.start()
        journal = PostgresJournal(pool)
        await journal.start()
        try:
            yield Offices(settings=settings, registry=registry, journal=journal)
        finally:
            await journal.close()


def print_json(value: Any) -> None:
    """Print JSON, indented."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z, default=str).decode())


def print_table(header: tuple[str, ...], rows: list[tuple[Any, ...]], empty: str) -> None:
    """Print a table that is as easy to read as to cut with other tools."""
    if not rows:
        click.echo(empty)
        return
    cells = [header, *(tuple("" if cell is None else str(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def ago(moment: datetime | None) -> str:
    """Say how long ago something was."""
    if moment is None:
        return "never"
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {name} ago"
    return f"{max(0, seconds):.0f} s ago"


async def gathered(iterator: AsyncIterator[_T]) -> list[_T]:
    """Return what an asynchronous iterator yields."""
    return [item async for item in iterator]


def sleep_forever() -> Coroutine[Any, Any, Any]:
    """Return what ends only by being cancelled."""
    return asyncio.Event().wait()
