# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""One child process that runs vendors' JavaScript, seen from its parent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from models.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHILD = Path(__file__).with_name("javascript_child.py")
_HEADER = 4
_LARGEST_ANSWER = 1 << 21
_START = 30.0  # seconds for a child to say that it is ready, on a busy machine


class Child:
    """One child process, or the place of one.

    Attributes:
        known: codecs whose source it has.
    """

    def __init__(self) -> None:
        self.known: set[str] = set()
        self._process: Process | None = None

    async def start(self) -> None:
        """Start the process unless it runs.

        Raises:
            CodecError: it cannot be started.
        """
        if self._alive():
            return
        await self.kill()
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                str(CHILD),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                start_new_session=True,  # the terminal's Ctrl-C is not for it
                env=_environment(),
            )
            async with asyncio.timeout(_START):
                await self._receive()
        except (OSError, EOFError, TimeoutError) as error:
            await self.kill()
            message = f"The process for JavaScript codecs does not start ({error!r})."
            raise CodecError(message) from error
        except BaseException:
            await self.kill()
            raise

    def _alive(self) -> bool:
        """Say whether the process runs: one that was ended from outside has closed its stdout."""
        process = self._process
        if process is None or process.stdout is None:
            return False
        return process.returncode is None and not process.stdout.at_eof()

    async def exchange(
        self, groups: list[dict[str, Any]], wanted: int, deadline: float
    ) -> AsyncIterator[list[bytes]]:
        """Send groups of uplinks and yield their answers as they come, in order.

        Args:
            groups: as the child reads them.
            wanted: how many uplinks they are.
            deadline: seconds until the next answers must be there.

        Raises:
            TimeoutError: they are not.
            EOFError, OSError, ValueError: the process ended, or answered nonsense.
        """
        stdin = self._running().stdin
        assert stdin is not None  # noqa: S101 - it was opened with a pipe
        body = orjson.dumps(groups)
        async with asyncio.timeout(deadline):
            stdin.write(len(body).to_bytes(_HEADER, "big") + body)
            await stdin.drain()
        while wanted > 0:
            async with asyncio.timeout(deadline):
                lines = await self._receive()
            wanted -= len(lines)
            if wanted < 0:
                message = f"{-wanted} answers too many"
                raise ValueError(message)
            yield lines

    async def _receive(self) -> list[bytes]:
        stdout = self._running().stdout
        assert stdout is not None  # noqa: S101 - it was opened with a pipe
        size = int.from_bytes(await stdout.readexactly(_HEADER), "big")
        if size > _LARGEST_ANSWER:
            message = f"an answer of {size} bytes"
            raise ValueError(message)
        return (await stdout.readexactly(size)).split(b"\n")

    def _running(self) -> Process:
        if self._process is None:
            message = "the process has ended"
            raise EOFError(message)
        return self._process

    async def kill(self) -> None:
        """End the process at once, if there is one."""
        process, self._process = self._process, None
        self.known.clear()
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()

    async def close(self) -> None:
        """Let the process end by itself; kill it where it does not."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._process.wait()
        await self.kill()


def _environment() -> dict[str, str]:
    """The child inherits no secret, and reads local times as UTC, as at network servers."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PATH") if name in os.environ}
    return {**kept, "TZ": "UTC", "LC_ALL": "C.UTF-8"}
