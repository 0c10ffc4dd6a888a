# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme subscriptions`: who is told of changes, declared in a file and made true at the broker."""

from __future__ import annotations

import dataclasses
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from broker.client import NgsiLdClient, NgsiLdError, NotFoundError
from broker.subscription_health import health
from broker.subscriptions import apply as apply_step
from broker.subscriptions import doubts, found, plan, refusals, replace
from compose.commands.common import config_options, run_async, settings_of
from compose.commands.printing import json_option, note, print_json, print_table
from compose.commands.words import ago, clean, examples
from compose.running import read_addresses
from compose.subscriptions import load_subscriptions
from models.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from broker.subscription_health import Health
    from broker.subscriptions import Declared, Found, Step
    from compose.settings import Settings

_FILE = "subscriptions.toml"
_DIFFERS = 2
_SIGNS = {"create": "+", "change": "~", "replace": "±", "revive": "↻", "delete": "-"}
_WORDS = {
    "create": "is to be created",
    "change": "is to be changed",
    "replace": "is to be made anew",
    "revive": "is to be revived",
    "delete": "is to be deleted",
}
_DONE = {
    "create": "created",
    "change": "changed",
    "replace": "made anew",
    "revive": "revived: it notifies again",
    "delete": "deleted",
}
_file_option = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help=f"What is declared.  [default: {_FILE} beside the configuration, or here]",
)


@click.group(
    short_help="Who is told of changes: declared, and made true at the broker.",
    epilog=examples(
        "volme subscriptions plan --config city.toml",
        "volme subscriptions apply --config city.toml",
        "volme subscriptions status --config city.toml",
    ),
)
def subscriptions() -> None:
    """Tell municipal systems of changes, as a file declares it.

    Subscriptions of ours are known by their id, urn:ngsi-ld:Subscription:volme:CITY:NAME; those of others are
    never touched. compose/subscriptions.toml is an example of the file.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class _Desk:
    """What the commands work on."""

    client: NgsiLdClient
    city: str
    kind: str
    declared: tuple[Declared, ...]

    async def found(self) -> list[Found]:
        """Return our subscriptions at the broker."""
        return await found(self.client, self.city, {each.name: each.context for each in self.declared})

    async def plan(self) -> tuple[Step, ...]:
        """Return what differs."""
        return plan(self.declared, await self.found(), city=self.city, now=datetime.now(UTC))


@asynccontextmanager
async def _desk(config: Path | None, data: Path | None, path: Path | None) -> AsyncIterator[_Desk]:
    """Read what is declared, and speak to the broker.

    Raises:
        ConfigurationError: it cannot be read, or this kind of broker does not do it.
    """
    settings = settings_of(config, data)
    entries = load_subscriptions(_chosen(config, path))
    address, kind, token, context_url = _broker(settings)
    declared = tuple(entry.declared(context_url) for entry in entries)
    refused = [
        f"  subscription “{each.name}”: {sentence}." for each in declared for sentence in refusals(each, kind)
    ]
    if refused:
        msg = "\n".join(["this broker does not do what is declared:", *refused])
        raise ConfigurationError(msg)
    for each in declared:
        for sentence in doubts(each, kind):
            note(f"{each.name}: {sentence}.")
    async with NgsiLdClient(
        address, kind=kind, tenant=settings.broker.tenant, token=token, timeout=settings.broker.timeout
    ) as client:
        yield _Desk(client=client, city=settings.city, kind=kind, declared=declared)


def _chosen(config: Path | None, path: Path | None) -> Path:
    """Return the file with what is declared."""
    if path is None:
        path = (config.parent if config is not None else Path()) / _FILE
    if not path.is_file():
        msg = f"there is no {path}: declare in it who is to be told (compose/{_FILE}), or name another --file"
        raise ConfigurationError(msg)
    return path


def _broker(settings: Settings) -> tuple[str, str, str | None, Callable[[str], str]]:
    """Return the broker's address, its kind, the token for it, and where it finds the contexts.

    Raises:
        ConfigurationError: it is the embedded one, which does not run; or nothing says where contexts are.
    """
    running = read_addresses(settings.data)
    web = running.get("web") or settings.web.public_url
    if settings.broker.url is None:
        if not running.get("broker"):
            msg = (
                f"the embedded NGSI-LD broker of {settings.data.absolute()} does not run: start Volme first,"
                " or say with --data or --config where it is"
            )
            raise ConfigurationError(msg)
        keys = settings.broker.embedded.write_keys
        address, kind, token = running["broker"], "embedded", keys[0].read() if keys else None
    else:
        secret = settings.broker.token
        address, kind, token = settings.broker.url, settings.broker.kind, secret.read() if secret else None
    if web is None:
        msg = "nothing says where the broker finds Volme's contexts: set web.public_url, or start Volme"
        raise ConfigurationError(msg)
    base = web.rstrip("/")
    return address, kind, token, lambda subject: f"{base}/contexts/{subject}.jsonld"


@subscriptions.command(
    "plan",
    short_help="Show what differs at the broker.",
    epilog=examples("volme subscriptions plan --config city.toml || echo differs")
    + "\n\n\b\nExit codes:\n  0    nothing to do\n  2    the broker differs, or the command is not clear",
)
@_file_option
@config_options
@json_option
def plan_command(*, path: Path | None, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Show what differs at the broker; nothing is changed."""
    steps = run_async(_plan(config, data, path))
    if as_json:
        print_json([_step(step) for step in steps])
    else:
        _print_steps(steps)
    if steps:
        raise click.exceptions.Exit(_DIFFERS)


