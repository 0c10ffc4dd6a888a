# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What devices measure over the day and the year: one function a course.

Each takes a moment and gives quantities of the normalised vocabulary in their own units. What
differs from place to place stands in `hagen.toml`, in the device's `course`.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from adapters.sources.simulator.chance import chance
from adapters.sources.simulator.life import OCCUPANCY, flow
from adapters.sources.simulator.weather import rain_before, weather

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from adapters.sources.simulator.moment import Moment

Values = dict[str, float]  # and true or false

_HOUR = 3600.0
_OUTDOOR_CO2 = 425.0
_BELOW_SENSOR_M = 0.6


def outdoors(moment: Moment) -> Values:
    """Weather. Rain is what fell since the device's last regular frame."""
    now = weather(moment)
    return {
        "air.temperature": now.temperature,
        "air.relativeHumidity": now.humidity,
        "air.pressure": now.pressure,
        "wind.speed": now.wind_speed,
        "wind.gust": now.gust,
        "wind.direction": now.wind_direction,
        "rain.amount": now.rain_rate * moment.installation.interval / _HOUR,
        "solar.irradiance": now.irradiance,
    }


def river(moment: Moment) -> Values:
    """A level (m) that every spell of rain lifts by `per_mm`, most after `lag_h`, over `low`."""
    low, per_mm, lag_h = (moment.installation.setting(name) for name in ("low", "per_mm", "lag_h"))
    rise = sum(
        mm * per_mm * (age / lag_h) * math.exp(1 - age / lag_h)
        for mm, age in rain_before(moment.seed, moment.seconds, 10 * lag_h)
    )
    # Wet ground passes on more of the rain.
    rise *= 1 + 0.3 * moment.winter
    reference = moment.installation.device.parameters.get("reference_level")
    room = (reference if reference is not None else low + 4) - low - _BELOW_SENSOR_M
    level = (
        low * (1 + 0.06 * moment.winter)
        + room * math.tanh(rise / room)
        + 0.02 * moment.wander("level", 5 * _HOUR)
        + 0.003 * moment.flicker("level")
    )
    values: Values = {
        "water.level": level,
        "water.temperature": max(0.5, 10.5 - 7 * moment.winter + moment.wander("water", 30 * _HOUR)),
    }
    if reference is not None:
        values["level.distance"] = reference - level
    return values


def soil(moment: Moment) -> Values:
    """Soil that dries out between spells of rain: `dry` to `wet`, % of volume."""
    dry, wet = moment.installation.setting("dry"), moment.installation.setting("wet")
    days = 9 + 4 * moment.winter  # until a third is left
    held = sum(
        mm * math.exp(-age / 24 / days) for mm, age in rain_before(moment.seed, moment.seconds, 35 * 24)
    )
    moisture = dry + (wet - dry) * (1 - math.exp(-held / 22)) + 0.2 * moment.flicker("soil")
    now = weather(moment)
    return {
        "soil.moisture": moisture,
        "soil.temperature": 10.5 - 7.5 * moment.winter + 0.15 * (now.temperature - 10),
        "soil.ec": 0.08 + 0.011 * moisture,
    }


def air(moment: Moment) -> Values:
    """Street air: `load` 0 (park) to 1 (busy canyon); traffic fills it, wind empties it."""
    now = weather(moment)
    still = math.exp(-now.wind_speed / 4)
    street = moment.installation.setting("load") * flow("traffic", moment.local) * (0.5 + still)
    heating = max(0.0, moment.winter)
    pm10 = 6 + 9 * still + 6 * heating + 16 * street + 1.5 * moment.wander("dust", _HOUR)
    pm2_5 = pm10 * (0.55 + 0.15 * heating)
    no2 = max(2.0, 7 + 7 * heating + 34 * street + 2 * moment.wander("no2", _HOUR))
    return {
        "air.pm10": max(1.0, pm10 + 0.4 * moment.flicker("pm10")),
        "air.pm2_5": max(0.6, pm2_5),
        "air.pm1_0": max(0.4, pm2_5 * 0.78),
        "air.no2": no2,
        "air.o3": max(3.0, 38 + 0.075 * now.irradiance - 0.7 * no2 - 12 * still),
        "air.temperature": now.temperature + 0.8,
        "air.relativeHumidity": now.humidity,
        "air.pressure": now.pressure,
    }


def noise(moment: Moment) -> Values:
    """Sound, dB(A): between `quiet` and `loud` as traffic goes."""
    quiet, loud = moment.installation.setting("quiet"), moment.installation.setting("loud")
    level = quiet + (loud - quiet) * min(1.0, flow("traffic", moment.local)) ** 0.5
    level += 1.5 * moment.wander("noise", 900) + moment.flicker("noise")
    return {"noise.laeq": level, "noise.lamax": level + 11 + 5 * moment.flicker("peak")}


