# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The child process that runs vendors' JavaScript; started as a script, imports no other room.

It reads frames from stdin and answers on what was stdout: 4 bytes of length, big-endian, then a
request, JSON: [{"codec": name, "source": only the first time, "items": [[payload hex, f_port,
received at in ms], …]}, …], or lines of answers in the order of the items, in one frame or several:
`=` and JSON text of the result, or `!error `, `!timeout `, `!memory ` and words. The first frame is
a lone `.`: ready. It ends when stdin closes.

A codec's first uplink has an interpreter of its own, which costs more than most codecs do. After
that one interpreter per codec is kept, where the codec's script is a function that is called anew
for every uplink: its variables start afresh. Whatever else it leaves behind in that interpreter is
found before results count, and then all that were not yet counted are computed again, each in a
fresh interpreter. So every uplink gets the answer that a fresh interpreter gives, which is tried
before an interpreter is kept.

Limits, from the inside outwards: memory and CPU time of the interpreter, address space of the
process, an alarm that ends the process even when its parent has died; the parent's own deadline
lies below the alarm's.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import quickjs

HEADER = 4
_MEMORY = 16 << 20
_SECONDS = 0.1
_ADDRESS_SPACE = 256 << 20  # on top of what Python itself has mapped
_ALARM = 3.0
_LARGEST_RESULT = 1 << 18
_SLICE = 0.02  # seconds of one codec's work until its results are checked and sent
_FULL = 1 << 17  # bytes of answers that are sent at once
_KEPT = 64  # interpreters
_KEPT_FOR = 5000  # uplinks; jobs that a codec queued and that never run stay in its interpreter
_SPOILT = 3  # times that a codec may leave something behind until it is given fresh ones alone

_HERE = Path(__file__).parent
_PRELUDE = (_HERE / "javascript_prelude.js").read_text().strip()
_BUFFER = (_HERE / "javascript_buffer.js").read_text()
_GUARD = (_HERE / "javascript_guard.js").read_text().strip()
_FUNCTIONS = ", ".join(
    f'{name}: typeof {name} === "function" ? {name} : undefined'
    for name in ("decodeUplink", "Decode", "Decoder", "normalizeUplink")
)
_NAMES = "JSON.stringify(Object.getOwnPropertyNames(globalThis))"
# A script's variables cannot be deleted from the global object; what it assigned there can.
_DECLARED = """JSON.stringify(Object.entries(Object.getOwnPropertyDescriptors(globalThis))
    .filter(([name, found]) => !found.configurable).map(([name]) => name))"""
# Who names the global object may list its members, which a script's variables are and a function's not.
_GLOBAL = re.compile(r"\bglobalThis\b")

_WORD = re.compile(r"\w+")

_Item = list[Any]


def main() -> None:
    """Answer until stdin closes."""
    requests, answers = sys.stdin.buffer, _Answers(_private_stdout())
    _confine()
    codecs: dict[str, _Codec] = {}
    kept: OrderedDict[_Codec, None] = OrderedDict()
    answers.add([b"."])
    answers.send()
    while (request := _receive(requests)) is not None:
        for group in request:
            if "source" in group:
                codecs[group["codec"]] = _Codec(group["source"].replace("\0", "\\u0000"))
            codec, items = codecs[group["codec"]], group["items"]
            _make_room(kept, codec)
            done = 0
            while done < len(items):
                signal.setitimer(signal.ITIMER_REAL, _ALARM)
                lines = codec.decode(items[done:] if done else items)
                answers.add(lines)
                done += len(lines)
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.send()


def _make_room(kept: OrderedDict[_Codec, None], codec: _Codec) -> None:
    """Keep the interpreters of those codecs that were used last."""
    kept[codec] = None
    kept.move_to_end(codec)
    if len(kept) > _KEPT:
        kept.popitem(last=False)[0].kept = None


