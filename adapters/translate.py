# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""From a message to entities: the pipeline as a list of verbs.

A pure function of the message and of `World`: a snapshot of what the operator declared, and what counters
said in the messages before. Only JavaScript codecs leave the process. What stops a message, and each value
left out of it, is a `MessageError` in `Translation.problems`; nothing is raised and nothing is dropped, not
even where Volme itself has a defect: one message must not stop all others.

There is one meaning and two ways to it. The whole way is in this module; messages that are like those
before take the quick one of `adapters/templates.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

import structlog
from msgspec import Struct
from msgspec.structs import replace

from adapters.alerts import silence_alert
from adapters.build import build_entities
from adapters.codecs.decoding import decode_table
from adapters.codecs.javascript import PREFIX, Request
from adapters.counters import counter_rows, counters_of
from adapters.derive import derive
from adapters.fields import pick
from adapters.measurements import measurements
from adapters.networks.envelope import read_uplink
from adapters.quality import CLOCK, RANGE, Recent, limits, out_of_range, sources_of
from adapters.readings import (
    by_moment,
    check_time,
    implausible,
    mapped,
    mapped_moments,
    normalized,
    profile_parameters,
)
from adapters.sites import Sites, count_free, site_of, states
from adapters.templates import Templates
from models.errors import (
    ConfigurationError,
    DefectError,
    ImplausibleValueError,
    InvalidEntityError,
    MessageError,
    NothingMeasuredError,
    UnknownDeviceError,
    UnknownProfileError,
)
from models.reading import EntityUpdate, Reading
from models.translation import Translation
from models.uplink import REGISTRY
from ontology.loader import quantities

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from adapters.codecs.decoding import Codecs, Decoded
    from adapters.plans import Plan
    from adapters.shapes import Shape
    from models.counters import Counters
    from models.device import Device, Profile
    from models.message import Message
    from models.uplink import Uplink

log = structlog.get_logger(__name__)

_LONGEST_CAUSE = 200
# Messages between two turns of everything else that the process does: some milliseconds.
_AT_ONCE = 256
# Messages that take each step together.
_TOGETHER = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """What translation knows besides the message.

    Attributes:
        city: the part of entity ids between type and device.
        devices: devices in service, by id.
        retired: devices out of service: the broker is told of them, and what they send waits.
        sites: parking sites, whose free spots are counted.
        profiles: device profiles by name.
        codecs: decoders of payloads.
        readers: by source, what reads its envelopes; sources without one are recognised by shape.
        templates: what makes translation fast, and changes nothing else.
        recent: what devices said before, by which readings are flagged; None: nothing is watched.
        counters: what counters said in the messages before, in the order of the log; None: nobody knows,
            and there are no differences.
    """

    city: str
    devices: Mapping[str, Device]
    profiles: Mapping[str, Profile]
    codecs: Codecs
    readers: Mapping[str, Callable[[Message], Uplink]] = field(default_factory=dict)
    templates: Templates = field(default_factory=Templates)
    counters: Counters | None = None
    recent: Recent | None = None
    retired: Mapping[str, Device] = field(default_factory=dict)
    sites: Sites = field(default_factory=Sites)


async def translate(message: Message, world: World) -> Translation:
    """Translate one message as far as it goes."""
    (done,) = await translate_all((message,), world)
    return done


async def translate_all(messages: Sequence[Message], world: World) -> list[Translation]:
    """Translate many messages, each as far as it goes; the answer has their order.

    Only JavaScript codecs are waited for, by all messages that need one at the same time. Others have
    their turn every few milliseconds.
    """
    translations = [Translation(message=message) for message in messages]
    waiting: list[_Rest] = []
    for first in range(0, len(translations), _TOGETHER):
        if first % _AT_ONCE == _AT_ONCE - _TOGETHER:
            await asyncio.sleep(0)
        waiting += _translate_some(translations[first : first + _TOGETHER], world)
    if waiting:
        await _decode_foreign(waiting, world)
    return translations


def _translate_some(some: Sequence[Translation], world: World) -> list[_Rest]:
    """Translate a few messages, all by one step before the next; return those that wait for JavaScript.

    Message by message takes half as long again: the code of all steps together does not stay in the
    processor's nearest cache.
    """
    opened = [done for done in some if _take(_open_envelope, done, world)]
    undecoded = [rest for done in opened if (rest := _take(_begin, done, world)) is not None]
    ours = [rest for rest in undecoded if not rest.profile.codec.startswith(PREFIX)]
    _finish_some([rest for rest in ours if _take(_decode, rest.done, rest)], world)
    return [rest for rest in undecoded if rest.profile.codec.startswith(PREFIX)]


_T = TypeVar("_T")


def _take(step: Callable[..., _T], done: Translation, *given: Any) -> _T | None:
    """Take a step of a message's translation; None: there it stopped."""
    try:
        return step(done, *given)
    except Exception as problem:  # noqa: BLE001 - one message must not stop all others
        _stop(done, problem)
        return None


class _Rest(Struct, kw_only=True):
    """What is known of a message on the way to its entities.

    Attributes:
        decoded: what our own codec made of its payload.
        fields: what it says; None: the network server's status alone. `codec`: what read it.
        plan: what is kept of its device, for the quick way.
        shape: what becomes of its values, likewise.
        values: of the quantities in it.
        quick: its entities are made.
    """

    done: Translation
    uplink: Uplink
    device: Device
    profile: Profile
    decoded: Decoded | None = None
    fields: Mapping[str, Any] | None = None
    codec: str | None = None
    plan: Plan | None = None
    shape: Shape | None = None
    values: Sequence[Any] = ()
    quick: bool = False


def _open_envelope(done: Translation, world: World) -> bool:
    """Read what the network server says; False: it is nothing that measures."""
    message = done.message
    reader = world.readers.get(message.source)
    done.uplink = uplink = reader(message) if reader else read_uplink(message, "auto")
    return uplink.kind != "other"


def _begin(done: Translation, world: World) -> _Rest | None:
    """Translate a message up to where its payload has to be decoded, else to its end."""
    uplink = cast("Uplink", done.uplink)
    check_time(uplink, done.message.received_at)
    if uplink.network == REGISTRY and uplink.decoded:
        done.entities = (silence_alert(uplink.decoded, world.city),)
        return None
    device = done.device = _find_device(uplink, world)
    profile = _find_profile(device, world)
    rest = _Rest(done=done, uplink=uplink, device=device, profile=profile)
    if uplink.kind == "data":
        if uplink.decoded:
            rest.fields, rest.codec = uplink.decoded, "network"
            if _go_quickly(done, rest, world):
                return None
            _read_decoded(done, uplink, profile)
        if uplink.moments:
            _read_moments(done, uplink, profile)
        if not done.readings and uplink.normalized:
            _read_normalized(done, uplink)
        if not done.readings and uplink.payload:
            return rest
    elif _go_quickly(done, rest, world):
        return None
    _complete(done, uplink, device, profile, world)
    return None


def _decode(_done: Translation, rest: _Rest) -> bool:
    uplink, codec = rest.uplink, rest.profile.codec
    rest.decoded = decoded = decode_table(codec, uplink.payload, uplink.f_port)
    rest.fields, rest.codec = decoded.fields, codec
    return True


def _finish_some(some: Sequence[_Rest], world: World) -> None:
    """Translate a few messages from their decoded payloads on, by one step before the next."""
    # Behind one of a device that goes the whole way go all of its others, so that they stay in order.
    odd = {rest.device.id for rest in some if not _take(_plan, rest.done, rest, world)}
    for rest in some:
        if rest.device.id not in odd and not _take(_fill, rest.done, rest, world):
            odd.add(rest.device.id)
    for rest in some:
        if rest.quick:
            if rest.done.unmapped:
                _take(_measure_alone, rest.done, rest, world)
        elif not rest.done.problems:
            _take(_finish, rest.done, rest, world)


def _finish(done: Translation, rest: _Rest, world: World) -> None:
    """Translate a message from its decoded payload on, the whole way."""
    uplink, profile, decoded = rest.uplink, rest.profile, cast("Decoded", rest.decoded)
    done.codec, done.fields = profile.codec, decoded.fields
    done.readings = mapped(decoded.fields, profile.fields, uplink.observed_at, profile.codec) or normalized(
        decoded.normalized, uplink.observed_at, done.message.received_at
    )
    _complete(done, uplink, rest.device, profile, world)


async def _decode_foreign(waiting: Sequence[_Rest], world: World) -> None:
    """Have payloads decoded in other processes, and translate their messages to the end."""
    answers = await world.codecs.decode_many(
        [
            Request(
                codec=rest.profile.codec,
                payload=rest.uplink.payload,
                f_port=rest.uplink.f_port,
                received_at=rest.done.message.received_at,
            )
            for rest in waiting
        ]
    )
    decoded: list[_Rest] = []
    for rest, answer in zip(waiting, answers, strict=True):
        if isinstance(answer, MessageError):
            _stop(rest.done, answer)
        else:
            rest.decoded, rest.fields, rest.codec = answer, answer.fields, rest.profile.codec
            decoded.append(rest)
    for first in range(0, len(decoded), _TOGETHER):
        if first % _AT_ONCE == _AT_ONCE - _TOGETHER:
            await asyncio.sleep(0)
        _finish_some(decoded[first : first + _TOGETHER], world)


def _go_quickly(done: Translation, rest: _Rest, world: World) -> bool:
    """Make the entities the quick way; False: they cannot be made so."""
    if not _plan(done, rest, world) or not _fill(done, rest, world):
        return False
    if done.unmapped:
        _measure_alone(done, rest, world)
    return True


def _plan(done: Translation, rest: _Rest, world: World) -> bool:
    """Find what is kept of the device; False: the message has to go the whole way."""
    fields, uplink = rest.fields, rest.uplink
    if _clock_is_wrong(done, uplink, world):
        return False
    if fields and world.counters is not None:
        if site_of(rest.device) is not None:
            return False  # the free spots of its site are to be counted
        for row in counter_rows(rest.profile):
            if pick(fields, row) is not None:
                return False  # what was counted since the message before is to be added
    rest.plan = world.templates.find(rest.device, rest.profile, uplink, world.city)
    return rest.plan is not None


def _fill(done: Translation, rest: _Rest, world: World) -> bool:
    """Make the entities of what has attributes; False: the message has to go the whole way."""
    filled = world.templates.fill(cast("Plan", rest.plan), rest.uplink, rest.fields, world.recent)
    if filled is None:
        return False
    entities, shape, values = filled
    if len(shape.alone) < len(shape.unmapped):
        return False  # the others are derived
    done.entities, done.counted, done.unmapped = entities, shape.count, shape.unmapped
    if rest.fields is not None:
        done.codec, done.fields = rest.codec, rest.fields
    rest.shape, rest.values, rest.quick = shape, values, True
    return True


def _measure_alone(done: Translation, rest: _Rest, world: World) -> None:
    """Make the entities of what has no attribute."""
    values, at, codec = rest.values, rest.uplink.observed_at, rest.codec or ""
    readings = [
        Reading(quantity=name, value=values[index], unit=unit, observed_at=at, codec=codec)
        for name, index, unit in cast("Shape", rest.shape).alone
    ]
    _measure(done, readings, world)


def _complete(done: Translation, uplink: Uplink, device: Device, profile: Profile, world: World) -> None:
    """Go the whole way from readings to entities, and name all that is wrong."""
    _expect_something(done, uplink, profile)
    _add_status(done, uplink)
    _flag_range(done)
    _leave_out_implausible(done, device)
    _count(done, device, profile, world)
    _derive(done, device, profile)
    _flag_range(done)
    _leave_out_implausible(done, device)
    _flag_changes(done, uplink, device, world)
    _build(done, uplink, device, profile, world)
    world.templates.learn(done, profile, world.city, world.devices)
    _measure(done, done.readings, world)
    _count_free(done, uplink, device, world)


def _stop(done: Translation, problem: Exception) -> None:
    """Note what stopped a message."""
    if isinstance(problem, MessageError):
        if problem.device_id is None and done.uplink is not None:
            problem.device_id = done.uplink.device_id
        # The frames that it came through would stay in memory with it.
        done.problems = (*done.problems, problem.with_traceback(None))
        return
    message = done.message
    log.error("translate.defect", source=message.source, topic=message.topic, exc_info=problem)
    done.readings = done.entities = ()
    done.problems = (*done.problems, _defect(done.uplink, problem))


def _defect(uplink: Uplink | None, defect: Exception) -> DefectError:
    msg = (
        "Volme has a defect that this message brought to light; please report it, and replay the message"
        f" with the next release ({type(defect).__name__}: {str(defect)[:_LONGEST_CAUSE]})."
    )
    return DefectError(msg, device_id=uplink.device_id if uplink else None)


def _find_device(uplink: Uplink, world: World) -> Device:
    device = world.devices.get(uplink.device_id)
    if device is None and uplink.network == REGISTRY:
        device = world.retired.get(uplink.device_id)
    if device is None:
        called = f" (“{uplink.name}”)" if uplink.name else ""
        model = f", model {' '.join(uplink.model)}" if uplink.model else ""
        msg = (
            f"Device {uplink.device_id}{called}{model} is not registered: `volme devices add"
            f" {uplink.device_id} --profile …` delivers what has waited."
        )
        raise UnknownDeviceError(msg)
    return device


