# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A Mosquitto that can be stopped, killed and started again, with its memory or without."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
from typing import TYPE_CHECKING, Self

import pytest

from tests.conftest import free_port
from tests.waiting import Patience

if TYPE_CHECKING:
    from pathlib import Path


class Mosquitto:
    """The MQTT broker of the operator: Debian's package, its persistence in a folder.

    Args:
        options: further lines of its configuration.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        command = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if command is None:
            pytest.skip("mosquitto is not installed (apt install mosquitto)")
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.log = folder / "mosquitto.log"
        self._store = folder / "mosquitto.db"
        self._command = command
        self._config = folder / "mosquitto.conf"
        lines = (
            f"user {pwd.getpwuid(os.getuid()).pw_name}",  # started by root, it would become another
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {folder}/",
            # What is not delivered waits; what the README tells operators to set.
            "max_queued_messages 0",
            "max_inflight_messages 2000",
            "set_tcp_nodelay true",
            *options,
        )
        self._config.write_text("\n".join(lines) + "\n")
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def start(self) -> None:
        """Start, and return when it listens."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                self._command, "-c", str(self._config), stdout=log, stderr=log
            )
        watch = Patience("an MQTT broker that listens")
        while True:
            assert self._process.returncode is None, self.log.read_text()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                watch.look("nothing listens")
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return

    async def stop(self) -> None:
        """Stop in order: sessions and messages are kept in its folder."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def kill(self) -> None:
        """Kill it: what it had not written is gone."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def forget(self) -> None:
        """Lose all sessions and messages, as a broker without persistence does."""
        self._store.unlink(missing_ok=True)
