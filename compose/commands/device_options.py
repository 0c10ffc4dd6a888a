# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the commands about devices read from the command line, and how they fail."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from compose.commands.common import offices
from compose.commands.device_input import DeviceInputError, device_id
from compose.commands.words import clean
from compose.onboarding import Onboarding, OnboardingError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from compose.commands.common import Offices

_Command = TypeVar("_Command", bound="Callable[..., Any]")


class DeviceId(click.ParamType[str]):
    """A DevEUI in any common writing, or the id in a plain MQTT topic."""

    name = "device"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it."""
        try:
            return device_id(value)
        except DeviceInputError as error:
            self.fail(str(error), param, ctx)


def at_option(text: str, *, required: bool = False) -> Callable[[_Command], _Command]:
    """Return the option that says where a device hangs."""
    return click.option("--at", "position", metavar="LAT,LON[,ALT]", required=required, help=text)


def position_of(text: str | None) -> dict[str, str]:
    """Read LAT,LON or LAT,LON,ALT: latitude, longitude and altitude, as far as given.

    Raises:
        click.BadParameter: it is neither.
    """
    if text is None:
        return {}
    parts = text.replace(";", ",").split(",")
    if len(parts) not in (2, 3) or not all(part.strip() for part in parts):
        msg = f"“{text}” is not LAT,LON or LAT,LON,ALT, such as 51.359,7.472"
        raise click.BadParameter(msg, param_hint="--at")
    return dict(zip(("latitude", "longitude", "altitude"), parts, strict=False))


def changes_in_words(changes: Mapping[str, tuple[Any, Any]]) -> str:
    """Write what changes of a device on one line."""
    return "; ".join(f"{name}: {_value(old)} → {_value(new)}" for name, (old, new) in changes.items())


def _value(value: Any) -> str:
    return "nothing" if value is None else clean(value)


@asynccontextmanager
async def office(config: Path | None, data: Path | None) -> AsyncIterator[tuple[Offices, Onboarding]]:
    """Open registry and journal of a platform, and work on its devices.

    Raises:
        click.ClickException: what was asked for cannot be done.
    """
    async with offices(config, data) as at:
        try:
            yield at, Onboarding(at.settings, at.registry, at.journal)
        except OnboardingError as error:
            raise click.ClickException(str(error)) from error
        except DeviceInputError as error:
            raise click.UsageError(str(error)) from error
