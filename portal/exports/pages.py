# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Lists of files: for people as a page, German first, and for programs as JSON."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from portal.exports.formats import formats

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from portal.datasets import Dataset
    from portal.exports.listing import File
    from portal.office import Office


def datasets_page(datasets: Iterable[Dataset]) -> str:
    """Return a page with the datasets that there are files of."""
    rows = "".join(
        f'<li><a href="/files/{each.name}/">{html.escape(each.title.de)}</a>'
        f' <span lang="en">{html.escape(each.title.en)}</span></li>'
        for each in datasets
    )
    return _page("Dateien", "Files", f"<ul>{rows}</ul>")


def datasets_document(office: Office, datasets: Iterable[Dataset]) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "datasets": [
            {
                "name": each.name,
                "title": each.title.model_dump(),
                "files": f"{office.url}/files/{each.name}/",
            }
            for each in datasets
        ]
    }


def files_page(dataset: Dataset, files: Iterable[File]) -> str:
    """Return a page with a dataset's files."""
    return _page(dataset.title.de, dataset.title.en, _table(files) + _how(dataset))


def files_document(office: Office, dataset: Dataset, files: Iterable[File]) -> dict[str, Any]:
    """Return the same for programs."""
    address = f"{office.url}/files/{dataset.name}"
    return {
        "name": dataset.name,
        "title": dataset.title.model_dump(),
        "licence": office.catalogue.licence_of(dataset),
        "columns": [f"{address}/columns.csv", f"{address}/columns.json"],
        "templates": [f"{address}/{{YYYY-MM-DD}}.{{format}}", f"{address}/{{YYYY-MM}}.{{format}}"],
        "formats": list(formats()),
        "files": [dict(_listed(office, file)) for file in files],
    }


def _listed(office: Office, file: File) -> Iterator[tuple[str, Any]]:
    yield "url", f"{office.url}{file.path}"
    yield "title", file.title.model_dump()
    yield "mediaType", file.media_type
    if file.modified is not None:
        yield "modified", file.modified.isoformat()
    if file.size is not None:
        yield "byteSize", file.size
        yield "sha256", file.sha256
    if file.days is not None:
        yield "days", [day.isoformat() for day in file.days]


def _table(files: Iterable[File]) -> str:
    rows = "".join(
        f'<tr><td><a href="{html.escape(file.path)}">{html.escape(file.title.de)}</a></td>'
        f'<td lang="en">{html.escape(file.title.en)}</td><td>{_size(file.size)}</td></tr>'
        for file in files
    )
    head = '<tr><th>Datei</th><th lang="en">File</th><th>Größe</th></tr>'
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _size(size: int | None) -> str:
    return "" if size is None else f"{size / 1000:,.0f} kB".replace(",", ".")


def _how(dataset: Dataset) -> str:
    path = html.escape(f"/files/{dataset.name}/")
    names = html.escape(", ".join(formats()))
    return (
        f"<p>Andere Tage und Monate: {path}JJJJ-MM-TT.csv, {path}JJJJ-MM.csv; Formate: {names}."
        f' Was die Spalten bedeuten: <a href="{path}columns.csv">columns.csv</a>.</p>'
        f'<p lang="en">Other days and months: {path}YYYY-MM-DD.csv, {path}YYYY-MM.csv; formats: {names}.'
        f' What the columns mean: <a href="{path}columns.csv">columns.csv</a>.</p>'
    )


def _page(de: str, en: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="de"><head><meta charset="utf-8"><title>{html.escape(de)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"></head>'
        f'<body><h1>{html.escape(de)}</h1><p lang="en">{html.escape(en)}</p>{body}</body></html>'
    )
