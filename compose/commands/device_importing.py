# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme devices import` and `export`: the registry as a table, looked at before anything is changed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compose.commands.common import config_options, offices, run_async
from compose.commands.device_files import read_records, write_csv
from compose.commands.device_input import DeviceInputError, written
from compose.commands.device_options import changes_in_words, office
from compose.commands.printing import json_option, note, print_json, print_table
from compose.commands.words import counted, examples, verb
from compose.device_json import plan_dict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from compose.commands.device_files import Record
    from compose.device_plan import Change, Plan
    from compose.onboarding import Onboarding
    from models.device import Device

_SHOWN = 20


@click.command(
    "import",
    short_help="Register or change many devices by a file.",
    epilog=examples(
        "volme devices import devices.csv",
        "volme devices import devices.csv --apply",
        "volme devices import --json devices.csv | jq .errors",
    )
    + "\n\nThe first line of a CSV file names its columns: id, profile, name, latitude, longitude, altitude,"
    " type, place, owner, installed, any parameter by its name, and attribute.<name>. Commas, semicolons"
    " with decimal commas (as German spreadsheets write) and tabs are understood, and DevEUIs in any"
    " common writing. Of a device that is registered already, columns that the file does not have stay as"
    " they are, and empty cells clear.",
)
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--apply/--dry-run", "applied", default=False, help="Do it, or only show what would be done (default)."
)
@config_options
@json_option
def import_devices(
    *, path: Path, applied: bool, config: Path | None, data: Path | None, as_json: bool
) -> None:
    """Show what a file of devices (.csv, .toml, .jsonl) would change; with --apply, change it.

    If anything in the file is wrong, nothing of it is done, and every reason is shown with its line.
    """
    try:
        records = read_records(path)
    except DeviceInputError as error:
        raise click.ClickException(str(error)) from error
    run_async(_import(records, config, data, applied=applied, as_json=as_json))


async def _import(
    records: list[Record], config: Path | None, data: Path | None, *, applied: bool, as_json: bool
) -> None:
    async with office(config, data) as (at, onboarding):
        plan = await _plan(records, onboarding)
        done = applied and not plan.errors
        waited = await _apply(plan, onboarding) if done else 0
    if as_json:
        print_json({**plan_dict(plan, applied=done), "messages": waited})
    else:
        _print(plan, done=done)
        if waited:
            then = "being delivered" if at.running else "delivered as soon as Volme runs"
            click.echo(f"{counted(waited, 'message')} that waited {verb(waited, 'is', 'are')} {then}.")
    if plan.errors:
        raise click.exceptions.Exit(1)


async def _plan(records: list[Record], onboarding: Onboarding) -> Plan:
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=len(records), label="Reading", file=sys.stderr, hidden=hidden) as bar:
        return await onboarding.plan(records, lambda done: bar.update(done - bar.pos))


async def _apply(plan: Plan, onboarding: Onboarding) -> int:
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=1, label="Writing", file=sys.stderr, hidden=hidden) as bar:
        waited = await onboarding.register(plan.devices, overwrite=True)
        bar.update(1)
    return waited


def _print(plan: Plan, *, done: bool) -> None:
    if plan.errors:
        print_table(
            ("line", "device", "why it cannot be used"),
            [(error.row, error.device, error.reason) for error in plan.errors[:_SHOWN]],
            "",
            wrapped=True,
        )
        _more(len(plan.errors))
        wrong = counted(len(plan.errors), "reason")
        click.echo(f"\nNothing was changed: there {verb(len(plan.errors), 'is', 'are')} {wrong} against it.")
        return
    print_table(
        ("device", "", "profile", "name", "what changes"),
        [*_rows_new(plan.new), *_rows_changed(plan.changed)][:_SHOWN],
        "The file says what is registered.",
    )
    _more(len(plan.devices))
    if not plan.devices:
        return
    counts = f"{len(plan.new):,} new, {len(plan.changed):,} changed, {plan.unchanged:,} unchanged"
    click.echo(f"\n{counts}{'; done.' if done else '.'}")
    if not done:
        note("Nothing was changed yet: --apply does it.")


def _rows_new(devices: Iterable[Device]) -> list[tuple[Any, ...]]:
    return [(device.id, "new", device.profile, device.name, "") for device in devices]


def _rows_changed(changes: Iterable[Change]) -> list[tuple[Any, ...]]:
    return [
        (
            change.device.id,
            "changed",
            change.device.profile,
            change.device.name,
            changes_in_words(change.changes),
        )
        for change in changes
    ]


def _more(number: int) -> None:
    if number > _SHOWN:
        click.echo(f"… and {number - _SHOWN:,} more; --json has all")


@click.command(
    "export",
    short_help="Write the registered devices into a file.",
    epilog=examples(
        "volme devices export > devices.csv",
        "volme devices export devices.csv --excel",
        "volme devices export devices.jsonl",
    ),
)
@click.argument("path", metavar="[FILE]", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--excel",
    is_flag=True,
    help="As a German Excel opens it: semicolons, decimal commas, DevEUIs that stay texts.",
)
@config_options
def export(*, path: Path | None, excel: bool, config: Path | None, data: Path | None) -> None:
    """Write the devices in service as CSV (or .jsonl), which `volme devices import` reads back unchanged."""
    devices = run_async(_devices(config, data))
    if path is not None and path.suffix.lower() in {".jsonl", ".ndjson"}:
        text = "".join(f"{json.dumps(written(device), ensure_ascii=False)}\n" for device in devices)
    else:
        text = write_csv(devices, excel=excel)
    if path is None:
        sys.stdout.buffer.write(text.encode())
    else:
        path.write_bytes(text.encode())
        click.echo(f"{counted(len(devices), 'device')} {verb(len(devices), 'is', 'are')} in {path}.")


async def _devices(config: Path | None, data: Path | None) -> list[Device]:
    async with offices(config, data) as at:
        return list(at.registry.devices.values())
