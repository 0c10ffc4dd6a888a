# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A PostgreSQL of the test's own, that may be stopped, killed, frozen or left without room."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self

import asyncpg
import psutil
import pytest

from store.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Postgres:
    """A server in a folder.

    Attributes:
        url: of its first database.
    """

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self._folder = folder
        self._server = EmbeddedPostgres(folder)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.thaw()
        await self._server.stop()

    async def start(self) -> None:
        """Start it, and return when it takes connections."""
        url = await self._server.start()
        assert self.url in {"", url}, "it came back at another address"
        self.url = url

    async def stop(self) -> None:
        """Stop it in order; its clients' connections are ended."""
        await self._server.stop()

    async def crash(self) -> None:
        """Kill all of it at once."""
        processes = self._processes()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        await asyncio.to_thread(psutil.wait_procs, processes)
        await self._server.stop()  # which forgets that it ran

    def freeze(self) -> None:
        """Let it hang, as on a disk that does not answer."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)

    async def end_connections(self) -> int:
        """End every connection of others, as an administrator does; return how many there were."""
        return int(
            await self.ask(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        )

    async def ask(self, statement: str) -> object:
        """Return one value."""
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    def _processes(self) -> list[psutil.Process]:
        try:
            number = int((self._folder / "postmaster.pid").read_text().splitlines()[0])
            process = psutil.Process(number)
        except (FileNotFoundError, psutil.NoSuchProcess):
            return []
        return [process, *process.children(recursive=True)]


@asynccontextmanager
async def small_disk(folder: Path, megabytes: int) -> AsyncIterator[Path]:
    """Mount a disk of so many megabytes; only root may."""
    folder.mkdir()  # noqa: ASYNC240 - a moment's work
    mount = ("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "tmpfs", str(folder))
    done = await asyncio.to_thread(subprocess.run, mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        await asyncio.to_thread(subprocess.run, ("umount", "-l", str(folder)), check=True)
