# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""A shape: what becomes of one set of quantities that devices of a kind measure together.

Which attributes they feed, in which units and within which limits, is worked out once; then a message
costs a few look-ups, comparisons and one `%`. Whatever is not as it should be is answered with None, and
the message is translated as a whole, which names what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import orjson
from msgspec import Struct
from pydantic import ConfigDict, TypeAdapter, ValidationError

from adapters.build import own_units, shared, slot
from adapters.derive import DERIVATIONS, VARIANTS, derive
from adapters.plans import DEVICE
from adapters.quality import limits as watched_limits
from adapters.readings import LARGEST
from models.errors import ConfigurationError
from models.ngsild import sent_value, to_json
from models.reading import EntityUpdate, Reading
from models.types import TYPES, attributes
from models.values import rfc3339
from ontology.loader import clean, conversion, quantities

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from adapters.build import Slot
    from adapters.plans import Plan
    from adapters.quality import Recent
    from models.types import Attribute

_SOME_TIME: Final = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

_Validate = Callable[[Any], Any]
# An attribute that is a number, and how it is made of a reading: position among the readings' values,
# factor and shift of the conversion (None: none), least and greatest value that the Smart Data Model allows,
# and its own check where limits are not all that it asks for.
_Number = tuple[int, float | None, float, float, float, _Validate | None]


# A derivation: formula, positions of the values that it needs, names of the parameters, limits.
_Step = tuple[Callable[..., Any], tuple[int, ...], tuple[str, ...], float, float]


class OddError(Exception):
    """A message is not as those before: it has to go the whole way."""


class _Other(Struct, frozen=True, kw_only=True, gc=False):
    """An attribute that is no plain number.

    Attributes:
        index: its position among the readings' values.
        words: JSON by the reading's text, for enumerations.
        validate: for all others; the Smart Data Model's own check.
    """

    index: int
    words: Mapping[str, bytes] | None
    validate: _Validate


class _Part(Struct, frozen=True, kw_only=True, gc=False):
    """One entity of a shape.

    Attributes:
        template: its JSON without the closing brace: id, a value and a time for each attribute that was
            measured, a time for each that follows it.
        start: position of its first value.
        stop: after its last.
        size: how many gaps the template has.
        behind: gaps whose time is earlier, and by how much.
        feeds: it is what the device feeds, and not its Device.
    """

    type: str
    subject: str
    measured: tuple[str, ...]
    template: bytes
    start: int
    stop: int
    size: int
    behind: tuple[tuple[int, timedelta], ...]
    feeds: bool


