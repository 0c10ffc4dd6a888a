# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""What a file of devices would change, row by row, before anything is changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from compose.commands.device_input import DeviceInputError, read_device, written
from compose.commands.device_input import device_id as read_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from compose.commands.device_files import Record
    from models.device import Device, Profile


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What would change of a registered device: old and new value by name."""

    device: Device
    changes: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class RowError:
    """Why one row of a file cannot be used: a sentence without a full stop."""

    where: str
    row: int
    device: str | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a file would do."""

    new: tuple[Device, ...]
    changed: tuple[Change, ...]
    unchanged: int
    errors: tuple[RowError, ...]

    @property
    def devices(self) -> list[Device]:
        """All that has to be written."""
        return [*self.new, *(change.device for change in self.changed)]


def make_plan(
    records: Sequence[Record],
    registered: Mapping[str, Device],
    profiles: Mapping[str, Profile],
    models: Mapping[str, tuple[str, ...]] = {},
    progress: Callable[[int], None] = lambda _done: None,
) -> Plan:
    """Compare a file with what is registered.

    Of a device that is registered, what the file does not name stays as it is; an empty cell clears.

    Args:
        records: its rows.
        registered: devices in service.
        profiles: device profiles by name.
        models: by device, what its network server calls the model: decides where no profile is named.
        progress: is told how many rows were looked at.
    """
    new: list[Device] = []
    changed: list[Change] = []
    errors: list[RowError] = []
    where_of: dict[str, str] = {}
    unchanged = 0
    for number, record in enumerate(records, 1):
        name = _id_of(record)
        try:
            if record.wrong:
                raise DeviceInputError(list(record.wrong))  # noqa: TRY301 - said as any other reason is
            existing = registered.get(name)
            device = (
                read_device(record.given, profiles, models)
                if existing is None
                else reread(existing, merged(written(existing), record), profiles)
            )
        except DeviceInputError as error:
            errors += [_row_error(record, reason) for reason in error.reasons]
        else:
            if name in where_of:
                errors.append(_row_error(record, f"device {name} is there twice (also {where_of[name]})"))
            elif existing is None:
                new.append(device)
            elif changes := differences(existing, device):
                changed.append(Change(device=device, changes=changes))
            else:
                unchanged += 1
            where_of.setdefault(name, record.where)
        progress(number)
    return Plan(new=tuple(new), changed=tuple(changed), unchanged=unchanged, errors=tuple(errors))


def reread(existing: Device, given: Mapping[str, Any], profiles: Mapping[str, Profile]) -> Device:
    """Read what is said of a device that is registered; where it was taken from stays as it is.

    Raises:
        DeviceInputError: it cannot be so.
    """
    return replace(read_device(given, profiles), origin=existing.origin)


def _id_of(record: Record) -> str:
    """Return the id, as far as there is one: `read_device` says what is wrong with it."""
    try:
        return read_id(str(record.given.get("id") or ""))
    except DeviceInputError:
        return ""


def merged(known: Mapping[str, Any], record: Record) -> dict[str, Any]:
    """Return what is known of a device, with what a record says instead."""
    found: dict[str, Any] = {}
    for name, value in known.items():
        if name in record.named and name != "profile":
            continue
        if isinstance(value, dict):
            found[name] = {key: each for key, each in value.items() if f"{name}.{key}" not in record.named}
        else:
            found[name] = value
    for name, value in record.given.items():
        found[name] = {**found.get(name, {}), **value} if isinstance(value, dict) else value
    return found


def differences(old: Device, new: Device) -> dict[str, tuple[Any, Any]]:
    """Return what differs between two states of a device: old and new value by name."""
    before, after = _flat(written(old)), _flat(written(new))
    return {
        name: (before.get(name), after.get(name))
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    }


def _flat(said: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in said.items():
        if isinstance(value, dict):
            flat |= {f"{name.removesuffix('s')}.{key}": each for key, each in value.items()}
        else:
            flat[name] = value
    return flat


def _row_error(record: Record, reason: str) -> RowError:
    device = record.given.get("id")
    return RowError(where=record.where, row=record.row, device=str(device) if device else None, reason=reason)
