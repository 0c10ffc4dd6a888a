# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What files there are of a dataset."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from portal.datasets import Text
from portal.exports.columns import sheet_of
from portal.exports.formats import formats
from portal.exports.rows import current
from portal.exports.spans import last_days, last_months
from portal.exports.store import Store

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from portal.datasets import Dataset
    from portal.exports.formats import Format
    from portal.exports.spans import Span
    from portal.exports.store import Kept, Shelf
    from portal.office import Office
    from portal.views import View

DAYS, MONTHS = 7, 12
#: Of the past the catalogue names these; the others are made for whoever asks for them.
USUAL = ("csv", "de.csv", "parquet")
CURRENT = Text(de="Aktueller Stand", en="Current state")
_MODIFIED_FOR_S = 60.0
_STORES: dict[Path, Store] = {}


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


async def files_of(office: Office, dataset: Dataset, *, view: View | None = None) -> tuple[File, ...]:
    """Return the files of a dataset: of its current state first, then of the days and months that are over.

    Of the past, those are named that are there with all that is known of them: of the last week and of
    the last twelve months.

    Args:
        office: the portal's.
        dataset: whose.
        view: of whom; None: of everybody, or for a dataset for partners, of the first who has it.

    Raises:
        NgsiLdError: the broker is away.
    """
    found = view or next(
        (each for each in (office.public, *office.partners.values()) if each.dataset(dataset.name)), None
    )
    if found is None:
        return ()
    changed = await _modified(office, found, dataset)
    files = [file_of(dataset, None, each, modified=changed) for each in formats().values()]
    shelf = shelf_of(office, found, dataset)
    now = datetime.now(UTC)
    for span in (*last_days(now, DAYS), *last_months(now, MONTHS)):
        for extension in USUAL:
            kept = store_of(office).kept(shelf, span, extension) if extension in formats() else None
            if kept is not None:
                files.append(file_of(dataset, span, formats()[extension], kept=kept))
    return tuple(files)


def file_of(
    dataset: Dataset,
    span: Span | None,
    kind: Format,
    *,
    modified: datetime | None = None,
    kept: Kept | None = None,
) -> File:
    """Return what is said of a file."""
    when = CURRENT if span is None else called(span)
    return File(
        path=f"/files/{dataset.name}/{'current' if span is None else span.stem}.{kind.extension}",
        title=Text(de=f"{when.de}, {kind.title.de}", en=f"{when.en}, {kind.title.en}"),
        media_type=kind.media_type,
        file_type=kind.file_type,
        modified=modified if kept is None else kept.modified,
        size=None if kept is None else kept.size,
        sha256=None if kept is None else kept.sha256,
        days=None if span is None else span.days,
    )


def called(span: Span) -> Text:
    """Return what people call a day or a month."""
    if span.month:
        return Text(de=f"Monat {span.first:%m/%Y}", en=f"Month {span.first:%Y-%m}")
    return Text(de=f"Tag {span.first:%d.%m.%Y}", en=f"Day {span.first:%Y-%m-%d}")


# ---- when the current state last changed

_changes: OrderedDict[tuple[Path, bool, str, str], tuple[float, datetime | None]] = OrderedDict()
_MOST_CHANGES = 1000


async def _modified(office: Office, view: View, dataset: Dataset) -> datetime | None:
    """Return when anything of a dataset was last observed; where nothing is, when it was last written."""
    key = office.folder, view is office.public, view.name, dataset.name
    at, found = _changes.get(key, (0.0, None))
    if at and time.monotonic() - at < _MODIFIED_FOR_S:
        return found
    moments: list[datetime] = []
    async for rows in current(view, sheet_of(dataset, past=False)):
        moments += [row.moment for row in rows if row.moment is not None]
    found = max(moments, default=None)
    if found is None:
        params = {"options": "sysAttrs"}
        written = [each.get("modifiedAt") async for each in view.entities(dataset, params)]
        times = [datetime.fromisoformat(text) for text in written if isinstance(text, str)]
        found = max(times, default=None)
    _changes[key] = time.monotonic(), found
    while len(_changes) > _MOST_CHANGES:
        _changes.popitem(last=False)
    return found


def store_of(office: Office) -> Store:
    """Return where a portal keeps its files."""
    folder = office.folder / "files"
    if folder not in _STORES:
        _STORES[folder] = Store(folder)
    return _STORES[folder]


def shelf_of(office: Office, view: View, dataset: Dataset) -> Shelf:
    """Return where a portal keeps the files of a dataset."""
    return store_of(office).shelf(view, dataset, public=view is office.public)
