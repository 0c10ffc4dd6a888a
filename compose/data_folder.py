# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What operators put into the data folder: vendors' codecs (`codecs/*.js`), profiles (`profiles/*.toml`)."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

from models.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CODECS = "codecs"
PROFILES = "profiles"

#: How a file begins that only changes the codec of a profile.
OVERRIDE_HEAD = "# Written by `volme codecs add`; `volme codecs remove` takes it away.\n"


def data_codecs(data: Path) -> dict[str, Path]:
    """Return the vendors' codecs of a data folder: file by name."""
    return {path.stem: path.absolute() for path in sorted((data / CODECS).glob("*.js"))}


def data_profiles(data: Path, below: Mapping[str, dict[str, Any]] = {}) -> dict[str, dict[str, Any]]:
    """Return the profiles of a data folder, laid over others (`adapters.profiles.overlay`).

    Raises:
        ConfigurationError: a file cannot be read, or two have a profile of one name.
    """
    found: dict[str, dict[str, Any]] = {}
    where: dict[str, Path] = {}
    for path in profile_files(data):
        for name, table in read_profiles(path).items():
            if name in found:
                msg = f"the profile {name} is in {where[name]} and in {path}; one of them is too many"
                raise ConfigurationError(msg)
            found[name], where[name] = table, path
    if not found:
        return dict(below)
    from adapters.profiles import overlay  # noqa: PLC0415 - most platforms have none, and need not wait for it

    return overlay(below, found)


def profile_files(data: Path) -> list[Path]:
    """Return the files that may have profiles."""
    return sorted((data / PROFILES).glob("*.toml"))


def read_profiles(path: Path) -> dict[str, dict[str, Any]]:
    """Read one file's tables.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"the profiles {path} cannot be read: {error}"
        raise ConfigurationError(msg) from error


def override_text(profile: str, codec: str) -> str:
    """Return a file that changes nothing of a profile but its codec."""
    # What JSON makes of a text is one in TOML, too.
    name, wanted = (json.dumps(text, ensure_ascii=False) for text in (profile, codec))
    return f"{OVERRIDE_HEAD}[{name}]\nlike = {name}\ncodec = {wanted}\n"
