# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme journal`: how much the log of messages takes, and deleting for privacy what it has of devices."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from adapters.networks.envelope import read_uplink
from broker.journal.port import Forgotten, is_forgotten
from compose.commands.common import config_options, offices, run_async, settings_of
from compose.commands.printing import json_option, note, print_json, print_table
from compose.commands.words import counted, examples, verb
from compose.readers import source_readers
from models.errors import MessageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from compose.settings import Settings
    from models.message import Message
    from models.uplink import Uplink

_MB = 2**20
_DEV_EUI = re.compile("[0-9A-Fa-f]{16}")


@click.group(
    short_help="The log of messages: its size, and deleting for privacy.",
    epilog=examples("volme journal size", "volme journal forget 70b3d57ed0000001"),
)
def journal() -> None:
    """Look after the log of messages, from which the broker is fed."""


@journal.command("size")
@config_options
@json_option
def size(*, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Say how much the log takes on disk, by the day."""
    run_async(_size(config, data, as_json=as_json))


async def _size(config: Path | None, data: Path | None, *, as_json: bool) -> None:
    async with offices(config, data) as at:
        sizes = await at.journal.size()
        account = await at.journal.account()
    total = sum(sizes.values())
    if as_json:
        days = {str(day): taken for day, taken in sizes.items()}
        print_json({"bytes": total, "pending": account.pending, "days": days})
        return
    print_table(
        ("day (UTC)", "MB"),
        [(str(day), f"{taken / _MB:.1f}") for day, taken in sizes.items()],
        "The log is empty.",
    )
    click.echo(f"\n{total / _MB:.1f} MB in all; {counted(account.pending, 'message')} not yet delivered.")


@journal.command(
    "forget",
    short_help="Delete, for privacy, what the log has of devices.",
    epilog=examples(
        "volme journal forget 70b3d57ed0000001",
        "volme journal forget 70b3d57ed0000001 70b3d57ed0000002 --yes",
    ),
)
@click.argument("devices", nargs=-1, required=True, metavar="DEVICE...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_options
@json_option
def forget(
    *, devices: tuple[str, ...], yes: bool, config: Path | None, data: Path | None, as_json: bool
) -> None:
    """Delete what the log has of devices: their messages, dead letters, and when they were heard.

    What was delivered to the broker already stays there, and so does their registration. The counts
    of messages stay true: an emptied message keeps its number and its source.
    """
    done = run_async(_forget(devices, config, data, yes=yes, as_json=as_json))
    if as_json:
        print_json(asdict(done))
        return
    click.echo(
        f"{counted(done.messages, 'message')} {verb(done.messages, 'is', 'are')} emptied,"
        f" {counted(done.letters, 'dead letter')} deleted."
    )
    note(
        "PostgreSQL overwrites freed space by and by; its backups and archived write-ahead log keep what"
        " they have. In the broker: `DELETE /ngsi-ld/v1/entities/…`."
    )


async def _forget(
    devices: tuple[str, ...], config: Path | None, data: Path | None, *, yes: bool, as_json: bool
) -> Forgotten:
    # As the platform itself: without a configuration, with the simulator whose plain topics it reads.
    settings = settings_of(config, data, simulator__enabled=True if config is None else None)
    async with offices(config, data) as at:
        names = {_spelled(device) for device in devices}
        matches = of_devices(names, settings)
        if not yes:
            if as_json:
                msg = "with --json there is nobody to ask: say --yes"
                raise click.UsageError(msg)
            would = await at.journal.forget(matches, names, only_count=True)
            if would == Forgotten() and not await at.journal.activity(names):
                click.echo("The log has nothing of them.")
                return would
            click.echo(
                f"{counted(would.messages, 'message')} of {', '.join(sorted(names))} would be emptied for"
                f" good, {counted(would.letters, 'dead letter')} deleted, and when they were heard."
            )
            if at.running:
                click.echo("Volme runs: a message that it is delivering just now is delivered.")
            click.confirm("Delete them?", abort=True)
        return await at.journal.forget(matches, names)


def _spelled(device: str) -> str:
    """Return the id that is meant: of LoRaWAN devices it is in small letters."""
    return device.lower() if _DEV_EUI.fullmatch(device) else device


def of_devices(devices: AbstractSet[str], settings: Settings) -> Callable[[Message], bool]:
    """Return what says whether a message is of one of the devices.

    Where its envelope cannot be read, it is one of theirs if their id is a part of the topic or a
    whole text in the payload.
    """
    readers: Mapping[str, Callable[[Message], Uplink]] = source_readers(settings)
    ids = "|".join(re.escape(device) for device in devices)
    in_topic = re.compile(f"(?:^|[/\\s])(?:{ids})(?:$|[/\\s])", re.IGNORECASE)
    in_payload = re.compile(f'"(?:{ids})"'.encode(), re.IGNORECASE)

    def matches(message: Message) -> bool:
        if is_forgotten(message):
            return False
        try:
            return readers.get(message.source, read_uplink)(message).device_id in devices
        except MessageError as problem:
            if problem.device_id is not None:
                return problem.device_id in devices
        return bool(in_topic.search(message.topic) or in_payload.search(message.payload))

    return matches
