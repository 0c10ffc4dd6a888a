# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme dead-letters`: what could not be translated or delivered, why, and trying again."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
import orjson

from adapters.profiles import load_profiles
from compose.commands.common import config_options, offices, run_async, settings_of
from compose.commands.options import Kind, Moment
from compose.commands.printing import (
    json_option,
    note,
    print_bytes,
    print_json,
    print_pairs,
    print_table,
    show_json,
)
from compose.commands.steps import print_steps
from compose.commands.trial import print_summary, summary, tried
from compose.commands.words import ago, clean, counted, examples, utc, verb

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from broker.journal.port import Journal, Letter
    from compose.commands.common import Offices

_SHOWN_BYTES = 4000
_SHOWN_LETTERS = 50
_PAGE = 1000


@click.group(
    "dead-letters",
    short_help="List, show and replay what could not be delivered.",
    epilog=examples(
        "volme dead-letters list --since 1d",
        "volme dead-letters show 7",
        "volme dead-letters replay --kind codec --dry-run",
        "volme dead-letters replay --kind codec",
    ),
)
def dead_letters() -> None:
    """List, show and replay messages that could not be translated or delivered."""


def _filters(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--until", type=Moment(), help="Received before this time, or so long ago (2h, 3d)."),
        click.option("--since", type=Moment(), help="Received since this time, or so long ago (2h, 3d)."),
        click.option("--source", metavar="NAME", help="Only this source."),
        click.option("--device", metavar="ID", help="Only this device."),
        click.option("--kind", type=Kind(), help="Only this kind of reason, such as unknown-device."),
    ):
        command = option(command)
    return command


_FILTERS = ("kind", "device", "source", "since", "until")


def _chosen(said: dict[str, Any]) -> dict[str, Any]:
    return {name: said[name] for name in _FILTERS}


@dead_letters.command("list")
@_filters
@click.option("--all", "also_replayed", is_flag=True, help="Also those that were replayed.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    metavar="NUMBER",
    help="How many.",
)
@config_options
@json_option
def list_letters(
    *, also_replayed: bool, limit: int, config: Path | None, data: Path | None, as_json: bool, **said: Any
) -> None:
    """List dead letters, newest first, with their reasons."""
    state = None if also_replayed else "waiting"
    run_async(_list(_chosen(said), config, data, state=state, limit=limit, as_json=as_json))


async def _list(
    chosen: dict[str, Any],
    config: Path | None,
    data: Path | None,
    *,
    state: Any,
    limit: int,
    as_json: bool,
) -> None:
    async with offices(config, data) as at:
        letters = await at.journal.dead_letters(**chosen, state=state, limit=limit)
        counts = await at.journal.dead_letter_counts()
    if as_json:
        print_json([_as_dict(letter) for letter in letters])
        return
    _print_letters(
        letters, "There is no such dead letter." if any(counts.values()) else "There are no dead letters."
    )
    total = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()) if count)
    if total:
        click.echo(f"\nwaiting in all: {total}")


def _print_letters(letters: list[Letter], empty: str) -> None:
    replayed = any(letter.state == "replayed" for letter in letters)
    print_table(
        ("id", "received", "source", "kind", *(("state",) if replayed else ()), "reason"),
        [
            (
                str(letter.id),
                ago(letter.received_at),
                letter.source,
                letter.kind,
                *((letter.state,) if replayed else ()),
                letter.sentence,
            )
            for letter in letters
        ],
        empty,
        wrapped=True,
    )


