# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Which devices do not wait in a backlog: what the operator set as `priority`."""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING

from adapters.build import entity_id
from adapters.networks.envelope import read_uplink
from broker.bridge import Preference
from models.errors import MessageError

if TYPE_CHECKING:
    from adapters.translate import World
    from models.device import Device
    from models.message import Message


def preference(patterns: tuple[str, ...], world: World) -> Preference | None:
    """Make the preference.

    Args:
        patterns: `<Type>:<device or place>` with the wildcards `*` and `?`, such as `FloodMonitoring:*`.
        world: which device feeds which entity.

    Returns:
        None where there are no patterns.
    """
    if not patterns:
        return None
    either = re.compile("|".join(map(fnmatch.translate, patterns)))
    head = len("urn:ngsi-ld:")

    def prefers_entity(urn: str) -> bool:
        type_name, _, rest = urn[head:].partition(":")
        return either.match(f"{type_name}:{rest.partition(':')[2]}") is not None

    def feeds(device: Device) -> str | None:
        profile = world.profiles.get(device.profile)
        type_name = device.entity_type or (profile.entity_type if profile else None)
        return type_name and entity_id(type_name, world.city, device.place or device.id)

    def prefers_message(message: Message) -> bool:
        reader = world.readers.get(message.source)
        try:
            uplink = reader(message) if reader else read_uplink(message, "auto")
        except MessageError:
            return False
        device = world.devices.get(uplink.device_id)
        urn = feeds(device) if device is not None else None
        return urn is not None and prefers_entity(urn)

    def anybody() -> bool:
        return any(urn is not None and prefers_entity(urn) for urn in map(feeds, world.devices.values()))

    return Preference(message=prefers_message, entity=prefers_entity, anybody=anybody)
