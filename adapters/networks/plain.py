# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Plain MQTT JSON: devices that speak for themselves, by a declared topic and declared fields."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from adapters.networks.fields import Fields, quick_rfc3339, rfc3339
from models.errors import ConfigurationError, EnvelopeError, UnknownEnvelopeError
from models.uplink import Uplink

NETWORK = "plain"

_NAME = re.compile(r"\{(\w+)\}")
# What may become a part of an entity's id and of a row in PostgreSQL.
_DEVICE_ID = re.compile(r"[^\s\x00-\x1f\x7f<>\"'`{}|\\^]{1,200}")
# Seconds since 1970 reach this in the year 5138, milliseconds reached it in 1973.
_MILLISECONDS_FROM = 1e11


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainFormat:
    """How one kind of plain message is read.

    Paths are keys and indices joined by dots: `meta.sensors.0.id`.

    Attributes:
        topic: an MQTT topic filter (`+`, `#`) whose levels may have a name: `city/{device}/measures`.
        device: a template of names in the topic or paths in the payload, each in braces
            (`{area}-{meta.serial}`), or one path without braces (`meta.serial`).
        time: path of the time of observation; None: when the message was received.
        time_unit: `rfc3339`, seconds (`s`) or milliseconds (`ms`) since 1970; `auto`: text is
            RFC 3339, a number is told by its size.
        fields: path of the object that is measured; None: the whole payload.
        key: path of what is the same for every delivery of one message; None: nothing is.

    Raises:
        ConfigurationError: the topic is no filter, or the template cannot be filled.
    """

    topic: str
    device: str = "{device}"
    time: str | None = None
    time_unit: Literal["auto", "rfc3339", "s", "ms"] = "auto"
    fields: str | None = None
    key: str | None = None
    _around: tuple[str, str] | None = field(init=False, repr=False, compare=False)
    _simple: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        compile_topic(self.topic)
        object.__setattr__(self, "_around", _around(self.topic))
        simple = self.device == "{device}" and self.fields is None and self.key is None
        timed = self.time is None or ("." not in self.time and self.time_unit in {"auto", "rfc3339"})
        object.__setattr__(self, "_simple", simple and timed)
        if self.device == "{device}" and "{device}" not in self.topic:
            sentence = f"The plain format for {self.topic} does not say where the device's id is."
            raise ConfigurationError(sentence)
        if not self.device or not _NAME.sub("", self.topic + self.device).isprintable():
            sentence = f"The plain format for {self.topic} has an empty or unprintable part."
            raise ConfigurationError(sentence)

    def matches(self, topic: str) -> bool:
        """Tell whether messages of this topic are of this format."""
        if self._around is not None:
            return _between(self._around, topic) is not None
        return compile_topic(self.topic).fullmatch(topic) is not None

    def read(self, topic: str, body: Any, *, received_at: datetime) -> Uplink:
        """Read one message.

        Raises:
            UnknownEnvelopeError: the topic does not match, or the payload is no object.
            EnvelopeError: a declared field is missing or of a wrong type.
        """
        if self._simple and (uplink := self._quick(topic, body, received_at)) is not None:
            return uplink
        levels = self._levels(topic)
        if type(body) is not dict:
            Fields.of(body)
        device_id = self._device(levels, body)
        try:
            return Uplink(
                network=NETWORK,
                device_id=device_id,
                observed_at=received_at if self.time is None else self._time(body, self.time),
                device_time=self.time is not None,
                key=None if self.key is None else _scalar(body, self.key),
                decoded=body if self.fields is None else self._fields(body, self.fields),
            )
        except EnvelopeError as error:
            error.device_id = device_id
            raise

    def _quick(self, topic: str, body: Any, received_at: datetime) -> Uplink | None:
        """Read a message in which all is as it should be; None: something is odd."""
        device_id = _between(self._around, topic) if self._around is not None else None
        if device_id is None or type(body) is not dict or _DEVICE_ID.fullmatch(device_id) is None:
            return None
        if self.time is not None:
            time = body.get(self.time)
            moment = quick_rfc3339(time) if type(time) is str else None
            if moment is None:
                return None
            received_at = moment
        return Uplink(
            network=NETWORK,
            device_id=device_id,
            observed_at=received_at,
            device_time=self.time is not None,
            decoded=body,
        )

    def _levels(self, topic: str) -> Mapping[str, str]:
        """Return the named levels of a topic."""
        if self._around is not None:
            device = _between(self._around, topic)
            if device is not None:
                return {"device": device}
        else:
            match = compile_topic(self.topic).fullmatch(topic)
            if match is not None:
                return match.groupdict()
        sentence = f"The topic {topic} does not match {self.topic}."
        raise UnknownEnvelopeError(sentence)

    def _device(self, levels: Mapping[str, str], body: Any) -> str:
        if self.device == "{device}" and "device" in levels:
            return _checked(levels["device"])
        template = self.device if "{" in self.device else f"{{{self.device}}}"
        device_id = re.sub(
            r"\{([^{}]+)\}", lambda name: levels.get(name[1]) or _scalar(body, name[1]), template
        )
        return _checked(device_id)

    def _fields(self, body: Any, path: str) -> Mapping[str, Any]:
        found = _find(body, path)
        if not isinstance(found, Mapping):
            sentence = f"The field {path} is missing or no object, and the format says that it is measured."
            raise EnvelopeError(sentence)
        return found

    def _time(self, body: Any, path: str) -> datetime:
        value = _find(body, path)
        if isinstance(value, str) and self.time_unit in {"auto", "rfc3339"}:
            return rfc3339(value, Fields(body), path)
        if isinstance(value, int | float) and not isinstance(value, bool) and self.time_unit != "rfc3339":
            milliseconds = self.time_unit == "ms" or (
                self.time_unit == "auto" and abs(value) >= _MILLISECONDS_FROM
            )
            try:
                return datetime.fromtimestamp(value / 1000 if milliseconds else value, UTC)
            except (ValueError, OverflowError, OSError):
                sentence = f"The field {path} is {value}, a time outside the years 1 to 9999."
                raise EnvelopeError(sentence) from None
        sentence = (
            f"The field {path} is missing or no time ({self.time_unit}), and the format says that it is one."
        )
        raise EnvelopeError(sentence)


