# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Plain JSON with more than one measurement in a message, or with times of any form: declared by its paths.

A message may hold an array of objects (`[{"t": …, "level": …}, …]`), of arrays (`[[t, level], …]`), an object
of arrays (`{"t": […], "level": […]}`), names beside values (`[{"name": "level", "value": …}, …]`), or one
measurement. Each measurement has its own time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adapters.fields import pick
from adapters.networks.plain import NETWORK, PlainFormat
from adapters.networks.times import Form, find_zone, read_time
from adapters.networks.words import reading
from models.errors import ConfigurationError, EnvelopeError
from models.uplink import Uplink
from ontology.loader import convert, quantities

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from models.device import FieldMapping

_MOST = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclaredFormat:
    """How one kind of message is read.

    Paths are keys and indices joined by dots: `meta.sensors.0.id`; an empty path is the whole.

    Attributes:
        topic: as that of `PlainFormat`.
        device: likewise; where the payload is an array, its first path is an index (`0.serial`).
        key: likewise.
        measurements: path of the array of measurements, or of the one measurement.
        time: path of the time in a measurement; where it has none, in the whole payload. None: when the
            message was received.
        time_form: `auto`, or the only form that is allowed; see `read_time`.
        zone: of times that name none, such as `Europe/Berlin`.
        name: path of the name of what a measurement measures, where names stand beside values.
        value: path of its value there.
        fields: what is measured: path in a measurement (or name) and quantity. Empty: the device's profile
            reads each measurement; where it reads none, names that are known to mean a quantity do.

    Raises:
        ConfigurationError: the topic is no filter, a zone, quantity or unit does not exist, or of name and
            value one alone is given.
    """

    topic: str
    device: str = "{device}"
    key: str | None = None
    measurements: str = ""
    time: str | None = None
    time_form: Form = "auto"
    zone: str | None = None
    name: str | None = None
    value: str | None = None
    fields: tuple[FieldMapping, ...] = ()
    _plain: PlainFormat = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_plain", PlainFormat(topic=self.topic, device=self.device, key=self.key))
        if self.zone is not None:
            find_zone(self.zone)
        if (self.name is None) != (self.value is None):
            sentence = f"The format for {self.topic} needs both name and value, or neither."
            raise ConfigurationError(sentence)
        for mapping in self.fields:
            _check(mapping)

    def matches(self, topic: str) -> bool:
        """Tell whether messages of this topic are of this format."""
        return self._plain.matches(topic)

    def read(self, topic: str, body: Any, *, received_at: datetime) -> Uplink:
        """Read one message.

        Raises:
            UnknownEnvelopeError: the topic does not match.
            EnvelopeError: a declared field is missing or of a wrong type, or there are too many measurements.
        """
        whole = dict(_numbered(body)) if type(body) is list else body
        known = self._plain.read(topic, whole, received_at=received_at)
        try:
            moments = self._moments(body, received_at)
        except EnvelopeError as error:
            error.device_id = known.device_id
            raise
        one = len(moments) == 1
        newest = max(moments, default=received_at)
        return Uplink(
            network=NETWORK,
            kind="data" if moments else "status",
            device_id=known.device_id,
            observed_at=newest,
            device_time=self.time is not None and bool(moments),
            key=known.key,
            decoded=(moments[newest] or None) if one and not self.fields else None,
            moments=tuple(sorted(moments.items())) if not one and not self.fields else (),
            normalized=tuple(self._measured(at, moments[at]) for at in sorted(moments)),
        )

    def _moments(self, body: Any, received_at: datetime) -> dict[datetime, dict[str, Any]]:
        """Return what was measured, by time."""
        moments: dict[datetime, dict[str, Any]] = {}
        for number, measurement in enumerate(self._measurements(body)):
            if number == _MOST:
                sentence = f"The message has more than {_MOST:,} measurements."
                raise EnvelopeError(sentence)
            at = self._time(measurement, body, number, received_at)
            moments.setdefault(at, {}).update(self._named(measurement, number))
        return moments

    def _measurements(self, body: Any) -> Iterator[Any]:
        found = find(body, self.measurements)
        if type(found) is list:
            # `[t, level]` is one measurement, `[[t, level]]` is an array of one.
            yield from found if not found or type(found[0]) in {list, dict} else [found]
        elif type(found) is dict:
            columns = None if self.time is None else find(found, self.time)
            yield from _rows(found) if type(columns) is list else [found]
        else:
            sentence = (
                f"The field {self.measurements or 'at the top'} is missing or neither array nor object,"
                " and the format says that measurements are there."
            )
            raise EnvelopeError(sentence)

    def _time(self, measurement: Any, body: Any, number: int, received_at: datetime) -> datetime:
        if self.time is None:
            return received_at
        value = find(measurement, self.time)
        if value is None:
            value = find(body, self.time)
        if value is None:
            sentence = (
                f"The measurement {number + 1} has no {self.time}, and the format says that it has a time."
            )
            raise EnvelopeError(sentence)
        return read_time(value, named=self.time, form=self.time_form, zone=self.zone, received_at=received_at)

    def _named(self, measurement: Any, number: int) -> dict[str, Any]:
        """Return the values of a measurement by name."""
        if self.name is None or self.value is None:
            return dict(_numbered(measurement)) if type(measurement) is list else _object(measurement, number)
        name, value = find(measurement, self.name), find(measurement, self.value)
        if not isinstance(name, str) or not name:
            sentence = f"The measurement {number + 1} has no name at {self.name}."
            raise EnvelopeError(sentence)
        return {name: value}

    def _measured(self, at: datetime, values: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"time": at.isoformat()}
        for mapping in self.fields:
            value = pick(values, mapping)
            if value is None:
                continue
            unit = quantities()[mapping.quantity].unit
            if mapping.unit and unit and not isinstance(value, bool | str):
                value = convert(value, mapping.unit, unit)
            found.setdefault(mapping.quantity, value)
        if not self.fields:
            for name, value in values.items():
                known = reading(name, value) if isinstance(value, bool | int | float) else None
                if known is not None:
                    found.setdefault(*known)
        return found


def find(body: Any, path: str) -> Any:
    """Return what stands at a path; an empty path is the whole; None: nothing."""
    found = body
    for step in path.split(".") if path else ():
        if type(found) is dict:
            found = found.get(step)
        elif type(found) is list and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    return found


def _numbered(values: list[Any]) -> Iterator[tuple[str, Any]]:
    return ((str(number), value) for number, value in enumerate(values))


def _rows(columns: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Turn columns of one length into rows; what is no column is in every row."""
    arrays = {name: column for name, column in columns.items() if type(column) is list}
    if len({len(column) for column in arrays.values()}) != 1:
        sentence = "The arrays of times and values are not of one length."
        raise EnvelopeError(sentence)
    rest = {name: value for name, value in columns.items() if name not in arrays}
    return (rest | dict(zip(arrays, row, strict=True)) for row in zip(*arrays.values(), strict=True))


def _object(measurement: Any, number: int) -> dict[str, Any]:
    if type(measurement) is not dict:
        sentence = f"The measurement {number + 1} is neither an object nor an array."
        raise EnvelopeError(sentence)
    return measurement


def _check(mapping: FieldMapping) -> None:
    quantity = quantities().get(mapping.quantity)
    if quantity is None:
        sentence = (
            f"There is no quantity “{mapping.quantity}”, which the field {mapping.path} is declared as."
        )
        raise ConfigurationError(sentence)
    if mapping.unit is None:
        return
    try:
        convert(1, mapping.unit, quantity.unit or "")
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
