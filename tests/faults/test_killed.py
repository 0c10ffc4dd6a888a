# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What Volme has acknowledged reaches the broker or is a dead letter, whenever Volme is killed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import free_port
from tests.faults.volme_process import STRANGERS, Volme, Witness, publish, uplinks
from tests.faults.wire import Wire
from tests.waiting import reached

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROUNDS = 15


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


async def all_arrived(volme: Volme, broker: Witness, sent: int, strangers: int) -> dict[str, int]:
    """Wait for the end; nothing of the known devices is missing, nothing of the unknown is lost."""
    account = await volme.until_settled(sent + strangers)
    letters = await volme.letters()
    assert Counter(letter.kind for letter in letters) == {"unknown-device": account["dead"]}
    assert {letter.device_id for letter in letters} == set(STRANGERS)
    assert account["received"] == account["delivered"] + account["dead"] + account["duplicate"]
    # What was acknowledged came once; what was not, the MQTT broker may have delivered again.
    assert account["delivered"] == sent
    assert account["dead"] >= strangers
    assert broker.went_back == []
    assert broker.overlapping == set()
    return account


AWAY: dict[str, Callable[[Witness], Any]] = {
    "closes every connection": lambda broker: broker.fail_next(10**6, close=True),
    "does not answer": lambda broker: broker.fail_next(10**6),
}


@pytest.mark.parametrize("how", AWAY)
async def test_killed_while_the_broker_is_away(
    tmp_path: Path, move_in: Callable[[Path], None], mosquitto: int, how: str
) -> None:
    move_in(tmp_path)
    sent, strange = uplinks(ROUNDS), uplinks(2, devices=STRANGERS)
    port = free_port()
    async with (
        Witness(port=port) as broker,
        Wire(mosquitto) as wire,
        Volme(tmp_path, config(wire.port, port)) as volme,
    ):
        AWAY[how](broker)
        await volme.start()
        await publish(mosquitto, [*sent, *strange])
        await reached(len(sent) + len(strange), lambda: wire.acknowledged)
        await volme.kill()
        assert not broker.seen
        broker.recover()
        await volme.start()
        account = await all_arrived(volme, broker, len(sent), len(strange))
        assert broker.missing(sent) == []
        assert account["duplicate"] == 0


@pytest.mark.parametrize("batches", [1, 30])
async def test_killed_while_delivering(
    tmp_path: Path, move_in: Callable[[Path], None], mosquitto: int, batches: int
) -> None:
    move_in(tmp_path)
    sent, strange = uplinks(ROUNDS), uplinks(2, devices=STRANGERS)
    port = free_port()
    async with (
        Witness(port=port, delay=0.03) as broker,
        Wire(mosquitto) as wire,
        Volme(tmp_path, config(wire.port, port)) as volme,
    ):
        broker.fail_next(10**6, close=True)
        await volme.start()
        await publish(mosquitto, [*sent, *strange])
        await reached(len(sent) + len(strange), lambda: wire.acknowledged)
        broker.recover()
        await reached(batches, broker.seen.total)
        await volme.kill()
        assert broker.missing(sent)
        await volme.start()
        account = await all_arrived(volme, broker, len(sent), len(strange))
        assert broker.missing(sent) == []
        assert account["duplicate"] == 0
