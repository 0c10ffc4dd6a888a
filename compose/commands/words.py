# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the commands say alike: exit codes, examples, times, suggestions."""

from __future__ import annotations

import difflib
import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from models.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.errors import VolmeError

EXIT_CODES = {
    0: "done; for `status`: all is well",
    1: "not done, or something is wrong; the output says what",
    2: "the command line is not understood",
    3: "the configuration cannot be used",
    4: "PostgreSQL cannot be reached",
    130: "ended by Ctrl-C before it was done",
}


def exit_code(error: VolmeError) -> int:
    """Return the exit code of an error."""
    if isinstance(error, ConfigurationError):
        return 3
    return 4 if isinstance(error, StoreError) else 1


def examples(*lines: str) -> str:
    """Return the end of a command's help: lines to paste, kept as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def ago(moment: datetime | None) -> str:
    """Say how long ago something was."""
    if moment is None:
        return "never"
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {name} ago"
    return f"{max(0, seconds):.0f} s ago"


def utc(moment: datetime) -> str:
    """Write a moment for people."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return `1 message`, `2 messages`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def verb(number: int, one: str, many: str) -> str:
    """Return the form of a verb that goes with a number."""
    return one if number == 1 else many


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that says what was perhaps meant, or nothing."""
    by_lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(name.lower(), sorted(by_lower), n=1, cutoff=0.7)
    return f"; did you mean {by_lower[found[0]]}?" if found else ""


def clean(value: Any) -> str:
    """Return a value as text for one line of a terminal.

    Names come from devices and network servers: control characters, which could move the cursor or
    change colours, become visible.
    """
    text = "" if value is None else str(value)
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else " " if character in "\n\t" else _visible(character)
        for character in text
    )


def _visible(character: str) -> str:
    return "�" if unicodedata.category(character) in {"Cs", "Co", "Cn"} else repr(character)[1:-1]
