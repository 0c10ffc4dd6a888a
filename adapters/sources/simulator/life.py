# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""How a city's day goes, in local time: traffic, shopping, lessons. Tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_FRIDAY, _SATURDAY = 4, 5

# A bump of a day: at which hour, how wide (hours), how high.
Bump = tuple[float, float, float]

# What is left at night; then the bumps of Monday to Friday, of Saturday and of Sunday.
FLOWS: Mapping[str, tuple[float, tuple[Bump, ...], tuple[Bump, ...], tuple[Bump, ...]]] = {
    "traffic": (
        0.04,
        ((7.7, 1.2, 0.85), (12.5, 3, 0.5), (16.8, 1.7, 0.85)),
        ((12.5, 3.6, 0.7),),
        ((15, 4, 0.5),),
    ),
    "shopping": (0.0, ((12.5, 1.8, 0.5), (16.5, 1.8, 0.75)), ((13.5, 2.4, 1.0),), ((15, 2.5, 0.2),)),
    "station": (0.02, ((7.4, 1.0, 0.9), (13, 2.5, 0.4), (17, 1.6, 0.9)), ((13, 4, 0.55),), ((17, 3.5, 0.5),)),
    "museum": (0.0, ((14.5, 1.6, 0.55),), ((14.5, 1.5, 0.8),), ((14.5, 1.5, 1.0),)),
    "campus": (0.0, ((9.3, 1.5, 0.8), (13.5, 2.2, 0.7)), ((11.5, 1.5, 0.3),), ()),
    "venue": (0.0, ((19.5, 0.9, 0.25),), ((19.3, 1.2, 1.0),), ((15.5, 1.6, 0.5),)),
    "library": (0.0, ((12, 1.5, 0.5), (16, 1.5, 0.9)), ((12.5, 1.5, 0.8),), ()),
    "office": (0.0, ((9.5, 1.5, 0.9), (14.5, 1.3, 0.6)), (), ()),
    # parking: how likely it is taken
    "town": (0.06, ((11.5, 2.6, 0.75), (17, 1.9, 0.6)), ((13.5, 3, 0.9),), ((15, 3, 0.25),)),
    "commuters": (0.05, ((12, 3.6, 0.9),), ((13, 4, 0.35),), ((15, 4, 0.25),)),
    "residents": (0.75, ((12, 3.5, -0.35),), (), ((11, 3, 0.15),)),
}

_WEEK = range(5)
_LESSONS = ((8.0, 9.58), (9.92, 11.5), (11.75, 13.5))
# When a room is in use, by weekday (Monday 0): hours from, to.
OCCUPANCY: Mapping[str, Mapping[int, tuple[tuple[float, float], ...]]] = {
    "school": dict.fromkeys(_WEEK, _LESSONS),
    "office": dict.fromkeys(_WEEK, ((7.5, 12.0), (12.75, 16.5))),
    "library": dict.fromkeys(range(1, 6), ((10.0, 18.0),)),
    "museum": dict.fromkeys(range(1, 7), ((11.0, 18.0),)),
    "campus": dict.fromkeys(_WEEK, ((9.0, 12.5), (13.5, 18.0))),
}


def flow(name: str, local: datetime) -> float:
    """Return how busy it is, 0 to about 1."""
    night, week, saturday, sunday = FLOWS[name]
    bumps = week if local.weekday() <= _FRIDAY else saturday if local.weekday() == _SATURDAY else sunday
    hour = local.hour + local.minute / 60 + local.second / 3600
    return max(
        0.0, night + sum(high * math.exp(-(((hour - at) / wide) ** 2) / 2) for at, wide, high in bumps)
    )
