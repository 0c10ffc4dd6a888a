# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`Message` → `Uplink`: the network servers that are known, by name or by the shape of the message."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from adapters.networks import (
    chirpstack,
    chirpstack_protobuf,
    chirpstack_v3,
    helium,
    loriot,
    opensensemap,
    senml,
    sensor_community,
    the_things_stack,
    thingpark,
)
from adapters.networks.declared import DeclaredFormat
from adapters.networks.parse import SIZE_LIMIT, parse_json
from adapters.networks.plain import PlainFormat
from models.errors import ConfigurationError, TooLargeError, UnknownEnvelopeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from models.message import Message
    from models.uplink import Uplink


class Reader(Protocol):
    """Reads the parsed body of one message."""

    def __call__(self, topic: str, body: Any, *, received_at: datetime) -> Uplink:
        """Return the uplink, or raise an error of the `EnvelopeError` family."""
        ...


NETWORKS: Mapping[str, Reader] = MappingProxyType(
    {
        the_things_stack.NETWORK: the_things_stack.read,
        chirpstack.NETWORK: chirpstack.read,
        chirpstack_v3.NETWORK: chirpstack_v3.read,
        thingpark.NETWORK: thingpark.read,
        loriot.NETWORK: loriot.read,
        helium.NETWORK: helium.read,
        senml.NETWORK: senml.read,
        sensor_community.NETWORK: sensor_community.read,
        opensensemap.NETWORK: opensensemap.read,
    }
)
"""Network servers by the name that a source's configuration gives them."""

# The most frequent first: each is asked about every message of a source that names no network.
_SHAPES: tuple[tuple[Callable[[Any], bool], Reader], ...] = (
    (the_things_stack.recognises, the_things_stack.read),
    (chirpstack.recognises, chirpstack.read),
    (chirpstack_v3.recognises, chirpstack_v3.read),
    (thingpark.recognises, thingpark.read),
    (loriot.recognises, loriot.read),
    (helium.recognises, helium.read),
    (senml.recognises, senml.read),
)
_JSON = (b"{", b"[")

Format = PlainFormat | DeclaredFormat


def read_uplink(message: Message, network: str | Format = "auto", *, limit: int = SIZE_LIMIT) -> Uplink:
    """Read one message as its network server's envelope.

    Args:
        message: as its source received it.
        network: a name in `NETWORKS`, `auto` to tell by the shape, or a declared plain format.
        limit: bytes above which nothing is parsed.

    Raises:
        EnvelopeError: or one of its family; the sentence says what is wrong.
        ConfigurationError: the network's name is unknown.
    """
    reader = _named(network)
    if message.payload.startswith(_JSON):
        body = parse_json(message.payload, limit=limit)
    else:
        body = _parse_other(message, network, limit)
    return (reader or _detect(message.topic, body))(message.topic, body, received_at=message.received_at)


def _parse_other(message: Message, network: str | Format, limit: int) -> Any:
    """Parse what does not begin as JSON does: binary forms, lines of text, or JSON after a space."""
    payload, topic = message.payload, message.topic
    if not isinstance(network, str):
        return parse_json(payload, limit=limit)
    if len(payload) > limit:
        sentence = f"The message has {len(payload):,} bytes; at most {limit:,} are read."
        raise TooLargeError(sentence)
    if network in {"auto", chirpstack.NETWORK} and chirpstack_protobuf.recognises(topic, payload):
        return chirpstack_protobuf.parse(topic, payload)
    if network in {"auto", senml.NETWORK} and senml.is_cbor(payload):
        return senml.parse_cbor(payload)
    if network in {"auto", opensensemap.NETWORK} and opensensemap.recognises(topic):
        return opensensemap.parse_lines(payload)
    return parse_json(payload, limit=limit)


def _named(network: str | Format) -> Reader | None:
    if not isinstance(network, str):
        return network.read
    if network == "auto":
        return None
    if network not in NETWORKS:
        sentence = f"The network {network} is unknown; known are auto, {', '.join(NETWORKS)}."
        raise ConfigurationError(sentence)
    return NETWORKS[network]


def _detect(topic: str, body: Any) -> Reader:
    for recognises, read in _SHAPES:
        if recognises(body):
            return read
    # A box may send what looks like a station's message, or like nothing at all: its path tells.
    if opensensemap.recognises(topic):
        return opensensemap.read
    if sensor_community.recognises(body):
        return sensor_community.read
    sentence = f"The message is no envelope of a network server that is known ({', '.join(NETWORKS)})."
    raise UnknownEnvelopeError(sentence)
