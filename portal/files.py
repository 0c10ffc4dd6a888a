# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Files of the published data: what there is of each dataset, for the catalogue and for readers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date, datetime

    from portal.datasets import Dataset, Text
    from portal.office import Office


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """One file that can be downloaded.

    Attributes:
        path: behind the portal's address, beginning with a slash.
        title: for readers.
        media_type: of IANA, such as `text/csv`.
        file_type: code of the EU's authority table file-type, such as CSV, GEOJSON, JSON_LD, PARQUET.
        modified: when its content last changed; None: it has none yet.
        size: bytes; None: it is made anew for each reader.
        sha256: hex digits; None as for `size`.
        days: first and last day that it is about; None: it is about the current state.
    """

    path: str
    title: Text
    media_type: str
    file_type: str
    modified: datetime | None = None
    size: int | None = None
    sha256: str | None = None
    days: tuple[date, date] | None = None


async def files_of(office: Office, dataset: Dataset) -> tuple[File, ...]:
    """Return the files of a dataset: of its current state first, then of the days that are over."""
    raise NotImplementedError(office, dataset)