class Shape(Struct, frozen=True, kw_only=True, gc=False):
    """What becomes of one set of quantities.

    Attributes:
        steps: how others are derived; their values follow those of the message.
        count: how many readings there are in the end.
        unmapped: quantities without an attribute.
        alone: of these, the ones that are not derived: name, position of the value, unit.
        cells: how each value becomes one of an attribute.
        numbers: the cells, where all of them are numbers: that is quicker.
        watched: quantities of which it is looked at how they change, sorted.
        places: positions of their values.
        parts: the entities.
    """

    steps: tuple[_Step, ...]
    count: int
    unmapped: tuple[str, ...]
    alone: tuple[tuple[str, int, str | None], ...]
    cells: tuple[_Number | _Other, ...]
    numbers: tuple[_Number, ...] | None
    watched: tuple[str, ...]
    places: tuple[int, ...]
    parts: tuple[_Part, ...]

    def fill(
        self,
        values: Sequence[Any],
        at: datetime,
        parameters: Mapping[str, float],
        plan: Plan,
        recent: Recent | None = None,
    ) -> tuple[EntityUpdate, ...] | None:
        """Make the entities; None: something is not as it should be.

        Args:
            values: of the quantities, plausible.
            at: when they were measured.
            parameters: of the device, for what is derived.
            plan: of the device.
            recent: what devices said before; None: nothing is watched.
        """
        if self.steps:
            values = [*values]
            for formula, positions, names, low, high in self.steps:
                found = formula(
                    *[values[index] for index in positions], *[parameters[name] for name in names]
                )
                if found is not True and found is not False:
                    found = round(found, 6)
                if not low <= found <= high:
                    return None
                values.append(found)
        flagged = recent is not None and self.watched and self._flagged(values, at, plan, recent)
        written = None if flagged else self._write(values)
        if written is None:
            return None
        stamp = stamp_of(at)
        updates: list[EntityUpdate] = []
        group = plan.group
        for part in self.parts:
            id_, known = (plan.feeds_id, group.feeds) if part.feeds else (plan.device_id, group.device)
            if known is None:
                return None
            gaps = [stamp] * part.size
            gaps[0] = orjson.dumps(id_)
            gaps[1 : 2 * (part.stop - part.start) : 2] = written[part.start : part.stop]
            for gap, period in part.behind:
                gaps[gap] = stamp_of(at - period)
            updates.append(
                EntityUpdate(
                    id=id_,
                    type=part.type,
                    subject=part.subject,
                    observed_at=at,
                    measured=part.measured,
                    head=part.template % tuple(gaps),
                    rest=plan,
                )
            )
        return tuple(updates)

    def _flagged(self, values: Sequence[Any], at: datetime, plan: Plan, recent: Recent) -> bool:
        """Say whether something changed as it never does: the whole way flags it."""
        seen = [values[index] for index in self.places]
        return recent.look(plan.device.id, at.timestamp(), self.watched, seen) is not None

    def _write(self, values: Sequence[Any]) -> list[bytes] | None:
        """Return the attributes' values as JSON."""
        if self.numbers is None:
            return _write_cells(self.cells, values)
        numbers = []
        for index, factor, shift, low, high, validate in self.numbers:
            value = values[index]
            value = clean(value) if factor is None else _converted(value, factor, shift)
            if not low <= value <= high:
                return None
            if validate is not None:
                value = validate(value)
            numbers.append(value)
        # One call for all takes an eighth of what `repr` of each does.
        return orjson.dumps(numbers)[1:-1].split(b",")


def _converted(value: float, factor: float, shift: float) -> float:
    """Convert as `adapters/build.py` does: see `ontology.loader.convert`."""
    text = f"{value * factor + shift:.12g}"
    # Rounding takes longer than all the rest, and does nothing where there are no more than nine decimals.
    return float(text) if len(text) <= _SHORT and "e" not in text else round(float(text), 9)


_SHORT = len("0.123456789")


def _write_cells(cells: Sequence[_Number | _Other], values: Sequence[Any]) -> list[bytes] | None:
    written = []
    for cell in cells:
        if isinstance(cell, tuple):
            index, factor, shift, low, high, validate = cell
            value = values[index]
            value = clean(value) if factor is None else _converted(value, factor, shift)
            if not low <= value <= high:
                return None
            text = orjson.dumps(value if validate is None else validate(value))
        elif cell.words is None:
            text = to_json(sent_value(cell.validate(values[cell.index])))
        else:
            word = cell.words.get(str(values[cell.index]).lower())
            if word is None:
                return None
            text = word
        written.append(text)
    return written


def _steps(
    last: Mapping[str, int], values: Sequence[Any], parameters: Mapping[str, float]
) -> tuple[tuple[str, ...], tuple[_Step, ...]]:
    """Return what `derive` derives from some quantities, and by which of its rows.

    Args:
        last: positions of the quantities.
        values: theirs.
        parameters: of the device.

    Raises:
        ConfigurationError: the parameters contradict each other.
        OddError: it is not certain by which rows.
    """
    readings = [
        # Nobody asks for the unit and the codec.
        Reading(quantity=name, value=values[index], unit=None, observed_at=_SOME_TIME, codec="")
        for name, index in last.items()
    ]
    found = {reading.quantity: reading.value for reading in derive(readings, parameters)}
    known = dict(last)
    steps: list[_Step] = []
    for row in (*VARIANTS, *DERIVATIONS):
        needed = (row.given, *row.also)
        if row.gives in known or not (known.keys() >= {*needed} and parameters.keys() >= {*row.parameters}):
            continue
        positions = tuple(known[name] for name in needed)
        known[row.gives] = len(values) + len(steps)
        steps.append((row.formula, positions, row.parameters, *limits(row.gives)))
    if list(found) != list(known):
        raise OddError
    return tuple(known)[len(last) :], tuple(steps)


