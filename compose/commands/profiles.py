# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme profiles`: what is known of device models."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from adapters.profiles import load_profiles
from compose.commands.common import config_option, settings_of
from compose.commands.printing import json_option, print_json, print_pairs, print_table
from compose.commands.words import examples, nearest
from ontology.loader import quantities

if TYPE_CHECKING:
    from pathlib import Path

    from models.device import FieldMapping, Profile


@click.command(
    short_help="List the device models that are known.",
    epilog=examples("volme profiles", "volme profiles dragino-ldds75", "volme profiles --config city.toml"),
)
@click.argument("name", required=False)
@config_option
@json_option
def profiles(*, name: str | None, config: Path | None, as_json: bool) -> None:
    """List the device profiles, or show one: which field is read as which quantity.

    With --config, the operator's own are among them.
    """
    known = load_profiles(settings_of(config, None).profiles)
    if name is None:
        _print_all(list(known.values()), as_json=as_json)
        return
    if name not in known:
        hint = nearest(name, known) or "; `volme profiles` lists them"
        msg = f"there is no profile “{name}”{hint}"
        raise click.ClickException(msg)
    if as_json:
        print_json(asdict(known[name]))
    else:
        _print_one(known[name])


def _print_all(known: list[Profile], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(profile) for profile in known])
        return
    print_table(
        ("profile", "device", "type", "quantities"),
        [
            (
                profile.name,
                f"{profile.vendor} {profile.model}",
                profile.entity_type,
                ", ".join(sorted({row.quantity for row in profile.fields})),
            )
            for profile in known
        ],
        "There are no profiles.",
    )


def _print_one(profile: Profile) -> None:
    print_pairs(
        [
            ("profile", profile.name),
            ("device", f"{profile.vendor} {profile.model}"),
            ("codec", profile.codec),
            ("type", profile.entity_type),
            ("also called", ", ".join(profile.models) or None),
            ("battery", "{:g} V empty, {:g} V full".format(*profile.battery) if profile.battery else None),
        ]
    )
    click.echo()
    print_table(
        ("field", "quantity", "attribute"),
        [(row.path, row.quantity, _attribute(row, profile.entity_type)) for row in profile.fields],
        "It reads no field.",
    )


def _attribute(row: FieldMapping, entity_type: str) -> str:
    targets = quantities()[row.quantity].targets
    return next(
        (f"{kind}.{targets[kind].attribute}" for kind in (entity_type, "Device") if kind in targets), ""
    )
