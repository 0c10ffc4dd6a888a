# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme devices sync`: the registry follows a network server's own list of devices."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adapters.sync.listing import ListingError
from compose.commands.common import config_options, run_async
from compose.commands.device_options import changes_in_words, office
from compose.commands.printing import json_option, note, print_json, print_table
from compose.commands.words import counted, examples, nearest, verb
from compose.network_sync import (
    LISTED,
    SERVERS,
    Server,
    SyncPlan,
    address_problem,
    apply,
    compare,
    list_devices,
    origin_of,
    sync_dict,
    token_problem,
)
from compose.settings import Secret

if TYPE_CHECKING:
    from adapters.sync.listing import Listed
    from compose.onboarding import Onboarding

_SHOWN = 30


@click.command(
    "sync",
    short_help="Follow a network server's list of devices.",
    epilog=examples(
        "volme devices sync tts --url https://eu1.cloud.thethings.network --application hagen-pegel",
        "volme devices sync chirpstack --url http://localhost:8090 --application 8f3a7c52-… --apply",
        "volme devices sync tts --url … --application hagen --token-file /run/secrets/tts --keep name",
    )
    + "\n\nThe token (an API key that may read devices) comes from the environment or a file, never from the"
    " command line. ChirpStack is asked through its REST proxy, chirpstack-rest-api; places are read from"
    " the tags latitude and longitude there.",
)
@click.argument("kind", metavar="chirpstack|tts", type=click.Choice(list(SERVERS)))
@click.option("--url", required=True, help="The server, such as https://eu1.cloud.thethings.network.")
@click.option(
    "--application",
    required=True,
    help="Id of the application: a UUID in ChirpStack, a name in The Things Stack.",
)
@click.option(
    "--token-env",
    metavar="NAME",
    help="Variable that holds the token.  [default: VOLME_TTS_TOKEN, VOLME_CHIRPSTACK_TOKEN]",
)
@click.option(
    "--token-file", type=click.Path(path_type=Path, dir_okay=False), help="File that holds the token."
)
@click.option("--profile", help="Profile of new devices for which none is known.")
@click.option(
    "--keep",
    type=click.Choice(LISTED),
    multiple=True,
    help="What stays as it is registered, whatever the list says.",
)
@click.option(
    "--apply/--dry-run", "applied", default=False, help="Do it, or only show what differs (default)."
)
@click.option("--retire-gone", is_flag=True, help="With --apply: retire what is not listed any more.")
@click.option("--plain-http", is_flag=True, help="Send the token without encryption to another machine.")
@config_options
@json_option
def sync(
    *,
    kind: str,
    url: str,
    application: str,
    token_env: str | None,
    token_file: Path | None,
    profile: str | None,
    keep: tuple[str, ...],
    applied: bool,
    retire_gone: bool,
    plain_http: bool,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Show what differs between a network server's list of devices and the registry; --apply takes it over.

    New devices get the profile that the server's name of the model, or a tag, leads to. Those that were
    taken from this list once and are not there any more are shown as gone.
    """
    _check(url, plain_http=plain_http)
    token = _token(token_env, token_file, SERVERS[kind].token)
    origin = origin_of(kind, url, application)

    async def work() -> None:
        async with office(config, data) as (at, onboarding):
            _expect_profile(profile, onboarding)
            try:
                listed = await _list(SERVERS[kind], url, token, application)
            except ListingError as error:
                raise click.ClickException(str(error)) from error
            plan = compare(
                listed,
                onboarding.registry.devices,
                onboarding.profiles,
                origin=origin,
                profile=profile,
                keep=keep,
            )
            waited = await apply(plan, onboarding, retire_gone=retire_gone) if applied else 0
        retired = applied and retire_gone
        if as_json:
            print_json(sync_dict(plan, applied=applied, retired=retired, waited=waited))
        else:
            _print(plan, applied=applied, retired=retired)
            if waited:
                then = "being delivered" if at.running else "delivered as soon as Volme runs"
                click.echo(f"{counted(waited, 'message')} that waited {verb(waited, 'is', 'are')} {then}.")

    run_async(work())


def _check(url: str, *, plain_http: bool) -> None:
    wrong = address_problem(url, plain_http=plain_http)
    if wrong is not None:
        hint = ", or --plain-http" if "without encryption" in wrong else ""
        raise click.BadParameter(wrong + hint, param_hint="--url")


def _token(env: str | None, file: Path | None, default: str) -> str:
    if env and file:
        msg = "the token is either in --token-env or in --token-file"
        raise click.UsageError(msg)
    token = (Secret(file=file) if file else Secret(env=env or default)).read()
    wrong = token_problem(token)
    if wrong is not None:
        raise click.UsageError(wrong)
    return token


def _expect_profile(profile: str | None, onboarding: Onboarding) -> None:
    if profile is not None and profile not in onboarding.profiles:
        hint = nearest(profile, onboarding.profiles) or "; `volme profiles` lists them"
        msg = f"there is no profile “{profile}”{hint}"
        raise click.BadParameter(msg, param_hint="--profile")


async def _list(server: Server, url: str, token: str, application: str) -> list[Listed]:
    if not sys.stderr.isatty():
        return await list_devices(server, url, token, application)
    found = await list_devices(
        server,
        url,
        token,
        application,
        lambda number: click.echo(f"\rAsking … {number:,}", nl=False, err=True),
    )
    click.echo("", err=True)
    return found


def _print(plan: SyncPlan, *, applied: bool, retired: bool) -> None:
    rows: list[tuple[str, ...]] = [
        (device.id, "new", device.name or "", device.profile) for device in plan.new
    ]
    rows += [
        (
            change.device.id,
            "changed",
            change.device.name or "",
            changes_in_words(change.changes),
        )
        for change in plan.changed
    ]
    rows += [(device.id, "gone", device.name or "", "retired" if retired else "") for device in plan.gone]
    rows += [
        (each.id, "left", each.name or "", f"no profile fits {' '.join(each.model) or 'it'}")
        for each in plan.left
    ]
    print_table(("device", "", "name", ""), rows[:_SHOWN], "Nothing differs.")
    if len(rows) > _SHOWN:
        click.echo(f"… and {len(rows) - _SHOWN:,} more; --json has all")
    if not rows:
        return
    click.echo(
        f"\n{len(plan.new):,} new, {len(plan.changed):,} changed, {len(plan.gone):,} gone,"
        f" {len(plan.left):,} left, {plan.unchanged:,} unchanged{'; done.' if applied else '.'}"
    )
    if not applied and (plan.devices or plan.gone):
        note("Nothing was changed yet: --apply does it.")
    if applied and plan.gone and not retired:
        note("What is gone stays registered: --retire-gone retires it.")
    if plan.left:
        note("Name a profile for what is left with --profile.")
