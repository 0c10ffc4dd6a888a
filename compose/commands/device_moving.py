# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme devices move`, `replace` and `retire`: what happens to devices after they were registered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from adapters.build import entity_id
from compose.commands.common import config_options, run_async
from compose.commands.device_options import DeviceId, at_option, office, position_of
from compose.commands.options import Moment
from compose.commands.printing import json_option, note, print_json
from compose.commands.words import counted, examples, verb
from compose.device_json import as_dict

if TYPE_CHECKING:
    from pathlib import Path

    from compose.onboarding import Onboarding
    from models.device import Device


@click.command(
    "move",
    short_help="A device hangs elsewhere now.",
    epilog=examples(
        "volme devices move 70B3D57ED0581234 --at 51.361,7.475",
        "volme devices move 70B3D57ED0581234 --at 51.361,7.475 --place volme-nord --since 2026-03-01",
    ),
)
@click.argument("name", metavar="DEVICE", type=DeviceId())
@at_option("Where it hangs now, such as 51.361,7.475.", required=True)
@click.option("--name", "called", help="What people call it there.  [default: as before]")
@click.option("--place", help="It feeds the entity of this place from now on.  [default: as before]")
@click.option("--since", type=Moment(), help="Since when it hangs there.  [default: now]")
@config_options
@json_option
def move(
    *,
    name: str,
    position: str,
    called: str | None,
    place: str | None,
    since: datetime | None,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Change where a device hangs; all else that is known of it stays.

    Its entity keeps its id and its history and has the new place with the next reading, unless --place
    names another one.
    """
    given: dict[str, Any] = {
        "altitude": None,
        **position_of(position),
        "installed": since or datetime.now(UTC),
        **({"name": called} if called else {}),
        **({"place": place} if place else {}),
    }
    device, onboarding = run_async(_move(name, given, config, data))
    if as_json:
        print_json(as_dict(device))
        return
    where = device.position
    assert where is not None, "what has just been given"  # noqa: S101 - for the type checker
    click.echo(
        f"Device {name} hangs at {where.latitude:g}, {where.longitude:g} now: {_fed(device, onboarding)}."
    )


async def _move(
    name: str, given: dict[str, Any], config: Path | None, data: Path | None
) -> tuple[Device, Onboarding]:
    async with office(config, data) as (_, onboarding):
        return await onboarding.change(name, given), onboarding


def _fed(device: Device, onboarding: Onboarding) -> str:
    profile = onboarding.profiles.get(device.profile)
    kind = device.entity_type or (profile.entity_type if profile else None)
    if kind is None:
        return f"its profile {device.profile} is not known any more"
    return f"it feeds {entity_id(kind, onboarding.settings.city, device.place or device.id)}"


@click.command(
    "replace",
    short_help="Another device takes a device's place.",
    epilog=examples(
        "volme devices replace 70B3D57ED0581234 70B3D57ED0589999",
        "volme devices replace 70B3D57ED0581234 70B3D57ED0589999 --profile dragino-ldds75",
    ),
)
@click.argument("old", metavar="OLD", type=DeviceId())
@click.argument("new", metavar="NEW", type=DeviceId())
@click.option(
    "--profile",
    help="Profile of the new one.  [default: what its network server says, else the old one's]",
)
@click.option("--since", type=Moment(), help="Since when the new one hangs there.  [default: now]")
@config_options
@json_option
def replace(
    *,
    old: str,
    new: str,
    profile: str | None,
    since: datetime | None,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Let the device NEW feed the entity of OLD: same place, same id, same history.

    Position, name, owner, attributes and parameters of the place go over to NEW; OLD is retired. What NEW
    sent while it was unknown is delivered.
    """
    given = {
        **({"profile": profile} if profile else {}),
        **({"installed": since} if since else {}),
    }
    run_async(_replace(old, new, given, config, data, as_json=as_json))


async def _replace(
    old: str, new: str, given: dict[str, Any], config: Path | None, data: Path | None, *, as_json: bool
) -> None:
    async with office(config, data) as (at, onboarding):
        device, waited = await onboarding.replace(old, new, given)
    if as_json:
        print_json({"device": as_dict(device), "retired": old, "messages": waited})
        return
    click.echo(f"Device {new} ({device.profile}) hangs in the place of {old}: {_fed(device, onboarding)}.")
    if waited:
        then = "being delivered" if at.running else "delivered as soon as Volme runs"
        click.echo(f"{counted(waited, 'message')} that waited {verb(waited, 'is', 'are')} {then}.")
    click.echo(f"Device {old} is retired.")


@click.command(
    "retire",
    short_help="Nothing is expected of devices any more.",
    epilog=examples("volme devices retire 70B3D57ED0581234 70B3D57ED0581235"),
)
@click.argument("names", metavar="DEVICE...", nargs=-1, required=True, type=DeviceId())
@config_options
@json_option
def retire(*, names: tuple[str, ...], config: Path | None, data: Path | None, as_json: bool) -> None:
    """Take devices out of service, all of them or none.

    Their entities and history stay in the broker, and their Device entities say deviceState: retired. What
    they send from now on waits as an unknown device's messages do. `volme devices add` or `approve` takes
    them back; `volme devices remove` forgets them, which the broker is not told.
    """
    run_async(_retire(names, config, data, as_json=as_json))


async def _retire(names: tuple[str, ...], config: Path | None, data: Path | None, *, as_json: bool) -> None:
    async with office(config, data) as (at, onboarding):
        gone = await onboarding.retire(names)
    if as_json:
        print_json([as_dict(device) for device in gone])
        return
    for device in gone:
        click.echo(f"Device {device.id} is retired; nothing is expected of it any more.")
    if not at.running:
        note("The broker is told as soon as Volme runs.")
