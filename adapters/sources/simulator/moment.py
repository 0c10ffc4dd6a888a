# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What a course is asked for: one device at one time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from adapters.sources.simulator.chance import jitter, smooth

if TYPE_CHECKING:
    from datetime import datetime

    from adapters.sources.simulator.catalogue import Installation

_BERLIN = ZoneInfo("Europe/Berlin")
_COLDEST_DAY = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """One device at one time.

    Attributes:
        seed: the simulation's seed.
        installation: the device and its settings.
        at: UTC.
        local: the same in Hagen's time, by which people live.
    """

    seed: int
    installation: Installation
    at: datetime
    local: datetime

    @classmethod
    def of(cls, seed: int, installation: Installation, at: datetime) -> Moment:
        """Return the moment with its local time."""
        return cls(seed=seed, installation=installation, at=at, local=at.astimezone(_BERLIN))

    @property
    def seconds(self) -> float:
        """Seconds since 1970."""
        return self.at.timestamp()

    @property
    def hour(self) -> float:
        """Hour of the local day, 0 to 24."""
        return self.local.hour + self.local.minute / 60 + self.local.second / 3600

    @property
    def winter(self) -> float:
        """1 on the coldest days of the year, -1 on the warmest."""
        day = self.at.timetuple().tm_yday + self.at.hour / 24
        return math.cos(2 * math.pi * (day - _COLDEST_DAY) / 365.25)

    def wander(self, what: str, period: float) -> float:
        """Return -1 to 1, slowly changing, this device's own; period in seconds."""
        return smooth(self.seconds, period, self.seed, self.installation.device.id, what)

    def flicker(self, what: str) -> float:
        """Return -1 to 1, new in every second: the noise of measuring."""
        return jitter(self.seed, self.installation.device.id, what, math.floor(self.seconds))