def _find_profile(device: Device, world: World) -> Profile:
    profile = world.profiles.get(device.profile)
    if profile is None:
        msg = (
            f"Device {device.id} has the profile “{device.profile}”, which does not exist (`volme profiles`)."
        )
        raise UnknownProfileError(msg)
    return profile


def _read_decoded(done: Translation, uplink: Uplink, profile: Profile) -> None:
    """Take what the network server's own codec, or the device itself, made of the payload."""
    if uplink.decoded:
        done.codec, done.fields = "network", uplink.decoded
        done.readings = mapped(uplink.decoded, profile.fields, uplink.observed_at, "network")


def _read_moments(done: Translation, uplink: Uplink, profile: Profile) -> None:
    """Take what the device measured at several times."""
    done.codec, done.fields = "network", uplink.moments[-1][1]
    done.readings = mapped_moments(uplink.moments, profile.fields, done.message.received_at, "network")


def _read_normalized(done: Translation, uplink: Uplink) -> None:
    done.codec = "normalized"
    done.readings = normalized(uplink.normalized, uplink.observed_at, done.message.received_at)


def _add_status(done: Translation, uplink: Uplink) -> None:
    """Add what the network server knows of the device itself."""
    known = {reading.quantity for reading in done.readings}
    status = (
        ("battery.level", uplink.battery and uplink.battery * 100),
        ("signal.rssi", uplink.rssi),
    )
    done.readings += tuple(
        Reading(
            quantity=name,
            value=value,
            unit=quantities()[name].unit,
            observed_at=uplink.observed_at,
            codec="network",
        )
        for name, value in status
        if value is not None and name not in known
    )


