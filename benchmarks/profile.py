# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Where the processor time goes: py-spy's samples, told apart by Volme's parts."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import sys
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.parts import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

_RATE = 250
_BEGINS_WITHIN_S = 5.0
_ENDS_WITHIN_S = 30.0

# The innermost frame that a row matches says to which part a sample belongs.
_PARTS: tuple[tuple[str, str], ...] = (
    ("MQTT: packets", r"adapters/sources/mqtt_wire"),
    ("MQTT: bookkeeping", r"adapters/sources/"),
    ("journal: commit", r"broker/journal/(postgres.py|rows.py).*|columns_of"),
    ("journal", r"broker/journal/"),
    ("parse envelope", r"adapters/networks/|compose/readers"),
    ("decode payload", r"adapters/codecs/"),
    ("map to readings", r"adapters/(translate|fields|derive)"),
    ("validate (pydantic)", r"model_validate|models/(values|entity)"),
    ("normalize", r"models/ngsild"),
    ("build entities", r"adapters/build"),
    ("embedded broker", r"broker/embedded/|aiohttp/web"),
    ("newest state", r"broker/newest"),
    ("encode JSON", r"broker/limits"),
    ("HTTP client", r"broker/(client|transport|answers)|aiohttp/"),
    ("bridge and lanes", r"broker/(bridge|lane)"),
    ("PostgreSQL client", r"asyncpg/"),
    ("status", r"compose/(platform|status|telemetry)"),
)


@asynccontextmanager
async def profiled(pid: int, folder: Path, *, wanted: bool) -> AsyncIterator[dict[str, int]]:
    """Sample a process until the end of the `with`; what is given has the stacks after it.

    Raises:
        BenchmarkError: py-spy is not installed or may not look into the process.
    """
    stacks: dict[str, int] = {}
    if not wanted:
        yield stacks
        return
    raw = folder / f"{pid}.stacks"
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        msg = "py-spy is not installed (it comes with `make test`)"
        raise BenchmarkError(msg)
    process = await asyncio.create_subprocess_exec(
        *(spy, "record", "--pid", str(pid), "--format", "raw", "--rate", str(_RATE), "--output", str(raw)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_BEGINS_WITHIN_S):
            said = await process.stdout.readline()
        yield stacks
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        async with asyncio.timeout(_ENDS_WITHIN_S):
            rest, _ = await process.communicate()
    if not raw.exists():
        msg = f"py-spy took no profile: {(said + rest).decode(errors='replace').strip()}"
        raise BenchmarkError(msg)
    for line in raw.read_text(encoding="utf-8").splitlines():
        stack, _, count = line.rpartition(" ")
        stacks[stack] = int(count)


def by_part(stacks: Mapping[str, int]) -> list[tuple[str, float]]:
    """Return each part's share of the time, the largest first."""
    shares: Counter[str] = Counter()
    for stack, count in stacks.items():
        shares[_part(reversed(stack.split(";")))] += count
    return _shares(shares, stacks)


def _part(frames: Iterable[str]) -> str:
    for frame in frames:
        for name, pattern in _PARTS:
            if re.search(pattern, frame):
                return name
    return "event loop and rest"


def by_function(stacks: Mapping[str, int], *, own: bool) -> list[tuple[str, float]]:
    """Return each function's share of the time: its own, or with all that it calls."""
    shares: Counter[str] = Counter()
    for stack, count in stacks.items():
        # "name (path:line)": the lines of one function are one.
        functions = [re.sub(r":\d+\)$", ")", frame) for frame in stack.split(";")]
        for function in functions[-1:] if own else set(functions):
            shares[function] += count
    return _shares(shares, stacks)


def _shares(counts: Counter[str], stacks: Mapping[str, int]) -> list[tuple[str, float]]:
    total = max(1, sum(stacks.values()))
    return [(name, count / total) for name, count in counts.most_common()]
