# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Interfaces of the portal at an address that they know: for clients that follow links."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from portal.office import OFFICE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from portal.office import Office
    from tests.portal_city import City


@asynccontextmanager
async def serving_at_its_address(
    city: City,
    *routes: Callable[[Office], Iterable[web.AbstractRouteDef]],
    app: Callable[[Office], web.Application] | None = None,
    on_shutdown: Callable[[web.Application], Any] | None = None,
) -> AsyncIterator[City]:
    """Serve interfaces on a port of their own, which is in the links that they make.

    Args:
        city: what is published.
        routes: of the interfaces.
        app: makes the application; None: a bare one.
        on_shutdown: is called when the server ends.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        office = replace(city.office, url=url)
        application = web.Application() if app is None else app(office)
        if app is None:
            application[OFFICE] = office
        for each in routes:
            application.add_routes(each(office))
        if on_shutdown is not None:
            application.on_shutdown.append(on_shutdown)
        runner = web.AppRunner(application, shutdown_timeout=5)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        try:
            async with aiohttp.ClientSession() as session:
                yield type(city)(office=office, broker=city.broker, url=url, session=session)
        finally:
            await runner.cleanup()


async def client_says(code: str, *arguments: str) -> Any:
    """Run a client that blocks, in a process of its own; return the JSON that it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()
    return json.loads(printed)
