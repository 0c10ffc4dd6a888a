# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""To and from the entities of `ngsildclient`, for integrators who use it (the extra `ngsildclient`)."""

from __future__ import annotations

import contextlib
import copy
import http.client
import logging
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def to_ngsildclient(body: Mapping[str, Any], contexts: Sequence[str] = ()) -> Any:
    """Return a normalized entity as `ngsildclient.Entity`.

    Args:
        body: as `models.ngsild.normalize` makes it.
        contexts: addresses of the contexts that name its terms; none: those in the body, else the core's.

    Raises:
        ImportError: the extra `ngsildclient` is not installed.
    """
    with _quiet():
        from ngsildclient import Entity  # noqa: PLC0415 - optional, slow, and loud on import
    document = copy.deepcopy(dict(body))
    if contexts:
        document["@context"] = list(contexts)
    return Entity.from_dict(document)


def from_ngsildclient(entity: Any) -> dict[str, Any]:
    """Return an `ngsildclient.Entity` as normalized NGSI-LD without @context."""
    document: dict[str, Any] = _builtin(entity.root)
    document.pop("@context", None)
    return document


def _builtin(value: Any) -> Any:
    """Turn the package's own dictionaries, each around a plain one, into plain ones."""
    if isinstance(value, MutableMapping):
        return {name: _builtin(member) for name, member in getattr(value, "data", value).items()}
    if isinstance(value, list):
        return [_builtin(member) for member in value]
    return value


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Undo what the package does to the process on import: a root log handler, HTTP debug output."""
    root = logging.getLogger()
    handlers, level, debug = root.handlers[:], root.level, http.client.HTTPConnection.debuglevel
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        http.client.HTTPConnection.debuglevel = debug
