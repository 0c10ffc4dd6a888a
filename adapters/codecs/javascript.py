# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Vendors' JavaScript codecs, in a small pool of child processes that can be killed.

A codec is foreign code. It runs in another process, where no uplink sees what another left behind;
it can loop, eat memory or crash, and costs nothing but its own message. The event loop only ever
waits for a pipe, and what waits together goes through it together.

There are two queues. Codecs that answered before share batches, on any child. A new codec, and one
that took too much time or memory lately, runs alone, and only while another child is left to the
others: a codec that loops holds up nobody but its own kind.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from adapters.codecs.breaker import Breaker
from adapters.codecs.javascript_process import Child
from adapters.codecs.table import Decoded
from models.errors import CodecError, CodecMemoryError, CodecTimeoutError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

PREFIX = "javascript:"
_BATCH = 128
_LONGEST_TEXT = 300
_LARGEST_PORT = 255

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One payload to decode.

    Attributes:
        codec: its name; JavaScript's have `javascript:` before their own.
        payload: what the device sent.
        f_port: LoRaWAN port; None: the network server named none.
        received_at: where the codec's clock stands.
    """

    codec: str
    payload: bytes
    f_port: int | None
    received_at: datetime


class _Ticket:
    """What one caller waits for: as many results as it asked for."""

    __slots__ = ("done", "left", "results")

    def __init__(self, size: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.left = size
        self.results: list[Decoded | CodecError] = [_UNANSWERED] * size

    def put(self, place: int, result: Decoded | CodecError) -> None:
        self.results[place] = result
        self.left -= 1
        if not self.left and not self.done.done():
            self.done.set_result(None)


_UNANSWERED = CodecError("The codec has not answered yet.")


class _Job:
    """One payload on its way; `place` is that of its result in the ticket."""

    __slots__ = ("alone", "codec", "item", "place", "ticket")

    def __init__(self, request: Request, ticket: _Ticket, place: int) -> None:
        self.codec = request.codec.removeprefix(PREFIX)
        self.item = (request.payload.hex(), request.f_port, round(request.received_at.timestamp() * 1000))
        self.ticket = ticket
        self.place = place
        self.alone = False  # its batch broke down: perhaps it was this one

    def put(self, result: Decoded | CodecError) -> None:
        self.ticket.put(self.place, result)

    @property
    def abandoned(self) -> bool:
        return self.ticket.done.done()


class JavaScriptPool:
    """Runs codecs, as many at once as it has children; starts them when they are needed.

    Attributes:
        sources: codec name → JavaScript.
        deadline: seconds until a child that does not answer is killed.
        breaker: stops codecs that take too much time or memory; None: none is ever stopped.
    """

    def __init__(
        self,
        sources: Mapping[str, str],
        *,
        workers: int = 2,
        reserved: int = 1,
        deadline: float = 1.0,
        breaker: Breaker | None = None,
    ) -> None:
        """Make a pool that has no process yet.

        Args:
            sources: codec name → JavaScript.
            workers: children at most.
            reserved: of these, how many are left to codecs that answered before.
            deadline: seconds until a child that does not answer is killed.
            breaker: stops codecs that take too much time or memory.
        """
        self.sources = sources
        self.deadline = deadline
        self.breaker = breaker or Breaker()
        self._children = [Child() for _ in range(workers)]
        self._free = list(self._children)
        self._most_suspects = max(1, workers - reserved)
        self._trusted: deque[_Job] = deque()
        self._suspect: deque[_Job] = deque()
        self._running_suspects: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken = False

    def update(self, sources: Mapping[str, str]) -> list[str]:
        """Run other sources from now on, and judge codecs that differ anew; return their names."""
        names = self.sources.keys() | sources.keys()
        changed = sorted(name for name in names if self.sources.get(name) != sources.get(name))
        self.sources = sources
        for name in changed:
            self.breaker.forget(name)
            for child in self._children:
                child.known.discard(name)
        return changed

    async def decode(self, request: Request) -> Decoded:
        """Run one codec on one payload; its clock stands at `received_at`.

        Raises:
            CodecError: no such codec, or it threw, reported errors or returned no JSON object.
            CodecTimeoutError: it did not end in time.
            CodecMemoryError: it took too much memory.
            CodecPausedError: it did so too often, and is stopped for a while.
        """
        (result,) = await self.decode_many((request,))
        if isinstance(result, CodecError):
            raise result
        return result

    async def decode_many(self, requests: Sequence[Request]) -> list[Decoded | CodecError]:
        """Run codecs on payloads; where one fails, its error stands in its place."""
        if not requests:
            return []
        ticket = _Ticket(len(requests))
        for place, request in enumerate(requests):
            self._take(_Job(request, ticket, place))
        self._wake()
        await ticket.done
        return ticket.results

    def _take(self, job: _Job) -> None:
        if job.codec not in self.sources:
            job.put(CodecError(f"There is no JavaScript codec {job.codec!r}."))
        elif job.item[1] is not None and not 0 <= job.item[1] <= _LARGEST_PORT:
            job.put(CodecError(f"The port is none of LoRaWAN's, which are 0 to {_LARGEST_PORT}."))
        elif self.breaker.trusts(job.codec):
            self._trusted.append(job)
        elif refusal := self.breaker.refusal(job.codec):
            job.put(refusal)
        else:
            self._suspect.append(job)

    def _wake(self) -> None:
        """Let children begin as soon as everybody who is about to ask has asked."""
        if not self._woken:
            self._woken = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._woken = False
        while self._free:
            batch = self._next_suspect()
            suspects = {job.codec for job in batch}
            self._running_suspects |= suspects
            batch = batch or self._next_trusted()
            if not batch:
                return
            task = asyncio.create_task(self._work(self._free.pop(), batch, suspects))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _next_trusted(self) -> list[_Job]:
        size = min(_BATCH, -(-len(self._trusted) // len(self._free)))
        batch: list[_Job] = []
        while self._trusted and len(batch) < size:
            job = self._trusted.popleft()
            if not job.abandoned:
                batch.append(job)
        return batch

    def _next_suspect(self) -> list[_Job]:
        """Return the first that may run now; refuse those whose codec was stopped meanwhile."""
        later: list[_Job] = []
        found: list[_Job] = []
        while self._suspect and not found and len(self._running_suspects) < self._most_suspects:
            job = self._suspect.popleft()
            if job.abandoned:
                continue
            if refusal := self.breaker.refusal(job.codec):
                job.put(refusal)
            elif self.breaker.trusts(job.codec) and not job.alone:
                self._trusted.append(job)
            elif job.codec in self._running_suspects:
                later.append(job)
            else:
                found.append(job)
        self._suspect.extendleft(reversed(later))
        return found

    async def _work(self, child: Child, batch: list[_Job], suspects: set[str]) -> None:
        """Have a child answer a batch; whatever happens, every job of it has a result or waits again."""
        groups: dict[str, list[_Job]] = {}
        for job in batch:
            groups.setdefault(job.codec, []).append(job)
        waiting = deque(job for group in groups.values() for job in group)
        try:
            await self._ask(child, groups, waiting)
        except CodecError as error:  # no process: nobody's fault
            for job in waiting:
                job.put(CodecError(error.sentence))  # each its own: the caller adds the device
        except (TimeoutError, EOFError, OSError, ValueError) as error:
            await child.kill()
            self._broke_down(waiting, late=isinstance(error, TimeoutError))
        except Exception as defect:  # noqa: BLE001 - whoever waits must not wait for ever
            await child.kill()
            _log.exception("codec.defect", codecs=sorted(groups))
            for job in waiting:
                job.put(CodecError(f"The codec {job.codec!r} could not be asked ({type(defect).__name__})."))
        except BaseException:
            await child.kill()  # the pool is being closed
            raise
        finally:
            self._running_suspects -= suspects
            self._free.append(child)
            self._wake()

    async def _ask(self, child: Child, groups: dict[str, list[_Job]], waiting: deque[_Job]) -> None:
        await child.start()
        request = [self._group(child, name, jobs) for name, jobs in groups.items()]
        async for lines in child.exchange(request, len(waiting), self.deadline):
            for line in lines:
                self._answer(waiting.popleft(), line)

    def _group(self, child: Child, name: str, jobs: list[_Job]) -> dict[str, Any]:
        group: dict[str, Any] = {"codec": name, "items": [job.item for job in jobs]}
        if name not in child.known:
            # A codec that was taken away meanwhile answers nobody.
            group["source"] = self.sources.get(name, "")
            child.known.add(name)
        return group

    def _answer(self, job: _Job, line: bytes) -> None:
        try:
            result: Decoded | CodecError = _decoded(job.codec, line)
        except CodecError as error:
            result = error
        if isinstance(result, CodecTimeoutError | CodecMemoryError):
            self._strike(job.codec, result.kind)
        else:
            self.breaker.answered(job.codec)
        job.put(result)

    def _broke_down(self, waiting: deque[_Job], *, late: bool) -> None:
        """Find out whose fault it was: of several, each is asked again, alone."""
        if len(waiting) > 1:
            for job in waiting:
                job.alone = True
            self._suspect.extendleft(reversed(waiting))
            return
        for job in waiting:
            if late:
                message = f"The codec {job.codec!r} did not end within {self.deadline:g} s and was stopped."
                error: CodecError = CodecTimeoutError(message)
            else:
                error = CodecError(f"The codec {job.codec!r} brought its process down.")
            _log.warning("codec.killed", codec=job.codec, reason="deadline" if late else "crash")
            self._strike(job.codec, error.kind)
            job.put(error)

    def _strike(self, codec: str, reason: str) -> None:
        if self.breaker.struck(codec):
            _log.warning("codec.paused", codec=codec, reason=reason)

    async def close(self) -> None:
        """End every child; who still waits for one is cancelled."""
        for job in (*self._trusted, *self._suspect):
            job.ticket.done.cancel()
        self._trusted.clear()
        self._suspect.clear()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(child.close() for child in self._children))


def _decoded(name: str, line: bytes) -> Decoded:
    if line[:1] != b"=":
        failure, _, text = line.decode(errors="replace").partition(" ")
        raise _worded(name, failure, text)
    try:
        result = orjson.loads(line[1:])
    except orjson.JSONDecodeError:
        raise _worded(name, "!error", "its result is not JSON") from None
    if type(result) is not dict or result.keys() != _PARTS:
        raise _worded(name, "!error", "its result is not JSON")
    if result["errors"]:
        raise _worded(name, "!error", "; ".join(map(str, result["errors"])))
    if type(result["data"]) is not dict:
        raise _worded(name, "!error", "it returned no object")
    return Decoded(
        fields=result["data"],
        normalized=tuple(item for item in result["normalized"] if isinstance(item, dict)),
        warnings=tuple(result["warnings"]),
    )


_PARTS = {"data", "errors", "warnings", "normalized"}


def _worded(name: str, failure: str, text: str) -> CodecError:
    printable = "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST_TEXT])
    if failure == "!timeout":
        return CodecTimeoutError(f"The codec {name!r} took more CPU time than a codec may and was stopped.")
    if failure == "!memory":
        return CodecMemoryError(f"The codec {name!r} took more memory than a codec may and was stopped.")
    return CodecError(f"The codec {name!r} failed: {printable}")