class _Answers:
    """The pipe to the parent; answers go out in order, a few milliseconds' worth at a time."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lines: list[bytes] = []
        self._size = 0
        self._since = time.monotonic()

    def add(self, lines: list[bytes]) -> None:
        for line in lines:
            self._lines.append(line)
            self._size += len(line)
            if self._size > _FULL:
                self.send()
        if time.monotonic() - self._since > _SLICE:
            self.send()

    def send(self) -> None:
        if self._lines:
            body = b"\n".join(self._lines)
            self._stream.write(len(body).to_bytes(HEADER, "big") + body)
            self._stream.flush()
        self._lines, self._size, self._since = [], 0, time.monotonic()


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


def _receive(stream: BinaryIO) -> list[dict[str, Any]] | None:
    header = stream.read(HEADER)
    if len(header) < HEADER:
        return None
    request: list[dict[str, Any]] = json.loads(stream.read(int.from_bytes(header, "big")))
    return request


class _Codec:
    """One codec's script, and the interpreter that is kept for it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.kept: _Interpreter | None = None
        self._keepable = _GLOBAL.search(source) is None
        self._used = False
        self._spoilt = 0

    def decode(self, items: list[_Item]) -> list[bytes]:
        """Return answers to the first items, as many as fit into a slice of time."""
        until = time.monotonic() + _SLICE
        if self._used and self._keepable and self.kept is None:
            self._keep(items[0])
        if self.kept is None:
            self._used = True
            return self._fresh(items, until)
        lines = self.kept.decode(items, until)
        if self.kept.left_nothing():
            if self.kept.worn:
                self.kept = None
            return lines
        self.kept = None
        self._spoilt += 1
        self._keepable = self._spoilt < _SPOILT
        return self._fresh(items[: max(1, len(lines))], until + _SLICE)

    def _keep(self, item: _Item) -> None:
        """Keep an interpreter if it gives an uplink the answer that a fresh one gives."""
        try:
            kept = _Interpreter(self.source)
        except (quickjs.JSException, MemoryError):
            self._keepable = False
            return
        answers = kept.decode([item], 0)
        if answers == [_answer(_run_fresh, self.source, item)] and kept.left_nothing():
            self.kept = kept
        else:
            self._keepable = False

    def _fresh(self, items: list[_Item], until: float) -> list[bytes]:
        lines = []
        for item in items:
            lines.append(_answer(_run_fresh, self.source, item))
            # The second uplink of a batch may have an interpreter that is kept.
            if time.monotonic() > until or (self._keepable and self._spoilt == 0):
                break
        return lines


def _context(source: str, now: float) -> tuple[quickjs.Context, Any]:
    context = quickjs.Context()
    context.set_memory_limit(_MEMORY)
    context.set_time_limit(_SECONDS)
    run = context.eval(f"{_PRELUDE}({now})")
    if "Buffer" in source:
        context.eval(_BUFFER)
    return context, run


def _run_fresh(source: str, item: _Item) -> Any:
    # Whole numbers would be cut to 32 bits on their way into JavaScript.
    context, run = _context(source, item[2])
    context.eval(source)
    return run(_uplink(item), float(item[2]), context.eval(f"() => ({{ {_FUNCTIONS} }})"))


class _Interpreter:
    """An interpreter that one codec uses again and again.

    Raises:
        JSException: the codec's script does not mean the same as the body of a function.
    """

    def __init__(self, source: str) -> None:
        trial, _ = _context(source, 0)
        names = json.loads(trial.eval(_NAMES))
        before = set(json.loads(trial.eval(_DECLARED)))
        trial.eval(source)
        declared = [name for name in json.loads(trial.eval(_DECLARED)) if name not in before]
        context, self._run = _context(source, 0)
        # `var console = console || …` means the global one in a script, and none in a function.
        context.eval(f"(function () {{ let {', '.join(names)};\n{source}\n}})")
        unused = sorted(set(names) - set(_WORD.findall(source)))
        self._check = context.eval(_GUARD)(json.dumps({"declared": declared, "unused": unused}))
        self._functions = context.eval(f"(function () {{{source}\n;return {{ {_FUNCTIONS} }};\n}})")
        self._context = context
        self._uses = 0
        self._broken = False

    def decode(self, items: list[_Item], until: float) -> list[bytes]:
        """Return answers to the first items; they count if `left_nothing` then says so."""
        lines: list[bytes] = []
        for item in items:
            line = _answer(self._once, item)
            self._uses += 1
            if line.startswith(b"!memory"):  # perhaps of what others left
                self._broken = True
                return lines
            lines.append(line)
            if line.startswith(b"!timeout"):
                self._uses = _KEPT_FOR
            if self.worn or time.monotonic() > until:
                break
        return lines

    def _once(self, item: _Item) -> Any:
        try:
            return self._run(_uplink(item), float(item[2]), self._functions)
        finally:
            self._check(False)  # noqa: FBT003 - JavaScript has no keywords

    def left_nothing(self) -> bool:
        """Say whether the interpreter is as it was made."""
        try:
            return not self._broken and self._check(True) is True  # noqa: FBT003 - likewise
        except (quickjs.JSException, MemoryError):
            return False

    @property
    def worn(self) -> bool:
        """It has served its time."""
        return self._uses >= _KEPT_FOR


def _uplink(item: _Item) -> str:
    payload, f_port, _ = item
    return f'{{"bytes":{list(bytes.fromhex(payload))},"fPort":{json.dumps(f_port)}}}'


def _answer(run: Any, *arguments: Any) -> bytes:
    """Return one line of an answer."""
    try:
        result = run(*arguments)
    except MemoryError:
        return b"!memory out of memory"
    except quickjs.JSException as error:
        return _failure(str(error))
    if not isinstance(result, str) or "\n" in result:
        return b"!error its result is not JSON"
    if len(result) > _LARGEST_RESULT:
        return f"!error its result has {len(result)} characters".encode()
    return b"=" + result.encode(errors="surrogatepass")


def _failure(text: str) -> bytes:
    first = text.split("\n", 1)[0]
    if first == "InternalError: interrupted":
        return b"!timeout " + first.encode()
    if first in {"InternalError: out of memory", "null"}:  # null: no memory left for the error itself
        return b"!memory out of memory"
    return b"!error " + first.encode(errors="replace")


if __name__ == "__main__":
    main()
