# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What was measured, for who watches and for the README."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.profile import by_function, by_part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.ways import Figures

_SHOWN = 25
_SOUND = "nothing lost, nothing twice, nothing overtaken"
_COLUMNS = (
    "measured",
    "measures/s",
    "of bare receive / post / commit",
    "CPU-s per 1,000 (PostgreSQL's)",
    "times the bare loops",
    "p50 / p99 at half the rate",
    "memory",
    "account",
)


def print_references(references: Sequence[Figures]) -> None:
    """Print what the bare loops do."""
    print("\nBare loops             messages/s   CPU-s per 1,000")
    for loop in references:
        print(f"  {loop.name:<20} {loop.rate:>10,.0f}  {loop.processor_s:>16.4f}")
    print(f"  {'all three':<20} {'':>10}  {_bare(references):>16.4f}")


def print_way(way: Figures, references: Sequence[Figures]) -> None:
    """Print what one way does, beside the bare loops."""
    ratios = ", ".join(f"{way.rate / loop.rate:.3f} of bare {loop.name}" for loop in references)
    print(f"\n{way.name}")
    print(f"  {way.rate:,.0f} messages/s: {ratios}")
    print(
        f"  {way.processor_s:.4f} CPU-s per 1,000 messages ({way.database_s:.4f} of it PostgreSQL):"
        f" {way.processor_s / _bare(references):.1f} times the bare loops"
    )
    if way.first_s is not None:
        print(f"  {way.first_s:.4f} CPU-s per 1,000 first messages of a device")
    if way.beside:
        others = ", ".join(f"{name} {seconds:.4f}" for name, seconds in way.beside.items())
        print(f"  beside it: {others}")
    if way.delays:
        print(f"  publish to sink at half that rate: median, 99th percentile {_delays(way)}")
    if way.memory:
        print(f"  {_memory(way)}")
    print(f"  account: {_account(way)}", flush=True)
    if way.profile:
        _print_profile(way.profile)


def print_markdown(title: str, ways: Sequence[Figures], references: Sequence[Figures]) -> None:
    """Print all as a table for the README."""
    print(f"\n{title}\n")
    for row in (_COLUMNS, ("---",) + ("---:",) * (len(_COLUMNS) - 2) + ("---",)):
        print(f"| {' | '.join(row)} |")
    for way in ways:
        cells = (
            way.name,
            f"{way.rate:,.0f}",
            " / ".join(f"{way.rate / loop.rate:.2f}" for loop in references),
            f"{way.processor_s:.3f} ({way.database_s:.3f}){_first(way)}",
            f"{way.processor_s / _bare(references):.1f}",
            _delays(way) if way.delays else "",
            _memory(way) if way.memory else "",
            _account(way),
        )
        print(f"| {' | '.join(cells)} |")
    for loop in references:
        cells = (f"bare {loop.name}", f"{loop.rate:,.0f}", "", f"{loop.processor_s:.3f}", "", "", "", "")
        print(f"| {' | '.join(cells)} |")


def _bare(references: Sequence[Figures]) -> float:
    return sum(loop.processor_s for loop in references)


def _first(way: Figures) -> str:
    return "" if way.first_s is None else f"; first of each device {way.first_s:.3f}"


def _delays(way: Figures) -> str:
    return " / ".join(f"{1000 * delay:.0f} ms" for delay in way.delays or ())


def _memory(way: Figures) -> str:
    return f"{(way.memory or 0) / 1e6:.0f} MB"


def _account(way: Figures) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in way.faults.items()) or _SOUND


def _print_profile(stacks: Mapping[str, int]) -> None:
    print("\n  Where the time of Volme's process goes")
    for part, share in by_part(stacks):
        print(f"    {share:>6.1%}  {part}")
    for title, own in (("own time", True), ("with all that they call", False)):
        print(f"\n  Functions by {title}")
        for name, share in by_function(stacks, own=own)[:_SHOWN]:
            print(f"    {share:>6.1%}  {name}")
