# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Files that are part of the portal (scripts, styles, fonts, the base map), read once, served from memory.

`/static/…` is `portal/static/…`, `/dashboard/…` is `portal/dashboard/…`. What is not one of them is not
there: no request can name a file outside.
"""

from __future__ import annotations

import hashlib
import mimetypes
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from portal.problems import problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from portal.office import Office

_HERE = Path(__file__).parent
_FOLDERS = ("static", "dashboard")
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".geojson": "application/geo+json",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".toml": "text/plain",
}
_HIDDEN = frozenset({".py", ".html", ".j2", ".jinja", ".pyc"})
#: They change with a release; who asks again with the ETag gets 304.
_CACHE = "public, max-age=600"


def routes(_: Office) -> Iterable[web.AbstractRouteDef]:
    """Return what is served."""
    for folder in _FOLDERS:
        yield web.get(f"/{folder}/{{path:.+}}", _serve)


async def _serve(request: web.Request) -> web.Response:
    found = files().get(request.path)
    if found is None:
        return problem(404, "Not found", f"There is no {request.path[:200]}.")
    body, media, version = found
    response = web.Response(body=body, content_type=media)
    if media.startswith(("text/", "application/json")):
        response.charset = "utf-8"
    response.headers["Cache-Control"] = _CACHE
    response.headers["ETag"] = f'"{version}"'
    return response


@cache
def files() -> Mapping[str, tuple[bytes, str, str]]:
    """Return content, media type and a digest by path behind the portal's address."""
    found: dict[str, tuple[bytes, str, str]] = {}
    for folder in _FOLDERS:
        for file in sorted((_HERE / folder).rglob("*")):
            if file.is_file() and file.suffix not in _HIDDEN:
                body = file.read_bytes()
                media = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0]
                digest = hashlib.sha256(body).hexdigest()[:16]
                path = f"/{folder}/{file.relative_to(_HERE / folder).as_posix()}"
                found[path] = body, media or "application/octet-stream", digest
    return found
