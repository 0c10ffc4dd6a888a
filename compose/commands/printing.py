# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the commands print: tables and JSON."""

from __future__ import annotations

import sys
from typing import Any

import click
import orjson

from compose.commands.words import clean

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def print_json(value: Any) -> None:
    """Print JSON, indented."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
    click.echo(orjson.dumps(value, option=options, default=str).decode())


def show_json(value: Any) -> None:
    """Print JSON, indented, for people: what could move their terminal's cursor becomes visible."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=str).decode()
    for line in text.split("\n"):
        click.echo(clean(line))


def print_table(header: tuple[str, ...], rows: list[tuple[Any, ...]], empty: str) -> None:
    """Print a table: fitted to a terminal, and elsewhere as easy to read as to cut with other tools.

    Whole numbers stand right. On a terminal the first column is never broken.
    """
    if not rows:
        click.echo(empty)
        return
    numeric = [all(isinstance(row[column], int | None) for row in rows) for column in range(len(header))]
    cells = [tuple(f"{cell:,}" if isinstance(cell, int) else clean(cell) for cell in row) for row in rows]
    if sys.stdout.isatty():
        _print_fitted(header, cells, numeric)
    else:
        _print_plain([header, *cells], numeric)


def _print_plain(cells: list[tuple[str, ...]], numeric: list[bool]) -> None:
    widths = [max(len(row[column]) for row in cells) for column in range(len(numeric))]
    for row in cells:
        line = "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        click.echo(line.rstrip())


def _print_fitted(header: tuple[str, ...], cells: list[tuple[str, ...]], numeric: list[bool]) -> None:
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.table import Table  # noqa: PLC0415 - likewise
    from rich.text import Text  # noqa: PLC0415 - likewise

    view = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for number, (name, right) in enumerate(zip(header, numeric, strict=True)):
        view.add_column(
            Text(name), justify="right" if right else "left", no_wrap=right or number == 0, overflow="fold"
        )
    for row in cells:
        view.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(view)


def print_pairs(pairs: list[tuple[str, Any]]) -> None:
    """Print names and values, a line each; what is None is left out."""
    known = [(name, clean(value)) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        click.echo(f"{name.ljust(width)}  {value}")


def note(sentence: str) -> None:
    """Say on standard error what else is worth knowing."""
    click.secho(sentence, fg="yellow", err=True)
