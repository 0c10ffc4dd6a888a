# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Stopping Volme in order: it ends well at any moment, and the next start goes on where it stopped."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import free_port
from tests.faults.volme_process import Volme, Witness, publish, uplinks
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def config(mqtt_port: int, broker_port: int) -> str:
    return f"""
[broker]
url = "http://127.0.0.1:{broker_port}"
timeout = 60
connections = 2
batch = 6
[[mqtt]]
name = "city"
url = "mqtt://127.0.0.1:{mqtt_port}"
topics = ["application/#"]
"""


def no_trace(volme: Volme) -> str:
    """Return the log, in which nothing must look like a crash."""
    log = volme.log.read_text()
    assert "Traceback" not in log
    assert "part_failed" not in log
    assert "never awaited" not in log
    return log


AWAY: dict[str, Callable[[Witness], Any]] = {
    "closes every connection": lambda broker: broker.fail_next(10**6, close=True),
    "does not answer": lambda broker: broker.fail_next(10**6),
}


@pytest.mark.parametrize("how", AWAY)
async def test_ctrl_c_while_the_broker_is_away(
    tmp_path: Path, move_in: Callable[[Path], None], mosquitto: int, how: str
) -> None:
    """Its answers may take a minute: Volme does not wait for them."""
    move_in(tmp_path)
    sent = uplinks(5)
    port = free_port()
    async with (
        Witness(port=port) as broker,
        Volme(tmp_path, config(mosquitto, port)) as volme,
    ):
        AWAY[how](broker)
        await volme.start()
        await publish(mosquitto, sent)
        await volme.until_received(len(sent))
        assert await volme.stop(signal.SIGINT, group=True) == 0
        no_trace(volme)
        broker.recover()
        await volme.start()
        account = await volme.until_settled(len(sent))
        assert account["delivered"] == len(sent)
        assert broker.missing(sent) == []


async def test_stopped_while_it_starts(tmp_path: Path) -> None:
    async with Volme(tmp_path, config(free_port(), free_port())) as volme:
        await volme.launch("run", "--config", str(volme.config))
        lock = volme.data / "volme.lock"
        await until(lambda: lock.exists() and lock.read_text())
        assert await volme.stop() == 0
        assert not volme.postgres_runs()
        no_trace(volme)
        await volme.start()
        assert await volme.stop() == 0


async def test_a_data_folder_has_one_volme(tmp_path: Path, move_in: Callable[[Path], None]) -> None:
    move_in(tmp_path)
    async with Volme(tmp_path, config(free_port(), free_port())) as volme:
        await volme.start()
        code, _, err = await volme.ask("up", "--data", str(volme.data), "--no-simulator")
        assert code == 3
        assert err.splitlines()[-1] == (
            f"volme: Volme already runs on {volme.data} (process {volme.pid}); use another --data"
        )
        assert "Traceback" not in err
        await volme.until(lambda health: health["sources"])  # the first one did not notice
        assert await volme.stop() == 0
