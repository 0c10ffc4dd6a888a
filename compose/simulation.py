# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The simulated Hagen publishes to the embedded MQTT broker, as network servers do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmqtt

from adapters.sources.simulator import Simulator

if TYPE_CHECKING:
    from compose.settings import SimulatorSettings


async def simulate(settings: SimulatorSettings, port: int) -> None:
    """Publish until cancelled."""
    reconnect = zmqtt.ReconnectConfig(max_attempts=None)
    async with zmqtt.create_client("127.0.0.1", port, version="3.1.1", reconnect=reconnect) as client:

        async def publish(topic: str, payload: bytes) -> None:
            await client.publish(topic, payload, qos=zmqtt.QoS.AT_LEAST_ONCE)

        await Simulator(settings.seed).run(publish, speed=settings.speed)
