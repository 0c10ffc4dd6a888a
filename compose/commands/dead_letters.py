# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme dead-letters`: what could not be translated or delivered, why, and trying again."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from compose.commands.common import (
    ago,
    config_options,
    json_option,
    offices,
    print_json,
    print_table,
    run_async,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from broker.journal.port import Letter

_SHOWN_BYTES = 2000


@click.group("dead-letters")
def dead_letters() -> None:
    """List, show and replay messages that could not be translated or delivered."""


def _filters(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--kind", help="Only this kind of reason, such as unknown-device."),
        click.option("--device", help="Only this device."),
        click.option("--source", help="Only this source."),
        click.option("--since", type=click.DateTime(), help="Received at or after this time (UTC)."),
        click.option("--until", type=click.DateTime(), help="Received before this time (UTC)."),
    ):
        command = option(command)
    return command


def _chosen(
    kind: str | None,
    device: str | None,
    source: str | None,
    since: datetime | None,
    until: datetime | None,
) -> dict[str, Any]:
    return {
        "kind": kind,
        "device": device,
        "source": source,
        "since": since.replace(tzinfo=UTC) if since else None,
        "until": until.replace(tzinfo=UTC) if until else None,
    }


@dead_letters.command("list")
@_filters
@click.option("--all", "also_replayed", is_flag=True, help="Also those that were replayed.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@config_options
@json_option
def list_letters(
    *,
    kind: str | None,
    device: str | None,
    source: str | None,
    since: datetime | None,
    until: datetime | None,
    also_replayed: bool,
    limit: int,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """List dead letters, newest first, with their reasons."""
    chosen = _chosen(kind, device, source, since, until)
    run_async(
        _list(chosen, config, data, state=None if also_replayed else "waiting", limit=limit, as_json=as_json)
    )


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
    print_table(
        ("id", "received", "source", "kind", "reason"),
        [
            (letter.id, ago(letter.received_at), letter.source, letter.kind, letter.sentence)
            for letter in letters
        ],
        "There are no dead letters.",
    )
    if letters:
        total = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
        click.echo(f"\nwaiting in all: {total or 'none'}")


@dead_letters.command("show")
@click.argument("letter_id", type=int, metavar="ID")
@config_options
@json_option
def show(*, letter_id: int, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Show one dead letter: its reason, its details and the raw message."""
    run_async(_show(letter_id, config, data, as_json=as_json))


async def _show(letter_id: int, config: Path | None, data: Path | None, *, as_json: bool) -> None:
    async with offices(config, data) as at:
        letter = await at.journal.dead_letter(letter_id)
    if letter is None:
        msg = f"there is no dead letter {letter_id}"
        raise click.ClickException(msg)
    if as_json:
        print_json(_as_dict(letter))
        return
    payload = letter.payload or b""
    click.echo(f"{letter.sentence}\n")
    print_table(
        ("", ""),
        [
            ("kind", letter.kind),
            ("device", letter.device_id),
            ("source", letter.source),
            ("topic", letter.topic),
            ("received", f"{letter.received_at:%Y-%m-%d %H:%M:%S} UTC"),
            ("state", letter.state),
            ("size", f"{letter.size:,} bytes"),
        ],
        "",
    )
    if letter.detail:
        click.echo("\ndetail")
        print_json(letter.detail)
    click.echo("\nmessage")
    click.echo(payload[:_SHOWN_BYTES].decode(errors="backslashreplace"))
    if len(payload) > _SHOWN_BYTES:
        click.echo(f"… and {len(payload) - _SHOWN_BYTES:,} bytes more (--json has them all)")


@dead_letters.command("replay")
@click.argument("ids", type=int, nargs=-1, metavar="[ID]...")
@_filters
@click.option("--everything", is_flag=True, help="All that wait, without a filter.")
@config_options
def replay(
    *,
    ids: tuple[int, ...],
    kind: str | None,
    device: str | None,
    source: str | None,
    since: datetime | None,
    until: datetime | None,
    everything: bool,
    config: Path | None,
    data: Path | None,
) -> None:
    """Try messages again, after codec, mapping or device were mended."""
    chosen = _chosen(kind, device, source, since, until)
    if not ids and not everything and not any(chosen.values()):
        msg = "name ids or a filter, or say --everything"
        raise click.UsageError(msg)
    run_async(_replay(ids, chosen, config, data))


async def _replay(
    ids: tuple[int, ...], chosen: dict[str, Any], config: Path | None, data: Path | None
) -> None:
    async with offices(config, data) as at:
        count = await at.journal.replay(ids or None, **chosen)
    click.echo(f"{count} messages are tried again.")
    if ids and count < len(set(ids)):
        click.echo("Some of these letters do not exist, were replayed before, or share a message.", err=True)
        raise click.exceptions.Exit(1)


def _as_dict(letter: Letter) -> dict[str, Any]:
    found = asdict(letter)
    payload = found.pop("payload")
    if payload is not None:
        try:
            found["payload"] = payload.decode()
        except UnicodeDecodeError:
            found["payload_hex"] = payload.hex()
    return found
