# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Measure Volme beside bare loops: `python -m benchmarks --help`.

    publisher ──► mosquitto ──► Volme and its PostgreSQL ──► sink, or embedded broker

Absolute figures differ from machine to machine; the ratios to the bare loops, taken in the same run,
are what one run may be compared with another by. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from benchmarks.bare import bare_commit, bare_post, bare_receive
from benchmarks.embedded import embedded
from benchmarks.measures import KINDS
from benchmarks.parts import BenchmarkError, mqtt_broker, postgres
from benchmarks.report import print_markdown, print_references, print_way
from benchmarks.ways import Stage, backlog, devices, drain, into_embedded_broker, into_sink
from compose.telemetry import configure_logs
from models.errors import VolmeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.ways import Figures

_BARE = (30_000, 3_000)
_DEVICES, _FEW_DEVICES = (100, 1_000, 10_000, 100_000), (100, 1_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Way:
    """One choice of `--way`; `quick`: messages with `--quick`, otherwise `full`."""

    kind: str
    full: int
    quick: int
    usual: bool = True


_WAYS = {
    "plain-sink": _Way(kind="plain", full=60_000, quick=3_000),
    "lorawan-sink": _Way(kind="lorawan", full=30_000, quick=1_500),
    "javascript-sink": _Way(kind="javascript", full=20_000, quick=1_500),
    "drain": _Way(kind="plain", full=50_000, quick=3_000),
    "backlog": _Way(kind="plain", full=50_000, quick=3_000),
    "devices": _Way(kind="plain", full=20_000, quick=1_500),
    "plain-embedded": _Way(kind="plain", full=10_000, quick=1_500),
    "lorawan-embedded": _Way(kind="lorawan", full=10_000, quick=1_500, usual=False),
    "broker": _Way(kind="plain", full=0, quick=0),  # it has sizes of its own
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer messages: faster, and less exact")
    parser.add_argument(
        "--messages", type=int, help="of each measurement (default: by way, 10,000 to 60,000)"
    )
    parser.add_argument("--devices", type=int, default=500, help="registered devices (default: 500)")
    parser.add_argument("--way", action="append", choices=_WAYS, help="only this way; may be repeated")
    parser.add_argument("--profile", action="store_true", help="say where the time goes (py-spy)")
    parser.add_argument("--markdown", action="store_true", help="print a table for the README at the end")
    return parser.parse_args()


async def _run(arguments: argparse.Namespace) -> None:
    quick: bool = arguments.quick
    ways = arguments.way or [name for name, way in _WAYS.items() if way.usual]
    bare = min(arguments.messages or _BARE[quick], _BARE[quick])
    most = max(arguments.messages or 0, *_DEVICES, *(way.full for way in _WAYS.values()))
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="volme-bench-")))
        mqtt = await stack.enter_async_context(mqtt_broker(folder))
        stage = Stage(
            folder=folder,
            # All measures are of the past, also those at half the rate that come last.
            epoch=datetime.now(UTC).replace(microsecond=0) - timedelta(milliseconds=4 * most),
            mqtt=mqtt,
            postgres=await stack.enter_async_context(postgres(folder)),
            devices=arguments.devices,
            messages=bare,
            paced_s=1.0 if quick else 5.0,
            profile=arguments.profile,
        )
        title = (
            f"Python {platform.python_version()}, {os.cpu_count()} processors, {mqtt.name}, PostgreSQL with"
            f" fsync; {arguments.devices:,} devices"
        )
        print(title)
        references = [await loop(stage) for loop in (bare_receive, bare_post, bare_commit)]
        print_references(references)
        measured: list[Figures] = []
        for name in ways:
            if name == "broker":
                await embedded(stage, quick=quick)
                continue
            way = _WAYS[name]
            messages = arguments.messages or (way.quick if quick else way.full)
            async for figures in _measure(name, replace(stage, messages=messages), quick=quick):
                print_way(figures, references)
                measured.append(figures)
        if arguments.markdown:
            print_markdown(title, measured, references)


async def _measure(name: str, stage: Stage, *, quick: bool) -> AsyncIterator[Figures]:
    kind = KINDS[_WAYS[name].kind]
    if name == "drain":
        yield await drain(stage, kind)
    elif name == "backlog":
        yield await backlog(stage, kind)
    elif name == "devices":
        async for figures in devices(stage, kind, _FEW_DEVICES if quick else _DEVICES):
            yield figures
    elif name.endswith("-sink"):
        yield await into_sink(stage, kind)
    else:
        yield await into_embedded_broker(stage, kind)


def main() -> None:
    """Run what the command line asks for."""
    configure_logs("console", "warning")
    try:
        uvloop.run(_run(_arguments()))
    except (VolmeError, BenchmarkError) as error:
        sys.exit(f"benchmark: {error}")


if __name__ == "__main__":
    main()
