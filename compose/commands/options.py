# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Values on the command line: moments, and kinds of dead letters."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click

from compose.commands.words import nearest
from models.errors import MessageError

_AGO = re.compile(r"(\d+)\s*(s|min|h|d|w)")
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_GERMAN = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")


def read_moment(value: Any) -> datetime:
    """Read a date or a time: `2026-03-01`, `2026-03-01T12:00:00+01:00`, `1.3.2026`; without a zone, UTC.

    Raises:
        ValueError: it is none; the text says so.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    try:
        if not isinstance(value, datetime):
            text = str(value).strip()
            if german := _GERMAN.fullmatch(text):
                text = f"{german[3]}-{int(german[2]):02}-{int(german[1]):02}"
            value = datetime.fromisoformat(text)
        moment: datetime = value
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        msg = f"“{value}” is no date or time, such as 2026-03-01 or 2026-03-01T12:00:00Z"
        raise ValueError(msg) from error


class Moment(click.ParamType[datetime]):
    """A date or time, or how long ago: `2h`, `3d`."""

    name = "time"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002 - click's signature
        """Return what help shows for the value."""
        return "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        if isinstance(value, datetime):
            return value
        if ago := _AGO.fullmatch(value.strip().lower()):
            try:
                return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            except OverflowError:
                self.fail(f"“{value}” is too long ago", param, ctx)
        try:
            return read_moment(value)
        except ValueError as error:
            self.fail(f"{error}; or so long ago: 30min, 2h, 3d", param, ctx)


def _kinds(family: type[MessageError] = MessageError) -> set[str]:
    return {family.kind}.union(*(_kinds(member) for member in family.__subclasses__()))


class Kind(click.ParamType[str]):
    """The kind of a dead letter's reason."""

    name = "kind"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002 - click's signature
        """Return what help shows for the value."""
        return "KIND"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check it against the errors that a message can have."""
        known = _kinds() - {MessageError.kind}
        if value not in known:
            hint = nearest(value, known) or f"; there are {', '.join(sorted(known))}"
            self.fail(f"there is no kind “{value}”{hint}", param, ctx)
        return value
