# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme devices add`: one device from the command line, or many from a file, all or none."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import asyncpg
import click

from adapters.build import entity_id
from adapters.profiles import load_profiles
from adapters.registry import Registry
from compose.commands.common import config_options, offices, run_async
from compose.commands.device_files import Record, read_records
from compose.commands.device_input import SETTABLE, DeviceInputError, advice, read_device
from compose.commands.options import Moment
from compose.commands.printing import note
from compose.commands.words import counted, examples, verb
from compose.readers import announcement
from models.errors import StoreError, UnknownDeviceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from broker.journal.port import PendingDevice
    from compose.commands.common import Offices
    from models.device import Device, Profile
    from store.postgres import Connection, Pool

_REASONS_SHOWN = 20
_COMMAND_LINE = ""


@click.command(
    epilog=examples(
        "volme devices add 70B3D57ED0581234 --profile decentlab-dl-atm41 --at 51.359,7.472",
        "volme devices add 70B3D57ED0581235 --profile dragino-ldds75 --parameter reference_level=4.2",
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
    "--profile",
    help="Device profile: see `volme profiles`.  [default: the one that fits what the network server said"
    " of a device that waits]",
)
@click.option("--name", "called", help="What people call it.")
@click.option(
    "--at", "position", metavar="LAT,LON[,ALT]", help="Where it hangs, WGS 84, such as 51.359,7.472."
)
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
    given = {
        "id": name,
        "name": said["called"],
        "profile": said["profile"],
        "type": said["entity_type"],
        "place": said["place"],
        "owner": said["owner"],
        "installed": said["installed"],
        **_position(position),
        "parameters": dict(_pair(text, "--parameter") for text in parameters),
        "attributes": dict(_pair(text, "--attribute") for text in attributes),
    }
    said_here = {key for key, value in given.items() if value}
    if path is not None and said_here:
        msg = f"--file has everything: leave {', '.join(sorted(said_here))} out"
        raise click.UsageError(msg)
    if path is None and not name:
        msg = "name a DEVICE, or a file of them: --file devices.csv"
        raise click.UsageError(msg)
    try:
        records = [Record(where=_COMMAND_LINE, given=given)] if path is None else read_records(path)
    except DeviceInputError as error:
        raise click.ClickException(str(error)) from error
    run_async(_add(records, config, data, overwrite=overwrite))


def _position(text: str | None) -> dict[str, str]:
    if text is None:
        return {}
    parts = text.replace(";", ",").split(",")
    if len(parts) not in (2, 3) or not all(part.strip() for part in parts):
        msg = f"“{text}” is not LAT,LON or LAT,LON,ALT, such as 51.359,7.472"
        raise click.BadParameter(msg, param_hint="--at")
    return dict(zip(("latitude", "longitude", "altitude"), parts, strict=False))


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        msg = f"“{text}” is not NAME=VALUE"
        raise click.BadParameter(msg, param_hint=option)
    return name.strip(), value


async def _add(records: list[Record], config: Path | None, data: Path | None, *, overwrite: bool) -> None:
    async with offices(config, data) as at:
        profiles = load_profiles(at.settings.profiles)
        devices = _devices(records, profiles, await _models(at))
        _refuse_known(devices, at, overwrite=overwrite)
        await _register(list(devices.values()), at.pool, overwrite=overwrite)
        waited = 0
        for device in devices.values():
            await at.journal.append(announcement(device.id))
            waited += await at.journal.replay(kind=UnknownDeviceError.kind, device=device.id)
    _report(list(devices.values()), profiles, at, waited)


async def _models(at: Offices) -> dict[str, tuple[str, ...]]:
    return {waiting.device_id: model_of(waiting) for waiting in await at.journal.unknown_devices()}


def model_of(device: PendingDevice) -> tuple[str, ...]:
    """Return what the network server calls a waiting device's model."""
    return tuple(str(part) for part in device.detail.get("model") or ())


def _devices(
    records: list[Record], profiles: Mapping[str, Profile], models: Mapping[str, tuple[str, ...]]
) -> dict[str, Device]:
    """Return what the records say, by where; all that is wrong is said at once.

    Raises:
        click.UsageError: the command line is wrong.
        click.ClickException: the file is; nothing of it was registered.
    """
    found: dict[str, Device] = {}
    where_of: dict[str, str] = {}
    wrong: list[str] = []
    for record in records:
        try:
            device = read_device(record.given, profiles, models)
        except DeviceInputError as error:
            wrong += [f"{record.where}: {reason}" if record.where else reason for reason in error.reasons]
            continue
        if device.id in where_of:
            wrong.append(f"{record.where}: device {device.id} is there twice (also {where_of[device.id]})")
        where_of[device.id] = record.where
        found[record.where] = device
    if wrong and records[0].where == _COMMAND_LINE:
        raise click.UsageError("; ".join(wrong))
    _refuse(wrong)
    return found


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


class _OneConnection:
    """Gives out one connection again and again, as if it were a pool: everything in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        yield self._connection


async def _register(devices: list[Device], pool: Pool, *, overwrite: bool) -> None:
    """Write all devices or, if anything goes wrong, none.

    Raises:
        click.ClickException: somebody else has just registered one of them; none was written.
        StoreError: none was written.
    """
    try:
        async with pool.acquire() as connection, connection.transaction():
            registry = Registry(cast("Pool", _OneConnection(connection)))
            for device in devices:
                if not await registry.add(device, replace=overwrite):
                    _refuse([f"device {device.id} has just been registered by somebody else"])
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        msg = f"nothing was registered: {error}"
        raise StoreError(msg) from error


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
