# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Waiting for what others bring about, however slow the machine is; a wait in vain says what for."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.journal.port import Journal
    from compose.platform import Platform

#: Seconds without any progress after which a wait is in vain. Volme itself pauses for ten at most.
PATIENCE = 90.0


class Patience:
    """Ends a wait in vain: nothing has changed for long.

    Args:
        what: is waited for.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._state: object = None
        self._since = time.monotonic()

    def look(self, state: object, told: object = None) -> None:
        """Take note of how far it is; `told` is what a failure says instead."""
        now = time.monotonic()
        if state != self._state:
            self._state, self._since = state, now
        if now - self._since > PATIENCE:
            pytest.fail(f"waited {PATIENCE:g} s in vain for {self._what}\nlast seen: {told or state}")


async def until(condition: Callable[[], Any], state: Callable[[], object] | None = None) -> Any:
    """Wait until a condition holds, which may be awaitable; return what it returned.

    Args:
        condition: what is waited for.
        state: what changes on the way there, and is shown where it does not any more.
    """
    watch = Patience(_words(condition))
    while True:
        found, pause = condition(), 0.005
        if inspect.isawaitable(found):
            found, pause = await found, 0.05
        if found:
            return found
        watch.look(state() if state else found)
        await asyncio.sleep(pause)


async def reached(number: int, count: Callable[[], int]) -> None:
    """Wait until a count is at a number, or beyond, as long as it grows."""
    watch = Patience(f"{number} of {_words(count)}")
    while (now := count()) < number:
        watch.look(now)
        await asyncio.sleep(0.005)


async def subscribed(platform: Platform) -> None:
    """Wait until every source listens: an embedded MQTT broker keeps nothing for who has not yet."""
    sources = platform.sources.values()
    await until(lambda: all(source.state.connected for source in sources))


async def nothing_pending(journal: Journal) -> None:
    """Wait until all that the journal has is settled."""
    watch = Patience("nothing to be pending")
    while pending := (await journal.account()).pending:
        watch.look(pending)
        await asyncio.sleep(0.01)


def _words(condition: Callable[..., Any]) -> str:
    """Return what stands where a condition is written."""
    try:
        return " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return repr(condition)
