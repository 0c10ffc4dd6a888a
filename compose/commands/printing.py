# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the commands print: tables and JSON."""

from __future__ import annotations

import os
import select
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import click
import orjson

from compose.commands.words import clean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_GAP = 2
_PIPE = 65_536
_NARROWEST = 6
_SENTENCE = 24

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def print_json(value: Any) -> None:
    """Print JSON, indented."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
    click.echo(orjson.dumps(value, option=options, default=str).decode())


def print_bytes(content: bytes) -> None:
    """Print all bytes as they are, however slowly they are read: a pipe may take a part of them at a time."""
    sys.stdout.flush()
    output = sys.stdout.fileno()
    left = memoryview(content)
    while left:
        select.select([], [output], [])
        try:
            left = left[os.write(output, left[:_PIPE]) :]
        except BlockingIOError:
            continue


def show_json(value: Any) -> None:
    """Print JSON, indented, for people: what could move their terminal's cursor becomes visible."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=str).decode()
    for line in text.split("\n"):
        click.echo(clean(line))


def print_table(
    header: tuple[str, ...], rows: list[tuple[Any, ...]], empty: str, *, wrapped: bool = False
) -> None:
    """Print a table: fitted to a terminal, and elsewhere as easy to read as to cut with other tools.

    Whole numbers stand right. Where a terminal is too narrow the widest columns are cut, but never the
    first, which says what the row is about, nor numbers.

    Args:
        header: names of the columns.
        rows: their cells; None is empty.
        empty: what to say where there are no rows.
        wrapped: the last column is a sentence, which goes on below itself instead of being cut.
    """
    if not rows:
        click.echo(empty)
        return
    numeric = [all(isinstance(row[column], int | None) for row in rows) for column in range(len(header))]
    cells = [
        header,
        *(tuple(f"{cell:,}" if isinstance(cell, int) else clean(cell) for cell in row) for row in rows),
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    if sys.stdout.isatty():
        kept = {0, *(column for column, right in enumerate(numeric) if right)}
        widths = fitted(widths, shutil.get_terminal_size().columns, kept, wrapped=wrapped)
    for number, row in enumerate(cells):
        for line in _lines(row, widths, numeric, wrapped=wrapped):
            click.secho(line.rstrip(), bold=number == 0)


def fitted(widths: list[int], width: int, kept: Collection[int], *, wrapped: bool) -> list[int]:
    """Return widths of columns, two spaces apart, that fit into a line if they can.

    Args:
        widths: what the columns need.
        width: of the line.
        kept: columns that are never narrowed.
        wrapped: the last column gives way first, down to `_SENTENCE` signs.
    """
    found = list(widths)
    over = sum(found) + _GAP * (len(found) - 1) - width
    if wrapped and over > 0:
        last = max(min(_SENTENCE, found[-1]), found[-1] - over)
        over -= found[-1] - last
        found[-1] = last
    narrowed = [column for column in range(len(found)) if column not in kept]
    while over > 0 and narrowed:
        widest = max(narrowed, key=lambda column: found[column])
        if found[widest] <= _NARROWEST:
            break
        found[widest] -= 1
        over -= 1
    return found


def _lines(row: tuple[str, ...], widths: list[int], numeric: list[bool], *, wrapped: bool) -> Iterator[str]:
    """Yield the lines of a row: one, unless its last cell goes on below itself."""
    *cells, last = row
    rest = textwrap.wrap(last, widths[-1]) or [""] if wrapped else [last]
    parts = [
        _cut(cell, width, right=right)
        for cell, width, right in zip([*cells, rest[0]], widths, numeric, strict=True)
    ]
    yield (" " * _GAP).join(parts)
    margin = " " * (sum(widths[:-1]) + _GAP * (len(widths) - 1))
    yield from (margin + part for part in rest[1:])


def _cut(cell: str, width: int, *, right: bool) -> str:
    shown = cell if len(cell) <= width else f"{cell[: width - 1]}…"
    return shown.rjust(width) if right else shown.ljust(width)


def print_pairs(pairs: list[tuple[str, Any]]) -> None:
    """Print names and values, a line each; what is None is left out."""
    known = [(name, clean(value)) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        click.echo(f"{name.ljust(width)}  {value}")


def note(sentence: str) -> None:
    """Say on standard error what else is worth knowing."""
    click.secho(sentence, fg="yellow", err=True)