def stamp_of(moment: datetime) -> bytes:
    """Write a moment of UTC as `rfc3339` of `models/values.py` does, in a fifth of its time."""
    text = orjson.dumps(moment, option=orjson.OPT_UTC_Z)
    return text[1:24] + b"Z" if len(text) == _WITH_MICROSECONDS else text[1:20] + b".000Z"


_WITH_MICROSECONDS = len('"2026-03-01T12:00:00.000000Z"')


def make_shape(
    given: tuple[str, ...],
    values: Sequence[Any],
    parameters: Mapping[str, float],
    type_name: str,
    moving: Mapping[str, Mapping[str, timedelta]],
) -> Shape | None:
    """Work out what becomes of some quantities; None: this kind of device has to be translated as a whole.

    Args:
        given: the quantities.
        values: some of their values: what is derived does not depend on them.
        parameters: of the device, likewise.
        type_name: what the device feeds.
        moving: by type, the attributes that follow the time of observation, and how far behind they are.
    """
    # One that comes twice: its last value counts.
    last = {name: index for index, name in enumerate(given)}
    try:
        derived, steps = _steps(last, values, parameters)
    except (ConfigurationError, OddError):
        return None
    last |= {name: index for index, name in enumerate(derived, len(given))}
    fed: dict[str, dict[str, _Number | _Other]] = {type_name: {}, DEVICE: {}}
    unmapped = []
    for name in last:
        target = next((entity for entity in (type_name, DEVICE) if slot(entity, name)), None)
        if target is None:
            unmapped.append(name)
            continue
        attribute, cell = _make_cell(target, name, last[name])
        if cell is None:
            return None
        fed[target][attribute] = cell
    parts: list[_Part] = []
    cells: list[_Number | _Other] = []
    for entity in (DEVICE,) if type_name == DEVICE or not fed[type_name] else (type_name, DEVICE):
        part = _make_part(entity, fed[entity], moving[entity], len(cells), own_units(entity, last))
        if part is None:
            return None
        parts.append(part)
        cells += fed[entity].values()
    numbers = tuple(cell for cell in cells if isinstance(cell, tuple))
    watched = tuple(sorted(last.keys() & watched_limits().keys()))
    return Shape(
        steps=steps,
        count=len(last),
        unmapped=tuple(unmapped),
        alone=tuple(
            (name, last[name], quantities()[name].unit) for name in unmapped if last[name] < len(given)
        ),
        cells=tuple(cells),
        numbers=numbers if cells and len(numbers) == len(cells) else None,
        watched=watched,
        places=tuple(last[name] for name in watched),
        parts=tuple(parts),
    )


def limits(quantity: str) -> tuple[float, float]:
    """Return the least and greatest value of a quantity that is physically possible."""
    known = quantities()[quantity]
    return (-LARGEST if known.low is None else known.low, LARGEST if known.high is None else known.high)


