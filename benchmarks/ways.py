# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What is measured: the ways through Volme, and the bare loops beside them."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import quantiles
from typing import TYPE_CHECKING

from benchmarks.measures import KINDS, find, number_of
from benchmarks.parts import Volme, helper, processor_seconds, register, volme
from benchmarks.profile import profiled
from benchmarks.sink import requests
from broker.client import NgsiLdClient

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from benchmarks.measures import Kind
    from benchmarks.parts import Helper, Postgres

_TAIL = 0.99


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """What all measurements of a run share.

    Attributes:
        folder: for everything that is written; gone after the run.
        epoch: the time of measure 0.
        messages: of one measurement; `paced_s`: seconds of the measurement of delays.
        profile: take a profile of Volme.
    """

    folder: Path
    epoch: datetime
    mqtt_port: int
    postgres: Postgres
    devices: int
    messages: int
    paced_s: float
    profile: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What was measured of one way or loop.

    Attributes:
        rate: messages a second.
        processor_s: processor seconds for 1,000 messages; `database_s`: PostgreSQL's part of them.
        delays: seconds from publishing to the sink, at half the rate: median and 99th percentile.
        memory: bytes of Volme's main process.
        faults: what went wrong with messages, by kind; nothing has a count of 0.
        profile: stacks and how often they were seen.
    """

    name: str
    rate: float
    processor_s: float
    database_s: float = 0.0
    delays: tuple[float, float] | None = None
    memory: int | None = None
    faults: dict[str, int] = field(default_factory=dict)
    profile: dict[str, int] = field(default_factory=dict)


async def into_sink(stage: Stage, kind: Kind) -> Figures:
    """MQTT broker → Volme → a sink that answers at once; then at half the rate, for the delays."""
    async with AsyncExitStack() as stack:
        spool = stage.folder / f"{kind.name}.sink"
        sink = await stack.enter_async_context(helper("sink", spool))
        publisher, running = await _set_up(stack, stage, kind, f"{kind.name}_sink", await sink.line())
        began, used, profile = await _rush(stage, publisher, running)
        await sink.ask("flush")
        found = find(requests(spool), kind, stage.epoch)
        rate = stage.messages / (max(found.arrived.values()) - began)
        mark = spool.stat().st_size
        count = int(rate / 2 * stage.paced_s)
        await publisher.ask({"first": stage.messages, "count": count})
        sent = (await publisher.ask({"rate": rate / 2}))["sent"]
        await running.settled(stage.messages + count)
        await sink.ask("flush")
        paced = find(requests(spool, mark), kind, stage.epoch)
        delays = sorted(at - sent[n - stage.messages] for n, at in paced.arrived.items())
        cuts = quantiles(delays, n=100)
        faults = {
            "lost": stage.messages + count - len(found.arrived) - len(paced.arrived),
            "twice": found.twice + paced.twice,
            "overtaken": found.overtaken + paced.overtaken,
            **await _unsettled(running, stage.messages + count),
        }
        return Figures(
            name=f"{kind.name} → sink",
            rate=rate,
            processor_s=sum(used),
            database_s=used[1],
            delays=(cuts[49], cuts[98]),
            memory=running.memory(),
            faults={name: number for name, number in faults.items() if number},
            profile=profile,
        )


async def into_embedded_broker(stage: Stage, kind: Kind) -> Figures:
    """MQTT broker → Volme with its embedded NGSI-LD broker, whose last states are then compared."""
    async with AsyncExitStack() as stack:
        publisher, running = await _set_up(stack, stage, kind, f"{kind.name}_embedded", None)
        began, used, profile = await _rush(stage, publisher, running)
        seconds = time.monotonic() - began
        faults = {
            "devices not at their last measure": await _stale(stage, kind, running),
            **await _unsettled(running, stage.messages),
        }
        return Figures(
            name=f"{kind.name} → embedded broker",
            rate=stage.messages / seconds,
            processor_s=sum(used),
            database_s=used[1],
            memory=running.memory(),
            faults={name: number for name, number in faults.items() if number},
            profile=profile,
        )


async def _set_up(
    stack: AsyncExitStack, stage: Stage, kind: Kind, name: str, sink_port: int | None
) -> tuple[Helper, Volme]:
    dsn = await stage.postgres.database(f"bench_{name}")
    await register(dsn, kind, stage.devices)
    publisher = await stack.enter_async_context(
        helper("publisher", stage.mqtt_port, kind.name, stage.devices, stage.epoch.isoformat())
    )
    await publisher.ask({"first": 0, "count": stage.messages})
    running = await stack.enter_async_context(
        volme(
            stage.folder / name,
            mqtt_port=stage.mqtt_port,
            database=stage.postgres,
            dsn=dsn,
            kind=kind,
            sink_port=sink_port,
        )
    )
    return publisher, running


async def _rush(
    stage: Stage, publisher: Helper, running: Volme
) -> tuple[float, tuple[float, float], dict[str, int]]:
    """Publish as fast as the MQTT broker takes it, and wait until Volme is done.

    Returns:
        When the first message went out, processor seconds for 1,000 of Volme and of its
        PostgreSQL, and the profile.
    """
    async with profiled(running.pid, stage.folder, wanted=stage.profile) as profile:
        before = running.processor_seconds()
        sent = (await publisher.ask({"rate": None}))["sent"]
        await running.settled(stage.messages)
        after = running.processor_seconds()
    own, database = (
        1000 * (late - early) / stage.messages for early, late in zip(before, after, strict=True)
    )
    return sent[0], (own, database), profile


async def _unsettled(running: Volme, published: int) -> dict[str, int]:
    account = await running.account()
    return {
        "not delivered": published - account["delivered"],
        "duplicates": account["duplicate"],
        "dead letters": account["dead"],
    }


async def _stale(stage: Stage, kind: Kind, running: Volme) -> int:
    """Count devices whose entity is not what they measured last."""
    ids = {
        f"urn:ngsi-ld:{kind.entity_type}:hagen:{kind.device_id(number)}": number
        for number in range(min(stage.devices, stage.messages))
    }
    context = f"{running.addresses['web']}/contexts/{kind.subject}.jsonld"
    async with NgsiLdClient(running.addresses["broker"], kind="embedded") as client:
        observed = await client.observed(sorted(ids), type=kind.entity_type, context=context)
    last = {
        urn: number + (stage.messages - 1 - number) // stage.devices * stage.devices
        for urn, number in ids.items()
    }
    newest = {
        urn: max(number_of(at, stage.epoch) for at in times.values()) for urn, times in observed.items()
    }
    return sum(newest.get(urn) != n for urn, n in last.items())


async def bare_receive(stage: Stage) -> Figures:
    """MQTT broker → Volme's MQTT client, which acknowledges at once."""
    kind = KINDS["plain"]
    async with (
        helper("publisher", stage.mqtt_port, kind.name, stage.devices, stage.epoch.isoformat()) as publisher,
        helper("references", "receive", stage.mqtt_port, kind.topics, stage.messages) as loop,
    ):
        await publisher.ask({"first": 0, "count": stage.messages})
        await loop.line()
        _, result = await asyncio.gather(publisher.ask({"rate": None}), loop.line())
    return _bare("receive", result, per_message=1)


async def bare_post(stage: Stage) -> Figures:
    """Batches, written beforehand, → the sink; a message makes two entities."""
    async with AsyncExitStack() as stack:
        sink = await stack.enter_async_context(helper("sink", stage.folder / "bare.sink"))
        loop = await stack.enter_async_context(
            helper("references", "post", await sink.line(), 2 * stage.messages)
        )
        result = await loop.line()
    return _bare("post", result, per_message=2)


async def bare_commit(stage: Stage) -> Figures:
    """Rows → PostgreSQL by COPY, with PostgreSQL's processor time."""
    dsn = await stage.postgres.database("bench_bare")
    size = len(KINDS["plain"].packets(0, 1, 1, stage.epoch)[0])
    before = processor_seconds(stage.postgres.pid)
    async with helper("references", "commit", dsn, stage.messages, size) as loop:
        result = await loop.line()
    result["processor_s"] += processor_seconds(stage.postgres.pid) - before
    return _bare("commit", result, per_message=1)


def _bare(name: str, result: dict[str, float], per_message: int) -> Figures:
    messages = result["count"] / per_message
    return Figures(
        name=name,
        rate=messages / result["seconds"],
        processor_s=1000 * result["processor_s"] / messages,
    )
