# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme devices add`: one device from the command line, or many from a file, all or none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapters.build import entity_id
from adapters.profiles import find_profile
from adapters.tr005 import Label, LabelError, read_label
from compose.commands.common import config_options, run_async
from compose.commands.device_files import Record, read_records
from compose.commands.device_input import SETTABLE, DeviceInputError, advice
from compose.commands.device_options import at_option, office, position_of
from compose.commands.options import Moment
from compose.commands.printing import note
from compose.commands.words import counted, examples, verb
from compose.device_plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compose.commands.common import Offices
    from models.device import Device, Profile

_REASONS_SHOWN = 20
_COMMAND_LINE = ""


@click.command(
    epilog=examples(
        "volme devices add 70B3D57ED0581234 --profile decentlab-dl-atm41 --at 51.359,7.472",
        "volme devices add 70B3D57ED0581235 --profile dragino-ldds75 --parameter reference_level=4.2",
        "volme devices add --qr 'LW:D0:1122334455667788:70B3D57ED0581236:AABB1122' --profile elsys-ers",
        "volme devices add --file devices.csv",
    )
    + "\n\nA CSV file names its columns in the first line: id, profile, name, latitude, longitude, altitude,"
    " type, place, owner, installed, any parameter by its name, and attribute.<name>. Commas, semicolons"
    " (with decimal commas) and tabs are understood. A TOML file has [[device]] tables, a .jsonl file an"
    " object a line, with the same names. If anything in a file is wrong, nothing of it is registered."
)
@click.argument("name", metavar="[DEVICE]", required=False)
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Many devices: a .csv, .toml or .jsonl file.",
)
@click.option(
    "--qr",
    metavar="TEXT",
    help="What the QR code on the device says (LoRa Alliance TR005), in place of DEVICE; - reads it from"
    " the input. Profiles name it among their models: tr005/<profile id>.",
)
@click.option(
    "--profile",
    help="Device profile: see `volme profiles`.  [default: the one that fits what the network server said"
    " of a device that waits]",
)
@click.option("--name", "called", help="What people call it.")
@at_option("Where it hangs, WGS 84, such as 51.359,7.472.")
@click.option("--type", "entity_type", help="Smart Data Models type that it feeds.  [default: the profile's]")
@click.option("--place", help="Last part of the entity's id, where several devices feed one entity.")
@click.option("--owner", help="Who answers for it.")
@click.option("--installed", type=Moment(), help="Since when it hangs there, such as 2026-03-01.")
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=NUMBER",
    help=f"What its readings need to know of the place: {', '.join(sorted(SETTABLE))}.",
)
@click.option(
    "--attribute",
    "attributes",
    multiple=True,
    metavar="NAME=JSON",
    help="What is known of the entity and never measured, such as category='[\"onstreet\"]'.",
)
@click.option("--replace", "overwrite", is_flag=True, help="Overwrite what is registered.")
@config_options
def add(
    *,
    name: str | None,
    path: Path | None,
    position: str | None,
    parameters: tuple[str, ...],
    attributes: tuple[str, ...],
    overwrite: bool,
    config: Path | None,
    data: Path | None,
    **said: Any,
) -> None:
    """Register a device (DevEUI, or the id in a plain MQTT topic), or all those of a file.

    What they sent while they were unknown is delivered now.
    """
    label = _label(said["qr"], name)
    given = {
        "id": label.dev_eui if label else name,
        "name": said["called"],
        "profile": said["profile"],
        "type": said["entity_type"],
        "place": said["place"],
        "owner": said["owner"],
        "installed": said["installed"],
        **position_of(position),
        "parameters": dict(_pair(text, "--parameter") for text in parameters),
        "attributes": dict(_pair(text, "--attribute") for text in attributes),
    }
    said_here = {key for key, value in given.items() if value}
    if path is not None and said_here:
        msg = f"--file has everything: leave {', '.join(sorted(said_here))} out"
        raise click.UsageError(msg)
    if path is None and not given["id"]:
        msg = "name a DEVICE, or a file of them: --file devices.csv"
        raise click.UsageError(msg)
    try:
        records = [Record(where=_COMMAND_LINE, given=given)] if path is None else read_records(path)
    except DeviceInputError as error:
        raise click.ClickException(str(error)) from error
    run_async(_add(records, label, config, data, overwrite=overwrite))


