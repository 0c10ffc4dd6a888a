# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Every network: whatever is changed in a valid message, it is read or refused by a named error."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.networks.envelope import NETWORKS, read_uplink
from models.errors import MessageError
from models.message import Message
from tests.unit import test_networks_chirpstack as chirpstack
from tests.unit import test_networks_chirpstack_v3 as chirpstack_v3
from tests.unit import test_networks_citizens as citizens
from tests.unit import test_networks_loriot_helium as loriot_helium
from tests.unit import test_networks_senml as senml
from tests.unit import test_networks_thingpark as thingpark
from tests.uplinks import the_things_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

_, TTS = the_things_stack(b"\x01\x02", version_ids={"brand_id": "elsys", "model_id": "ers"})
# By network: topic and message.
VALID: dict[str, tuple[str, Any]] = {
    "the_things_stack": ("v3/hagen@ttn/devices/x/up", orjson.loads(TTS)),
    "chirpstack": (chirpstack.DEVICE + "up", chirpstack.UP),
    "chirpstack_v3": (chirpstack_v3.DEVICE + "up", chirpstack_v3.JSON),
    "thingpark": (thingpark.PUSHED, {"DevEUI_uplink": thingpark.UPLINK}),
    "loriot": ("/ingest/loriot", loriot_helium.LORIOT),
    "helium": ("/ingest/helium", loriot_helium.HELIUM),
    "senml": ("sensors/7", senml.PACK),
    "sensor_community": ("/ingest/b", citizens.STATION),
    "opensensemap": (citizens.DATA, [{"sensor": citizens.TEMPERATURE, "value": "1", "location": [7, 51]}]),
}
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.5, 1e300, -1e300, 2**63, 256, "", "x", "NaN", "-1", "1e99", "ü", "☂",
    "a81758fffe0312ab", "AgICAgICAgI=", "2026-03-01T12:00:00Z", "9999-12-31T23:59:59-01:00", [], [None],
    [[]], [{}], {}, {"": None}, {"a": {"b": []}}, "a" * 500,
)  # fmt: skip


def places(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value of a message."""
    if path:
        yield path
    for key in body if isinstance(body, dict) else range(len(body)) if isinstance(body, list) else ():
        yield from places(body[key], (*path, key))


def changed(body: Any, path: tuple[Any, ...], value: Any, *, remove: bool) -> Any:
    body = copy.deepcopy(body)
    *way, last = path
    inner = body
    for key in way:
        inner = inner[key]
    if remove:
        del inner[last]
    else:
        inner[last] = value
    return body


def hold(topic: str, payload: bytes, network: str) -> None:
    """Hold a message to what all messages are held to."""
    message = Message(source="x", topic=topic, payload=payload, received_at=thingpark.RECEIVED)
    try:
        uplink = read_uplink(message, network)
    except MessageError as error:
        refused = error
    else:
        assert uplink.device_id
        assert uplink.observed_at.utcoffset() is not None
        return
    assert refused.sentence[0].isupper()
    assert refused.sentence.endswith(".")


def test_every_network_is_here() -> None:
    assert VALID.keys() == NETWORKS.keys()


@pytest.mark.parametrize("network", VALID)
def test_a_valid_message_is_read_and_recognised(network: str) -> None:
    topic, body = VALID[network]
    message = Message(source="x", topic=topic, payload=orjson.dumps(body), received_at=thingpark.RECEIVED)
    assert read_uplink(message, network) == read_uplink(message, "auto")
    assert read_uplink(message).network == network


@pytest.mark.parametrize("network", VALID)
def test_every_field_with_every_odd_value(network: str) -> None:
    topic, body = VALID[network]
    for path in places(body):
        hold(topic, orjson.dumps(changed(body, path, None, remove=True)), network)
        for value in ODD:
            hold(topic, orjson.dumps(changed(body, path, value, remove=False)), network)


@pytest.mark.parametrize("network", VALID)
def test_no_message_of_another_network_is_more_than_refused(network: str) -> None:
    for topic, body in VALID.values():
        hold(topic, orjson.dumps(body), network)
        hold("", orjson.dumps(body), network)
    for value in ODD:
        hold("", orjson.dumps(value), network)


@given(st.sampled_from(sorted(VALID)), st.data())
def test_changed_bytes(network: str, data: Any) -> None:
    topic, body = VALID[network]
    raw = bytearray(orjson.dumps(body))
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=4)):
        raw[place] = data.draw(st.integers(0, 255))
    hold(
        topic,
        bytes(raw[: data.draw(st.integers(0, len(raw)))]),
        data.draw(st.sampled_from([network, "auto"])),
    )
