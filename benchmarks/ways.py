# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What is measured: the ways through Volme."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from statistics import quantiles
from typing import TYPE_CHECKING

from benchmarks.measures import find, number_of
from benchmarks.parts import helper
from benchmarks.profile import profiled
from benchmarks.sink import counter, requests
from benchmarks.volme import fill, register, volme
from broker.client import NgsiLdClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from benchmarks.counter import Counter
    from benchmarks.measures import Found, Kind
    from benchmarks.parts import Helper, MqttBroker, Postgres
    from benchmarks.volme import Volme

#: Measures published and not at the sink yet: enough for Volme to be busy, and the publisher is, too.
_ON_THE_WAY = 5_000
_STEADY = (0.1, 0.9)
_IDLE_S = 1.0


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
    mqtt: MqttBroker
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
        first_s: the same for the first message of each device, where that was measured on its own.
        beside: the same of the processes that are not Volme's.
        delays: seconds from publishing to the sink, at half the rate: median and 99th percentile.
        memory: bytes of Volme's processes.
        faults: what went wrong with messages, by kind; nothing has a count of 0.
        profile: stacks and how often they were seen.
    """

    name: str
    rate: float
    processor_s: float
    database_s: float = 0.0
    first_s: float | None = None
    beside: Mapping[str, float] = field(default_factory=dict)
    delays: tuple[float, float] | None = None
    memory: int | None = None
    faults: dict[str, int] = field(default_factory=dict)
    profile: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Scene:
    """One way, set up: its database and its two ends; Volme comes and goes."""

    stage: Stage
    kind: Kind
    name: str
    dsn: str
    publisher: Helper
    sink: Helper
    sink_port: int
    spool: Path
    arrived: Counter

    @asynccontextmanager
    async def running(self, *, embedded: bool = False) -> AsyncIterator[Volme]:
        """Run Volme until the end of the `with`."""
        async with volme(
            self.stage.folder / self.name,
            mqtt_port=self.stage.mqtt.port,
            database=self.stage.postgres,
            dsn=self.dsn,
            kind=self.kind,
            sink_port=None if embedded else self.sink_port,
        ) as running:
            yield running

    async def found(self, mark: int = 0) -> Found:
        """Read what arrived at the sink, from a place in its file on."""
        await self.sink.ask("flush")
        return find(requests(self.spool, mark), self.kind, self.stage.epoch)


@asynccontextmanager
async def _scene(stage: Stage, kind: Kind, name: str) -> AsyncIterator[_Scene]:
    """Register the devices, and make the packets of all messages."""
    spool = stage.folder / f"{name}.sink"
    arrived = counter(spool)
    dsn = await stage.postgres.database(f"bench_{name}")
    await register(dsn, kind, stage.devices)
    async with (
        helper("sink", spool, kind.entity_type) as sink,
        helper(
            "publisher",
            *(
                stage.mqtt.port,
                kind.name,
                stage.devices,
                stage.epoch.isoformat(),
                spool.with_suffix(".count"),
            ),
        ) as publisher,
    ):
        sink_port = await sink.line()
        await publisher.ask({"first": 0, "count": stage.messages})
        yield _Scene(
            stage=stage,
            kind=kind,
            name=name,
            dsn=dsn,
            publisher=publisher,
            sink=sink,
            sink_port=sink_port,
            spool=spool,
            arrived=arrived,
        )


async def into_sink(stage: Stage, kind: Kind) -> Figures:
    """MQTT broker → Volme → a sink that answers at once; then at half the rate, for the delays."""
    async with (
        _scene(stage, kind, f"{kind.name}_sink") as scene,
        scene.running() as running,
    ):
        figures = await _sustained(scene, running, stage.messages)
        return await _at_half(scene, running, figures) if figures.rate else figures


async def devices(stage: Stage, kind: Kind, counts: tuple[int, ...]) -> AsyncIterator[Figures]:
    """Give the same for different numbers of devices, once each has said something."""
    for count in counts:
        of_these = replace(stage, devices=count, messages=count)
        async with (
            _scene(of_these, kind, f"{kind.name}_devices_{count}") as scene,
            scene.running() as running,
        ):
            first = await _sustained(scene, running, count)
            mark = scene.spool.stat().st_size
            await scene.publisher.ask({"first": count, "count": stage.messages})
            figures = await _sustained(scene, running, stage.messages, before=count, mark=mark)
            yield replace(
                figures,
                name=f"{kind.title}, {count:,} devices",
                first_s=first.processor_s,
                faults=_both(first.faults, figures.faults),
            )


async def _sustained(scene: _Scene, running: Volme, count: int, *, before: int = 0, mark: int = 0) -> Figures:
    """Publish what is ready, so many messages, and wait until Volme is done.

    `before` messages were given to this Volme earlier; they reached `mark` in the sink's file.
    """
    spent = await _beside(scene)
    used, sent_s, profile = await _rush(scene, running, count, before=before, window=_ON_THE_WAY)
    beside = {name: late - spent[name] for name, late in (await _beside(scene, sent_s)).items()}
    found = await scene.found(mark)
    account = await running.account()
    return Figures(
        name=f"{scene.kind.title} → sink",
        rate=_steady_rate(found),
        processor_s=sum(used),
        database_s=used[1],
        beside={name: 1000 * seconds / count for name, seconds in beside.items()},
        memory=running.memory(),
        faults=_faults(count, found, {**account, "delivered": account["delivered"] - before}),
        profile=profile,
    )


async def _at_half(scene: _Scene, running: Volme, figures: Figures) -> Figures:
    """Publish at half the rate that was measured, and add the delays."""
    stage = scene.stage
    mark = scene.spool.stat().st_size
    rate = figures.rate / 2
    count = int(rate * stage.paced_s)
    await scene.publisher.ask({"first": stage.messages, "count": count})
    sent = (await scene.publisher.ask({"rate": rate}))["sent"]
    await running.settled(stage.messages + count, scene.arrived)
    found = await scene.found(mark)
    delays = sorted(at - sent[n - stage.messages] for n, at in found.arrived.items())
    cuts = quantiles(delays, n=100)
    account = await running.account()
    more = _faults(count, found, {**account, "delivered": account["delivered"] - stage.messages})
    return replace(
        figures,
        delays=(cuts[49], cuts[98]),
        faults=_both(figures.faults, more),
        memory=max(running.memory(), figures.memory or 0),
    )


def _both(some: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {name: some.get(name, 0) + more.get(name, 0) for name in {**some, **more}}


async def drain(stage: Stage, kind: Kind) -> Figures:
    """What waits in the session that the MQTT broker keeps while Volme is away → sink."""
    async with _scene(stage, kind, f"{kind.name}_drain") as scene:
        idle = await _started(scene)  # the broker knows the session from here on
        await scene.publisher.ask({"rate": None})
        return replace(await _caught_up(scene, idle), name="drained from the MQTT broker → sink")


async def backlog(stage: Stage, kind: Kind) -> Figures:
    """What waits in the journal when Volme starts → sink."""
    async with _scene(stage, kind, f"{kind.name}_backlog") as scene:
        idle = await _started(scene)
        await fill(scene.dsn, kind.messages(0, stage.messages, stage.devices, stage.epoch))
        return replace(await _caught_up(scene, idle), name="backlog of the journal → sink")


async def _started(scene: _Scene) -> tuple[float, float]:
    """Start Volme once with nothing to do; return the processor time of that, to be taken off later."""
    before = scene.stage.postgres.processor_seconds()
    async with scene.running() as running:
        await asyncio.sleep(_IDLE_S)
        own, database = running.processor_seconds()
        return own, database - before


async def _caught_up(scene: _Scene, idle: tuple[float, float]) -> Figures:
    """Start Volme and wait until it has done what waited."""
    stage = scene.stage
    before = stage.postgres.processor_seconds()
    async with (
        scene.running() as running,
        profiled(running.pid, stage.folder, wanted=stage.profile) as profile,
    ):
        await running.settled(stage.messages, scene.arrived)
        own, database = running.processor_seconds()
        used = own - idle[0], database - before - idle[1]
        found = await scene.found()
        moments = sorted(found.arrived.values())
        return Figures(
            name="",
            rate=len(moments) / (moments[-1] - moments[0]) if len(moments) > 1 else 0.0,
            processor_s=1000 * sum(used) / stage.messages,
            database_s=1000 * used[1] / stage.messages,
            memory=running.memory(),
            faults=_faults(stage.messages, found, await running.account()),
            profile=profile,
        )


async def into_embedded_broker(stage: Stage, kind: Kind) -> Figures:
    """MQTT broker → Volme with its embedded NGSI-LD broker, whose last states are then compared."""
    async with (
        _scene(stage, kind, f"{kind.name}_embedded") as scene,
        scene.running(embedded=True) as running,
    ):
        began = time.monotonic()
        used, _, profile = await _rush(scene, running, stage.messages, window=None)
        seconds = time.monotonic() - began
        stale = await _stale(stage, kind, running)
        unsettled = _unsettled(stage.messages, await running.account())
        faults = {"devices not at their last measure": stale, **unsettled}
        return Figures(
            name=f"{kind.title} → embedded broker",
            rate=stage.messages / seconds,
            processor_s=sum(used),
            database_s=used[1],
            memory=running.memory(),
            faults={name: number for name, number in faults.items() if number},
            profile=profile,
        )


async def _rush(
    scene: _Scene, running: Volme, count: int, *, window: int | None, before: int = 0
) -> tuple[tuple[float, float], float, dict[str, int]]:
    """Publish as fast as all parts go together, and wait until Volme is done.

    Returns:
        Processor seconds for 1,000 messages of Volme and of its PostgreSQL; those of the publisher in
        all; and the profile.
    """
    stage = scene.stage
    async with profiled(running.pid, stage.folder, wanted=stage.profile) as profile:
        early = running.processor_seconds()
        answer = await scene.publisher.ask({"rate": None, "window": window})
        await running.settled(before + count, None if window is None else scene.arrived)
        late = running.processor_seconds()
    own, database = (1000 * (after - ago) / count for ago, after in zip(early, late, strict=True))
    return (own, database), answer["processor_s"], profile


async def _beside(scene: _Scene, publisher_s: float = 0.0) -> dict[str, float]:
    """Return the processor time that the processes beside Volme have used."""
    return {
        "publisher": publisher_s,
        scene.stage.mqtt.name: scene.stage.mqtt.processor_seconds(),
        "sink": float(await scene.sink.ask("flush")),
    }


def _steady_rate(found: Found) -> float:
    """Return the rate at the sink between the first and the last tenth: while everything was at work."""
    moments = sorted(found.arrived.values())
    first, last = (int(share * (len(moments) - 1)) for share in _STEADY)
    return (last - first) / (moments[last] - moments[first]) if last > first else 0.0


def _faults(published: int, found: Found, account: Mapping[str, int]) -> dict[str, int]:
    faults = {
        "lost": published - len(found.arrived),
        "twice": found.twice,
        "overtaken": found.overtaken,
        **_unsettled(published, account),
    }
    return {name: number for name, number in faults.items() if number}


def _unsettled(published: int, account: Mapping[str, int]) -> dict[str, int]:
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