def _checked(device_id: str) -> str:
    if _DEVICE_ID.fullmatch(device_id) is None:
        sentence = "The device's id has spaces, control characters or more than 200 characters."
        raise EnvelopeError(sentence)
    return device_id


def _around(topic: str) -> tuple[str, str] | None:
    """Return what stands before and after a topic's only changing level; None: there are others."""
    before, device, after = topic.partition("{device}")
    return (before, after) if device and not any(sign in before + after for sign in "+#{") else None


def _between(around: tuple[str, str], topic: str) -> str | None:
    """Return the level between, in a third of the time that a pattern takes; None: it is another topic."""
    before, after = around
    if not (topic.startswith(before) and topic.endswith(after)):
        return None
    level = topic[len(before) : len(topic) - len(after)]
    return level if level and "/" not in level else None


@functools.lru_cache(maxsize=1024)
def compile_topic(topic: str) -> re.Pattern[str]:
    """Turn an MQTT topic filter with named levels into a pattern.

    Raises:
        ConfigurationError: it is no filter.
    """
    *levels, last = topic.split("/")
    if last != "#":
        levels, rest = [*levels, last], ""
    else:
        # MQTT 5, 4.7.1.2: `sport/#` also matches `sport`.
        rest = "(?:/.*)?" if levels else ".*"
    try:
        return re.compile("/".join(_level(level, topic) for level in levels) + rest, re.DOTALL)
    except re.error:
        sentence = f"The topic {topic} names two levels alike."
        raise ConfigurationError(sentence) from None


def _level(level: str, topic: str) -> str:
    if level == "+":
        return "[^/]*"
    if (name := _NAME.fullmatch(level)) is not None and name[1].isidentifier():
        return f"(?P<{name[1]}>[^/]+)"
    if any(sign in level for sign in "+#{}"):
        sentence = f"The topic {topic} is no MQTT topic filter: '{level}' cannot be one of its levels."
        raise ConfigurationError(sentence)
    return re.escape(level)


def _find(body: Any, path: str) -> Any:
    if "." not in path and type(body) is dict:
        return body.get(path)
    found = body
    for step in path.split("."):
        if isinstance(found, Mapping):
            found = found.get(step)
        elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    return found


def _scalar(body: Any, path: str) -> str:
    value = _find(body, path)
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    sentence = f"The field {path} is missing or neither text nor a whole number, and the format needs it."
    raise EnvelopeError(sentence)
