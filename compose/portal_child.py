# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The portal's process, as the platform's child: starts with it, again when it fails, ends with it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from compose.addresses import Addresses
    from compose.settings import Settings

log = structlog.get_logger(__name__)

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_WELL_S = 60.0
_STOP_S = 8.0


class PortalChild:
    """Runs `volme portal --child`, which reads what it needs from its standard input.

    The child ends when its standard input ends: also when this process is killed.

    Attributes:
        restarts: how often it was started again.
    """

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        said = {
            "settings": settings.model_dump(mode="json"),
            "broker": addresses.broker,
            "contexts": f"{addresses.web}/contexts",
            "port": addresses.portal_port,
        }
        self._said = json.dumps(said).encode() + b"\n"
        self.restarts = 0

    async def run(self) -> None:
        """Keep it running until cancelled."""
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE_S
        while True:
            began = loop.time()
            try:
                code = await self._once()
            except OSError as error:  # no memory or no more processes: the sensors' way goes on without it
                log.error("portal.not_started", reason=str(error))  # noqa: TRY400 - where does not matter
                code = -1
            pause = _FIRST_PAUSE_S if loop.time() - began > _WELL_S else min(2 * pause, _LONGEST_PAUSE_S)
            log.error("portal.ended", code=code, again_in_seconds=pause)
            await asyncio.sleep(pause)
            self.restarts += 1

    async def _once(self) -> int:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "compose.cli", "portal", "--child", stdin=asyncio.subprocess.PIPE
        )
        try:
            if child.stdin is not None:
                with suppress(ConnectionError):
                    child.stdin.write(self._said)
                    await child.stdin.drain()
            return await child.wait()
        finally:
            await _end(child)


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    with suppress(ProcessLookupError):
        child.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(child.wait(), _STOP_S)
    except TimeoutError:
        log.warning("portal.killed", reason=f"it did not end within {_STOP_S:.0f} s")
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