def _label(text: str | None, name: str | None) -> Label | None:
    if text is None:
        return None
    if name is not None:
        msg = "the QR code names the device: leave DEVICE out"
        raise click.UsageError(msg)
    try:
        return read_label(sys.stdin.readline() if text == "-" else text)
    except LabelError as error:
        raise click.BadParameter(str(error), param_hint="--qr") from error


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        msg = f"“{text}” is not NAME=VALUE"
        raise click.BadParameter(msg, param_hint=option)
    return name.strip(), value


async def _add(
    records: list[Record], label: Label | None, config: Path | None, data: Path | None, *, overwrite: bool
) -> None:
    async with office(config, data) as (at, onboarding):
        profiles = onboarding.profiles
        models = await _models(at)
        if label and find_profile(profiles, models.get(label.dev_eui, ())) is None:
            models[label.dev_eui] = label.names
        devices = _devices(records, profiles, models)
        _refuse_known(devices, at, overwrite=overwrite)
        waited = await onboarding.register(list(devices.values()), overwrite=overwrite)
    _report(list(devices.values()), profiles, at, waited)


async def _models(at: Offices) -> dict[str, tuple[str, ...]]:
    return {
        waiting.device_id: tuple(str(part) for part in waiting.detail.get("model") or ())
        for waiting in await at.journal.unknown_devices()
    }


def _devices(
    records: list[Record], profiles: Mapping[str, Profile], models: Mapping[str, tuple[str, ...]]
) -> dict[str, Device]:
    """Return what the records say, by where; all that is wrong is said at once.

    Raises:
        click.UsageError: the command line is wrong.
        click.ClickException: the file is; nothing of it was registered.
    """
    plan = make_plan(records, {}, profiles, models)
    wrong = [f"{error.where}: {error.reason}" if error.where else error.reason for error in plan.errors]
    if wrong and records[0].where == _COMMAND_LINE:
        raise click.UsageError("; ".join(wrong))
    _refuse(wrong)
    return dict(zip((record.where for record in records), plan.new, strict=True))


def _refuse_known(devices: Mapping[str, Device], at: Offices, *, overwrite: bool) -> None:
    if overwrite:
        return
    known = [(where, device.id) for where, device in devices.items() if device.id in at.registry.devices]
    _refuse(
        [
            f"{where}{': ' if where else ''}device {name} is registered already; --replace overwrites it"
            for where, name in known
        ]
    )


def _refuse(wrong: list[str]) -> None:
    if wrong:
        more = len(wrong) - _REASONS_SHOWN
        shown = wrong[:_REASONS_SHOWN] + ([f"… and {more} more"] if more > 0 else [])
        nothing = ["Nothing was registered."] if len(wrong) > 1 or ", line" in wrong[0] else []
        raise click.ClickException("\n".join(shown + nothing))


def _report(devices: list[Device], profiles: Mapping[str, Profile], at: Offices, waited: int) -> None:
    if len(devices) == 1:
        (device,) = devices
        profile = profiles[device.profile]
        entity = entity_id(
            device.entity_type or profile.entity_type, at.settings.city, device.place or device.id
        )
        click.echo(f"Device {device.id} ({profile.name}) is registered; it feeds {entity}.")
    else:
        click.echo(f"{counted(len(devices), 'device')} are registered.")
    if waited:
        then = "being delivered" if at.running else "delivered as soon as Volme runs"
        click.echo(f"{counted(waited, 'message')} that waited {verb(waited, 'is', 'are')} {then}.")
    for sentence, names in _advised(devices, profiles).items():
        such = f" ({names[0]})" if len(names) == 1 else f" ({len(names)} devices, such as {names[0]})"
        note(sentence + ("" if len(devices) == 1 else such))


def _advised(devices: list[Device], profiles: Mapping[str, Profile]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for device in devices:
        for sentence in advice(device, profiles[device.profile]):
            found.setdefault(sentence, []).append(device.id)
    return found
