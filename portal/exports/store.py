# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Where files of days and months are kept: made once, made anew where late readings changed them.

Beside each file stands what is known of it (`….json`). A file is only as good as the declaration that it
was made by: each declaration has a folder of its own, and a stricter one makes the files anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
import structlog

from models.errors import VolmeError
from portal.exports.columns import sheet_of
from portal.exports.formats import formats
from portal.exports.making import Making
from portal.exports.rows import past

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from portal.datasets import Dataset
    from portal.exports.spans import Span
    from portal.views import View

log = structlog.get_logger(__name__)

MOST_BYTES = 20_000_000_000
_AT_ONCE = 2
_MOST_WAITING = 16
_MOST_EMPTY = 10_000
_PART = ".part"
_ABOUT = ".json"
#: Files of another make are not used: to be counted up where the content of files changes.
_MAKE = 1


class BusyError(VolmeError):
    """Too many files are being made already."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A file that is there.

    Attributes:
        modified: when its content last changed.
        checked: when it was last seen to be what the history is.
    """

    path: Path
    size: int
    sha256: str
    rows: int
    modified: datetime
    checked: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """Where the files of a dataset are kept, of one view and one declaration."""

    folder: Path
    view: View
    dataset: Dataset

    def path(self, span: Span, extension: str) -> Path:
        """Return a file's path."""
        return self.folder / f"{span.stem}.{extension}"


