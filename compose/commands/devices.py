# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme devices`: what is installed where."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from adapters.derive import PARAMETERS
from adapters.profiles import find_profile, load_profiles
from compose.commands.common import (
    ago,
    config_options,
    json_option,
    offices,
    print_json,
    print_table,
    run_async,
)
from compose.readers import announcement
from models.device import Device
from models.types import TYPES
from models.uplink import Position

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from broker.journal.port import Activity, PendingDevice
    from compose.commands.common import Offices

# What may stand in an entity's id without surprises in any broker.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}")
_PERIOD = "period"


@click.group()
def devices() -> None:
    """List, add and remove devices; see which unknown ones wait."""


@devices.command("list")
@config_options
@json_option
def list_devices(*, config: Path | None, data: Path | None, as_json: bool) -> None:
    """List registered devices and when they were last heard."""
    run_async(_list(config, data, as_json=as_json))


async def _list(config: Path | None, data: Path | None, *, as_json: bool) -> None:
    async with offices(config, data) as at:
        heard = await at.journal.activities()
        found = list(at.registry.devices.values())
    if as_json:
        print_json([{**asdict(device), "last_seen": _last_seen(heard.get(device.id))} for device in found])
        return
    rows = [
        (device.id, device.profile, device.entity_type, device.name, ago(_last_seen(heard.get(device.id))))
        for device in found
    ]
    print_table(
        ("device", "profile", "type", "name", "last heard"),
        rows,
        "No device is registered: `volme devices add`.",
    )


def _last_seen(activity: Activity | None) -> datetime | None:
    return activity.last_seen if activity else None


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
        model = tuple(str(part) for part in device.detail.get("model") or ())
        profile = find_profile(profiles, model)
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
                fitting(device),
            )
            for device in waiting
        ],
        "No unknown device has sent anything.",
    )


@devices.command("add")
@click.argument("device_id", metavar="DEVICE")
@click.option("--profile", required=True, help="Device profile: see `volme profiles`.")
@click.option("--name", help="What people call it.")
@click.option(
    "--at", "position", metavar="LAT,LON[,ALT]", help="Where it hangs, WGS 84, such as 51.359,7.472."
)
@click.option("--type", "entity_type", help="Smart Data Models type that it feeds.  [default: the profile's]")
@click.option("--place", help="Last part of the entity's id, where several devices feed one entity.")
@click.option("--owner", help="Who answers for it.")
@click.option("--installed", type=click.DateTime(), help="Since when it hangs there (UTC).")
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=NUMBER",
    help=f"What the mapping needs of the place: {', '.join(sorted(PARAMETERS | {_PERIOD}))}.",
)
@click.option(
    "--attribute",
    "attributes",
    multiple=True,
    metavar="NAME=JSON",
    help="What is known of the entity and never measured, such as category='[\"onstreet\"]'.",
)
@click.option("--replace", "overwrite", is_flag=True, help="Overwrite a device that is registered.")
@config_options
def add(
    *,
    device_id: str,
    profile: str,
    name: str | None,
    position: str | None,
    entity_type: str | None,
    place: str | None,
    owner: str | None,
    installed: datetime | None,
    parameters: tuple[str, ...],
    attributes: tuple[str, ...],
    overwrite: bool,
    config: Path | None,
    data: Path | None,
) -> None:
    """Register a device (DevEUI, or the id in a plain MQTT topic).

    What it sent while it was unknown is delivered now.
    """
    device = Device(
        id=_device_id(device_id),
        profile=profile,
        name=name,
        position=_position(position),
        entity_type=_type(entity_type),
        place=_place(place),
        owner=owner,
        installed_at=installed,
        parameters=_parameters(parameters),
        attributes=_attributes(attributes),
    )
    run_async(_add(device, config, data, overwrite=overwrite))


