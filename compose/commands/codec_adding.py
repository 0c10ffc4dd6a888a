# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme codecs add`, `list` and `remove`: which vendor's JavaScript decodes which devices."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapters.codecs.javascript import PREFIX, JavaScriptPool, Request
from adapters.fields import pick
from adapters.profiles import load_profiles
from compose.commands.common import config_options, holder, run_async, settings_of
from compose.commands.printing import json_option, note, print_json, print_pairs, print_table
from compose.commands.words import clean, counted, examples, nearest
from compose.data_folder import (
    CODECS,
    OVERRIDE_HEAD,
    PROFILES,
    data_codecs,
    override_text,
    profile_files,
    read_profiles,
)
from models.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.codecs.decoding import Decoded
    from compose.settings import Settings
    from models.device import Profile

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LARGEST = 4 * 1024 * 1024
#: What says that it is the codec which cannot be used, and not the payload that it was tried on.
_UNUSABLE = ("SyntaxError", "it has neither", "was stopped")


@click.command(
    "add",
    short_help="Let a vendor's JavaScript decode a profile's devices.",
    epilog=examples(
        "volme codecs add ws302.js --profile milesight-ws302",
        "volme codecs add ws302.js --profile milesight-ws302 --try 0175640F…:85",
        "volme codecs add elsys.js --profile elsys-ers --profile elsys-ers-co2 --name elsys-vendor",
    ),
)
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--profile",
    "names",
    multiple=True,
    required=True,
    help="Profile whose devices it decodes; may be repeated.",
)
@click.option("--name", "called", help="What to call the codec.  [default: the file's name]")
@click.option("--try", "tried", metavar="HEX[:PORT]", help="A payload to show what comes of it, first.")
@click.option("--replace", "overwrite", is_flag=True, help="Overwrite the codec of this name.")
@config_options
def add(
    *,
    path: Path,
    names: tuple[str, ...],
    called: str | None,
    tried: str | None,
    overwrite: bool,
    config: Path | None,
    data: Path | None,
) -> None:
    """Copy a codec (decodeUplink, Decode or Decoder) into the data folder, and let profiles use it.

    It runs in a child process with limits on time and memory. What a network server has decoded itself is
    read first, as before; `volme translate` shows which codec decoded a message, and every reading says it.
    """
    settings = settings_of(config, data)
    name = (called or re.sub(r"[^a-z0-9_-]+", "-", path.stem.lower()).strip("-_")) or "codec"
    if not _NAME.fullmatch(name):
        msg = f"a codec's name has small letters, digits, - and _, not “{name}”"
        raise click.BadParameter(msg, param_hint="--name")
    profiles = load_profiles(settings.profiles)
    wanted = {each: _profile(each, profiles) for each in names}
    source = _source(path)
    _refuse_taken(settings, name, source, overwrite=overwrite)
    files = {each: _override(settings, each) for each in wanted}
    payload, port = _payload(tried)
    found = run_async(_decode(name, source, payload, port))
    if isinstance(found, CodecError) and (tried or any(sign in found.sentence for sign in _UNUSABLE)):
        msg = f"{clean(found.sentence).rstrip('.')}; nothing was changed"
        raise click.ClickException(msg)
    _write(settings.data / CODECS / f"{name}.js", source)
    for each, file in files.items():
        _write(file, override_text(each, f"{PREFIX}{name}"))
    click.echo(f"The codec {name} is in {settings.data / CODECS / f'{name}.js'}.")
    for each, profile in wanted.items():
        before = "" if profile.codec == f"{PREFIX}{name}" else f" (before: {profile.codec})"
        click.echo(f"Profile {each} is decoded by {PREFIX}{name} from now on{before}.")
        if tried and not isinstance(found, CodecError):
            _show(found, profile)
    if holder(settings.data) is not None:
        note("Volme is running: it takes the codec up within seconds.")


def _profile(name: str, profiles: Mapping[str, Profile]) -> Profile:
    if name not in profiles:
        hint = nearest(name, profiles) or "; `volme profiles` lists them"
        msg = f"there is no profile “{name}”{hint}"
        raise click.BadParameter(msg, param_hint="--profile")
    return profiles[name]


def _source(path: Path) -> str:
    if path.stat().st_size > _LARGEST:
        msg = f"{path} is larger than {_LARGEST // 1024 // 1024} MB, which no codec is"
        raise click.ClickException(msg)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path} is no text in UTF-8"
        raise click.ClickException(msg) from error


def _refuse_taken(settings: Settings, name: str, source: str, *, overwrite: bool) -> None:
    present = settings.javascript.get(name)
    if present is None:
        return
    if present != data_codecs(settings.data).get(name):
        msg = f"the configuration has a codec “{name}” already ({present}); --name calls this one otherwise"
        raise click.ClickException(msg)
    if not overwrite and present.read_text(encoding="utf-8") != source:
        msg = f"there is a codec “{name}” already, which differs; --replace overwrites it"
        raise click.ClickException(msg)


