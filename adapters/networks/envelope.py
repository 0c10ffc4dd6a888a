# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""`Message` → `Uplink`: the network servers that are known, by name or by the shape of the message."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from adapters.networks import chirpstack, the_things_stack
from adapters.networks.parse import SIZE_LIMIT, parse_json
from adapters.networks.plain import PlainFormat
from models.errors import ConfigurationError, UnknownEnvelopeError

if TYPE_CHECKING:
    from collections.abc import Mapping
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
    }
)
"""Network servers by the name that a source's configuration gives them."""


def read_uplink(message: Message, network: str | PlainFormat = "auto", *, limit: int = SIZE_LIMIT) -> Uplink:
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
    body = parse_json(message.payload, limit=limit)
    return (reader or _detect(body))(message.topic, body, received_at=message.received_at)


def _named(network: str | PlainFormat) -> Reader | None:
    if isinstance(network, PlainFormat):
        return network.read
    if network == "auto":
        return None
    if network not in NETWORKS:
        sentence = f"The network {network} is unknown; known are auto, {', '.join(NETWORKS)}."
        raise ConfigurationError(sentence)
    return NETWORKS[network]


def _detect(body: Any) -> Reader:
    if the_things_stack.recognises(body):
        return the_things_stack.read
    if chirpstack.recognises(body):
        return chirpstack.read
    sentence = f"The message is no envelope of a network server that is known ({', '.join(NETWORKS)})."
    raise UnknownEnvelopeError(sentence)