def _count(done: Translation, device: Device, profile: Profile, world: World) -> None:
    """Add what the device's counters counted since its message before."""
    if world.counters is None:
        return
    for some in by_moment(done.readings):
        sound = [reading for reading in some if reading.quality is None]
        for counter in counters_of(sound, profile):
            done.counts = (*done.counts, counter.now)
            passed = world.counters.advance(device.id, counter.now, counter.modulus)
            if passed is not None:
                done.readings = (*done.readings, counter.reading(passed))


def _flag_range(done: Translation) -> None:
    """Flag what is outside of what is physically possible: it goes on, and nothing is derived from it."""
    if any(out_of_range(reading) for reading in done.readings):
        done.readings = tuple(
            replace(reading, quality=RANGE) if out_of_range(reading) else reading for reading in done.readings
        )


def _flag_changes(done: Translation, uplink: Uplink, device: Device, world: World) -> None:
    """Flag what a wrong clock dates, what changed too fast or not at all, and what is derived from that."""
    if world.recent is None or uplink.kind != "data":
        return
    wrong_clock = _clock_is_wrong(done, uplink, world)
    flagged: list[Reading] = []
    for some in by_moment(done.readings) if done.readings else ():
        watched = {
            each.quantity: float(each.value)
            for each in some
            if each.quantity in limits() and each.quality is None
        }
        names, at = tuple(sorted(watched)), some[0].observed_at.timestamp()
        seen = world.recent.look(device.id, at, names, [watched[name] for name in names]) if names else None
        flags = dict(seen or {})
        for each in some:
            if each.codec == "derived" and each.quantity not in flags:
                inherited = next((flags[name] for name in sources_of(each.quantity) if name in flags), None)
                if inherited is not None:
                    flags[each.quantity] = inherited
        for each in some:
            flag = each.quality or (CLOCK if wrong_clock else flags.get(each.quantity))
            flagged.append(each if flag == each.quality else replace(each, quality=flag))
    done.readings = tuple(flagged)