def room(moment: Moment) -> Values:
    """A room: people breathe out while it is used (`use`), up to `peak` ppm above outdoors."""
    used, breath = _breath(moment)
    now = weather(moment)
    today = 1 + 0.15 * (
        2 * chance(moment.seed, moment.installation.device.id, "class", moment.local.toordinal()) - 1
    )
    summer = max(0.0, now.temperature - 20)
    return {
        "air.temperature": 19.6 + 1.6 * breath + 0.4 * summer + 0.4 * moment.wander("room", _HOUR),
        "air.relativeHumidity": min(75.0, max(24.0, 33 + 0.75 * now.temperature + 7 * breath)),
        "air.pressure": now.pressure,
        "air.co2": _OUTDOOR_CO2
        + moment.installation.setting("peak") * today * breath
        + 12 * moment.flicker("co2"),
        "air.lightIntensity": 4 + 0.45 * now.irradiance + (380 if used else 0),
        "air.tvoc": 60 + 180 * breath + 20 * moment.wander("tvoc", _HOUR),
        "action.motion.count": round(12 + 10 * moment.flicker("motion")) if used else 0,
    }


def _breath(moment: Moment) -> tuple[bool, float]:
    """Return whether the room is in use, and how stale its air is, 0 to 1."""
    stale, until, used = 0.0, 0.0, False
    for begin, end in OCCUPANCY[moment.installation.choice("use")].get(moment.local.weekday(), ()):
        if moment.hour < begin:
            break
        stale *= math.exp(-(begin - until) / 0.4)
        until = min(end, moment.hour)
        stale = 1 - (1 - stale) * math.exp(-(until - begin) / 0.8)
        used = moment.hour < end
    return used, stale * math.exp(-(moment.hour - until) / 0.4)


def parking(moment: Moment) -> Values:
    """A place that cars take for forty minutes at a time, as often as `use` has it."""
    stay = 2400
    shift = int(chance(moment.seed, moment.installation.device.id, "shift") * stay)
    number = (int(moment.seconds) + shift) // stay
    begin = datetime.fromtimestamp(number * stay - shift, moment.local.tzinfo)
    taken = chance(moment.seed, moment.installation.device.id, "stay", number) < min(
        0.95, flow(moment.installation.choice("use"), begin)
    )
    return {"occupancy.occupied": taken}


def people(moment: Moment) -> Values:
    """People in ten minutes: `peak` at most, as `use` has it; in the morning more come than go."""
    place = moment.installation
    closed = moment.local.weekday() in place.numbers("closed_weekdays") or (
        place.numbers("months") and moment.local.month not in place.numbers("months")
    )
    share = 0.0 if closed else flow(place.choice("use"), moment.local)
    count = max(0.0, place.setting("peak") * share * (1 + 0.25 * moment.flicker("people")))
    coming = min(0.9, max(0.1, 0.5 + 0.2 * math.cos(math.pi * (moment.hour - 9) / 10)))
    came = round(count * coming)
    went = round(count * (1 - coming))
    return {"people.in": came, "people.out": went, "people.total": came + went}


def container(moment: Moment) -> Values:
    """A container that fills by `per_day` (share) until it is emptied at half past six."""
    place = moment.installation
    emptied = _last_emptied(moment.local.replace(tzinfo=None), place.numbers("emptied_weekdays"))
    days = (moment.local.replace(tzinfo=None) - emptied) / timedelta(days=1)
    # Little is thrown in at night: the day's share comes as the day goes on.
    days += 0.1 * math.sin(2 * math.pi * (days - 0.25))
    week = 0.75 + 0.5 * chance(moment.seed, place.device.id, "rate", emptied.toordinal())
    share = min(1.0, max(0.0, place.setting("per_day") * week * days))
    empty, full = (place.device.parameters[name] for name in ("empty_distance", "full_distance"))
    return {
        "fill.level": 100 * share,
        "level.distance": empty - share * (empty - full) + 0.004 * moment.flicker("distance"),
        "air.temperature": weather(moment).temperature + 2,
    }


def _last_emptied(now: datetime, weekdays: tuple[int, ...]) -> datetime:
    morning = now.replace(hour=6, minute=30, second=0, microsecond=0)
    return next(
        day
        for day in (morning - timedelta(days=back) for back in range(8))
        if day <= now and day.weekday() in weekdays
    )


COURSES: Mapping[str, Callable[[Moment], Values]] = {
    "outdoors": outdoors,
    "river": river,
    "soil": soil,
    "air": air,
    "noise": noise,
    "room": room,
    "parking": parking,
    "people": people,
    "container": container,
}
