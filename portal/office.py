# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What every public interface works with: the catalogue, who may see what, and where this portal is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from portal.datasets import Catalogue
    from portal.live import Live
    from portal.views import View

#: Where an application keeps its `Office`.
OFFICE: web.AppKey[Office] = web.AppKey("office")


class UnknownKeyError(Exception):
    """A request shows a key that nobody has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Office:
    """What the interfaces share.

    Attributes:
        url: the portal's address, without a slash at its end, as the public reaches it.
        catalogue: what is declared.
        public: what everybody may see.
        partners: what who has a key may see, by the key's SHA-256.
        endpoints: by a partner's name, what the addresses that they are notified at begin with.
        live: what changes in the public view, as it changes.
        folder: where files that are made once (of days that are over) are kept.
        feedback: address of mail for readers' remarks; None: the contact of the catalogue.
        basemap: address of a MapLibre style; None: our own outline of the city.
    """

    url: str
    catalogue: Catalogue
    public: View
    live: Live
    folder: Path
    partners: Mapping[bytes, View] = field(default_factory=dict)
    endpoints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    feedback: str | None = None
    basemap: str | None = None

    def view(self, request: web.Request) -> View:
        """Return what the sender of a request may see: by `X-API-Key` or `Authorization: Bearer`.

        Raises:
            UnknownKeyError: the key is nobody's.
        """
        key = shown_key(request)
        if key is None:
            return self.public
        view = self.partners.get(digest(key))
        if view is None:
            raise UnknownKeyError
        return view


def shown_key(request: web.Request) -> str | None:
    """Return the key that a request shows; None: it shows none."""
    key = request.headers.get("X-API-Key")
    if key is None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        key = token.strip() if scheme.lower() == "bearer" else None
    return key


def digest(key: str) -> bytes:
    """Return what a key is looked up by: how long a look-up takes tells nothing about it."""
    return hashlib.sha256(key.encode()).digest()
