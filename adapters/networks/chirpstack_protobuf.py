# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""ChirpStack v4, protobuf (`json=false`): the same events, brought into the shape of its JSON.

The bytes do not say which event they are; the topic does (`…/event/up`, or `?event=up`).
Source: ChirpStack's `api/proto/integration/integration.proto`, `gw/gw.proto`, `common/common.proto`, v4.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from adapters.networks.protobuf import Field, read_message
from models.errors import UnknownEnvelopeError

if TYPE_CHECKING:
    from collections.abc import Mapping

_EVENT = re.compile(r"(?:/event/|[?&]event=)([a-z]+)")
# The field 1 of every event, a text or a message.
_FIRST = b"\x0a"

_LOCATION = {
    1: Field(name="latitude", kind="double"),
    2: Field(name="longitude", kind="double"),
    3: Field(name="altitude", kind="double"),
}
_INFO = {
    6: Field(name="deviceProfileName", kind="text"),
    7: Field(name="deviceName", kind="text"),
    8: Field(name="devEui", kind="text"),
    9: Field(name="tags", kind="map"),
}
_HEARD = {
    1: Field(name="gatewayId", kind="text"),
    6: Field(name="rssi", kind="int"),
    7: Field(name="snr", kind="float"),
}
_COMMON = {
    1: Field(name="deduplicationId", kind="text"),
    2: Field(name="time", kind="time"),
    3: Field(name="deviceInfo", kind="message", fields=_INFO),
}
_EVENTS: Mapping[str, Mapping[int, Field]] = {
    "up": {
        **_COMMON,
        7: Field(name="fCnt", kind="uint"),
        8: Field(name="fPort", kind="uint"),
        10: Field(name="data", kind="bytes"),
        11: Field(name="object", kind="struct"),
        12: Field(name="rxInfo", kind="message", fields=_HEARD, repeated=True),
    },
    "status": {
        **_COMMON,
        5: Field(name="margin", kind="int"),
        6: Field(name="externalPowerSource", kind="bool"),
        7: Field(name="batteryLevelUnavailable", kind="bool"),
        8: Field(name="batteryLevel", kind="float"),
    },
    "location": {**_COMMON, 4: Field(name="location", kind="message", fields=_LOCATION)},
    "log": {
        1: Field(name="time", kind="time"),
        2: Field(name="deviceInfo", kind="message", fields=_INFO),
    },
    **dict.fromkeys(("join", "ack", "txack", "integration"), _COMMON),
}
# What `up` means where protobuf leaves out a default.
_DEFAULTS = {"fCnt": 0, "fPort": 0, "data": "", "rxInfo": []}


def recognises(topic: str, payload: bytes) -> bool:
    """Tell by topic and first byte whether this is an event in protobuf."""
    if not payload.startswith(_FIRST) or _EVENT.search(topic) is None:
        return False
    # A line feed is a space of JSON, too: then a bracket follows, and no length of a text or message.
    return not payload.lstrip(b" \t\r\n").startswith((b"{", b"["))


def parse(topic: str, payload: bytes) -> dict[str, Any]:
    """Return the event as ChirpStack's JSON would say it.

    Raises:
        UnknownEnvelopeError: the topic names no event that is known.
        MalformedPayloadError: the bytes are no such event.
    """
    named = _EVENT.search(topic)
    fields = _EVENTS.get(named.group(1)) if named else None
    if named is None or fields is None:
        sentence = (
            "The message is no JSON, and of ChirpStack's protobuf only the topic says what it is:"
            f" {topic} names no event that is known, such as /event/up."
        )
        raise UnknownEnvelopeError(sentence)
    body = read_message(payload, fields)
    if named.group(1) == "up":
        body = {**_DEFAULTS, **body}
    return body