def _override(settings: Settings, profile: str) -> Path:
    """Return the file that changes a profile's codec.

    Raises:
        click.ClickException: the operator has a file with the profile, and that is the place to change it.
    """
    for path in profile_files(settings.data):
        if profile in read_profiles(path) and not _is_ours(path):
            msg = f"{path} has the profile {profile}: write codec = “{PREFIX}…” there"
            raise click.ClickException(msg)
    return settings.data / PROFILES / f"{profile}.codec.toml"


def _is_ours(path: Path) -> bool:
    """Tell whether a file is what `codecs add` wrote: nobody's own."""
    text = path.read_text(encoding="utf-8")
    tables = read_profiles(path)
    return text.startswith(OVERRIDE_HEAD) and all(
        table.keys() == {"like", "codec"} and table["like"] == name for name, table in tables.items()
    )


def _payload(text: str | None) -> tuple[bytes, int]:
    if text is None:
        return b"", 1
    digits, _, port = text.partition(":")
    try:
        return bytes.fromhex(digits), int(port or "1")
    except ValueError as error:
        msg = f"“{text}” is not HEX or HEX:PORT, such as 01A4:85"
        raise click.BadParameter(msg, param_hint="--try") from error


async def _decode(name: str, source: str, payload: bytes, port: int) -> Decoded | CodecError:
    pool = JavaScriptPool({name: source}, workers=1, reserved=0)
    request = Request(codec=f"{PREFIX}{name}", payload=payload, f_port=port, received_at=datetime.now(UTC))
    try:
        return await pool.decode(request)
    except CodecError as error:
        return error
    finally:
        await pool.close()


def _show(decoded: Decoded, profile: Profile) -> None:
    """Show what the codec makes of the payload, and what the profile reads of that."""
    read = {row.path: (row.quantity, pick(decoded.fields, row)) for row in profile.fields}
    used = {path: f"{quantity} = {value}" for path, (quantity, value) in read.items() if value is not None}
    print_pairs([(f"  {name}", value) for name, value in decoded.fields.items()])
    for path, reading in used.items():
        click.echo(f"  → {clean(path)} is read as {reading}")
    if not used:
        names = ", ".join(clean(name) for name in decoded.fields) or "none"
        note(f"Profile {profile.name} reads none of these fields ({names}): it needs [fields] of its own.")


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all: a platform may be starting."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}"
        raise click.ClickException(msg) from error


def _say_restart(settings: Settings) -> None:
    if holder(settings.data) is not None:
        note("Volme is running: what it had at its start it keeps until it is restarted.")


@click.command("list", short_help="List vendors' codecs and the profiles that use them.")
@config_options
@json_option
def list_codecs(*, config: Path | None, data: Path | None, as_json: bool) -> None:
    """List the JavaScript codecs of the configuration and the data folder."""
    settings = settings_of(config, data)
    users = _users(settings)
    rows: list[dict[str, Any]] = [
        {"codec": f"{PREFIX}{name}", "file": str(path), "profiles": users.get(name, [])}
        for name, path in sorted(settings.javascript.items())
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("codec", "decodes", "file"),
        [(row["codec"], ", ".join(row["profiles"]) or "(nothing)", row["file"]) for row in rows],
        "There are none: all devices are decoded by Volme's own tables or their network server.",
    )


def _users(settings: Settings) -> dict[str, list[str]]:
    users: dict[str, list[str]] = {}
    for profile in load_profiles(settings.profiles).values():
        if profile.codec.startswith(PREFIX):
            users.setdefault(profile.codec.removeprefix(PREFIX), []).append(profile.name)
    return users


@click.command(
    "remove",
    short_help="Take a vendor's codec away.",
    epilog=examples("volme codecs remove milesight-ws302"),
)
@click.argument("name", metavar="CODEC")
@config_options
def remove(*, name: str, config: Path | None, data: Path | None) -> None:
    """Delete a codec of the data folder; its profiles are decoded again as they were before."""
    settings = settings_of(config, data)
    name = name.removeprefix(PREFIX)
    path = data_codecs(settings.data).get(name)
    if path is None:
        hint = nearest(name, data_codecs(settings.data)) or "; `volme codecs list` lists them"
        msg = f"there is no codec “{name}” in {settings.data / CODECS}{hint}"
        raise click.ClickException(msg)
    ours = {
        profile: file
        for file in profile_files(settings.data)
        for profile, table in read_profiles(file).items()
        if table.get("codec") == f"{PREFIX}{name}" and _is_ours(file)
    }
    others = sorted(set(_users(settings).get(name, [])) - ours.keys())
    if others:
        msg = f"{', '.join(others)} would be without a codec: change that first"
        raise click.ClickException(msg)
    for file in ours.values():
        file.unlink()
    path.unlink()
    click.echo(f"The codec {name} is gone; {counted(len(ours), 'profile')} used it.")
    _say_restart(settings)
