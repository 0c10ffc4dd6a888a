# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What devices measure over the day and the year: one function a course.

Each takes a moment and gives quantities of the normalised vocabulary in their own units. What
differs from place to place stands in `hagen.toml`, in the device's `course`.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from adapters.sources.simulator.chance import chance
from adapters.sources.simulator.life import OCCUPANCY, flow
from adapters.sources.simulator.weather import rain_before, weather

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from adapters.sources.simulator.moment import Moment

Values = dict[str, Any]  # numbers, true or false, words

_HOUR = 3600.0
_OUTDOOR_CO2 = 425.0
_BELOW_SENSOR_M = 0.6
_BAR_PER_M = 0.0980665  # of water
_SOMEBODY, _OFTEN, _SELDOM = 0.3, 0.8, 0.7
_MOST_SEEN = 250  # by a camera overhead


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
        "air.lightIntensity": 115 * now.irradiance,  # daylight, lx for each W/m²
        "air.uvIndex": 0.009 * now.irradiance,
        "rain.intensity": now.rain_rate,
        "rain.cumulative": sum(mm for mm, _ in rain_before(moment.seed, moment.seconds, moment.hour)),
    }


def road(moment: Moment) -> Values:
    """A road: the sun warms it, a clear night cools it below the air."""
    now = weather(moment)
    surface = now.temperature + 0.02 * now.irradiance - (1.8 if now.irradiance <= 0 else 0)
    return {
        "surface.temperature": surface + 0.3 * moment.flicker("surface"),
        "air.temperature": now.temperature,
        "air.relativeHumidity": now.humidity,
        "air.dewPoint": now.temperature - (100 - now.humidity) / 5,
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
    over_sensor = level - moment.installation.device.parameters.get("sensor_level", 0.0)
    values["water.pressure"] = over_sensor * _BAR_PER_M
    return values


def pond(moment: Moment) -> Values:
    """Water that rain muddies and the warm half of the year makes poor in oxygen."""
    washed_in = sum(mm / (1 + age) for mm, age in rain_before(moment.seed, moment.seconds, 12))
    warm = max(0.5, 11 - 8 * moment.winter + moment.wander("pond", 30 * _HOUR))
    return {
        "water.temperature": warm,
        "water.turbidity": 3 + 9 * washed_in + 0.3 * moment.flicker("turbidity"),
        "water.oxygen": 13.5 - 0.22 * warm + 0.2 * moment.wander("oxygen", 6 * _HOUR),
    }


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
        "soil.waterPotential": -10 - 3 * max(0.0, wet - moisture),  # kPa: the drier, the harder to drink
        "soil.pH": 6.4 + 0.1 * moment.wander("pH", 90 * _HOUR),
        "leaf.wetness": min(100.0, max(0.0, 60 * now.rain_rate + 1.2 * (now.humidity - 55))),
        "leaf.temperature": now.temperature - 0.5,
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
        "air.pm4_0": max(0.8, pm2_5 + 0.4 * (pm10 - pm2_5)),
        "air.co2": _OUTDOOR_CO2 + 60 * street + 8 * moment.wander("co2", _HOUR),
        "air.hcho": 4 + 6 * street,
        "occupancy.occupied": street > _SOMEBODY,
        "air.no2": no2,
        "air.o3": max(3.0, 38 + 0.075 * now.irradiance - 0.7 * no2 - 12 * still),
        "air.temperature": now.temperature + 0.8,
        "air.relativeHumidity": now.humidity,
        "air.pressure": now.pressure,
    }


def street(moment: Moment) -> Values:
    """What citizens measure at their windows: air and noise."""
    return {**air(moment), **noise(moment)}


def noise(moment: Moment) -> Values:
    """Sound, dB(A): between `quiet` and `loud` as traffic goes."""
    quiet, loud = moment.installation.setting("quiet"), moment.installation.setting("loud")
    level = quiet + (loud - quiet) * min(1.0, flow("traffic", moment.local)) ** 0.5
    level += 1.5 * moment.wander("noise", 900) + moment.flicker("noise")
    return {
        "noise.laeq": level,
        "noise.las": level + 0.5 * moment.flicker("slow"),
        "noise.lamin": level - 9 + 2 * moment.flicker("calm"),
        "noise.lamax": level + 11 + 5 * moment.flicker("peak"),
    }


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
        "action.motion.detected": used and moment.flicker("somebody") > -_OFTEN,
        "occupancy.occupied": used,
        "action.contactState": "open" if used and moment.flicker("door") > _SELDOM else "closed",
        "water.leak": False,
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


