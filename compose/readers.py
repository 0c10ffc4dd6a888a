# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the operator declared about reading: which source's messages how, and codecs of vendors."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from adapters.networks.envelope import read_uplink
from adapters.networks.plain import PlainFormat
from models.errors import ConfigurationError
from models.message import Message
from models.uplink import REGISTRY, Uplink

if TYPE_CHECKING:
    from collections.abc import Callable

    from compose.settings import Settings

_SIMULATED_PLAIN = PlainFormat(topic="hagen/{device}/measures", time="time")


def announcement(device_id: str) -> Message:
    """Return the message by which the registry tells the broker of a device, the way all data goes."""
    return Message(source=REGISTRY, topic=device_id, payload=b"{}", received_at=datetime.now(UTC))


def source_readers(settings: Settings) -> dict[str, Callable[[Message], Uplink]]:
    """Return, by source, what reads its messages."""
    plain: dict[str, list[PlainFormat]] = {}
    for entry in settings.plain:
        plain.setdefault(entry.source, []).append(
            PlainFormat(
                topic=entry.topic,
                device=entry.device,
                time=entry.time,
                time_unit=entry.time_unit,
                fields=entry.fields,
                key=entry.key,
            )
        )
    networks: dict[str, str] = {source.name: source.network for source in settings.mqtt}
    networks |= {source.name: source.network for source in settings.webhook}
    if settings.simulator.enabled:
        plain.setdefault("mqtt", []).append(_SIMULATED_PLAIN)
    readers = {
        name: _reader(networks.get(name, "auto"), plain.get(name, []), settings.web.max_body)
        for name in networks.keys() | plain.keys()
    }
    return {REGISTRY: _read_announcement, **readers}


def _reader(network: str, formats: list[PlainFormat], limit: int) -> Callable[[Message], Uplink]:
    def read(message: Message) -> Uplink:
        plain = next((entry for entry in formats if entry.matches(message.topic)), None)
        return read_uplink(message, plain or network, limit=limit)

    return read


def _read_announcement(message: Message) -> Uplink:
    return Uplink(network=REGISTRY, kind="status", device_id=message.topic, observed_at=message.received_at)


def javascript_sources(settings: Settings) -> dict[str, str]:
    """Read the operator's JavaScript codecs, by name.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    sources: dict[str, str] = {}
    for name, path in settings.javascript.items():
        try:
            sources[name] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            msg = f"the codec {path} cannot be read: {error}"
            raise ConfigurationError(msg) from error
    return sources
