# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A device out of service: the broker is told, and what it sends all the same waits."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from adapters.codecs.decoding import Codecs
from adapters.profiles import load_profiles
from adapters.translate import World, translate_all
from compose.readers import announcement, source_readers
from compose.settings import Settings
from models.device import Device
from models.errors import UnknownDeviceError
from models.message import Message
from models.uplink import Position
from tests.uplinks import DEV_EUI, the_things_stack

GONE = Device(
    id=DEV_EUI,
    profile="elsys-ers",
    position=Position(latitude=51.36, longitude=7.47),
    retired_at=datetime(2026, 6, 1, tzinfo=UTC),
)


async def test_the_broker_is_told_of_a_retired_device_and_its_messages_wait() -> None:
    codecs = Codecs()
    world = World(
        city="hagen",
        devices={},
        retired={GONE.id: GONE},
        profiles=load_profiles(),
        codecs=codecs,
        readers=source_readers(Settings()),
    )
    topic, payload = the_things_stack(bytes.fromhex("0100e2"), f_port=5)
    message = Message(source="ttn", topic=topic, payload=payload, received_at=datetime.now(UTC))
    told, sent = await translate_all((announcement(GONE.id), message), world)
    await codecs.close()
    assert told.problems == ()
    device, _ = (json.loads(update.json) for update in told.entities)
    assert (device["type"], device["deviceState"]["value"]) == ("Device", "retired")
    assert [type(problem) for problem in sent.problems] == [UnknownDeviceError]
    assert sent.entities == ()
