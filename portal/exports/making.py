# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Making files: one pass over the rows writes every format at once; readers read along.

A file is written under a temporary name, and gets its own when it is whole and on the disk. Whoever asks for
it meanwhile is sent what is there, as it grows: the first reader does not wait for the last row.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import IO, TYPE_CHECKING

from models.errors import VolmeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from portal.exports.columns import Sheet
    from portal.exports.formats import Format, Writer
    from portal.exports.rows import Row

_CHUNK = 256 * 1024


class MakingFailedError(VolmeError):
    """A file broke off; `__cause__` says why."""


class TooLargeError(VolmeError):
    """A file is larger than what all files may take of the disk."""


class Making:
    """Files that are being made.

    Args:
        paths: temporary path by extension.
        most: bytes that all of them together may have.

    Attributes:
        rows: how many were written.
        sizes: bytes by extension, so far.
        digests: SHA-256 by extension, once they are whole.
    """

    def __init__(self, paths: Mapping[str, Path], most: int) -> None:
        self.paths = paths
        self.rows = 0
        self.sizes: dict[str, int] = dict.fromkeys(paths, 0)
        self.digests: dict[str, str] = {}
        self._most = most
        self._over = False
        self._error: BaseException | None = None
        self._grown = asyncio.Event()

    async def run(
        self, sheet: Sheet, formats: Mapping[str, Format], rows: AsyncIterator[Sequence[Row]]
    ) -> None:
        """Write all rows; without any, nothing is left behind.

        Raises:
            NgsiLdError: the rows cannot be read.
            OSError: the files cannot be written.
            TooLargeError: they are larger than they may be.
        """
        files: dict[str, _Growing] = {}
        try:
            for extension, path in self.paths.items():
                files[extension] = _Growing(path, formats[extension].writer(sheet))
            async for part in _ahead(rows):
                if not self.rows and part:
                    await self._written(files, lambda file: file.writer.begin())
                self.rows += len(part)
                await self._written(files, lambda file, part=part: file.writer.rows(part))  # type: ignore[misc]
                self._tell()
            if self.rows:
                await self._written(files, lambda file: file.writer.end())
                for extension, file in files.items():
                    self.digests[extension] = await asyncio.to_thread(file.finish)
        finally:
            for file in files.values():
                file.close()
            if len(self.digests) < len(self.paths):
                for path in self.paths.values():
                    path.unlink(missing_ok=True)

    def fail(self, error: BaseException) -> None:
        """Tell the readers that it broke off."""
        self._error = error

    def finish(self) -> None:
        """Tell the readers that there will be no more."""
        self._over = True
        self._tell()

    def _tell(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    async def _written(self, files: Mapping[str, _Growing], write: Callable[[_Growing], bytes]) -> None:
        for extension, file in files.items():
            await asyncio.to_thread(file.append, write)
            self.sizes[extension] = file.size
        if sum(self.sizes.values()) > self._most:
            msg = f"the file is larger than the {self._most} bytes that all files may take"
            raise TooLargeError(msg)

    async def begun(self) -> bool:
        """Wait until there are rows; False: there are none.

        Raises:
            MakingFailedError: it broke off before.
        """
        while not (self.rows or self._over):
            await self._grown.wait()
        self._check()
        return self.rows > 0

    async def over(self) -> None:
        """Wait until there will be no more.

        Raises:
            MakingFailedError: it broke off.
        """
        while not self._over:
            await self._grown.wait()
        self._check()

    def opened(self, extension: str) -> IO[bytes] | None:
        """Open a file that is being written; None: it is whole and has its own name by now."""
        try:
            return self.paths[extension].open("rb")
        except FileNotFoundError:
            return None

    async def content(self, file: IO[bytes], extension: str) -> AsyncIterator[bytes]:
        """Yield a file from its beginning to its end, as it is being written, whatever its name becomes.

        Raises:
            MakingFailedError: it broke off.
            OSError: it cannot be read.
        """
        while True:
            grown, over = self._grown, self._over
            while chunk := await asyncio.to_thread(_piece, file, self.sizes[extension]):
                yield chunk
            if over:
                self._check()
                return
            await grown.wait()

    def _check(self) -> None:
        if self._error is not None:
            raise MakingFailedError(str(self._error)) from self._error


async def _ahead(rows: AsyncIterator[Sequence[Row]]) -> AsyncIterator[Sequence[Row]]:
    """Yield parts; while one is being written, the next is being read, and no more than that."""
    reading = asyncio.ensure_future(anext(rows, None))
    try:
        while (part := await reading) is not None:
            reading = asyncio.ensure_future(anext(rows, None))
            yield part
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def _piece(file: IO[bytes], size: int) -> bytes:
    return file.read(min(_CHUNK, max(0, size - file.tell())))


class _Growing:
    """A file that is being written."""

    def __init__(self, path: Path, writer: Writer) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        self._digest = hashlib.sha256()
        self.writer = writer
        self.size = 0

    def append(self, write: Callable[[_Growing], bytes]) -> None:
        """Write more."""
        content = write(self)
        if content:
            self._digest.update(content)
            self._file.write(content)
            self._file.flush()
            self.size += len(content)

    def finish(self) -> str:
        """Bring it to the disk, and return its SHA-256."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._digest.hexdigest()

    def close(self) -> None:
        """Write no more."""
        self._file.close()
