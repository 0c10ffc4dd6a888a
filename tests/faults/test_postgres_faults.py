# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""PostgreSQL restarts, ends connections, hangs, or has no room: no acknowledgement without a commit."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.conftest import free_port
from tests.faults.account import balance
from tests.faults.measures import FLEET
from tests.faults.postgres import Postgres, small_disk
from tests.faults.scale import LIMIT, scaled
from tests.faults.town import configuration, furnish, orion, town
from tests.faults.volme_process import Volme, at_rest
from tests.waiting import Patience, reached, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.town import Town

pytestmark = pytest.mark.timeout(LIMIT)


async def flows(built: Town, messages: int = 100) -> None:
    """Wait until readings arrive."""
    await reached(len(built.receiver.arrived) + messages, lambda: len(built.receiver.arrived))


async def test_restarted_and_killed(tmp_path: Path, own_postgres: Postgres) -> None:
    async with town(tmp_path, own_postgres.url) as built:
        async with built.load():
            await flows(built)
            await own_postgres.stop()
            acknowledged = await at_rest(built.volme, lambda: built.wire.acknowledged)
            await asyncio.sleep(scaled(1))
            assert built.wire.acknowledged == acknowledged, "acknowledged without a store"
            await own_postgres.start()
            await flows(built)
            await own_postgres.crash()
            await asyncio.sleep(scaled(1))
            await own_postgres.start()
            await flows(built)
        account = await balance(built.volme, built.publisher, built.receiver)
        assert account.dead == 0
        assert built.wire.stale == []


async def test_connections_are_ended(tmp_path: Path, own_postgres: Postgres) -> None:
    async with town(tmp_path, own_postgres.url) as built:
        async with built.load():
            for _ in range(scaled(6)):
                await flows(built)
                assert await own_postgres.end_connections() > 0
        account = await balance(built.volme, built.publisher, built.receiver)
        assert account.dead == 0
        assert built.wire.stale == []


async def test_the_disk_does_not_answer(tmp_path: Path, own_postgres: Postgres) -> None:
    """While nothing can be committed nothing is acknowledged, and what is taken is bounded."""
    async with town(tmp_path, own_postgres.url) as built:
        async with built.load():
            for _ in range(2):
                await flows(built)
                own_postgres.freeze()
                # What was committed before is acknowledged.
                acknowledged = await at_rest(built.volme, lambda: built.wire.acknowledged)
                await asyncio.sleep(scaled(2))
                await until(lambda: built.wire.outstanding > 0)
                assert built.wire.acknowledged == acknowledged, "acknowledged without a commit"
                own_postgres.thaw()
        account = await balance(built.volme, built.publisher, built.receiver)
        # The connection to the MQTT broker held: all that was slow came once.
        assert account.dead == account.duplicate == 0
        assert built.wire.stale == []


async def test_the_disk_is_full(tmp_path: Path, own_postgres: Postgres) -> None:
    """The tables lie on a disk that fills; once there is room it goes on by itself."""
    async with small_disk(tmp_path / "small", 48) as disk:
        place = disk / "tables"
        place.mkdir()
        place.chmod(0o700)
        owner = (tmp_path / "pg").stat()
        os.chown(place, owner.st_uid, owner.st_gid)
        connection = await asyncpg.connect(own_postgres.url)
        try:
            await connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
            await connection.execute("CREATE DATABASE fleet TABLESPACE small")
        finally:
            await connection.close()
        url = own_postgres.url.replace("/postgres?", "/fleet?")
        await furnish(url)
        async with town(tmp_path, url) as built:
            async with built.load():
                await flows(built)
                ballast = disk / "ballast"
                fill(ballast)
                # An operator is told.
                await built.volme.until(lambda health: "No space left" in str(health["problems"]))
                await asyncio.sleep(scaled(2))
                await until(lambda: built.wire.outstanding > 0)
                ballast.unlink()
                await flows(built)
            account = await balance(built.volme, built.publisher, built.receiver)
            assert account.dead == 0
            assert built.wire.stale == []
        connection = await asyncpg.connect(own_postgres.url)
        try:
            await connection.execute("DROP DATABASE fleet WITH (FORCE)")
            await connection.execute("DROP TABLESPACE small")
        finally:
            await connection.close()


def fill(path: Path) -> None:
    """Write until nothing more can be written."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


async def test_delivered_and_not_committed(tmp_path: Path, own_postgres: Postgres) -> None:
    """Killed between delivery and commit: the next start sends nothing backwards and calls nothing late."""
    async with town(tmp_path, own_postgres.url) as built:
        receiver, volme = built.receiver, built.volme
        # All devices are known, and all that follows is with the bridge: it has nothing more to ask
        # of the broker that is away, or of the store that stands still.
        first, more = len(FLEET), scaled(1000)
        await built.publisher.send(built.fleet.take(first))
        await reached(first, lambda: len(receiver.arrived))
        receiver.fail_next(10**6, close=True)
        await built.publisher.send(built.fleet.take(more))
        await reached(first + more, lambda: built.wire.acknowledged)
        await volme.until_translated(first + 500)
        own_postgres.freeze()
        receiver.recover()
        await reached(first + 100, lambda: len(receiver.arrived))
        await volme.kill()
        own_postgres.thaw()
        await settled_connections(own_postgres)
        await volme.start()
        account = await balance(volme, built.publisher, receiver)
        assert account.dead == account.duplicate == 0


async def settled_connections(server: Postgres) -> None:
    """Wait until PostgreSQL has noticed that its client is gone."""
    others = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    watch = Patience("PostgreSQL to have no other client")
    while number := await server.ask(others):
        watch.look(f"it has {number}")
        await asyncio.sleep(0.05)


async def test_one_platform_a_database(tmp_path: Path, own_postgres: Postgres) -> None:
    """A second Volme is turned away after the connection that held the claim has ended."""
    async with town(tmp_path, own_postgres.url) as built:
        folder = tmp_path / "second"
        folder.mkdir()
        config = configuration(own_postgres.url, built.wire.port, orion(free_port()))
        async with Volme(folder, config) as second:
            await own_postgres.end_connections()
            await built.publisher.send(built.fleet.take(100))
            account = await balance(built.volme, built.publisher, built.receiver)
            assert account.dead == 0
            # It may have taken the claim anew only now: there is nothing between the two.
            await until(lambda: "platform.claimed_again" in built.volme.log.read_text())
            assert await turned_away(second)


async def turned_away(second: Volme) -> bool:
    """Start it, and say whether it ended at once since another one works there."""
    await second.launch("run", "--config", str(second.config))
    ended = asyncio.create_task(second.ended())
    while not ended.done():
        if "platform.started" in second.log.read_text():
            ended.cancel()
            return False
        await asyncio.sleep(0.05)
    return ended.result() == 3 and "another Volme works on this" in second.log.read_text()
