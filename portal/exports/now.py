# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Files of the current state: made from the view, once for all who ask within a moment."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from portal.exports.columns import sheet_of
from portal.exports.rows import current

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from portal.datasets import Dataset
    from portal.exports.formats import Format
    from portal.office import Office
    from portal.views import View

_FRESH_S = 3.0
_KEPT = 16


class State(NamedTuple):
    """A file of the current state.

    Attributes:
        modified: when anything in it was last observed; None: nobody said.
    """

    content: bytes
    modified: datetime | None


#: By folder, whether the view is everybody's, its name, dataset and format: until when, and what is made.
_made: OrderedDict[tuple[Path, bool, str, str, str], tuple[float, asyncio.Future[State]]] = OrderedDict()


async def now_of(office: Office, view: View, dataset: Dataset, kind: Format) -> State:
    """Return a file of the current state, at most some seconds old.

    Raises:
        NgsiLdError: the broker is away, or refuses the query.
    """
    loop = asyncio.get_running_loop()
    key = office.folder, view is office.public, view.name, dataset.name, kind.extension
    until, making = _made.get(key, (0.0, None))
    if making is None or until < loop.time() or making.get_loop() is not loop:
        making = asyncio.ensure_future(_make(view, dataset, kind))
        making.add_done_callback(_seen)
        _made[key] = loop.time() + _FRESH_S, making
        _made.move_to_end(key)
        while len(_made) > _KEPT:
            _made.popitem(last=False)
    try:
        return await asyncio.shield(making)
    except Exception:
        if _made.get(key, (0.0, None))[1] is making:
            del _made[key]  # the next one who asks tries again
        raise


def _seen(making: asyncio.Future[State]) -> None:
    """Take note of what failed after everybody who asked had gone."""
    if not making.cancelled():
        making.exception()


async def _make(view: View, dataset: Dataset, kind: Format) -> State:
    sheet = sheet_of(dataset, past=False)
    writer = kind.writer(sheet)
    parts = [writer.begin()]
    moments: list[datetime] = []
    async for rows in current(view, sheet):
        moments += [row.moment for row in rows if row.moment is not None]
        parts.append(await asyncio.to_thread(writer.rows, rows))
    parts.append(await asyncio.to_thread(writer.end))
    return State(b"".join(parts), max(moments, default=None))
