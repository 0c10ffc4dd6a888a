# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme profiles`: what is known of device models."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from adapters.codecs.decoding import TABLES
from adapters.profiles import load_profiles
from compose.commands.common import config_option, settings_of
from compose.commands.printing import json_option, print_json, print_pairs, print_table
from compose.commands.words import examples, nearest
from models.types import TYPES
from ontology.loader import areas, quantities

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from models.device import FieldMapping, Profile

#: Between them stands what `--by-area` prints.
BEGIN: Final = "<!-- begin: volme profiles --by-area -->"
END: Final = "<!-- end: volme profiles --by-area -->"


@click.command(
    short_help="List the device models that are known.",
    epilog=examples(
        "volme profiles",
        "volme profiles dragino-ldds75",
        "volme profiles --config city.toml",
        "volme profiles --table > ontology/devices/README.md",
        "volme profiles --by-area --into README.md",
    ),
)
@click.argument("name", required=False)
@config_option
@json_option
@click.option("--table", is_flag=True, help="Print devices, quantities, types and impact areas as Markdown.")
@click.option("--by-area", is_flag=True, help="Print the same impact area by impact area: shorter.")
@click.option(
    "--into",
    type=click.Path(exists=True, dir_okay=False, writable=True, path_type=Path),
    help="Write what --by-area prints into this file, between its two marks.",
)
def profiles(
    *, name: str | None, config: Path | None, as_json: bool, table: bool, by_area: bool, into: Path | None
) -> None:
    """List the device profiles, or show one: which field is read as which quantity.

    With --config, the operator's own are among them.
    """
    known = load_profiles(settings_of(config, None).profiles)
    if by_area or into is not None:
        _put("\n".join(areas_markdown(known.values())), into)
        return
    if table:
        click.echo("\n".join(markdown(known.values())))
        return
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


def markdown(known: Iterable[Profile]) -> Iterator[str]:
    """Yield the lines of a Markdown page: devices, quantities, types and impact areas."""
    ordered = sorted(known, key=lambda profile: (profile.vendor.lower(), profile.model.lower()))
    yield "<!--"
    # REUSE-IgnoreStart - of the page, not of this file
    yield "SPDX-FileCopyrightText: 2026 The Volme contributors"
    yield "SPDX-License-Identifier: EUPL-1.2"
    # REUSE-IgnoreEnd
    yield "Made by `volme profiles --table`; a test keeps it true."
    yield "-->"
    yield "# Devices"
    yield ""
    yield f"{len(ordered)} profiles; {sum(_by_table(profile) for profile in ordered)} of them are decoded by"
    yield "Volme's own tables, the others by their network server or by what they send in plain text."
    yield ""
    yield "| device | profile | decoded by | quantities | feeds | impact areas |"
    yield "|---|---|---|---|---|---|"
    for profile in ordered:
        quantities_read = ", ".join(sorted({row.quantity for row in profile.fields}))
        served = ", ".join(areas()[name].label_de for name in _served(profile.entity_type))
        yield (
            f"| {profile.vendor} {profile.model} | `{profile.name}` | "
            f"{f'`{profile.codec}`' if _by_table(profile) else 'network server'} | "
            f"{quantities_read} | {profile.entity_type} | {served} |"
        )
    yield ""
    yield "## Impact areas"
    yield ""
    yield "| impact area | devices | types that they feed | types for other sources |"
    yield "|---|---|---|---|"
    fed = {profile.entity_type for profile in ordered}
    for name, area in areas().items():
        types = sorted(kind for kind in TYPES if name in _served(kind))
        devices = sum(name in _served(profile.entity_type) for profile in ordered)
        by_devices = ", ".join(kind for kind in types if kind in fed)
        others = ", ".join(kind for kind in types if kind not in fed)
        yield f"| {area.label_de} ({area.label_en}) | {devices} | {by_devices} | {others} |"


def areas_markdown(known: Iterable[Profile]) -> Iterator[str]:
    """Yield the lines of a Markdown table: of each impact area its devices, quantities and types."""
    ordered = sorted(known, key=lambda profile: (profile.vendor.lower(), profile.model.lower()))
    fed = {profile.entity_type for profile in ordered}
    yield "| impact area | devices | what they measure | types, fed by devices / by other sources |"
    yield "|---|---|---|---|"
    for name, area in areas().items():
        serving = [profile for profile in ordered if name in TYPES[profile.entity_type].areas]
        measured = sorted({row.quantity for profile in serving for row in profile.fields})
        types = sorted(kind for kind, model in TYPES.items() if name in model.areas)
        by_devices = ", ".join(kind for kind in types if kind in fed)
        others = ", ".join(kind for kind in types if kind not in fed) or "none"
        yield (
            f"| {area.label_de} ({area.label_en}) | {len(serving)}: {_by_vendor(serving)} "
            f"| {_by_group(measured)} | {by_devices} / {others} |"
        )


def _by_vendor(known: Iterable[Profile]) -> str:
    models: dict[str, list[str]] = {}
    for profile in known:
        models.setdefault(profile.vendor, []).append(profile.model)
    return "; ".join(f"{vendor} {', '.join(names)}" for vendor, names in models.items())


def _by_group(names: Iterable[str]) -> str:
    """Join quantities' names, those of one group together: `air` (co2, temperature)."""
    groups: dict[str, list[str]] = {}
    for name in names:
        group, _, rest = name.partition(".")
        groups.setdefault(group, []).append(rest)
    return "; ".join(f"{group} ({', '.join(rests)})" for group, rests in groups.items())


def _put(text: str, into: Path | None) -> None:
    if into is None:
        click.echo(text)
        return
    page = into.read_text(encoding="utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        msg = f"{into} has not the two marks {BEGIN} and {END}"
        raise click.ClickException(msg)
    into.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
    click.echo(f"written into {into}")


def _served(entity_type: str) -> tuple[str, ...]:
    """Return the impact areas that a type serves, in the strategy's order."""
    return tuple(name for name in areas() if name in TYPES[entity_type].areas)


def _by_table(profile: Profile) -> bool:
    return profile.codec in TABLES


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
            ("battery", _battery(profile.battery)),
        ]
    )
    click.echo()
    print_table(
        ("field", "quantity", "attribute"),
        [(row.path, row.quantity, _attribute(row, profile.entity_type)) for row in profile.fields],
        "It reads no field.",
    )


def _battery(volts: tuple[float, ...] | None) -> str | None:
    return f"{volts[0]:g} V empty, {volts[-1]:g} V full" if volts else None


def _attribute(row: FieldMapping, entity_type: str) -> str:
    targets = quantities()[row.quantity].targets
    return next(
        (f"{kind}.{targets[kind].attribute}" for kind in (entity_type, "Device") if kind in targets), ""
    )
