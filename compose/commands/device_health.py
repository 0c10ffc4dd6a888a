# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme devices health`: how much of what each device sent has come."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from adapters.profiles import load_profiles
from compose.commands.common import config_options, offices, run_async
from compose.commands.printing import json_option, print_json, print_table
from compose.commands.words import ago, counted, examples
from compose.device_health import last_day_of, shown

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@click.command(
    "health",
    short_help="Show how complete the last 24 hours of each device are.",
    epilog=examples(
        "volme devices health",
        "volme devices health --silent",
        "volme devices health --below 95 --json | jq -r .[].device",
    ),
)
@config_options
@click.option("--silent", is_flag=True, help="Only devices that have missed three of their usual intervals.")
@click.option(
    "--below",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Only devices of which less has come.",
)
@json_option
def health(
    *, config: Path | None, data: Path | None, silent: bool, below: float | None, as_json: bool
) -> None:
    """Show how complete the last 24 hours of each device are, the worst first.

    What is missing is told by the gaps in a LoRaWAN frame counter; where there is none, by the interval:
    the parameter `interval` of the device or its profile, else the usual one, learned from what it sends.
    """
    run_async(_health(config, data, silent=silent, below=below, as_json=as_json))


async def _health(
    config: Path | None, data: Path | None, *, silent: bool, below: float | None, as_json: bool
) -> None:
    now = datetime.now(UTC)
    async with offices(config, data) as at:
        profiles = load_profiles(at.settings.profiles)
        found = last_day_of(at.registry.devices.values(), profiles, await at.journal.activities(), now)
    found = [
        (device, last_day)
        for device, last_day in found
        if (not silent or last_day.silent_since or not last_day.received)
        and (below is None or (last_day.share or 0.0) * 100 < below)
    ]
    if as_json:
        print_json([shown(device, last_day) for device, last_day in found])
        return
    print_table(
        ("device", "name", "came", "missed", "complete", "interval", "silent since"),
        [
            (
                device.id,
                device.name,
                last_day.received,
                last_day.missed,
                percent(last_day.share),
                span(last_day.interval),
                ago(last_day.silent_since) if last_day.silent_since else None,
            )
            for device, last_day in found
        ],
        "No device is registered, or none is like that.",
    )
    quiet = sum(last_day.silent_since is not None for _, last_day in found)
    if found:
        click.echo(f"\n{counted(len(found), 'device')}, {quiet} silent; the last 24 hours")


def percent(share: float | None) -> str | None:
    """Write a share, never rounded up to all."""
    return None if share is None else f"{int(share * 1000) / 10:.1f} %"


def span(seconds: float | None) -> str | None:
    """Write a time span in its largest unit."""
    if seconds is None:
        return None
    size, unit = next(((size, unit) for size, unit in _SECONDS if seconds >= size), (1, "s"))
    return f"{seconds / size:.0f} {unit}"
