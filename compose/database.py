# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Which PostgreSQL: the operator's, or the embedded one."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from store.embedded import EmbeddedPostgres
from store.postgres import pool as open_pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from compose.settings import Settings
    from store.postgres import Pool


@asynccontextmanager
async def postgres(settings: Settings) -> AsyncIterator[Pool]:
    """Open PostgreSQL: the operator's, or the embedded one in the data folder."""
    async with AsyncExitStack() as stack:
        url = settings.postgres.url
        if url is None:
            embedded = EmbeddedPostgres(settings.data.absolute() / "postgres")
            url = await embedded.start()
            stack.push_async_callback(embedded.stop)
        password = settings.postgres.password
        yield await stack.enter_async_context(
            open_pool(
                url,
                size=settings.postgres.connections,
                password=password.read() if password else None,
            )
        )
