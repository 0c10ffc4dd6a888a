# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The bare loops beside which Volme is measured; `references.py` is what they run."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from benchmarks.measures import KINDS
from benchmarks.parts import helper
from benchmarks.sink import counter
from benchmarks.ways import Figures

if TYPE_CHECKING:
    from benchmarks.ways import Stage


async def bare_receive(stage: Stage) -> Figures:
    """MQTT broker → Volme's MQTT client, which acknowledges at once."""
    kind = KINDS["plain"]
    counter(stage.folder / "bare.sink")
    async with (
        helper(
            "publisher",
            *(
                stage.mqtt.port,
                kind.name,
                stage.devices,
                stage.epoch.isoformat(),
                stage.folder / "bare.count",
            ),
        ) as publisher,
        helper("references", "receive", stage.mqtt.port, kind.topics, stage.messages) as loop,
    ):
        await publisher.ask({"first": 0, "count": stage.messages})
        await loop.line()
        _, result = await asyncio.gather(publisher.ask({"rate": None}), loop.line())
    return _bare("receive", result, per_message=1)


async def bare_post(stage: Stage) -> Figures:
    """Batches, written beforehand, → the sink; a message makes two entities."""
    async with AsyncExitStack() as stack:
        sink = await stack.enter_async_context(helper("sink", stage.folder / "bare.sink", "bare"))
        loop = await stack.enter_async_context(
            helper("references", "post", await sink.line(), 2 * stage.messages)
        )
        result = await loop.line()
    return _bare("post", result, per_message=2)


async def bare_commit(stage: Stage) -> Figures:
    """Rows → PostgreSQL by COPY, with PostgreSQL's processor time."""
    dsn = await stage.postgres.database("bench_bare")
    size = len(KINDS["plain"].packets(0, 1, 1, stage.epoch)[0])
    before = stage.postgres.processor_seconds()
    async with helper("references", "commit", dsn, stage.messages, size) as loop:
        result = await loop.line()
    result["processor_s"] += stage.postgres.processor_seconds() - before
    return _bare("commit", result, per_message=1)


def _bare(name: str, result: dict[str, float], per_message: int) -> Figures:
    messages = result["count"] / per_message
    return Figures(
        name=name,
        rate=messages / result["seconds"],
        processor_s=1000 * result["processor_s"] / messages,
    )