def _clock_is_wrong(done: Translation, uplink: Uplink, world: World) -> bool:
    if world.recent is None or not uplink.device_time:
        return False
    return world.recent.clock_is_wrong(uplink, uplink.device_id, done.message.received_at)


def _derive(done: Translation, device: Device, profile: Profile) -> None:
    try:
        parameters = {**profile_parameters(profile), **device.parameters}
        done.readings = tuple(
            reading
            for some in by_moment(done.readings)
            for reading in (
                *derive([reading for reading in some if reading.quality is None], parameters),
                *(reading for reading in some if reading.quality is not None),
            )
        )
    except ConfigurationError as error:
        msg = f"The parameters of device {device.id} contradict each other: {error}."
        raise InvalidEntityError(msg) from error


def _leave_out_implausible(done: Translation, device: Device) -> None:
    kept: list[Reading] = []
    for reading in done.readings:
        reason = None if reading.quality == RANGE else implausible(reading)
        if reason is None:
            kept.append(reading)
        else:
            problem = ImplausibleValueError(f"Device {device.id}: {reason}", device_id=device.id)
            done.problems = (*done.problems, problem)
    done.readings = tuple(kept)


def _expect_something(done: Translation, uplink: Uplink, profile: Profile) -> None:
    """A payload that says nothing points to a wrong profile; a MAC-only frame does not."""
    if done.codec is not None and not done.readings:
        names = ", ".join(sorted(map(str, done.fields))[:8]) or "none"
        msg = (
            f"The payload of device {uplink.device_id} was decoded by “{done.codec}”, but profile"
            f" “{profile.name}” maps none of its fields ({names})."
        )
        raise NothingMeasuredError(msg)


