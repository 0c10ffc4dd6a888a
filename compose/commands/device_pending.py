# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme devices pending` and `approve`: unknown devices, what they seem to be, and yes to that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from compose.commands.common import config_options, run_async
from compose.commands.device_input import advice
from compose.commands.device_options import DeviceId, at_option, office, position_of
from compose.commands.printing import json_option, note, print_json, print_table
from compose.commands.words import ago, clean, counted, examples, verb
from compose.device_json import as_dict, proposal_dict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from compose.onboarding import Proposal
    from models.device import Device

_HOW = {"model": "its network server says so", "data": "by what it sends", None: ""}


# Devices whose fields are shown, and fields of each.
_UNREAD_SHOWN, _FIELDS_SHOWN = 3, 8


@click.command("pending")
@config_options
@json_option
def pending(*, config: Path | None, data: Path | None, as_json: bool) -> None:
    """List unknown devices whose messages wait until somebody registers them.

    Each has a proposal: the profile that its network server's name of the model leads to, else the one
    profile that makes sense of what it sent last.
    """
    run_async(_pending(config, data, as_json=as_json))


async def _pending(config: Path | None, data: Path | None, *, as_json: bool) -> None:
    async with office(config, data) as (_, onboarding):
        proposals = await onboarding.pending()
    if as_json:
        print_json([proposal_dict(proposal) for proposal in proposals])
        return
    print_table(
        ("device", "name", "source", "messages", "last heard", "profile that fits", ""),
        [
            (
                proposal.device.device_id,
                proposal.name,
                proposal.device.source,
                proposal.device.count,
                ago(proposal.device.last_seen),
                proposal.profile or "(none is known)",
                f"retired {proposal.retired_at:%Y-%m-%d}" if proposal.retired_at else _HOW[proposal.by],
            )
            for proposal in proposals
        ],
        "No unknown device has sent anything.",
    )
    if proposals:
        first = proposals[0]
        profile = "" if first.profile else " --profile …"
        click.echo(f"\nNext: volme devices approve {clean(first.device.device_id)}{profile} --at LAT,LON")
        _say_what_none_reads([each for each in proposals if each.profile is None and each.fields])


def _say_what_none_reads(proposals: list[Proposal]) -> None:
    """Name the fields that no profile reads: a profile of its own has to."""
    for proposal in proposals[:_UNREAD_SHOWN]:
        names = ", ".join(clean(name) for name in proposal.fields[:_FIELDS_SHOWN])
        more = ", …" if len(proposal.fields) > _FIELDS_SHOWN else ""
        note(
            f"{clean(proposal.device.device_id)} sends {names}{more}: no profile is known to read that."
            " A table in data/profiles does, whole or `like` another; a running platform takes it up."
        )


@click.command(
    "approve",
    short_help="Register waiting devices as proposed.",
    epilog=examples(
        "volme devices approve 70B3D57ED0581234 --at 51.359,7.472",
        "volme devices approve 70B3D57ED0581234 --profile dragino-ldds75 --name 'Pegel Süd'",
        "volme devices approve --all --dry-run",
    ),
)
@click.argument("names", metavar="[DEVICE]...", nargs=-1, type=DeviceId())
@click.option(
    "--all", "every", is_flag=True, help="All that wait and have a proposal, but those that were retired."
)
@click.option("--profile", help="Another profile than the proposed one.")
@click.option("--name", "called", help="What people call it.  [default: what its network server does]")
@at_option("Where it hangs.  [default: where its network server says]")
@click.option("--dry-run", is_flag=True, help="Only say what would be registered.")
@config_options
@json_option
def approve(
    *,
    names: tuple[str, ...],
    every: bool,
    profile: str | None,
    called: str | None,
    position: str | None,
    dry_run: bool,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Register devices that wait, each with the profile that `volme devices pending` proposes.

    What they sent while they were unknown is delivered. If one of the named devices cannot be registered,
    none is; --all leaves those out that nothing is proposed for.
    """
    if every == bool(names):
        msg = "name the devices, or say --all"
        raise click.UsageError(msg)
    if (every or len(names) > 1) and (called or position):
        msg = "--name and --at are of one device"
        raise click.UsageError(msg)
    given = {"profile": profile, "name": called, **position_of(position)}
    run_async(_approve(names, given, config, data, dry_run=dry_run, as_json=as_json))


async def _approve(
    names: tuple[str, ...],
    given: Mapping[str, Any],
    config: Path | None,
    data: Path | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    async with office(config, data) as (at, onboarding):
        proposals = await onboarding.pending(names or None)
        absent = sorted(set(names) - {proposal.device.device_id for proposal in proposals})
        if absent:
            msg = f"{', '.join(absent)} {verb(len(absent), 'does', 'do')} not wait; nothing was registered"
            raise click.ClickException(msg)
        if not names:  # --all
            proposals = [each for each in proposals if each.retired_at is None]
        left = [each for each in proposals if not (names or each.profile or given["profile"])]
        fitting = _complete(proposals, given, names)
        devices = [onboarding.proposed(proposal, given) for proposal in fitting]
        waited = 0 if dry_run else await onboarding.register(devices)
    if as_json:
        print_json(
            {
                "registered": [as_dict(device) for device in devices],
                "left": [each.device.device_id for each in left],
                "messages": waited,
                "dry_run": dry_run,
            }
        )
    else:
        _say(devices, waited, dry_run=dry_run, running=at.running)
        for device in devices:
            for sentence in advice(device, onboarding.profiles[device.profile]):
                note(f"{device.id}: {sentence}")
        if left:
            shown = ", ".join(clean(each.device.device_id) for each in left[:5])
            note(f"Left waiting, since no profile fits: {counted(len(left), 'device')} ({shown}).")


def _complete(proposals: list[Proposal], given: Mapping[str, Any], names: tuple[str, ...]) -> list[Proposal]:
    """Return the proposals that can be registered.

    Raises:
        click.ClickException: one that was asked for by name has no profile.
    """
    fitting = [each for each in proposals if each.profile or given["profile"]]
    if names and len(fitting) < len(proposals):
        none = next(each.device.device_id for each in proposals if each not in fitting)
        msg = f"no profile fits device {none}: name one with --profile; nothing was registered"
        raise click.ClickException(msg)
    return fitting


def _say(devices: list[Device], waited: int, *, dry_run: bool, running: bool) -> None:
    for device in devices:
        done = "would be" if dry_run else "is"
        click.echo(f"Device {device.id} ({device.profile}) {done} registered.")
    if not devices:
        click.echo("Nothing was registered.")
    if waited:
        then = "being delivered" if running else "delivered as soon as Volme runs"
        click.echo(f"{counted(waited, 'message')} that waited {verb(waited, 'is', 'are')} {then}.")