async def _add(device: Device, config: Path | None, data: Path | None, *, overwrite: bool) -> None:
    async with offices(config, data) as at:
        profiles = load_profiles(at.settings.profiles)
        if device.profile not in profiles:
            msg = f"there is no profile “{device.profile}”; `volme profiles` lists them"
            raise click.BadParameter(msg, param_hint="--profile")
        if device.installed_at is not None:
            from datetime import UTC  # noqa: PLC0415 - one use

            device = replace(device, installed_at=device.installed_at.replace(tzinfo=UTC))
        if not await at.registry.add(device, replace=overwrite):
            msg = f"device {device.id} is registered already; --replace overwrites it"
            raise click.ClickException(msg)
        waited = await _welcome(at, device)
    click.echo(
        f"Device {device.id} is registered."
        + (f" {waited} waiting messages are delivered." if waited else "")
    )


async def _welcome(at: Offices, device: Device) -> int:
    """Tell the broker of the device, and deliver what has waited for it."""
    await at.journal.append(announcement(device.id))
    return await at.journal.replay(kind="unknown-device", device=device.id)


@devices.command("remove")
@click.argument("device_id", metavar="DEVICE")
@config_options
def remove(*, device_id: str, config: Path | None, data: Path | None) -> None:
    """Forget a device. Its entities stay in the broker; what it sends from now on waits as unknown."""
    run_async(_remove(_device_id(device_id), config, data))


async def _remove(device_id: str, config: Path | None, data: Path | None) -> None:
    async with offices(config, data) as at:
        known = await at.registry.remove(device_id)
    if not known:
        msg = f"device {device_id} is not registered"
        raise click.ClickException(msg)
    click.echo(f"Device {device_id} is forgotten.")


def _device_id(text: str) -> str:
    """Return a DevEUI as network servers' envelopes are read: lower case, without separators."""
    eui = re.sub(r"[\s:-]", "", text).lower()
    if re.fullmatch(r"[0-9a-f]{16}", eui):
        return eui
    if not _ID.fullmatch(text):
        msg = f"“{text}” is no DevEUI (16 hex digits) and has characters that an entity's id must not have"
        raise click.BadParameter(msg, param_hint="DEVICE")
    return text


def _place(text: str | None) -> str | None:
    if text is not None and not _ID.fullmatch(text):
        msg = f"“{text}” has characters that an entity's id must not have"
        raise click.BadParameter(msg, param_hint="--place")
    return text


def _type(name: str | None) -> str | None:
    if name is not None and name not in TYPES:
        msg = f"“{name}” is not known; known are {', '.join(sorted(TYPES))}"
        raise click.BadParameter(msg, param_hint="--type")
    return name


def _position(text: str | None) -> Position | None:
    if text is None:
        return None
    try:
        latitude, longitude, *rest = (float(part) for part in text.split(","))
        (altitude,) = rest or (None,)
    except ValueError as error:
        msg = f"“{text}” is not LAT,LON or LAT,LON,ALT"
        raise click.BadParameter(msg, param_hint="--at") from error
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):  # noqa: PLR2004 - degrees
        msg = f"“{text}” is not on earth: latitude comes first"
        raise click.BadParameter(msg, param_hint="--at")
    return Position(longitude=longitude, latitude=latitude, altitude=altitude)


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        msg = f"“{text}” is not NAME=VALUE"
        raise click.BadParameter(msg, param_hint=option)
    return name, value


def _parameters(texts: tuple[str, ...]) -> dict[str, float]:
    found: dict[str, float] = {}
    for text in texts:
        name, value = _pair(text, "--parameter")
        if name not in PARAMETERS | {_PERIOD}:
            msg = f"“{name}” is not known; known are {', '.join(sorted(PARAMETERS | {_PERIOD}))}"
            raise click.BadParameter(msg, param_hint="--parameter")
        try:
            found[name] = float(value)
        except ValueError as error:
            msg = f"{name} must be a number, not “{value}”"
            raise click.BadParameter(msg, param_hint="--parameter") from error
    return found


def _attributes(texts: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        name, value = _pair(text, "--attribute")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value  # a text without its quotes, as a shell leaves it
    return found
