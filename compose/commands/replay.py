# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`volme replay`: captured messages into the journal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adapters.sources.replay import replay as replay_messages
from compose.commands.common import config_options, offices, run_async
from compose.commands.printing import note
from compose.commands.words import clean, counted, examples, verb

if TYPE_CHECKING:
    from adapters.sources.replay import Progress

_BAD_SHOWN = 20


@click.command(
    short_help="Feed captured messages into the journal.",
    epilog=examples("volme replay captured.jsonl", "volme replay --source ttn captures/")
    + '\n\nA line is {"topic": …, "payload": …}, and may have "received_at" and "source"; "payload_base64"'
    " stands for any bytes. Replaying the same file again does no harm.",
)
@click.argument("path", type=click.Path(path_type=Path, exists=True), metavar="FILE|FOLDER")
@click.option(
    "--source",
    default="replay",
    show_default=True,
    metavar="NAME",
    help="Source of messages that name none: it decides how they are read.",
)
@config_options
def replay(*, path: Path, source: str, config: Path | None, data: Path | None) -> None:
    """Feed captured messages (a file of JSON lines, or a folder of them) into the journal."""
    run_async(_replay(path, source, config, data))


async def _replay(path: Path, source: str, config: Path | None, data: Path | None) -> None:
    last: Progress | None = None
    async with offices(config, data) as at:
        with click.progressbar(length=100, label="Replaying", file=sys.stderr) as bar:
            async for progress in replay_messages(path, at.journal, source=source):
                bar.update(int(100 * progress.bytes_done / max(1, progress.bytes_total)) - bar.pos)
                last = progress
    messages, bad, errors = (last.messages, last.bad, last.errors) if last else (0, 0, [])
    later = "" if at.running else "; they are delivered as soon as Volme runs"
    click.echo(f"{counted(messages, 'message')} {verb(messages, 'is', 'are')} in the journal{later}.")
    for line in errors[:_BAD_SHOWN]:
        note(f"not replayed: {clean(line)}")
    if bad > _BAD_SHOWN:
        note(f"… and {bad - min(len(errors), _BAD_SHOWN):,} lines more")
    if bad:
        raise click.exceptions.Exit(1)
