# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Which texts match which regular expressions: asked of PostgreSQL once, and remembered.

PostgreSQL reads patterns otherwise than Python, and in bounded time. A thousand subscriptions with
patterns of their own so cost one question for what is new, and none for what was seen before.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from broker.embedded.store import SQL

if TYPE_CHECKING:
    from store.postgres import Connection

_MOST = 200_000  # answers remembered
_LONGEST = 500  # characters of a text whose answers are
_MOST_ASKED = 20_000  # at a time

# patterns that mean the same to Python and PostgreSQL, and take no time
_PLAIN = re.compile(r"\^?[A-Za-z0-9:_/.\-]*([.][*+])?[A-Za-z0-9:_/.\-]*\$?")


class Patterns:
    """Answers, and what is still to be asked."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], bool] = {}
        self._missing: set[tuple[str, str]] = set()

    def matches(self, pattern: str, text: str) -> bool | None:
        """Say whether a pattern matches somewhere in a text; None: `learn` finds out, or SQL has to say."""
        plain = _compiled(pattern)
        if plain is not None:
            return plain.search(text) is not None
        found = self._known.get((pattern, text))
        if found is None and len(text) <= _LONGEST and len(self._missing) < _MOST_ASKED:
            self._missing.add((pattern, text))
        return found

    async def learn(self, connection: Connection) -> bool:
        """Ask for what was missing since the last time; say whether there was anything."""
        asked, self._missing = list(self._missing), set()
        if not asked:
            return False
        rows = await connection.fetch(
            SQL["match_patterns"], [pattern for pattern, _ in asked], [text for _, text in asked]
        )
        if len(self._known) + len(rows) > _MOST:
            self._known.clear()
        self._known.update(zip(asked, (row["matches"] for row in rows), strict=True))
        return True


@lru_cache(maxsize=10_000)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """Return a pattern that need not be asked about; None for any other."""
    return re.compile(pattern) if _PLAIN.fullmatch(pattern) else None
