# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme devices`: what is installed where."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from adapters.build import entity_id
from adapters.profiles import load_profiles
from compose.commands.common import config_options, offices, run_async
from compose.commands.device_adding import add
from compose.commands.device_health import health
from compose.commands.device_importing import export, import_devices
from compose.commands.device_moving import move, replace, retire
from compose.commands.device_options import DeviceId
from compose.commands.device_pending import approve, pending
from compose.commands.device_sync import sync
from compose.commands.printing import json_option, note, print_json, print_pairs, print_table
from compose.commands.words import ago, counted, examples, utc, verb

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from broker.journal.port import Activity
    from compose.commands.common import Offices
    from models.device import Device, Profile


@click.group(
    short_help="List, add, import, move, replace and retire devices.",
    epilog=examples(
        "volme devices pending",
        "volme devices approve 70B3D57ED0581234 --at 51.359,7.472",
        "volme devices import devices.csv",
        "volme devices show 70B3D57ED0581234",
    ),
)
def devices() -> None:
    """List devices, see which unknown ones wait, and add, import, move, replace or retire them."""


@devices.command("list")
@click.option("--retired", is_flag=True, help="Those that are out of service.")
@config_options
@json_option
def list_devices(*, retired: bool, config: Path | None, data: Path | None, as_json: bool) -> None:
    """List the devices in service and when they were last heard.

    `volme devices show` says more of one, --json of all.
    """
    run_async(_list(config, data, retired=retired, as_json=as_json))


async def _list(config: Path | None, data: Path | None, *, retired: bool, as_json: bool) -> None:
    async with offices(config, data) as at:
        heard = await at.journal.activities()
        found = list((at.registry.retired if retired else at.registry.devices).values())
    if as_json:
        print_json([{**asdict(device), "last_seen": _last_seen(heard.get(device.id))} for device in found])
        return
    rows = [
        (
            device.id,
            device.profile,
            device.name,
            ago(_last_seen(heard.get(device.id))),
        )
        for device in found
    ]
    print_table(
        ("device", "profile", "name", "last heard"),
        rows,
        "None is retired."
        if retired
        else "No device is registered. `volme devices pending` shows which wait.",
    )


def _last_seen(activity: Activity | None) -> datetime | None:
    return activity.last_seen if activity else None


def _type_of(device: Device, profiles: Any) -> str | None:
    profile: Profile | None = profiles.get(device.profile)
    return device.entity_type or (profile.entity_type if profile else None)


@devices.command("show")
@click.argument("name", metavar="DEVICE", type=DeviceId())
@config_options
@json_option
def show(*, name: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Show one device: what is registered, when it was heard, what of it is dead."""
    run_async(_show(name, config, data, as_json=as_json))


async def _show(name: str, config: Path | None, data: Path | None, *, as_json: bool) -> None:
    async with offices(config, data) as at:
        found = await _about(name, at)
    if as_json:
        print_json(found)
    else:
        _print_device(found)


async def _about(name: str, at: Offices) -> dict[str, Any]:
    device = at.registry.devices.get(name) or at.registry.retired.get(name)
    activity = (await at.journal.activity([name])).get(name)
    letters = await at.journal.dead_letters(device=name, limit=5)
    if device is None:
        waits = next((each for each in await at.journal.unknown_devices() if each.device_id == name), None)
        waiting = (
            f", but {counted(waits.count, 'message')} from it {verb(waits.count, 'waits', 'wait')}"
            if waits
            else ""
        )
        next_step = (
            f": `volme devices approve {name}`" if waits else "; `volme devices list` lists those that are"
        )
        msg = f"device {name} is not registered{waiting}{next_step}"
        raise click.ClickException(msg)
    profiles = load_profiles(at.settings.profiles)
    profile = profiles.get(device.profile)
    local = ((_type_of(device, profiles), device.place or name), ("Device", name))
    return {
        **asdict(device),
        "codec": profile.codec if profile else None,
        "entity_type": _type_of(device, profiles),
        "entities": [entity_id(kind, at.settings.city, part) for kind, part in dict.fromkeys(local) if kind],
        "first_seen": activity.first_seen if activity else None,
        "last_seen": activity.last_seen if activity else None,
        "messages": activity.messages if activity else 0,
        "dead_letters": [
            {"id": letter.id, "kind": letter.kind, "sentence": letter.sentence} for letter in letters
        ],
    }


def _print_device(found: dict[str, Any]) -> None:
    position = found["position"]
    parts = (position["latitude"], position["longitude"], position["altitude"]) if position else ()
    heard = f"{utc(found['last_seen'])} ({ago(found['last_seen'])})" if found["last_seen"] else "never"
    print_pairs(
        [
            ("device", found["id"]),
            ("name", found["name"]),
            ("profile", found["profile"]),
            ("payloads", f"decoded by {found['codec']}" if found["codec"] else "the profile does not exist"),
            ("type", found["entity_type"]),
            ("place", found["place"]),
            ("position", ", ".join(f"{part:g}" for part in parts if part is not None) or "unknown"),
            ("owner", found["owner"]),
            ("installed", utc(found["installed_at"]) if found["installed_at"] else None),
            ("retired", utc(found["retired_at"]) if found["retired_at"] else None),
            ("replaced by", found["replaced_by"]),
            ("taken from", found["origin"]),
            ("simulated", "yes" if found["simulated"] else None),
            *((f"parameter {name}", f"{value:g}") for name, value in found["parameters"].items()),
            *((f"attribute {name}", value) for name, value in found["attributes"].items()),
            *(("entity", name) for name in found["entities"]),
            ("messages", f"{found['messages']:,}"),
            ("last heard", heard),
            *((f"dead letter {letter['id']}", letter["sentence"]) for letter in found["dead_letters"]),
        ]
    )


for command in (pending, approve, add, import_devices, export, sync, move, replace, retire, health):
    devices.add_command(command)


@devices.command("remove")
@click.argument("names", metavar="DEVICE...", nargs=-1, required=True, type=DeviceId())
@config_options
def remove(*, names: tuple[str, ...], config: Path | None, data: Path | None) -> None:
    """Forget devices.

    Their entities stay in the broker as they are, and say nothing of it: `volme devices retire` is for
    devices that are taken down. What they send from now on waits as unknown.
    """
    run_async(_remove(names, config, data))


async def _remove(names: tuple[str, ...], config: Path | None, data: Path | None) -> None:
    async with offices(config, data) as at:
        unknown = [name for name in names if not await at.registry.remove(name)]
    for name in dict.fromkeys(names):
        if name not in unknown:
            click.echo(f"Device {name} is forgotten.")
    if unknown:
        note("Not registered: " + ", ".join(unknown))
        raise click.exceptions.Exit(1)