async def _plan(config: Path | None, data: Path | None, path: Path | None) -> tuple[Step, ...]:
    async with _desk(config, data, path) as desk:
        return await desk.plan()


@subscriptions.command(
    "apply",
    short_help="Make the broker have what is declared.",
    epilog=examples("volme subscriptions apply --config city.toml"),
)
@_file_option
@config_options
@json_option
def apply_command(*, path: Path | None, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Show what differs at the broker, and change it: create, change, delete, revive what was paused.

    The exit code is 1 if something could not be done; the rest is done all the same.
    """
    done = run_async(_apply(config, data, path, shown=not as_json))
    if as_json:
        print_json([{**_step(step), "error": error} for step, error in done])
    if any(error for _, error in done):
        raise click.exceptions.Exit(1)


async def _apply(
    config: Path | None, data: Path | None, path: Path | None, *, shown: bool
) -> list[tuple[Step, str | None]]:
    async with _desk(config, data, path) as desk:
        steps = await desk.plan()
        if shown:
            _print_steps(steps)
        done = [(step, await _tried(desk, step)) for step in steps]
        await _insist(desk, [step for step, error in done if error is None])
    if shown and done:
        click.echo()
        for step, error in done:
            if error is None:
                click.echo(f"{step.name}: {_DONE[step.action]}")
            else:
                click.secho(
                    f"{step.name}: not {_DONE[step.action].partition(':')[0]}: {clean(error)}", fg="red"
                )
    return done


async def _tried(desk: _Desk, step: Step) -> str | None:
    """Do a step; return why it could not be done."""
    try:
        await apply_step(desk.client, step)
    except NgsiLdError as error:
        return str(error)
    return None


async def _insist(desk: _Desk, done: Sequence[Step]) -> None:
    """Make those anew that a broker said to have changed, and has not; say what still differs."""
    changed = {step.name for step in done if step.action == "change"}
    if not changed:
        return
    for step in await desk.plan():
        if step.name in changed and step.action == "change":
            whole = next(each for each in desk.declared if each.name == step.name)
            document = {"id": step.id, "type": "Subscription", **whole.document}
            try:
                await replace(desk.client, dataclasses.replace(step, document=document))
            except NgsiLdError as error:
                note(
                    f"{step.name}: the broker took the change but did not make it, nor make it anew: {error}"
                )
    for step in await desk.plan():
        if step.name in changed:
            note(f"{step.name}: the broker still shows {'; '.join(map(clean, step.differences))}")


@subscriptions.command(
    "status",
    short_help="Show who was last reached, and when.",
    epilog=examples("volme subscriptions status --config city.toml --json | jq '.[] | select(.problem)'"),
)
@_file_option
@config_options
@json_option
def status_command(*, path: Path | None, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Show of each subscription its last success and failure, and how often it notified.

    The exit code is 1 if something is wrong with one of them.
    """
    found_health = run_async(_status(config, data, path))
    if as_json:
        print_json([{**asdict(each), "problem": each.problem} for each in found_health])
    else:
        _print_health(found_health)
    if any(each.problem for each in found_health):
        raise click.exceptions.Exit(1)


async def _status(config: Path | None, data: Path | None, path: Path | None) -> list[Health]:
    async with _desk(config, data, path) as desk:
        try:
            return health(desk.declared, await desk.found(), datetime.now(UTC))
        except NotFoundError:
            return health(desk.declared, [], datetime.now(UTC))


def _step(step: Step) -> dict[str, Any]:
    """Return a step for scripts, without the secrets in its document."""
    return {
        "action": step.action,
        "name": step.name,
        "id": step.id,
        "differences": list(step.differences),
    }


def _print_steps(steps: Sequence[Step]) -> None:
    for step in steps:
        click.secho(f"{_SIGNS[step.action]} {step.name} {_WORDS[step.action]}", bold=True)
        for line in step.differences:
            click.echo(f"    {clean(line)}")
    if not steps:
        click.echo("The broker has what is declared.")
        return
    counts = Counter(step.action for step in steps)
    click.echo("\n" + ", ".join(f"{count} to {action}" for action, count in counts.items()))


def _print_health(found_health: Sequence[Health]) -> None:
    print_table(
        ("subscription", "status", "sent", "failed", "last success", "last failure"),
        [
            (
                each.name,
                each.status,
                each.sent,
                each.failed,
                _when(each.last_success),
                _when(each.last_failure),
            )
            for each in found_health
        ],
        "Nobody is told of anything.",
    )
    for each in found_health:
        if each.problem is not None:
            click.secho(clean(each.problem), fg="red")


def _when(moment: datetime | None) -> str:
    return "" if moment is None else ago(moment)
