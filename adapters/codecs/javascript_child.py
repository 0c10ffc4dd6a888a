# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The child process that runs vendors' JavaScript; started as a script, imports no other room.

It reads frames from stdin and answers on what was stdout: 4 bytes of length, big-endian, then
JSON. It ends when stdin closes. Limits, from the inside outwards: memory and CPU time of the
interpreter, address space of the process, an alarm that ends the process even when its parent
has died; the parent's own deadline lies below the alarm's.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, BinaryIO

import quickjs

HEADER = 4
_MEMORY = 16 << 20
_SECONDS = 0.1
_ADDRESS_SPACE = 256 << 20  # on top of what Python itself has mapped
_ALARM = 3.0
_LARGEST_RESULT = 1 << 18

_HERE = Path(__file__).parent
_PRELUDE = (_HERE / "javascript_prelude.js").read_text()
_BUFFER = (_HERE / "javascript_buffer.js").read_text()


def main() -> None:
    """Answer until stdin closes."""
    requests, answers = sys.stdin.buffer, _private_stdout()
    _confine()
    sources: dict[str, str] = {}
    _send(answers, {"ready": True})
    while (request := _receive(requests)) is not None:
        if "source" in request:
            sources[request["codec"]] = request["source"].replace("\0", "\\u0000")
        signal.setitimer(signal.ITIMER_REAL, _ALARM)
        answer = _answer(sources[request["codec"]], request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(answers, answer)


def _private_stdout() -> BinaryIO:
    """Keep the pipe for answers alone: whatever else is printed goes nowhere."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    return answers


def _confine() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if sys.platform == "linux":  # elsewhere the address space cannot be limited
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + _ADDRESS_SPACE,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _receive(stream: BinaryIO) -> dict[str, Any] | None:
    header = stream.read(HEADER)
    if len(header) < HEADER:
        return None
    request: dict[str, Any] = json.loads(stream.read(int.from_bytes(header, "big")))
    return request


def _send(stream: BinaryIO, answer: dict[str, Any]) -> None:
    body = json.dumps(answer).encode()
    stream.write(len(body).to_bytes(HEADER, "big") + body)
    stream.flush()


def _answer(source: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return {"result": JSON text}, or {"failure": "error"|"timeout"|"memory", "text": …}."""
    try:
        result = _run(source, request)
    except MemoryError:
        return {"failure": "memory", "text": "out of memory"}
    except quickjs.JSException as error:
        return _failure(str(error))
    if not isinstance(result, str):
        return {"failure": "error", "text": "its result is not JSON"}
    if len(result) > _LARGEST_RESULT:
        return {"failure": "error", "text": f"its result has {len(result)} characters"}
    return {"result": result}


def _run(source: str, request: dict[str, Any]) -> Any:
    context = quickjs.Context()  # a fresh one: no uplink sees what another left behind
    context.set_memory_limit(_MEMORY)
    context.set_time_limit(_SECONDS)
    run = context.eval(f"{_PRELUDE.strip()}({request['now']})")
    if "Buffer" in source:
        context.eval(_BUFFER)
    context.eval(source)
    return run(json.dumps({"bytes": list(bytes.fromhex(request["payload"])), "fPort": request["f_port"]}))


def _failure(text: str) -> dict[str, Any]:
    first = text.split("\n", 1)[0]
    if first == "InternalError: interrupted":
        return {"failure": "timeout", "text": first}
    if first in {"InternalError: out of memory", "null"}:  # null: no memory left for the error itself
        return {"failure": "memory", "text": "out of memory"}
    return {"failure": "error", "text": first}


if __name__ == "__main__":
    main()
