# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Connections to PostgreSQL and numbered migrations."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
import structlog

from models.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asyncpg.pool import PoolConnectionProxy

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

# A server that no longer answers must not hold a caller for ever.
_COMMAND_S = 60.0
# Connections that do not close by then are cut.
_CLOSE_S = 10.0

log = structlog.get_logger(__name__)

#: What asyncpg raises while PostgreSQL is away or ends connections, at unlucky moments too.
AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)

# One arbitrary number, the same in every process that migrates.
_MIGRATION_LOCK = 0x766F6C6D65

_CREATE_MIGRATIONS = """
CREATE TABLE IF NOT EXISTS public.volme_migrations (
    package text, name text, digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (package, name)
)
"""


async def _as_it_is(_connection: object) -> None:
    """Leave a connection's session as it is when it comes back to the pool.

    Who listens, or holds a lock beyond its transaction, ends that itself. To have PostgreSQL see to it
    each time is a question and an answer more for every read.
    """


async def connect(dsn: str, *, size: int = 10, name: str = "volme", password: str | None = None) -> Pool:
    """Open a pool of at most `size` connections.

    Args:
        dsn: `postgresql://user@host:port/database`.
        size: the most connections at once.
        name: what the server shows as the application.
        password: kept out of the address, which is shown in messages.

    Raises:
        StoreError: the server cannot be reached or refuses the login.
    """
    try:
        return await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=size,
            password=password,
            command_timeout=_COMMAND_S,
            reset=_as_it_is,
            server_settings={"application_name": name},
        )
    except (OSError, asyncpg.PostgresError, ValueError) as error:
        msg = f"PostgreSQL cannot be reached: {error}"
        raise StoreError(msg) from error


@asynccontextmanager
async def pool(
    dsn: str, *, size: int = 10, name: str = "volme", password: str | None = None
) -> AsyncIterator[Pool]:
    """Open a pool for the time of a `with`; arguments as for `connect`."""
    opened = await connect(dsn, size=size, name=name, password=password)
    try:
        yield opened
    finally:
        try:
            async with asyncio.timeout(_CLOSE_S):
                await opened.close()
        except TimeoutError:
            log.warning("store.connections_cut", application=name)
            opened.terminate()


async def migrate(pool: Pool, package: str) -> list[str]:
    """Bring a room's tables to its newest version.

    A room's migrations are `<package>/migrations/NNNN_*.sql`. Each runs once, in its own
    transaction, under a lock that keeps two starting processes apart.

    Returns:
        The names of the migrations that ran.

    Raises:
        StoreError: a migration that already ran has been changed since, or one failed.
    """
    scripts = sorted(
        (entry for entry in files(package).joinpath("migrations").iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )
    ran: list[str] = []
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
        await connection.execute(_CREATE_MIGRATIONS)
        rows = await connection.fetch(
            "SELECT name, digest FROM public.volme_migrations WHERE package = $1", package
        )
        done = {row["name"]: row["digest"] for row in rows}
        for script in scripts:
            text = script.read_text(encoding="utf-8")
            digest = hashlib.sha256(text.encode()).hexdigest()
            if script.name in done:
                if done[script.name] != digest:
                    msg = f"migration {package}/{script.name} was changed after it ran"
                    raise StoreError(msg)
                continue
            try:
                await connection.execute(text)
            except asyncpg.PostgresError as error:
                msg = f"migration {package}/{script.name} failed: {error}"
                raise StoreError(msg) from error
            await connection.execute(
                "INSERT INTO public.volme_migrations (package, name, digest) VALUES ($1, $2, $3)",
                package,
                script.name,
                digest,
            )
            ran.append(script.name)
            log.info("store.migrated", package=package, migration=script.name)
    return ran
