# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What the operator declared about reading: which source's messages how, and codecs of vendors."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, cast

import orjson

from adapters.networks.declared import DeclaredFormat
from adapters.networks.envelope import Format, read_uplink
from adapters.networks.plain import PlainFormat
from models.device import FieldMapping
from models.errors import ConfigurationError
from models.message import Message
from models.uplink import REGISTRY, Uplink

if TYPE_CHECKING:
    from collections.abc import Callable

    from compose.settings import PlainTopic, Settings

_SIMULATED_PLAIN = PlainFormat(topic="hagen/{device}/measures", time="time")


def announcement(device_id: str) -> Message:
    """Return the message by which the registry tells the broker of a device, the way all data goes."""
    return Message(source=REGISTRY, topic=device_id, payload=b"{}", received_at=datetime.now(UTC))


def source_readers(settings: Settings) -> dict[str, Callable[[Message], Uplink]]:
    """Return, by source, what reads its messages."""
    plain: dict[str, list[Format]] = {}
    for entry in settings.plain:
        plain.setdefault(entry.source, []).append(_format(entry))
    networks: dict[str, str] = {source.name: source.network for source in settings.mqtt}
    networks |= {source.name: source.network for source in settings.webhook}
    if settings.simulator.enabled:
        plain.setdefault("mqtt", []).append(_SIMULATED_PLAIN)
    readers = {
        name: _reader(networks.get(name, "auto"), plain.get(name, []), settings.web.max_body)
        for name in networks.keys() | plain.keys()
    }
    return {REGISTRY: _read_announcement, **readers}


def _format(entry: PlainTopic) -> Format:
    """Return how one topic is read: the quick way, if nothing is asked for that it does not know.

    Raises:
        ConfigurationError: it cannot be read so.
    """
    small = entry.time_unit if entry.time_unit in {"us", "ns"} else None
    if any((entry.measurements is not None, entry.zone, entry.name, entry.value, entry.quantities, small)):
        return DeclaredFormat(
            topic=entry.topic,
            device=entry.device,
            key=entry.key,
            measurements=entry.measurements or entry.fields or "",
            time=entry.time,
            time_form=entry.time_unit,
            zone=entry.zone,
            name=entry.name,
            value=entry.value,
            fields=tuple(
                FieldMapping(
                    path=path,
                    quantity=known.quantity,
                    unit=known.unit,
                    values=known.values,
                    missing=known.missing,
                )
                for path, known in entry.quantities.items()
            ),
        )
    return PlainFormat(
        topic=entry.topic,
        device=entry.device,
        time=entry.time,
        time_unit=cast('Literal["auto", "rfc3339", "s", "ms"]', entry.time_unit),
        fields=entry.fields,
        key=entry.key,
    )


def _reader(network: str, formats: list[Format], limit: int) -> Callable[[Message], Uplink]:
    def read(message: Message) -> Uplink:
        for entry in formats:
            if entry.matches(message.topic):
                return read_uplink(message, entry, limit=limit)
        return read_uplink(message, network, limit=limit)

    return read


def _read_announcement(message: Message) -> Uplink:
    """Read that a device is registered, or what the payload says of its silence (`models/silence.py`)."""
    return Uplink(
        network=REGISTRY,
        kind="status",
        device_id=message.topic,
        observed_at=message.received_at,
        decoded=orjson.loads(message.payload or b"{}") or None,
    )


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
