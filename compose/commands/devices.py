# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme devices`: what is installed where."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from adapters.build import entity_id
from adapters.profiles import find_profile, load_profiles
from compose.commands.common import config_options, offices, run_async
from compose.commands.device_adding import add, model_of
from compose.commands.device_health import health
from compose.commands.device_input import DeviceInputError, device_id
from compose.commands.printing import json_option, note, print_json, print_pairs, print_table
from compose.commands.words import ago, clean, counted, examples, utc, verb

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from broker.journal.port import Activity, PendingDevice
    from compose.commands.common import Offices
    from models.device import Device, Profile


@click.group(
    short_help="List, show, add and remove devices.",
    epilog=examples(
        "volme devices pending",
        "volme devices add 70B3D57ED0581234 --profile dragino-ldds75",
        "volme devices show 70B3D57ED0581234",
    ),
)
def devices() -> None:
    """List, show, add and remove devices; see which unknown ones wait."""


class _DeviceId(click.ParamType[str]):
    name = "device"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return device_id(value)
        except DeviceInputError as error:
            self.fail(str(error), param, ctx)


@devices.command("list")
@config_options
@json_option
def list_devices(*, config: Path | None, data: Path | None, as_json: bool) -> None:
    """List registered devices and when they were last heard.

    `volme devices show` says more of one, --json of all.
    """
    run_async(_list(config, data, as_json=as_json))


async def _list(config: Path | None, data: Path | None, *, as_json: bool) -> None:
    async with offices(config, data) as at:
        heard = await at.journal.activities()
        found = list(at.registry.devices.values())
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
        "No device is registered. `volme devices pending` shows which wait.",
    )


def _last_seen(activity: Activity | None) -> datetime | None:
    return activity.last_seen if activity else None


def _type_of(device: Device, profiles: Any) -> str | None:
    profile: Profile | None = profiles.get(device.profile)
    return device.entity_type or (profile.entity_type if profile else None)


@devices.command("pending")
@config_options
@json_option
def pending(*, config: Path | None, data: Path | None, as_json: bool) -> None:
    """List unknown devices whose messages wait until somebody registers them."""
    run_async(_pending(config, data, as_json=as_json))


async def _pending(config: Path | None, data: Path | None, *, as_json: bool) -> None:
    async with offices(config, data) as at:
        waiting = await at.journal.unknown_devices()
        profiles = load_profiles(at.settings.profiles)

    def fitting(device: PendingDevice) -> str | None:
        profile = find_profile(profiles, model_of(device))
        return profile.name if profile else None

    if as_json:
        print_json([{**asdict(device), "profile": fitting(device)} for device in waiting])
        return
    print_table(
        ("device", "name", "source", "messages", "last heard", "profile that fits"),
        [
            (
                device.device_id,
                device.detail.get("name"),
                device.source,
                device.count,
                ago(device.last_seen),
                fitting(device) or "(none is known)",
            )
            for device in waiting
        ],
        "No unknown device has sent anything.",
    )
    if waiting:
        first = waiting[0]
        profile = "" if fitting(first) else " --profile …"
        click.echo(f"\nNext: volme devices add {clean(first.device_id)}{profile} --name … --at LAT,LON")


@devices.command("show")
@click.argument("name", metavar="DEVICE", type=_DeviceId())
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
    device = at.registry.devices.get(name)
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
            f": `volme devices add {name}`" if waits else "; `volme devices list` lists those that are"
        )
        msg = f"device {name} is not registered{waiting}{next_step}"
        raise click.ClickException(msg)
    profiles = load_profiles(at.settings.profiles)
    local = ((_type_of(device, profiles), device.place or name), ("Device", name))
    return {
        **asdict(device),
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
            ("type", found["entity_type"]),
            ("place", found["place"]),
            ("position", ", ".join(f"{part:g}" for part in parts if part is not None) or "unknown"),
            ("owner", found["owner"]),
            ("installed", utc(found["installed_at"]) if found["installed_at"] else None),
            ("simulated", "yes" if found["simulated"] else None),
            *((f"parameter {name}", f"{value:g}") for name, value in found["parameters"].items()),
            *((f"attribute {name}", value) for name, value in found["attributes"].items()),
            *(("entity", name) for name in found["entities"]),
            ("messages", f"{found['messages']:,}"),
            ("last heard", heard),
            *((f"dead letter {letter['id']}", letter["sentence"]) for letter in found["dead_letters"]),
        ]
    )


devices.add_command(add)
devices.add_command(health)


@devices.command("remove")
@click.argument("names", metavar="DEVICE...", nargs=-1, required=True, type=_DeviceId())
@config_options
def remove(*, names: tuple[str, ...], config: Path | None, data: Path | None) -> None:
    """Forget devices.

    Their entities stay in the broker; what they send from now on waits as unknown.
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