def _make_cell(type_name: str, quantity: str, index: int) -> tuple[str, _Number | _Other | None]:
    """Return the attribute that a quantity feeds, and how; None: not this way."""
    attribute, words, have, want = cast("Slot", slot(type_name, quantity))
    row = _row(type_name, attribute)
    if row is None or row.kind != "Property":
        return attribute, None
    adapter = _adapter(type_name, row.field)
    validate: _Validate = adapter.validator.validate_python
    cell: _Number | _Other | None = _Other(index=index, words=None, validate=validate)
    if words:
        cell = _enumeration(words, validate, index)
    elif quantities()[quantity].kind == "number":
        factor, shift = conversion(have, want) if have is not None and want is not None else (None, 0.0)
        inside = _range(adapter.core_schema)
        if inside is not None:
            cell = (index, factor, shift, *inside)
        elif factor is not None:
            cell = None
    return attribute, cell


def _enumeration(words: Mapping[str, Any], validate: _Validate, index: int) -> _Other | None:
    try:
        written = {text: to_json(sent_value(validate(value))) for text, value in words.items()}
    except ValidationError:
        return None
    return _Other(index=index, words=written, validate=validate)


def _row(type_name: str, attribute: str) -> Attribute | None:
    return next((row for row in attributes(TYPES[type_name]) if row.name == attribute), None)


@cache
def _adapter(type_name: str, field: str) -> TypeAdapter[Any]:
    """Return the check of one attribute of a Smart Data Model."""
    info = TYPES[type_name].model_fields[field]
    annotation: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
    return TypeAdapter(annotation, config=ConfigDict(allow_inf_nan=False))


_LIMITS = frozenset({"type", "strict", "ge", "le", "metadata", "allow_inf_nan"})


def _range(schema: Any) -> tuple[float, float, _Validate | None] | None:
    """Return least and greatest value of an attribute, and a check besides; None: it is not just a number."""
    while schema["type"] == "nullable":
        schema = schema["schema"]
    check: _Validate | None = None
    if schema["type"] == "function-after" and schema["function"]["type"] == "no-info":
        check, schema = schema["function"]["function"], schema["schema"]
    if schema["type"] != "float" or not schema.keys() <= _LIMITS:
        return None
    return schema.get("ge", -LARGEST), schema.get("le", LARGEST), check


def _make_part(
    type_name: str,
    fed: Mapping[str, Any],
    moving: Mapping[str, timedelta],
    start: int,
    own: Mapping[str, str],
) -> _Part | None:
    units = {row.name: own.get(row.name, row.unit) for row in attributes(TYPES[type_name])}
    # Written by the same hands as all other JSON, with marks where the gaps will be.
    body: dict[str, Any] = {"id": _GAP, "type": type_name}
    for name in fed:
        unit = units[name]
        body[name] = {"type": "Property", "value": _GAP}
        if unit is not None:
            body[name]["unitCode"] = unit
        body[name]["observedAt"] = _STAMP
    following = [name for name in moving if name not in fed]
    for name in following:
        if not _is_moment(type_name, name):
            return None
        body[name] = {"type": "Property", "value": {"@type": "DateTime", "@value": _STAMP}}
    template = orjson.dumps(body)[:-1].replace(b"%", b"%%")
    template = template.replace(orjson.dumps(_GAP), b"%b").replace(_STAMP.encode(), b"%b")
    first = 1 + 2 * len(fed)
    return _Part(
        type=type_name,
        subject=TYPES[type_name].subject,
        measured=shared(tuple(fed)),
        template=template,
        start=start,
        stop=start + len(fed),
        size=first + len(following),
        behind=tuple((first + n, moving[name]) for n, name in enumerate(following) if moving[name]),
        feeds=type_name != DEVICE,
    )


# No name of an attribute and no unit has them.
_GAP: Final = "\u2423gap"
_STAMP: Final = "\u2423stamp"


@cache
def _is_moment(type_name: str, attribute: str) -> bool:
    """Say whether an attribute is sent as a moment and nothing else."""
    row = _row(type_name, attribute)
    if row is None or row.kind != "Property" or row.unit is not None:
        return False
    sent = sent_value(_adapter(type_name, row.field).validate_python(_SOME_TIME))
    return bool(sent == {"@type": "DateTime", "@value": rfc3339(_SOME_TIME)})
