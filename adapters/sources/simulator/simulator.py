# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The simulated devices send: any time that is asked for, a whole period, or live."""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import orjson

from adapters.sources.simulator import envelopes
from adapters.sources.simulator.catalogue import installations
from adapters.sources.simulator.chance import chance
from adapters.sources.simulator.courses import COURSES
from adapters.sources.simulator.moment import Moment
from adapters.sources.simulator.payloads import battery, fields_of, payload, profile_of
from models.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from adapters.sources.simulator.catalogue import Installation
    from models.device import Device

_MILLISECOND = timedelta(milliseconds=1)
_FIRST_ROUND_S = 2.0
# Live, a device sends this much more often than a battery would stand, within these bounds.
_FASTER = 30
_LIVE_S = (10.0, 60.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """When a device sends, and the count of that frame in its session.

    Attributes:
        at: UTC, whole milliseconds.
        session: names the session, which begins anew every month, as after a rejoin.
        f_cnt: from 0.
    """

    at: datetime
    session: str
    f_cnt: int


class Simulator:
    """The devices of `installations(city)`; a function of seed, device and time.

    Args:
        seed: another seed is another city with another weather.
        city: which devices.
    """

    def __init__(self, seed: int = 2026, city: str = "hagen") -> None:
        self._seed = seed
        self._installations = {each.device.id: each for each in installations(city)}

    def uplinks(self, device: Device, at: datetime, *, interval: float | None = None) -> tuple[str, bytes]:
        """Return topic and payload of the last frame that the device sent at or before a time.

        Asked again for the same frame, it gives the same bytes, as a network server that delivers twice.

        Args:
            device: one of `devices()`.
            at: with a zone.
            interval: seconds between frames; None: the device's own.

        Raises:
            ConfigurationError: the device is none of the simulated ones.
        """
        place = self._place(device)
        return self._send(place, self._frame(place, at, interval or place.interval))

    def schedule(
        self, start: datetime, end: datetime, *, interval: float | None = None
    ) -> Iterator[tuple[datetime, str, bytes]]:
        """Give (at, topic, payload) of every frame from `start` to before `end`, in order of time.

        Args:
            start: with a zone.
            end: with a zone.
            interval: seconds between the frames of one device; None: each device's own.
        """
        streams = (
            self._frames(place, start, end, interval or place.interval)
            for place in self._installations.values()
        )
        for frame, device_id in heapq.merge(*streams, key=lambda each: each[0].at):
            yield frame.at, *self._send(self._installations[device_id], frame)

    async def run(
        self,
        publish: Callable[[str, bytes], Awaitable[None]],
        *,
        speed: float = 1.0,
        interval: float | None = None,
    ) -> None:
        """Publish live until cancelled: every device once within two seconds, then each in its turn.

        What `publish` raises ends it. Frames that a slow `publish` leaves behind are skipped.

        Args:
            publish: takes topic and payload.
            speed: how much more often the devices send; the clock stays the real one.
            interval: seconds between the frames of one device at speed 1; None: 10 to 60 s,
                each device its own.
        """
        if speed <= 0 or (interval is not None and interval <= 0):
            sentence = "The simulator's speed and interval must be above 0."
            raise ConfigurationError(sentence)
        seconds = {
            device_id: (interval or _live_interval(place)) / speed
            for device_id, place in self._installations.items()
        }
        turns: list[tuple[datetime, str]] = []
        for device_id, place in self._installations.items():
            frame = self._frame(place, datetime.now(UTC), seconds[device_id])
            await publish(*self._send(place, frame))
            heapq.heappush(turns, (self._after(place, frame, seconds[device_id]).at, device_id))
            await asyncio.sleep(_FIRST_ROUND_S / len(self._installations) / max(1.0, speed))
        while True:
            due, device_id = heapq.heappop(turns)
            place = self._installations[device_id]
            await asyncio.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
            frame = self._frame(place, max(due, datetime.now(UTC)), seconds[device_id])
            await publish(*self._send(place, frame))
            heapq.heappush(turns, (self._after(place, frame, seconds[device_id]).at, device_id))

    def _place(self, device: Device) -> Installation:
        if device.id not in self._installations:
            sentence = f"Device {device.id} is none of the simulated ones."
            raise ConfigurationError(sentence)
        return self._installations[device.id]

    def _frames(
        self, place: Installation, start: datetime, end: datetime, interval: float
    ) -> Iterator[tuple[Frame, str]]:
        frame = self._frame(place, start, interval)
        if frame.at < start:
            frame = self._after(place, frame, interval)
        while frame.at < end:
            yield frame, place.device.id
            frame = self._after(place, frame, interval)

    def _after(self, place: Installation, frame: Frame, interval: float) -> Frame:
        return self._frame(place, frame.at + _step(interval), interval)

    def _frame(self, place: Installation, at: datetime, interval: float) -> Frame:
        """Return the last frame at or before a time; each device has its own phase in the interval."""
        at, step = at.astimezone(UTC), _step(interval)
        phase = int(chance(self._seed, place.device.id, "phase") * (step / _MILLISECOND)) * _MILLISECOND
        begin = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        if begin + phase > at:
            begin = (begin - timedelta(days=1)).replace(day=1)
        number = (at - begin - phase) // step
        session = f"{self._seed}/{place.device.id}/{begin:%Y-%m}/{step // _MILLISECOND}"
        return Frame(at=begin + phase + number * step, session=session, f_cnt=number)

    def _send(self, place: Installation, frame: Frame) -> tuple[str, bytes]:
        moment = Moment.of(self._seed, place, frame.at)
        values = {
            **COURSES[place.choice("kind")](moment),
            **battery(place.device, moment.seconds),
        }
        sending = envelopes.Sending(seed=self._seed, at=frame.at, session=frame.session, f_cnt=frame.f_cnt)
        if place.network in _SPEAK_THEMSELVES:
            topic, body = _SPEAK_THEMSELVES[place.network](
                place, sending, fields_of(profile_of(place.device.profile), values)
            )
        else:
            wrap = envelopes.chirpstack if place.network == "chirpstack" else envelopes.the_things_stack
            topic, body = wrap(place, sending, payload(place.device, place.form, values))
        return topic, orjson.dumps(body)


_SPEAK_THEMSELVES = {
    "plain": envelopes.plain,
    "sensor_community": envelopes.sensor_community,
    "opensensemap": envelopes.opensensemap,
}


def _step(interval: float) -> timedelta:
    return max(1, round(interval * 1000)) * _MILLISECOND


def _live_interval(place: Installation) -> float:
    least, most = _LIVE_S
    return min(most, max(least, place.interval / _FASTER))