def _measure(done: Translation, readings: Sequence[Reading], world: World) -> None:
    """Send what no attribute takes by itself; `unmapped` keeps what cannot be sent."""
    device, uplink = cast("Device", done.device), cast("Uplink", done.uplink)
    alone = [reading for reading in readings if reading.quantity in done.unmapped]
    left: list[str] = []
    for reading, made in zip(alone, measurements(alone, device, uplink, city=world.city), strict=True):
        if isinstance(made, EntityUpdate):
            done.entities = (*done.entities, made)
        else:
            done.problems = (*done.problems, made)
            left.append(reading.quantity)
    done.unmapped = tuple(left)


def _count_free(done: Translation, uplink: Uplink, device: Device, world: World) -> None:
    """Count the free spots of a parking spot's site, if the message says something new of the spot."""
    urn = site_of(device)
    if urn is None or world.counters is None:
        return
    said = tuple(states(done.readings))
    done.counts = (*done.counts, *said)
    newer = [world.counters.enter(device.id, state) for state in said]
    if True in newer:
        site = world.sites.find(urn, world.devices, world.retired)
        update = site and count_free(site, world.counters, uplink)
        if update:
            done.entities = (*done.entities, update)


def _build(done: Translation, uplink: Uplink, device: Device, profile: Profile, world: World) -> None:
    for some in by_moment(done.readings) or [()]:
        at = some[0].observed_at if some else uplink.observed_at
        frame = uplink if at == uplink.observed_at else replace(uplink, observed_at=at)
        built = build_entities(some, device, profile, frame, city=world.city)
        done.entities += built.entities
        done.unmapped += tuple(name for name in built.unmapped if name not in done.unmapped)
        done.problems += built.problems