class Store:
    """The files of one folder.

    Args:
        folder: has nothing else in it.
        most_bytes: what they may take of the disk together; beyond, the ones that nobody asked for the
            longest time go first. They can be made again.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder
        self.most_bytes = most_bytes
        self._makings: dict[tuple[Path, str, str], Making] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._empty: dict[tuple[Path, str], datetime] = {}
        for left in folder.rglob(f"*{_PART}"):
            left.unlink(missing_ok=True)  # of a process that was ended

    def shelf(self, view: View, dataset: Dataset, *, public: bool) -> Shelf:
        """Return where the files of a dataset are."""
        said = f"{_MAKE} {dataset.model_dump_json()}"
        version = hashlib.sha256(said.encode()).hexdigest()[:12]
        owner = "public" if public else f"partner-{view.name}"
        return Shelf(folder=self.folder / owner / dataset.name / version, view=view, dataset=dataset)

    def kept(self, shelf: Shelf, span: Span, extension: str) -> Kept | None:
        """Return a file; None: it is not there, or not whole."""
        return _read(shelf.path(span, extension))

    def all_kept(self, shelf: Shelf, span: Span) -> dict[str, Kept]:
        """Return the files of a day or month, by extension."""
        found = ((extension, self.kept(shelf, span, extension)) for extension in formats())
        return {extension: kept for extension, kept in found if kept is not None}

    def used(self, kept: Kept) -> None:
        """Note that somebody asked for a file."""
        with suppress(OSError):
            os.utime(_about(kept.path))

    def empty(self, shelf: Shelf, span: Span, now: datetime) -> bool:
        """Say whether it is known that nothing was observed."""
        checked = self._empty.get((shelf.folder, span.stem))
        return checked is not None and not span.due(checked, now)

    def make(self, shelf: Shelf, span: Span, extensions: Collection[str]) -> Making:
        """Begin to make files of a day or month, or join whoever makes one of them already.

        Raises:
            BusyError: too many are waiting already.
        """
        for extension in extensions:
            running = self._makings.get((shelf.folder, span.stem, extension))
            if running is not None:
                return running
        if len(self._tasks) >= _MOST_WAITING:
            msg = "too many files are being made; try again in a minute"
            raise BusyError(msg)
        token = secrets.token_hex(4)
        paths = {
            extension: shelf.path(span, extension).with_name(f".{span.stem}.{extension}.{token}{_PART}")
            for extension in extensions
        }
        making = Making(paths, self.most_bytes)
        for extension in extensions:
            self._makings[shelf.folder, span.stem, extension] = making
        task = asyncio.create_task(self._make(shelf, span, making))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return making

    async def made(self, shelf: Shelf, span: Span, extensions: Collection[str]) -> int:
        """Make files, and return how many rows they have.

        Raises:
            BusyError: too many are waiting already.
            MakingFailedError: they cannot be made.
        """
        making = self.make(shelf, span, extensions)
        await making.over()
        return making.rows

    async def close(self) -> None:
        """Break off what is being made."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _make(self, shelf: Shelf, span: Span, making: Making) -> None:
        """Make files; what fails, the readers are told, and the log."""
        about = log.bind(dataset=shelf.dataset.name, span=span.stem)
        sheet = sheet_of(shelf.dataset, past=True)
        try:
            async with self._turns:
                checked = datetime.now(UTC)
                rows = past(shelf.view, sheet, span.start, min(span.end, checked))
                await making.run(sheet, formats(), rows)
                await asyncio.to_thread(self._keep, shelf, span, making, checked)
            about.info("files.made", rows=making.rows, formats=list(making.paths))
        except (VolmeError, OSError) as error:
            making.fail(error)
            about.warning("files.failed", reason=str(error))
        except Exception as error:  # noqa: BLE001 - the readers wait, whatever it is
            making.fail(error)
            about.exception("files.defect")
        except asyncio.CancelledError as error:
            making.fail(error)
            raise
        finally:
            for extension in making.paths:
                self._makings.pop((shelf.folder, span.stem, extension), None)
            making.finish()

    def _keep(self, shelf: Shelf, span: Span, making: Making, checked: datetime) -> None:
        """Give files their names; those whose content is what it was stay as they are."""
        if not making.rows:
            self._empty[shelf.folder, span.stem] = checked
            while len(self._empty) > _MOST_EMPTY:
                self._empty.pop(next(iter(self._empty)))
            for extension in making.paths:
                _remove(shelf.path(span, extension))
            return
        for extension, part in making.paths.items():
            path = shelf.path(span, extension)
            before = _read(path)
            if before is not None and before.sha256 == making.digests[extension]:
                part.unlink()
                _write(replace(before, checked=checked))
                continue
            _about(path).unlink(missing_ok=True)  # never that of one file beside another
            part.replace(path)
            modified = datetime.now(UTC).replace(microsecond=0)
            os.utime(path, (modified.timestamp(), modified.timestamp()))
            _write(
                Kept(
                    path=path,
                    size=making.sizes[extension],
                    sha256=making.digests[extension],
                    rows=making.rows,
                    modified=modified,
                    checked=checked,
                )
            )
        _sync(shelf.folder)
        self._bound()

    def _bound(self) -> None:
        """Drop what nobody asked for the longest time, until the rest fits."""
        known = sorted(self._all(), key=lambda each: each[0])
        total = sum(size for _, size, _ in known)
        for _, size, path in known:
            if total <= self.most_bytes:
                return
            _remove(path)
            total -= size
            log.info("files.dropped", file=path.name, bytes=size)

    def _all(self) -> Iterator[tuple[float, int, Path]]:
        """Yield of each file when it was last asked for, its size and its path."""
        for about in self.folder.rglob(f"*{_ABOUT}"):
            path = about.with_name(about.name.removesuffix(_ABOUT))
            with suppress(OSError):
                yield about.stat().st_mtime, path.stat().st_size, path

    def clean(self, shelves: Collection[Shelf]) -> None:
        """Remove the files of what is no longer published, or no longer like this."""
        folders = {shelf.folder for shelf in shelves}
        for folder in self.folder.glob("*/*/*"):
            if folder.is_dir() and folder not in folders:
                shutil.rmtree(folder, ignore_errors=True)
                log.info("files.removed", folder=folder.name, dataset=folder.parent.name)


def _about(path: Path) -> Path:
    return path.with_name(f"{path.name}{_ABOUT}")


def _read(path: Path) -> Kept | None:
    """Read what is known of a file; None: there is none, or it is not what is known."""
    try:
        table = orjson.loads(_about(path).read_bytes())
        kept = Kept(
            path=path,
            size=table["size"],
            sha256=table["sha256"],
            rows=table["rows"],
            modified=datetime.fromisoformat(table["modified"]),
            checked=datetime.fromisoformat(table["checked"]),
        )
        return kept if path.stat().st_size == kept.size else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(kept: Kept) -> None:
    about = _about(kept.path)
    part = about.with_name(f".{about.name}.{secrets.token_hex(4)}{_PART}")
    table = {name: value for name, value in asdict(kept).items() if name != "path"}
    with part.open("wb") as file:
        file.write(orjson.dumps(table))
        file.flush()
        os.fsync(file.fileno())
    used = about.stat().st_mtime if about.exists() else None
    part.replace(about)
    if used is not None:  # to look at it again is not to ask for it
        os.utime(about, (used, used))


def _remove(path: Path) -> None:
    _about(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
