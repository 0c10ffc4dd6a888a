# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the publisher has to know after a start: by which rules it published, and how far history."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import orjson
import structlog

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from portal.datasets import Dataset

log = structlog.get_logger(__name__)


class Notes:
    """Kept in a file. Without it, everything is published anew.

    Args:
        file: is made when something is written first.

    Attributes:
        rules: by view and type, the `fingerprint` of what is published of it.
        until: by view and dataset, the time up to which history was published (RFC 3339).
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.rules: dict[str, dict[str, str]] = {}
        self.until: dict[str, str] = {}
        try:
            read = orjson.loads(file.read_bytes())
        except FileNotFoundError:
            return
        except orjson.JSONDecodeError:
            log.warning("portal.notes.unreadable", file=str(file))
            return
        if isinstance(read, dict):
            self.rules, self.until = read.get("rules", {}), read.get("until", {})

    def write(self) -> None:
        """Write them, whole or not at all."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_suffix(".part")
        part.write_bytes(orjson.dumps({"rules": self.rules, "until": self.until}, option=orjson.OPT_INDENT_2))
        part.replace(self._file)


def fingerprint(datasets: Iterable[Dataset], hidden: Sequence[str]) -> str:
    """Return a digest of all that decides on what of a type is published; empty: nothing is.

    Which ids are hidden counts, of any type: relationships lead to them.
    """
    said: list[Any] = [
        each.model_dump(mode="json", include={"name", "type", "attributes", "rules", "filter", "ids"})
        for each in datasets
    ]
    if said and hidden:
        said.append(list(hidden))
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest() if said else ""