def car_park(moment: Moment) -> Values:
    """A car park of `spots`, counted at its barriers: as full as `use` has it."""
    place = moment.installation
    spots = int(place.setting("spots"))
    share = flow(place.choice("use"), moment.local) * (1 + 0.05 * moment.wander("cars", 1800))
    occupied = min(spots, max(0, round(spots * share)))
    return {"parking.occupied": occupied, "parking.free": spots - occupied}


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
    return {
        "people.in": came,
        "people.out": went,
        "people.total": came + went,
        "people.present": min(_MOST_SEEN, round(count / 6)),
        "people.cumulative.in": _counted(moment, place.setting("peak")) % 2**16,
        "people.cumulative.out": _counted(moment, 0.99 * place.setting("peak")) % 2**16,
    }


def _counted(moment: Moment, per_day: float) -> int:
    """Return a counter's state: it never falls, and is at 0 when the device was installed."""
    return math.floor(_since_installed(moment, per_day))


def _since_installed(moment: Moment, per_day: float) -> float:
    installed = moment.installation.device.installed_at
    days = max(0.0, (moment.at - installed) / timedelta(days=1)) if installed else 0.0
    # More by day than by night, and never backwards.
    return per_day * (days - 0.15 * math.sin(2 * math.pi * days) / (2 * math.pi))


def electricity(moment: Moment) -> Values:
    """A building's meter: `per_day` kWh drawn, and `sun` kWh fed in from its roof."""
    place = moment.installation
    return {
        "metering.energy.total": 20_000 + _since_installed(moment, place.setting("per_day")),
        "metering.energy.exported": _since_installed(moment, place.setting("sun")),
    }


def heat(moment: Moment) -> Values:
    """District heating: up to `kilowatts` in the cold, hardly any in summer."""
    most = moment.installation.setting("kilowatts")
    share = min(1.0, max(0.05, (18 - weather(moment).temperature) / 28))
    power = most * share * (1 + 0.05 * moment.flicker("heat"))
    ahead, back = 70 + 20 * share, 45 - 8 * share
    return {
        "metering.heat.total": 150_000 + _since_installed(moment, 24 * 0.3 * most),
        "metering.heat.volume": 4_000 + _since_installed(moment, 0.12 * most),
        "metering.heat.power": power,
        "metering.heat.flow": power / 1.163 / (ahead - back),  # 1.163 kWh heat a m³ of water by 1 K
        "metering.heat.flowTemperature": ahead,
        "metering.heat.returnTemperature": back,
    }


def water(moment: Moment) -> Values:
    """A building's water meter: `per_day` litres, most of them by day."""
    place = moment.installation
    return {
        "metering.water.total": 3_000_000 + _since_installed(moment, place.setting("per_day")),
        "metering.water.flow": max(0.0, place.setting("per_day") / 24 * (1 + 0.8 * moment.flicker("tap"))),
        "water.temperature": 11 + 2 * moment.wander("pipe", 6 * _HOUR),
    }


def gas(moment: Moment) -> Values:
    """A building's gas meter: `per_day` cubic metres over the year."""
    place = moment.installation
    return {"metering.gas.total": 40_000 + _since_installed(moment, place.setting("per_day"))}


def traffic(moment: Moment) -> Values:
    """Vehicles since the last frame: `peak` at most; the more there are the slower they go."""
    place = moment.installation
    busy = flow("traffic", moment.local)
    count = round(place.setting("peak") * busy * (1 + 0.2 * moment.flicker("vehicles")))
    slow = 14 * min(1.0, busy)
    return {
        "traffic.count": count,
        "traffic.speed": place.setting("speed") - slow + 2 * moment.flicker("speed"),
    }


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
    "electricity": electricity,
    "heat": heat,
    "water": water,
    "gas": gas,
    "pond": pond,
    "road": road,
    "traffic": traffic,
    "outdoors": outdoors,
    "river": river,
    "soil": soil,
    "air": air,
    "noise": noise,
    "street": street,
    "room": room,
    "parking": parking,
    "car_park": car_park,
    "people": people,
    "container": container,
}
