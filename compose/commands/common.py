# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the commands share: which platform they are about, and what they work on there."""

from __future__ import annotations

import fcntl
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click
import uvloop

from compose.settings import load_settings
from models.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from adapters.registry import Registry
    from broker.journal.postgres import PostgresJournal
    from compose.settings import Settings
    from store.postgres import Pool

_T = TypeVar("_T")

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="VOLME_CONFIG",
    metavar="FILE",
    help="The city's configuration, of a platform that `volme run` started.  [env: VOLME_CONFIG]",
)
data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="VOLME_DATA",
    metavar="FOLDER",
    help="Folder of a platform that `volme up` started.  [default: data; env: VOLME_DATA]",
)


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which platform a command is about."""
    return config_option(data_option(command))


def settings_of(config: Path | None, data: Path | None, **overrides: Any) -> Settings:
    """Read the settings that a command is about; what the command line says has precedence."""
    if config is not None and not config.is_file():
        msg = f"there is no configuration {config}"
        raise ConfigurationError(msg)
    return load_settings(config, data=data.absolute() if data else None, **overrides)


def run_async(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a command's coroutine."""
    return uvloop.run(work)


@dataclass(frozen=True, kw_only=True, slots=True)
class Offices:
    """What administrative commands work on.

    Attributes:
        running: a platform runs there, and does at once what is asked for.
    """

    settings: Settings
    pool: Pool
    registry: Registry
    journal: PostgresJournal
    running: bool


@asynccontextmanager
async def offices(config: Path | None, data: Path | None) -> AsyncIterator[Offices]:
    """Open registry and journal of a platform, whether it runs or not.

    Raises:
        ConfigurationError: there is no platform in the data folder.
        StoreError: PostgreSQL cannot be reached.
    """
    # The platform brings everything with it, and commands without a store need none of it.
    from adapters.registry import Registry  # noqa: PLC0415
    from broker.journal.postgres import PostgresJournal  # noqa: PLC0415
    from compose.database import postgres  # noqa: PLC0415
    from compose.telemetry import configure_logs  # noqa: PLC0415

    configure_logs("console", "warning")
    settings = settings_of(config, data)
    expect_platform(settings)
    with naming_the_server(settings):
        async with postgres(settings) as pool:
            registry = Registry(pool)
            await registry.start()
            journal = PostgresJournal(pool)
            await journal.start()
            try:
                yield Offices(
                    settings=settings,
                    pool=pool,
                    registry=registry,
                    journal=journal,
                    running=holder(settings.data) is not None,
                )
            finally:
                await journal.close()


def expect_platform(settings: Settings) -> None:
    """Refuse to go on where no platform was ever started.

    Raises:
        ConfigurationError: there is none.
    """
    if settings.postgres.url is None and not (settings.data / "postgres").exists():
        msg = (
            f"there is no platform in {settings.data.absolute()}: start one with `volme up`,"
            " or say with --data or --config where it is"
        )
        raise ConfigurationError(msg)


@contextmanager
def naming_the_server(settings: Settings) -> Iterator[None]:
    """Say of the operator's own PostgreSQL which one cannot be reached; its password is not shown."""
    try:
        yield
    except StoreError as error:
        if settings.postgres.url is None:
            raise
        url = urlsplit(settings.postgres.url)
        where = f"{url.hostname}:{url.port or 5432}{url.path}"
        msg = f"{error} (postgres.url: {where})"
        raise StoreError(msg) from error


def holder(folder: Path) -> str | None:
    """Return the process that runs a platform on a data folder; None: none does.

    Its lock ends with it, however it ends.
    """
    try:
        lock = (folder / "volme.lock").open()
    except OSError:
        return None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return lock.read().strip() or "unknown"
    return None
