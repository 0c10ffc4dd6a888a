# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Measure Volme beside bare loops: `python -m benchmarks --help`.

    publisher ──► mosquitto ──► Volme, one process, and its PostgreSQL ──► sink, or embedded broker

Absolute figures differ from machine to machine; the ratios to the bare loops, taken in the same run,
are what one run may be compared with another by. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measures import KINDS
from benchmarks.parts import BenchmarkError, mqtt_broker, postgres
from benchmarks.profile import by_function, by_part
from benchmarks.ways import (
    Stage,
    bare_commit,
    bare_post,
    bare_receive,
    into_embedded_broker,
    into_sink,
)
from compose.telemetry import configure_logs
from models.errors import VolmeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.ways import Figures

_FULL, _QUICK = 10_000, 1_500
_SHOWN = 25


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="under half a minute, and less exact")
    parser.add_argument("--messages", type=int, help=f"of each measurement (default: {_FULL:,})")
    parser.add_argument("--devices", type=int, default=500, help="registered devices (default: 500)")
    parser.add_argument("--way", action="append", choices=_WAYS, help="only this way; may be repeated")
    parser.add_argument("--profile", action="store_true", help="say where the time goes (py-spy)")
    return parser.parse_args()


_WAYS = ("plain-sink", "lorawan-sink", "plain-embedded", "lorawan-embedded")


async def _run(arguments: argparse.Namespace) -> None:
    messages = arguments.messages or (_QUICK if arguments.quick else _FULL)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="volme-bench-")))
        broker, mqtt_port = await stack.enter_async_context(mqtt_broker(folder))
        stage = Stage(
            folder=folder,
            epoch=datetime.now(UTC).replace(microsecond=0) - timedelta(milliseconds=2 * messages),
            mqtt_port=mqtt_port,
            postgres=await stack.enter_async_context(postgres(folder)),
            devices=arguments.devices,
            messages=messages,
            paced_s=1.0 if arguments.quick else 5.0,
            profile=arguments.profile,
        )
        print(
            f"Python {platform.python_version()}, {os.cpu_count()} processors, {broker};"
            f" {messages:,} messages of {arguments.devices:,} devices each way"
        )
        references = [await loop(stage) for loop in (bare_receive, bare_post, bare_commit)]
        _print_references(references)
        for way in arguments.way or _WAYS[:3]:
            kind, _, end = way.partition("-")
            measure = into_sink if end == "sink" else into_embedded_broker
            _print_way(await measure(stage, KINDS[kind]), references)


def _print_references(references: Sequence[Figures]) -> None:
    print("\nBare loops             messages/s   CPU-s per 1,000")
    for loop in references:
        print(f"  {loop.name:<20} {loop.rate:>10,.0f}  {loop.processor_s:>16.4f}")
    print(f"  {'all three':<20} {'':>10}  {sum(loop.processor_s for loop in references):>16.4f}")


def _print_way(way: Figures, references: Sequence[Figures]) -> None:
    bare = sum(loop.processor_s for loop in references)
    ratios = ", ".join(f"{way.rate / loop.rate:.3f} of bare {loop.name}" for loop in references)
    print(f"\n{way.name}")
    print(f"  {way.rate:,.0f} messages/s: {ratios}")
    print(
        f"  {way.processor_s:.3f} CPU-s per 1,000 messages ({way.database_s:.3f} of it PostgreSQL):"
        f" {way.processor_s / bare:.1f} times the bare loops"
    )
    if way.delays:
        median, tail = (1000 * delay for delay in way.delays)
        print(f"  publish to sink at half that rate: median {median:.0f} ms, 99th percentile {tail:.0f} ms")
    if way.memory:
        print(f"  {way.memory / 1e6:.0f} MB")
    faults = ", ".join(f"{count} {name}" for name, count in way.faults.items())
    print(f"  account: {faults or 'nothing lost, nothing twice, nothing overtaken'}")
    if way.profile:
        _print_profile(way.profile)


def _print_profile(stacks: dict[str, int]) -> None:
    print("\n  Where the time of Volme's process goes")
    for part, share in by_part(stacks):
        print(f"    {share:>6.1%}  {part}")
    for title, own in (("own time", True), ("with all that they call", False)):
        print(f"\n  Functions by {title}")
        for name, share in by_function(stacks, own=own)[:_SHOWN]:
            print(f"    {share:>6.1%}  {name}")


def main() -> None:
    """Run what the command line asks for."""
    configure_logs("console", "warning")
    try:
        asyncio.run(_run(_arguments()))
    except (VolmeError, BenchmarkError) as error:
        sys.exit(f"benchmark: {error}")


if __name__ == "__main__":
    main()
