# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The portal's process: what becomes of it does not reach the platform."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from compose import portal_child
from compose.portal_child import PortalChild
from compose.settings import Settings
from tests.waiting import until

if TYPE_CHECKING:
    import pytest

    from compose.addresses import Addresses

NOWHERE = SimpleNamespace(broker="http://127.0.0.1:9", web="http://127.0.0.1:9", portal_port=1)


async def test_a_process_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setattr(portal_child, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(portal_child, "_LONGEST_PAUSE_S", 0.01)
    child = PortalChild(Settings(), cast("Addresses", NOWHERE))
    running = asyncio.create_task(child.run())
    try:
        await until(lambda: child.restarts >= 2 or running.done())
        assert child.restarts >= 2
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
