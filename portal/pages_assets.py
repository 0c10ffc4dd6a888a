# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The dashboard's static files: read once, compressed once, served under a name that changes with them.

`/assets/<digest>/<path>`: `digest` is of all files together, so that modules find each other by relative
paths and browsers may keep them for ever. Files of `static/vendor` are below `vendor/`.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from portal.pages_rules import DASHBOARD

if TYPE_CHECKING:
    from collections.abc import Mapping

VENDOR = Path(__file__).parent / "static" / "vendor"
_FOLDERS = (("", DASHBOARD), ("vendor/", VENDOR))
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".geojson": "application/geo+json; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
    ".woff2": "font/woff2",
}
_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """A static file.

    Attributes:
        body: its bytes, by content coding: always of `identity`, of `gzip` and `br` where that is smaller.
    """

    content_type: str
    body: Mapping[str, bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Assets:
    """All static files, by path; `digest` changes with each."""

    digest: str
    files: Mapping[str, Asset]

    def url(self, path: str) -> str:
        """Return the address of a file.

        Raises:
            KeyError: there is none such.
        """
        if path not in self.files:
            raise KeyError(path)
        return f"/assets/{self.digest}/{path}"

    async def serve(self, request: web.Request, policy: str) -> web.Response:
        """Answer with a file; of another version with this one, which is not to be kept.

        Args:
            request: its path names the file.
            policy: Content-Security-Policy of the pages: the map's worker, too, asks where they may ask.
        """
        asset = self.files.get(request.match_info["path"])
        if asset is None:
            return web.Response(status=404, text="There is no such file.\n")
        known = request.match_info["digest"] == self.digest
        headers = {
            "Content-Type": asset.content_type,
            "Cache-Control": _EVER if known else "no-cache",
            "Vary": "Accept-Encoding",
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
        }
        accepted = {
            part.split(";")[0].strip() for part in request.headers.get("Accept-Encoding", "").split(",")
        }
        for coding in ("br", "gzip"):
            if coding in accepted and coding in asset.body:
                headers["Content-Encoding"] = coding
                return await sent(request, web.Response(body=asset.body[coding], headers=headers))
        return await sent(request, web.Response(body=asset.body["identity"], headers=headers))


async def sent(request: web.Request, response: web.Response) -> web.Response:
    """Send it here: what is compressed already is for nobody else to compress or keep."""
    await response.prepare(request)
    await response.write_eof()
    return response


@cache
def assets() -> Assets:
    """Read the static files, once."""
    digest, files = hashlib.sha256(), dict[str, Asset]()
    for prefix, folder in _FOLDERS:
        for path in sorted(folder.rglob("*")):
            if path.suffix not in _TYPES or "templates" in path.parts:
                continue
            name, content = prefix + path.relative_to(folder).as_posix(), path.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
            body = {"identity": content}
            small = gzip.compress(content, 9, mtime=0)
            if len(small) < len(content) * 0.95:
                body["gzip"] = small
            brotli = path.with_name(path.name + ".br")
            if brotli.exists():
                body["br"] = brotli.read_bytes()
            files[name] = Asset(content_type=_TYPES[path.suffix], body=body)
    return Assets(digest=digest.hexdigest()[:12], files=files)
