# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""Looking up one value in the decoded fields of a device. Pure functions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.device import FieldMapping

Scalar = float | bool | str

# "2799 mm", "24.59", "-3,5 °C", "35 µg/m3": a number and perhaps a unit, as vendors write them.
_NUMBER = re.compile(r"([+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?)(?:\s+[^\d\s.,:+-].*|[^\d\s.,:+-]\D*)?")


def pick(fields: Any, mapping: FieldMapping) -> Scalar | None:
    """Return the value that a mapping names, before any conversion of units.

    Numbers come as numbers, also those that a codec wrote as text, with or without a unit
    ("2799 mm"). A value in `mapping.values` is replaced by what stands there; other text and
    booleans come as they are.

    Returns:
        None where the field is absent, null, an object or list without a `value`, or says by
        `mapping.missing` that nothing was measured.
    """
    value = _unwrap(walk(fields, mapping.path))
    if value is None:
        return None
    text = _text(value)
    if text in mapping.missing:
        return None
    if text in mapping.values:
        return mapping.values[text]
    return _number(value) if isinstance(value, str) else value


def walk(fields: Any, path: str) -> Any:
    """Return what stands at a path of keys and indices, or None.

    A last key may end in `*` and then stands for the first key, in their order, that begins
    so: `temperature_*` for the `temperature_3` of a device whose channels one cannot know.
    """
    found = fields
    for key in path.split("."):
        found = _step(found, key)
        if found is None:
            return None
    return found


def _step(found: Any, key: str) -> Any:
    if isinstance(found, dict):
        if key.endswith("*"):
            matches = sorted(name for name in found if isinstance(name, str) and name.startswith(key[:-1]))
            return found[matches[0]] if matches else None
        return found.get(key)
    if isinstance(found, list | tuple) and key.isdecimal() and int(key) < len(found):
        return found[int(key)]
    return None


def _unwrap(value: Any) -> Scalar | None:
    if isinstance(value, dict):
        value = value.get("value")
    return value if isinstance(value, bool | str | int | float) else None


def _text(value: Scalar) -> str:
    """Write a value as profiles do: true, 1, 0.5, words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _number(text: str) -> float | str:
    match = _NUMBER.fullmatch(text.strip())
    return float(match[1].replace(",", ".")) if match else text
