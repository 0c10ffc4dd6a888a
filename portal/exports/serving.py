# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Files over HTTP."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from aiohttp import hdrs, web

from broker.client import BrokerUnavailableError, NgsiLdError, NotSupportedError
from portal.exports.columns import sheet_of
from portal.exports.dictionary import columns_csv, metadata, table
from portal.exports.formats import formats
from portal.exports.listing import CURRENT, DAYS, called, files_of, shelf_of, store_of
from portal.exports.making import MakingFailedError
from portal.exports.now import now_of
from portal.exports.pages import datasets_document, datasets_page, files_document, files_page
from portal.exports.spans import read_name
from portal.exports.store import BusyError
from portal.office import UnknownKeyError
from portal.problems import problem, unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from portal.datasets import Dataset
    from portal.exports.formats import Format
    from portal.exports.spans import Span
    from portal.exports.store import Kept, Shelf, Store
    from portal.office import Office
    from portal.views import View

    _Handler = Callable[["Office", web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger(__name__)

_METADATA = "-metadata.json"
_CSV = frozenset({"csv", "de.csv"})
_FRESH, _RECENT, _OLD = "max-age=60", "max-age=900", "max-age=86400"
_MEDIA = {"html": "text/html", "json": "application/json", "csv": "text/csv", "csvw": "application/csvm+json"}


class _MissingError(Exception):
    """There is no such thing, or none for this reader; the text says of what."""

    DATASET = "There is no such dataset."
    FILE = "There is no such file."
    FUTURE = "That day is still to come."
    NOTHING = "Nothing was observed on that day or in that month."


def routes(office: Office) -> Iterable[web.AbstractRouteDef]:
    """Return what is served."""
    served: tuple[tuple[str, _Handler], ...] = (
        ("/files", _datasets),
        ("/files/", _datasets),
        ("/files/{dataset}", _files),
        ("/files/{dataset}/", _files),
        ("/files/{dataset}/{name}", _file),
    )
    for path, handler in served:
        yield web.get(path, partial(_answered, handler, office))


async def _answered(handler: _Handler, office: Office, request: web.Request) -> web.StreamResponse:
    """Serve, or say why not."""
    try:
        return await handler(office, request)
    except BrokerUnavailableError as error:
        return unavailable("The data cannot be reached now; try again in a moment.", error.retry_after)
    except (UnknownKeyError, _MissingError, BusyError, NgsiLdError) as error:
        status, title, detail, headers = _refusal(error)
        if isinstance(error, NgsiLdError):
            log.warning("files.refused", path=request.path, reason=str(error))
        return problem(status, title, detail, headers=headers)


def _refusal(error: Exception) -> tuple[int, str, str, dict[str, str]]:
    """Return status, title, detail and headers of an answer that says why not."""
    match error:
        case UnknownKeyError():
            return 401, "Unknown key", "Nobody has this key.", {"WWW-Authenticate": "Bearer"}
        case _MissingError():
            return 404, "Not found", str(error), {}
        case BusyError():
            return 503, "Too busy", str(error), {"Retry-After": "60"}
        case NotSupportedError():
            return 501, "No history", "The broker behind this portal keeps no history.", {}
        case _:
            return 502, "The broker failed", "The broker behind this portal could not answer.", {}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Desk:
    """Who asks, and for which dataset."""

    office: Office
    view: View
    dataset: Dataset

    @property
    def store(self) -> Store:
        """Where files are kept."""
        return store_of(self.office)

    @property
    def shelf(self) -> Shelf:
        """Where those of the dataset are."""
        return shelf_of(self.office, self.view, self.dataset)

    def headers(self, span: Span | None, kind: Format, age: str) -> dict[str, str]:
        """Return the headers of a file."""
        name = f"{'current' if span is None else span.stem}.{kind.extension}"
        headers = {
            "Content-Type": kind.content_type,
            "Content-Disposition": f'attachment; filename="{self.dataset.name}-{name}"',
            "Cache-Control": _cache(self.office, self.view, age),
        }
        if kind.extension in _CSV:
            about = f"{self.office.url}/files/{self.dataset.name}/{name}{_METADATA}"
            headers["Link"] = f'<{about}>; rel="describedby"; type="application/csvm+json"'
        return headers

    def text(self, kind: str, body: bytes, age: str = _RECENT) -> web.Response:
        """Answer with a text."""
        return _text(self.office, self.view, kind, body, age)


def _desk(office: Office, request: web.Request) -> _Desk:
    """Return whose view it is, and the dataset asked for.

    Raises:
        _MissingError: the view has none such; whether another has, is not told.
    """
    view = office.view(request)
    dataset = view.dataset(request.match_info["dataset"])
    if dataset is None:
        raise _MissingError(_MissingError.DATASET)
    return _Desk(office=office, view=view, dataset=dataset)


async def _file(office: Office, request: web.Request) -> web.StreamResponse:
    desk = _desk(office, request)
    name = request.match_info["name"]
    if name == "columns.csv":
        return desk.text("csv", columns_csv(sheet_of(desk.dataset, past=False)))
    if name == "columns.json":
        return desk.text("csvw", orjson.dumps(metadata(*(_table(desk, each, None) for each in sorted(_CSV)))))
    if name.endswith(_METADATA):
        return _metadata(desk, name.removesuffix(_METADATA))
    span, kind = _read(name)
    if span is None:
        return await _now(desk, kind)
    if span.start > datetime.now(UTC):
        raise _MissingError(_MissingError.FUTURE)
    return await _past(desk, request, span, kind)


def _read(name: str) -> tuple[Span | None, Format]:
    read = read_name(name)
    if read is None or read[1] not in formats():
        raise _MissingError(_MissingError.FILE)
    return read[0], formats()[read[1]]


async def _now(desk: _Desk, kind: Format) -> web.StreamResponse:
    """Serve the current state: small, so made as a whole."""
    headers = desk.headers(None, kind, _FRESH)
    state = await now_of(desk.office, desk.view, desk.dataset, kind)
    response = web.Response(body=state.content, headers=headers)
    response.last_modified = state.modified
    return response


async def _past(desk: _Desk, request: web.Request, span: Span, kind: Format) -> web.StreamResponse:
    """Serve a day or month: the file if there is one, else as it is being made."""
    store, shelf, now = desk.store, desk.shelf, datetime.now(UTC)
    kept = store.kept(shelf, span, kind.extension)
    if kept is not None:
        due, over = span.due(kept.checked, now), span.end <= now
        if due and over:  # late readings may have come: who asks later sees them
            _look_again(store, shelf, span, kind)
        if over or not due:
            return _whole(desk, span, kind, kept)
    if store.empty(shelf, span, now) or not sheet_of(desk.dataset, past=True).measured:
        raise _MissingError(_MissingError.NOTHING)
    if request.method == hdrs.METH_HEAD:  # nobody knows yet how large it will be
        response = web.StreamResponse(headers=desk.headers(span, kind, _FRESH))
        await response.prepare(request)
        return response
    return await _made(desk, request, span, kind)


async def _made(desk: _Desk, request: web.Request, span: Span, kind: Format) -> web.StreamResponse:
    """Make a file, and send it as it grows."""
    making = desk.store.make(desk.shelf, span, [kind.extension])
    try:
        if not await making.begun():
            raise _MissingError(_MissingError.NOTHING)
    except MakingFailedError as error:
        if isinstance(error.__cause__, NgsiLdError):
            raise error.__cause__ from None
        return problem(500, "The file could not be made", "It will be tried again for the next reader.")
    file = making.opened(kind.extension)
    if file is not None:
        with file:
            content = making.content(file, kind.extension)
            return await _along(request, content, desk.headers(span, kind, _FRESH))
    kept = desk.store.kept(desk.shelf, span, kind.extension)
    if kept is None:
        raise _MissingError(_MissingError.NOTHING)
    return _whole(desk, span, kind, kept)


def _look_again(store: Store, shelf: Shelf, span: Span, kind: Format) -> None:
    try:
        store.make(shelf, span, [kind.extension])
    except BusyError:
        log.debug("files.later", dataset=shelf.dataset.name, span=span.stem)  # or in the next round


async def _along(
    request: web.Request, content: AsyncIterator[bytes], headers: dict[str, str]
) -> web.StreamResponse:
    """Send a file as it grows; if it breaks off, so does the answer, and the reader knows."""
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    try:
        async for chunk in content:
            await response.write(chunk)
    except (MakingFailedError, OSError):
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


def _whole(desk: _Desk, span: Span, kind: Format, kept: Kept) -> web.StreamResponse:
    """Serve a file that is whole: with ETag, Last-Modified, ranges."""
    desk.store.used(kept)
    recent = (datetime.now(UTC) - span.end).days <= DAYS
    headers = desk.headers(span, kind, _RECENT if recent else _OLD)
    headers["Repr-Digest"] = f"sha-256=:{base64.b64encode(bytes.fromhex(kept.sha256)).decode()}:"
    return web.FileResponse(kept.path, headers=headers)


def _metadata(desk: _Desk, name: str) -> web.Response:
    """Serve what the columns of one CSV file mean."""
    span, kind = _read(name)
    if kind.extension not in _CSV:
        raise _MissingError(_MissingError.FILE)
    return desk.text("csvw", orjson.dumps(metadata(_table(desk, kind.extension, span))))


def _table(desk: _Desk, extension: str, span: Span | None) -> dict[str, Any]:
    when = CURRENT if span is None else called(span)
    name = f"{'current' if span is None else span.stem}.{extension}"
    return table(
        sheet_of(desk.dataset, past=span is not None),
        url=f"{desk.office.url}/files/{desk.dataset.name}/{name}",
        title=f"{desk.dataset.title.de}, {when.de}",
        licence=desk.office.catalogue.licence_of(desk.dataset),
        german=extension == "de.csv",
    )


async def _datasets(office: Office, request: web.Request) -> web.StreamResponse:
    """List the datasets that there are files of."""
    view = office.view(request)
    if _wants_html(request):
        return _text(office, view, "html", datasets_page(view.datasets).encode(), _FRESH)
    return _text(office, view, "json", orjson.dumps(datasets_document(office, view.datasets)), _FRESH)


async def _files(office: Office, request: web.Request) -> web.StreamResponse:
    """List the files of a dataset, and how others are called."""
    desk = _desk(office, request)
    files = await files_of(office, desk.dataset, view=desk.view)
    if _wants_html(request):
        return desk.text("html", files_page(desk.dataset, files).encode(), _FRESH)
    return desk.text("json", orjson.dumps(files_document(office, desk.dataset, files)), _FRESH)


def _wants_html(request: web.Request) -> bool:
    return "text/html" in request.headers.get(hdrs.ACCEPT, "")


def _cache(office: Office, view: View, age: str) -> str:
    return f"public, {age}" if view is office.public else f"private, {age}"


def _text(office: Office, view: View, kind: str, body: bytes, age: str) -> web.Response:
    headers = {
        "Content-Type": f"{_MEDIA[kind]}; charset=utf-8",
        "Cache-Control": _cache(office, view, age),
        "Vary": "Accept",
    }
    return web.Response(body=body, headers=headers)
