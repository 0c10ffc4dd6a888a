# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Vendors' JavaScript codecs, in a small pool of child processes that can be killed.

A codec is foreign code. It runs in another process, in a fresh interpreter for every uplink;
it can loop, eat memory or crash, and costs nothing but its own message. The event loop only
ever waits for a pipe.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from adapters.codecs.table import Decoded
from models.errors import CodecError, CodecMemoryError, CodecTimeoutError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_CHILD = Path(__file__).with_name("javascript_child.py")
_HEADER = 4
_LARGEST_ANSWER = 1 << 21
_START = 30.0  # seconds for a child to say that it is ready, on a busy machine
_LONGEST_TEXT = 300

_log = structlog.get_logger()


class JavaScriptPool:
    """Runs codecs, as many at once as it has children; starts them when they are needed.

    Attributes:
        sources: codec name → JavaScript.
        workers: children at most.
        deadline: seconds until a child that does not answer is killed.
    """

    def __init__(self, sources: Mapping[str, str], *, workers: int = 2, deadline: float = 1.0) -> None:
        self.sources = sources
        self.deadline = deadline
        self._free = asyncio.LifoQueue[_Child]()
        self._children = [_Child() for _ in range(workers)]
        for child in self._children:
            self._free.put_nowait(child)

    async def decode(
        self, name: str, *, payload: bytes, f_port: int | None, received_at: datetime
    ) -> Decoded:
        """Run one codec on one payload; its clock stands at `received_at`.

        Raises:
            CodecError: no such codec, or it threw, reported errors or returned no JSON object.
            CodecTimeoutError: it did not end in time.
            CodecMemoryError: it took too much memory.
        """
        if name not in self.sources:
            message = f"There is no JavaScript codec {name!r}."
            raise CodecError(message)
        request = {
            "codec": name,
            "payload": payload.hex(),
            "f_port": f_port,
            "now": round(received_at.timestamp() * 1000),
        }
        child = await self._free.get()
        try:
            answer = await self._ask(child, request)
        finally:
            self._free.put_nowait(child)
        return _decoded(name, answer)

    async def _ask(self, child: _Child, request: dict[str, Any]) -> dict[str, Any]:
        name = request["codec"]
        await child.start()
        if name not in child.known:
            request = {**request, "source": self.sources[name]}
        try:
            async with asyncio.timeout(self.deadline):
                answer = await child.exchange(request)
        except TimeoutError:
            await child.kill()
            _log.warning("codec.killed", codec=name, reason="deadline")
            message = f"The codec {name!r} did not end within {self.deadline:g} s and was stopped."
            raise CodecTimeoutError(message) from None
        except (EOFError, OSError, ValueError):
            await child.kill()
            _log.warning("codec.killed", codec=name, reason="crash")
            message = f"The codec {name!r} brought its process down."
            raise CodecError(message) from None
        except BaseException:
            await child.kill()  # cancelled in between: the next answer would be this one's
            raise
        child.known.add(name)
        return answer

    async def close(self) -> None:
        """End every child."""
        await asyncio.gather(*(child.close() for child in self._children))


class _Child:
    """One child process, or the place of one."""

    def __init__(self) -> None:
        self.known: set[str] = set()  # codecs whose source it has
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
                str(_CHILD),
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

    async def exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return its answer.

        Raises:
            EOFError, OSError, ValueError: the process ended, or answered nonsense.
        """
        process = self._running()
        body = orjson.dumps(request)
        assert process.stdin is not None  # noqa: S101 - it was opened with a pipe
        process.stdin.write(len(body).to_bytes(_HEADER, "big") + body)
        await process.stdin.drain()
        return await self._receive()

    async def _receive(self) -> dict[str, Any]:
        stdout = self._running().stdout
        assert stdout is not None  # noqa: S101 - it was opened with a pipe
        size = int.from_bytes(await stdout.readexactly(_HEADER), "big")
        if size > _LARGEST_ANSWER:
            message = f"an answer of {size} bytes"
            raise ValueError(message)
        answer: dict[str, Any] = orjson.loads(await stdout.readexactly(size))
        return answer

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
        await _reap(process)

    async def close(self) -> None:
        """Let the process end by itself; kill it where it does not."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._process.wait()
        await self.kill()


async def _reap(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()


def _environment() -> dict[str, str]:
    """The child inherits no secret, and reads local times as UTC, as at network servers."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PATH") if name in os.environ}
    return {**kept, "TZ": "UTC", "LC_ALL": "C.UTF-8"}


def _decoded(name: str, answer: dict[str, Any]) -> Decoded:
    if "failure" in answer:
        raise _worded(name, answer["failure"], answer["text"])
    try:
        result = orjson.loads(answer["result"])
    except orjson.JSONDecodeError:
        raise _worded(name, "error", "its result is not JSON") from None
    if result["errors"]:
        raise _worded(name, "error", "; ".join(result["errors"]))
    if not isinstance(result["data"], dict):
        raise _worded(name, "error", "it returned no object")
    return Decoded(
        fields=result["data"],
        normalized=tuple(item for item in result["normalized"] if isinstance(item, dict)),
        warnings=tuple(result["warnings"]),
    )


def _worded(name: str, failure: str, text: str) -> CodecError:
    printable = "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST_TEXT])
    if failure == "timeout":
        return CodecTimeoutError(f"The codec {name!r} took more CPU time than a codec may and was stopped.")
    if failure == "memory":
        return CodecMemoryError(f"The codec {name!r} took more memory than a codec may and was stopped.")
    return CodecError(f"The codec {name!r} failed: {printable}")
