# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The data folder: one platform at a time, and where others find what it runs."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003 - dataclass fields are read at run time
from typing import TYPE_CHECKING

from models.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Hold the data folder for this process; the hold ends with the process, however it ends.

    Raises:
        ConfigurationError: another process holds it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "volme.lock").open("a+")
    except OSError as error:
        msg = f"the data folder {folder} cannot be written: {error.strerror}"
        raise ConfigurationError(msg) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            msg = f"Volme already runs on {folder} (process {holder}); use another --data"
            raise ConfigurationError(msg) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def publish_addresses(folder: Path, addresses: Mapping[str, str]) -> None:
    """Write where the running platform can be reached."""
    (folder / "addresses.json").write_text(json.dumps(dict(addresses), indent=1), encoding="utf-8")


def withdraw_addresses(folder: Path) -> None:
    """Forget the addresses of a platform that stopped."""
    (folder / "addresses.json").unlink(missing_ok=True)


def read_addresses(folder: Path) -> dict[str, str]:
    """Return where the running platform can be reached; empty: none runs, or it died."""
    try:
        found = json.loads((folder / "addresses.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in found.items()}
