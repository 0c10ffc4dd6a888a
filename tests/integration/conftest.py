# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A whole platform, as `volme up` runs it, for the tests of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from adapters.codecs.decoding import TABLES
from compose.settings import load_settings
from compose.wiring import running
from tests.waiting import subscribed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from compose.platform import Platform


def carried(codec: str) -> str:
    """Return the profile under which a codec without one of its own is tried: it reads the battery."""
    return f"carried-{codec}"


@pytest_asyncio.fixture(scope="session")
async def city(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Platform]:
    """Hagen on embedded parts, with the simulator, on free ports."""
    settings = load_settings(
        None,
        data=tmp_path_factory.mktemp("city"),
        simulator__enabled=True,
        web__port=0,
        broker__embedded__port=0,
        embedded_mqtt_port=0,
        profiles={
            carried(codec): {
                "vendor": "any",
                "model": codec,
                "codec": codec,
                "entity_type": "Device",
                "fields": {"battery_voltage": "battery.voltage", "Bat": "battery.voltage"},
            }
            for codec in TABLES
        },
    )
    async with running(settings, strict_ports=True) as platform:
        await subscribed(platform)
        yield platform
