# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Files in which an operator declares something: read as a whole, every mistake named by its place."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from models.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_Model = TypeVar("_Model", bound=BaseModel)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path} cannot be read: {error}"
        raise ConfigurationError(msg) from error


def declared(model: type[_Model], table: Mapping[str, Any], path: Path | None) -> _Model:
    """Return what a table declares; paths in it are relative to the file's folder.

    Args:
        model: what is declared.
        table: as read.
        path: of the file; None: there is none.

    Raises:
        ConfigurationError: it cannot be used; the text names each mistake, one a line. What stands in
            a list is named by its `name`, for nobody counts.
    """
    try:
        return model.model_validate(table, context={"folder": path.parent} if path else None)
    except ValidationError as error:
        lines = [
            f"  {_place(table, each['loc'])}: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors(include_url=False, include_input=False)
        ]
        msg = "\n".join([f"{path or 'the settings'} cannot be used:", *lines])
        raise ConfigurationError(msg) from error


def _place(table: Mapping[str, Any], place: tuple[int | str, ...]) -> str:
    parts = [str(part) for part in place]
    if len(place) > 1 and isinstance(place[1], int):
        entries = table.get(str(place[0]))
        entry = entries[place[1]] if isinstance(entries, list) else None
        name = entry.get("name") if isinstance(entry, dict) else None
        parts[:2] = [f"{place[0]} “{name}”" if name else f"{place[0]} {place[1] + 1}"]
    return ".".join(parts) or "as a whole"
