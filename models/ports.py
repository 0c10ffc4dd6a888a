# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Ports: narrow protocols between rooms that do not import each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.message import Message


class Appender(Protocol):
    """Where sources put messages."""

    async def append(self, message: Message) -> int:
        """Return once the message is on disk; only then may the source acknowledge.

        Returns:
            The message's place in the journal.

        Raises:
            StoreError: it is not on disk; the source must not acknowledge.
        """
        ...

    async def extend(self, messages: Sequence[Message]) -> None:
        """Append many, in their order; return once all are on disk.

        Raises:
            StoreError: not all of them are; the source must acknowledge none, and tries them all again.
        """
        ...