@dead_letters.command("show")
@click.argument("letter_id", type=int, metavar="ID")
@click.option("--raw", is_flag=True, help="Only the message as it was received, byte by byte.")
@config_options
@json_option
def show(*, letter_id: int, raw: bool, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Show one dead letter: its reason, its details and the message."""
    letter = run_async(_show(letter_id, config, data))
    if raw:
        print_bytes(letter.payload or b"")
    elif as_json:
        print_json(_as_dict(letter))
    else:
        _print_letter(letter)


async def _show(letter_id: int, config: Path | None, data: Path | None) -> Letter:
    async with offices(config, data) as at:
        letter = await at.journal.dead_letter(letter_id)
    if letter is None:
        msg = f"there is no dead letter {letter_id}; `volme dead-letters list --all` lists all"
        raise click.ClickException(msg)
    return letter


def _print_letter(letter: Letter) -> None:
    payload = letter.payload or b""
    click.secho(clean(letter.sentence) + "\n", fg="red")
    print_pairs(
        [
            ("kind", letter.kind),
            ("device", letter.device_id),
            ("source", letter.source),
            ("topic", letter.topic),
            ("received", f"{utc(letter.received_at)} ({ago(letter.received_at)})"),
            ("state", letter.state),
            ("replayed", utc(letter.replayed_at) if letter.replayed_at else None),
            ("replay of", letter.replay_of),
            ("size", counted(letter.size, "byte")),
        ]
    )
    if letter.detail:
        click.echo("\ndetail")
        show_json(letter.detail)
    click.echo("\nmessage")
    _print_payload(payload)
    click.echo(f"\nTry it:   volme dead-letters show {letter.id} --json | volme translate -")
    if letter.state == "waiting":
        click.echo(f"Replay:   volme dead-letters replay {letter.id}")


def _print_payload(payload: bytes) -> None:
    if len(payload) <= _SHOWN_BYTES:
        try:
            return show_json(orjson.loads(payload))
        except orjson.JSONDecodeError:
            pass  # shown as it is
    for line in payload[:_SHOWN_BYTES].decode(errors="backslashreplace").splitlines():
        click.echo(clean(line))
    if len(payload) > _SHOWN_BYTES:
        click.echo(f"… and {len(payload) - _SHOWN_BYTES:,} bytes more (--raw gives them all)")
    return None


@dead_letters.command(
    "replay",
    epilog=examples(
        "volme dead-letters replay 7 8",
        "volme dead-letters replay --kind codec --since 3d --dry-run",
        "volme dead-letters replay --everything",
    ),
)
@click.argument("ids", type=int, nargs=-1, metavar="[ID]...")
@_filters
@click.option("--everything", is_flag=True, help="All that wait, without a filter.")
@click.option("--dry-run", is_flag=True, help="Only show what would become of them now; nothing is sent.")
@config_options
@json_option
def replay(
    *,
    ids: tuple[int, ...],
    everything: bool,
    dry_run: bool,
    config: Path | None,
    data: Path | None,
    as_json: bool,
    **said: Any,
) -> None:
    """Try messages again, after codec, profile or device were mended."""
    chosen = _chosen(said)
    filtered = any(chosen.values())
    if not ids and not everything and not filtered:
        msg = "name ids or a filter, or say --everything; --dry-run shows what would be tried"
        raise click.UsageError(msg)
    if everything and (ids or filtered):
        msg = "--everything goes without ids and filters"
        raise click.UsageError(msg)
    work = _would_replay if dry_run else _replay
    run_async(work(ids, chosen, config, data, as_json=as_json))


async def _replay(
    ids: tuple[int, ...], chosen: dict[str, Any], config: Path | None, data: Path | None, *, as_json: bool
) -> None:
    async with offices(config, data) as at:
        left_out = await _left_out(ids, chosen, at) if ids else []
        count = await at.journal.replay(ids or None, **chosen, progress=_progress())
    if as_json:
        print_json({"messages": count, "leftOut": left_out})
    else:
        _print_replayed(count, at)
        _print_left_out(left_out)
    if left_out:
        raise click.exceptions.Exit(1)


def _progress() -> Callable[[int], None] | None:
    """Return what shows people how far a long replay has come."""
    if not sys.stderr.isatty():
        return None

    def show(count: int) -> None:
        click.echo(f"\r{count:,} messages …", err=True, nl=False)

    return show


def _print_replayed(count: int, at: Offices) -> None:
    if not count:
        click.echo("Nothing is tried again: no dead letter that waits is of this choice.")
        return
    if sys.stderr.isatty():
        click.echo("\r", err=True, nl=False)
    later = "" if at.running else " as soon as Volme runs"
    click.echo(f"{counted(count, 'message')} {verb(count, 'is', 'are')} tried again{later}.")
    click.echo("What fails again is in `volme dead-letters list`.")


async def _would_replay(
    ids: tuple[int, ...], chosen: dict[str, Any], config: Path | None, data: Path | None, *, as_json: bool
) -> None:
    # As the platform itself: without a configuration, with the simulator whose plain topics it reads.
    settings = settings_of(config, data, simulator__enabled=True if config is None else None)
    async with offices(config, data) as at:
        left_out = await _left_out(ids, chosen, at) if ids else []
        letters = [letter for letter in await _waiting(chosen, at.journal) if not ids or letter.id in ids]
        trials = [trial async for trial in tried(letters, at, settings)]
    if as_json:
        by_message = {trial.letter.seq: trial for trial in trials}
        shown = [
            _as_dict(letter)
            | ({"would": by_message[letter.seq].as_dict()} if letter.seq in by_message else {})
            for letter in letters
        ]
        print_json({"messages": len(trials), "would": summary(trials), "leftOut": left_out, "letters": shown})
    else:
        _print_letters(letters[:_SHOWN_LETTERS], "No dead letter that waits is of this choice.")
        if len(letters) > _SHOWN_LETTERS:
            click.echo(f"… and {len(letters) - _SHOWN_LETTERS:,} more")
        if trials:
            click.echo()
        if len(trials) == 1 and (done := trials[0].translation) is not None:
            profiles = load_profiles(settings.profiles)
            print_steps(done, profiles.get(done.device.profile) if done.device else None)
            click.echo()
        print_summary(trials)
        click.echo(f"\n{counted(len(trials), 'message')} would be tried again. Nothing was done.")
        _print_left_out(left_out)
    if left_out:
        raise click.exceptions.Exit(1)


async def _waiting(chosen: dict[str, Any], journal: Journal) -> list[Letter]:
    """Return every waiting letter of a choice, newest first."""
    found: list[Letter] = []
    before: int | None = None
    while page := await journal.dead_letters(**chosen, limit=_PAGE, before=before):
        found += page
        before = page[-1].id
    return found


async def _left_out(ids: tuple[int, ...], chosen: dict[str, Any], at: Offices) -> list[dict[str, Any]]:
    """Return which of the named letters cannot be replayed, and why."""
    found = []
    for number in dict.fromkeys(ids):
        letter = await at.journal.dead_letter(number)
        reason = _why_not(letter, chosen)
        if reason is not None:
            found.append({"id": number, "reason": reason})
    return found


def _why_not(letter: Letter | None, chosen: dict[str, Any]) -> str | None:
    if letter is None:
        return "there is no such dead letter"
    if letter.state == "replayed":
        return f"it was replayed at {utc(letter.replayed_at)}" if letter.replayed_at else "it was replayed"
    same = {"kind": letter.kind, "device": letter.device_id, "source": letter.source}
    fits = all(chosen[name] in (None, value) for name, value in same.items())
    late_enough = chosen["since"] is None or letter.received_at >= chosen["since"]
    early_enough = chosen["until"] is None or letter.received_at < chosen["until"]
    return None if fits and late_enough and early_enough else "the filter leaves it out"


def _print_left_out(left_out: list[dict[str, Any]]) -> None:
    for entry in left_out:
        note(f"not {entry['id']}: {entry['reason']}")


def _as_dict(letter: Letter) -> dict[str, Any]:
    found = asdict(letter)
    payload = found.pop("payload")
    if payload is not None:
        try:
            found["payload"] = payload.decode()
        except UnicodeDecodeError:
            found["payload_hex"] = payload.hex()
    return found
